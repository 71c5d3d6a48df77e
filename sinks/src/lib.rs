//! Kafka topics into ClickHouse tables, exactly once.
//!
//! Owns: the tables and their rows, the protocol between Kafka's committed offsets and ClickHouse's deduplication.
//! `audit` asks of the tables whether what was decided follows from what came in.
//! Leaves to others: what the records mean (`schemas`), who wrote them, what is asked of the tables (`console`, SQL).
//!
//! The protocol, per partition (design, "ClickHouse"), and who holds its parts:
//! 1. Records are read into an open batch, which is sealed as one range of offsets (`partition`).
//! 2. The range is written into the metadata of the group's committed offset, `v1;lo;hi` (`range`).
//! 3. What cannot be decoded is acknowledged by `dead-letters`, the rows go in one insert of one block under the token
//!    `topic id:partition:lo:hi` (`insert`). After an attempt that was not answered, the table is asked what it holds
//!    of the range, and what is missing is inserted, until nothing is (`held`).
//! 4. `hi + 1` is committed.
//!
//! Whoever is assigned the partition after a crash finds the range, reads the same records, has the same rows, and asks
//! in the same way; the token is for an insert that is still under way, which ClickHouse then drops.
//!
//! **Architecture invariants:** no row holds a clock's or a random value, so a range always gives the same rows. All rows
//! of a record are of one month, so of one part of their table, which ClickHouse stores wholly or not at all.
//! Nothing is inserted whose range is not committed. Commits of a partition never go backward. There is no second
//! coordinator and no local state: Kafka's group and ClickHouse's tables are all there is. No librdkafka: that is `kafka`'s.

pub mod audit;
mod config;
mod dead_letters;
mod error;
mod held;
mod insert;
pub mod look_up;
mod partition;
mod pump;
mod range;
mod retry;
mod rows;
mod standing;
pub mod tables;

pub use config::{ClickHouseConfig, Config};
pub use error::Error;

use kafka::{KafkaConfig, Kind};
use service::{Health, Shutdown};
use std::time::{Duration, Instant};

/// Between two lives of the consumer: a broker that was killed fences members that it has forgotten, and two processes
/// under one name must not take turns quickly.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Loads every topic until shutdown. Blocks; ClickHouse or Kafka being away is waited out.
///
/// # Errors
/// A configuration or an installation that does not fit (topics or tables missing, a committed offset that Kafka no
/// longer holds), named by what to do about it. A fenced consumer is replaced.
pub fn run(config: Config, kafka: KafkaConfig, clickhouse: ClickHouseConfig, shutdown: Shutdown) -> Result<(), Error> {
    config.check()?;
    let health = Health::default();
    service::metrics::handle();
    service::health::serve_in_background(config.metrics_listen, health.clone(), shutdown.clone())
        .map_err(|source| Error::Listen { address: config.metrics_listen, source })?;
    let mut pause = FIRST_PAUSE;
    loop {
        let begun = Instant::now();
        let pump = pump::Pump::start(config.clone(), &kafka, &clickhouse, health.clone(), shutdown.clone())?;
        let error = match pump.map_or(Ok(()), pump::Pump::run) {
            Err(Error::Kafka(error)) if error.kind == Kind::GiveUp && !shutdown.requested() => error,
            ended => return ended,
        };
        tracing::warn!(%error, instance = config.instance, "fenced, joining anew; does another process run under this instance?");
        metrics::counter!("sinks_fenced_total").increment(1);
        pause = if begun.elapsed() > LONGEST_PAUSE { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        std::thread::sleep(pause);
    }
}
