//! Who waits for which acknowledgement, on one worker thread: a slab of slots, filled by requests and emptied by Kafka's
//! delivery reports.
//!
//! A slot is free again only when its report has come, so a report never meets another request's slot, and what
//! happened to a record that nobody waits for any more is still counted, or told to the spool where that has it too.

pub mod breaker;
mod waiting;

use crate::spool::Spool;
use breaker::{Breaker, Change, Path};
use kafka::producer::{EdgeProducer, Mailbox, Refused, Report, Ticket, Undelivered};
use metrics::{counter, gauge};
use schemas::topic::Topic;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use waiting::Waiting;

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
    /// When the record of the slot with this number was sent.
    sent: Vec<Instant>,
    free: Option<u32>,
    taken: usize,
}

impl Slab {
    fn insert(&mut self, slot: Slot, now: Instant) -> u32 {
        self.taken += 1;
        match self.free {
            Some(index) => {
                let place = &mut self.slots[index as usize];
                if let Slot::Free { next } = place {
                    self.free = *next;
                }
                *place = slot;
                self.sent[index as usize] = now;
                index
            }
            None => {
                self.slots.push(slot);
                self.sent.push(now);
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
    breaker: RefCell<Breaker>,
    /// Told what became of records that nobody waits for.
    unawaited: Box<dyn Fn(Unawaited)>,
    reports: Cell<Vec<Report>>,
    pub waiting: Waiting,
}

impl Acks {
    /// `wait` is what a request waits for Kafka before it turns to the spool.
    pub fn new(
        producer: Arc<EdgeProducer>,
        mailbox: u16,
        spool: Spool,
        wait: Duration,
        unawaited: impl Fn(Unawaited) + 'static,
    ) -> Rc<Acks> {
        Rc::new(Acks {
            producer,
            mailbox,
            slab: RefCell::default(),
            spool,
            breaker: RefCell::new(Breaker::new(wait)),
            unawaited: Box::new(unawaited),
            reports: Cell::default(),
            waiting: Waiting::default(),
        })
    }

    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// Records whose report has not come, or was not looked at.
    pub fn under_way(&self) -> usize {
        self.slab.borrow().taken
    }

    /// Where the next record goes.
    pub fn path(&self) -> Path {
        self.breaker.borrow_mut().path(Instant::now())
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
        let slot = self.slab.borrow_mut().insert(slot, Instant::now());
        let sent = self.producer.send(topic, key, value, Ticket { mailbox: self.mailbox, slot });
        sent.map(|()| slot).inspect_err(|_| drop(self.slab.borrow_mut().remove(slot)))
    }

    /// Takes up reports for as long as the worker runs.
    pub async fn run(self: Rc<Self>, mailbox: Arc<Mailbox>) {
        let mut reports = Vec::new();
        loop {
            mailbox.take(&mut reports).await;
            self.take_all(&reports);
        }
    }

    fn take_all(&self, reports: &[Report]) {
        let now = Instant::now();
        for report in reports {
            if let Some(said) = self.take_up(*report, now) {
                (self.unawaited)(said);
            }
        }
    }

    /// As if it had come from the producer.
    #[cfg(test)]
    pub fn report(&self, report: Report) {
        self.take_up(report, Instant::now());
    }

    fn take_up(&self, report: Report, now: Instant) -> Option<Unawaited> {
        let mut slab = self.slab.borrow_mut();
        let sent = *slab.sent.get(report.slot as usize)?;
        let slot = slab.slots.get_mut(report.slot as usize)?;
        let said = match slot {
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
            Slot::Free { .. } | Slot::Reported(_) => return None,
        };
        let took = now.duration_since(sent);
        tell(self.breaker.borrow_mut().reported(took, report.outcome.is_ok(), now));
        said
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

/// Rare: a change of where records go.
fn tell(change: Option<Change>) {
    match change {
        None => return,
        Some(Change::Away) => tracing::warn!("kafka acknowledges nothing: records go to the spool at once"),
        Some(Change::Slow) => tracing::warn!("kafka acknowledges too late: records go to the spool at once"),
        Some(Change::Back) => tracing::info!("kafka acknowledges in time again"),
    }
    let open = gauge!("edge_breaker_open");
    match change {
        None => {}
        Some(Change::Back) => open.decrement(1),
        Some(Change::Away | Change::Slow) => {
            open.increment(1);
            let why = if change == Some(Change::Away) { "away" } else { "slow" };
            counter!("edge_breaker_opened_total", "why" => why).increment(1);
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
    /// The wait is over and nothing was heard. First what has come and was not taken up: a thread that is late itself
    /// must not take it for Kafka's fault.
    pub fn overdue(&mut self) -> Option<Outcome> {
        let acks = self.acks.clone();
        let mut reports = acks.reports.take();
        acks.producer.mailbox(acks.mailbox).take_now(&mut reports);
        acks.take_all(&reports);
        acks.reports.set(reports);
        let index = self.slot?;
        let mut slab = acks.slab.borrow_mut();
        if let Slot::Reported(outcome) = slab.slots[index as usize] {
            slab.remove(index);
            self.slot = None;
            return Some(outcome);
        }
        tell(acks.breaker.borrow_mut().overdue(slab.sent[index as usize], Instant::now()));
        None
    }

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
mod tests;
