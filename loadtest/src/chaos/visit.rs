//! What a run sends in: visits, each with its journeys' clicks, the events that an advertiser reports, and when each
//! record reaches Kafka. A visit is a pure function of the seed and its number.
//!
//! Leaves what must follow from a visit to `expectation`, and records and their order to `stream`.

use super::chance::Chance;
use schemas::decimal::{Amount, Currency, Fixed};
use schemas::id::{ClickId, JourneyId, time_ordered};
use schemas::record::event::EvidenceSource;
use schemas::time::{MICROS_PER_DAY, Micros};

/// 2026-02-01T00:00:00Z, after the catalog takes effect.
const FIRST_VISIT: Micros = Micros(1_769_904_000_000_000);
/// Visits begin within so many days, over and over.
const DAYS: u64 = 100;
const MINUTE: u64 = 60_000_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

pub const PUBLISHERS: u8 = 12;

/// Places in the stream, of which a record takes about one: what is on time, and what is late.
const PROMPT: u64 = 2_000;
const LATE: std::ops::Range<u64> = 5_000..60_000;

#[derive(Clone, Debug, Default)]
pub struct Visit {
    pub clicks: Vec<PlannedClick>,
    pub events: Vec<PlannedEvent>,
}

#[derive(Clone, Debug)]
pub struct PlannedClick {
    pub id: ClickId,
    pub journey: JourneyId,
    pub at: Micros,
    pub publisher: u8,
    /// When its copies arrive, in places after the visit's beginning; a lost click has none.
    pub arrives: Vec<u64>,
}

/// One payload of one event id with one time of receipt.
#[derive(Clone, Debug)]
pub struct PlannedEvent {
    pub event_id: String,
    pub order_id: Option<String>,
    pub value: Amount,
    pub currency: Currency,
    pub at: Micros,
    pub received_at: Micros,
    /// By strength.
    pub tokens: Vec<Token>,
    pub arrives: Vec<u64>,
}

/// A click token found in an event.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    pub source: EvidenceSource,
    pub click: ClickId,
    pub journey: JourneyId,
}

#[derive(Clone, Copy, Debug)]
enum Story {
    NoConversion,
    OnTime,
    /// A click arrives long after the event that it counts for.
    LateClick,
    /// The event arrives before every click.
    EventFirst,
    /// Several events of one order, the earliest of which earns.
    SeveralOfOneOrder,
    /// Every record arrives again and again, events also with other times of receipt.
    Redelivered,
    /// Some or all touches are older than the look-back.
    OutOfWindow,
    /// The token's click never arrives.
    LostClick,
    /// Received more than 60 days after it happened.
    TooLate,
    /// The event names two journeys, of which the stronger may have lost its click.
    TwoJourneys,
    /// The token's click is stamped some minutes after the event.
    ClockSkew,
    /// One event id with two values; the one received first counts.
    Conflicting,
    /// The event comes without its order at first: what was booked for it moves to the order.
    OrderFoundLater,
    /// Two conversions in one journey.
    TwoConversions,
}

/// Of a thousand visits.
const STORIES: [(Story, u64); 14] = [
    (Story::NoConversion, 750),
    (Story::OnTime, 90),
    (Story::LateClick, 35),
    (Story::EventFirst, 30),
    (Story::SeveralOfOneOrder, 20),
    (Story::Redelivered, 15),
    (Story::OutOfWindow, 10),
    (Story::LostClick, 8),
    (Story::TooLate, 4),
    (Story::TwoJourneys, 14),
    (Story::ClockSkew, 6),
    (Story::Conflicting, 6),
    (Story::OrderFoundLater, 6),
    (Story::TwoConversions, 6),
];

/// The visit of this number.
pub fn visit(seed: u64, number: u64) -> Visit {
    let mut chance = Chance::new(seed, number);
    let mut left = chance.within(0..1000);
    let story = STORIES.iter().find(|(_, share)| left.checked_sub(*share).map(|rest| left = rest).is_none());
    let story = story.map_or(Story::NoConversion, |(story, _)| *story);
    let day = number % DAYS;
    let start = FIRST_VISIT.plus(day as i64 * MICROS_PER_DAY).plus(chance.within(0..DAY) as i64);
    let mut author = Author { number, chance, visit: Visit::default(), events: 0 };
    author.tell(story, start);
    author.visit
}

struct Author {
    number: u64,
    chance: Chance,
    visit: Visit,
    events: u32,
}

impl Author {
    fn tell(&mut self, story: Story, start: Micros) {
        let journey = self.journey(start);
        match story {
            Story::NoConversion => {
                self.browse(journey, start);
            }
            Story::OnTime => {
                let last = self.browse(journey, start);
                self.buy(journey, last);
            }
            Story::LateClick => {
                let last = self.browse(journey, start);
                let late = self.chance.place(self.visit.clicks.len());
                self.visit.clicks[late].arrives = vec![self.chance.within(LATE)];
                self.buy(journey, last);
            }
            Story::EventFirst => self.event_first(journey, start),
            Story::SeveralOfOneOrder => self.several_of_one_order(journey, start),
            Story::Redelivered => self.redelivered(journey, start),
            Story::OutOfWindow => {
                let last = self.browse(journey, start);
                let at = self.buy(journey, last);
                let shift = self.chance.within(24 * DAY..40 * DAY) as i64;
                self.visit.events[at].at = last.plus(shift);
                self.visit.events[at].received_at = last.plus(shift + 1_000_000);
            }
            Story::LostClick => {
                let last = self.browse(journey, start);
                let at = self.buy(journey, last);
                self.lose(self.visit.events[at].tokens[0].click);
            }
            Story::TooLate => {
                let last = self.browse(journey, start);
                let at = self.buy(journey, last);
                let late = self.chance.within(61 * DAY..80 * DAY) as i64;
                self.visit.events[at].received_at = self.visit.events[at].at.plus(late);
            }
            Story::TwoJourneys => self.two_journeys(journey, start),
            Story::ClockSkew => {
                let last = self.browse(journey, start);
                let at = self.buy(journey, last);
                let click = self.visit.clicks.last().map(|click| click.id).unwrap_or_default();
                let event = &mut self.visit.events[at];
                event.at = last.plus(-(self.chance.within(MINUTE..9 * MINUTE) as i64));
                // Half of them name another click, so that the one after the event does not count.
                if self.chance.percent(50) {
                    event.tokens[0].click = click;
                }
            }
            Story::Conflicting => {
                let last = self.browse(journey, start);
                let at = self.buy(journey, last);
                let mut other = self.visit.events[at].clone();
                other.value = self.value();
                other.received_at = other.received_at.plus(self.chance.within(1..HOUR) as i64);
                other.arrives = vec![self.chance.within(0..2 * PROMPT)];
                self.visit.events.push(other);
            }
            Story::OrderFoundLater => {
                let last = self.browse(journey, start);
                let at = self.buy(journey, last);
                let mut ordered = self.visit.events[at].clone();
                self.visit.events[at].order_id = None;
                ordered.order_id = Some(format!("o-{}", self.number));
                ordered.received_at = ordered.received_at.plus(1);
                ordered.arrives = vec![self.chance.within(LATE)];
                self.visit.events.push(ordered);
            }
            Story::TwoConversions => {
                let middle = self.browse(journey, start);
                self.buy(journey, middle);
                let after = middle.plus(self.chance.within(HOUR..DAY) as i64);
                let last = self.browse(journey, after);
                self.buy(journey, last);
            }
        }
    }

    fn event_first(&mut self, journey: JourneyId, start: Micros) {
        let last = self.browse(journey, start);
        for at in 0..self.visit.clicks.len() {
            self.visit.clicks[at].arrives = vec![self.chance.within(LATE)];
        }
        let at = self.buy(journey, last);
        self.visit.events[at].arrives = vec![0];
    }

    fn several_of_one_order(&mut self, journey: JourneyId, start: Micros) {
        let last = self.browse(journey, start);
        let order = Some(format!("o-{}", self.number));
        let mut currencies = vec![Currency::USD];
        if self.chance.percent(25) {
            // A correction then gives one currency back and books the other.
            currencies.push(yen());
        }
        for _ in 0..self.chance.within(2..5) {
            let at = self.buy(journey, last);
            self.visit.events[at].order_id.clone_from(&order);
            self.visit.events[at].currency = currencies[self.chance.place(currencies.len())];
            if self.chance.percent(40) {
                self.visit.events[at].arrives = vec![self.chance.within(LATE)];
            }
        }
    }

    fn redelivered(&mut self, journey: JourneyId, start: Micros) {
        let last = self.browse(journey, start);
        for at in 0..self.visit.clicks.len() {
            for _ in 0..self.chance.within(1..3) {
                let again = self.chance.within(0..LATE.end);
                self.visit.clicks[at].arrives.push(again);
            }
        }
        let at = self.buy(journey, last);
        for _ in 0..self.chance.within(1..4) {
            let mut again = self.visit.events[at].clone();
            if self.chance.percent(50) {
                again.received_at = again.received_at.plus(self.chance.within(1..DAY) as i64);
            }
            again.arrives = vec![self.chance.within(0..LATE.end)];
            self.visit.events.push(again);
        }
    }

    fn two_journeys(&mut self, journey: JourneyId, start: Micros) {
        let other = self.journey(start.plus(1000));
        let weaker = self.browse(other, start);
        let weaker_click = self.visit.clicks.last().map(|click| click.id).unwrap_or_default();
        let last = self.browse(journey, start).max(weaker);
        let at = self.buy(journey, last);
        let token = Token { source: EvidenceSource::LandingUrl, click: weaker_click, journey: other };
        self.visit.events[at].tokens.push(token);
        if self.chance.percent(40) {
            self.lose(self.visit.events[at].tokens[0].click);
        } else if self.chance.percent(50) {
            for click in self.visit.clicks.iter_mut().filter(|click| click.journey == journey) {
                click.arrives = vec![self.chance.within(LATE)];
            }
        }
    }

    fn journey(&mut self, at: Micros) -> JourneyId {
        JourneyId(time_ordered(at, self.chance.bytes()))
    }

    /// One to seven clicks of a journey, on time; returns when the last one was.
    fn browse(&mut self, journey: JourneyId, start: Micros) -> Micros {
        let mut at = start;
        for number in 0..self.chance.within(1..8) {
            if number > 0 {
                at = at.plus(self.chance.within(MINUTE..12 * HOUR) as i64);
            }
            let id = ClickId(time_ordered(at, self.chance.bytes()));
            let publisher = (self.chance.next() % u64::from(PUBLISHERS)) as u8;
            let arrives = vec![self.chance.within(0..PROMPT)];
            self.visit.clicks.push(PlannedClick { id, journey, at, publisher, arrives });
        }
        at
    }

    /// An event some time after `last` that carries the token of one of the journey's clicks; returns its place.
    fn buy(&mut self, journey: JourneyId, last: Micros) -> usize {
        let clicks: Vec<ClickId> =
            self.visit.clicks.iter().filter(|click| click.journey == journey).map(|click| click.id).collect();
        let click = clicks[self.chance.place(clicks.len())];
        let at = last.plus(self.chance.within(MINUTE..3 * DAY) as i64);
        self.events += 1;
        let event_id = format!("e-{}-{}", self.number, self.events);
        let order_id = self.chance.percent(30).then(|| format!("o-{event_id}"));
        let currency = if self.chance.percent(10) { yen() } else { Currency::USD };
        let value = self.value();
        let received_at = at.plus(self.chance.within(1000..HOUR) as i64);
        let arrives = vec![PROMPT + self.chance.within(0..PROMPT)];
        self.visit.events.push(PlannedEvent {
            event_id,
            order_id,
            value,
            currency,
            at,
            received_at,
            tokens: vec![Token { source: EvidenceSource::ClickId, click, journey }],
            arrives,
        });
        self.visit.events.len() - 1
    }

    /// Mostly whole cents, so that many commissions fall on half a cent; now and then nothing, or six decimals.
    fn value(&mut self) -> Amount {
        match self.chance.within(0..50) {
            0 => Fixed(0),
            1 => Fixed(-i128::from(self.chance.within(0..20_000_000))),
            2..5 => Fixed(i128::from(self.chance.within(0..500_000_000))),
            _ => Fixed(i128::from(self.chance.within(1..50_000)) * 10_000),
        }
    }

    fn lose(&mut self, id: ClickId) {
        self.visit.clicks.iter_mut().filter(|click| click.id == id).for_each(|click| click.arrives.clear());
    }
}

/// A currency without a minor unit.
pub fn yen() -> Currency {
    Currency::parse("JPY").unwrap_or(Currency::USD)
}
