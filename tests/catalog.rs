//! Topics and catalog on a real Kafka: made once, applied once, all or nothing, seen by readers at once.

use kafka::KafkaConfig;
use kafka::admin::{self, Partitions};
use kafka::catalog::{ApplyError, CatalogReader, apply};
use schemas::name::{LinkCode, TenantId};
use schemas::record::catalog::EntityKind;
use schemas::time::Micros;
use schemas::topic::Topic;
use stack::{Options, Server};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A stack that is gone when the test is, also when it failed.
struct Scratch {
    options: Options,
    dir: tempfile::TempDir,
}

impl Scratch {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        let options = Options::for_test(dir.path().join("stack"), env!("CARGO_BIN_EXE_tributary"));
        Scratch { options, dir }
    }

    fn kafka(&self) -> KafkaConfig {
        let endpoints = stack::up(&self.options).unwrap_or_else(|error| panic!("up: {error}"));
        KafkaConfig { bootstrap: endpoints.kafka_bootstrap, prefix: "t.".into(), development: true }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("writes");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for server in Server::ALL {
            let _ = stack::kill(&self.options, server);
        }
    }
}

const CATALOG: &str = "tenant: default
effective_from: 2026-01-01T00:00:00Z
advertisers: [{id: acme, name: Acme Shop}]
contracts: [{id: standard, commission: 10 %, platform_share: 30 %, paying_model: last, hold_days: 30}]
campaigns:
- {id: summer, advertiser: acme, name: Summer, destination: https://shop.example/, contract: standard, look_back: 30d}
publishers: [{id: alpha, name: Alpha}]
links: [{code: alpha-summer, campaign: summer, publisher: alpha}]
api_keys: [{id: acme-server, advertiser: acme, key_file: acme.key}]
";
const ENTITIES: usize = 6;

const MORE: &str = "tenant: default
effective_from: 2026-01-01T00:00:00Z
links: [{code: alpha-new, campaign: summer, publisher: alpha}]
";

fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Micros(since.as_micros() as i64)
}

#[test]
fn topics_are_made_once_and_another_number_of_partitions_is_refused() {
    let scratch = Scratch::new();
    let kafka = scratch.kafka();
    let Err(error) = CatalogReader::start(&kafka, || false) else { panic!("there is no catalog yet") };
    assert!(error.to_string().contains("tributary topics create"), "{error}");

    let first = admin::create_topics(&kafka, 3, 1, now()).expect("creates");
    assert_eq!((first.created.len(), first.existing.len()), (Topic::ALL.len(), 0));
    let second = admin::create_topics(&kafka, 3, 1, now()).expect("they fit");
    assert_eq!((second.created.len(), second.existing.len()), (0, Topic::ALL.len()));
    let refused = admin::create_topics(&kafka, 4, 1, now()).expect_err("refused").to_string();
    assert!(refused.contains("partitions is 3, expected 4: t.clicks"), "{refused}");

    let reader = CatalogReader::start(&kafka, || false).expect("reads");
    assert_eq!(admin::check(&kafka, &reader.current()).expect("they fit"), Partitions(3));
    assert_eq!(admin::end_offsets(&kafka, Topic::Clicks).expect("ends").len(), 3);
    let strict = KafkaConfig { development: false, ..kafka.clone() };
    let refused = admin::check(&strict, &reader.current()).expect_err("one broker").to_string();
    assert!(refused.contains("replication is 1, expected 3 or more"), "{refused}");

    admin::delete_topics(&kafka).expect("deletes");
    let refused = admin::check(&kafka, &reader.current()).expect_err("gone").to_string();
    assert!(refused.contains("topic is missing") && refused.contains("tributary topics create"), "{refused}");
}

#[test]
fn a_catalog_is_applied_once_and_a_new_link_is_seen_at_once() {
    let scratch = Scratch::new();
    let kafka = scratch.kafka();
    admin::create_topics(&kafka, 2, 1, now()).expect("creates");
    let reader = CatalogReader::start(&kafka, || false).expect("reads");
    let path = scratch.file("catalog.yaml", CATALOG);

    let dry = apply(&kafka, &path, None, now(), true).expect("a good file");
    assert_eq!((dry.written.len(), dry.last), (ENTITIES, None));
    let key = scratch.dir.path().join("acme.key");
    assert!(!key.exists(), "a dry run writes nothing");
    let first = apply(&kafka, &path, None, now(), false).expect("a good file");
    assert_eq!((first.written.len(), first.unchanged), (ENTITIES, 0));
    assert_eq!(std::fs::metadata(&key).expect("a key").permissions().mode() & 0o777, 0o600);
    let second = apply(&kafka, &path, None, now(), false).expect("a good file");
    assert_eq!((second.written.len(), second.unchanged, second.last), (0, ENTITIES, None));

    let more = apply(&kafka, &scratch.file("more.yaml", MORE), None, now(), false).expect("a good file");
    let last = more.last.expect("a link was written");
    assert!(reader.wait_for(last, Duration::from_secs(1)), "read to {:?} of {last:?}", reader.read_to());
    let code = LinkCode::new("alpha-new").expect("a code");
    assert_eq!(reader.current().link_owner(&code).map(TenantId::as_str), Some("default"));

    let ends = || admin::end_offsets(&kafka, Topic::Catalog).expect("ends");
    let before = ends();
    let bad = MORE.replace("alpha-new", "alpha-newer") + "publishers: [{id: Beta, name: Beta}]\n";
    let refused = apply(&kafka, &scratch.file("bad.yaml", &bad), None, now(), false);
    let Err(ApplyError::Problems { problems, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [4]);
    assert_eq!(ends(), before, "nothing is written where one entity is bad");

    let fresh = CatalogReader::start(&kafka, || false).expect("reads");
    assert_eq!(fresh.current().newest(EntityKind::Link).count(), 2);
    assert_eq!((fresh.undecodable(), fresh.read_to()), (0, reader.read_to()));
}
