//! What other terms would have paid, conversion by conversion and in sums.
//!
//! **Invariant:** a what-if is an amendment that nobody writes. So `adjust`, which writes it, books what was shown, and what
//! was adjusted before shows no difference again.

use crate::decide;
use schemas::catalog::Catalog;
use schemas::codec::DecodeError;
use schemas::decimal::{Amount, Currency};
use schemas::name::PublisherId;
use schemas::record::amendment::Amendment;
use schemas::record::decision::{Decision, PublisherShare};
use schemas::record::state::ConversionState;
use schemas::time::Micros;
use std::collections::BTreeMap;

/// A conversion as it is decided, and as it would be.
pub struct Compared {
    pub now: Decision,
    pub then: Decision,
}

impl Compared {
    /// Whether it pays otherwise.
    pub fn differs(&self) -> bool {
        self.now.currency != self.then.currency || paid(&self.now) != paid(&self.then)
    }
}

/// Compares; None where there is nothing to decide.
///
/// # Errors
/// As `decide::read`.
pub fn compare(
    state: &ConversionState,
    amendment: &Amendment,
    catalog: &Catalog,
) -> Result<Option<Compared>, DecodeError> {
    let Some(now) = decide::afresh(state, catalog)? else { return Ok(None) };
    let mut amended = state.clone();
    decide::merge_amendment(&mut amended, amendment)?;
    Ok(decide::afresh(&amended, catalog)?.map(|then| Compared { now, then }))
}

/// When an amendment has to be issued so that it holds: now, and after those that hold until now.
pub fn issue_at(state: &ConversionState, now: Micros) -> Micros {
    let last = state.amendments.last().map(|last| last.issued_at.plus(1));
    last.map_or(now, |after| now.max(after))
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paid {
    pub commission: Amount,
    pub payout: Amount,
    pub platform_fee: Amount,
}

impl Paid {
    fn of(share: &PublisherShare) -> Self {
        Paid { commission: share.commission, payout: share.payout, platform_fee: share.platform_fee }
    }

    fn add(&mut self, other: Paid) {
        self.commission += other.commission;
        self.payout += other.payout;
        self.platform_fee += other.platform_fee;
    }
}

/// By publisher, without those who get nothing.
pub fn paid(decision: &Decision) -> BTreeMap<&PublisherId, Paid> {
    let shares = decision.shares.iter().map(|share| (&share.publisher, Paid::of(share)));
    shares.filter(|(_, paid)| *paid != Paid::default()).collect()
}

/// Of one publisher in one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Those that pay the publisher otherwise.
    pub conversions: u64,
    /// Of these conversions.
    pub now: Paid,
    pub then: Paid,
}

/// Adds what differs, by publisher and currency.
pub fn add(sums: &mut BTreeMap<(PublisherId, Currency), Sum>, compared: &Compared) {
    let mut of: BTreeMap<(PublisherId, Currency), (Paid, Paid)> = BTreeMap::new();
    for (publisher, paid) in paid(&compared.now) {
        of.entry((publisher.clone(), compared.now.currency)).or_default().0 = paid;
    }
    for (publisher, paid) in paid(&compared.then) {
        of.entry((publisher.clone(), compared.then.currency)).or_default().1 = paid;
    }
    for (account, (now, then)) in of.into_iter().filter(|(_, (now, then))| now != then) {
        let sum = sums.entry(account).or_default();
        sum.conversions += 1;
        sum.now.add(now);
        sum.then.add(then);
    }
}
