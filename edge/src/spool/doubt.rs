//! Whether Kafka has what nobody was told of: records whose report never came, because the process died or the
//! producer gave up on them when they might have arrived. They are looked for in the log before they are sent again.
//!
//! What this cannot see is a request that a broker has received and not yet appended when the log is read: only a
//! broker that stood still between the two, for longer than `SETTLE`, leaves one.

use kafka::ends::Ends;
use kafka::group::Place;
use kafka::{Error, KafkaConfig, range};
use schemas::time::Micros;
use schemas::topic::Topic;
use std::collections::HashMap;
use std::time::Duration;

/// For requests that are still in the broker's hands, before the log is read.
pub const SETTLE: Duration = Duration::from_secs(1);
/// Brokers' clocks may be behind the edge's by so much; times are those of the append.
const SKEW_MICROS: i64 = 60_000_000;

/// A value as it is looked for; ids stand in values, so that no two are alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Print([u8; 16]);

impl Print {
    pub fn of(value: &[u8]) -> Print {
        let mut print = [0; 16];
        print.copy_from_slice(&blake3::hash(value).as_bytes()[..16]);
        Print(print)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Doubt {
    pub sequence: u64,
    pub topic: Topic,
    pub print: Print,
}

/// What became of each doubt.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Resolved {
    pub found: Vec<u64>,
    pub missing: Vec<u64>,
}

/// Reads what was appended since a minute before `since`, the time of the oldest doubt. Blocks.
pub fn look(kafka: &KafkaConfig, doubts: &[Doubt], since: Micros) -> Result<Resolved, Error> {
    std::thread::sleep(SETTLE);
    let mut resolved = Resolved::default();
    for topic in [Topic::Clicks, Topic::Events] {
        let mut sought: HashMap<Print, Vec<u64>> = HashMap::new();
        for doubt in doubts.iter().filter(|doubt| doubt.topic == topic) {
            sought.entry(doubt.print).or_default().push(doubt.sequence);
        }
        if sought.is_empty() {
            continue;
        }
        let name = kafka.topics().name(topic);
        let ends = Ends::open(kafka)?;
        for partition in 0..ends.partitions(&name)?.unwrap_or(0) {
            let from = ends.since(&name, partition, Micros(since.0.saturating_sub(SKEW_MICROS)))?;
            let (_, to) = ends.of(&name, partition)?;
            let place = Place { topic: name.clone(), partition };
            let each = |record: kafka::queue::Record<'_>| {
                let found = record.value.and_then(|value| sought.remove(&Print::of(value)));
                resolved.found.extend(found.into_iter().flatten());
                Ok(())
            };
            range::read(kafka, &place, from, to, each, || Ok::<(), Error>(()))?;
        }
        resolved.missing.extend(sought.into_values().flatten());
    }
    Ok(resolved)
}
