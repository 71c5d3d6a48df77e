//! From a topic's records to rows of its table: what every table module says about itself, and the batch that holds
//! its rows until they are inserted.

use crate::config::BLOCK_ROWS;
use crate::held::Count;
use clickhouse::{Client, RowOwned};
use schemas::codec::{self, DecodeError, Record};
use schemas::decimal::Fixed;
use serde::{Serialize, Serializer};
use std::collections::HashSet;
use std::pin::Pin;
use std::time::Duration;

/// Where a record stands; in every row, so that the audit can count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    pub partition: i32,
    pub offset: i64,
}

/// One topic's table.
pub(crate) trait Table: 'static {
    const NAME: &'static str;
    /// Whether every row that is inserted stays; not where the engine merges equal ones.
    const KEEPS_ALL: bool = true;
    type Record: Record;
    type Row: RowOwned + Serialize + Send + Sync;

    /// None for a record of another kind, which has no rows here.
    fn read(value: &[u8]) -> Result<Option<Self::Record>, DecodeError> {
        codec::decode(value).map(Some)
    }

    /// A function of its arguments alone: a replayed range must give the same rows.
    fn rows(record: Self::Record, at: Position, rows: &mut Vec<Self::Row>);
}

pub(crate) type Inserting<'a> = Pin<Box<dyn Future<Output = Result<(), clickhouse::error::Error>> + Send + 'a>>;

/// Rows of some table, for one insert.
pub(crate) trait Rows: Send + Sync {
    fn table(&self) -> &'static str;

    fn len(&self) -> usize;

    fn keeps_all(&self) -> bool;

    /// The records that have rows, in order.
    fn records(&self) -> &[Count];

    /// Adds the rows of a record, none or many.
    fn add(&mut self, value: &[u8], at: Position) -> Result<(), DecodeError>;

    /// Inserts the rows of all records but those `there`, as one block under `token`.
    fn insert<'a>(&'a self, client: &'a Client, token: &'a str, there: &'a HashSet<i64>) -> Inserting<'a>;
}

struct RowsOf<T: Table> {
    rows: Vec<T::Row>,
    records: Vec<Count>,
}

pub(crate) fn empty<T: Table>() -> Box<dyn Rows> {
    Box::new(RowsOf::<T> { rows: Vec::new(), records: Vec::new() })
}

impl<T: Table> Rows for RowsOf<T> {
    fn table(&self) -> &'static str {
        T::NAME
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn keeps_all(&self) -> bool {
        T::KEEPS_ALL
    }

    fn records(&self) -> &[Count] {
        &self.records
    }

    fn add(&mut self, value: &[u8], at: Position) -> Result<(), DecodeError> {
        let Some(record) = T::read(value)? else { return Ok(()) };
        let before = self.rows.len();
        T::rows(record, at, &mut self.rows);
        let rows = self.rows.len() - before;
        if rows > 0 {
            self.records.push((at.offset, rows as u64));
        }
        Ok(())
    }

    fn insert<'a>(&'a self, client: &'a Client, token: &'a str, there: &'a HashSet<i64>) -> Inserting<'a> {
        let offsets = self.records.iter().flat_map(|(offset, rows)| std::iter::repeat_n(*offset, *rows as usize));
        let missing = self.rows.iter().zip(offsets).filter(|(_, offset)| !there.contains(offset)).map(|(row, _)| row);
        Box::pin(insert_block::<T::Row>(client, T::NAME, missing, token))
    }
}

/// A server that says nothing for so long is as good as away; the insert is repeated under its token.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
const END_TIMEOUT: Duration = Duration::from_secs(120);

async fn insert_block<'a, R: RowOwned + Serialize + Sync>(
    client: &Client,
    table: &str,
    rows: impl Iterator<Item = &'a R>,
    token: &str,
) -> Result<(), clickhouse::error::Error> {
    let mut insert = exactly_once(client, token).insert::<R>(table).await?;
    insert = insert.with_timeouts(Some(SEND_TIMEOUT), Some(END_TIMEOUT));
    for row in rows {
        insert.write(row).await?;
    }
    insert.end().await
}

/// The settings under which a repeated insert changes nothing.
fn exactly_once(client: &Client, token: &str) -> Client {
    let block_rows = BLOCK_ROWS.to_string();
    client
        .clone()
        // On by default since 26.3; it batches on the server and deduplicates otherwise.
        .with_setting("async_insert", "0")
        .with_setting("insert_deduplicate", "1")
        .with_setting("insert_deduplication_token", token)
        // The same rows in other blocks are other rows to ClickHouse: all of an insert is one block.
        .with_setting("max_insert_block_size", &block_rows)
        .with_setting("min_insert_block_size_rows", &block_rows)
        .with_setting("min_insert_block_size_bytes", "0")
        // An error after the head of the answer would look like success.
        .with_setting("wait_end_of_query", "1")
        // Records of a hundred months in one range are strange, but no reason to stall.
        .with_setting("throw_on_max_partitions_per_insert_block", "0")
}

/// One column of a `Nested` list.
pub(crate) fn column<T, C>(list: &[T], of: impl Fn(&T) -> C) -> Vec<C> {
    list.iter().map(of).collect()
}

/// A 16-byte id as ClickHouse's `UUID`: two little-endian halves, the higher first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct Uuid((u64, u64));

impl From<[u8; 16]> for Uuid {
    fn from(bytes: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(bytes);
        Uuid(((number >> 64) as u64, number as u64))
    }
}

/// A decimal as ClickHouse's `Decimal(38, _)`: the whole number of its last place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct Decimal(i128);

impl<const SCALE: u32> From<Fixed<SCALE>> for Decimal {
    fn from(value: Fixed<SCALE>) -> Self {
        Decimal(value.0)
    }
}

/// Bytes as ClickHouse's `String`, which may hold any.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Blob(pub Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}
