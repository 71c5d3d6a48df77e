//! What an account books against its campaigns' budgets, and reports.

use super::{in_tenant, read};
use crate::stage;
use crate::state::{Store, StoreError, Table, keys};
use crate::task::{Output, StageError, Surroundings, Task};
use domain::settle::budget::{self, Budget, Report};
use schemas::codec::{self, DecodeError};
use schemas::key;
use schemas::name::{CampaignId, PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::budget::BudgetSpent;
use schemas::record::catalog;
use schemas::record::journal::JournalEntry;
use schemas::record::state::SettledState;
use schemas::topic::Topic;

/// Counts an entry against the budgets of its campaign before its account is changed; where the campaign is another than
/// before, of that one too. Which budgets there are is as this process has read the catalog: it changes when a part is first
/// made, not what the part is.
pub fn count<S: Store>(
    task: &mut Task<S>,
    entry: &JournalEntry,
    before: Option<&SettledState>,
    after: &SettledState,
    around: &dyn Surroundings,
) -> Result<(), StageError> {
    let catalog = stage::catalog(around, Offset::NONE)?;
    let former = before.and_then(|before| before.campaign.as_ref()).filter(|former| **former != entry.campaign);
    for campaign in former.into_iter().chain([&entry.campaign]) {
        let budgets = catalog.budgets(&entry.tenant, campaign, catalog.read_to());
        let mut parts = parts(task, &entry.tenant, &entry.publisher, campaign)?;
        let known = parts.len();
        let theirs = |terms: &&catalog::Budget| terms.publisher.as_ref().is_none_or(|of| *of == entry.publisher);
        let new: Vec<_> =
            budgets.iter().filter(theirs).filter(|terms| !parts.iter().any(|part| is_of(part, terms))).collect();
        if !new.is_empty() {
            let held = held(task, entry)?;
            let open = |terms| budget::open(Budget { tenant: &entry.tenant, campaign, terms }, &entry.publisher, &held);
            parts.extend(new.into_iter().map(open));
        }
        for (number, part) in parts.into_iter().enumerate() {
            let change = budget::change(&part, before, after);
            // A new one is kept in any case: it is not made again.
            if change.is_zero() && number < known {
                continue;
            }
            let limit = budgets.iter().find(|terms| is_of(&part, terms)).map(|terms| terms.limit);
            let (part, report) = budget::spend(part, change, limit);
            put(task, &part, report);
        }
    }
    Ok(())
}

fn is_of(part: &BudgetSpent, terms: &catalog::Budget) -> bool {
    (&part.publisher, part.currency, part.from) == (&terms.publisher, terms.currency, terms.from)
}

/// What an account has of a campaign's budgets, also of former ones: they may come back.
fn parts<S: Store>(
    task: &Task<S>,
    tenant: &TenantId,
    of: &PublisherId,
    campaign: &CampaignId,
) -> Result<Vec<BudgetSpent>, StoreError> {
    let (from, to) = keys::budgets(tenant, of, campaign);
    all(task, Table::Budgets, &from, &to)
}

/// All that the entry's account holds: read once for each budget, since one may be set on a campaign that runs.
fn held<S: Store>(task: &Task<S>, entry: &JournalEntry) -> Result<Vec<SettledState>, StoreError> {
    let (from, to) = keys::all_settled(&entry.tenant, &entry.publisher);
    all(task, Table::Settled, &from, &to)
}

fn all<S: Store, T: codec::Record>(task: &Task<S>, table: Table, from: &[u8], to: &[u8]) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    let mut damaged = None;
    task.overlay.scan(&task.store, table, from, to, &mut |_, framed| {
        match codec::decode(framed) {
            Ok(record) => found.push(record),
            Err(error) => damaged = Some(error),
        }
        damaged.is_none()
    })?;
    let corrupt = |error: DecodeError| StoreError::Corrupt { what: table.name(), reason: error.to_string() };
    damaged.map_or(Ok(found), |error| Err(corrupt(error)))
}

/// What is below a step: told with every run.
pub fn report_rest<S: Store>(task: &mut Task<S>, tenant: &TenantId) -> Result<(), StoreError> {
    for key in in_tenant(task, Table::Budgets, tenant)? {
        let part: Option<BudgetSpent> = read(task, Table::Budgets, &key)?;
        if let Some(part) = part.and_then(budget::rest) {
            put(task, &part, Report::Yes);
        }
    }
    Ok(())
}

fn put<S>(task: &mut Task<S>, part: &BudgetSpent, report: Report) {
    let framed = codec::encode(part);
    if report == Report::Yes {
        task.outbox.push(Output { topic: Topic::Budgets, key: key::budget(part), value: framed.clone() });
    }
    task.overlay.put(Table::Budgets, keys::budget(part), framed);
}
