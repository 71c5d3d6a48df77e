//! `clicks`: one row per counted redirect.

use crate::rows::{Position, Table, Uuid};
use clickhouse::Row;
use schemas::name::{AdvertiserId, CampaignId, LinkCode, PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::click::Click;
use schemas::time::Micros;
use serde::Serialize;
use std::collections::BTreeMap;

pub(crate) enum Clicks {}

#[derive(Row, Serialize)]
pub(crate) struct ClickRow {
    click_id: Uuid,
    journey_id: Uuid,
    tenant: TenantId,
    advertiser: AdvertiserId,
    campaign: CampaignId,
    publisher: PublisherId,
    link: LinkCode,
    occurred_at: Micros,
    returning: bool,
    referrer: String,
    user_agent: String,
    ip_hash: Option<Uuid>,
    params: BTreeMap<String, String>,
    marks: String,
    catalog_offset: Offset,
    kafka_partition: i32,
    kafka_offset: i64,
}

impl Table for Clicks {
    const NAME: &'static str = "clicks";
    type Record = Click;
    type Row = ClickRow;

    fn rows(click: Click, at: Position, rows: &mut Vec<ClickRow>) {
        rows.push(ClickRow {
            click_id: click.click_id.0.into(),
            journey_id: click.journey_id.0.into(),
            tenant: click.tenant,
            advertiser: click.advertiser,
            campaign: click.campaign,
            publisher: click.publisher,
            link: click.link,
            occurred_at: click.occurred_at,
            returning: click.returning,
            referrer: click.referrer.unwrap_or_default(),
            user_agent: click.user_agent.unwrap_or_default(),
            ip_hash: click.ip_hash.map(|hash| hash.0.into()),
            params: click.params,
            marks: click.marks,
            catalog_offset: click.catalog_offset,
            kafka_partition: at.partition,
            kafka_offset: at.offset,
        });
    }
}
