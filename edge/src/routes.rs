//! The catalog as requests need it: link codes to destinations, API keys to advertisers. Immutable; a new one takes its
//! place when the catalog changes or a version comes into force (`keeper`).

pub mod keeper;
pub mod snapshot;

use crate::redirect::destination::Destination;
use schemas::catalog::{AsOf, Catalog};
use schemas::id::KeyHash;
use schemas::name::{AdvertiserId, ApiKeyId, CampaignId, LinkCode, PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::catalog::{CatalogEntry, EntityKind, KeyUse};
use schemas::time::Micros;
use std::collections::HashMap;
use std::sync::Arc;

/// What can come into force by time alone. API keys hold from when they are there.
const TIMED: [EntityKind; 3] = [EntityKind::Link, EntityKind::Campaign, EntityKind::Publisher];

#[derive(Debug)]
pub struct Routes {
    links: HashMap<LinkCode, Link>,
    clients: HashMap<KeyHash, Arc<Client>>,
    /// What records made with this index are stamped with (catalog order).
    pub offset: Offset,
    next_change: Option<Micros>,
}

#[derive(Debug)]
pub enum Link {
    Active(Arc<ActiveLink>),
    Inactive(InactiveLink),
}

#[derive(Debug)]
pub struct ActiveLink {
    pub code: LinkCode,
    pub publisher: PublisherId,
    pub campaign: Arc<ActiveCampaign>,
}

#[derive(Debug)]
pub struct ActiveCampaign {
    pub tenant: TenantId,
    pub advertiser: AdvertiserId,
    pub id: CampaignId,
    pub destination: Destination,
}

/// A link that exists and leads nowhere now.
#[derive(Debug)]
pub struct InactiveLink {
    pub tenant: TenantId,
    pub advertiser: Option<AdvertiserId>,
    /// A code, such as `campaign_paused`.
    pub reason: &'static str,
}

/// Who sends events.
#[derive(Debug, PartialEq, Eq)]
pub struct Client {
    pub tenant: TenantId,
    pub advertiser: AdvertiserId,
    pub api_key: ApiKeyId,
    pub key_hash: KeyHash,
    pub usage: KeyUse,
    /// Only signed requests are taken.
    pub signed: bool,
}

enum Campaign {
    Active(Arc<ActiveCampaign>),
    Inactive { advertiser: Option<AdvertiserId>, reason: &'static str },
}

impl Routes {
    /// What holds at `now`, of what this catalog has read.
    pub fn build(catalog: &Catalog, now: Micros) -> Routes {
        let as_of = AsOf { offset: catalog.read_to(), time: now };
        let mut campaigns = HashMap::new();
        let mut links = HashMap::new();
        for entry in catalog.newest(EntityKind::Link) {
            let Ok(code) = LinkCode::new(&entry.id) else {
                tracing::warn!(link = entry.id, "link code of the catalog is none, passed over");
                continue;
            };
            if catalog.link_owner(&code) == Some(&entry.tenant) {
                let link = link(catalog, &entry.tenant, &code, as_of, &mut campaigns);
                links.insert(code, link);
            }
        }
        Routes {
            links,
            clients: catalog.api_keys().filter(|(_, key)| key.active).filter_map(client).collect(),
            offset: as_of.offset,
            next_change: TIMED.into_iter().filter_map(|kind| catalog.next_effective(kind, now)).min(),
        }
    }

    pub fn link(&self, code: &str) -> Option<&Link> {
        self.links.get(code)
    }

    /// Where the key is there for this use.
    pub fn client(&self, api_key: &str, usage: KeyUse) -> Option<&Arc<Client>> {
        self.clients.get(&KeyHash::of_api_key(api_key)).filter(|client| client.usage == usage)
    }

    pub fn count(&self) -> usize {
        self.links.len()
    }

    /// Whether a version has come into force that this index does not have.
    pub fn outdated(&self, now: Micros) -> bool {
        self.next_change.is_some_and(|at| at <= now)
    }
}

type Campaigns = HashMap<(TenantId, CampaignId), Campaign>;

fn link(catalog: &Catalog, tenant: &TenantId, code: &LinkCode, as_of: AsOf, campaigns: &mut Campaigns) -> Link {
    let inactive = |advertiser, reason| Link::Inactive(InactiveLink { tenant: tenant.clone(), advertiser, reason });
    let Some(version) = catalog.link(tenant, code, as_of) else {
        return inactive(None, "link_not_yet_effective");
    };
    let campaign = campaigns
        .entry((tenant.clone(), version.body.campaign.clone()))
        .or_insert_with(|| campaign(catalog, tenant, &version.body.campaign, as_of));
    match campaign {
        Campaign::Inactive { advertiser, reason } => inactive(advertiser.clone(), reason),
        Campaign::Active(campaign) => {
            let advertiser = Some(campaign.advertiser.clone());
            if !version.body.active {
                inactive(advertiser, "link_paused")
            } else if catalog.publisher(tenant, &version.body.publisher, as_of).is_none() {
                inactive(advertiser, "publisher_not_yet_effective")
            } else if catalog.budget_passed(tenant, &version.body.campaign, &version.body.publisher, as_of).is_some() {
                inactive(advertiser, "budget_spent")
            } else {
                let (code, publisher) = (code.clone(), version.body.publisher.clone());
                Link::Active(Arc::new(ActiveLink { code, publisher, campaign: campaign.clone() }))
            }
        }
    }
}

fn campaign(catalog: &Catalog, tenant: &TenantId, id: &CampaignId, as_of: AsOf) -> Campaign {
    let Some(version) = catalog.campaign(tenant, id, as_of) else {
        return Campaign::Inactive { advertiser: None, reason: "campaign_not_yet_effective" };
    };
    let advertiser = version.body.advertiser.clone();
    if !version.body.active {
        return Campaign::Inactive { advertiser: Some(advertiser), reason: "campaign_paused" };
    }
    match Destination::parse(&version.body.destination) {
        Ok(destination) => {
            let (tenant, id) = (tenant.clone(), id.clone());
            Campaign::Active(Arc::new(ActiveCampaign { tenant, advertiser, id, destination }))
        }
        Err(error) => {
            tracing::error!(campaign = %id, destination = version.body.destination, %error, "bad destination, links off");
            Campaign::Inactive { advertiser: Some(advertiser), reason: "destination_bad" }
        }
    }
}

fn client((entry, key): (&CatalogEntry, &schemas::record::catalog::ApiKey)) -> Option<(KeyHash, Arc<Client>)> {
    let api_key = ApiKeyId::new(&entry.id)
        .inspect_err(|error| tracing::warn!(api_key = entry.id, %error, "API key of the catalog passed over"))
        .ok()?;
    let client = Client {
        tenant: entry.tenant.clone(),
        advertiser: key.advertiser.clone(),
        api_key,
        key_hash: key.hash,
        usage: key.usage,
        signed: key.signed,
    };
    Some((key.hash, Arc::new(client)))
}

#[cfg(test)]
pub mod tests;
