//! Writes and merges runs beside the data path: a thread of a process for each, below the priority of what answers.
//!
//! A job gives what it made back to the task that asked; nothing but immutable runs and frozen indexes is shared.

use crate::state::StoreError;
use crate::state::keys::TouchKey;
use crate::state::touches::index::TouchIndex;
use crate::state::touches::run::{Entries, Run, RunWriter};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

pub enum Job {
    /// A run of each bucket of an index.
    Write { index: Arc<TouchIndex>, folder: PathBuf, number: u64, done: Sender<Written> },
    /// One run of several of the same bucket.
    Merge { bucket: u32, runs: Vec<(u64, Arc<Run>)>, folder: PathBuf, number: u64, done: Sender<Merged> },
}

/// Bucket, number and run of each.
pub type Written = Result<Vec<(u32, u64, Run)>, StoreError>;
pub type Merged = Result<(u32, u64, Run), StoreError>;

/// Hands jobs to a thread of its own; the thread ends with the last handle.
#[derive(Clone)]
pub struct Worker(Sender<Job>);

impl Worker {
    pub fn start(name: &str) -> Self {
        let (jobs, inbox) = mpsc::channel();
        let work = move || run(&inbox);
        std::thread::Builder::new().name(name.to_owned()).spawn(work).expect("the system has a thread for us");
        Worker(jobs)
    }

    /// The answer comes through the job's `done`.
    pub fn give(&self, job: Job) {
        // The thread ends only after the last sender.
        let _ = self.0.send(job);
    }
}

fn run(inbox: &Receiver<Job>) {
    // On Linux a thread's own; one that may not be made nicer works at the usual priority.
    let _ = rustix::process::nice(10);
    for job in inbox {
        // Nobody waits for an answer any more where its store was closed.
        match job {
            Job::Write { index, folder, number, done } => {
                let written = write(&index, &folder, number);
                drop(index);
                let _ = done.send(written);
            }
            Job::Merge { bucket, runs, folder, number, done } => {
                let merged = merge(&runs, &path(&folder, bucket, number)).map(|run| (bucket, number, run));
                let _ = done.send(merged);
            }
        }
    }
}

/// A run's file.
pub fn path(folder: &Path, bucket: u32, number: u64) -> PathBuf {
    folder.join(format!("{bucket}-{number}.run"))
}

fn write(index: &TouchIndex, folder: &Path, number: u64) -> Written {
    let mut runs = Vec::new();
    for (bucket, entries) in index.sorted() {
        let mut writer = RunWriter::create(&path(folder, bucket, number))?;
        for entry in entries {
            let (key, value) = index.get(entry);
            writer.put(key, value)?;
        }
        runs.push((bucket, number, writer.finish()?));
    }
    Ok(runs)
}

fn merge(runs: &[(u64, Arc<Run>)], to: &Path) -> Result<Run, StoreError> {
    let mut sources: Vec<Source<'_>> = runs.iter().map(|(_, run)| Source::new(run)).collect();
    let mut heads = BinaryHeap::new();
    for (number, source) in sources.iter_mut().enumerate() {
        if let Some(key) = source.next()? {
            heads.push(Reverse((key, number)));
        }
    }
    let mut writer = RunWriter::create(to)?;
    let mut last = None;
    while let Some(Reverse((key, number))) = heads.pop() {
        // A touch that was put again after a crash is in two runs.
        if last != Some(key) {
            writer.put(&key, sources[number].value())?;
            last = Some(key);
        }
        if let Some(key) = sources[number].next()? {
            heads.push(Reverse((key, number)));
        }
    }
    writer.finish()
}

/// Goes through a run from the first to the last entry, a block in memory at a time.
struct Source<'r> {
    run: &'r Run,
    next_block: usize,
    block: Vec<(TouchKey, Vec<u8>)>,
    at: usize,
}

impl<'r> Source<'r> {
    fn new(run: &'r Run) -> Self {
        Source { run, next_block: 0, block: Vec::new(), at: 0 }
    }

    /// Steps to the next entry.
    fn next(&mut self) -> Result<Option<TouchKey>, StoreError> {
        self.at += 1;
        while self.at >= self.block.len() {
            if self.next_block == self.run.blocks() {
                return Ok(None);
            }
            let mut bytes = Vec::new();
            self.run.read(self.next_block, &mut bytes)?;
            self.next_block += 1;
            self.block = Entries::of(&bytes).map(|(key, value)| (key, value.to_vec())).collect();
            self.at = 0;
        }
        Ok(Some(self.block[self.at].0))
    }

    /// That of the entry which `next` named.
    fn value(&self) -> &[u8] {
        &self.block[self.at].1
    }
}
