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
    ApiKey, Budget, BudgetPassed, Campaign, CatalogEntry, Contract, Coupon, EntityKind, Installation, Link, Override,
    Publisher,
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

    /// The budget that pauses the campaign, or this publisher on it: one that was spent then, and whose limit has not been
    /// raised since.
    pub fn budget_passed(
        &self,
        tenant: &TenantId,
        campaign: &CampaignId,
        publisher: &PublisherId,
        as_of: AsOf,
    ) -> Option<&BudgetPassed> {
        let budgets = &self.campaign(tenant, campaign, as_of)?.body.budgets;
        let theirs = |budget: &&Budget| budget.publisher.as_ref().is_none_or(|of| of == publisher);
        budgets.iter().filter(theirs).find_map(|budget| {
            let entry = self.find(EntityKind::BudgetPassed, tenant, &budget_id(campaign, budget), as_of)?;
            entry.budget_passed.as_ref().filter(|passed| passed.limit >= budget.limit)
        })
    }

    /// The budgets that a campaign has by the newest version that this position knows of, whatever its time.
    pub fn budgets(&self, tenant: &TenantId, campaign: &CampaignId, known: Offset) -> &[Budget] {
        let as_of = AsOf { offset: known, time: Micros(i64::MAX) };
        self.campaign(tenant, campaign, as_of).map_or(&[], |version| &version.body.budgets)
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

/// The id of the entity that says that a budget is spent: `summer/*/USD/0`. A budget with another publisher, currency or time
/// is another budget.
pub fn budget_id(campaign: &CampaignId, budget: &Budget) -> String {
    let publisher = budget.publisher.as_ref().map_or("*", PublisherId::as_str);
    format!("{campaign}/{publisher}/{}/{}", budget.currency, budget.from.0)
}

#[cfg(test)]
mod tests;
