//! Countries and data centres of files that are made here, byte by byte.

use super::*;
use std::collections::BTreeMap;

/// A value of the MaxMind DB format (https://maxmind.github.io/MaxMind-DB/, "Data section").
enum Value<'a> {
    Text(&'a str),
    Short(u16),
    Number(u32),
    Long(u64),
    Map(Vec<(&'a str, Value<'a>)>),
    EmptyList,
}

impl Value<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        // Type in the upper three bits, size below 29 in the rest.
        let head = |kind: u8, size: usize| kind << 5 | u8::try_from(size).expect("small");
        match self {
            // Types above 7 take a second byte.
            Value::EmptyList => out.extend_from_slice(&[0, 11 - 7]),
            Value::Text(text) => {
                out.push(head(2, text.len()));
                out.extend_from_slice(text.as_bytes());
            }
            Value::Number(number) => {
                out.push(head(6, 4));
                out.extend_from_slice(&number.to_be_bytes());
            }
            Value::Short(number) => {
                out.push(head(5, 2));
                out.extend_from_slice(&number.to_be_bytes());
            }
            Value::Long(number) => {
                out.extend_from_slice(&[8, 9 - 7]);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Value::Map(pairs) => {
                out.push(head(7, pairs.len()));
                for (key, value) in pairs {
                    Value::Text(key).write(out);
                    value.write(out);
                }
            }
        }
    }
}

/// A database of IPv4 networks that lie apart from each other.
fn database_of(networks: &[(&str, Value<'_>)]) -> Vec<u8> {
    // Nodes of two records: 0 is nothing, below it a node's number from 1, above a place in the data.
    let mut nodes: Vec<[i64; 2]> = vec![[0, 0]];
    let mut data = Vec::new();
    for (network, value) in networks {
        let network: ipnet::Ipv4Net = network.parse().expect("a network");
        let bits = u32::from(network.network());
        let mut node = 0;
        for depth in 0..network.prefix_len() {
            let side = (bits >> (31 - depth) & 1) as usize;
            if depth + 1 == network.prefix_len() {
                nodes[node][side] = -1 - i64::try_from(data.len()).expect("small");
            } else if nodes[node][side] > 0 {
                node = usize::try_from(nodes[node][side]).expect("a node");
            } else {
                nodes.push([0, 0]);
                nodes[node][side] = i64::try_from(nodes.len() - 1).expect("small");
                node = nodes.len() - 1;
            }
        }
        value.write(&mut data);
    }
    let count = i64::try_from(nodes.len()).expect("small");
    let record = |value: i64| match value {
        0 => count,
        1.. => value,
        _ => count + 16 + (-1 - value),
    };
    let mut bytes = Vec::new();
    for value in nodes.iter().flatten() {
        bytes.extend_from_slice(&u32::try_from(record(*value)).expect("small").to_be_bytes());
    }
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&data);
    bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    let metadata = BTreeMap::from([
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(1)),
        ("database_type", Value::Text("Test")),
        ("description", Value::Map(Vec::new())),
        ("ip_version", Value::Short(4)),
        ("languages", Value::EmptyList),
        ("node_count", Value::Number(u32::try_from(nodes.len()).expect("small"))),
        ("record_size", Value::Short(32)),
    ]);
    Value::Map(metadata.into_iter().collect()).write(&mut bytes);
    bytes
}

fn country(code: &str) -> Value<'_> {
    Value::Map(vec![("country", Value::Map(vec![("iso_code", Value::Text(code))]))])
}

fn system(number: u32) -> Value<'static> {
    Value::Map(vec![("autonomous_system_number", Value::Number(number))])
}

#[test]
fn countries_and_data_centres_are_found_by_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let countries = [("192.0.2.0/24", country("DE")), ("198.51.100.0/25", country("fr"))];
    std::fs::write(path("countries"), database_of(&countries)).expect("written");
    let systems = [("192.0.2.128/25", system(16_509)), ("198.51.100.0/24", system(3_320))];
    std::fs::write(path("systems"), database_of(&systems)).expect("written");
    let list = "# ours\n203.0.113.0/24 Example Cloud\n203.0.113.64/26 within\n\n2001:db8::/32 six # all\n192.0.2.1\n";
    std::fs::write(path("list"), list).expect("written");
    let config = VisitorsConfig {
        country_database: Some(path("countries")),
        asn_database: Some(path("systems")),
        datacentre_networks: Some(path("list")),
        ..VisitorsConfig::default()
    };
    let networks = Networks::open(&config).expect("opens");
    for (address, country, datacentre) in [
        ("192.0.2.7", Some("DE"), None),
        ("192.0.2.1", Some("DE"), Some("listed")),
        ("192.0.2.200", Some("DE"), Some("AS16509")),
        ("198.51.100.7", Some("FR"), None),
        ("198.51.100.200", None, None),
        ("203.0.113.0", None, Some("Example Cloud")),
        ("203.0.113.70", None, Some("Example Cloud")),
        ("203.0.113.255", None, Some("Example Cloud")),
        ("203.0.114.0", None, None),
        ("2001:db8:ffff::1", None, Some("six")),
        ("2001:db9::", None, None),
        ("::1", None, None),
    ] {
        let address = address.parse().expect("an address");
        let found = networks.country(address);
        assert_eq!(found.as_ref().map(Country::as_str), country, "{address}");
        assert_eq!(networks.datacentre(address).as_deref(), datacentre, "{address}");
    }
    let nothing = Networks::open(&VisitorsConfig::default()).expect("opens");
    assert!(!nothing.knows_countries() && nothing.datacentre("192.0.2.200".parse().expect("one")).is_none());
}

#[test]
fn a_file_that_is_none_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    let refused = |config: VisitorsConfig| Networks::open(&config).err().expect("refused").to_string();
    let database = || VisitorsConfig { country_database: Some(file.clone()), ..VisitorsConfig::default() };
    let list = || VisitorsConfig { datacentre_networks: Some(file.clone()), ..VisitorsConfig::default() };
    assert!(refused(database()).contains("cannot read"));
    std::fs::write(&file, "192.0.2.0/24\n192.0.2.0/33 wide\n").expect("written");
    assert!(refused(database()).contains("file"));
    assert!(refused(list()).contains("line 2: expected a network"));
}
