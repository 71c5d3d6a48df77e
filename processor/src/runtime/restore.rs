//! Restores partitions beside each other, each on a thread of its own, up to as many as there are cores: changelogs,
//! clicks and events of a partition are read side by side by one client, and written in batches together with their
//! positions.

mod progress;

use crate::runtime::owned::{INPUTS, Partition};
use crate::runtime::{Error, Shared, gauges, millis, takeover};
use crate::state::rocks::RocksStore;
use crate::state::{Batch, CHANGELOGS, Change, StoreError};
use crate::task::Task;
use kafka::group::Place;
use kafka::queue::Record;
use kafka::range::{self, Extent, Step, Stretch};
use progress::Progress;
use schemas::offset::NextOffset;
use schemas::topic::Topic;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A store that was not written for longer than half of the changelogs' `delete.retention.ms` may have missed
/// deletions; it is rebuilt.
const OLDEST_STORE: Duration = Duration::from_secs(3 * 24 * 3600 + 12 * 3600);
/// How often the group is shown that we live.
const ALIVE: Duration = Duration::from_millis(20);

/// What restoring reads, in the order of its stretches: what we wrote, then inputs that are state as they are.
const RESTORED: [Topic; 5] = {
    let [decisions, decide, settle] = CHANGELOGS;
    [decisions, decide, settle, Topic::Events, Topic::Clicks]
};

/// One partition's topics that restoring reads, with what they have.
pub struct Sources {
    pub partition: i32,
    pub path: PathBuf,
    /// In the order of `CHANGELOGS`.
    pub changelogs: Vec<(Place, Extent)>,
    pub clicks: (Place, Extent),
    pub events: (Place, Extent),
    /// The group's positions, in the order of `INPUTS`.
    pub resume_at: [NextOffset; INPUTS.len()],
}

impl Sources {
    fn committed(&self, topic: Topic) -> NextOffset {
        let input = INPUTS.iter().position(|input| *input == topic).unwrap_or(0);
        self.resume_at[input]
    }

    /// The topics that are inputs and state at once.
    fn inputs(&self) -> [(Topic, &(Place, Extent)); 2] {
        [(Topic::Events, &self.events), (Topic::Clicks, &self.clicks)]
    }
}

/// Returns when all are restored. Meanwhile `alive` is called now and then; its error ends the work.
pub fn all(
    shared: &Shared,
    sources: &[Sources],
    alive: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Vec<Partition>, Error> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = sources.len().min(cores.div_ceil(shared.config.threads)).max(1);
    let progress = Progress::new(sources.iter().map(|source| source.partition));
    let work = Work { shared, sources, next: AtomicUsize::new(0), stop: AtomicBool::new(false), workers };
    let (results, done) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (work, progress, results) = (&work, &progress, results.clone());
            std::thread::Builder::new()
                .name("restore".into())
                .spawn_scoped(scope, move || work.run(progress, &results))
                .map_err(Error::Start)?;
        }
        drop(results);
        let outcome = gather(&done, &progress, alive);
        // Also after an error: the scope waits for its threads.
        work.stop.store(true, Ordering::Relaxed);
        outcome
    })
}

/// Takes the results as they come.
fn gather(
    done: &mpsc::Receiver<Result<Partition, Error>>,
    progress: &Progress,
    alive: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Vec<Partition>, Error> {
    let mut restored = Vec::new();
    loop {
        match done.recv_timeout(ALIVE) {
            Ok(partition) => restored.push(partition?),
            Err(mpsc::RecvTimeoutError::Timeout) => progress.report(),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        alive()?;
    }
    restored.sort_by_key(|partition| partition.number);
    Ok(restored)
}

struct Work<'a> {
    shared: &'a Shared,
    sources: &'a [Sources],
    /// The next that no worker has.
    next: AtomicUsize,
    stop: AtomicBool,
    workers: usize,
}

impl Work<'_> {
    fn run(&self, progress: &Progress, results: &mpsc::Sender<Result<Partition, Error>>) {
        while let Some(number) = Some(self.next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < self.sources.len()) {
            let source = &self.sources[number];
            let restored = self.restore(source, progress).or_else(|error| match error {
                // Once: what cannot be read in a new store either is not the store's fault.
                Error::Store { error: StoreError::Corrupt { .. }, .. } => {
                    takeover::discard(&error);
                    self.restore(source, progress)
                }
                error => Err(error),
            });
            if results.send(restored).is_err() {
                return;
            }
        }
    }

    fn restore(&self, source: &Sources, progress: &Progress) -> Result<Partition, Error> {
        let began = Instant::now();
        let mut task = self.open(source)?;
        let opened = millis(began);
        let mut stretches = Vec::new();
        let failed = |error| Error::Store { path: source.path.clone(), error };
        for (topic, (place, extent)) in CHANGELOGS.into_iter().zip(&source.changelogs) {
            let from = task.position(topic).map_err(failed)?.max(extent.first);
            stretches.push(Stretch { place: place.clone(), from, to: extent.end });
        }
        for (topic, (place, extent)) in source.inputs() {
            let from = task.position(topic).map_err(failed)?.max(extent.first);
            stretches.push(Stretch { place: place.clone(), from, to: source.committed(topic) });
        }
        progress.begin(source.partition, &stretches);

        let mut changes = Changes::default();
        let step = |step: Step<'_>| {
            match step {
                Step::Record(number, record) => match RESTORED[number] {
                    Topic::Clicks => task.restore_click(&record).map_err(failed)?,
                    Topic::Events => changes.0.0.extend(task.restore_event(&record)),
                    changelog => changes.add(changelog, &record),
                },
                Step::Reached(number, next) => {
                    if RESTORED[number] != Topic::Clicks {
                        task.restore_changes(RESTORED[number], changes.take(), next).map_err(failed)?;
                    }
                    progress.reached(source.partition, number, next);
                }
            }
            Ok(())
        };
        let idle = || if self.stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) };
        let queue_mib = (self.shared.config.consumer_queue_mib / self.workers).max(1);
        range::read_all(&self.shared.kafka, &stretches, queue_mib, step, idle)?;
        let records = progress.end(source.partition);
        if records > 0 {
            task.checkpoint().map_err(failed)?;
        }
        let (partition, millis) = (source.partition, millis(began));
        tracing::info!(partition, records, opened_millis = opened, millis, "partition restored");
        metrics::counter!(gauges::RESTORED).increment(records);
        Ok(Partition::new(partition, task, source.path.clone(), source.resume_at))
    }

    /// Opens the partition's store, or begins a new one where the old one cannot be caught up with.
    fn open(&self, source: &Sources) -> Result<Task<RocksStore>, Error> {
        let failed = |error| Error::Store { path: source.path.clone(), error };
        // Opening writes files of its own.
        let mut fits = age(&source.path) < OLDEST_STORE;
        let open = || {
            let store = RocksStore::open(&source.path, &self.shared.budget)?;
            Task::open(store, source.committed(Topic::Clicks))
        };
        let task = open().map_err(failed)?;
        // A position past a topic's end is of another life of the topic.
        for (topic, (_, extent)) in CHANGELOGS.iter().zip(&source.changelogs) {
            fits &= task.position(*topic).map_err(failed)? <= extent.end;
        }
        for (topic, (_, extent)) in source.inputs() {
            fits &= task.position(topic).map_err(failed)? <= extent.end;
        }
        if fits {
            return Ok(task);
        }
        let path = source.path.display();
        tracing::warn!(%path, "store does not belong to these topics or is too old: deleted, it is built again from Kafka");
        drop(task);
        takeover::delete(&source.path)?;
        open().map_err(failed)
    }
}

/// Changes that wait for the end of their batch.
#[derive(Default)]
struct Changes(Batch);

impl Changes {
    fn add(&mut self, topic: Topic, record: &Record<'_>) {
        match Change::of_changelog(topic, record.key.unwrap_or_default(), record.value) {
            Some(change) => self.0.0.push(change),
            // No version of ours that this one replaces has written it, so nothing here would ever read it. To stop
            // would be to stop for ever.
            None => {
                metrics::counter!(gauges::CHANGES_UNKNOWN).increment(1);
                let (topic, partition, offset) = (topic.name(), record.partition, record.offset.0);
                tracing::error!(topic, partition, offset, key = ?record.key, "changelog record of no table, passed over");
            }
        }
    }

    fn take(&mut self) -> Batch {
        std::mem::take(&mut self.0)
    }
}

/// Since the store was last written to; a new one has no age.
fn age(path: &Path) -> Duration {
    let written = |entry: std::fs::DirEntry| entry.metadata().and_then(|file| file.modified()).ok();
    let newest = std::fs::read_dir(path).into_iter().flatten().flatten().filter_map(written).max();
    newest.and_then(|at| at.elapsed().ok()).unwrap_or_default()
}
