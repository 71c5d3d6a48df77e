//! What is acknowledged while Kafka is slow or away lies here, on the edge's own disk, until Kafka has it.
//!
//! **Invariant (P1):** `Storing` says true only after an fdatasync that succeeded. An entry is closed when its record's
//! delivery report is good, or it was found in the log; only entries whose report failed for good are sent again, and
//! those of a process that died, after Kafka was asked for them.
//!
//! Owns: the folder, the ledger, the drain. Leaves to others: when a request turns to it (`recording`).

mod doubt;
mod drain;
mod folder;
pub mod format;
mod ledger;
mod log;
mod owner;
mod recover;

use drain::Drain;
use folder::Folder;
pub use folder::FolderError;
use kafka::KafkaConfig;
use kafka::producer::{EdgeProducer, Undelivered};
use ledger::State;
use log::{Incoming, Log};
use owner::Owner;
use schemas::topic::Topic;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::oneshot;

/// Bytes of entries that wait for a group commit; more are refused. A disk that takes them slower than they come is as
/// good as none.
const QUEUED_BYTES: usize = 64 << 20;

type Outcome = Result<(), Undelivered>;

pub enum Command {
    Append {
        ticket: u64,
        entry: Incoming,
        reply: oneshot::Sender<bool>,
    },
    /// What became of the record whose entry has this ticket.
    Reported {
        ticket: u64,
        outcome: Outcome,
    },
    /// None: Kafka could not be asked.
    Looked(Option<doubt::Resolved>),
    Stop,
}

impl Command {
    fn bytes(&self) -> usize {
        match self {
            Command::Append { entry, .. } => entry.bytes(),
            Command::Reported { .. } | Command::Looked(_) | Command::Stop => 0,
        }
    }
}

fn reported(outcome: Outcome) -> State {
    match outcome {
        Ok(()) => State::Closed,
        Err(Undelivered { maybe: true, .. }) => State::Doubtful,
        Err(Undelivered { maybe: false, .. }) => State::Waiting,
    }
}

/// Bytes on their way to the spool's thread, and those that it has.
#[derive(Default)]
struct Queued {
    coming: AtomicUsize,
    /// In segments, as of a moment ago.
    used: AtomicU64,
    most: u64,
}

impl Queued {
    /// Clicks leave the last part of the queue and of the disk to events.
    fn enter(&self, topic: Topic, bytes: usize) -> bool {
        let most = if topic == Topic::Clicks { QUEUED_BYTES / 2 } else { QUEUED_BYTES };
        let before = self.coming.fetch_add(bytes, Ordering::Relaxed);
        let held = self.used.load(Ordering::Relaxed) + (before + bytes) as u64;
        let room = topic != Topic::Clicks || held <= self.most / 10 * 9;
        let fits = before + bytes <= most && room;
        if !fits {
            self.leave(bytes);
        }
        fits
    }

    fn leave(&self, bytes: usize) {
        self.coming.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The spool as workers have it. Nothing of it is touched by a record that Kafka acknowledges in time.
#[derive(Clone)]
pub struct Spool {
    commands: Sender<Command>,
    tickets: Arc<AtomicU64>,
    queued: Arc<Queued>,
}

/// The thread behind it.
pub struct Running(JoinHandle<()>);

impl Running {
    /// Writes down what is known and ends the thread. After the last report that may come.
    pub fn stop(self, spool: &Spool) {
        let _ = spool.commands.send(Command::Stop);
        if self.0.join().is_err() {
            tracing::error!("the spool's thread panicked");
        }
    }
}

/// How far the producer is with a record that is to be stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flight {
    UnderWay,
    /// Kafka does not have it, or only maybe.
    Over {
        maybe: bool,
    },
}

/// An entry on its way to the disk.
pub struct Storing {
    pub ticket: u64,
    /// Whether it is there; an error where the spool has ended.
    pub stored: oneshot::Receiver<bool>,
}

impl Spool {
    /// Takes up what earlier processes left. `mailbox` is one of the producer's that nobody else uses.
    pub fn start(
        path: &Path,
        most_bytes: u64,
        producer: Arc<EdgeProducer>,
        mailbox: u16,
        kafka: &KafkaConfig,
    ) -> Result<(Spool, Running), FolderError> {
        let mut folder = Folder::open(path)?;
        let recover::Recovered { ledger, number } = recover::recover(&mut folder)?;
        let (commands, receiver) = mpsc::channel();
        let queued = Arc::new(Queued { most: most_bytes, ..Queued::default() });
        let owner = Owner {
            log: Log::new(folder, number, most_bytes),
            ledger,
            drain: Drain::new(producer, mailbox, Instant::now()),
            kafka: kafka.clone(),
            queued: queued.clone(),
            commands: commands.clone(),
            flights: HashMap::new(),
            looking: false,
        };
        let thread = std::thread::Builder::new().name("edge-spool".into()).spawn(move || owner.run(&receiver));
        let thread = thread.map_err(|error| FolderError::Unusable { path: path.to_owned(), error })?;
        Ok((Spool { commands, tickets: Arc::default(), queued }, Running(thread)))
    }

    /// One that refuses everything.
    #[cfg(test)]
    pub fn refusing() -> Spool {
        Spool::pretended().0
    }

    /// One whose thread is the test.
    #[cfg(test)]
    pub fn pretended() -> (Spool, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel();
        let queued = Arc::new(Queued { most: 1 << 30, ..Queued::default() });
        (Spool { commands, tickets: Arc::default(), queued }, receiver)
    }

    /// Begins to store a record. Where the producer has it too, `reported` must be called once. None: refused, and
    /// nothing is to be called.
    pub fn store(&self, topic: Topic, key: Vec<u8>, value: Vec<u8>, flight: Flight) -> Option<Storing> {
        if !format::fits(topic, &key, &value) {
            return None;
        }
        let state = match flight {
            Flight::UnderWay => State::InFlight,
            Flight::Over { maybe: true } => State::Doubtful,
            Flight::Over { maybe: false } => State::Waiting,
        };
        let entry = Incoming { topic, key, value, state };
        let bytes = entry.bytes();
        if !self.queued.enter(topic, bytes) {
            return None;
        }
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let (reply, stored) = oneshot::channel();
        if self.commands.send(Command::Append { ticket, entry, reply }).is_err() {
            self.queued.leave(bytes);
            return None;
        }
        Some(Storing { ticket, stored })
    }

    pub fn reported(&self, ticket: u64, outcome: Outcome) {
        // A spool that has stopped asks Kafka at its next start.
        let _ = self.commands.send(Command::Reported { ticket, outcome });
    }
}
