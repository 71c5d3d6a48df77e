//! `events`: what an advertiser or a network reported, as delivered, with the evidence that the edge resolved.

use crate::decimal::{Amount, Currency};
use crate::id::{ClickId, ConversionId, CustomerId, JourneyId, PayloadHash};
use crate::key;
use crate::name::{AdvertiserId, ApiKeyId, TenantId};
use crate::offset::Offset;
use crate::record::candidates::CustomerTie;
use crate::time::Micros;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The advertiser's, else derived by the edge.
    pub event_id: String,
    pub conversion_id: ConversionId,
    /// The conversion of the event id, where there is an order id too.
    pub event_conversion_id: Option<ConversionId>,
    pub tenant: TenantId,
    pub advertiser: AdvertiserId,
    pub api_key: ApiKeyId,
    pub action: Action,
    pub order_id: Option<String>,
    pub value: Amount,
    pub currency: Currency,
    /// Clamped to `received_at`.
    pub occurred_at: Micros,
    pub received_at: Micros,
    /// By how much the claimed time was later than `received_at`, else 0; microseconds.
    pub clock_ahead_micros: i64,
    pub customer: Option<CustomerId>,
    pub evidence: Vec<Evidence>,
    pub landing_url: Option<String>,
    pub referrer: Option<String>,
    /// JSON.
    pub properties: Option<String>,
    /// Of what was sent, without times of receipt.
    pub payload_hash: PayloadHash,
    pub catalog_offset: Offset,
    /// The journey that join forwarded it to; none as delivered.
    pub forwarded_to: Option<JourneyId>,
    /// What was sold, or what of it a refund takes back; often nobody says.
    pub items: Vec<Item>,
    /// The event id of the sale that a refund or a status is about, where it names no order.
    pub refund_of: Option<String>,
    /// Whether it is the copy that join sent to the event's customer; false as delivered.
    pub to_customer: bool,
    /// In a copy that was forwarded to a journey of the customer's: by which earlier event it is theirs.
    pub tie: Option<CustomerTie>,
    pub channel: Channel,
}

/// By which door an event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Api,
    Postback,
    /// With a public key: whoever looks at the page can send the same.
    Browser,
}

/// A line of an order, or what a refund takes back of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub sku: String,
    pub category: Option<String>,
    /// Pieces, 1 or more; in a refund 0: all of them.
    pub quantity: i32,
    /// Of all its pieces together; in a refund 0: the part of its value that `quantity` is.
    pub value: Amount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Purchase,
    Signup,
    Custom,
    AddToCart,
    DropOff,
    Refund,
    Chargeback,
    /// Somebody who may buy: what it is worth is known when the sale comes, or a contract says it.
    Lead,
    /// A purchase that its network has confirmed.
    Sale,
    /// A subscription's next payment: another sale within the conversion.
    Rebill,
    ChargebackWon,
    Approved,
    Rejected,
}

impl Action {
    pub const ALL: [Action; 13] = [
        Action::Purchase,
        Action::Signup,
        Action::Custom,
        Action::AddToCart,
        Action::DropOff,
        Action::Refund,
        Action::Chargeback,
        Action::Lead,
        Action::Sale,
        Action::Rebill,
        Action::ChargebackWon,
        Action::Approved,
        Action::Rejected,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Action::Purchase => "purchase",
            Action::Signup => "signup",
            Action::Custom => "custom",
            Action::AddToCart => "add_to_cart",
            Action::DropOff => "drop_off",
            Action::Refund => "refund",
            Action::Chargeback => "chargeback",
            Action::Lead => "lead",
            Action::Sale => "sale",
            Action::Rebill => "rebill",
            Action::ChargebackWon => "chargeback_won",
            Action::Approved => "approved",
            Action::Rejected => "rejected",
        }
    }

    pub fn parse(name: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.name() == name)
    }

    /// Whether an event of this kind is a conversion: one that can earn. Funnel steps are recorded and decide nothing.
    pub fn converts(self) -> bool {
        match self {
            Action::Purchase | Action::Signup | Action::Custom | Action::Lead | Action::Sale | Action::Rebill => true,
            Action::AddToCart
            | Action::DropOff
            | Action::Refund
            | Action::Chargeback
            | Action::ChargebackWon
            | Action::Approved
            | Action::Rejected => false,
        }
    }

    /// Whether an event of this kind says what became of a conversion: it earns nothing and brings no evidence.
    pub fn adjusts(self) -> bool {
        match self {
            Action::Refund | Action::Chargeback | Action::ChargebackWon | Action::Approved | Action::Rejected => true,
            Action::Purchase
            | Action::Signup
            | Action::Custom
            | Action::AddToCart
            | Action::DropOff
            | Action::Lead
            | Action::Sale
            | Action::Rebill => false,
        }
    }

    /// What a contract calls it, where one can have a rate for it: a sale is a purchase.
    pub fn paid_as(self) -> Option<Action> {
        match self {
            Action::Purchase | Action::Sale => Some(Action::Purchase),
            Action::Signup | Action::Custom | Action::Lead | Action::Rebill => Some(self),
            Action::AddToCart
            | Action::DropOff
            | Action::Refund
            | Action::Chargeback
            | Action::ChargebackWon
            | Action::Approved
            | Action::Rejected => None,
        }
    }
}

/// One thing in an event that may say who brought the customer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    pub source: EvidenceSource,
    /// As it was sent, cut to `limits::EVIDENCE_VALUE_BYTES`.
    pub value: String,
    pub names: EvidenceNames,
    pub click_id: Option<ClickId>,
    pub journey_id: Option<JourneyId>,
    /// Where it names a link or a coupon.
    pub code: Option<String>,
    /// Why it names nothing: a code.
    pub problem: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceSource {
    Coupon,
    ClickId,
    RefCode,
    LandingUrl,
    Referrer,
    Customer,
}

impl EvidenceSource {
    /// Strongest first, where a contract names no order of its own: a coupon is the publisher's own word, a customer id
    /// the weakest.
    pub const DEFAULT_ORDER: [EvidenceSource; 6] = [
        EvidenceSource::Coupon,
        EvidenceSource::ClickId,
        EvidenceSource::RefCode,
        EvidenceSource::LandingUrl,
        EvidenceSource::Referrer,
        EvidenceSource::Customer,
    ];

    pub fn name(self) -> &'static str {
        match self {
            EvidenceSource::Coupon => "coupon",
            EvidenceSource::ClickId => "click_id",
            EvidenceSource::RefCode => "ref_code",
            EvidenceSource::LandingUrl => "landing_url",
            EvidenceSource::Referrer => "referrer",
            EvidenceSource::Customer => "customer",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceNames {
    Touch,
    Link,
    Coupon,
    Nothing,
}

impl Event {
    /// The journeys that the evidence names, strongest first, each once.
    pub fn journeys(&self) -> Vec<JourneyId> {
        let mut journeys = Vec::new();
        for journey in self.evidence.iter().filter_map(|evidence| evidence.journey_id) {
            if !journeys.contains(&journey) {
                journeys.push(journey);
            }
        }
        journeys
    }

    /// What makes it the same event as another of its conversion: the id, and for what adjusts a conversion the kind, so
    /// that a refund sent under its sale's id is no repeat of the sale.
    pub fn identity(&self) -> (&str, Option<Action>) {
        (&self.event_id, Some(self.action).filter(|action| action.adjusts()))
    }

    /// Whether it is one of join's copies, and not what was delivered.
    pub fn is_copy(&self) -> bool {
        self.forwarded_to.is_some() || self.to_customer
    }

    /// The record's Kafka key: the journey or the customer that join forwarded it to, else the journey of the strongest
    /// evidence that names one, else the customer, else the conversion. What adjusts a conversion needs neither.
    pub fn key(&self) -> String {
        let (tenant, advertiser) = (&self.tenant, &self.advertiser);
        let named = || self.evidence.iter().find_map(|evidence| evidence.journey_id);
        let needed = !self.action.adjusts();
        let journey = self.forwarded_to.or_else(named).filter(|_| needed && !self.to_customer);
        match (journey, self.customer.filter(|_| needed)) {
            (Some(journey), _) => key::journey(tenant, advertiser, journey),
            (None, Some(customer)) => key::customer(tenant, advertiser, customer),
            (None, None) => key::conversion(tenant, advertiser, self.conversion_id),
        }
    }
}
