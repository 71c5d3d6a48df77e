//! `decisions`: who earns a conversion and why (P4), one record per revision.

use crate::decimal::{Amount, Currency, Ppm};
use crate::id::{ClickId, ConversionId, JourneyId};
use crate::name::{AdvertiserId, CampaignId, ContractId, PublisherId, TenantId};
use crate::offset::Offset;
use crate::time::Micros;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub conversion_id: ConversionId,
    /// From 1; a conversion's current decision is the one with the highest revision.
    pub revision: i32,
    pub tenant: TenantId,
    pub advertiser: AdvertiserId,
    pub campaign: Option<CampaignId>,
    pub event_id: String,
    pub order_id: Option<String>,
    pub action: String,
    pub outcome: Outcome,
    /// A code; `reason_value` is what was measured.
    pub reason: String,
    pub reason_value: String,
    pub occurred_at: Micros,
    pub received_at: Micros,
    pub value: Amount,
    pub currency: Currency,
    pub contract: Option<ContractId>,
    pub contract_version: Option<i32>,
    pub paying_model: Option<String>,
    pub commission_rate_ppm: Option<Ppm>,
    pub platform_share_ppm: Option<Ppm>,
    pub commission: Amount,
    pub payout: Amount,
    pub platform_fee: Amount,
    pub shares: Vec<PublisherShare>,
    /// The arithmetic of the commission, for a person.
    pub arithmetic: String,
    pub evidence: Vec<EvidenceVerdict>,
    pub touches: Vec<TouchVerdict>,
    pub touches_not_listed: i64,
    /// Other events of the order and conflicting repeats.
    pub deliveries: Vec<DeliveryNote>,
    pub clock_ahead_micros: i64,
    pub catalog_offset: Offset,
    pub same_as: Option<ConversionId>,
    /// What the contract's rules against fraud found; none where they found nothing.
    pub fraud: Option<FraudVerdict>,
    /// The command that holds, where any was given.
    pub command: Option<CommandNote>,
    /// What became of the conversion.
    pub status: Status,
    /// The commission before refunds, chargebacks and status, where they change it.
    pub full_commission: Option<Amount>,
    /// What of the value was refunded.
    pub refunded: Option<Amount>,
    /// What of the value was charged back and not won back.
    pub charged_back: Option<Amount>,
}

/// The life of a conversion as far as its own events and contract tell it; whether it is paid out is settle's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing is due until it is approved.
    Pending,
    Approved,
    Rejected,
    PartlyRefunded,
    Refunded,
    ChargedBack,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Approved => "approved",
            Status::Rejected => "rejected",
            Status::PartlyRefunded => "partly_refunded",
            Status::Refunded => "refunded",
            Status::ChargedBack => "charged_back",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Attributed,
    Unattributed,
    TooLate,
    SameAsOrder,
    /// Somebody would earn, and nothing is booked until a person releases it.
    Held,
    /// Somebody would have earned; the contract or a person says no.
    Rejected,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Attributed => "attributed",
            Outcome::Unattributed => "unattributed",
            Outcome::TooLate => "too_late",
            Outcome::SameAsOrder => "same_as_order",
            Outcome::Held => "held",
            Outcome::Rejected => "rejected",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublisherShare {
    pub publisher: PublisherId,
    /// What the advertiser pays for it; payout + platform fee.
    pub commission: Amount,
    pub payout: Amount,
    pub platform_fee: Amount,
    /// Where the publisher has terms of its own instead of the campaign's.
    pub contract: Option<ContractId>,
    pub contract_version: Option<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceVerdict {
    pub source: String,
    pub value: String,
    pub event_id: String,
    pub used: bool,
    pub reason: String,
    pub measured: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchVerdict {
    /// None for the synthetic touch of a coupon or ref_code.
    pub click_id: Option<ClickId>,
    pub journey_id: Option<JourneyId>,
    pub occurred_at: Micros,
    pub campaign: CampaignId,
    pub publisher: PublisherId,
    pub link: String,
    pub kept: bool,
    pub reason: String,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryNote {
    pub event_id: String,
    pub reason: String,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FraudVerdict {
    /// The sum of the findings' scores.
    pub score: i32,
    /// As the contract has them.
    pub hold_at: Option<i32>,
    pub reject_at: Option<i32>,
    pub findings: Vec<FraudFinding>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FraudFinding {
    /// A code.
    pub rule: String,
    pub score: i32,
    pub measured: String,
    /// The click that it is about; none for a synthetic touch.
    pub click_id: Option<ClickId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandNote {
    pub command_id: String,
    pub verb: String,
    pub by: String,
    pub why: String,
    pub issued_at: Micros,
    /// A code: what came of it.
    pub effect: String,
}
