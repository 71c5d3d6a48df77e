//! The commands that look at history: arguments in, texts out.

use crate::Error;
use crate::explain::{self, Explained, Wanted};
use clap::Args;
use kafka::KafkaConfig;
use schemas::id::ConversionId;
use schemas::name::{AdvertiserId, TenantId};
use sinks::ClickHouseConfig;
use sinks::look_up::LookUp;

/// Say why somebody is paid for a conversion, or nobody is
///
/// Finds it in ClickHouse and reads the decision and the journal entries themselves from Kafka.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// An order's, a conversion's or an event's id
    #[arg(value_name = "ORDER|CONVERSION")]
    name: String,
    /// Whose, where several advertisers have one of that name
    #[arg(long, value_parser = |text: &str| AdvertiserId::new(text).map_err(|bad| bad.to_string()))]
    advertiser: Option<AdvertiserId>,
    #[arg(long, value_parser = |text: &str| TenantId::new(text).map_err(|bad| bad.to_string()))]
    tenant: Option<TenantId>,
    /// The records themselves
    #[arg(long)]
    json: bool,
    /// Do without ClickHouse: read topics decisions and journal whole
    #[arg(long)]
    scan: bool,
}

impl ExplainArgs {
    /// Whether ClickHouse is asked.
    pub fn asks_clickhouse(&self) -> bool {
        !self.scan
    }

    /// What there is to print.
    pub fn execute(self, kafka: &KafkaConfig, clickhouse: Option<&ClickHouseConfig>) -> Result<String, Error> {
        let index = clickhouse.map(LookUp::open).transpose().map_err(Error::Index)?;
        let wanted = Wanted { name: plain(&self.name), advertiser: self.advertiser, tenant: self.tenant };
        let Explained { decision, entries } = explain::explain(kafka, index.as_ref(), &wanted)?;
        if self.json {
            let records = serde_json::json!({ "decision": decision, "entries": entries });
            return Ok(format!("{records:#}\n"));
        }
        Ok(domain::explanation::text(&decision, &entries))
    }
}

/// A conversion's id as UUIDs are written, without its hyphens; anything else as it is.
fn plain(name: &str) -> String {
    let bare = name.replace('-', "").to_ascii_lowercase();
    if name.len() == 36 && bare.parse::<ConversionId>().is_ok() { bare } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_loses_its_hyphens_and_an_order_keeps_them() {
        for (name, expected) in [
            ("3d03efed-0721-8e72-b019-4e15d1046298", "3d03efed07218e72b0194e15d1046298"),
            ("O-1", "O-1"),
            ("2026-11-21-0001-0002-0003-0004-abcdef", "2026-11-21-0001-0002-0003-0004-abcdef"),
        ] {
            assert_eq!(plain(name), expected);
        }
    }
}
