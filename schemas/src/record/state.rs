//! The processor's state as its changelogs hold it.

use crate::decimal::{Amount, Currency};
use crate::id::{ConversionId, JourneyId};
use crate::name::{AdvertiserId, CampaignId, ContractId, PublisherId};
use crate::offset::Offset;
use crate::record::amendment::Amendment;
use crate::record::candidates::{CustomerTie, FirstOrder, Touch};
use crate::record::command::ConversionCommand;
use crate::time::{Micros, Month};
use serde::{Deserialize, Serialize};

/// decide's state of one conversion: the set of evidence, what is decided, what is booked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversionState {
    /// One per event id and payload hash, by time, id and hash.
    pub deliveries: Vec<Delivery>,
    /// By journey id.
    pub journeys: Vec<JourneyTouches>,
    pub same_as: Option<ConversionId>,
    /// The current `Decision`, framed. The processor keeps it by itself, as `decisions` has it, and not in this record.
    #[serde(skip)]
    pub decision: Option<Vec<u8>>,
    pub booked: Vec<Booked>,
    /// By (time, id): the last ones.
    pub commands: Vec<ConversionCommand>,
    /// Further orders, after `same_as`, that this event id belongs to, by id: a refund that names the event goes on to all.
    pub orders: Vec<ConversionId>,
    /// The earliest order of the customer, by (time, conversion).
    pub first_order: Option<FirstOrder>,
    /// By (time, id): the last ones.
    pub amendments: Vec<Amendment>,
}

/// What was reported under one event id with one payload: its least delivery by (time, receipt). Of several payloads
/// under one id the one received first counts, the others are conflicting repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Framed, without what no rule reads: URLs (their evidence is taken out of them), properties, forwarding.
    #[serde(with = "apache_avro::serde::bytes")]
    pub event: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JourneyTouches {
    pub journey_id: JourneyId,
    pub touches_total: i64,
    pub touches: Vec<Touch>,
    /// Where an earlier event ties the journey to the customer: the least tie.
    pub tie: Option<CustomerTie>,
}

/// What is booked for one publisher of a conversion, cumulative.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booked {
    pub publisher: PublisherId,
    pub campaign: CampaignId,
    pub currency: Currency,
    pub contract: ContractId,
    pub contract_version: i32,
    pub commission: Amount,
    pub payout: Amount,
    pub platform_fee: Amount,
}

/// join's state of one customer of one advertiser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerState {
    /// By (time, journey, event id): the first and the last `limits::JOURNEYS_PER_CUSTOMER`.
    pub ties: Vec<KnownTie>,
    /// The earliest order that was reported in time.
    pub first_order: Option<FirstOrder>,
}

/// An event named the customer and this journey.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KnownTie {
    pub at: Micros,
    pub journey_id: JourneyId,
    pub event_id: String,
}

/// settle's state of one conversion in one publisher account and currency: what was booked, cumulative.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledState {
    pub revision: i32,
    pub currency: Currency,
    pub commission: Amount,
    pub payout: Amount,
    pub platform_fee: Amount,
    pub hold_until: Micros,
    /// Of `payout`: what statements have said so far.
    pub stated: Amount,
    /// None where only an earlier version of this record knew the conversion.
    pub advertiser: Option<AdvertiserId>,
    pub campaign: Option<CampaignId>,
    /// The conversion's time.
    pub occurred_at: Micros,
    /// What of the sale's value counts for the month's tier; none under a contract without tiers.
    pub tier_value: Option<Amount>,
}

/// settle's balance of one publisher account in one currency. What is booked is
/// `held - clawback + payable + in_payment + paid` (P5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceState {
    /// Booked and not yet in a statement.
    pub held: Amount,
    /// Conversions that have earned something.
    pub conversions: i64,
    /// Booked reductions of what statements have said, not yet in a statement themselves.
    pub clawback: Amount,
    /// In statements and in no payout; negative where the publisher owes it.
    pub payable: Amount,
    /// In payouts that are neither settled nor failed.
    pub in_payment: Amount,
    /// In settled payouts.
    pub paid: Amount,
    /// Of `payable`: failed payouts that came back since the last statement.
    pub returned: Amount,
    /// How many statements there are.
    pub statements: i64,
}

/// settle's state of a publisher's month on a campaign in one currency: what counts for the contract's tiers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonthState {
    pub advertiser: AdvertiserId,
    pub campaign: CampaignId,
    pub currency: Currency,
    /// By event time.
    pub month: Month,
    pub count: i64,
    pub revenue: Amount,
    /// As conversions booked it, without the month's correction.
    pub commission: Amount,
    /// Of the run that first closed it: the terms stay those.
    pub catalog_offset: Option<Offset>,
}
