//! `dead-letters`: input that could not be used, kept whole.

use crate::limits::{DEAD_LETTER_KEY_BYTES, DEAD_LETTER_VALUE_BYTES};
use crate::offset::Offset;
use crate::time::Micros;
use serde::{Deserialize, Serialize};

/// Where a record that cannot be used stands, and what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Unusable<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: Offset,
    /// The broker's time of the record.
    pub timestamp: Micros,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
}

impl DeadLetter {
    /// The letter of a record, the same one whenever it is read again. What is cut is said in the error.
    pub fn of(record: Unusable<'_>, stage: &str, error: &str) -> DeadLetter {
        let cut = |bytes: &[u8], limit: usize| bytes[..bytes.len().min(limit)].to_vec();
        let length = record.value.map_or(0, <[u8]>::len);
        let note = match length > DEAD_LETTER_VALUE_BYTES {
            true => format!(" (value cut from {length} bytes)"),
            false => String::new(),
        };
        DeadLetter {
            topic: record.topic.to_owned(),
            partition: record.partition,
            offset: record.offset,
            stage: stage.to_owned(),
            error: format!("{error}{note}"),
            key: record.key.map(|key| cut(key, DEAD_LETTER_KEY_BYTES)),
            value: record.value.map(|value| cut(value, DEAD_LETTER_VALUE_BYTES)),
            failed_at: record.timestamp,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub topic: String,
    pub partition: i32,
    pub offset: Offset,
    /// Who could not use it: `join`, `decide`, `settle`, `sinks`.
    pub stage: String,
    pub error: String,
    #[serde(with = "apache_avro::serde::bytes_opt")]
    pub key: Option<Vec<u8>>,
    #[serde(with = "apache_avro::serde::bytes_opt")]
    pub value: Option<Vec<u8>>,
    /// The broker's time of the record, so that a replay writes the same.
    pub failed_at: Micros,
}
