//! What became of a conversion after it was reported: which refunds, chargebacks and status events count, and in what
//! state they leave it. How much they take back is `sold`'s.
//!
//! **Invariant (P3):** all by the events' own times and ids. Of two words that contradict each other the later one counts;
//! at the same time the one that pays less.

use super::facts::{self, Facts};
use super::ruling::Earned;
use super::sold::Sold;
use schemas::decimal::Amount;
use schemas::record::catalog::Approval;
use schemas::record::decision::Status;
use schemas::record::event::{Action, Event, Item};
use schemas::time::Micros;

/// What a network or the advertiser last said of the conversion as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Approved,
    Rejected,
}

pub(super) struct Life<'a> {
    word: Option<Word>,
    /// That count, by (time, id).
    pub refunds: Vec<&'a Event>,
    /// That count: in time and not won since.
    pub chargebacks: Vec<&'a Event>,
}

impl<'a> Life<'a> {
    pub fn of(facts: &'a Facts<'_>) -> Life<'a> {
        let counting =
            |action| facts.adjustments.iter().filter(move |event| event.action == action && counts(facts, event));
        let said = facts.events.iter().chain(&facts.adjustments).filter_map(|event| {
            let word = word_of(event.action)?;
            (!facts::is_late(event)).then_some((event.occurred_at, word))
        });
        Life {
            word: said.max().map(|(_, word)| word),
            refunds: counting(Action::Refund).collect(),
            chargebacks: counting(Action::Chargeback).collect(),
        }
    }

    /// Nobody may have earned anything: then there is no contract that could ask for an approval.
    pub fn status(&self, facts: &Facts, sold: &Sold, earned: Option<&Earned>) -> Status {
        if self.word == Some(Word::Rejected) {
            return Status::Rejected;
        }
        if sold.nothing_left() {
            return if sold.refunded_whole { Status::Refunded } else { Status::ChargedBack };
        }
        if self.word.is_none() && earned.is_some_and(|earned| waits(earned, facts.earning().action)) {
            return Status::Pending;
        }
        if sold.taken_back() > Amount::ZERO { Status::PartlyRefunded } else { Status::Approved }
    }
}

/// A lead is worth something where the contract says so, else it waits for its sale.
fn waits(earned: &Earned, action: Action) -> bool {
    let contract = earned.terms.body;
    let paid_as_lead = || contract.rates.iter().any(|rate| rate.action == Some(Action::Lead));
    contract.approval == Approval::Explicit || (action == Action::Lead && !paid_as_lead())
}

fn word_of(action: Action) -> Option<Word> {
    match action {
        Action::Sale | Action::Approved => Some(Word::Approved),
        Action::Rejected => Some(Word::Rejected),
        Action::Purchase
        | Action::Signup
        | Action::Custom
        | Action::AddToCart
        | Action::DropOff
        | Action::Refund
        | Action::Chargeback
        | Action::Lead
        | Action::Rebill
        | Action::ChargebackWon => None,
    }
}

fn counts(facts: &Facts, event: &Event) -> bool {
    !matches!(verdict(facts, event), "too_late" | "other_currency" | "won_back" | "unknown_item")
}

/// Why an adjustment counts or not: its kind where it does.
pub(super) fn verdict(facts: &Facts, event: &Event) -> &'static str {
    if facts::is_late(event) {
        "too_late"
    } else if names_money(event) && event.currency != facts.earning().currency {
        "other_currency"
    } else if event.action == Action::Chargeback && last_won(facts).is_some_and(|won| event.occurred_at <= won) {
        "won_back"
    } else if !event.items.is_empty() && event.items.iter().all(|item| item.value.is_zero() && !was_sold(facts, item)) {
        "unknown_item"
    } else {
        event.action.name()
    }
}

/// Money of two currencies does not add; to take everything back none needs to be named.
fn names_money(event: &Event) -> bool {
    let money = !event.value.is_zero() || event.items.iter().any(|item| !item.value.is_zero());
    money && matches!(event.action, Action::Refund | Action::Chargeback)
}

fn was_sold(facts: &Facts, item: &Item) -> bool {
    facts.events.iter().flat_map(|event| &event.items).any(|sold| sold.sku == item.sku)
}

/// Chargebacks up to and including this time are won; a later one is a dispute of its own.
fn last_won(facts: &Facts) -> Option<Micros> {
    let won = facts.adjustments.iter().filter(|event| event.action == Action::ChargebackWon && !facts::is_late(event));
    won.map(|event| event.occurred_at).max()
}
