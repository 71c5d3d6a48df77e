//! The store on the disk: one RocksDB per partition with a column family per table, and the runs of touches beside it.
//!
//! Kafka is the log: what is committed stays in memory until there is enough for a file, and RocksDB takes in whole files,
//! positions last. So the positions on disk are never ahead of the data on disk.

use crate::config::Config;
use crate::state::fresh::Fresh;
use crate::state::keys::{self, JOURNEY_PREFIX, JourneyPrefix, TouchKey};
use crate::state::merge::merged;
use crate::state::touches::{Room, Touches};
use crate::state::worker::Worker;
use crate::state::{Batch, Store, StoreError, Table, Visit, VisitTouch};
use rocksdb::compaction_filter::Decision;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompactionStyle, DBCompressionType,
    ErrorKind, IngestExternalFileOptions, Options, ReadOptions, SliceTransform, SstFileWriter, UniversalCompactOptions,
};
use schemas::offset::NextOffset;
use schemas::time::Micros;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};

/// So many files of a size are merged into one.
const RUNS_MERGED: i32 = 8;

/// So many touches a process has that are not on the disk: reading their clicks again takes a restart a second.
const TOUCHES_UNWRITTEN: usize = 1_000_000;

/// Memory and background threads that all stores of a process share.
pub struct Budget {
    cache: Cache,
    shares: Arc<Shares>,
    table_writer: Worker,
    run_writer: Worker,
    run_merger: Worker,
}

/// The memory of what is not on the disk yet, divided by the stores that are open; in bytes.
struct Shares {
    touches: usize,
    tables: usize,
    stores: AtomicUsize,
}

impl Shares {
    fn each(&self, of: usize) -> usize {
        of / self.stores.load(Ordering::Relaxed).max(1)
    }
}

impl Budget {
    pub fn new(config: &Config) -> Self {
        Budget {
            cache: Cache::new_lru_cache(config.block_cache_mib << 20),
            shares: Arc::new(Shares {
                touches: config.touch_index_mib << 20,
                tables: config.write_buffers_mib << 20,
                stores: AtomicUsize::new(0),
            }),
            table_writer: Worker::start("table-writer"),
            run_writer: Worker::start("touch-writer"),
            run_merger: Worker::start("touch-merger"),
        }
    }
}

pub struct RocksStore {
    files: Arc<Files>,
    fresh: Fresh,
    writing: Option<Writing>,
    table_writer: Worker,
    touches: Touches,
    shares: Arc<Shares>,
}

/// Changes on their way into files, still read.
struct Writing {
    fresh: Arc<Fresh>,
    done: Receiver<Result<(), StoreError>>,
}

impl Drop for RocksStore {
    /// Waits for the worker: whoever opens the folder next must have it alone.
    fn drop(&mut self) {
        let _ = self.writing.take().map(|writing| writing.done.recv());
        self.shares.stores.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RocksStore {
    pub fn open(path: &Path, budget: &Budget) -> Result<Self, StoreError> {
        let files = Arc::new(Files::open(path, &budget.cache)?);
        let touches = Touches::open(&path.join("touches"), budget.run_writer.clone(), budget.run_merger.clone())?;
        let shares = Arc::clone(&budget.shares);
        shares.stores.fetch_add(1, Ordering::Relaxed);
        let table_writer = budget.table_writer.clone();
        Ok(RocksStore { files, fresh: Fresh::default(), writing: None, table_writer, touches, shares })
    }

    /// Estimated bytes on disk and in memory.
    pub fn bytes(&self) -> u64 {
        let writing = self.writing.as_ref().map_or(0, |writing| writing.fresh.bytes());
        self.files.bytes() + (self.fresh.bytes() + writing) as u64 + self.touches.bytes()
    }

    /// Has what is fresh written beside the data path; waits only where earlier changes are not written yet.
    fn hand_over(&mut self) -> Result<(), StoreError> {
        self.settle(true)?;
        if !self.fresh.is_empty() {
            let fresh = Arc::new(std::mem::take(&mut self.fresh));
            let (files, frozen) = (Arc::clone(&self.files), Arc::clone(&fresh));
            let done = self.table_writer.give(move || files.take_in(&frozen));
            self.writing = Some(Writing { fresh, done });
        }
        Ok(())
    }

    /// Hears of what was handed over; with `wait`, when it is written.
    fn settle(&mut self, wait: bool) -> Result<(), StoreError> {
        let Some(writing) = &self.writing else { return Ok(()) };
        let written = match wait {
            true => writing.done.recv().map_err(|_| TryRecvError::Disconnected),
            false => writing.done.try_recv(),
        };
        match written {
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => {
                Err(StoreError::Failed { doing: "write tables", reason: "its thread has ended".into() })
            }
            Ok(written) => {
                self.writing = None;
                written
            }
        }
    }

    /// Merges every file, which happens by itself in time.
    #[cfg(test)]
    pub fn merge_all(&self) {
        for table in Table::ALL {
            self.files.db.compact_range_cf(self.files.table(table), None::<&[u8]>, None::<&[u8]>);
        }
    }
}

impl Store for RocksStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let writing = || self.writing.as_ref().and_then(|writing| writing.fresh.get(table, key));
        match self.fresh.get(table, key).or_else(writing) {
            Some(change) => Ok(change.map(<[u8]>::to_vec)),
            None => self.files.get(table, key),
        }
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut newer: BTreeMap<&[u8], Option<&[u8]>> = BTreeMap::new();
        let writing = self.writing.as_ref().map(|writing| writing.fresh.as_ref());
        for fresh in writing.into_iter().chain([&self.fresh]) {
            newer.extend(fresh.range(table, from, to));
        }
        merged(newer.into_iter(), |visit| self.files.scan(table, from, to, visit), visit)
    }

    fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        batch.0.into_iter().for_each(|change| self.fresh.put(change));
        // One half is filled while the other is written.
        match self.fresh.bytes() >= self.shares.each(self.shares.tables) / 2 {
            true => self.hand_over(),
            false => self.settle(false),
        }
    }

    fn put_touch(&mut self, key: &TouchKey, value: &[u8], arrived: Micros, next: NextOffset) -> Result<(), StoreError> {
        let room = Room { bytes: self.shares.each(self.shares.touches), touches: self.shares.each(TOUCHES_UNWRITTEN) };
        self.touches.put(key, value, arrived, next, room)
    }

    fn touches(
        &mut self,
        prefix: &JourneyPrefix,
        from: Micros,
        to: Micros,
        visit: &mut VisitTouch<'_>,
    ) -> Result<(), StoreError> {
        self.touches.visit(prefix, from, to, visit)
    }

    fn touches_position(&self) -> NextOffset {
        self.touches.position()
    }

    fn expire(&mut self, before: Micros) -> Result<(), StoreError> {
        self.files.expired_before.store(before.0, Ordering::Relaxed);
        self.touches.expire(before)
    }

    fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.touches.checkpoint()?;
        self.settle(false)?;
        if self.writing.is_none() { self.hand_over() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.touches.flush()?;
        self.hand_over()?;
        self.settle(true)
    }
}

/// What RocksDB holds. It is written by whole files only: no memtable, no log of its own.
struct Files {
    db: DB,
    path: PathBuf,
    cache: Cache,
    /// Journey events that arrived earlier are dropped by merges; microseconds since 1970.
    expired_before: Arc<AtomicI64>,
}

impl Files {
    fn open(path: &Path, cache: &Cache) -> Result<Files, StoreError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_max_background_jobs(2);
        options.set_keep_log_file_num(2);
        options.set_max_open_files(512);
        let expired_before = Arc::new(AtomicI64::new(i64::MIN));
        let tables = Table::ALL
            .map(|table| ColumnFamilyDescriptor::new(table.name(), table_options(table, cache, &expired_before)));
        let db = DB::open_cf_descriptors(&options, path, tables).map_err(failed("open"))?;
        Ok(Files { db, path: path.to_owned(), cache: cache.clone(), expired_before })
    }

    fn table(&self, table: Table) -> &ColumnFamily {
        self.db.cf_handle(table.name()).expect("every table's column family was opened")
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get_cf(self.table(table), key).map_err(failed("get"))
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(to.to_vec());
        // A look-back stays within one prefix; other scans cross them and must not use the prefix filter.
        let within = from.first_chunk::<JOURNEY_PREFIX>().is_some_and(|prefix| to.starts_with(prefix));
        options.set_prefix_same_as_start(within);
        options.set_total_order_seek(!within);
        let mut entries = self.db.raw_iterator_cf_opt(self.table(table), options);
        entries.seek(from);
        while let Some((key, value)) = entries.item() {
            if !visit(key, value) {
                return Ok(());
            }
            entries.next();
        }
        entries.status().map_err(failed("scan"))
    }

    /// Has RocksDB take in changes, a file for each table. Positions come last: after a crash in between, the tables are
    /// ahead of them, and restoring puts the same changes again.
    fn take_in(&self, fresh: &Fresh) -> Result<(), StoreError> {
        for table in Table::ALL {
            let entries = fresh.sorted(table);
            if entries.is_empty() {
                continue;
            }
            // One name for each table: what a crash left of it is written over.
            let path = self.path.join(format!("{}.fresh", table.name()));
            let options = file_options(table, &self.cache);
            let mut file = SstFileWriter::create(&options);
            file.open(&path).map_err(failed("begin a file"))?;
            for (key, change) in entries {
                let written = match change {
                    Some(value) => file.put(key, value),
                    None => file.delete(key),
                };
                written.map_err(failed("write a file"))?;
            }
            file.finish().map_err(failed("end a file"))?;
            let mut ingestion = IngestExternalFileOptions::default();
            ingestion.set_move_files(true);
            let taken = self.db.ingest_external_file_cf_opts(self.table(table), &ingestion, vec![path]);
            taken.map_err(failed("take in a file"))?;
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let of_table = |table| self.db.property_int_value_cf(self.table(table), "rocksdb.total-sst-files-size").ok();
        Table::ALL.into_iter().filter_map(of_table).flatten().sum()
    }
}

fn table_options(table: Table, cache: &Cache, expired_before: &Arc<AtomicI64>) -> Options {
    let mut options = file_options(table, cache);
    // Keys are new, most of them, and random: levels would rewrite each ten times to keep apart what never overlaps.
    // Eight files of a size become one of the next instead, as with the runs of touches.
    options.set_compaction_style(DBCompactionStyle::Universal);
    options.set_level_zero_file_num_compaction_trigger(RUNS_MERGED);
    let mut merges = UniversalCompactOptions::default();
    merges.set_min_merge_width(RUNS_MERGED);
    // Of what is there twice there is little; merging all because the newest part has grown would be for nothing.
    merges.set_max_size_amplification_percent(800);
    options.set_universal_compaction_options(&merges);
    // What was just taken in is soon merged: it is compressed then, and once.
    let levels = [DBCompressionType::None, DBCompressionType::None];
    options.set_compression_per_level(&[&levels[..], &[DBCompressionType::Lz4; 5]].concat());
    if table == Table::JourneyEvents {
        let before = Arc::clone(expired_before);
        options.set_compaction_filter("expiry", move |_, _, value| {
            match keys::expired(value, Micros(before.load(Ordering::Relaxed))) {
                true => Decision::Remove,
                false => Decision::Keep,
            }
        });
        // What no new data merges is looked at after this.
        options.set_periodic_compaction_seconds(30 * 24 * 3600);
    }
    options
}

/// Of a file that RocksDB takes in.
fn file_options(table: Table, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_cache_index_and_filter_blocks(true);
    // The newest files are asked for every key that is not there.
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_bloom_filter(10.0, false);
    blocks.set_format_version(6);
    // A few values each: in a smaller block there would be one or two, and as many keys in the index.
    blocks.set_block_size(16 << 10);
    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::None);
    options.set_block_based_table_factory(&blocks);
    if table == Table::JourneyEvents {
        options.set_prefix_extractor(SliceTransform::create_fixed_prefix(JOURNEY_PREFIX));
    }
    options
}

/// What RocksDB finds wrong with its own files is no failure that passes: a checksum, a file that is missing, a format
/// of another version.
fn failed(doing: &'static str) -> impl Fn(rocksdb::Error) -> StoreError {
    move |error| {
        let reason = error.to_string();
        let wrong = matches!(error.kind(), ErrorKind::Corruption | ErrorKind::InvalidArgument | ErrorKind::NotFound);
        if wrong || reason.contains("No such file or directory") {
            StoreError::Corrupt { what: "files", reason: format!("{doing}: {reason}") }
        } else {
            StoreError::Failed { doing, reason }
        }
    }
}
