//! Sends what waits, oldest first, when Kafka takes records again: so many a second, so many under way, so that the
//! records of requests that wait go before it.

use super::folder::{Disk, gone};
use super::format::{self, Found, Name, Record};
use super::ledger::{Ledger, State};
use super::log::Log;
use super::reported;
use kafka::producer::{EdgeProducer, Mailbox, Report, Ticket};
use metrics::counter;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Beside 10,000 clicks/s of visitors another tenth of a core; a minute's outage at that rate is over in one more.
const PER_SECOND: f64 = 10_000.0;
/// Under way at once: enough for the rate at 25 ms a round trip, and little beside a producer's queue of 200,000.
const WINDOW: usize = 256;
/// After Kafka refused something, or a disk a segment.
const PAUSE: Duration = Duration::from_millis(500);

/// A segment in memory while it is sent.
struct Loaded {
    name: Name,
    bytes: Vec<u8>,
    at: usize,
    /// Entries of it sent since `at` was its beginning.
    sent: usize,
}

pub struct Drain {
    producer: Arc<EdgeProducer>,
    mailbox: Arc<Mailbox>,
    number: u16,
    /// Sequences under way; the place is the ticket's slot.
    window: Vec<Option<u64>>,
    loaded: Option<Loaded>,
    allowance: f64,
    counted: Instant,
    paused_until: Option<Instant>,
    reports: Vec<Report>,
}

impl Drain {
    /// `number` is that of a mailbox that nobody else uses.
    pub fn new(producer: Arc<EdgeProducer>, number: u16, now: Instant) -> Drain {
        let mailbox = producer.mailbox(number);
        Drain {
            producer,
            mailbox,
            number,
            window: vec![None; WINDOW],
            loaded: None,
            allowance: 0.0,
            counted: now,
            paused_until: None,
            reports: Vec::new(),
        }
    }

    pub fn under_way(&self) -> bool {
        self.window.iter().any(Option::is_some)
    }

    /// Takes up what became of the records under way.
    pub fn take_reports(&mut self, ledger: &mut Ledger, now: Instant) {
        let mut reports = std::mem::take(&mut self.reports);
        self.mailbox.take_now(&mut reports);
        for report in &reports {
            let sequence = self.window.get_mut(report.slot as usize).and_then(Option::take);
            let Some(sequence) = sequence else { continue };
            ledger.set(sequence, reported(report.outcome));
            match report.outcome {
                Ok(()) => counter!("edge_spool_drained_total").increment(1),
                Err(error) => {
                    tracing::debug!(sequence, %error, "entry of the spool not delivered, tried again");
                    self.begin_again(now);
                }
            }
        }
        self.reports = reports;
    }

    /// Sends as much as the pace allows. Nothing while an entry is in doubt: older ones first.
    pub fn step<D: Disk>(&mut self, log: &mut Log<D>, ledger: &mut Ledger, now: Instant) {
        let passed = now.duration_since(self.counted).as_secs_f64();
        self.counted = now;
        self.allowance = (self.allowance + passed * PER_SECOND).min(WINDOW as f64);
        if self.paused_until.is_some_and(|until| now < until) || ledger.count(State::Doubtful) > 0 {
            return;
        }
        let mut slot = 0;
        while self.allowance >= 1.0 && ledger.count(State::Waiting) > 0 {
            while slot < WINDOW && self.window[slot].is_some() {
                slot += 1;
            }
            if slot == WINDOW || !self.load(log, ledger, now) {
                return;
            }
            self.send_next(slot, ledger, now);
        }
    }

    /// Whether the oldest segment with something to send is in memory.
    fn load<D: Disk>(&mut self, log: &mut Log<D>, ledger: &mut Ledger, now: Instant) -> bool {
        if self.loaded.is_some() {
            return true;
        }
        let Some(segment) = ledger.segments().find(|segment| segment.count(State::Waiting) > 0) else { return false };
        let (name, active, length) = (segment.name, segment.active, segment.bytes);
        if active {
            log.seal(ledger);
        }
        match log.disk.read(name) {
            Ok(mut bytes) => {
                bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
                let at = format::HEADER_BYTES.min(bytes.len());
                self.loaded = Some(Loaded { name, bytes, at, sent: 0 });
                true
            }
            Err(error) => {
                tracing::error!(segment = name.file(), %error, "segment of the spool not readable");
                if gone(&error) {
                    lose(ledger, name, &[]);
                }
                self.begin_again(now);
                false
            }
        }
    }

    /// Sends the next entry that waits, or finds the segment's end.
    fn send_next(&mut self, slot: usize, ledger: &mut Ledger, now: Instant) {
        let Some(loaded) = &mut self.loaded else { return };
        while let Some((found, next)) = format::next(&loaded.bytes, loaded.name.salt, loaded.at) {
            let before = loaded.at;
            loaded.at = next;
            let Found::Record(Record::Entry(entry)) = found else { continue };
            if ledger.state(entry.sequence) != State::Waiting {
                continue;
            }
            let ticket = Ticket { mailbox: self.number, slot: slot as u32 };
            match self.producer.send(entry.topic, entry.key, entry.value, ticket) {
                Ok(()) => {
                    self.window[slot] = Some(entry.sequence);
                    ledger.set(entry.sequence, State::InFlight);
                    self.allowance -= 1.0;
                    loaded.sent += 1;
                }
                Err(error) => {
                    tracing::debug!(%error, "entry of the spool not taken by the producer, tried again");
                    loaded.at = before;
                    self.paused_until = Some(now + PAUSE);
                    self.allowance = 0.0;
                }
            }
            return;
        }
        // From beginning to end without one of those that wait: the bytes of some are no records any more.
        if loaded.sent == 0 {
            lose(ledger, loaded.name, &loaded.bytes);
        }
        self.loaded = None;
    }

    /// Some entry waits again: what is in memory is walked from its beginning.
    fn begin_again(&mut self, now: Instant) {
        self.loaded = None;
        self.allowance = 0.0;
        self.paused_until = Some(now + PAUSE);
    }
}

/// What waits in a segment of these bytes and cannot be read any more. The file stays for a person.
fn lose(ledger: &mut Ledger, name: Name, bytes: &[u8]) {
    let Some(segment) = ledger.segment_mut(name) else { return };
    let mut readable = HashSet::new();
    let mut at = format::HEADER_BYTES.min(bytes.len());
    while let Some((found, next)) = format::next(bytes, name.salt, at) {
        if let Found::Record(Record::Entry(entry)) = found {
            readable.insert(entry.sequence);
        }
        at = next;
    }
    let lost: Vec<u64> = segment.all(State::Waiting).filter(|sequence| !readable.contains(sequence)).collect();
    // One that began to wait behind the place that was just read is there, and its turn comes.
    if lost.is_empty() {
        return;
    }
    segment.damaged = true;
    tracing::error!(segment = name.file(), entries = lost.len(), "acknowledged entries of the spool cannot be read");
    counter!("edge_spool_damaged_total").increment(lost.len() as u64);
    lost.into_iter().for_each(|sequence| ledger.set(sequence, State::Closed));
}

#[cfg(test)]
mod tests;
