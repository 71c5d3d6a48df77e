//! The partitions of the current assignment, and what each asks for next.

use super::owned::{Owned, Report};
use crate::config::HELD_BYTES;
use crate::insert::Loader;
use crate::partition::{Limits, Step};
use crate::range::Committed;
use kafka::group::Place;
use kafka::queue::Record;
use kafka::sink::{Commit, Progress, Standing};
use schemas::topic::{Topic, Topics};
use std::collections::HashMap;
use std::sync::mpsc;
use std::time::Instant;
use tokio::runtime::Handle;

/// A partition of one of our topics.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Id {
    pub topic: Topic,
    pub partition: i32,
}

pub(super) struct State {
    topics: Topics,
    limits: Limits,
    owned: HashMap<Id, Owned>,
    /// Number of the assignment.
    assignment: u64,
    /// Held bytes went over the limit and are not down to half of it yet.
    saturated: bool,
    loader: Loader,
    inserts: Handle,
    reports: (mpsc::Sender<Report>, mpsc::Receiver<Report>),
}

impl State {
    pub fn new(topics: Topics, limits: Limits, loader: Loader, inserts: Handle) -> Self {
        let (owned, reports) = (HashMap::new(), mpsc::channel());
        State { topics, limits, owned, assignment: 0, saturated: false, loader, inserts, reports }
    }

    pub fn clear(&mut self) {
        self.owned.clear();
    }

    pub fn take_over(&mut self, taken: Vec<(Standing, Committed)>) {
        let pending = taken.iter().filter(|(_, committed)| committed.pending.is_some()).count();
        tracing::info!(partitions = taken.len(), pending, "partitions were assigned");
        self.assignment += 1;
        for (standing, committed) in taken {
            let Some(topic) = self.topics.topic(&standing.place.topic) else { continue };
            let id = Id { topic, partition: standing.place.partition };
            if let Some(owned) = Owned::new(id, standing.topic_id, committed, self.assignment) {
                self.owned.insert(id, owned);
            }
        }
    }

    /// Whether the group has ever given partitions to this process; later it may have none, and be well.
    pub fn assigned(&self) -> bool {
        self.assignment > 0
    }

    /// Whether an insert waits for a person.
    pub fn stuck(&self) -> bool {
        self.loader.stuck()
    }

    pub fn take(&mut self, record: &Record<'_>, now: Instant) {
        let Some(topic) = self.topics.topic(record.topic) else { return };
        if let Some(owned) = self.owned.get_mut(&Id { topic, partition: record.partition }) {
            owned.take(record, now);
        }
    }

    pub fn seal_due(&mut self, now: Instant) {
        for owned in self.owned.values_mut().filter(|owned| owned.machine.due(&self.limits, now)) {
            owned.seal();
        }
    }

    /// Takes the reports of finished inserts.
    pub fn hear(&mut self) {
        while let Ok(report) = self.reports.1.try_recv() {
            let owned = self.owned.get_mut(&report.id);
            if let Some(owned) = owned.filter(|owned| owned.assignment == report.assignment) {
                owned.loaded();
            }
        }
    }

    /// What the group is to be told.
    pub fn commits(&self) -> Vec<Commit> {
        let commit = |(id, owned): (&Id, &Owned)| match owned.machine.step() {
            Step::Commit(committed) => {
                Some(Commit { place: self.place(*id), next: committed.next, metadata: committed.metadata() })
            }
            Step::Wait | Step::Load(_) => None,
        };
        self.owned.iter().filter_map(commit).collect()
    }

    /// The group took all of `commits`.
    pub fn committed(&mut self) {
        for owned in self.owned.values_mut() {
            if let Step::Commit(committed) = owned.machine.step() {
                owned.machine.committed(committed);
            }
        }
    }

    pub fn load(&mut self) {
        for owned in self.owned.values_mut() {
            if let Step::Load(range) = owned.machine.step() {
                owned.load(range, &self.loader, &self.inserts, &self.reports.0);
            }
        }
    }

    /// What to pause, because it is ahead of ClickHouse, and what to resume.
    pub fn balance(&mut self) -> (Vec<Place>, Vec<Place>) {
        let held: usize = self.owned.values().map(Owned::held_bytes).sum();
        self.saturated = held >= if self.saturated { HELD_BYTES / 2 } else { HELD_BYTES };
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for (id, owned) in &mut self.owned {
            let wanted = owned.machine.full(&self.limits) || (self.saturated && !owned.machine.replaying());
            if owned.paused != wanted {
                owned.paused = wanted;
                if wanted { &mut pause } else { &mut resume }.push(*id);
            }
        }
        let places = |ids: Vec<Id>| ids.into_iter().map(|id| self.place(id)).collect();
        (places(pause), places(resume))
    }

    /// Records that can be read and are not known to be in ClickHouse.
    pub fn lag(&self, progress: &Progress) -> i64 {
        let topic = self.topics.topic(&progress.place.topic);
        let owned = topic.and_then(|topic| self.owned.get(&Id { topic, partition: progress.place.partition }));
        // With nothing in hand, all that was read is stored; the group's position stops before a tail of markers.
        let idle = owned.is_some_and(|owned| owned.machine.idle());
        let stored = if idle { progress.read } else { progress.committed };
        (progress.end.0 - stored.0).max(0)
    }

    pub fn busy(&self) -> bool {
        self.owned.values().any(Owned::busy)
    }

    pub fn places(&self) -> Vec<Place> {
        self.owned.keys().map(|id| self.place(*id)).collect()
    }

    fn place(&self, id: Id) -> Place {
        Place { topic: self.topics.name(id.topic), partition: id.partition }
    }
}
