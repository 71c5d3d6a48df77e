//! One session: a member of the group and its transactional producer, from joining to the first error that leaves an
//! outcome unknown, or to shutdown.

use crate::runtime::surroundings::LiveCatalog;
use crate::runtime::takeover::{self, Taken};
use crate::runtime::{Error, Shared};
use crate::state::CHANGELOGS;
use crate::state::rocks::RocksStore;
use crate::task::{Task, TaskError};
use kafka::Error as KafkaError;
use kafka::batch::GroupConsumer;
use kafka::group::{Place, Rebalance};
use kafka::transaction::{Progress, Slot, Transaction, TransactionalProducer};
use schemas::offset::NextOffset;
use schemas::topic::{Topic, Topics};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The processor's group of consumers.
pub const GROUP: &str = "processor";
/// How long an idle thread waits for records before it looks at the group again.
const IDLE: Duration = Duration::from_millis(20);
/// Records of one interval: what a transaction holds in memory is bounded.
const RECORDS_PER_COMMIT: usize = 50_000;

pub fn run(shared: &Shared, number: usize) -> Result<(), Error> {
    let topics = shared.kafka.topics();
    let member = format!("{}-{number}", shared.config.instance);
    let inputs = Topic::STAGE_INPUTS.map(|topic| topics.name(topic));
    let mut producer = TransactionalProducer::new(&shared.kafka, &format!("{GROUP}-{member}"))?;
    let mut consumer = GroupConsumer::join(&shared.kafka, GROUP, &member, &inputs)?;
    let mut session = Session::new(shared, topics);
    while !shared.shutdown.requested() {
        if let Some(event) = consumer.rebalance(Duration::ZERO)? {
            session.answer(&consumer, event)?;
        }
        session.interval(&mut consumer, &mut producer)?;
        session.checkpoint_when_due()?;
    }
    session.flush()?;
    consumer.unassign()?;
    Ok(())
}

struct Session<'a> {
    shared: &'a Shared,
    topics: Topics,
    tasks: BTreeMap<i32, Task<RocksStore>>,
    checkpointed: Instant,
}

/// Where reading has come to since the last commit, by topic and partition.
type Reached = BTreeMap<(Topic, i32), NextOffset>;

impl<'a> Session<'a> {
    fn new(shared: &'a Shared, topics: Topics) -> Self {
        Session { shared, topics, tasks: BTreeMap::new(), checkpointed: Instant::now() }
    }

    /// Between two intervals nothing is uncommitted, so giving up partitions is just closing their stores.
    fn answer(&mut self, consumer: &GroupConsumer, event: Rebalance) -> Result<(), Error> {
        match event {
            Rebalance::Revoked { lost } => {
                tracing::info!(lost, partitions = self.tasks.len(), "partitions given up");
                if !lost {
                    self.flush()?;
                }
                self.tasks.clear();
                consumer.unassign()?;
            }
            Rebalance::Assigned(places) => {
                let taken = self.take(consumer, &places)?;
                self.tasks = taken.tasks;
                consumer.assign(&taken.positions)?;
                tracing::info!(partitions = ?self.tasks.keys().collect::<Vec<_>>(), "partitions taken");
                self.shared.health.set(true);
            }
        }
        Ok(())
    }

    fn take(&self, consumer: &GroupConsumer, places: &[Place]) -> Result<Taken, Error> {
        let mut alive = || {
            consumer.serve(Duration::ZERO)?;
            // The group waits for an answer that only the end of this session gives.
            let over = self.shared.shutdown.requested() || consumer.wants_an_answer();
            if over { Err(Error::Interrupted) } else { Ok(()) }
        };
        takeover::take(self.shared, consumer, places, &mut alive)
    }

    /// One commit interval: from the first record to the transaction's commit and the store's write. An error drops
    /// the open transaction with the session; the next producer of the same id aborts it.
    fn interval(&mut self, consumer: &mut GroupConsumer, producer: &mut TransactionalProducer) -> Result<(), Error> {
        let mut reached = Reached::new();
        let mut records = self.consume(consumer, IDLE, &mut reached)?;
        if records == 0 {
            return Ok(());
        }
        let began = Instant::now();
        let mut transaction = producer.begin()?;
        self.produce(&mut transaction)?;
        while records < RECORDS_PER_COMMIT {
            let left = self.shared.config.commit_interval.0.saturating_sub(began.elapsed());
            if left.is_zero() || self.shared.shutdown.requested() {
                break;
            }
            records += self.consume(consumer, left.min(IDLE), &mut reached)?;
            self.produce(&mut transaction)?;
        }
        self.commit(consumer, transaction, &reached)?;
        metrics::histogram!("processor_interval_seconds").record(began.elapsed().as_secs_f64());
        metrics::histogram!("processor_interval_records").record(records as f64);
        Ok(())
    }

    fn consume(&mut self, consumer: &mut GroupConsumer, wait: Duration, reached: &mut Reached) -> Result<usize, Error> {
        let around = LiveCatalog { reader: &self.shared.catalog, kafka: &self.shared.kafka };
        let (topics, tasks) = (&self.topics, &mut self.tasks);
        let mut failure: Option<TaskError> = None;
        let taken = consumer.consume(wait, |record| {
            let (Some(topic), Some(task)) = (topics.topic(record.topic), tasks.get_mut(&record.partition)) else {
                return;
            };
            if failure.is_some() {
                return;
            }
            match task.process(topic, &record, &around) {
                Ok(()) => {
                    reached.insert((topic, record.partition), record.offset.next());
                }
                Err(error) => failure = Some(error),
            }
        })?;
        failure.map_or(Ok(taken), |error| Err(error.into()))
    }

    /// Sends what waits in the outboxes, so that librdkafka batches it while the interval goes on.
    fn produce(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Error> {
        let topics = &self.topics;
        for task in self.tasks.values_mut() {
            for output in task.drain_outbox() {
                let name = topics.name(output.topic);
                transaction.send(&name, None, output.key.as_bytes(), Some(&output.value), None)?;
            }
        }
        transaction.poll();
        Ok(())
    }

    fn commit(
        &mut self,
        consumer: &GroupConsumer,
        mut transaction: Transaction<'_>,
        reached: &Reached,
    ) -> Result<(), Error> {
        let began = Instant::now();
        for (ordinal, (partition, task)) in self.tasks.iter().enumerate() {
            send_changelog(&self.topics, &mut transaction, ordinal, *partition, task)?;
        }
        let progress: Vec<Progress> = reached
            .iter()
            .map(|((topic, partition), next)| Progress {
                topic: self.topics.name(*topic),
                partition: *partition,
                next: *next,
            })
            .collect();
        let committed = transaction.commit(&progress, &consumer.group_metadata()?)?;
        for (ordinal, task) in self.tasks.values_mut().enumerate() {
            let slots = ordinal * CHANGELOGS.len()..(ordinal + 1) * CHANGELOGS.len();
            let last: Vec<_> = slots.map(|slot| committed.0.get(slot).copied().flatten()).collect();
            task.committed(&last)?;
        }
        metrics::histogram!("processor_commit_seconds").record(began.elapsed().as_secs_f64());
        for ((topic, partition), next) in reached {
            let labels = [("topic", topic.name().to_owned()), ("partition", partition.to_string())];
            metrics::gauge!("processor_committed_offset", &labels).set(next.0 as f64);
        }
        Ok(())
    }

    fn checkpoint_when_due(&mut self) -> Result<(), Error> {
        if self.checkpointed.elapsed() >= self.shared.config.checkpoint_interval.0 {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Before the stores are closed: what is committed need not be read again.
    fn flush(&mut self) -> Result<(), Error> {
        self.tasks.values_mut().try_for_each(Task::flush).map_err(Error::from)
    }

    fn checkpoint(&mut self) -> Result<(), Error> {
        for (partition, task) in &mut self.tasks {
            task.checkpoint()?;
            metrics::gauge!("processor_state_bytes", "partition" => partition.to_string())
                .set(task.store().bytes() as f64);
        }
        self.checkpointed = Instant::now();
        Ok(())
    }
}

/// The overlay's changes, each to its table's changelog, on the task's own partition.
fn send_changelog(
    topics: &Topics,
    transaction: &mut Transaction<'_>,
    ordinal: usize,
    partition: i32,
    task: &Task<RocksStore>,
) -> Result<(), KafkaError> {
    for (table, key, value) in task.overlay().changes() {
        let Some((topic, tag)) = table.changelog() else { continue };
        let slot = CHANGELOGS.iter().position(|changelog| *changelog == topic).unwrap_or(0);
        let tagged = [&[tag], key].concat();
        let slot = Slot(ordinal * CHANGELOGS.len() + slot);
        transaction.send(&topics.name(topic), Some(partition), &tagged, value, Some(slot))?;
    }
    Ok(())
}
