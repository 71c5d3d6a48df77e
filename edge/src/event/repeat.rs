//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a request that was answered is answered again alike, and
//! done once.
//!
//! **Invariant (P1):** what was not recorded as a whole is not remembered, so that it can be sent again.

use super::delivery::Outcome;
use crate::http::Reply;
use crate::http::problem::{Kind, Problem};
use crate::memory::answers::Answer;
use crate::memory::{Known, Memory};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use schemas::id::KeyHash;

pub const HEADER: &str = "idempotency-key";
/// On an answer that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Bytes of an Idempotency-Key; they are UUIDs and order numbers.
const KEY_BYTES: usize = 256;

/// A quoted string by the IETF draft; without quotes by nearly everybody.
pub fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(given) = headers.get(HEADER) else { return Ok(None) };
    let bad = |what: &str| Problem::new(Kind::BadRequest, format!("Idempotency-Key {what}"));
    let text = given.to_str().map_err(|_| bad("is not ASCII"))?.trim();
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let key = quoted.unwrap_or(text);
    if key.is_empty() {
        Err(bad("is empty"))
    } else if key.len() > KEY_BYTES {
        Err(bad(&format!("has {} bytes; at most {KEY_BYTES} are accepted", key.len())))
    } else {
        Ok(Some(key.to_owned()))
    }
}

/// Whose request it is, under which key, and a hash of all that it asks for.
pub struct Asked<'a> {
    pub client: KeyHash,
    pub key: &'a str,
    pub payload: [u8; 16],
}

/// Does the request, or what stands in for that. The clock is in seconds.
pub async fn once(
    memory: &Memory,
    asked: Asked<'_>,
    clock: impl Fn() -> i64,
    request: impl Future<Output = Outcome>,
) -> Outcome {
    let under_way = match memory.ask(asked.client, asked.key, asked.payload, clock()) {
        Ok(under_way) => under_way,
        Err(known) => return Outcome { reply: told(known), complete: true },
    };
    let Outcome { reply, complete } = request.await;
    let reply = reply.unwrap_or_else(Problem::into_reply);
    if complete && let Some(answer) = answer(&reply).await {
        under_way.answered(answer, clock());
    }
    Outcome { reply: Ok(reply), complete }
}

fn told(known: Known) -> Result<Reply, Problem> {
    match known {
        Known::UnderWay => {
            Err(Problem::new(Kind::RepeatUnderWay, "a request with this Idempotency-Key is not answered yet"))
        }
        Known::OtherPayload => {
            Err(Problem::new(Kind::OtherPayload, "this Idempotency-Key was used for a request with another payload"))
        }
        Known::Answered(answer) => {
            let mut reply = Response::new(Full::new(answer.body));
            *reply.status_mut() = answer.status;
            let headers = reply.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
            Ok(reply)
        }
    }
}

async fn answer(reply: &Reply) -> Option<Answer> {
    let json = reply.headers().get(CONTENT_TYPE)? == "application/json";
    let content_type = if json { "application/json" } else { "application/problem+json" };
    let Ok(body) = reply.body().clone().collect().await;
    let body: Bytes = body.to_bytes();
    Some(Answer { status: reply.status(), content_type, body })
}
