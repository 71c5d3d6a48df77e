//! One partition's way into ClickHouse, as a pure state machine: facts in, the next step out. It does no I/O and holds
//! no rows; `pump` does what it says.
//!
//! **Invariants.** A range is committed as pending before it is loaded, and loaded before the group goes past it.
//! Ranges lie end to end. A pending range found at assignment is loaded with the same bounds, whatever the limits are
//! now. Commits never go backward.

use crate::range::{Committed, Range};
use schemas::offset::{NextOffset, Offset};
use std::time::{Duration, Instant};

/// When an open batch is sealed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub rows: usize,
    pub bytes: usize,
    pub age: Duration,
}

/// What a record adds to a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Size {
    pub rows: usize,
    pub bytes: usize,
}

/// Where a record that was read belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Open,
    /// Behind the pending range, which is now known to be whole: seal that first.
    AfterReplay,
    /// It was read already.
    Past,
}

/// Whether a batch has anything to load; a range of records that are passed over has not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    Something,
    Nothing,
}

/// What is to be done for a partition now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Nothing until a record, the clock, or the insert under way says so.
    Wait,
    Commit(Committed),
    Load(Range),
}

#[derive(Clone, Copy, Debug)]
struct Open {
    last: Offset,
    size: Size,
    since: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// The range is to be committed as pending.
    Planned,
    /// The range is committed as pending: it may be inserted.
    Loadable,
    Loading,
    /// Its rows are in ClickHouse: the group is to go past it.
    Loaded,
}

#[derive(Debug)]
pub(crate) struct Partition {
    committed: NextOffset,
    /// Where the open batch begins.
    next: NextOffset,
    open: Option<Open>,
    /// Planned by an earlier owner; the open batch is it until it is sealed.
    replay: Option<Range>,
    sealed: Option<(Range, Phase)>,
}

impl Partition {
    /// A partition as it was assigned; reading begins at `committed.next`.
    pub fn take(committed: Committed) -> Partition {
        Partition {
            committed: committed.next,
            next: committed.next,
            open: None,
            replay: committed.pending,
            sealed: None,
        }
    }

    pub fn place(&self, offset: Offset) -> Place {
        let expected = self.open.map_or(self.next, |open| open.last.next());
        match self.replay {
            _ if offset.0 < expected.0 => Place::Past,
            Some(replay) if offset > replay.hi => Place::AfterReplay,
            _ => Place::Open,
        }
    }

    /// A record whose place is `Open`.
    pub fn add(&mut self, offset: Offset, size: Size, now: Instant) {
        let open = self.open.get_or_insert(Open { last: offset, size: Size::default(), since: now });
        open.last = offset;
        open.size.rows += size.rows;
        open.size.bytes += size.bytes;
    }

    /// Whether the open batch is to be sealed: whole, full, or old enough.
    pub fn due(&self, limits: &Limits, now: Instant) -> bool {
        if self.sealed.is_some() {
            return false;
        }
        match (self.replay, self.open) {
            (Some(replay), Some(open)) => open.last >= replay.hi,
            (None, Some(open)) => open.full(limits) || now.duration_since(open.since) >= limits.age,
            (_, None) => false,
        }
    }

    /// Whether to stop reading until the sealed batch is done.
    pub fn full(&self, limits: &Limits) -> bool {
        self.replay.is_none() && self.sealed.is_some() && self.open.is_some_and(|open| open.full(limits))
    }

    /// Whether it is reading a pending range: that must not be paused, nothing else of this partition can go on.
    pub fn replaying(&self) -> bool {
        self.replay.is_some()
    }

    /// Whether all that was read is done.
    pub fn idle(&self) -> bool {
        self.open.is_none() && self.sealed.is_none()
    }

    /// Closes the open batch as a range. Only where `due` says so, or after `Place::AfterReplay`.
    pub fn seal(&mut self, content: Content) -> Range {
        debug_assert!(self.sealed.is_none(), "one batch at a time");
        let read_to = self.open.take().map_or(Offset(self.next.0), |open| open.last);
        let hi = self.replay.map_or(read_to, |replay| replay.hi);
        let range = Range { lo: Offset(self.next.0), hi };
        let phase = match (content, self.replay.take()) {
            (Content::Nothing, _) => Phase::Loaded,
            (Content::Something, Some(_)) => Phase::Loadable,
            (Content::Something, None) => Phase::Planned,
        };
        self.sealed = Some((range, phase));
        self.next = hi.next();
        range
    }

    pub fn step(&self) -> Step {
        match self.sealed {
            Some((range, Phase::Planned)) => Step::Commit(Committed { next: self.committed, pending: Some(range) }),
            Some((range, Phase::Loadable)) => Step::Load(range),
            Some((range, Phase::Loaded)) => Step::Commit(Committed { next: range.hi.next(), pending: None }),
            Some((_, Phase::Loading)) | None => Step::Wait,
        }
    }

    /// The group took the commit that `step` asked for.
    pub fn committed(&mut self, committed: Committed) {
        assert!(committed.next >= self.committed, "commit {committed:?} goes back before {:?}", self.committed);
        self.committed = committed.next;
        match &mut self.sealed {
            Some((_, phase @ Phase::Planned)) => *phase = Phase::Loadable,
            sealed @ Some((_, Phase::Loaded)) => *sealed = None,
            Some((_, Phase::Loadable | Phase::Loading)) | None => {}
        }
    }

    /// The insert that `step` asked for has begun.
    pub fn loading(&mut self) {
        self.advance(Phase::Loadable, Phase::Loading);
    }

    /// ClickHouse has the rows, `dead-letters` the rest.
    pub fn loaded(&mut self) {
        self.advance(Phase::Loading, Phase::Loaded);
    }

    fn advance(&mut self, from: Phase, to: Phase) {
        if let Some((_, phase)) = &mut self.sealed
            && *phase == from
        {
            *phase = to;
        }
    }
}

impl Open {
    fn full(&self, limits: &Limits) -> bool {
        self.size.rows >= limits.rows || self.size.bytes >= limits.bytes
    }
}

#[cfg(test)]
mod tests;
