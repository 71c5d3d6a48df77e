//! Follows every partition of a topic, from where it ends now or from its beginning, committed records only, outside of any
//! group: for those who watch.

use crate::ends::Ends;
use crate::error::{Error, Kind};
use crate::group::Place;
use crate::queue::{BATCH, Bell, OwnQueue, Record, Taken};
use crate::range::{self, Stretch};
use crate::settings::KafkaConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};
use schemas::offset::NextOffset;
use std::sync::Arc;
use std::time::Duration;

/// What reading from the beginning may fetch ahead.
const QUEUE_MIB: usize = 16;

pub struct Tail {
    // Fields drop in this order: queue before consumer.
    queue: OwnQueue,
    _consumer: BaseConsumer,
    bell: Arc<Bell>,
}

impl Tail {
    /// From where the topic ends now.
    pub fn open(config: &KafkaConfig, topic: &str) -> Result<Tail, Error> {
        let ends = range::extents(config, &places(config, topic)?)?;
        Tail::open_at(config, topic, ends.into_iter().map(|extent| extent.end))
    }

    /// From the topic's beginning: calls `each` for what it holds, and returns when that has been read.
    pub fn open_after(
        config: &KafkaConfig,
        topic: &str,
        mut each: impl FnMut(Record<'_>),
        idle: impl FnMut() -> Result<(), Error>,
    ) -> Result<Tail, Error> {
        let places = places(config, topic)?;
        let extents = range::extents(config, &places)?;
        let stretches = places.into_iter().zip(&extents);
        let stretches: Vec<_> =
            stretches.map(|(place, extent)| Stretch { place, from: extent.first, to: extent.end }).collect();
        let step = |step: range::Step<'_>| {
            if let range::Step::Record(_, record) = step {
                each(record);
            }
            Ok::<_, Error>(())
        };
        range::read_all(config, &stretches, QUEUE_MIB, step, idle)?;
        Tail::open_at(config, topic, extents.into_iter().map(|extent| extent.end))
    }

    fn open_at(config: &KafkaConfig, topic: &str, from: impl Iterator<Item = NextOffset>) -> Result<Tail, Error> {
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
        let mut list = TopicPartitionList::new();
        for (partition, from) in (0..).zip(from) {
            queue.forward(consumer.client(), partition)?;
            let from = NativeOffset::Offset(from.0);
            list.add_partition_offset(topic, partition, from).map_err(|error| Error::new("assign", error))?;
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

fn places(config: &KafkaConfig, topic: &str) -> Result<Vec<Place>, Error> {
    let missing = || KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownTopicOrPartition);
    let partitions = Ends::open(config)?.partitions(topic)?;
    let partitions =
        partitions.ok_or_else(|| Error { doing: "follow a topic", kind: Kind::Retry, source: missing() })?;
    Ok((0..partitions).map(|partition| Place { topic: topic.to_owned(), partition }).collect())
}
