//! decide: the set of evidence of each conversion, its current decision, and what is booked for it.

use crate::state::{Store, StoreError, Table, keys};
use crate::task::{NoCatalog, Output, Poison, StageError, Surroundings, Task, TaskError};
use domain::decide::{self, Merged, Revision};
use kafka::queue::Record;
use schemas::codec::{self, DecodeError};
use schemas::key;
use schemas::record::candidates::Candidates;
use schemas::record::state::ConversionState;
use schemas::topic::Topic;

/// Candidates: merged into the conversion's evidence; where the decision changes, the revision and its entries go out.
pub fn candidates<S: Store>(
    task: &mut Task<S>,
    record: &Record<'_>,
    around: &dyn Surroundings,
) -> Result<(), StageError> {
    let input: Candidates = codec::decode(record.value.ok_or(Poison::Empty)?)?;
    let key = keys::conversion(input.conversion_id);
    let corrupt = |error: DecodeError| StoreError::Corrupt { what: "a conversion", reason: error.to_string() };
    let mut state = match task.overlay.get(&task.store, Table::Conversions, &key)? {
        Some(framed) => {
            let decision = task.overlay.get(&task.store, Table::Decisions, &key)?;
            ConversionState { decision, ..codec::decode(&framed).map_err(corrupt)? }
        }
        None => ConversionState::default(),
    };
    match decide::merge(&mut state, &input)? {
        Merged::Unchanged => return Ok(()),
        Merged::Changed => {}
    }
    // What `merge` let in decodes; an error from here on is the stored state's.
    for passed_on in decide::passed_on(&state, &input).map_err(corrupt)? {
        let key = key::conversion(&passed_on.tenant, &passed_on.advertiser, passed_on.conversion_id);
        task.outbox.push(Output { topic: Topic::Candidates, key, value: codec::encode(&passed_on) });
    }
    let evidence = decide::read(&state).map_err(corrupt)?;
    let needed = evidence.catalog_needed;
    let catalog = around.catalog(needed).map_err(|missing| match missing {
        NoCatalog::Behind => StageError::Task(TaskError::CatalogBehind(needed)),
        NoCatalog::NeverWritten => StageError::Poison(Poison::Catalog(needed)),
    })?;
    let revision = decide::decide(&mut state, evidence, &catalog).map_err(corrupt)?;
    task.overlay.put(Table::Conversions, key.clone(), codec::encode(&state));
    if let (Some(revision), Some(decision)) = (revision, state.decision) {
        task.overlay.put(Table::Decisions, key, decision.clone());
        send(task, &revision, decision);
    }
    Ok(())
}

fn send<S>(task: &mut Task<S>, revision: &Revision, framed: Vec<u8>) {
    let decision = &revision.decision;
    let key = key::conversion(&decision.tenant, &decision.advertiser, decision.conversion_id);
    task.outbox.push(Output { topic: Topic::Decisions, key, value: framed });
    for attribution in &revision.attributions {
        let key = key::publisher(&attribution.tenant, &attribution.publisher);
        task.outbox.push(Output { topic: Topic::Attributions, key, value: codec::encode(attribution) });
    }
    for entry in &revision.entries {
        let key = key::publisher(&entry.tenant, &entry.publisher);
        task.outbox.push(Output { topic: Topic::Journal, key, value: codec::encode(entry) });
    }
}
