//! Holds the versions of every entity so that a clone costs a pointer per shard, and a change after it copies one shard.
//! What a version means is the catalog's.

use crate::name::{CampaignId, PublisherId, TenantId};
use crate::offset::Offset;
use crate::record::catalog::{CatalogEntry, EntityKind};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A change copies one shard: of a million links about 4,000, half a millisecond.
const SHARDS: usize = 256;
const KINDS: usize = 10;

/// In the order of the log.
type Versions = Vec<(Offset, Arc<CatalogEntry>)>;
type Shard<V> = HashMap<Key, V>;
/// Ids, by tenant and by what they are about.
type Overrides = HashMap<(TenantId, OverrideScope), Vec<Box<str>>>;
/// A campaign, a publisher, or both.
pub type OverrideScope = (Option<CampaignId>, Option<PublisherId>);

#[derive(Clone, Debug)]
pub struct Store {
    kinds: [Sharded<Versions>; KINDS],
    /// The first tenant that had a link code, under an empty tenant's name.
    link_owners: Sharded<TenantId>,
    /// The ids of overrides, by what any of their versions is about (`override_scope`).
    overrides: Arc<Overrides>,
}

impl Default for Store {
    fn default() -> Self {
        Store {
            kinds: std::array::from_fn(|_| Sharded::default()),
            link_owners: Sharded::default(),
            overrides: Arc::default(),
        }
    }
}

impl Store {
    /// Adds a version; one that is already there changes nothing.
    pub fn add(&mut self, offset: Offset, entry: Arc<CatalogEntry>) {
        if entry.kind == EntityKind::Link {
            self.link_owners.entry("", &entry.id, || entry.tenant.clone());
        }
        if let Some(exception) = &entry.exception {
            let key = (entry.tenant.clone(), (exception.campaign.clone(), exception.publisher.clone()));
            let ids = Arc::make_mut(&mut self.overrides).entry(key).or_default();
            if !ids.iter().any(|id| **id == *entry.id) {
                ids.push(entry.id.as_str().into());
            }
        }
        let kind = &mut self.kinds[index(entry.kind)];
        let versions = kind.entry(entry.tenant.as_str(), &entry.id, Versions::new);
        if versions.last().is_none_or(|(last, _)| *last < offset) {
            versions.push((offset, entry));
        }
    }

    pub fn versions(&self, kind: EntityKind, tenant: &str, id: &str) -> Option<&Versions> {
        self.kinds[index(kind)].get(tenant, id)
    }

    pub fn link_owner(&self, code: &str) -> Option<&TenantId> {
        self.link_owners.get("", code)
    }

    /// Whether there is any override at all: nearly always there is none.
    pub fn has_overrides(&self) -> bool {
        !self.overrides.is_empty()
    }

    /// The overrides that ever were about exactly this.
    pub fn overrides(&self, tenant: &TenantId, scope: OverrideScope) -> &[Box<str>] {
        self.overrides.get(&(tenant.clone(), scope)).map_or(&[], Vec::as_slice)
    }

    pub fn all(&self, kind: EntityKind) -> impl Iterator<Item = &Versions> {
        self.kinds[index(kind)].0.iter().flat_map(|shard| shard.values())
    }

    /// Entities of a kind that an earlier clone knows fewer versions of, or not at all: what they share is not looked at.
    pub fn changed_since<'a>(&'a self, earlier: &'a Store, kind: EntityKind) -> impl Iterator<Item = &'a Versions> {
        let pairs = self.kinds[index(kind)].0.iter().zip(&earlier.kinds[index(kind)].0);
        let changed = pairs.filter(|(ours, theirs)| !Arc::ptr_eq(ours, theirs));
        changed.flat_map(|(ours, theirs)| {
            let known = |key: &Key| theirs.get(key).map_or(0, Vec::len);
            ours.iter().filter(move |(key, versions)| versions.len() > known(key)).map(|(_, versions)| versions)
        })
    }

    #[cfg(test)]
    pub fn shards_not_shared_with(&self, other: &Store) -> usize {
        let pairs = self.kinds.iter().zip(&other.kinds).flat_map(|(ours, theirs)| ours.0.iter().zip(&theirs.0));
        pairs.filter(|(ours, theirs)| !Arc::ptr_eq(ours, theirs)).count()
    }
}

fn index(kind: EntityKind) -> usize {
    match kind {
        EntityKind::Installation => 0,
        EntityKind::Advertiser => 1,
        EntityKind::Campaign => 2,
        EntityKind::Publisher => 3,
        EntityKind::Link => 4,
        EntityKind::Coupon => 5,
        EntityKind::Contract => 6,
        EntityKind::ApiKey => 7,
        EntityKind::Override => 8,
        EntityKind::BudgetPassed => 9,
    }
}

#[derive(Debug)]
struct Sharded<V>(Vec<Arc<Shard<V>>>);

impl<V> Clone for Sharded<V> {
    fn clone(&self) -> Self {
        Sharded(self.0.clone())
    }
}

impl<V> Default for Sharded<V> {
    fn default() -> Self {
        Sharded((0..SHARDS).map(|_| Arc::default()).collect())
    }
}

impl<V: Clone> Sharded<V> {
    fn get(&self, tenant: &str, id: &str) -> Option<&V> {
        self.0[shard_of(tenant, id)].get(&(tenant, id) as &dyn Parts)
    }

    fn entry(&mut self, tenant: &str, id: &str, new: impl FnOnce() -> V) -> &mut V {
        let shard = Arc::make_mut(&mut self.0[shard_of(tenant, id)]);
        shard.entry(Key { tenant: tenant.into(), id: id.into() }).or_insert_with(new)
    }
}

/// FNV-1a (draft-eastlake-fnv): only spreads, the map inside withstands chosen keys.
fn shard_of(tenant: &str, id: &str) -> usize {
    let bytes = tenant.bytes().chain([b'/']).chain(id.bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (hash >> 32) as usize % SHARDS
}

/// What a key is made of: looking up by it costs no allocation, and a redirect looks up five times.
trait Parts {
    fn parts(&self) -> (&str, &str);
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    tenant: Box<str>,
    id: Box<str>,
}

impl Parts for Key {
    fn parts(&self) -> (&str, &str) {
        (&self.tenant, &self.id)
    }
}

impl Parts for (&str, &str) {
    fn parts(&self) -> (&str, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Parts + 'a> for Key {
    fn borrow(&self) -> &(dyn Parts + 'a) {
        self
    }
}

// The same as that of `dyn Parts`, as `Borrow` asks.
impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.parts().hash(hasher);
    }
}

impl Hash for dyn Parts + '_ {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.parts().hash(hasher);
    }
}

impl PartialEq for dyn Parts + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for dyn Parts + '_ {}
