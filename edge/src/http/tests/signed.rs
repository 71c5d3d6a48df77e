//! Signed requests over the wire: who needs a signature, what a repeat gets, what a failure leaves.

use super::{Answer, Edge};
use crate::ids;
use crate::routes::tests::{API_KEY, SIGNED_KEY};
use hmac::{Hmac, KeyInit, Mac};
use schemas::id::KeyHash;
use schemas::token::{MacKey, MacKeys};
use sha2::Sha256;

const SALE: &str = r#"{"action":"purchase","value":"5"}"#;

/// As docs/api.md says it; `off` seconds before now.
pub(in crate::http) fn signed(api_key: &str, nonce: &str, off: i64, body: &str) -> String {
    let keys = MacKeys::new(vec![MacKey::new(1, &[1; 32])]).expect("a key");
    let secret = keys.signing_secret(KeyHash::of_api_key(api_key));
    let stamp = ids::now().0 / 1_000_000 - off;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("of any length");
    mac.update(format!("{stamp}.{nonce}.{body}").as_bytes());
    let mac: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "X-API-KEY: {api_key}\r\nX-Tributary-Timestamp: {stamp}\r\nX-Tributary-Nonce: {nonce}\r\n\
         X-Tributary-Signature: v1={mac}\r\n"
    )
}

fn told(answer: &Answer) -> (u16, String) {
    (answer.status(), answer.problem())
}

fn is(status: u16, problem: &str) -> (u16, String) {
    (status, problem.to_owned())
}

#[test]
fn a_signed_request_counts_once_and_its_nonce_names_its_events() {
    let edge = Edge::start_with(true);
    let post = |headers: &str, body: &str| edge.request("POST /api/v1/events", headers, body);
    let first = signed(SIGNED_KEY, "nonce-0000000001", 0, SALE);
    let answer = post(&first, SALE);
    assert_eq!(answer.status(), 202, "{}", answer.0);
    let id = answer.json()["event_id"].clone();
    assert_eq!(told(&post(&first, SALE)), is(409, "replayed"));
    // Signed anew it is the same event, by its nonce.
    let again = post(&signed(SIGNED_KEY, "nonce-0000000001", 100, SALE), SALE);
    assert_eq!((again.status(), &again.json()["event_id"]), (202, &id));
    let other = post(&signed(SIGNED_KEY, "nonce-0000000002", 0, SALE), SALE);
    assert_ne!(other.json()["event_id"], id);

    let unsigned = format!("X-API-KEY: {SIGNED_KEY}\r\n");
    for (name, headers, body, expected) in [
        ("none", unsigned.clone(), SALE, is(401, "signature-required")),
        ("old", signed(SIGNED_KEY, "nonce-0000000003", 302, SALE), SALE, is(401, "bad-signature")),
        ("early", signed(SIGNED_KEY, "nonce-0000000003", -302, SALE), SALE, is(401, "bad-signature")),
        ("of another body", signed(SIGNED_KEY, "nonce-0000000003", 0, "{}"), SALE, is(401, "bad-signature")),
        // Who need not sign and does is checked all the same.
        ("voluntary", signed(API_KEY, "nonce-0000000003", 302, SALE), SALE, is(401, "bad-signature")),
    ] {
        assert_eq!(told(&post(&headers, body)), expected, "{name}");
    }
    assert_eq!(post(&signed(API_KEY, "nonce-0000000003", 0, SALE), SALE).status(), 202);
    // To try is no use of a nonce.
    let tried = signed(SIGNED_KEY, "nonce-0000000004", 0, SALE);
    for status in [200, 200] {
        assert_eq!(edge.request("POST /api/v1/events?validate_only", &tried, SALE).status(), status);
    }
    assert_eq!(post(&tried, SALE).status(), 202);
}

#[test]
fn what_was_not_recorded_may_come_again_as_it_was() {
    let edge = Edge::start();
    let headers = signed(SIGNED_KEY, "nonce-0000000001", 0, SALE);
    for _ in 0..2 {
        assert_eq!(told(&edge.request("POST /api/v1/events", &headers, SALE)), is(503, "unavailable"));
    }
}
