//! Soft limits: what is booked against a budget, and when it is spent.
//!
//! A publisher's account knows its own part only; a campaign's parts lie in all partitions. So each account reports its
//! part, cumulative and in steps, and `Ledger` adds the parts up for whoever pauses the campaign. What is booked until the
//! pause is in effect is the overshoot. Hard caps are another matter.

use schemas::decimal::{Amount, Fixed};
use schemas::name::{CampaignId, PublisherId, TenantId};
use schemas::record::budget::BudgetSpent;
use schemas::record::catalog::{self, BudgetPassed};
use schemas::record::state::SettledState;
use std::collections::BTreeMap;

/// An account reports when its part has changed by this fraction of the limit: a campaign with 100 publishers is noticed
/// one limit late at worst, and a budget costs at most some hundred reports an account.
const STEPS: i128 = 100;

/// The part of an account of which nothing is known yet, by all that it holds.
pub fn open<'s>(
    budget: Budget<'_>,
    account: &PublisherId,
    held: impl IntoIterator<Item = &'s SettledState>,
) -> BudgetSpent {
    let mut part = BudgetSpent {
        tenant: budget.tenant.clone(),
        campaign: budget.campaign.clone(),
        publisher: budget.terms.publisher.clone(),
        currency: budget.terms.currency,
        from: budget.terms.from,
        account: account.clone(),
        spent: Amount::ZERO,
        reported: Amount::ZERO,
        revision: 0,
    };
    part.spent = held.into_iter().map(|settled| counts(&part, settled)).sum();
    part
}

/// What of a conversion counts.
fn counts(part: &BudgetSpent, settled: &SettledState) -> Amount {
    let counts = settled.campaign.as_ref() == Some(&part.campaign)
        && settled.currency == part.currency
        && settled.occurred_at >= part.from
        && part.publisher.as_ref().is_none_or(|publisher| *publisher == part.account);
    if counts { settled.commission } else { Amount::ZERO }
}

/// What an entry changes of an account's part: what the account holds for a conversion before and after it.
pub fn change(part: &BudgetSpent, before: Option<&SettledState>, after: &SettledState) -> Amount {
    counts(part, after) - before.map_or(Amount::ZERO, |before| counts(part, before))
}

/// Adds a change to an account's part, and says whether that is to be reported. Without a limit, of a budget that its campaign
/// does not have any more, nothing is.
pub fn spend(mut part: BudgetSpent, change: Amount, limit: Option<Amount>) -> (BudgetSpent, Report) {
    part.spent += change;
    let Some(limit) = limit else { return (part, Report::No) };
    let step = Fixed((limit.0 / STEPS).max(1));
    let moved = part.spent - part.reported;
    let crossed = (part.spent >= limit) != (part.reported >= limit);
    if crossed || moved >= step || -moved >= step { (reported(part), Report::Yes) } else { (part, Report::No) }
}

/// A budget with the campaign that has it.
#[derive(Clone, Copy, Debug)]
pub struct Budget<'a> {
    pub tenant: &'a TenantId,
    pub campaign: &'a CampaignId,
    pub terms: &'a catalog::Budget,
}

impl Budget<'_> {
    /// What is to be written of a budget of which so much is spent: that it is, once for each limit. `written` is the last that
    /// was. A refund after it lifts nothing: people do, by another limit.
    pub fn verdict(&self, spent: Amount, written: Option<&BudgetPassed>) -> Option<BudgetPassed> {
        let limit = self.terms.limit;
        let told = written.is_some_and(|written| written.limit == limit);
        (spent >= limit && !told).then(|| BudgetPassed {
            campaign: self.campaign.clone(),
            publisher: self.terms.publisher.clone(),
            currency: self.terms.currency,
            from: self.terms.from,
            limit,
            spent,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    Yes,
    No,
}

/// The rest that is below a step, with every run of settlement; None where all is reported.
pub fn rest(part: BudgetSpent) -> Option<BudgetSpent> {
    (part.spent != part.reported).then(|| reported(part))
}

fn reported(part: BudgetSpent) -> BudgetSpent {
    BudgetSpent { reported: part.spent, revision: part.revision + 1, ..part }
}

/// The parts of one budget: what they sum to is a function of the set of reports, in whatever order and however often
/// they come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger(BTreeMap<PublisherId, (i64, Amount)>);

impl Ledger {
    pub fn take(&mut self, report: BudgetSpent) {
        let part = self.0.entry(report.account).or_default();
        if report.revision > part.0 {
            *part = (report.revision, report.spent);
        }
    }

    pub fn spent(&self) -> Amount {
        self.0.values().map(|(_, spent)| *spent).sum()
    }
}
