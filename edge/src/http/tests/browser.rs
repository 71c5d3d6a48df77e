//! What pages send and get: the pixel, the script, `/collect`, and what a public key may not do.

use super::Edge;
use crate::event::browser::SCRIPT;
use crate::routes::tests::{API_KEY, BROWSER_KEY, POSTBACK_TOKEN};
use std::io::{Read, Write};
use std::net::TcpStream;

/// The head as text, the body as bytes.
fn get(edge: &Edge, target: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(edge.address).expect("connects");
    let text = format!("GET {target} HTTP/1.1\r\nHost: t.example\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(text.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    (String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase(), answer[end + 4..].to_vec())
}

#[test]
fn a_pixel_is_always_an_image_and_says_what_became_of_its_event() {
    let (taking, refusing) = (Edge::start_with(true), Edge::start());
    for (edge, query, outcome) in [
        (&taking, format!("?key={BROWSER_KEY}&action=purchase&order_id=O1&value=9.90"), "accepted"),
        (&taking, format!("?key={BROWSER_KEY}&event=add_to_cart&event_id=e1"), "accepted"),
        (&taking, format!("?key={BROWSER_KEY}&action=signup&click_id=whatever"), "accepted"),
        (&refusing, format!("?key={BROWSER_KEY}&action=signup&event_id=e1"), "unavailable"),
        (&taking, format!("?key={BROWSER_KEY}&action=signup"), "rejected"),
        (&taking, format!("?key={BROWSER_KEY}&action=refund&order_id=O1&event_id=e2"), "rejected"),
        (&taking, format!("?key={BROWSER_KEY}&action=purchase&order_id=O1&value=9,90"), "rejected"),
        (&taking, format!("?key={BROWSER_KEY}&action=signup&event_id=e1&customer_id=c"), "rejected"),
        (&taking, format!("?key={BROWSER_KEY}&action=signup&event_id=e1&occurred_at=1"), "rejected"),
        (&taking, format!("?key={BROWSER_KEY}"), "rejected"),
        (&taking, format!("?key={BROWSER_KEY}&value=1&value=2"), "rejected"),
        (&taking, "?key=unknown&action=signup&event_id=e1".to_owned(), "unauthorized"),
        (&taking, format!("?key={API_KEY}&action=signup&event_id=e1"), "unauthorized"),
        (&taking, format!("?key={POSTBACK_TOKEN}&action=signup&event_id=e1"), "unauthorized"),
        (&taking, String::new(), "unauthorized"),
    ] {
        let (head, body) = get(edge, &format!("/pixel.gif{query}"), "");
        assert!(head.starts_with("http/1.1 200") && head.contains("content-type: image/gif"), "{head}");
        assert!(head.contains(&format!("x-tributary-event: {outcome}")), "{query}: {head}");
        assert!(head.contains("cache-control: no-store") && head.contains("access-control-allow-origin: *"), "{head}");
        // GIF89a, 1 by 1, and its end.
        assert_eq!((body.len(), &body[..10], body[42]), (43, &b"GIF89a\x01\x00\x01\x00"[..], b';'), "{query}");
    }
}

#[test]
fn a_page_sends_little_at_once_and_a_long_address_of_it_costs_no_event() {
    let taking = Edge::start_with(true);
    let collect = format!("POST /collect?key={BROWSER_KEY}");
    let batch = |rows: usize| {
        let rows: Vec<_> = (0..rows).map(|row| format!(r#"{{"action":"signup","event_id":"e{row}"}}"#)).collect();
        format!("[{}]", rows.join(","))
    };
    assert_eq!(taking.request(&collect, "", &batch(20)).status(), 202);
    assert_eq!(taking.request(&collect, "", &batch(21)).status(), 422);
    assert_eq!(taking.request(&collect, "", &" ".repeat(64 * 1024 + 1)).status(), 413);
    let referrer = format!("Referer: https://shop.example/?{}\r\n", "x".repeat(5000));
    let (head, _) = get(&taking, &format!("/pixel.gif?key={BROWSER_KEY}&action=signup&event_id=e"), &referrer);
    assert!(head.contains("x-tributary-event: accepted"), "{head}");
}

#[test]
fn the_script_is_small_cached_and_known_by_its_tag() {
    let edge = Edge::start();
    assert!(SCRIPT.len() < 2048, "{} bytes", SCRIPT.len());
    let (head, body) = get(&edge, "/collect.js", "");
    assert_eq!(body, SCRIPT.as_bytes());
    assert!(head.contains("content-type: text/javascript") && head.contains("cache-control: public, max-age=3600"));
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag");
    let (head, body) = get(&edge, "/collect.js", &format!("If-None-Match: {tag}\r\n"));
    assert!(head.starts_with("http/1.1 304") && body.is_empty(), "{head}");
}

#[test]
fn a_page_collects_for_its_advertiser_and_no_more() {
    let edge = Edge::start_with(true);
    let to = format!("POST /collect?key={BROWSER_KEY}");
    let sale = r#"{"action":"purchase","order_id":"O1","value":"9.90","click_id":"forged"}"#;
    let beacon = "Content-Type: text/plain;charset=UTF-8\r\nOrigin: https://shop.example\r\n";
    let answer = edge.request(&to, beacon, sale);
    assert_eq!((answer.status(), answer.header("access-control-allow-origin")), (202, Some("*")), "{}", answer.0);
    let preflight = "Access-Control-Request-Method: POST\r\nOrigin: https://shop.example\r\n";
    let answer = edge.request("OPTIONS /collect", preflight, "");
    assert_eq!((answer.status(), answer.header("access-control-allow-methods")), (204, Some("POST")));

    for (body, field) in [
        (r#"{"action":"refund","order_id":"O1","event_id":"e"}"#, "action"),
        (r#"{"action":"sale","order_id":"O1","value":1}"#, "action"),
        (r#"{"action":"signup","event_id":"e","customer_id":"c"}"#, "customer_id"),
        (r#"{"action":"signup","event_id":"e","occurred_at":0}"#, "occurred_at"),
        (r#"{"action":"purchase","event_id":"e","value":1,"refund_of":"f"}"#, "refund_of"),
    ] {
        let answer = edge.request(&to, beacon, body);
        assert_eq!((answer.status(), answer.problem().as_str()), (422, "invalid-event"), "{body}");
        let errors = answer.json()["errors"].clone();
        assert_eq!((&errors[0]["field"], &errors[0]["code"]), (&field.into(), &"not_for_browsers".into()), "{body}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    // Each kind of key at its own door only.
    for (line, headers) in [
        (format!("POST /collect?key={API_KEY}"), String::new()),
        (format!("POST /collect?key={POSTBACK_TOKEN}"), String::new()),
        ("POST /collect".to_owned(), format!("X-API-KEY: {BROWSER_KEY}\r\n")),
        ("POST /api/v1/events".to_owned(), format!("X-API-KEY: {BROWSER_KEY}\r\n")),
        ("POST /api/v1/events".to_owned(), format!("X-API-KEY: {POSTBACK_TOKEN}\r\n")),
        (format!("GET /postback?token={BROWSER_KEY}&order_id=O&status=approved"), String::new()),
        (format!("GET /postback?token={API_KEY}&order_id=O&status=approved"), String::new()),
    ] {
        let body = if line.starts_with("POST") { sale } else { "" };
        assert_eq!(edge.request(&line, &headers, body).problem(), "unauthorized", "{line}");
    }
}
