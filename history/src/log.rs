//! Reads topics, or single records of them, committed records only.

use crate::Error;
use kafka::KafkaConfig;
use kafka::ends::Ends;
use kafka::group::Place;
use kafka::queue::Record;
use kafka::range::{self, Extent, Step, Stretch};
use schemas::offset::{NextOffset, Offset};
use schemas::topic::Topic;
use sinks::look_up::Found;
use std::collections::BTreeMap;

/// What a reader of several partitions may fetch ahead, in MiB.
const QUEUE_MIB: usize = 64;
/// Records nearer to each other than this are read in one go.
const NEAR: i64 = 5000;

/// The partitions of a topic, each with its extent now.
pub fn extents(config: &KafkaConfig, topic: Topic) -> Result<Vec<(Place, Extent)>, Error> {
    let name = config.topics().name(topic);
    let partitions = Ends::open(config)?.partitions(&name)?.ok_or_else(|| Error::NoTopic(name.clone()))?;
    let places: Vec<Place> = (0..partitions).map(|partition| Place { topic: name.clone(), partition }).collect();
    let extents = range::extents(config, &places)?;
    Ok(places.into_iter().zip(extents).collect())
}

/// Calls `each` for every record of a topic after the ones that `loaded` names, up to where it ends now.
pub fn read_after(
    config: &KafkaConfig,
    topic: Topic,
    loaded: &[Found],
    mut each: impl FnMut(Record<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let after = |partition: i32| loaded.iter().find(|found| found.partition == partition);
    let stretch = |(place, extent): (Place, Extent)| {
        let from = after(place.partition).map_or(extent.first, |found| found.offset.next()).max(extent.first);
        Stretch { place, from, to: extent.end }
    };
    let stretches: Vec<Stretch> = extents(config, topic)?.into_iter().map(stretch).collect();
    let step = |step: Step<'_>| match step {
        Step::Record(_, record) => each(record),
        Step::Reached(..) => Ok(()),
    };
    range::read_all(config, &stretches, QUEUE_MIB, step, || Ok(()))
}

/// Calls `each` for single records.
pub fn read_at(
    config: &KafkaConfig,
    topic: Topic,
    found: &[Found],
    mut each: impl FnMut(Record<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let name = config.topics().name(topic);
    let mut wanted: BTreeMap<i32, Vec<Offset>> = BTreeMap::new();
    for Found { partition, offset } in found {
        wanted.entry(*partition).or_default().push(*offset);
    }
    for (partition, mut offsets) in wanted {
        offsets.sort();
        offsets.dedup();
        let place = Place { topic: name.clone(), partition };
        let extent = range::extents(config, std::slice::from_ref(&place))?[0];
        for near in offsets.chunk_by(|a, b| b.0 - a.0 < NEAR) {
            let (first, last) = (near[0], near[near.len() - 1]);
            let gone = || Error::Gone { topic: name.clone(), partition, offset: first.0 };
            if NextOffset(first.0) < extent.first || last.next() > extent.end {
                return Err(gone());
            }
            let wanted = |record: Record<'_>| if near.contains(&record.offset) { each(record) } else { Ok(()) };
            range::read(config, &place, NextOffset(first.0), last.next(), wanted, || Ok(()))?;
        }
    }
    Ok(())
}
