//! Commissions, their split and the entries that book them (P5), revision by revision.

use crate::pipeline::{Input, Pipeline};
use crate::shop::*;
use schemas::decimal::{Amount, Ppm};
use schemas::offset::Offset;
use schemas::record::decision::Decision;
use schemas::record::event::Event;
use schemas::record::journal::{Cause, JournalEntry};

fn arriving(events: impl IntoIterator<Item = Event>) -> Vec<Input> {
    events.into_iter().map(|event| Input::Event(Box::new(event))).collect()
}

fn earned(inputs: Vec<Input>, event: &Event) -> Decision {
    Pipeline::run(catalog(), inputs).decision(event.conversion_id).expect("decided")
}

/// `r1 conversion alpha USD +10.00 -7.00 -3.00 = 7.00`
fn line(entry: &JournalEntry) -> String {
    let cents = |amount: Amount| format!("{}.{:02}", amount.0 / 1_000_000, amount.0.abs() / 10_000 % 100);
    let postings: Vec<_> = entry.postings.iter().map(|posting| cents(posting.amount)).collect();
    let cumulative = [entry.cumulative_commission, entry.cumulative_payout, entry.cumulative_platform_fee].map(cents);
    let (cause, publisher) = (entry.cause.name(), &entry.publisher);
    let (before, after) = (postings.join(" "), cumulative.join(" "));
    format!("r{} {cause} {publisher} {}: {before} = {after}", entry.revision, entry.currency)
}

fn check_entries(inputs: Vec<Input>, expected: &[&str]) {
    let entries = Pipeline::run(catalog(), inputs).entries;
    assert_eq!(entries.iter().map(line).collect::<Vec<_>>(), expected);
    for entry in entries {
        let accounts: Vec<_> = entry.postings.iter().map(|posting| posting.account.clone()).collect();
        assert_eq!(accounts, ["advertiser:acme".into(), format!("publisher:{}", entry.publisher), "platform".into()]);
    }
}

#[test]
fn the_arithmetic_reads_as_a_sentence() {
    let three = || ["alpha", "beta", "gamma"].into_iter().zip(1..);
    let clicks = |campaign: &'static str| {
        three().map(move |(of, number)| Input::Click(click(number, 1, of, campaign, HOUR - i64::from(number))))
    };
    let sold = |value: &str, currency: &str| sale("e").value(value, currency);
    for (campaign, event, expected) in [
        ("summer", sold("100", "USD"), "100.00 USD x 10 % = 10.00; platform 30 % = 3.00; publisher gamma 7.00"),
        (
            "autumn",
            sold("100", "USD"),
            "100.00 USD x 10 % = 10.00 by linear: alpha 3.34, beta 3.33, gamma 3.33; \
             platform 30 % = 1.00 + 1.00 + 1.00 = 3.00; publisher alpha 2.34, beta 2.33, gamma 2.33",
        ),
        (
            "winter",
            sold("1.05", "USD"),
            "1.05 USD x 10 % = 0.10 by position: alpha 0.04, beta 0.02, gamma 0.04; \
             platform 30 % = 0.01 + 0.01 + 0.01 = 0.03; publisher alpha 0.03, beta 0.01, gamma 0.03",
        ),
        ("summer", sold("1015", "JPY"), "1015 JPY x 10 % = 102; platform 30 % = 31; publisher gamma 71"),
        (
            "summer",
            sold("0.333333", "KWD"),
            "0.333333 KWD x 10 % = 0.033; platform 30 % = 0.010; publisher gamma 0.023",
        ),
        ("summer", sold("0", "USD"), "0.00 USD is nothing to pay for: commission 0.00"),
        ("summer", sold("-5", "USD"), "-5.00 USD is nothing to pay for: commission 0.00"),
    ] {
        let event = event.token(3, 1);
        let inputs = clicks(campaign).chain(arriving([event.clone()])).collect();
        assert_eq!(earned(inputs, &event).arithmetic, expected);
    }
}

#[test]
fn the_contract_is_the_one_that_was_known_and_in_effect() {
    for (event, version, rate) in [
        (sale("e"), 1, 100_000),
        (Event { catalog_offset: RAISED, ..sale("e") }, 2, 200_000),
        (Event { catalog_offset: RAISED, ..sale("e").after(-DAY) }, 2, 200_000),
        (Event { catalog_offset: RAISED, ..sale("e").after(-DAY - 1) }, 1, 100_000),
    ] {
        let decision = earned(arriving([event.clone().coupon("SAVE10")]), &event);
        let found = (decision.contract_version, decision.commission_rate_ppm.map(|rate| rate.0));
        assert_eq!(found, (Some(version), Some(rate)), "{event:?}");
        assert_eq!(decision.catalog_offset, event.catalog_offset);
    }
}

#[test]
fn an_event_from_an_edge_that_lags_behind_takes_the_contract_that_its_click_knew() {
    let event = Event { catalog_offset: Offset::NONE, ..sale("e").token(1, 1) };
    let click = Input::Click(click(1, 1, "alpha", "summer", HOUR));
    let decision = earned(std::iter::once(click).chain(arriving([event.clone()])).collect(), &event);
    assert_eq!((decision.contract_version, decision.commission_rate_ppm), (Some(1), Some(Ppm(100_000))));
}

#[test]
fn a_conversion_is_booked_once_and_corrected_by_its_difference() {
    let order = |event_id: &str| sale(event_id).order("O");
    check_entries(
        [
            arriving([order("b").token(1, 1), order("b").token(1, 1)]),
            vec![
                Input::Click(click(1, 1, "alpha", "summer", HOUR)),
                Input::Click(click(1, 1, "alpha", "summer", HOUR)),
            ],
            arriving([order("a").value("60", "USD").after(-MINUTE)]),
            arriving([order("c").coupon("SAVE10").after(MINUTE)]),
        ]
        .concat(),
        &[
            "r2 conversion alpha USD: 10.00 -7.00 -3.00 = 10.00 7.00 3.00",
            "r3 correction alpha USD: -4.00 2.80 1.20 = 6.00 4.20 1.80",
            "r4 correction alpha USD: -6.00 4.20 1.80 = 0.00 0.00 0.00",
            "r4 conversion gamma USD: 6.00 -4.20 -1.80 = 6.00 4.20 1.80",
        ],
    );
}

#[test]
fn what_was_lost_and_comes_back_is_a_correction() {
    let order = |event_id: &str| sale(event_id).order("O").coupon("SAVE10");
    check_entries(
        arriving([order("c"), order("b").value("0", "USD").after(-MINUTE), order("a").value("50", "USD").after(-HOUR)]),
        &[
            "r1 conversion gamma USD: 10.00 -7.00 -3.00 = 10.00 7.00 3.00",
            "r2 correction gamma USD: -10.00 7.00 3.00 = 0.00 0.00 0.00",
            "r3 correction gamma USD: 5.00 -3.50 -1.50 = 5.00 3.50 1.50",
        ],
    );
}

#[test]
fn another_currency_takes_all_of_the_old_back_first() {
    let order = |event_id: &str| sale(event_id).order("O").coupon("SAVE10");
    let inputs = arriving([
        order("c"),
        order("b").value("200", "EUR").after(-MINUTE),
        order("a").value("300", "USD").after(-HOUR),
    ]);
    let pipeline = Pipeline::run(catalog(), inputs.clone());
    let ids: Vec<_> = pipeline.entries.iter().map(|entry| entry.entry_id).collect();
    assert!((1..ids.len()).all(|at| !ids[..at].contains(&ids[at])), "entry ids differ: {ids:?}");
    check_entries(
        inputs,
        &[
            "r1 conversion gamma USD: 10.00 -7.00 -3.00 = 10.00 7.00 3.00",
            "r2 correction gamma USD: -10.00 7.00 3.00 = 0.00 0.00 0.00",
            "r2 correction gamma EUR: 20.00 -14.00 -6.00 = 20.00 14.00 6.00",
            "r3 correction gamma EUR: -20.00 14.00 6.00 = 0.00 0.00 0.00",
            "r3 correction gamma USD: 30.00 -21.00 -9.00 = 30.00 21.00 9.00",
        ],
    );
}

#[test]
fn an_event_that_turns_out_to_be_an_order_is_taken_back_and_booked_there() {
    let inputs = arriving([sale("e").coupon("SAVE10"), sale("e").order("O").coupon("SAVE10")]);
    check_entries(
        inputs,
        &[
            "r1 conversion gamma USD: 10.00 -7.00 -3.00 = 10.00 7.00 3.00",
            "r1 conversion gamma USD: 10.00 -7.00 -3.00 = 10.00 7.00 3.00",
            "r2 correction gamma USD: -10.00 7.00 3.00 = 0.00 0.00 0.00",
        ],
    );
}

#[test]
fn nothing_earned_books_nothing() {
    check_entries(arriving([sale("e"), sale("f").value("0", "USD").coupon("SAVE10")]), &[]);
}

#[test]
fn an_entry_is_held_from_the_receipt_of_its_event() {
    let event = sale("e").coupon("SAVE10").delayed(HOUR);
    let entry = Pipeline::run(catalog(), arriving([event.clone()])).entries.remove(0);
    assert_eq!(entry.cause, Cause::Conversion);
    assert_eq!(entry.hold_until, event.received_at.plus(30 * DAY));
    assert_eq!((entry.occurred_at, entry.received_at), (event.occurred_at, event.received_at));
}
