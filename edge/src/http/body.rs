//! Reads a request's body within its limits.

use super::problem::{Kind, Problem};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use schemas::limits;
use std::time::Duration;

/// A megabyte takes this long at a slow 100 KB/s; who is slower holds a connection on purpose.
const BODY_TIME: Duration = Duration::from_secs(10);

pub async fn read(request: Request<Incoming>) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("at most {} bytes are accepted; send smaller batches", limits::BODY_BYTES);
        Problem::new(Kind::BodyTooLarge, detail)
    };
    // Known before a byte of it is read.
    if request.body().size_hint().lower() > limits::BODY_BYTES as u64 {
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), limits::BODY_BYTES).collect();
    match tokio::time::timeout(BODY_TIME, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Problem::new(Kind::BadRequest, format!("the body broke off: {error}"))),
        Err(_) => Err(Problem::new(Kind::BodyTimeout, format!("no complete body within {BODY_TIME:?}"))),
    }
}

/// Lenient: JSON by any of the names that clients give it, `curl -d` included. Not what certainly is something else.
pub fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    if let Some(encoding) = text(CONTENT_ENCODING).filter(|encoding| encoding != "identity") {
        let detail = format!("Content-Encoding {encoding:?} is not accepted; send plain JSON");
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    let Some(given) = text(CONTENT_TYPE) else { return Ok(()) };
    let essence = given.split(';').next().unwrap_or("").trim();
    let json = essence == "application/json" || essence.ends_with("+json") || essence.ends_with("/json");
    let vague = ["", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"].contains(&essence);
    if json || vague {
        return Ok(());
    }
    Err(Problem::new(Kind::UnsupportedMediaType, format!("Content-Type {essence:?} is not JSON")))
}
