//! Positions in a Kafka partition. `Offset` is a record's place, `NextOffset` where reading goes on: mixing them up
//! is how systems lose or double one record, so they don't convert by accident.

use serde::{Deserialize, Serialize};

/// The place of one record in its partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub i64);

/// The place where reading goes on: one after the last record that is done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NextOffset(pub i64);

impl Offset {
    /// Before the first record: what a catalog reader that has read nothing stamps on its records.
    pub const NONE: Offset = Offset(-1);

    pub fn next(self) -> NextOffset {
        NextOffset(self.0 + 1)
    }
}
