//! A visit's records as an edge would write them, under the names of history/catalog.yaml.

use super::adjustment::Adjustment;
use crate::chaos::chance::Chance;
use crate::chaos::stream::Delivery;
use crate::chaos::visit::{PUBLISHERS, PlannedClick, PlannedEvent, Visit};
use schemas::codec;
use schemas::decimal::{Amount, Currency};
use schemas::id::{ConversionId, PayloadHash, hash_of};
use schemas::key;
use schemas::name::{AdvertiserId, ApiKeyId, BadName, CampaignId, LinkCode, PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::click::Click;
use schemas::record::event::{Action, Event, Evidence, EvidenceNames, EvidenceSource};
use schemas::time::Micros;
use schemas::topic::Topic;
use std::collections::BTreeMap;

const CAMPAIGNS: [&str; 8] = ["last", "first", "linear", "flat", "bounded", "approved", "decay", "linear-own"];
/// Told apart from the visits' own chances.
const PURPOSE: u64 = 0x7265_636f_7264;

pub struct RecordWriter {
    tenant: TenantId,
    advertiser: AdvertiserId,
    api_key: ApiKeyId,
    campaigns: Vec<CampaignId>,
    publishers: Vec<PublisherId>,
    /// By campaign, then publisher.
    links: Vec<Vec<LinkCode>>,
    catalog_offset: Offset,
}

impl RecordWriter {
    /// `catalog_offset`: what an edge would have read.
    pub fn new(catalog_offset: Offset) -> Result<RecordWriter, BadName> {
        let publishers = || (0..PUBLISHERS).map(|number| format!("p{number}"));
        let links = |campaign: &&str| publishers().map(|of| LinkCode::new(&format!("{of}-{campaign}"))).collect();
        Ok(RecordWriter {
            tenant: TenantId::new("history")?,
            advertiser: AdvertiserId::new("season")?,
            api_key: ApiKeyId::new("season-server")?,
            campaigns: CAMPAIGNS.iter().map(|name| CampaignId::new(name)).collect::<Result<_, _>>()?,
            publishers: publishers().map(|name| PublisherId::new(&name)).collect::<Result<_, _>>()?,
            links: CAMPAIGNS.iter().map(links).collect::<Result<_, _>>()?,
            catalog_offset,
        })
    }

    /// Each with when it arrives.
    pub fn deliveries(
        &self,
        seed: u64,
        number: u64,
        visit: &Visit,
        adjustments: &[Adjustment],
    ) -> Vec<(u64, Delivery)> {
        let mut chance = Chance::new(seed ^ PURPOSE, number);
        let mut deliveries = Vec::new();
        let mut add = |arrives: &[u64], delivery: Delivery| {
            deliveries.extend(arrives.iter().map(|after| (*after, delivery.clone())));
        };
        // What the audit does not recompute is rare, so that it has something to say and not much to leave out.
        let campaign = match chance.within(0..40) {
            39 => 7,
            38 => 6,
            other => (other as usize * 6 / 38).min(5),
        };
        // Now and then a journey passes links of several campaigns.
        let mixed = chance.percent(8);
        for click in &visit.clicks {
            let campaign = if mixed { chance.place(6) } else { campaign };
            add(&click.arrives, self.click(click, campaign));
        }
        // Of an event id always the same, so that a repeat of it stays one.
        let mut beside: BTreeMap<&str, Option<Evidence>> = BTreeMap::new();
        for event in &visit.events {
            let more = beside.entry(&event.event_id).or_insert_with(|| self.beside(&mut chance, campaign)).clone();
            add(&event.arrives, self.sale(event, more));
        }
        for adjustment in adjustments {
            add(&adjustment.arrives, self.adjustment(adjustment));
        }
        deliveries
    }

    /// A code beside the token: a link's, a publisher's coupon, a generic one, one that is unknown.
    fn beside(&self, chance: &mut Chance, campaign: usize) -> Option<Evidence> {
        let (source, names, code) = match chance.within(0..40) {
            0 | 1 => {
                (EvidenceSource::Coupon, EvidenceNames::Coupon, format!("OWN-{}", CAMPAIGNS[campaign].to_uppercase()))
            }
            2 => (EvidenceSource::Coupon, EvidenceNames::Coupon, "FREESHIP".into()),
            3 => (EvidenceSource::Coupon, EvidenceNames::Coupon, "SPRING".into()),
            4 => (EvidenceSource::RefCode, EvidenceNames::Link, "nobody-knows".into()),
            5..8 => {
                let links = &self.links[campaign];
                (EvidenceSource::RefCode, EvidenceNames::Link, links[chance.place(links.len())].to_string())
            }
            _ => return None,
        };
        let value = code.clone();
        Some(Evidence { source, value, names, click_id: None, journey_id: None, code: Some(code), problem: None })
    }

    fn click(&self, click: &PlannedClick, campaign: usize) -> Delivery {
        let publisher = usize::from(click.publisher);
        let record = Click {
            click_id: click.id,
            journey_id: click.journey,
            tenant: self.tenant.clone(),
            advertiser: self.advertiser.clone(),
            campaign: self.campaigns[campaign].clone(),
            publisher: self.publishers[publisher].clone(),
            link: self.links[campaign][publisher].clone(),
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

    fn sale(&self, event: &PlannedEvent, beside: Option<Evidence>) -> Delivery {
        let tokens = event.tokens.iter().map(|token| Evidence {
            source: token.source,
            value: token.click.to_string(),
            names: EvidenceNames::Touch,
            click_id: Some(token.click),
            journey_id: Some(token.journey),
            code: None,
            problem: None,
        });
        let mut evidence: Vec<Evidence> = tokens.chain(beside).collect();
        // As the edge writes it, by strength.
        evidence.sort_by_key(|one| EvidenceSource::DEFAULT_ORDER.iter().position(|source| *source == one.source));
        let of_order = event.order_id.as_deref().map(|order| self.of_order(order));
        let of_event = self.of_event(&event.event_id);
        self.event(Event {
            evidence,
            order_id: event.order_id.clone(),
            conversion_id: of_order.unwrap_or(of_event),
            event_conversion_id: of_order.is_some().then_some(of_event),
            ..self.bare(Action::Purchase, &event.event_id, (event.value, event.currency), event.at, event.received_at)
        })
    }

    fn adjustment(&self, adjustment: &Adjustment) -> Delivery {
        let Adjustment { action, event_id, of, value, currency, at, received_at, .. } = adjustment;
        let of_order = of.order_id.as_deref().map(|order| self.of_order(order));
        let of_event = of.event_id.as_deref().map(|event| self.of_event(event));
        self.event(Event {
            order_id: of.order_id.clone(),
            refund_of: of.event_id.clone(),
            conversion_id: of_order.or(of_event).unwrap_or_default(),
            event_conversion_id: of_order.and(of_event),
            ..self.bare(*action, event_id, (*value, *currency), *at, *received_at)
        })
    }

    fn bare(
        &self,
        action: Action,
        event_id: &str,
        (value, currency): (Amount, Currency),
        at: Micros,
        received_at: Micros,
    ) -> Event {
        Event {
            event_id: event_id.into(),
            conversion_id: ConversionId::default(),
            event_conversion_id: None,
            tenant: self.tenant.clone(),
            advertiser: self.advertiser.clone(),
            api_key: self.api_key.clone(),
            action,
            order_id: None,
            value,
            currency,
            occurred_at: at,
            received_at,
            clock_ahead_micros: 0,
            customer: None,
            evidence: Vec::new(),
            landing_url: None,
            referrer: None,
            properties: None,
            payload_hash: PayloadHash::default(),
            catalog_offset: self.catalog_offset,
            forwarded_to: None,
            to_customer: false,
            tie: None,
            channel: schemas::record::event::Channel::Api,
            items: Vec::new(),
            refund_of: None,
        }
    }

    fn event(&self, mut event: Event) -> Delivery {
        let Event { action, event_id, order_id, refund_of, value, currency, occurred_at, .. } = &event;
        let said =
            format!("{} {event_id} {order_id:?} {refund_of:?} {value} {currency} {occurred_at:?}", action.name());
        event.payload_hash = PayloadHash(hash_of("history payload", &[said.as_bytes()]));
        Delivery { topic: Topic::Events, key: event.key(), value: codec::encode(&event) }
    }

    fn of_event(&self, event_id: &str) -> ConversionId {
        ConversionId::of_event(&self.tenant, &self.advertiser, event_id)
    }

    fn of_order(&self, order_id: &str) -> ConversionId {
        ConversionId::of_order(&self.tenant, &self.advertiser, order_id)
    }
}
