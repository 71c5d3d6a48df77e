//! One suite for the memory store and for RocksDB, and the overlay against a store that has everything.

use super::memory::MemoryStore;
use super::overlay::{OVERHEAD, Overlay};
use super::rocks::{Budget, RocksStore};
use super::*;
use proptest::prelude::*;
use schemas::id::ClickId;

fn budget() -> Budget {
    Budget::new(&small_config())
}

fn small_config() -> crate::Config {
    crate::Config { block_cache_mib: 8, write_buffers_mib: 8, touch_index_mib: 1, ..crate::Config::default() }
}

fn key(prefix: u8, rest: &[u8]) -> Vec<u8> {
    [&[prefix; keys::JOURNEY_PREFIX], rest].concat()
}

fn put(table: Table, key: &[u8], value: &[u8]) -> Change {
    Change { table, key: key.to_vec(), value: Some(value.to_vec()) }
}

fn delete(table: Table, key: &[u8]) -> Change {
    Change { table, key: key.to_vec(), value: None }
}

fn scanned(store: &dyn Store, table: Table, from: &[u8], to: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let visit = &mut |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        true
    };
    store.scan(table, from, to, visit).expect("scans");
    found
}

fn suite(store: &mut dyn Store) {
    let (a, b, c) = (key(1, b"a"), key(1, b"b"), key(2, b"a"));
    store
        .write(Batch(vec![
            put(Table::JourneyEvents, &b, b"2"),
            put(Table::JourneyEvents, &a, b"1"),
            put(Table::JourneyEvents, &c, b"3"),
            put(Table::Conversions, &a, b"other table"),
        ]))
        .expect("writes");
    assert_eq!(store.get(Table::JourneyEvents, &a).expect("gets").as_deref(), Some(b"1".as_slice()));
    assert_eq!(store.get(Table::Balances, &a).expect("gets"), None);

    let both = vec![(a.clone(), b"1".to_vec()), (b.clone(), b"2".to_vec())];
    assert_eq!(scanned(store, Table::JourneyEvents, &key(1, b""), &key(1, b"z")), both, "within a prefix, in order");
    assert_eq!(scanned(store, Table::JourneyEvents, &[], &[255; 40]).len(), 3, "across prefixes");
    assert_eq!(scanned(store, Table::JourneyEvents, &b, &b), vec![], "an empty range");

    let mut seen = 0;
    let visit = &mut |_: &[u8], _: &[u8]| {
        seen += 1;
        false
    };
    store.scan(Table::JourneyEvents, &[], &[255; 40], visit).expect("scans");
    assert_eq!(seen, 1, "a visitor ends the scan");

    store.write(Batch(vec![delete(Table::JourneyEvents, &a), put(Table::JourneyEvents, &b, b"22")])).expect("writes");
    assert_eq!(scanned(store, Table::JourneyEvents, &key(1, b""), &key(1, b"z")), vec![(b, b"22".to_vec())]);
    store.flush().expect("flushes");
    assert_eq!(store.get(Table::JourneyEvents, &a).expect("gets"), None);
    touches_suite(store);
}

const WEEK: i64 = 7 * 24 * 3600 * 1_000_000;

fn touch_key(journey: u8, time: i64, click: u8) -> keys::TouchKey {
    keys::touch(&[journey; keys::JOURNEY_PREFIX], Micros(time), ClickId([click; 16]))
}

/// Times and values of a journey's touches.
fn touches_between(store: &mut dyn Store, journey: u8, from: i64, to: i64) -> Vec<(i64, Vec<u8>)> {
    let mut found = Vec::new();
    let visit = &mut |key: &keys::TouchKey, value: &[u8]| {
        assert_eq!(keys::prefix_of(key), &[journey; keys::JOURNEY_PREFIX]);
        found.push((keys::time_of(key).0, value.to_vec()));
        true
    };
    store.touches(&[journey; keys::JOURNEY_PREFIX], Micros(from), Micros(to), visit).expect("reads");
    found
}

fn touches_suite(store: &mut dyn Store) {
    let puts = [(1, 5 * WEEK, 1), (1, WEEK, 2), (2, WEEK, 3), (1, 5 * WEEK, 1), (1, 5 * WEEK + 1, 4)];
    for (offset, (journey, time, click)) in puts.into_iter().enumerate() {
        if offset == 3 {
            store.flush().expect("flushes");
        }
        let next = NextOffset(offset as i64 + 1);
        store.put_touch(&touch_key(journey, time, click), &[click], Micros(time), next).expect("puts");
    }
    assert_eq!(store.touches_position(), NextOffset(5));
    let all = vec![(WEEK, vec![2]), (5 * WEEK, vec![1]), (5 * WEEK + 1, vec![4])];
    assert_eq!(touches_between(store, 1, 0, 100 * WEEK), all, "by time, each once, wherever they are kept");
    assert_eq!(touches_between(store, 1, 5 * WEEK, 5 * WEEK + 1), all[1..2], "from the first to before the last");
    assert_eq!(touches_between(store, 3, 0, 100 * WEEK), vec![]);
    let mut seen = 0;
    let visit = &mut |_: &keys::TouchKey, _: &[u8]| {
        seen += 1;
        false
    };
    store.touches(&[1; keys::JOURNEY_PREFIX], Micros(0), Micros(100 * WEEK), visit).expect("reads");
    assert_eq!(seen, 1, "a visitor ends the look-back");

    let imported = touch_key(4, 1, 9);
    store.put_touch(&imported, b"old", Micros(5 * WEEK), NextOffset(6)).expect("puts");
    store.flush().expect("flushes");
    store.expire(Micros(2 * WEEK - 1)).expect("expires");
    assert_eq!(touches_between(store, 1, 0, 100 * WEEK).len(), 3, "its week has not passed");
    store.expire(Micros(2 * WEEK)).expect("expires");
    assert_eq!(touches_between(store, 1, 0, 100 * WEEK), all[1..]);
    assert_eq!(touches_between(store, 2, 0, 100 * WEEK), vec![]);
    assert_eq!(touches_between(store, 4, 0, 100 * WEEK).len(), 1, "an old click that arrived lately");
}

#[test]
fn the_memory_store_passes_the_suite() {
    suite(&mut MemoryStore::default());
}

#[test]
fn the_rocks_store_passes_the_suite_and_keeps_what_was_flushed() {
    let folder = tempfile::tempdir().expect("a folder");
    let budget = budget();
    let mut store = RocksStore::open(folder.path(), &budget).expect("opens");
    suite(&mut store);
    store.write(Batch(vec![put(Table::Balances, b"unflushed", b"x")])).expect("writes");
    drop(store);
    let mut store = RocksStore::open(folder.path(), &budget).expect("opens again");
    assert_eq!(touches_between(&mut store, 1, 0, 100 * WEEK).len(), 2);
    assert_eq!(scanned(&store, Table::JourneyEvents, &[], &[255; 40]).len(), 2);
    assert!(store.bytes() > 0);
    assert_eq!(store.touches_position(), NextOffset(6));
}

#[test]
fn two_processes_cannot_have_one_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let budget = budget();
    let _first = RocksStore::open(folder.path(), &budget).expect("opens");
    assert!(RocksStore::open(folder.path(), &budget).is_err());
}

proptest! {
    /// Store plus overlay reads like a store that has both.
    #[test]
    fn an_overlay_reads_like_the_store_after_it(
        stored in proptest::collection::vec((0_u8..20, 0_u8..9), 0..20),
        changed in proptest::collection::vec((0_u8..20, 0_u8..9), 0..20),
        from in 0_u8..20,
        to in 0_u8..20,
        stop in 1_usize..10,
    ) {
        let (mut store, mut overlay) = (MemoryStore::default(), Overlay::default());
        for (key, value) in &stored {
            store.write(Batch(vec![put(Table::Settled, &[*key], &[*value])])).expect("writes");
        }
        for (key, value) in &changed {
            overlay.put(Table::Settled, vec![*key], vec![*value]);
        }
        let sizes = overlay.changes().map(|(_, key, value)| key.len() + value.map_or(0, <[u8]>::len) + OVERHEAD);
        prop_assert_eq!(overlay.bytes(), sizes.sum::<usize>());
        let mut merged = Vec::new();
        let visit = &mut |key: &[u8], value: &[u8]| {
            merged.push((key.to_vec(), value.to_vec()));
            merged.len() < stop
        };
        overlay.scan(&store, Table::Settled, &[from], &[to], visit).expect("scans");
        let point = overlay.get(&store, Table::Settled, &[from]).expect("gets");
        store.write(overlay.take()).expect("writes");
        prop_assert_eq!(overlay.bytes(), 0);
        let mut expected = scanned(&store, Table::Settled, &[from], &[to]);
        expected.truncate(stop);
        prop_assert_eq!(merged, expected);
        prop_assert_eq!(point, store.get(Table::Settled, &[from]).expect("gets"));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(usize, u8, u8, Option<u8>)>),
    Checkpoint,
    Flush,
    Merge,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0..Table::ALL.len(), 0..3_u8, 0..4_u8, proptest::option::weighted(0.8, any::<u8>()));
    prop_oneof![
        6 => proptest::collection::vec(change, 1..8).prop_map(Step::Write),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::Flush),
        1 => Just(Step::Merge),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// What is fresh, what is being written and what is in files are read as one.
    #[test]
    fn a_store_holds_what_a_map_holds(steps in proptest::collection::vec(step(), 1..24)) {
        let folder = tempfile::tempdir().expect("a folder");
        let budget = budget();
        let mut store = RocksStore::open(folder.path(), &budget).expect("opens");
        let mut map: std::collections::BTreeMap<(Table, Vec<u8>), Vec<u8>> = Default::default();
        for step in steps {
            match step {
                Step::Write(changes) => {
                    let mut batch = Batch::default();
                    for (table, prefix, rest, value) in changes {
                        let (table, key) = (Table::ALL[table], key(prefix, &[rest]));
                        match value {
                            Some(value) => map.insert((table, key.clone()), vec![value]),
                            None => map.remove(&(table, key.clone())),
                        };
                        batch.0.push(Change { table, key, value: value.map(|value| vec![value]) });
                    }
                    store.write(batch).expect("writes");
                }
                Step::Checkpoint => store.checkpoint().expect("checkpoints"),
                Step::Flush => store.flush().expect("flushes"),
                Step::Merge => store.merge_all(),
                Step::Reopen => {
                    store.flush().expect("flushes");
                    drop(store);
                    store = RocksStore::open(folder.path(), &budget).expect("opens again");
                }
            }
            for table in Table::ALL {
                for (from, to) in [(key(1, b""), key(1, b"z")), (vec![], vec![255; 40])] {
                    let held = map.range((table, from.clone())..(table, to.clone()));
                    let held: Vec<_> = held.map(|((_, key), value)| (key.clone(), value.clone())).collect();
                    prop_assert_eq!(scanned(&store, table, &from, &to), held);
                }
                for (prefix, rest) in [(0, 0), (1, 1), (2, 3)] {
                    let key = key(prefix, &[rest]);
                    prop_assert_eq!(store.get(table, &key).expect("gets"), map.get(&(table, key)).cloned());
                }
            }
        }
    }
}

#[test]
fn journey_events_expire_by_their_arrival_when_they_are_merged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rocks = RocksStore::open(folder.path(), &budget()).expect("opens");
    let mut memory = MemoryStore::default();
    let stores: [&mut dyn Store; 2] = [&mut rocks, &mut memory];
    for store in stores {
        for (number, arrived) in [(1, 10), (2, 20), (3, 30)] {
            let value = keys::journey_event_value(Micros(arrived), b"framed");
            store.write(Batch(vec![put(Table::JourneyEvents, &key(number, b"e"), &value)])).expect("writes");
        }
        store.write(Batch(vec![put(Table::Conversions, &key(1, b"c"), &[0; 20])])).expect("writes");
        store.flush().expect("flushes");
        store.expire(Micros(20)).expect("expires");
    }
    rocks.merge_all();
    for store in [&rocks as &dyn Store, &memory] {
        let left = scanned(store, Table::JourneyEvents, &[], &[255; 40]);
        assert_eq!(left.iter().map(|(key, _)| key[0]).collect::<Vec<_>>(), [2, 3]);
        assert!(left.iter().all(|(_, value)| keys::framed_event(value) == b"framed"));
        assert_eq!(scanned(store, Table::Conversions, &[], &[255; 40]).len(), 1, "money does not expire");
    }
}

#[test]
fn a_changelog_record_says_which_table_it_changes() {
    let decision = b"default/acme/c/000102030405060708090a0b0c0d0e0f";
    let id: Vec<u8> = (0..16).collect();
    for (topic, key, expected) in [
        (Topic::DecideChangelog, b"ckey".as_slice(), Some((Table::Conversions, b"key".as_slice()))),
        (Topic::DecideChangelog, b"ukey", Some((Table::Customers, b"key"))),
        (Topic::SettleChangelog, b"skey", Some((Table::Settled, b"key"))),
        (Topic::SettleChangelog, b"bkey", Some((Table::Balances, b"key"))),
        (Topic::Decisions, decision, Some((Table::Decisions, id.as_slice()))),
        (Topic::DecideChangelog, b"skey", None),
        (Topic::SettleChangelog, b"zkey", None),
        (Topic::SettleChangelog, b"", None),
        (Topic::Decisions, b"default/acme/j/000102030405060708090a0b0c0d0e0f", None),
        (Topic::Events, b"ckey", None),
    ] {
        let change = Change::of_changelog(topic, key, Some(b"value"));
        let found = change.as_ref().map(|change| (change.table, change.key.as_slice()));
        assert_eq!(found, expected, "{topic:?} {key:?}");
    }
}
