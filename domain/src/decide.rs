//! decide's rules: a conversion's state from the set of its inputs, and from that who earns it and why (P4).
//!
//! Owns the order of the steps. The steps: `merge` keeps the set, `facts` reads it, `touches` and `evidence` judge it,
//! `ruling` says who earns, `models` and `commission` say how much, `record` writes it down, `books` turns the
//! difference to what is booked into journal entries. Leaves storage, and waiting for the catalog, to the shell.
//!
//! **Invariant (P3):** a decision is a function of the set of inputs and of the catalog as of their offsets. Only its
//! revision, and the entries that lead from one revision to the next, tell in which order they came.

mod apportion;
mod books;
mod commission;
mod evidence;
mod explain;
mod facts;
pub mod half_life;
mod merge;
pub mod models;
mod record;
mod ruling;
mod touches;

use commission::Earnings;
use facts::Facts;
use ruling::Ruling;
use schemas::catalog::Catalog;
use schemas::codec::{self, DecodeError};
use schemas::offset::Offset;
use schemas::record::attribution::Attribution;
use schemas::record::candidates::Candidates;
use schemas::record::decision::Decision;
use schemas::record::journal::JournalEntry;
use schemas::record::state::{ConversionState, Framed};

/// What an input did to the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    Changed,
    /// It said nothing new: there is nothing to decide.
    Unchanged,
}

/// A new revision of a conversion's decision and what it sends out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    pub decision: Decision,
    /// The rows of the earlier revision with sign -1, then those of this one with sign 1.
    pub attributions: Vec<Attribution>,
    pub entries: Vec<JournalEntry>,
}

/// Adds an input to a conversion's set: associative, commutative and idempotent.
///
/// # Errors
/// The input's event, or one in the state, is no event of a schema known here; the state is unchanged then.
pub fn merge(state: &mut ConversionState, input: &Candidates) -> Result<Merged, DecodeError> {
    merge::merge(state, input)
}

/// Decides a conversion anew. None where nothing but the revision would differ from the current decision, and where
/// there is nothing to decide: an alias whose event came with its order only.
///
/// The catalog must have read up to `catalog_needed`.
///
/// # Errors
/// A record in the state is none of a schema known here; the state is unchanged then.
pub fn decide(state: &mut ConversionState, catalog: &Catalog) -> Result<Option<Revision>, DecodeError> {
    let events = merge::stored(state)?;
    let Some(facts) = Facts::of(events, &state.journeys, state.same_as) else { return Ok(None) };
    let current = state.decision.as_deref().map(codec::decode::<Decision>).transpose()?;
    let (ruling, explanation) = ruling::rule(&facts, catalog);
    let earnings = match &ruling {
        Ruling::Earned(earned) => Some(Earnings::of(facts.earning(), earned)),
        Ruling::Nobody { .. } => None,
    };
    let mut decision = record::decision(&facts, &ruling, earnings.as_ref(), explanation);
    if let Some(current) = &current {
        decision.revision = current.revision;
        if decision == *current {
            return Ok(None);
        }
        decision.revision += 1;
    }
    let mut attributions = taken_back(&state.attributions)?;
    let rows = earnings.iter().flat_map(|earnings| record::attributions(&decision, earnings)).collect::<Vec<_>>();
    let entries = books::book(&mut state.booked, &decision, &ruling, earnings.as_ref());
    state.decision = Some(codec::encode(&decision));
    state.attributions = rows.iter().map(|row| Framed(codec::encode(row))).collect();
    attributions.extend(rows);
    Ok(Some(Revision { decision, attributions, entries }))
}

/// How far the catalog must have been read before the conversion can be decided.
///
/// # Errors
/// An event in the state is none of a schema known here.
pub fn catalog_needed(state: &ConversionState) -> Result<Offset, DecodeError> {
    let events = merge::stored(state)?;
    Ok(facts::catalog_needed(&events, &state.journeys))
}

/// The rows of the current revision as they were, with sign -1, so that sums over all rows stay right.
fn taken_back(rows: &[Framed]) -> Result<Vec<Attribution>, DecodeError> {
    rows.iter().map(|Framed(row)| Ok(Attribution { sign: -1, ..codec::decode::<Attribution>(row)? })).collect()
}
