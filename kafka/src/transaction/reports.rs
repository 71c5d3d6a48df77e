//! Delivery reports of one transaction: the last offset of each slot, and the first failure.

use rdkafka::client::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use schemas::offset::Offset;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub struct Reports(Mutex<Delivered>);

#[derive(Default)]
pub struct Delivered {
    last: Vec<Option<Offset>>,
    failure: Option<KafkaError>,
}

impl Delivered {
    /// Per slot, the offset of its last record.
    pub fn take(&mut self) -> Vec<Option<Offset>> {
        std::mem::take(&mut self.last)
    }

    pub fn failure(&mut self) -> Option<KafkaError> {
        self.failure.take()
    }
}

impl Reports {
    /// A report is noted by single assignments: a panic cannot leave it half changed.
    pub fn delivered(&self) -> MutexGuard<'_, Delivered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "transactional producer");
    }
}

impl ProducerContext for Reports {
    /// Slot plus one; 0 is no slot.
    type DeliveryOpaque = usize;

    fn delivery(&self, report: &DeliveryResult<'_>, opaque: usize) {
        let mut delivered = self.delivered();
        match report {
            Ok(message) => {
                if let Some(slot) = opaque.checked_sub(1) {
                    if delivered.last.len() <= slot {
                        delivered.last.resize(slot + 1, None);
                    }
                    let offset = Offset(message.offset());
                    delivered.last[slot] = delivered.last[slot].max(Some(offset));
                }
            }
            Err((error, _)) => {
                delivered.failure.get_or_insert_with(|| error.clone());
            }
        }
    }
}
