//! Statements, in `payouts`: what a run made of one account in one currency, with every line.

use crate::decimal::{Amount, Currency};
use crate::id::{ConversionId, PayoutId, RunId, StatementId};
use crate::name::{AdvertiserId, CampaignId, PublisherId, TenantId};
use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// `opening + returned + lines_total = payout + closing`, and the next opening is this closing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    pub statement_id: StatementId,
    pub run_id: RunId,
    pub tenant: TenantId,
    pub publisher: PublisherId,
    pub currency: Currency,
    /// Of the account in this currency, from 1 without a gap.
    pub number: i64,
    pub as_of: Micros,
    /// From 1: a statement with many lines is several records, which differ in `part` and `lines` only.
    pub part: i32,
    pub parts: i32,
    /// The closing of the statement before; negative where the publisher owes it.
    pub opening: Amount,
    /// Failed payouts that came back since.
    pub returned: Amount,
    /// Of all parts.
    pub lines_total: Amount,
    /// By time and conversion.
    pub lines: Vec<StatementLine>,
    pub payout_id: Option<PayoutId>,
    /// Zero where nothing is paid.
    pub payout: Amount,
    /// Carried on to the next statement.
    pub closing: Amount,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementLine {
    pub conversion_id: ConversionId,
    pub advertiser: Option<AdvertiserId>,
    pub campaign: Option<CampaignId>,
    /// The conversion's time.
    pub occurred_at: Micros,
    pub revision: i32,
    pub kind: LineKind,
    /// What earlier statements say of this conversion, together.
    pub stated_before: Amount,
    /// What this one adds; negative for a clawback.
    pub amount: Amount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// Nothing of it was stated before.
    Earned,
    /// More than was stated before.
    Raised,
    /// Less than was stated before.
    Clawback,
}

impl LineKind {
    pub fn name(self) -> &'static str {
        match self {
            LineKind::Earned => "earned",
            LineKind::Raised => "raised",
            LineKind::Clawback => "clawback",
        }
    }
}
