//! Budgets, and that one is spent.

use crate::decimal::{Amount, Currency};
use crate::name::{CampaignId, PublisherId};
use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// A soft limit of what an advertiser pays on a campaign: once settle has booked it, the campaign is paused (`BudgetPassed`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Budget {
    /// None: of the whole campaign.
    pub publisher: Option<PublisherId>,
    pub currency: Currency,
    /// Conversions from this time on count.
    pub from: Micros,
    /// Of commission; more than zero.
    pub limit: Amount,
}

/// A budget is spent. It pauses the campaign, or the publisher's links on it, for as long as the campaign has a budget of
/// this publisher, currency and time with a limit that is no higher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetPassed {
    pub campaign: CampaignId,
    pub publisher: Option<PublisherId>,
    pub currency: Currency,
    pub from: Micros,
    pub limit: Amount,
    pub spent: Amount,
}
