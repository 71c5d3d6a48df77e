//! settle's rules: what a journal entry does to a publisher's account (here), what a run of settlement makes of it
//! (`run`),
//! what becomes of a payout (`payout`), what a month's tier adds (`month`), what a budget has left (`budget`); and what
//! people take away from it: the bank's file (`bank`), the year's totals for the tax office (`tax`).
//!
//! An entry carries its conversion's cumulative amounts, so booking is cumulative minus held: a repeated entry books
//! nothing, without remembering entry ids, and a lost one is made up for by the next.
//!
//! **Invariant (P5):** per account and currency, what is booked = held - clawback + payable + in payment + paid. Held and
//! clawback are what statements do not say yet, the rest is what they say.

pub mod bank;
pub mod budget;
pub mod month;
pub mod payout;
pub mod run;
pub mod tax;

use schemas::decimal::Amount;
use schemas::record::journal::JournalEntry;
use schemas::record::state::{BalanceState, SettledState};
use schemas::time::Micros;

/// The account after an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// What is now held for the conversion.
    pub settled: SettledState,
    /// The balance in the entry's currency.
    pub balance: BalanceState,
}

/// Books an entry on what the account holds for its conversion and on the balance in the entry's currency; None where
/// it was booked already.
///
/// A conversion whose currency changes has two entries of one revision: the first takes the old currency back to
/// zero, the second books the new one.
pub fn book(held: Option<&SettledState>, balance: &BalanceState, entry: &JournalEntry) -> Option<Booking> {
    if held.is_some_and(|held| booked_already(held, entry)) {
        return None;
    }
    let held = held.filter(|held| held.currency == entry.currency);
    let (before, stated) = held.map_or_else(Default::default, |held| (held.payout, held.stated));
    let after = entry.cumulative_payout;
    let (was, is) = (Unstated::of(before, stated), Unstated::of(after, stated));
    let balance = BalanceState {
        held: balance.held + is.held - was.held,
        clawback: balance.clawback + is.clawback - was.clawback,
        conversions: balance.conversions + i64::from(!after.is_zero()) - i64::from(!before.is_zero()),
        ..balance.clone()
    };
    let settled = SettledState {
        revision: entry.revision,
        currency: entry.currency,
        commission: entry.cumulative_commission,
        payout: entry.cumulative_payout,
        platform_fee: entry.cumulative_platform_fee,
        hold_until: entry.hold_until,
        stated,
        advertiser: Some(entry.advertiser.clone()),
        campaign: Some(entry.campaign.clone()),
        occurred_at: entry.occurred_at,
        tier_value: entry.tier_value,
    };
    Some(Booking { settled, balance })
}

fn booked_already(held: &SettledState, entry: &JournalEntry) -> bool {
    let second_of_two = held.currency != entry.currency
        && held.commission.is_zero()
        && held.payout.is_zero()
        && held.platform_fee.is_zero();
    entry.revision < held.revision || (entry.revision == held.revision && !second_of_two)
}

/// When a run may state what statements do not say of a conversion yet; None where they say all. A reduction of what
/// was stated waits for no hold.
///
/// The store keeps an index by it, so that a run reads what it states and nothing else (decision 20).
pub fn due(settled: &SettledState) -> Option<Micros> {
    match settled.payout.cmp(&settled.stated) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => Some(Micros(0)),
        std::cmp::Ordering::Greater => Some(settled.hold_until.max(Micros(0))),
    }
}

/// What is booked for a conversion beside what was stated of it: more of it is held, less is to be clawed back.
struct Unstated {
    held: Amount,
    clawback: Amount,
}

impl Unstated {
    fn of(payout: Amount, stated: Amount) -> Self {
        let open = payout - stated;
        Unstated { held: open.max(Amount::ZERO), clawback: (-open).max(Amount::ZERO) }
    }
}
