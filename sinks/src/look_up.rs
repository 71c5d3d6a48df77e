//! Where a conversion's records stand in Kafka, asked of the tables: an index into the log, and how far it reaches.

use crate::config::ClickHouseConfig;
use crate::error::Error;
use clickhouse::{Client, Row};
use schemas::id::ConversionId;
use schemas::offset::Offset;
use serde::Deserialize;

/// More conversions of one order id than anybody picks from.
const CONVERSIONS: usize = 100;

/// The place of one record in its topic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Found {
    pub partition: i32,
    pub offset: Offset,
}

#[derive(Row, Deserialize)]
struct FoundRow {
    at_partition: i32,
    at_offset: i64,
}

/// Tables that have a record's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Indexed {
    Decisions,
    Journal,
}

/// Asks ClickHouse, one question after the other; blocks.
pub struct LookUp {
    client: Client,
    runtime: tokio::runtime::Runtime,
}

impl LookUp {
    /// # Errors
    /// A configuration that does not fit. That ClickHouse is away tells the first question.
    pub fn open(config: &ClickHouseConfig) -> Result<LookUp, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Thread)?;
        Ok(LookUp { client: config.client()?, runtime })
    }

    /// The current decisions of conversions whose order, event or own id this is or ever was.
    pub fn decisions(&self, name: &str) -> Result<Vec<Found>, Error> {
        // The zero id is nobody's.
        let id = name.parse::<ConversionId>().map_or([0; 16], |id| id.0);
        let sql = format!(
            "SELECT argMax(kafka_partition, revision) AS at_partition, argMax(kafka_offset, revision) AS at_offset
             FROM decisions WHERE conversion_id IN (
                 SELECT conversion_id FROM decisions WHERE order_id = ? OR event_id = ? OR conversion_id = toUUID(?))
             GROUP BY tenant, advertiser, conversion_id LIMIT {CONVERSIONS}"
        );
        self.ask("looking for a conversion", self.client.query(&sql).bind(name).bind(name).bind(hyphenated(id)))
    }

    /// Its journal entries.
    pub fn entries(&self, conversion: ConversionId) -> Result<Vec<Found>, Error> {
        let sql = "SELECT DISTINCT kafka_partition AS at_partition, kafka_offset AS at_offset
                   FROM journal WHERE conversion_id = toUUID(?)";
        self.ask("looking for journal entries", self.client.query(sql).bind(hyphenated(conversion.0)))
    }

    /// The last record of each partition that a table has; partitions that it has nothing of are left out.
    pub fn loaded(&self, table: Indexed) -> Result<Vec<Found>, Error> {
        let sql = match table {
            Indexed::Decisions => {
                "SELECT kafka_partition AS at_partition, max(kafka_offset) AS at_offset FROM decisions GROUP BY at_partition"
            }
            Indexed::Journal => {
                "SELECT kafka_partition AS at_partition, max(kafka_offset) AS at_offset FROM journal GROUP BY at_partition"
            }
        };
        self.ask("asking how far a table reaches", self.client.query(sql))
    }

    fn ask(&self, doing: &str, query: clickhouse::query::Query) -> Result<Vec<Found>, Error> {
        let rows = self.runtime.block_on(query.fetch_all::<FoundRow>());
        let rows = rows.map_err(|source| Error::ClickHouse { doing: doing.to_owned(), source })?;
        Ok(rows.into_iter().map(|row| Found { partition: row.at_partition, offset: Offset(row.at_offset) }).collect())
    }
}

/// As ClickHouse reads a UUID.
fn hyphenated(id: [u8; 16]) -> String {
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_written_as_clickhouse_reads_it() {
        let id = [0x3d, 3, 0xef, 0xed, 7, 0x21, 0x8e, 0x72, 0xb0, 0x19, 0x4e, 0x15, 0xd1, 4, 0x62, 0x98];
        assert_eq!(hyphenated(id), "3d03efed-0721-8e72-b019-4e15d1046298");
    }
}
