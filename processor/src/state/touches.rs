//! The touches of a partition: an index in memory in front of sorted runs on the disk, by bucket.
//!
//! A bucket is a week by the broker's clock. Touches are a pure function of `clicks`, which is their changelog: no transaction, no write-ahead log, no RocksDB
//! (decision 12). A put goes to the index; a full index is frozen and written as one run a bucket beside the data path;
//! runs of a bucket are merged when they get many; an expired bucket's files are removed whole.
//!
//! **Invariant:** `durable` is the place in `clicks` up to which all touches are in runs that the manifest names.

mod filter;
mod index;
mod jobs;
mod manifest;
mod run;

use crate::state::keys::{self, JourneyPrefix, TouchKey};
use crate::state::worker::Worker;
use crate::state::{StoreError, VisitTouch};
use index::TouchIndex;
use jobs::{Merged, Written};
use manifest::Manifest;
use run::{Run, failed};
use schemas::offset::NextOffset;
use schemas::time::Micros;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

/// So many runs of one size class are merged into one of the next.
const RUNS_PER_CLASS: usize = 8;
/// A checkpoint writes an index of at least so many touches; fewer are read again from `clicks` in less time than
/// writing and merging ever more small runs takes.
const CHECKPOINT_ENTRIES: usize = 65_536;

/// What a partition may hold of touches that are not on the disk yet.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub bytes: usize,
    /// As many clicks a restart reads again.
    pub touches: usize,
}

pub struct Touches {
    folder: PathBuf,
    writer: Worker,
    merger: Worker,
    active: TouchIndex,
    /// Behind the last click whose touch is in `active` or on its way to the disk.
    next: NextOffset,
    writing: Option<Writing>,
    merging: Option<Merging>,
    buckets: BTreeMap<u32, BTreeMap<u64, Arc<Run>>>,
    durable: NextOffset,
    first_bucket: u32,
    next_number: u64,
    found: Found,
}

/// An index on its way to the disk, still read.
struct Writing {
    index: Arc<TouchIndex>,
    next: NextOffset,
    done: Receiver<Written>,
}

struct Merging {
    replaced: Vec<u64>,
    done: Receiver<Merged>,
}

impl Drop for Touches {
    /// Waits for the workers: whoever opens the folder next gives its runs the same numbers.
    fn drop(&mut self) {
        let _ = self.writing.take().map(|writing| writing.done.recv());
        let _ = self.merging.take().map(|merging| merging.done.recv());
    }
}

/// What a look-back has gathered from index and runs; kept to be used again.
#[derive(Default)]
struct Found {
    touches: Vec<(TouchKey, usize, usize)>,
    values: Vec<u8>,
}

impl Touches {
    /// Opens a folder, or begins one. What a crash left half done is removed.
    pub fn open(folder: &Path, writer: Worker, merger: Worker) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(failed("make a folder"))?;
        let manifest = Manifest::read(folder)?;
        let mut buckets: BTreeMap<u32, BTreeMap<u64, Arc<Run>>> = BTreeMap::new();
        for &(bucket, number) in &manifest.runs {
            let run = Run::open(&jobs::path(folder, bucket, number))?;
            buckets.entry(bucket).or_default().insert(number, Arc::new(run));
        }
        let touches = Touches {
            folder: folder.to_owned(),
            writer,
            merger,
            active: TouchIndex::default(),
            next: manifest.next(),
            writing: None,
            merging: None,
            buckets,
            durable: manifest.next(),
            first_bucket: manifest.first_bucket,
            next_number: manifest.runs.iter().map(|(_, number)| number + 1).max().unwrap_or(0),
            found: Found::default(),
        };
        touches.remove_leftovers()?;
        Ok(touches)
    }

    fn remove_leftovers(&self) -> Result<(), StoreError> {
        let ours: Vec<&Path> = self.buckets.values().flat_map(BTreeMap::values).map(|run| run.path()).collect();
        for file in std::fs::read_dir(&self.folder).map_err(failed("list a folder"))? {
            let path = file.map_err(failed("list a folder"))?.path();
            if path.extension().is_some_and(|extension| extension == "run") && !ours.contains(&path.as_path()) {
                std::fs::remove_file(&path).map_err(failed("remove a leftover run"))?;
            }
        }
        Ok(())
    }

    /// Takes the touch of a click; `next` is the offset behind the click.
    pub fn put(
        &mut self,
        key: &TouchKey,
        value: &[u8],
        arrived: Micros,
        next: NextOffset,
        room: Room,
    ) -> Result<(), StoreError> {
        let bucket = keys::bucket(arrived);
        if bucket >= self.first_bucket {
            self.active.put(key, value, bucket);
        }
        self.next = next;
        // One index is filled while the other is written.
        let full = self.active.bytes() >= room.bytes / 2 || self.active.len() >= room.touches / 2;
        if full { self.write() } else { Ok(()) }
    }

    /// A journey's touches with `from <= time < to`, by time and click, each once.
    pub fn visit(
        &mut self,
        prefix: &JourneyPrefix,
        from: Micros,
        to: Micros,
        visit: &mut VisitTouch<'_>,
    ) -> Result<(), StoreError> {
        let Found { touches, values } = &mut self.found;
        touches.clear();
        values.clear();
        let mut gather = |key: &TouchKey, value: &[u8]| {
            touches.push((*key, values.len(), value.len()));
            values.extend_from_slice(value);
        };
        self.active.visit(prefix, from, to, &mut gather);
        if let Some(writing) = &self.writing {
            writing.index.visit(prefix, from, to, &mut gather);
        }
        for run in self.buckets.values().flat_map(BTreeMap::values) {
            run.visit(prefix, from, to, &mut gather)?;
        }
        touches.sort_unstable_by_key(|(key, ..)| *key);
        touches.dedup_by(|a, b| a.0 == b.0);
        for (key, at, length) in touches {
            if !visit(key, &values[*at..][..*length]) {
                break;
            }
        }
        Ok(())
    }

    /// Up to where in `clicks` the touches have been put.
    pub fn position(&self) -> NextOffset {
        self.next
    }

    /// Freezes the index and has it written; waits only where an earlier one is not done yet.
    fn write(&mut self) -> Result<(), StoreError> {
        self.settle(true)?;
        if self.active.is_empty() {
            return if self.next > self.durable { self.save(self.next) } else { Ok(()) };
        }
        let index = Arc::new(std::mem::take(&mut self.active));
        let (number, folder, frozen) = (self.take_number(), self.folder.clone(), Arc::clone(&index));
        let done = self.writer.give(move || jobs::write(&frozen, &folder, number));
        self.writing = Some(Writing { index, next: self.next, done });
        Ok(())
    }

    fn take_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number - 1
    }

    /// Takes what the workers have done; with `wait`, also what is being written.
    fn settle(&mut self, wait: bool) -> Result<(), StoreError> {
        let gone = || StoreError::Failed { doing: "write a run", reason: "its thread has ended".into() };
        if let Some(writing) = &self.writing {
            let written = if wait {
                Some(writing.done.recv().map_err(|_| gone())?)
            } else {
                match writing.done.try_recv() {
                    Ok(written) => Some(written),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => return Err(gone()),
                }
            };
            if let Some(written) = written {
                let next = writing.next;
                for (bucket, number, run) in written? {
                    // One that expired meanwhile is a leftover.
                    if bucket >= self.first_bucket {
                        self.buckets.entry(bucket).or_default().insert(number, Arc::new(run));
                    }
                }
                self.writing = None;
                self.save(next)?;
                self.merge_where_many();
            }
        }
        if let Some(merging) = &self.merging
            && let Ok(merged) = merging.done.try_recv()
        {
            let (bucket, number, run) = merged?;
            let replaced = self.merging.take().map(|merging| merging.replaced).unwrap_or_default();
            // The bucket may have expired meanwhile.
            if let Some(runs) = self.buckets.get_mut(&bucket) {
                runs.insert(number, Arc::new(run));
                let old: Vec<_> = replaced.iter().filter_map(|number| runs.remove(number)).collect();
                self.save(self.durable)?;
                remove(&old);
            }
        }
        Ok(())
    }

    fn save(&mut self, durable: NextOffset) -> Result<(), StoreError> {
        let runs = self.buckets.iter().flat_map(|(bucket, runs)| runs.keys().map(|number| (*bucket, *number)));
        Manifest::new(durable, runs.collect(), self.first_bucket).write(&self.folder)?;
        self.durable = durable;
        Ok(())
    }

    /// Eight runs of a size become one of the next: a look-back asks few filters, and a touch is rewritten once per
    /// eightfold growth of its bucket.
    fn merge_where_many(&mut self) {
        if self.merging.is_some() {
            return;
        }
        for (&bucket, runs) in &self.buckets {
            let mut classes: BTreeMap<u32, Vec<(u64, Arc<Run>)>> = BTreeMap::new();
            for (number, run) in runs {
                let class = run.entries().max(1).ilog2() / RUNS_PER_CLASS.ilog2();
                classes.entry(class).or_default().push((*number, Arc::clone(run)));
            }
            if let Some(runs) = classes.into_values().find(|runs| runs.len() >= RUNS_PER_CLASS) {
                let replaced = runs.iter().map(|(number, _)| *number).collect();
                let (number, folder) = (self.take_number(), self.folder.clone());
                let done = self.merger.give(move || jobs::merge(bucket, &runs, &folder, number));
                self.merging = Some(Merging { replaced, done });
                return;
            }
        }
    }

    /// Has what is worth a run written, without waiting for it.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.settle(false)?;
        let worth = self.active.len() >= CHECKPOINT_ENTRIES;
        if worth && self.writing.is_none() { self.write() } else { Ok(()) }
    }

    /// Brings everything to the disk.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.write()?;
        self.settle(true)
    }

    /// Removes the buckets whose clicks all arrived before `before`; touches of these are not taken any more.
    pub fn expire(&mut self, before: Micros) -> Result<(), StoreError> {
        let first = keys::bucket(before);
        if first <= self.first_bucket {
            return Ok(());
        }
        self.first_bucket = first;
        let kept = self.buckets.split_off(&first);
        let expired = std::mem::replace(&mut self.buckets, kept);
        self.save(self.durable)?;
        remove(&expired.into_values().flat_map(BTreeMap::into_values).collect::<Vec<_>>());
        Ok(())
    }

    /// Bytes on the disk and in memory.
    pub fn bytes(&self) -> u64 {
        let runs: u64 = self.buckets.values().flat_map(BTreeMap::values).map(|run| run.bytes()).sum();
        let writing = self.writing.as_ref().map_or(0, |writing| writing.index.bytes());
        runs + (self.active.bytes() + writing) as u64
    }
}

/// Removes files that no manifest names; one that stays is a leftover that the next open removes.
fn remove(runs: &[Arc<Run>]) {
    for run in runs {
        if let Err(error) = std::fs::remove_file(run.path()) {
            tracing::warn!(%error, path = %run.path().display(), "a replaced run stays");
        }
    }
}

#[cfg(test)]
mod tests;
