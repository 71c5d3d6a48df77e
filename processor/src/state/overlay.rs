//! What a transaction has changed and not yet committed: read before the store, thrown away on abort.

use crate::state::{Batch, Change, Store, StoreError, Table, Visit};
use std::collections::BTreeMap;

/// The latest change of each key since the last commit.
#[derive(Debug, Default)]
pub struct Overlay {
    changes: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    bytes: usize,
}

/// A change beside its bytes: a tree's node, two vectors, the allocator.
pub(super) const OVERHEAD: usize = 128;

impl Overlay {
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        let (key_bytes, value_bytes) = (key.len(), value.len());
        match self.changes.insert((table, key), Some(value)) {
            None => self.bytes += key_bytes + value_bytes + OVERHEAD,
            Some(replaced) => self.bytes = self.bytes + value_bytes - replaced.map_or(0, |value| value.len()),
        }
    }

    /// Memory that the changes take, kept as they come: it is asked for many times in an interval.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reads what this transaction wrote, else the store.
    pub fn get(&self, store: &dyn Store, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.changes.get(&(table, key.to_vec())) {
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
        let mut ours = self.changes.range((table, from.to_vec())..(table, to.to_vec())).peekable();
        let mut more = true;
        store.scan(table, from, to, &mut |key, value| {
            while let Some(((_, our_key), change)) = ours.next_if(|((_, our_key), _)| our_key.as_slice() < key) {
                more = change.as_ref().is_none_or(|value| visit(our_key, value));
                if !more {
                    return false;
                }
            }
            more = match ours.next_if(|((_, our_key), _)| our_key.as_slice() == key) {
                Some((_, change)) => change.as_ref().is_none_or(|value| visit(key, value)),
                None => visit(key, value),
            };
            more
        })?;
        for ((_, key), change) in ours {
            if !more {
                break;
            }
            more = change.as_ref().is_none_or(|value| visit(key, value));
        }
        Ok(())
    }

    pub fn changes(&self) -> impl Iterator<Item = (Table, &[u8], Option<&[u8]>)> {
        self.changes.iter().map(|((table, key), value)| (*table, key.as_slice(), value.as_deref()))
    }

    /// Empties the overlay into a batch: after the commit.
    pub fn take(&mut self) -> Batch {
        self.bytes = 0;
        let changes = std::mem::take(&mut self.changes);
        Batch(changes.into_iter().map(|((table, key), value)| Change { table, key, value }).collect())
    }

    /// Forgets everything: after an abort.
    pub fn clear(&mut self) {
        self.changes.clear();
        self.bytes = 0;
    }
}
