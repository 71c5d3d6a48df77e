//! The peers' clicks and events as Tributary's own: the same journeys, times, amounts and order of arrival, under our
//! schemas and keys.
//!
//! A peer's event names its journey. Ours names a click by its token, as a shop would: the last one that occurred before
//! the event. It may arrive after the event, so the clicks of journeys that convert are read before anything is written.

use crate::bench::BenchError;
use crate::bench::arrivals::{Arrival, Arrivals};
use crate::bench::installation::{self, Names};
use crate::bench::peer::{PeerClick, PeerEvent};
use kafka::KafkaConfig;
use kafka::catalog::CatalogReader;
use kafka::group::Place;
use kafka::transaction::TransactionalProducer;
use schemas::decimal::{Amount, Currency, Fixed};
use schemas::id::{ClickId, ConversionId, CustomerId, IpHash, JourneyId, PayloadHash, hash_of};
use schemas::name::ApiKeyId;
use schemas::offset::Offset;
use schemas::record::click::Click;
use schemas::record::event::{Action, Event, Evidence, EvidenceNames, EvidenceSource};
use schemas::time::Micros;
use schemas::token::{ClickToken, MacKey, MacKeys};
use schemas::topic::Topic;
use schemas::{codec, key};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Records of one transaction: the fewer commits the better, as long as one ends before the broker gives it up.
const AT_ONCE: u64 = 200_000;
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    pub clicks: u64,
    pub events: u64,
}

/// Reads `<source>clicks` and `<source>events` and writes the installation `kafka`, which is set up first.
pub fn translate(kafka: &KafkaConfig, source: &str, folder: &Path) -> Result<Translated, BenchError> {
    installation::set_up(kafka, folder)?;
    let catalog = CatalogReader::start(kafka, || false)?.read_to();
    let place = |(topic, partition)| Place { topic: format!("{source}{topic}"), partition };
    let of = |topic: &'static str| (0..installation::PARTITIONS).map(move |partition| (topic, partition));
    let (clicks, events): (Vec<Place>, Vec<Place>) =
        (of("clicks").map(place).collect(), of("events").map(place).collect());
    let named = NamedClicks::read(kafka, &clicks, &events)?;
    let maker = Maker::new(catalog, named)?;

    let topics = kafka.topics();
    let (to_clicks, to_events) = (topics.name(Topic::Clicks), topics.name(Topic::Events));
    let mut producer = TransactionalProducer::new(kafka, "translate")?;
    let mut arrivals = Arrivals::open(kafka, &[clicks.as_slice(), &events].concat())?;
    let mut done = Translated::default();
    let mut progress = Progress::new();
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
                let event = maker.event(&PeerEvent::read(&value)?, &value)?;
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

/// Makes our records of theirs.
struct Maker {
    names: Names,
    api_key: ApiKeyId,
    keys: MacKeys,
    /// What the edge would have read.
    catalog: Offset,
    named: NamedClicks,
}

impl Maker {
    fn new(catalog: Offset, named: NamedClicks) -> Result<Self, BenchError> {
        // Nobody verifies these tokens: they travel as text, in their usual size.
        let keys = MacKeys::new(vec![MacKey::new(1, &[7; 32])]).expect("one key");
        Ok(Maker { names: Names::new()?, api_key: ApiKeyId::new("bench")?, keys, catalog, named })
    }

    fn click(&self, peer: &PeerClick<'_>) -> Click {
        let mut params = BTreeMap::from([("sub1".to_owned(), peer.sub1.to_owned())]);
        if let Some(sub2) = peer.sub2 {
            params.insert("sub2".to_owned(), sub2.to_owned());
        }
        Click {
            click_id: peer.click_id,
            journey_id: peer.journey_id,
            tenant: self.names.tenant.clone(),
            advertiser: self.names.advertiser(peer.tenant).clone(),
            campaign: self.names.campaign(peer.tenant, peer.campaign).clone(),
            publisher: self.names.publisher(peer.publisher).clone(),
            link: self.names.link(peer.link).clone(),
            occurred_at: peer.occurred_at,
            catalog_offset: self.catalog,
            returning: false,
            referrer: Some(peer.referrer.to_owned()),
            user_agent: Some(format!("{} {} {:016x}", peer.device, peer.country, peer.user_agent_hash)),
            ip_hash: Some(IpHash(peer.ip_hash)),
            params,
        }
    }

    /// The peers dedup by event id alone. With an order id of ours beside it, an event would be two conversions to
    /// decide, the order's and its alias; so the order id travels as a property.
    fn event(&self, peer: &PeerEvent<'_>, delivered: &[u8]) -> Result<Event, BenchError> {
        let names = &self.names;
        let (tenant, advertiser) = (names.tenant.clone(), names.advertiser(peer.tenant).clone());
        let event_id = format!("{:032x}", u128::from_be_bytes(peer.event_id));
        let click = self.named.last(peer.journey_id, peer.occurred_at);
        let click = click.ok_or_else(|| BenchError::NoClick { event: event_id.clone(), journey: peer.journey_id })?;
        let value = self.keys.sign_token(ClickToken { click, journey: peer.journey_id });
        let coupon = peer.coupon.unwrap_or_default();
        Ok(Event {
            conversion_id: ConversionId::of_event(&tenant, &advertiser, &event_id),
            event_conversion_id: None,
            event_id,
            tenant,
            advertiser,
            api_key: self.api_key.clone(),
            action: Action::Purchase,
            order_id: None,
            value: amount(peer.amount_minor),
            currency: Currency::parse(peer.currency)?,
            occurred_at: peer.occurred_at,
            received_at: peer.occurred_at,
            clock_ahead_micros: 0,
            customer: Some(CustomerId(hash_of("tributary benchmark customer", &[peer.customer_id.as_bytes()]))),
            evidence: vec![Evidence {
                source: EvidenceSource::ClickId,
                value,
                names: EvidenceNames::Touch,
                click_id: Some(click),
                journey_id: Some(peer.journey_id),
                code: None,
                problem: None,
            }],
            landing_url: Some(peer.landing_url.to_owned()),
            referrer: None,
            properties: Some(format!(r#"{{"order":"{}","coupon":"{coupon}"}}"#, peer.order_id)),
            payload_hash: PayloadHash(hash_of("tributary benchmark payload", &[delivered])),
            catalog_offset: self.catalog,
            forwarded_to: None,
            items: Vec::new(),
            refund_of: None,
        })
    }
}

/// Hundredths of a unit as our six places.
fn amount(minor: i64) -> Amount {
    Fixed(i128::from(minor) * 10_000)
}

struct Progress {
    began: Instant,
    said: Instant,
}

impl Progress {
    fn new() -> Self {
        Progress { began: Instant::now(), said: Instant::now() }
    }

    fn say(&mut self, done: Translated) {
        if self.said.elapsed() >= PROGRESS_EVERY {
            self.said = Instant::now();
            self.last(done);
        }
    }

    fn last(&self, Translated { clicks, events }: Translated) {
        tracing::info!(clicks, events, seconds = self.began.elapsed().as_secs(), "translated");
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
