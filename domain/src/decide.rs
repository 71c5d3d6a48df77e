//! decide's rules: a conversion's state from the set of its inputs, and from that who earns it and why (P4).
//!
//! Owns the order of the steps. The steps: `merge` keeps the set, `facts` reads it, `touches` and `evidence` judge it,
//! `ruling` says who earns, `life` what became of the sale and `sold` what is left of it, `models`, `rates` and
//! `commission` say how much is due, `record` writes it down, `books` turns the difference to what is booked into
//! journal entries, whose `cause` is what is new. Leaves storage, and waiting for the catalog, to the shell.
//!
//! **Invariant (P3):** a decision is a function of the set of inputs and of the catalog as of their offsets. Only its
//! revision, and the entries that lead from one revision to the next, tell in which order they came.

mod amended;
mod apportion;
mod books;
mod cause;
mod commission;
mod evidence;
mod exact;
pub(crate) mod explain;
mod facts;
mod fraud;
pub mod half_life;
mod life;
mod merge;
pub mod models;
mod rates;
mod record;
mod ruling;
mod sold;
mod touches;
mod validity;

use amended::Amended;
use commission::Earnings;
use facts::Facts;
use life::Life;
use record::Standing;
use ruling::Ruling;
use schemas::catalog::Catalog;
use schemas::codec::{self, DecodeError};
use schemas::offset::Offset;
use schemas::record::amendment::Amendment;
use schemas::record::attribution::Attribution;
use schemas::record::candidates::Candidates;
use schemas::record::command::ConversionCommand;
use schemas::record::decision::Decision;
use schemas::record::event::Event;
use schemas::record::journal::JournalEntry;
use schemas::record::state::ConversionState;
use sold::Sold;

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

/// Adds a command to a conversion's set, which may still be empty: associative, commutative and idempotent, like `merge`.
pub fn merge_command(state: &mut ConversionState, command: &ConversionCommand) -> Merged {
    if merge::add_command(state, command) { Merged::Changed } else { Merged::Unchanged }
}

/// Adds an amendment to a conversion's set: as `merge_command`.
///
/// # Errors
/// A contract in it is none of a schema known here; the state is unchanged then.
pub fn merge_amendment(state: &mut ConversionState, amendment: &Amendment) -> Result<Merged, DecodeError> {
    Ok(if merge::add_amendment(state, amendment)? { Merged::Changed } else { Merged::Unchanged })
}

/// What is to be sent to other conversions after `merge` has changed this one: refunds and the like that name an event,
/// for the orders that the event turned out to belong to.
///
/// # Errors
/// An event in the state is none of a schema known here.
pub fn passed_on(state: &ConversionState, input: &Candidates) -> Result<Vec<Candidates>, DecodeError> {
    merge::passed_on(state, input)
}

/// A conversion's set, read: what has to be known before it can be decided.
pub struct Evidence {
    events: Vec<Event>,
    amended: Vec<Amended>,
    /// How far the catalog must have been read.
    pub catalog_needed: Offset,
}

/// Reads what a conversion's state holds.
///
/// # Errors
/// An event in the state is none of a schema known here.
pub fn read(state: &ConversionState) -> Result<Evidence, DecodeError> {
    let events = merge::stored(state)?;
    let catalog_needed = facts::catalog_needed(&events, &state.journeys);
    Ok(Evidence { events, amended: amended::read(state)?, catalog_needed })
}

/// What a set of inputs is decided as by itself, as revision 1, whatever was decided or booked before. None where there is
/// nothing to decide. Its shares are what `decide` books in the end (P3).
///
/// # Errors
/// As `read`.
pub fn afresh(state: &ConversionState, catalog: &Catalog) -> Result<Option<Decision>, DecodeError> {
    let mut state = ConversionState { decision: None, booked: Vec::new(), ..state.clone() };
    let evidence = read(&state)?;
    Ok(decide(&mut state, evidence, catalog)?.map(|revision| revision.decision))
}

/// Decides a conversion anew, by what `read` found in this state. None where nothing but the revision would differ from
/// the current decision, and where there is nothing to decide: an alias whose event came with its order only.
///
/// The catalog must have read up to `catalog_needed`.
///
/// # Errors
/// The decision in the state is none of a schema known here; the state is unchanged then.
pub fn decide(
    state: &mut ConversionState,
    evidence: Evidence,
    catalog: &Catalog,
) -> Result<Option<Revision>, DecodeError> {
    let Some(facts) = Facts::of(evidence.events, evidence.amended, state) else { return Ok(None) };
    let current = state.decision.as_deref().map(codec::decode::<Decision>).transpose()?;
    let (ruling, explanation) = ruling::rule(&facts, catalog);
    let earned = match &ruling {
        Ruling::Earned(earned) => Some(earned),
        Ruling::Nobody { .. } => None,
    };
    let life = Life::of(&facts);
    let sold = Sold::of(&facts, &life);
    let status = life.status(&facts, &sold, earned);
    let earnings = earned.map(|earned| Earnings::of(&facts, &sold, status, earned));
    let standing = Standing { sold: &sold, status };
    let mut decision = record::decision(&facts, &ruling, earnings.as_ref(), standing, explanation);
    if let Some(current) = &current {
        decision.revision = current.revision;
        if decision == *current {
            return Ok(None);
        }
        decision.revision += 1;
    }
    // The rows of the current revision as they were, so that sums over all rows stay right.
    let taken_back = current.iter().flat_map(record::attributions).map(|row| Attribution { sign: -1, ..row });
    let attributions = taken_back.chain(record::attributions(&decision)).collect();
    let booked = earnings.as_ref().filter(|_| !ruling.is_withheld());
    let cause = cause::of(current.as_ref(), &decision, &facts);
    // The facts still look at the state.
    let mut now_booked = state.booked.clone();
    let entries = books::book(&mut now_booked, &decision, earned, booked, &cause);
    state.booked = now_booked;
    state.decision = Some(codec::encode(&decision));
    Ok(Some(Revision { decision, attributions, entries }))
}
