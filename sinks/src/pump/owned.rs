//! What a sink holds of one assigned partition: its state machine, the batch that is filling, and the one under way.

use super::state::Id;
use crate::config::ROW_BYTES;
use crate::dead_letters;
use crate::insert::{Job, Loader};
use crate::partition::{Content, Partition, Place, Size, Step};
use crate::range::{Committed, Range};
use crate::rows::{Position, Rows};
use crate::tables;
use kafka::queue::Record;
use metrics::counter;
use schemas::record::dead_letter::DeadLetter;
use schemas::topic::Topic;
use std::sync::mpsc;
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub(super) struct Owned {
    pub machine: Partition,
    pub assignment: u64,
    pub paused: bool,
    id: Id,
    topic_id: String,
    open: Batch,
    /// Sealed and not yet handed to an insert.
    sealed: Option<Batch>,
    sealed_bytes: usize,
    replayed: bool,
    insert: Option<JoinHandle<()>>,
}

struct Batch {
    rows: Box<dyn Rows>,
    letters: Vec<DeadLetter>,
    bytes: usize,
}

/// An insert has ended.
pub(super) struct Report {
    pub id: Id,
    pub assignment: u64,
}

impl Batch {
    fn new(topic: Topic) -> Option<Batch> {
        Some(Batch { rows: tables::rows_of(topic)?, letters: Vec::new(), bytes: 0 })
    }

    fn content(&self) -> Content {
        if self.rows.len() == 0 && self.letters.is_empty() { Content::Nothing } else { Content::Something }
    }

    /// Adds a record's rows, or its dead letter.
    fn add(&mut self, topic: Topic, record: &Record<'_>) -> Size {
        let before = self.rows.len();
        // A record without a value is as undecodable as an empty one.
        let value = record.value.unwrap_or_default();
        let at = Position { partition: record.partition, offset: record.offset.0 };
        if let Err(error) = self.rows.add(value, at) {
            counter!("sinks_undecodable_total", "topic" => topic.name()).increment(1);
            tracing::warn!(topic = topic.name(), partition = at.partition, offset = at.offset, %error, "undecodable");
            // A letter about a letter would be undecodable to the same reader.
            if topic != Topic::DeadLetters {
                self.letters.push(dead_letters::letter(record, &error));
            }
        }
        let rows = self.rows.len() - before;
        let size = Size { rows, bytes: value.len() + rows * ROW_BYTES };
        self.bytes += size.bytes;
        size
    }
}

impl Owned {
    /// None for a topic that has no table, which is never subscribed to.
    pub fn new(id: Id, topic_id: String, committed: Committed, assignment: u64) -> Option<Owned> {
        Some(Owned {
            machine: Partition::take(committed),
            assignment,
            paused: false,
            open: Batch::new(id.topic)?,
            id,
            topic_id,
            sealed: None,
            sealed_bytes: 0,
            replayed: false,
            insert: None,
        })
    }

    pub fn take(&mut self, record: &Record<'_>, now: Instant) {
        match self.machine.place(record.offset) {
            Place::Past => return,
            Place::AfterReplay => self.seal(),
            Place::Open => {}
        }
        let size = self.open.add(self.id.topic, record);
        self.machine.add(record.offset, size, now);
    }

    pub fn seal(&mut self) {
        let Some(empty) = Batch::new(self.id.topic) else { return };
        let batch = std::mem::replace(&mut self.open, empty);
        self.replayed = self.machine.replaying();
        self.machine.seal(batch.content());
        self.sealed_bytes = batch.bytes;
        self.sealed = Some(batch);
    }

    /// Begins the insert of the sealed batch.
    pub fn load(&mut self, range: Range, loader: &Loader, inserts: &Handle, reports: &mpsc::Sender<Report>) {
        let Some(batch) = self.sealed.take() else { return };
        let job = Job {
            partition: self.id.partition,
            range,
            token: range.token(&self.topic_id, self.id.partition),
            rows: batch.rows,
            letters: batch.letters,
            replayed: self.replayed,
        };
        let (loader, reports) = (loader.clone(), reports.clone());
        let report = Report { id: self.id, assignment: self.assignment };
        self.machine.loading();
        self.insert = Some(inserts.spawn(async move {
            loader.load(job).await;
            // The pump is gone only when the process ends.
            let _ = reports.send(report);
        }));
    }

    pub fn loaded(&mut self) {
        self.insert = None;
        self.sealed_bytes = 0;
        self.machine.loaded();
    }

    /// Whether a range is on its way.
    pub fn busy(&self) -> bool {
        self.insert.is_some() || self.machine.step() != Step::Wait
    }

    pub fn held_bytes(&self) -> usize {
        self.open.bytes + self.sealed_bytes
    }
}

impl Drop for Owned {
    /// A revoked partition's insert ends here; whoever has the partition now sends the same range.
    fn drop(&mut self) {
        if let Some(insert) = &self.insert {
            insert.abort();
        }
    }
}
