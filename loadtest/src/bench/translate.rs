//! The peers' clicks and events as Tributary's own: the same journeys, times, amounts and order of arrival, under our
//! schemas and keys.
//!
//! A peer's event names its journey. Ours names a click by its token, as a shop would: the last one that occurred before
//! the event. It may arrive after the event, so the clicks of journeys that convert are read before anything is written.

use crate::bench::BenchError;
use crate::bench::arrivals::{Arrival, Arrivals};
use crate::bench::installation;
use crate::bench::maker::Maker;
use crate::bench::peer::{PeerClick, PeerEvent};
use kafka::KafkaConfig;
use kafka::catalog::CatalogReader;
use kafka::group::Place;
use kafka::transaction::TransactionalProducer;
use schemas::id::{ClickId, JourneyId};
use schemas::time::Micros;
use schemas::topic::Topic;
use schemas::{codec, key};
use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// Records of one transaction: the fewer commits the better, as long as one ends before the broker gives it up.
pub const AT_ONCE: u64 = 200_000;
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub clicks: u64,
    pub events: u64,
}

/// Reads `<source>clicks` and `<source>events` and writes the installation `kafka`, which is set up first.
pub fn translate(kafka: &KafkaConfig, source: &str, folder: &Path) -> Result<Written, BenchError> {
    installation::set_up(kafka, folder)?;
    let catalog = CatalogReader::start(kafka, || false)?.read_to();
    let place = |(topic, partition)| Place { topic: format!("{source}{topic}"), partition };
    let of = |topic: &'static str| (0..installation::PARTITIONS).map(move |partition| (topic, partition));
    let (clicks, events): (Vec<Place>, Vec<Place>) =
        (of("clicks").map(place).collect(), of("events").map(place).collect());
    let named = NamedClicks::read(kafka, &clicks, &events)?;
    let maker = Maker::new(catalog)?;

    let topics = kafka.topics();
    let (to_clicks, to_events) = (topics.name(Topic::Clicks), topics.name(Topic::Events));
    let mut producer = TransactionalProducer::new(kafka, "translate")?;
    let mut arrivals = Arrivals::open(kafka, &[clicks.as_slice(), &events].concat())?;
    let mut done = Written::default();
    let mut progress = Progress::begin();
    let mut bytes = Vec::new();
    loop {
        let mut transaction = producer.begin()?;
        let end = done.clicks + done.events + AT_ONCE;
        while done.clicks + done.events < end {
            let Some((from, Arrival { value, .. })) = arrivals.take()? else {
                transaction.commit_records()?;
                progress.last(done);
                return Ok(done);
            };
            let (topic, key) = if from < clicks.len() {
                let click = maker.click(&PeerClick::read(&value)?);
                done.clicks += 1;
                codec::encode_into(&click, &mut bytes);
                (&to_clicks, key::journey(&click.tenant, &click.advertiser, click.journey_id))
            } else {
                let peer = PeerEvent::read(&value)?;
                let click = named.last(peer.journey_id, peer.occurred_at);
                let missing = || BenchError::NoClick { event: peer.event_id(), journey: peer.journey_id };
                let event = maker.event(&peer, click.ok_or_else(missing)?, &value)?;
                done.events += 1;
                codec::encode_into(&event, &mut bytes);
                (&to_events, event.key())
            };
            transaction.send(topic, None, key.as_bytes(), Some(&bytes), None)?;
        }
        transaction.commit_records()?;
        progress.say(done);
    }
}

/// The clicks of the journeys that convert, by journey and time: an eighth of all in sets a and b.
struct NamedClicks(Vec<(JourneyId, Micros, ClickId)>);

impl NamedClicks {
    fn read(kafka: &KafkaConfig, clicks: &[Place], events: &[Place]) -> Result<Self, BenchError> {
        let mut journeys = HashSet::new();
        let mut arrivals = Arrivals::open(kafka, events)?;
        while let Some((_, arrival)) = arrivals.take()? {
            journeys.insert(PeerEvent::read(&arrival.value)?.journey_id);
        }
        tracing::info!(journeys = journeys.len(), "events read");
        let mut named = Vec::new();
        let mut arrivals = Arrivals::open(kafka, clicks)?;
        while let Some((_, arrival)) = arrivals.take()? {
            let click = PeerClick::read(&arrival.value)?;
            if journeys.contains(&click.journey_id) {
                named.push((click.journey_id, click.occurred_at, click.click_id));
            }
        }
        named.sort_unstable();
        tracing::info!(clicks = named.len(), "clicks of journeys that convert read");
        Ok(NamedClicks(named))
    }

    /// The journey's last click that occurred no later than `at`.
    fn last(&self, journey: JourneyId, at: Micros) -> Option<ClickId> {
        let after = self.0.partition_point(|&(other, time, _)| (other, time) <= (journey, at));
        let &(found, _, click) = self.0.get(after.checked_sub(1)?)?;
        (found == journey).then_some(click)
    }
}

pub struct Progress {
    began: Instant,
    said: Instant,
}

impl Progress {
    pub fn begin() -> Self {
        Progress { began: Instant::now(), said: Instant::now() }
    }

    pub fn say(&mut self, done: Written) {
        if self.said.elapsed() >= PROGRESS_EVERY {
            self.said = Instant::now();
            self.last(done);
        }
    }

    pub fn last(&self, Written { clicks, events }: Written) {
        tracing::info!(clicks, events, seconds = self.began.elapsed().as_secs(), "written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_the_last_click_before_it_of_its_own_journey() {
        let (one, two) = (JourneyId([1; 16]), JourneyId([2; 16]));
        let click = |byte: u8| ClickId([byte; 16]);
        let named =
            NamedClicks(vec![(one, Micros(10), click(1)), (one, Micros(20), click(2)), (two, Micros(15), click(3))]);
        for (journey, at, expected) in [
            (one, 9, None),
            (one, 10, Some(click(1))),
            (one, 19, Some(click(1))),
            (one, 100, Some(click(2))),
            (two, 14, None),
            (two, 15, Some(click(3))),
        ] {
            assert_eq!(named.last(journey, Micros(at)), expected, "{journey} {at}");
        }
    }
}
