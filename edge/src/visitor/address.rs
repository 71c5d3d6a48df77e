//! The visitor's address and country as trusted proxies tell them. Anybody else could send the same headers.

use super::Country;
use super::config::{ForwardedHeader, VisitorsConfig};
use hyper::header::HeaderMap;
use std::net::{IpAddr, SocketAddr};

/// Proxies between the visitor and us that are looked through.
const HOPS: usize = 20;

/// The last address that no trusted proxy has; what it says of itself, nobody vouches for.
pub fn of_visitor(peer: IpAddr, headers: &HeaderMap, config: &VisitorsConfig) -> IpAddr {
    let peer = peer.to_canonical();
    if !trusted(peer, config) {
        return peer;
    }
    let (name, parse) = match config.forwarded_header {
        ForwardedHeader::XForwardedFor => ("x-forwarded-for", plain as fn(&str) -> Option<IpAddr>),
        ForwardedHeader::Forwarded => ("forwarded", element as fn(&str) -> Option<IpAddr>),
    };
    let mut nearest = peer;
    // Each proxy adds at the end; several lines are one list (RFC 9110, 5.3).
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    let hops = lines.iter().rev().flat_map(|line| line.to_str().unwrap_or("").rsplit(','));
    for hop in hops.take(HOPS) {
        // Hidden or garbled: who was before that, nobody can know.
        let Some(address) = parse(hop.trim()) else { break };
        nearest = address;
        if !trusted(address, config) {
            break;
        }
    }
    nearest
}

pub fn country(peer: IpAddr, headers: &HeaderMap, config: &VisitorsConfig) -> Option<Country> {
    let name = config.country_header.as_deref()?;
    if !trusted(peer.to_canonical(), config) {
        return None;
    }
    Country::parse(headers.get(name)?.to_str().ok()?.trim())
}

fn trusted(address: IpAddr, config: &VisitorsConfig) -> bool {
    config.trusted_proxies.iter().any(|network| network.contains(&address))
}

/// With or without a port.
fn plain(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// `for="[2001:db8::1]:80";proto=https`.
fn element(text: &str) -> Option<IpAddr> {
    let mut pairs = text.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    plain(value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn only_trusted_proxies_say_who_asks() {
        let config = |forwarded_header| VisitorsConfig {
            trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network"), "fd00::/8".parse().expect("a network")],
            forwarded_header,
            country_header: Some("CF-IPCountry".into()),
            ..VisitorsConfig::default()
        };
        use ForwardedHeader::{Forwarded, XForwardedFor};
        for (peer, which, lines, expected) in [
            ("10.0.0.1", XForwardedFor, vec!["192.0.2.7"], "192.0.2.7"),
            ("::ffff:10.0.0.1", XForwardedFor, vec!["192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", XForwardedFor, vec!["198.51.100.1, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            ("10.0.0.1", XForwardedFor, vec!["198.51.100.1", "192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", XForwardedFor, vec!["192.0.2.7:1234"], "192.0.2.7"),
            ("10.0.0.1", XForwardedFor, vec!["[2001:db8::1]:80"], "2001:db8::1"),
            ("10.0.0.1", XForwardedFor, vec!["unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", XForwardedFor, vec!["evil"], "10.0.0.1"),
            ("10.0.0.1", XForwardedFor, vec![], "10.0.0.1"),
            ("10.0.0.1", XForwardedFor, vec!["10.1.1.1, 10.0.0.2"], "10.1.1.1"),
            ("192.0.2.9", XForwardedFor, vec!["198.51.100.1"], "192.0.2.9"),
            ("10.0.0.1", Forwarded, vec!["for=192.0.2.7;proto=https"], "192.0.2.7"),
            ("10.0.0.1", Forwarded, vec!["for=198.51.100.1, For=\"[2001:db8::1]:80\""], "2001:db8::1"),
            ("10.0.0.1", Forwarded, vec!["for=_hidden"], "10.0.0.1"),
        ] {
            let name = if which == Forwarded { "forwarded" } else { "x-forwarded-for" };
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(name, HeaderValue::from_str(line).expect("a value"));
            }
            let other = if which == Forwarded { "x-forwarded-for" } else { "forwarded" };
            headers.insert(other, HeaderValue::from_static("for=203.0.113.1"));
            let found = of_visitor(peer.parse().expect("an address"), &headers, &config(which));
            assert_eq!(found.to_string(), expected, "{peer} {lines:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("cf-ipcountry", HeaderValue::from_static("de"));
        let told = |peer: &str, headers: &HeaderMap| {
            let country = country(peer.parse().expect("an address"), headers, &config(XForwardedFor));
            country.map(|country| country.as_str().to_owned())
        };
        assert_eq!(told("10.0.0.1", &headers).as_deref(), Some("DE"));
        assert_eq!(told("192.0.2.9", &headers), None, "visitors could send it too");
        headers.insert("cf-ipcountry", HeaderValue::from_static("XX"));
        assert_eq!(told("10.0.0.1", &headers), None);
    }
}
