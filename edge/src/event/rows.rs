//! The rows of a body: one JSON object, an array of them, or one on each line.

use super::field::{FieldError, shown};
use crate::http::body::Format;
use crate::http::problem::{Kind, Problem};
use schemas::limits;
use serde::de::{Error as _, IgnoredAny};
use serde_json::value::RawValue;

/// A row, or that it is none: rows of NDJSON fail one by one, those of an array only together.
pub type Row<'a> = Result<&'a RawValue, FieldError>;

#[derive(Debug)]
pub enum Rows<'a> {
    One(&'a RawValue),
    Batch(Vec<Row<'a>>),
}

impl<'a> Rows<'a> {
    pub fn split(body: &'a [u8], format: Format) -> Result<Rows<'a>, Problem> {
        let rows = match format {
            Format::Json => json(body)?,
            Format::Lines => Rows::Batch(lines(body)?),
        };
        match &rows {
            Rows::Batch(rows) if rows.is_empty() => Err(Problem::new(Kind::InvalidBatch, "the batch is empty")),
            Rows::Batch(rows) if rows.len() > limits::BATCH_ROWS => Err(too_many(rows.len())),
            Rows::One(_) | Rows::Batch(_) => Ok(rows),
        }
    }
}

impl Rows<'_> {
    pub fn count(&self) -> usize {
        match self {
            Rows::One(_) => 1,
            Rows::Batch(rows) => rows.len(),
        }
    }
}

fn too_many(count: usize) -> Problem {
    Problem::new(Kind::InvalidBatch, format!("{count} events; a batch has at most {}", limits::BATCH_ROWS))
}

/// The error says where, by line and column.
fn json(body: &[u8]) -> Result<Rows<'_>, Problem> {
    let malformed = |error: serde_json::Error| Problem::new(Kind::MalformedJson, error.to_string());
    let body =
        std::str::from_utf8(body).map_err(|error| Problem::new(Kind::MalformedJson, format!("not UTF-8: {error}")))?;
    match body.trim_start().as_bytes().first() {
        Some(b'[') => {
            // Counted before they are kept: half a million zeros fit into a body.
            let count = serde_json::from_str::<Vec<IgnoredAny>>(body).map_err(malformed)?.len();
            if count > limits::BATCH_ROWS {
                return Err(too_many(count));
            }
            let rows: Vec<&RawValue> = serde_json::from_str(body).map_err(malformed)?;
            Ok(Rows::Batch(rows.into_iter().map(Ok).collect()))
        }
        Some(b'{') => serde_json::from_str(body).map(Rows::One).map_err(malformed),
        // Malformed JSON says where; well-formed JSON of another kind says what.
        _ => {
            serde_json::from_str::<IgnoredAny>(body).map_err(malformed)?;
            let error = serde_json::Error::custom("expected an event (a JSON object) or an array of events");
            Err(malformed(error))
        }
    }
}

/// Blank lines are no rows, and a carriage return is white space.
fn lines(body: &[u8]) -> Result<Vec<Row<'_>>, Problem> {
    let lines = || body.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let count = lines().count();
    if count > limits::BATCH_ROWS {
        return Err(too_many(count));
    }
    Ok(lines().map(line).collect())
}

fn line(line: &[u8]) -> Row<'_> {
    let bad = |reason: String| FieldError {
        field: String::new(),
        code: "malformed",
        value: shown(&String::from_utf8_lossy(line)),
        reason,
    };
    let text = std::str::from_utf8(line).map_err(|error| bad(format!("not UTF-8: {error}")))?;
    serde_json::from_str(text).map_err(|error| bad(format!("no JSON: {error}")))
}
