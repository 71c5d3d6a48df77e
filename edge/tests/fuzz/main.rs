//! What strangers send, changed at random for a bounded time: no parser panics, and none takes more memory than a small
//! multiple of what it was given.
//!
//! `FUZZ_SEED=n` repeats a run, `FUZZ_SECONDS=n` lets each target run so long (default: 2).

mod memory;
mod mutate;

use edge::fuzzing::Doors;
use mutate::Mutator;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

#[global_allocator]
static MEMORY: memory::Counting = memory::Counting;

/// Bytes that any input may cost, and for each of its own.
const FIXED: usize = 256 * 1024;

struct Target {
    name: &'static str,
    run: fn(&Doors, &[u8]),
    seeds: fn(&Doors) -> Vec<Vec<u8>>,
    words: &'static [&'static str],
    /// Bytes at once for each byte of the input.
    factor: usize,
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

const TARGETS: &[Target] = &[
    Target {
        name: "token",
        run: Doors::token,
        seeds: |doors| doors.signed().map(String::into_bytes).into(),
        words: &["-", "_", "=", "+", "/", "A", "é", "\0"],
        factor: 4,
    },
    Target {
        name: "query",
        run: Doors::query,
        seeds: |_| {
            texts(&[
                "sub1=a&sub2=b&source=mail&aff_sub3=x",
                "s1=%2f%2fevil.example&sub10=%0d%0aSet-Cookie:x&sub_id_2=é+%ff",
            ])
        },
        words: &[
            "&",
            "=",
            "%",
            "%0d%0a",
            "%00",
            "+",
            "sub1=",
            "sub10=",
            "{click_id}",
            "\\",
            "\t",
            "%5c",
            "é",
            "#",
            "//",
        ],
        factor: 8,
    },
    Target {
        name: "macros",
        run: Doors::destination,
        seeds: |_| {
            texts(&[
                "https://shop.example/p?a=1&cid={click_id}#{sub2}",
                "https://shop.example:8443/{ref_code}/{sub1}?j={%22a%22:1}",
                "http://münchen.example/%7Bsub3%7D",
            ])
        },
        words: &[
            "{",
            "}",
            "{sub1}",
            "%7Bsub2%7D",
            "{sub11}",
            "{payout}",
            "@",
            ":",
            "//",
            "\\",
            "?",
            "#",
            "[::1]",
            "\t",
            "\n",
            "é",
            "%",
            "https://",
            "javascript:",
            "evil.example",
            "xn--",
            ".",
        ],
        factor: 64,
    },
    Target {
        name: "event JSON",
        run: Doors::events,
        seeds: |_| {
            texts(&[
                r#"{"action":"purchase","event_id":"e-1","order_id":"o","value":"12.50","currency":"EUR","customer_id":"c","items":[{"sku":"a","quantity":2,"price":"3"}]}"#,
                r#"[{"action":"signup","event_id":"x","landing_url":"https://a.example/?click_id=T&ref_code=r"},{"action":"refund","refund_of":"e","value":1e3}]"#,
                r#"{"action":"custom","event_id":"é\u0000\ud83d\ude00","properties":{"a":[1,{"b":null}]},"occurred_at":"2026-01-01T00:00:00Z"}"#,
            ])
        },
        words: &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\\u0000",
            "\\ud800",
            "null",
            "true",
            "1e999999999",
            "-0",
            "0.000001",
            "1E-400",
            "99999999999999999999999999999999999999",
            "[[[[[[[[",
            "{\"a\":",
            "\"value\":",
            "\"items\":",
            "\"occurred_at\":\"",
            "\"properties\":{",
            "é",
            "\u{feff}",
            "253402300800000000",
        ],
        factor: 48,
    },
    Target {
        name: "postback",
        run: Doors::postback,
        seeds: |doors| {
            let [token, _] = doors.signed();
            let good = format!("cid={token}&txid=o-1&payout=12.50&currency=EUR&status=approved&event=lead");
            vec![good.into_bytes(), b"transaction_id=x&order_id=%6f&sum=1e3&status=3&goal=a+b".to_vec()]
        },
        words: &[
            "&",
            "=",
            "%",
            "%00",
            "+",
            "click_id=",
            "txid=",
            "payout=",
            "status=",
            "event=",
            "-1",
            "1e99",
            "é",
            "%ff",
        ],
        factor: 64,
    },
    Target {
        name: "signature",
        run: Doors::signature,
        seeds: |_| {
            let hex = "0123456789abcdef".repeat(4);
            vec![format!("1700000000\nAAAAAAAAAAAAAAAA\nv1={hex}").into_bytes()]
        },
        words: &["\n", "v1=", "v2=", "-", "_", "9999999999999999999", " ", "é", "\0", "=="],
        factor: 32,
    },
    Target {
        name: "spool records",
        run: Doors::spool,
        seeds: |_| vec![Doors::segment(), Doors::segment()[16..].to_vec()],
        words: &["\0\0\0\0", "\u{7f}\u{7f}\u{7f}\u{7f}", "key", "value"],
        factor: 4,
    },
    Target {
        name: "connection",
        run: Doors::wire,
        seeds: |_| {
            texts(&[
                "GET /r/a?b HTTP/1.1\r\nHost: a\r\nCookie: x\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\na\nb\n\nGET / HTTP/1.1\r\n\r\n",
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\nGET /",
            ])
        },
        words: &[
            "\r\n",
            "\n",
            "\r",
            "\r\n\r\n",
            "Content-Length: ",
            "Transfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
            "ffffffffffffff\r\n",
            "99999999999999",
            ";",
            ":",
            " ",
            "\0",
        ],
        factor: 8,
    },
];

#[test]
fn no_input_of_strangers_panics_or_takes_more_memory_than_it_may() {
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed
        .unwrap_or_else(|| u64::from(std::process::id()) << 20 | u64::from(Instant::now().elapsed().subsec_nanos()));
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(2);
    println!("FUZZ_SEED={seed}");
    let doors = Doors::default();
    for target in TARGETS {
        // What is made once, such as the schemas, is nobody's input.
        (target.seeds)(&doors).iter().for_each(|seed| (target.run)(&doors, seed));
        let mut mutator = Mutator::new(seed, (target.seeds)(&doors), target.words);
        let (until, mut runs, mut worst) = (Instant::now() + Duration::from_secs(seconds), 0_u64, 0);
        while Instant::now() < until {
            let input = mutator.next();
            let before = memory::begin();
            let result = catch_unwind(AssertUnwindSafe(|| (target.run)(&doors, &input)));
            let peak = memory::peak_since(before);
            let most = FIXED + target.factor * input.len();
            let shown = || input.escape_ascii().to_string();
            assert!(result.is_ok(), "{} with FUZZ_SEED={seed}, run {runs}: b\"{}\"", target.name, shown());
            assert!(peak <= most, "{} took {peak} of {most} bytes, FUZZ_SEED={seed}: b\"{}\"", target.name, shown());
            worst = worst.max(peak);
            runs += 1;
        }
        println!("{}: {runs} inputs, at most {worst} bytes at once", target.name);
        assert!(runs > 100, "{}: {runs}", target.name);
    }
}
