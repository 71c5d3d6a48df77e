//! What is sent, and in which order; the producer has no Kafka, so nothing is reported but what the test reports.

use super::*;
use crate::spool::folder::Folder;
use crate::spool::log::Incoming;
use kafka::KafkaConfig;
use schemas::time::Micros;
use schemas::topic::Topic;
use tempfile::TempDir;

struct Bench {
    drain: Drain,
    log: Log<Folder>,
    ledger: Ledger,
    now: Instant,
    folder: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let config = KafkaConfig { bootstrap: "127.0.0.1:1".into(), prefix: String::new(), development: true };
        let producer = Arc::new(EdgeProducer::start(&config, 1).expect("starts without Kafka"));
        let folder = tempfile::tempdir().expect("a folder");
        let log = Log::new(Folder::open(folder.path()).expect("a folder"), 0, 64 << 20);
        let now = Instant::now();
        Bench { drain: Drain::new(producer, 0, now), log, ledger: Ledger::default(), now, folder }
    }

    fn store(&mut self, states: &[State]) {
        let entry = |state: &State| Incoming { topic: Topic::Clicks, key: vec![1], value: vec![2; 50], state: *state };
        let entries: Vec<_> = states.iter().map(entry).collect();
        self.log.commit(&mut self.ledger, &entries, Micros(1), self.now).expect("stored");
    }

    fn step(&mut self, after: Duration) {
        self.now += after;
        self.drain.step(&mut self.log, &mut self.ledger, self.now);
    }

    fn sent(&self) -> Vec<u64> {
        self.drain.window.iter().flatten().copied().collect()
    }
}

#[test]
fn what_waits_goes_oldest_first_and_at_its_pace() {
    use State::{Closed, InFlight, Waiting};
    let mut bench = Bench::new();
    bench.store(&[Waiting, InFlight, Waiting]);
    bench.log.seal(&mut bench.ledger);
    bench.store(&[Waiting, Closed, Waiting]);
    bench.step(Duration::ZERO);
    assert!(bench.sent().is_empty(), "no time has passed, nothing is allowed");
    // A hundred microseconds are a record.
    bench.step(Duration::from_micros(250));
    assert_eq!(bench.sent(), [0, 2]);
    bench.step(Duration::from_secs(1));
    assert_eq!(bench.sent(), [0, 2, 3, 5]);
    assert!(bench.ledger.segments().all(|segment| !segment.active), "what is sent is written no more");
    assert_eq!(bench.ledger.count(InFlight), 5);
}

#[test]
fn no_more_are_under_way_than_the_window_holds() {
    let mut bench = Bench::new();
    bench.store(&[State::Waiting; WINDOW + 10]);
    bench.step(Duration::from_secs(60));
    bench.step(Duration::from_secs(60));
    assert_eq!(bench.sent(), (0..WINDOW as u64).collect::<Vec<_>>());
}

#[test]
fn nothing_is_sent_while_an_entry_is_in_doubt() {
    let mut bench = Bench::new();
    bench.store(&[State::Doubtful, State::Waiting]);
    bench.step(Duration::from_secs(1));
    assert!(bench.sent().is_empty());
    bench.ledger.set(0, State::Waiting);
    bench.step(Duration::from_secs(1));
    assert_eq!(bench.sent(), [0, 1]);
}

#[test]
fn what_a_disk_spoilt_is_lost_alone_and_its_segment_marked() {
    let mut bench = Bench::new();
    bench.store(&[State::Waiting; 3]);
    let name = bench.ledger.segments().next().expect("a segment").name;
    let path = bench.folder.path().join(name.file());
    let mut bytes = std::fs::read(&path).expect("readable");
    let middle = format::HEADER_BYTES + (bytes.len() - format::HEADER_BYTES) / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    bench.step(Duration::from_secs(1));
    assert_eq!(bench.sent(), [0, 2]);
    bench.step(Duration::from_secs(1));
    assert_eq!(bench.ledger.state(1), State::Closed);
    assert!(bench.ledger.segments().all(|segment| segment.damaged));
}

#[test]
fn a_segment_that_is_gone_does_not_hold_the_others_up() {
    let mut bench = Bench::new();
    bench.store(&[State::Waiting]);
    bench.log.seal(&mut bench.ledger);
    bench.store(&[State::Waiting]);
    let name = bench.ledger.segments().next().expect("a segment").name;
    std::fs::remove_file(bench.folder.path().join(name.file())).expect("removed");
    bench.step(Duration::from_secs(1));
    bench.step(PAUSE + Duration::from_secs(1));
    assert_eq!((bench.ledger.state(0), bench.sent()), (State::Closed, vec![1]));
}
