//! `candidates`: an event with the touches of one journey that could earn its conversion; from join to decide.

use crate::id::{ClickId, ConversionId, CustomerId, JourneyId};
use crate::name::{AdvertiserId, CampaignId, LinkCode, PublisherId, TenantId};
use crate::offset::Offset;
use crate::time::Micros;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidates {
    pub tenant: TenantId,
    pub advertiser: AdvertiserId,
    /// The event as it was delivered: a framed record of its own, so that join passes it on without decoding it anew.
    #[serde(with = "apache_avro::serde::bytes")]
    pub event: Vec<u8>,
    pub conversion_id: ConversionId,
    /// Set on an alias: the conversion of the order that this event id belongs to. It books nothing.
    pub same_as: Option<ConversionId>,
    /// The journey whose touches these are.
    pub journey_id: Option<JourneyId>,
    /// By (time, id): the first and the last `limits::TOUCHES_EACH_END` of the journey.
    pub touches: Vec<Touch>,
    pub touches_total: i64,
    /// Where the journey is the customer's by an earlier event, and not by this event's own evidence.
    pub tie: Option<CustomerTie>,
    /// The earliest order of the event's customer as far as join has heard, or the event itself where it comes before
    /// all of them; sent again when an earlier one appears.
    pub first_order: Option<FirstOrder>,
}

/// An event named this customer and a journey.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CustomerTie {
    pub customer: CustomerId,
    /// When that event took place; of several the least counts, by (time, event id).
    pub at: Micros,
    pub event_id: String,
}

/// A customer's earliest order at an advertiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FirstOrder {
    pub at: Micros,
    pub conversion_id: ConversionId,
}

/// A click as attribution sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    pub click_id: ClickId,
    pub journey_id: JourneyId,
    pub occurred_at: Micros,
    pub campaign: CampaignId,
    pub publisher: PublisherId,
    pub link: LinkCode,
    pub catalog_offset: Offset,
    /// As the click's.
    pub marks: String,
}

impl Touch {
    /// The order of touches everywhere: time, then id.
    pub fn order(&self) -> (Micros, ClickId) {
        (self.occurred_at, self.click_id)
    }
}
