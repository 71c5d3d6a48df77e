//! The touches against a map that holds them all, through runs, merges, crashes and expiry; and files that were damaged.

use super::*;
use proptest::prelude::*;
use schemas::id::ClickId;

const DAY: i64 = 24 * 3600 * 1_000_000;

/// What can happen to a partition's touches.
#[derive(Clone, Debug)]
enum Step {
    Put {
        journey: u8,
        day: i64,
        click: u8,
    },
    Checkpoint,
    Flush,
    /// kill -9, and the clicks behind the durable position are put again.
    Crash,
    Expire {
        day: i64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let put = || (0_u8..6, 0_i64..60, any::<u8>()).prop_map(|(journey, day, click)| Step::Put { journey, day, click });
    let step = prop_oneof![
        40 => put(),
        2 => Just(Step::Checkpoint),
        4 => Just(Step::Flush),
        1 => Just(Step::Crash),
        1 => (0_i64..40).prop_map(|day| Step::Expire { day }),
    ];
    proptest::collection::vec(step, 1..400)
}

fn prefix(journey: u8) -> JourneyPrefix {
    [journey; keys::JOURNEY_PREFIX]
}

fn open(folder: &Path) -> Touches {
    Touches::open(folder, Worker::start("writer"), Worker::start("merger")).expect("opens")
}

const PLENTY: Room = Room { bytes: usize::MAX, touches: usize::MAX };

fn all(touches: &mut Touches, journey: u8) -> Vec<(TouchKey, Vec<u8>)> {
    let mut found = Vec::new();
    let visit = &mut |key: &TouchKey, value: &[u8]| {
        found.push((*key, value.to_vec()));
        true
    };
    touches.visit(&prefix(journey), Micros(0), Micros(i64::MAX), visit).expect("reads");
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn touches_read_like_a_map_of_them_whatever_happens(steps in steps(), by_number in any::<bool>()) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut touches = open(folder.path());
        let mut log: Vec<TouchKey> = Vec::new();
        let mut first_bucket = 0;
        // About a dozen touches fill an index.
        let room = if by_number { Room { touches: 24, ..PLENTY } } else { Room { bytes: 3000, ..PLENTY } };
        for step in steps {
            match step {
                Step::Put { journey, day, click } => {
                    let key = keys::touch(&prefix(journey), Micros(day * DAY), ClickId([click; 16]));
                    log.push(key);
                    touches.put(&key, &key[40..], Micros(day * DAY), NextOffset(log.len() as i64), room).expect("puts");
                }
                Step::Checkpoint => touches.checkpoint().expect("writes"),
                Step::Flush => {
                    touches.flush().expect("writes");
                    prop_assert_eq!(touches.durable, NextOffset(log.len() as i64));
                }
                Step::Crash => {
                    drop(touches);
                    touches = open(folder.path());
                    let durable = touches.position().0 as usize;
                    for (at, key) in log.iter().enumerate().skip(durable) {
                        touches.put(key, &key[40..], keys::time_of(key), NextOffset(at as i64 + 1), room).expect("puts");
                    }
                }
                Step::Expire { day } => {
                    touches.expire(Micros(day * DAY)).expect("expires");
                    first_bucket = first_bucket.max(keys::bucket(Micros(day * DAY)));
                    touches.flush().expect("writes");
                }
            }
        }
        touches.flush().expect("writes");
        for journey in 0..6 {
            let mut expected: Vec<TouchKey> = log.iter().copied().filter(|key| keys::prefix_of(key) == &prefix(journey)).collect();
            expected.sort_unstable();
            expected.dedup();
            let found = all(&mut touches, journey);
            let kept = |key: &&TouchKey| keys::bucket(keys::time_of(key)) >= first_bucket;
            let live: Vec<&TouchKey> = expected.iter().filter(kept).collect();
            prop_assert_eq!(found.iter().map(|(key, _)| key).filter(kept).collect::<Vec<_>>(), live);
            prop_assert!(found.iter().all(|(key, value)| value == &key[40..]));
        }
    }
}

/// Journeys in no order.
fn numbered(number: usize) -> JourneyPrefix {
    let mut prefix = prefix(0);
    prefix[..8].copy_from_slice(&(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    prefix
}

#[test]
fn a_restart_reads_no_more_clicks_again_than_there_is_room_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut touches = open(folder.path());
    for number in 0..5000 {
        let key = keys::touch(&numbered(number), Micros(DAY), ClickId([1; 16]));
        let room = Room { touches: 100, ..PLENTY };
        touches.put(&key, b"value", Micros(DAY), NextOffset(number as i64 + 1), room).expect("puts");
        let again = touches.position().0 - Manifest::read(folder.path()).expect("a manifest").next().0;
        assert!(again <= 100, "{again} after {number}");
    }
}

fn filled(folder: &Path, runs: usize) -> Touches {
    let mut touches = open(folder);
    for number in 0..runs * 1000 {
        let key = keys::touch(&numbered(number), Micros(DAY), ClickId([1; 16]));
        touches.put(&key, b"value", Micros(DAY), NextOffset(number as i64 + 1), PLENTY).expect("puts");
        if number % 1000 == 999 {
            touches.flush().expect("writes");
        }
    }
    touches
}

#[test]
fn many_runs_are_merged_and_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut touches = filled(folder.path(), 20);
    while touches.merging.is_some() {
        touches.settle(true).expect("merges");
    }
    let runs: Vec<u64> = touches.buckets.values().flat_map(BTreeMap::values).map(|run| run.entries()).collect();
    assert_eq!(runs.iter().sum::<u64>(), 20_000);
    for number in 0..20_000 {
        let mut found = 0;
        let visit = &mut |_: &TouchKey, value: &[u8]| {
            found += usize::from(value == b"value");
            true
        };
        touches.visit(&numbered(number), Micros(0), Micros(i64::MAX), visit).expect("reads");
        assert_eq!(found, 1, "journey {number}");
    }
    assert!(runs.len() < 2 * RUNS_PER_CLASS, "{} runs are left", runs.len());
    drop(touches);
    let files = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(files, runs.len() + 1, "what was replaced is removed");
    let reopened = open(folder.path());
    assert_eq!(reopened.position(), NextOffset(20_000));
}

#[test]
fn a_damaged_run_is_told_and_never_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(filled(folder.path(), 1));
    let mut files = std::fs::read_dir(folder.path()).expect("a folder").flatten().map(|file| file.path());
    let run = files.find(|path| path.extension().is_some_and(|extension| extension == "run")).expect("a run");
    let whole = std::fs::read(&run).expect("reads");
    for at in (0..whole.len()).step_by(97) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        std::fs::write(&run, &damaged).expect("writes");
        let outcome = Run::open(&run).and_then(|run| {
            let mut block = Vec::new();
            (0..run.blocks()).try_for_each(|number| run.read(number, &mut block))
        });
        assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "a flipped bit at {at}: {outcome:?}");
    }
    std::fs::write(&run, &whole[..whole.len() - 1]).expect("writes");
    assert!(matches!(Run::open(&run), Err(StoreError::Corrupt { .. })));
    std::fs::remove_file(&run).expect("removes");
    let missing = Touches::open(folder.path(), Worker::start("writer"), Worker::start("merger"));
    assert!(matches!(missing.map(|_| ()), Err(StoreError::Corrupt { .. })));
}
