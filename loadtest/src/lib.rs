//! The load test: drives real customer journeys through the edge as visitors would, keeps an own journal of what was
//! acknowledged, and holds ClickHouse against that journal and against the published reference.
//!
//! Owns: the plan (`journeys`, `schedule`), the replay, the oracle, the comparison and its report. Leaves to others: the
//! servers it talks to; it knows them by HTTP only. Beside it the processor's benchmark (`bench`), which talks to Kafka.
//!
//! **Architecture invariant:** nothing here depends on `domain`, `processor` or `sinks`. What judges the rules must not be
//! computed by them; only ids and exact decimals come from `schemas`.

pub mod bench;
pub mod cli;
pub mod clickhouse;
mod error;
pub mod journeys;
pub mod oracle;
pub mod record;
pub mod reference;
pub mod replay;
pub mod report;
pub mod schedule;
pub mod verify;

pub use error::Error;
