//! Follows every partition of a topic from where it ends now, committed records only, outside of any group: for those
//! who watch. A record that nobody saw is no loss here; whoever counts reads ranges.

use crate::ends::Ends;
use crate::error::{Error, Kind};
use crate::queue::{BATCH, Bell, OwnQueue, Record, Taken};
use crate::settings::KafkaConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};
use std::sync::Arc;
use std::time::Duration;

pub struct Tail {
    // Fields drop in this order: queue before consumer.
    queue: OwnQueue,
    _consumer: BaseConsumer,
    bell: Arc<Bell>,
}

impl Tail {
    pub fn open(config: &KafkaConfig, topic: &str) -> Result<Tail, Error> {
        let mut settings = config.base("tail");
        settings
            // librdkafka wants a group for `assign`; nothing is ever committed to it.
            .set("group.id", config.id("tail"))
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "50")
            .set("fetch.queue.backoff.ms", "10")
            .set("retry.backoff.ms", "10");
        let consumer: BaseConsumer = settings.create().map_err(|error| Error::new("create a consumer", error))?;
        let bell = Arc::new(Bell::default());
        let queue = OwnQueue::new(consumer.client(), topic, &bell);
        let ends = Ends::open(config)?;
        let unknown = || KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition);
        let partitions = ends.partitions(topic)?.ok_or_else(|| Error {
            doing: "follow a topic",
            kind: Kind::Retry,
            source: unknown(),
        })?;
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            queue.forward(consumer.client(), partition)?;
            let end = NativeOffset::Offset(ends.of(topic, partition)?.1.0);
            list.add_partition_offset(topic, partition, end).map_err(|error| Error::new("assign", error))?;
        }
        consumer.assign(&list).map_err(|error| Error::new("assign", error))?;
        Ok(Tail { queue, _consumer: consumer, bell })
    }

    /// Calls `each` for what is there, waiting at most `wait` for the first. A broker that is away is waited for.
    pub fn take(&mut self, wait: Duration, mut each: impl FnMut(Record<'_>)) {
        let mut give = |taken: Taken<'_>| match taken {
            Taken::Record(record) => each(record),
            Taken::End { .. } => {}
            Taken::Failed(error) => tracing::debug!(%error, "following a topic"),
        };
        if self.queue.take(BATCH, &mut give) == 0 {
            self.bell.wait(wait);
            self.queue.take(BATCH, give);
        }
    }
}
