//! The store's memory twin, for tests and simulations: forgets on a crash what was not flushed.

use crate::state::{Batch, Store, StoreError, Table, Visit};
use std::collections::BTreeMap;

type Entries = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    entries: Entries,
    flushed: Entries,
}

impl MemoryStore {
    /// What is left after a kill -9.
    pub fn crash(&mut self) {
        self.entries = self.flushed.clone();
    }

    /// All entries, to compare states.
    pub fn entries(&self) -> impl Iterator<Item = (&(Table, Vec<u8>), &Vec<u8>)> {
        self.entries.iter()
    }
}

impl Store for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.entries.get(&(table, key.to_vec())).cloned())
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if from < to {
            for ((_, key), value) in self.entries.range((table, from.to_vec())..(table, to.to_vec())) {
                if !visit(key, value) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        for change in batch.0 {
            match change.value {
                Some(value) => self.entries.insert((change.table, change.key), value),
                None => self.entries.remove(&(change.table, change.key)),
            };
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.flushed = self.entries.clone();
        Ok(())
    }
}
