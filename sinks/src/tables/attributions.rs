//! `attributions`: one row per credit, with its record's sign.

use crate::rows::{Decimal, Position, Table, Uuid};
use clickhouse::Row;
use schemas::decimal::Currency;
use schemas::name::{AdvertiserId, CampaignId, PublisherId, TenantId};
use schemas::record::attribution::Attribution;
use schemas::time::Micros;
use serde::Serialize;

pub(crate) enum Attributions {}

#[derive(Row, Serialize)]
pub(crate) struct AttributionRow {
    conversion_id: Uuid,
    revision: i32,
    sign: i8,
    model: &'static str,
    click_id: Option<Uuid>,
    touch_at: Micros,
    tenant: TenantId,
    advertiser: AdvertiserId,
    campaign: CampaignId,
    publisher: PublisherId,
    link: String,
    action: String,
    occurred_at: Micros,
    value: Decimal,
    currency: Currency,
    credit: Decimal,
    attributed_value: Decimal,
    kafka_partition: i32,
    kafka_offset: i64,
    /// The credit's place in its record.
    kafka_row: u32,
}

impl Table for Attributions {
    const NAME: &'static str = "attributions";
    type Record = Attribution;
    type Row = AttributionRow;

    fn rows(attribution: Attribution, at: Position, rows: &mut Vec<AttributionRow>) {
        rows.extend((0..).zip(attribution.credits).map(|(kafka_row, credit)| AttributionRow {
            conversion_id: attribution.conversion_id.0.into(),
            revision: attribution.revision,
            sign: if attribution.sign < 0 { -1 } else { 1 },
            model: credit.model.name(),
            click_id: credit.click_id.map(|id| id.0.into()),
            touch_at: credit.touch_at,
            tenant: attribution.tenant.clone(),
            advertiser: attribution.advertiser.clone(),
            campaign: credit.campaign,
            publisher: attribution.publisher.clone(),
            link: credit.link,
            action: attribution.action.clone(),
            occurred_at: attribution.occurred_at,
            value: attribution.value.into(),
            currency: attribution.currency,
            credit: credit.credit.into(),
            attributed_value: credit.attributed_value.into(),
            kafka_partition: at.partition,
            kafka_offset: at.offset,
            kafka_row,
        }));
    }
}
