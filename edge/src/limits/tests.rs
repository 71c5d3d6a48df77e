//! Who is counted with whom, and what is told.

use super::*;
use std::net::IpAddr;

fn limits(text: &str) -> Limits {
    let config: Config = toml::from_str(text).expect("a configuration");
    assert_eq!(config.errors(), Vec::<String>::new());
    Limits::new(&config, 2)
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn a_network_is_one_sender_and_its_neighbour_another() {
    for (one, other, same) in [
        ("203.0.113.1", "203.0.113.254", true),
        ("203.0.113.1", "203.0.114.1", false),
        ("::ffff:203.0.113.1", "203.0.113.9", true),
        ("2001:db8:1:2::1", "2001:db8:1:ffff::9", true),
        ("2001:db8:1::1", "2001:db8:2::1", false),
    ] {
        let limits = limits("clicks = { per_second = 1, burst = 3 }");
        for _ in 0..3 {
            assert!(limits.click(limits.sender(address(one))));
        }
        assert!(!limits.click(limits.sender(address(one))), "{one}");
        assert_eq!(limits.click(limits.sender(address(other))), !same, "{one} {other}");
    }
}

#[test]
fn who_is_exempt_has_no_limit_and_so_has_a_rate_of_none() {
    let one = "clicks = { per_second = 1, burst = 1 }\nanonymous = { per_second = 1 }";
    for (text, from, limited) in [
        (one.to_owned(), "127.0.0.1", false),
        (one.to_owned(), "::1", false),
        (format!("{one}\nexempt = [\"10.0.0.0/8\", \"192.0.2.7\"]"), "10.200.0.1", false),
        (format!("{one}\nexempt = [\"10.0.0.0/8\", \"192.0.2.7\"]"), "192.0.2.7", false),
        (format!("{one}\nexempt = [\"10.0.0.0/8\", \"192.0.2.7\"]"), "192.0.2.8", true),
        (format!("{one}\nexempt = []"), "127.0.0.1", true),
        ("clicks = { per_second = 0 }\nanonymous = { per_second = 0 }".to_owned(), "192.0.2.8", false),
    ] {
        let limits = limits(&text);
        let sender = limits.sender(address(from));
        for taken in [false, true] {
            assert_eq!(limits.click(sender), !(limited && taken), "{text} {from}");
            assert_eq!(limits.request(sender, None).is_err(), limited && taken, "{text} {from}");
        }
    }
}

#[test]
fn keys_are_counted_apart_from_networks_and_wherever_they_come_from() {
    let limits = limits("events = { per_second = 1, burst = 2 }\nanonymous = { per_second = 1, burst = 1 }");
    let (one, other) = (KeyHash::of_api_key("one"), KeyHash::of_api_key("other"));
    let (here, there) = (limits.sender(address("192.0.2.1")), limits.sender(address("198.51.100.1")));
    assert!(limits.request(here, None).is_ok() && limits.request(here, None).is_err());
    assert!(limits.request(here, Some(&one)).is_ok() && limits.request(there, Some(&one)).is_ok());
    assert!(limits.request(here, Some(&one)).is_err() && limits.request(there, Some(&one)).is_err());
    assert!(limits.request(here, Some(&other)).is_ok());
    // Exempt is a network; a key is always counted.
    let exempt = limits.sender(address("127.0.0.1"));
    assert!(limits.request(exempt, Some(&one)).is_err() && limits.request(exempt, None).is_ok());
}

#[test]
fn an_answer_tells_what_is_left_and_a_refusal_how_long_to_wait() {
    let limits = limits("events = { per_second = 2, burst = 10 }");
    let key = KeyHash::of_api_key("key");
    let first = limits.request(Sender::EXEMPT, Some(&key)).expect("the first");
    let reply = first.told(Ok(Reply::default())).expect("an answer");
    let header = |reply: &Reply, name: &str| reply.headers()[name].to_str().expect("ASCII").to_owned();
    assert_eq!(header(&reply, "ratelimit-policy"), "\"key\";q=10;w=5");
    assert_eq!(header(&reply, "ratelimit"), "\"key\";r=9;t=1");
    for _ in 0..9 {
        assert!(limits.request(Sender::EXEMPT, Some(&key)).is_ok());
    }
    let refused = limits.request(Sender::EXEMPT, Some(&key)).err().expect("over").into_reply();
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "content-type"), "application/problem+json");
    assert_eq!(header(&refused, "ratelimit"), "\"key\";r=0;t=1");
    assert_eq!(header(&refused, "retry-after"), "1");
}

#[test]
fn connections_of_an_address_are_bounded_and_few_rejections_are_recorded() {
    let limits = limits("connections = 6");
    let local = Local::new();
    let (one, other) = (limits.sender(address("192.0.2.1")), limits.sender(address("192.0.2.2")));
    let taken = (0..10).filter(|_| local.connected(&limits, one)).count();
    assert_eq!(taken, 3, "half of them at each of two workers");
    assert!(local.connected(&limits, other) && local.connected(&limits, Sender::EXEMPT));
    local.disconnected(one);
    assert!(local.connected(&limits, one) && !local.connected(&limits, one));
    (0..3).for_each(|_| local.disconnected(one));
    assert_eq!(local.connections.borrow().len(), 1, "nothing is kept of who has none");
    let recorded = (0..1000).filter(|_| local.click_over()).count();
    assert_eq!(recorded, 10);
}

#[test]
fn a_configuration_that_means_nothing_is_refused() {
    for (text, message) in [
        ("hosts = [\"t.example:80\"]", "without a port"),
        ("hosts = [\"\"]", "no host name"),
        ("head_time = \"1ms\"", "not between 100ms and 5m"),
        ("connections = 0", "answer nobody"),
    ] {
        let config: Config = toml::from_str(text).expect("parses");
        assert!(config.errors().join(" ").contains(message), "{text}");
    }
    for text in ["exempt = [\"10.0.0.0/33\"]", "exempt = [\"ten\"]", "clicks = { burst = 3 }", "colour = 1"] {
        assert!(toml::from_str::<Config>(text).is_err(), "{text}");
    }
}
