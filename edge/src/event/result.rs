//! What became of each row, and the answer that says so.

use super::field::FieldError;
use crate::http::Reply;
use crate::http::problem::{Kind, Problem};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use schemas::record::event::Event;
use serde::Serialize;
use serde_json::{Value, json};

pub enum Row {
    Accepted(Accepted),
    Rejected(Vec<FieldError>),
    /// Not acknowledged in time: to be sent again.
    Unavailable,
}

#[derive(Serialize)]
pub struct Accepted {
    event_id: String,
    /// `None` of a funnel step: it is recorded and is no conversion.
    conversion_id: Option<String>,
}

impl Accepted {
    pub fn of(event: &Event) -> Accepted {
        let conversion_id = event.action.converts().then(|| event.conversion_id.to_string());
        Accepted { event_id: event.event_id.clone(), conversion_id }
    }
}

pub fn of_one(mut rows: Vec<Row>) -> Result<Reply, Problem> {
    match rows.pop() {
        Some(Row::Accepted(accepted)) => Ok(accepted_reply(&json!({
            "event_id": accepted.event_id,
            "conversion_id": accepted.conversion_id,
            "status": "accepted",
        }))),
        Some(Row::Rejected(errors)) => Err(Problem::new(Kind::InvalidEvent, summary(&errors)).with_errors(errors)),
        Some(Row::Unavailable) | None => Err(Problem::unavailable()),
    }
}

/// 202 where at least one row was accepted: a client that retries on anything else must not lose those it has.
pub fn of_batch(rows: Vec<Row>) -> Result<Reply, Problem> {
    let accepted = rows.iter().any(|row| matches!(row, Row::Accepted(_)));
    let unavailable = rows.iter().any(|row| matches!(row, Row::Unavailable));
    let results = Value::Array(rows.iter().enumerate().map(|(index, row)| row_result(index, row)).collect());
    if accepted {
        Ok(accepted_reply(&json!({ "results": results })))
    } else if unavailable {
        Err(Problem::unavailable().with_results(results))
    } else {
        let detail = format!("none of {} events was accepted", rows.len());
        Err(Problem::new(Kind::InvalidBatch, detail).with_results(results))
    }
}

fn row_result(index: usize, row: &Row) -> Value {
    match row {
        Row::Accepted(accepted) => json!({
            "row": index,
            "status": "accepted",
            "event_id": accepted.event_id,
            "conversion_id": accepted.conversion_id,
        }),
        Row::Rejected(errors) => json!({ "row": index, "status": "rejected", "errors": errors }),
        Row::Unavailable => json!({ "row": index, "status": "unavailable" }),
    }
}

fn summary(errors: &[FieldError]) -> String {
    let one = |error: &FieldError| match error.field.as_str() {
        "" => error.reason.clone(),
        field => format!("{field}: {}", error.reason),
    };
    errors.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn accepted_reply(body: &Value) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body.to_string())));
    *reply.status_mut() = StatusCode::ACCEPTED;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
