//! One record on its way to being durable: by Kafka, or, when that takes too long, by the spool.
//!
//! A record goes to Kafka, or where that is known to be in vain (`acks::breaker`), to the spool alone, which sends it on.
//! One that Kafka acknowledges within the wait never touches the spool. One that it does not is stored as well and
//! stays in flight; whichever is first answers the request, and the spool hears the report, whatever became of the
//! request.

use crate::acks::breaker::Path;
use crate::acks::{Ack, Acks};
use crate::spool::{Flight, Storing};
use kafka::producer::{Refused, Undelivered};
use schemas::topic::Topic;
use std::rc::Rc;
use tokio::time::{Instant, timeout_at};

pub struct Recording {
    acks: Rc<Acks>,
    topic: Topic,
    key: String,
    value: Vec<u8>,
    kafka: Kafka,
    storing: Option<Storing>,
    /// It goes to the spool without a wait: Kafka is known to be slow or away.
    at_once: bool,
    /// It was not begun: too many others wait.
    pub crowded: bool,
}

/// How far the producer is with it.
enum Kafka {
    /// Not asked, because it would take too long.
    Passed,
    InFlight(Ack),
    Has,
    HasNot {
        maybe: bool,
    },
}

impl Recording {
    /// Hands the record to the producer, unless there is no use in that, or too many others wait.
    pub fn send(acks: &Rc<Acks>, topic: Topic, key: String, value: Vec<u8>) -> Recording {
        let crowded = !acks.waiting.enter(topic);
        let path = if crowded { Path::Spool } else { acks.path() };
        let kafka = match path {
            Path::Kafka | Path::Probe => begin(acks, topic, &key, &value),
            Path::Spool => Kafka::Passed,
        };
        let at_once = path != Path::Kafka;
        Recording { acks: acks.clone(), topic, key, value, kafka, storing: None, at_once, crowded }
    }

    /// Whether Kafka has it, at the latest at `until`; without a wait where that would be in vain.
    pub async fn acknowledged(&mut self, until: Instant) -> bool {
        if let Kafka::InFlight(ack) = &mut self.kafka
            && !self.at_once
        {
            let outcome = match timeout_at(until, &mut *ack).await {
                Ok(outcome) => Some(outcome),
                Err(_) => ack.overdue(),
            };
            if let Some(outcome) = outcome {
                self.kafka = kafka(outcome);
            }
        }
        matches!(self.kafka, Kafka::Has)
    }

    /// Begins to store what Kafka does not have yet.
    pub fn store(&mut self) {
        if self.crowded {
            return;
        }
        let flight = match &self.kafka {
            Kafka::Has => return,
            Kafka::Passed => Flight::Over { maybe: false },
            Kafka::InFlight(_) => Flight::UnderWay,
            Kafka::HasNot { maybe } => Flight::Over { maybe: *maybe },
        };
        let (key, value) = match &self.kafka {
            // Kafka may have to be asked after all.
            Kafka::Passed => (self.key.clone(), self.value.clone()),
            _ => (std::mem::take(&mut self.key), std::mem::take(&mut self.value)),
        };
        self.storing = self.acks.spool().store(self.topic, key.into_bytes(), value, flight);
    }

    /// Whether it survives from now on whatever happens, at the latest at `until`.
    pub async fn durable(mut self, until: Instant) -> bool {
        if self.crowded {
            return false;
        }
        let mut stored = None;
        loop {
            let storing = self.storing.as_mut().filter(|_| stored.is_none());
            match (&mut self.kafka, storing) {
                (Kafka::Has, _) => return true,
                // Money is worth a wait that is likely to be in vain; a visitor is not to wait for nothing.
                (Kafka::Passed, None) if self.topic == Topic::Clicks => return false,
                (Kafka::Passed, None) => self.kafka = begin(&self.acks, self.topic, &self.key, &self.value),
                (Kafka::Passed, Some(storing)) => match timeout_at(until, &mut storing.stored).await {
                    Ok(Ok(true)) => return true,
                    Ok(Ok(false) | Err(_)) => stored = Some(false),
                    Err(_) => return false,
                },
                (Kafka::HasNot { .. }, None) => return false,
                (Kafka::HasNot { .. }, Some(storing)) => {
                    return timeout_at(until, &mut storing.stored).await.is_ok_and(|stored| stored == Ok(true));
                }
                (Kafka::InFlight(ack), None) => match timeout_at(until, ack).await {
                    Ok(outcome) => self.kafka = kafka(outcome),
                    Err(_) => return self.give_up(),
                },
                (Kafka::InFlight(ack), Some(storing)) => {
                    tokio::select! {
                        biased;
                        outcome = ack => {
                            self.acks.spool().reported(storing.ticket, outcome);
                            self.kafka = kafka(outcome);
                        }
                        told = &mut storing.stored => match told {
                            Ok(true) => return true,
                            Ok(false) | Err(_) => stored = Some(false),
                        },
                        () = tokio::time::sleep_until(until) => return false,
                    }
                }
            }
        }
    }

    /// What came in the last moment counts; what comes later is late.
    fn give_up(&mut self) -> bool {
        match std::mem::replace(&mut self.kafka, Kafka::HasNot { maybe: false }) {
            Kafka::InFlight(ack) if self.storing.is_none() => ack.give_up().is_some_and(|outcome| outcome.is_ok()),
            // The spool may have it all the same.
            kafka => {
                self.kafka = kafka;
                false
            }
        }
    }
}

fn begin(acks: &Rc<Acks>, topic: Topic, key: &str, value: &[u8]) -> Kafka {
    match acks.send(topic, key.as_bytes(), value) {
        Ok(ack) => Kafka::InFlight(ack),
        Err(error) => {
            if let Refused::Broken(error) = error {
                tracing::debug!(%error, "record not taken by the producer");
            }
            Kafka::HasNot { maybe: false }
        }
    }
}

fn kafka(outcome: Result<(), Undelivered>) -> Kafka {
    match outcome {
        Ok(()) => Kafka::Has,
        Err(undelivered) => Kafka::HasNot { maybe: undelivered.maybe },
    }
}

impl Drop for Recording {
    /// An entry whose record is in flight hears of it, also when the client left in the middle.
    fn drop(&mut self) {
        if !self.crowded {
            self.acks.waiting.leave(self.topic);
        }
        if let Some(storing) = &self.storing
            && let Kafka::InFlight(ack) = std::mem::replace(&mut self.kafka, Kafka::HasNot { maybe: false })
        {
            ack.hand_to_spool(storing.ticket);
        }
    }
}

#[cfg(test)]
mod tests;
