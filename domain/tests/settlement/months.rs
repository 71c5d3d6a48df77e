//! Monthly tiers: a function of the closed month (P3), booked as one correction that balances (P5).

use crate::books::*;
use domain::settle::month::{self, Terms};
use domain::settle::{self};
use proptest::prelude::*;
use schemas::codec;
use schemas::decimal::{Amount, Currency, Ppm};
use schemas::id::{ConversionId, EntryId};
use schemas::name::{CampaignId, ContractId};
use schemas::offset::Offset;
use schemas::record::catalog::Tier;
use schemas::record::journal::JournalEntry;
use schemas::record::settlement::SettlementRun;
use schemas::record::state::{BalanceState, MonthState, SettledState};
use schemas::time::{Micros, Month};
use std::collections::{BTreeMap, BTreeSet};

/// Alpha's account in USD on one campaign, as the shell keeps it.
#[derive(Default)]
struct Account {
    settled: BTreeMap<ConversionId, SettledState>,
    months: BTreeMap<Month, MonthState>,
    balance: BalanceState,
    entries: BTreeSet<EntryId>,
}

impl Account {
    fn take(&mut self, entry: &JournalEntry, tier_value: Option<Amount>) {
        let held = self.settled.get(&entry.conversion_id);
        let Some(mut booking) = settle::book(held, &self.balance, entry) else { return };
        booking.settled.tier_value = tier_value;
        let (before, after) = (held.and_then(month::counted), month::counted(&booking.settled));
        if let Some(before) = before {
            month::take_back(self.months.get_mut(&before.month).expect("it was added"), &before);
        }
        if let Some(after) = after {
            let known = self.months.remove(&after.month);
            self.months.insert(after.month, month::add(known, &after));
        }
        self.balance = booking.balance;
        self.settled.insert(entry.conversion_id, booking.settled);
    }

    fn close(&mut self, as_of: Micros, tiers: &[Tier]) {
        let run: SettlementRun = codec::decode(&run("R", as_of, Vec::new())).expect("encoded here");
        let (tenant, publisher) = (tenant(), publisher("alpha"));
        for known in self.months.clone().into_values() {
            let id = ConversionId::of_month(&tenant, &publisher, &known.campaign, known.month);
            let terms = terms(tiers);
            let correct =
                |booked: Option<&SettledState>| month::correct((&tenant, &publisher), &known, &terms, booked, &run);
            let Some(entry) = correct(self.settled.get(&id)) else { continue };
            assert!(entry.postings.iter().map(|posting| posting.amount).sum::<Amount>().is_zero(), "P5");
            assert!(self.entries.insert(entry.entry_id), "an entry has an id of its own");
            assert_eq!(entry.occurred_at, known.month.end().plus(-1), "it belongs to its month");
            self.take(&entry, None);
            assert_eq!(correct(self.settled.get(&id)), None, "at once again, it says nothing");
            let balance = self.balance.clone();
            self.take(&entry, None);
            assert_eq!(self.balance, balance, "the copy that comes back says nothing");
        }
    }
}

const CONTRACT: &str = "standard";

fn terms(tiers: &[Tier]) -> Terms<'_> {
    static ID: std::sync::OnceLock<ContractId> = std::sync::OnceLock::new();
    let contract = ID.get_or_init(|| ContractId::new(CONTRACT).expect("a name"));
    Terms { contract, contract_version: 1, tiers, platform_share: Ppm(300_000), hold_days: 30 }
}

fn from_count(count: i64, percent: i64) -> Tier {
    Tier { from_count: Some(count), from_revenue: None, rate_ppm: Ppm(percent * 10_000) }
}

fn from_revenue(revenue: i64, percent: i64) -> Tier {
    Tier { from_count: None, from_revenue: Some(cents(revenue)), rate_ppm: Ppm(percent * 10_000) }
}

/// A sale of so many cents, at 10 %, of which the platform keeps 30 %.
fn sale(order: &str, revision: i32, value: i64, at: Micros) -> JournalEntry {
    let (commission, fee) = (value / 10, value * 3 / 100);
    JournalEntry {
        occurred_at: at,
        cumulative_commission: cents(commission),
        cumulative_payout: cents(commission - fee),
        cumulative_platform_fee: cents(fee),
        ..journal_entry("alpha", order, revision, cents(0), Currency::USD, day(0))
    }
}

#[test]
fn a_tier_holds_for_all_of_its_month() {
    let tiers = [from_count(3, 12), from_revenue(1_000_000, 15)];
    for (sales, expected) in [
        // Sales of January in cents; then what the month adds: commission, payout, platform.
        (vec![], None),
        (vec![10_000, 10_000], None),
        (vec![10_000, 10_000, 10_000], Some(["6.000000", "4.200000", "1.800000"])),
        (vec![999_900], None),
        (vec![1_000_000], Some(["500.000000", "350.000000", "150.000000"])),
        (vec![10_000, 10_000, 1_000_000], Some(["510.000000", "357.000000", "153.000000"])),
    ] {
        let mut account = Account::default();
        for (number, value) in sales.iter().enumerate() {
            let entry = sale(&format!("S{number}"), 1, *value, Micros::midnight(2026, 1, 31));
            account.take(&entry, Some(cents(*value)));
        }
        account.close(Micros::midnight(2026, 2, 1).plus(-1), &tiers);
        assert!(account.entries.is_empty(), "January is not over: {sales:?}");
        account.close(Micros::midnight(2026, 2, 1), &tiers);
        let january = Month::of(Micros::midnight(2026, 1, 1));
        let campaign = CampaignId::new("summer").expect("a name");
        let id = ConversionId::of_month(&tenant(), &publisher("alpha"), &campaign, january);
        let is = account.settled.get(&id);
        let is = is.map(|is| [is.commission, is.payout, is.platform_fee].map(|amount| amount.to_string()));
        assert_eq!(is, expected.map(|amounts| amounts.map(str::to_owned)), "{sales:?}");
    }
}

#[test]
fn without_tiers_nothing_is_counted() {
    let mut account = Account::default();
    account.take(&sale("A", 1, 10_000, Micros(1)), None);
    assert!(account.months.is_empty());
}

#[test]
fn the_terms_of_a_month_stay_those_of_its_first_close() {
    let mut account = Account::default();
    account.take(&sale("A", 1, 10_000, Micros::midnight(2026, 1, 31)), Some(cents(10_000)));
    let known = account.months.into_values().next().expect("January");
    let run = SettlementRun {
        catalog_offset: Offset(9),
        ..codec::decode(&run("R", day(0), Vec::new())).expect("encoded here")
    };
    let last = Micros::parse("2026-01-31T23:59:59.999999Z").expect("a time");
    for (closed, offset) in [(None, 9), (Some(Offset(4)), 4)] {
        let as_of = month::terms_as_of(&MonthState { catalog_offset: closed, ..known.clone() }, &run);
        assert_eq!((as_of.offset, as_of.time), (Offset(offset), last));
    }
}

/// Of a sale: its revisions with values in dollars and the month of each, from 0.
type Sale = Vec<(i64, i64)>;

fn sales() -> impl Strategy<Value = Vec<Sale>> {
    proptest::collection::vec(proptest::collection::vec((prop_oneof![Just(0), 1..3000_i64], 1..4_i64), 1..4), 1..8)
}

fn half_even_tenths(number: i64) -> i64 {
    let (quotient, rest) = (number.div_euclid(10), number.rem_euclid(10));
    quotient + i64::from(rest > 5 || (rest == 5 && quotient % 2 != 0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn p3_a_months_correction_is_a_function_of_the_month(
        sales in sales(),
        places in proptest::collection::vec(any::<u64>(), 64),
        closes in proptest::collection::vec((0..24_usize, 1..5_i64), 0..4),
    ) {
        let tiers = [from_count(2, 12), from_revenue(300_000, 13), from_count(4, 11)];
        let mut log = Vec::new();
        for (number, revisions) in sales.iter().enumerate() {
            for (revision, (dollars, month)) in (1..).zip(revisions) {
                let at = Micros::midnight(2026, *month, 15);
                log.push((sale(&format!("S{number}"), revision, dollars * 100, at), cents(dollars * 100)));
            }
        }
        // Any order, half of it twice.
        let mut shuffled: Vec<_> = log.iter().chain(log.iter().step_by(2)).zip(&places).collect();
        shuffled.sort_by_key(|(_, place)| **place);
        let mut account = Account::default();
        for (at, ((entry, value), _)) in shuffled.iter().enumerate() {
            account.take(entry, Some(*value));
            for (_, month) in closes.iter().filter(|(place, _)| *place == at) {
                account.close(Micros::midnight(2026, *month, 1), &tiers);
            }
        }
        account.close(Micros::midnight(2026, 5, 1), &tiers);

        let mut payouts = 0;
        for month in 1..4 {
            let last = sales.iter().map(|revisions| revisions.last().expect("one")).filter(|(_, of)| *of == month);
            let dollars: Vec<i64> = last.map(|(dollars, _)| *dollars).filter(|dollars| *dollars > 0).collect();
            let (count, revenue) = (dollars.len(), dollars.iter().sum::<i64>());
            // Sales are of whole dollars, so a percent of them is whole cents.
            let rate = match (count, revenue) {
                (_, 3000..) => 13,
                (2.., _) => 12,
                _ => 10,
            };
            let commission = revenue * rate - revenue * 10;
            let fee = half_even_tenths(commission * 3);
            payouts += dollars.iter().map(|dollars| dollars * 10 - dollars * 3).sum::<i64>() + commission - fee;
            let campaign = CampaignId::new("summer").expect("a name");
            let month = Month::of(Micros::midnight(2026, month, 1));
            let id = ConversionId::of_month(&tenant(), &publisher("alpha"), &campaign, month);
            let is = account.settled.get(&id).map_or([Amount::ZERO; 3], |is| [is.commission, is.payout, is.platform_fee]);
            prop_assert_eq!(is, [commission, commission - fee, fee].map(cents), "{} sales of {}", count, revenue);
        }
        prop_assert_eq!(account.balance.held - account.balance.clawback, cents(payouts));
    }
}
