//! Reads a request's body within its limits, and says what it is by its headers.

use super::problem::{Kind, Problem};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use std::time::Duration;

/// Bytes of what a network's form or a page sends: anybody may send these, so an edge holds little of each.
pub const FORM_BYTES: usize = 64 * 1024;
/// A megabyte takes this long at a slow 100 KB/s; who is slower holds a connection on purpose.
const BODY_TIME: Duration = Duration::from_secs(10);

/// At most `most` bytes.
pub async fn read(request: Request<Incoming>, most: usize) -> Result<Bytes, Problem> {
    let too_large =
        || Problem::new(Kind::BodyTooLarge, format!("at most {most} bytes are accepted; send smaller batches"));
    // Known before a byte of it is read.
    if request.body().size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), most).collect();
    match tokio::time::timeout(BODY_TIME, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Problem::new(Kind::BadRequest, format!("the body broke off: {error}"))),
        Err(_) => Err(Problem::new(Kind::BodyTimeout, format!("no complete body within {BODY_TIME:?}"))),
    }
}

/// How the events of a body are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Json,
    /// A JSON value on each line.
    Lines,
}

/// Lenient: JSON by any of the names that clients give it, `curl -d` included. Not what certainly is something else.
pub fn format(headers: &HeaderMap) -> Result<Format, Problem> {
    let Some(essence) = essence(headers) else { return Ok(Format::Json) };
    if ["ndjson", "jsonl", "jsonlines", "json-lines"].iter().any(|name| essence.ends_with(name)) {
        return Ok(Format::Lines);
    }
    let json = essence == "application/json" || essence.ends_with("+json") || essence.ends_with("/json");
    let vague = ["", "text/plain", "application/octet-stream", FORM].contains(&essence.as_str());
    if json || vague {
        return Ok(Format::Json);
    }
    Err(Problem::new(Kind::UnsupportedMediaType, format!("Content-Type {essence:?} is neither JSON nor NDJSON")))
}

/// What an HTML form sends, also where nothing says so.
pub fn check_form(headers: &HeaderMap) -> Result<(), Problem> {
    match essence(headers) {
        Some(essence) if essence != FORM && !essence.is_empty() => {
            Err(Problem::new(Kind::UnsupportedMediaType, format!("Content-Type {essence:?} is not {FORM}")))
        }
        Some(_) | None => Ok(()),
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The media type without its parameters; none where there is no header.
fn essence(headers: &HeaderMap) -> Option<String> {
    let given = headers.get(CONTENT_TYPE)?;
    let text = String::from_utf8_lossy(given.as_bytes()).to_ascii_lowercase();
    Some(text.split(';').next().unwrap_or("").trim().to_owned())
}
