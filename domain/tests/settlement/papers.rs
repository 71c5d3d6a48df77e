//! What people take away from settlement: the bank's file, the year's totals for the tax office.

use crate::books::*;
use domain::settle::bank;
use domain::settle::run;
use domain::settle::tax::{self, Form, Thresholds};
use schemas::decimal::Amount;
use schemas::id::{PayoutId, RunId, StatementId};
use schemas::offset::Offset;
use schemas::record::payout::{Payout, PayoutState, PayoutStep};
use schemas::time::Micros;

fn payout(of: &str, number: u8, code: &str, amount: &str, state: PayoutState, at: &str) -> Payout {
    let revision = match state {
        PayoutState::Draft => 1,
        PayoutState::Approved => 2,
        PayoutState::Sent => 3,
        PayoutState::Settled => 4,
        PayoutState::Failed => 5,
    };
    Payout {
        payout_id: PayoutId([number; 16]),
        statement_id: StatementId([number; 16]),
        run_id: RunId([1; 16]),
        tenant: tenant(),
        publisher: publisher(of),
        currency: currency(code),
        amount: Amount::parse(amount).expect("an amount"),
        as_of: Micros::midnight(2026, 1, 5),
        state,
        revision,
        changed_at: Micros::parse(at).expect("a time"),
        by: "ann".into(),
        reference: None,
        reason: None,
    }
}

#[test]
fn the_banks_file_has_what_is_approved_and_not_sent() {
    let at = "2026-01-06T00:00:00Z";
    let approved = |of, number, code, amount| payout(of, number, code, amount, PayoutState::Approved, at);
    let other_run = Payout { run_id: RunId([2; 16]), ..approved("alpha", 9, "USD", "99") };
    let mut payouts = vec![
        approved("beta", 3, "USD", "1234.5"),
        approved("alpha", 1, "USD", "35"),
        approved("alpha", 2, "JPY", "1234"),
        payout("alpha", 4, "EUR", "20", PayoutState::Draft, at),
        approved("beta", 5, "EUR", "20"),
        payout("beta", 5, "EUR", "20", PayoutState::Failed, at),
        approved("gamma", 6, "KWD", "12.345"),
        other_run,
    ];
    let file = bank::file(RunId([1; 16]), &payouts);
    let id = |number: u8| format!("{number:02x}").repeat(16);
    let row = |number: u8, rest: &str| format!("{},default,{rest},2026-01-05,{}\r\n", id(number), id(number));
    let expected = [
        "payout_id,tenant,publisher,amount,currency,as_of,statement_id\r\n".to_owned(),
        row(2, "alpha,1234,JPY"),
        row(1, "alpha,35.00,USD"),
        row(3, "beta,1234.50,USD"),
        row(6, "gamma,12.345,KWD"),
    ];
    assert_eq!(file.csv, expected.concat());
    let totals: Vec<_> = file.totals.iter().map(|(code, (rows, sum))| format!("{code} {rows} {sum}")).collect();
    assert_eq!(totals, ["JPY 1 1234.000000", "KWD 1 12.345000", "USD 2 1269.500000"]);
    payouts.reverse();
    payouts.extend(payouts.clone());
    assert_eq!(bank::file(RunId([1; 16]), &payouts), file, "in any order, however often");
}

#[test]
fn a_file_sums_to_what_the_run_paid_out() {
    let mut books = Books::default();
    for (number, amount) in (0..).zip([1000, 2550, 999, 77_777]) {
        let of = ["alpha", "beta"][number % 2];
        books.take(&entry(of, &format!("S{number}"), 1, cents(amount), currency("USD"), day(1))).expect("booked");
    }
    let mut sent = books.take(&crate::books::run("R", day(2), Vec::new())).expect("a run");
    let drafts: Vec<_> = books.payouts.values().cloned().collect();
    for draft in &drafts {
        let approve = command(draft.payout_id, draft.publisher.as_str(), PayoutStep::Approve, day(3));
        sent.extend(books.take(&approve).expect("approved"));
    }
    let payouts: Vec<_> = books.payouts.values().cloned().collect();
    let file = bank::file(RunId::of(&tenant(), "R"), &payouts);
    let done = sent.iter().find_map(|sent| match sent {
        Sent::Done(done) => Some(done.totals[0]),
        Sent::Statement(_) | Sent::Payout(_) => None,
    });
    let done = done.expect("the run is done");
    assert_eq!(file.totals[&currency("USD")], (done.payouts, done.paid_out));
    assert_eq!((done.accounts, done.statements, done.paid_out), (2, 2, cents(1000 + 2550 + 999 + 77_777)));
}

#[test]
fn a_weekly_run_is_of_the_week_that_ended_last() {
    for (now, as_of, label) in [
        ("2026-11-22T23:59:59.999999Z", "2026-11-16", "2026-W46"),
        ("2026-11-23T00:00:00Z", "2026-11-23", "2026-W47"),
        ("2026-11-26T12:00:00Z", "2026-11-23", "2026-W47"),
        ("2027-01-04T00:00:00Z", "2027-01-04", "2026-W53"),
        ("2025-01-06T00:00:00Z", "2025-01-06", "2025-W01"),
        ("2021-01-08T00:00:00Z", "2021-01-04", "2020-W53"),
    ] {
        let now = Micros::parse(now).expect("a time");
        let run = run::weekly(&tenant(), now, Vec::new(), Offset(3));
        assert_eq!(run.as_of.to_string(), format!("{as_of}T00:00:00.000000Z"), "{now}");
        assert_eq!((run.label.as_str(), run.run_id), (label, RunId::of(&tenant(), label)), "{now}");
    }
}

#[test]
fn thresholds_are_those_of_their_year() {
    let set = Thresholds::default().with(2027, cents(206_000)).with(2024, cents(10_000));
    for (thresholds, year, expected) in [
        (Thresholds::default(), 2025, 60_000),
        (Thresholds::default(), 2026, 200_000),
        (Thresholds::default(), 2030, 200_000),
        (Thresholds::default().with(2026, cents(60_000)), 2026, 60_000),
        (set.clone(), 2023, 60_000),
        (set.clone(), 2025, 10_000),
        (set.clone(), 2026, 200_000),
        (set, 2028, 206_000),
    ] {
        assert_eq!(thresholds.of(year), cents(expected), "{year}");
    }
}

#[test]
fn a_year_has_what_was_settled_in_it() {
    let settled = |of, number, code, amount, at| payout(of, number, code, amount, PayoutState::Settled, at);
    let mut payouts = vec![
        settled("alpha", 1, "USD", "400.00", "2025-01-01T00:00:00Z"),
        settled("alpha", 2, "USD", "200.00", "2025-12-31T23:59:59.999999Z"),
        settled("alpha", 3, "USD", "5000.00", "2026-01-01T00:00:00Z"),
        settled("alpha", 4, "USD", "5000.00", "2024-12-31T23:59:59.999999Z"),
        payout("alpha", 5, "USD", "5000.00", PayoutState::Sent, "2025-06-01T00:00:00Z"),
        settled("alpha", 6, "EUR", "70.00", "2025-06-01T00:00:00Z"),
        settled("beta", 7, "USD", "599.99", "2025-06-01T00:00:00Z"),
        settled("beta", 8, "USD", "5000.00", "2025-06-01T00:00:00Z"),
        payout("beta", 8, "USD", "5000.00", PayoutState::Failed, "2026-02-01T00:00:00Z"),
        settled("abroad", 9, "USD", "5000.00", "2025-06-01T00:00:00Z"),
    ];
    let us = [("alpha", Form::Nec), ("beta", Form::Misc), ("idle", Form::Nec)];
    let us = us.into_iter().map(|(name, form)| ((tenant(), publisher(name)), form)).collect();
    let totals = |payouts: &[Payout], year| -> Vec<String> {
        let line = |total: tax::YearTotal| {
            let reportable = if total.reportable { "reportable" } else { "below" };
            let other: Vec<_> = total.unconverted.iter().map(|(code, sum)| format!("{code} {sum}")).collect();
            let (of, form, sum, count) = (total.publisher, total.form.name(), total.total, total.payouts);
            format!("{of} {form} {} {sum} of {count}, {reportable} {}", total.year, other.join(" ")).trim().to_owned()
        };
        tax::year_totals(year, payouts, &us, &Thresholds::default()).into_iter().map(line).collect()
    };
    let expected =
        ["alpha 1099-NEC 2025 600.000000 of 3, reportable EUR 70.000000", "beta 1099-MISC 2025 599.990000 of 1, below"];
    assert_eq!(totals(&payouts, 2025), expected);
    assert_eq!(totals(&payouts, 2026), ["alpha 1099-NEC 2026 5000.000000 of 1, reportable"]);
    payouts.reverse();
    payouts.extend(payouts.clone());
    assert_eq!(totals(&payouts, 2025), expected);
}
