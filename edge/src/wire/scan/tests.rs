//! Requests one after the other on one connection, cut into reads at every place.

use super::*;

/// What comes out for these reads: whether something was refused, and at which byte.
fn refused_at(bytes: &[u8], reads: &[usize]) -> Option<usize> {
    let mut scan = Scan::http1();
    let mut out = bytes.to_vec();
    let mut from = 0;
    for end in reads.iter().copied().chain([bytes.len()]) {
        scan.scan(&mut out[from..end]);
        from = end;
    }
    let changed: Vec<usize> = (0..bytes.len()).filter(|at| out[*at] != bytes[*at]).collect();
    assert!(changed.len() <= 1 && changed.iter().all(|at| bytes[*at] == b'\n' && out[*at] == 0), "{changed:?}");
    changed.first().copied()
}

/// However the bytes arrive. `^` stands behind the LF that is refused.
fn check(text: &str) {
    let expected = text.find('^').map(|at| at - 1);
    let bytes = text.replace('^', "").into_bytes();
    for cut in 0..=bytes.len() {
        assert_eq!(refused_at(&bytes, &[cut]), expected, "{text:?} cut at {cut}");
    }
    let each: Vec<usize> = (1..bytes.len()).collect();
    assert_eq!(refused_at(&bytes, &each), expected, "{text:?} byte by byte");
}

#[test]
fn what_everybody_sends_passes_request_after_request() {
    for text in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\na\nb\n\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-LENGTH:0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\na\nb\r\nA;x=y\r\n0\n23456789\r\n0\r\n\r\nGET /",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\nZ: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Type: x\r\nCookie: y\r\nTe: trailers\r\n\r\n",
    ] {
        check(text);
    }
}

#[test]
fn a_line_that_ends_otherwise_is_refused_in_every_request_of_a_connection() {
    for text in [
        "GET / HTTP/1.1\n^Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n^\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n^",
        "\n^GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\n^Host: a\n\n",
        "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nbGET / HTTP/1.1\n^",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\n^abc\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\n^abc\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n^\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\n^",
    ] {
        check(text);
    }
}

#[test]
fn an_end_that_could_be_read_in_two_ways_is_refused() {
    let zeros = "0".repeat(16);
    for text in [
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n^",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n^",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n^",
        "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n^",
        "POST / HTTP/1.1\r\nContent-Length: +5\r\n^",
        "POST / HTTP/1.1\r\nContent-Length: 0x5\r\n^",
        "POST / HTTP/1.1\r\nContent-Length:\r\n^",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n^",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n^",
        "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n^",
        "POST / HTTP/1.1\r\nTransfer-Encoding:\x0bchunked\r\n^",
        "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n^",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\n^",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\n^",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n^",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\n^",
        &format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{zeros}3\r\n^"),
        &format!("POST / HTTP/1.1\r\nContent-Length: {zeros}\r\n^"),
    ] {
        check(text);
    }
}

/// Not a test of anything but the clock: `cargo test -p edge scan_costs -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn scan_costs() {
    let text = "GET /r/summer?sub1=newsletter HTTP/1.1\r\nHost: t.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) \
        AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml\r\n\
        Accept-Language: en-US,en;q=0.9\r\nAccept-Encoding: gzip, deflate, br\r\nReferer: https://blog.example/post\r\n\
        Cookie: tj=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: cross-site\r\n\
        Upgrade-Insecure-Requests: 1\r\nConnection: keep-alive\r\n\r\n";
    let mut bytes = text.as_bytes().to_vec();
    let mut scan = Scan::http1();
    let rounds = 1_000_000;
    let began = std::time::Instant::now();
    for _ in 0..rounds {
        scan.scan(std::hint::black_box(&mut bytes));
    }
    println!("{} bytes, 12 lines: {:?} a request", bytes.len(), began.elapsed() / rounds);
    assert_eq!(bytes, text.as_bytes());
}
