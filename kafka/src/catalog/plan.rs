//! Decides what a catalog file changes: a pure function of the catalog as it stands, the file and the hashes of its API
//! keys. Everything that is wrong is reported, and then nothing is written.

mod references;
mod versions;

use super::file::{Body, Draft, File, KeyDraft};
use super::problem::Problem;
use schemas::catalog::Catalog;
use schemas::id::KeyHash;
use schemas::name::TenantId;
use schemas::record::catalog::{ApiKey, CatalogEntry, EntityKind};
use schemas::time::Micros;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// The hashes of the keys in the files that a catalog file names.
pub type KeyHashes = BTreeMap<PathBuf, KeyHash>;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In an order in which an entity comes after those that it names.
    pub entries: Vec<CatalogEntry>,
    pub unchanged: usize,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
}

pub fn plan(existing: &Catalog, file: &File, keys: &KeyHashes, now: Micros) -> Result<Plan, Vec<Problem>> {
    let mut problems = file.problems.clone();
    let Some(tenant) = &file.tenant else { return Err(problems) };
    let drafts = without_repeats(&file.drafts, &mut problems);
    let scope = references::Scope::new(existing, tenant, &drafts, file);
    scope.check(&mut problems);
    references::check_owners(existing, tenant, &drafts, keys, &mut problems);
    let mut plan = Plan::default();
    for draft in drafts {
        let Some(entry) = entry(tenant, draft, keys, now, &mut problems) else { continue };
        versions::decide(existing, draft, entry, now, &mut plan, &mut problems);
    }
    plan.warnings.sort_by_key(|problem| problem.line);
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() { Ok(plan) } else { Err(problems) }
}

/// An entity that is in the file twice is a slip: which one would count?
fn without_repeats<'a>(drafts: &'a [Draft], problems: &mut Vec<Problem>) -> Vec<&'a Draft> {
    let mut first_lines: HashMap<(EntityKind, &str), u64> = HashMap::new();
    let mut kept = Vec::with_capacity(drafts.len());
    for draft in drafts {
        match first_lines.get(&(draft.kind, draft.id.as_str())) {
            Some(first) => {
                let reason = format!("twice in this file, first in line {first}");
                problems.push(Problem::new(draft.line, id_field(draft.kind), &draft.id, reason));
            }
            None => {
                first_lines.insert((draft.kind, &draft.id), draft.line);
                kept.push(draft);
            }
        }
    }
    kept
}

/// The draft as version 1; none for an API key without a hash, whose problem was noted when its file was read.
fn entry(
    tenant: &TenantId,
    draft: &Draft,
    keys: &KeyHashes,
    now: Micros,
    problems: &mut Vec<Problem>,
) -> Option<CatalogEntry> {
    let mut entry = CatalogEntry {
        effective_from: draft.effective_from,
        applied_at: now,
        ..CatalogEntry::bare(draft.kind, tenant.clone(), &draft.id)
    };
    match &draft.body {
        Body::Advertiser(body) => entry.advertiser = Some(body.clone()),
        Body::Contract(body) => entry.contract = Some(body.clone()),
        Body::Publisher(body) => entry.publisher = Some(body.clone()),
        Body::Campaign(body) => entry.campaign = Some(body.clone()),
        Body::Link(body) => entry.link = Some(body.clone()),
        Body::Coupon(body) => entry.coupon = Some(body.clone()),
        Body::Override(body) => entry.exception = Some(body.clone()),
        Body::ApiKey(KeyDraft { advertiser, key_file, key_file_line, active, usage, signed }) => {
            let Some(&hash) = keys.get(key_file) else {
                let field = "api_keys.key_file";
                // Usually reading the file has said why.
                if !problems.iter().any(|problem| problem.line == *key_file_line && problem.field == field) {
                    let shown = key_file.display().to_string();
                    problems.push(Problem::new(*key_file_line, field, &shown, "not read"));
                }
                return None;
            };
            let (advertiser, active, usage, signed) = (advertiser.clone(), *active, *usage, *signed);
            entry.api_key = Some(ApiKey { advertiser, hash, active, usage, signed });
        }
    }
    Some(entry)
}

/// The section of an entity in a file.
fn section(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Installation => "installation",
        EntityKind::Advertiser => "advertisers",
        EntityKind::Campaign => "campaigns",
        EntityKind::Publisher => "publishers",
        EntityKind::Link => "links",
        EntityKind::Coupon => "coupons",
        EntityKind::Contract => "contracts",
        EntityKind::ApiKey => "api_keys",
        EntityKind::Override => "overrides",
        EntityKind::BudgetPassed => "budgets_passed",
    }
}

fn id_field(kind: EntityKind) -> String {
    let id = if matches!(kind, EntityKind::Link | EntityKind::Coupon) { "code" } else { "id" };
    format!("{}.{id}", section(kind))
}

#[cfg(test)]
mod tests;
