//! `journal`: balanced, immutable entries, one publisher and one conversion each (P5); and among them what commands
//! settle, since their place in this log is what they mean.

use crate::codec::{self, DecodeError};
use crate::decimal::{Amount, Currency};
use crate::id::{ConversionId, EntryId};
use crate::name::{AdvertiserId, CampaignId, ContractId, PublisherId, TenantId};
use crate::record::payout::PayoutCommand;
use crate::record::settlement::SettlementRun;
use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// Whatever stands in `journal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalRecord {
    Entry(Box<JournalEntry>),
    Run(SettlementRun),
    Payout(PayoutCommand),
}

impl JournalRecord {
    /// # Errors
    /// As of an entry, for what is none of the three.
    pub fn read(framed: &[u8]) -> Result<Self, DecodeError> {
        if codec::is_framed_as::<SettlementRun>(framed) {
            return codec::decode(framed).map(JournalRecord::Run);
        }
        if codec::is_framed_as::<PayoutCommand>(framed) {
            return codec::decode(framed).map(JournalRecord::Payout);
        }
        codec::decode(framed).map(|entry| JournalRecord::Entry(Box::new(entry)))
    }
}

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
    /// What of the sale's value counts for the publisher's month; none under a contract without tiers.
    pub tier_value: Option<Amount>,
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
