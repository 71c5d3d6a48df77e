//! Writes the workload as our own clicks and events, without the peers: what `translate` makes of their topics.

use crate::bench::BenchError;
use crate::bench::installation;
use crate::bench::maker::Maker;
use crate::bench::manifest::Manifest;
use crate::bench::peer::{PeerClick, PeerEvent};
use crate::bench::random::Random;
use crate::bench::translate::{AT_ONCE, Progress, Written};
use crate::bench::workload::{Arriving, Item, Journey, Plan};
use kafka::KafkaConfig;
use kafka::catalog::CatalogReader;
use kafka::transaction::TransactionalProducer;
use schemas::id::{ClickId, JourneyId};
use schemas::time::Micros;
use schemas::topic::Topic;
use schemas::{codec, key};
use std::path::Path;

const COUNTRIES: [&str; 8] = ["DE", "FR", "US", "PL", "BR", "IN", "GB", "ES"];
const DEVICES: [&str; 3] = ["mobile", "desktop", "tablet"];

/// Writes the installation `kafka`, which is set up first; returns what a correct join makes of it.
pub fn generate(kafka: &KafkaConfig, plan: Plan, folder: &Path) -> Result<Manifest, BenchError> {
    installation::set_up(kafka, folder)?;
    let maker = Maker::new(CatalogReader::start(kafka, || false)?.read_to())?;
    let topics = kafka.topics();
    let (to_clicks, to_events) = (topics.name(Topic::Clicks), topics.name(Topic::Events));
    let mut producer = TransactionalProducer::new(kafka, "generate")?;
    let mut manifest = Manifest::default();
    let mut progress = Progress::begin();
    let mut bytes = Vec::new();
    let mut arriving = Arriving::new(plan).peekable();
    while arriving.peek().is_some() {
        let mut transaction = producer.begin()?;
        for (journey, item) in arriving.by_ref().take(AT_ONCE as usize) {
            manifest.count(&journey, item);
            let (topic, key) = match item {
                Item::Click(nth) => {
                    let click = maker.click(&click(&journey, nth).peer());
                    codec::encode_into(&click, &mut bytes);
                    (&to_clicks, key::journey(&click.tenant, &click.advertiser, click.journey_id))
                }
                Item::Conversion(nth) | Item::Repeat(nth) => {
                    let event = event(&journey, nth);
                    let missing =
                        || BenchError::NoClick { event: event.peer().event_id(), journey: JourneyId(journey.id) };
                    let named = click(&journey, journey.named_by(nth).ok_or_else(missing)?).click_id;
                    // One payload for one conversion, however often it is delivered.
                    let event = maker.event(&event.peer(), named, &event.event_id)?;
                    codec::encode_into(&event, &mut bytes);
                    (&to_events, event.key())
                }
            };
            transaction.send(topic, None, key.as_bytes(), Some(&bytes), None)?;
        }
        transaction.commit_records()?;
        progress.say(Written { clicks: manifest.clicks, events: manifest.events });
    }
    progress.last(Written { clicks: manifest.clicks, events: manifest.events });
    Ok(manifest)
}

/// A `PeerClick` that owns its texts.
struct OwnedClick {
    click_id: ClickId,
    journey_id: JourneyId,
    tenant: usize,
    campaign: usize,
    publisher: usize,
    link: usize,
    at: i64,
    ip_hash: [u8; 16],
    user_agent_hash: i64,
    referrer: String,
    sub1: String,
    sub2: Option<String>,
    country: &'static str,
    device: &'static str,
}

fn click(journey: &Journey, nth: usize) -> OwnedClick {
    let (mut common, mut own) = (journey.common(), journey.of_click(nth));
    let at = journey.clicks[nth];
    let (tenant, campaign) = (pick(&mut common, 50), pick(&mut common, 2000));
    let skewed = own.fraction();
    OwnedClick {
        click_id: ClickId(own.uuid7(at / 1000)),
        journey_id: JourneyId(journey.id),
        tenant,
        campaign,
        // A few publishers have most of the clicks.
        publisher: (skewed * skewed * 5000.0) as usize,
        link: pick(&mut own, 50_000),
        at,
        ip_hash: own.bytes16(),
        user_agent_hash: own.long().cast_signed(),
        referrer: format!("https://ref{}.io/a/b/c", 10_000 + own.below_int(9000)),
        sub1: own.hex(8),
        sub2: (own.below_int(3) == 0).then(|| own.hex(8)),
        country: COUNTRIES[own.below_int(8).cast_unsigned() as usize],
        device: DEVICES[own.below_int(3).cast_unsigned() as usize],
    }
}

impl OwnedClick {
    fn peer(&self) -> PeerClick<'_> {
        PeerClick {
            click_id: self.click_id,
            journey_id: self.journey_id,
            tenant: self.tenant,
            campaign: self.campaign,
            publisher: self.publisher,
            link: self.link,
            occurred_at: Micros(self.at),
            ip_hash: self.ip_hash,
            user_agent_hash: self.user_agent_hash,
            referrer: &self.referrer,
            sub1: &self.sub1,
            sub2: self.sub2.as_deref(),
            country: self.country,
            device: self.device,
        }
    }
}

/// A `PeerEvent` that owns its texts.
struct OwnedEvent {
    event_id: [u8; 16],
    journey_id: JourneyId,
    tenant: usize,
    order_id: String,
    amount_minor: i64,
    coupon: Option<String>,
    customer_id: String,
    at: i64,
    landing_url: String,
}

fn event(journey: &Journey, nth: usize) -> OwnedEvent {
    let (mut common, mut own) = (journey.common(), journey.of_conversion(nth));
    let conversion = &journey.conversions[nth];
    OwnedEvent {
        event_id: own.uuid7(conversion.at / 1000),
        journey_id: JourneyId(journey.id),
        tenant: pick(&mut common, 50),
        order_id: format!("ORD-{}", own.hex(10)),
        amount_minor: conversion.amount_minor,
        coupon: (own.below_int(4) == 0).then(|| own.hex(8)),
        customer_id: format!("cust-{}", own.hex(11)),
        at: conversion.at,
        landing_url: format!("https://shop.example/item/p/{}", own.hex(8)),
    }
}

impl OwnedEvent {
    fn peer(&self) -> PeerEvent<'_> {
        PeerEvent {
            event_id: self.event_id,
            journey_id: self.journey_id,
            tenant: self.tenant,
            order_id: &self.order_id,
            amount_minor: self.amount_minor,
            currency: "EUR",
            coupon: self.coupon.as_deref(),
            customer_id: &self.customer_id,
            occurred_at: Micros(self.at),
            landing_url: &self.landing_url,
        }
    }
}

fn pick(random: &mut Random, of: i64) -> usize {
    random.below(of).cast_unsigned() as usize
}
