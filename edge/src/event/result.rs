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

pub fn of_one(mut rows: Vec<Row>, validate_only: bool) -> Result<Reply, Problem> {
    match rows.pop() {
        Some(Row::Accepted(accepted)) => {
            let mut body = json!({
                "event_id": accepted.event_id,
                "conversion_id": accepted.conversion_id,
                "status": accepted_as(validate_only),
            });
            Ok(reply(&mut body, validate_only))
        }
        Some(Row::Rejected(errors)) => {
            let problem = Problem::new(Kind::InvalidEvent, summary(&errors)).with_errors(errors);
            Err(problem.validate_only(validate_only))
        }
        Some(Row::Unavailable) | None => Err(Problem::unavailable()),
    }
}

/// 202 where at least one row was accepted: a client that retries on anything else must not lose those it has.
pub fn of_batch(rows: Vec<Row>, validate_only: bool) -> Result<Reply, Problem> {
    let accepted = rows.iter().any(|row| matches!(row, Row::Accepted(_)));
    let unavailable = rows.iter().any(|row| matches!(row, Row::Unavailable));
    let results = rows.iter().enumerate().map(|(index, row)| row_result(index, row, validate_only)).collect();
    let results = Value::Array(results);
    if accepted {
        Ok(reply(&mut json!({ "results": results }), validate_only))
    } else if unavailable {
        Err(Problem::unavailable().with_results(results))
    } else {
        let detail = format!("none of {} events was accepted", rows.len());
        Err(Problem::new(Kind::InvalidBatch, detail).with_results(results).validate_only(validate_only))
    }
}

/// `accepted` is said of nothing but what Kafka or the spool has.
fn accepted_as(validate_only: bool) -> &'static str {
    if validate_only { "valid" } else { "accepted" }
}

fn row_result(index: usize, row: &Row, validate_only: bool) -> Value {
    match row {
        Row::Accepted(accepted) => json!({
            "row": index,
            "status": accepted_as(validate_only),
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

fn reply(body: &mut Value, validate_only: bool) -> Reply {
    let status = if validate_only { StatusCode::OK } else { StatusCode::ACCEPTED };
    if validate_only {
        body["validate_only"] = Value::Bool(true);
    }
    let mut reply = Response::new(Full::new(Bytes::from(body.to_string())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
