//! `catalog`: one version of one entity per record. Exactly one body is set, the one that `kind` names.

mod budget;
mod redirects;

pub use budget::{Budget, BudgetPassed};
pub use redirects::{Device, RedirectRule, Redirects, System, Variant};

use crate::decimal::{Amount, Currency, Ppm};
use crate::id::{CustomerId, IpHash, KeyHash};
use crate::name::{AdvertiserId, CampaignId, ContractId, PublisherId, TenantId};
use crate::record::attribution::Model;
use crate::record::event::{Action, EvidenceSource};
use crate::time::Micros;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogEntry {
    pub kind: EntityKind,
    pub tenant: TenantId,
    pub id: String,
    /// From 1.
    pub version: i32,
    pub effective_from: Micros,
    pub applied_at: Micros,
    pub installation: Option<Installation>,
    pub advertiser: Option<Advertiser>,
    pub campaign: Option<Campaign>,
    pub publisher: Option<Publisher>,
    pub link: Option<Link>,
    pub coupon: Option<Coupon>,
    pub contract: Option<Contract>,
    pub api_key: Option<ApiKey>,
    #[serde(rename = "override")]
    pub exception: Option<Override>,
    pub budget_passed: Option<BudgetPassed>,
}

impl CatalogEntry {
    /// The first version of an entity, in effect since ever, whose body is yet to be set.
    pub fn bare(kind: EntityKind, tenant: TenantId, id: &str) -> Self {
        CatalogEntry {
            kind,
            tenant,
            id: id.to_owned(),
            version: 1,
            effective_from: Micros(0),
            applied_at: Micros(0),
            installation: None,
            advertiser: None,
            campaign: None,
            publisher: None,
            link: None,
            coupon: None,
            contract: None,
            api_key: None,
            exception: None,
            budget_passed: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    Installation,
    Advertiser,
    Campaign,
    Publisher,
    Link,
    Coupon,
    Contract,
    ApiKey,
    Override,
    BudgetPassed,
}

impl EntityKind {
    pub fn name(self) -> &'static str {
        match self {
            EntityKind::Installation => "installation",
            EntityKind::Advertiser => "advertiser",
            EntityKind::Campaign => "campaign",
            EntityKind::Publisher => "publisher",
            EntityKind::Link => "link",
            EntityKind::Coupon => "coupon",
            EntityKind::Contract => "contract",
            EntityKind::ApiKey => "api_key",
            EntityKind::Override => "override",
            EntityKind::BudgetPassed => "budget_passed",
        }
    }
}

/// What was fixed when the topics were created: orders and journeys hash by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    pub partitions: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advertiser {
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    pub advertiser: AdvertiserId,
    pub name: String,
    /// An absolute http or https URL.
    pub destination: String,
    pub contract: ContractId,
    pub look_back_seconds: i64,
    pub active: bool,
    /// A click younger than this does not earn; 0 where every click may.
    pub minimum_seconds: i64,
    /// Terms of single publishers instead of `contract`, by publisher. What they do not say anew (the order of evidence,
    /// the paying model, approval) is the campaign's.
    pub publisher_contracts: Vec<PublisherContract>,
    pub budgets: Vec<Budget>,
    /// None: every click goes to `destination`.
    pub redirects: Option<Arc<Redirects>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublisherContract {
    pub publisher: PublisherId,
    pub contract: ContractId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publisher {
    pub name: String,
    /// Its own customer ids, hashed as those of events: it does not earn by buying itself.
    pub customers: Vec<CustomerId>,
    /// Its own IP addresses, hashed as those of clicks.
    pub addresses: Vec<IpHash>,
}

/// The entity's id is the link code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub campaign: CampaignId,
    pub publisher: PublisherId,
    pub active: bool,
    /// The first moment.
    pub valid_from: Option<Micros>,
    /// The last moment.
    pub valid_until: Option<Micros>,
    /// Before the campaign's.
    pub redirects: Option<Arc<Redirects>>,
}

/// The entity's id is the advertiser and the folded coupon code, `acme/SAVE10`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coupon {
    pub advertiser: AdvertiserId,
    pub campaign: CampaignId,
    /// None: a generic coupon, which attributes nothing by itself.
    pub publisher: Option<PublisherId>,
    pub active: bool,
    /// The first moment.
    pub valid_from: Option<Micros>,
    /// The last moment.
    pub valid_until: Option<Micros>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// What the advertiser pays, of the value.
    pub commission_rate_ppm: Ppm,
    /// What the platform keeps, of the commission.
    pub platform_share_ppm: Ppm,
    pub paying_model: Model,
    pub hold_days: i32,
    /// Strongest first.
    pub evidence_order: Vec<EvidenceSource>,
    /// None: nothing is scored, held or rejected.
    pub fraud: Option<FraudTerms>,
    /// The currency of its amounts, the only one that it pays; without amounts none is needed.
    pub currency: Option<Currency>,
    /// Of a conversion, instead of `commission_rate_ppm`.
    pub flat: Option<Amount>,
    /// Tried in this order before `commission_rate_ppm` and `flat`: the first that fits counts.
    pub rates: Vec<Rate>,
    /// A conversion that earns anything earns at least this much.
    pub minimum: Option<Amount>,
    pub maximum: Option<Amount>,
    pub approval: Approval,
    /// What else a publisher gets for a closed month; booked by settle.
    pub tiers: Vec<Tier>,
}

impl Contract {
    /// A percentage of every value, and nothing more to it.
    pub fn percentage(
        commission_rate_ppm: Ppm,
        platform_share_ppm: Ppm,
        paying_model: Model,
        hold_days: i32,
        evidence_order: Vec<EvidenceSource>,
    ) -> Self {
        Contract {
            commission_rate_ppm,
            platform_share_ppm,
            paying_model,
            hold_days,
            evidence_order,
            fraud: None,
            currency: None,
            flat: None,
            rates: Vec::new(),
            minimum: None,
            maximum: None,
            approval: Approval::Automatic,
            tiers: Vec::new(),
        }
    }
}

/// What a contract holds against a conversion, and what follows. Scores of all findings add up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FraudTerms {
    pub rules: Vec<FraudRule>,
    /// From this score on a person has to release it.
    pub hold_at: Option<i32>,
    /// From this score on it earns nothing.
    pub reject_at: Option<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FraudRule {
    pub rule: FraudRuleName,
    /// In the rule's own unit.
    pub limit: i64,
    pub score: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FraudRuleName {
    /// The user agent names a program; no limit.
    BotUserAgent,
    /// The address belongs to a data centre; no limit.
    Datacentre,
    /// More than `limit` clicks a minute from the address.
    Velocity,
    /// More than `limit` clicks of the journey on the link.
    DuplicateClicks,
    /// Less than `limit` microseconds from the click to the conversion.
    TooSoon,
    /// The customer, or the click's address, is the publisher's own; no limit.
    SelfReferral,
}

impl FraudRuleName {
    pub const ALL: [FraudRuleName; 6] = [
        FraudRuleName::BotUserAgent,
        FraudRuleName::Datacentre,
        FraudRuleName::Velocity,
        FraudRuleName::DuplicateClicks,
        FraudRuleName::TooSoon,
        FraudRuleName::SelfReferral,
    ];

    pub fn name(self) -> &'static str {
        match self {
            FraudRuleName::BotUserAgent => "bot_user_agent",
            FraudRuleName::Datacentre => "datacentre",
            FraudRuleName::Velocity => "velocity",
            FraudRuleName::DuplicateClicks => "duplicate_clicks",
            FraudRuleName::TooSoon => "too_soon",
            FraudRuleName::SelfReferral => "self_referral",
        }
    }
}

/// A temporary exception from a campaign's windows. It is about clicks of the campaign, of the publisher, or of both; it
/// names at least one of them, and takes the place of what it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    pub campaign: Option<CampaignId>,
    pub publisher: Option<PublisherId>,
    pub look_back_seconds: Option<i64>,
    pub minimum_seconds: Option<i64>,
    /// The first moment at which it no longer holds.
    pub expires_at: Micros,
    pub approver: String,
    pub why: String,
}

/// What is paid where all that it names fits; it names something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// As `Action::paid_as` has it.
    pub action: Option<Action>,
    pub sku: Option<String>,
    pub category: Option<String>,
    pub customer: Option<CustomerKind>,
    /// Of the value.
    pub rate_ppm: Ppm,
    /// Instead of `rate_ppm`: of each piece where it names a SKU or a category, else of the event.
    pub flat: Option<Amount>,
}

impl Rate {
    /// Whether it is about single lines of an order.
    pub fn of_items(&self) -> bool {
        self.sku.is_some() || self.category.is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerKind {
    /// The conversion is the customer's first order.
    New,
    /// The customer has an earlier one.
    Returning,
}

impl CustomerKind {
    pub const ALL: [CustomerKind; 2] = [CustomerKind::New, CustomerKind::Returning];

    pub fn name(self) -> &'static str {
        match self {
            CustomerKind::New => "new",
            CustomerKind::Returning => "returning",
        }
    }
}

/// What makes a conversion due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Nobody needs to say anything.
    Automatic,
    /// A `sale` or `approved` event.
    Explicit,
}

impl Approval {
    pub const ALL: [Approval; 2] = [Approval::Automatic, Approval::Explicit];

    pub fn name(self) -> &'static str {
        match self {
            Approval::Automatic => "automatic",
            Approval::Explicit => "explicit",
        }
    }
}

/// From so many conversions, or from so much value of them, in a month on: this percentage instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    pub from_count: Option<i64>,
    pub from_revenue: Option<Amount>,
    pub rate_ppm: Ppm,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub advertiser: AdvertiserId,
    pub hash: KeyHash,
    pub active: bool,
    #[serde(rename = "use")]
    pub usage: KeyUse,
    /// Requests without a signature are refused.
    pub signed: bool,
}

/// Who sends a key, and so how well it is kept: each opens a door of its own and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyUse {
    /// An advertiser's server: known to nobody else.
    Server,
    /// A network, in the address that it calls: it stands in logs.
    Postback,
    /// A page: whoever looks at it reads it.
    Browser,
}

impl KeyUse {
    pub const ALL: [KeyUse; 3] = [KeyUse::Server, KeyUse::Postback, KeyUse::Browser];

    pub fn name(self) -> &'static str {
        match self {
            KeyUse::Server => "server",
            KeyUse::Postback => "postback",
            KeyUse::Browser => "browser",
        }
    }
}
