//! Who answers a request, and what the spool hears of its record, however the two come about.

use super::*;
use crate::spool::{Command, Spool};
use kafka::KafkaConfig;
use kafka::producer::{EdgeProducer, Report};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use tokio::sync::oneshot;

/// A producer without a Kafka and a spool without a disk: what they say is the test's.
struct Bench {
    acks: Rc<Acks>,
    spool: Receiver<Command>,
}

impl Bench {
    fn new() -> Bench {
        let config = KafkaConfig { bootstrap: "127.0.0.1:1".into(), prefix: String::new(), development: true };
        let producer = Arc::new(EdgeProducer::start(&config, 1).expect("starts without Kafka"));
        let (spool, commands) = Spool::pretended();
        Bench { acks: Acks::new(producer, 0, spool), spool: commands }
    }

    fn send(&self) -> Recording {
        Recording::send(&self.acks, Topic::Events, "key".into(), b"value".to_vec())
    }

    /// Of the record with this number.
    fn report(&self, slot: u32, delivered: bool) {
        self.acks.report(Report { slot, outcome: if delivered { Ok(()) } else { Err(Undelivered::TIMED_OUT) } });
    }

    /// The entry that the spool was given, and where its answer goes.
    fn stored(&self) -> (u64, oneshot::Sender<bool>) {
        match self.spool.try_recv() {
            Ok(Command::Append { ticket, reply, .. }) => (ticket, reply),
            _ => panic!("no entry"),
        }
    }

    /// What the spool heard of a ticket's record.
    fn heard(&self) -> Option<(u64, bool)> {
        match self.spool.try_recv() {
            Ok(Command::Reported { ticket, outcome }) => Some((ticket, outcome.is_ok())),
            _ => None,
        }
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(20)
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
}

#[test]
fn what_kafka_has_in_time_never_reaches_the_spool() {
    run(async {
        let bench = Bench::new();
        let mut recording = bench.send();
        bench.report(0, true);
        assert!(recording.acknowledged(soon()).await);
        recording.store();
        assert!(recording.durable(soon()).await);
        assert!(bench.spool.try_recv().is_err());
    });
}

#[test]
fn whoever_has_it_first_answers_and_the_spool_hears_the_report() {
    run(async {
        for (spool_first, delivered) in [(true, true), (true, false), (false, true)] {
            let bench = Bench::new();
            let mut recording = bench.send();
            assert!(!recording.acknowledged(soon()).await);
            recording.store();
            let (ticket, reply) = bench.stored();
            if spool_first {
                reply.send(true).expect("somebody waits");
                assert!(recording.durable(soon()).await);
                assert_eq!(bench.heard(), None, "nothing to tell yet");
                bench.report(0, delivered);
            } else {
                bench.report(0, delivered);
                assert!(recording.durable(soon()).await);
            }
            assert_eq!(bench.heard(), Some((ticket, delivered)));
            assert_eq!((bench.heard(), bench.acks.under_way()), (None, 0));
        }
    });
}

#[test]
fn the_spool_hears_the_report_of_a_request_that_nobody_waits_for_any_more() {
    run(async {
        for waits in [false, true] {
            let bench = Bench::new();
            let mut recording = bench.send();
            recording.store();
            let (ticket, _reply) = bench.stored();
            if waits {
                assert!(!recording.durable(soon()).await, "neither had it in time");
            } else {
                drop(recording);
            }
            bench.report(0, true);
            assert_eq!(bench.heard(), Some((ticket, true)));
        }
    });
}

#[test]
fn a_spool_that_refuses_leaves_the_answer_to_kafka() {
    run(async {
        for delivered in [true, false] {
            let bench = Bench::new();
            let mut recording = bench.send();
            recording.store();
            let (_, reply) = bench.stored();
            reply.send(false).expect("somebody waits");
            bench.report(0, delivered);
            assert_eq!(recording.durable(soon()).await, delivered);
        }
    });
}

#[test]
fn what_kafka_refused_at_once_is_the_spool_s_alone() {
    run(async {
        for stored in [true, false] {
            let bench = Bench::new();
            let mut recording = bench.send();
            bench.report(0, false);
            assert!(!recording.acknowledged(soon()).await);
            recording.store();
            bench.stored().1.send(stored).expect("somebody waits");
            assert_eq!(recording.durable(soon()).await, stored);
            assert_eq!(bench.heard(), None, "there is no record that could be reported");
        }
    });
}
