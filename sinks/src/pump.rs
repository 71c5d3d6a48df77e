//! The loop of a sink: records in, steps of the partitions' state machines done, one thread for all of it. Inserts run
//! on a thread of their own (`insert`) and report back.
//!
//! **Invariant:** a partition's state is dropped before the group is told that its revocation was heard, and every
//! assignment has a number; a report of an earlier one finds nothing to change.

mod owned;
mod ready;
mod state;

use crate::config::{ClickHouseConfig, Config, INSERTS_AT_ONCE, RANGE_BYTES};
use crate::dead_letters::Writer;
use crate::error::Error;
use crate::insert::Loader;
use crate::partition::Limits;
use crate::standing;
use crate::tables;
use kafka::group::{Place, Rebalance};
use kafka::sink::SinkConsumer;
use kafka::{KafkaConfig, Kind};
use metrics::gauge;
use service::{Health, Shutdown};
use state::State;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The longest wait for a record; reports of inserts and full batches wait for it.
const POLL_WAIT: Duration = Duration::from_millis(20);
/// Records between two looks at the clock and the reports: a few milliseconds of decoding. A record has up to 1,270 rows,
/// so a turn adds at most half of a block to a range that was not full before it.
const READS_PER_TURN: usize = 400;
/// After a question or commit that failed: the coordinator is moving, or a rebalance is about to say so.
const PAUSE: Duration = Duration::from_millis(300);
/// What sealed ranges may take at shutdown; a new start would load the rest all the same.
const FINISH: Duration = Duration::from_secs(10);

pub(crate) struct Pump {
    consumer: SinkConsumer,
    state: State,
    /// Assigned, and not answered yet.
    assigned: Option<Vec<Place>>,
    commit_after: Instant,
    health: Health,
    shutdown: Shutdown,
    /// Ends the inserts' thread when dropped.
    _inserts: oneshot::Sender<()>,
}

impl Pump {
    /// Waits until Kafka and ClickHouse answer, and checks that topics and tables are as they must be. None when
    /// shutdown came first.
    pub fn start(
        config: Config,
        kafka: &KafkaConfig,
        clickhouse: &ClickHouseConfig,
        health: Health,
        shutdown: Shutdown,
    ) -> Result<Option<Pump>, Error> {
        let client = clickhouse.client()?;
        let (inserts, stop) = ready::inserts_thread()?;
        let consumer = SinkConsumer::new(kafka, "sinks", &config.instance)?;
        let names: Vec<String> = tables::topics().map(|topic| kafka.topics().name(topic)).collect();
        if !ready::topics_exist(&consumer, &names, &shutdown)? || !ready::tables_fit(&inserts, &client, &shutdown)? {
            return Ok(None);
        }
        consumer.subscribe(&names)?;
        let limits = Limits { rows: config.max_rows, bytes: RANGE_BYTES, age: config.flush_interval.0 };
        let loader = Loader::new(client, Writer::new(kafka)?, INSERTS_AT_ONCE);
        let state = State::new(kafka.topics(), limits, loader, inserts);
        let commit_after = Instant::now();
        Ok(Some(Pump { consumer, state, assigned: None, commit_after, health, shutdown, _inserts: stop }))
    }

    pub fn run(mut self) -> Result<(), Error> {
        while !self.shutdown.requested() {
            self.answer_the_group()?;
            self.read()?;
            self.state.seal_due(Instant::now());
            self.act()?;
            self.balance()?;
            self.health.set(self.state.assigned() && !self.state.stuck());
        }
        self.health.set(false);
        self.finish()?;
        tracing::info!("stopped");
        Ok(())
    }

    /// Ends what is on its way; what is only read is left to the next start.
    fn finish(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        self.consumer.pause(&self.state.places())?;
        while self.state.busy() && begun.elapsed() < FINISH {
            self.answer_the_group()?;
            // Serves the group; a record that was on its way here is read again by the next start.
            self.consumer.poll(POLL_WAIT, |_| {})?;
            self.act()?;
        }
        Ok(())
    }

    fn answer_the_group(&mut self) -> Result<(), Error> {
        while let Some(event) = self.consumer.rebalance() {
            // Dropping a partition's state ends its insert.
            self.state.clear();
            self.assigned = None;
            match event {
                Rebalance::Revoked { lost } => {
                    tracing::info!(lost, "partitions were revoked");
                    self.consumer.unassign()?;
                }
                Rebalance::Assigned(places) => self.assigned = Some(places),
            }
        }
        let Some(places) = &self.assigned else { return Ok(()) };
        match self.consumer.standing(places) {
            Ok(standing) => {
                let mut taken = Vec::with_capacity(standing.len());
                for one in standing {
                    let committed = standing::go_on(&one)?;
                    taken.push((one, committed));
                }
                let positions: Vec<_> =
                    taken.iter().map(|(one, committed)| (one.place.clone(), committed.next)).collect();
                self.consumer.assign(&positions)?;
                // A pause of an earlier assignment does not outlive it.
                self.consumer.resume(places)?;
                self.state.take_over(taken);
                self.assigned = None;
            }
            // The group goes on waiting for the answer.
            Err(error) => {
                tracing::warn!(%error, "trying again");
                std::thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), Error> {
        let Pump { consumer, state, .. } = self;
        for read in 0..READS_PER_TURN {
            let wait = if read == 0 { POLL_WAIT } else { Duration::ZERO };
            // No record: also where the group wants an answer.
            if !consumer.poll(wait, |record| state.take(&record, Instant::now()))? {
                break;
            }
        }
        for progress in consumer.progress() {
            let lag = state.lag(&progress);
            let labels = [("topic", progress.place.topic), ("partition", progress.place.partition.to_string())];
            gauge!("sinks_lag", &labels).set(lag as f64);
        }
        Ok(())
    }

    /// Does what the partitions' state machines ask for: one commit for all, then the inserts that it allows.
    fn act(&mut self) -> Result<(), Error> {
        self.state.hear();
        let commits = self.state.commits();
        if !commits.is_empty() && Instant::now() >= self.commit_after {
            match self.consumer.commit(&commits) {
                Ok(()) => self.state.committed(),
                Err(error) if error.kind == Kind::GiveUp => return Err(error.into()),
                // The same is committed again, unless a rebalance takes the partitions away first.
                Err(error) => {
                    tracing::warn!(%error, partitions = commits.len(), "the group did not take a commit, trying again");
                    self.commit_after = Instant::now() + PAUSE;
                }
            }
        }
        self.state.load();
        Ok(())
    }

    fn balance(&mut self) -> Result<(), Error> {
        let (pause, resume) = self.state.balance();
        if !pause.is_empty() {
            self.consumer.pause(&pause)?;
        }
        if !resume.is_empty() {
            self.consumer.resume(&resume)?;
        }
        Ok(())
    }
}
