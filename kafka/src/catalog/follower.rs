//! Follows the catalog topic record by record, on the caller's thread. Publishing what was read is the reader's.

use crate::ends::Ends;
use crate::{Error, KafkaConfig};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset as Position, TopicPartitionList};
use schemas::catalog::Catalog;
use schemas::codec;
use schemas::offset::{NextOffset, Offset};
use schemas::record::catalog::CatalogEntry;
use schemas::topic::Topic;
use std::time::{Duration, Instant};

/// The catalog is one log: its order is what look-ups stand on.
pub const PARTITION: i32 = 0;

/// A writer that died in a transaction holds readers up until the broker aborts it: 10 s and its next look (`transaction`).
const STALL_WAIT: Duration = Duration::from_secs(30);

pub struct Follower {
    consumer: BaseConsumer,
    topic: String,
    pub catalog: Catalog,
    /// Records that were passed over because they are no catalog entries.
    pub undecodable: u64,
}

/// What one look at the topic brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Record,
    /// Nothing new, or only what is not for readers: markers of transactions, aborted records.
    Idle,
}

impl Follower {
    pub fn open(config: &KafkaConfig) -> Result<Follower, Error> {
        let topic = config.topics().name(Topic::Catalog);
        // By number: a position by name that is asked for before the broker is connected, librdkafka asks for again after
        // half a second only, which every start of a role would wait.
        let (first, _) = Ends::open(config)?.of(&topic, PARTITION)?;
        let consumer: BaseConsumer = config
            .base("catalog-reader")
            // Partitions are assigned by hand, so the group never forms and nothing is committed; librdkafka wants a name.
            .set("group.id", config.id("catalog-reader"))
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "50")
            .create()
            .map_err(|error| Error::new("making the catalog's consumer", error))?;
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(&topic, PARTITION, Position::Offset(first.0))
            .and_then(|()| consumer.assign(&assignment))
            .map_err(|error| Error::new("assigning the catalog's partition", error))?;
        Ok(Follower { consumer, topic, catalog: Catalog::default(), undecodable: 0 })
    }

    /// Takes the next record, waiting for it for at most `wait`.
    pub fn step(&mut self, wait: Duration) -> Result<Step, Error> {
        match self.consumer.poll(wait) {
            Some(Ok(message)) => {
                let offset = Offset(message.offset());
                match decode(message.payload()) {
                    Ok(entry) => self.catalog.apply(offset, entry),
                    Err(error) => {
                        tracing::error!(topic = self.topic, offset = offset.0, error, "no catalog entry, passed over");
                        self.undecodable += 1;
                        self.catalog.skip_to(offset.next());
                    }
                }
                Ok(Step::Record)
            }
            Some(Err(error)) => Err(Error::new("reading the catalog", error)),
            None => {
                self.pass_gap()?;
                Ok(Step::Idle)
            }
        }
    }

    /// Reads everything that stood in the topic when this was called.
    pub fn read_to_end(&mut self, config: &KafkaConfig) -> Result<(), Error> {
        let (_, end) = Ends::open(config)?.of(&self.topic, PARTITION)?;
        let mut moved = (self.catalog.next_offset(), Instant::now());
        while self.catalog.next_offset() < end {
            // An error that lasts is a stall.
            if let Err(error) = self.step(Duration::from_millis(20)) {
                tracing::warn!(%error, "catalog not readable yet");
                std::thread::sleep(Duration::from_millis(100));
            }
            if self.catalog.next_offset() > moved.0 {
                moved = (self.catalog.next_offset(), Instant::now());
            } else if moved.1.elapsed() > STALL_WAIT {
                let source = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
                return Err(Error::new("reading the catalog to its end", source));
            }
        }
        Ok(())
    }

    /// Moves past what librdkafka keeps to itself, so that a position says all that has been seen.
    fn pass_gap(&mut self) -> Result<(), Error> {
        let positions =
            self.consumer.position().map_err(|error| Error::new("asking for the catalog's position", error))?;
        for element in positions.elements_for_topic(&self.topic) {
            if let Position::Offset(next) = element.offset() {
                self.catalog.skip_to(NextOffset(next));
            }
        }
        Ok(())
    }
}

fn decode(payload: Option<&[u8]>) -> Result<CatalogEntry, String> {
    let payload = payload.ok_or("no value")?;
    codec::decode(payload).map_err(|error| error.to_string())
}
