//! The load test: drives real customer journeys through the edge as visitors would, keeps an own journal of what was
//! acknowledged, and holds ClickHouse against that journal and against the published reference.
//!
//! Owns: the plan (`journeys`, `schedule`), the replay, the oracle, the comparison and its report; `bench`, which
//! measures processors; `chaos`, which breaks processors and broker under load; `edge`, which measures and breaks
//! edges; `history`, which fills the topics for the audit. Leaves to others: the servers; replay and verify know them by HTTP only, bench and chaos write to and
//! read from a Kafka of their own.
//!
//! **Architecture invariant:** nothing here depends on `domain`, `processor` or `sinks`. What judges the rules must
//! not be computed by them; only ids, records and exact decimals come from `schemas`.

pub mod bench;
pub mod chaos;
pub mod cli;
pub mod clickhouse;
pub mod edge;
mod error;
pub mod history;
pub mod journeys;
pub mod oracle;
pub mod record;
pub mod reference;
pub mod replay;
pub mod report;
pub mod schedule;
pub mod verify;

pub use error::Error;
