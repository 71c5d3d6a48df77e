//! The catalog as a role sees it: a thread reads the topic and publishes a view after each change; asking for the view
//! takes no lock. Reading itself is the follower's.

use super::follower::{Follower, Step};
use crate::{Error, KafkaConfig};
use arc_swap::ArcSwap;
use schemas::catalog::Catalog;
use schemas::offset::Offset;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the thread looks whether it should stop.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// A view is published when no further record is waiting, and at the latest after this long: a clone after a bulk
/// change copies much of the catalog, which is a tenth of a second for a million links.
const LONGEST_UNPUBLISHED: Duration = Duration::from_millis(500);

/// Reads the catalog until it is dropped or `stop` says so. To be shared by an `Arc`.
pub struct CatalogReader {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    current: ArcSwap<Catalog>,
    generation: AtomicU64,
    undecodable: AtomicU64,
    dropped: AtomicBool,
    /// The position of `current`, for those who wait.
    read_to: Mutex<Offset>,
    moved: Condvar,
}

impl CatalogReader {
    /// Returns when all that stood in the topic has been read; then a thread goes on reading.
    pub fn start(config: &KafkaConfig, stop: impl Fn() -> bool + Send + 'static) -> Result<CatalogReader, Error> {
        let mut follower = Follower::open(config)?;
        follower.read_to_end(config)?;
        let shared = Arc::new(Shared {
            current: ArcSwap::from_pointee(Catalog::default()),
            generation: AtomicU64::new(0),
            undecodable: AtomicU64::new(0),
            dropped: AtomicBool::new(false),
            read_to: Mutex::new(Offset::NONE),
            moved: Condvar::new(),
        });
        shared.publish(&follower, true);
        tracing::info!(read_to = follower.catalog.read_to().0, "catalog read");
        let for_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("catalog".into())
            .spawn(move || follow(follower, &for_thread, stop))
            .map_err(|error| {
                let error = rdkafka::error::KafkaError::ClientCreation(error.to_string());
                Error::new("starting the catalog's thread", error)
            })?;
        Ok(CatalogReader { shared, thread: Some(thread) })
    }

    /// The newest view. Hold on to it for as long as one decision lasts.
    pub fn current(&self) -> Arc<Catalog> {
        self.shared.current.load_full()
    }

    /// The position up to which the newest view has been read.
    pub fn read_to(&self) -> Offset {
        *self.shared.read_to()
    }

    /// Grows whenever an entity changes: what is derived from the catalog is derived anew.
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// Records that were passed over because they are no catalog entries.
    pub fn undecodable(&self) -> u64 {
        self.shared.undecodable.load(Ordering::Relaxed)
    }

    /// Waits until the newest view holds `offset`; false when it does not within `timeout`.
    pub fn wait_for(&self, offset: Offset, timeout: Duration) -> bool {
        let waiting = self.shared.read_to();
        let waited = self.shared.moved.wait_timeout_while(waiting, timeout, |read_to| *read_to < offset);
        let (read_to, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *read_to >= offset
    }
}

impl Drop for CatalogReader {
    fn drop(&mut self) {
        self.shared.dropped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; there is nothing to add to it.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// A poisoned lock still holds a position: it is one assignment.
    fn read_to(&self) -> MutexGuard<'_, Offset> {
        self.read_to.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// View first, generation and position after it: who sees these sees the view.
    fn publish(&self, follower: &Follower, changed: bool) {
        self.current.store(Arc::new(follower.catalog.clone()));
        if changed {
            self.generation.fetch_add(1, Ordering::Release);
        }
        self.undecodable.store(follower.undecodable, Ordering::Relaxed);
        *self.read_to() = follower.catalog.read_to();
        self.moved.notify_all();
    }
}

/// A broker that is away is worth a line now and then.
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);

fn follow(mut follower: Follower, shared: &Shared, stop: impl Fn() -> bool) {
    let mut unpublished: Option<Instant> = None;
    let mut complained: Option<Instant> = None;
    while !stop() && !shared.dropped.load(Ordering::Relaxed) {
        let wait = if unpublished.is_some() { Duration::ZERO } else { STOP_CHECK };
        match follower.step(wait) {
            Ok(Step::Record) => {
                let since = *unpublished.get_or_insert_with(Instant::now);
                if since.elapsed() < LONGEST_UNPUBLISHED {
                    continue;
                }
            }
            Ok(Step::Idle) => {}
            // The view stays as it was read. librdkafka reconnects by itself, and queues an error for each attempt:
            // they are taken as they come, so that none is left when Kafka is back.
            Err(error) => {
                if complained.is_none_or(|at| at.elapsed() > COMPLAIN_EVERY) {
                    complained = Some(Instant::now());
                    tracing::warn!(%error, "catalog not readable, going on with what was read");
                }
            }
        }
        let changed = unpublished.take().is_some();
        if changed || follower.catalog.read_to() != shared.current.load().read_to() {
            shared.publish(&follower, changed);
        }
    }
}
