//! The journal as the audit keeps it: per conversion, publisher and currency, each entry once, and their sum.

use super::audit::{Findings, Kind};
use super::expectation::Money;
use super::stream::{Plan, publisher_name};
use schemas::decimal::{Amount, Currency};
use schemas::id::ConversionId;
use schemas::record::journal::JournalEntry;
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Books(BTreeMap<(ConversionId, String, Currency), Account>);

#[derive(Default)]
struct Account {
    /// Where each revision's entry stands.
    entries: BTreeMap<i32, Vec<String>>,
    net: Money,
    /// What the newest entry says the sum is.
    cumulative: Money,
}

impl Books {
    pub fn enter(&mut self, entry: &JournalEntry, place: &str, findings: &mut Findings) {
        let id = entry.conversion_id;
        let sum: Amount = entry.postings.iter().map(|posting| posting.amount).sum();
        findings.add(Kind::Wrong, u64::from(!sum.is_zero()), || format!("entry of {id} at {place} sums to {sum}"));
        let account = self.0.entry((id, entry.publisher.to_string(), entry.currency)).or_default();
        if account.entries.keys().next_back().is_none_or(|newest| entry.revision >= *newest) {
            account.cumulative = Money {
                commission: entry.cumulative_commission,
                payout: entry.cumulative_payout,
                platform_fee: entry.cumulative_platform_fee,
            };
        }
        account.entries.entry(entry.revision).or_default().push(place.to_owned());
        let of = |prefix: &str| -> Amount {
            entry.postings.iter().filter(|at| at.account.starts_with(prefix)).map(|at| at.amount).sum()
        };
        account.net.commission += of("advertiser:");
        account.net.payout += -of("publisher:");
        account.net.platform_fee += -of("platform");
    }

    /// Holds the sums against the plan.
    pub fn close(mut self, plan: &Plan, findings: &mut Findings) {
        for (id, expected) in &plan.conversions {
            let due = expected.money;
            let Some(publisher) = expected.publisher.filter(|_| due != Money::default()) else { continue };
            match self.0.remove(&(*id, publisher_name(publisher), expected.currency)) {
                Some(account) => account.close(*id, due, findings),
                None => findings.add(Kind::Lost, 1, || format!("no entry for {id}, expected {due:?}")),
            }
        }
        // All others have been taken back, or nothing was to be booked.
        for ((id, ..), account) in self.0 {
            account.close(id, Money::default(), findings);
        }
    }
}

impl Account {
    fn close(self, id: ConversionId, due: Money, findings: &mut Findings) {
        let Account { entries, net, cumulative } = self;
        let shown = || format!("journal of {id}: expected {due:?}, entries sum to {net:?}: {entries:?}");
        let again: usize = entries.values().map(|places| places.len() - 1).sum();
        findings.add(Kind::Doubled, again as u64, shown);
        if again == 0 && net != due {
            let kind = match net.commission.cmp(&due.commission) {
                std::cmp::Ordering::Less => Kind::Lost,
                std::cmp::Ordering::Equal => Kind::Wrong,
                std::cmp::Ordering::Greater => Kind::Doubled,
            };
            findings.add(kind, 1, shown);
        } else if cumulative != due {
            findings.add(Kind::Wrong, 1, || format!("journal of {id}: expected {due:?}, newest says {cumulative:?}"));
        }
    }
}
