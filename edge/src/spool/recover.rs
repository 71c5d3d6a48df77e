//! What a start finds in the folder: entries that an earlier process acknowledged, and what a crash or a disk did to
//! them. Whatever it was, what is readable is kept and the edge starts.

use super::folder::{Disk, Folder, FolderError};
use super::format::{self, Found, Header, Name, Record};
use super::ledger::{Ledger, State};
use std::ops::Range;

pub struct Recovered {
    pub ledger: Ledger,
    /// The number of the next segment.
    pub number: u64,
}

pub fn recover(folder: &mut Folder) -> Result<Recovered, FolderError> {
    let names = folder.segments()?;
    let number = names.last().map_or(0, |last| last.number + 1);
    let mut ledger = Ledger::default();
    let mut closed = Vec::new();
    for &name in &names {
        segment(folder, name, Some(&name) == names.last(), &mut ledger, &mut closed);
    }
    // Notes stand behind what they are about.
    for range in &closed {
        ledger.close_noted(range);
        ledger.skip_to(range.end);
    }
    let (open, bytes) = (ledger.open(), ledger.bytes());
    if open > 0 {
        tracing::warn!(open, bytes, segments = names.len(), "spool holds what an earlier process acknowledged");
    }
    Ok(Recovered { ledger, number })
}

fn segment(folder: &mut Folder, name: Name, last: bool, ledger: &mut Ledger, closed: &mut Vec<Range<u64>>) {
    let path = folder.path(name);
    let bytes = match folder.read(name) {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::error!(?path, %error, "segment of the spool not readable, left where it is");
            return;
        }
    };
    let header = format::read_header(&bytes, name);
    if let Header::Foreign(version) = header {
        tracing::error!(?path, version, "segment of the spool is of another version, left for the one that wrote it");
        return;
    }
    ledger.begin(name, bytes.len() as u64, false);
    let mut damaged: Vec<Range<usize>> = Vec::new();
    let (mut at, mut entries) = (format::HEADER_BYTES.min(bytes.len()), 0);
    while let Some((found, next)) = format::next(&bytes, name.salt, at) {
        match found {
            // What may be in Kafka already is looked for there before it is sent.
            Found::Record(Record::Entry(entry)) => {
                entries += usize::from(ledger.add(entry.sequence, entry.stored_at, State::Doubtful));
            }
            Found::Record(Record::Closed(ranges)) => closed.extend(ranges),
            Found::Damaged(range) => damaged.push(range),
        }
        at = next;
    }
    let torn = damaged.len() == 1 && damaged[0].end == bytes.len();
    let unbegun = bytes.len() < format::HEADER_BYTES;
    if (last && header == Header::Ours && torn) || unbegun {
        let good = if unbegun { 0 } else { damaged[0].start };
        tracing::info!(?path, good, cut = bytes.len() - good, "torn end of the spool cut off: nobody was told of it");
        match folder.cut(name, good as u64) {
            Ok(()) => ledger.segment_mut(name).into_iter().for_each(|segment| segment.bytes = good as u64),
            Err(error) => tracing::error!(?path, %error, "torn end not cut off"),
        }
    } else if header == Header::Damaged || !damaged.is_empty() {
        let lost: usize = damaged.iter().map(Range::len).sum();
        tracing::error!(
            ?path,
            ?header,
            ?damaged,
            bytes_lost = lost,
            entries_read = entries,
            "segment of the spool is damaged: what is readable in it is sent, then it is set aside; look at the disk"
        );
        metrics::counter!("edge_spool_damaged_total").increment(1);
        ledger.segment_mut(name).into_iter().for_each(|segment| segment.damaged = true);
    }
}

#[cfg(test)]
mod tests;
