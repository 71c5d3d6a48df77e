//! What US publishers were paid in a year, for forms 1099-NEC and 1099-MISC.
//!
//! Counted when paid: a settled payout belongs to the year of the bank's value date, UTC. Whether something that was set apart
//! at the year's end counts already (Treas. Reg. 1.6041-1(f)) is for a person to judge. A clawback lowers the payouts that it is taken from and needs no line of its own; a payout that the bank returned
//! was never paid. Leaves to others: who is a US person, by form W-9, and filing.

use schemas::decimal::{Amount, Currency, Fixed};
use schemas::name::{PublisherId, TenantId};
use schemas::record::payout::{Payout, PayoutState};
use std::collections::BTreeMap;

/// From which total on a publisher gets a form, by year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Each holds from its year until the next one.
    from_year: BTreeMap<i64, Amount>,
}

impl Default for Thresholds {
    /// 600.00 (Internal Revenue Code 6041(a) and 6041A(a)), and 2,000.00 for payments made after 2025 (Public Law 119-21,
    /// section 70433). From 2027 on the law adjusts the latter for inflation, so each year's figure is to be set when the
    /// IRS has published it.
    fn default() -> Self {
        Thresholds { from_year: BTreeMap::from([(i64::MIN, dollars(600)), (2026, dollars(2000))]) }
    }
}

impl Thresholds {
    /// From this year on, until a later one says otherwise.
    pub fn with(mut self, year: i64, threshold: Amount) -> Self {
        self.from_year.insert(year, threshold);
        self
    }

    pub fn of(&self, year: i64) -> Amount {
        self.from_year.range(..=year).next_back().map_or(Amount::ZERO, |(_, threshold)| *threshold)
    }
}

fn dollars(whole: i128) -> Amount {
    Fixed(whole * Amount::ONE.0)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Box 1, nonemployee compensation: what commissions usually are.
    Nec,
    /// Box 3, other income: prizes and the like that are no pay for services.
    Misc,
}

impl Form {
    pub fn name(self) -> &'static str {
        match self {
            Form::Nec => "1099-NEC",
            Form::Misc => "1099-MISC",
        }
    }
}

/// A US publisher's year on its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YearTotal {
    pub tenant: TenantId,
    pub publisher: PublisherId,
    pub form: Form,
    pub year: i64,
    /// US dollars, whatever the threshold.
    pub total: Amount,
    pub payouts: i64,
    /// The total reaches the year's threshold.
    pub reportable: bool,
    /// Paid in other currencies: a person converts it, at the rate of each payment's day, and adds it.
    pub unconverted: BTreeMap<Currency, Amount>,
}

/// The year of every US publisher that was paid anything in it, by tenant and publisher. `payouts` may be given in any order and
/// more than once: of each, its last revision counts. `us_publishers` are those with a form W-9.
pub fn year_totals(
    year: i64,
    payouts: &[Payout],
    us_publishers: &BTreeMap<(TenantId, PublisherId), Form>,
    thresholds: &Thresholds,
) -> Vec<YearTotal> {
    let mut totals: BTreeMap<(TenantId, PublisherId), YearTotal> = BTreeMap::new();
    let paid = |payout: &&Payout| payout.state == PayoutState::Settled && payout.changed_at.date().0 == year;
    for payout in super::bank::latest(payouts).into_values().filter(paid) {
        let key = (payout.tenant.clone(), payout.publisher.clone());
        let Some(&form) = us_publishers.get(&key) else { continue };
        let of_publisher = totals.entry(key).or_insert_with_key(|(tenant, publisher)| YearTotal {
            tenant: tenant.clone(),
            publisher: publisher.clone(),
            form,
            year,
            total: Amount::ZERO,
            payouts: 0,
            reportable: false,
            unconverted: BTreeMap::new(),
        });
        of_publisher.payouts += 1;
        if payout.currency == Currency::USD {
            of_publisher.total += payout.amount;
        } else {
            *of_publisher.unconverted.entry(payout.currency).or_default() += payout.amount;
        }
    }
    let threshold = thresholds.of(year);
    let judge = |total: YearTotal| YearTotal { reportable: total.total >= threshold, ..total };
    totals.into_values().map(judge).collect()
}
