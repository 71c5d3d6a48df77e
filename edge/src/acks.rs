//! Who waits for which acknowledgement, on one worker thread: a slab of slots, filled by requests and emptied by Kafka's
//! delivery reports.
//!
//! A slot is free again only when its report has come, so a report never meets another request's slot, and what
//! happened to a record that nobody waits for any more is still counted, or told to the spool where that has it too.

use crate::spool::Spool;
use kafka::producer::{EdgeProducer, Mailbox, Refused, Report, Ticket, Undelivered};
use schemas::topic::Topic;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

type Outcome = Result<(), Undelivered>;

/// What a report nobody waited for says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unawaited {
    pub topic: Topic,
    pub why: Why,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The request was answered without it: the wait was over.
    GaveUp,
    /// The browser or client went away before the answer.
    ClientLeft,
    /// It was never waited for.
    Untracked,
}

enum Slot {
    Free {
        next: Option<u32>,
    },
    Awaited {
        topic: Topic,
        waker: Option<Waker>,
    },
    Reported(Outcome),
    Unawaited {
        topic: Topic,
        why: Why,
    },
    /// The spool has it too, and waits for the report.
    Spooled {
        ticket: u64,
    },
}

#[derive(Default)]
struct Slab {
    slots: Vec<Slot>,
    free: Option<u32>,
    taken: usize,
}

impl Slab {
    fn insert(&mut self, slot: Slot) -> u32 {
        self.taken += 1;
        match self.free {
            Some(index) => {
                let place = &mut self.slots[index as usize];
                if let Slot::Free { next } = place {
                    self.free = *next;
                }
                *place = slot;
                index
            }
            None => {
                self.slots.push(slot);
                // The producer's queue refuses long before four thousand million.
                (self.slots.len() - 1) as u32
            }
        }
    }

    fn remove(&mut self, index: u32) -> Slot {
        self.taken -= 1;
        let slot = std::mem::replace(&mut self.slots[index as usize], Slot::Free { next: self.free });
        self.free = Some(index);
        slot
    }
}

/// Sends records and knows who waits for them. One per worker thread.
pub struct Acks {
    producer: Arc<EdgeProducer>,
    mailbox: u16,
    slab: RefCell<Slab>,
    spool: Spool,
}

impl Acks {
    pub fn new(producer: Arc<EdgeProducer>, mailbox: u16, spool: Spool) -> Rc<Acks> {
        Rc::new(Acks { producer, mailbox, slab: RefCell::default(), spool })
    }

    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Records whose report has not come, or was not looked at.
    pub fn under_way(&self) -> usize {
        self.slab.borrow().taken
    }

    /// Sends a record whose acknowledgement the caller awaits.
    pub fn send(self: &Rc<Self>, topic: Topic, key: &[u8], value: &[u8]) -> Result<Ack, Refused> {
        let slot = self.hand_over(topic, key, value, Slot::Awaited { topic, waker: None })?;
        Ok(Ack { acks: self.clone(), slot: Some(slot) })
    }

    /// Sends a record that no answer depends on; its failure is counted.
    pub fn send_untracked(&self, topic: Topic, key: &[u8], value: &[u8]) -> Result<(), Refused> {
        self.hand_over(topic, key, value, Slot::Unawaited { topic, why: Why::Untracked }).map(drop)
    }

    fn hand_over(&self, topic: Topic, key: &[u8], value: &[u8], slot: Slot) -> Result<u32, Refused> {
        // First the slot: the report may be there before `send` returns, and is taken up later on this thread.
        let slot = self.slab.borrow_mut().insert(slot);
        let sent = self.producer.send(topic, key, value, Ticket { mailbox: self.mailbox, slot });
        sent.map(|()| slot).inspect_err(|_| drop(self.slab.borrow_mut().remove(slot)))
    }

    /// Takes up reports for as long as the worker runs.
    pub async fn run(self: Rc<Self>, mailbox: Arc<Mailbox>, unawaited: impl Fn(Unawaited)) {
        let mut reports = Vec::new();
        loop {
            mailbox.take(&mut reports).await;
            for report in &reports {
                if let Some(said) = self.take_up(*report) {
                    unawaited(said);
                }
            }
        }
    }

    /// As if it had come from the producer.
    #[cfg(test)]
    pub fn report(&self, report: Report) {
        self.take_up(report);
    }

    fn take_up(&self, report: Report) -> Option<Unawaited> {
        let mut slab = self.slab.borrow_mut();
        let slot = slab.slots.get_mut(report.slot as usize)?;
        match slot {
            Slot::Awaited { waker, .. } => {
                let waker = waker.take();
                *slot = Slot::Reported(report.outcome);
                drop(slab);
                if let Some(waker) = waker {
                    waker.wake();
                }
                None
            }
            &mut Slot::Unawaited { topic, why } => {
                slab.remove(report.slot);
                Some(Unawaited { topic, why, outcome: report.outcome })
            }
            &mut Slot::Spooled { ticket } => {
                slab.remove(report.slot);
                self.spool.reported(ticket, report.outcome);
                None
            }
            // One record, one report: librdkafka's promise.
            Slot::Free { .. } | Slot::Reported(_) => None,
        }
    }

    fn abandon(&self, index: u32, why: Why) {
        let mut slab = self.slab.borrow_mut();
        match &slab.slots[index as usize] {
            &Slot::Awaited { topic, .. } => slab.slots[index as usize] = Slot::Unawaited { topic, why },
            Slot::Reported(_) => drop(slab.remove(index)),
            Slot::Free { .. } | Slot::Unawaited { .. } | Slot::Spooled { .. } => {}
        }
    }
}

/// Completes when Kafka has the record, or will not have it.
pub struct Ack {
    acks: Rc<Acks>,
    /// None once it is over.
    slot: Option<u32>,
}

impl Ack {
    /// The wait is over: what came until now, without waiting; what comes later is late.
    pub fn give_up(mut self) -> Option<Outcome> {
        let slot = self.slot.take()?;
        let reported = match self.acks.slab.borrow().slots[slot as usize] {
            Slot::Reported(outcome) => Some(outcome),
            Slot::Free { .. } | Slot::Awaited { .. } | Slot::Unawaited { .. } | Slot::Spooled { .. } => None,
        };
        self.acks.abandon(slot, Why::GaveUp);
        reported
    }

    /// The spool has the record too: it hears what comes, or what came until now.
    pub fn hand_to_spool(mut self, ticket: u64) {
        let Some(index) = self.slot.take() else { return };
        let mut slab = self.acks.slab.borrow_mut();
        match slab.slots[index as usize] {
            Slot::Awaited { .. } => slab.slots[index as usize] = Slot::Spooled { ticket },
            Slot::Reported(outcome) => {
                slab.remove(index);
                self.acks.spool.reported(ticket, outcome);
            }
            Slot::Free { .. } | Slot::Unawaited { .. } | Slot::Spooled { .. } => {}
        }
    }
}

impl Future for Ack {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let Some(index) = self.slot else { return Poll::Pending };
        let mut slab = self.acks.slab.borrow_mut();
        let outcome = match &mut slab.slots[index as usize] {
            Slot::Awaited { waker, .. } => {
                match waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => *waker = Some(context.waker().clone()),
                }
                return Poll::Pending;
            }
            Slot::Reported(outcome) => *outcome,
            Slot::Free { .. } | Slot::Unawaited { .. } | Slot::Spooled { .. } => return Poll::Pending,
        };
        slab.remove(index);
        drop(slab);
        self.slot = None;
        Poll::Ready(outcome)
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.acks.abandon(slot, Why::ClientLeft);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka::KafkaConfig;

    /// A producer without a Kafka: nothing is reported but what the test reports.
    fn acks() -> Rc<Acks> {
        let config = KafkaConfig { bootstrap: "127.0.0.1:1".into(), prefix: String::new(), development: true };
        let producer = EdgeProducer::start(&config, 1).expect("starts without Kafka");
        Acks::new(Arc::new(producer), 0, Spool::refusing())
    }

    fn poll(ack: &mut Ack) -> Poll<Outcome> {
        Pin::new(ack).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn good(slot: u32) -> Report {
        Report { slot, outcome: Ok(()) }
    }

    #[test]
    fn a_report_completes_its_own_waiter_and_no_other() {
        let acks = acks();
        let mut first = acks.send(Topic::Clicks, b"k", b"v").expect("taken");
        let mut second = acks.send(Topic::Clicks, b"k", b"v").expect("taken");
        assert_eq!((poll(&mut first), poll(&mut second)), (Poll::Pending, Poll::Pending));
        assert_eq!(acks.take_up(good(1)), None);
        assert_eq!((poll(&mut first), poll(&mut second)), (Poll::Pending, Poll::Ready(Ok(()))));
        let third = acks.send(Topic::Events, b"k", b"v").expect("taken");
        assert_eq!(third.slot, Some(1), "a slot is used again after its report");
    }

    #[test]
    fn a_report_that_comes_too_late_is_counted_and_frees_its_slot() {
        let acks = acks();
        let late = |why| Some(Unawaited { topic: Topic::Clicks, why, outcome: Ok(()) });
        let ack = acks.send(Topic::Clicks, b"k", b"v").expect("taken");
        assert_eq!(ack.give_up(), None);
        let other = acks.send(Topic::Clicks, b"k", b"v").expect("taken");
        assert_eq!(other.slot, Some(1), "the slot of a record under way is not given away");
        drop(other);
        acks.send_untracked(Topic::Clicks, b"k", b"v").expect("taken");
        assert_eq!(acks.take_up(good(0)), late(Why::GaveUp));
        assert_eq!(acks.take_up(good(1)), late(Why::ClientLeft));
        assert_eq!(acks.take_up(good(2)), late(Why::Untracked));
        assert_eq!(acks.take_up(good(2)), None, "a second report changes nothing");
    }

    #[test]
    fn giving_up_still_sees_what_has_come() {
        let acks = acks();
        let ack = acks.send(Topic::Events, b"k", b"v").expect("taken");
        acks.take_up(good(0));
        assert_eq!(ack.give_up(), Some(Ok(())));
        assert_eq!(acks.take_up(good(0)), None);
    }
}
