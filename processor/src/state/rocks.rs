//! The store on the disk: one RocksDB per partition with a column family per table, and the runs of touches beside it.
//!
//! The write-ahead log is off: Kafka is the log. `atomic_flush` makes all column families reach the disk together, so
//! the positions on disk always belong to the data on disk.

use crate::config::Config;
use crate::state::keys::{self, JOURNEY_PREFIX, JourneyPrefix, TouchKey};
use crate::state::touches::{Touches, Worker};
use crate::state::{Batch, Store, StoreError, Table, Visit, VisitTouch};
use rocksdb::compaction_filter::Decision;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, ErrorKind, FlushOptions,
    Options, ReadOptions, SliceTransform, WriteBatch, WriteBufferManager, WriteOptions,
};
use schemas::offset::NextOffset;
use schemas::time::Micros;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// Memory and background threads that all stores of a process share.
pub struct Budget {
    cache: Cache,
    write_buffers: WriteBufferManager,
    touch_index: Arc<TouchShare>,
    run_writer: Worker,
    run_merger: Worker,
}

/// The memory of touches that are not on the disk yet, divided by the stores that are open.
struct TouchShare {
    bytes: usize,
    stores: AtomicUsize,
}

impl TouchShare {
    fn each(&self) -> usize {
        self.bytes / self.stores.load(Ordering::Relaxed).max(1)
    }
}

impl Budget {
    pub fn new(config: &Config) -> Self {
        Budget {
            cache: Cache::new_lru_cache(config.block_cache_mib << 20),
            write_buffers: WriteBufferManager::new_write_buffer_manager(config.write_buffers_mib << 20, false),
            touch_index: Arc::new(TouchShare { bytes: config.touch_index_mib << 20, stores: AtomicUsize::new(0) }),
            run_writer: Worker::start("touch-writer"),
            run_merger: Worker::start("touch-merger"),
        }
    }
}

pub struct RocksStore {
    db: DB,
    unlogged: WriteOptions,
    touches: Touches,
    touch_index: Arc<TouchShare>,
    /// Journey events that arrived earlier are dropped by merges; microseconds since 1970.
    expired_before: Arc<AtomicI64>,
}

impl Drop for RocksStore {
    fn drop(&mut self) {
        self.touch_index.stores.fetch_sub(1, Ordering::Relaxed);
    }
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

impl RocksStore {
    pub fn open(path: &Path, budget: &Budget) -> Result<Self, StoreError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_atomic_flush(true);
        options.set_write_buffer_manager(&budget.write_buffers);
        options.set_max_background_jobs(2);
        options.set_keep_log_file_num(2);
        options.set_max_open_files(512);
        let expired_before = Arc::new(AtomicI64::new(i64::MIN));
        let tables = Table::ALL
            .map(|table| ColumnFamilyDescriptor::new(table.name(), table_options(table, budget, &expired_before)));
        let db = DB::open_cf_descriptors(&options, path, tables).map_err(failed("open"))?;
        let mut unlogged = WriteOptions::default();
        unlogged.disable_wal(true);
        let touches = Touches::open(&path.join("touches"), budget.run_writer.clone(), budget.run_merger.clone())?;
        let touch_index = Arc::clone(&budget.touch_index);
        touch_index.stores.fetch_add(1, Ordering::Relaxed);
        Ok(RocksStore { db, unlogged, touches, touch_index, expired_before })
    }

    fn table(&self, table: Table) -> &ColumnFamily {
        self.db.cf_handle(table.name()).expect("every table's column family was opened")
    }

    /// Estimated bytes on disk and in memory.
    pub fn bytes(&self) -> u64 {
        let tables: u64 = ["rocksdb.total-sst-files-size", "rocksdb.cur-size-all-mem-tables"]
            .into_iter()
            .flat_map(|property| Table::ALL.map(|table| (table, property)))
            .filter_map(|(table, property)| self.db.property_int_value_cf(self.table(table), property).ok().flatten())
            .sum();
        tables + self.touches.bytes()
    }
}

fn table_options(table: Table, budget: &Budget, expired_before: &Arc<AtomicI64>) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&budget.cache);
    blocks.set_cache_index_and_filter_blocks(true);
    // The newest files are asked for every key that is not there.
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_bloom_filter(10.0, false);
    blocks.set_format_version(6);
    let mut options = Options::default();
    // What was just flushed is soon merged: it is compressed then, and once.
    let levels = [DBCompressionType::None, DBCompressionType::None];
    options.set_compression_per_level(&[&levels[..], &[DBCompressionType::Lz4; 5]].concat());
    if table == Table::JourneyEvents {
        options.set_prefix_extractor(SliceTransform::create_fixed_prefix(JOURNEY_PREFIX));
        options.set_memtable_prefix_bloom_ratio(0.05);
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
    // Most conversions are asked for once, when they are new: a filter answers without a walk through the memtable.
    if matches!(table, Table::Conversions | Table::Settled) {
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(0.05);
    }
    options.set_block_based_table_factory(&blocks);
    options
}

impl Store for RocksStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get_cf(self.table(table), key).map_err(failed("get"))
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(to.to_vec());
        // A look-back stays within one prefix; other scans cross them and must not use the prefix filter.
        let within = from.len() >= JOURNEY_PREFIX
            && to.len() >= JOURNEY_PREFIX
            && from[..JOURNEY_PREFIX] == to[..JOURNEY_PREFIX];
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

    fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        let mut writes = WriteBatch::default();
        for change in &batch.0 {
            match &change.value {
                Some(value) => writes.put_cf(self.table(change.table), &change.key, value),
                None => writes.delete_cf(self.table(change.table), &change.key),
            }
        }
        self.db.write_opt(writes, &self.unlogged).map_err(failed("write"))
    }

    fn put_touch(&mut self, key: &TouchKey, value: &[u8], arrived: Micros, next: NextOffset) -> Result<(), StoreError> {
        self.touches.put(key, value, arrived, next, self.touch_index.each())
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
        self.expired_before.store(before.0, Ordering::Relaxed);
        self.touches.expire(before)
    }

    fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.touches.checkpoint()?;
        self.flush_tables()
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.touches.flush()?;
        self.flush_tables()
    }
}

impl RocksStore {
    /// Merges every file, which happens by itself in time.
    #[cfg(test)]
    pub fn merge_all(&self) {
        for table in Table::ALL {
            self.db.compact_range_cf(self.table(table), None::<&[u8]>, None::<&[u8]>);
        }
    }

    /// Waits: of a flush that fails in the background, a full disk say, nobody would hear until much later.
    fn flush_tables(&self) -> Result<(), StoreError> {
        let tables = Table::ALL.map(|table| self.table(table));
        self.db.flush_cfs_opt(&tables, &FlushOptions::default()).map_err(failed("flush"))
    }
}
