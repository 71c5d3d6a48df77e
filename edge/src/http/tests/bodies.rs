//! Bodies in all their forms: rows on lines, compressed, and such as only want to fill memory.

use super::{Answer, Edge};
use crate::http::coding::{self, Coding};
use crate::routes::tests::API_KEY;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write;

/// What the two constants below are made of, by the programs `gzip -9` and `zstd -19` (from a pipe: a window of 8 MiB).
const ROWS: &str = concat!(
    r#"{"action":"purchase","event_id":"e1","value":"12.50"}"#,
    "\n\r\n",
    r#"{"action":"signup","event_id":"e2"}"#,
    "\r\nnot json\n",
);
/// By gzip 1.12.
#[rustfmt::skip]
const GZIPPED: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x4a, 0x4c, 0x2e, 0xc9, 0xcc, 0xcf,
    0x53, 0xb2, 0x52, 0x2a, 0x28, 0x2d, 0x4a, 0xce, 0x48, 0x2c, 0x4e, 0x55, 0xd2, 0x51, 0x4a, 0x2d, 0x4b, 0xcd,
    0x2b, 0x89, 0xcf, 0x4c, 0x01, 0x8a, 0xa6, 0x1a, 0x02, 0xf9, 0x65, 0x89, 0x39, 0xa5, 0xa9, 0x40, 0x8e, 0xa1,
    0x91, 0x9e, 0xa9, 0x81, 0x52, 0x2d, 0x17, 0x2f, 0x57, 0x35, 0x42, 0x5f, 0x71, 0x66, 0x7a, 0x5e, 0x69, 0x01,
    0x9a, 0x2e, 0x23, 0xa5, 0x5a, 0x5e, 0xae, 0xbc, 0xfc, 0x12, 0x85, 0xac, 0xe2, 0xfc, 0x3c, 0x2e, 0x00, 0x0c,
    0xd6, 0xda, 0x01, 0x66, 0x00, 0x00, 0x00,
];
/// By zstd 1.5.
#[rustfmt::skip]
const ZSTANDARD: &[u8] = &[
    0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x68, 0x5d, 0x02, 0x00, 0xc2, 0x04, 0x10, 0x11, 0x90, 0x7d, 0x02, 0xc4, 0xce,
    0x94, 0x3a, 0x44, 0xdc, 0x7d, 0x06, 0x5d, 0xf2, 0x30, 0xff, 0x8c, 0x0e, 0x80, 0x56, 0x2c, 0x45, 0xae, 0x14,
    0x84, 0xfe, 0xc7, 0x6a, 0xfa, 0x22, 0x06, 0x01, 0xf4, 0x2f, 0x88, 0x1c, 0xf3, 0xe9, 0x9d, 0x9e, 0x6b, 0xff,
    0x78, 0xe3, 0x3e, 0x7d, 0x8b, 0x2a, 0x53, 0xb7, 0xdd, 0x8f, 0x77, 0x78, 0x41, 0x76, 0xb5, 0xfd, 0xf4, 0xb4,
    0xc6, 0xcc, 0xd6, 0xf3, 0x02, 0x00, 0x59, 0xf5, 0x82, 0xdb, 0x50, 0x50, 0xed, 0x6c, 0xb3, 0x11,
];
/// `[`, `{"action":"signup","event_id":"e3"}` and `]`, a frame each, the last without a checksum.
#[rustfmt::skip]
const FRAMES: &[u8] = &[
    0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x09, 0x00, 0x00, 0x5b, 0xb5, 0x4a, 0x80, 0x01, 0x28, 0xb5, 0x2f, 0xfd,
    0x24, 0x23, 0x19, 0x01, 0x00, 0x7b, 0x22, 0x61, 0x63, 0x74, 0x69, 0x6f, 0x6e, 0x22, 0x3a, 0x22, 0x73, 0x69,
    0x67, 0x6e, 0x75, 0x70, 0x22, 0x2c, 0x22, 0x65, 0x76, 0x65, 0x6e, 0x74, 0x5f, 0x69, 0x64, 0x22, 0x3a, 0x22,
    0x65, 0x33, 0x22, 0x7d, 0xb3, 0xfa, 0x1e, 0x37, 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x09, 0x00, 0x00, 0x5d,
];

fn post(edge: &Edge, headers: &str, body: &[u8]) -> Answer {
    let length = body.len();
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: t.example\r\nConnection: close\r\nX-API-KEY: {API_KEY}\r\n{headers}\
         Content-Length: {length}\r\n\r\n"
    );
    Answer(edge.raw(&[head.as_bytes(), body].concat()))
}

fn statuses(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let rows = body["results"].as_array().expect("results").iter();
    rows.map(|row| row["status"].as_str().expect("a status").to_owned()).collect()
}

const LINES: &str = "Content-Type: application/x-ndjson\r\n";

#[test]
fn each_line_is_a_row_and_fails_alone() {
    let edge = Edge::start_with(true);
    let answer = post(&edge, LINES, ROWS.as_bytes());
    assert_eq!(answer.status(), 202, "{}", answer.0);
    assert_eq!(statuses(&answer), ["accepted", "accepted", "rejected"]);
    let body = answer.json();
    assert_eq!(body["results"][2]["errors"][0]["code"], "malformed");
    assert_eq!(body["results"][2]["errors"][0]["value"], "not json");
    assert_eq!(body["results"][1]["event_id"], "e2");

    for (name, content, expected) in [
        ("not UTF-8", b"{\"action\":\"signup\",\"event_id\":\"a\"}\n\xff\n".as_slice(), vec!["accepted", "rejected"]),
        ("a row and a half", b"{\"action\":\"signup\",\"event_id\":\"a\"} {}\n{\"act", vec!["rejected", "rejected"]),
        ("no object", b"[]\n7\n", vec!["rejected", "rejected"]),
        ("blank lines around", b"\n\r\n{\"action\":\"signup\",\"event_id\":\"a\"}\n\n", vec!["accepted"]),
    ] {
        for content_type in ["application/x-ndjson", "application/jsonl; charset=utf-8", "text/x-ndjson"] {
            let answer = post(&edge, &format!("Content-Type: {content_type}\r\n"), content);
            assert_eq!(statuses(&answer), expected, "{name}");
        }
    }
    let many = "{}\n".repeat(1001);
    for (content, problem) in [("\n\r\n", "invalid-batch"), (many.as_str(), "invalid-batch")] {
        let answer = post(&edge, LINES, content.as_bytes());
        assert_eq!((answer.status(), answer.problem().as_str()), (422, problem));
    }
}

#[test]
fn a_compressed_body_is_what_it_was_before() {
    let edge = Edge::start_with(true);
    let plain = post(&edge, LINES, ROWS.as_bytes()).json();
    for (coding, body) in [("gzip", GZIPPED), ("X-GZIP", GZIPPED), ("zstd", ZSTANDARD), ("identity", ROWS.as_bytes())] {
        let answer = post(&edge, &format!("{LINES}Content-Encoding: {coding}\r\n"), body);
        assert_eq!((answer.status(), answer.json()), (202, plain.clone()), "{coding}");
    }
    let answer = post(&edge, "Content-Encoding: zstd\r\n", FRAMES);
    assert_eq!(answer.json()["results"][0]["event_id"], "e3");
    // A frame to be skipped (RFC 8878, 3.1.2) is no data; gzip has members instead.
    let skipped = [b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc", FRAMES].concat();
    assert_eq!(post(&edge, "Content-Encoding: zstd\r\n", &skipped).status(), 202);
    let members = [GZIPPED, GZIPPED].concat();
    let answer = post(&edge, &format!("{LINES}Content-Encoding: gzip\r\n"), &members);
    assert_eq!(statuses(&answer).len(), 6);
}

#[test]
fn a_body_that_is_not_what_it_says_is_refused() {
    let edge = Edge::start();
    let encoded = |coding: &str| format!("{LINES}Content-Encoding: {coding}\r\n");
    let half = |body: &'static [u8]| &body[..body.len() / 2];
    let frames = FRAMES.repeat(20);
    for (name, headers, body, status) in [
        ("no gzip", encoded("gzip"), ROWS.as_bytes(), 400),
        ("no zstd", encoded("zstd"), ROWS.as_bytes(), 400),
        ("half a gzip", encoded("gzip"), half(GZIPPED), 400),
        ("half a zstd", encoded("zstd"), half(ZSTANDARD), 400),
        ("a gzip with a tail", encoded("gzip"), &[GZIPPED, b"x"].concat(), 400),
        ("a zstd with a tail", encoded("zstd"), &[ZSTANDARD, b"x"].concat(), 400),
        ("sixty frames", encoded("zstd"), &frames, 400),
        ("a coding that is none", encoded("br"), ROWS.as_bytes(), 415),
        ("two codings", encoded("gzip, zstd"), GZIPPED, 415),
        ("one twice", encoded("gzip\r\nContent-Encoding: gzip"), GZIPPED, 415),
    ] {
        let answer = post(&edge, &headers, body);
        assert_eq!(answer.status(), status, "{name}: {}", answer.0);
        if status == 415 {
            assert_eq!(answer.header("accept-encoding"), Some("gzip, zstd"));
        }
    }
}

/// 128 KiB a block (RFC 8878, 3.1.1.2), of one byte again and again.
fn zstd_bomb(descriptor: &[u8], blocks: usize) -> Vec<u8> {
    let run = |last: u32| ((131_072 << 3) | (1 << 1) | last).to_le_bytes();
    let mut bomb = [b"\x28\xb5\x2f\xfd", descriptor].concat();
    for block in 1..=blocks {
        bomb.extend_from_slice(&run(u32::from(block == blocks))[..3]);
        bomb.push(b' ');
    }
    bomb
}

fn gzip_bomb(mebibytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..mebibytes {
        encoder.write_all(&[b' '; 1 << 20]).expect("memory");
    }
    encoder.finish().expect("memory")
}

#[test]
fn a_bomb_is_refused_at_the_limit() {
    let edge = Edge::start();
    // A window of 1 MiB, of 8 MiB; one segment of 16 TiB; and what just fits, which is no JSON.
    let one_segment = [b"\xe0".as_slice(), &(1_u64 << 44).to_le_bytes()].concat();
    for (name, coding, body, status) in [
        ("gzip, 64 MiB", "gzip", gzip_bomb(64), 413),
        ("zstd, 512 MiB", "zstd", zstd_bomb(b"\x00\x50", 4096), 413),
        ("zstd, 512 MiB, a wide window", "zstd", zstd_bomb(b"\x00\x68", 4096), 413),
        ("zstd, a window of 3.75 TiB", "zstd", zstd_bomb(b"\x00\xff", 9), 413),
        ("zstd, one segment", "zstd", zstd_bomb(&one_segment, 9), 413),
        ("zstd that fits", "zstd", zstd_bomb(b"\x00\x50", 8), 400),
        ("gzip that fits", "gzip", gzip_bomb(1), 400),
    ] {
        let answer = post(&edge, &format!("Content-Encoding: {coding}\r\n"), &body);
        assert_eq!(answer.status(), status, "{name}: {}", answer.0);
    }
}

#[test]
fn many_members_and_many_rows_are_refused_before_they_cost_anything() {
    let edge = Edge::start();
    let member = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    };
    let parts = [&b"["[..], br#"{"action":"signup","event_id":"e3"}"#, b"]"].map(member).concat();
    let gzip = "Content-Encoding: gzip\r\n";
    assert_eq!(post(&edge, gzip, &parts).status(), 503, "three members are one body");
    let empty = member(b"").repeat(17);
    let refused = post(&edge, gzip, &empty);
    assert!(refused.status() == 400 && refused.0.contains("more than 16 members"), "{}", refused.0);
    let zeros = format!("[{}0]", "0,".repeat(400_000));
    let refused = post(&edge, "", zeros.as_bytes());
    assert!(refused.status() == 422 && refused.0.contains("400001 events"), "{}", refused.0);
}

#[test]
fn what_is_only_tried_gets_its_answer_and_is_not_recorded() {
    // Neither Kafka nor the spool takes anything here: to record is to fail.
    let edge = Edge::start();
    let good = r#"{"action":"purchase","event_id":"e","value":1}"#;
    let key = format!("X-API-KEY: {API_KEY}\r\n");
    let header = format!("{key}X-Validate-Only: true\r\n");
    for (line, headers) in [
        ("POST /api/v1/events?validate_only=true", &key),
        ("POST /event/purchase?x=1&validate_only", &key),
        ("POST /api/v1/events", &header),
    ] {
        let answer = edge.request(line, headers, good);
        let body = answer.json();
        assert_eq!((answer.status(), &body["status"], &body["validate_only"]), (200, &json!("valid"), &json!(true)));
        assert_eq!(body["event_id"], "e");
        assert_eq!(body["conversion_id"].as_str().map(str::len), Some(32));
        let answer = edge.request(line, headers, &format!("[{good},{{}}]"));
        assert_eq!((answer.status(), statuses(&answer)), (200, vec!["valid".to_owned(), "rejected".to_owned()]));
        let answer = edge.request(line, headers, "{}");
        assert_eq!((answer.status(), answer.problem().as_str()), (422, "invalid-event"));
        assert_eq!(answer.json()["validate_only"], json!(true));
    }
    for (line, status) in [
        ("POST /api/v1/events?validate_only=false", 503),
        ("POST /api/v1/events?validate_only=yes", 400),
        ("POST /api/v1/events?validate_only=true&validate_only=false", 200),
    ] {
        assert_eq!(edge.request(line, &key, good).status(), status, "{line}");
    }
}

proptest::proptest! {
    #[test]
    fn a_damaged_body_is_decoded_or_refused_without_a_panic(
        damage in proptest::collection::vec((0_usize..256, proptest::prelude::any::<u8>()), 0..4),
        length in 0_usize..256,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for (coding, whole) in [(Coding::Gzip, GZIPPED), (Coding::Zstd, ZSTANDARD), (Coding::Zstd, FRAMES)] {
            let mut body = whole[..length.min(whole.len())].to_vec();
            for (at, byte) in &damage {
                if let Some(place) = body.get_mut(*at) {
                    *place = *byte;
                }
            }
            let decoded = runtime.block_on(coding::decode(body.into(), coding, schemas::limits::BODY_BYTES));
            assert!(decoded.is_err() || decoded.is_ok_and(|decoded| decoded.len() <= schemas::limits::BODY_BYTES));
        }
    }
}
