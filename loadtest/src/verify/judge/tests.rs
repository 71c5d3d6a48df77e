//! A small run whose rows were worked out by hand, then one thing at a time wrong with it.

use super::*;
use crate::journeys::Totals;
use crate::record::{Clicks, Events, Latency, Run, RunId};
use crate::verify::credits::MODELS;
use crate::verify::warehouse::{Balance, BookRow, CreditRow, Pair};
use schemas::id::ClickId;
use schemas::name::PublisherId;
use std::collections::HashSet;

fn decimal<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("no decimal: {text}"))
}

/// Journey 1: alpha, beta, alpha, buys for 10. Journey 2: beta, buys for 0.25. Journey 3: no click was sent, buys for 1.
fn recorded() -> Recorded {
    let run = Run {
        run: RunId::new("a").expect("a name"),
        started_at: String::new(),
        edge: String::new(),
        data: String::new(),
        seed: 1,
        rate: 1,
        planned: Totals::default(),
        complete: true,
        clicks: Clicks::default(),
        events: Events::default(),
        seconds: 1.0,
        clicks_per_s: 1.0,
        click_latency: Latency::default(),
        event_latency: Latency::default(),
        visible: Latency::default(),
        never_visible: 0,
        cpu_us_per_request: 0.0,
        problems: Vec::new(),
    };
    let conversion = |journey: u8, value: &str, touches: &[u8]| Conversion {
        event_id: format!("Ea-{journey}"),
        conversion: ConversionId([journey; 16]),
        value: decimal(value),
        touches: touches.to_vec(),
        certain: true,
    };
    Recorded {
        run,
        clicks: (1..=4).map(|id| ClickId([id; 16])).collect(),
        unknown_clicks: 0,
        publishers: ["alpha", "beta"].map(|name| PublisherId::new(name).expect("a name")).to_vec(),
        conversions: vec![conversion(1, "10", &[0, 1, 0]), conversion(2, "0.25", &[1]), conversion(3, "1", &[])],
        unknown_events: HashSet::new(),
    }
}

fn found() -> Found {
    let decision = |journey: u8, outcome: &str, value: &str| DecisionRow {
        event_id: format!("Ea-{journey}"),
        conversion: ConversionId([journey; 16]),
        outcome: outcome.to_owned(),
        value: decimal(value),
    };
    let credit = |journey: u8, model: &str, publisher: &str, credit: &str, value: &str| CreditRow {
        conversion: ConversionId([journey; 16]),
        model: model.to_owned(),
        publisher: publisher.to_owned(),
        credit: decimal(credit),
        value: decimal(value),
    };
    let mut credits = vec![
        credit(1, "first", "alpha", "1", "10"),
        credit(1, "last", "alpha", "1", "10"),
        credit(1, "linear", "alpha", "0.666666666667", "6.66666666667"),
        credit(1, "linear", "beta", "0.333333333333", "3.33333333333"),
        credit(1, "position", "alpha", "0.8", "8"),
        credit(1, "position", "beta", "0.2", "2"),
        credit(1, "time_decay", "alpha", "1", "10"),
    ];
    credits.extend(MODELS.map(|model| credit(2, model, "beta", "1", "0.25")));
    let posting = |journey: u8, publisher: &str, kind: &str, amount: &str| PostingRow {
        conversion: ConversionId([journey; 16]),
        publisher: publisher.to_owned(),
        kind: kind.to_owned(),
        currency: "USD".to_owned(),
        amount: decimal(amount),
    };
    let balance = |publisher: &str, held: &str| Balance {
        publisher: publisher.to_owned(),
        currency: "USD".to_owned(),
        held: decimal(held),
    };
    let balances = vec![balance("alpha", "0.7"), balance("beta", "0.01")];
    Found {
        clicks: (1..=4).map(|id| ClickId([id; 16])).collect(),
        decisions: vec![
            decision(1, "attributed", "10"),
            decision(2, "attributed", "0.25"),
            decision(3, "unattributed", "1"),
        ],
        repeated_decisions: 0,
        credits,
        postings: vec![
            posting(1, "alpha", "advertiser", "1"),
            posting(1, "alpha", "publisher", "-0.7"),
            posting(1, "alpha", "platform", "-0.3"),
            posting(2, "beta", "advertiser", "0.02"),
            posting(2, "beta", "publisher", "-0.01"),
            posting(2, "beta", "platform", "-0.01"),
        ],
        books: vec![BookRow {
            currency: "USD".to_owned(),
            debits: decimal("1.02"),
            credits: decimal("1.02"),
            entries: 2,
        }],
        balances: balances.clone(),
        posted_balances: balances,
        hourly: vec![Pair { name: "clicks".to_owned(), table: "4".to_owned(), hourly: "4".to_owned() }],
    }
}

type Change = fn(&mut Recorded, &mut Found);

/// How the only mismatch begins, none where it is empty; and the change that causes it.
const ROWS: [(&str, Change); 23] = [
    ("", |_, _| {}),
    ("lost clicks: 03030303030303030303030303030303 was acknowledged", |_, found| _ = found.clicks.remove(2)),
    ("doubled clicks: 5 rows hold 4 click ids", |_, found| found.clicks.insert(0, ClickId([1; 16]))),
    ("clicks that nobody made: 1 were", |_, found| found.clicks.push(ClickId([9; 16]))),
    ("", |recorded, found| {
        recorded.unknown_clicks = 1;
        found.clicks.push(ClickId([9; 16]));
    }),
    ("lost conversions: Ea-3 was acknowledged and has no decision", |_, found| _ = found.decisions.pop()),
    ("doubled conversions: Ea-3 has 2 current decisions", |_, found| found.decisions.push(found.decisions[2].clone())),
    ("doubled conversions: 2 rows of decisions repeat a revision", |_, found| found.repeated_decisions = 2),
    ("conversions that nobody reported: Ea-9", |_, found| {
        found.decisions.push(DecisionRow { event_id: "Ea-9".to_owned(), ..found.decisions[2].clone() });
    }),
    ("", |recorded, found| {
        recorded.unknown_events.insert("Ea-9".to_owned());
        found.decisions.push(DecisionRow { event_id: "Ea-9".to_owned(), ..found.decisions[2].clone() });
    }),
    ("conversions that are not what was acknowledged: Ea-3 is", |_, found| {
        found.decisions[2].conversion = ConversionId([8; 16]);
    }),
    ("wrong outcomes: Ea-3 is attributed, expected unattributed", |_, found| {
        found.decisions[2].outcome = "attributed".to_owned();
    }),
    ("wrong credits: Ea-1, first", |_, found| found.credits[0].publisher = "beta".to_owned()),
    ("credits that do not add up: Ea-1, linear: 1.000000000001, expected 1.000000000000", |_, found| {
        found.credits[3].credit = decimal("0.333333333334");
        found.credits[3].value = decimal("3.33333333334");
    }),
    ("values that are not credit times value: Ea-1", |_, found| found.credits[0].value = decimal("9.99")),
    ("credits of an unknown model", |_, found| {
        found.credits.push(CreditRow { model: "magic".to_owned(), ..found.credits[0].clone() });
    }),
    // Not known which touches there are, so only that the conversion is there once.
    ("", |recorded, found| {
        recorded.conversions[0].certain = false;
        found.credits[0].publisher = "beta".to_owned();
    }),
    ("wrong money: Ea-1 has postings", |_, found| {
        found.postings[1].amount = decimal("-0.69");
        found.postings[2].amount = decimal("-0.31");
    }),
    ("wrong money: Ea-2 has postings {}", |_, found| found.postings.truncate(3)),
    ("postings to accounts of an unknown kind: other", |_, found| {
        found.postings.push(PostingRow {
            conversion: ConversionId([9; 16]),
            kind: "other".to_owned(),
            ..found.postings[0].clone()
        });
    }),
    ("books that do not balance: USD: debits 1.020000, credits 1.010000", |_, found| {
        found.books[0].credits = decimal("1.01");
    }),
    ("balances that are not the journal's", |_, found| found.balances[0].held = decimal("0.71")),
    ("hourly figures that differ: clicks: tables 4, hourly 5", |_, found| found.hourly[0].hourly = "5".to_owned()),
];

#[test]
fn each_thing_that_is_wrong_is_found_and_nothing_else() {
    for (expected, change) in ROWS {
        let (mut recorded, mut found) = (recorded(), found());
        change(&mut recorded, &mut found);
        let lines = judge(&recorded, &found, false).mismatches.lines();
        match expected {
            "" => assert_eq!(lines, Vec::<String>::new()),
            text => {
                assert_eq!(lines.len(), 1, "{text}: {lines:?}");
                assert!(lines[0].starts_with(text), "{text}: {lines:?}");
            }
        }
    }
}

#[test]
fn the_reference_is_demanded_of_the_whole_file_only() {
    let verdict = judge(&recorded(), &found(), false);
    assert!(!verdict.whole_file);
    let verdict = judge(&recorded(), &found(), true);
    assert_eq!(verdict.mismatches.count(REFERENCE), 72);
    assert_eq!(verdict.mismatches.count("not the whole file"), 1);
    let lines = verdict.mismatches.lines();
    assert!(lines.contains(&"figures that differ from the reference: 72 in all".to_owned()), "{lines:?}");
}
