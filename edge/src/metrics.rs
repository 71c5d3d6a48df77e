//! The edge's metrics. Handles are looked up once per worker: the macros would search a registry at every request.

use metrics::{Counter, Histogram, counter, histogram};
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

/// Where a request went, as `edge_requests_total` shows it; few, since each is a label.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RouteName {
    Redirect,
    Events,
    Postback,
    Pixel,
    Collect,
    Script,
    OpenApi,
    Health,
    Metrics,
    Unknown,
    /// Refused before its path was looked at.
    Refused,
}

impl RouteName {
    fn name(self) -> &'static str {
        match self {
            RouteName::Redirect => "redirect",
            RouteName::Events => "events",
            RouteName::Postback => "postback",
            RouteName::Pixel => "pixel",
            RouteName::Collect => "collect",
            RouteName::Script => "script",
            RouteName::OpenApi => "openapi",
            RouteName::Health => "health",
            RouteName::Metrics => "metrics",
            RouteName::Unknown => "unknown",
            RouteName::Refused => "refused",
        }
    }
}

pub struct Metrics {
    requests: RefCell<HashMap<(RouteName, u16), Counter>>,
    not_counted: RefCell<HashMap<&'static str, Counter>>,
    pub clicks: Counter,
    /// Neither Kafka nor the spool had it in time.
    pub clicks_shed: Counter,
    /// Too many waited already.
    pub clicks_crowded: Counter,
    pub clicks_late: Counter,
    pub events_accepted: Counter,
    pub events_rejected: Counter,
    pub events_unavailable: Counter,
    pub events_late: Counter,
    pub rejected_lost: Counter,
    /// All that one thread takes were open.
    pub connections_refused: Counter,
    /// All that one address may have were open.
    pub connections_limited: Counter,
    ack_seconds: Histogram,
}

impl Metrics {
    pub fn new() -> Metrics {
        let events = |result: &'static str| counter!("edge_events_total", "result" => result);
        let shed = |reason: &'static str| counter!("edge_clicks_shed_total", "reason" => reason);
        let refused = |reason: &'static str| counter!("edge_connections_refused_total", "reason" => reason);
        Metrics {
            requests: RefCell::default(),
            not_counted: RefCell::default(),
            clicks: counter!("edge_clicks_total"),
            clicks_shed: shed("unavailable"),
            clicks_crowded: shed("crowded"),
            clicks_late: counter!("edge_clicks_late_total"),
            events_accepted: events("accepted"),
            events_rejected: events("rejected"),
            events_unavailable: events("unavailable"),
            events_late: counter!("edge_events_late_total"),
            rejected_lost: counter!("edge_rejected_lost_total"),
            connections_refused: refused("full"),
            connections_limited: refused("address"),
            ack_seconds: histogram!("edge_ack_seconds"),
        }
    }

    pub fn request(&self, route: RouteName, status: u16) {
        let mut requests = self.requests.borrow_mut();
        let counter = requests.entry((route, status)).or_insert_with(
            || counter!("edge_requests_total", "route" => route.name(), "status" => status.to_string()),
        );
        counter.increment(1);
    }

    /// A redirect that is no click.
    pub fn not_counted(&self, reason: &'static str) {
        let mut counters = self.not_counted.borrow_mut();
        let counter =
            counters.entry(reason).or_insert_with(|| counter!("edge_redirects_not_counted_total", "reason" => reason));
        counter.increment(1);
    }

    /// From handing a record to the producer to Kafka's acknowledgement.
    pub fn acknowledged(&self, after: Duration) {
        self.ack_seconds.record(after);
    }
}
