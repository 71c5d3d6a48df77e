//! A range of offsets that goes into ClickHouse as one insert, and how the group's commit names it.

use schemas::offset::{NextOffset, Offset};
use std::fmt;

/// Offsets `lo` to `hi`, both included. Ranges of a partition lie end to end, so `lo` may be a place that holds no
/// record (a transaction's marker).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Range {
    pub lo: Offset,
    pub hi: Offset,
}

impl Range {
    /// Names this insert for ClickHouse: the topic's id, because a topic made anew repeats its offsets.
    pub fn token(&self, topic_id: &str, partition: i32) -> String {
        format!("{topic_id}:{partition}:{}:{}", self.lo.0, self.hi.0)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}..={}", self.lo.0, self.hi.0)
    }
}

/// What the group holds for a partition: all before `next` is in ClickHouse; `pending` may be, wholly or in part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Committed {
    pub next: NextOffset,
    /// Begins at `next`.
    pub pending: Option<Range>,
}

/// Metadata that no sink wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Foreign;

impl Committed {
    /// The commit's metadata: `v1;lo;hi`, or nothing.
    pub fn metadata(&self) -> String {
        self.pending.map_or_else(String::new, |range| format!("v1;{};{}", range.lo.0, range.hi.0))
    }

    /// Reads a commit. An empty metadata is also what Kafka's own tools write when they move a group.
    pub fn read(next: NextOffset, metadata: &str) -> Result<Committed, Foreign> {
        if metadata.is_empty() {
            return Ok(Committed { next, pending: None });
        }
        let mut parts = metadata.split(';');
        let version = parts.next();
        let mut offset = || parts.next().and_then(|part| part.parse().ok()).map(Offset);
        match (version, offset(), offset(), parts.next()) {
            (Some("v1"), Some(lo), Some(hi), None) if lo.0 == next.0 && lo <= hi => {
                Ok(Committed { next, pending: Some(Range { lo, hi }) })
            }
            _ => Err(Foreign),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read_as_it_was_written_or_refused() {
        let pending = |lo, hi| Some(Range { lo: Offset(lo), hi: Offset(hi) });
        for (next, metadata, expected) in [
            (7, "", Ok(None)),
            (7, "v1;7;7", Ok(pending(7, 7))),
            (7, "v1;7;90000000000", Ok(pending(7, 90_000_000_000))),
            (7, "v1;8;9", Err(Foreign)),
            (7, "v1;7;6", Err(Foreign)),
            (7, "v1;7", Err(Foreign)),
            (7, "v1;7;8;9", Err(Foreign)),
            (7, "v2;7;8", Err(Foreign)),
            (7, "something", Err(Foreign)),
        ] {
            let read = Committed::read(NextOffset(next), metadata);
            assert_eq!(read.clone().map(|committed| committed.pending), expected, "{metadata}");
            if let Ok(committed) = read {
                assert_eq!(committed.metadata(), metadata);
            }
        }
    }

    #[test]
    fn a_token_names_topic_partition_and_range() {
        let range = Range { lo: Offset(5), hi: Offset(9) };
        assert_eq!(range.token("wJv5kB2xT2Wk", 3), "wJv5kB2xT2Wk:3:5:9");
    }
}
