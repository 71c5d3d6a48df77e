//! Whether a run decided and booked what the manifest says, each exactly once. Reads committed records only.

use crate::bench::BenchError;
use crate::bench::installation::PARTITIONS;
use crate::bench::manifest::Manifest;
use kafka::KafkaConfig;
use kafka::group::Place;
use kafka::queue::Record;
use kafka::range;
use schemas::codec;
use schemas::id::{ConversionId, EntryId};
use schemas::record::decision::{Decision, Outcome};
use schemas::record::journal::JournalEntry;
use schemas::topic::Topic;
use std::collections::{HashMap, HashSet};

/// Units of 1e-6 in a minor unit of the workload's one currency.
const MINOR: i128 = 10_000;

/// A conversion as its current decision and the journal have it; amounts at 1e-6.
#[derive(Default)]
struct Conversion {
    /// The highest one; 0 where only the journal knows the conversion.
    revision: i32,
    /// One bit each; what comes after the 63rd shares the last one.
    revisions: u64,
    attributed: bool,
    commission: i128,
    payout: i128,
    posted_commission: i128,
    posted_payout: i128,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub conversions: u64,
    /// Over all conversions; more than `conversions` where decisions were revised.
    pub revisions: u64,
    pub attributed: u64,
    pub commission_minor: i128,
    pub entries: u64,
    /// One line each, empty when all is as it must be.
    pub differences: Vec<String>,
}

pub fn check(kafka: &KafkaConfig, manifest: &Manifest) -> Result<Found, BenchError> {
    let mut conversions: HashMap<ConversionId, Conversion> = HashMap::new();
    let mut repeated = 0_u64;
    each(kafka, Topic::Decisions, |decision: Decision| {
        let known = conversions.entry(decision.conversion_id).or_default();
        let bit = 1_u64 << decision.revision.clamp(0, 63);
        repeated += u64::from(known.revisions & bit != 0);
        known.revisions |= bit;
        if decision.revision > known.revision {
            known.revision = decision.revision;
            known.attributed = decision.outcome == Outcome::Attributed;
            known.commission = decision.commission.0;
            known.payout = decision.payout.0;
        }
    })?;
    let (mut entries, mut unbalanced) = (HashSet::<EntryId>::new(), 0_u64);
    let mut repeated_entries = 0_u64;
    each(kafka, Topic::Journal, |entry: JournalEntry| {
        repeated_entries += u64::from(!entries.insert(entry.entry_id));
        let sum: i128 = entry.postings.iter().map(|posting| posting.amount.0).sum();
        unbalanced += u64::from(sum != 0);
        let known = conversions.entry(entry.conversion_id).or_default();
        for posting in &entry.postings {
            if posting.account.starts_with("advertiser:") {
                known.posted_commission += posting.amount.0;
            } else if posting.account.starts_with("publisher:") {
                known.posted_payout -= posting.amount.0;
            }
        }
    })?;

    let mut found = Found { entries: entries.len() as u64, ..Found::default() };
    let (mut gaps, mut booked_otherwise) = (0_u64, 0_u64);
    for known in conversions.values() {
        found.conversions += u64::from(known.revision > 0);
        found.revisions += u64::from(known.revisions.count_ones());
        found.attributed += u64::from(known.attributed);
        found.commission_minor += known.commission;
        gaps += u64::from(known.revisions.count_ones() != known.revision.unsigned_abs());
        let booked = (known.posted_commission, known.posted_payout) == (known.commission, known.payout);
        booked_otherwise += u64::from(!booked);
    }
    found.commission_minor /= MINOR;
    let dead_letters = count(kafka, Topic::DeadLetters)?;
    let expectations = [
        ("conversions decided", i128::from(found.conversions), i128::from(manifest.distinct_conversions)),
        ("conversions attributed", i128::from(found.attributed), i128::from(manifest.attributed_event_time)),
        ("commission, minor units", found.commission_minor, manifest.commission_event_time),
        ("revisions that came twice", repeated.into(), 0),
        ("conversions with a gap in their revisions", gaps.into(), 0),
        ("journal entries that came twice", repeated_entries.into(), 0),
        ("journal entries that do not balance", unbalanced.into(), 0),
        ("conversions booked otherwise than decided", booked_otherwise.into(), 0),
        ("dead letters", dead_letters.into(), 0),
    ];
    let differs = |(what, is, expected): (&str, i128, i128)| {
        (is != expected).then(|| format!("{what}: {is}, expected {expected}"))
    };
    found.differences = expectations.into_iter().filter_map(differs).collect();
    Ok(found)
}

fn each<T: codec::Record>(kafka: &KafkaConfig, topic: Topic, mut take: impl FnMut(T)) -> Result<(), BenchError> {
    records(kafka, topic, |record| {
        let value = record.value.unwrap_or_default();
        let undecodable = |error| BenchError::Decode {
            what: format!("{} {}/{}", topic.name(), record.partition, record.offset.0),
            error,
        };
        take(codec::decode(value).map_err(undecodable)?);
        Ok(())
    })
}

fn count(kafka: &KafkaConfig, topic: Topic) -> Result<u64, BenchError> {
    let mut count = 0;
    records(kafka, topic, |_| {
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

fn records(
    kafka: &KafkaConfig,
    topic: Topic,
    mut take: impl FnMut(Record<'_>) -> Result<(), BenchError>,
) -> Result<(), BenchError> {
    let name = kafka.topics().name(topic);
    let places: Vec<Place> = (0..PARTITIONS).map(|partition| Place { topic: name.clone(), partition }).collect();
    for (place, extent) in places.iter().zip(range::extents(kafka, &places)?) {
        range::read(kafka, place, extent.first, extent.end, &mut take, || Ok(()))?;
    }
    Ok(())
}
