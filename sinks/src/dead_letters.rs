//! The writer of `dead-letters`: what cannot be decoded is acknowledged there before the group goes past it.
//!
//! A crash in between writes a letter twice; the table keeps one (`sql/dead_letters.sql`).

use crate::retry::{Backoff, Reaction};
use kafka::KafkaConfig;
use kafka::producer::{EdgeProducer, Mailbox, Report, Ticket};
use kafka::queue::Record;
use schemas::codec::{self, DecodeError};
use schemas::record::dead_letter::{DeadLetter, Unusable};
use schemas::topic::Topic;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The letter of a record that cannot be decoded; the same one whenever it is read again.
pub(crate) fn letter(record: &Record<'_>, error: &DecodeError) -> DeadLetter {
    let unusable = Unusable {
        topic: record.topic,
        partition: record.partition,
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key,
        value: record.value,
    };
    DeadLetter::of(unusable, "sinks", &error.to_string())
}

/// Inserts share it; one writes at a time, since letters are rare.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Mutex<Inner>>);

struct Inner {
    producer: EdgeProducer,
    mailbox: Arc<Mailbox>,
    /// Slots are never used twice: reports of a write that was given up may still come.
    next_slot: u32,
    arrived: Vec<Report>,
}

impl Writer {
    pub fn new(config: &KafkaConfig) -> Result<Self, kafka::Error> {
        let producer = EdgeProducer::start(config, 1)?;
        let mailbox = producer.mailbox(0);
        Ok(Writer(Arc::new(Mutex::new(Inner { producer, mailbox, next_slot: 0, arrived: Vec::new() }))))
    }

    /// Returns when all are acknowledged; tries for ever.
    pub async fn write(&self, letters: &[DeadLetter]) {
        let mut backoff = Backoff::new();
        for letter in letters {
            while !self.0.lock().await.write(letter).await {
                tokio::time::sleep(backoff.pause(Reaction::Again)).await;
            }
        }
    }
}

impl Inner {
    /// Whether it was acknowledged.
    async fn write(&mut self, letter: &DeadLetter) -> bool {
        self.producer.renew_if_fatal();
        let slot = self.next_slot;
        self.next_slot = slot.wrapping_add(1);
        let key = format!("{}/{}/{}", letter.topic, letter.partition, letter.offset.0);
        let ticket = Ticket { mailbox: 0, slot };
        if let Err(error) = self.producer.send(Topic::DeadLetters, key.as_bytes(), &codec::encode(letter), ticket) {
            tracing::warn!(key, %error, "a dead letter was not taken, trying again");
            return false;
        }
        loop {
            self.mailbox.take(&mut self.arrived).await;
            let Some(report) = self.arrived.iter().find(|report| report.slot == slot) else { continue };
            if let Err(error) = report.outcome {
                tracing::warn!(key, %error, "a dead letter was not acknowledged, trying again");
            }
            return report.outcome.is_ok();
        }
    }
}
