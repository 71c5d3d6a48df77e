//! `journal`: balanced, immutable entries, one publisher and one conversion each (P5).

use crate::decimal::{Amount, Currency};
use crate::id::{ConversionId, EntryId};
use crate::name::{AdvertiserId, CampaignId, ContractId, PublisherId, TenantId};
use crate::time::Micros;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    pub entry_id: EntryId,
    pub tenant: TenantId,
    pub publisher: PublisherId,
    pub advertiser: AdvertiserId,
    pub campaign: CampaignId,
    pub conversion_id: ConversionId,
    pub revision: i32,
    pub cause: Cause,
    /// The conversion's time.
    pub occurred_at: Micros,
    /// When the event that caused it was received.
    pub received_at: Micros,
    pub currency: Currency,
    pub contract: ContractId,
    pub contract_version: i32,
    /// Sums to zero.
    pub postings: Vec<Posting>,
    /// After this entry; settle books these minus what it holds, so it dedups without remembering entry ids.
    pub cumulative_commission: Amount,
    pub cumulative_payout: Amount,
    pub cumulative_platform_fee: Amount,
    pub hold_until: Micros,
    /// The id of the event that caused it, where that is not the conversion's own.
    pub cause_event: Option<String>,
}

/// Debit positive, credit negative.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// `advertiser:ID`, `publisher:ID` or `platform`.
    pub account: String,
    pub amount: Amount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Conversion,
    /// A later click, evidence or earlier event changed the decision.
    Correction,
    Approved,
    Rejected,
    Rebill,
    Refund,
    Chargeback,
    ChargebackWon,
}

impl Cause {
    pub fn name(self) -> &'static str {
        match self {
            Cause::Conversion => "conversion",
            Cause::Correction => "correction",
            Cause::Approved => "approved",
            Cause::Rejected => "rejected",
            Cause::Rebill => "rebill",
            Cause::Refund => "refund",
            Cause::Chargeback => "chargeback",
            Cause::ChargebackWon => "chargeback_won",
        }
    }
}
