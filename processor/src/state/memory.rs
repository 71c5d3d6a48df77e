//! The store's memory twin, for tests and simulations: forgets on a crash what was not flushed.

use crate::state::keys::{self, JourneyPrefix, TouchKey};
use crate::state::{Batch, Store, StoreError, Table, Visit, VisitTouch};
use schemas::offset::NextOffset;
use schemas::time::Micros;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    now: Content,
    flushed: Content,
}

#[derive(Clone, Debug, Default)]
struct Content {
    entries: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// With the bucket of each.
    touches: BTreeMap<TouchKey, (u32, Vec<u8>)>,
    touches_next: NextOffset,
}

impl MemoryStore {
    /// What is left after a kill -9 while changes were on their way to the disk: that many tables are as they were last,
    /// the others as they were flushed.
    pub fn crash(&mut self, taken_in: usize) {
        let ahead = |table: &Table| Table::ALL[..taken_in].contains(table);
        let last = std::mem::replace(&mut self.now, self.flushed.clone());
        self.now.entries.retain(|(table, _), _| !ahead(table));
        self.now.entries.extend(last.entries.into_iter().filter(|((table, _), _)| ahead(table)));
    }

    /// All entries, to compare states.
    pub fn entries(&self) -> impl Iterator<Item = (&(Table, Vec<u8>), &Vec<u8>)> {
        self.now.entries.iter()
    }
}

impl Store for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.now.entries.get(&(table, key.to_vec())).cloned())
    }

    fn scan(&self, table: Table, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        if from < to {
            for ((_, key), value) in self.now.entries.range((table, from.to_vec())..(table, to.to_vec())) {
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
                Some(value) => self.now.entries.insert((change.table, change.key), value),
                None => self.now.entries.remove(&(change.table, change.key)),
            };
        }
        Ok(())
    }

    fn put_touch(&mut self, key: &TouchKey, value: &[u8], arrived: Micros, next: NextOffset) -> Result<(), StoreError> {
        self.now.touches.insert(*key, (keys::bucket(arrived), value.to_vec()));
        self.now.touches_next = next;
        Ok(())
    }

    fn touches(
        &mut self,
        prefix: &JourneyPrefix,
        from: Micros,
        to: Micros,
        visit: &mut VisitTouch<'_>,
    ) -> Result<(), StoreError> {
        for (key, (_, value)) in self.now.touches.range(keys::first_touch(prefix)..) {
            let time = keys::time_of(key);
            if keys::prefix_of(key) != prefix || time >= to || (time >= from && !visit(key, value)) {
                break;
            }
        }
        Ok(())
    }

    fn touches_position(&self) -> NextOffset {
        self.now.touches_next
    }

    fn expire(&mut self, before: Micros) -> Result<(), StoreError> {
        let first = keys::bucket(before);
        self.now.touches.retain(|_, (bucket, _)| *bucket >= first);
        self.now.entries.retain(|(table, _), value| *table != Table::JourneyEvents || !keys::expired(value, before));
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.flushed = self.now.clone();
        Ok(())
    }
}
