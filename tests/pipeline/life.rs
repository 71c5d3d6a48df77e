//! What becomes of a conversion after its sale, end to end: events about it come in at the edge, a person's command stands
//! in the log, and the publisher's balance follows.

use crate::installation::{Installation, Role, http};
use crate::log;
use schemas::codec;
use schemas::id::ConversionId;
use schemas::key;
use schemas::name::{AdvertiserId, TenantId};
use schemas::offset::Offset;
use schemas::record::command::{ConversionCommand, Verb};
use schemas::time::Micros;
use schemas::topic::Topic;

fn post(installation: &Installation, event: &str) {
    let key = format!("X-API-KEY: {}", installation.api_key());
    let url = format!("{}/api/v1/events", installation.edge_url());
    let answer = http("POST", &url, &[&key, "Content-Type: application/json"], Some(event)).expect("an answer");
    assert_eq!(answer.status, 202, "{event}: {}", answer.body);
}

/// A person's word on the order O-1; the later one of two holds.
fn command(installation: &Installation, id: &str, verb: Verb, issued_at: i64) {
    let (tenant, advertiser) = (TenantId::new("default").expect("a name"), AdvertiserId::new("acme").expect("a name"));
    let conversion_id = ConversionId::of_order(&tenant, &advertiser, "O-1");
    let key = key::conversion(&tenant, &advertiser, conversion_id);
    let command = ConversionCommand {
        command_id: id.into(),
        tenant,
        advertiser,
        conversion_id,
        verb,
        by: "ana".into(),
        why: "asked the shop".into(),
        issued_at: Micros(issued_at),
        catalog_offset: Offset(0),
    };
    log::write(installation, &[(Topic::Candidates, None, key.into_bytes(), codec::encode(&command))]);
}

/// Waits until the publisher has this much, and the books balance.
fn holds(installation: &Installation, held: &str, when: &str) {
    let sql = "SELECT held FROM {db}.publisher_balances WHERE publisher = 'alpha'";
    installation.wait_for(&format!("a balance of {held} {when}"), || installation.rows(sql) == [[held]]);
    assert_eq!(installation.rows("SELECT sum(amount) FROM {db}.journal"), [["0"]], "{when}");
}

#[test]
fn refunds_chargebacks_and_commands_reach_the_balance() {
    let mut installation = Installation::new("life");
    installation.start_all();
    post(
        &installation,
        r#"{"action": "purchase", "event_id": "e-1", "order_id": "O-1", "value": "100", "ref_code": "alpha-demo"}"#,
    );
    holds(&installation, "7", "after the sale");
    // The refund knows the sale's event only, which has an order by now.
    post(&installation, r#"{"action": "refund", "event_id": "r-1", "refund_of": "e-1", "value": "30"}"#);
    holds(&installation, "4.9", "after a part was refunded");
    post(&installation, r#"{"action": "chargeback", "event_id": "c-1", "order_id": "O-1"}"#);
    holds(&installation, "0", "after all was charged back");
    post(&installation, r#"{"action": "chargeback_won", "event_id": "w-1", "order_id": "O-1"}"#);
    holds(&installation, "4.9", "after the dispute was won");
    command(&installation, "no", Verb::Reject, 10);
    holds(&installation, "0", "after a person rejected it");
    command(&installation, "yes", Verb::Release, 20);
    holds(&installation, "4.9", "after a person took that back");
    let causes = installation
        .rows("SELECT DISTINCT revision, cause FROM {db}.journal WHERE publisher = 'alpha' ORDER BY revision, cause");
    let causes: Vec<&str> = causes.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(causes, ["conversion", "refund", "chargeback", "chargeback_won", "correction", "correction"]);
    installation.stop(Role::Edge);
    installation.stop(Role::Processor);
    installation.stop(Role::Sinks);
}
