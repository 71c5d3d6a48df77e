//! Taking a partition, in the order that makes it safe: (1) the group's committed positions, (2) then the changelogs'
//! ends, (3) restore up to them, (4) process. Positions are never mixed: touches have one, changelogs have theirs,
//! processing resumes at the committed ones.

use crate::runtime::{Error, Shared};
use crate::state::CHANGELOGS;
use crate::state::rocks::RocksStore;
use crate::task::Task;
use kafka::batch::GroupConsumer;
use kafka::group::Place;
use kafka::queue::Record;
use kafka::range::{self, Extent};
use kafka::transaction::Progress;
use schemas::offset::NextOffset;
use schemas::topic::Topic;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A store that was not written for longer than half of the changelogs' `delete.retention.ms` may have missed
/// deletions; it is rebuilt.
const OLDEST_STORE: Duration = Duration::from_secs(3 * 24 * 3600 + 12 * 3600);

pub struct Taken {
    /// By partition number.
    pub tasks: BTreeMap<i32, Task<RocksStore>>,
    /// Where processing resumes.
    pub positions: Vec<Progress>,
}

/// One partition's topics that restoring reads, with what they have.
struct Sources {
    /// In the order of `CHANGELOGS`.
    changelogs: Vec<(Place, Extent)>,
    clicks: (Place, Extent),
    /// The group's committed position in `clicks`.
    resume_at: NextOffset,
}

/// Takes the assigned partitions. `alive` is called now and then and may end the work with an error.
pub fn take(
    shared: &Shared,
    consumer: &GroupConsumer,
    places: &[Place],
    alive: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Taken, Error> {
    let committed = consumer.committed(places)?;
    let topics = shared.kafka.topics();
    let partitions: BTreeSet<i32> = places.iter().map(|place| place.partition).collect();
    let changelog = |partition: i32| CHANGELOGS.map(|topic| Place { topic: topics.name(topic), partition });
    let mut wanted: Vec<Place> = places.to_vec();
    wanted.extend(partitions.iter().flat_map(|partition| changelog(*partition)));
    let extents = range::extents(&shared.kafka, &wanted)?;
    let extents: BTreeMap<Place, Extent> = wanted.into_iter().zip(extents).collect();

    let mut positions = Vec::with_capacity(places.len());
    for (place, next) in committed {
        let next = next.unwrap_or(extents[&place].first);
        positions.push(Progress { topic: place.topic, partition: place.partition, next });
    }
    let folder = folder(shared)?;
    let clicks = topics.name(Topic::Clicks);
    let mut tasks = BTreeMap::new();
    for position in positions.iter().filter(|position| position.topic == clicks) {
        let with_extent = |place: Place| {
            let extent = extents[&place];
            (place, extent)
        };
        let partition = position.partition;
        let sources = Sources {
            changelogs: changelog(partition).map(with_extent).into(),
            clicks: with_extent(Place { topic: clicks.clone(), partition }),
            resume_at: position.next,
        };
        let path = folder.join(format!("partition-{partition}"));
        tasks.insert(partition, restore(shared, &path, &sources, alive)?);
    }
    Ok(Taken { tasks, positions })
}

fn restore(
    shared: &Shared,
    path: &Path,
    sources: &Sources,
    alive: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Task<RocksStore>, Error> {
    let began = Instant::now();
    let mut task = open(shared, path, sources)?;
    let mut records = 0_u64;
    for (topic, (place, extent)) in CHANGELOGS.into_iter().zip(&sources.changelogs) {
        let from = task.position(topic)?.max(extent.first);
        let change = |record: Record<'_>| {
            records += 1;
            task.restore_change(topic, &record).map_err(Error::from)
        };
        range::read(&shared.kafka, place, from, extent.end, change, &mut *alive)?;
        if from < extent.end {
            task.restored(topic, extent.end)?;
        }
    }
    let (place, extent) = &sources.clicks;
    let from = task.position(Topic::Clicks)?.max(extent.first);
    let touch = |record: Record<'_>| {
        records += 1;
        task.restore_click(&record).map_err(Error::from)
    };
    range::read(&shared.kafka, place, from, sources.resume_at, touch, &mut *alive)?;
    if records > 0 {
        task.checkpoint()?;
    }
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(partition = place.partition, records, millis, resume_at = sources.resume_at.0, "partition restored");
    metrics::counter!("processor_restored_records_total").increment(records);
    Ok(task)
}

/// Opens the partition's store, or begins a new one where the old one cannot be caught up with.
fn open(shared: &Shared, path: &Path, sources: &Sources) -> Result<Task<RocksStore>, Error> {
    // Opening writes files of its own.
    let mut fits = age(path) < OLDEST_STORE;
    let task = Task::open(RocksStore::open(path, &shared.budget)?, sources.resume_at)?;
    // A position past a topic's end is of another life of the topic.
    for (topic, (_, extent)) in CHANGELOGS.iter().zip(&sources.changelogs) {
        fits &= task.position(*topic)? <= extent.end;
    }
    fits &= task.position(Topic::Clicks)? <= sources.clicks.1.end;
    if fits {
        return Ok(task);
    }
    tracing::warn!(path = %path.display(), "store does not belong to these topics or is too old, rebuilding it");
    drop(task);
    std::fs::remove_dir_all(path)?;
    Ok(Task::open(RocksStore::open(path, &shared.budget)?, sources.resume_at)?)
}

/// One folder per cluster and installation, so that another broker's data is never taken for ours.
fn folder(shared: &Shared) -> Result<PathBuf, Error> {
    let cluster = kafka::admin::cluster_id(&shared.kafka).map_err(|error| Error::Topics(error.to_string()))?;
    let folder = shared.config.state_dir.join(format!("{cluster}-{}", shared.kafka.id("v1")));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Since the store was last written to; a new one has no age.
fn age(path: &Path) -> Duration {
    let written = |entry: std::fs::DirEntry| entry.metadata().and_then(|file| file.modified()).ok();
    let newest = std::fs::read_dir(path).into_iter().flatten().flatten().filter_map(written).max();
    newest.and_then(|at| at.elapsed().ok()).unwrap_or_default()
}
