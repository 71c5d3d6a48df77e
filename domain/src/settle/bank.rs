//! The bank file: what a run's approved payouts ask the bank for, as CSV (RFC 4180).
//!
//! Leaves to others where the publishers' accounts are: `payout_id` comes back as the bank's reference, and a
//! `PayoutCommand` says what the bank said.

use schemas::decimal::{Amount, Currency};
use schemas::id::{PayoutId, RunId};
use schemas::record::payout::{Payout, PayoutState};
use std::collections::BTreeMap;
use std::fmt::Write;

const HEADER: &str = "payout_id,tenant,publisher,amount,currency,as_of,statement_id\r\n";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankFile {
    /// By tenant, publisher and currency. No field needs quotes: names, ids, codes and numbers hold neither comma nor quote.
    pub csv: String,
    /// How many rows, and their sum.
    pub totals: BTreeMap<Currency, (i64, Amount)>,
}

/// The file of a run: those of its payouts that are approved and not sent yet. `payouts` may be given in any order and more
/// than once: of each, its last revision counts. So the same payouts give the same file.
pub fn file(run: RunId, payouts: &[Payout]) -> BankFile {
    let approved = |payout: &&Payout| payout.run_id == run && payout.state == PayoutState::Approved;
    let mut rows: Vec<_> = latest(payouts).into_values().filter(approved).collect();
    rows.sort_by_key(|payout| (&payout.tenant, &payout.publisher, payout.currency));
    let mut file = BankFile { csv: HEADER.to_owned(), totals: BTreeMap::new() };
    for payout in rows {
        let Payout { payout_id, tenant, publisher, amount, currency, as_of, statement_id, .. } = payout;
        let (amount_text, day) = (money(*amount, *currency), day(as_of.date()));
        let row =
            write!(file.csv, "{payout_id},{tenant},{publisher},{amount_text},{currency},{day},{statement_id}\r\n");
        row.expect("a string takes all that is written");
        let total = file.totals.entry(*currency).or_default();
        *total = (total.0 + 1, total.1 + *amount);
    }
    file
}

/// The last revision of each payout.
pub(super) fn latest(payouts: &[Payout]) -> BTreeMap<PayoutId, &Payout> {
    let mut latest: BTreeMap<PayoutId, &Payout> = BTreeMap::new();
    for payout in payouts {
        let known = latest.entry(payout.payout_id).or_insert(payout);
        if payout.revision > known.revision {
            *known = payout;
        }
    }
    latest
}

/// With the places of its currency, without a point where it has none. What is posted has no more places than that.
fn money(amount: Amount, currency: Currency) -> String {
    let text = amount.to_string();
    let cut = 6 - currency.minor_digits() as usize;
    text[..text.len() - cut].trim_end_matches('.').to_owned()
}

fn day((year, month, day): (i64, i64, i64)) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}
