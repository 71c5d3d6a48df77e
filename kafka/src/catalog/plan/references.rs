//! Checks what entities of a file say about one another and about those in the catalog: that the named ones exist and
//! are in effect, and that nothing belongs to two.

use super::{KeyHashes, id_field, section};
use crate::catalog::file::{Body, Draft, File, Reference};
use crate::catalog::problem::{Problem, did_you_mean};
use schemas::catalog::Catalog;
use schemas::id::KeyHash;
use schemas::name::{AdvertiserId, LinkCode, TenantId};
use schemas::record::catalog::EntityKind;
use schemas::time::Micros;
use std::collections::HashMap;

/// Where named entities are looked for.
pub struct Scope<'a> {
    existing: &'a Catalog,
    tenant: &'a TenantId,
    drafts: &'a [&'a Draft],
    by_id: HashMap<(EntityKind, &'a str), &'a Draft>,
    file: &'a File,
}

impl<'a> Scope<'a> {
    pub fn new(existing: &'a Catalog, tenant: &'a TenantId, drafts: &'a [&'a Draft], file: &'a File) -> Scope<'a> {
        let by_id = drafts.iter().map(|draft| ((draft.kind, draft.id.as_str()), *draft)).collect();
        Scope { existing, tenant, drafts, by_id, file }
    }

    pub fn check(&self, problems: &mut Vec<Problem>) {
        for (by, reference) in &self.file.broken_references {
            self.check_reference(*by, None, reference, problems);
        }
        for draft in self.drafts {
            for reference in &draft.references {
                self.check_reference(draft.kind, Some(draft.effective_from), reference, problems);
            }
            if let Body::Coupon(coupon) = &draft.body {
                let owner = self.campaign_owner(coupon.campaign.as_str());
                if let Some(owner) = owner.filter(|owner| **owner != coupon.advertiser) {
                    let reason = format!("belongs to advertiser {owner}, not to {}", coupon.advertiser);
                    let line = line_of(draft, "campaign");
                    problems.push(Problem::new(line, "coupons.campaign", coupon.campaign.as_str(), reason));
                }
            }
        }
    }

    /// `at` is when the naming entity comes into effect, where that is known.
    fn check_reference(&self, by: EntityKind, at: Option<Micros>, reference: &Reference, problems: &mut Vec<Problem>) {
        if self.file.broken.contains(&(reference.kind, reference.id.clone())) {
            return;
        }
        let reason = match (self.in_effect_from(reference.kind, &reference.id), at) {
            (None, _) => {
                let hint = did_you_mean(&reference.id, self.ids(reference.kind));
                let kind = reference.kind.name();
                format!("no such {kind} in this file or in the catalog of tenant {}{hint}", self.tenant)
            }
            (Some(from), Some(at)) if from > at => {
                format!("in effect only from {from}, after this one's effective_from {at}")
            }
            (Some(_), _) => return,
        };
        let field = format!("{}.{}", section(by), reference.field);
        problems.push(Problem::new(reference.line, field, &reference.id, reason));
    }

    /// When the first version of an entity comes into effect, the file's included.
    fn in_effect_from(&self, kind: EntityKind, id: &str) -> Option<Micros> {
        let drafted = self.by_id.get(&(kind, id)).map(|draft| draft.effective_from);
        let written = self.existing.versions_of(kind, self.tenant, id).map(|entry| entry.effective_from);
        written.chain(drafted).min()
    }

    fn campaign_owner(&self, campaign: &str) -> Option<&AdvertiserId> {
        if let Some(draft) = self.by_id.get(&(EntityKind::Campaign, campaign)) {
            return match &draft.body {
                Body::Campaign(body) => Some(&body.advertiser),
                Body::Advertiser(_)
                | Body::Contract(_)
                | Body::Publisher(_)
                | Body::Link(_)
                | Body::Coupon(_)
                | Body::ApiKey(_)
                | Body::Override(_) => None,
            };
        }
        let entry = self.existing.newest_of(EntityKind::Campaign, self.tenant, campaign)?;
        entry.campaign.as_ref().map(|body| &body.advertiser)
    }

    fn ids(&self, kind: EntityKind) -> impl Iterator<Item = &str> {
        let drafted = self.drafts.iter().filter(move |draft| draft.kind == kind).map(|draft| draft.id.as_str());
        let written = self.existing.newest(kind).filter(|entry| entry.tenant == *self.tenant);
        drafted.chain(written.map(|entry| entry.id.as_str()))
    }
}

/// Link codes are unique on an installation, since a redirect names no tenant; an API key is one advertiser's (P7).
pub fn check_owners(
    existing: &Catalog,
    tenant: &TenantId,
    drafts: &[&Draft],
    keys: &KeyHashes,
    problems: &mut Vec<Problem>,
) {
    let key_owners = existing.api_keys().map(|(entry, key)| (key.hash, (entry.tenant.clone(), entry.id.clone())));
    let mut key_owners: HashMap<KeyHash, (TenantId, String)> = key_owners.collect();
    for draft in drafts {
        match &draft.body {
            Body::Link(_) => {
                let owner = LinkCode::new(&draft.id).ok().and_then(|code| existing.link_owner(&code));
                if owner.is_some_and(|owner| owner != tenant) {
                    let reason = "taken by another tenant; codes are unique on an installation";
                    problems.push(Problem::new(draft.line, id_field(draft.kind), &draft.id, reason));
                }
            }
            Body::ApiKey(key) => {
                let Some(&hash) = keys.get(&key.key_file) else { continue };
                let ours = (tenant.clone(), draft.id.clone());
                let owner = key_owners.entry(hash).or_insert_with(|| ours.clone());
                if *owner != ours {
                    let shown = key.key_file.display().to_string();
                    let reason = format!("holds the key of {}; every API key has its own", owner.1);
                    problems.push(Problem::new(key.key_file_line, "api_keys.key_file", &shown, reason));
                }
            }
            Body::Advertiser(_)
            | Body::Contract(_)
            | Body::Publisher(_)
            | Body::Campaign(_)
            | Body::Coupon(_)
            | Body::Override(_) => {}
        }
    }
}

fn line_of(draft: &Draft, field: &str) -> u64 {
    draft.references.iter().find(|reference| reference.field == field).map_or(draft.line, |reference| reference.line)
}
