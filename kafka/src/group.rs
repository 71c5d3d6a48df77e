//! What a consumer group decides, noted where it happens and answered where the work is done.
//!
//! **Invariant:** rebalance events are only noted in the callback; the caller acts on them between batches, so that
//! nothing is shared between callback and data path. The group waits for the answer.

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
}

/// What the group decided; the caller must answer each with `assign` or `unassign`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rebalance {
    Assigned(Vec<Place>),
    /// `lost`: another member may own the partitions already, so nothing can be committed any more.
    Revoked {
        lost: bool,
    },
}

/// The events that wait for their answer.
#[derive(Default)]
pub(crate) struct Noted {
    events: Mutex<VecDeque<Rebalance>>,
    closing: AtomicBool,
}

impl Noted {
    /// For the `rebalance` callback of a consumer's context.
    pub fn note<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        what: RDKafkaRespErr,
        places: &TopicPartitionList,
    ) {
        if self.closing.load(Ordering::Relaxed) {
            // The caller has ended its work; librdkafka waits for this answer to close.
            let _ = consumer.unassign();
            return;
        }
        let event = if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let place = |(topic, partition)| Place { topic, partition };
            let mut places: Vec<Place> = places.to_topic_map().into_keys().map(place).collect();
            places.sort();
            Rebalance::Assigned(places)
        } else {
            Rebalance::Revoked { lost: consumer.assignment_lost() }
        };
        // A queue is pushed to and taken from: a panic cannot leave it half changed.
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }

    pub fn next(&self) -> Option<Rebalance> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub fn any(&self) -> bool {
        !self.events.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// From here on events are answered in the callback: the consumer is being dropped.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }
}
