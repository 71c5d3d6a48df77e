//! settle books each entry once, whatever is delivered again.

use crate::pipeline::{Input, Pipeline};
use crate::shop::*;
use domain::settle;
use schemas::decimal::Fixed;
use schemas::record::state::BalanceState;

#[test]
fn a_repeated_journal_changes_no_balance() {
    let order = |event_id: &str| sale(event_id).order("O").coupon("SAVE10");
    let events = [
        order("c"),
        order("b").value("200", "EUR").after(-MINUTE),
        order("a").value("300", "USD").after(-HOUR),
        sale("other").coupon("SAVE10"),
    ];
    let mut pipeline = Pipeline::run(catalog(), events.map(|event| Input::Event(Box::new(event))));
    let before = pipeline.ending();
    pipeline.replay_journal();
    assert_eq!(pipeline.ending(), before);
    let held: Vec<_> = before.balances.iter().map(|((_, currency), held)| (currency.code(), *held)).collect();
    assert_eq!(held, [("USD", (Fixed(28_000_000), 2))]);
}

#[test]
fn an_entry_makes_up_for_one_that_never_came() {
    let order = |event_id: &str| sale(event_id).order("O").coupon("SAVE10");
    let events = [order("b"), order("a").value("300", "USD").after(-HOUR)];
    let entries = Pipeline::run(catalog(), events.map(|event| Input::Event(Box::new(event)))).entries;
    let booked = settle::book(None, &BalanceState::default(), &entries[1]).expect("nothing is held");
    assert_eq!((booked.balance.held, booked.balance.conversions), (Fixed(21_000_000), 1));
    assert_eq!(settle::book(Some(&booked.settled), &booked.balance, &entries[0]), None, "an older revision");
}
