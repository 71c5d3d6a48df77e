//! A group consumer that takes records in batches, from a queue for each topic, and leaves assignment to its caller.
//!
//! **Back-pressure:** a queue has its share of `queue_mib`, and what fills it is not fetched until there is room again:
//! a caller that takes nothing is sent nothing more, and a topic with millions of records waiting is fetched no further
//! ahead than the others. librdkafka counts all partitions that are forwarded to one queue together.
//!
//! **Invariant:** its own queues are destroyed before the consumer.

use crate::error::{Error, Kind};
use crate::group::{Noted, Place, Rebalance};
use crate::queue::{Bell, OwnQueue, Taken, heard_end};
use crate::settings::KafkaConfig;
use crate::transaction::Progress;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use schemas::offset::NextOffset;
use std::sync::Arc;
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
    // Fields drop in this order: queues before consumer.
    queues: Vec<OwnQueue>,
    consumer: BaseConsumer<Context>,
    bell: Arc<Bell>,
}

impl Drop for GroupConsumer {
    fn drop(&mut self) {
        self.consumer.context().0.close();
    }
}

impl GroupConsumer {
    /// Begins to join `group` as the static member `member` (KIP-345), so that a restart takes its partitions back at
    /// once, and returns; the group's answer is a rebalance event. At most `queue_mib` of records are fetched ahead.
    pub fn join(
        config: &KafkaConfig,
        group: &str,
        member: &str,
        topics: &[String],
        queue_mib: usize,
    ) -> Result<Self, Error> {
        let mut settings = config.base(member);
        let (messages, kib) = share(queue_mib, topics.len());
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
            .set("enable.partition.eof", "true")
            .set("queued.min.messages", messages)
            .set("queued.max.messages.kbytes", kib)
            // Compressed, of one partition: 20,000 clicks or so. A fetch is taken whole, so this is how far a queue goes
            // beyond its share, and how long another topic's records wait behind it.
            .set("fetch.message.max.bytes", "1048576")
            // A queue that has room again waits this long at most for the answer that is under way without it.
            .set("fetch.wait.max.ms", "20")
            .set("fetch.queue.backoff.ms", "10")
            .set("retry.backoff.ms", "10");
        let doing = "create a consumer";
        let consumer: BaseConsumer<Context> =
            settings.create_with_context(Context::default()).map_err(|error| Error::new(doing, error))?;
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(|error| Error::new("subscribe", error))?;
        let bell = Arc::new(Bell::default());
        let queues = topics.iter().map(|topic| OwnQueue::new(consumer.client(), topic, &bell)).collect();
        Ok(GroupConsumer { queues, consumer, bell })
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
                Err(Error { doing: "consume", kind: Kind::GiveUp, source })
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

    /// Starts reading these partitions from these positions, each into its topic's queue.
    pub fn assign(&self, positions: &[Progress]) -> Result<(), Error> {
        for place in positions {
            let unknown = || KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopic);
            let queue = self.queues.iter().find(|queue| queue.topic() == place.topic);
            let queue = queue.ok_or_else(|| Error::new("assign", unknown()))?;
            queue.forward(self.consumer.client(), place.partition)?;
        }
        self.consumer.assign(&list(positions)?).map_err(|error| Error::new("assign", error))
    }

    /// Goes back to these positions in partitions that are assigned; what was fetched of them is forgotten.
    pub fn seek(&self, positions: &[Progress]) -> Result<(), Error> {
        let sought = self.consumer.seek_partitions(list(positions)?, ANSWER);
        let sought = sought.map_err(|error| Error::new("seek", error))?;
        sought.elements().iter().try_for_each(|element| element.error()).map_err(|error| Error::new("seek", error))
    }

    pub fn unassign(&self) -> Result<(), Error> {
        self.consumer.unassign().map_err(|error| Error::new("unassign", error))
    }

    pub fn group_metadata(&self) -> Result<ConsumerGroupMetadata, Error> {
        let gone = || KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownMemberId);
        self.consumer.group_metadata().ok_or_else(|| Error {
            doing: "group metadata",
            kind: Kind::Retry,
            source: gone(),
        })
    }

    /// Takes what is there of the topic with this number (in the order of `join`), up to `most`; calls `each` for every
    /// record and for the end of a partition, and returns how many they were. An error of one partition is returned
    /// after the others of the batch.
    pub fn take(&mut self, topic: usize, most: usize, mut each: impl FnMut(Taken<'_>)) -> Result<usize, Error> {
        let mut failure = None;
        let taken = self.queues[topic].take(most, |taken| match taken {
            Taken::Record(_) | Taken::End { .. } => each(taken),
            Taken::Failed(error) => {
                failure.get_or_insert(error);
            }
        });
        match failure {
            None => Ok(taken),
            Some(error) => harmless(Error::new("consume", error)).map(|()| taken),
        }
    }

    /// Waits until there may be records again, after none were found.
    pub fn wait(&self, wait: Duration) {
        self.bell.wait(wait);
    }

    /// Where a partition ends, as the last fetch told; none before it.
    pub fn heard_end(&self, topic: usize, partition: i32) -> Option<NextOffset> {
        heard_end(self.consumer.client(), self.queues[topic].topic(), partition)
    }
}

fn list(positions: &[Progress]) -> Result<TopicPartitionList, Error> {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for place in positions {
        list.add_partition_offset(&place.topic, place.partition, NativeOffset::Offset(place.next.0))
            .map_err(|error| Error::new("list positions", error))?;
    }
    Ok(list)
}

/// One queue's limits of `queue_mib` for `queues`, as librdkafka takes them: messages, KiB of values.
///
/// A waiting message costs librdkafka about 450 bytes beside its value, and clicks have 150: so the number is what
/// bounds small records, the bytes are what bounds large ones.
pub(crate) fn share(queue_mib: usize, queues: usize) -> (String, String) {
    const SMALL_RECORD: usize = 600;
    let bytes = (queue_mib << 20) / queues.max(1);
    ((bytes / SMALL_RECORD).max(1).to_string(), (bytes >> 10).max(1).to_string())
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
