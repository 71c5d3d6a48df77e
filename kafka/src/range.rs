//! Reads stretches of partitions side by side, committed records only: what restoring state needs.

use crate::ends::Ends;
use crate::error::{Error, Kind};
use crate::group::Place;
use crate::queue::{BATCH, Bell, OwnQueue, Record, Taken};
use crate::settings::KafkaConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};
use schemas::offset::NextOffset;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Nothing read for so long, with records missing: longer than a dead process's transaction keeps readers waiting.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long a reader waits for records before it lets its caller see to other things.
const IDLE: Duration = Duration::from_millis(50);
/// What a reader without a budget of its own may fetch ahead, in MiB.
const SMALL_QUEUE_MIB: usize = 64;

/// The first offset that is still there, and where the next record will be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub first: NextOffset,
    pub end: NextOffset,
}

/// Asked with a read_uncommitted client (`Ends`): a read_committed one answers with the last stable offset, which may
/// lie before a committed transaction's records (KAFKA-10167).
pub fn extents(config: &KafkaConfig, places: &[Place]) -> Result<Vec<Extent>, Error> {
    let places: Vec<(&str, i32)> = places.iter().map(|place| (place.topic.as_str(), place.partition)).collect();
    let extents = Ends::open(config)?.of_all(&places)?;
    Ok(extents.into_iter().map(|(first, end)| Extent { first, end }).collect())
}

/// Part of one partition: `from` up to and without `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub place: Place,
    pub from: NextOffset,
    pub to: NextOffset,
}

/// What reading brings, with the number of its stretch.
pub enum Step<'a> {
    Record(usize, Record<'a>),
    /// All records before this position have been given, also past those that are not for readers.
    Reached(usize, NextOffset),
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
    idle: impl FnMut() -> Result<(), E>,
) -> Result<(), E> {
    let stretch = Stretch { place: place.clone(), from, to };
    let step = |step: Step<'_>| match step {
        Step::Record(_, record) => each(record),
        Step::Reached(..) => Ok(()),
    };
    read_all(config, std::slice::from_ref(&stretch), SMALL_QUEUE_MIB, step, idle)
}

/// As `read` for several stretches at once with one client, which fetches `queue_mib` ahead at most. Each stretch in
/// its order; how they interleave is chance.
pub fn read_all<E: From<Error>>(
    config: &KafkaConfig,
    stretches: &[Stretch],
    queue_mib: usize,
    mut each: impl FnMut(Step<'_>) -> Result<(), E>,
    mut idle: impl FnMut() -> Result<(), E>,
) -> Result<(), E> {
    let mut left = stretches.iter().filter(|stretch| stretch.from < stretch.to).count();
    if left == 0 {
        return Ok(());
    }
    let mut reader = Reader::open(config, stretches, queue_mib)?;
    let mut moved = Instant::now();
    while left > 0 {
        let mut any = false;
        for (number, stretch) in stretches.iter().enumerate() {
            let before = reader.positions[number];
            if before >= stretch.to {
                continue;
            }
            any |= reader.batch(number, stretch.to, &mut each)? > 0;
            let position = reader.positions[number];
            if position > before {
                moved = Instant::now();
                each(Step::Reached(number, position))?;
            }
            if position >= stretch.to {
                left -= 1;
                reader.end(&stretch.place)?;
            }
        }
        if !any && moved.elapsed() > PATIENCE {
            let source = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
            return Err(Error { doing: "read a range", kind: Kind::Retry, source }.into());
        }
        idle()?;
        if !any {
            reader.bell.wait(IDLE);
        }
    }
    Ok(())
}

struct Reader {
    // Fields drop in this order: queues before consumer.
    queues: Vec<OwnQueue>,
    consumer: BaseConsumer,
    bell: Arc<Bell>,
    positions: Vec<NextOffset>,
}

impl Reader {
    fn open(config: &KafkaConfig, stretches: &[Stretch], queue_mib: usize) -> Result<Reader, Error> {
        let mut settings = config.base("range");
        let (messages, kib) = crate::batch::share(queue_mib, stretches.len());
        settings
            // librdkafka wants a group for `assign`; nothing is ever committed to it.
            .set("group.id", config.id("range"))
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("queued.min.messages", messages)
            .set("queued.max.messages.kbytes", kib)
            .set("fetch.message.max.bytes", "8388608")
            .set("fetch.wait.max.ms", "10")
            .set("fetch.queue.backoff.ms", "10");
        let consumer: BaseConsumer = settings.create().map_err(|error| Error::new("create a consumer", error))?;
        let bell = Arc::new(Bell::default());
        let queue = |stretch: &Stretch| OwnQueue::new(consumer.client(), &stretch.place.topic, &bell);
        let queues: Vec<OwnQueue> = stretches.iter().map(queue).collect();
        let mut list = TopicPartitionList::new();
        for (stretch, queue) in stretches.iter().zip(&queues).filter(|(stretch, _)| stretch.from < stretch.to) {
            queue.forward(consumer.client(), stretch.place.partition)?;
            let from = NativeOffset::Offset(stretch.from.0);
            list.add_partition_offset(&stretch.place.topic, stretch.place.partition, from)
                .map_err(|error| Error::new("assign", error))?;
        }
        consumer.assign(&list).map_err(|error| Error::new("assign", error))?;
        let positions = stretches.iter().map(|stretch| stretch.from).collect();
        Ok(Reader { queues, consumer, bell, positions })
    }

    fn batch<E: From<Error>>(
        &mut self,
        number: usize,
        to: NextOffset,
        each: &mut impl FnMut(Step<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let position = &mut self.positions[number];
        let mut outcome = Ok(());
        let taken = self.queues[number].take(BATCH, |taken| {
            if outcome.is_err() {
                return;
            }
            match taken {
                Taken::Record(record) if record.offset.next() > to => *position = to,
                Taken::Record(record) => {
                    *position = record.offset.next();
                    outcome = each(Step::Record(number, record));
                }
                Taken::End { next, .. } => *position = next.clamp(*position, to),
                Taken::Failed(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                    outcome = Err(Error { doing: "read a range", kind: Kind::GiveUp, source: error }.into());
                }
                Taken::Failed(error) => tracing::debug!(%error, "reading a range"),
            }
        });
        outcome.map(|()| taken)
    }

    /// Fetches no more of a stretch that is done.
    fn end(&self, place: &Place) -> Result<(), Error> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&place.topic, place.partition);
        self.consumer.pause(&list).map_err(|error| Error::new("pause", error))
    }
}
