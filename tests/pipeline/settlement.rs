//! Settlement end to end: what is booked is stated, paid, sent to the bank and settled; what is refunded after that comes
//! back out of the next payouts; a month that reached a tier is corrected, and corrected again when it falls below.
//!
//! The amounts are worked out by hand: 10 % of 100.00 is 10.00, of which the platform keeps 30 %.

use crate::installation::{Installation, Role, http};
use schemas::time::Micros;
use std::time::{SystemTime, UNIX_EPOCH};

/// A campaign of beta's whose contract pays 12 % from two sales in a month on.
const TIERED: &str = "
tenant: default
effective_from: 2026-01-01T00:00:00Z
contracts:
  - id: tiered
    commission: 10 %
    platform_share: 30 %
    paying_model: last
    hold_days: 30
    tiers:
      - { from_count: 2, commission: 12 % }
campaigns:
  - id: tiered
    advertiser: acme
    name: Tiered
    destination: https://shop.example/tiered
    contract: tiered
    look_back: 30d
links:
  - { code: beta-tiered, campaign: tiered, publisher: beta }
";

/// The fifteenth of last month, which is over and not yet too late.
fn last_month() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros() as i64;
    let (year, month, _) = Micros(now).date();
    let (year, month) = if month == 1 { (year - 1, 12) } else { (year, month - 1) };
    format!("{year:04}-{month:02}-15T12:00:00Z")
}

fn post(installation: &Installation, event: &str) {
    let key = format!("X-API-KEY: {}", installation.api_key());
    let url = format!("{}/api/v1/events", installation.edge_url());
    let answer = http("POST", &url, &[&key, "Content-Type: application/json"], Some(event)).expect("an answer");
    assert_eq!(answer.status, 202, "{event}: {}", answer.body);
}

fn sale(installation: &Installation, order: &str, code: &str, value: &str, at: &str) {
    let at = if at.is_empty() { String::new() } else { format!(r#", "occurred_at": "{at}""#) };
    post(
        installation,
        &format!(r#"{{"action": "purchase", "order_id": "{order}", "value": "{value}", "ref_code": "{code}"{at}}}"#),
    );
}

fn booked(installation: &Installation, publisher: &str, amount: &str) {
    let sql = format!("SELECT held FROM {{db}}.publisher_balances WHERE publisher = '{publisher}'");
    installation.wait_for(&format!("{amount} of {publisher}"), || installation.rows(&sql) == [[amount]]);
    assert_eq!(installation.rows("SELECT sum(amount) FROM {db}.journal"), [["0"]]);
}

fn run(installation: &Installation, label: &str, as_of: &str, more: &[&str]) -> String {
    let run = ["settlement", "run", "--label", label, "--as-of", as_of];
    installation.tributary(&[&run, more].concat())
}

fn says(text: &str, expected: &str) {
    assert!(text.contains(expected), "expected {expected:?} in:\n{text}");
}

#[test]
fn what_is_booked_is_paid_and_a_later_refund_comes_out_of_the_next_payouts() {
    let mut installation = Installation::new("settlement");
    std::fs::write(installation.path("tiered.yaml"), TIERED).expect("a file");
    installation.tributary(&["catalog", "apply", &installation.path("tiered.yaml")]);
    installation.start_all();
    let month = last_month();
    sale(&installation, "O-1", "alpha-demo", "100", "");
    sale(&installation, "T-1", "beta-tiered", "100", &month);
    sale(&installation, "T-2", "beta-tiered", "100", &month);
    booked(&installation, "alpha", "7");
    booked(&installation, "beta", "14");

    // 12 % of 200.00 is 24.00, and 20.00 were paid for: 4.00 more, 2.80 of it beta's. Alpha's 7.00 are below 10.00.
    let first = run(&installation, "first", "2099-01-01", &[]);
    says(&first, "1 payouts of 16.800000 in all; 7.000000 carried on, 0.000000 owed");
    booked(&installation, "beta", "16.8");
    let step = |step: &str, run: &str| {
        installation.tributary(&["settlement", "step", step, "--run", run, "--by", "ann", "--reference", "B-1"])
    };
    says(&step("approve", "first"), "16.800000 USD  approved");
    let file = installation.tributary(&["settlement", "bank-file", "first"]);
    says(&file, ",default,beta,16.80,USD,2099-01-01,");
    says(&step("sent", "first"), "16.800000 USD  sent");
    says(&step("settled", "first"), "16.800000 USD  settled");

    // One of two sales goes back: its 7.00, and with it the tier's 2.80.
    post(&installation, r#"{"action": "refund", "event_id": "r-1", "order_id": "T-1"}"#);
    sale(&installation, "O-2", "alpha-demo", "100", "");
    booked(&installation, "alpha", "14");
    booked(&installation, "beta", "9.8");
    let second = run(&installation, "second", "2099-02-01", &[]);
    says(&second, "1 payouts of 14.000000 in all; 0.000000 carried on, -9.800000 owed");
    booked(&installation, "beta", "7");
    let repeated = run(&installation, "second", "2099-02-01", &[]);
    assert_eq!(repeated.lines().last(), second.lines().last(), "a run that is repeated changes nothing");

    // What beta owes comes out of its next sale's 14.00, and 4.20 are left.
    sale(&installation, "O-3", "beta-demo", "200", "");
    booked(&installation, "beta", "21");
    let third = run(&installation, "third", "2099-03-01", &["--minimum", "USD=1.00"]);
    says(&third, "1 payouts of 4.200000 in all; 0.000000 carried on, 0.000000 owed");
    let statements = installation.tributary(&["settlement", "statements", "beta"]);
    for line in ["-7.000000  clawback", "-2.800000  clawback", "14.000000  earned", "-4.200000  paid out"] {
        says(&statements, line);
    }
    says(&step("approve", "third"), "4.200000 USD  approved");
    let failed = ["settlement", "step", "failed", "--run", "third", "--by", "ann", "--reason", "account closed"];
    says(&installation.tributary(&failed), "4.200000 USD  failed");
    let fourth = run(&installation, "fourth", "2099-04-01", &["--minimum", "USD=1.00"]);
    says(&fourth, "1 payouts of 4.200000 in all");
    says(&installation.tributary(&["settlement", "statements", "beta", "--run", "fourth"]), "returned by the bank");
    let payouts = installation.tributary(&["settlement", "payouts"]);
    assert_eq!(payouts.lines().count(), 4, "{payouts}");
    assert_eq!(installation.number("SELECT count() FROM {db}.dead_letters"), 0);
    installation.stop(Role::Edge);
    installation.stop(Role::Processor);
    installation.stop(Role::Sinks);
}
