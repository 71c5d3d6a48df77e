//! Writes entries so that they survive a power loss: many for one fdatasync, all or none.
//!
//! **Invariant:** a segment on which a write or an fdatasync failed is never written again, and what it did not take
//! whole is cut off (after a failed fsync a kernel may call pages clean that never reached the disk). The entries that
//! it had taken before stay where they are: their own fdatasync succeeded.

use super::folder::Disk;
use super::format::{self, Entry, Name};
use super::ledger::{Ledger, State};
use metrics::counter;
use schemas::time::Micros;
use schemas::topic::Topic;
use std::io;
use std::time::{Duration, Instant};

/// A segment is read whole to be sent, and is deleted as a whole.
const SEGMENT_BYTES: u64 = 16 << 20;
/// After a disk failed twice in a row: those who ask meanwhile are told at once.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes of a record's frame and head, at most.
const OVERHEAD: usize = 64;

/// An entry on its way into a segment.
pub struct Incoming {
    pub topic: Topic,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub state: State,
}

impl Incoming {
    pub fn bytes(&self) -> usize {
        OVERHEAD + self.key.len() + self.value.len()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum NotStored {
    #[error("the spool holds {bytes} bytes, as many as it may")]
    Full { bytes: u64 },
    #[error("the spool's disk failed a moment ago")]
    Pausing,
    #[error("{doing}: {error}")]
    Disk { doing: &'static str, error: io::Error },
}

struct Active<F> {
    name: Name,
    file: F,
    /// Of it, what is whole.
    length: u64,
    used: Instant,
}

pub struct Log<D: Disk> {
    pub disk: D,
    active: Option<Active<D::File>>,
    number: u64,
    most_bytes: u64,
    paused_until: Option<Instant>,
    buffer: Vec<u8>,
}

impl<D: Disk> Log<D> {
    pub fn new(disk: D, number: u64, most_bytes: u64) -> Log<D> {
        Log { disk, active: None, number, most_bytes, paused_until: None, buffer: Vec::new() }
    }

    /// Returns the first entry's sequence when all of them are on the disk; where a segment fails, a new one is tried
    /// once.
    pub fn commit(
        &mut self,
        ledger: &mut Ledger,
        entries: &[Incoming],
        at: Micros,
        now: Instant,
    ) -> Result<u64, NotStored> {
        let bytes = ledger.bytes();
        if bytes + entries.iter().map(|entry| entry.bytes() as u64).sum::<u64>() > self.most_bytes {
            return Err(NotStored::Full { bytes });
        }
        if self.paused_until.is_some_and(|until| now < until) {
            return Err(NotStored::Pausing);
        }
        let first = ledger.next();
        let mut written = self.write(ledger, Some((entries, at)), now);
        if written.is_err() {
            // With the same numbers, so that what the failed segment kept of it after all is known to be the same.
            written = self.write(ledger, Some((entries, at)), now);
        }
        if let Err(error) = written {
            self.paused_until = Some(now + PAUSE);
            // What may stand in failed segments under these numbers is no entry of later ones.
            ledger.skip_to(first + entries.len() as u64);
            return Err(error);
        }
        for (sequence, entry) in (first..).zip(entries) {
            let added = ledger.add(sequence, at, entry.state);
            assert!(added, "a sequence is used once");
        }
        Ok(first)
    }

    /// Writes down what is closed, for a later process; no fsync of its own, since who does not read it looks in Kafka.
    pub fn note(&mut self, ledger: &mut Ledger, now: Instant) {
        let paused = self.paused_until.is_some_and(|until| now < until);
        if paused || ledger.unnoted().is_empty() || ledger.bytes() + SEGMENT_BYTES / 16 > self.most_bytes {
            return;
        }
        match self.write(ledger, None, now) {
            Ok(()) => ledger.noted(),
            Err(error) => tracing::debug!(%error, "closed entries not noted"),
        }
    }

    /// Ends the segment that is written to; the next entry begins another.
    pub fn seal(&mut self, ledger: &mut Ledger) {
        if let Some(active) = self.active.take()
            && let Some(segment) = ledger.segment_mut(active.name)
        {
            segment.active = false;
        }
    }

    /// The segment that is written to, and when that was done last.
    pub fn active(&self) -> Option<(Name, Instant)> {
        self.active.as_ref().map(|active| (active.name, active.used))
    }

    fn write(
        &mut self,
        ledger: &mut Ledger,
        entries: Option<(&[Incoming], Micros)>,
        now: Instant,
    ) -> Result<(), NotStored> {
        if self.active.as_ref().is_some_and(|active| active.length >= SEGMENT_BYTES) {
            self.seal(ledger);
        }
        let active = match &mut self.active {
            Some(active) => active,
            none => none.insert(begin(&mut self.disk, &mut self.number, ledger, now)?),
        };
        self.buffer.clear();
        let closed = ledger.unnoted();
        format::put_closed(&mut self.buffer, active.name.salt, &closed);
        for (sequence, entry) in (ledger.next()..).zip(entries.iter().flat_map(|(entries, _)| *entries)) {
            let stored_at = entries.map_or(Micros(0), |(_, at)| at);
            let (topic, key, value) = (entry.topic, &entry.key[..], &entry.value[..]);
            format::put_entry(&mut self.buffer, active.name.salt, &Entry { sequence, stored_at, topic, key, value });
        }
        let appended = self.disk.append(&mut active.file, &self.buffer).map_err(|error| ("write", error));
        let synced = appended.and_then(|()| match entries {
            Some(_) => self.disk.sync(&mut active.file).map_err(|error| ("fdatasync", error)),
            None => Ok(()),
        });
        if let Err((doing, error)) = synced {
            let (name, length) = (active.name, active.length);
            counter!("edge_spool_failures_total", "what" => doing).increment(1);
            tracing::error!(segment = name.file(), doing, %error, "segment of the spool failed, never written again");
            self.seal(ledger);
            if let Err(error) = self.disk.cut(name, length) {
                tracing::error!(segment = name.file(), %error, "what it did not take whole is not cut off");
            }
            return Err(NotStored::Disk { doing, error });
        }
        active.length += self.buffer.len() as u64;
        active.used = now;
        let (name, length) = (active.name, active.length);
        ledger.segment_mut(name).into_iter().for_each(|segment| segment.bytes = length);
        if entries.is_some() {
            ledger.noted();
        }
        Ok(())
    }
}

fn begin<D: Disk>(
    disk: &mut D,
    number: &mut u64,
    ledger: &mut Ledger,
    now: Instant,
) -> Result<Active<D::File>, NotStored> {
    let failed = |error: io::Error| {
        counter!("edge_spool_failures_total", "what" => "create").increment(1);
        tracing::error!(%error, "no new segment of the spool");
        NotStored::Disk { doing: "create", error }
    };
    let mut salt = [0; 8];
    getrandom::fill(&mut salt).map_err(|error| failed(io::Error::other(error)))?;
    let name = Name { number: *number, salt: u64::from_le_bytes(salt) };
    *number += 1;
    let file = disk.create(name).map_err(failed)?;
    let length = format::HEADER_BYTES as u64;
    ledger.begin(name, length, true);
    Ok(Active { name, file, length, used: now })
}

#[cfg(test)]
mod tests;
