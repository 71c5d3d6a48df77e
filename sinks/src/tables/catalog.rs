//! `catalog`: one row per version of an entity, its body as JSON.

use crate::rows::{Position, Table};
use clickhouse::Row;
use schemas::name::TenantId;
use schemas::record::catalog::{CatalogEntry, EntityKind};
use schemas::time::Micros;
use serde::Serialize;
use serde_json::json;

pub(crate) enum Catalog {}

#[derive(Row, Serialize)]
pub(crate) struct CatalogRow {
    kind: &'static str,
    tenant: TenantId,
    id: String,
    version: i32,
    effective_from: Micros,
    applied_at: Micros,
    body: String,
    kafka_partition: i32,
    kafka_offset: i64,
}

impl Table for Catalog {
    const NAME: &'static str = "catalog";
    type Record = CatalogEntry;
    type Row = CatalogRow;

    fn rows(entry: CatalogEntry, at: Position, rows: &mut Vec<CatalogRow>) {
        rows.push(CatalogRow {
            kind: entry.kind.name(),
            body: body(&entry).to_string(),
            tenant: entry.tenant,
            id: entry.id,
            version: entry.version,
            effective_from: entry.effective_from,
            applied_at: entry.applied_at,
            kafka_partition: at.partition,
            kafka_offset: at.offset,
        });
    }
}

fn body(entry: &CatalogEntry) -> serde_json::Value {
    match entry.kind {
        EntityKind::Installation => json!(entry.installation),
        EntityKind::Advertiser => json!(entry.advertiser),
        EntityKind::Campaign => json!(entry.campaign),
        EntityKind::Publisher => json!(entry.publisher),
        EntityKind::Link => json!(entry.link),
        EntityKind::Coupon => json!(entry.coupon),
        EntityKind::Contract => json!(entry.contract),
        EntityKind::Override => json!(entry.exception),
        EntityKind::BudgetPassed => json!(entry.budget_passed),
        // The hash is what the edge checks a key by: nothing for those who read statistics.
        EntityKind::ApiKey => {
            json!(entry.api_key.as_ref().map(|key| {
                json!({
                    "advertiser": key.advertiser,
                    "active": key.active,
                    "use": key.usage.name(),
                    "signed": key.signed,
                })
            }))
        }
    }
}
