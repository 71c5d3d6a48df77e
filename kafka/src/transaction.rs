//! A transactional producer, and the transaction that borrows it and ends in exactly one of commit and abort.
//!
//! Source: KIP-98, KIP-447. Measured facts about librdkafka's flush are in `docs/decisions/`.

#![allow(unsafe_code)] // `rd_kafka_flush` in steps of a millisecond; the crate's own polls for 100 ms

use crate::error::{Error, Kind};
use crate::settings::KafkaConfig;
use rdkafka::bindings as native;
use rdkafka::client::ClientContext;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};
use schemas::limits::RECORD_BYTES;
use schemas::offset::{NextOffset, Offset};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A restart of the broker takes seconds; past this the client is of no use and a new one is made.
const PATIENCE: Duration = Duration::from_secs(30);
/// The broker aborts a dead process's transaction after this, and whoever takes its partitions waits as long: what it left
/// open hides the changelogs' ends. Two of the longest commit intervals, and more than a restart of the broker takes.
const TRANSACTION_TIMEOUT_MILLIS: u32 = 10_000;

/// Records whose place in the log the caller wants to know carry a slot; the others carry none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot(pub usize);

/// Collects delivery reports: the last offset of each slot, and the first failure.
#[derive(Default)]
struct Reports(Mutex<Delivered>);

#[derive(Default)]
struct Delivered {
    last: Vec<Option<Offset>>,
    failure: Option<KafkaError>,
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "transactional producer");
    }
}

impl ProducerContext for Reports {
    /// Slot plus one; 0 is no slot.
    type DeliveryOpaque = usize;

    fn delivery(&self, report: &DeliveryResult<'_>, opaque: usize) {
        let mut delivered = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match report {
            Ok(message) => {
                if let Some(slot) = opaque.checked_sub(1) {
                    if delivered.last.len() <= slot {
                        delivered.last.resize(slot + 1, None);
                    }
                    let offset = Offset(message.offset());
                    delivered.last[slot] = delivered.last[slot].max(Some(offset));
                }
            }
            Err((error, _)) => {
                delivered.failure.get_or_insert_with(|| error.clone());
            }
        }
    }
}

pub struct TransactionalProducer {
    producer: BaseProducer<Reports>,
}

impl TransactionalProducer {
    /// Fences off every earlier producer of the same id and ends its open transaction.
    pub fn new(config: &KafkaConfig, transactional_id: &str) -> Result<Self, Error> {
        let mut settings = config.base("processor");
        settings
            .set("transactional.id", config.id(transactional_id))
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MILLIS.to_string())
            .set("message.timeout.ms", TRANSACTION_TIMEOUT_MILLIS.to_string())
            .set("compression.type", "lz4")
            .set("partitioner", "murmur2_random")
            // Commit flushes; until then batches may grow.
            .set("linger.ms", "20")
            .set("batch.size", "262144")
            .set("message.max.bytes", RECORD_BYTES.to_string())
            .set("queue.buffering.max.messages", "500000")
            .set("queue.buffering.max.kbytes", "131072")
            .set("retry.backoff.ms", "10");
        let doing = "create a transactional producer";
        let producer: BaseProducer<Reports> =
            settings.create_with_context(Reports::default()).map_err(|error| Error::new(doing, error))?;
        let deadline = Instant::now() + PATIENCE;
        retry(deadline, "init_transactions", || producer.init_transactions(Duration::from_secs(10)))?;
        Ok(TransactionalProducer { producer })
    }

    pub fn begin(&mut self) -> Result<Transaction<'_>, Error> {
        self.producer.begin_transaction().map_err(|error| Error::new("begin_transaction", error))?;
        *self.reports() = Delivered::default();
        Ok(Transaction { producer: self })
    }

    fn reports(&self) -> std::sync::MutexGuard<'_, Delivered> {
        self.producer.context().0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits until every record has its delivery report: steps of 1 ms, since the crate's flush takes at least 100.
    fn flush(&self, deadline: Instant) -> Result<(), Error> {
        loop {
            // SAFETY: the client lives as long as `self.producer`.
            let result = unsafe { native::rd_kafka_flush(self.producer.client().native_ptr(), 1) };
            self.producer.poll(Duration::ZERO);
            if result == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && self.producer.in_flight_count() == 0
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Error::new("flush", KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)));
            }
        }
    }
}

/// An open transaction. Dropping it without commit or abort leaves it to the next `init_transactions` of the id.
#[must_use = "a transaction ends in commit or abort"]
pub struct Transaction<'p> {
    producer: &'p mut TransactionalProducer,
}

/// Where reading goes on in one partition, for the group's committed offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub topic: String,
    pub partition: i32,
    pub next: NextOffset,
}

/// A committed transaction: per slot, the offset of its last record.
#[derive(Debug)]
pub struct Committed(pub Vec<Option<Offset>>);

impl Transaction<'_> {
    /// Hands over a record; blocks while the queue is full. `partition` none: by the key's hash.
    pub fn send(
        &mut self,
        topic: &str,
        partition: Option<i32>,
        key: &[u8],
        value: Option<&[u8]>,
        slot: Option<Slot>,
    ) -> Result<(), Error> {
        let mut record = BaseRecord::with_opaque_to(topic, slot.map_or(0, |slot| slot.0 + 1)).key(key);
        record.partition = partition;
        record.payload = value;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.producer.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, back))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) && Instant::now() < deadline =>
                {
                    self.producer.producer.poll(Duration::from_millis(1));
                    record = back;
                }
                Err((error, _)) => return Err(Error::new("produce", error)),
            }
        }
    }

    /// Serves delivery reports, so that they don't pile up before the commit.
    pub fn poll(&self) {
        self.producer.producer.poll(Duration::ZERO);
    }

    /// All records and the group's progress together. An error of kind `Fenced` or a time-out leaves the outcome
    /// unknown: the caller drops this producer, makes a new one and reads the committed offsets again.
    pub fn commit(self, progress: &[Progress], group: &ConsumerGroupMetadata) -> Result<Committed, Error> {
        let offsets = offsets(progress)?;
        let client = &self.producer.producer;
        self.end(|deadline| {
            retry(deadline, "send_offsets_to_transaction", || {
                client.send_offsets_to_transaction(&offsets, group, Duration::from_secs(5))
            })
        })
    }

    /// As `commit`, for a writer that consumes nothing.
    pub fn commit_records(self) -> Result<Committed, Error> {
        self.end(|_| Ok(()))
    }

    fn end(&self, send_offsets: impl FnOnce(Instant) -> Result<(), Error>) -> Result<Committed, Error> {
        let deadline = Instant::now() + PATIENCE;
        self.producer.flush(deadline)?;
        if let Some(failure) = self.producer.reports().failure.take() {
            return Err(Error { doing: "deliver a record", kind: Kind::Abort, source: failure });
        }
        send_offsets(deadline)?;
        let client = &self.producer.producer;
        retry(deadline, "commit_transaction", || client.commit_transaction(Duration::from_secs(5)))?;
        Ok(Committed(std::mem::take(&mut self.producer.reports().last)))
    }

    pub fn abort(self) -> Result<(), Error> {
        let client = &self.producer.producer;
        retry(Instant::now() + PATIENCE, "abort_transaction", || client.abort_transaction(Duration::from_secs(5)))
    }
}

fn offsets(progress: &[Progress]) -> Result<TopicPartitionList, Error> {
    let mut list = TopicPartitionList::with_capacity(progress.len());
    for place in progress {
        list.add_partition_offset(&place.topic, place.partition, NativeOffset::Offset(place.next.0))
            .map_err(|error| Error::new("list offsets", error))?;
    }
    Ok(list)
}

/// Repeats a call that librdkafka allows to be repeated; a call that times out resumes where it was.
fn retry(
    deadline: Instant,
    doing: &'static str,
    mut call: impl FnMut() -> Result<(), KafkaError>,
) -> Result<(), Error> {
    loop {
        let error = match call() {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let retriable = match &error {
            KafkaError::Transaction(error) => error.is_retriable(),
            _ => false,
        };
        if !retriable || Instant::now() > deadline {
            return Err(Error::new(doing, error));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
