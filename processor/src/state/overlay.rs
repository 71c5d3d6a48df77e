//! What a transaction has changed and not yet committed: read before the store, thrown away on abort.

use crate::state::merge::merged;
use crate::state::{Batch, Change, Store, StoreError, Table, Visit};
use std::collections::BTreeMap;
use std::ops::Bound;

/// None deletes.
type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The latest change of each key since the last commit.
#[derive(Debug, Default)]
pub struct Overlay {
    /// By table, in the order of `Table::ALL`.
    changes: [Changes; Table::ALL.len()],
    bytes: usize,
}

/// A change beside its bytes: a tree's node, two vectors, the allocator.
pub(super) const OVERHEAD: usize = 128;

impl Overlay {
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        let (key_bytes, value_bytes) = (key.len(), value.len());
        match self.changes[table as usize].insert(key, Some(value)) {
            None => self.bytes += key_bytes + value_bytes + OVERHEAD,
            Some(replaced) => self.bytes = self.bytes + value_bytes - replaced.map_or(0, |value| value.len()),
        }
    }

    pub fn delete(&mut self, table: Table, key: Vec<u8>) {
        let key_bytes = key.len();
        match self.changes[table as usize].insert(key, None) {
            None => self.bytes += key_bytes + OVERHEAD,
            Some(replaced) => self.bytes -= replaced.map_or(0, |value| value.len()),
        }
    }

    /// Memory that the changes take, kept as they come: it is asked for many times in an interval.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reads what this transaction wrote, else the store.
    pub fn get(&self, store: &dyn Store, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.changes[table as usize].get(key) {
            Some(change) => Ok(change.clone()),
            None => store.get(table, key),
        }
    }

    /// As `Store::scan`, over both.
    pub fn scan(
        &self,
        store: &dyn Store,
        table: Table,
        from: &[u8],
        to: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        if from >= to {
            return Ok(());
        }
        let ours = self.changes[table as usize].range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        let ours = ours.map(|(key, change)| (key.as_slice(), change.as_deref()));
        merged(ours, |visit| store.scan(table, from, to, visit), visit)
    }

    pub fn changes<'a>(&'a self) -> impl Iterator<Item = (Table, &'a [u8], Option<&'a [u8]>)> {
        let of_table = |(table, changes): (Table, &'a Changes)| {
            changes.iter().map(move |(key, value)| (table, key.as_slice(), value.as_deref()))
        };
        Table::ALL.into_iter().zip(&self.changes).flat_map(of_table)
    }

    /// Empties the overlay into a batch: after the commit.
    pub fn take(&mut self) -> Batch {
        self.bytes = 0;
        let changes = std::mem::take(&mut self.changes);
        let of_table = |(table, changes): (Table, Changes)| {
            changes.into_iter().map(move |(key, value)| Change { table, key, value })
        };
        Batch(Table::ALL.into_iter().zip(changes).flat_map(of_table).collect())
    }

    /// Forgets everything: after an abort.
    pub fn clear(&mut self) {
        self.changes.iter_mut().for_each(Changes::clear);
        self.bytes = 0;
    }
}
