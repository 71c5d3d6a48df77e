//! Redirects against a real Kafka: what stands in `clicks` and in `rejected`, as records.

#[path = "../outage/site.rs"]
mod site;

use schemas::record::click::Click;
use schemas::record::rejected::Rejected;
use schemas::topic::Topic;
use site::Site;

#[test]
#[ignore = "the other tests run it as a process"]
fn a_process_of_the_other_tests() {
    site::process();
}

const PERSON: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n";

const VISITORS: &str = "[edge.visitors]\ntrusted_proxies = [\"127.0.0.0/8\"]\ncountry_header = \"CF-IPCountry\"\n\
                        velocity_above = 2\ndatacentre_networks = \"NETWORKS\"\n";

#[test]
fn what_a_redirect_was_is_recorded_as_what_it_was() {
    let mut site = Site::new();
    let networks = site.folder().join("networks");
    std::fs::write(&networks, "203.0.113.0/24 Example Cloud\n").expect("written");
    site.configure(&VISITORS.replace("NETWORKS", &networks.display().to_string()));
    site.start_edge();
    let ask = |method: &str, query: &str, headers: &str| {
        let answer = site.request(method, &format!("/r/alpha-demo?sub1={query}"), headers, "").expect("an answer");
        assert_eq!(answer.status, 302, "{}", answer.body);
        answer.token().map(|token| site.keys().verify_token(token).expect("ours"))
    };
    let from = |address: &str| format!("{PERSON}X-Forwarded-For: {address}\r\n");
    let person = ask("GET", "person", &format!("{}CF-IPCountry: de\r\n", from("192.0.2.1"))).expect("a click");
    ask("GET", "cloud", &from("203.0.113.9")).expect("a click");
    for number in 0..4 {
        ask("GET", &format!("fast{number}"), &from("192.0.2.200")).expect("a click");
    }
    ask("GET", "tool", "User-Agent: curl/8.5.0\r\nX-Forwarded-For: 192.0.2.3\r\n").expect("a click");
    ask("GET", "gpc&consent=0", &format!("{}Sec-GPC: 1\r\n", from("192.0.2.4"))).expect("a click");
    for (method, headers) in [
        ("HEAD", PERSON),
        ("GET", "Sec-Purpose: prefetch;prerender\r\n"),
        ("GET", "User-Agent: facebookexternalhit/1.1\r\n"),
        ("GET", "User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1)\r\n"),
    ] {
        assert_eq!(ask(method, "program", headers), None, "{method} {headers}");
    }
    site.stop_edge();

    let clicks: Vec<Click> = site.records(Topic::Clicks);
    let click = |sub: &str| {
        let found = clicks.iter().find(|click| click.params.get("sub1").is_some_and(|value| value == sub));
        found.unwrap_or_else(|| panic!("{sub} in {clicks:?}"))
    };
    assert_eq!(clicks.len(), 8);
    let shown = click("person");
    assert_eq!((shown.click_id, shown.journey_id), (person.click, person.journey));
    assert_eq!((shown.marks.as_str(), shown.returning), ("", false));
    for (name, value) in [("country", "DE"), ("device", "desktop"), ("os", "linux")] {
        assert_eq!(shown.params.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(click("cloud").marks, "datacentre=Example Cloud");
    assert_eq!(click("tool").marks, "bot_user_agent=curl/");
    // Two workers, each of which sees its share: two of four at the least are one worker's, three only perhaps.
    let fast: Vec<&Click> = (0..4).map(|number| click(&format!("fast{number}"))).collect();
    assert!(fast.iter().all(|click| ["", "velocity=3", "velocity=4"].contains(&click.marks.as_str())), "{fast:?}");
    assert!(fast.iter().all(|click| click.ip_hash == fast[0].ip_hash && click.ip_hash.is_some()));
    assert_ne!(fast[0].ip_hash, shown.ip_hash);
    let refused = click("gpc");
    assert_eq!((refused.params.get("privacy").map(String::as_str), refused.ip_hash), (Some("gpc,consent"), None));

    let rejected: Vec<Rejected> = site.records(Topic::Rejected);
    let mut told: Vec<_> = rejected.iter().map(|one| (one.reason.as_str(), one.value.as_str())).collect();
    told.sort_unstable();
    let expected = [
        ("head_request", "HEAD"),
        ("known_bot", "bot"),
        ("link_preview", "facebookexternalhit"),
        ("prefetch", "prefetch;prerender"),
    ];
    assert_eq!(told, expected);
    assert!(rejected.iter().all(|one| one.link.as_deref() == Some("alpha-demo") && one.advertiser.is_some()));
}

#[test]
fn a_forged_token_is_refused_and_recorded_and_a_key_comes_without_a_restart() {
    let mut site = Site::new();
    site.start_edge();
    let click = |site: &Site| {
        let answer = site.request("GET", "/r/alpha-demo", PERSON, "").expect("an answer");
        answer.token().expect("a token").to_owned()
    };
    let first = click(&site);
    let mut forged = first.clone();
    let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
    forged.push(last);
    let path = site.folder().join("secrets/mac-keys");
    edge::secrets::rotate(&path, site.now(), std::time::Duration::ZERO).expect("rotated");
    site.wait_for("the new key to sign", || {
        let token = click(&site);
        schemas::token::key_id(&token) == Some(2)
    });
    let second = click(&site);
    for (id, token) in [("old", &first), ("new", &second), ("forged", &forged)] {
        let body = format!(r#"{{"action":"purchase","event_id":"{id}","value":"20","click_id":"{token}"}}"#);
        assert_eq!(site.post("/api/v1/events", &body).expect("an answer").status, 202);
    }
    site.stop_edge();
    let events: Vec<schemas::record::event::Event> = site.records(Topic::Events);
    let evidence = |id: &str| {
        let event = events.iter().find(|event| event.event_id == id).expect("recorded");
        assert_eq!(event.evidence.len(), 1);
        (event.evidence[0].click_id.is_some(), event.evidence[0].problem.clone())
    };
    assert_eq!((evidence("old"), evidence("new")), ((true, None), (true, None)));
    assert_eq!(evidence("forged"), (false, Some("token_forged".to_owned())), "names no click, and says why");
}
