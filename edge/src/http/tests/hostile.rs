//! The table of hostile requests: bytes as an attacker sends them, and every answer that comes back until the edge closes
//! the connection. All run at once.

use super::*;
use crate::limits;
use std::fmt::Write as _;
use std::time::Instant;

/// Of the edge of these tests; the slow ones wait for it.
const HEAD_TIME: Duration = Duration::from_secs(2);

/// A request's bytes, in parts with pauses between them.
struct Row {
    name: &'static str,
    parts: Vec<Vec<u8>>,
    pause: Duration,
    /// Statuses, in their order; none: closed without a word.
    answers: &'static [u16],
}

fn row(name: &'static str, bytes: impl AsRef<[u8]>, answers: &'static [u16]) -> Row {
    Row { name, parts: vec![bytes.as_ref().to_vec()], pause: Duration::ZERO, answers }
}

/// A byte at a time.
fn slow(name: &'static str, at_once: &str, byte_by_byte: &str, pause: Duration, answers: &'static [u16]) -> Row {
    let bytes = byte_by_byte.bytes().map(|byte| vec![byte]);
    Row { name, parts: [at_once.as_bytes().to_vec()].into_iter().chain(bytes).collect(), pause, answers }
}

/// Everything that comes until the edge closes, and how long that took.
fn exchange(address: SocketAddr, row: &Row) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(40))).expect("a timeout");
    let mut reading = stream.try_clone().expect("a handle");
    let reader = std::thread::spawn(move || {
        let mut answer = Vec::new();
        // A reset after the answers is a close too.
        let _ = reading.read_to_end(&mut answer);
        (String::from_utf8_lossy(&answer).into_owned(), Instant::now())
    });
    for part in &row.parts {
        if stream.write_all(part).is_err() {
            break;
        }
        std::thread::sleep(row.pause);
    }
    let (answer, closed) = reader.join().expect("read");
    (answer, closed - began)
}

fn statuses(answer: &str) -> Vec<u16> {
    let starts = answer.match_indices("HTTP/1.").map(|(at, _)| &answer[at..]);
    starts.filter_map(|answer| answer.get(9..12)?.parse().ok()).collect()
}

/// A redirect that would be answered, with one thing different. The edge is told to close behind it.
fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: t.example\r\nConnection: close\r\n{headers}\r\n")
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /api/v1/events HTTP/1.1\r\nHost: t.example\r\nX-API-KEY: {API_KEY}\r\n{headers}\r\n{body}")
}

fn head(lines: &[&str]) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        let _ = write!(text, "{line}\r\n");
        text
    }) + "\r\n"
}

fn table() -> Vec<Row> {
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
    let ok = get("/health", "");
    let cookie = format!("Cookie: {}\r\n", "c".repeat(33_000));
    let megabytes = format!("{:x}\r\n{}\r\n0\r\n\r\n", 2 << 20, "x".repeat(2 << 20));
    let mut rows = vec![
        // As it should be.
        row("a redirect", get("/r/summer", ""), &[302]),
        row("two requests at once", format!("GET /health HTTP/1.1\r\nHost: t.example\r\n\r\n{ok}"), &[200, 200]),
        row("a line before the request", format!("\r\n{ok}"), &[200]),
        row("HTTP/1.0 without a host is no host of ours", "GET /r/summer HTTP/1.0\r\n\r\n", &[421]),
        row("/health by address", "GET /health HTTP/1.1\r\nHost: 10.1.2.3:8080\r\nConnection: close\r\n\r\n", &[200]),
        // Line ends.
        row("LF for every line end", "GET /health HTTP/1.1\nHost: t.example\n\n", &[400]),
        row("LF behind the request line", "GET /health HTTP/1.1\nHost: t.example\r\n\r\n", &[400]),
        row("LF behind a header", "GET /health HTTP/1.1\r\nHost: t.example\nX: y\r\n\r\n", &[400]),
        row("LF at the end of the head", "GET /health HTTP/1.1\r\nHost: t.example\r\n\n", &[400]),
        row("LF before the request", format!("\n{ok}"), &[400]),
        row(
            "LF in the second request",
            "GET /health HTTP/1.1\r\nHost: t.example\r\n\r\nGET /health HTTP/1.1\nHost: t.example\n\n",
            &[200, 400],
        ),
        row("CR for every line end", "GET /health HTTP/1.1\rHost: t.example\r\r", &[400]),
        row("two CRs", "GET /health HTTP/1.1\r\r\nHost: t.example\r\n\r\n", &[400]),
        row("a folded header", get("/health", "X: a\r\n b\r\n"), &[400]),
        row("a header without a name", get("/health", ": a\r\n"), &[400]),
        row("a blank before the colon", get("/health", "X : a\r\n"), &[400]),
        row("a NUL in a header", get("/health", "X: a\0b\r\n"), &[400]),
        row("a CR in a header", get("/health", "X: a\rY: b\r\n"), &[400]),
        // Where a body ends.
        row("length and chunks", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), &[400]),
        row("chunks and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), &[400]),
        row(
            "chunks and length, smuggling",
            post(&format!("{CHUNKED}Content-Length: 5\r\n"), &format!("0\r\n\r\n{ok}")),
            &[400],
        ),
        row("the same length twice", post("Content-Length: 2\r\nContent-Length: 2\r\n", "{}"), &[400]),
        row("two lengths", post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"), &[400]),
        row("a list of lengths", post("Content-Length: 2, 2\r\n", "{}"), &[400]),
        row("a length with a sign", post("Content-Length: +2\r\n", "{}"), &[400]),
        row("a negative length", post("Content-Length: -2\r\n", "{}"), &[400]),
        row("a length beyond all numbers", post("Content-Length: 99999999999999999999\r\n", "{}"), &[400]),
        row("gzip below chunks", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), &[400]),
        row("chunks twice", post(&format!("{CHUNKED}{CHUNKED}"), "0\r\n\r\n"), &[400]),
        row("chunked with a control before it", post("Transfer-Encoding:\x0bchunked\r\n", "0\r\n\r\n"), &[400]),
        row("chunked of HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
        row("a chunk size with 0x", post(CHUNKED, "0x2\r\n{}\r\n0\r\n\r\n"), &[400]),
        row("a negative chunk size", post(CHUNKED, "-2\r\n{}\r\n0\r\n\r\n"), &[400]),
        row("LF behind a chunk size", post(CHUNKED, "2\n{}\r\n0\r\n\r\n"), &[400]),
        row("LF behind a chunk's extension", post(CHUNKED, "2;a=b\n{}\r\n0\r\n\r\n"), &[400]),
        row("a chunk longer than it says", post(CHUNKED, "2\r\n{}x\r\n0\r\n\r\n"), &[400]),
        row("a body over the limit", post("Content-Length: 1048577\r\n", ""), &[413]),
        row("a chunked body over the limit", post(CHUNKED, &megabytes), &[413]),
        // Hosts.
        row("no host", head(&["GET /health HTTP/1.1"]), &[400]),
        row("two hosts", get("/health", "Host: t.example\r\n"), &[400]),
        row("a second host of others", get("/health", "Host: evil.example\r\n"), &[400]),
        row("another's host", head(&["GET /r/summer HTTP/1.1", "Host: evil.example", "Connection: close"]), &[421]),
        row(
            "a host that ends in ours",
            head(&["GET /r/summer HTTP/1.1", "Host: et.example", "Connection: close"]),
            &[421],
        ),
        row("a host with a user", head(&["GET /health HTTP/1.1", "Host: a@t.example", "Connection: close"]), &[400]),
        row("a host with a path", head(&["GET /health HTTP/1.1", "Host: t.example/x", "Connection: close"]), &[400]),
        row("a host with a blank", head(&["GET /health HTTP/1.1", "Host: t.example x", "Connection: close"]), &[400]),
        row("an empty host", head(&["GET /health HTTP/1.1", "Host:", "Connection: close"]), &[400]),
        row("a target of another host", get("http://evil.example/r/summer", ""), &[400]),
        row("a target of our host", get("http://t.example/r/summer", ""), &[302]),
        // Targets.
        row("a backslash in a code", get("/r/summer\\..\\x", ""), &[404]),
        row("a backslash for a slash", get("\\\\evil.example", ""), &[400]),
        row("two slashes", get("//evil.example/r/summer", ""), &[404]),
        row("a tab in the target", get("/r/summer\tx", ""), &[400]),
        row("a CR in the target", get("/r/summer\rx", ""), &[400]),
        row("a NUL in the target", get("/r/summer\0", ""), &[400]),
        row("a blank in the target", get("/r/summer x", ""), &[400]),
        row("an address for a code", get("/r/https:%2f%2fevil.example", ""), &[404]),
        row("dots for a code", get("/r/..%2f..%2fetc%2fpasswd", ""), &[404]),
        row("a place to go in the query", get("/r/summer?url=https://evil.example&to=//evil.example", ""), &[302]),
        row("a place to go in a header", get("/r/summer", "X-Forwarded-Host: evil.example\r\n"), &[302]),
        row("a header in a parameter", get("/r/summer?sub1=%0d%0aX-Evil:%20x", ""), &[302]),
        row("a target of 8 KB and a byte", get(&format!("/r/{}", "a".repeat(8190)), ""), &[414]),
        row("a target of 65 KB", get(&format!("/r/{}", "a".repeat(65_000)), ""), &[431]),
        // Heads.
        row("101 headers", get("/health", &"X: y\r\n".repeat(101)), &[431]),
        row("a cookie of 33 KB", get("/health", &cookie), &[431]),
        row("a method of nobody", get("/r/summer", "").replacen("GET", "BREW", 1), &[405]),
        row("a method in small letters", get("/r/summer", "").replacen("GET", "get", 1), &[405]),
        row("HTTP/0.9", "GET /health\r\n\r\n", &[400]),
        row("HTTP/1.2", get("/health", "").replacen("HTTP/1.1", "HTTP/1.2", 1), &[400]),
        row("HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[]),
        row("TLS without TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", &[400]),
        // Slow ones.
        row("nothing at all", "", &[]),
        row("half a head", "GET /health HTTP/1.1\r\nHost: t.exa", &[]),
        row("an answer and then nothing", "GET /health HTTP/1.1\r\nHost: t.example\r\n\r\n", &[200]),
    ];
    let (second, many) = (Duration::from_millis(500), "x".repeat(100));
    rows.push(slow("a head byte by byte", "GET /health HTTP/1.1\r\nX: ", &many, second, &[]));
    rows.push(slow("a body byte by byte", &post("Content-Length: 1000\r\n", ""), &many, second, &[408]));
    rows.push(slow("a body that never comes", &post("Content-Length: 1000\r\n", ""), "", second, &[408]));
    rows
}

fn edge() -> Edge {
    let config = limits::Config {
        hosts: vec!["T.example".into()],
        head_time: HumanDuration(HEAD_TIME),
        ..limits::Config::default()
    };
    Edge::begin(false, 60, config, None)
}

#[test]
fn hostile_requests_get_the_answers_of_the_table_and_lose_their_connection() {
    let edge = edge();
    let rows = table();
    assert!(rows.len() >= 70, "{}", rows.len());
    let mut wrong = Vec::new();
    std::thread::scope(|scope| {
        let running: Vec<_> = rows.iter().map(|row| (row, scope.spawn(|| exchange(edge.address, row)))).collect();
        for (row, thread) in running {
            let (answer, took) = thread.join().expect("an exchange");
            let shown: String = answer.chars().take(200).collect();
            if statuses(&answer) != row.answers {
                wrong.push(format!("{}: {:?} after {took:?}, expected {:?}", row.name, shown, row.answers));
            }
            // Wherever a visitor is sent, it is where the link leads, and nothing that was sent is a header.
            for line in answer.lines() {
                let ours = line.strip_prefix("location: ").is_none_or(|to| to.starts_with("https://shop.example/p?"));
                assert!(ours && !line.to_ascii_lowercase().starts_with("x-evil"), "{}: {line}", row.name);
            }
            assert!(took < Duration::from_secs(30), "{}: open for {took:?}", row.name);
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(edge.request("GET /health", "", "").status(), 200);
}

#[test]
fn a_client_that_opens_many_slow_connections_keeps_nobody_out() {
    let config = limits::Config {
        connections: 20,
        exempt: Vec::new(),
        head_time: HumanDuration(HEAD_TIME),
        ..limits::Config::default()
    };
    let edge = Edge::begin(false, 60, config, None);
    let mut open: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(edge.address).expect("connects")).collect();
    std::thread::sleep(Duration::from_millis(1000));
    let closed = open.iter_mut().filter_map(|stream| {
        stream.set_nonblocking(true).ok()?;
        let read = stream.read(&mut [0; 1]).map_err(|error| error.kind());
        (read != Err(std::io::ErrorKind::WouldBlock)).then_some(())
    });
    assert_eq!(closed.count(), 40, "20 of one address stay");
    drop(open);
    let deadline = Instant::now() + Duration::from_secs(10);
    while edge.request("GET /health", "", "").status() != 200 {
        assert!(Instant::now() < deadline, "still full");
    }
}

#[test]
fn an_address_that_clicks_too_often_is_redirected_uncounted_and_its_events_are_refused() {
    let rate = |text: &str| toml::from_str::<limits::Config>(text).expect("limits");
    let edge = Edge::begin(
        true,
        5000,
        rate(
            "exempt = []\nclicks = { per_second = 1, burst = 3 }\nevents = { per_second = 1, burst = 2 }\n\
              anonymous = { per_second = 1, burst = 1 }",
        ),
        None,
    );
    let clicks: Vec<Answer> = (0..6).map(|_| edge.request("GET /r/summer", "", "")).collect();
    assert!(clicks.iter().all(|click| click.status() == 302));
    let tokens = clicks.iter().filter(|click| click.header("location").is_some_and(|to| to.contains("click_id=")));
    let tokens = tokens.count();
    // A second and more may pass on a busy machine.
    assert!((3..=5).contains(&tokens), "{tokens}");
    let location = clicks[5].header("location");
    assert!(clicks[5].header("set-cookie").is_none() || location.is_some_and(|to| to.contains("click_id=")));

    let event = r#"{"action":"purchase","event_id":"e","value":1}"#;
    let events: Vec<Answer> = (0..4).map(|_| edge.post(event)).collect();
    assert_eq!(events[0].status(), 202);
    assert_eq!(events[0].header("ratelimit-policy"), Some("\"key\";q=2;w=2"));
    assert_eq!(events[0].header("ratelimit"), Some("\"key\";r=1;t=1"));
    let refused = events.iter().find(|event| event.status() == 429).expect("one over the limit");
    assert_eq!((refused.problem().as_str(), refused.header("retry-after")), ("rate-limited", Some("1")));
    // Who has no key is counted apart.
    let strangers: Vec<u16> =
        (0..3).map(|_| edge.request("POST /api/v1/events", "X-API-KEY: guess\r\n", event).status()).collect();
    assert_eq!((strangers[0], strangers.contains(&429)), (401, true));
}
