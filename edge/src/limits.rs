//! How much one sender may ask for: rates of each API key and of each network (/24 of IPv4, /48 of IPv6), connections
//! of each address. Shared by all workers of an edge; other edges count for themselves.
//!
//! A redirect over its limit still redirects, uncounted; an event gets 429 with the IETF's `RateLimit` fields
//! (draft-ietf-httpapi-ratelimit-headers) and `Retry-After`. The algorithm is GCRA (crate governor) on a table of fixed
//! size, so that nobody's addresses cost memory.

mod config;
mod table;

pub use config::Config;
use config::{Network, Rate};

use crate::http::Reply;
use crate::http::problem::{Kind, Problem};
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};
use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER};
use metrics::{Counter, counter};
use schemas::id::KeyHash;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};
use table::Table;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Networks and keys told apart at once; each takes 16 bytes. Of more, the ones that were quiet longest are forgotten.
const SENDERS: usize = 1 << 16;
/// Rejections that anybody can cause, recorded each second by a worker: enough to see who, too few to fill a topic.
const RECORDED_PER_SECOND: u32 = 10;

type Limiter = RateLimiter<u64, Table, MonotonicClock, StateInformationMiddleware>;

/// One kind of limit.
struct Limit {
    limiter: Limiter,
    /// `RateLimit-Policy`, and the policy's name in `RateLimit`.
    policy: HeaderValue,
    name: &'static str,
    quota: Quota,
}

impl Limit {
    fn new(name: &'static str, rate: Rate) -> Option<Limit> {
        let per_second = NonZeroU32::new(rate.per_second)?;
        let burst = NonZeroU32::new(rate.burst.max(rate.per_second))?;
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let window = burst.get().div_ceil(per_second.get());
        let policy = HeaderValue::try_from(format!("\"{name}\";q={burst};w={window}")).ok()?;
        let limiter = RateLimiter::new(quota, Table::new(SENDERS), MonotonicClock);
        Some(Limit { limiter, policy, name, quota })
    }

    /// What is left of the quota, or how long to wait.
    fn take(&self, sender: u64) -> Result<u32, Duration> {
        match self.limiter.check_key(&sender) {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(until) => Err(until.wait_time_from(self.limiter.clock().now())),
        }
    }

    fn left(&self, left: u32) -> Option<HeaderValue> {
        let full_after = self.quota.replenish_interval() * (self.quota.burst_size().get() - left);
        let value = format!("\"{}\";r={left};t={}", self.name, seconds(full_after));
        HeaderValue::try_from(value).ok()
    }

    fn refusal(&self, wait: Duration) -> Problem {
        let detail = format!("over the limit {:?} of {}: wait {} s", self.name, self.policy_text(), seconds(wait));
        let problem = Problem::new(Kind::RateLimited, detail).with_header(RATE_LIMIT_POLICY, self.policy.clone());
        let left = HeaderValue::try_from(format!("\"{}\";r=0;t={}", self.name, seconds(wait)));
        let problem = left.into_iter().fold(problem, |problem, left| problem.with_header(RATE_LIMIT, left));
        problem.with_header(RETRY_AFTER, HeaderValue::from(seconds(wait)))
    }

    fn policy_text(&self) -> &str {
        self.policy.to_str().unwrap_or_default()
    }
}

/// Rounded up, and never none.
fn seconds(duration: Duration) -> u64 {
    (duration.as_millis().div_ceil(1000)).try_into().map_or(u64::MAX, |seconds: u64| seconds.max(1))
}

/// What all workers of an edge share.
pub struct Limits {
    clicks: Option<Limit>,
    keys: Option<Limit>,
    anonymous: Option<Limit>,
    exempt: Vec<Network>,
    hasher: RandomState,
    pub connections: usize,
}

/// Whom a limit counts. Keyed by chance, so that nobody can choose whom to collide with.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    /// None: no limit is for it.
    network: Option<u64>,
    address: u64,
}

impl Sender {
    /// One that no limit is for.
    #[cfg(test)]
    pub const EXEMPT: Sender = Sender { network: None, address: 0 };
}

/// What an event's answer tells of its quota.
pub struct Standing<'a> {
    limit: Option<(&'a Limit, u32)>,
}

impl Standing<'_> {
    /// Says in an answer how much is left.
    pub fn told(&self, result: Result<Reply, Problem>) -> Result<Reply, Problem> {
        let mut reply = result?;
        if let Some((limit, left)) = self.limit {
            reply.headers_mut().insert(RATE_LIMIT_POLICY, limit.policy.clone());
            limit.left(left).into_iter().for_each(|left| drop(reply.headers_mut().insert(RATE_LIMIT, left)));
        }
        Ok(reply)
    }
}

impl Limits {
    /// `workers` share the connections of one address, since the kernel spreads them.
    pub fn new(config: &Config, workers: u16) -> Limits {
        Limits {
            clicks: Limit::new("clicks", config.clicks),
            keys: Limit::new("key", config.events),
            anonymous: Limit::new("network", config.anonymous),
            exempt: config.exempt.clone(),
            hasher: RandomState::new(),
            connections: (config.connections as usize).div_ceil(usize::from(workers.max(1))),
        }
    }

    pub fn sender(&self, address: IpAddr) -> Sender {
        let address = address.to_canonical();
        if self.exempt.iter().any(|network| network.contains(address)) {
            return Sender { network: None, address: 0 };
        }
        let (network, one) = match address {
            IpAddr::V4(address) => (Network::new(address.into(), 24), Network::new(address.into(), 32)),
            IpAddr::V6(address) => (Network::new(address.into(), 48), Network::new(address.into(), 64)),
        };
        Sender { network: Some(self.hasher.hash_one(network)), address: self.hasher.hash_one(one) }
    }

    /// Whether a click of this sender is counted.
    pub fn click(&self, sender: Sender) -> bool {
        let (Some(limit), Some(network)) = (&self.clicks, sender.network) else { return true };
        limit.take(network).is_ok()
    }

    /// A request with a known API key counts for the key, any other for its network.
    pub fn request(&self, sender: Sender, key: Option<&KeyHash>) -> Result<Standing<'_>, Problem> {
        let (limit, of) = match (key, sender.network) {
            (Some(key), _) => (&self.keys, self.hasher.hash_one(key)),
            (None, Some(network)) => (&self.anonymous, network),
            (None, None) => return Ok(Standing { limit: None }),
        };
        let Some(limit) = limit else { return Ok(Standing { limit: None }) };
        match limit.take(of) {
            Ok(left) => Ok(Standing { limit: Some((limit, left)) }),
            Err(wait) => Err(limit.refusal(wait)),
        }
    }
}

/// What one worker keeps of it.
pub struct Local {
    connections: RefCell<HashMap<u64, usize>>,
    recorded: Cell<(Option<Instant>, u32)>,
    clicks: Counter,
    requests: Counter,
    unrecorded: Counter,
}

impl Local {
    pub fn new() -> Local {
        let limited = |what: &'static str| counter!("edge_limited_total", "what" => what);
        Local {
            connections: RefCell::default(),
            recorded: Cell::new((None, 0)),
            clicks: limited("clicks"),
            requests: limited("requests"),
            unrecorded: counter!("edge_limited_unrecorded_total"),
        }
    }

    /// Counts a click over its limit, and says whether it is one of those that are recorded.
    pub fn click_over(&self) -> bool {
        self.clicks.increment(1);
        self.keeps_rejection()
    }

    /// Whether what a stranger caused is recorded: only so many a second are.
    pub fn keeps_rejection(&self) -> bool {
        let now = Instant::now();
        let (since, count) = self.recorded.get();
        let since = since.filter(|since| now.duration_since(*since) < Duration::from_secs(1));
        let count = if since.is_some() { count + 1 } else { 1 };
        self.recorded.set((since.or(Some(now)), count));
        let record = count <= RECORDED_PER_SECOND;
        if !record {
            self.unrecorded.increment(1);
        }
        record
    }

    pub fn request_over(&self) {
        self.requests.increment(1);
    }

    /// Whether this sender may have one more; `disconnected` is to be called where it does.
    pub fn connected(&self, limits: &Limits, sender: Sender) -> bool {
        if sender.network.is_none() {
            return true;
        }
        let mut connections = self.connections.borrow_mut();
        let count = connections.entry(sender.address).or_default();
        let fits = *count < limits.connections;
        *count += usize::from(fits);
        fits
    }

    pub fn disconnected(&self, sender: Sender) {
        let mut connections = self.connections.borrow_mut();
        if let Some(count) = connections.get_mut(&sender.address) {
            *count -= 1;
            if *count == 0 {
                connections.remove(&sender.address);
            }
        }
    }
}

#[cfg(test)]
mod tests;
