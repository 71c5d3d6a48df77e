//! Soft limits: what accounts report sums to what is booked, and a budget that is spent is said to be (P3).

use crate::books::*;
use domain::settle::budget::{self, Budget, Ledger, Report};
use domain::settle::{self};
use proptest::prelude::*;
use schemas::decimal::Currency;
use schemas::name::CampaignId;
use schemas::record::budget::BudgetSpent;
use schemas::record::journal::JournalEntry;
use schemas::record::state::{BalanceState, SettledState};
use schemas::time::Micros;
use std::collections::BTreeMap;

const ACCOUNTS: [&str; 3] = ["alpha", "beta", "gamma"];

fn campaign(name: &str) -> CampaignId {
    CampaignId::new(name).expect("a name")
}

fn budget(of: Option<&str>, limit: i64) -> Budget {
    Budget {
        tenant: tenant(),
        campaign: campaign("summer"),
        publisher: of.map(publisher),
        currency: Currency::USD,
        from: Micros(100),
        limit: cents(limit),
    }
}

#[derive(Default)]
struct Accounts {
    settled: BTreeMap<(String, String), SettledState>,
    parts: BTreeMap<String, BudgetSpent>,
    reports: Vec<BudgetSpent>,
}

impl Accounts {
    fn take(&mut self, budget: &Budget, order: &str, entry: &JournalEntry) {
        let of = entry.publisher.to_string();
        let held = self.settled.get(&(of.clone(), order.to_owned()));
        let Some(booking) = settle::book(held, &BalanceState::default(), entry) else { return };
        let known = self.parts.get(&of).cloned();
        if let Some((part, report)) = budget::spend(budget, &entry.publisher, known, held, &booking.settled) {
            if report == Report::Yes {
                self.reports.push(part.clone());
            }
            self.parts.insert(of.clone(), part);
        }
        self.settled.insert((of, order.to_owned()), booking.settled);
    }

    fn rest(&mut self) {
        self.reports.extend(self.parts.values().cloned().filter_map(budget::rest));
    }
}

fn sale(of: &str, order: &str, revision: i32, commission: i64) -> JournalEntry {
    JournalEntry {
        occurred_at: Micros(100),
        cumulative_commission: cents(commission),
        ..journal_entry(of, order, revision, cents(0), Currency::USD, day(0))
    }
}

#[test]
fn a_budget_that_is_spent_pauses_and_the_overshoot_is_told() {
    let budget = budget(None, 10_000);
    let (mut accounts, mut ledger) = (Accounts::default(), Ledger::default());
    let mut said = Vec::new();
    for (of, order, revision, commission) in [
        ("alpha", "A", 1, 6_000),
        ("beta", "B", 1, 3_999),
        ("alpha", "C", 1, 50),
        ("beta", "D", 1, 500),
        ("beta", "D", 2, 0),
    ] {
        let before = accounts.reports.len();
        accounts.take(&budget, order, &sale(of, order, revision, commission));
        for report in &accounts.reports[before..] {
            let passed = ledger.take(&budget, report);
            said.extend(
                passed.map(|passed| (order.to_owned() + &revision.to_string(), passed.spent, passed.overshoot)),
            );
            assert_eq!(ledger.take(&budget, report), None, "a repeated report says nothing");
        }
    }
    // C is half a percent of the limit: not told before alpha's next report.
    let told = |what: &str, spent, over| (what.to_owned(), cents(spent), cents(over));
    assert_eq!(said, [told("D1", 10_499, 499), told("D2", 9_999, -1)]);
    accounts.rest();
    let last = accounts.reports.last().and_then(|report| ledger.take(&budget, report)).expect("C's");
    assert_eq!((last.spent, last.overshoot, last.revision), (cents(10_049), cents(49), 3));
}

#[test]
fn what_is_not_the_budgets_does_not_count() {
    for (of, change, counts) in [
        (None, (|entry| entry) as fn(JournalEntry) -> JournalEntry, true),
        (Some("alpha"), |entry| entry, true),
        (Some("beta"), |entry| entry, false),
        (None, |entry| JournalEntry { occurred_at: Micros(99), ..entry }, false),
        (None, |entry| JournalEntry { currency: currency("EUR"), ..entry }, false),
        (None, |entry| JournalEntry { campaign: campaign("winter"), ..entry }, false),
    ] {
        let mut accounts = Accounts::default();
        accounts.take(&budget(of, 1000), "A", &change(sale("alpha", "A", 1, 700)));
        assert_eq!(accounts.reports.len(), usize::from(counts), "{of:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn p3_reports_in_any_order_sum_to_what_is_booked(
        sales in proptest::collection::vec((0..3_usize, proptest::collection::vec(0..3000_i64, 1..4)), 1..12),
        limit in 1..20_000_i64,
        places in proptest::collection::vec(any::<u64>(), 200),
    ) {
        let budget = budget(None, limit);
        let mut accounts = Accounts::default();
        for (number, (of, revisions)) in sales.iter().enumerate() {
            let order = format!("S{number}");
            for (revision, commission) in (1..).zip(revisions) {
                accounts.take(&budget, &order, &sale(ACCOUNTS[*of], &order, revision, *commission));
            }
        }
        let spent: i64 = sales.iter().map(|(_, revisions)| revisions.last().expect("one")).sum();
        let untold: i64 = accounts.parts.values().map(|part| (part.spent - part.reported).0.abs() as i64 / 10_000).sum();
        prop_assert!(untold * 100 <= limit * 3, "each account keeps less than a step to itself");
        accounts.rest();
        let mut reports: Vec<_> = accounts.reports.iter().chain(&accounts.reports).zip(&places).collect();
        reports.sort_by_key(|(_, place)| **place);
        let (mut ledger, mut last) = (Ledger::default(), None);
        for (report, _) in reports {
            last = ledger.take(&budget, report).or(last);
        }
        if spent >= limit {
            prop_assert_eq!(last.as_ref().map(|last| (last.spent, last.overshoot)), Some((cents(spent), cents(spent - limit))));
        } else if let Some(last) = last {
            prop_assert!(last.spent == cents(spent), "it was passed once, and what came back is told");
        }
    }
}
