//! What the spool holds and what became of each entry. Pure: the files are `folder`'s.
//!
//! **Invariant:** sequences grow from entry to entry, in a segment and from one segment to the next; an entry that is
//! closed never opens again.

use super::format::Name;
use schemas::time::Micros;
use std::collections::VecDeque;
use std::ops::Range;

/// What became of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// No entry: a gap in the numbers.
    Absent,
    /// The producer has the record too; its report says how this goes on.
    InFlight,
    /// Kafka does not have it: to be sent.
    Waiting,
    /// Kafka may have it, and nobody can tell without looking.
    Doubtful,
    /// Kafka has it, or its own record is damaged beyond reading.
    Closed,
}

#[derive(Debug)]
pub struct Segment {
    pub name: Name,
    /// Written to; every other is done but for what becomes of its entries.
    pub active: bool,
    /// Something in it cannot be read. The file is set aside in the end, never deleted.
    pub damaged: bool,
    pub bytes: u64,
    /// When its first entry was stored.
    pub since: Option<Micros>,
    first: u64,
    states: Vec<State>,
    counts: [usize; 5],
}

impl Segment {
    pub fn count(&self, state: State) -> usize {
        self.counts[state as usize]
    }

    /// Entries that somebody was told of and Kafka was not heard to have.
    pub fn open(&self) -> usize {
        self.count(State::InFlight) + self.count(State::Waiting) + self.count(State::Doubtful)
    }

    pub fn state(&self, sequence: u64) -> State {
        let index = sequence.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.states.get(index)).copied().unwrap_or(State::Absent)
    }

    /// Entries in a state, in their order.
    pub fn all(&self, state: State) -> impl Iterator<Item = u64> {
        let found = self.states.iter().enumerate().filter(move |(_, found)| **found == state);
        found.map(|(index, _)| self.first + index as u64)
    }
}

#[derive(Default, Debug)]
pub struct Ledger {
    segments: VecDeque<Segment>,
    next: u64,
    /// Closed, and not yet noted in a segment.
    unnoted: Vec<u64>,
}

/// Sequences that one segment may span: damage leaves gaps, but no larger ones than a segment has room for.
const SPAN: u64 = 1 << 22;

impl Ledger {
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter()
    }

    pub fn segment(&self, name: Name) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.name == name)
    }

    pub fn segment_mut(&mut self, name: Name) -> Option<&mut Segment> {
        self.segments.iter_mut().find(|segment| segment.name == name)
    }

    /// Of all entries in a state.
    pub fn count(&self, state: State) -> usize {
        self.segments.iter().map(|segment| segment.count(state)).sum()
    }

    pub fn open(&self) -> usize {
        self.segments.iter().map(Segment::open).sum()
    }

    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// When the oldest segment that has an open entry was begun: at most a segment older than the oldest such entry.
    pub fn oldest(&self) -> Option<Micros> {
        self.segments.iter().find(|segment| segment.open() > 0).and_then(|segment| segment.since)
    }

    pub fn begin(&mut self, name: Name, bytes: u64, active: bool) {
        let counts = [0; 5];
        let segment =
            Segment { name, active, damaged: false, bytes, since: None, first: self.next, states: Vec::new(), counts };
        self.segments.push_back(segment);
    }

    /// The sequence of the next entry.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Goes on behind what was used before, by entries that are gone too.
    pub fn skip_to(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// Puts an entry into the newest segment; false where its number says that it is there already.
    pub fn add(&mut self, sequence: u64, stored_at: Micros, state: State) -> bool {
        let known = self.next;
        let Some(segment) = self.segments.back_mut() else { return false };
        if segment.states.is_empty() && sequence >= known {
            segment.first = sequence;
        }
        let index = sequence.wrapping_sub(segment.first);
        if sequence < known || index >= SPAN {
            return false;
        }
        segment.states.resize(index as usize, State::Absent);
        segment.states.push(state);
        segment.counts[state as usize] += 1;
        segment.since.get_or_insert(stored_at);
        self.next = sequence + 1;
        true
    }

    pub fn state(&self, sequence: u64) -> State {
        self.holder(sequence).map_or(State::Absent, |at| self.segments[at].state(sequence))
    }

    /// Nothing of an entry that is closed or was never there.
    pub fn set(&mut self, sequence: u64, state: State) {
        let Some(at) = self.holder(sequence) else { return };
        let segment = &mut self.segments[at];
        let before = segment.state(sequence);
        if matches!(before, State::Absent | State::Closed) {
            return;
        }
        segment.states[(sequence - segment.first) as usize] = state;
        segment.counts[before as usize] -= 1;
        segment.counts[state as usize] += 1;
        if state == State::Closed {
            self.unnoted.push(sequence);
        }
    }

    /// As noted in a segment: `set` without a note of its own. Of a range as large as any number may be, no more than
    /// what is there is looked at.
    pub fn close_noted(&mut self, range: &Range<u64>) {
        for segment in &mut self.segments {
            let end = range.end.min(segment.first + segment.states.len() as u64);
            for sequence in range.start.max(segment.first)..end {
                let state = &mut segment.states[(sequence - segment.first) as usize];
                if !matches!(state, State::Absent | State::Closed) {
                    segment.counts[*state as usize] -= 1;
                    segment.counts[State::Closed as usize] += 1;
                    *state = State::Closed;
                }
            }
        }
    }

    fn holder(&self, sequence: u64) -> Option<usize> {
        // Several may begin with the same number where some are empty: the last of them holds it.
        let at = self.segments.partition_point(|segment| segment.first <= sequence).checked_sub(1)?;
        (self.segments[at].state(sequence) != State::Absent).then_some(at)
    }

    /// What a note would say, in ranges; nothing about segments that are gone.
    pub fn unnoted(&mut self) -> Vec<Range<u64>> {
        let first = self.segments.front().map_or(u64::MAX, |segment| segment.first);
        self.unnoted.retain(|sequence| *sequence >= first);
        self.unnoted.sort_unstable();
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for &sequence in &self.unnoted {
            match ranges.last_mut() {
                Some(range) if range.end == sequence => range.end += 1,
                _ => ranges.push(sequence..sequence + 1),
            }
        }
        ranges
    }

    pub fn noted(&mut self) {
        self.unnoted.clear();
    }

    /// The oldest segment, taken out where nothing in it is open. Only the oldest: notes about its entries stand in
    /// later ones, and must not go first.
    pub fn take_finished(&mut self) -> Option<Segment> {
        let finished = self.segments.front().is_some_and(|segment| !segment.active && segment.open() == 0);
        if finished { self.segments.pop_front() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Absent, Closed, Doubtful, InFlight, Waiting};

    fn name(number: u64) -> Name {
        Name { number, salt: 1 }
    }

    /// Two segments: 0..3 and 5..7.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.begin(name(1), 32, false);
        for sequence in 0..3 {
            assert!(ledger.add(sequence, Micros(100 + sequence as i64), InFlight));
        }
        ledger.begin(name(2), 32, true);
        for sequence in [5, 6] {
            assert!(ledger.add(sequence, Micros(100 + sequence as i64), Waiting));
        }
        ledger
    }

    #[test]
    fn every_entry_is_counted_once_in_the_state_that_it_is_in() {
        let mut ledger = ledger();
        ledger.set(1, Closed);
        ledger.set(1, Waiting);
        ledger.set(2, Doubtful);
        ledger.set(4, Waiting);
        ledger.set(99, Waiting);
        let states: Vec<_> = (0..8).map(|sequence| ledger.state(sequence)).collect();
        assert_eq!(states, [InFlight, Closed, Doubtful, Absent, Absent, Waiting, Waiting, Absent]);
        let counts = [InFlight, Waiting, Doubtful, Closed].map(|state| ledger.count(state));
        assert_eq!((counts, ledger.open(), ledger.oldest()), ([1, 2, 1, 1], 4, Some(Micros(100))));
    }

    #[test]
    fn a_number_that_is_used_already_is_no_new_entry() {
        let mut ledger = ledger();
        assert!(!ledger.add(6, Micros(0), Waiting) && !ledger.add(1, Micros(0), Waiting));
        assert!(!ledger.add(5 + SPAN, Micros(0), Waiting), "no gap is that large");
        assert!(ledger.add(9, Micros(0), Waiting));
        assert_eq!((ledger.count(Waiting), ledger.next()), (3, 10));
    }

    #[test]
    fn only_the_oldest_segment_goes_and_only_when_nothing_in_it_is_open() {
        let mut ledger = ledger();
        ledger.set(5, Closed);
        ledger.set(6, Closed);
        assert!(ledger.take_finished().is_none(), "the second is done, and behind the first");
        (0..3).for_each(|sequence| ledger.set(sequence, Closed));
        assert_eq!(ledger.unnoted(), [0..3, 5..7]);
        assert_eq!(ledger.take_finished().map(|segment| segment.name), Some(name(1)));
        assert!(ledger.take_finished().is_none(), "written to");
        assert_eq!(ledger.unnoted().first(), Some(&(5..7)), "nobody asks for what is gone");
    }

    #[test]
    fn notes_close_what_is_there_however_much_they_name() {
        let mut ledger = ledger();
        ledger.close_noted(&(2..u64::MAX));
        assert_eq!((ledger.count(InFlight), ledger.count(Closed)), (2, 3));
        assert!(ledger.unnoted().is_empty());
    }
}
