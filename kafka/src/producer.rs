//! The edge's durable producer: records go out idempotently with acks=all, and each one's delivery report comes back to
//! the runtime thread that sent it, many reports for one wake-up.
//!
//! A record carries a ticket: which mailbox and which slot in it. librdkafka's poll thread puts reports into mailboxes;
//! what a slot means is the caller's. Every record that `send` took gets exactly one report, also when it failed.

use crate::error::Error;
use crate::settings::KafkaConfig;
use arc_swap::ArcSwap;
use rdkafka::bindings as native;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use schemas::topic::{Topic, Topics};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Records waiting for Kafka: five seconds of 40,000 clicks/s. More are refused, so that a long absence of Kafka costs
/// bounded memory and is told to those who wait.
const QUEUE_RECORDS: u32 = 200_000;
/// Kilobytes of the same; events may be 8 KB each.
const QUEUE_KILOBYTES: u32 = 256 * 1024;
/// librdkafka goes on trying this long after the caller gave up; a record that lands late is a click more, not a wrong one.
/// Longer than a broker's restart takes at its worst: once records in flight time out, librdkafka begins a new producer
/// epoch, under which the broker cannot tell that it has the ones that are sent again (1,149 of 12,821 clicks stood twice).
const MESSAGE_TIMEOUT_MILLIS: u32 = 300_000;
/// Latency given for batching: at 2,000 clicks/s ten share a request. With 3 the broker took twice the CPU that it takes
/// with 10, and librdkafka spins more (docs/performance.md).
const LINGER_MILLIS: u32 = 5;

/// Who waits for a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket {
    pub mailbox: u16,
    pub slot: u32,
}

/// What became of the record with this slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    pub slot: u32,
    pub outcome: Result<(), Undelivered>,
}

/// Kafka does not have the record, or nobody can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not delivered: {code}")]
pub struct Undelivered {
    pub code: RDKafkaErrorCode,
    /// It was sent, and no answer came: it may be in the log.
    pub maybe: bool,
}

impl Undelivered {
    /// What a record gets that waited for Kafka in vain; for tests that have none.
    pub const TIMED_OUT: Undelivered = Undelivered { code: RDKafkaErrorCode::MessageTimedOut, maybe: false };
}

/// The record was not taken: no report will come.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("{QUEUE_RECORDS} records or {QUEUE_KILOBYTES} KB are waiting for Kafka already")]
    QueueFull,
    #[error("{0}")]
    Broken(KafkaError),
}

/// The delivery reports of one runtime thread.
#[derive(Default)]
pub struct Mailbox {
    reports: Mutex<Vec<Report>>,
    arrived: Notify,
}

impl Mailbox {
    /// Waits for reports and moves all of them into `into`, which is cleared first.
    pub async fn take(&self, into: &mut Vec<Report>) {
        into.clear();
        loop {
            std::mem::swap(into, &mut *self.reports());
            if !into.is_empty() {
                return;
            }
            self.arrived.notified().await;
        }
    }

    /// As `take` without waiting, for a thread that looks now and then.
    pub fn take_now(&self, into: &mut Vec<Report>) {
        into.clear();
        std::mem::swap(into, &mut *self.reports());
    }

    /// Only the first report after the last `take` wakes: a wake-up is a system call.
    fn put(&self, report: Report) {
        let first = {
            let mut reports = self.reports();
            reports.push(report);
            reports.len() == 1
        };
        if first {
            self.arrived.notify_one();
        }
    }

    /// A poisoned list is still a list: pushing cannot leave it half done.
    fn reports(&self) -> MutexGuard<'_, Vec<Report>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Context {
    mailboxes: Arc<[Arc<Mailbox>]>,
    fatal: Arc<AtomicBool>,
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.fatal.store(true, Ordering::Release);
            tracing::error!(%error, reason, "edge producer");
        } else {
            tracing::debug!(%error, reason, "edge producer");
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let ticket = unpack(opaque);
        let outcome = match result {
            Ok(_) => Ok(()),
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                Err(Undelivered { code, maybe: may_be_persisted(message) })
            }
        };
        if let Some(mailbox) = self.mailboxes.get(usize::from(ticket.mailbox)) {
            mailbox.put(Report { slot: ticket.slot, outcome });
        }
    }
}

#[allow(unsafe_code)] // the status of a message is not in the rdkafka crate
fn may_be_persisted(message: &BorrowedMessage<'_>) -> bool {
    // SAFETY: the message is alive in its delivery callback.
    let status = unsafe { native::rd_kafka_message_status(message.ptr()) };
    status != native::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED
}

// The opaque is one word, so that a record costs no allocation of ours.
const _: () = assert!(usize::BITS == 64, "a ticket is packed into 64 bits");

fn pack(ticket: Ticket) -> usize {
    usize::from(ticket.mailbox) << 32 | ticket.slot as usize
}

fn unpack(opaque: usize) -> Ticket {
    Ticket { mailbox: (opaque >> 32) as u16, slot: opaque as u32 }
}

/// One per process: a producer's thread serves more than a machine's worth of clicks.
pub struct EdgeProducer {
    config: KafkaConfig,
    topics: Names,
    mailboxes: Arc<[Arc<Mailbox>]>,
    fatal: Arc<AtomicBool>,
    client: ArcSwap<ThreadedProducer<Context>>,
}

impl EdgeProducer {
    /// Does not wait for Kafka. `mailboxes` is the number of runtime threads.
    pub fn start(config: &KafkaConfig, mailboxes: u16) -> Result<EdgeProducer, Error> {
        let mailboxes: Arc<[Arc<Mailbox>]> = (0..mailboxes).map(|_| Arc::default()).collect();
        let fatal = Arc::new(AtomicBool::new(false));
        let client = connect(config, &mailboxes, &fatal)?;
        Ok(EdgeProducer {
            config: config.clone(),
            topics: Names::new(&config.topics()),
            mailboxes,
            fatal,
            client: ArcSwap::from_pointee(client),
        })
    }

    /// Asks for the topics' partitions, so that the first click does not wait for that. Whether they fit is `admin`'s.
    pub fn warm_up(&self, topics: &[Topic], timeout: Duration) -> Result<(), Error> {
        let client = self.client.load();
        for &topic in topics {
            let metadata = client.client().fetch_metadata(Some(self.topics.of(topic)), timeout);
            metadata.map_err(|error| Error::new("asking for a topic's partitions", error))?;
        }
        Ok(())
    }

    /// # Panics
    /// Where `index` is not below the number that `start` was given.
    pub fn mailbox(&self, index: u16) -> Arc<Mailbox> {
        self.mailboxes[usize::from(index)].clone()
    }

    /// Never blocks. The report comes to the ticket's mailbox, unless this returns an error.
    pub fn send(&self, topic: Topic, key: &[u8], value: &[u8], ticket: Ticket) -> Result<(), Refused> {
        let record = BaseRecord::with_opaque_to(self.topics.of(topic), pack(ticket)).key(key).payload(value);
        self.client.load().send(record).map_err(|(error, _)| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => Refused::QueueFull,
            _ => Refused::Broken(error),
        })
    }

    /// Replaces a client that can send no more, such as after the log was truncated under it. Called every now and then;
    /// the records that were under way are reported as failed.
    pub fn renew_if_fatal(&self) {
        if !self.fatal.swap(false, Ordering::AcqRel) {
            return;
        }
        match connect(&self.config, &self.mailboxes, &self.fatal) {
            Ok(client) => {
                tracing::warn!("edge producer replaced after a fatal error");
                self.client.store(Arc::new(client));
            }
            Err(error) => {
                tracing::error!(%error, "edge producer not replaced");
                self.fatal.store(true, Ordering::Release);
            }
        }
    }

    /// Whether all records were reported within `timeout`.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.client.load().flush(timeout).is_ok()
    }
}

fn connect(
    config: &KafkaConfig,
    mailboxes: &Arc<[Arc<Mailbox>]>,
    fatal: &Arc<AtomicBool>,
) -> Result<ThreadedProducer<Context>, Error> {
    let mut settings = config.base("edge");
    settings
        // P1: acknowledged by all in-sync replicas, and once, whatever is retried.
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // As Java's clients hash, so that every writer of a topic agrees (`schemas::key::partition`).
        .set("partitioner", "murmur2_random")
        .set("linger.ms", LINGER_MILLIS.to_string())
        .set("compression.type", "lz4")
        .set("message.timeout.ms", MESSAGE_TIMEOUT_MILLIS.to_string())
        .set("queue.buffering.max.messages", QUEUE_RECORDS.to_string())
        .set("queue.buffering.max.kbytes", QUEUE_KILOBYTES.to_string())
        .set("retry.backoff.ms", "10")
        .set("retry.backoff.max.ms", "500")
        .set("socket.nagle.disable", "true");
    let context = Context { mailboxes: mailboxes.clone(), fatal: fatal.clone() };
    settings.create_with_context(context).map_err(|error| Error::new("starting the edge's producer", error))
}

/// Full names, made once: a name per record would be an allocation.
struct Names([String; Topic::ALL.len()]);

impl Names {
    fn new(topics: &Topics) -> Names {
        Names(Topic::ALL.map(|topic| topics.name(topic)))
    }

    fn of(&self, topic: Topic) -> &str {
        &self.0[topic as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_survives_its_packing() {
        for ticket in [
            Ticket { mailbox: 0, slot: 0 },
            Ticket { mailbox: 1, slot: u32::MAX },
            Ticket { mailbox: u16::MAX, slot: 7 },
        ] {
            assert_eq!(unpack(pack(ticket)), ticket);
        }
    }

    #[test]
    fn names_stand_where_their_topics_do() {
        let names = Names::new(&Topics::new("p."));
        for topic in Topic::ALL {
            assert_eq!(names.of(topic), format!("p.{}", topic.name()));
        }
    }
}
