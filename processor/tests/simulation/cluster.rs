//! A log, a consumer group's positions and one worker with its stores, as far as the protocol can tell: a transaction's
//! records, changelogs and positions appear together or not at all.

use crate::world::{self, Input};
use kafka::queue::Record;
use processor::state::memory::MemoryStore;
use processor::state::{Batch, CHANGELOGS, Change, Table};
use processor::task::{NoCatalog, Surroundings, Task};
use rand::RngExt;
use rand::rngs::StdRng;
use schemas::catalog::Catalog;
use schemas::codec;
use schemas::decimal::Amount;
use schemas::key;
use schemas::offset::{NextOffset, Offset};
use schemas::record::state::BalanceState;
use schemas::time::Micros;
use schemas::topic::Topic;
use std::collections::BTreeMap;
use std::sync::Arc;

pub const PARTITIONS: i32 = 2;

/// How a commit interval ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Committed,
    /// The broker says no, and the worker goes on.
    Aborted,
    /// kill -9 with the transaction open.
    CrashBeforeCommit,
    /// kill -9 (or an answer that never came) after the broker committed.
    CommittedButCrashed,
}

struct Stored {
    key: Vec<u8>,
    value: Vec<u8>,
}

struct World(Arc<Catalog>);

impl Surroundings for World {
    fn catalog(&self, needed: Offset) -> Result<Arc<Catalog>, NoCatalog> {
        if self.0.has_read(needed) { Ok(Arc::clone(&self.0)) } else { Err(NoCatalog::NeverWritten) }
    }
}

pub struct Cluster {
    log: BTreeMap<(Topic, i32), Vec<Stored>>,
    /// The group's committed positions.
    committed: BTreeMap<(Topic, i32), usize>,
    tasks: BTreeMap<i32, Task<MemoryStore>>,
    around: World,
    crashes: usize,
}

impl Cluster {
    pub fn new() -> Cluster {
        let around = World(Arc::new(world::catalog()));
        let mut cluster =
            Cluster { log: BTreeMap::new(), committed: BTreeMap::new(), tasks: BTreeMap::new(), around, crashes: 0 };
        cluster.take_all(BTreeMap::new());
        cluster
    }

    pub fn append(&mut self, input: &Input) {
        self.write(input.topic, None, input.key.clone().into_bytes(), input.value.clone());
    }

    fn write(&mut self, topic: Topic, partition: Option<i32>, key: Vec<u8>, value: Vec<u8>) -> Offset {
        let partition = partition.unwrap_or_else(|| key::partition(&key, PARTITIONS));
        let records = self.log.entry((topic, partition)).or_default();
        records.push(Stored { key, value });
        Offset(records.len() as i64 - 1)
    }

    /// A record to every partition, as the owner of a run of settlement writes it.
    pub fn append_everywhere(&mut self, topic: Topic, value: &[u8]) {
        for partition in 0..PARTITIONS {
            self.write(topic, Some(partition), Vec::new(), value.to_vec());
        }
    }

    pub fn values(&self, topic: Topic) -> impl Iterator<Item = &[u8]> {
        let records = self.log.iter().filter(move |((of, _), _)| *of == topic).flat_map(|(_, records)| records);
        records.map(|stored| stored.value.as_slice())
    }

    /// What is booked on each account, whatever statements and payouts have made of it.
    pub fn balances(&self) -> BTreeMap<Vec<u8>, Amount> {
        let mut balances = BTreeMap::new();
        for task in self.tasks.values() {
            for ((table, key), value) in task.store().entries() {
                if *table == Table::Balances {
                    let state: BalanceState = codec::decode(value).expect("a balance");
                    let booked = state.held - state.clawback + state.payable + state.in_payment + state.paid;
                    assert!(balances.insert(key.clone(), booked).is_none(), "an account has one partition");
                }
            }
        }
        balances.retain(|_, booked| !booked.is_zero());
        balances
    }

    /// One commit interval over up to `records` records of random partitions and topics.
    pub fn interval(&mut self, records: usize, fate: Fate, rng: &mut StdRng) {
        let mut reached: BTreeMap<(Topic, i32), usize> = BTreeMap::new();
        for _ in 0..records {
            let topic = Topic::STAGE_INPUTS[rng.random_range(0..Topic::STAGE_INPUTS.len())];
            self.process_next(topic, rng.random_range(0..PARTITIONS), &mut reached);
        }
        self.end(fate, reached);
    }

    fn process_next(&mut self, topic: Topic, partition: i32, reached: &mut BTreeMap<(Topic, i32), usize>) -> bool {
        let place = (topic, partition);
        let at = reached.get(&place).or(self.committed.get(&place)).copied().unwrap_or(0);
        let Some(stored) = self.log.get(&place).and_then(|records| records.get(at)) else { return false };
        let record = record(topic, partition, at, stored);
        let task = self.tasks.get_mut(&partition).expect("all partitions are taken");
        task.process(topic, &record, &self.around).expect("no failure");
        reached.insert(place, at + 1);
        true
    }

    fn end(&mut self, fate: Fate, reached: BTreeMap<(Topic, i32), usize>) {
        match fate {
            Fate::CrashBeforeCommit => return self.crash(),
            Fate::Aborted => return self.tasks.values_mut().for_each(Task::aborted),
            Fate::Committed | Fate::CommittedButCrashed => {}
        }
        let mut outputs = Vec::new();
        let mut changes = Vec::new();
        for (partition, task) in &mut self.tasks {
            outputs.extend(task.drain_outbox().map(|output| (*partition, output)));
            for (table, key, value) in task.overlay().changes() {
                let Some((topic, tag)) = table.changelog() else { continue };
                let value = value.expect("only places in an index are deleted").to_vec();
                changes.push((topic, *partition, [&[tag], key].concat(), value));
            }
        }
        let mut last: BTreeMap<(Topic, i32), Offset> = BTreeMap::new();
        for (partition, output) in outputs {
            let place = (output.topic, partition);
            let own = CHANGELOGS.contains(&output.topic).then_some(partition);
            last.insert(place, self.write(output.topic, own, output.key.into_bytes(), output.value));
        }
        for (topic, partition, key, value) in changes {
            last.insert((topic, partition), self.write(topic, Some(partition), key, value));
        }
        self.committed.extend(reached);
        if fate == Fate::CommittedButCrashed {
            return self.crash();
        }
        for (partition, task) in &mut self.tasks {
            let changelogs = CHANGELOGS.map(|topic| last.get(&(topic, *partition)).copied());
            task.committed(&changelogs).expect("written");
        }
    }

    /// kill -9: the stores are as they were flushed, or some of their tables newer; the partitions are taken again.
    pub fn crash(&mut self) {
        self.crashes += 1;
        let taken_in = self.crashes % Table::ALL.len();
        let tasks = std::mem::take(&mut self.tasks);
        let stores = tasks.into_iter().map(|(partition, task)| {
            let mut store = task.into_store();
            store.crash(taken_in);
            (partition, store)
        });
        let stores = stores.collect();
        self.take_all(stores);
    }

    /// A partition moves to a process that has no store of it.
    pub fn lose_store(&mut self, rng: &mut StdRng) {
        self.end(Fate::Aborted, BTreeMap::new());
        let lost = rng.random_range(0..PARTITIONS);
        let tasks = std::mem::take(&mut self.tasks);
        let kept = tasks.into_iter().filter(|(partition, _)| *partition != lost);
        let stores = kept.map(|(partition, task)| (partition, task.into_store())).collect();
        self.take_all(stores);
    }

    pub fn flush(&mut self) {
        self.tasks.values_mut().for_each(|task| task.checkpoint().expect("flushed"));
    }

    /// Taking partitions, as `runtime::takeover` does it.
    fn take_all(&mut self, mut stores: BTreeMap<i32, MemoryStore>) {
        for partition in 0..PARTITIONS {
            let clicks = (Topic::Clicks, partition);
            let resume_at = self.committed.get(&clicks).copied().unwrap_or(0);
            let store = stores.remove(&partition).unwrap_or_default();
            let mut task = Task::open(store, NextOffset(resume_at as i64)).expect("opens");
            for topic in CHANGELOGS {
                let from = task.position(topic).expect("a position").0 as usize;
                for (at, stored) in self.log.get(&(topic, partition)).into_iter().flatten().enumerate().skip(from) {
                    let change = Change::of_changelog(topic, &stored.key, Some(&stored.value)).expect("of a table");
                    task.restore_changes(topic, Batch(vec![change]), NextOffset(at as i64 + 1)).expect("restored");
                }
            }
            let events = (Topic::Events, partition);
            let (from, to) =
                (task.position(Topic::Events).expect("a position").0 as usize, self.committed.get(&events).copied());
            for (at, stored) in self.log.get(&events).into_iter().flatten().enumerate().take(to.unwrap_or(0)).skip(from)
            {
                let change = task.restore_event(&record(Topic::Events, partition, at, stored));
                let changes = Batch(change.into_iter().collect());
                task.restore_changes(Topic::Events, changes, NextOffset(at as i64 + 1)).expect("restored");
            }
            let from = task.position(Topic::Clicks).expect("a position").0 as usize;
            for (at, stored) in self.log.get(&clicks).into_iter().flatten().enumerate().take(resume_at).skip(from) {
                task.restore_click(&record(Topic::Clicks, partition, at, stored)).expect("restored");
            }
            self.tasks.insert(partition, task);
        }
    }

    /// Processes everything that is left, undisturbed.
    pub fn drain(&mut self) {
        loop {
            let mut reached = BTreeMap::new();
            for partition in 0..PARTITIONS {
                for topic in Topic::STAGE_INPUTS {
                    while self.process_next(topic, partition, &mut reached) {}
                }
            }
            if reached.is_empty() {
                return;
            }
            self.end(Fate::Committed, reached);
        }
    }
}

fn record(topic: Topic, partition: i32, at: usize, stored: &Stored) -> Record<'_> {
    Record {
        topic: topic.name(),
        partition,
        offset: Offset(at as i64),
        timestamp: Micros(0),
        key: Some(&stored.key),
        value: Some(&stored.value),
    }
}
