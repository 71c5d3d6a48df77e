//! What a customer's other events say of an order, end to end: by a signup with a click's token the customer is known, a
//! rate is for new customers, and an order that comes late makes another one no longer the first. And a publisher's own
//! customer, whose order is held until a person releases it.

use crate::installation::{Installation, http};

/// What a new customer's order pays, a returning one's, and what is held.
const CATALOG: &str = "tenant: default
effective_from: 2026-01-01T00:00:00Z
contracts:
- id: customers
  commission: 1 %
  paying_model: last
  hold_days: 30
  rates:
  - {event: purchase, customer: new, commission: 20 %}
  - {event: purchase, customer: returning, commission: 10 %}
  fraud:
    hold_at: 50
    rules:
    - {rule: self_referral, score: 50}
publishers:
- {id: own, name: Own, customers: [HASH]}
campaigns:
- {id: known, advertiser: acme, name: Known, destination: 'https://shop.example/', contract: customers, look_back: 30d}
links:
- {code: own-known, campaign: known, publisher: own}
";

fn post(installation: &Installation, event: &str) {
    let key = format!("X-API-KEY: {}", installation.api_key());
    let url = format!("{}/api/v1/events", installation.edge_url());
    let answer = http("POST", &url, &[&key, "Content-Type: application/json"], Some(event)).expect("an answer");
    assert_eq!(answer.status, 202, "{event}: {}", answer.body);
}

/// A visitor follows the publisher's link; the token that the shop gets.
fn click(installation: &Installation) -> String {
    let answer = http("GET", &format!("{}/r/own-known", installation.edge_url()), &[], None).expect("an answer");
    assert_eq!(answer.status, 302, "{}", answer.body);
    let location = answer.header("location").expect("a location");
    let (_, token) = location.split_once("click_id=").expect("a token");
    token.split('&').next().expect("a token").to_owned()
}

/// Waits until an order's decision is this: outcome, reason, commission.
fn decided(installation: &Installation, order: &str, expected: [&str; 3], when: &str) {
    let sql = format!("SELECT outcome, reason, commission FROM {{db}}.conversions WHERE order_id = '{order}'");
    installation.wait_for(&format!("{order} to be {expected:?} {when}"), || installation.rows(&sql) == [expected]);
    assert_eq!(installation.rows("SELECT sum(amount) FROM {db}.journal"), [["0"]], "{when}");
}

#[test]
fn a_known_customer_is_credited_and_is_new_until_an_earlier_order_arrives() {
    let mut installation = Installation::new("customers");
    let secrets = installation.path("secrets");
    let hash = installation.tributary(&["secrets", "hash", "--dir", &secrets, "--customer", "the publisher"]);
    let catalog = installation.path("customers.yaml");
    std::fs::write(&catalog, CATALOG.replace("HASH", hash.trim())).expect("a catalog");
    installation.tributary(&["catalog", "apply", &catalog, "--secrets", &secrets]);
    installation.start_all();

    let token = click(&installation);
    post(
        &installation,
        &format!(r#"{{"action": "signup", "event_id": "s-1", "customer_id": "ann", "click_id": "{token}"}}"#),
    );
    let order = |id: &str, customer: &str, at: &str| {
        format!(
            r#"{{"action": "purchase", "event_id": "e-{id}", "order_id": "{id}", "value": "100", "customer_id": "{customer}"{at}}}"#
        )
    };
    post(&installation, &order("O-2", "ann", ""));
    decided(&installation, "O-2", ["attributed", "customer", "20"], "by the signup, as a new customer");
    // Yesterday's order comes in today: no journey was the customer's then, and O-2 is not the first any more.
    let yesterday = installation.rows("SELECT formatDateTime(now() - 86400, '%FT%TZ', 'UTC')")[0][0].clone();
    post(&installation, &order("O-1", "ann", &format!(r#", "occurred_at": "{yesterday}""#)));
    decided(&installation, "O-1", ["unattributed", "no_evidence", "0"], "before anybody knew the customer");
    decided(&installation, "O-2", ["attributed", "customer", "10"], "after an earlier order");

    // Copies from partition to partition are nobody's events.
    let events = "SELECT event_id, count() FROM {db}.events GROUP BY event_id ORDER BY event_id";
    let once = [["e-O-1", "1"], ["e-O-2", "1"], ["s-1", "1"]];
    installation.wait_for("each event once", || installation.rows(events) == once);

    let token = click(&installation);
    let by_token = format!(r#", "click_id": "{token}""#);
    post(&installation, &order("O-3", "the publisher", &by_token));
    decided(&installation, "O-3", ["held", "fraud_score", "0"], "as the publisher's own");
    let word = ["--advertiser", "acme", "--by", "ana", "--reason", "asked the shop"];
    let said = installation.tributary(&[["release", "O-3"].as_slice(), &word].concat());
    assert!(said.contains("release of conversion") && said.contains("by ana is written"), "{said}");
    decided(&installation, "O-3", ["attributed", "click_id", "20"], "after a person released it");
    installation.tributary(&[["reject", "O-2"].as_slice(), &word].concat());
    decided(&installation, "O-2", ["rejected", "rejected_by_command", "0"], "after a person rejected it");
}
