//! Decides which version an entity of a file becomes, if any.

use super::{Plan, section};
use crate::catalog::file::Draft;
use crate::catalog::problem::Problem;
use schemas::catalog::Catalog;
use schemas::name::AdvertiserId;
use schemas::record::catalog::CatalogEntry;
use schemas::time::Micros;

pub fn decide(
    existing: &Catalog,
    draft: &Draft,
    mut entry: CatalogEntry,
    now: Micros,
    plan: &mut Plan,
    problems: &mut Vec<Problem>,
) {
    let Some(newest) = existing.newest_of(entry.kind, &entry.tenant, &entry.id) else {
        plan.entries.push(entry);
        return;
    };
    if same(newest, &entry) {
        plan.unchanged += 1;
        return;
    }
    let field = || format!("{}.effective_from", section(draft.kind));
    let shown = draft.effective_from.to_string();
    if draft.effective_from < newest.effective_from {
        let reason = format!(
            "{} {} has changed since version {}, and lies before that version's {}; a new version starts at or after \
             the last one",
            draft.kind.name(),
            draft.id,
            newest.version,
            newest.effective_from
        );
        problems.push(Problem::new(draft.effective_from_line, field(), &shown, reason));
        return;
    }
    if let (Some(was), Some(is)) = (fixed_advertiser(newest), fixed_advertiser(&entry))
        && was != is
    {
        let reason = format!("{} {} belongs to {was} since version 1; make another", draft.kind.name(), draft.id);
        problems.push(Problem::new(draft.line, format!("{}.advertiser", section(draft.kind)), is.as_str(), reason));
        return;
    }
    if draft.effective_from < now {
        let reason = format!(
            "in the past: version {} of {} {} holds for clicks and events from now on; what is decided stays",
            newest.version + 1,
            draft.kind.name(),
            draft.id
        );
        plan.warnings.push(Problem::new(draft.effective_from_line, field(), &shown, reason));
    }
    entry.version = newest.version + 1;
    plan.entries.push(entry);
}

/// Whether writing the entry would change nothing.
fn same(newest: &CatalogEntry, entry: &CatalogEntry) -> bool {
    let as_newest = CatalogEntry { version: newest.version, applied_at: newest.applied_at, ..entry.clone() };
    as_newest == *newest
}

/// Kafka keys begin with the advertiser, so what has one keeps it (P7).
fn fixed_advertiser(entry: &CatalogEntry) -> Option<&AdvertiserId> {
    let campaign = entry.campaign.as_ref().map(|body| &body.advertiser);
    campaign.or(entry.api_key.as_ref().map(|body| &body.advertiser))
}
