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
        let wait = Duration::from_millis(20);
        Bench { acks: Acks::new(producer, 0, spool, wait, |_| {}), spool: commands }
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

impl Bench {
    /// Sends until acknowledgements are overdue for so long that Kafka is not waited for any more; how many.
    async fn give_up_on_kafka(&self) -> usize {
        loop {
            let sent = self.acks.under_way();
            let mut recording = self.send();
            if self.acks.under_way() == sent {
                return sent;
            }
            assert!(!recording.acknowledged(soon()).await, "nothing came");
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

#[test]
fn once_an_acknowledgement_is_overdue_the_spool_alone_has_the_next_record_at_once() {
    run(async {
        let bench = Bench::new();
        let sent = bench.give_up_on_kafka().await;
        let began = Instant::now();
        let mut second = bench.send();
        assert!(!second.acknowledged(began + Duration::from_secs(10)).await);
        assert!(began.elapsed() < Duration::from_secs(5), "no wait");
        assert_eq!(bench.acks.under_way(), sent, "the producer was not asked");
        second.store();
        bench.stored().1.send(true).expect("somebody waits");
        assert!(second.durable(soon()).await);
        assert_eq!(bench.heard(), None, "the drain brings it to Kafka");
    });
}

#[test]
fn where_the_spool_refuses_too_an_event_asks_kafka_and_a_click_does_not_wait() {
    run(async {
        for (topic, stored) in [(Topic::Events, Some(false)), (Topic::Clicks, Some(false)), (Topic::Clicks, None)] {
            let bench = Bench::new();
            let sent = bench.give_up_on_kafka().await;
            let mut second = Recording::send(&bench.acks, topic, "key".into(), b"value".to_vec());
            second.store();
            match stored {
                Some(stored) => bench.stored().1.send(stored).expect("somebody waits"),
                None => drop(bench.stored()),
            }
            let until = Instant::now() + Duration::from_secs(10);
            if topic == Topic::Clicks {
                assert!(!second.durable(until).await);
                assert!(Instant::now() + Duration::from_secs(5) < until, "no wait");
                continue;
            }
            let acks = bench.acks.clone();
            let report = async {
                while acks.under_way() <= sent {
                    tokio::task::yield_now().await;
                }
                acks.report(Report { slot: sent as u32, outcome: Ok(()) });
            };
            assert!(tokio::join!(second.durable(until), report).0);
        }
    });
}

#[test]
fn clicks_are_shed_when_too_many_wait_and_events_are_not() {
    run(async {
        let bench = Bench::new();
        let click = || Recording::send(&bench.acks, Topic::Clicks, "key".into(), b"value".to_vec());
        let mut waiting: Vec<Recording> = (0..4096).map(|_| click()).collect();
        assert!(waiting.iter().all(|one| !one.crowded));
        let mut shed = click();
        assert!(shed.crowded && !shed.acknowledged(soon()).await);
        shed.store();
        assert!(!shed.durable(soon()).await && bench.spool.try_recv().is_err());
        assert_eq!(bench.acks.under_way(), 4096);
        assert!(!bench.send().crowded);
        waiting.pop();
        assert!(!click().crowded);
    });
}
