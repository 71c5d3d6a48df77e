//! Soft limits: what is booked against a budget, and when it is spent.
//!
//! A publisher's account knows its own part only; a campaign's parts lie in all partitions. So each account reports its
//! part, cumulative and in steps, and `Ledger`, which the one writer of the catalog keeps, adds the parts up and says when
//! to pause. What is booked until the pause is in effect is the overshoot. Hard caps are another matter.

use schemas::decimal::{Amount, Currency, Fixed};
use schemas::name::{CampaignId, PublisherId, TenantId};
use schemas::record::budget::{BudgetPassed, BudgetSpent};
use schemas::record::state::SettledState;
use schemas::time::Micros;
use std::collections::BTreeMap;

/// An account reports when its part has changed by this fraction of the limit: a campaign with 100 publishers is noticed
/// one limit late at worst, and a budget costs at most some hundred reports an account.
const STEPS: i128 = 100;

/// A campaign's budget, or that of one publisher on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Budget {
    pub tenant: TenantId,
    pub campaign: CampaignId,
    /// None: of the whole campaign.
    pub publisher: Option<PublisherId>,
    pub currency: Currency,
    /// Conversions from this time on count.
    pub from: Micros,
    /// Of commission; more than zero.
    pub limit: Amount,
}

impl Budget {
    /// What of a conversion counts.
    fn counts(&self, account: &PublisherId, settled: Option<&SettledState>) -> Amount {
        let counts = |settled: &&SettledState| {
            settled.campaign.as_ref() == Some(&self.campaign)
                && settled.currency == self.currency
                && settled.occurred_at >= self.from
                && self.publisher.as_ref().is_none_or(|publisher| publisher == account)
        };
        settled.filter(counts).map_or(Amount::ZERO, |settled| settled.commission)
    }
}

/// Takes what an account holds for a conversion before and after an entry. `known` is the account's part so far. Returns
/// the part as it then is, where it changed, and whether it is to be reported.
pub fn spend(
    budget: &Budget,
    account: &PublisherId,
    known: Option<BudgetSpent>,
    before: Option<&SettledState>,
    after: &SettledState,
) -> Option<(BudgetSpent, Report)> {
    let change = budget.counts(account, Some(after)) - budget.counts(account, before);
    if change.is_zero() {
        return None;
    }
    let mut part = known.unwrap_or_else(|| BudgetSpent {
        tenant: budget.tenant.clone(),
        campaign: budget.campaign.clone(),
        publisher: budget.publisher.clone(),
        currency: budget.currency,
        from: budget.from,
        account: account.clone(),
        spent: Amount::ZERO,
        reported: Amount::ZERO,
        revision: 0,
    });
    part.spent += change;
    let step = Fixed((budget.limit.0 / STEPS).max(1));
    let moved = part.spent - part.reported;
    let crossed = (part.spent >= budget.limit) != (part.reported >= budget.limit);
    if crossed || moved >= step || -moved >= step {
        Some((reported(part), Report::Yes))
    } else {
        Some((part, Report::No))
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
pub struct Ledger {
    parts: BTreeMap<PublisherId, (i64, Amount)>,
    passed: Option<(i64, Amount)>,
}

impl Ledger {
    /// Takes a report. Says so when the budget is spent, and again when the overshoot has changed since.
    pub fn take(&mut self, budget: &Budget, report: &BudgetSpent) -> Option<BudgetPassed> {
        let part = self.parts.entry(report.account.clone()).or_default();
        if report.revision > part.0 {
            *part = (report.revision, report.spent);
        }
        let spent: Amount = self.parts.values().map(|(_, spent)| *spent).sum();
        let revision = match self.passed {
            None if spent < budget.limit => return None,
            None => 1,
            Some((_, last)) if last == spent => return None,
            Some((revision, _)) => revision + 1,
        };
        self.passed = Some((revision, spent));
        Some(BudgetPassed {
            tenant: budget.tenant.clone(),
            campaign: budget.campaign.clone(),
            publisher: budget.publisher.clone(),
            currency: budget.currency,
            from: budget.from,
            limit: budget.limit,
            spent,
            overshoot: spent - budget.limit,
            revision,
        })
    }
}
