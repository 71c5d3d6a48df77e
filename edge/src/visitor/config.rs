//! `[edge.visitors]` of the configuration.

use hyper::header::HeaderName;
use ipnet::IpNet;
use serde::Deserialize;
use std::num::NonZeroU32;
use std::path::PathBuf;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VisitorsConfig {
    /// Who may say for whom it asks, and from which country that is.
    pub trusted_proxies: Vec<IpNet>,
    /// Which header those proxies write; another one that a visitor sends is not looked at.
    pub forwarded_header: ForwardedHeader,
    /// In which those proxies tell the country, such as `CF-IPCountry`.
    pub country_header: Option<String>,
    /// A MaxMind-format database with `country.iso_code`.
    pub country_database: Option<PathBuf>,
    /// A MaxMind-format database with `autonomous_system_number`.
    pub asn_database: Option<PathBuf>,
    /// Whose addresses are data centres', of the numbers in that database.
    pub datacentre_asns: Vec<u32>,
    /// A file of networks that are data centres', `CIDR NAME` in a line.
    pub datacentre_networks: Option<PathBuf>,
    /// Clicks of an address in a minute above which they are marked.
    pub velocity_above: Option<NonZeroU32>,
    /// Whether clicks keep device and operating system.
    pub keep_device: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// Large hosters, none of which people browse from: Amazon, Google Cloud, Microsoft, DigitalOcean, OVH, Hetzner, Akamai
/// (Linode), Vultr, Oracle, Alibaba, Tencent, Contabo, Leaseweb, Scaleway.
const HOSTERS: [u32; 15] = [
    14_618, 16_509, 396_982, 8_075, 14_061, 16_276, 24_940, 63_949, 20_473, 31_898, 45_102, 132_203, 51_167, 60_781,
    12_876,
];

impl Default for VisitorsConfig {
    fn default() -> VisitorsConfig {
        VisitorsConfig {
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::XForwardedFor,
            country_header: None,
            country_database: None,
            asn_database: None,
            datacentre_asns: HOSTERS.to_vec(),
            datacentre_networks: None,
            velocity_above: None,
            keep_device: true,
        }
    }
}

impl VisitorsConfig {
    /// What serde cannot see.
    pub fn validate(&self, errors: &mut Vec<String>) {
        if let Some(name) = &self.country_header {
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                errors.push(format!("visitors.country_header {name:?} is no header's name"));
            }
            if self.trusted_proxies.is_empty() {
                errors.push("visitors.country_header needs trusted_proxies: visitors could send it too".into());
            }
        }
    }
}
