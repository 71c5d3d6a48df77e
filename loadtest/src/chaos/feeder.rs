//! Writes a stream to Kafka as the edge does: idempotently, each record until it is acknowledged, at a pace that others
//! set. A record whose acknowledgement was lost is written again, as an edge's spool would do.

use super::stream::Delivery;
use crate::error::Error;
use kafka::KafkaConfig;
use kafka::producer::{EdgeProducer, Refused, Ticket};
use service::Shutdown;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Between two looks at the pace.
const TICK: Duration = Duration::from_millis(5);
/// Records under way at most.
const UNDER_WAY: usize = 50_000;
/// Nothing acknowledged for so long, with records under way: Kafka is gone for good.
const PATIENCE: Duration = Duration::from_secs(120);

/// Records a second, and how many were acknowledged.
#[derive(Debug, Default)]
pub struct Pace {
    per_second: AtomicU64,
    acknowledged: AtomicU64,
}

impl Pace {
    pub fn set(&self, per_second: u64) {
        self.per_second.store(per_second, Ordering::Relaxed);
    }

    /// As fast as it goes.
    pub fn full_speed(&self) {
        self.set(u64::MAX);
    }

    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }
}

/// Writes all of `stream`; returns how many records were written again.
pub fn feed(
    config: &KafkaConfig,
    stream: impl Iterator<Item = Delivery>,
    pace: &Pace,
    shutdown: &Shutdown,
) -> Result<u64, Error> {
    let producer = EdgeProducer::start(config, 1)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    let mut feeder = Feeder { producer, under_way: HashMap::new(), next_slot: 0, again: Vec::new(), rewritten: 0 };
    let mailbox = feeder.producer.mailbox(0);
    let (mut stream, mut reports) = (stream.fuse(), Vec::new());
    let (mut allowed, mut ticked, mut moved) = (0.0_f64, Instant::now(), Instant::now());
    let mut ended = false;
    while !shutdown.requested() {
        if ended && feeder.under_way.is_empty() && feeder.again.is_empty() {
            break;
        }
        let rate = pace.per_second.load(Ordering::Relaxed);
        // What a pause of Kafka left unwritten is made up for within a second's worth.
        allowed = (allowed + ticked.elapsed().as_secs_f64() * rate as f64).min((rate as f64).max(1.0));
        ticked = Instant::now();
        while allowed >= 1.0 && feeder.under_way.len() < UNDER_WAY {
            let Some(delivery) = feeder.again.pop().or_else(|| stream.next()) else {
                ended = true;
                break;
            };
            if !feeder.send(delivery)? {
                break;
            }
            allowed -= 1.0;
        }
        runtime.block_on(async {
            // Nothing there within a tick: the list stays empty.
            let _ = tokio::time::timeout(TICK, mailbox.take(&mut reports)).await;
        });
        for report in reports.drain(..) {
            let Some(delivery) = feeder.under_way.remove(&report.slot) else { continue };
            if report.outcome.is_ok() {
                pace.acknowledged.fetch_add(1, Ordering::Relaxed);
                moved = Instant::now();
            } else {
                feeder.rewritten += 1;
                feeder.again.push(delivery);
            }
        }
        feeder.producer.renew_if_fatal();
        if feeder.under_way.is_empty() {
            moved = Instant::now();
        } else if moved.elapsed() > PATIENCE {
            let reason = format!("{} records unacknowledged after {PATIENCE:?}", feeder.under_way.len());
            return Err(Error::Chaos { doing: "write the input", reason });
        }
    }
    Ok(feeder.rewritten)
}

struct Feeder {
    producer: EdgeProducer,
    under_way: HashMap<u32, Delivery>,
    next_slot: u32,
    again: Vec<Delivery>,
    rewritten: u64,
}

impl Feeder {
    /// False where there is no room for it now; it is kept.
    fn send(&mut self, delivery: Delivery) -> Result<bool, Error> {
        let ticket = Ticket { mailbox: 0, slot: self.next_slot };
        match self.producer.send(delivery.topic, delivery.key.as_bytes(), &delivery.value, ticket) {
            Ok(()) => {
                self.under_way.insert(self.next_slot, delivery);
                self.next_slot = self.next_slot.wrapping_add(1);
                Ok(true)
            }
            Err(Refused::QueueFull | Refused::Broken(_)) => {
                // A broken client is renewed after the reports of its records.
                self.again.push(delivery);
                Ok(false)
            }
        }
    }
}
