//! Kafka's log as a test sees it: records written directly, read whole, copied to another installation; and what the
//! log must lead to, recomputed without any of the processor's code.

use crate::installation::Installation;
use kafka::group::Place;
use kafka::range;
use kafka::transaction::TransactionalProducer;
use schemas::codec::{self, Record};
use schemas::decimal::Amount;
use schemas::id::{ConversionId, JourneyId};
use schemas::record::amendment::Amendment;
use schemas::record::click::Click;
use schemas::record::event::Event;
use schemas::topic::Topic;
use std::collections::BTreeMap;

/// A record with its place.
pub struct Stored {
    pub offset: i64,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// All committed records of one partition.
pub fn partition(installation: &Installation, topic: Topic, partition: i32) -> Vec<Stored> {
    let config = installation.kafka();
    let place = Place { topic: config.topics().name(topic), partition };
    let extent = range::extents(&config, std::slice::from_ref(&place)).expect("an extent")[0];
    let mut stored = Vec::new();
    let each = |record: kafka::queue::Record<'_>| {
        let bytes = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
        stored.push(Stored { offset: record.offset.0, key: bytes(record.key), value: bytes(record.value) });
        Ok(())
    };
    range::read::<kafka::Error>(&config, &place, extent.first, extent.end, each, || Ok(())).expect("reads");
    stored
}

/// All decodable records of a topic.
pub fn records<T: Record>(installation: &Installation, topic: Topic) -> Vec<T> {
    let partitions = if topic == Topic::Catalog { 1 } else { 3 };
    let stored = (0..partitions).flat_map(|number| partition(installation, topic, number));
    stored.filter_map(|stored| codec::decode(&stored.value).ok()).collect()
}

/// A record to write: topic, partition (none: by key), key, value.
pub type Written = (Topic, Option<i32>, Vec<u8>, Vec<u8>);

/// Writes records in this order.
pub fn write(installation: &Installation, records: &[Written]) {
    let config = installation.kafka();
    let topics = config.topics();
    let mut producer = TransactionalProducer::new(&config, "test-writer").expect("a producer");
    let mut transaction = producer.begin().expect("a transaction");
    for (topic, partition, key, value) in records {
        transaction.send(&topics.name(*topic), *partition, key, Some(value), None).expect("sends");
    }
    transaction.commit_records().expect("commits");
}

/// Copies what edge and catalog wrote, catalog records to the same offsets: `catalog_offset` means them.
pub fn copy_inputs(from: &Installation, to: &Installation) {
    let mut records = Vec::new();
    let there = partition(to, Topic::Catalog, 0);
    // The installation's record and its transaction's marker are there already; filler stands for other markers.
    let mut next = there.last().map_or(0, |last| last.offset + 2);
    for stored in partition(from, Topic::Catalog, 0) {
        if stored.offset >= next {
            (next..stored.offset).for_each(|_| records.push((Topic::Catalog, Some(0), b"filler".to_vec(), Vec::new())));
            next = stored.offset + 1;
            records.push((Topic::Catalog, Some(0), stored.key, stored.value));
        }
    }
    for topic in [Topic::Clicks, Topic::Events] {
        for number in 0..3 {
            for stored in partition(from, topic, number) {
                records.push((topic, Some(number), stored.key, stored.value));
            }
        }
    }
    write(to, &records);
}

/// Copies what `adjust` wrote, which no other role writes again.
pub fn copy_amendments(from: &Installation, to: &Installation) {
    let stored = (0..3).flat_map(|number| partition(from, Topic::Candidates, number));
    let amendments = stored.filter(|stored| codec::is_framed_as::<Amendment>(&stored.value));
    let records: Vec<Written> = amendments.map(|stored| (Topic::Candidates, None, stored.key, stored.value)).collect();
    assert!(!records.is_empty(), "nothing was adjusted");
    write(to, &records);
}

/// Who must be paid what for a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub publisher: String,
    pub commission: Amount,
    pub payout: Amount,
}

/// Last click pays 10 %, of which the platform keeps 30 %: recomputed from the log, for events that carry a token.
pub fn recompute(installation: &Installation) -> BTreeMap<ConversionId, Expected> {
    let mut touches: BTreeMap<JourneyId, Vec<(i64, [u8; 16], String)>> = BTreeMap::new();
    for click in records::<Click>(installation, Topic::Clicks) {
        let touch = (click.occurred_at.0, click.click_id.0, click.publisher.to_string());
        touches.entry(click.journey_id).or_default().push(touch);
    }
    let mut first: BTreeMap<ConversionId, Event> = BTreeMap::new();
    for event in records::<Event>(installation, Topic::Events) {
        let order = |event: &Event| (event.occurred_at, event.event_id.clone(), event.received_at);
        let earliest = first.get(&event.conversion_id).is_none_or(|known| order(&event) < order(known));
        if earliest {
            first.insert(event.conversion_id, event);
        }
    }
    let paid = first.into_iter().filter_map(|(id, event)| {
        let journey = event.evidence.iter().find_map(|evidence| evidence.journey_id)?;
        let eligible = touches.get(&journey)?.iter().filter(|(at, _, _)| *at <= event.occurred_at.0);
        let (_, _, publisher) = eligible.max()?;
        let commission = percent_in_cents(event.value.0, 10);
        let fee = percent_in_cents(commission.0, 30);
        Some((id, Expected { publisher: publisher.clone(), commission, payout: commission - fee }))
    });
    paid.collect()
}

/// `percent` of an amount in millionths, half-even to cents.
fn percent_in_cents(millionths: i128, percent: i128) -> Amount {
    let exact = millionths * percent; // in 1e-8
    let (cents, rest) = (exact.div_euclid(1_000_000), exact.rem_euclid(1_000_000));
    let up = rest > 500_000 || (rest == 500_000 && cents % 2 != 0);
    schemas::decimal::Fixed((cents + i128::from(up)) * 10_000)
}
