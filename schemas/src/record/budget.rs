//! `budgets`: what accounts have booked against budgets, for whoever adds the parts up and pauses what is spent.

use crate::decimal::{Amount, Currency};
use crate::name::{CampaignId, PublisherId, TenantId};
use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// What one publisher's account has booked against a budget, cumulative; also settle's state of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetSpent {
    pub tenant: TenantId,
    pub campaign: CampaignId,
    /// None: the budget is of the whole campaign.
    pub publisher: Option<PublisherId>,
    pub currency: Currency,
    /// Conversions from this time on count.
    pub from: Micros,
    /// Whose account says so.
    pub account: PublisherId,
    /// Commission: what the advertiser pays.
    pub spent: Amount,
    /// The last `spent` that was sent.
    pub reported: Amount,
    /// From 1, one for each report; the highest counts. 0 before the first.
    pub revision: i64,
}
