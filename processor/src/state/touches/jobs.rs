//! Writing and merging runs: what is done beside the data path, of immutable runs and frozen indexes.

use crate::state::StoreError;
use crate::state::keys::TouchKey;
use crate::state::touches::index::TouchIndex;
use crate::state::touches::run::{Entries, Run, RunWriter};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bucket, number and run of each.
pub type Written = Result<Vec<(u32, u64, Run)>, StoreError>;
pub type Merged = Result<(u32, u64, Run), StoreError>;

/// A run's file.
pub fn path(folder: &Path, bucket: u32, number: u64) -> PathBuf {
    folder.join(format!("{bucket}-{number}.run"))
}

/// A run of each bucket of an index.
pub fn write(index: &TouchIndex, folder: &Path, number: u64) -> Written {
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

/// One run of several of the same bucket.
pub fn merge(bucket: u32, runs: &[(u64, Arc<Run>)], folder: &Path, number: u64) -> Merged {
    let mut sources: Vec<Source<'_>> = runs.iter().map(|(_, run)| Source::new(run)).collect();
    let mut heads = BinaryHeap::new();
    for (number, source) in sources.iter_mut().enumerate() {
        if let Some(key) = source.next()? {
            heads.push(Reverse((key, number)));
        }
    }
    let mut writer = RunWriter::create(&path(folder, bucket, number))?;
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
    Ok((bucket, number, writer.finish()?))
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
