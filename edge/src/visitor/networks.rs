//! What is known of addresses: countries and data centres, from files that are read once. The door to the database's
//! reader.

use super::Country;
use super::config::VisitorsConfig;
use ipnet::IpNet;
use maxminddb::{PathElement, Reader};
use schemas::evidence::cut;
use schemas::limits::MARK_VALUE_BYTES;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum NetworksError {
    #[error("cannot read {path}: {error}")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{path}: {error}")]
    NoDatabase { path: PathBuf, error: maxminddb::MaxMindDbError },
    #[error("{path}, line {line}: expected a network like 192.0.2.0/24, and perhaps its name")]
    BadLine { path: PathBuf, line: usize },
}

/// Shared by all workers.
#[derive(Default)]
pub struct Networks {
    countries: Option<Reader<Vec<u8>>>,
    systems: Option<Reader<Vec<u8>>>,
    /// Sorted.
    datacentre_asns: Vec<u32>,
    listed: Vec<Listed>,
}

/// Addresses from the first to the last; IPv4 as IPv6 maps it. Sorted, and none within another.
struct Listed {
    first: u128,
    last: u128,
    name: Arc<str>,
}

impl Networks {
    pub fn open(config: &VisitorsConfig) -> Result<Networks, NetworksError> {
        let mut datacentre_asns = config.datacentre_asns.clone();
        datacentre_asns.sort_unstable();
        Ok(Networks {
            countries: config.country_database.as_deref().map(database).transpose()?,
            systems: config.asn_database.as_deref().map(database).transpose()?,
            datacentre_asns,
            listed: config.datacentre_networks.as_deref().map(list).transpose()?.unwrap_or_default(),
        })
    }

    pub fn knows_countries(&self) -> bool {
        self.countries.is_some()
    }

    pub fn country(&self, address: IpAddr) -> Option<Country> {
        let found = self.countries.as_ref()?.lookup(address).ok()?;
        let path = [PathElement::Key("country"), PathElement::Key("iso_code")];
        Country::parse(found.decode_path::<&str>(&path).ok()??)
    }

    /// Its name in the list, or `AS16509`.
    pub fn datacentre(&self, address: IpAddr) -> Option<String> {
        self.in_list(address).or_else(|| {
            let found = self.systems.as_ref()?.lookup(address).ok()?;
            let path = [PathElement::Key("autonomous_system_number")];
            let number = found.decode_path::<u32>(&path).ok()??;
            self.datacentre_asns.binary_search(&number).ok().map(|_| format!("AS{number}"))
        })
    }

    fn in_list(&self, address: IpAddr) -> Option<String> {
        let number = number(address);
        let place = self.listed.partition_point(|network| network.first <= number).checked_sub(1)?;
        let network = &self.listed[place];
        (number <= network.last).then(|| network.name.to_string())
    }
}

fn database(path: &Path) -> Result<Reader<Vec<u8>>, NetworksError> {
    let bytes = read(path)?;
    Reader::from_source(bytes).map_err(|error| NetworksError::NoDatabase { path: path.to_owned(), error })
}

fn read(path: &Path) -> Result<Vec<u8>, NetworksError> {
    std::fs::read(path).map_err(|error| NetworksError::Unreadable { path: path.to_owned(), error })
}

fn list(path: &Path) -> Result<Vec<Listed>, NetworksError> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let (network, name) = line.split_once(char::is_whitespace).unwrap_or((line, "listed"));
        let bad = || NetworksError::BadLine { path: path.to_owned(), line: index + 1 };
        // A single address is a network of its own.
        let network =
            network.parse::<IpNet>().or_else(|_| network.parse::<IpAddr>().map(IpNet::from)).map_err(|_| bad())?;
        let name = cut(name.trim(), MARK_VALUE_BYTES).into();
        found.push(Listed { first: number(network.network()), last: number(network.broadcast()), name });
    }
    // Networks lie within each other or apart: the widest of those that begin alike comes first.
    found.sort_by_key(|network| (network.first, std::cmp::Reverse(network.last)));
    let mut apart: Vec<Listed> = Vec::with_capacity(found.len());
    for network in found {
        if apart.last().is_none_or(|wider| wider.last < network.first) {
            apart.push(network);
        }
    }
    Ok(apart)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests;
