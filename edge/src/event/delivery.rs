//! One request's rows on their way into Kafka, or the spool, and what became of each.

use super::field::FieldError;
use super::identity::Source;
use super::parse::{self, Context, Refused};
use super::result::{self, Accepted, Row};
use super::rows::Rows;
use crate::http::Reply;
use crate::http::problem::Problem;
use crate::recording::Recording;
use crate::routes::Client;
use crate::worker::Worker;
use schemas::codec;
use schemas::offset::Offset;
use schemas::record::event::{Action, Channel, Event};
use schemas::record::rejected::{Rejected, RejectedWhat};
use schemas::time::Micros;
use schemas::topic::Topic;
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::time::Instant;

/// Rows of a batch read before other requests of the thread get their turn: about half a millisecond.
const ROWS_AT_ONCE: usize = 64;

pub struct Delivery<'a> {
    pub worker: &'a Worker,
    pub client: Arc<Client>,
    pub action: Option<Action>,
    pub channel: Channel,
    pub idempotency_key: Option<String>,
    pub nonce: Option<String>,
    pub received_at: Micros,
    pub offset: Offset,
    /// Nothing is recorded, not even a rejection.
    pub validate_only: bool,
}

/// What a request is answered.
pub struct Outcome {
    pub reply: Result<Reply, Problem>,
    /// Whether nothing of it is to be sent again.
    pub complete: bool,
}

enum Sent {
    Waiting(Accepted, Recording),
    Settled(Row),
}

impl Delivery<'_> {
    pub async fn deliver(&self, rows: Rows<'_>) -> Outcome {
        let one = matches!(rows, Rows::One(_));
        let rows = self.rows(rows).await;
        let complete = !rows.iter().any(|row| matches!(row, Row::Unavailable));
        let of_rows = if one { result::of_one } else { result::of_batch };
        Outcome { reply: of_rows(rows, self.validate_only), complete }
    }

    /// What became of each, in their order.
    pub async fn rows(&self, rows: Rows<'_>) -> Vec<Row> {
        let sent = match rows {
            Rows::One(row) => vec![self.send(0, row)],
            Rows::Batch(rows) => {
                let mut sent = Vec::with_capacity(rows.len());
                for (index, row) in rows.into_iter().enumerate() {
                    if index % ROWS_AT_ONCE == ROWS_AT_ONCE - 1 {
                        tokio::task::yield_now().await;
                    }
                    sent.push(match row {
                        Ok(row) => self.send(index, row),
                        Err(error) => self.refuse(Refused { event_id: None, errors: vec![error] }),
                    });
                }
                sent
            }
        };
        self.settle(sent).await
    }

    fn send(&self, index: usize, row: &RawValue) -> Sent {
        let idempotency_key = self.idempotency_key.as_deref();
        let context = Context {
            source: Source { client: &self.client, idempotency_key, nonce: self.nonce.as_deref(), row: index },
            keys: &self.worker.keys,
            received_at: self.received_at,
            catalog_offset: self.offset,
            action: self.action,
            channel: self.channel,
        };
        match parse::parse(row, &context) {
            Ok(event) if self.validate_only => Sent::Settled(Row::Accepted(Accepted::of(&event))),
            Ok(event) => self.hand_over(&event),
            Err(refused) => self.refuse(refused),
        }
    }

    fn refuse(&self, refused: Refused) -> Sent {
        // A page's key is public: whoever sends rubbish under it is not to fill the topic.
        let kept = self.channel != Channel::Browser || self.worker.local.keeps_rejection();
        if !self.validate_only && kept {
            self.record_rejection(refused.event_id, &refused.errors);
        }
        Sent::Settled(Row::Rejected(refused.errors))
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
                _ if self.validate_only => {}
                Row::Accepted(_) => metrics.events_accepted.increment(1),
                Row::Rejected(_) => metrics.events_rejected.increment(1),
                Row::Unavailable => metrics.events_unavailable.increment(1),
            }
            rows.push(row);
        }
        if !self.validate_only && rows.iter().any(|row| matches!(row, Row::Accepted(_))) {
            metrics.acknowledged(started.elapsed());
        }
        rows
    }

    /// The first error stands for all: the sender has been told of every one.
    pub fn record_rejection(&self, event_id: Option<String>, errors: &[FieldError]) {
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
