//! The part of an explanation that is about money: the contract, the arithmetic, the shares, the journal.

use super::text::{Text, time};
use crate::decide::explain::money;
use schemas::decimal::{Amount, Currency};
use schemas::record::decision::Decision;
use schemas::record::journal::{JournalEntry, Posting};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn contract(decision: &Decision, text: &mut Text) {
    text.heading("How much");
    if let (Some(contract), Some(version)) = (&decision.contract, decision.contract_version) {
        let campaign = decision.campaign.as_ref().map_or(String::new(), |campaign| format!(" of campaign {campaign}"));
        let percentage = decision.commission_rate_ppm.map_or(String::new(), |rate| format!(", {rate} of the value"));
        let platform =
            decision.platform_share_ppm.map_or(String::new(), |share| format!(", of which the platform keeps {share}"));
        let model = decision.paying_model.as_deref().map_or("", paid_by);
        text.note(&format!("Contract {contract}, version {version}{campaign}{percentage}{platform}{model}."));
    }
    for part in decision.arithmetic.split("; by contract ").enumerate() {
        match part {
            (0, sentence) => text.note(sentence),
            (_, sentence) => text.note(&format!("by contract {sentence}")),
        }
    }
    let show = |amount| money(amount, decision.currency);
    for share in decision.shares.iter().filter(|share| !share.commission.is_zero()) {
        let own = match (&share.contract, share.contract_version) {
            (Some(contract), Some(version)) => format!(", by its own contract {contract}, version {version}"),
            _ => String::new(),
        };
        let (commission, fee) = (show(share.commission), show(share.platform_fee));
        let (payout, publisher) = (show(share.payout), &share.publisher);
        text.note(&format!(
            "= {publisher}: the advertiser pays {commission}, {publisher} gets {payout}, the platform {fee}{own}"
        ));
    }
}

fn paid_by(model: &str) -> &'static str {
    match model {
        "last" => "; the last click is paid",
        "first" => "; the first click is paid",
        "linear" => "; all clicks are paid alike",
        "position" => "; the first and the last click are paid 40 % each, those between them the rest",
        "time_decay" => "; all clicks are paid, one of a week ago half as much as one of now",
        _ => "",
    }
}

/// Entry by entry, then what they come to.
pub(super) fn booked(decision: &Decision, entries: &[JournalEntry], text: &mut Text) {
    text.heading("What is booked");
    if entries.is_empty() {
        text.note("Nothing.");
        return;
    }
    // The advertiser, then the publishers, the platform last, as in the entries.
    let mut sums: BTreeMap<(Currency, bool, &str), Amount> = BTreeMap::new();
    for entry in entries {
        let cause = match &entry.cause_event {
            Some(event) => format!("{} by {event}", entry.cause.name()),
            None => entry.cause.name().to_owned(),
        };
        let postings = entry.postings.iter().map(|posting| said(&posting.account, posting.amount, entry.currency));
        let postings = postings.collect::<Vec<_>>().join(", ");
        text.note(&format!("revision {}, {cause}: {postings} {}", entry.revision, entry.currency));
        for Posting { account, amount } in &entry.postings {
            *sums.entry((entry.currency, !account.contains(':'), account)).or_default() += *amount;
        }
    }
    if entries.len() > 1 {
        for currency in sums.keys().map(|(currency, ..)| *currency).collect::<BTreeSet<_>>() {
            let of_it = sums.iter().filter(|((of, ..), _)| *of == currency);
            let each = of_it.map(|((.., account), amount)| said(account, *amount, currency));
            text.note(&format!("in all: {} {currency}", each.collect::<Vec<_>>().join(", ")));
        }
    }
    let left = decision.shares.iter().any(|share| !share.payout.is_zero());
    if let Some(last) = entries.last().filter(|_| left) {
        text.note(&format!("It can be paid out from {} on.", time(last.hold_until)));
    }
}

/// As an advertiser reads what it pays, and the others what they get.
fn said(account: &str, amount: Amount, currency: Currency) -> String {
    match account.split_once(':') {
        Some(("advertiser", name)) => format!("{name} pays {}", money(amount, currency)),
        Some((_, name)) => format!("{name} gets {}", money(-amount, currency)),
        None => format!("{account} gets {}", money(-amount, currency)),
    }
}
