//! Asks where a partition begins and ends, whatever is still open in it.

use crate::{Error, KafkaConfig};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use schemas::offset::NextOffset;
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
        let give_up = Instant::now() + BROKER_WAIT;
        loop {
            match self.0.fetch_watermarks(topic, partition, BROKER_WAIT) {
                Ok((first, end)) => return Ok((NextOffset(first), NextOffset(end))),
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
        Some(RDKafkaErrorCode::NotLeaderForPartition | RDKafkaErrorCode::LeaderNotAvailable)
    )
}

fn missing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::UnknownPartition | RDKafkaErrorCode::UnknownTopicOrPartition)
    )
}
