//! The protocol against a group and a ClickHouse in memory: crashes and lost answers at every point.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};

const LIMITS: Limits = Limits { rows: 4, bytes: 1000, age: Duration::from_secs(1) };

/// A partition of a log: records with their number of rows, at offsets with gaps.
type Log = Vec<(Offset, usize)>;

/// What outlives a sink: the group's commit as Kafka holds it, and ClickHouse.
struct World {
    log: Log,
    group: (NextOffset, String),
    tokens: HashSet<Range>,
    /// How often each record's rows are in the table.
    table: BTreeMap<Offset, usize>,
    /// Inserts of dead sinks that ClickHouse has still to finish.
    late: Vec<(Range, Vec<Offset>)>,
}

impl World {
    fn new(log: Log) -> Self {
        let group = (NextOffset(0), String::new());
        World { log, group, tokens: HashSet::new(), table: BTreeMap::new(), late: Vec::new() }
    }

    fn commit(&mut self, committed: Committed) {
        assert!(committed.next >= self.group.0, "{committed:?} goes back before {:?}", self.group);
        self.group = (committed.next, committed.metadata());
    }

    fn insert(&mut self, range: Range, rows: &[Offset]) {
        if self.tokens.insert(range) {
            rows.iter().for_each(|offset| *self.table.entry(*offset).or_default() += 1);
        }
    }
}

/// One run of a sink, from assignment to crash.
struct Run {
    partition: Partition,
    /// Index into the log.
    cursor: usize,
    open: Vec<Offset>,
    sealed: Vec<Offset>,
    now: Instant,
}

impl Run {
    fn start(world: &World, now: Instant) -> Self {
        let committed = Committed::read(world.group.0, &world.group.1).expect("a sink's own commit");
        let cursor = world.log.iter().take_while(|(offset, _)| offset.0 < committed.next.0).count();
        Run { partition: Partition::take(committed), cursor, open: Vec::new(), sealed: Vec::new(), now }
    }

    fn seal(&mut self) {
        let content = if self.open.is_empty() { Content::Nothing } else { Content::Something };
        self.partition.seal(content);
        self.sealed = std::mem::take(&mut self.open);
    }

    fn read(&mut self, world: &World) {
        let Some(&(offset, rows)) = world.log.get(self.cursor).filter(|_| !self.partition.full(&LIMITS)) else {
            return;
        };
        self.cursor += 1;
        match self.partition.place(offset) {
            Place::Past => panic!("{offset:?} read twice"),
            Place::AfterReplay => self.seal(),
            Place::Open => {}
        }
        self.partition.add(offset, Size { rows, bytes: 1 }, self.now);
        self.open.extend((0..rows).map(|_| offset).take(1));
        self.seal_if_due();
    }

    fn seal_if_due(&mut self) {
        if self.partition.due(&LIMITS, self.now) {
            self.seal();
        }
    }

    /// Does what is to be done; `reached` whether it took effect, `answered` whether the sink learns of it.
    fn step(&mut self, world: &mut World, reached: bool, answered: bool) {
        match self.partition.step() {
            Step::Wait => {}
            Step::Commit(committed) => {
                if reached {
                    world.commit(committed);
                }
                if reached && answered {
                    self.partition.committed(committed);
                }
            }
            Step::Load(range) => {
                self.partition.loading();
                if reached {
                    world.insert(range, &self.sealed);
                } else {
                    world.late.push((range, self.sealed.clone()));
                }
                // The insert is repeated until there is an answer.
                if answered {
                    world.insert(range, &self.sealed);
                    self.partition.loaded();
                }
            }
        }
    }
}

fn finish(world: &mut World, mut run: Run) {
    for _ in 0..world.log.len() * 8 + 8 {
        run.read(world);
        run.now += LIMITS.age;
        run.seal_if_due();
        run.step(world, true, true);
    }
}

fn check_exactly_once(world: &mut World) {
    for (range, rows) in std::mem::take(&mut world.late) {
        world.insert(range, &rows);
    }
    let expected: BTreeMap<_, _> = world.log.iter().filter(|(_, rows)| *rows > 0).map(|(at, _)| (*at, 1)).collect();
    assert_eq!(world.table, expected);
    assert_eq!(world.group.0, world.log.last().map_or(NextOffset(0), |(last, _)| last.next()));
    assert_eq!(world.group.1, "", "nothing is pending");
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Read,
    Tick,
    Step { reached: bool, answered: bool },
    Crash,
    LateInsert,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Read),
        3 => Just(Act::Tick),
        6 => (any::<bool>(), any::<bool>()).prop_map(|(reached, answered)| Act::Step { reached, answered }),
        1 => Just(Act::Crash),
        1 => Just(Act::LateInsert),
    ]
}

fn log() -> impl Strategy<Value = Log> {
    prop::collection::vec((1_i64..4, 0_usize..3), 0..40).prop_map(|steps| {
        let mut at = -1;
        steps
            .into_iter()
            .map(|(step, rows)| {
                at += step;
                (Offset(at), rows)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn every_row_is_loaded_exactly_once_whatever_crashes(log in log(), acts in prop::collection::vec(act(), 0..200)) {
        let mut world = World::new(log);
        let mut run = Run::start(&world, Instant::now());
        for act in acts {
            match act {
                Act::Read => run.read(&world),
                Act::Tick => {
                    run.now += LIMITS.age / 2;
                    run.seal_if_due();
                }
                Act::Step { reached, answered } => run.step(&mut world, reached, answered),
                Act::Crash => run = Run::start(&world, run.now),
                Act::LateInsert => {
                    if let Some((range, rows)) = world.late.pop() {
                        world.insert(range, &rows);
                    }
                }
            }
        }
        let last = Run::start(&world, run.now);
        finish(&mut world, last);
        check_exactly_once(&mut world);
    }
}

/// What happens to the steps of one range before the crash: plan, insert, finish; `(reached, answered)` each.
#[test]
fn a_crash_at_any_point_of_a_range_loses_and_doubles_nothing() {
    let (done, unanswered, lost) = ((true, true), (true, false), (false, false));
    for (name, steps) in [
        ("before the plan", vec![]),
        ("plan lost", vec![lost]),
        ("planned, answer lost", vec![unanswered]),
        ("planned, not inserted", vec![done]),
        ("insert in flight at the crash", vec![done, lost]),
        ("inserted, answer lost", vec![done, unanswered]),
        ("inserted, not committed", vec![done, done]),
        ("commit lost", vec![done, done, lost]),
        ("committed, answer lost", vec![done, done, unanswered]),
        ("committed", vec![done, done, done]),
    ] {
        println!("{name}");
        let mut world = World::new((0..9).map(|at| (Offset(at * 2), 1)).collect());
        let mut run = Run::start(&world, Instant::now());
        (0..5).for_each(|_| run.read(&world));
        for (reached, answered) in steps {
            run.step(&mut world, reached, answered);
        }
        let next = Run::start(&world, run.now);
        finish(&mut world, next);
        check_exactly_once(&mut world);
    }
}

#[test]
fn a_pending_range_is_sealed_at_its_own_end_whatever_the_limits() {
    let now = Instant::now();
    let pending = Range { lo: Offset(10), hi: Offset(19) };
    let mut partition = Partition::take(Committed { next: NextOffset(10), pending: Some(pending) });
    partition.add(Offset(10), Size { rows: 1000, bytes: 1 }, now);
    assert!(!partition.due(&LIMITS, now + LIMITS.age * 10), "full and old, but not whole");
    assert!(!partition.full(&LIMITS), "a replay is not paused");
    assert_eq!(partition.place(Offset(19)), Place::Open);
    assert_eq!(partition.place(Offset(10)), Place::Past);
    assert_eq!(partition.place(Offset(20)), Place::AfterReplay);
    assert_eq!(partition.seal(Content::Something), pending);
    assert_eq!(partition.step(), Step::Load(pending), "it is planned already");
}

#[test]
fn records_that_are_passed_over_are_committed_without_an_insert() {
    let now = Instant::now();
    let mut partition = Partition::take(Committed { next: NextOffset(0), pending: None });
    partition.add(Offset(3), Size::default(), now);
    partition.seal(Content::Nothing);
    assert_eq!(partition.step(), Step::Commit(Committed { next: NextOffset(4), pending: None }));
}

#[test]
#[should_panic(expected = "goes back")]
fn a_commit_that_goes_back_is_refused() {
    Partition::take(Committed { next: NextOffset(5), pending: None })
        .committed(Committed { next: NextOffset(4), pending: None });
}
