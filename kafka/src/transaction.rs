//! A transactional producer, and the transaction that borrows it and ends in exactly one of commit and abort.
//!
//! Source: KIP-98, KIP-447. Measured facts about librdkafka's flush are in `docs/decisions/`.

#![allow(unsafe_code)] // `rd_kafka_flush` in steps of a millisecond; the crate's own polls for 100 ms

mod patience;
mod reports;

use crate::error::{Error, Kind};
use crate::settings::KafkaConfig;
use patience::Patience;
use rdkafka::ClientConfig;
use rdkafka::bindings as native;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};
use reports::{Delivered, Reports};
use schemas::limits::RECORD_BYTES;
use schemas::offset::{NextOffset, Offset};
use std::time::Duration;

/// The broker aborts a dead process's transaction after this, and whoever takes its partitions waits as long: what it left
/// open hides the changelogs' ends. Two of the longest commit intervals, and more than a restart of the broker takes.
const TRANSACTION_TIMEOUT_MILLIS: u32 = 10_000;
/// librdkafka may wait without end for the group's coordinator while it sends offsets, whatever timeout it is given, where that
/// broker was away and came back under a new connection: only another broker's connection that opens or closes has it
/// look again (librdkafka issues 5456 and 5511, open in 2.12). So connections that nothing moves on are closed.
const IDLE_CONNECTION_MILLIS: u32 = 20_000;
/// What a writer without a budget of its own may have on its way, in MiB.
const SMALL_QUEUE_MIB: usize = 64;
/// What librdkafka keeps beside a waiting record's bytes, roughly.
const RECORD_OVERHEAD: usize = 512;

/// Records whose place in the log the caller wants to know carry a slot; the others carry none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot(pub usize);

pub struct TransactionalProducer {
    producer: BaseProducer<Reports>,
    settings: ClientConfig,
    patience: Patience,
}

impl TransactionalProducer {
    /// As `open`, for a short writer.
    pub fn new(config: &KafkaConfig, transactional_id: &str) -> Result<Self, Error> {
        Self::open(config, transactional_id, SMALL_QUEUE_MIB, || false)
    }

    /// Fences off every earlier producer of the same id and ends its open transaction. At most `queue_mib` wait to be
    /// sent; once `stop` says so, nothing waits for an absent broker any more.
    pub fn open(
        config: &KafkaConfig,
        transactional_id: &str,
        queue_mib: usize,
        stop: impl Fn() -> bool + Send + 'static,
    ) -> Result<Self, Error> {
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
            .set("queue.buffering.max.messages", ((queue_mib << 20) / RECORD_OVERHEAD).to_string())
            .set("queue.buffering.max.kbytes", (queue_mib << 10).to_string())
            .set("connections.max.idle.ms", IDLE_CONNECTION_MILLIS.to_string())
            .set("retry.backoff.ms", "10");
        let patience = Patience::new(stop);
        let producer = initialise(&settings, &patience)?;
        Ok(TransactionalProducer { producer, settings, patience })
    }

    /// Begins anew with a client that knows nothing: after an abort, since what led to it is nearly always a broker that was
    /// away, and what a client remembers of that may stop it for ever (`IDLE_CONNECTION_MILLIS`).
    pub fn renew(&mut self) -> Result<(), Error> {
        self.producer = initialise(&self.settings, &self.patience)?;
        Ok(())
    }

    pub fn begin(&mut self) -> Result<Transaction<'_>, Error> {
        self.producer.begin_transaction().map_err(|error| self.judged("begin_transaction", error))?;
        *self.producer.context().delivered() = Delivered::default();
        Ok(Transaction { producer: self })
    }

    /// Writes records to one topic, all or none, each to its partition or, without one, by its key; returns where the last
    /// one stands.
    ///
    /// # Errors
    /// As `Transaction::send` and `Transaction::commit`; what was sent is aborted.
    pub fn write_all<K: AsRef<[u8]>>(
        &mut self,
        topic: &str,
        records: impl IntoIterator<Item = (Option<i32>, K, Vec<u8>)>,
    ) -> Result<Option<Offset>, Error> {
        let mut transaction = self.begin()?;
        for (partition, key, value) in records {
            if let Err(error) = transaction.send(topic, partition, key.as_ref(), Some(&value), Some(Slot(0))) {
                transaction.abort()?;
                return Err(error);
            }
        }
        Ok(transaction.commit_records()?.0.first().copied().flatten())
    }

    fn judged(&self, doing: &'static str, source: KafkaError) -> Error {
        judged(&self.producer, doing, source)
    }

    /// Repeats a call that librdkafka allows to be repeated; one that times out resumes where it was. Serves reports in
    /// between: an abort waits for those of what it purged.
    fn retry(
        &self,
        doing: &'static str,
        call: impl Fn(&BaseProducer<Reports>, Duration) -> Result<(), KafkaError>,
    ) -> Result<(), Error> {
        let wait = self.patience.begin();
        loop {
            let error = match call(&self.producer, patience::SLICE) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let retriable = matches!(&error, KafkaError::Transaction(error) if error.is_retriable());
            if !retriable || wait.over() {
                return Err(self.judged(doing, error));
            }
            self.producer.poll(Duration::from_millis(5));
        }
    }

    /// Waits until every record has its delivery report: steps of 1 ms, since the crate's flush takes at least 100.
    fn flush(&self) -> Result<(), Error> {
        let wait = self.patience.begin();
        loop {
            // SAFETY: the client lives as long as `self.producer`.
            let result = unsafe { native::rd_kafka_flush(self.producer.client().native_ptr(), 1) };
            self.producer.poll(Duration::ZERO);
            if result == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && self.producer.in_flight_count() == 0
            {
                return Ok(());
            }
            if wait.over() {
                let source = KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut);
                return Err(Error { kind: Kind::Abort, ..self.judged("flush", source) });
            }
        }
    }

    fn abort(&self) -> Result<(), Error> {
        /// Nobody serves reports within the call.
        const SLICE: Duration = Duration::from_millis(20);
        self.retry("abort_transaction", |client, _| client.abort_transaction(SLICE)).map_err(in_doubt)
    }
}

/// Makes clients until one has its producer id. While the broker still ends a dead process's transaction, librdkafka
/// asks again every 500 ms and nothing sets that; a new client asks at once, and that is most of a restart's time.
fn initialise(settings: &ClientConfig, patience: &Patience) -> Result<BaseProducer<Reports>, Error> {
    /// A broker takes 100 to 500 ms to end a transaction, a busy one up to 1.5 s.
    const QUICK: Duration = Duration::from_millis(200);
    const QUICK_ATTEMPTS: usize = 15;
    /// A broker that is slower is waited for; a wish to stop is seen between attempts.
    const PATIENT: Duration = Duration::from_secs(2);
    let wait = patience.begin();
    let mut attempts = 0;
    loop {
        attempts += 1;
        let slice = if attempts <= QUICK_ATTEMPTS { QUICK } else { PATIENT };
        let created = settings.create_with_context(Reports::default());
        let producer: BaseProducer<Reports> =
            created.map_err(|error| Error::new("create a transactional producer", error))?;
        let Err(error) = producer.init_transactions(slice) else { return Ok(producer) };
        let retriable = matches!(&error, KafkaError::Transaction(error) if error.is_retriable());
        if !retriable || wait.over() {
            return Err(judged(&producer, "init_transactions", error));
        }
    }
}

/// An error with its kind. A fenced producer's records are purged, and that is what their reports say: only the client
/// knows that it can never go on.
fn judged(producer: &BaseProducer<Reports>, doing: &'static str, source: KafkaError) -> Error {
    let error = Error::new(doing, source);
    match producer.client().fatal_error() {
        None => error,
        Some((code, reason)) => {
            tracing::debug!(?code, reason, doing, "the producer can never go on");
            Error { kind: Kind::GiveUp, ..error }
        }
    }
}

/// librdkafka has no KIP-890: a commit or abort that is still on its way could hit this producer's next transaction.
fn in_doubt(error: Error) -> Error {
    Error { kind: Kind::GiveUp, ..error }
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
    /// Hands over a record; blocks while the queue is full, which is what holds consumption back. `partition` none: by
    /// the key's hash.
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
        let mut wait = None;
        loop {
            let (error, back) = match self.producer.producer.send(record) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !full || wait.get_or_insert_with(|| self.producer.patience.begin()).over() {
                let error = self.producer.judged("produce", error);
                let kind = if error.kind == Kind::Retry { Kind::Abort } else { error.kind };
                return Err(Error { kind, ..error });
            }
            self.producer.producer.poll(Duration::from_millis(1));
            record = back;
        }
    }

    /// Serves delivery reports, so that they don't pile up before the commit.
    pub fn poll(&self) {
        self.producer.producer.poll(Duration::ZERO);
    }

    /// All records and the group's progress together.
    ///
    /// # Errors
    /// `Kind::Abort`: nothing of it has happened, and it is aborted already. `Kind::GiveUp`: nobody knows; the caller
    /// drops this producer, makes a new one and reads the committed offsets again.
    pub fn commit(self, progress: &[Progress], group: &ConsumerGroupMetadata) -> Result<Committed, Error> {
        let offsets = offsets(progress);
        self.end(|producer| {
            let offsets = offsets?;
            producer.retry("send_offsets_to_transaction", |client, slice| {
                client.send_offsets_to_transaction(&offsets, group, slice)
            })
        })
    }

    /// As `commit`, for a writer that consumes nothing.
    pub fn commit_records(self) -> Result<Committed, Error> {
        self.end(|_| Ok(()))
    }

    fn end(self, send_offsets: impl FnOnce(&TransactionalProducer) -> Result<(), Error>) -> Result<Committed, Error> {
        let ended = self.delivered().and_then(|()| send_offsets(self.producer));
        let ended = ended.and_then(|()| {
            self.producer.retry("commit_transaction", |client, slice| client.commit_transaction(slice)).map_err(
                // Only where the broker says that it must be aborted is it sure that it was not committed.
                |error| if error.kind == Kind::Abort { error } else { in_doubt(error) },
            )
        });
        match ended {
            Ok(()) => Ok(Committed(self.producer.producer.context().delivered().take())),
            Err(error) if error.kind == Kind::GiveUp => Err(error),
            Err(error) => {
                self.producer.abort()?;
                Err(Error { kind: Kind::Abort, ..error })
            }
        }
    }

    /// Every record has been acknowledged.
    fn delivered(&self) -> Result<(), Error> {
        self.producer.flush()?;
        match self.producer.producer.context().delivered().failure() {
            None => Ok(()),
            Some(failure) => Err(self.producer.judged("deliver a record", failure)),
        }
    }

    /// # Errors
    /// Always of `Kind::GiveUp`.
    pub fn abort(self) -> Result<(), Error> {
        self.producer.abort()
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
