//! A group consumer that takes records in batches from a queue of its own and leaves assignment to its caller.
//!
//! **Invariant:** its own queue is destroyed before the consumer.

use crate::error::{Error, Kind};
use crate::group::{Noted, Place, Rebalance};
use crate::queue::{OwnQueue, Record, Taken};
use crate::settings::KafkaConfig;
use crate::transaction::Progress;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use schemas::offset::NextOffset;
use std::time::Duration;

/// A broker that must answer a question of ours does so within this or is away.
const ANSWER: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Context(Noted);

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "consumer");
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, places: &mut TopicPartitionList) {
        self.0.note(consumer, what, places);
    }
}

pub struct GroupConsumer {
    // Fields drop in this order: queue before consumer.
    queue: OwnQueue,
    consumer: BaseConsumer<Context>,
}

impl Drop for GroupConsumer {
    fn drop(&mut self) {
        self.consumer.context().0.close();
    }
}

impl GroupConsumer {
    /// Joins `group` as the static member `member` (KIP-345), so that a restart takes its partitions back at once.
    pub fn join(config: &KafkaConfig, group: &str, member: &str, topics: &[String]) -> Result<Self, Error> {
        let mut settings = config.base(member);
        settings
            .set("group.id", config.id(group))
            .set("group.instance.id", config.id(member))
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "1000")
            .set("max.poll.interval.ms", "300000")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error")
            .set("queued.min.messages", "200000")
            .set("queued.max.messages.kbytes", "65536")
            .set("fetch.message.max.bytes", "8388608")
            .set("fetch.wait.max.ms", "50")
            .set("fetch.queue.backoff.ms", "10")
            .set("retry.backoff.ms", "10");
        let doing = "create a consumer";
        let consumer: BaseConsumer<Context> =
            settings.create_with_context(Context::default()).map_err(|error| Error::new(doing, error))?;
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(|error| Error::new("subscribe", error))?;
        let queue = OwnQueue::new(consumer.client());
        Ok(GroupConsumer { queue, consumer })
    }

    /// Serves the group's events and returns the next one that the caller must answer.
    pub fn rebalance(&self, wait: Duration) -> Result<Option<Rebalance>, Error> {
        if let Some(event) = self.consumer.context().0.next() {
            return Ok(Some(event));
        }
        self.serve(wait)?;
        Ok(self.consumer.context().0.next())
    }

    /// Serves the group's events and leaves them noted: during long work, so that the group sees that we live.
    pub fn serve(&self, wait: Duration) -> Result<(), Error> {
        match self.consumer.poll(wait) {
            None => Ok(()),
            Some(Err(error)) => harmless(Error::new("poll the group", error)),
            Some(Ok(message)) => {
                // Every partition queue is forwarded before it is assigned; a record here would be lost to the caller.
                let source = KafkaError::MessageConsumption(RDKafkaErrorCode::Inconsistent);
                tracing::error!(topic = message.topic(), offset = message.offset(), "record on the main queue");
                Err(Error { doing: "consume", kind: Kind::Fenced, source })
            }
        }
    }

    /// Whether an event is noted that `rebalance` has not returned yet.
    pub fn wants_an_answer(&self) -> bool {
        self.consumer.context().0.any()
    }

    /// The group's committed positions (require-stable, KIP-447); none where nothing was committed yet.
    pub fn committed(&self, places: &[Place]) -> Result<Vec<(Place, Option<NextOffset>)>, Error> {
        let mut list = TopicPartitionList::new();
        for place in places {
            list.add_partition(&place.topic, place.partition);
        }
        let list =
            self.consumer.committed_offsets(list, ANSWER).map_err(|error| Error::new("committed offsets", error))?;
        let mut found = Vec::with_capacity(places.len());
        for element in list.elements() {
            element.error().map_err(|error| Error::new("committed offsets", error))?;
            let place = Place { topic: element.topic().to_owned(), partition: element.partition() };
            let next = match element.offset() {
                NativeOffset::Offset(offset) => Some(NextOffset(offset)),
                _ => None,
            };
            found.push((place, next));
        }
        Ok(found)
    }

    /// Starts reading these partitions from these positions, into this consumer's own queue.
    pub fn assign(&self, positions: &[Progress]) -> Result<(), Error> {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for place in positions {
            self.queue.forward(self.consumer.client(), &place.topic, place.partition)?;
            list.add_partition_offset(&place.topic, place.partition, NativeOffset::Offset(place.next.0))
                .map_err(|error| Error::new("assign", error))?;
        }
        self.consumer.assign(&list).map_err(|error| Error::new("assign", error))
    }

    pub fn unassign(&self) -> Result<(), Error> {
        self.consumer.unassign().map_err(|error| Error::new("unassign", error))
    }

    pub fn group_metadata(&self) -> Result<ConsumerGroupMetadata, Error> {
        let gone = || KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownMemberId);
        self.consumer.group_metadata().ok_or_else(|| Error {
            doing: "group metadata",
            kind: Kind::Transient,
            source: gone(),
        })
    }

    /// Takes what is there, up to a batch, waiting at most `wait` for the first; calls `each` for every record and
    /// returns their number. An error of one partition is returned after the records of the batch.
    pub fn consume(&mut self, wait: Duration, mut each: impl FnMut(Record<'_>)) -> Result<usize, Error> {
        let mut records = 0;
        let mut failure = None;
        self.queue.take(wait, |taken| match taken {
            Taken::Record(record) => {
                records += 1;
                each(record);
            }
            Taken::End { .. } => {}
            Taken::Failed(error) => {
                failure.get_or_insert(error);
            }
        });
        match failure {
            None => Ok(records),
            Some(error) => harmless(Error::new("consume", error)).map(|()| records),
        }
    }
}

/// Errors that librdkafka reports and heals by itself.
fn harmless(error: Error) -> Result<(), Error> {
    use RDKafkaErrorCode as Code;
    let heals = matches!(
        error.source.rdkafka_error_code(),
        Some(
            Code::AllBrokersDown
                | Code::BrokerTransportFailure
                | Code::OperationTimedOut
                | Code::Resolve
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::NotCoordinator
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::RequestTimedOut
                | Code::UnknownTopicOrPartition
        )
    );
    if heals {
        tracing::debug!(%error, "librdkafka goes on by itself");
        Ok(())
    } else {
        Err(error)
    }
}
