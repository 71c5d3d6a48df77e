//! Slots and their reports, without a Kafka.

use super::*;
use kafka::KafkaConfig;

/// A producer without a Kafka: nothing is reported but what the test reports.
fn acks() -> Rc<Acks> {
    let config = KafkaConfig { bootstrap: "127.0.0.1:1".into(), prefix: String::new(), development: true };
    let producer = EdgeProducer::start(&config, 1).expect("starts without Kafka");
    Acks::new(Arc::new(producer), 0, Spool::refusing(), Duration::from_millis(50), |_| {})
}

fn poll(ack: &mut Ack) -> Poll<Outcome> {
    Pin::new(ack).poll(&mut Context::from_waker(Waker::noop()))
}

impl Acks {
    fn heard(&self, report: Report) -> Option<Unawaited> {
        self.take_up(report, Instant::now())
    }
}

fn good(slot: u32) -> Report {
    Report { slot, outcome: Ok(()) }
}

#[test]
fn a_report_completes_its_own_waiter_and_no_other() {
    let acks = acks();
    let mut first = acks.send(Topic::Clicks, b"k", b"v").expect("taken");
    let mut second = acks.send(Topic::Clicks, b"k", b"v").expect("taken");
    assert_eq!((poll(&mut first), poll(&mut second)), (Poll::Pending, Poll::Pending));
    assert_eq!(acks.heard(good(1)), None);
    assert_eq!((poll(&mut first), poll(&mut second)), (Poll::Pending, Poll::Ready(Ok(()))));
    let third = acks.send(Topic::Events, b"k", b"v").expect("taken");
    assert_eq!(third.slot, Some(1), "a slot is used again after its report");
}

#[test]
fn a_report_that_comes_too_late_is_counted_and_frees_its_slot() {
    let acks = acks();
    let late = |why| Some(Unawaited { topic: Topic::Clicks, why, outcome: Ok(()) });
    let ack = acks.send(Topic::Clicks, b"k", b"v").expect("taken");
    assert_eq!(ack.give_up(), None);
    let other = acks.send(Topic::Clicks, b"k", b"v").expect("taken");
    assert_eq!(other.slot, Some(1), "the slot of a record under way is not given away");
    drop(other);
    acks.send_untracked(Topic::Clicks, b"k", b"v").expect("taken");
    assert_eq!(acks.heard(good(0)), late(Why::GaveUp));
    assert_eq!(acks.heard(good(1)), late(Why::ClientLeft));
    assert_eq!(acks.heard(good(2)), late(Why::Untracked));
    assert_eq!(acks.heard(good(2)), None, "a second report changes nothing");
}

#[test]
fn giving_up_still_sees_what_has_come() {
    let acks = acks();
    let ack = acks.send(Topic::Events, b"k", b"v").expect("taken");
    acks.heard(good(0));
    assert_eq!(ack.give_up(), Some(Ok(())));
    assert_eq!(acks.heard(good(0)), None);
}
