//! The document against the handlers: every path, method, status and problem of the one is the other's.

use super::*;
use crate::http::PATHS;
use crate::http::tests::Edge;
use crate::http::tests::signed::signed;
use crate::routes::tests::{API_KEY, BROWSER_KEY, POSTBACK_TOKEN, SIGNED_KEY};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;

const METHODS: [&str; 6] = ["get", "head", "post", "put", "delete", "options"];

type Line = (String, String, u16, String);

/// Path, method, status, problem, as the document has them.
fn documented() -> BTreeSet<Line> {
    let document = document();
    let mut lines = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            for (status, response) in operation["responses"].as_object().expect("responses") {
                let mut line = |problem: &str| {
                    let status = status.parse().expect("a status");
                    lines.insert((path.clone(), method.clone(), status, problem.to_owned()));
                };
                for problem in response["x-problems"].as_array().into_iter().flatten() {
                    line(problem.as_str().expect("a name"));
                }
                if response["x-problems"].is_null() {
                    line("");
                }
            }
        }
    }
    lines
}

fn names(path: &str, method: &str, place: &str) -> BTreeSet<String> {
    let parameters = document()["paths"][path][method]["parameters"].clone();
    let parameters = parameters.as_array().expect("parameters").iter().filter(|parameter| parameter["in"] == place);
    parameters.map(|parameter| parameter["name"].as_str().expect("a name").to_owned()).collect()
}

fn document_of(path: &str) -> String {
    if path.starts_with("/r/") { "/r/{code}".to_owned() } else { path.to_owned() }
}

#[test]
fn every_path_and_method_is_documented_and_answers() {
    let edge = Edge::start();
    let document = document();
    let paths = document["paths"].as_object().expect("paths");
    let known: BTreeSet<String> =
        PATHS.iter().map(|(path, _)| (*path).to_owned()).chain(["/r/{code}".to_owned()]).collect();
    assert_eq!(paths.keys().cloned().collect::<BTreeSet<_>>(), known);
    for (path, operations) in paths {
        for method in METHODS {
            let target = path.replace("{code}", "summer");
            let answer = edge.request(&format!("{} {target}", method.to_uppercase()), "", "");
            let documented = operations.get(method).is_some();
            assert_eq!(answer.status() != 405, documented, "{method} {path}: {}", answer.0);
            if !documented {
                let allowed = answer.header("allow").expect("what else").to_ascii_lowercase();
                let allowed: BTreeSet<&str> = allowed.split(", ").collect();
                let there: BTreeSet<&str> = operations.as_object().expect("some").keys().map(String::as_str).collect();
                assert_eq!(allowed, there, "{path}");
            }
        }
    }
}

/// Requests that bring about each answer; the document's lines are what they bring about, and nothing else.
#[test]
fn every_status_and_problem_is_documented_and_happens() {
    let (taking, refusing, slow) = (Edge::start_with(true), Edge::start(), Edge::start_slow());
    let elsewhere = Edge::start_limited("hosts = ['elsewhere.example']");
    let full = Edge::start_limited("exempt = []\nanonymous = { per_second = 1, burst = 1 }");
    full.request("POST /collect", "", "");
    let mut seen: BTreeSet<Line> = BTreeSet::new();
    let mut ask = |edge: &Edge, line: &str, headers: &str, body: &str| {
        let answer = edge.request(line, headers, body);
        let (method, target) = line.split_once(' ').expect("a method");
        let path = document_of(target.split('?').next().expect("a path"));
        // An answer to HEAD has no body to read the problem from: that of GET is the same.
        let problem = if method == "HEAD" && answer.status() >= 400 {
            edge.request(&line.replace("HEAD", "GET"), headers, body).problem()
        } else {
            answer.problem()
        };
        seen.insert((path, method.to_ascii_lowercase(), answer.status(), problem));
    };
    let long = "x".repeat(9000);
    let twice = "Host: b\r\n";
    let post_paths = PATHS.iter().map(|(path, _)| *path).filter(|path| path.contains("/event"));
    for path in post_paths {
        let to = format!("POST {path}");
        let action = path.strip_prefix("/event/").unwrap_or("purchase");
        let event = format!(r#"{{"action":"{action}","event_id":"{path}","value":1}}"#);
        let key = format!("X-API-KEY: {API_KEY}\r\n");
        let with = |more: &str| format!("{key}{more}\r\n");
        ask(&taking, &to, &key, &event);
        ask(&taking, &format!("{to}?validate_only=1"), &key, &event);
        ask(&taking, &to, twice, &event);
        ask(&taking, &format!("{to}?{long}"), &key, &event);
        ask(&taking, &to, "", &event);
        ask(&taking, &to, &format!("X-API-KEY: {SIGNED_KEY}\r\n"), &event);
        let nonce = format!("nonce-of-{}-0001", action.replace('_', "-"));
        ask(&taking, &to, &signed(SIGNED_KEY, &nonce, 999, &event), &event);
        let once = signed(SIGNED_KEY, &format!("{nonce}{}", path.len()), 0, &event);
        ask(&taking, &to, &once, &event);
        ask(&taking, &to, &once, &event);
        ask(&taking, &to, &with("Content-Type: image/png"), &event);
        ask(&taking, &to, &with("Content-Length: 9999999"), "");
        ask(&taking, &to, &key, "{");
        ask(&taking, &to, &key, "{}");
        ask(&taking, &to, &key, "[]");
        ask(&refusing, &to, &key, &event);
        let repeated = with(&format!("Idempotency-Key: {path}"));
        ask(&taking, &to, &repeated, &event);
        ask(&taking, &to, &repeated, "[{}]");
        let mut other = TcpStream::connect(slow.address).expect("connects");
        let length = event.len();
        let text = format!("{to} HTTP/1.1\r\nHost: a\r\n{repeated}Content-Length: {length}\r\n\r\n{event}");
        other.write_all(text.as_bytes()).expect("sent");
        std::thread::sleep(std::time::Duration::from_millis(300));
        ask(&slow, &to, &repeated, &event);
    }
    for method in ["GET", "HEAD"] {
        for path in ["/r/summer", "/collect.js", "/openapi.json", "/health", "/metrics"] {
            ask(&taking, &format!("{method} {path}"), "", "");
            ask(&taking, &format!("{method} {path}"), twice, "");
            ask(&taking, &format!("{method} {path}?{long}"), "", "");
        }
        ask(&taking, &format!("{method} /r/nobody"), "", "");
        ask(&taking, &format!("{method} /r/lost"), "", "");
        let tag = taking.request("GET /collect.js", "", "").header("etag").expect("a tag").to_owned();
        ask(&taking, &format!("{method} /collect.js"), &format!("If-None-Match: {tag}\r\n"), "");
    }
    for method in ["GET", "POST"] {
        let to = |query: &str| format!("{method} /postback?{query}");
        let good = format!("token={POSTBACK_TOKEN}&order_id=O&payout=1");
        ask(&taking, &to(&good), "", "");
        ask(&refusing, &to(&good), "", "");
        ask(&taking, &to(&good), twice, "");
        ask(&taking, &to(&long), "", "");
        ask(&taking, &to("payout=1"), "", "");
        ask(&taking, &to(&format!("token={POSTBACK_TOKEN}")), "", "");
    }
    let collect = format!("POST /collect?key={BROWSER_KEY}");
    let event = r#"{"action":"signup","event_id":"e"}"#;
    ask(&taking, &collect, "", event);
    ask(&taking, &format!("{collect}&validate_only=1"), "", event);
    ask(&refusing, &collect, "", event);
    ask(&taking, "POST /collect", "", event);
    ask(&taking, &collect, twice, event);
    ask(&taking, &format!("{collect}&{long}"), "", event);
    ask(&taking, &format!("GET /pixel.gif?key={BROWSER_KEY}"), "", "");
    ask(&taking, "GET /pixel.gif", twice, "");
    ask(&taking, &format!("GET /pixel.gif?{long}"), "", "");
    ask(&taking, "OPTIONS /collect", "", "");
    ask(&taking, "OPTIONS /collect", twice, "");
    ask(&taking, &format!("OPTIONS /collect?{long}"), "", "");
    for body in ["{", "{}", "[]"] {
        ask(&taking, &collect, "", body);
    }
    for to in [collect.as_str(), &format!("POST /postback?token={POSTBACK_TOKEN}")] {
        ask(&taking, to, "Content-Type: image/png\r\n", event);
        ask(&taking, to, "Content-Length: 9999999\r\n", "");
    }
    for (path, operations) in document()["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys() {
            let line = format!("{} {}", method.to_ascii_uppercase(), path.replace("{code}", "summer"));
            let limits = operations[method]["responses"]["429"].is_object();
            // One a second passes.
            for edge in [Some(&elsewhere), limits.then_some(&full), limits.then_some(&full)].into_iter().flatten() {
                ask(edge, &line, "", "");
            }
        }
    }
    let hard = hard_to_bring_about();
    assert!(seen.is_disjoint(&hard), "{:?}", seen.intersection(&hard).collect::<Vec<_>>());
    let found: BTreeSet<Line> = seen.union(&hard).cloned().collect();
    let documented = documented();
    let untold: Vec<_> = found.difference(&documented).collect();
    let unseen: Vec<_> = documented.difference(&found).collect();
    assert!(untold.is_empty() && unseen.is_empty(), "not in the document: {untold:#?}\nnever answered: {unseen:#?}");
}

/// A body that takes ten seconds, half a million nonces, an edge that stops: each has its own test or none.
fn hard_to_bring_about() -> BTreeSet<Line> {
    let of = |path: &str, method: &str, status, problem: &str| {
        (path.to_owned(), method.to_owned(), status, problem.to_owned())
    };
    let mut lines = BTreeSet::new();
    for (path, _) in PATHS {
        if path.contains("/event") {
            lines.insert(of(path, "post", 408, "body-timeout"));
            lines.insert(of(path, "post", 503, "nonces-full"));
        }
    }
    lines.insert(of("/collect", "post", 408, "body-timeout"));
    lines.insert(of("/postback", "post", 408, "body-timeout"));
    lines.insert(of("/health", "get", 503, ""));
    lines.insert(of("/health", "head", 503, ""));
    lines
}

#[test]
fn every_parameter_is_documented_and_read() {
    for path in PATHS.iter().map(|(path, _)| *path).filter(|path| path.contains("/event")) {
        let headers = [
            "x-api-key",
            "idempotency-key",
            "x-validate-only",
            "x-tributary-timestamp",
            "x-tributary-nonce",
            "x-tributary-signature",
            "content-encoding",
        ];
        assert_eq!(names(path, "post", "header"), headers.map(str::to_owned).into(), "{path}");
        assert_eq!(names(path, "post", "query"), ["validate_only".to_owned()].into());
    }
    // What the redirect keeps of a query is what is documented, under these names.
    let mut kept = BTreeSet::new();
    for name in (0..20).map(|number| format!("sub{number}")).chain(["source".to_owned()]) {
        let query = format!("{name}=x");
        let found = crate::redirect::params::Params::from_query(Some(&query)).into_map();
        kept.extend(found.contains_key(&name).then_some(name));
    }
    // These two are read, and not kept as they are.
    kept.extend(["url", "consent"].map(str::to_owned));
    assert_eq!(names("/r/{code}", "get", "query"), kept);
    // What is no parameter of a postback or a pixel becomes a property of its event.
    for path in ["/postback", "/pixel.gif"] {
        let unknown = crate::event::unknown_parameters(path, &names(path, "get", "query"));
        assert_eq!(unknown, BTreeSet::new(), "documented, and not read: {path}");
        let others =
            ["event_id", "action", "url", "landing_url", "customer_id", "ref", "secure", "key", "tid", "x", "nid"];
        let others: BTreeSet<String> = others.map(str::to_owned).into();
        let read = |name: &String| crate::event::unknown_parameters(path, &[name.clone()].into()).is_empty();
        let undocumented = others.difference(&names(path, "get", "query")).filter(|name| read(name)).count();
        // A pixel reads these two to refuse them.
        let refused = if path == "/pixel.gif" { 1 } else { 0 };
        assert_eq!(undocumented, refused, "read, and not documented: {path}");
    }
}

#[test]
fn the_document_is_one_of_openapi() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let text = document.to_string();
    // Every reference leads somewhere.
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().expect("a name");
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let parameters = operation["parameters"].as_array().expect("parameters");
            let named: BTreeSet<_> =
                parameters.iter().map(|one| (one["in"].to_string(), one["name"].to_string())).collect();
            assert_eq!(named.len(), parameters.len(), "{method} {path}: twice");
            for response in operation["responses"].as_object().expect("responses").values() {
                assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
            }
            let of_path = names(path, method, "path");
            assert!(of_path.iter().all(|name| path.contains(&format!("{{{name}}}"))), "{path}");
        }
    }
}
