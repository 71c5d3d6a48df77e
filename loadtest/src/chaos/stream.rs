//! The records of a run's visits in the order in which they are to reach Kafka, and what must become of them.

use super::expectation::{Expected, Shop, expect};
use super::visit::{PlannedClick, PlannedEvent, Visit, visit};
use schemas::codec;
use schemas::id::{ConversionId, PayloadHash, hash_of};
use schemas::key;
use schemas::name::{ApiKeyId, BadName, CampaignId, LinkCode, PublisherId};
use schemas::offset::Offset;
use schemas::record::click::Click;
use schemas::record::event::{Action, Event, Evidence, EvidenceNames};
use schemas::topic::Topic;
use std::collections::BTreeMap;

/// Places between the beginnings of two visits: about as many as a visit has records.
const SPACING: u64 = 4;

/// What a seed and a number of clicks come to.
pub struct Plan {
    pub seed: u64,
    pub visits: u64,
    /// Those that arrive, each counted once.
    pub clicks: u64,
    /// Records, copies included.
    pub deliveries: u64,
    pub conversions: BTreeMap<ConversionId, Expected>,
}

impl Plan {
    /// As many visits as have at least `clicks` clicks.
    pub fn new(seed: u64, clicks: u64, shop: &Shop) -> Plan {
        let mut plan = Plan { seed, visits: 0, clicks: 0, deliveries: 0, conversions: BTreeMap::new() };
        while plan.clicks < clicks {
            let visit = visit(seed, plan.visits);
            plan.visits += 1;
            plan.clicks += visit.clicks.iter().filter(|click| !click.arrives.is_empty()).count() as u64;
            let copies = visit.clicks.iter().map(|click| click.arrives.len());
            let copies = copies.chain(visit.events.iter().map(|event| event.arrives.len()));
            plan.deliveries += copies.sum::<usize>() as u64;
            plan.conversions.extend(expect(&visit, shop));
        }
        plan
    }
}

/// A record as the edge would write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub topic: Topic,
    pub key: String,
    pub value: Vec<u8>,
}

/// Goes through a plan's records.
pub fn records(plan: &Plan, writer: RecordWriter) -> impl Iterator<Item = Delivery> + Send + use<> {
    let seed = plan.seed;
    Stream::new(plan.visits, move |number| writer.deliveries(&visit(seed, number)))
}

/// The records of so many visits in the order of their arrival; `records` tells those of one, each with when it
/// arrives.
pub struct Stream<R> {
    visits: u64,
    begun: u64,
    /// By place and order of planning.
    waiting: BTreeMap<(u64, u64), Delivery>,
    planned: u64,
    records: R,
}

impl<R: FnMut(u64) -> Vec<(u64, Delivery)>> Stream<R> {
    pub fn new(visits: u64, records: R) -> Self {
        Stream { visits, begun: 0, waiting: BTreeMap::new(), planned: 0, records }
    }

    fn begin(&mut self) {
        let start = self.begun * SPACING;
        let deliveries = (self.records)(self.begun);
        self.begun += 1;
        for (after, delivery) in deliveries {
            self.waiting.insert((start + after, self.planned), delivery);
            self.planned += 1;
        }
    }
}

impl<R: FnMut(u64) -> Vec<(u64, Delivery)>> Iterator for Stream<R> {
    type Item = Delivery;

    fn next(&mut self) -> Option<Delivery> {
        // No visit that has not begun has a record before its own beginning.
        while self.begun < self.visits
            && self.waiting.first_key_value().is_none_or(|((place, _), _)| *place >= self.begun * SPACING)
        {
            self.begin();
        }
        self.waiting.pop_first().map(|(_, delivery)| delivery)
    }
}

/// Turns what is planned into records.
pub struct RecordWriter {
    shop: Shop,
    campaign: CampaignId,
    api_key: ApiKeyId,
    publishers: Vec<(PublisherId, LinkCode)>,
    catalog_offset: Offset,
}

/// The name of a publisher of the plan in the catalog.
pub fn publisher_name(number: u8) -> String {
    format!("p{number}")
}

impl RecordWriter {
    /// `catalog_offset`: of the last entry of `chaos/catalog.yaml`.
    pub fn new(shop: Shop, catalog_offset: Offset) -> Result<RecordWriter, BadName> {
        let publisher = |number| {
            let name = publisher_name(number);
            Ok((PublisherId::new(&name)?, LinkCode::new(&format!("{name}-storm"))?))
        };
        Ok(RecordWriter {
            shop,
            campaign: CampaignId::new("storm")?,
            api_key: ApiKeyId::new("chaos-server")?,
            publishers: (0..super::visit::PUBLISHERS).map(publisher).collect::<Result<_, BadName>>()?,
            catalog_offset,
        })
    }

    /// A visit's records, each with when it arrives.
    fn deliveries(&self, visit: &Visit) -> Vec<(u64, Delivery)> {
        let mut deliveries = Vec::new();
        for click in &visit.clicks {
            let delivery = self.click(click);
            deliveries.extend(click.arrives.iter().map(|after| (*after, delivery.clone())));
        }
        for event in &visit.events {
            let delivery = self.event(event);
            deliveries.extend(event.arrives.iter().map(|after| (*after, delivery.clone())));
        }
        deliveries
    }

    pub fn click(&self, click: &PlannedClick) -> Delivery {
        let (publisher, link) = &self.publishers[usize::from(click.publisher)];
        let record = Click {
            click_id: click.id,
            journey_id: click.journey,
            tenant: self.shop.tenant.clone(),
            advertiser: self.shop.advertiser.clone(),
            campaign: self.campaign.clone(),
            publisher: publisher.clone(),
            link: link.clone(),
            occurred_at: click.at,
            catalog_offset: self.catalog_offset,
            returning: true,
            referrer: None,
            user_agent: None,
            ip_hash: None,
            params: BTreeMap::new(),
            marks: String::new(),
        };
        let key = key::journey(&record.tenant, &record.advertiser, record.journey_id);
        Delivery { topic: Topic::Clicks, key, value: codec::encode(&record) }
    }

    pub fn event(&self, event: &PlannedEvent) -> Delivery {
        let of_event = self.shop.of_event(&event.event_id);
        let of_order = event.order_id.as_deref().map(|order| self.shop.of_order(order));
        let said = format!("{} {:?} {} {} {:?}", event.event_id, event.order_id, event.value, event.currency, event.at);
        let evidence = event.tokens.iter().map(|token| Evidence {
            source: token.source,
            value: token.click.to_string(),
            names: EvidenceNames::Touch,
            click_id: Some(token.click),
            journey_id: Some(token.journey),
            code: None,
            problem: None,
        });
        let record = Event {
            event_id: event.event_id.clone(),
            conversion_id: of_order.unwrap_or(of_event),
            event_conversion_id: of_order.is_some().then_some(of_event),
            tenant: self.shop.tenant.clone(),
            advertiser: self.shop.advertiser.clone(),
            api_key: self.api_key.clone(),
            action: Action::Purchase,
            order_id: event.order_id.clone(),
            value: event.value,
            currency: event.currency,
            occurred_at: event.at,
            received_at: event.received_at,
            clock_ahead_micros: 0,
            customer: None,
            evidence: evidence.collect(),
            landing_url: None,
            referrer: None,
            properties: None,
            payload_hash: PayloadHash(hash_of("chaos payload", &[said.as_bytes()])),
            catalog_offset: self.catalog_offset,
            forwarded_to: None,
            items: Vec::new(),
            refund_of: None,
            to_customer: false,
            tie: None,
            channel: schemas::record::event::Channel::Api,
        };
        Delivery { topic: Topic::Events, key: record.key(), value: codec::encode(&record) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Shop {
        Shop::open().expect("a shop")
    }

    #[test]
    fn a_stream_holds_every_delivery_of_its_plan_and_is_the_same_again() {
        let plan = Plan::new(7, 5000, &shop());
        let stream = || records(&plan, RecordWriter::new(shop(), Offset(30)).expect("names"));
        let all: Vec<Delivery> = stream().collect();
        assert_eq!(all.len() as u64, plan.deliveries);
        assert!(plan.clicks >= 5000 && plan.conversions.len() > 200, "{} conversions", plan.conversions.len());
        assert!(stream().eq(all));
    }
}
