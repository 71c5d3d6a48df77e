//! `POST /api/v1/events` and its short forms: an advertiser reports what happened, one event or a batch. The other doors,
//! for networks (`postback`) and pages (`browser`), lead into the same rows.
//!
//! **Invariant (P1):** an event is answered `accepted` only when Kafka or the spool has it. One that neither has in
//! time is answered `unavailable`, and is to be sent again: its ids make that harmless.

pub mod browser;
mod delivery;
pub mod evidence;
pub mod field;
pub mod identity;
mod items;
pub mod params;
pub mod parse;
pub mod postback;
pub mod repeat;
mod result;
pub mod rows;
pub mod signature;

use crate::http::Reply;
use crate::http::body::{self, Format};
use crate::http::coding;
use crate::http::problem::{Kind, Problem};
use crate::ids;
use crate::routes::{Client, Routes};
use crate::worker::Worker;
use delivery::{Delivery, Outcome};
use field::FieldError;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use repeat::Asked;
use rows::Rows;
use schemas::id::hash_of;
use schemas::offset::Offset;
use schemas::record::catalog::KeyUse;
use schemas::record::event::{Action, Channel};
use signature::Signature;
use std::sync::Arc;

/// Of a request that is to be tried only.
pub const VALIDATE_ONLY: &str = "validate_only";
pub const VALIDATE_ONLY_HEADER: &str = "x-validate-only";

pub async fn receive(worker: &Worker, action: Option<Action>, request: Request<Incoming>) -> Result<Reply, Problem> {
    let headers = request.headers();
    let (client, offset) = authenticate(&worker.routes.load(), headers)?;
    let (format, coding) = (body::format(headers)?, coding::of(headers)?);
    let signature = Signature::read(headers, client.signed)?;
    let delivery = Delivery {
        worker,
        action,
        channel: Channel::Api,
        idempotency_key: repeat::key(headers)?,
        nonce: signature.as_ref().map(|signature| signature.nonce.clone()),
        received_at: ids::now(),
        offset,
        validate_only: validate_only(&request)?,
        client,
    };
    let sent = body::read(request, schemas::limits::BODY_BYTES).await?;
    let mut nonce = match &signature {
        Some(signature) => check(&delivery, signature, &sent)?,
        None => None,
    };
    let body = coding::decode(sent, coding, schemas::limits::BODY_BYTES).await?;
    let outcome = deliver(&delivery, &body, format).await;
    // What is to be sent again may come again as it was.
    if let Some(nonce) = nonce.as_mut().filter(|_| outcome.complete) {
        nonce.used();
    }
    outcome.reply
}

/// Of the bytes that were sent. A request that is only tried uses no nonce up.
fn check<'a>(
    delivery: &'a Delivery<'_>,
    signature: &'a Signature,
    sent: &[u8],
) -> Result<Option<signature::Nonce<'a>>, Problem> {
    let (worker, key) = (delivery.worker, delivery.client.key_hash);
    let now = seconds();
    let verified = signature.verify(&worker.keys, key, sent, now);
    if delivery.validate_only {
        return verified.map(|()| None);
    }
    verified.and_then(|()| signature.take(&worker.memory, key, now)).map(Some).inspect_err(|problem| {
        let (field, value) = (signature::NONCE.to_owned(), signature.nonce.clone());
        let error = FieldError { field, code: problem.kind().name(), value, reason: String::new() };
        delivery.record_rejection(None, &[error]);
    })
}

async fn deliver(delivery: &Delivery<'_>, body: &[u8], format: Format) -> Outcome {
    let request = async || match Rows::split(body, format) {
        Ok(rows) => delivery.deliver(rows).await,
        Err(problem) => Outcome { reply: Err(problem), complete: true },
    };
    match &delivery.idempotency_key {
        Some(key) if !delivery.validate_only => {
            let action = delivery.action.map_or("", Action::name);
            let lines: &[u8] = if format == Format::Lines { b"lines" } else { b"" };
            let payload = hash_of("tributary payload under an idempotency key v1", &[action.as_bytes(), lines, body]);
            let asked = Asked { client: delivery.client.key_hash, key, payload };
            repeat::once(&delivery.worker.memory, asked, seconds, request()).await
        }
        Some(_) | None => request().await,
    }
}

fn seconds() -> i64 {
    ids::now().0 / 1_000_000
}

fn authenticate(routes: &Routes, headers: &HeaderMap) -> Result<(Arc<Client>, Offset), Problem> {
    let given = headers.get("x-api-key").ok_or_else(|| Problem::unauthorized("no X-API-KEY header"))?;
    // The detail says neither whether a key was ever there nor what was sent.
    let client = given.to_str().ok().and_then(|key| routes.client(key, KeyUse::Server));
    let client = client.ok_or_else(|| Problem::unauthorized("this API key is not known or not active"))?;
    Ok((client.clone(), routes.offset))
}

/// Whether the sender only wants to know what would become of it: by header, or by parameter.
fn validate_only(request: &Request<Incoming>) -> Result<bool, Problem> {
    let header = request.headers().get(VALIDATE_ONLY_HEADER).map(|value| value.as_bytes());
    let query = request.uri().query().unwrap_or("").split('&').find_map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (name == VALIDATE_ONLY).then_some(value.as_bytes())
    });
    let mut wanted = false;
    for given in [header, query].into_iter().flatten() {
        wanted |= is_true(given)?;
    }
    Ok(wanted)
}

/// A typing error must not record what was to be tried only.
fn is_true(given: &[u8]) -> Result<bool, Problem> {
    match given {
        b"true" | b"1" | b"" => Ok(true),
        b"false" | b"0" => Ok(false),
        _ => Err(Problem::new(Kind::BadRequest, format!("{VALIDATE_ONLY} is neither true nor false"))),
    }
}

/// Which of these a postback or a pixel does not read: they become properties.
#[cfg(test)]
pub fn unknown_parameters(
    path: &str,
    names: &std::collections::BTreeSet<String>,
) -> std::collections::BTreeSet<String> {
    let left = |name: &String| {
        let given = if path == "/postback" { "order_id=O" } else { "action=signup" };
        let query = if given.starts_with(&format!("{name}=")) { given.to_owned() } else { format!("{name}=x&{given}") };
        let params = params::Params::read(&[query.as_bytes()]).expect("two parameters");
        let event =
            if path == "/postback" { postback::event_for_test(params) } else { browser::event_for_test(params) };
        // What was read may be refused, since nobody knows `x`, or is the name of a goal.
        event.is_ok_and(|event| {
            event["action"] != "custom" && event.get("properties").is_some_and(|kept| kept.get(name).is_some())
        })
    };
    names.iter().filter(|name| left(name)).cloned().collect()
}
