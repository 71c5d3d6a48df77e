//! The Confluent wire format: 0x00, a 4-byte big-endian schema id, an Avro body.
//!
//! Ids come from the table compiled in here: ten times the record's number plus the schema's version. A value of the
//! current version is written and read here, by its schema's shape; one of an earlier version is resolved by `apache_avro`,
//! which stays the authority on schemas.

pub mod in_place;
mod misfit;
mod read;
mod shape;
mod write;

use crate::record::amendment::Amendment;
use crate::record::attribution::Attribution;
use crate::record::budget::{BudgetPassed, BudgetSpent};
use crate::record::candidates::Candidates;
use crate::record::catalog::CatalogEntry;
use crate::record::click::Click;
use crate::record::command::ConversionCommand;
use crate::record::dead_letter::DeadLetter;
use crate::record::decision::Decision;
use crate::record::event::Event;
use crate::record::journal::JournalEntry;
use crate::record::payout::{Payout, PayoutCommand};
use crate::record::rejected::Rejected;
use crate::record::settlement::{RunDone, SettlementRun};
use crate::record::state::{BalanceState, ConversionState, CustomerState, MonthState, SettledState};
use crate::record::statement::Statement;
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use in_place::Body;
use read::Reader;
use serde::{Serialize, de::DeserializeOwned};
use shape::Shape;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use write::Writer;

const MAGIC: u8 = 0;
const HEADER_BYTES: usize = 5;

/// A record with an Avro schema of its own.
pub trait Record: Serialize + DeserializeOwned {
    #[doc(hidden)]
    const SCHEMA: usize;
}

#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("shorter than the 5-byte header: {0} bytes")]
    Short(usize),
    #[error("first byte is {0:#04x}, expected 0x00 of the Confluent wire format")]
    NotFramed(u8),
    #[error("schema id {found} is unknown here; {expected} was expected")]
    UnknownSchema { found: u32, expected: u32 },
    #[error("schema id {found} is a {is}, expected a {expected}")]
    OtherRecord { found: u32, is: &'static str, expected: &'static str },
    #[error("not a {record}: {reason}")]
    Body { record: &'static str, reason: String },
    #[error("{0} bytes after the record")]
    Trailing(usize),
}

struct Family {
    name: &'static str,
    versions: &'static [&'static str],
}

macro_rules! records {
    ($($index:literal $record:ident $folder:literal [$($version:literal),+]),+ $(,)?) => {
        const FAMILIES: &[Family] = &[$(Family {
            name: stringify!($record),
            versions: &[$(include_str!(concat!("../avsc/", $folder, "/", $version, ".avsc"))),+],
        }),+];
        $(impl Record for $record { const SCHEMA: usize = $index; })+
    };
}

// An index is never given to another record: it is part of the schema ids in Kafka.
records! {
    0 Click "click" ["1", "2"],
    1 Rejected "rejected" ["1"],
    2 Event "event" ["1", "2", "3"],
    3 Candidates "candidates" ["1", "2"],
    4 Decision "decision" ["1", "2"],
    5 Attribution "attribution" ["1"],
    6 JournalEntry "journal" ["1", "2", "3"],
    7 CatalogEntry "catalog" ["1", "2", "3"],
    8 DeadLetter "dead_letter" ["1"],
    9 ConversionState "conversion_state" ["1", "2", "3", "4"],
    10 SettledState "settled_state" ["1", "2"],
    11 BalanceState "balance_state" ["1", "2"],
    12 SettlementRun "settlement_run" ["1"],
    13 PayoutCommand "payout_command" ["1"],
    14 Statement "statement" ["1"],
    15 Payout "payout" ["1"],
    16 RunDone "run_done" ["1"],
    17 MonthState "month_state" ["1"],
    18 BudgetSpent "budget_spent" ["1"],
    19 BudgetPassed "budget_passed" ["1"],
    20 ConversionCommand "conversion_command" ["1"],
    21 Amendment "amendment" ["1"],
    22 CustomerState "customer_state" ["1"],
}

struct Parsed {
    /// By version, from 1.
    schemas: Vec<Schema>,
    /// Of the current version.
    shape: Shape,
    usual_bytes: AtomicUsize,
}

static PARSED: LazyLock<Vec<Parsed>> = LazyLock::new(|| FAMILIES.iter().map(parse).collect());

fn parse(family: &Family) -> Parsed {
    let schemas: Vec<Schema> = family
        .versions
        .iter()
        .map(|text| {
            Schema::parse_str(text).unwrap_or_else(|error| panic!("compiled-in schema {}: {error}", family.name))
        })
        .collect();
    let shape = Shape::of(schemas.last().expect("the macro asks for at least one version"));
    Parsed { shape, schemas, usual_bytes: AtomicUsize::new(0) }
}

const fn current_id<T: Record>() -> u32 {
    schema_id(T::SCHEMA, FAMILIES[T::SCHEMA].versions.len())
}

const fn schema_id(index: usize, version: usize) -> u32 {
    (index * 10 + version) as u32
}

/// Encodes a record with its header.
pub fn encode<T: Record>(record: &T) -> Vec<u8> {
    // Records of a kind are of a size, roughly: the one before says how much room this one takes.
    let usual = &PARSED[T::SCHEMA].usual_bytes;
    let mut bytes = Vec::with_capacity(usual.load(Ordering::Relaxed) + 64);
    encode_into(record, &mut bytes);
    usual.store(bytes.len(), Ordering::Relaxed);
    bytes
}

/// Encodes a record with its header into `bytes`, which is cleared first.
pub fn encode_into<T: Record>(record: &T, bytes: &mut Vec<u8>) {
    let parsed = &PARSED[T::SCHEMA];
    bytes.clear();
    bytes.push(MAGIC);
    bytes.extend_from_slice(&current_id::<T>().to_be_bytes());
    let writer = Writer { shape: &parsed.shape, out: bytes };
    record
        .serialize(writer)
        .unwrap_or_else(|error| panic!("{} does not fit its schema: {error}", FAMILIES[T::SCHEMA].name));
}

/// Decodes a record; every byte must belong to it.
pub fn decode<T: Record>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (found, mut rest) = unframe(bytes)?;
    let parsed = &PARSED[T::SCHEMA];
    if found == current_id::<T>() {
        let mut body = Body::new(FAMILIES[T::SCHEMA].name, rest);
        let record = T::deserialize(Reader { shape: &parsed.shape, body: &mut body });
        let record = record.map_err(|error| body_error::<T>(&error))?;
        return body.end().map(|()| record);
    }
    let record = decode_earlier(earlier_version::<T>(found)?, &mut rest)?;
    if rest.is_empty() { Ok(record) } else { Err(DecodeError::Trailing(rest.len())) }
}

/// The body of a record under its current schema; none for a record of an earlier version.
pub fn current_body<T: Record>(bytes: &[u8]) -> Result<Option<&[u8]>, DecodeError> {
    let (found, body) = unframe(bytes)?;
    if found == current_id::<T>() {
        return Ok(Some(body));
    }
    earlier_version::<T>(found).map(|_| None)
}

/// Whether a record is framed as a `T`, of whatever version: how a topic of several kinds is read.
pub fn is_framed_as<T: Record>(bytes: &[u8]) -> bool {
    unframe(bytes).is_ok_and(|(found, _)| found as usize / 10 == T::SCHEMA)
}

/// The schema id, and the body behind it.
fn unframe(bytes: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    let (header, body) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(DecodeError::Short(bytes.len()))?;
    let &[magic, ref id @ ..] = header;
    if magic != MAGIC {
        return Err(DecodeError::NotFramed(magic));
    }
    Ok((u32::from_be_bytes(*id), body))
}

fn body_error<T: Record>(error: &dyn std::error::Error) -> DecodeError {
    DecodeError::Body { record: FAMILIES[T::SCHEMA].name, reason: error.to_string() }
}

fn earlier_version<T: Record>(found: u32) -> Result<&'static Schema, DecodeError> {
    let (index, version) = (found as usize / 10, found as usize % 10);
    let unknown = DecodeError::UnknownSchema { found, expected: current_id::<T>() };
    let family = PARSED.get(index).ok_or(unknown)?;
    if index != T::SCHEMA {
        return Err(DecodeError::OtherRecord { found, is: FAMILIES[index].name, expected: FAMILIES[T::SCHEMA].name });
    }
    let position = version.checked_sub(1).and_then(|position| family.schemas.get(position));
    position.ok_or(DecodeError::UnknownSchema { found, expected: current_id::<T>() })
}

fn decode_earlier<T: Record>(writer: &'static Schema, body: &mut &[u8]) -> Result<T, DecodeError> {
    let current = PARSED[T::SCHEMA].schemas.last().expect("at least one version");
    let mut resolve = || {
        let reader = GenericDatumReader::builder(writer).reader_schema(current).build()?;
        apache_avro::from_value::<T>(&reader.read_value(body)?)
    };
    resolve().map_err(|error| body_error::<T>(&error))
}

#[cfg(test)]
pub(crate) mod authority;
#[cfg(test)]
mod tests;
