//! The group consumer of those who store records outside Kafka: its commits carry text beside the position, and it
//! begins wherever its caller says, knowing the topic's id and what the partition still holds.
//!
//! **Invariant:** rebalance events are only noted in the callback, and `poll` returns after serving one without a
//! record. The caller answers each before it uses another record or commits; the group waits for that answer.

mod topic_ids;

use crate::ends::Ends;
use crate::error::{Error, Kind};
use crate::group::{Noted, Place, Rebalance};
use crate::queue::Record;
use crate::settings::KafkaConfig;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset as NativeOffset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use schemas::offset::{NextOffset, Offset};
use schemas::time::Micros;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A broker that must answer a question of ours does so within this or is away.
const ANSWER: Duration = Duration::from_secs(5);

/// A position with the text that is committed beside it (at most `offset.metadata.max.bytes` of the broker, 4096).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub place: Place,
    pub next: NextOffset,
    pub metadata: String,
}

/// Where an assigned partition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub place: Place,
    /// Of the topic (KIP-516): one that is deleted and made anew has another.
    pub topic_id: String,
    /// What the group holds; none before its first commit.
    pub committed: Option<(NextOffset, String)>,
    /// The first record that is still there.
    pub first: NextOffset,
    pub end: NextOffset,
}

/// How far an assigned partition has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub place: Place,
    /// Or the first record, before the first commit.
    pub committed: NextOffset,
    /// Passes also the markers of transactions, which no commit of a record's position does.
    pub read: NextOffset,
    /// Of what is readable: the last stable offset.
    pub end: NextOffset,
}

#[derive(Default)]
struct Context {
    rebalances: Noted,
    progress: Mutex<Vec<Progress>>,
}

impl Context {
    /// A list is replaced and taken: a panic cannot leave it half changed.
    fn progress(&self) -> MutexGuard<'_, Vec<Progress>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "sinks consumer");
    }

    fn stats(&self, statistics: Statistics) {
        let all = statistics.topics.values().flat_map(|topic| topic.partitions.values().map(move |one| (topic, one)));
        let assigned = all.filter(|(_, one)| one.fetch_state == "active" && one.ls_offset >= 0);
        let progress = assigned.map(|(topic, one)| {
            let committed = one.committed_offset.max(one.lo_offset).max(0);
            Progress {
                place: Place { topic: topic.topic.clone(), partition: one.partition },
                committed: NextOffset(committed),
                read: NextOffset(one.app_offset.max(committed)),
                end: NextOffset(one.ls_offset),
            }
        });
        *self.progress() = progress.collect();
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, places: &mut TopicPartitionList) {
        self.rebalances.note(consumer, what, places);
    }
}

pub struct SinkConsumer {
    consumer: BaseConsumer<Context>,
    ends: Ends,
    /// The last error that was logged, so that each is logged once and not at every poll.
    complained: Cell<Option<RDKafkaErrorCode>>,
}

impl Drop for SinkConsumer {
    fn drop(&mut self) {
        self.consumer.context().rebalances.close();
    }
}

impl SinkConsumer {
    /// A static member (KIP-345) of `group`: a process that starts under the name of one that died takes its
    /// partitions at once. Does not wait for Kafka.
    pub fn new(config: &KafkaConfig, group: &str, member: &str) -> Result<Self, Error> {
        let mut settings = config.base(group);
        settings
            .set("group.id", config.id(group))
            .set("group.instance.id", config.id(member))
            .set("session.timeout.ms", "10000")
            // Eager: what is revoked is all that was assigned.
            .set("partition.assignment.strategy", "range")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Positions are given explicitly; a lost one is for a person to judge.
            .set("auto.offset.reset", "error")
            // Read ahead, per partition; one process may have all partitions of eight topics.
            .set("queued.min.messages", "20000")
            .set("queued.max.messages.kbytes", "4096")
            .set("fetch.queue.backoff.ms", "10")
            .set("retry.backoff.ms", "10")
            .set("statistics.interval.ms", "2000");
        let doing = "create a consumer";
        let consumer = settings.create_with_context(Context::default()).map_err(|error| Error::new(doing, error))?;
        Ok(SinkConsumer { consumer, ends: Ends::open(config)?, complained: Cell::new(None) })
    }

    /// The topics that do not exist.
    pub fn missing(&self, topics: &[String]) -> Result<Vec<String>, Error> {
        let ids = self.topic_ids(topics)?;
        Ok(topics.iter().filter(|name| !ids.contains_key(*name)).cloned().collect())
    }

    pub fn subscribe(&self, topics: &[String]) -> Result<(), Error> {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        self.consumer.subscribe(&names).map_err(|error| Error::new("subscribe", error))
    }

    /// Calls `each` with the next record, if there is one within `wait`, and says whether there was.
    ///
    /// # Errors
    /// `Kind::GiveUp`: another process runs as the same member, or Kafka no longer holds the position. What heals by
    /// itself is logged.
    pub fn poll(&self, wait: Duration, each: impl FnOnce(Record<'_>)) -> Result<bool, Error> {
        match self.consumer.poll(wait) {
            None => Ok(false),
            Some(Ok(message)) => {
                self.complained.set(None);
                each(Record {
                    topic: message.topic(),
                    partition: message.partition(),
                    offset: Offset(message.offset()),
                    timestamp: Micros(message.timestamp().to_millis().unwrap_or(0).max(0).saturating_mul(1000)),
                    key: message.key(),
                    value: message.payload(),
                });
                Ok(true)
            }
            Some(Err(source @ KafkaError::MessageConsumptionFatal(_))) => Err(Error {
                doing: "consume (does another process run as the same member?)",
                kind: Kind::GiveUp,
                source,
            }),
            Some(Err(source)) => match source.rdkafka_error_code() {
                Some(RDKafkaErrorCode::AutoOffsetReset) => {
                    Err(Error { doing: "go on at the committed position", kind: Kind::GiveUp, source })
                }
                code => {
                    if self.complained.replace(code) != code {
                        tracing::warn!(error = %source, "consuming, trying again");
                    }
                    Ok(false)
                }
            },
        }
    }

    /// The next event that the caller must answer, with `assign` or `unassign`.
    pub fn rebalance(&self) -> Option<Rebalance> {
        self.consumer.context().rebalances.next()
    }

    /// All that must be known before reading begins.
    pub fn standing(&self, places: &[Place]) -> Result<Vec<Standing>, Error> {
        let doing = "ask where the assigned partitions stand";
        let mut topics: Vec<String> = places.iter().map(|place| place.topic.clone()).collect();
        topics.dedup();
        let ids = self.topic_ids(&topics)?;
        let committed = self.consumer.committed_offsets(list(places), ANSWER);
        let committed = committed.map_err(|source| Error::new(doing, source))?;
        let mut standing = Vec::with_capacity(places.len());
        for element in committed.elements() {
            element.error().map_err(|source| Error::new(doing, source))?;
            let place = Place { topic: element.topic().to_owned(), partition: element.partition() };
            let gone = || Error::new(doing, KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic));
            let topic_id = ids.get(&place.topic).ok_or_else(gone)?.clone();
            let (first, end) = self.ends.of(&place.topic, place.partition)?;
            let committed = match element.offset() {
                NativeOffset::Offset(next) => Some((NextOffset(next), element.metadata().to_owned())),
                _ => None,
            };
            standing.push(Standing { place, topic_id, committed, first, end });
        }
        Ok(standing)
    }

    /// Reads these partitions from these positions, and nothing else.
    pub fn assign(&self, positions: &[(Place, NextOffset)]) -> Result<(), Error> {
        let failed = |source| Error::new("assign", source);
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for (place, next) in positions {
            list.add_partition_offset(&place.topic, place.partition, NativeOffset::Offset(next.0)).map_err(failed)?;
        }
        self.consumer.assign(&list).map_err(failed)
    }

    pub fn unassign(&self) -> Result<(), Error> {
        self.consumer.unassign().map_err(|source| Error::new("unassign", source))
    }

    /// Returns when the group has taken all of them. Waits for the answer, so no commit of ours outlives an assignment.
    ///
    /// # Errors
    /// Nothing is known then: commit the same again, or wait for the rebalance that will say so. `Kind::GiveUp`:
    /// another process runs as the same member.
    pub fn commit(&self, commits: &[Commit]) -> Result<(), Error> {
        let ends = |error: &KafkaError| {
            let code = error.rdkafka_error_code();
            matches!(code, Some(RDKafkaErrorCode::FencedInstanceId | RDKafkaErrorCode::Fatal))
        };
        let failed = |source| {
            let kind = if ends(&source) { Kind::GiveUp } else { Kind::Retry };
            Error { doing: "commit", kind, source }
        };
        let mut list = TopicPartitionList::with_capacity(commits.len());
        for Commit { place, next, metadata } in commits {
            let mut element = list.add_partition(&place.topic, place.partition);
            element.set_offset(NativeOffset::Offset(next.0)).map_err(failed)?;
            element.set_metadata(metadata);
        }
        self.consumer.commit(&list, CommitMode::Sync).map_err(failed)
    }

    pub fn pause(&self, places: &[Place]) -> Result<(), Error> {
        self.consumer.pause(&list(places)).map_err(|source| Error::new("pause", source))
    }

    pub fn resume(&self, places: &[Place]) -> Result<(), Error> {
        self.consumer.resume(&list(places)).map_err(|source| Error::new("resume", source))
    }

    /// The latest figures since the last call, if there are newer ones (every two seconds).
    pub fn progress(&self) -> Vec<Progress> {
        std::mem::take(&mut *self.consumer.context().progress())
    }

    fn topic_ids(&self, topics: &[String]) -> Result<HashMap<String, String>, Error> {
        topic_ids::topic_ids(self.consumer.client(), topics, ANSWER)
            .map_err(|source| Error::new("ask for the ids of topics", source))
    }
}

fn list(places: &[Place]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for place in places {
        list.add_partition(&place.topic, place.partition);
    }
    list
}
