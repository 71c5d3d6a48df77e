//! One commit interval: from the first record to the transaction's commit and the stores' write.
//!
//! **Fairness:** an interval is made of turns. A turn takes from each input at most its share, later stages first; while
//! a later stage has more waiting than its share, an earlier one gets an eighth of its own. So records on their way
//! through the stages are bounded, and no flood of one topic keeps another waiting longer than a few turns.
//!
//! **Order of arrival:** while clicks wait, events are taken only up to the broker's time of the clicks. Nothing depends
//! on it, but an event that is far ahead of its clicks is decided again for each of them: of a backlog three times.
//!
//! **Back-pressure:** an interval ends when what it has changed reaches its share of memory; `send` blocks while the
//! producer's queue is full; and what is not taken is not fetched (`kafka::batch`).

use crate::runtime::owned::{INPUTS, Owned};
use crate::runtime::reaction::{Reaction, reaction};
use crate::runtime::surroundings::LiveCatalog;
use crate::runtime::{Error, Shared, gauges};
use crate::state::CHANGELOGS;
use kafka::batch::GroupConsumer;
use kafka::queue::Taken;
use kafka::transaction::{Committed, Slot, Transaction, TransactionalProducer};
use schemas::time::Micros;
use schemas::topic::{Topic, Topics};
use std::time::{Duration, Instant};

/// Records of each input in one turn, in the order of `INPUTS`. A turn takes about 20 ms when all are full: events,
/// candidates and entries cost tens of microseconds, clicks about one.
const SHARES: [usize; INPUTS.len()] = [512, 512, 4096, 256];
/// Of an earlier stage's share, while a later stage has more waiting than its own.
const SLOWED: usize = 8;
/// How long a thread without records waits before it looks at the group again.
const IDLE: Duration = Duration::from_millis(20);

/// What an interval needs beside its clients.
pub struct Interval<'a> {
    pub shared: &'a Shared,
    pub around: LiveCatalog<'a>,
    pub topics: &'a Topics,
    pub names: &'a Names,
}

/// Topics' full names, by topic: made once.
pub struct Names(Vec<String>);

impl Names {
    pub fn new(topics: &Topics) -> Names {
        Names(Topic::ALL.into_iter().map(|topic| topics.name(topic)).collect())
    }

    fn get(&self, topic: Topic) -> &str {
        // In the order of `Topic::ALL`, as a test says.
        &self.0[topic as usize]
    }
}

/// What a turn took of one input.
#[derive(Default)]
struct Share {
    records: usize,
    /// The broker's time of the newest record.
    newest: Option<Micros>,
}

impl Interval<'_> {
    /// An error of reaction `Abort` has aborted the transaction; after others its outcome is the next producer's.
    pub fn run(
        &self,
        owned: &mut Owned,
        consumer: &mut GroupConsumer,
        producer: &mut TransactionalProducer,
    ) -> Result<(), Error> {
        let mut records = self.turn(owned, consumer)?;
        if records == 0 {
            consumer.wait(IDLE);
            records = self.turn(owned, consumer)?;
        }
        if records == 0 {
            return Ok(());
        }
        let began = Instant::now();
        let mut transaction = producer.begin()?;
        let worked = self.fill(owned, consumer, &mut transaction, began);
        let ended = Instant::now();
        let sent = worked.and_then(|()| self.send_changelogs(owned, &mut transaction));
        let group = match sent.and_then(|()| Ok(consumer.group_metadata()?)) {
            Ok(group) => group,
            Err(error) => {
                // Also before a session ends: readers of what was sent would wait for the broker to abort it.
                let aborted = transaction.abort();
                if reaction(&error) == Reaction::Abort {
                    aborted?;
                }
                return Err(error);
            }
        };
        let committed = transaction.commit(&owned.progress(self.topics), &group)?;
        apply(owned, &committed)?;
        metrics::histogram!(gauges::COMMIT_SECONDS).record(ended.elapsed().as_secs_f64());
        metrics::histogram!(gauges::INTERVAL_SECONDS).record(began.elapsed().as_secs_f64());
        Ok(())
    }

    /// Turns until the interval is over or has its share of memory; sends what they produce.
    fn fill(
        &self,
        owned: &mut Owned,
        consumer: &mut GroupConsumer,
        transaction: &mut Transaction<'_>,
        began: Instant,
    ) -> Result<(), Error> {
        loop {
            self.send_outputs(owned, transaction)?;
            let left = self.shared.config.commit_interval.0.saturating_sub(began.elapsed());
            if left.is_zero() || self.shared.shutdown.requested() || self.is_full(owned) {
                return Ok(());
            }
            if self.turn(owned, consumer)? == 0 {
                consumer.wait(left.min(IDLE));
            }
        }
    }

    /// Takes each input's share and processes it; says how many records they were.
    fn turn(&self, owned: &mut Owned, consumer: &mut GroupConsumer) -> Result<usize, Error> {
        let mut records = 0;
        let mut slowed = false;
        let mut clicks_at = None;
        for (input, share) in SHARES.into_iter().enumerate() {
            if INPUTS[input] == Topic::Events && clicks_at.is_some_and(|clicks_at| owned.events_at() > clicks_at) {
                continue;
            }
            let share = if slowed { share / SLOWED } else { share };
            let taken = self.take(input, share, owned, consumer)?;
            records += taken.records;
            slowed |= taken.records >= share && stage_ends(input);
            if INPUTS[input] == Topic::Clicks {
                clicks_at = taken.newest;
            }
        }
        Ok(records)
    }

    fn take(&self, input: usize, most: usize, owned: &mut Owned, consumer: &mut GroupConsumer) -> Result<Share, Error> {
        let (mut share, mut failure) = (Share::default(), None);
        let each = |taken: Taken<'_>| {
            if failure.is_some() {
                return;
            }
            let record = match taken {
                Taken::Record(record) => record,
                Taken::End { partition, next } => {
                    if let Some(partition) = owned.get_mut(partition) {
                        partition.inputs[input].read = next;
                    }
                    return;
                }
                Taken::Failed(_) => return,
            };
            // A record of a partition that was given up in the meantime belongs to another.
            let Some(partition) = owned.get_mut(record.partition) else { return };
            match partition.task.process(INPUTS[input], &record, &self.around) {
                Ok(()) => {
                    let state = &mut partition.inputs[input];
                    state.reached = record.offset.next();
                    state.read = state.reached;
                    state.records += 1;
                    share.records += 1;
                    share.newest = share.newest.max(Some(record.timestamp));
                }
                Err(error) => failure = Some(Error::of_task(error, partition.number, &partition.path)),
            }
        };
        consumer.take(input, most, each)?;
        failure.map_or(Ok(share), Err)
    }

    /// Sends what waits in the outboxes, so that librdkafka batches it while the interval goes on.
    fn send_outputs(&self, owned: &mut Owned, transaction: &mut Transaction<'_>) -> Result<(), Error> {
        for (ordinal, partition) in owned.partitions_mut().iter_mut().enumerate() {
            let number = partition.number;
            for output in partition.task.drain_outbox() {
                let name = self.names.get(output.topic);
                let slot = slot(ordinal, output.topic);
                let to = slot.is_some().then_some(number);
                transaction.send(name, to, output.key.as_bytes(), Some(&output.value), slot)?;
            }
        }
        transaction.poll();
        Ok(())
    }

    /// The overlays' changes, each to its table's changelog, on its own partition.
    fn send_changelogs(&self, owned: &Owned, transaction: &mut Transaction<'_>) -> Result<(), Error> {
        let mut tagged = Vec::new();
        for (ordinal, partition) in owned.partitions().iter().enumerate() {
            for (table, key, value) in partition.task.overlay().changes() {
                let Some((topic, tag)) = table.changelog() else { continue };
                tagged.clear();
                tagged.push(tag);
                tagged.extend_from_slice(key);
                let slot = slot(ordinal, topic);
                transaction.send(self.names.get(topic), Some(partition.number), &tagged, value, slot)?;
            }
        }
        Ok(())
    }

    /// Whether the changes of this interval have reached their share of memory.
    fn is_full(&self, owned: &Owned) -> bool {
        let bytes: usize = owned.partitions().iter().map(|partition| partition.task.overlay().bytes()).sum();
        bytes >= self.shared.config.interval_mib << 20
    }
}

/// Where the place of a topic's last record is asked for; what is restored from it stands on the partition's own number.
fn slot(ordinal: usize, topic: Topic) -> Option<Slot> {
    let number = CHANGELOGS.iter().position(|changelog| *changelog == topic)?;
    Some(Slot(ordinal * CHANGELOGS.len() + number))
}

/// Whether what comes after this input in a turn is of an earlier stage.
fn stage_ends(input: usize) -> bool {
    matches!(INPUTS[input], Topic::Journal | Topic::Candidates)
}

/// After the commit: overlays become state, and positions the group's.
fn apply(owned: &mut Owned, committed: &Committed) -> Result<(), Error> {
    for (ordinal, partition) in owned.partitions_mut().iter_mut().enumerate() {
        let slots = ordinal * CHANGELOGS.len()..(ordinal + 1) * CHANGELOGS.len();
        let last: Vec<_> = slots.map(|slot| committed.0.get(slot).copied().flatten()).collect();
        partition.task.committed(&last).map_err(|error| Error::Store { path: partition.path.clone(), error })?;
        for (number, input) in partition.inputs.iter_mut().enumerate() {
            if input.records > 0 {
                partition.gauges.committed(number, input.records);
                (input.committed, input.records) = (input.reached, 0);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_topic() {
        let topics = Topics::new("t.");
        let names = Names::new(&topics);
        for topic in Topic::ALL {
            assert_eq!(names.get(topic), topics.name(topic));
        }
    }
}
