//! docker-compose.yml without Docker: it follows the Compose Specification's schema, what it mounts exists, nothing is
//! open to the world, and it runs Kafka as `stack` does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Map, Value};

const SCHEMA: &str = include_str!("data/compose-spec.json");
const SERVER_PROPERTIES: &str = include_str!("../src/kafka/server.properties");

fn repo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(repo().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn compose() -> Value {
    merged(yaml("docker-compose.yml"))
}

/// Applies `<<`, which YAML 1.2 parsers may leave in place; a key of the mapping itself goes first.
fn merged(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut map: Map<_, _> = map.into_iter().map(|(key, value)| (key, merged(value))).collect();
            if let Some(Value::Object(base)) = map.remove("<<") {
                for (key, value) in base {
                    map.entry(key).or_insert(value);
                }
            }
            Value::Object(map)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(merged).collect()),
        other => other,
    }
}

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is a schema")
}

fn errors(compose: &Value) -> Vec<String> {
    validator().iter_errors(compose).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn services(compose: &Value) -> &Map<String, Value> {
    compose["services"].as_object().expect("services")
}

fn strings<'a>(service: &'a Value, key: &str) -> Vec<&'a str> {
    let items = service[key].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| item.as_str().unwrap_or_else(|| panic!("{key}: short form expected, not {item}"))).collect()
}

#[test]
fn the_compose_file_follows_the_specification() {
    assert_eq!(errors(&compose()), Vec::<String>::new());
}

#[test]
fn a_broken_compose_file_is_refused() {
    type Break = fn(&mut Value);
    let breaks: [(&str, Break); 5] = [
        ("unknown key of a service", |all| all["services"]["edge"]["comand"] = "edge".into()),
        ("unknown key at the top", |all| all["service"] = Value::Object(Map::new())),
        ("ports that are a map", |all| all["services"]["kafka"]["ports"] = Value::Object(Map::new())),
        ("a condition that does not exist", |all| {
            all["services"]["setup"]["depends_on"]["kafka"]["condition"] = "service_ready".into();
        }),
        ("an image that is a number", |all| all["services"]["kafka"]["image"] = 4.into()),
    ];
    for (name, break_it) in breaks {
        let mut broken = compose();
        break_it(&mut broken);
        assert_ne!(errors(&broken), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn every_path_of_the_repository_that_it_names_exists() {
    let mut seen = 0;
    for (name, service) in services(&compose()) {
        let mounts = strings(service, "volumes");
        let mounts = mounts.into_iter().filter(|mount| mount.starts_with('.'));
        let mounted = mounts.map(|mount| mount.split(':').next().unwrap_or_default().to_owned());
        let built = service["build"]["dockerfile"].as_str().map(str::to_owned);
        for path in mounted.chain(built) {
            assert!(repo().join(&path).exists(), "{name} uses {path}");
            seen += 1;
        }
    }
    assert!(seen > 8, "only {seen} paths were found");
}

#[test]
fn every_volume_of_a_service_is_declared() {
    let compose = compose();
    let declared = compose["volumes"].as_object().expect("volumes");
    for (name, service) in services(&compose) {
        for mount in strings(service, "volumes").into_iter().filter(|mount| !mount.starts_with('.')) {
            let volume = mount.split(':').next().unwrap_or_default();
            assert!(declared.contains_key(volume), "{name} uses {volume}");
        }
    }
}

#[test]
fn every_port_is_published_on_loopback_only_and_once() {
    let mut published = BTreeMap::new();
    for (name, service) in services(&compose()) {
        for port in strings(service, "ports") {
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port}");
            let host_port = port.split(':').nth(1).expect("a port of the host").to_owned();
            assert_eq!(published.insert(host_port, name.clone()), None, "{name} publishes {port} again");
        }
    }
    assert!(published.contains_key("8080"), "the edge is published");
}

#[test]
fn no_password_has_a_default() {
    let mut seen = 0;
    for (name, service) in services(&compose()) {
        for (key, value) in service["environment"].as_object().into_iter().flatten() {
            if key.contains("PASSWORD") {
                let value = value.as_str().unwrap_or_default();
                assert!(value.starts_with("${") && value.contains(":?"), "{name}: {key} is {value}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 3, "only {seen} passwords were found");
}

#[test]
fn kafka_runs_alike_with_and_without_docker() {
    // Where it listens and keeps its data differs, and must.
    let own =
        ["listeners", "advertised.listeners", "controller.quorum.voters", "inter.broker.listener.name", "log.dirs"];
    let compose = compose();
    let environment = &compose["services"]["kafka"]["environment"];
    let lines = SERVER_PROPERTIES.lines().filter(|line| !line.starts_with('#'));
    for (key, value) in lines.filter_map(|line| line.split_once('=')).filter(|(key, _)| !own.contains(key)) {
        let variable = format!("KAFKA_{}", key.to_uppercase().replace('.', "_"));
        assert_eq!(environment[&variable].as_str(), Some(value), "{variable}");
    }
}

#[test]
fn prometheus_and_grafana_name_services_that_exist() {
    let compose = compose();
    let services = services(&compose);
    let scrapes = yaml("deploy/prometheus.yml");
    let mut hosts = Vec::new();
    for job in scrapes["scrape_configs"].as_array().expect("scrape_configs") {
        hosts.extend(strings(&job["static_configs"][0], "targets").into_iter().map(str::to_owned));
    }
    assert_eq!(hosts.len(), 3, "edge, processor and sinks");
    let sources = yaml("deploy/grafana/provisioning/datasources/tributary.yml");
    for source in sources["datasources"].as_array().expect("datasources") {
        let host = source["url"].as_str().map(|url| url.trim_start_matches("http://"));
        hosts.push(host.or(source["jsonData"]["host"].as_str()).expect("a host").to_owned());
    }
    for host in hosts {
        let name = host.split(':').next().unwrap_or_default();
        assert!(services.contains_key(name), "{host}");
    }
}
