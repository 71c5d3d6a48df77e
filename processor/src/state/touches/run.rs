//! A sorted run of touches of one bucket: an immutable file, written once from first to last key.
//!
//! ```text
//! block*      entries of about 4 KiB, then their CRC-32
//! index       per block: the first entry's journey (24) and the block's place (8)
//! filter      which journeys the run may hold
//! footer      bytes of blocks, index and filter, entries, CRC-32 of these and of index and filter, magic
//! entry       0, journey (24) | 1 for the journey of the entry before; time (8), click id (16), length (1), value
//! ```
//! Index and filter stay in memory: about two bytes a touch. Blocks are read from the file, that is from the operating
//! system's cache; nothing of a block is trusted before its checksum.

use crate::state::StoreError;
use crate::state::keys::{self, JOURNEY_PREFIX, JourneyPrefix, TOUCH_KEY, TouchKey};
use crate::state::touches::filter::Filter;
use schemas::time::Micros;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: u64 = u64::from_be_bytes(*b"TTOUCH01");
const BLOCK: usize = 4096;
const FENCE: usize = JOURNEY_PREFIX + 8;
const FOOTER: usize = 8 * 4 + 4 + 8;
const TAIL: usize = TOUCH_KEY - JOURNEY_PREFIX;

pub fn failed(doing: &'static str) -> impl Fn(std::io::Error) -> StoreError {
    move |error| StoreError::Failed { doing, reason: error.to_string() }
}

fn corrupt(path: &Path, reason: &str) -> StoreError {
    StoreError::Corrupt { what: "a run of touches", reason: format!("{}: {reason}", path.display()) }
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

pub struct RunWriter {
    path: PathBuf,
    file: BufWriter<File>,
    block: Vec<u8>,
    written: u64,
    index: Vec<u8>,
    journeys: Vec<u64>,
    last: Option<JourneyPrefix>,
    entries: u64,
}

impl RunWriter {
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let file = File::create(path).map_err(failed("create a run"))?;
        Ok(RunWriter {
            path: path.to_owned(),
            file: BufWriter::with_capacity(1 << 18, file),
            block: Vec::with_capacity(BLOCK + 512),
            written: 0,
            index: Vec::new(),
            journeys: Vec::new(),
            last: None,
            entries: 0,
        })
    }

    /// Keys come in order, each once.
    pub fn put(&mut self, key: &TouchKey, value: &[u8]) -> Result<(), StoreError> {
        let prefix = keys::prefix_of(key);
        let same = self.last.as_ref() == Some(prefix);
        if !same {
            self.journeys.push(keys::prefix_hash(prefix));
            self.last = Some(*prefix);
        }
        if self.block.is_empty() {
            self.index.extend_from_slice(prefix);
            self.index.extend_from_slice(&self.written.to_be_bytes());
        }
        if same && !self.block.is_empty() {
            self.block.push(1);
        } else {
            self.block.push(0);
            self.block.extend_from_slice(prefix);
        }
        self.block.extend_from_slice(&key[JOURNEY_PREFIX..]);
        self.block.push(value.len() as u8);
        self.block.extend_from_slice(value);
        self.entries += 1;
        if self.block.len() >= BLOCK { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> Result<(), StoreError> {
        let checksum = crc32fast::hash(&self.block);
        self.block.extend_from_slice(&checksum.to_be_bytes());
        self.file.write_all(&self.block).map_err(failed("write a run"))?;
        self.written += self.block.len() as u64;
        self.block.clear();
        Ok(())
    }

    /// Brings the run to the disk.
    pub fn finish(mut self) -> Result<Run, StoreError> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let filter = Filter::of(&self.journeys).to_bytes();
        let mut footer = Vec::with_capacity(FOOTER);
        for number in [self.written, self.index.len() as u64, filter.len() as u64, self.entries] {
            footer.extend_from_slice(&number.to_be_bytes());
        }
        let checksum = checksum(&[&footer, &self.index, &filter]);
        footer.extend_from_slice(&checksum.to_be_bytes());
        footer.extend_from_slice(&MAGIC.to_be_bytes());
        let write = |file: &mut BufWriter<File>| {
            file.write_all(&self.index)?;
            file.write_all(&filter)?;
            file.write_all(&footer)?;
            file.flush()?;
            file.get_ref().sync_all()
        };
        write(&mut self.file).map_err(failed("write a run"))?;
        Run::open(&self.path)
    }
}

#[derive(Debug)]
pub struct Run {
    path: PathBuf,
    file: File,
    /// Per block, the journey of its first entry.
    fences: Vec<JourneyPrefix>,
    /// Per block, where it begins; then where the last one ends.
    places: Vec<u64>,
    filter: Filter,
    entries: u64,
}

impl Run {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => corrupt(path, "it is missing"),
            _ => failed("open a run")(error),
        })?;
        let length = file.metadata().map_err(failed("open a run"))?.len();
        let bad = |reason: &str| corrupt(path, reason);
        let footer_at = length.checked_sub(FOOTER as u64).ok_or_else(|| bad("shorter than a footer"))?;
        let mut footer = [0; FOOTER];
        file.read_exact_at(&mut footer, footer_at).map_err(failed("read a run"))?;
        let (numbers, _) = footer.as_chunks::<8>();
        let [written, index, filter, entries] = std::array::from_fn(|at| u64::from_be_bytes(numbers[at]));
        if footer[FOOTER - 8..] != MAGIC.to_be_bytes()
            || written.checked_add(index).and_then(|sum| sum.checked_add(filter)) != Some(footer_at)
        {
            return Err(bad("no footer"));
        }
        let mut sections = vec![0; (index + filter) as usize];
        file.read_exact_at(&mut sections, written).map_err(failed("read a run"))?;
        if checksum(&[&footer[..32], &sections]).to_be_bytes() != footer[32..36] {
            return Err(bad("its index is damaged"));
        }
        let (index, filter) = sections.split_at(index as usize);
        let (blocks, _) = index.as_chunks::<FENCE>();
        let mut run = Run {
            path: path.to_owned(),
            file,
            fences: Vec::with_capacity(blocks.len()),
            places: Vec::with_capacity(blocks.len() + 1),
            filter: Filter::from_bytes(filter).ok_or_else(|| bad("no filter"))?,
            entries,
        };
        for block in blocks {
            let (prefix, place) = block.split_at(JOURNEY_PREFIX);
            run.fences.push(prefix.try_into().unwrap_or_default());
            run.places.push(u64::from_be_bytes(place.try_into().unwrap_or_default()));
        }
        run.places.push(written);
        Ok(run)
    }

    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Bytes on the disk, without index and filter.
    pub fn bytes(&self) -> u64 {
        self.places.last().copied().unwrap_or(0)
    }

    /// A journey's touches with `from <= time < to`, in the order of their keys.
    pub fn visit(
        &self,
        prefix: &JourneyPrefix,
        from: Micros,
        to: Micros,
        visit: &mut dyn FnMut(&TouchKey, &[u8]),
    ) -> Result<(), StoreError> {
        if !self.filter.may_have(keys::prefix_hash(prefix)) {
            return Ok(());
        }
        // The journey may begin in the block before the first one that begins with it or behind it.
        let first = self.fences.partition_point(|fence| fence < prefix).saturating_sub(1);
        let mut block = Vec::with_capacity(BLOCK + 512);
        for number in first..self.fences.len() {
            if self.fences[number] > *prefix {
                break;
            }
            self.read(number, &mut block)?;
            let entries = Entries::of(&block);
            for (key, value) in entries {
                if keys::prefix_of(&key) == prefix && (from..to).contains(&keys::time_of(&key)) {
                    visit(&key, value);
                }
            }
        }
        Ok(())
    }

    pub fn blocks(&self) -> usize {
        self.fences.len()
    }

    /// A block's entries, checked.
    pub fn read(&self, number: usize, block: &mut Vec<u8>) -> Result<(), StoreError> {
        let (from, to) = (self.places[number], self.places[number + 1]);
        let length = to.checked_sub(from).and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        block.resize(length, 0);
        self.file.read_exact_at(block, from).map_err(|error| corrupt(&self.path, &error.to_string()))?;
        let Some((entries, checksum)) = block.split_last_chunk::<4>() else {
            return Err(corrupt(&self.path, "a block without checksum"));
        };
        if crc32fast::hash(entries).to_be_bytes() != *checksum {
            return Err(corrupt(&self.path, &format!("block {number} is damaged")));
        }
        block.truncate(length - 4);
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The entries of a checked block.
pub struct Entries<'b> {
    rest: &'b [u8],
    key: TouchKey,
}

impl<'b> Entries<'b> {
    pub fn of(block: &'b [u8]) -> Self {
        Entries { rest: block, key: [0; TOUCH_KEY] }
    }
}

impl<'b> Iterator for Entries<'b> {
    type Item = (TouchKey, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&same, mut rest) = self.rest.split_first()?;
        if same == 0 {
            let (prefix, after) = rest.split_at_checked(JOURNEY_PREFIX)?;
            self.key[..JOURNEY_PREFIX].copy_from_slice(prefix);
            rest = after;
        }
        let (tail, rest) = rest.split_at_checked(TAIL)?;
        self.key[JOURNEY_PREFIX..].copy_from_slice(tail);
        let (&length, rest) = rest.split_first()?;
        let (value, rest) = rest.split_at_checked(length.into())?;
        self.rest = rest;
        Some((self.key, value))
    }
}
