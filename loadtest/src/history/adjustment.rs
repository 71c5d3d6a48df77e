//! What becomes of a visit's sales: refunds of a part or of all, before the sale, too late, repeated, in another
//! currency; chargebacks, won and lost; what a network says. A pure function of the seed and the visit's number.

use crate::chaos::chance::Chance;
use crate::chaos::visit::{PlannedEvent, Visit, yen};
use schemas::decimal::{Amount, Currency, Fixed};
use schemas::record::event::Action;
use schemas::time::Micros;

const MINUTE: u64 = 60_000_000;
const DAY: u64 = 24 * 60 * MINUTE;
/// Places in the stream: some before the sale, most after it, some long after.
const ARRIVES: std::ops::Range<u64> = 0..60_000;
/// Told apart from the visits' own chances.
const PURPOSE: u64 = 0x6164_6a75_7374;

#[derive(Clone, Debug)]
pub struct Adjustment {
    pub action: Action,
    pub event_id: String,
    pub of: Sale,
    /// 0 takes everything back.
    pub value: Amount,
    pub currency: Currency,
    pub at: Micros,
    pub received_at: Micros,
    pub arrives: Vec<u64>,
}

/// How it names the sale.
#[derive(Clone, Debug)]
pub struct Sale {
    pub order_id: Option<String>,
    pub event_id: Option<String>,
}

pub fn adjustments(seed: u64, number: u64, visit: &Visit) -> Vec<Adjustment> {
    let mut author = Author { number, chance: Chance::new(seed ^ PURPOSE, number), told: Vec::new() };
    for event in &visit.events {
        if author.chance.percent(35) {
            author.tell(event);
        }
    }
    author.told
}

struct Author {
    number: u64,
    chance: Chance,
    told: Vec<Adjustment>,
}

impl Author {
    fn tell(&mut self, event: &PlannedEvent) {
        match self.chance.within(0..20) {
            0..5 => {
                for _ in 0..self.chance.within(1..4) {
                    let part = self.part(event);
                    self.adjust(event, Action::Refund, part);
                }
            }
            5..8 => self.adjust(event, Action::Refund, Amount::ZERO),
            8 => {
                let more = event.value.max(Amount::ZERO) + Fixed(1_000_000);
                self.adjust(event, Action::Refund, more);
            }
            9 => {
                let all = event.value;
                self.adjust(event, Action::Refund, all);
            }
            10 => {
                let part = self.part(event);
                self.adjust(event, Action::Refund, part);
                self.last().arrives = vec![0];
            }
            11 => {
                let part = self.part(event);
                self.adjust(event, Action::Refund, part);
                self.last().currency = if event.currency == Currency::USD { yen() } else { Currency::USD };
            }
            12 => {
                let part = self.part(event);
                self.adjust(event, Action::Refund, part);
                let late = self.chance.within(61 * DAY..70 * DAY) as i64;
                let last = self.last();
                last.received_at = last.at.plus(late);
            }
            13 => self.repeated(event),
            14 => {
                let part = self.part(event);
                self.adjust(event, Action::Chargeback, part);
            }
            15 => {
                self.adjust(event, Action::Refund, Amount::ZERO);
                // Under the sale's own id: no repeat of the sale.
                self.last().event_id.clone_from(&event.event_id);
            }
            16 => {
                let part = self.part(event);
                self.adjust(event, Action::Refund, part);
                self.adjust(event, Action::Chargeback, Amount::ZERO);
            }
            17 => {
                self.adjust(event, Action::Chargeback, Amount::ZERO);
                self.adjust(event, Action::ChargebackWon, Amount::ZERO);
            }
            18 => self.adjust(event, Action::Rejected, Amount::ZERO),
            _ => {
                self.adjust(event, Action::Rejected, Amount::ZERO);
                self.adjust(event, Action::Approved, Amount::ZERO);
            }
        }
        if self.chance.percent(40) {
            self.adjust(event, Action::Approved, Amount::ZERO);
        }
    }

    /// One event id again and again, also with another amount; the one received first counts.
    fn repeated(&mut self, event: &PlannedEvent) {
        let part = self.part(event);
        self.adjust(event, Action::Refund, part);
        for _ in 0..self.chance.within(1..3) {
            let mut again = self.last().clone();
            again.received_at = again.received_at.plus(self.chance.within(1..DAY) as i64);
            if self.chance.percent(50) {
                again.value = self.part(event);
            }
            again.arrives = vec![self.chance.within(ARRIVES)];
            self.told.push(again);
        }
    }

    fn adjust(&mut self, event: &PlannedEvent, action: Action, value: Amount) {
        let at = event.at.plus(self.chance.within(MINUTE..20 * DAY) as i64);
        let by_event = event.order_id.is_none() || self.chance.percent(25);
        let of = Sale {
            order_id: event.order_id.clone().filter(|_| !by_event || self.chance.percent(30)),
            event_id: by_event.then(|| event.event_id.clone()),
        };
        self.told.push(Adjustment {
            action,
            event_id: format!("a-{}-{}", self.number, self.told.len() + 1),
            of,
            value,
            currency: event.currency,
            at,
            received_at: at.plus(self.chance.within(1000..60 * MINUTE) as i64),
            arrives: vec![self.chance.within(ARRIVES)],
        });
    }

    /// Of a value; in millionths here and there, so that shares are no whole cents.
    fn part(&mut self, event: &PlannedEvent) -> Amount {
        let value = event.value.0.max(0);
        let part = value * i128::from(self.chance.within(1..70)) / 100;
        Fixed(if self.chance.percent(70) { part / 10_000 * 10_000 } else { part }.max(1))
    }

    fn last(&mut self) -> &mut Adjustment {
        // Called after `adjust`, which pushed one.
        let last = self.told.len() - 1;
        &mut self.told[last]
    }
}
