//! Watches a group's committed positions from outside, without being its member.

use crate::group::Place;
use crate::{Error, KafkaConfig};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};
use schemas::offset::NextOffset;
use std::time::{Duration, Instant};

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
        let mut list = TopicPartitionList::with_capacity(places.len());
        for place in places {
            list.add_partition(&place.topic, place.partition);
        }
        let list = self.ask(list)?;
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

    /// A group's coordinator moves when a broker starts and when the group is made.
    fn ask(&self, list: TopicPartitionList) -> Result<TopicPartitionList, Error> {
        let give_up = Instant::now() + ANSWER;
        loop {
            match self.0.committed_offsets(list.clone(), ANSWER) {
                Ok(list) => return Ok(list),
                Err(error) if moving(&error) && Instant::now() < give_up => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => return Err(Error::new("asking for committed positions", error)),
            }
        }
    }
}

fn moving(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::NotCoordinator | Code::CoordinatorNotAvailable | Code::CoordinatorLoadInProgress)
    )
}
