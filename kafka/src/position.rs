//! How far a group has come, asked from outside of it.

use crate::error::Error;
use crate::group::Place;
use crate::settings::KafkaConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};
use schemas::offset::NextOffset;
use std::time::Duration;

/// A broker that does not answer for this long is away; the caller tries again.
const ANSWER: Duration = Duration::from_secs(10);

/// The committed positions of `group` in these places, in their order; none where nothing was committed yet.
pub fn of_group(config: &KafkaConfig, group: &str, places: &[Place]) -> Result<Vec<Option<NextOffset>>, Error> {
    let failed = |error| Error::new("ask how far a group has come", error);
    let mut settings = config.base("position");
    settings.set("group.id", config.id(group)).set("enable.auto.commit", "false");
    let consumer: BaseConsumer = settings.create().map_err(failed)?;
    let mut list = TopicPartitionList::with_capacity(places.len());
    for place in places {
        list.add_partition(&place.topic, place.partition);
    }
    let found = consumer.committed_offsets(list, ANSWER).map_err(failed)?;
    let position = |place: &Place| {
        let element = found.find_partition(&place.topic, place.partition)?;
        match element.offset() {
            NativeOffset::Offset(next) => Some(NextOffset(next)),
            _ => None,
        }
    };
    Ok(places.iter().map(position).collect())
}
