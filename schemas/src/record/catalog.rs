//! `catalog`: one version of one entity per record. Exactly one body is set, the one that `kind` names.

use crate::decimal::Ppm;
use crate::id::KeyHash;
use crate::name::{AdvertiserId, CampaignId, ContractId, PublisherId, TenantId};
use crate::record::attribution::Model;
use crate::record::event::EvidenceSource;
use crate::time::Micros;
use serde::{Deserialize, Serialize};

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
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publisher {
    pub name: String,
}

/// The entity's id is the link code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub campaign: CampaignId,
    pub publisher: PublisherId,
    pub active: bool,
}

/// The entity's id is the advertiser and the folded coupon code, `acme/SAVE10`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coupon {
    pub advertiser: AdvertiserId,
    pub campaign: CampaignId,
    /// None: a generic coupon, which attributes nothing by itself.
    pub publisher: Option<PublisherId>,
    pub active: bool,
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
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub advertiser: AdvertiserId,
    pub hash: KeyHash,
    pub active: bool,
}
