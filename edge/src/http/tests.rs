//! Requests as they come over the wire, hostile ones too, against an edge whose Kafka is not there: what is refused, what
//! is answered all the same, and what is never acknowledged.

mod bodies;
mod browser;
mod examples;
mod hostile;
mod postbacks;
mod repeats;
mod secured;
pub(in crate::http) mod signed;

use crate::Config;
use crate::ids;
use crate::limits;
use crate::routes::Routes;
use crate::routes::tests::{API_KEY, catalog};
use crate::run::{self, Shared};
use crate::secrets::Keys;
use crate::spool::{Running, Spool};
use crate::tls;
use crate::visitor::{Networks, VisitorsConfig};
use arc_swap::ArcSwap;
use kafka::KafkaConfig;
use kafka::producer::EdgeProducer;
use schemas::token::{MacKey, MacKeys};
use serde_json::Value;
use service::{HumanDuration, Shutdown};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

mod redirects;

pub(super) struct Edge {
    keys: Arc<Keys>,
    pub(super) address: SocketAddr,
    spool: Spool,
    spooling: Option<(Running, TempDir)>,
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl Edge {
    /// One whose spool refuses everything.
    pub(super) fn start() -> Edge {
        Edge::start_with(false)
    }

    /// One that has nowhere to put anything and takes its time to say so.
    pub(super) fn start_slow() -> Edge {
        Edge::begin(false, 1500, limits::Config::default(), None)
    }

    pub(super) fn start_with(spooling: bool) -> Edge {
        // The first fdatasync of a new file may take long on a busy disk.
        Edge::begin(spooling, if spooling { 5000 } else { 60 }, limits::Config::default(), None)
    }

    pub(super) fn start_limited(limits: &str) -> Edge {
        Edge::begin(false, 60, toml::from_str(limits).expect("limits"), None)
    }

    fn start_as(spooling: bool, visitors: VisitorsConfig) -> Edge {
        let wait = if spooling { 5000 } else { 60 };
        Edge::begin_as(spooling, wait, limits::Config::default(), None, visitors)
    }

    fn begin(spooling: bool, acknowledge_millis: u64, limits: limits::Config, tls: Option<tls::Config>) -> Edge {
        Edge::begin_as(spooling, acknowledge_millis, limits, tls, VisitorsConfig::default())
    }

    fn begin_as(
        spooling: bool,
        acknowledge_millis: u64,
        limits: limits::Config,
        tls: Option<tls::Config>,
        visitors: VisitorsConfig,
    ) -> Edge {
        let networks = Arc::new(Networks::open(&visitors).expect("files that are there"));
        let config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            threads: std::num::NonZeroU16::MIN,
            mac_keys: "unused".into(),
            spool_wait: HumanDuration::millis(30),
            spool_dir: "unused".into(),
            spool_mib: 32,
            acknowledge_wait: HumanDuration::millis(acknowledge_millis),
            cookie_domain: None,
            secure_cookie: false,
            limits,
            tls,
            fallback_url: None,
            visitors,
        };
        let kafka = KafkaConfig { bootstrap: "127.0.0.1:1".into(), prefix: String::new(), development: true };
        let shutdown = Shutdown::default();
        let producer = Arc::new(EdgeProducer::start(&kafka, 2).expect("starts without Kafka"));
        let (spool, spooling) = if spooling {
            let folder = tempfile::tempdir().expect("a folder");
            let (spool, running) = Spool::start(folder.path(), 1 << 20, producer.clone(), 1, &kafka).expect("a spool");
            (spool, Some((running, folder)))
        } else {
            (Spool::refusing(), None)
        };
        let keys = MacKeys::new(vec![MacKey::new(1, &[1; 32])]).expect("a key");
        let keys = Arc::new(Keys::from(keys));
        let shared = Shared {
            routes: Arc::new(ArcSwap::from_pointee(Routes::build(&catalog(), ids::now()))),
            keys: keys.clone(),
            memory: Arc::default(),
            producer,
            spool: spool.clone(),
            networks,
            config,
            shutdown: shutdown.clone(),
        };
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            run::serve(shared, move |address| sender.send(address).expect("the test waits")).expect("serves");
        });
        let address = receiver.recv_timeout(Duration::from_secs(10)).expect("ready");
        Edge { keys, address, spool, spooling, shutdown, thread: Some(thread) }
    }

    /// Sends bytes as they are and reads all that comes until the edge closes the connection.
    fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        // The edge may answer and close before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(super) fn request(&self, line: &str, headers: &str, body: &str) -> Answer {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let text = format!("{line} HTTP/1.1\r\nHost: t.example\r\nConnection: close\r\n{headers}{length}\r\n{body}");
        Answer(self.raw(text.as_bytes()))
    }

    fn post(&self, body: &str) -> Answer {
        self.request("POST /api/v1/events", &format!("X-API-KEY: {API_KEY}\r\n"), body)
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.shutdown.request();
        let stopped = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || stopped.is_some_and(|result| result.is_ok()));
        if let Some((running, _folder)) = self.spooling.take() {
            running.stop(&self.spool);
        }
    }
}

pub(super) struct Answer(pub(super) String);

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.0.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\r\n\r\n").next()?;
        let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
        pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        let body = self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {}", self.0))
    }

    /// The problem's name, where it is one.
    pub(super) fn problem(&self) -> String {
        if self.header("content-type") != Some("application/problem+json") {
            return String::new();
        }
        let body = self.json();
        assert_eq!(body["status"], self.status());
        assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
        body["type"].as_str().and_then(|name| name.strip_prefix("/problems/")).unwrap_or_default().to_owned()
    }
}

#[test]
fn hostile_and_mistaken_requests_are_refused_by_name() {
    let edge = Edge::start();
    let key = format!("X-API-KEY: {API_KEY}\r\n");
    let json = format!("{key}Content-Type: application/json\r\n");
    let long = format!("GET /r/summer?x={}", "a".repeat(9000));
    let longest = format!("GET /r/summer?x={}", "a".repeat(70_000));
    let batch = format!("[{}1]", "1,".repeat(1000));
    for (line, headers, body, status, problem) in [
        ("GET /r/nobody", "", "", 404, "unknown-link"),
        ("GET /r/bad", "", "", 404, "inactive-link"),
        ("GET /r/lost", "", "", 404, "inactive-link"),
        ("GET /r/", "", "", 404, "not-found"),
        ("GET /r/summer/x", "", "", 404, "not-found"),
        ("GET /r/../r/summer", "", "", 404, "not-found"),
        ("GET /r/sum%6der", "", "", 404, "unknown-link"),
        ("GET /r/%00", "", "", 404, "unknown-link"),
        ("GET /", "", "", 404, "not-found"),
        ("POST /r/summer", "", "x=1", 405, "method-not-allowed"),
        ("DELETE /health", "", "", 405, "method-not-allowed"),
        ("GET /api/v1/events", "", "", 405, "method-not-allowed"),
        ("GET /event/purchase", "", "", 405, "method-not-allowed"),
        ("POST /event/refund", &key, "{}", 404, "not-found"),
        ("CONNECT t.example:443", "", "", 404, "not-found"),
        ("OPTIONS *", "", "", 404, "not-found"),
        (&long, "", "", 414, "uri-too-long"),
        (&longest, "", "", 431, ""),
        ("GET /health", "Host: other.example\r\n", "", 400, "bad-request"),
        ("GET /health", "Transfer-Encoding: gzip\r\n", "", 400, ""),
        ("POST /api/v1/events", "Content-Length: -1\r\n", "", 400, ""),
        ("POST /api/v1/events", "Content-Length: 1\r\n", "{}", 400, ""),
        ("POST /api/v1/events", "", "{}", 401, "unauthorized"),
        ("POST /api/v1/events", "X-API-KEY: wrong\r\n", "{}", 401, "unauthorized"),
        ("POST /api/v1/events", "X-API-KEY: revoked\r\n", "{}", 401, "unauthorized"),
        ("POST /api/v1/events", "X-API-KEY: \u{e9}\r\n", "{}", 401, "unauthorized"),
        (
            "POST /api/v1/events",
            &format!("{key}Content-Type: multipart/form-data; boundary=x\r\n"),
            "{}",
            415,
            "unsupported-media-type",
        ),
        (
            "POST /api/v1/events",
            &format!("{key}Content-Type: application/xml\r\n"),
            "<a/>",
            415,
            "unsupported-media-type",
        ),
        ("POST /api/v1/events", &format!("{key}Content-Encoding: gzip\r\n"), "\u{1f}x", 400, "bad-request"),
        ("POST /api/v1/events", &format!("{key}Idempotency-Key: \"\"\r\n"), "{}", 400, "bad-request"),
        ("POST /api/v1/events", &format!("{key}Content-Length: 1048577\r\n"), "", 413, "body-too-large"),
        ("POST /api/v1/events", &json, "", 400, "malformed-json"),
        ("POST /api/v1/events", &json, "{\"action\":\n \"purchase", 400, "malformed-json"),
        ("POST /api/v1/events", &json, "{} {}", 400, "malformed-json"),
        ("POST /api/v1/events", &json, "\"purchase\"", 400, "malformed-json"),
        ("POST /api/v1/events", &json, "[]", 422, "invalid-batch"),
        ("POST /api/v1/events", &json, &batch, 422, "invalid-batch"),
        ("POST /api/v1/events", &json, "[{},7]", 422, "invalid-batch"),
        ("POST /api/v1/events", &json, "{}", 422, "invalid-event"),
        ("POST /event/purchase", &json, "{\"event_id\":\"e\",\"value\":\"-3\"}", 422, "invalid-event"),
    ] {
        let answer = edge.request(line, headers, body);
        let shown: String = line.chars().take(60).collect();
        assert_eq!((answer.status(), answer.problem().as_str()), (status, problem), "{shown} {headers} {}", answer.0);
    }
}

#[test]
fn requests_that_are_no_http_as_we_speak_it_are_refused() {
    let edge = Edge::start();
    let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", 2 << 20, "x".repeat(2 << 20));
    for (name, request, status) in [
        ("no host", "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), 400),
        ("an empty host", "GET /health HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n".to_owned(), 400),
        ("a host with a path", "GET /health HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n".to_owned(), 400),
        ("a host with a user", "GET /health HTTP/1.1\r\nHost: u@a\r\nConnection: close\r\n\r\n".to_owned(), 400),
        ("HTTP/1.0 without a host", "GET /health HTTP/1.0\r\n\r\n".to_owned(), 200),
        ("no HTTP", "\u{16}\u{3}\u{1}\r\n\r\n".to_owned(), 400),
        ("a null byte in a header", "GET /health HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n".to_owned(), 400),
        ("200 headers", format!("GET /health HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200)), 431),
        ("a head of 100 KB", format!("GET /health HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(100_000)), 431),
        (
            "two lengths",
            "POST /api/v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}".to_owned(),
            400,
        ),
        (
            "a chunked body over the limit",
            format!(
                "POST /api/v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-API-KEY: {API_KEY}\r\n\
                 Transfer-Encoding: chunked\r\n\r\n{body}"
            ),
            413,
        ),
    ] {
        let answer = Answer(edge.raw(request.as_bytes()));
        assert_eq!(answer.status(), status, "{name}: {}", answer.0.chars().take(300).collect::<String>());
    }
}

#[test]
fn without_kafka_a_visitor_goes_on_without_a_token() {
    let edge = Edge::start();
    for (method, cookie) in [("GET", true), ("HEAD", false)] {
        let answer = edge.request(&format!("{method} /r/summer?sub1=x"), "", "");
        assert_eq!(answer.status(), 302, "{}", answer.0);
        assert_eq!(answer.header("location"), Some("https://shop.example/p?a=1&ref_code=summer#top"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("set-cookie").is_some(), cookie, "{method}");
    }
}

#[test]
fn a_browser_that_brings_its_cookie_gets_no_other() {
    let edge = Edge::start();
    let first = edge.request("GET /r/summer", "", "");
    let cookie = first.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie");
    let again = edge.request("GET /r/summer", &format!("Cookie: {cookie}\r\n"), "");
    assert_eq!((again.status(), again.header("set-cookie")), (302, None));
    let forged = edge.request("GET /r/summer", "Cookie: tj=AAAA\r\n", "");
    assert!(forged.header("set-cookie").is_some());
}

#[test]
fn without_kafka_no_event_is_acknowledged() {
    let edge = Edge::start();
    let one = r#"{"action":"purchase","event_id":"e","value":1}"#;
    let answer = edge.post(one);
    assert_eq!((answer.status(), answer.problem().as_str()), (503, "unavailable"));
    assert_eq!(answer.header("retry-after"), Some("2"));

    let answer = edge.post(&format!("[{one},{{}},{one}]"));
    assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("2")));
    let body = answer.json();
    let statuses: Vec<_> = (0..3).map(|row| body["results"][row]["status"].clone()).collect();
    assert_eq!(statuses, ["unavailable", "rejected", "unavailable"]);
    assert_eq!(body["results"][1]["errors"][0]["field"], "action");
}

#[test]
fn without_kafka_the_spool_acknowledges() {
    let edge = Edge::start_with(true);
    let click = edge.request("GET /r/summer?sub1=x", "", "");
    let location = click.header("location").expect("a place to go");
    assert!(location.starts_with("https://shop.example/p?a=1&click_id=") && location.ends_with("&ref_code=summer#top"));
    let one = r#"{"action":"purchase","event_id":"e","value":1}"#;
    assert_eq!(edge.post(one).status(), 202);
    let answer = edge.post(&format!("[{one},{{}},{one}]"));
    assert_eq!(answer.status(), 202);
    let body = answer.json();
    let statuses: Vec<_> = (0..3).map(|row| body["results"][row]["status"].clone()).collect();
    assert_eq!(statuses, ["accepted", "rejected", "accepted"]);
}

#[test]
fn a_refused_event_says_field_value_and_reason() {
    let edge = Edge::start();
    let body = edge.post(r#"{"action":"purchase","event_id":"e","value":"12,50"}"#).json();
    assert_eq!(body["errors"][0]["field"], "value");
    assert_eq!(body["errors"][0]["value"], "\"12,50\"");
    assert!(body["errors"][0]["reason"].as_str().is_some_and(|reason| reason.contains("not a decimal number")));
    let body = edge.post("{\"action\":\n  purchase}").json();
    assert!(body["detail"].as_str().is_some_and(|detail| detail.contains("line 2 column 3")), "{body}");
    let answer = edge.request("PUT /r/summer", "", "");
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    let answer = edge.request("POST /api/v1/events", "", "{}");
    assert!(answer.header("www-authenticate").is_some());
}

#[test]
fn health_and_metrics_are_on_the_same_listener() {
    service::metrics::handle();
    let edge = Edge::start();
    assert_eq!(edge.request("GET /health", "", "").status(), 200);
    edge.request("GET /r/summer", "", "");
    let metrics = edge.request("GET /metrics", "", "").0;
    for line in [
        r#"edge_requests_total{route="health",status="200"}"#,
        r#"edge_requests_total{route="redirect",status="302"}"#,
        "edge_clicks_shed_total",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}
