//! Soft limits: what accounts report sums to what is booked, and a budget that is spent is said to be (P3).

use crate::books::*;
use domain::settle;
use domain::settle::budget::{self, Budget, Ledger, Report};
use proptest::prelude::*;
use schemas::decimal::Currency;
use schemas::name::CampaignId;
use schemas::record::budget::BudgetSpent;
use schemas::record::catalog::{self, BudgetPassed};
use schemas::record::journal::JournalEntry;
use schemas::record::state::{BalanceState, SettledState};
use schemas::time::Micros;
use std::collections::BTreeMap;

const ACCOUNTS: [&str; 3] = ["alpha", "beta", "gamma"];

fn campaign(name: &str) -> CampaignId {
    CampaignId::new(name).expect("a name")
}

fn terms(of: Option<&str>, limit: i64) -> catalog::Budget {
    catalog::Budget { publisher: of.map(publisher), currency: Currency::USD, from: Micros(100), limit: cents(limit) }
}

/// Summer's budget, with what was written of it.
struct Watched {
    terms: catalog::Budget,
    ledger: Ledger,
    written: Option<BudgetPassed>,
}

impl Watched {
    fn new(limit: i64) -> Watched {
        Watched { terms: terms(None, limit), ledger: Ledger::default(), written: None }
    }

    /// What a report adds to what is written.
    fn take(&mut self, report: &BudgetSpent) -> Option<BudgetPassed> {
        self.ledger.take(report.clone());
        let (tenant, campaign) = (tenant(), campaign("summer"));
        let budget = Budget { tenant: &tenant, campaign: &campaign, terms: &self.terms };
        let passed = budget.verdict(self.ledger.spent(), self.written.as_ref())?;
        self.written = Some(passed.clone());
        Some(passed)
    }
}

#[derive(Default)]
struct Accounts {
    settled: BTreeMap<(String, String), SettledState>,
    parts: BTreeMap<String, BudgetSpent>,
    reports: Vec<BudgetSpent>,
}

impl Accounts {
    fn take(&mut self, terms: &catalog::Budget, order: &str, entry: &JournalEntry) {
        let (tenant, campaign) = (tenant(), campaign("summer"));
        let budget = Budget { tenant: &tenant, campaign: &campaign, terms };
        let of = entry.publisher.to_string();
        let held = self.settled.get(&(of.clone(), order.to_owned()));
        let Some(booking) = settle::book(held, &BalanceState::default(), entry) else { return };
        let mine = self.settled.iter().filter(|((account, _), _)| *account == of).map(|(_, settled)| settled);
        let part = self.parts.get(&of).cloned().unwrap_or_else(|| budget::open(budget, &entry.publisher, mine));
        let change = budget::change(&part, held, &booking.settled);
        if !change.is_zero() {
            let (part, report) = budget::spend(part, change, Some(terms.limit));
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
fn a_budget_that_is_spent_pauses_once_for_each_limit() {
    let (mut accounts, mut budget) = (Accounts::default(), Watched::new(10_000));
    let mut said = Vec::new();
    for (of, order, revision, commission) in [
        ("alpha", "A", 1, 6_000),
        ("beta", "B", 1, 3_999),
        ("alpha", "C", 1, 50),
        ("beta", "D", 1, 500),
        ("beta", "D", 2, 0),
    ] {
        let before = accounts.reports.len();
        accounts.take(&budget.terms, order, &sale(of, order, revision, commission));
        for report in &accounts.reports[before..] {
            let passed = budget.take(report);
            said.extend(passed.map(|passed| (order.to_owned() + &revision.to_string(), passed.spent)));
            assert_eq!(budget.take(report), None, "a repeated report says nothing");
        }
    }
    // C is half a percent of the limit: not told before alpha's next report. Taking D back lifts nothing.
    assert_eq!(said, [("D1".to_owned(), cents(10_499))]);
    accounts.rest();
    assert_eq!(accounts.reports.last().and_then(|report| budget.take(report)), None);
    assert_eq!(budget.ledger.spent(), cents(10_049));
    // A higher limit lifts the pause, unless it is spent as well.
    budget.terms.limit = cents(10_050);
    assert_eq!(budget.take(accounts.reports.last().expect("one")), None);
    budget.terms.limit = cents(10_049);
    let again = budget.take(accounts.reports.last().expect("one")).expect("spent");
    assert_eq!((again.limit, again.spent), (cents(10_049), cents(10_049)));
}

#[test]
fn a_budget_set_on_a_campaign_that_runs_counts_what_its_accounts_hold() {
    let (before, budget) = (terms(Some("beta"), 1), terms(None, 10_000));
    let mut accounts = Accounts::default();
    accounts.take(&before, "A", &sale("alpha", "A", 1, 4_000));
    accounts.take(&before, "B", &sale("alpha", "B", 1, 300));
    accounts.take(&budget, "A", &sale("alpha", "A", 2, 3_000));
    assert_eq!(accounts.reports.last().map(|report| report.spent), Some(cents(3_300)));
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
        accounts.take(&terms(of, 1000), "A", &change(sale("alpha", "A", 1, 700)));
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
        let (mut accounts, mut budget) = (Accounts::default(), Watched::new(limit));
        for (number, (of, revisions)) in sales.iter().enumerate() {
            let order = format!("S{number}");
            for (revision, commission) in (1..).zip(revisions) {
                accounts.take(&budget.terms, &order, &sale(ACCOUNTS[*of], &order, revision, *commission));
            }
        }
        let spent: i64 = sales.iter().map(|(_, revisions)| revisions.last().expect("one")).sum();
        let untold: i64 = accounts.parts.values().map(|part| (part.spent - part.reported).0.abs() as i64 / 10_000).sum();
        prop_assert!(untold * 100 <= limit * 3, "each account keeps less than a step to itself");
        accounts.rest();
        let mut reports: Vec<_> = accounts.reports.iter().chain(&accounts.reports).zip(&places).collect();
        reports.sort_by_key(|(_, place)| **place);
        for (report, _) in reports {
            budget.take(report);
        }
        // It may be spent only for a while.
        prop_assert_eq!(budget.ledger.spent(), cents(spent));
        prop_assert!(spent < limit || budget.written.is_some_and(|written| written.spent >= cents(limit)));
    }
}
