//! The difference between what a conversion earns and what is booked for it, as balanced journal entries (P5).
//!
//! What was booked stays listed at zero when a publisher loses it, so that whatever comes later is a correction.

use super::cause::Cause;
use super::commission::Earnings;
use super::ruling::{Earned, Terms};
use schemas::decimal::{Amount, Currency};
use schemas::id::EntryId;
use schemas::name::{CampaignId, PublisherId};
use schemas::record::decision::{Decision, PublisherShare};
use schemas::record::journal::{self, JournalEntry, Posting};
use schemas::record::state::Booked;
use schemas::time::{MICROS_PER_DAY, Micros};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Amounts {
    commission: Amount,
    payout: Amount,
    platform_fee: Amount,
}

impl Amounts {
    fn minus(self, other: Amounts) -> Amounts {
        Amounts {
            commission: self.commission - other.commission,
            payout: self.payout - other.payout,
            platform_fee: self.platform_fee - other.platform_fee,
        }
    }

    fn of(booked: &Booked) -> Amounts {
        Amounts { commission: booked.commission, payout: booked.payout, platform_fee: booked.platform_fee }
    }
}

/// Brings `booked` up to the decision; returns the entries that do it, by publisher.
pub(super) fn book(
    booked: &mut Vec<Booked>,
    decision: &Decision,
    earned: Option<&Earned>,
    earnings: Option<&Earnings>,
    cause: &Cause,
) -> Vec<JournalEntry> {
    let mut due: BTreeMap<PublisherId, (Option<Booked>, Option<Booked>)> = BTreeMap::new();
    for before in booked.drain(..) {
        let publisher = before.publisher.clone();
        due.entry(publisher).or_default().0 = Some(before);
    }
    if let (Some(earned), Some(earnings)) = (earned, earnings) {
        for share in earnings.shares.iter().filter(|share| !share.commission.is_zero()) {
            let after = target(share, &earned.campaign, earned.terms_of(&share.publisher), decision.currency);
            due.entry(share.publisher.clone()).or_default().1 = Some(after);
        }
    }
    let mut entries = Vec::new();
    for (publisher, (before, after)) in due {
        let hold = earned.map_or(0, |earned| i64::from(earned.terms_of(&publisher).body.hold_days));
        let hold_until = decision.received_at.plus(hold.saturating_mul(MICROS_PER_DAY));
        let tier_value = earnings.and_then(|earnings| earnings.tier_values.get(&publisher)).copied();
        let mut writer = Writer { decision, cause, hold_until, tier_value, entries: &mut entries };
        booked.extend(book_one(before, after, &mut writer));
    }
    entries
}

fn target(share: &PublisherShare, campaign: &CampaignId, terms: &Terms, currency: Currency) -> Booked {
    Booked {
        publisher: share.publisher.clone(),
        campaign: campaign.clone(),
        currency,
        contract: terms.contract.clone(),
        contract_version: terms.version,
        commission: share.commission,
        payout: share.payout,
        platform_fee: share.platform_fee,
    }
}

/// One publisher: from what is booked to what it earns. Returns what is then booked.
fn book_one(before: Option<Booked>, after: Option<Booked>, writer: &mut Writer) -> Option<Booked> {
    match (before, after) {
        (None, after) => {
            if let Some(after) = &after {
                writer.write(after, Amounts::default(), First::Yes, writer.hold_until);
            }
            after
        }
        (Some(before), Some(after)) if before.currency == after.currency => {
            let changed = writer.write(&after, Amounts::of(&before), First::No, writer.hold_until);
            Some(if changed { after } else { before })
        }
        (Some(before), after) => {
            // Money of two currencies does not add: all of the old goes back, then the new is booked.
            let nothing = emptied(&before);
            writer.write(&nothing, Amounts::of(&before), First::No, writer.decision.received_at);
            if let Some(after) = &after {
                writer.write(after, Amounts::default(), First::No, writer.hold_until);
            }
            Some(after.unwrap_or(nothing))
        }
    }
}

fn emptied(booked: &Booked) -> Booked {
    Booked { commission: Amount::ZERO, payout: Amount::ZERO, platform_fee: Amount::ZERO, ..booked.clone() }
}

/// Whether an entry is the first one that a publisher has of the conversion.
#[derive(Clone, Copy)]
enum First {
    Yes,
    No,
}

impl First {
    /// The cause of such an entry, and whether the event behind it is named.
    fn cause(self, of_change: &Cause) -> (journal::Cause, bool) {
        use journal::Cause;
        match (self, of_change.cause) {
            (_, Cause::Correction) if of_change.event.is_some() => (Cause::Correction, true),
            // What had waited for it, or had been taken back before it was ever booked.
            (First::Yes, Cause::Approved | Cause::Rebill | Cause::ChargebackWon) => (of_change.cause, true),
            (First::Yes, _) => (Cause::Conversion, false),
            (First::No, Cause::Conversion | Cause::Correction) => (Cause::Correction, false),
            (First::No, _) => (of_change.cause, true),
        }
    }
}

struct Writer<'w> {
    decision: &'w Decision,
    cause: &'w Cause,
    hold_until: Micros,
    tier_value: Option<Amount>,
    entries: &'w mut Vec<JournalEntry>,
}

impl Writer<'_> {
    /// Writes the entry that leads from `before` to `after`; false where they are equal.
    fn write(&mut self, after: &Booked, before: Amounts, first: First, hold_until: Micros) -> bool {
        let delta = Amounts::of(after).minus(before);
        if delta == Amounts::default() {
            return false;
        }
        let Decision { conversion_id, revision, .. } = *self.decision;
        let decision = self.decision;
        let postings = vec![
            Posting { account: format!("advertiser:{}", decision.advertiser), amount: delta.commission },
            Posting { account: format!("publisher:{}", after.publisher), amount: -delta.payout },
            Posting { account: "platform".into(), amount: -delta.platform_fee },
        ];
        // Every amount that gets here was split by subtraction, so this holds unless a rule above is broken.
        assert!(postings.iter().map(|posting| posting.amount).sum::<Amount>().is_zero(), "P5: entry does not balance");
        let (cause, of_other) = first.cause(self.cause);
        self.entries.push(JournalEntry {
            entry_id: EntryId::new(conversion_id, &after.publisher, revision, after.currency),
            tenant: decision.tenant.clone(),
            publisher: after.publisher.clone(),
            advertiser: decision.advertiser.clone(),
            campaign: after.campaign.clone(),
            conversion_id,
            revision,
            cause,
            occurred_at: decision.occurred_at,
            received_at: if of_other { self.cause.received_at } else { decision.received_at },
            currency: after.currency,
            contract: after.contract.clone(),
            contract_version: after.contract_version,
            postings,
            cumulative_commission: after.commission,
            cumulative_payout: after.payout,
            cumulative_platform_fee: after.platform_fee,
            hold_until,
            cause_event: self.cause.event.clone().filter(|_| of_other),
            tier_value: self.tier_value.filter(|_| !after.commission.is_zero()),
        });
        true
    }
}
