//! Loading one sealed range: dead letters first, then the rows, again and again until both are answered for. Runs as a
//! task that dies with its partition's assignment.

use crate::dead_letters::Writer;
use crate::range::Range;
use crate::retry::{self, Backoff, Reaction};
use crate::rows::Rows;
use clickhouse::Client;
use metrics::{counter, histogram};
use schemas::record::dead_letter::DeadLetter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::Semaphore;

/// A sealed range with all that is to be stored of it.
pub(crate) struct Job {
    pub partition: i32,
    pub range: Range,
    pub token: String,
    pub rows: Box<dyn Rows>,
    pub letters: Vec<DeadLetter>,
    /// Planned by an earlier owner, who may have inserted it.
    pub replayed: bool,
}

/// What all inserts share.
#[derive(Clone)]
pub(crate) struct Loader {
    client: Client,
    letters: Writer,
    slots: Arc<Semaphore>,
    outage: Arc<Outage>,
}

/// ClickHouse's state as inserts see it, so that it is logged when it changes and not once per partition and attempt.
#[derive(Default)]
struct Outage {
    away: AtomicBool,
    /// Inserts that wait for a person.
    stuck: AtomicUsize,
}

impl Loader {
    pub fn new(client: Client, letters: Writer, inserts_at_once: usize) -> Self {
        let slots = Arc::new(Semaphore::new(inserts_at_once));
        Loader { client, letters, slots, outage: Arc::default() }
    }

    /// Whether some insert fails for a reason that does not heal by itself.
    pub fn stuck(&self) -> bool {
        self.outage.stuck.load(Ordering::Relaxed) > 0
    }

    /// Returns when the range is stored; only aborting the task ends it otherwise.
    pub async fn load(&self, job: Job) {
        self.letters.write(&job.letters).await;
        let table = job.rows.table();
        if job.rows.len() > 0 {
            self.insert(&job, table).await;
        }
        counter!("sinks_rows_total", "table" => table).increment(job.rows.len() as u64);
    }

    async fn insert(&self, job: &Job, table: &'static str) {
        let mut backoff = Backoff::new();
        let mut stuck = Stuck { outage: &self.outage, counted: false };
        let mut in_doubt = job.replayed;
        loop {
            // The slot is given back during a pause: a table that does not fit must not keep the others out.
            let attempt = {
                let _slot = self.slots.acquire().await;
                self.attempt(job, table, in_doubt).await
            };
            let Err(error) = attempt else { break };
            in_doubt = true;
            counter!("sinks_retries_total", "table" => table).increment(1);
            let reaction = retry::reaction(&error);
            match reaction {
                Reaction::Again => {
                    if !self.outage.away.swap(true, Ordering::Relaxed) {
                        tracing::warn!(table, %error, "clickhouse does not take inserts, trying again");
                    }
                }
                Reaction::NeedsOperator => {
                    if stuck.count() {
                        tracing::error!(
                            table, partition = job.partition, range = %job.range, %error,
                            "an insert fails and will not heal by itself, trying again every few seconds"
                        );
                    }
                    // The repair may be a change of the table.
                    self.client.clear_cached_metadata().await;
                }
            }
            tokio::time::sleep(backoff.pause(reaction)).await;
        }
        if self.outage.away.swap(false, Ordering::Relaxed) {
            tracing::info!("clickhouse takes inserts again");
        }
    }

    /// `in_doubt`: an earlier attempt may have stored the range. A server that is killed between storing a block and
    /// noting its token takes the block again, so it is asked for the rows first.
    async fn attempt(&self, job: &Job, table: &'static str, in_doubt: bool) -> Result<(), clickhouse::error::Error> {
        if in_doubt && job.rows.keeps_all() && self.stored(job, table).await? == job.rows.len() as u64 {
            let what = if job.replayed { "pending range loaded" } else { "range loaded" };
            tracing::info!(table, partition = job.partition, range = %job.range, already_there = true, "{what}");
            return Ok(());
        }
        let begun = Instant::now();
        job.rows.insert(&self.client, &job.token).await?;
        histogram!("sinks_insert_seconds", "table" => table).record(begun.elapsed().as_secs_f64());
        if job.replayed {
            self.verify(job, table).await?;
        }
        Ok(())
    }

    /// Rows of the range that the table holds.
    async fn stored(&self, job: &Job, table: &'static str) -> Result<u64, clickhouse::error::Error> {
        let sql = format!(
            "SELECT count() FROM {table} WHERE kafka_partition = {} AND kafka_offset BETWEEN {} AND {}",
            job.partition, job.range.lo.0, job.range.hi.0
        );
        self.client.query_raw(&sql).fetch_one::<u64>().await
    }

    /// After a crash of ours the table must hold the range once. It does unless ClickHouse lost its deduplication log
    /// or rows with the machine's power (plain MergeTree does not sync them), which no protocol of ours can mend.
    async fn verify(&self, job: &Job, table: &'static str) -> Result<(), clickhouse::error::Error> {
        let found = self.stored(job, table).await?;
        let expected = job.rows.len() as u64;
        if found == expected || (found < expected && !job.rows.keeps_all()) {
            tracing::info!(table, partition = job.partition, range = %job.range, rows = found, "pending range loaded");
        } else {
            counter!("sinks_mismatched_ranges_total", "table" => table).increment(1);
            tracing::error!(
                table, partition = job.partition, range = %job.range, found, expected,
                "a range is not in its table exactly once"
            );
        }
        Ok(())
    }
}

/// Counts an insert among the stuck ones until it ends, also by being aborted.
struct Stuck<'a> {
    outage: &'a Outage,
    counted: bool,
}

impl Stuck<'_> {
    /// Whether it was not counted yet.
    fn count(&mut self) -> bool {
        let first = !std::mem::replace(&mut self.counted, true);
        if first {
            self.outage.stuck.fetch_add(1, Ordering::Relaxed);
        }
        first
    }
}

impl Drop for Stuck<'_> {
    fn drop(&mut self) {
        if self.counted {
            self.outage.stuck.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
