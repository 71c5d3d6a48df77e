//! `tributary audit` on a small generated history, through real Kafka, processor, sinks and ClickHouse: nothing
//! differs, what is not judged is said, and a row that somebody falsified is found, it and nothing else. `make audit`
//! is the long run.

#[path = "pipeline/installation.rs"]
#[allow(dead_code, reason = "shared with the tests of the whole path")]
mod installation;

use installation::{Installation, Role};
use serde_json::Value;

const CLICKS: &str = "12000";

/// Exit code and figures of an audit.
fn audit(installation: &Installation) -> (bool, Value) {
    let path = installation.path("audit.json");
    let arguments = ["audit", "--tenant", "history", "--quiet", "0s", "--figures", &path];
    let ended = installation.background(&arguments).wait().expect("an end");
    println!("{}", installation.log("background.log"));
    (ended.success(), serde_json::from_str(&installation.log("audit.json")).expect("figures"))
}

/// Each difference as `what: conversion`.
fn found(figures: &Value) -> Vec<String> {
    let text = |one: &Value, field: &str| one[field].as_str().expect("a text").to_owned();
    let differences = figures["differences"].as_array().expect("a list");
    differences.iter().map(|one| format!("{}: {}", text(one, "checked"), text(one, "conversion_id"))).collect()
}

fn lag(installation: &Installation, role: Role) -> Option<f64> {
    let page = installation.page(role, "metrics")?.body;
    let lags = page.lines().filter(|line| line.starts_with("processor_lag_records{") || line.starts_with("sinks_lag{"));
    let lags: Vec<f64> = lags.filter_map(|line| line.rsplit_once(' ')?.1.parse().ok()).collect();
    (!lags.is_empty()).then(|| lags.iter().sum())
}

#[test]
fn the_audit_agrees_with_what_was_decided_and_finds_what_was_falsified() {
    let seed = std::env::var("SEED").unwrap_or_else(|_| "1".into());
    println!("SEED={seed}");
    let mut installation = Installation::new("audit");
    installation.tributary(&["catalog", "apply", "loadtest/history/catalog.yaml"]);
    installation.start(Role::Processor);
    installation.start(Role::Sinks);
    let (bootstrap, figures) = (installation.kafka().bootstrap, installation.path("history.json"));
    let place = ["--bootstrap", &bootstrap, "--prefix", "audit.", "--figures", &figures];
    let size = ["--seed", &seed, "--clicks", CLICKS];
    println!("{}", installation.tributary(&[["loadtest", "history"].as_slice(), &size, &place].concat()));
    let written: Value = serde_json::from_str(&installation.log("history.json")).expect("figures");
    for (table, records) in [("clicks", "click_records"), ("events", "event_records")] {
        let expected = written[records].as_i64().expect("a number");
        installation.wait_for_number(&format!("SELECT count() FROM {{db}}.{table}"), expected);
    }
    let mut quiet = 0;
    installation.wait_for("everything to be decided and loaded", || {
        let waiting = [Role::Processor, Role::Sinks].map(|role| lag(&installation, role));
        quiet = if waiting == [Some(0.0); 2] { quiet + 1 } else { 0 };
        std::thread::sleep(std::time::Duration::from_millis(200));
        quiet == 15
    });

    let (agrees, figures) = audit(&installation);
    assert!(agrees && found(&figures).is_empty(), "nothing was falsified yet");
    for check in figures["checks"].as_array().expect("a list") {
        assert!(check["judged"].as_u64() > Some(10), "{check}");
    }
    let reasons = figures["not_judged"].as_array().expect("a list").iter().map(|reason| reason["reason"].as_str());
    assert_eq!(
        reasons.collect::<Vec<_>>(),
        [Some("a publisher's own contract"), Some("paid by position or time decay")],
        "the history has both, and nothing else that the audit leaves out"
    );

    let falsified = &installation.rows(
        "SELECT conversion_id FROM {db}.conversions WHERE tenant = 'history' AND contract = 'last-click' \
           AND status = 'approved' AND payout > 1 ORDER BY conversion_id LIMIT 1",
    )[0][0];
    // Each at a place in Kafka that no record has: the table, the change, of which row, and what the audit finds.
    let last = "SELECT * FROM {table} WHERE conversion_id = '{id}' ORDER BY revision DESC LIMIT 1";
    for (table, change, of, expected) in [
        (
            "attributions",
            "toDecimal128('0.5', 12) AS credit, 1 AS sign",
            "SELECT * FROM {table} WHERE conversion_id = '{id}' AND model = 'last' LIMIT 1",
            vec!["attributions"],
        ),
        (
            "journal",
            "toDecimal128('-0.01', 6) AS amount, 99 AS posting",
            "SELECT * FROM {table} WHERE conversion_id = '{id}' AND account_kind = 'publisher' LIMIT 1",
            vec!["journal", "journal", "publisher_balances"],
        ),
        ("decisions", "toDecimal128('0.01', 6) AS payout, 99 AS revision", last, vec!["decisions (money)"]),
        ("decisions", "'partly_refunded' AS status, 99 AS revision", last, vec!["decisions (money)"]),
        ("decisions", "toDecimal128('1', 6) AS value, 99 AS revision", last, vec!["decisions"]),
        // A click that nobody decided upon takes the last click's place: whoever earned by that one should not have.
        (
            "clicks",
            "generateUUIDv4() AS click_id, 'p9' AS publisher, occurred_at + toIntervalMicrosecond(1) AS occurred_at",
            "SELECT * FROM {table} WHERE click_id IN (SELECT click_id FROM {db}.attributions \
               WHERE conversion_id = '{id}' AND model = 'last') LIMIT 1",
            vec![],
        ),
    ] {
        let name = format!("{{db}}.{table}");
        let of = of.replace("{table}", &name).replace("{id}", falsified);
        let row = format!("SELECT * REPLACE ({change}, 1000000000 AS kafka_offset) FROM ({of})");
        installation.rows(&format!("INSERT INTO {name} {row}"));
        let (agrees, figures) = audit(&installation);
        assert!(!agrees, "{table}");
        let about = |what: &&str| format!("{what}: {}", if *what == "publisher_balances" { "" } else { falsified });
        match table {
            "clicks" => assert!(found(&figures).contains(&about(&"attributions"))),
            _ => assert_eq!(found(&figures), expected.iter().map(about).collect::<Vec<_>>()),
        }
        let gone = format!("ALTER TABLE {name} DELETE WHERE kafka_offset = 1000000000 SETTINGS mutations_sync = 1");
        installation.rows(&gone);
    }
    assert!(audit(&installation).0, "what was falsified is gone");
}
