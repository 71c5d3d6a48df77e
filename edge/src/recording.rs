//! One record on its way to being durable: by Kafka, or, when that takes too long, by the spool.
//!
//! A record that Kafka acknowledges within the wait never touches the spool. One that it does not is stored as well and
//! stays in flight; whichever is first answers the request, and the spool hears the report, whatever became of the
//! request.

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
}

/// How far the producer is with it.
enum Kafka {
    InFlight(Ack),
    Has,
    HasNot { maybe: bool },
}

impl Recording {
    /// Hands the record to the producer.
    pub fn send(acks: &Rc<Acks>, topic: Topic, key: String, value: Vec<u8>) -> Recording {
        let kafka = match acks.send(topic, key.as_bytes(), &value) {
            Ok(ack) => Kafka::InFlight(ack),
            Err(error) => {
                if let Refused::Broken(error) = error {
                    tracing::debug!(%error, "record not taken by the producer");
                }
                Kafka::HasNot { maybe: false }
            }
        };
        Recording { acks: acks.clone(), topic, key, value, kafka, storing: None }
    }

    /// Whether Kafka has it, at the latest at `until`.
    pub async fn acknowledged(&mut self, until: Instant) -> bool {
        if let Kafka::InFlight(ack) = &mut self.kafka
            && let Ok(outcome) = timeout_at(until, ack).await
        {
            self.kafka = kafka(outcome);
        }
        matches!(self.kafka, Kafka::Has)
    }

    /// Begins to store what Kafka does not have yet.
    pub fn store(&mut self) {
        let flight = match &self.kafka {
            Kafka::Has => return,
            Kafka::InFlight(_) => Flight::UnderWay,
            Kafka::HasNot { maybe } => Flight::Over { maybe: *maybe },
        };
        let (key, value) = (std::mem::take(&mut self.key), std::mem::take(&mut self.value));
        self.storing = self.acks.spool().store(self.topic, key.into_bytes(), value, flight);
    }

    /// Whether it survives from now on whatever happens, at the latest at `until`.
    pub async fn durable(mut self, until: Instant) -> bool {
        let mut stored = None;
        loop {
            let storing = self.storing.as_mut().filter(|_| stored.is_none());
            match (&mut self.kafka, storing) {
                (Kafka::Has, _) => return true,
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

fn kafka(outcome: Result<(), Undelivered>) -> Kafka {
    match outcome {
        Ok(()) => Kafka::Has,
        Err(undelivered) => Kafka::HasNot { maybe: undelivered.maybe },
    }
}

impl Drop for Recording {
    /// An entry whose record is in flight hears of it, also when the client left in the middle.
    fn drop(&mut self) {
        if let Some(storing) = &self.storing
            && let Kafka::InFlight(ack) = std::mem::replace(&mut self.kafka, Kafka::HasNot { maybe: false })
        {
            ack.hand_to_spool(storing.ticket);
        }
    }
}

#[cfg(test)]
mod tests;
