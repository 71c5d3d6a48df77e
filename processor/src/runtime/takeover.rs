//! Taking a partition, in the order that makes it safe: (1) the group's committed positions, (2) then the changelogs'
//! ends, (3) restore up to them, (4) process. Positions are never mixed: touches have one, changelogs have theirs,
//! processing resumes at the committed ones.

use crate::runtime::owned::{INPUTS, Owned};
use crate::runtime::restore::{self, Sources};
use crate::runtime::{Error, Installation, Shared, gauges};
use crate::state::CHANGELOGS;
use kafka::batch::GroupConsumer;
use kafka::group::Place;
use kafka::range::{self, Extent};
use schemas::offset::NextOffset;
use schemas::topic::Topic;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Takes the assigned partitions. `alive` is called now and then and may end the work with an error.
pub fn take(
    shared: &Shared,
    installation: &Installation,
    consumer: &GroupConsumer,
    places: &[Place],
    alive: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Owned, Error> {
    if places.is_empty() {
        return Ok(Owned::default());
    }
    let committed: BTreeMap<Place, Option<NextOffset>> = consumer.committed(places)?.into_iter().collect();
    let topics = shared.kafka.topics();
    let partitions: BTreeSet<i32> = places.iter().map(|place| place.partition).collect();
    let place = |topic: Topic, partition: i32| Place { topic: topics.name(topic), partition };
    let mut wanted: Vec<Place> = places.to_vec();
    let changelogs = |partition: &i32| CHANGELOGS.map(|topic| place(topic, *partition));
    wanted.extend(partitions.iter().flat_map(changelogs));
    let extents = range::extents(&shared.kafka, &wanted)?;
    let extents: BTreeMap<Place, Extent> = wanted.into_iter().zip(extents).collect();

    let mut sources = Vec::with_capacity(partitions.len());
    for number in partitions {
        let resume_at = INPUTS.map(|topic| resume_at(&place(topic, number), &committed, &extents));
        // Range assignment gives a member the same partition of every input.
        let [Some(journal), Some(candidates), Some(events), Some(clicks)] = resume_at else {
            return Err(Error::Topics(format!("partition {number} was not assigned with all of its siblings")));
        };
        let with_extent = |place: Place| {
            let extent = extents[&place];
            (place, extent)
        };
        sources.push(Sources {
            partition: number,
            path: installation.folder.join(format!("partition-{number}")),
            changelogs: changelogs(&number).map(with_extent).into(),
            clicks: with_extent(place(Topic::Clicks, number)),
            events: with_extent(place(Topic::Events, number)),
            resume_at: [journal, candidates, events, clicks],
        });
    }
    restore::all(shared, &sources, alive).map(Owned::new)
}

/// Where processing goes on: the group's position, at first the oldest record. None where it was not assigned.
fn resume_at(
    place: &Place,
    committed: &BTreeMap<Place, Option<NextOffset>>,
    extents: &BTreeMap<Place, Extent>,
) -> Option<NextOffset> {
    committed.get(place).map(|next| next.unwrap_or(extents[place].first))
}

/// Deletes the store that an error found unreadable; it is rebuilt when its partition is taken the next time.
pub fn discard(error: &Error) {
    let Error::Store { path, error } = error else { return };
    tracing::warn!(path = %path.display(), %error, "store cannot be read: deleted, it is built again from Kafka");
    if let Err(error) = delete(path) {
        tracing::error!(%error, "store cannot be deleted");
    }
}

pub fn delete(path: &Path) -> Result<(), Error> {
    metrics::counter!(gauges::STORES_REBUILT).increment(1);
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::File { path: path.to_owned(), error }),
    }
}
