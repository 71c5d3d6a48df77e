//! The spool's thread: it alone owns ledger, files and drain, and hears of everything by one channel.

use super::doubt::{self, Doubt, Print, Resolved};
use super::drain::Drain;
use super::folder::{Disk, gone};
use super::format::{self, Found, Record};
use super::ledger::{Ledger, State};
use super::log::Log;
use super::{Command, Queued, reported};
use crate::ids;
use kafka::KafkaConfig;
use metrics::{counter, gauge};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// Of one group commit, in bytes of entries: what a disk takes in some ten milliseconds.
const GROUP_BYTES: usize = 4 << 20;
/// While something is under way or waits.
const BUSY: Duration = Duration::from_millis(5);
const IDLE: Duration = Duration::from_secs(1);
/// Between two rounds of notes, deletions and figures. A crash between two has so much looked for in Kafka again.
const TIDY: Duration = Duration::from_millis(100);
/// After a commit the disk rests as long as that took, for what else is on it, Kafka most often; what Kafka has meanwhile
/// needs no commit.
const PACE: u32 = 2;
const LONGEST_PAUSE: Duration = Duration::from_millis(25);
/// A segment whose entries are all closed is kept so long for others to come.
const LINGER: Duration = Duration::from_secs(1);
/// At the end, for reports of what was sent from the spool.
const STOP: Duration = Duration::from_secs(1);
/// Doubts that are looked for at once: some 50 bytes each.
const DOUBTS: usize = 500_000;

pub struct Owner<D: Disk> {
    pub log: Log<D>,
    pub ledger: Ledger,
    pub drain: Drain,
    pub kafka: KafkaConfig,
    pub queued: Arc<Queued>,
    /// For the thread that looks into the log to answer.
    pub commands: Sender<Command>,
    /// Live records that are in the spool too, by ticket.
    pub flights: HashMap<u64, u64>,
    pub looking: bool,
}

impl<D: Disk> Owner<D> {
    pub fn run(mut self, commands: &Receiver<Command>) {
        let mut tidied = Instant::now();
        let mut next_commit = Instant::now();
        let (mut group, mut bytes) = (Vec::new(), 0);
        let mut stopping = false;
        while !stopping {
            let wait = if self.busy() { BUSY } else { IDLE };
            let pause = next_commit.saturating_duration_since(Instant::now());
            if !pause.is_zero() {
                std::thread::sleep(pause.min(BUSY));
            } else if group.is_empty() {
                match commands.recv_timeout(wait) {
                    Ok(command) => group.push(command),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => stopping = true,
                }
            }
            while bytes < GROUP_BYTES {
                let Ok(command) = commands.try_recv() else { break };
                bytes += command.bytes();
                group.push(command);
            }
            let began = Instant::now();
            if began >= next_commit || group.iter().any(|command| matches!(command, Command::Stop)) {
                bytes = 0;
                stopping |= self.obey(&mut group);
                next_commit = began + PACE * began.elapsed().min(LONGEST_PAUSE);
            }
            let now = Instant::now();
            self.drain.take_reports(&mut self.ledger, now);
            if !stopping {
                self.drain.step(&mut self.log, &mut self.ledger, now);
            }
            if tidied.elapsed() >= TIDY || stopping {
                tidied = now;
                self.tidy(now);
            }
        }
        self.stop();
    }

    fn busy(&self) -> bool {
        self.ledger.segments().next().is_some()
    }

    /// Stores what came, for one fdatasync; then what was heard of it. Whether to stop.
    fn obey(&mut self, group: &mut Vec<Command>) -> bool {
        let (mut entries, mut waiting) = (Vec::new(), Vec::new());
        let mut stop = false;
        let mut heard = Vec::new();
        for command in group.drain(..) {
            match command {
                Command::Append { ticket, entry, reply } => {
                    self.queued.leave(entry.bytes());
                    waiting.push((ticket, reply));
                    entries.push(entry);
                }
                Command::Reported { ticket, outcome } => heard.push((ticket, outcome)),
                Command::Looked(resolved) => self.looked(resolved),
                Command::Stop => stop = true,
            }
        }
        // What Kafka acknowledged before its turn came needs no disk, and nobody waits for it.
        let acknowledged: HashSet<u64> =
            heard.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(ticket, _)| *ticket).collect();
        if !acknowledged.is_empty() {
            let needed: Vec<bool> = waiting.iter().map(|(ticket, _)| !acknowledged.contains(ticket)).collect();
            let all = entries.len();
            let mut at = needed.iter();
            entries.retain(|_| at.next() == Some(&true));
            let mut at = needed.iter();
            waiting.retain(|_| at.next() == Some(&true));
            counter!("edge_spool_spared_total").increment((all - entries.len()) as u64);
        }
        if !entries.is_empty() {
            let stored = self.log.commit(&mut self.ledger, &entries, ids::now(), Instant::now());
            if let Ok(first) = stored {
                counter!("edge_spool_stored_total").increment(entries.len() as u64);
                let flights =
                    (first..).zip(&entries).zip(&waiting).filter(|((_, entry), _)| entry.state == State::InFlight);
                self.flights.extend(flights.map(|((sequence, _), (ticket, _))| (*ticket, sequence)));
            } else if let Err(error) = &stored {
                counter!("edge_spool_refused_total").increment(entries.len() as u64);
                tracing::debug!(%error, entries = entries.len(), "not stored in the spool");
            }
            for (_, reply) in waiting {
                // Who has gone meanwhile, by a broken connection or at the end of the wait, hears nothing.
                let _ = reply.send(stored.is_ok());
            }
        }
        for (ticket, outcome) in heard {
            // Nothing of one that was not stored.
            if let Some(sequence) = self.flights.remove(&ticket) {
                self.ledger.set(sequence, reported(outcome));
            }
        }
        stop
    }

    fn tidy(&mut self, now: Instant) {
        if let Some((name, used)) = self.log.active()
            && now.duration_since(used) >= LINGER
            && self.ledger.segment(name).is_some_and(|segment| segment.open() == 0)
        {
            self.log.seal(&mut self.ledger);
        }
        while let Some(segment) = self.ledger.take_finished() {
            let file = segment.name.file();
            if segment.damaged {
                match self.log.disk.set_aside(segment.name) {
                    Ok(path) => tracing::error!(?path, "damaged segment of the spool set aside"),
                    Err(error) => tracing::error!(file, %error, "damaged segment of the spool not set aside"),
                }
            } else if let Err(error) = self.log.disk.remove(segment.name) {
                tracing::error!(file, %error, "segment of the spool not deleted");
            }
        }
        self.log.note(&mut self.ledger, now);
        self.look_into_doubts();
        self.show();
    }

    fn show(&self) {
        self.queued.used.store(self.ledger.bytes(), Ordering::Relaxed);
        gauge!("edge_spool_records").set(self.ledger.open() as f64);
        gauge!("edge_spool_bytes").set(self.ledger.bytes() as f64);
        let age = self.ledger.oldest().map_or(0, |oldest| ids::now().0.saturating_sub(oldest.0));
        gauge!("edge_spool_oldest_seconds").set(age as f64 / 1e6);
    }

    /// On a thread of its own: Kafka may be away, and entries go on being stored.
    fn look_into_doubts(&mut self) {
        let Some(since) = self.ledger.segments().find(|segment| segment.count(State::Doubtful) > 0) else { return };
        if self.looking {
            return;
        }
        let since = since.since.unwrap_or(ids::now());
        let doubts = self.doubts();
        let (kafka, commands) = (self.kafka.clone(), self.commands.clone());
        let thread = std::thread::Builder::new().name("edge-doubts".into()).spawn(move || {
            let resolved = doubt::look(&kafka, &doubts, since);
            // The spool has stopped: the next process looks again.
            let _ = commands.send(Command::Looked(resolved.inspect_err(|error| {
                tracing::info!(%error, doubts = doubts.len(), "Kafka not asked for entries of the spool, tried again");
            }).ok()));
        });
        self.looking = thread.is_ok();
    }

    fn doubts(&mut self) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        let mut unreadable = Vec::new();
        for segment in self.ledger.segments().filter(|segment| segment.count(State::Doubtful) > 0) {
            if doubts.len() >= DOUBTS {
                break;
            }
            let (name, before) = (segment.name, doubts.len());
            let bytes = match self.log.disk.read(name) {
                Ok(bytes) => bytes,
                Err(error) if gone(&error) => Vec::new(),
                Err(_) => continue,
            };
            let mut at = format::HEADER_BYTES.min(bytes.len());
            while let Some((found, next)) = format::next(&bytes, name.salt, at) {
                if let Found::Record(Record::Entry(entry)) = found
                    && segment.state(entry.sequence) == State::Doubtful
                {
                    let print = Print::of(entry.value);
                    doubts.push(Doubt { sequence: entry.sequence, topic: entry.topic, print });
                }
                at = next;
            }
            if doubts.len() - before < segment.count(State::Doubtful) {
                unreadable.push(name);
            }
        }
        // What cannot be read cannot be looked for; the drain finds and tells what is lost.
        for name in unreadable {
            let Some(segment) = self.ledger.segment(name) else { continue };
            let readable: HashSet<u64> = doubts.iter().map(|doubt| doubt.sequence).collect();
            let gone: Vec<u64> = segment.all(State::Doubtful).filter(|sequence| !readable.contains(sequence)).collect();
            gone.into_iter().for_each(|sequence| self.ledger.set(sequence, State::Waiting));
        }
        doubts
    }

    fn looked(&mut self, resolved: Option<Resolved>) {
        self.looking = false;
        let Some(Resolved { found, missing }) = resolved else { return };
        tracing::info!(found = found.len(), missing = missing.len(), "looked in Kafka for entries of the spool");
        for (sequences, state) in [(found, State::Closed), (missing, State::Waiting)] {
            for sequence in sequences {
                // Nothing can have happened to it meanwhile: what is in doubt is not sent.
                self.ledger.set(sequence, state);
            }
        }
    }

    /// Waits a little for what was sent from the spool, then writes down what is closed.
    fn stop(&mut self) {
        let until = Instant::now() + STOP;
        while self.drain.under_way() && Instant::now() < until {
            std::thread::sleep(BUSY);
            self.drain.take_reports(&mut self.ledger, Instant::now());
        }
        self.log.seal(&mut self.ledger);
        self.tidy(Instant::now());
        self.log.seal(&mut self.ledger);
        self.tidy(Instant::now());
        if self.ledger.open() > 0 {
            let (open, bytes) = (self.ledger.open(), self.ledger.bytes());
            tracing::warn!(open, bytes, "the spool keeps what Kafka did not take; the next start sends it");
        }
    }
}
