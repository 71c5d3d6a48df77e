//! The processor's state as its changelogs hold it.

use crate::decimal::{Amount, Currency};
use crate::id::{ConversionId, JourneyId};
use crate::name::{CampaignId, ContractId, PublisherId};
use crate::record::candidates::{FirstOrder, Touch};
use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// decide's state of one conversion: the set of evidence, what is decided, what is booked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversionState {
    /// One per event id and payload hash, by time, id and hash.
    pub deliveries: Vec<Delivery>,
    /// By journey id.
    pub journeys: Vec<JourneyTouches>,
    pub same_as: Option<ConversionId>,
    /// The current `Decision`, framed.
    #[serde(with = "apache_avro::serde::bytes_opt")]
    pub decision: Option<Vec<u8>>,
    pub booked: Vec<Booked>,
    /// Further orders, after `same_as`, that this event id belongs to, by id: a refund that names the event goes on to all.
    pub orders: Vec<ConversionId>,
    /// The earliest order of the customer, by (time, conversion).
    pub first_order: Option<FirstOrder>,
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

/// settle's state of one conversion in one publisher account: what was booked, cumulative.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledState {
    pub revision: i32,
    pub currency: Currency,
    pub commission: Amount,
    pub payout: Amount,
    pub platform_fee: Amount,
    pub hold_until: Micros,
}

/// settle's balance of one publisher account in one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceState {
    /// Booked and not yet payable.
    pub held: Amount,
    /// Conversions that have earned something.
    pub conversions: i64,
}
