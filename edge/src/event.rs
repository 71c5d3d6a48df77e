//! `POST /api/v1/events` and its short forms: an advertiser reports what happened, one event or a batch.
//!
//! **Invariant (P1):** an event is answered `accepted` only when Kafka or the spool has it. One that neither has in
//! time is answered `unavailable`, and is to be sent again: its ids make that harmless.

pub mod evidence;
pub mod field;
pub mod identity;
mod items;
pub mod parse;
mod result;

use crate::http::Reply;
use crate::http::body;
use crate::http::problem::{Kind, Problem};
use crate::ids;
use crate::recording::Recording;
use crate::routes::{Client, Routes};
use crate::worker::Worker;
use field::{FieldError, Rows};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use identity::Source;
use parse::{Context, Refused};
use result::{Accepted, Row};
use schemas::codec;
use schemas::limits;
use schemas::offset::Offset;
use schemas::record::event::{Action, Event};
use schemas::record::rejected::{Rejected, RejectedWhat};
use schemas::time::Micros;
use schemas::topic::Topic;
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::time::Instant;

/// Bytes of an Idempotency-Key; they are UUIDs and order numbers.
const IDEMPOTENCY_KEY_BYTES: usize = 256;
/// Rows of a batch read before other requests of the thread get their turn: about half a millisecond.
const ROWS_AT_ONCE: usize = 64;

pub async fn receive(worker: &Worker, action: Option<Action>, request: Request<Incoming>) -> Result<Reply, Problem> {
    let (client, offset) = authenticate(&worker.routes.load(), request.headers())?;
    body::check_type(request.headers())?;
    let idempotency_key = idempotency_key(request.headers())?;
    let body = body::read(request).await?;
    let body =
        std::str::from_utf8(&body).map_err(|error| Problem::new(Kind::MalformedJson, format!("not UTF-8: {error}")))?;
    let rows = Rows::split(body).map_err(|error| Problem::new(Kind::MalformedJson, error.to_string()))?;
    let delivery = Delivery { worker, client, action, idempotency_key, received_at: ids::now(), offset };
    match rows {
        Rows::One(row) => {
            let sent = vec![delivery.send(0, row)];
            result::of_one(delivery.settle(sent).await)
        }
        Rows::Batch(rows) if rows.is_empty() => Err(Problem::new(Kind::InvalidBatch, "the batch is empty")),
        Rows::Batch(rows) if rows.len() > limits::BATCH_ROWS => {
            let detail = format!("{} events; a batch has at most {}", rows.len(), limits::BATCH_ROWS);
            Err(Problem::new(Kind::InvalidBatch, detail))
        }
        Rows::Batch(rows) => {
            let mut sent = Vec::with_capacity(rows.len());
            for (index, row) in rows.into_iter().enumerate() {
                if index % ROWS_AT_ONCE == ROWS_AT_ONCE - 1 {
                    tokio::task::yield_now().await;
                }
                sent.push(delivery.send(index, row));
            }
            result::of_batch(delivery.settle(sent).await)
        }
    }
}

fn authenticate(routes: &Routes, headers: &HeaderMap) -> Result<(Arc<Client>, Offset), Problem> {
    let given = headers.get("x-api-key").ok_or_else(|| Problem::unauthorized("no X-API-KEY header"))?;
    // The detail says neither whether a key was ever there nor what was sent.
    let client = given.to_str().ok().and_then(|key| routes.client(key));
    let client = client.ok_or_else(|| Problem::unauthorized("this API key is not known or not active"))?;
    Ok((client.clone(), routes.offset))
}

/// A quoted string by the IETF draft; without quotes by nearly everybody.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(given) = headers.get("idempotency-key") else { return Ok(None) };
    let bad = |what: &str| Problem::new(Kind::BadRequest, format!("Idempotency-Key {what}"));
    let text = given.to_str().map_err(|_| bad("is not ASCII"))?.trim();
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let key = quoted.unwrap_or(text);
    if key.is_empty() {
        Err(bad("is empty"))
    } else if key.len() > IDEMPOTENCY_KEY_BYTES {
        Err(bad(&format!("has {} bytes; at most {IDEMPOTENCY_KEY_BYTES} are accepted", key.len())))
    } else {
        Ok(Some(key.to_owned()))
    }
}

/// One request's rows on their way.
struct Delivery<'a> {
    worker: &'a Worker,
    client: Arc<Client>,
    action: Option<Action>,
    idempotency_key: Option<String>,
    received_at: Micros,
    offset: Offset,
}

enum Sent {
    Waiting(Accepted, Recording),
    Settled(Row),
}

impl Delivery<'_> {
    fn send(&self, index: usize, row: &RawValue) -> Sent {
        let idempotency_key = self.idempotency_key.as_deref();
        let context = Context {
            source: Source { client: &self.client, idempotency_key, row: index },
            keys: &self.worker.keys,
            received_at: self.received_at,
            catalog_offset: self.offset,
            action: self.action,
        };
        match parse::parse(row, &context) {
            Ok(event) => self.hand_over(&event),
            Err(Refused { event_id, errors }) => {
                self.record_rejection(event_id, &errors);
                Sent::Settled(Row::Rejected(errors))
            }
        }
    }

    fn hand_over(&self, event: &Event) -> Sent {
        let (key, value) = (event.key(), codec::encode(event));
        let recording = Recording::send(&self.worker.acks, Topic::Events, key, value);
        Sent::Waiting(Accepted::of(event), recording)
    }

    /// Waits for all rows together, as long as for one.
    async fn settle(&self, mut sent: Vec<Sent>) -> Vec<Row> {
        let started = Instant::now();
        for row in &mut sent {
            if let Sent::Waiting(_, recording) = row
                && !recording.acknowledged(started + self.worker.spool_wait).await
            {
                recording.store();
            }
        }
        let deadline = started + self.worker.acknowledge_wait;
        let metrics = &self.worker.metrics;
        let mut rows = Vec::with_capacity(sent.len());
        for row in sent {
            let row = match row {
                Sent::Settled(row) => row,
                Sent::Waiting(accepted, recording) => {
                    if recording.durable(deadline).await {
                        Row::Accepted(accepted)
                    } else {
                        Row::Unavailable
                    }
                }
            };
            match &row {
                Row::Accepted(_) => metrics.events_accepted.increment(1),
                Row::Rejected(_) => metrics.events_rejected.increment(1),
                Row::Unavailable => metrics.events_unavailable.increment(1),
            }
            rows.push(row);
        }
        if rows.iter().any(|row| matches!(row, Row::Accepted(_))) {
            metrics.acknowledged(started.elapsed());
        }
        rows
    }

    /// The first error stands for all: the sender has been told of every one.
    fn record_rejection(&self, event_id: Option<String>, errors: &[FieldError]) {
        let Some(first) = errors.first() else { return };
        let rejected = Rejected {
            rejected_id: self.worker.ids.borrow_mut().rejected(self.received_at),
            what: RejectedWhat::Event,
            tenant: self.client.tenant.clone(),
            advertiser: Some(self.client.advertiser.clone()),
            link: None,
            event_id,
            reason: first.code.into(),
            value: format!("{}: {}", first.field, first.value),
            occurred_at: self.received_at,
            catalog_offset: self.offset,
            user_agent: None,
        };
        self.worker.reject(&rejected, None);
    }
}
