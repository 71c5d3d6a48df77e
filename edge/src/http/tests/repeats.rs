//! `Idempotency-Key` over the wire.

use super::{Answer, Edge};
use crate::routes::tests::API_KEY;
use crate::routes::tests::SIGNED_KEY;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const SALE: &str = r#"{"action":"purchase","value":"5"}"#;

fn post(edge: &Edge, line: &str, key: &str, body: &str) -> Answer {
    edge.request(line, &format!("X-API-KEY: {API_KEY}\r\nIdempotency-Key: {key}\r\n"), body)
}

#[test]
fn the_same_request_gets_the_same_answer_and_another_is_refused() {
    let edge = Edge::start_with(true);
    let events = "POST /api/v1/events";
    let first = post(&edge, events, "\"k1\"", SALE);
    assert_eq!((first.status(), first.header("idempotency-replayed")), (202, None), "{}", first.0);
    let again = post(&edge, events, "k1", SALE);
    assert_eq!((again.status(), again.header("idempotency-replayed")), (202, Some("true")));
    assert_eq!((again.json(), again.header("content-type")), (first.json(), first.header("content-type")));

    let refused = post(&edge, events, "k2", "{}");
    assert_eq!(refused.problem(), "invalid-event");
    assert_eq!(post(&edge, events, "k2", "{}").0.split("\r\n\r\n").nth(1), refused.0.split("\r\n\r\n").nth(1));

    for (line, key, body) in [
        (events, "k1", r#"{"action":"purchase","value":"6"}"#),
        (events, "k2", SALE),
        ("POST /event/purchase", "k1", SALE),
    ] {
        let answer = post(&edge, line, key, body);
        assert_eq!((answer.status(), answer.problem().as_str()), (422, "other-payload"), "{line} {key}");
    }
    // To try neither asks nor is remembered.
    assert_eq!(post(&edge, "POST /api/v1/events?validate_only", "k1", "[]").problem(), "invalid-batch");
    assert_eq!(post(&edge, "POST /api/v1/events?validate_only", "k3", SALE).status(), 200);
    assert_eq!(post(&edge, events, "k3", SALE).header("idempotency-replayed"), None);
    // A key belongs to its API key: this one is refused for another reason.
    let other = edge.request(events, &format!("X-API-KEY: {SIGNED_KEY}\r\nIdempotency-Key: k1\r\n"), SALE);
    assert_eq!(other.problem(), "signature-required");
}

#[test]
fn what_was_not_recorded_is_not_remembered() {
    let edge = Edge::start();
    for _ in 0..2 {
        let answer = post(&edge, "POST /api/v1/events", "k", SALE);
        assert_eq!((answer.status(), answer.header("idempotency-replayed")), (503, None));
    }
    // Another payload is fine too: nothing of the first one was kept.
    assert_eq!(post(&edge, "POST /api/v1/events", "k", "[1]").status(), 422);
}

#[test]
fn a_request_under_way_is_not_done_a_second_time() {
    // Without Kafka, and with a spool that refuses, a request takes its 60 ms.
    let edge = Edge::start_slow();
    let text = format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: t.example\r\nConnection: close\r\nX-API-KEY: {API_KEY}\r\n\
         Idempotency-Key: k\r\nContent-Length: {}\r\n\r\n{SALE}",
        SALE.len()
    );
    let mut first = TcpStream::connect(edge.address).expect("connects");
    first.write_all(text.as_bytes()).expect("sent");
    std::thread::sleep(Duration::from_millis(300));
    let second = Answer(edge.raw(text.as_bytes()));
    assert_eq!((second.status(), second.problem().as_str()), (409, "repeat-under-way"), "{}", second.0);
    let mut answer = String::new();
    first.read_to_string(&mut answer).expect("an answer");
    assert_eq!(Answer(answer).status(), 503);
    // A client that leaves takes its request along.
    let mut third = TcpStream::connect(edge.address).expect("connects");
    third.write_all(text.as_bytes()).expect("sent");
    std::thread::sleep(Duration::from_millis(300));
    drop(third);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(Answer(edge.raw(text.as_bytes())).status(), 503);
}
