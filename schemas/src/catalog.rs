//! The catalog as its readers hold it: every version of every entity, found as of a catalog position and a time.
//!
//! **Invariant (catalog order):** a look-up as of `(offset, time)` takes the newest version whose record stands at or
//! before `offset` and whose `effective_from` is not after `time`. So a replay decides alike, whatever came later.
//!
//! A clone shares what it does not change (`store`), so that a reader can publish its view at every change.

mod store;

use crate::name::{AdvertiserId, CampaignId, ContractId, CouponCode, LinkCode, PublisherId, TenantId};
use crate::offset::{NextOffset, Offset};
use crate::record::catalog::{
    ApiKey, Campaign, CatalogEntry, Contract, Coupon, EntityKind, Installation, Link, Override, Publisher,
};
use crate::time::Micros;
use std::sync::Arc;
use store::{OverrideScope, Store};

/// Where in the catalog's history a look-up stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    pub offset: Offset,
    pub time: Micros,
}

/// An entity's body with the version that it is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version<'a, T> {
    pub number: i32,
    pub body: &'a T,
}

/// An override as a decision names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedOverride<'a> {
    pub id: &'a str,
    pub version: i32,
    pub body: &'a Override,
}

/// What holds instead of a campaign's own windows, each with the override that says so. The narrowest counts: campaign and
/// publisher, then publisher, then campaign; of equal ones the newest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overridden<'a> {
    /// Seconds.
    pub look_back: Option<(i64, NamedOverride<'a>)>,
    /// Seconds.
    pub minimum: Option<(i64, NamedOverride<'a>)>,
}

#[derive(Debug, Default, Clone)]
pub struct Catalog {
    next: NextOffset,
    entities: Store,
}

macro_rules! look_up {
    ($(#[$doc:meta])* $name:ident, $field:ident, $kind:ident, $body:ident, $id:ident: $id_type:ty) => {
        $(#[$doc])*
        pub fn $name(&self, tenant: &TenantId, $id: &$id_type, as_of: AsOf) -> Option<Version<'_, $body>> {
            let entry = self.find(EntityKind::$kind, tenant, $id.as_str(), as_of)?;
            entry.$field.as_ref().map(|body| Version { number: entry.version, body })
        }
    };
}

impl Catalog {
    /// Takes the record at `offset`; a repeated record changes nothing.
    pub fn apply(&mut self, offset: Offset, entry: CatalogEntry) {
        self.skip_to(offset.next());
        self.entities.add(offset, Arc::new(entry));
    }

    /// Notes that all before `next` has been read: compaction and undecodable records leave gaps.
    pub fn skip_to(&mut self, next: NextOffset) {
        self.next = self.next.max(next);
    }

    /// The position up to which this catalog has been read.
    pub fn next_offset(&self) -> NextOffset {
        self.next
    }

    /// What a writer stamps on its records: the last record that it has read.
    pub fn read_to(&self) -> Offset {
        Offset(self.next.0 - 1)
    }

    /// Whether a record stamped with `offset` can be judged already.
    pub fn has_read(&self, offset: Offset) -> bool {
        offset < Offset(self.next.0)
    }

    fn find(&self, kind: EntityKind, tenant: &TenantId, id: &str, as_of: AsOf) -> Option<&CatalogEntry> {
        let versions = self.entities.versions(kind, tenant.as_str(), id)?;
        let mut known = versions.iter().rev().filter(|(offset, _)| *offset <= as_of.offset);
        known.find(|(_, entry)| entry.effective_from <= as_of.time).map(|(_, entry)| &**entry)
    }

    look_up!(campaign, campaign, Campaign, Campaign, id: CampaignId);
    look_up!(publisher, publisher, Publisher, Publisher, id: PublisherId);
    look_up!(link, link, Link, Link, code: LinkCode);
    look_up!(contract, contract, Contract, Contract, id: ContractId);

    pub fn coupon(
        &self,
        tenant: &TenantId,
        advertiser: &AdvertiserId,
        code: &CouponCode,
        as_of: AsOf,
    ) -> Option<Version<'_, Coupon>> {
        let entry = self.find(EntityKind::Coupon, tenant, &coupon_id(advertiser, code), as_of)?;
        entry.coupon.as_ref().map(|body| Version { number: entry.version, body })
    }

    /// What overrides say about a click of this publisher on this campaign, as of the click; nearly always nothing.
    pub fn overridden(
        &self,
        tenant: &TenantId,
        campaign: &CampaignId,
        publisher: &PublisherId,
        as_of: AsOf,
    ) -> Option<Overridden<'_>> {
        if !self.entities.has_overrides() {
            return None;
        }
        let both = (Some(campaign.clone()), Some(publisher.clone()));
        let scopes = [both, (None, Some(publisher.clone())), (Some(campaign.clone()), None)];
        let in_force = scopes.into_iter().flat_map(|scope| self.in_force(tenant, scope, as_of));
        let mut found = Overridden::default();
        for named in in_force {
            found.look_back = found.look_back.or(named.body.look_back_seconds.map(|seconds| (seconds, named)));
            found.minimum = found.minimum.or(named.body.minimum_seconds.map(|seconds| (seconds, named)));
        }
        (found != Overridden::default()).then_some(found)
    }

    /// Overrides about exactly this, the newest by (effective from, id) first.
    fn in_force(&self, tenant: &TenantId, scope: OverrideScope, as_of: AsOf) -> Vec<NamedOverride<'_>> {
        let ids = self.entities.overrides(tenant, scope.clone());
        let entries = ids.iter().filter_map(|id| self.find(EntityKind::Override, tenant, id, as_of));
        let mut found: Vec<_> = entries
            .filter_map(|entry| {
                let body = entry.exception.as_ref()?;
                let holds = (&body.campaign, &body.publisher) == (&scope.0, &scope.1) && as_of.time < body.expires_at;
                holds.then_some((entry.effective_from, NamedOverride { id: &entry.id, version: entry.version, body }))
            })
            .collect();
        found.sort_by_key(|(from, named)| std::cmp::Reverse((*from, named.id)));
        found.into_iter().map(|(_, named)| named).collect()
    }

    /// Whose link a code is: codes are unique on an installation, and a redirect names no tenant. Where a writer broke
    /// that, the first one keeps the code.
    pub fn link_owner(&self, code: &LinkCode) -> Option<&TenantId> {
        self.entities.link_owner(code.as_str())
    }

    /// The newest version of every entity of a kind, whatever its time.
    pub fn newest(&self, kind: EntityKind) -> impl Iterator<Item = &CatalogEntry> {
        self.entities.all(kind).filter_map(|versions| versions.last().map(|(_, entry)| &**entry))
    }

    /// Likewise, of those only that have versions which `earlier`, a clone of this catalog before it read on, does not have.
    pub fn changed_since<'a>(
        &'a self,
        earlier: &'a Catalog,
        kind: EntityKind,
    ) -> impl Iterator<Item = &'a CatalogEntry> {
        let changed = self.entities.changed_since(&earlier.entities, kind);
        changed.filter_map(|versions| versions.last().map(|(_, entry)| &**entry))
    }

    /// The newest version of one entity, whatever its time.
    pub fn newest_of(&self, kind: EntityKind, tenant: &TenantId, id: &str) -> Option<&CatalogEntry> {
        self.entities.versions(kind, tenant.as_str(), id)?.last().map(|(_, entry)| &**entry)
    }

    /// When the next version of such an entity comes into force: until then, what holds now goes on holding.
    pub fn next_effective(&self, kind: EntityKind, after: Micros) -> Option<Micros> {
        let entries = self.entities.all(kind).flat_map(|versions| versions.iter().map(|(_, entry)| entry));
        entries.map(|entry| entry.effective_from).filter(|&from| from > after).min()
    }

    /// Every version of one entity, in the order of the log.
    pub fn versions_of(&self, kind: EntityKind, tenant: &TenantId, id: &str) -> impl Iterator<Item = &CatalogEntry> {
        self.entities.versions(kind, tenant.as_str(), id).into_iter().flatten().map(|(_, entry)| &**entry)
    }

    /// What was fixed when the topics were created.
    pub fn installation(&self) -> Option<&Installation> {
        self.newest(EntityKind::Installation).find_map(|entry| entry.installation.as_ref())
    }

    /// API keys as they stand now.
    pub fn api_keys(&self) -> impl Iterator<Item = (&CatalogEntry, &ApiKey)> {
        self.newest(EntityKind::ApiKey).filter_map(|entry| entry.api_key.as_ref().map(|key| (entry, key)))
    }
}

/// The entity id of a coupon: codes are an advertiser's own.
pub fn coupon_id(advertiser: &AdvertiserId, code: &CouponCode) -> String {
    format!("{advertiser}/{code}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publisher(version: i32, effective_from: i64, name: &str) -> CatalogEntry {
        let tenant = TenantId::new("default").expect("a name");
        CatalogEntry {
            version,
            effective_from: Micros(effective_from),
            publisher: Some(Publisher { name: name.into(), customers: vec![], addresses: vec![] }),
            ..CatalogEntry::bare(EntityKind::Publisher, tenant, "alpha")
        }
    }

    #[test]
    fn a_look_up_takes_the_newest_version_known_and_in_effect() {
        let mut catalog = Catalog::default();
        catalog.apply(Offset(3), publisher(1, 100, "first"));
        catalog.apply(Offset(7), publisher(2, 200, "second"));
        catalog.apply(Offset(9), publisher(3, 150, "third"));
        catalog.apply(Offset(7), publisher(2, 200, "repeated"));
        let tenant = TenantId::new("default").expect("a name");
        let alpha = PublisherId::new("alpha").expect("a name");
        for (offset, time, expected) in [
            (2, 1000, None),
            (3, 99, None),
            (3, 100, Some("first")),
            (8, 199, Some("first")),
            (8, 200, Some("second")),
            (9, 149, Some("first")),
            (9, 150, Some("third")),
            (9, 500, Some("third")),
        ] {
            let as_of = AsOf { offset: Offset(offset), time: Micros(time) };
            let found = catalog.publisher(&tenant, &alpha, as_of).map(|version| version.body.name.as_str());
            assert_eq!(found, expected, "{offset} {time}");
        }
        assert_eq!(catalog.read_to(), Offset(9));
        assert!(catalog.has_read(Offset(9)) && !catalog.has_read(Offset(10)));
    }

    fn exception(campaign: Option<&str>, of: Option<&str>, look_back_seconds: i64, expires_at: i64) -> Override {
        Override {
            campaign: campaign.map(|name| CampaignId::new(name).expect("a name")),
            publisher: of.map(|name| PublisherId::new(name).expect("a name")),
            look_back_seconds: Some(look_back_seconds),
            minimum_seconds: None,
            expires_at: Micros(expires_at),
            approver: "ana".into(),
            why: String::new(),
        }
    }

    #[test]
    fn the_narrowest_override_in_force_counts() {
        let tenant = TenantId::new("default").expect("a name");
        let (summer, alpha) = (CampaignId::new("summer").expect("a name"), PublisherId::new("alpha").expect("a name"));
        let mut catalog = Catalog::default();
        let found = |catalog: &Catalog, offset: i64, time: i64| {
            let as_of = AsOf { offset: Offset(offset), time: Micros(time) };
            let found = catalog.overridden(&tenant, &summer, &alpha, as_of)?.look_back;
            found.map(|(seconds, named)| (seconds, named.id.to_owned(), named.version))
        };
        assert_eq!(found(&catalog, 9, 100), None);
        let entries = [
            ("wide", 1, 100, exception(Some("summer"), None, 10, 1000)),
            ("both", 1, 200, exception(Some("summer"), Some("alpha"), 20, 300)),
            ("own", 1, 100, exception(None, Some("alpha"), 30, 250)),
            ("newer", 1, 150, exception(None, Some("alpha"), 40, 160)),
            ("others", 1, 0, exception(None, Some("beta"), 50, 1000)),
            // From its second version on it is about somebody else.
            ("own", 2, 120, exception(None, Some("beta"), 60, 1000)),
        ];
        for (offset, (id, version, effective_from, body)) in (0..).zip(entries) {
            let bare = CatalogEntry::bare(EntityKind::Override, tenant.clone(), id);
            let effective_from = Micros(effective_from);
            catalog.apply(Offset(offset), CatalogEntry { version, effective_from, exception: Some(body), ..bare });
        }
        let named = |seconds, id: &str| Some((seconds, id.to_owned(), 1));
        for (offset, time, expected) in [
            (9, 99, None),
            (9, 100, named(30, "own")),
            (0, 100, named(10, "wide")),
            (9, 130, named(10, "wide")),
            (4, 130, named(30, "own")),
            (9, 159, named(40, "newer")),
            (9, 160, named(10, "wide")),
            (4, 160, named(30, "own")),
            (9, 200, named(20, "both")),
            (9, 299, named(20, "both")),
            (9, 300, named(10, "wide")),
            (9, 1000, None),
        ] {
            assert_eq!(found(&catalog, offset, time), expected, "{offset} {time}");
        }
    }

    #[test]
    fn a_clone_does_not_see_what_comes_later_and_shares_the_rest() {
        let mut catalog = Catalog::default();
        for number in 0..2000 {
            let entry = CatalogEntry { id: format!("publisher-{number}"), ..publisher(1, 0, "first") };
            catalog.apply(Offset(number), entry);
        }
        let earlier = catalog.clone();
        let changed = CatalogEntry { id: "publisher-7".into(), ..publisher(2, 0, "second") };
        catalog.apply(Offset(2000), changed);
        let tenant = TenantId::new("default").expect("a name");
        let version = |catalog: &Catalog| {
            catalog.newest_of(EntityKind::Publisher, &tenant, "publisher-7").map(|entry| entry.version)
        };
        assert_eq!((version(&earlier), version(&catalog)), (Some(1), Some(2)));
        assert_eq!((earlier.read_to(), catalog.read_to()), (Offset(1999), Offset(2000)));
        assert_eq!(earlier.newest(EntityKind::Publisher).count(), 2000);
        assert_eq!(catalog.entities.shards_not_shared_with(&earlier.entities), 1);
        let changed = |earlier: &Catalog| -> Vec<String> {
            catalog.changed_since(earlier, EntityKind::Publisher).map(|entry| entry.id.clone()).collect()
        };
        assert_eq!(changed(&earlier), ["publisher-7"]);
        assert_eq!((changed(&catalog).len(), changed(&Catalog::default()).len()), (0, 2000));
    }

    #[test]
    fn a_link_code_belongs_to_whoever_had_it_first() {
        let link = |tenant: &str| CatalogEntry {
            kind: EntityKind::Link,
            tenant: TenantId::new(tenant).expect("a name"),
            id: "alpha-summer".into(),
            publisher: None,
            ..publisher(1, 0, "")
        };
        let mut catalog = Catalog::default();
        catalog.apply(Offset(0), link("one"));
        catalog.apply(Offset(1), link("two"));
        let code = |text| LinkCode::new(text).expect("a code");
        assert_eq!(catalog.link_owner(&code("alpha-summer")).map(TenantId::as_str), Some("one"));
        assert_eq!(catalog.link_owner(&code("alpha-winter")), None);
    }
}
