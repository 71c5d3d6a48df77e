//! Kafka and ClickHouse away in the middle (P1): nothing acknowledged is lost, nothing is counted twice, and people get
//! an answer meanwhile.

use crate::installation::{Installation, Role, http};
use stack::Server;
use std::time::{Duration, Instant};

#[test]
fn kafka_and_clickhouse_are_killed_and_restarted_during_a_replay() {
    let mut installation = Installation::alone("outage");
    installation.start_all();
    let replay = installation.replay(700);
    let options = installation.stack.options.clone();
    for server in [Server::Kafka, Server::ClickHouse, Server::Kafka] {
        std::thread::sleep(Duration::from_secs(3));
        stack::kill(&options, server).expect("killed");
        std::thread::sleep(Duration::from_secs(1));
        stack::start_one(&options, server).expect("starts again");
    }
    installation.verify(replay);
}

#[test]
fn while_kafka_is_away_a_click_redirects_without_a_token_and_an_event_is_told_to_come_again() {
    let mut installation = Installation::alone("away");
    installation.start_all();
    let (edge, key) = (installation.edge_url(), format!("X-API-KEY: {}", installation.api_key()));
    let link = format!("{edge}/r/alpha-demo");
    let post = |id: &str| {
        let body = format!(r#"{{"action":"purchase","event_id":"{id}","value":"20","ref_code":"alpha-demo"}}"#);
        http("POST", &format!("{edge}/api/v1/events"), &[&key, "Content-Type: application/json"], Some(&body))
            .expect("an answer")
    };
    let click = http("GET", &link, &[], None).expect("an answer");
    assert_eq!(click.status, 302);
    assert!(click.header("location").is_some_and(|to| to.contains("click_id=")), "{}", click.headers);
    let accepted = post("before");
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    assert!(accepted.json()["conversion_id"].is_string(), "{}", accepted.body);

    stack::kill(&installation.stack.options, Server::Kafka).expect("killed");
    let began = Instant::now();
    let click = http("GET", &link, &[], None).expect("an answer");
    assert_eq!(click.status, 302, "a visitor never sees an error");
    assert!(click.header("location").is_some_and(|to| !to.contains("click_id=") && to.contains("ref_code=alpha-demo")));
    assert!((1500..6000).contains(&began.elapsed().as_millis()), "waited {:?}", began.elapsed());
    let refused = post("during");
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.header("retry-after").is_some(), "{}", refused.headers);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));

    stack::start_one(&installation.stack.options, Server::Kafka).expect("starts again");
    installation.wait_for("the edge to accept events again", || post("during").status == 202);
    installation.wait_for_number("SELECT count() FROM {db}.conversions WHERE event_id IN ('before', 'during')", 2);
    let twice = "SELECT count() FROM (SELECT event_id FROM {db}.conversions GROUP BY event_id HAVING count() > 1)";
    assert_eq!(installation.number(twice), 0);
    installation.stop(Role::Edge);
    installation.stop(Role::Processor);
    installation.stop(Role::Sinks);
}
