//! `dead_letters`: one row per input that could not be used.

use crate::rows::{Blob, Position, Table};
use clickhouse::Row;
use schemas::offset::Offset;
use schemas::record::dead_letter::DeadLetter;
use schemas::time::Micros;
use serde::Serialize;

pub(crate) enum DeadLetters {}

#[derive(Row, Serialize)]
pub(crate) struct DeadLetterRow {
    topic: String,
    partition: i32,
    offset: Offset,
    stage: String,
    error: String,
    key: Blob,
    value: Blob,
    failed_at: Micros,
    kafka_partition: i32,
    kafka_offset: i64,
}

impl Table for DeadLetters {
    const NAME: &'static str = "dead_letters";
    const KEEPS_ALL: bool = false;
    type Record = DeadLetter;
    type Row = DeadLetterRow;

    fn rows(letter: DeadLetter, at: Position, rows: &mut Vec<DeadLetterRow>) {
        rows.push(DeadLetterRow {
            topic: letter.topic,
            partition: letter.partition,
            offset: letter.offset,
            stage: letter.stage,
            error: letter.error,
            key: Blob(letter.key.unwrap_or_default()),
            value: Blob(letter.value.unwrap_or_default()),
            failed_at: letter.failed_at,
            kafka_partition: at.partition,
            kafka_offset: at.offset,
        });
    }
}
