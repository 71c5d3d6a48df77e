//! All doors of an edge, on a real Kafka: what is answered is there as it came, what is refused is among the rejected.

use crate::alone;
use crate::site::Site;
use kafka::ends::Ends;
use kafka::group::Place;
use schemas::codec::{self, Record};
use schemas::decimal::Amount;
use schemas::record::event::{Channel, Event};
use schemas::record::rejected::Rejected;
use schemas::time::Micros;
use schemas::topic::Topic;
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

const KEYS: &str = "
tenant: default
effective_from: 2026-01-01T00:00:00Z
advertisers:
- {id: bolt, name: Bolt}
api_keys:
- {id: acme-network, advertiser: acme, use: postback, key_file: acme-network.key}
- {id: bolt-network, advertiser: bolt, use: postback, key_file: bolt-network.key}
- {id: acme-page, advertiser: acme, use: browser, key_file: acme-page.key}
- {id: acme-signed, advertiser: acme, signed: true, key_file: acme-signed.key}
";

fn records<T: Record>(site: &Site, topic: Topic) -> Vec<T> {
    let name = site.kafka.topics().name(topic);
    let ends = Ends::open(&site.kafka).expect("a client");
    let mut found = Vec::new();
    for partition in 0..2 {
        let (from, to) = ends.of(&name, partition).expect("its ends");
        let place = Place { topic: name.clone(), partition };
        let each = |record: kafka::queue::Record<'_>| {
            found.push(codec::decode(record.value.expect("a value")).expect("a record"));
            Ok(())
        };
        kafka::range::read(&site.kafka, &place, from, to, each, || Ok::<(), kafka::Error>(())).expect("read");
    }
    found
}

#[test]
fn what_comes_by_every_door_is_in_kafka_as_what_it_is() {
    let _alone = alone();
    let mut site = Site::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.yaml");
    std::fs::write(&file, KEYS).expect("written");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros();
    let now = Micros(i64::try_from(now).expect("a time"));
    kafka::catalog::apply(&site.kafka, &file, None, now, false).expect("applied");
    let key = |name: &str| {
        let key = std::fs::read_to_string(folder.path().join(format!("{name}.key"))).expect("a key");
        key.trim().to_owned()
    };
    let (acme, bolt, page) = (key("acme-network"), key("bolt-network"), key("acme-page"));
    site.start_edge();
    let click = site.get("/r/alpha-demo").expect("an answer").token().expect("a token").to_owned();
    let status = |path: String| site.get(&path).expect("an answer").status;

    // Twice, since networks do.
    for _ in 0..2 {
        assert_eq!(status(format!("/postback?token={acme}&subid={click}&payout=2.50&txid=N1&aff=7")), 200);
    }
    assert_eq!(status(format!("/postback?token={bolt}&subid={click}&payout=3&txid=N1")), 200);
    assert_eq!(status(format!("/postback?token={acme}&subid={}&payout=2.50", "A".repeat(64))), 422);
    assert_eq!(status(format!("/pixel.gif?key={page}&action=signup&event_id=p1&click_id={click}")), 200);
    assert_eq!(status(format!("/pixel.gif?key={page}&action=refund&event_id=p2&order_id=N1")), 200);
    let collect = format!("/collect?key={page}");
    let sale = format!(r#"{{"action":"purchase","order_id":"W1","value":"9.90","click_id":"{click}"}}"#);
    assert_eq!(site.post(&collect, &sale).expect("an answer").status, 202);
    let lines = "{\"action\":\"signup\",\"event_id\":\"s1\"}";
    assert_eq!(site.post("/api/v1/events", lines).expect("an answer").status, 202);
    // Tried only.
    assert_eq!(status(format!("/postback?token={acme}&subid={click}&payout=1&txid=N2&validate_only=1")), 200);
    assert_eq!(status(format!("/postback?token={acme}&subid=x&payout=1&txid=N3&validate_only=1")), 422);

    let told = |event: &Event| {
        let order = event.order_id.as_deref().filter(|order| !order.starts_with("click-")).unwrap_or("-");
        format!("{} {} {:?} {order} {}", event.advertiser, event.api_key, event.channel, event.action.name())
    };
    let expected: BTreeSet<String> = [
        "acme acme-network Postback N1 purchase",
        "bolt bolt-network Postback N1 purchase",
        "acme acme-page Browser - signup",
        "acme acme-page Browser W1 purchase",
        "acme acme-server Api - signup",
    ]
    .map(str::to_owned)
    .into();
    // What is rejected is not waited for.
    site.wait_for("what was refused", || records::<Rejected>(&site, Topic::Rejected).len() >= 2);
    let events: Vec<Event> = records(&site, Topic::Events);
    assert_eq!(events.iter().map(told).collect::<BTreeSet<_>>(), expected);
    let postbacks: Vec<&Event> = events
        .iter()
        .filter(|event| event.channel == Channel::Postback && event.advertiser.as_str() == "acme")
        .collect();
    assert_eq!(postbacks.len(), 2);
    assert!(postbacks.iter().all(|event| event.event_id == postbacks[0].event_id));
    assert!(postbacks.iter().all(|event| event.payload_hash == postbacks[0].payload_hash));
    assert_eq!(postbacks[0].value, Amount::parse("2.5").expect("a decimal"));
    assert_eq!(postbacks[0].properties.as_deref(), Some(r#"{"aff":"7"}"#));
    assert_eq!(postbacks[0].evidence[0].click_id, Some(site.keys().verify_token(&click).expect("ours").click));
    let rejected: BTreeSet<String> =
        records::<Rejected>(&site, Topic::Rejected).into_iter().map(|rejected| rejected.reason).collect();
    assert_eq!(rejected, ["token_unknown_key", "not_for_browsers"].map(str::to_owned).into());
    site.stop_edge();
}
