//! How far restoring has come, for the log and `/metrics`.

use crate::runtime::gauges;
use kafka::range::Stretch;
use metrics::gauge;
use schemas::offset::NextOffset;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often a long restore says how far it is.
const REPORT: Duration = Duration::from_secs(2);

pub struct Progress {
    partitions: Mutex<BTreeMap<i32, Vec<Extent>>>,
    began: Instant,
    reported: Mutex<Instant>,
}

/// One stretch in offsets: compaction leaves holes in them, so they are more than records.
#[derive(Clone, Copy)]
struct Extent {
    from: NextOffset,
    at: NextOffset,
    to: NextOffset,
}

impl Progress {
    pub fn new(partitions: impl Iterator<Item = i32>) -> Progress {
        let now = Instant::now();
        let partitions = partitions.map(|partition| (partition, Vec::new())).collect();
        Progress { partitions: Mutex::new(partitions), began: now, reported: Mutex::new(now) }
    }

    pub fn begin(&self, partition: i32, stretches: &[Stretch]) {
        let extent =
            |stretch: &Stretch| Extent { from: stretch.from, at: stretch.from, to: stretch.to.max(stretch.from) };
        self.partitions().insert(partition, stretches.iter().map(extent).collect());
        self.show(partition);
    }

    pub fn reached(&self, partition: i32, stretch: usize, at: NextOffset) {
        if let Some(extent) = self.partitions().get_mut(&partition).and_then(|extents| extents.get_mut(stretch)) {
            extent.at = at;
        }
        self.show(partition);
    }

    /// Returns how many were read.
    pub fn end(&self, partition: i32) -> u64 {
        self.partitions().get(&partition).map_or(0, |extents| sums(extents).0)
    }

    fn show(&self, partition: i32) {
        let Some((done, todo)) = self.partitions().get(&partition).map(|extents| sums(extents)) else { return };
        let partition = partition.to_string();
        gauge!(gauges::RESTORE_DONE, "partition" => partition.clone()).set(done as f64);
        gauge!(gauges::RESTORE_TODO, "partition" => partition).set(todo as f64);
    }

    /// A line in the log, when one is due.
    pub fn report(&self) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.elapsed() < REPORT {
            return;
        }
        *reported = Instant::now();
        let partitions = self.partitions();
        let (done, todo) = partitions.values().map(|extents| sums(extents)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        let waiting = partitions.values().filter(|extents| extents.is_empty()).count();
        let percent = (done * 100).checked_div(done + todo).unwrap_or(0);
        let per_second = (done as f64 / self.began.elapsed().as_secs_f64()) as u64;
        tracing::info!(percent, done, todo, per_second, partitions_not_begun = waiting, "restoring");
    }

    /// Numbers are replaced one at a time: a panic cannot leave them half changed.
    fn partitions(&self) -> MutexGuard<'_, BTreeMap<i32, Vec<Extent>>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Done and to do.
fn sums(extents: &[Extent]) -> (u64, u64) {
    let sum = |of: fn(&Extent) -> i64| extents.iter().map(|extent| of(extent).max(0).cast_unsigned()).sum();
    (sum(|extent| extent.at.0 - extent.from.0), sum(|extent| extent.to.0 - extent.at.0))
}
