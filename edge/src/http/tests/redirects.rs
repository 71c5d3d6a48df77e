//! Redirects as they come over the wire: who counts as a click, who is recognised, and where each is sent.

use super::Edge;
use crate::visitor::VisitorsConfig;

const PERSON: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n";

#[test]
fn what_nobody_clicked_goes_on_without_a_token_or_a_cookie() {
    service::metrics::handle();
    let edge = Edge::start_with(true);
    for (method, headers, counts) in [
        ("GET", PERSON.to_owned(), true),
        ("GET", String::new(), true),
        ("GET", "User-Agent: curl/8.5.0\r\n".into(), true),
        ("GET", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/120.0\r\n".into(), true),
        ("HEAD", PERSON.into(), false),
        ("GET", format!("{PERSON}Sec-Purpose: prefetch;prerender\r\n"), false),
        ("GET", format!("{PERSON}Purpose: prefetch\r\n"), false),
        ("GET", "User-Agent: facebookexternalhit/1.1\r\n".into(), false),
        ("GET", "User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1)\r\n".into(), false),
    ] {
        let answer = edge.request(&format!("{method} /r/summer"), &headers, "");
        let location = answer.header("location").expect("a place to go");
        assert!(location.starts_with("https://shop.example/p?a=1&"), "{location}");
        assert_eq!((answer.status(), location.contains("click_id=")), (302, counts), "{method} {headers}");
        assert_eq!(answer.header("set-cookie").is_some(), counts, "{method} {headers}");
    }
    let metrics = edge.request("GET /metrics", "", "").0;
    for reason in ["head_request", "prefetch", "link_preview", "known_bot"] {
        let line = format!("edge_redirects_not_counted_total{{reason=\"{reason}\"}}");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
}

#[test]
fn who_refuses_to_be_recognised_gets_a_token_and_no_cookie() {
    let edge = Edge::start_with(true);
    let journey = |query: &str, headers: &str| {
        let answer = edge.request(&format!("GET /r/summer{query}"), &format!("{PERSON}{headers}"), "");
        let location = answer.header("location").expect("a place to go");
        let token = location.split_once("click_id=").and_then(|(_, rest)| rest.split('&').next()).expect("a token");
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        (edge.keys.verify_token(token).expect("ours").journey, cookie)
    };
    let (known, cookie) = journey("", "");
    let brought = format!("Cookie: {}\r\n", cookie.expect("a cookie"));
    assert_eq!(journey("", &brought), (known, None), "the cookie is understood");
    let mut journeys = vec![known];
    for (query, headers) in
        [("", "Sec-GPC: 1\r\n"), ("", "DNT: 1\r\n"), ("?consent=0", ""), ("?consent=1", "Sec-GPC: 1\r\n")]
    {
        for cookie in ["", &brought] {
            let (journey, set) = journey(query, &format!("{headers}{cookie}"));
            assert_eq!(set, None, "{query} {headers}");
            assert!(!journeys.contains(&journey), "each click is a journey of its own: {query} {headers}");
            journeys.push(journey);
        }
    }
    assert_eq!(journey("?consent=1", &brought), (known, None));
}

/// Behind a proxy that tells address and country.
fn behind_a_proxy() -> Edge {
    let visitors = VisitorsConfig {
        trusted_proxies: vec!["127.0.0.0/8".parse().expect("a network")],
        country_header: Some("x-country".into()),
        ..VisitorsConfig::default()
    };
    Edge::start_as(false, visitors)
}

const IPHONE: &str = "User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1\r\n";

#[test]
fn rules_rotation_and_deep_links_say_where_a_visitor_goes() {
    let edge = behind_a_proxy();
    let goes = |query: &str, headers: &str| {
        let answer = edge.request(&format!("GET /r/guided{query}"), headers, "");
        assert_eq!(answer.status(), 302, "{}", answer.0);
        answer.header("location").expect("a place to go").to_owned()
    };
    let one_of = ["https://shop.example/?ref_code=guided", "https://shop.example/b?v=b&ref_code=guided"];
    for (query, headers, expected) in [
        ("", IPHONE.to_owned(), Some("https://shop.example/app?os=ios&ref_code=guided")),
        ("", format!("{IPHONE}X-Country: DE\r\n"), Some("https://shop.example/app?os=ios&ref_code=guided")),
        ("", format!("{PERSON}X-Country: de\r\n"), Some("https://shop.example/de?os=linux&ref_code=guided")),
        (
            "",
            format!("{PERSON}Accept-Language: fr-CH, de;q=0.9\r\n"),
            Some("https://shop.example/fr?os=linux&ref_code=guided"),
        ),
        ("", PERSON.to_owned(), None),
        (
            "?url=https%3A%2F%2Fshop.example%2Fp%2F7%3Fa%3D1%23top",
            PERSON.to_owned(),
            Some("https://shop.example/p/7?a=1&ref_code=guided#top"),
        ),
        ("?dl=https://shop.example/p", PERSON.to_owned(), Some("https://shop.example/p?ref_code=guided")),
        ("?url=https%3A%2F%2Fevil.example%2F", PERSON.to_owned(), None),
        ("?url=https:evil.example", PERSON.to_owned(), None),
        ("?url=https%3A%2F%2Fshop.example%40evil.example%2F", PERSON.to_owned(), None),
        ("?url=https%3A%5C%5Cevil.example", PERSON.to_owned(), None),
        ("?url=%2F%2Fevil.example", PERSON.to_owned(), None),
        ("?url=https%3A%2F%2Fshop.example%0D%0ASet-Cookie%3A%20a%3Db", PERSON.to_owned(), None),
        ("?url=javascript%3Aalert(1)", PERSON.to_owned(), None),
        ("?url=", PERSON.to_owned(), None),
    ] {
        let found = goes(query, &headers);
        match expected {
            Some(expected) => assert_eq!(found, expected, "{query} {headers}"),
            None => assert!(one_of.contains(&found.as_str()), "{query} {headers}: {found}"),
        }
    }
    // No deep links where the campaign has no hosts for them.
    let plain = edge.request("GET /r/summer?url=https%3A%2F%2Fshop.example%2Fp", PERSON, "");
    assert_eq!(plain.header("location"), Some("https://shop.example/p?a=1&ref_code=summer#top"));
}

#[test]
fn a_browser_keeps_its_variant_and_others_get_the_other() {
    let edge = Edge::start();
    let visit = |cookie: &str| {
        let answer = edge.request("GET /r/guided", &format!("{PERSON}{cookie}"), "");
        let set = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        (answer.header("location").expect("a place to go").to_owned(), set)
    };
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let (location, cookie) = visit("");
        let cookie = format!("Cookie: {}\r\n", cookie.expect("a cookie"));
        for _ in 0..3 {
            assert_eq!(visit(&cookie).0, location);
        }
        seen.insert(location);
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[test]
fn a_link_that_does_not_count_leads_somewhere_all_the_same() {
    let edge = Edge::start_with(true);
    for (code, expected) in [
        ("paused", "https://shop.example/p?a=1&ref_code=paused#top"),
        ("off", "https://shop.example/?ref_code=off"),
        ("off-with-page", "https://shop.example/over?by=alpha&ref_code=off-with-page"),
        ("ended", "https://shop.example/over?by=alpha&ref_code=ended"),
        ("expired", "https://shop.example/expired?ref_code=expired"),
    ] {
        let answer = edge.request(&format!("GET /r/{code}"), PERSON, "");
        assert_eq!((answer.status(), answer.header("location")), (302, Some(expected)), "{code}");
        assert_eq!(answer.header("set-cookie"), None, "{code}");
    }
}
