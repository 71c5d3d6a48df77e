//! A soft limit end to end: booked, passed, paused; named by what comes after; lifted by a higher limit.
//!
//! By hand: 10 % of 100.00 is a commission of 10.00, and the budget is 25.00.

use crate::installation::{Installation, Role, http};

fn catalog(limit: &str) -> String {
    format!(
        "
tenant: default
effective_from: 2026-01-01T00:00:00Z
campaigns:
  - id: small
    advertiser: acme
    name: Small
    destination: https://shop.example/small
    contract: standard
    look_back: 30d
    budgets:
      - {{ limit: {limit}, from: 2026-01-01T00:00:00Z }}
links:
  - {{ code: alpha-small, campaign: small, publisher: alpha }}
"
    )
}

fn apply(installation: &Installation, limit: &str) {
    let path = installation.path("small.yaml");
    let text = catalog(limit);
    // A changed entity takes effect later than before: else it would change what is past.
    let text = if limit == "25.00 USD" {
        text
    } else {
        text.replace("2026-01-01T00:00:00Z\ncampaigns", "2026-02-01T00:00:00Z\ncampaigns")
    };
    std::fs::write(&path, text).expect("a file");
    installation.tributary(&["catalog", "apply", &path]);
}

fn sale(installation: &Installation, order: &str) {
    let event =
        format!(r#"{{"action": "purchase", "order_id": "{order}", "value": "100", "ref_code": "alpha-small"}}"#);
    let key = format!("X-API-KEY: {}", installation.api_key());
    let url = format!("{}/api/v1/events", installation.edge_url());
    let answer = http("POST", &url, &[&key, "Content-Type: application/json"], Some(&event)).expect("an answer");
    assert_eq!(answer.status, 202, "{event}: {}", answer.body);
}

fn commission(installation: &Installation, amount: &str) {
    let sql = "SELECT sum(commission) FROM {db}.conversions WHERE campaign = 'small'";
    installation.wait_for(&format!("{amount} booked"), || installation.rows(sql) == [[amount]]);
}

/// Whether a click counts: a visitor goes on all the same, and then without a token.
fn counts(installation: &Installation) -> bool {
    let agent = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    let url = format!("{}/r/alpha-small", installation.edge_url());
    let answer = http("GET", &url, &[agent], None).expect("an answer");
    assert_eq!(answer.status, 302);
    answer.header("location").expect("a place").contains("click_id=")
}

#[test]
fn a_budget_that_is_spent_pauses_its_campaign_until_its_limit_is_raised() {
    let mut installation = Installation::new("budgets");
    apply(&installation, "25.00 USD");
    installation.start_all();
    assert!(counts(&installation));
    for order in ["B-1", "B-2"] {
        sale(&installation, order);
    }
    commission(&installation, "20");
    assert!(counts(&installation), "20.00 of 25.00 are spent");
    sale(&installation, "B-3");
    installation.wait_for("the pause", || !counts(&installation));
    let listed = installation.tributary(&["catalog", "budgets"]);
    let expected = "small,*,USD,2026-01-01T00:00:00.000000Z,25.000000,30.000000,spent,5.000000";
    assert!(listed.contains(expected), "{listed}");

    sale(&installation, "B-4");
    let sql = "SELECT reason FROM {db}.conversions WHERE order_id = 'B-4'";
    installation.wait_for("the fourth decision", || !installation.rows(sql).is_empty());
    let told = installation.tributary(&["explain", "B-4"]);
    let named = "small, budget of all publishers 25.000000 USD from 2026-01-01T00:00:00.000000Z, spent 30.000000";
    let unwrapped = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unwrapped.contains("budget_spent") && unwrapped.contains(named), "{told}");

    // A processor that starts again comes to the same verdict, and says nothing twice.
    installation.stop(Role::Processor);
    installation.start(Role::Processor);
    apply(&installation, "40.00 USD");
    installation.wait_for("the link again", || counts(&installation));
    sale(&installation, "B-5");
    installation.wait_for("the pause again", || !counts(&installation));
    // One for each limit.
    installation.wait_for_number("SELECT count() FROM {db}.catalog WHERE kind = 'budget_passed'", 2);
    assert_eq!(installation.rows("SELECT sum(amount) FROM {db}.journal"), [["0"]]);
}
