//! Clicks and events as visitors and advertisers send them, and how many of them the server acknowledged.

use super::answer::Answer;
use super::generator::{Told, Traffic};
use std::time::Duration;

/// A browser's headers, the same for every server that is measured.
const BROWSER: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
                       Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n\
                       Referer: https://news.example/article/42\r\n";
/// Clicks of a visitor on one connection, before another visitor has it: by turns, 2.5 on average.
const VISIT: [u32; 2] = [2, 3];

/// `GET /r/...`: a redirect. A visitor's first click has no cookie, the next ones have the one that it was given.
pub struct Clicks {
    /// What does not change, for each path one: request line to the last fixed header.
    heads: Vec<String>,
    /// By connection.
    visitors: Vec<Visitor>,
    asked: usize,
    /// Redirects, and among them those with a token.
    pub redirected: u64,
    pub acknowledged: u64,
    pub other: u64,
}

#[derive(Clone, Default)]
struct Visitor {
    cookie: Option<String>,
    clicks: u32,
    visits: usize,
}

pub struct Click {
    head: usize,
    cookie: Option<String>,
}

impl Clicks {
    pub fn new(host: &str, paths: &[&str], connections: usize) -> Clicks {
        let heads = paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{BROWSER}")).collect();
        let visitors = vec![Visitor::default(); connections];
        Clicks { heads, visitors, asked: 0, redirected: 0, acknowledged: 0, other: 0 }
    }
}

impl Traffic for Clicks {
    type Request = Click;

    fn next(&mut self, connection: usize) -> Click {
        self.asked += 1;
        let visitor = &mut self.visitors[connection];
        if visitor.clicks >= VISIT[visitor.visits % VISIT.len()] {
            *visitor = Visitor { cookie: None, clicks: 0, visits: visitor.visits + 1 };
        }
        visitor.clicks += 1;
        Click { head: self.asked % self.heads.len(), cookie: visitor.cookie.clone() }
    }

    fn write(&self, click: &Click, out: &mut Vec<u8>) {
        out.extend_from_slice(self.heads[click.head].as_bytes());
        if let Some(cookie) = &click.cookie {
            out.extend_from_slice(b"Cookie: ");
            out.extend_from_slice(cookie.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    fn answered(&mut self, _: &mut Click, connection: usize, answer: &Answer<'_>) -> Told {
        if answer.status == 302 {
            self.redirected += 1;
            self.acknowledged += u64::from(answer.token().is_some());
        } else {
            self.other += 1;
        }
        if let Some(cookie) = answer.header(b"set-cookie") {
            let pair = cookie.split(|byte| *byte == b';').next().unwrap_or_default();
            self.visitors[connection].cookie = std::str::from_utf8(pair).ok().map(str::to_owned);
        }
        Told::Done
    }

    fn unanswered(&mut self, _: &mut Click, _: bool) -> Option<Duration> {
        None
    }
}

/// `POST /api/v1/events`: a purchase each, with an id of its own.
pub struct Events {
    head: String,
    ids: String,
    asked: u64,
    pub acknowledged: u64,
    pub other: u64,
}

impl Events {
    /// `ids` begins every event's id.
    pub fn new(host: &str, api_key: &str, ids: String) -> Events {
        let head = format!(
            "POST /api/v1/events HTTP/1.1\r\nHost: {host}\r\nUser-Agent: shop/1.0\r\nAccept: */*\r\n\
             Content-Type: application/json\r\nX-API-KEY: {api_key}\r\n"
        );
        Events { head, ids, asked: 0, acknowledged: 0, other: 0 }
    }
}

impl Traffic for Events {
    type Request = u64;

    fn next(&mut self, _: usize) -> u64 {
        self.asked += 1;
        self.asked
    }

    fn write(&self, number: &u64, out: &mut Vec<u8>) {
        let id = format!("{}{number}", self.ids);
        let body = format!(
            "{{\"action\":\"purchase\",\"event_id\":\"{id}\",\"order_id\":\"o-{id}\",\"value\":\"129.90\",\
             \"currency\":\"EUR\",\"ref_code\":\"alpha-demo\",\"customer_id\":\"c-{id}\",\
             \"landing_url\":\"https://shop.example/checkout?step=3\",\
             \"properties\":{{\"channel\":\"paid-search\",\"sku\":\"A-10042\",\"quantity\":\"1\"}}}}"
        );
        let head = format!("{}Content-Length: {}\r\n\r\n", self.head, body.len());
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(body.as_bytes());
    }

    fn answered(&mut self, _: &mut u64, _: usize, answer: &Answer<'_>) -> Told {
        if matches!(answer.status, 200 | 202) {
            self.acknowledged += 1
        } else {
            self.other += 1
        }
        Told::Done
    }

    fn unanswered(&mut self, _: &mut u64, _: bool) -> Option<Duration> {
        None
    }
}
