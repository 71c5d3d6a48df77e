//! Asks where partitions begin and end, whatever is still open in them.

use crate::{Error, KafkaConfig};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};
use schemas::offset::NextOffset;
use schemas::time::Micros;
use std::time::{Duration, Instant};

/// A broker that does not answer for this long is away; the caller tries again.
pub const BROKER_WAIT: Duration = Duration::from_secs(10);

/// read_uncommitted: a read_committed client, which librdkafka's is by default, answers with the last stable offset,
/// which may lie before a committed transaction's records (KAFKA-10167).
pub struct Ends(BaseConsumer);

impl Ends {
    pub fn open(config: &KafkaConfig) -> Result<Ends, Error> {
        let mut settings = config.base("ends");
        settings.set("isolation.level", "read_uncommitted");
        settings.create().map(Ends).map_err(|error| Error::new("making a client that asks for ends", error))
    }

    /// The first offset that is still there, and where the next record will be put.
    pub fn of(&self, topic: &str, partition: i32) -> Result<(NextOffset, NextOffset), Error> {
        Ok(self.of_all(&[(topic, partition)])?[0])
    }

    /// As `of` for many, in their order: two questions to each broker, however many they are.
    pub fn of_all(&self, places: &[(&str, i32)]) -> Result<Vec<(NextOffset, NextOffset)>, Error> {
        let first = self.patiently(places, NativeOffset::Beginning)?;
        let end = self.patiently(places, NativeOffset::End)?;
        Ok(first.into_iter().zip(end).collect())
    }

    /// The first record that the partition has with this time or a later one, or its end.
    pub fn since(&self, topic: &str, partition: i32, time: Micros) -> Result<NextOffset, Error> {
        let millis = time.0.div_euclid(1000).max(0);
        Ok(self.patiently(&[(topic, partition)], NativeOffset::Offset(millis))?[0])
    }

    fn patiently(&self, places: &[(&str, i32)], which: NativeOffset) -> Result<Vec<NextOffset>, Error> {
        let give_up = Instant::now() + BROKER_WAIT;
        loop {
            match self.ask(places, which) {
                Ok(offsets) => return Ok(offsets),
                Err(error) if moving(&error) && Instant::now() < give_up => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) if missing(&error) => {
                    return Err(Error::new("the topic is missing, run `tributary topics create`", error));
                }
                Err(error) => return Err(Error::new("asking for the end of a partition", error)),
            }
        }
    }

    /// ListOffsets (KIP-79): the beginning and the end are times that no record has.
    fn ask(&self, places: &[(&str, i32)], which: NativeOffset) -> Result<Vec<NextOffset>, KafkaError> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let mut list = TopicPartitionList::with_capacity(places.len());
        for (topic, partition) in places {
            list.add_partition_offset(topic, *partition, which)?;
        }
        let answers = self.0.offsets_for_times(list, BROKER_WAIT)?;
        let answer = |(topic, partition): &(&str, i32)| {
            let unanswered = || KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownPartition);
            let element = answers.find_partition(topic, *partition).ok_or_else(unanswered)?;
            element.error()?;
            match element.offset() {
                NativeOffset::Offset(offset) => Ok(NextOffset(offset)),
                // No record is as late as that.
                NativeOffset::End if which != NativeOffset::End => {
                    Ok(self.ask(&[(topic, *partition)], NativeOffset::End)?[0])
                }
                _ => Err(unanswered()),
            }
        };
        places.iter().map(answer).collect()
    }

    /// None when the topic does not exist.
    pub fn partitions(&self, topic: &str) -> Result<Option<i32>, Error> {
        let metadata = self.0.fetch_metadata(Some(topic), BROKER_WAIT);
        let metadata = metadata.map_err(|error| Error::new("asking for a topic's partitions", error))?;
        let count = metadata.topics().iter().find(|found| found.name() == topic).map(|found| found.partitions().len());
        Ok(count.filter(|&count| count > 0).map(|count| count as i32))
    }
}

/// A topic that was just made, or a broker that was just restarted: metadata are ahead of the leader.
fn moving(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::UnknownLeaderEpoch
                | RDKafkaErrorCode::FencedLeaderEpoch
        )
    )
}

fn missing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
        )
    )
}
