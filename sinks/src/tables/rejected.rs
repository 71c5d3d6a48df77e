//! `rejected`: one row per redirect or event that was not counted or accepted.

use crate::rows::{Position, Table, Uuid};
use clickhouse::Row;
use schemas::name::TenantId;
use schemas::offset::Offset;
use schemas::record::rejected::{Rejected, RejectedWhat};
use schemas::time::Micros;
use serde::Serialize;

pub(crate) enum RejectedTable {}

#[derive(Row, Serialize)]
pub(crate) struct RejectedRow {
    rejected_id: Uuid,
    what: &'static str,
    tenant: TenantId,
    advertiser: String,
    link: String,
    event_id: String,
    reason: String,
    value: String,
    occurred_at: Micros,
    user_agent: String,
    catalog_offset: Offset,
    kafka_partition: i32,
    kafka_offset: i64,
}

impl Table for RejectedTable {
    const NAME: &'static str = "rejected";
    type Record = Rejected;
    type Row = RejectedRow;

    fn rows(rejected: Rejected, at: Position, rows: &mut Vec<RejectedRow>) {
        rows.push(RejectedRow {
            rejected_id: rejected.rejected_id.0.into(),
            what: match rejected.what {
                RejectedWhat::Click => "click",
                RejectedWhat::Event => "event",
            },
            tenant: rejected.tenant,
            advertiser: rejected.advertiser.map_or_else(String::new, |advertiser| advertiser.to_string()),
            link: rejected.link.unwrap_or_default(),
            event_id: rejected.event_id.unwrap_or_default(),
            reason: rejected.reason,
            value: rejected.value,
            occurred_at: rejected.occurred_at,
            user_agent: rejected.user_agent.unwrap_or_default(),
            catalog_offset: rejected.catalog_offset,
            kafka_partition: at.partition,
            kafka_offset: at.offset,
        });
    }
}
