//! Who is at the other end of a request: address, country, device, language, and what is suspicious about the address.
//!
//! What nothing asks for is not looked at, and a user agent is read once per worker and not at every click. An address
//! leaves the edge as a keyed hash only.

mod address;
mod agents;
mod config;
mod networks;
mod velocity;

pub use config::VisitorsConfig;
pub use networks::{Networks, NetworksError};

use agents::Agents;
use hyper::header::{ACCEPT_LANGUAGE, HeaderMap};
use schemas::mark::Program;
use schemas::record::catalog::{Device, System};
use std::cell::{Cell, OnceCell};
use std::net::IpAddr;
use std::sync::Arc;
use velocity::Velocity;

/// One worker's.
pub struct Visitors {
    config: VisitorsConfig,
    networks: Arc<Networks>,
    agents: Agents,
    velocity: Option<Velocity>,
}

impl Visitors {
    pub fn new(config: VisitorsConfig, networks: Arc<Networks>) -> Visitors {
        let velocity = config.velocity_above.map(|above| Velocity::new(above.get()));
        Visitors { config, networks, agents: Agents::default(), velocity }
    }

    /// Behind trusted proxies, who they say it is.
    pub fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        address::of_visitor(peer, headers, &self.config)
    }

    pub fn program(&self, user_agent: Option<&str>) -> Option<Program> {
        self.agents.program(user_agent)
    }

    /// Whether clicks keep device and operating system.
    pub fn keep_device(&self) -> bool {
        self.config.keep_device
    }

    /// Whether it can be known at all.
    pub fn knows_countries(&self) -> bool {
        self.networks.knows_countries() || self.config.country_header.is_some()
    }

    /// The data centre that an address belongs to.
    pub fn datacentre(&self, address: IpAddr) -> Option<String> {
        self.networks.datacentre(address)
    }

    /// Clicks of an address in the last minute, this one included, where they are more than the limit.
    pub fn velocity(&self, address: IpAddr, second: u64) -> Option<u32> {
        self.velocity.as_ref()?.click(address, second)
    }

    pub fn traits<'a>(
        &'a self,
        peer: IpAddr,
        address: IpAddr,
        headers: &'a HeaderMap,
        user_agent: Option<&'a str>,
    ) -> Traits<'a> {
        let source = Source { visitors: self, peer, address, headers, user_agent };
        Traits { source: Some(source), country: OnceCell::new(), device: Cell::new(None), language: OnceCell::new() }
    }
}

/// A country's two letters, in upper case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country([u8; 2]);

impl Country {
    /// Of two letters in any case; `XX` and `T1` are what proxies say for "unknown" and for Tor.
    fn parse(text: &str) -> Option<Country> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        let upper = letters.map(|letter| letter.to_ascii_uppercase());
        (letters.iter().all(u8::is_ascii_alphabetic) && upper != *b"XX").then_some(Country(upper))
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

/// What rules and macros ask of one visitor, each found out at the first question.
pub struct Traits<'a> {
    /// None in tests, where all is given.
    source: Option<Source<'a>>,
    country: OnceCell<Option<Country>>,
    device: Cell<Option<(Device, System)>>,
    language: OnceCell<Option<String>>,
}

struct Source<'a> {
    visitors: &'a Visitors,
    peer: IpAddr,
    address: IpAddr,
    headers: &'a HeaderMap,
    user_agent: Option<&'a str>,
}

impl Traits<'_> {
    pub fn country(&self) -> Option<&str> {
        let find = || {
            let source = self.source.as_ref()?;
            let visitors = source.visitors;
            let told = address::country(source.peer, source.headers, &visitors.config);
            told.or_else(|| visitors.networks.country(source.address))
        };
        self.country.get_or_init(find).as_ref().map(Country::as_str)
    }

    pub fn device(&self) -> (Device, System) {
        let unknown = (Device::Other, System::Other);
        let find = || self.source.as_ref().map_or(unknown, |source| source.visitors.agents.device(source.user_agent));
        let found = self.device.get().unwrap_or_else(find);
        self.device.set(Some(found));
        found
    }

    /// What the visitor likes best, its primary subtag.
    pub fn language(&self) -> Option<String> {
        let find = || {
            let header = self.source.as_ref()?.headers.get(ACCEPT_LANGUAGE)?;
            preferred(header.to_str().ok()?)
        };
        self.language.get_or_init(find).clone()
    }

    #[cfg(test)]
    pub fn fixed(country: Option<&str>, device: (Device, System), language: Option<&str>) -> Traits<'static> {
        Traits {
            source: None,
            country: OnceCell::from(country.and_then(Country::parse)),
            device: Cell::new(Some(device)),
            language: OnceCell::from(language.map(str::to_owned)),
        }
    }
}

/// Ranges looked at: browsers send a handful.
const RANGES: usize = 20;

/// Of `de-CH, en;q=0.8` the `de` (RFC 9110, 12.5.4); the first of equal ones.
fn preferred(header: &str) -> Option<String> {
    let mut best: Option<(u16, &str)> = None;
    for range in header.split(',').take(RANGES) {
        let (tag, weight) = range.split_once(';').unwrap_or((range, ""));
        let weight = quality(weight.trim());
        let primary = tag.trim().split('-').next().unwrap_or("");
        let named = (2..=3).contains(&primary.len()) && primary.bytes().all(|byte| byte.is_ascii_alphabetic());
        if named && weight > best.map_or(0, |(weight, _)| weight) {
            best = Some((weight, primary));
        }
    }
    best.map(|(_, primary)| primary.to_ascii_lowercase())
}

/// In thousandths.
fn quality(parameter: &str) -> u16 {
    let Some(value) = parameter.strip_prefix("q=") else { return 1000 };
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    let thousandths = format!("{decimals:0<3}").get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    if whole == "1" { 1000 } else { thousandths }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_language_is_the_heaviest_of_the_first() {
        for (header, expected) in [
            ("de-CH,de;q=0.9,en;q=0.8", Some("de")),
            ("en;q=0.5, fr;q=0.75, de;q=0.7", Some("fr")),
            ("*", None),
            ("*, EN;q=0.1", Some("en")),
            ("de;q=0", None),
            ("", None),
            ("gsw", Some("gsw")),
            ("x-klingon, de;q=1.0", Some("de")),
        ] {
            assert_eq!(preferred(header).as_deref(), expected, "{header}");
        }
    }
}
