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
fn while_kafka_is_away_clicks_and_events_are_acknowledged_and_arrive_once_it_is_back() {
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
    assert!(click.header("location").is_some_and(|to| to.contains("click_id=")), "the spool has it: {}", click.headers);
    assert!(began.elapsed() < Duration::from_millis(1500), "waited {:?}", began.elapsed());
    let spooled = post("during");
    assert_eq!(spooled.status, 202, "{}", spooled.body);
    assert!(spooled.json()["conversion_id"].is_string(), "{}", spooled.body);

    stack::start_one(&installation.stack.options, Server::Kafka).expect("starts again");
    installation.wait_for_number("SELECT count() FROM {db}.conversions WHERE event_id IN ('before', 'during')", 2);
    installation.wait_for_number("SELECT count() FROM {db}.clicks", 2);
    assert_eq!(post("after").status, 202);
    let twice = "SELECT count() FROM (SELECT event_id FROM {db}.conversions GROUP BY event_id HAVING count() > 1)";
    assert_eq!(installation.number(twice), 0);
    installation.stop(Role::Edge);
    installation.stop(Role::Processor);
    installation.stop(Role::Sinks);
}
