//! decide: the set of evidence of each conversion, its current decision, and what is booked for it.

use crate::stage;
use crate::state::{Store, StoreError, Table, keys};
use crate::task::{Output, Poison, StageError, Surroundings, Task};
use domain::decide::{self, Merged, Revision};
use kafka::queue::Record;
use schemas::codec::{self, DecodeError};
use schemas::key;
use schemas::record::amendment::Amendment;
use schemas::record::candidates::Candidates;
use schemas::record::command::ConversionCommand;
use schemas::record::state::ConversionState;
use schemas::topic::Topic;

/// Candidates, a command on a conversion, or an amendment of its terms: merged into its evidence; where the decision changes, the revision and its
/// entries go out.
pub fn input<S: Store>(task: &mut Task<S>, record: &Record<'_>, around: &dyn Surroundings) -> Result<(), StageError> {
    let value = record.value.ok_or(Poison::Empty)?;
    if codec::is_framed_as::<ConversionCommand>(value) {
        command(task, value, around)
    } else if codec::is_framed_as::<Amendment>(value) {
        amendment(task, value, around)
    } else {
        candidates(task, value, around)
    }
}

fn candidates<S: Store>(task: &mut Task<S>, value: &[u8], around: &dyn Surroundings) -> Result<(), StageError> {
    let input: Candidates = codec::decode(value)?;
    let key = keys::conversion(input.conversion_id);
    let mut state = read(task, &key)?;
    match decide::merge(&mut state, &input)? {
        Merged::Unchanged => return Ok(()),
        Merged::Changed => {}
    }
    // What `merge` let in decodes; an error from here on is the stored state's.
    for passed_on in decide::passed_on(&state, &input).map_err(corrupt)? {
        let key = key::conversion(&passed_on.tenant, &passed_on.advertiser, passed_on.conversion_id);
        task.outbox.push(Output { topic: Topic::Candidates, key, value: codec::encode(&passed_on) });
    }
    revise(task, key, state, around)
}

/// A person's word; it may come before the conversion that it is about.
fn command<S: Store>(task: &mut Task<S>, value: &[u8], around: &dyn Surroundings) -> Result<(), StageError> {
    let command: ConversionCommand = codec::decode(value)?;
    let key = keys::conversion(command.conversion_id);
    let mut state = read(task, &key)?;
    match decide::merge_command(&mut state, &command) {
        Merged::Unchanged => Ok(()),
        Merged::Changed => revise(task, key, state, around),
    }
}

/// Other terms for what is past.
fn amendment<S: Store>(task: &mut Task<S>, value: &[u8], around: &dyn Surroundings) -> Result<(), StageError> {
    let amendment: Amendment = codec::decode(value)?;
    let key = keys::conversion(amendment.conversion_id);
    let mut state = read(task, &key)?;
    match decide::merge_amendment(&mut state, &amendment)? {
        Merged::Unchanged => Ok(()),
        Merged::Changed => revise(task, key, state, around),
    }
}

fn read<S: Store>(task: &Task<S>, key: &[u8]) -> Result<ConversionState, StoreError> {
    let Some(framed) = task.overlay.get(&task.store, Table::Conversions, key)? else {
        return Ok(ConversionState::default());
    };
    let decision = task.overlay.get(&task.store, Table::Decisions, key)?;
    Ok(ConversionState { decision, ..codec::decode(&framed).map_err(corrupt)? })
}

fn corrupt(error: DecodeError) -> StoreError {
    StoreError::Corrupt { what: "a conversion", reason: error.to_string() }
}

/// Decides a conversion whose state has changed, and keeps both.
fn revise<S: Store>(
    task: &mut Task<S>,
    key: Vec<u8>,
    mut state: ConversionState,
    around: &dyn Surroundings,
) -> Result<(), StageError> {
    let evidence = decide::read(&state).map_err(corrupt)?;
    let catalog = stage::catalog(around, evidence.catalog_needed)?;
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
