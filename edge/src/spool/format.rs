//! A segment's bytes, and nothing but them: a header, then records. No I/O.
//!
//! A record begins with its segment's salt, which the file's name says too: so the records behind a damaged one are
//! found again, and nobody who may choose what stands *in* a record can make one up, since the salt is drawn here and
//! told to nobody. Numbers are little-endian.
//!
//! ```text
//! header  magic 8 | version 4 | number 8 | salt 8 | crc32c of these 4
//! record  salt 8 | length of body 4 | crc32c of salt, length, body 4 | body
//! body    1 | sequence 8 | stored at, microseconds 8 | topic 1 | length of key 2 | key | value
//!         2 | (first sequence 8 | how many 8) ...    what is closed
//! ```

use schemas::time::Micros;
use schemas::topic::Topic;
use std::ops::Range;

pub const VERSION: u32 = 1;
pub const HEADER_BYTES: usize = 32;
/// Of a body: an event of a megabyte's request, with room.
pub const BODY_BYTES: usize = 4 << 20;

const MAGIC: [u8; 8] = *b"TRIBSPL\n";
const FRAME_BYTES: usize = 16;
const ENTRY: u8 = 1;
const CLOSED: u8 = 2;
const ENTRY_HEAD: usize = 20;
const EXTENSION: &str = ".spool";

/// Which segment; its file is called so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Name {
    pub number: u64,
    pub salt: u64,
}

impl Name {
    pub fn file(self) -> String {
        format!("{:016x}-{:016x}{EXTENSION}", self.number, self.salt)
    }

    pub fn parse(file: &str) -> Option<Name> {
        let (number, salt) = file.strip_suffix(EXTENSION)?.split_once('-')?;
        let hex = |text: &str| (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten();
        Some(Name { number: hex(number)?, salt: hex(salt)? })
    }
}

/// What a segment's first bytes say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    Ours,
    /// Whole, and of another version.
    Foreign(u32),
    Damaged,
}

pub fn header(name: Name) -> [u8; HEADER_BYTES] {
    header_of(VERSION, name)
}

fn header_of(version: u32, name: Name) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&version.to_le_bytes());
    bytes[12..20].copy_from_slice(&name.number.to_le_bytes());
    bytes[20..28].copy_from_slice(&name.salt.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..28]);
    bytes[28..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

pub fn read_header(bytes: &[u8], name: Name) -> Header {
    let Some(head) = bytes.get(..HEADER_BYTES) else { return Header::Damaged };
    let version = number32(head, 8);
    if head != header_of(version, name) {
        Header::Damaged
    } else if version == VERSION {
        Header::Ours
    } else {
        Header::Foreign(version)
    }
}

/// What waits for Kafka.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    pub sequence: u64,
    pub stored_at: Micros,
    pub topic: Topic,
    pub key: &'a [u8],
    pub value: &'a [u8],
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record<'a> {
    Entry(Entry<'a>),
    /// Sequences that need nothing more.
    Closed(Vec<Range<u64>>),
}

/// What stands at a place of a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found<'a> {
    Record(Record<'a>),
    /// These bytes are no record.
    Damaged(Range<usize>),
}

/// Whether the record has a place in this format; who sends one that has not is told at once.
pub fn fits(topic: Topic, key: &[u8], value: &[u8]) -> bool {
    code(topic).is_some() && key.len() <= usize::from(u16::MAX) && ENTRY_HEAD + key.len() + value.len() <= BODY_BYTES
}

/// # Panics
/// Where the entry does not `fit`.
pub fn put_entry(into: &mut Vec<u8>, salt: u64, entry: &Entry<'_>) {
    assert!(fits(entry.topic, entry.key, entry.value), "an entry of a topic and size that fit");
    put(into, salt, |into| {
        into.push(ENTRY);
        into.extend_from_slice(&entry.sequence.to_le_bytes());
        into.extend_from_slice(&entry.stored_at.0.to_le_bytes());
        into.extend(code(entry.topic));
        into.extend_from_slice(&(entry.key.len() as u16).to_le_bytes());
        into.extend_from_slice(entry.key);
        into.extend_from_slice(entry.value);
    });
}

pub fn put_closed(into: &mut Vec<u8>, salt: u64, ranges: &[Range<u64>]) {
    for some in ranges.chunks((BODY_BYTES - 1) / 16) {
        put(into, salt, |into| {
            into.push(CLOSED);
            for range in some {
                into.extend_from_slice(&range.start.to_le_bytes());
                into.extend_from_slice(&(range.end - range.start).to_le_bytes());
            }
        });
    }
}

fn put(into: &mut Vec<u8>, salt: u64, body: impl FnOnce(&mut Vec<u8>)) {
    let start = into.len();
    into.extend_from_slice(&salt.to_le_bytes());
    into.extend_from_slice(&[0; 8]);
    body(into);
    let length = (into.len() - start - FRAME_BYTES) as u32;
    into[start + 8..start + 12].copy_from_slice(&length.to_le_bytes());
    let crc = crc(&into[start..]);
    into[start + 12..start + 16].copy_from_slice(&crc.to_le_bytes());
}

/// Of a whole record but for the place where the sum itself stands.
fn crc(record: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&record[..12]), &record[FRAME_BYTES..])
}

/// What stands at `at`, and where to go on; nothing at the end. Whatever the bytes are, `at` only grows.
pub fn next(bytes: &[u8], salt: u64, at: usize) -> Option<(Found<'_>, usize)> {
    if at >= bytes.len() {
        return None;
    }
    if let Some((record, end)) = record(bytes, salt, at) {
        return Some((Found::Record(record), end));
    }
    // The next place where a whole record begins.
    let marker = salt.to_le_bytes();
    let mut from = at + 1;
    while let Some(found) = bytes.get(from..).and_then(|rest| find(rest, &marker)) {
        if record(bytes, salt, from + found).is_some() {
            return Some((Found::Damaged(at..from + found), from + found));
        }
        from += found + 1;
    }
    Some((Found::Damaged(at..bytes.len()), bytes.len()))
}

fn find(bytes: &[u8], marker: &[u8; 8]) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = bytes.get(from..)?.iter().position(|byte| *byte == marker[0]) {
        if bytes[from + found..].starts_with(marker) {
            return Some(from + found);
        }
        from += found + 1;
    }
    None
}

fn record(bytes: &[u8], salt: u64, at: usize) -> Option<(Record<'_>, usize)> {
    let frame = bytes.get(at..at + FRAME_BYTES)?;
    let length = number32(frame, 8) as usize;
    if frame[..8] != salt.to_le_bytes() || length > BODY_BYTES {
        return None;
    }
    let end = at + FRAME_BYTES + length;
    let whole = bytes.get(at..end)?;
    if number32(frame, 12) != crc(whole) {
        return None;
    }
    Some((body(&whole[FRAME_BYTES..])?, end))
}

fn body(body: &[u8]) -> Option<Record<'_>> {
    match body.split_first()? {
        (&ENTRY, _) => {
            let head = body.get(..ENTRY_HEAD)?;
            let key_end = ENTRY_HEAD + usize::from(u16::from_le_bytes([head[18], head[19]]));
            Some(Record::Entry(Entry {
                sequence: number64(head, 1),
                stored_at: Micros(number64(head, 9) as i64),
                topic: topic(head[17])?,
                key: body.get(ENTRY_HEAD..key_end)?,
                value: body.get(key_end..)?,
            }))
        }
        (&CLOSED, ranges) if ranges.len().is_multiple_of(16) => {
            let range = |pair: &[u8]| {
                let first = number64(pair, 0);
                Some(first..first.checked_add(number64(pair, 8))?)
            };
            ranges.chunks_exact(16).map(range).collect::<Option<_>>().map(Record::Closed)
        }
        _ => None,
    }
}

fn code(topic: Topic) -> Option<u8> {
    match topic {
        Topic::Clicks => Some(1),
        Topic::Events => Some(2),
        // Nothing else is acknowledged by an edge.
        _ => None,
    }
}

fn topic(code: u8) -> Option<Topic> {
    match code {
        1 => Some(Topic::Clicks),
        2 => Some(Topic::Events),
        _ => None,
    }
}

fn number32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn number64(bytes: &[u8], at: usize) -> u64 {
    u64::from(number32(bytes, at)) | u64::from(number32(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests;
