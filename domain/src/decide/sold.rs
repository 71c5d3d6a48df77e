//! What was sold, in parts that a contract may pay differently, and how much of each was taken back.
//!
//! A refund names nothing (then all is taken back), an amount (then of all parts alike), or line items.

use super::exact;
use super::explain::money;
use super::facts::{self, Facts};
use super::life::Life;
use schemas::decimal::{Amount, Currency, Fixed, div_half_even};
use schemas::record::event::{Action, Event, Item};
use std::collections::BTreeMap;

pub(super) struct Sold<'f> {
    pub currency: Currency,
    /// Of the sale as reported, and of its rebills.
    pub value: Amount,
    /// Of one event after the other: its items, then what they leave of its value.
    pub parts: Vec<Part<'f>>,
    /// Everything was taken back, whatever it is worth.
    whole: bool,
    /// Refunds alone left nothing.
    pub refunded_whole: bool,
    /// Taken back without saying what, at most what the parts have left.
    pub of_all: Amount,
    /// What of the value refunds took back.
    pub refunded: Amount,
    /// What chargebacks took beyond that.
    pub charged_back: Amount,
}

pub(super) struct Part<'f> {
    pub event: &'f Event,
    /// None for what an event's items leave of its value.
    pub item: Option<&'f Item>,
    pub value: Amount,
    /// What of the value was taken back by naming the item.
    pub gone: Amount,
}

impl<'f> Sold<'f> {
    pub fn of(facts: &'f Facts<'_>, life: &Life<'_>) -> Sold<'f> {
        let earning = facts.earning();
        let mut sold = Sold {
            currency: earning.currency,
            value: earning.value,
            parts: parts_of(earning),
            whole: false,
            refunded_whole: false,
            of_all: Amount::ZERO,
            refunded: Amount::ZERO,
            charged_back: Amount::ZERO,
        };
        for rebill in facts.events.iter().filter(|event| rebills(facts, event)) {
            // A sale below zero takes nothing from what came after it.
            sold.value = sold.value.max(Amount::ZERO) + rebill.value;
            sold.parts.extend(parts_of(rebill));
        }
        if !life.refunds.is_empty() {
            sold.take_back(&life.refunds);
            sold.refunded = sold.taken_back();
            sold.refunded_whole = sold.nothing_left();
        }
        if !life.chargebacks.is_empty() {
            sold.take_back(&[life.refunds.as_slice(), &life.chargebacks].concat());
            sold.charged_back = sold.taken_back() - sold.refunded;
        }
        sold
    }

    /// What can be paid for: a value below zero sells nothing.
    fn sold_value(&self) -> Amount {
        self.parts.iter().map(|part| part.value).sum()
    }

    pub fn taken_back(&self) -> Amount {
        if self.whole {
            self.sold_value()
        } else {
            self.parts.iter().map(|part| part.gone).sum::<Amount>() + self.of_all
        }
    }

    /// What of the value nobody took back.
    pub fn left(&self) -> Amount {
        self.sold_value() - self.taken_back()
    }

    pub fn nothing_left(&self) -> bool {
        self.whole || (self.taken_back() > Amount::ZERO && self.taken_back() == self.sold_value())
    }

    /// What naming items has left of the parts: `of_all` is part of it.
    pub fn left_by_items(&self) -> Amount {
        self.parts.iter().map(|part| part.value - part.gone).sum()
    }

    /// Sets what these events take back, all together: so their order does not matter.
    fn take_back(&mut self, events: &[&Event]) {
        let mut of_sku: BTreeMap<&str, Taken> = BTreeMap::new();
        let mut of_all = Amount::ZERO;
        for event in events {
            if event.items.is_empty() {
                self.whole |= event.value <= Amount::ZERO;
                of_all += event.value.max(Amount::ZERO);
            }
            for item in &event.items {
                if self.parts.iter().any(|part| part.item.is_some_and(|sold| sold.sku == item.sku)) {
                    of_sku.entry(&item.sku).or_default().add(item);
                } else {
                    of_all += item.value;
                }
            }
        }
        for (sku, taken) in of_sku {
            let of_it = |part: &&mut Part| part.item.is_some_and(|sold| sold.sku == sku);
            let (mut value, mut pieces) = (Amount::ZERO, 0);
            for part in self.parts.iter_mut().filter(of_it) {
                value += part.value;
                pieces += part.pieces();
            }
            let mut gone = taken.of(value, pieces);
            for part in self.parts.iter_mut().filter(of_it) {
                part.gone = gone.min(part.value);
                gone = gone - part.gone;
            }
        }
        // What is worth nothing is taken back by naming any amount.
        self.whole |= of_all > Amount::ZERO && self.sold_value().is_zero();
        self.of_all = of_all.min(self.left_by_items());
    }
}

impl Part<'_> {
    pub fn pieces(&self) -> i64 {
        self.item.map_or(1, |item| i64::from(item.quantity.max(1)))
    }
}

/// What is taken back of one SKU.
#[derive(Default)]
struct Taken {
    all: bool,
    pieces: i64,
    value: Amount,
}

impl Taken {
    fn add(&mut self, item: &Item) {
        if item.value > Amount::ZERO {
            self.value += item.value;
        } else if item.quantity > 0 {
            self.pieces += i64::from(item.quantity);
        } else {
            self.all = true;
        }
    }

    /// Of a value and of so many pieces; all the pieces are all the value.
    fn of(&self, value: Amount, pieces: i64) -> Amount {
        if self.all || self.pieces >= pieces {
            return value;
        }
        let of_pieces = Fixed(div_half_even(value.0 * i128::from(self.pieces), i128::from(pieces)));
        (of_pieces + self.value).min(value)
    }
}

/// Whether an event adds its value to the conversion's.
pub(super) fn rebills(facts: &Facts, event: &Event) -> bool {
    let earning = facts.earning();
    event.action == Action::Rebill
        && !std::ptr::eq(event, earning)
        && !facts::is_late(event)
        && event.currency == earning.currency
        && event.value > Amount::ZERO
}

/// The items of an event, and what they leave of its value. Items that are worth more than the event (an order's
/// discount) are taken down to its value in proportion.
fn parts_of(event: &Event) -> Vec<Part<'_>> {
    let value = event.value.max(Amount::ZERO);
    let listed: Amount = event.items.iter().map(|item| item.value).sum();
    let mut rest = value;
    let mut parts = Vec::with_capacity(event.items.len() + 1);
    for (at, item) in event.items.iter().enumerate() {
        let worth = match (listed <= value, at + 1 == event.items.len()) {
            (true, _) => item.value,
            (false, false) => Fixed(exact::proportion(item.value.0, value.0, listed.0)).min(rest),
            (false, true) => rest,
        };
        rest = rest - worth;
        parts.push(Part { event, item: Some(item), value: worth, gone: Amount::ZERO });
    }
    if parts.is_empty() || !rest.is_zero() {
        parts.push(Part { event, item: None, value: rest, gone: Amount::ZERO });
    }
    parts
}

/// What an adjustment says, for a person: `30.00 USD`, `everything`, `2 x mug`.
pub(super) fn said(event: &Event) -> String {
    if event.items.is_empty() {
        return match event.value > Amount::ZERO {
            true => format!("{} {}", money(event.value, event.currency), event.currency),
            false => "everything".into(),
        };
    }
    let item = |item: &Item| match (item.value > Amount::ZERO, item.quantity) {
        (true, _) => format!("{} {} of {}", money(item.value, event.currency), event.currency, item.sku),
        (false, 0) => item.sku.clone(),
        (false, pieces) => format!("{pieces} x {}", item.sku),
    };
    event.items.iter().map(item).collect::<Vec<_>>().join(", ")
}
