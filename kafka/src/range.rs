//! Reads a stretch of one partition, committed records only: what restoring state needs.

use crate::ends::Ends;
use crate::error::{Error, Kind};
use crate::group::Place;
use crate::queue::{OwnQueue, Record, Taken};
use crate::settings::KafkaConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};
use schemas::offset::NextOffset;
use std::time::{Duration, Instant};

/// Nothing read for so long, with records missing: longer than a dead process's transaction keeps readers waiting.
const PATIENCE: Duration = Duration::from_secs(40);

/// The first offset that is still there, and where the next record will be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub first: NextOffset,
    pub end: NextOffset,
}

/// Asked with a read_uncommitted client (`Ends`): a read_committed one answers with the last stable offset, which may
/// lie before a committed transaction's records (KAFKA-10167).
pub fn extents(config: &KafkaConfig, places: &[Place]) -> Result<Vec<Extent>, Error> {
    let ends = Ends::open(config)?;
    let extent = |place: &Place| ends.of(&place.topic, place.partition).map(|(first, end)| Extent { first, end });
    places.iter().map(extent).collect()
}

/// Calls `each` for every committed record of `place` from `from` until the position is at `to`.
///
/// `idle` is called between batches, so that the caller can keep its other clients alive or stop with an error.
pub fn read<E: From<Error>>(
    config: &KafkaConfig,
    place: &Place,
    from: NextOffset,
    to: NextOffset,
    mut each: impl FnMut(Record<'_>) -> Result<(), E>,
    mut idle: impl FnMut() -> Result<(), E>,
) -> Result<(), E> {
    if from >= to {
        return Ok(());
    }
    // Bindings drop in reverse: the queue goes before its consumer.
    let (_consumer, mut queue) = open(config, place, from)?;
    let (mut position, mut moved) = (from, Instant::now());
    let mut outcome = Ok(());
    while position < to && outcome.is_ok() {
        let before = position;
        queue.take(Duration::from_millis(100), |taken| {
            if outcome.is_err() {
                return;
            }
            match taken {
                Taken::Record(record) if record.offset.next() > to => position = to,
                Taken::Record(record) => {
                    position = record.offset.next();
                    outcome = each(record);
                }
                Taken::End { next } => position = position.max(next),
                Taken::Failed(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                    outcome = Err(Error { doing: "read a range", kind: Kind::Abort, source: error }.into());
                }
                Taken::Failed(error) => tracing::debug!(%error, topic = place.topic, "reading a range"),
            }
        });
        if position > before {
            moved = Instant::now();
        } else if moved.elapsed() > PATIENCE {
            let source = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
            return Err(Error { doing: "read a range", kind: Kind::Transient, source }.into());
        }
        outcome = outcome.and_then(|()| idle());
    }
    outcome
}

fn open(config: &KafkaConfig, place: &Place, from: NextOffset) -> Result<(BaseConsumer, OwnQueue), Error> {
    let mut settings = config.base("range");
    settings
        // librdkafka wants a group for `assign`; nothing is ever committed to it.
        .set("group.id", config.id("range"))
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("queued.min.messages", "200000")
        .set("queued.max.messages.kbytes", "65536")
        .set("fetch.message.max.bytes", "8388608")
        .set("fetch.wait.max.ms", "10")
        .set("fetch.queue.backoff.ms", "10");
    let consumer: BaseConsumer = settings.create().map_err(|error| Error::new("create a consumer", error))?;
    let queue = OwnQueue::new(consumer.client());
    queue.forward(consumer.client(), &place.topic, place.partition)?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&place.topic, place.partition, NativeOffset::Offset(from.0))
        .and_then(|()| consumer.assign(&list))
        .map_err(|error| Error::new("assign", error))?;
    Ok((consumer, queue))
}
