//! What the log says, read again: explain, whatif, adjust and the replay's hash, on what a real processor decided and booked.

use crate::installation::{Installation, Role, http};
use crate::log;
use schemas::time::{MICROS_PER_DAY, Micros};
use std::time::{SystemTime, UNIX_EPOCH};

fn post(installation: &Installation, key: &str, event: &str) {
    let key = format!("X-API-KEY: {key}");
    let url = format!("{}/api/v1/events", installation.edge_url());
    let answer = http("POST", &url, &[&key, "Content-Type: application/json"], Some(event)).expect("an answer");
    assert_eq!(answer.status, 202, "{event}: {}", answer.body);
}

/// So many days ago.
fn ago(days: i64) -> Micros {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros();
    Micros(i64::try_from(now).expect("in range")).plus(-days * MICROS_PER_DAY)
}

fn purchase(order: &str, value: &str, link: &str, days: i64) -> String {
    let at = ago(days);
    format!(
        r#"{{"action": "purchase", "event_id": "e-{order}", "order_id": "{order}", "value": "{value}", "ref_code": "{link}", "occurred_at": "{at}"}}"#
    )
}

fn refund(order: &str, id: &str, value: &str) -> String {
    format!(r#"{{"action": "refund", "event_id": "{id}", "order_id": "{order}", "value": "{value}"}}"#)
}

fn held(installation: &Installation, expected: &[(&str, &str)], when: &str) {
    let sql =
        "SELECT publisher, held FROM {db}.publisher_balances WHERE publisher IN ('alpha', 'beta') ORDER BY publisher";
    let expected: Vec<Vec<String>> = expected.iter().map(|(of, held)| vec![(*of).into(), (*held).into()]).collect();
    installation.wait_for(&format!("{expected:?} {when}"), || installation.rows(sql) == expected);
    assert_eq!(installation.rows("SELECT sum(amount) FROM {db}.journal"), [["0"]], "{when}");
}

/// The cells of the line that begins with this.
fn cells<'t>(text: &'t str, first: &str) -> Vec<&'t str> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.into_iter().find(|cells| cells.first() == Some(&first)).unwrap_or_else(|| panic!("no {first} in\n{text}"))
}

const DOUBLED: &str = "tenant: default\neffective_from: 2026-01-01T00:00:00Z\ncontracts:\n\
                       - {id: standard, commission: 20 %, platform_share: 30 %, paying_model: last, hold_days: 30}\n";

/// Without the ends of its lines.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_changed_contract_is_tried_then_booked_and_later_refunds_take_back_their_part() {
    let mut installation = Installation::new("history");
    installation.start_all();
    let key = installation.api_key();
    post(&installation, &key, &purchase("O-1", "100", "alpha-demo", 2));
    post(&installation, &key, &refund("O-1", "r-1", "30"));
    post(&installation, &key, &purchase("O-2", "49.90", "beta-demo", 3));
    post(&installation, &key, &purchase("O-3", "1000", "alpha-demo", 20));
    // 10 %, of which the platform keeps 30 %: 4.90 of what is left of O-1, 70.00 of O-3; 4.99 - 1.50 of O-2.
    held(&installation, &[("alpha", "74.9"), ("beta", "3.49")], "at first");

    let file = installation.path("doubled.yaml");
    std::fs::write(&file, DOUBLED).expect("written");
    let (from, to) = (ago(10).to_string(), ago(0).to_string());
    let range = ["--contract", &file, "--from", &from, "--to", &to];
    let whatif = || installation.tributary(&[["whatif"].as_slice(), &range].concat());
    let tried = whatif();
    // At 20 %: 14.00 - 4.20 of O-1 instead of 7.00 - 2.10; 9.98 - 2.99 of O-2 instead of 4.99 - 1.50. O-3 is out of range.
    assert_eq!(cells(&tried, "alpha"), ["alpha", "USD", "1", "4.90", "9.80", "+4.90", "+7.00", "+2.10"]);
    assert_eq!(cells(&tried, "beta"), ["beta", "USD", "1", "3.49", "6.99", "+3.50", "+4.99", "+1.49"]);
    assert_eq!(cells(&tried, "all"), ["all", "USD", "2", "8.39", "16.79", "+8.40", "+11.99", "+3.59"]);
    assert!(tried.ends_with("2 conversions in the range, 2 pay otherwise\n"), "{tried}");
    let before = installation.tributary(&["replay-hash"]);
    assert!(before.ends_with("\nwhat is booked is what the decisions say\n"), "{before}");
    assert_eq!(installation.tributary(&["replay-hash"]), before, "two replays of one log");

    let adjust = |more: &[&str]| {
        let arguments = [["adjust"].as_slice(), &range, &["--reason", "promised in May", "--by", "ana"], more].concat();
        installation.tributary(&arguments)
    };
    let shown = adjust(&["--dry-run"]);
    assert!(shown.starts_with(&tried) && shown.ends_with(" would be written\n"), "{shown}");
    assert_eq!(installation.tributary(&["replay-hash"]), before, "nothing was written");
    let booked = adjust(&[]);
    assert!(booked.starts_with(&tried) && booked.ends_with(" is written; the processor books it\n"), "{booked}");
    held(&installation, &[("alpha", "79.8"), ("beta", "6.99")], "after the adjustment");
    assert!(adjust(&[]).ends_with("2 conversions in the range, 0 pay otherwise\nthere is nothing to adjust\n"));
    let after = installation.tributary(&["replay-hash"]);
    assert_ne!(cells(&after, "state"), cells(&before, "state"), "one record more");
    assert!(after.ends_with("\nwhat is booked is what the decisions say\n"), "{after}");

    // Half of what was left of O-1, and all of O-2.
    post(&installation, &key, &refund("O-1", "r-2", "35"));
    post(&installation, &key, &refund("O-2", "r-3", "49.90"));
    held(&installation, &[("alpha", "74.9"), ("beta", "0")], "after the refunds");
    let told = installation.tributary(&["explain", "O-1"]);
    let id = shown.lines().last().and_then(|line| line.split(' ').next()).expect("an id");
    for line in [
        "Order O-1 of acme: alpha earns 4.90 USD",
        &format!("  . {id}"),
        "      amended (contract standard by ana: promised in May)",
        &format!("  revision 3, correction by {id}: acme pays 7.00, alpha gets 4.90, platform gets 2.10 USD"),
        "  revision 4, refund by r-2: acme pays -7.00, alpha gets -4.90, platform gets -2.10 USD",
        "  in all: acme pays 7.00, alpha gets 4.90, platform gets 2.10 USD",
    ] {
        assert!(unwrapped(&told).contains(&unwrapped(line)), "{line:?} is not in\n{told}");
    }

    // The same clicks and events through another processor: the same evidence, decisions and books.
    let mut calm = Installation::on(installation.stack.clone(), "historycalm");
    log::copy_inputs(&installation, &calm);
    log::copy_amendments(&installation, &calm);
    calm.start(Role::Processor);
    let expected = installation.tributary(&["replay-hash"]);
    calm.wait_for("the same hash", || calm.tributary(&["replay-hash"]) == expected);
}

const RIVAL: &str = "tenant: default\neffective_from: 2026-01-01T00:00:00Z\n\
    advertisers:\n- {id: rival, name: Rival}\n\
    contracts:\n- {id: rivals, commission: 10 %, paying_model: last, hold_days: 30}\n\
    campaigns:\n- {id: theirs, advertiser: rival, name: Theirs, destination: \"https://rival.example/\", \
    contract: rivals, look_back: 30d}\n\
    links:\n- {code: alpha-theirs, campaign: theirs, publisher: alpha}\n\
    api_keys:\n- {id: rival-server, advertiser: rival, key_file: rival-server.key}\n";

#[test]
fn an_order_is_explained_by_its_newest_decision_whether_it_is_in_clickhouse_yet_or_not() {
    let mut installation = Installation::new("explain");
    let file = installation.path("rival.yaml");
    std::fs::write(&file, RIVAL).expect("written");
    installation.tributary(&["catalog", "apply", &file]);
    installation.start_all();
    let key = installation.api_key();
    let rival = std::fs::read_to_string(installation.path("rival-server.key")).expect("a key").trim().to_owned();
    post(&installation, &key, &purchase("O-1", "100", "alpha-demo", 1));
    post(&installation, &key, &purchase("O-2", "100", "alpha-demo", 1));
    post(&installation, &rival, &purchase("O-2", "50", "alpha-theirs", 1));
    installation.wait_for_number("SELECT count() FROM {db}.conversions", 3);
    installation.wait_for_number("SELECT uniqExact(entry_id) FROM {db}.journal", 3);
    let explain = |more: &[&str]| installation.tributary(&[["explain"].as_slice(), more].concat());
    let told = explain(&["O-1"]);
    assert!(told.starts_with("Order O-1 of acme: alpha earns 7.00 USD\n"), "{told}");
    assert!(told.contains("  revision 1, conversion: acme pays 10.00, alpha gets 7.00, platform gets 3.00 USD\n"));
    let id = installation.rows("SELECT conversion_id FROM {db}.conversions WHERE order_id = 'O-1'")[0][0].clone();
    for name in [id.as_str(), &id.replace('-', ""), "e-O-1"] {
        assert_eq!(explain(&[name]), told, "by {name}");
    }
    assert_eq!(explain(&["O-1", "--scan"]), told, "without ClickHouse");
    let json: serde_json::Value = serde_json::from_str(&explain(&["O-1", "--json"])).expect("JSON");
    assert_eq!((&json["decision"]["payout"], &json["entries"][0]["cause"]), (&"7.000000".into(), &"conversion".into()));

    let several = installation.refused(&["explain", "O-2"]);
    for line in ["--tenant default --advertiser acme ", "--tenant default --advertiser rival "] {
        assert!(several.contains(line), "{several}");
    }
    assert!(explain(&["O-2", "--advertiser", "rival"]).starts_with("Order O-2 of rival: alpha earns 3.50 USD\n"));
    let unknown = installation.refused(&["explain", "O-9"]);
    assert!(unknown.contains("no decision about \"O-9\""), "{unknown}");

    // What the sinks have not loaded yet is told all the same.
    installation.stop(Role::Sinks);
    post(&installation, &key, &refund("O-1", "r-1", "30"));
    post(&installation, &key, &purchase("O-3", "10", "beta-demo", 1));
    let explain = |more: &[&str]| installation.tributary(&[["explain"].as_slice(), more].concat());
    installation.wait_for("the refund to be told", || explain(&["O-1"]).contains("alpha earns 4.90 USD"));
    let told = explain(&["O-1"]);
    assert!(told.contains("  revision 1, conversion: acme pays 10.00"), "the entry in ClickHouse\n{told}");
    assert!(told.contains("  revision 2, refund by r-1: acme pays -3.00"), "the entry that is not\n{told}");
    assert!(explain(&["O-3"]).starts_with("Order O-3 of acme: beta earns 0.70 USD\n"));

    let away = ["--set", "kafka.bootstrap=127.0.0.1:1", "explain", "O-1"];
    let away = installation.refused(&away);
    assert!(away.contains("error: Kafka: "), "{away}");
}
