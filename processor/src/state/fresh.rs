//! What is committed and not yet in RocksDB's files: hashed as it comes, sorted once, and written as files that RocksDB
//! takes in whole. A memtable, which keeps everything in order all the time, cost a tenth of a conversion.

use crate::state::keys::{JOURNEY_PREFIX, JourneyPrefix};
use crate::state::merge::Entry;
use crate::state::overlay::OVERHEAD;
use crate::state::{Change, Table};
use hashbrown::HashMap;

/// The latest change of each key.
#[derive(Debug, Default)]
pub struct Fresh {
    /// By table, in the order of `Table::ALL`. None deletes.
    tables: [HashMap<Vec<u8>, Option<Vec<u8>>>; Table::ALL.len()],
    /// The keys of journey events, by journey: the one table whose neighbours are asked for.
    journeys: HashMap<JourneyPrefix, Vec<Vec<u8>>>,
    bytes: usize,
}

impl Fresh {
    pub fn put(&mut self, Change { table, key, value }: Change) {
        let bytes = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        self.bytes += bytes(&value);
        if let Some(known) = self.tables[table as usize].get_mut(key.as_slice()) {
            self.bytes -= bytes(known);
            *known = value;
            return;
        }
        if table == Table::JourneyEvents
            && let Some(prefix) = key.first_chunk()
        {
            self.bytes += key.len();
            self.journeys.entry(*prefix).or_default().push(key.clone());
        }
        self.bytes += key.len() + OVERHEAD;
        self.tables[table as usize].insert(key, value);
    }

    /// None where nothing is known of the key here.
    pub fn get(&self, table: Table, key: &[u8]) -> Option<Option<&[u8]>> {
        self.tables[table as usize].get(key).map(Option::as_deref)
    }

    /// The changes of a table with `from <= key < to`, in the order of their keys.
    pub fn range(&self, table: Table, from: &[u8], to: &[u8]) -> Vec<Entry<'_>> {
        let changes = &self.tables[table as usize];
        let within = |key: &[u8]| from <= key && key < to;
        let journey = from.first_chunk().filter(|_| to.starts_with(&from[..JOURNEY_PREFIX]));
        let mut found: Vec<Entry<'_>> = match journey {
            Some(prefix) if table == Table::JourneyEvents => {
                let keys = self.journeys.get::<JourneyPrefix>(prefix).into_iter().flatten();
                let change = |key: &'_ Vec<u8>| changes.get_key_value(key.as_slice());
                let found = keys.filter(|key| within(key)).filter_map(change);
                found.map(|(key, value)| (key.as_slice(), value.as_deref())).collect()
            }
            _ => self.all(table).filter(|(key, _)| within(key)).collect(),
        };
        found.sort_unstable_by_key(|(key, _)| *key);
        found
    }

    /// All changes of a table, in the order of their keys.
    pub fn sorted(&self, table: Table) -> Vec<Entry<'_>> {
        let mut all: Vec<Entry<'_>> = self.all(table).collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }

    fn all(&self, table: Table) -> impl Iterator<Item = Entry<'_>> {
        self.tables[table as usize].iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// Memory that the changes take, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(HashMap::is_empty)
    }
}
