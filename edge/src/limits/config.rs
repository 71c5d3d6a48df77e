//! `[edge.limits]` of the configuration.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use service::HumanDuration;
use std::net::IpAddr;
use std::time::Duration;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Host names that are answered, without port; empty: all. `/health` is answered under any.
    pub hosts: Vec<String>,
    /// Counted clicks of one network (/24, /48).
    pub clicks: Rate,
    /// Requests with one API key; each may bring 1,000 events.
    pub events: Rate,
    /// Requests of one network that bring no known API key.
    pub anonymous: Rate,
    /// Connections of one address (/32, /64).
    pub connections: u32,
    /// Networks without limits, such as load balancers and load tests.
    pub exempt: Vec<Network>,
    /// For a request's head, and between two requests of a connection.
    pub head_time: HumanDuration,
    /// What requests under way get beyond `acknowledge_wait` when the edge stops.
    pub stop_time: HumanDuration,
}

impl Default for Config {
    /// A carrier's /24 brings some hundred clicks a second of a large campaign; one address of it opens six connections
    /// for each browser behind it.
    fn default() -> Config {
        Config {
            hosts: Vec::new(),
            clicks: Rate { per_second: 500, burst: 2000 },
            events: Rate { per_second: 5000, burst: 20_000 },
            anonymous: Rate { per_second: 50, burst: 200 },
            connections: 2000,
            exempt: vec![Network::new(IpAddr::from([127, 0, 0, 0]), 8), Network::new(IpAddr::from(LOOPBACK), 128)],
            // Longer than a browser waits before it opens another.
            head_time: HumanDuration::millis(15_000),
            stop_time: HumanDuration::millis(3000),
        }
    }
}

const LOOPBACK: [u16; 8] = [0, 0, 0, 0, 0, 0, 0, 1];

impl Config {
    pub fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        for host in &self.hosts {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-[]:".contains(&byte);
            if host.is_empty() || !host.bytes().all(plain) || host.contains(':') != host.starts_with('[') {
                errors.push(format!("limits.hosts: {host:?} is no host name without a port"));
            }
        }
        let head = self.head_time.0;
        if head < Duration::from_millis(100) || head > Duration::from_secs(300) {
            errors.push(format!("limits.head_time {head:?} is not between 100ms and 5m"));
        }
        if self.connections == 0 {
            errors.push("limits.connections 0 would answer nobody".into());
        }
        errors
    }
}

/// So many a second; the burst is what may come at once after a quiet time. 0 a second: no limit.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    pub per_second: u32,
    #[serde(default)]
    pub burst: u32,
}

/// Addresses with the same first bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network {
    bits: u128,
    length: u8,
    v6: bool,
}

impl Network {
    /// `length` beyond an address's own bits is all of them.
    pub fn new(address: IpAddr, length: u8) -> Network {
        let (bits, v6) = match address {
            IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, false),
            IpAddr::V6(address) => (u128::from(address), true),
        };
        let length = length.min(if v6 { 128 } else { 32 });
        let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        Network { bits: bits & mask, length, v6 }
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        *self == Network::new(address, self.length)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Network, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bad = || D::Error::custom(format!("{text:?} is no network like \"10.0.0.0/8\""));
        let (address, length) = text.split_once('/').unwrap_or((&text, "128"));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let length: u8 = length.parse().map_err(|_| bad())?;
        if text.contains('/') && length > if address.is_ipv6() { 128 } else { 32 } {
            return Err(bad());
        }
        Ok(Network::new(address, length))
    }
}
