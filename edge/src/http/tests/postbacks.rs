//! Postbacks over the wire: whose they are, and what is refused.

use super::Edge;
use crate::routes::tests::{OTHER_TOKEN, POSTBACK_TOKEN};
use serde_json::Value;

/// As this edge signs it: the click of its own redirect.
fn click(edge: &Edge) -> String {
    let answer = edge.request("GET /r/summer", "", "");
    let location = answer.header("location").expect("a place to go");
    let (_, behind) = location.split_once("click_id=").expect("a token");
    behind.split('&').next().unwrap_or_default().to_owned()
}

#[test]
fn a_postback_is_its_tokens_advertisers_and_its_repeat_is_harmless() {
    let edge = Edge::start_with(true);
    let click = click(&edge);
    let answered = |line: &str| -> (u16, Value) {
        let answer = edge.request(line, "", "");
        (answer.status(), answer.json())
    };
    let to = format!("GET /postback?token={POSTBACK_TOKEN}&subid={click}&payout=2.50&currency=EUR");
    let (status, body) = answered(&to);
    assert_eq!((status, &body["status"]), (200, &"accepted".into()), "{body}");
    assert_eq!(answered(&to).1, body, "a repeat");
    // The same words under another advertiser's token are that one's event, and never this one's.
    let (status, others) = answered(&to.replace(POSTBACK_TOKEN, OTHER_TOKEN));
    assert_eq!(status, 200);
    assert_ne!(others["conversion_id"], body["conversion_id"]);
    // Both ways of POST.
    let form = format!("subid={click}&payout=2.50&currency=EUR");
    for (line, form) in [
        (format!("POST /postback?token={POSTBACK_TOKEN}"), form.clone()),
        ("POST /postback".to_owned(), format!("security_token={POSTBACK_TOKEN}&{form}")),
    ] {
        let answer = edge.request(&line, "Content-Type: application/x-www-form-urlencoded\r\n", &form);
        assert_eq!(answer.json(), body, "{line}");
    }
}

#[test]
fn what_a_postback_cannot_say_is_refused_by_name() {
    let edge = Edge::start();
    let click = click_of_another_edge();
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let token = format!("token={POSTBACK_TOKEN}");
    for (line, headers, body, status, problem) in [
        (format!("GET /postback?subid={click}&payout=1"), "", "", 401, "unauthorized"),
        (format!("GET /postback?token=unknown&subid={click}&payout=1"), "", "", 401, "unauthorized"),
        (format!("GET /postback?{token}&click_id={}&payout=1", "A".repeat(64)), "", "", 422, "invalid-event"),
        (format!("GET /postback?{token}&order_id=O&payout=x"), "", "", 422, "invalid-event"),
        (format!("GET /postback?{token}&order_id=O&payout=1&payout=2"), "", "", 400, "bad-request"),
        (format!("GET /postback?{token}&order_id=O&payout=1"), "", "", 503, "unavailable"),
        (format!("GET /postback?{token}&order_id=O&payout=1&validate_only=true"), "", "", 200, ""),
        (format!("HEAD /postback?{token}&order_id=O&payout=1"), "", "", 405, ""),
        ("POST /postback".to_owned(), form, "order_id=O&payout=1", 401, "unauthorized"),
        (format!("POST /postback?{token}"), "Content-Type: application/json\r\n", "{}", 415, "unsupported-media-type"),
        (format!("POST /postback?{token}"), form, "order_id=O&payout=1&validate_only=1", 200, ""),
        (format!("POST /postback?{token}"), form, "order_id=O&payout=1&validate_only=yes", 400, "bad-request"),
        (format!("POST /postback?{token}&payout=1"), form, "order_id=O&payout=2", 400, "bad-request"),
        (format!("POST /postback?{token}"), form, "order_id=%ff%00&payout=1", 422, "invalid-event"),
    ] {
        let answer = edge.request(&line, headers, body);
        let problem_found = if line.starts_with("HEAD") { String::new() } else { answer.problem() };
        assert_eq!((answer.status(), problem_found.as_str()), (status, problem), "{line} {}", answer.0);
    }
    let answer = edge.request(&format!("GET /postback?{token}&click_id={}&payout=1", "A".repeat(64)), "", "");
    assert_eq!(answer.json()["errors"][0]["code"], "token_unknown_key");
}

fn click_of_another_edge() -> String {
    click(&Edge::start_with(true))
}
