//! Visitors and advertisers under faults: a visitor whose browser reached nobody tries again, an advertiser sends an
//! event again until it is taken, under the same id. What is acknowledged is noted before it counts.

use super::answer::Answer;
use super::generator::{Told as Next, Traffic};
use super::journal::{Journal, Told};
use schemas::token::peek_click;
use std::collections::HashMap;
use std::time::Duration;

/// Between two attempts; the same for all, so that what waits is in order.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub redirects: u64,
    pub clicks_acknowledged: u64,
    /// Redirects without a token: neither Kafka nor the spool had the click.
    pub shed: u64,
    pub events_acknowledged: u64,
    /// Events that were told to come again (503).
    pub put_off: u64,
    /// Requests that nobody answered, by whether the edge may have seen them; asked again.
    pub refused: u64,
    pub cut_off: u64,
    /// Answers that a visitor or an advertiser should never get.
    pub wrong: u64,
}

pub struct Visitors {
    clicks: Vec<String>,
    event: String,
    /// One request in so many is an event.
    event_every: u64,
    asked: u64,
    pub tally: Tally,
    /// The first wrong answer.
    pub complaint: Option<String>,
    pub journal: Journal,
    /// Events that were sent more than once: how often at most the edge saw them.
    pub sent: HashMap<u64, u32>,
}

pub enum Request {
    Click(u64),
    Event { number: u64, sent: u32 },
}

/// The id under which an event is sent, and found again.
pub fn event_id(number: u64) -> String {
    format!("storm-{number}")
}

pub fn event_number(id: &str) -> Option<u64> {
    id.strip_prefix("storm-")?.parse().ok()
}

impl Visitors {
    pub fn new(host: &str, api_key: &str, codes: &[&str], event_every: u64, journal: Journal) -> Visitors {
        let agent = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let click = |code| format!("GET /r/{code}?sub1=storm HTTP/1.1\r\nHost: {host}\r\n{agent}\r\n\r\n");
        let clicks = codes.iter().map(click).collect();
        let event = format!(
            "POST /api/v1/events HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nX-API-KEY: {api_key}\r\n"
        );
        let (tally, complaint, sent) = (Tally::default(), None, HashMap::new());
        Visitors { clicks, event, event_every, asked: 0, tally, complaint, journal, sent }
    }

    fn complain(&mut self, answer: &Answer<'_>) {
        self.tally.wrong += 1;
        if self.complaint.is_none() {
            self.complaint = Some(format!("{}: {}", answer.status, String::from_utf8_lossy(answer.body)));
        }
    }
}

impl Traffic for Visitors {
    type Request = Request;

    fn next(&mut self, _: usize) -> Request {
        self.asked += 1;
        let event = self.asked.is_multiple_of(self.event_every);
        if event { Request::Event { number: self.asked, sent: 0 } } else { Request::Click(self.asked) }
    }

    fn write(&self, request: &Request, out: &mut Vec<u8>) {
        match request {
            Request::Click(number) => {
                let place = (*number % self.clicks.len() as u64) as usize;
                out.extend_from_slice(self.clicks[place].as_bytes());
            }
            Request::Event { number, .. } => {
                let id = event_id(*number);
                let body = format!(
                    "{{\"action\":\"purchase\",\"event_id\":\"{id}\",\"value\":\"20\",\"ref_code\":\"alpha-demo\"}}"
                );
                let head = format!("{}Content-Length: {}\r\n\r\n", self.event, body.len());
                out.extend_from_slice(head.as_bytes());
                out.extend_from_slice(body.as_bytes());
            }
        }
    }

    fn answered(&mut self, request: &mut Request, _: usize, answer: &Answer<'_>) -> Next {
        match request {
            Request::Click(_) if answer.status == 302 => {
                match answer.token().map(peek_click) {
                    Some(Ok(click)) => {
                        self.journal.note(Told::Click(click.0));
                        self.tally.clicks_acknowledged += 1;
                    }
                    Some(Err(_)) => self.complain(answer),
                    None => self.tally.shed += 1,
                }
                self.tally.redirects += 1;
            }
            Request::Event { number, sent } => {
                *sent += 1;
                if *sent > 1 {
                    self.sent.insert(*number, *sent);
                }
                match answer.status {
                    202 => {
                        self.journal.note(Told::Event(*number));
                        self.tally.events_acknowledged += 1;
                    }
                    503 => {
                        self.tally.put_off += 1;
                        return Next::Again(PAUSE);
                    }
                    _ => self.complain(answer),
                }
            }
            Request::Click(_) => self.complain(answer),
        }
        Next::Done
    }

    fn unanswered(&mut self, request: &mut Request, seen: bool) -> Option<Duration> {
        if seen {
            self.tally.cut_off += 1
        } else {
            self.tally.refused += 1
        }
        if let Request::Event { number, sent } = request
            && seen
        {
            *sent += 1;
            self.sent.insert(*number, *sent + 1);
        }
        Some(PAUSE)
    }
}
