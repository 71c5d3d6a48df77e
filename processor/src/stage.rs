//! The shells of the three stages: read the state that a rule needs, let `domain` decide, note changes and records.

pub mod decide;
pub mod join;
pub mod settle;

use crate::task::{NoCatalog, Poison, StageError, Surroundings, TaskError};
use schemas::catalog::Catalog;
use schemas::offset::Offset;
use schemas::topic::Topic;
use std::sync::Arc;

/// The catalog as whoever wrote a record had read it, or more of it.
fn catalog(around: &dyn Surroundings, needed: Offset) -> Result<Arc<Catalog>, StageError> {
    around.catalog(needed).map_err(|missing| match missing {
        NoCatalog::Behind => StageError::Task(TaskError::CatalogBehind(needed)),
        NoCatalog::NeverWritten => StageError::Poison(Poison::Catalog(needed)),
    })
}

/// The stage that a topic is the input of.
pub fn name(topic: Topic) -> &'static str {
    match topic {
        Topic::Clicks | Topic::Events => "join",
        Topic::Candidates => "decide",
        Topic::Journal => "settle",
        Topic::Rejected
        | Topic::Decisions
        | Topic::Attributions
        | Topic::Payouts
        | Topic::Budgets
        | Topic::Catalog
        | Topic::DecideChangelog
        | Topic::SettleChangelog
        | Topic::DeadLetters => "none",
    }
}
