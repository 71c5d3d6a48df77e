//! What a table holds of a range whose insert may have happened, wholly, in part or not at all: counts in, what is
//! missing out. `insert` asks and acts.
//!
//! A server killed in the middle of an insert leaves one of four things in each month that the rows are of: nothing;
//! rows and token; a token without rows (26.7 writes it first), under which they never come again; rows without their
//! token (newer versions write them first), under which they come twice. So the rows are asked, not the tokens.

use std::collections::{HashMap, HashSet};

/// A record's offset and how many rows it has. They are of one month, so in one part: a table holds all or none.
pub(crate) type Count = (i64, u64);

#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct Held {
    /// Offsets of records that have rows there.
    pub there: HashSet<i64>,
    /// Records that have none.
    pub missing: usize,
    /// Records that have other numbers of rows than theirs, and offsets of no record: no insert mends these.
    pub wrong: usize,
}

impl Held {
    pub fn of(expected: &[Count], found: &[Count]) -> Held {
        let expected: HashMap<i64, u64> = expected.iter().copied().collect();
        let there: HashSet<i64> = found.iter().map(|(offset, _)| *offset).collect();
        Held {
            missing: expected.keys().filter(|offset| !there.contains(offset)).count(),
            wrong: found.iter().filter(|(offset, rows)| expected.get(offset) != Some(rows)).count(),
            there,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_whole_or_what_is_missing_and_wrong_is_counted() {
        let expected = [(5, 1), (6, 3), (9, 1)];
        for (found, missing, wrong) in [
            (vec![(5, 1), (6, 3), (9, 1)], 0, 0),
            (vec![], 3, 0),
            (vec![(6, 3)], 2, 0),
            (vec![(5, 2), (6, 3), (9, 1)], 0, 1),
            (vec![(5, 1), (6, 2)], 1, 1),
            (vec![(5, 1), (6, 3), (8, 1), (9, 1)], 0, 1),
        ] {
            let held = Held::of(&expected, &found);
            assert_eq!((held.missing, held.wrong), (missing, wrong), "{found:?}");
            assert_eq!(held.there.len(), found.len());
        }
    }
}
