//! One partition number of all three stages: its state, and what a record does to it. Records in, records out; the
//! runtime around it does the reading, the transaction and the clock.
//!
//! Life of an interval: `process` records (changes go to the overlay, records to the outbox), the runtime commits,
//! then `committed` moves the overlay into the store together with the changelog positions; or `aborted` forgets it.

use crate::stage::{self, join::JourneyFilter};
use crate::state::keys::{self, JourneyPrefix};
use crate::state::overlay::Overlay;
use crate::state::{Batch, CHANGELOGS, Change, Scopes, Store, StoreError, Table};
use domain::settle::payout::Refusal;
use kafka::queue::Record;
use schemas::catalog::Catalog;
use schemas::codec::{self, DecodeError};
use schemas::decimal::Amount;
use schemas::id::PayoutId;
use schemas::limits::{LATENESS_MICROS, LONGEST_LOOK_BACK_MICROS};
use schemas::offset::{NextOffset, Offset};
use schemas::record::click::ClickView;
use schemas::record::dead_letter::{DeadLetter, Unusable};
use schemas::time::Micros;
use schemas::topic::Topic;
use std::sync::Arc;

/// A record to be written within the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub topic: Topic,
    pub key: String,
    pub value: Vec<u8>,
}

/// What a task needs from outside of itself.
pub trait Surroundings {
    /// A catalog that has been read up to `needed`.
    fn catalog(&self, needed: Offset) -> Result<Arc<Catalog>, NoCatalog>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCatalog {
    /// Not read so far yet; the record is tried again later.
    Behind,
    /// No such position has ever been written: the record is poison.
    NeverWritten,
}

#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the catalog has not been read up to offset {}", .0.0)]
    CatalogBehind(Offset),
}

/// Why a record could not be used; it goes to dead-letters and the partition goes on.
#[derive(Debug, thiserror::Error)]
pub enum Poison {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("no value")]
    Empty,
    #[error("catalog offset {} was never written", .0.0)]
    Catalog(Offset),
    #[error("an amount of {0} is beyond what an event may have")]
    Amount(Amount),
    #[error("payout {payout}: {refusal}")]
    Payout { payout: PayoutId, refusal: Refusal },
}

/// How a stage ends with a record: done, poison, or a failure that is not the record's fault.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error(transparent)]
    Poison(#[from] Poison),
    #[error(transparent)]
    Task(#[from] TaskError),
}

impl From<StoreError> for StageError {
    fn from(error: StoreError) -> Self {
        StageError::Task(TaskError::Store(error))
    }
}

impl From<DecodeError> for StageError {
    fn from(error: DecodeError) -> Self {
        StageError::Poison(Poison::Decode(error))
    }
}

pub struct Task<S> {
    pub(crate) store: S,
    pub(crate) overlay: Overlay,
    pub(crate) journeys: JourneyFilter,
    pub(crate) scopes: Scopes,
    pub(crate) outbox: Vec<Output>,
    /// Clicks before this were probed in a committed transaction; they are only put again.
    probe_from: NextOffset,
    /// The broker's time of the newest click and the newest event.
    clicks_at: Micros,
    events_at: Micros,
    /// Where the open interval has come to in `events`, which journey events are restored from.
    events_next: Option<NextOffset>,
    /// The value of the touch that is being put.
    touch: Vec<u8>,
}

impl<S: Store> Task<S> {
    /// Takes over a store; the runtime then restores it up to `clicks_committed` and the ends of the changelogs.
    pub fn open(store: S, clicks_committed: NextOffset) -> Result<Self, StoreError> {
        let journeys = JourneyFilter::read(&store)?;
        Ok(Task {
            store,
            overlay: Overlay::default(),
            journeys,
            scopes: Scopes::default(),
            outbox: Vec::new(),
            probe_from: clicks_committed,
            clicks_at: Micros(0),
            events_at: Micros(0),
            events_next: None,
            touch: Vec::new(),
        })
    }

    /// Where the store's copy of a topic's content ends.
    pub fn position(&self, topic: Topic) -> Result<NextOffset, StoreError> {
        if topic == Topic::Clicks {
            return Ok(self.store.touches_position());
        }
        match self.store.get(Table::Positions, &keys::position(topic))? {
            Some(value) => keys::read_position(&value),
            None => Ok(NextOffset(0)),
        }
    }

    /// Takes changes that were read from a topic together, and where reading it goes on: one write for all.
    pub fn restore_changes(&mut self, topic: Topic, mut changes: Batch, next: NextOffset) -> Result<(), StoreError> {
        let events = changes.0.iter().filter(|change| change.table == Table::JourneyEvents);
        events.for_each(|change| self.journeys.insert(&change.key));
        let indexed: Vec<_> =
            changes.0.iter().filter_map(|change| change.indexed().transpose()).collect::<Result<_, _>>()?;
        changes.0.extend(indexed);
        changes.put(Table::Positions, keys::position(topic), keys::position_value(next));
        self.store.write(changes)
    }

    /// Takes an event while restoring: what join keeps of it, to be written by `restore_changes`.
    pub fn restore_event(&mut self, record: &Record<'_>) -> Option<Change> {
        stage::join::kept(self, record)
    }

    /// Takes a click while restoring: its touch is put, nothing is probed, nothing sent.
    pub fn restore_click(&mut self, record: &Record<'_>) -> Result<(), StoreError> {
        let put = stage::join::with_click(record, |click| self.put_touch(click, record).map(|_| ()));
        // One that does not decode is in dead-letters already.
        put.unwrap_or(Ok(()))
    }

    /// Does what a record asks for. An error leaves the overlay and the outbox as they were before the record, but for
    /// store errors, after which the task is given up.
    pub fn process(&mut self, topic: Topic, record: &Record<'_>, around: &dyn Surroundings) -> Result<(), TaskError> {
        let sent = self.outbox.len();
        let done = match topic {
            Topic::Clicks => {
                self.clicks_at = self.clicks_at.max(record.timestamp);
                stage::join::click(self, record)
            }
            Topic::Events => {
                self.events_at = self.events_at.max(record.timestamp);
                self.events_next = Some(record.offset.next());
                stage::join::event(self, record)
            }
            Topic::Candidates => stage::decide::input(self, record, around),
            Topic::Journal => stage::settle::input(self, record, around),
            Topic::Rejected
            | Topic::Decisions
            | Topic::Attributions
            | Topic::Payouts
            | Topic::Budgets
            | Topic::Catalog
            | Topic::DecideChangelog
            | Topic::SettleChangelog
            | Topic::DeadLetters => Ok(()),
        };
        match done {
            Ok(()) => Ok(()),
            Err(StageError::Poison(poison)) => {
                self.outbox.truncate(sent);
                self.bury(topic, record, &poison);
                Ok(())
            }
            Err(StageError::Task(error)) => Err(error),
        }
    }

    /// A record that cannot be used is kept whole, with the reason, and the partition goes on.
    fn bury(&mut self, topic: Topic, record: &Record<'_>, poison: &Poison) {
        let stage = stage::name(topic);
        tracing::warn!(stage, partition = record.partition, offset = record.offset.0, error = %poison, "to dead-letters");
        metrics::counter!("processor_dead_letters_total", "stage" => stage).increment(1);
        let unusable = Unusable {
            topic: topic.name(),
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
        };
        let letter = DeadLetter::of(unusable, stage, &poison.to_string());
        let key = format!("{}/{}/{}", topic.name(), record.partition, record.offset.0);
        self.outbox.push(Output { topic: Topic::DeadLetters, key, value: codec::encode(&letter) });
    }

    /// Whether a click's journey is to be probed for earlier events.
    pub(crate) fn probes(&self, offset: Offset) -> bool {
        offset.next() > self.probe_from
    }

    /// Puts a click's touch and returns its journey's prefix.
    pub(crate) fn put_touch(
        &mut self,
        click: &ClickView<'_>,
        record: &Record<'_>,
    ) -> Result<JourneyPrefix, StoreError> {
        let prefix = keys::journey(self.scopes.of(click.tenant, click.advertiser), click.journey_id);
        let key = keys::touch(&prefix, click.occurred_at, click.click_id);
        keys::touch_value(click, &mut self.touch);
        self.store.put_touch(&key, &self.touch, record.timestamp, record.offset.next())?;
        Ok(prefix)
    }

    /// The records that wait to be produced.
    pub fn drain_outbox(&mut self) -> std::vec::Drain<'_, Output> {
        self.outbox.drain(..)
    }

    /// The state that this interval changed, for the changelogs.
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// After the commit: the overlay becomes state, together with the place of each changelog's last record.
    pub fn committed(&mut self, changelogs: &[Option<Offset>]) -> Result<(), StoreError> {
        let mut batch = self.overlay.take();
        let written = CHANGELOGS.iter().zip(changelogs).filter_map(|(topic, last)| Some((*topic, (*last)?.next())));
        let read = self.events_next.take().map(|next| (Topic::Events, next));
        for (topic, next) in written.chain(read) {
            batch.put(Table::Positions, keys::position(topic), keys::position_value(next));
        }
        if batch.0.is_empty() { Ok(()) } else { self.store.write(batch) }
    }

    /// After an abort: nothing of the interval has happened, but for touches, which are a function of `clicks`.
    pub fn aborted(&mut self) {
        self.overlay.clear();
        self.outbox.clear();
        self.events_next = None;
    }

    /// Brings to the disk what a restart should not have to read again, and lets expire what nothing can
    /// ask for any more: both topics have passed, by the broker's time, the longest look-back before the latest event.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        let passed = self.clicks_at.min(self.events_at);
        self.store.expire(passed.plus(-(LONGEST_LOOK_BACK_MICROS + LATENESS_MICROS)))?;
        self.store.checkpoint()
    }

    /// Brings all that is committed to the disk.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.store.flush()
    }

    /// The broker's time of the newest event that was taken.
    pub fn events_at(&self) -> Micros {
        self.events_at
    }

    pub fn store(&self) -> &S {
        &self.store
    }

    /// Gives the store back, without what was not committed.
    pub fn into_store(self) -> S {
        self.store
    }
}
