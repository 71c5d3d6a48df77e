//! A partition's state: tables of bytes, found by key, written atomically; and beside them the touches, which are a
//! function of `clicks`.

mod fresh;
pub mod keys;
pub mod memory;
mod merge;
pub mod overlay;
pub mod rocks;
mod scopes;
mod touches;
mod worker;

pub use scopes::Scopes;

use domain::settle;
use keys::{JourneyPrefix, TouchKey};
use schemas::codec::{self, DecodeError};
use schemas::offset::NextOffset;
use schemas::record::state::SettledState;
use schemas::time::Micros;
use schemas::topic::Topic;

/// One kind of state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    /// join: the events of journeys, to be sent again when a click of theirs arrives late, and those of customers, to be
    /// sent again when a tie or an earlier order does.
    JourneyEvents,
    /// join: which journeys are a customer's, and what the first order was.
    Customers,
    /// decide: the evidence of conversions, and what is booked for them.
    Conversions,
    /// decide: the current decision of each conversion.
    Decisions,
    /// settle: what is booked per account and conversion.
    Settled,
    /// settle: balances per account and currency.
    Balances,
    /// settle: what a run may state, by date: an index of `Settled`, which `Change::indexed` makes again while restoring. May
    /// hold places that are no longer due, never lack one: whoever reads it looks at the conversion too.
    Due,
    /// settle: what counts for the tiers of a publisher's month.
    Months,
    /// settle: months that changed since a run corrected them; an index of `Months`, as `Due` is one of `Settled`.
    MonthsChanged,
    /// settle: payouts as they stand.
    Payouts,
    /// settle: runs that were taken.
    Runs,
    /// settle: what accounts have booked against budgets.
    Budgets,
    /// How far this store has come in each topic that it is restored from.
    Positions,
}

impl Table {
    pub const ALL: [Table; 13] = [
        Table::JourneyEvents,
        Table::Customers,
        Table::Conversions,
        Table::Decisions,
        Table::Settled,
        Table::Balances,
        Table::Due,
        Table::Months,
        Table::MonthsChanged,
        Table::Payouts,
        Table::Runs,
        Table::Budgets,
        Table::Positions,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Table::JourneyEvents => "journey_events",
            Table::Customers => "customers",
            Table::Conversions => "conversions",
            Table::Decisions => "decisions",
            Table::Settled => "settled",
            Table::Balances => "balances",
            Table::Due => "due",
            Table::Months => "months",
            Table::MonthsChanged => "months_changed",
            Table::Payouts => "payouts",
            Table::Runs => "runs",
            Table::Budgets => "budgets",
            Table::Positions => "positions",
        }
    }

    /// The topic that this table's changes are written to, and the byte before its keys there. None for what a topic
    /// says anyway (journey events are restored from `events`, decisions from `decisions`), and for an index. Customers are
    /// join's, but too few changes for a changelog of its own.
    pub fn changelog(self) -> Option<(Topic, u8)> {
        match self {
            Table::Positions | Table::JourneyEvents | Table::Decisions | Table::Due | Table::MonthsChanged => None,
            Table::Customers => Some((Topic::DecideChangelog, b'u')),
            Table::Conversions => Some((Topic::DecideChangelog, b'c')),
            Table::Settled => Some((Topic::SettleChangelog, b's')),
            Table::Balances => Some((Topic::SettleChangelog, b'b')),
            Table::Months => Some((Topic::SettleChangelog, b'm')),
            Table::Payouts => Some((Topic::SettleChangelog, b'p')),
            Table::Runs => Some((Topic::SettleChangelog, b'r')),
            Table::Budgets => Some((Topic::SettleChangelog, b'g')),
        }
    }
}

/// Topics that we write and tables are restored from, in the order of their slots.
pub const CHANGELOGS: [Topic; 3] = [Topic::Decisions, Topic::DecideChangelog, Topic::SettleChangelog];

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("store {doing}: {reason}")]
    Failed { doing: &'static str, reason: String },
    #[error("store holds {what} that cannot be read: {reason}")]
    Corrupt { what: &'static str, reason: String },
}

/// Changes that are written together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch(pub Vec<Change>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub table: Table,
    pub key: Vec<u8>,
    /// None deletes.
    pub value: Option<Vec<u8>>,
}

impl Change {
    /// What a record of `CHANGELOGS` says; none where its key is of no table.
    pub fn of_changelog(topic: Topic, key: &[u8], value: Option<&[u8]>) -> Option<Change> {
        let value = value.map(<[u8]>::to_vec);
        if topic == Topic::Decisions {
            let key = keys::conversion(schemas::key::conversion_of(key)?);
            return Some(Change { table: Table::Decisions, key, value });
        }
        let (&tag, rest) = key.split_first()?;
        let table = Table::ALL.into_iter().find(|table| table.changelog() == Some((topic, tag)))?;
        Some(Change { table, key: rest.to_vec(), value })
    }

    /// The place in an index that follows from this change.
    pub fn indexed(&self) -> Result<Option<Change>, StoreError> {
        let Some(value) = &self.value else { return Ok(None) };
        let (table, key) = match self.table {
            Table::Settled => {
                let corrupt = |error: DecodeError| StoreError::Corrupt { what: "settled", reason: error.to_string() };
                let settled: SettledState = codec::decode(value).map_err(corrupt)?;
                let Some(due) = settle::due(&settled) else { return Ok(None) };
                (Table::Due, keys::due_of(&self.key, due)?)
            }
            Table::Months => (Table::MonthsChanged, self.key.clone()),
            _ => return Ok(None),
        };
        Ok(Some(Change { table, key, value: Some(Vec::new()) }))
    }
}

impl Batch {
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.0.push(Change { table, key, value: Some(value) });
    }
}

/// Called with key and value; false ends the scan.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> bool + 'v;

/// Called with a touch's key and value; false ends the look-back.
pub type VisitTouch<'v> = dyn FnMut(&TouchKey, &[u8]) -> bool + 'v;

/// What a task needs of a store. What was written is seen by later reads. After a crash each table is as after one of the
/// written batches, no older than `Positions` say and than the last `flush`; the touches likewise, as after one of the puts.
pub trait Store {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits the entries with `from <= key < to` in the order of their keys.
    fn scan(&self, table: Table, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError>;

    fn write(&mut self, batch: Batch) -> Result<(), StoreError>;

    /// Takes the touch of a click that reached its topic at `arrived`; `next` is the offset behind it.
    fn put_touch(&mut self, key: &TouchKey, value: &[u8], arrived: Micros, next: NextOffset) -> Result<(), StoreError>;

    /// Visits a journey's touches with `from <= time < to` by time and click, each once.
    fn touches(
        &mut self,
        prefix: &JourneyPrefix,
        from: Micros,
        to: Micros,
        visit: &mut VisitTouch<'_>,
    ) -> Result<(), StoreError>;

    /// Up to where in `clicks` the touches have been put.
    fn touches_position(&self) -> NextOffset;

    /// Forgets the touches of clicks that arrived before this time, by whole weeks, and the journey events that did, each
    /// when its file is next merged: without a scan.
    fn expire(&mut self, before: Micros) -> Result<(), StoreError>;

    /// Brings the tables to the disk, and has touches brought there beside the data path where they are worth a run.
    fn checkpoint(&mut self) -> Result<(), StoreError>;

    /// Brings everything to the disk.
    fn flush(&mut self) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests;
