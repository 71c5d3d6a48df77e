//! settle's rules: what a journal entry does to a publisher's account.
//!
//! An entry carries its conversion's cumulative amounts, so booking is cumulative minus held: a repeated entry books
//! nothing, without remembering entry ids, and a lost one is made up for by the next.

use schemas::decimal::Amount;
use schemas::record::journal::JournalEntry;
use schemas::record::state::{BalanceState, SettledState};

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
    let before = held.filter(|held| held.currency == entry.currency).map_or(Amount::ZERO, |held| held.payout);
    let after = entry.cumulative_payout;
    let balance = BalanceState {
        held: balance.held + after - before,
        conversions: balance.conversions + i64::from(!after.is_zero()) - i64::from(!before.is_zero()),
    };
    let settled = SettledState {
        revision: entry.revision,
        currency: entry.currency,
        commission: entry.cumulative_commission,
        payout: entry.cumulative_payout,
        platform_fee: entry.cumulative_platform_fee,
        hold_until: entry.hold_until,
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
