//! `events`: one row per event as delivered. What join forwarded to another journey is the same delivery again and is
//! passed over.

use crate::rows::{Decimal, Position, Table, Uuid, column};
use clickhouse::Row;
use schemas::decimal::Currency;
use schemas::name::{AdvertiserId, ApiKeyId, TenantId};
use schemas::offset::Offset;
use schemas::record::event::{Event, EvidenceNames};
use schemas::time::Micros;
use serde::Serialize;

pub(crate) enum Events {}

#[derive(Row, Serialize)]
pub(crate) struct EventRow {
    event_id: String,
    conversion_id: Uuid,
    event_conversion_id: Option<Uuid>,
    tenant: TenantId,
    advertiser: AdvertiserId,
    api_key: ApiKeyId,
    action: &'static str,
    order_id: String,
    value: Decimal,
    currency: Currency,
    occurred_at: Micros,
    received_at: Micros,
    clock_ahead_micros: i64,
    customer: Option<Uuid>,
    #[serde(rename = "evidence.source")]
    evidence_source: Vec<&'static str>,
    #[serde(rename = "evidence.value")]
    evidence_value: Vec<String>,
    #[serde(rename = "evidence.names")]
    evidence_names: Vec<&'static str>,
    #[serde(rename = "evidence.click_id")]
    evidence_click_id: Vec<Option<Uuid>>,
    #[serde(rename = "evidence.journey_id")]
    evidence_journey_id: Vec<Option<Uuid>>,
    #[serde(rename = "evidence.code")]
    evidence_code: Vec<String>,
    #[serde(rename = "evidence.problem")]
    evidence_problem: Vec<String>,
    landing_url: String,
    referrer: String,
    properties: String,
    #[serde(rename = "items.sku")]
    items_sku: Vec<String>,
    #[serde(rename = "items.category")]
    items_category: Vec<String>,
    #[serde(rename = "items.quantity")]
    items_quantity: Vec<i32>,
    #[serde(rename = "items.value")]
    items_value: Vec<Decimal>,
    refund_of: String,
    payload_hash: Uuid,
    catalog_offset: Offset,
    kafka_partition: i32,
    kafka_offset: i64,
}

impl Table for Events {
    const NAME: &'static str = "events";
    type Record = Event;
    type Row = EventRow;

    fn rows(event: Event, at: Position, rows: &mut Vec<EventRow>) {
        if event.is_copy() {
            return;
        }
        rows.push(EventRow {
            event_id: event.event_id,
            conversion_id: event.conversion_id.0.into(),
            event_conversion_id: event.event_conversion_id.map(|id| id.0.into()),
            tenant: event.tenant,
            advertiser: event.advertiser,
            api_key: event.api_key,
            action: event.action.name(),
            order_id: event.order_id.unwrap_or_default(),
            value: event.value.into(),
            currency: event.currency,
            occurred_at: event.occurred_at,
            received_at: event.received_at,
            clock_ahead_micros: event.clock_ahead_micros,
            customer: event.customer.map(|id| id.0.into()),
            evidence_source: column(&event.evidence, |one| one.source.name()),
            evidence_value: column(&event.evidence, |one| one.value.clone()),
            evidence_names: column(&event.evidence, |one| names(one.names)),
            evidence_click_id: column(&event.evidence, |one| one.click_id.map(|id| id.0.into())),
            evidence_journey_id: column(&event.evidence, |one| one.journey_id.map(|id| id.0.into())),
            evidence_code: column(&event.evidence, |one| one.code.clone().unwrap_or_default()),
            evidence_problem: column(&event.evidence, |one| one.problem.clone().unwrap_or_default()),
            landing_url: event.landing_url.unwrap_or_default(),
            referrer: event.referrer.unwrap_or_default(),
            properties: event.properties.unwrap_or_default(),
            items_sku: column(&event.items, |one| one.sku.clone()),
            items_category: column(&event.items, |one| one.category.clone().unwrap_or_default()),
            items_quantity: column(&event.items, |one| one.quantity),
            items_value: column(&event.items, |one| one.value.into()),
            refund_of: event.refund_of.unwrap_or_default(),
            payload_hash: event.payload_hash.0.into(),
            catalog_offset: event.catalog_offset,
            kafka_partition: at.partition,
            kafka_offset: at.offset,
        });
    }
}

fn names(names: EvidenceNames) -> &'static str {
    match names {
        EvidenceNames::Touch => "touch",
        EvidenceNames::Link => "link",
        EvidenceNames::Coupon => "coupon",
        EvidenceNames::Nothing => "nothing",
    }
}
