//! The catalog as requests need it: link codes to destinations, API keys to advertisers. Immutable; a new one takes its
//! place when the catalog changes or a version comes into force (`keeper`).

pub mod keeper;
pub mod snapshot;

use crate::redirect::deep_link::Hosts;
use crate::redirect::destination::Destination;
use crate::redirect::plan::Plan;
use schemas::catalog::{AsOf, Catalog};
use schemas::id::{IpHash, KeyHash};
use schemas::name::{AdvertiserId, ApiKeyId, CampaignId, LinkCode, PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::catalog::{CatalogEntry, EntityKind, KeyUse};
use schemas::time::Micros;
use std::collections::HashMap;
use std::sync::Arc;

/// What can come into force by time alone. API keys hold from when they are there.
const TIMED: [EntityKind; 4] =
    [EntityKind::Link, EntityKind::Campaign, EntityKind::Publisher, EntityKind::BudgetPassed];

/// A change copies one: of a million links about 4,000.
const SHARDS: usize = 256;

#[derive(Debug)]
pub struct Routes {
    /// By `shard_of`: a change copies one of them.
    links: Box<[Arc<HashMap<LinkCode, Link>>]>,
    shared: Shared,
    clients: HashMap<KeyHash, Arc<Client>>,
    /// What records made with this index are stamped with (catalog order).
    pub offset: Offset,
    next_change: Option<Micros>,
}

#[derive(Debug, Clone)]
pub enum Link {
    Known(Arc<KnownLink>),
    /// One that exists and whose campaign or publisher does not: no catalog file can make it.
    Lost(Arc<LostLink>),
}

#[derive(Debug)]
pub struct KnownLink {
    pub code: LinkCode,
    pub publisher: Arc<Publisher>,
    pub campaign: Arc<Campaign>,
    /// A code such as `link_paused`, where its clicks do not count.
    closed: Option<&'static str>,
    /// What only few links have.
    pub own: Option<Box<OwnTerms>>,
}

#[derive(Debug)]
pub struct OwnTerms {
    pub plan: Plan,
    pub fallback: Option<Destination>,
    /// The first and the last moment.
    valid_from: Option<Micros>,
    valid_until: Option<Micros>,
}

#[derive(Debug)]
pub struct Publisher {
    pub id: PublisherId,
    /// Its own addresses, hashed.
    pub own: Box<[IpHash]>,
}

#[derive(Debug)]
pub struct Campaign {
    pub tenant: TenantId,
    pub advertiser: AdvertiserId,
    pub id: CampaignId,
    /// None: one that no catalog file can have.
    pub destination: Option<Destination>,
    pub plan: Plan,
    pub fallback: Option<Destination>,
    pub deep_link_hosts: Hosts,
    closed: Option<&'static str>,
    /// The first moment at which clicks count.
    starts_at: Option<Micros>,
    /// The first moment at which they no longer do.
    ends_at: Option<Micros>,
}

#[derive(Debug)]
pub struct LostLink {
    pub tenant: TenantId,
    pub advertiser: Option<AdvertiserId>,
    /// A code, such as `publisher_not_yet_effective`.
    pub reason: &'static str,
}

impl KnownLink {
    /// Why its clicks do not count at this time, and the measured value.
    pub fn closed(&self, now: Micros) -> Option<(&'static str, String)> {
        let campaign = &self.campaign;
        if let Some(reason) = self.closed.or(campaign.closed) {
            return Some((reason, self.code.to_string()));
        }
        if let Some(starts_at) = campaign.starts_at.filter(|at| now < *at) {
            return Some(("campaign_not_started", starts_at.to_string()));
        }
        if let Some(ends_at) = campaign.ends_at.filter(|at| *at <= now) {
            return Some(("campaign_ended", ends_at.to_string()));
        }
        // Without a fallback a link goes on leading where it leads, and its clicks count for what they are.
        let own = self.own.as_ref().filter(|own| own.fallback.is_some() || campaign.fallback.is_some())?;
        let early = own.valid_from.filter(|at| now < *at).map(|at| ("link_not_yet_valid", at.to_string()));
        early.or_else(|| own.valid_until.filter(|at| *at < now).map(|at| ("link_expired", at.to_string())))
    }

    /// Where visitors go meanwhile.
    pub fn fallback(&self) -> Option<&Destination> {
        let own = self.own.as_ref().and_then(|own| own.fallback.as_ref());
        own.or(self.campaign.fallback.as_ref())
    }
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

impl Routes {
    /// What holds at `now`, of what this catalog has read.
    pub fn build(catalog: &Catalog, now: Micros) -> Routes {
        let as_of = AsOf { offset: catalog.read_to(), time: now };
        let mut shared = Shared::default();
        let mut links: Vec<HashMap<LinkCode, Link>> = (0..SHARDS).map(|_| HashMap::new()).collect();
        for entry in catalog.newest(EntityKind::Link) {
            if let Some((code, link)) = shared.routed(catalog, entry, as_of) {
                links[shard_of(code.as_str())].insert(code, link);
            }
        }
        Routes {
            links: links.into_iter().map(Arc::new).collect(),
            shared,
            clients: clients(catalog),
            offset: as_of.offset,
            next_change: TIMED.into_iter().filter_map(|kind| catalog.next_effective(kind, now)).min(),
        }
    }

    /// What holds at `now`, where since `earlier`, of which this index was built, only links and API keys have changed: one
    /// new link of a million costs a shard. None where more has.
    pub fn update(&self, earlier: &Catalog, catalog: &Catalog, now: Micros) -> Option<Routes> {
        let changed = |kind| catalog.changed_since(earlier, kind).next().is_some();
        let of_many = [EntityKind::Campaign, EntityKind::Publisher, EntityKind::BudgetPassed];
        if self.outdated(now) || of_many.into_iter().any(changed) {
            return None;
        }
        let as_of = AsOf { offset: catalog.read_to(), time: now };
        let (mut links, mut shared, mut next_change) = (self.links.clone(), self.shared.clone(), self.next_change);
        for entry in catalog.changed_since(earlier, EntityKind::Link) {
            if let Some((code, link)) = shared.routed(catalog, entry, as_of) {
                Arc::make_mut(&mut links[shard_of(code.as_str())]).insert(code, link);
            }
            let versions = catalog.versions_of(EntityKind::Link, &entry.tenant, &entry.id);
            let later = versions.map(|version| version.effective_from).filter(|from| *from > now);
            next_change = next_change.into_iter().chain(later).min();
        }
        Some(Routes { links, shared, clients: clients(catalog), offset: as_of.offset, next_change })
    }

    pub fn link(&self, code: &str) -> Option<&Link> {
        self.links[shard_of(code)].get(code)
    }

    /// Where the key is there for this use.
    pub fn client(&self, api_key: &str, usage: KeyUse) -> Option<&Arc<Client>> {
        self.clients.get(&KeyHash::of_api_key(api_key)).filter(|client| client.usage == usage)
    }

    pub fn count(&self) -> usize {
        self.links.iter().map(|shard| shard.len()).sum()
    }

    /// Whether a version has come into force that this index does not have.
    pub fn outdated(&self, now: Micros) -> bool {
        self.next_change.is_some_and(|at| at <= now)
    }
}

/// FNV-1a (draft-eastlake-fnv): only spreads, the map inside withstands chosen codes.
fn shard_of(code: &str) -> usize {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    (code.bytes().fold(0xcbf2_9ce4_8422_2325, mix) >> 32) as usize % SHARDS
}

fn clients(catalog: &Catalog) -> HashMap<KeyHash, Arc<Client>> {
    catalog.api_keys().filter(|(_, key)| key.active).filter_map(client).collect()
}

/// A publisher, and whether it is in effect already.
type InEffect = (Arc<Publisher>, bool);

/// What many links share, made once.
#[derive(Debug, Default, Clone)]
struct Shared {
    campaigns: HashMap<(TenantId, CampaignId), Option<Arc<Campaign>>>,
    publishers: HashMap<(TenantId, PublisherId), Option<InEffect>>,
    lost: HashMap<(TenantId, Option<AdvertiserId>, &'static str), Arc<LostLink>>,
}

impl Shared {
    fn routed(&mut self, catalog: &Catalog, entry: &CatalogEntry, as_of: AsOf) -> Option<(LinkCode, Link)> {
        let code = LinkCode::new(&entry.id)
            .inspect_err(|_| tracing::warn!(link = entry.id, "link code of the catalog is none, passed over"))
            .ok()?;
        if catalog.link_owner(&code) != Some(&entry.tenant) {
            return None;
        }
        let link = self.link(catalog, &entry.tenant, &code, as_of);
        Some((code, link))
    }

    /// A link that is not in effect yet is known by its newest version: visitors go where it is going to lead.
    fn link(&mut self, catalog: &Catalog, tenant: &TenantId, code: &LinkCode, as_of: AsOf) -> Link {
        let effective = catalog.link(tenant, code, as_of).map(|version| version.body);
        let newest = || catalog.newest_of(EntityKind::Link, tenant, code.as_str())?.link.as_ref();
        let Some(body) = effective.or_else(newest) else { return self.lost(tenant, None, "link_not_yet_effective") };
        let campaign = (tenant.clone(), body.campaign.clone());
        let campaign =
            self.campaigns.entry(campaign).or_insert_with(|| campaign_of(catalog, tenant, &body.campaign, as_of));
        let Some(campaign) = campaign.clone() else { return self.lost(tenant, None, "campaign_not_yet_effective") };
        let publisher = (tenant.clone(), body.publisher.clone());
        let publisher =
            self.publishers.entry(publisher).or_insert_with(|| publisher_of(catalog, tenant, &body.publisher, as_of));
        let Some((publisher, in_effect)) = publisher.clone() else {
            return self.lost(tenant, Some(campaign.advertiser.clone()), "publisher_not_yet_effective");
        };
        let closed = match effective {
            None => Some("link_not_yet_effective"),
            Some(body) if !body.active => Some("link_paused"),
            Some(body) if catalog.budget_passed(tenant, &body.campaign, &body.publisher, as_of).is_some() => {
                Some("budget_spent")
            }
            Some(_) => (!in_effect).then_some("publisher_not_yet_effective"),
        };
        let says_more = body.redirects.is_some() || body.valid_from.is_some() || body.valid_until.is_some();
        let own = says_more.then(|| {
            let redirects = body.redirects.as_deref();
            Box::new(OwnTerms {
                plan: redirects.map(|redirects| Plan::new(redirects, code.as_str())).unwrap_or_default(),
                fallback: redirects.and_then(|redirects| destination(redirects.fallback.as_deref()?, code.as_str())),
                valid_from: body.valid_from,
                valid_until: body.valid_until,
            })
        });
        Link::Known(Arc::new(KnownLink { code: code.clone(), publisher, campaign, closed, own }))
    }

    fn lost(&mut self, tenant: &TenantId, advertiser: Option<AdvertiserId>, reason: &'static str) -> Link {
        let lost = self.lost.entry((tenant.clone(), advertiser.clone(), reason));
        Link::Lost(lost.or_insert_with(|| Arc::new(LostLink { tenant: tenant.clone(), advertiser, reason })).clone())
    }
}

fn campaign_of(catalog: &Catalog, tenant: &TenantId, id: &CampaignId, as_of: AsOf) -> Option<Arc<Campaign>> {
    let effective = catalog.campaign(tenant, id, as_of).map(|version| version.body);
    let newest = || catalog.newest_of(EntityKind::Campaign, tenant, id.as_str())?.campaign.as_ref();
    let body = effective.or_else(newest)?;
    let leads = destination(&body.destination, id.as_str());
    let closed = match effective {
        None => Some("campaign_not_yet_effective"),
        Some(body) if !body.active => Some("campaign_paused"),
        Some(_) => leads.is_none().then_some("destination_bad"),
    };
    let redirects = body.redirects.as_deref();
    Some(Arc::new(Campaign {
        tenant: tenant.clone(),
        advertiser: body.advertiser.clone(),
        id: id.clone(),
        destination: leads,
        plan: redirects.map(|redirects| Plan::new(redirects, id.as_str())).unwrap_or_default(),
        fallback: redirects.and_then(|redirects| destination(redirects.fallback.as_deref()?, id.as_str())),
        deep_link_hosts: redirects.map(|redirects| Hosts::new(&redirects.deep_link_hosts)).unwrap_or_default(),
        closed,
        starts_at: redirects.and_then(|redirects| redirects.starts_at),
        ends_at: redirects.and_then(|redirects| redirects.ends_at),
    }))
}

fn publisher_of(catalog: &Catalog, tenant: &TenantId, id: &PublisherId, as_of: AsOf) -> Option<InEffect> {
    let effective = catalog.publisher(tenant, id, as_of).map(|version| version.body);
    let newest = || catalog.newest_of(EntityKind::Publisher, tenant, id.as_str())?.publisher.as_ref();
    let body = effective.or_else(newest)?;
    let own = body.addresses.as_slice().into();
    Some((Arc::new(Publisher { id: id.clone(), own }), effective.is_some()))
}

fn destination(text: &str, whose: &str) -> Option<Destination> {
    let told = |error: &_| tracing::error!(whose, destination = text, %error, "bad destination, left out");
    Destination::parse(text).inspect_err(told).ok()
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
