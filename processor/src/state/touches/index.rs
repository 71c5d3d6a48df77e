//! Touches that are not on the disk yet: found by journey, written out in the order of their keys.
//!
//! A put is two appends and one step in a hash table; the order that a run needs is made once, when it is written.

use crate::state::keys::{self, JourneyPrefix, TouchKey};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;
use schemas::time::Micros;
use std::collections::BTreeMap;

/// No earlier touch of the journey.
const NONE: u32 = u32::MAX;

#[derive(Default)]
pub struct TouchIndex {
    entries: Vec<Entry>,
    /// One byte of length before each value.
    values: Vec<u8>,
    /// By journey: its newest entry, from which the earlier ones are linked.
    newest: HashTable<u32>,
}

struct Entry {
    key: TouchKey,
    value_at: u32,
    earlier: u32,
    /// Weeks do not need 32 bits.
    bucket: u32,
}

impl TouchIndex {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.entries.len() * size_of::<Entry>() + self.values.len() + self.newest.capacity() * size_of::<u32>()
    }

    /// Takes a touch of a bucket; one that is there already is taken once more and told apart when it is read.
    pub fn put(&mut self, key: &TouchKey, value: &[u8], bucket: u32) {
        let TouchIndex { entries, values, newest } = self;
        let number = entries.len() as u32;
        let prefix = keys::prefix_of(key);
        let same = |other: &u32| keys::prefix_of(&entries[*other as usize].key) == prefix;
        let hash_at = |other: &u32| keys::prefix_hash(keys::prefix_of(&entries[*other as usize].key));
        let earlier = match newest.entry(keys::prefix_hash(prefix), same, hash_at) {
            Slot::Occupied(mut slot) => std::mem::replace(slot.get_mut(), number),
            Slot::Vacant(slot) => {
                slot.insert(number);
                NONE
            }
        };
        entries.push(Entry { key: *key, value_at: values.len() as u32, earlier, bucket });
        values.push(value.len() as u8);
        values.extend_from_slice(value);
    }

    /// A journey's touches with `from <= time < to`, in no order.
    pub fn visit(&self, prefix: &JourneyPrefix, from: Micros, to: Micros, visit: &mut dyn FnMut(&TouchKey, &[u8])) {
        let same = |other: &u32| keys::prefix_of(&self.entries[*other as usize].key) == prefix;
        let mut at = self.newest.find(keys::prefix_hash(prefix), same).copied().unwrap_or(NONE);
        while at != NONE {
            let entry = &self.entries[at as usize];
            if (from..to).contains(&keys::time_of(&entry.key)) {
                visit(&entry.key, self.value(entry));
            }
            at = entry.earlier;
        }
    }

    fn value(&self, entry: &Entry) -> &[u8] {
        let at = entry.value_at as usize;
        &self.values[at + 1..][..self.values[at].into()]
    }

    /// The entries of each bucket in the order of their keys, each key once.
    pub fn sorted(&self) -> BTreeMap<u32, Vec<u32>> {
        // Sorting 12 bytes in place instead of keys of 48 far away; few pairs are equal in their first eight bytes.
        let mut buckets: BTreeMap<u32, Vec<(u64, u32)>> = BTreeMap::new();
        for (number, entry) in self.entries.iter().enumerate() {
            buckets.entry(entry.bucket).or_default().push((keys::head(&entry.key), number as u32));
        }
        let key = |number: u32| &self.entries[number as usize].key;
        let ordered = |mut heads: Vec<(u64, u32)>| {
            heads.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1))));
            heads.dedup_by(|a, b| key(a.1) == key(b.1));
            heads.into_iter().map(|(_, number)| number).collect()
        };
        buckets.into_iter().map(|(bucket, heads)| (bucket, ordered(heads))).collect()
    }

    /// An entry that `sorted` named.
    pub fn get(&self, number: u32) -> (&TouchKey, &[u8]) {
        let entry = &self.entries[number as usize];
        (&entry.key, self.value(entry))
    }
}
