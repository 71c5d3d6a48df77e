//! Watches a group's committed positions from outside, without being its member.

use crate::group::Place;
use crate::{Error, KafkaConfig};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};
use schemas::offset::NextOffset;
use std::time::Duration;

const ANSWER: Duration = Duration::from_secs(10);

pub struct GroupWatch(BaseConsumer);

impl GroupWatch {
    /// read_uncommitted: the last positions that were committed, without waiting for a transaction that is just being
    /// committed (KIP-447's require-stable is for who goes on from there).
    pub fn open(config: &KafkaConfig, group: &str) -> Result<Self, Error> {
        let mut settings = config.base("watch");
        settings.set("group.id", config.id(group)).set("isolation.level", "read_uncommitted");
        settings.create().map(GroupWatch).map_err(|error| Error::new("making a client that watches a group", error))
    }

    /// In the order of `places`; none where nothing was committed yet.
    pub fn committed(&self, places: &[Place]) -> Result<Vec<Option<NextOffset>>, Error> {
        let doing = "asking for committed positions";
        let mut list = TopicPartitionList::with_capacity(places.len());
        for place in places {
            list.add_partition(&place.topic, place.partition);
        }
        let list = self.0.committed_offsets(list, ANSWER).map_err(|error| Error::new(doing, error))?;
        let mut found = Vec::with_capacity(places.len());
        for place in places {
            let element = list.find_partition(&place.topic, place.partition);
            found.push(match element.map(|element| element.offset()) {
                Some(NativeOffset::Offset(next)) => Some(NextOffset(next)),
                _ => None,
            });
        }
        Ok(found)
    }
}
