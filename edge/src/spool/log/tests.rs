//! What the spool does when its disk does not: each failure on a real folder, made to fail at one step.

use super::*;
use crate::spool::folder::Folder;
use crate::spool::recover::{Recovered, recover};
use std::path::{Path, PathBuf};

/// A real folder whose next steps fail as told.
struct Flaky {
    folder: Folder,
    /// Steps that fail, each once: create, write, half (some of the bytes are written), sync, cut.
    fail: Vec<&'static str>,
    /// Bytes that all files may have together.
    room: Option<usize>,
    used: usize,
}

impl Flaky {
    fn fails(&mut self, step: &str) -> bool {
        let at = self.fail.iter().position(|failing| *failing == step);
        at.map(|at| self.fail.remove(at)).is_some()
    }
}

fn failed<T>() -> io::Result<T> {
    Err(io::Error::other("as told"))
}

impl Disk for Flaky {
    type File = std::fs::File;

    fn create(&mut self, name: Name) -> io::Result<Self::File> {
        if self.fails("create") || self.room.is_some_and(|room| self.used + format::HEADER_BYTES > room) {
            return failed();
        }
        self.used += format::HEADER_BYTES;
        self.folder.create(name)
    }

    fn append(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()> {
        if self.fails("write") {
            return failed();
        }
        let room = self.room.map_or(usize::MAX, |room| room - self.used);
        let fitting = if self.fails("half") { bytes.len() / 2 } else { bytes.len().min(room) };
        self.used += fitting;
        self.folder.append(file, &bytes[..fitting])?;
        if fitting < bytes.len() { failed() } else { Ok(()) }
    }

    fn sync(&mut self, file: &mut Self::File) -> io::Result<()> {
        if self.fails("sync") { failed() } else { self.folder.sync(file) }
    }

    fn cut(&mut self, name: Name, length: u64) -> io::Result<()> {
        if self.fails("cut") { failed() } else { self.folder.cut(name, length) }
    }

    fn read(&mut self, name: Name) -> io::Result<Vec<u8>> {
        self.folder.read(name)
    }

    fn remove(&mut self, name: Name) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn set_aside(&mut self, name: Name) -> io::Result<PathBuf> {
        self.folder.set_aside(name)
    }
}

struct Spooling {
    log: Log<Flaky>,
    ledger: Ledger,
    now: Instant,
}

impl Spooling {
    fn start(path: &Path) -> Spooling {
        let mut folder = Folder::open(path).expect("a folder");
        let Recovered { ledger, number } = recover(&mut folder).expect("readable");
        let flaky = Flaky { folder, fail: Vec::new(), room: None, used: 0 };
        Spooling { log: Log::new(flaky, number, 64 << 20), ledger, now: Instant::now() }
    }

    fn store(&mut self, values: &[&str]) -> Result<u64, NotStored> {
        let entry = |value: &&str| Incoming {
            topic: Topic::Events,
            key: b"key".to_vec(),
            value: value.as_bytes().to_vec(),
            state: State::Waiting,
        };
        let entries: Vec<_> = values.iter().map(entry).collect();
        self.log.commit(&mut self.ledger, &entries, Micros(1), self.now)
    }
}

/// What a new process finds, with the numbers of segments and of damaged ones.
fn found(path: &Path) -> (Vec<String>, usize, usize) {
    let mut folder = Folder::open(path).expect("a folder");
    let ledger = recover(&mut folder).expect("readable").ledger;
    let mut values = Vec::new();
    for segment in ledger.segments() {
        let bytes = folder.read(segment.name).expect("readable");
        let mut at = format::HEADER_BYTES;
        while let Some((what, next)) = format::next(&bytes, segment.name.salt, at) {
            if let format::Found::Record(format::Record::Entry(entry)) = what
                && segment.state(entry.sequence) == State::Doubtful
            {
                values.push(String::from_utf8_lossy(entry.value).into_owned());
            }
            at = next;
        }
    }
    (values, ledger.segments().count(), ledger.segments().filter(|segment| segment.damaged).count())
}

#[test]
fn what_is_stored_is_there_after_a_crash_and_in_order() {
    let path = tempfile::tempdir().expect("a folder");
    let mut spool = Spooling::start(path.path());
    assert_eq!(spool.store(&["a", "b"]).expect("stored"), 0);
    assert_eq!(spool.store(&["c"]).expect("stored"), 2);
    spool.ledger.set(1, State::Closed);
    spool.log.note(&mut spool.ledger, spool.now);
    drop(spool);
    assert_eq!(found(path.path()), (vec!["a".into(), "c".into()], 1, 0));
    // A second process goes on in a segment of its own, with numbers that were never used.
    let mut second = Spooling::start(path.path());
    assert_eq!(second.store(&["d"]).expect("stored"), 3);
    drop(second);
    assert_eq!(found(path.path()), (vec!["a".into(), "c".into(), "d".into()], 2, 0));
}

#[test]
fn a_step_that_fails_costs_its_segment_and_the_entry_goes_into_a_new_one() {
    for step in ["write", "half", "sync"] {
        let path = tempfile::tempdir().expect("a folder");
        let mut spool = Spooling::start(path.path());
        spool.store(&["before"]).expect("stored");
        spool.log.disk.fail = vec![step];
        spool.store(&["at the fault"]).expect("stored all the same");
        spool.store(&["after"]).expect("stored");
        assert_eq!(spool.ledger.segments().count(), 2, "{step}: the failed one is written no more");
        drop(spool);
        let (values, segments, damaged) = found(path.path());
        assert_eq!(values, ["before", "at the fault", "after"], "{step}");
        assert_eq!((segments, damaged), (2, 0), "{step}: what it did not take is cut off");
    }
}

#[test]
fn where_the_cut_fails_too_nothing_is_read_twice() {
    for (step, torn) in [("sync", 0), ("half", 1)] {
        let path = tempfile::tempdir().expect("a folder");
        let mut spool = Spooling::start(path.path());
        spool.store(&["before"]).expect("stored");
        spool.log.disk.fail = vec![step, "cut"];
        spool.store(&["x", "long y"]).expect("stored all the same");
        spool.store(&["after"]).expect("stored");
        drop(spool);
        let (values, _, damaged) = found(path.path());
        assert_eq!(values, ["before", "x", "long y", "after"], "{step}");
        assert_eq!(damaged, torn, "{step}: only a half record is damage");
    }
}

#[test]
fn a_disk_that_fails_twice_refuses_and_is_tried_again_after_a_pause() {
    for steps in [["sync", "sync"], ["write", "create"], ["half", "half"], ["sync", "create"]] {
        let path = tempfile::tempdir().expect("a folder");
        let mut spool = Spooling::start(path.path());
        spool.store(&["before"]).expect("stored");
        spool.log.disk.fail = steps.to_vec();
        assert!(matches!(spool.store(&["refused"]), Err(NotStored::Disk { .. })), "{steps:?}");
        assert!(matches!(spool.store(&["refused"]), Err(NotStored::Pausing)), "{steps:?}");
        spool.now += PAUSE;
        spool.store(&["after"]).expect("stored");
        drop(spool);
        assert_eq!(found(path.path()).0, ["before", "after"], "{steps:?}");
    }
}

/// The entry that was refused may have reached the disk: nobody was told, and it must not stand for another.
#[test]
fn a_number_that_a_failed_segment_may_hold_is_never_given_again() {
    let path = tempfile::tempdir().expect("a folder");
    let mut spool = Spooling::start(path.path());
    spool.log.disk.fail = vec!["sync", "cut", "sync", "cut"];
    assert!(spool.store(&["refused"]).is_err());
    spool.now += PAUSE;
    spool.store(&["kept"]).expect("stored");
    drop(spool);
    assert_eq!(found(path.path()).0, ["refused", "kept"]);
}

#[test]
fn a_full_disk_refuses_and_keeps_what_it_has() {
    let path = tempfile::tempdir().expect("a folder");
    let mut spool = Spooling::start(path.path());
    spool.log.disk.room = Some(400);
    let mut stored = Vec::new();
    for index in 0..20 {
        let value = format!("value {index}");
        if spool.store(&[&value]).is_ok() {
            stored.push(value);
        }
        spool.now += PAUSE;
    }
    assert!((2..10).contains(&stored.len()), "{stored:?}");
    spool.log.disk.room = None;
    spool.store(&["when there is room again"]).expect("stored");
    stored.push("when there is room again".into());
    drop(spool);
    let (values, _, damaged) = found(path.path());
    assert_eq!((values, damaged), (stored, 0));
}

#[test]
fn a_spool_that_holds_as_much_as_it_may_refuses() {
    let path = tempfile::tempdir().expect("a folder");
    let mut spool = Spooling::start(path.path());
    spool.log.most_bytes = 300;
    spool.store(&["a"]).expect("stored");
    let large = "x".repeat(300);
    assert!(matches!(spool.store(&[&large]), Err(NotStored::Full { .. })));
    spool.store(&["b"]).expect("no pause: the disk is well");
}
