//! Watches `decisions` as a reader of committed records sees it, and measures how long after a fault the next new
//! decision comes: the first one anywhere, and the last partition's first.

use crate::error::Error;
use kafka::tail::Tail;
use schemas::codec;
use schemas::record::decision::{Decision, Outcome};
use schemas::topic::Topic;
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::site::{Installation, now};

/// What is known of the recovery from one fault.
#[derive(Clone, Debug)]
pub struct Recovery {
    at: Instant,
    /// Wall clock in milliseconds: a record made later is new.
    at_millis: i64,
    missing: BTreeSet<i32>,
    pub first: Option<Duration>,
    /// When every partition had a new decision.
    pub whole: Option<Duration>,
}

/// The number of a fault that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(usize);

struct Seen {
    recoveries: Vec<Recovery>,
    conversions: HashSet<Vec<u8>>,
    records: u64,
    attributed: u64,
    last_new: Instant,
}

pub struct Watch {
    seen: Arc<Mutex<Seen>>,
    partitions: i32,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Sees every decision from now on.
    pub fn start(installation: &Installation) -> Result<Watch, Error> {
        let topic = installation.kafka.topics().name(Topic::Decisions);
        let mut tail = Tail::open(&installation.kafka, &topic)?;
        let seen = Seen {
            recoveries: Vec::new(),
            conversions: HashSet::new(),
            records: 0,
            attributed: 0,
            last_new: Instant::now(),
        };
        let (seen, stop) = (Arc::new(Mutex::new(seen)), Arc::new(AtomicBool::new(false)));
        let (for_thread, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let work = move || {
            while !stopped.load(Ordering::Relaxed) {
                tail.take(Duration::from_millis(100), |record| {
                    let attributed = codec::decode::<Decision>(record.value.unwrap_or_default())
                        .is_ok_and(|decision| decision.outcome == Outcome::Attributed);
                    let mut seen = lock(&for_thread);
                    seen.note(record.partition, record.timestamp.0 / 1000, record.key.unwrap_or_default());
                    seen.attributed += u64::from(attributed);
                });
            }
        };
        let thread = std::thread::Builder::new().name("watch".into()).spawn(work).map_err(Error::Runtime)?;
        Ok(Watch { seen, partitions: installation.partitions, stop, thread: Some(thread) })
    }

    /// From here on the next new decision of each partition is waited for.
    pub fn mark(&self) -> Mark {
        let mut seen = lock(&self.seen);
        seen.recoveries.push(Recovery {
            at: Instant::now(),
            at_millis: now().0 / 1000,
            missing: (0..self.partitions).collect(),
            first: None,
            whole: None,
        });
        Mark(seen.recoveries.len() - 1)
    }

    pub fn recovery(&self, mark: Mark) -> Recovery {
        lock(&self.seen).recoveries[mark.0].clone()
    }

    /// Conversions that have a decision.
    pub fn conversions(&self) -> usize {
        lock(&self.seen).conversions.len()
    }

    pub fn records(&self) -> u64 {
        lock(&self.seen).records
    }

    /// Records that name a publisher.
    pub fn attributed(&self) -> u64 {
        lock(&self.seen).attributed
    }

    /// Since the last new decision.
    pub fn quiet(&self) -> Duration {
        lock(&self.seen).last_new.elapsed()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there is in its output already.
            let _ = thread.join();
        }
    }
}

/// What is noted is whole after each record, also if a thread panicked.
fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    fn note(&mut self, partition: i32, made_at_millis: i64, key: &[u8]) {
        self.records += 1;
        self.last_new = Instant::now();
        self.conversions.insert(key.to_vec());
        for recovery in self.recoveries.iter_mut().rev().filter(|recovery| recovery.whole.is_none()) {
            // Made before the fault and committed before it, or just so: not new.
            if made_at_millis <= recovery.at_millis {
                continue;
            }
            let took = recovery.at.elapsed();
            recovery.first.get_or_insert(took);
            recovery.missing.remove(&partition);
            if recovery.missing.is_empty() {
                recovery.whole = Some(took);
            }
        }
    }
}
