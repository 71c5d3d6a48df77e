//! `decisions`: one row per revision, with everything that explains it (P4).

use crate::rows::{Decimal, Position, Table, Uuid, column};
use clickhouse::Row;
use schemas::decimal::{Currency, Ppm};
use schemas::name::{AdvertiserId, CampaignId, PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::decision::Decision;
use schemas::time::Micros;
use serde::Serialize;

pub(crate) enum Decisions {}

#[derive(Row, Serialize)]
pub(crate) struct DecisionRow {
    conversion_id: Uuid,
    revision: i32,
    tenant: TenantId,
    advertiser: AdvertiserId,
    campaign: String,
    event_id: String,
    order_id: String,
    action: String,
    outcome: &'static str,
    reason: String,
    reason_value: String,
    occurred_at: Micros,
    received_at: Micros,
    value: Decimal,
    currency: Currency,
    contract: String,
    contract_version: Option<i32>,
    paying_model: String,
    commission_rate_ppm: Option<Ppm>,
    platform_share_ppm: Option<Ppm>,
    commission: Decimal,
    payout: Decimal,
    platform_fee: Decimal,
    #[serde(rename = "shares.publisher")]
    shares_publisher: Vec<PublisherId>,
    #[serde(rename = "shares.commission")]
    shares_commission: Vec<Decimal>,
    #[serde(rename = "shares.payout")]
    shares_payout: Vec<Decimal>,
    #[serde(rename = "shares.platform_fee")]
    shares_platform_fee: Vec<Decimal>,
    arithmetic: String,
    #[serde(rename = "evidence.source")]
    evidence_source: Vec<String>,
    #[serde(rename = "evidence.value")]
    evidence_value: Vec<String>,
    #[serde(rename = "evidence.event_id")]
    evidence_event_id: Vec<String>,
    #[serde(rename = "evidence.used")]
    evidence_used: Vec<bool>,
    #[serde(rename = "evidence.reason")]
    evidence_reason: Vec<String>,
    #[serde(rename = "evidence.measured")]
    evidence_measured: Vec<String>,
    #[serde(rename = "touches.click_id")]
    touches_click_id: Vec<Option<Uuid>>,
    #[serde(rename = "touches.journey_id")]
    touches_journey_id: Vec<Option<Uuid>>,
    #[serde(rename = "touches.occurred_at")]
    touches_occurred_at: Vec<Micros>,
    #[serde(rename = "touches.campaign")]
    touches_campaign: Vec<CampaignId>,
    #[serde(rename = "touches.publisher")]
    touches_publisher: Vec<PublisherId>,
    #[serde(rename = "touches.link")]
    touches_link: Vec<String>,
    #[serde(rename = "touches.kept")]
    touches_kept: Vec<bool>,
    #[serde(rename = "touches.reason")]
    touches_reason: Vec<String>,
    #[serde(rename = "touches.value")]
    touches_value: Vec<String>,
    touches_not_listed: i64,
    #[serde(rename = "deliveries.event_id")]
    deliveries_event_id: Vec<String>,
    #[serde(rename = "deliveries.reason")]
    deliveries_reason: Vec<String>,
    #[serde(rename = "deliveries.value")]
    deliveries_value: Vec<String>,
    clock_ahead_micros: i64,
    catalog_offset: Offset,
    same_as: Option<Uuid>,
    kafka_partition: i32,
    kafka_offset: i64,
}

impl Table for Decisions {
    const NAME: &'static str = "decisions";
    type Record = Decision;
    type Row = DecisionRow;

    fn rows(decision: Decision, at: Position, rows: &mut Vec<DecisionRow>) {
        rows.push(DecisionRow {
            conversion_id: decision.conversion_id.0.into(),
            revision: decision.revision,
            tenant: decision.tenant,
            advertiser: decision.advertiser,
            campaign: decision.campaign.map_or_else(String::new, |campaign| campaign.to_string()),
            event_id: decision.event_id,
            order_id: decision.order_id.unwrap_or_default(),
            action: decision.action,
            outcome: decision.outcome.name(),
            reason: decision.reason,
            reason_value: decision.reason_value,
            occurred_at: decision.occurred_at,
            received_at: decision.received_at,
            value: decision.value.into(),
            currency: decision.currency,
            contract: decision.contract.map_or_else(String::new, |contract| contract.to_string()),
            contract_version: decision.contract_version,
            paying_model: decision.paying_model.unwrap_or_default(),
            commission_rate_ppm: decision.commission_rate_ppm,
            platform_share_ppm: decision.platform_share_ppm,
            commission: decision.commission.into(),
            payout: decision.payout.into(),
            platform_fee: decision.platform_fee.into(),
            shares_publisher: column(&decision.shares, |one| one.publisher.clone()),
            shares_commission: column(&decision.shares, |one| one.commission.into()),
            shares_payout: column(&decision.shares, |one| one.payout.into()),
            shares_platform_fee: column(&decision.shares, |one| one.platform_fee.into()),
            arithmetic: decision.arithmetic,
            evidence_source: column(&decision.evidence, |one| one.source.clone()),
            evidence_value: column(&decision.evidence, |one| one.value.clone()),
            evidence_event_id: column(&decision.evidence, |one| one.event_id.clone()),
            evidence_used: column(&decision.evidence, |one| one.used),
            evidence_reason: column(&decision.evidence, |one| one.reason.clone()),
            evidence_measured: column(&decision.evidence, |one| one.measured.clone()),
            touches_click_id: column(&decision.touches, |one| one.click_id.map(|id| id.0.into())),
            touches_journey_id: column(&decision.touches, |one| one.journey_id.map(|id| id.0.into())),
            touches_occurred_at: column(&decision.touches, |one| one.occurred_at),
            touches_campaign: column(&decision.touches, |one| one.campaign.clone()),
            touches_publisher: column(&decision.touches, |one| one.publisher.clone()),
            touches_link: column(&decision.touches, |one| one.link.clone()),
            touches_kept: column(&decision.touches, |one| one.kept),
            touches_reason: column(&decision.touches, |one| one.reason.clone()),
            touches_value: column(&decision.touches, |one| one.value.clone()),
            touches_not_listed: decision.touches_not_listed,
            deliveries_event_id: column(&decision.deliveries, |one| one.event_id.clone()),
            deliveries_reason: column(&decision.deliveries, |one| one.reason.clone()),
            deliveries_value: column(&decision.deliveries, |one| one.value.clone()),
            clock_ahead_micros: decision.clock_ahead_micros,
            catalog_offset: decision.catalog_offset,
            same_as: decision.same_as.map(|id| id.0.into()),
            kafka_partition: at.partition,
            kafka_offset: at.offset,
        });
    }
}
