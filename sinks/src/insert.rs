//! Loading one sealed range: dead letters first, then the rows, again and again until both are answered for. Runs as a
//! task that dies with its partition's assignment.

use crate::dead_letters::Writer;
use crate::held::{Count, Held};
use crate::range::Range;
use crate::retry::{self, Backoff, Reaction};
use crate::rows::Rows;
use clickhouse::Client;
use clickhouse::error::Error;
use metrics::{counter, histogram};
use schemas::record::dead_letter::DeadLetter;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Tokens that a range has. A second one is needed where ClickHouse was killed between a token and its rows, a third one
/// where it was killed there again; a table that lacks rows after that does not keep them.
const TOKENS: usize = 3;

/// Before the last look that leads to another token: what was dropped for an attempt that is just ending is there then.
const TOKEN_PAUSE: Duration = Duration::from_secs(2);

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

    async fn attempt(&self, job: &Job, table: &'static str, in_doubt: bool) -> Result<(), Error> {
        if in_doubt {
            return self.complete(job, table).await;
        }
        self.send(job, table, &job.token, &HashSet::new()).await
    }

    /// Brings what the table lacks of a range that an earlier attempt may have stored. The range's own token comes
    /// first, because that attempt may still be under way; what ClickHouse takes under it and does not store, since it
    /// was killed between that token and its rows, comes under another one.
    async fn complete(&self, job: &Job, table: &'static str) -> Result<(), Error> {
        let mut held = self.held(job, table).await?;
        if held.missing > 0 {
            self.send(job, table, &job.token, &held.there).await?;
            held = self.held(job, table).await?;
        }
        for number in 1..TOKENS {
            if held.missing == 0 || self.notes_tokens_with_rows(table).await? {
                break;
            }
            tokio::time::sleep(TOKEN_PAUSE).await;
            held = self.held(job, table).await?;
            if held.missing > 0 {
                let (partition, range, records) = (job.partition, job.range, held.missing);
                tracing::warn!(table, partition, %range, records, "clickhouse has a range's token without its rows");
                self.send(job, table, &format!("{}~{number}", job.token), &held.there).await?;
                held = self.held(job, table).await?;
            }
        }
        self.report(job, table, &held);
        Ok(())
    }

    /// Inserts the rows that are not `there`.
    async fn send(&self, job: &Job, table: &'static str, token: &str, there: &HashSet<i64>) -> Result<(), Error> {
        let begun = Instant::now();
        job.rows.insert(&self.client, token, there).await?;
        histogram!("sinks_insert_seconds", "table" => table).record(begun.elapsed().as_secs_f64());
        Ok(())
    }

    async fn held(&self, job: &Job, table: &'static str) -> Result<Held, Error> {
        let sql = format!(
            "SELECT kafka_offset, count() FROM {table} WHERE kafka_partition = {} AND kafka_offset BETWEEN {} AND {} \
             GROUP BY kafka_offset",
            job.partition, job.range.lo.0, job.range.hi.0
        );
        let found = self.client.query_raw(&sql).fetch_all::<Count>().await?;
        Ok(Held::of(job.rows.records(), &found))
    }

    /// Replicated tables commit both in one transaction of Keeper: rows that are missing are on another replica, and
    /// another token would double them.
    async fn notes_tokens_with_rows(&self, table: &'static str) -> Result<bool, Error> {
        let sql = format!(
            "SELECT startsWith(engine, 'Replicated') OR startsWith(engine, 'Shared') AS both FROM system.tables \
             WHERE database = currentDatabase() AND name = '{table}'"
        );
        self.client.query_raw(&sql).fetch_one::<bool>().await
    }

    /// The table must now hold the range once. It does unless somebody deleted or repeated rows by hand, or the machine
    /// lost power (plain MergeTree does not sync), which no protocol of ours can mend.
    fn report(&self, job: &Job, table: &'static str, held: &Held) {
        let (partition, range, rows) = (job.partition, job.range, job.rows.len());
        if held.wrong == 0 && (held.missing == 0 || !job.rows.keeps_all()) {
            let what = if job.replayed { "pending range loaded" } else { "range in doubt loaded" };
            tracing::info!(table, partition, %range, rows, "{what}");
        } else {
            counter!("sinks_mismatched_ranges_total", "table" => table).increment(1);
            tracing::error!(
                table, partition, %range, rows, records_missing = held.missing, records_wrong = held.wrong,
                "a range is not in its table exactly once"
            );
        }
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
