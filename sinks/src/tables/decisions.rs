//! `decisions`: one row per revision, with everything that explains it (P4).

use crate::rows::{Decimal, Position, Table, Uuid, column};
use clickhouse::Row;
use schemas::decimal::{Currency, Ppm};
use schemas::name::{AdvertiserId, CampaignId, PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::decision::{CommandNote, Decision};
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
    #[serde(rename = "shares.contract")]
    shares_contract: Vec<String>,
    #[serde(rename = "shares.contract_version")]
    shares_contract_version: Vec<Option<i32>>,
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
    status: &'static str,
    full_commission: Decimal,
    refunded: Decimal,
    charged_back: Decimal,
    fraud_score: Option<i32>,
    fraud_hold_at: Option<i32>,
    fraud_reject_at: Option<i32>,
    #[serde(rename = "fraud.rule")]
    fraud_rule: Vec<String>,
    #[serde(rename = "fraud.score")]
    fraud_scores: Vec<i32>,
    #[serde(rename = "fraud.measured")]
    fraud_measured: Vec<String>,
    #[serde(rename = "fraud.click_id")]
    fraud_click_id: Vec<Option<Uuid>>,
    command_id: String,
    command_verb: String,
    command_by: String,
    command_why: String,
    command_issued_at: Option<Micros>,
    command_effect: String,
    kafka_partition: i32,
    kafka_offset: i64,
}

impl Table for Decisions {
    const NAME: &'static str = "decisions";
    type Record = Decision;
    type Row = DecisionRow;

    fn rows(decision: Decision, at: Position, rows: &mut Vec<DecisionRow>) {
        let (fraud, command) = (decision.fraud.as_ref(), decision.command.as_ref());
        let findings = fraud.map_or(&[][..], |fraud| &fraud.findings);
        rows.push(DecisionRow {
            conversion_id: decision.conversion_id.0.into(),
            revision: decision.revision,
            tenant: decision.tenant,
            advertiser: decision.advertiser,
            campaign: text(decision.campaign.as_ref()),
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
            contract: text(decision.contract.as_ref()),
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
            shares_contract: column(&decision.shares, |one| text(one.contract.as_ref())),
            shares_contract_version: column(&decision.shares, |one| one.contract_version),
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
            status: decision.status.name(),
            full_commission: decision.full_commission.unwrap_or(decision.commission).into(),
            refunded: decision.refunded.unwrap_or_default().into(),
            charged_back: decision.charged_back.unwrap_or_default().into(),
            fraud_score: fraud.map(|fraud| fraud.score),
            fraud_hold_at: fraud.and_then(|fraud| fraud.hold_at),
            fraud_reject_at: fraud.and_then(|fraud| fraud.reject_at),
            fraud_rule: column(findings, |one| one.rule.clone()),
            fraud_scores: column(findings, |one| one.score),
            fraud_measured: column(findings, |one| one.measured.clone()),
            fraud_click_id: column(findings, |one| one.click_id.map(|id| id.0.into())),
            command_id: said(command, |command| &command.command_id),
            command_verb: said(command, |command| &command.verb),
            command_by: said(command, |command| &command.by),
            command_why: said(command, |command| &command.why),
            command_issued_at: command.map(|command| command.issued_at),
            command_effect: said(command, |command| &command.effect),
            kafka_partition: at.partition,
            kafka_offset: at.offset,
        });
    }
}

fn text<T: ToString>(name: Option<&T>) -> String {
    name.map_or_else(String::new, ToString::to_string)
}

fn said(command: Option<&CommandNote>, what: impl Fn(&CommandNote) -> &String) -> String {
    command.map_or_else(String::new, |command| what(command).clone())
}
