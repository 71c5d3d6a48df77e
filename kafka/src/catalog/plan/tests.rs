//! Plans: a catalog and a file in, entries or problems out.

use super::*;
use crate::catalog::file;
use schemas::offset::Offset;
use std::path::Path;

const GOOD: &str = include_str!("../file/good.yaml");
/// Of the good file's entities.
const ENTITIES: usize = 10;

fn now() -> Micros {
    Micros::parse("2026-03-01T00:00:00Z").expect("a time")
}

fn keys() -> KeyHashes {
    let hash = |path: &str| (Path::new(path).to_owned(), KeyHash::of_api_key(path));
    KeyHashes::from([hash("secrets/acme-server.key"), hash("other.key")])
}

fn planned(existing: &Catalog, text: &str) -> Result<Plan, Vec<String>> {
    let plan = plan(existing, &file::parse(text), &keys(), now());
    plan.map_err(|problems| problems.iter().map(Problem::to_string).collect())
}

/// The catalog after these files.
fn catalog_of(texts: &[&str]) -> Catalog {
    let mut catalog = Catalog::default();
    for text in texts {
        let plan = planned(&catalog, text).expect("a good file");
        for entry in plan.entries {
            catalog.apply(Offset(catalog.next_offset().0), entry);
        }
    }
    catalog
}

#[test]
fn the_same_file_again_changes_nothing() {
    let first = planned(&Catalog::default(), GOOD).expect("a good file");
    assert_eq!((first.entries.len(), first.unchanged, first.warnings.len()), (ENTITIES, 0, 0));
    assert!(first.entries.iter().all(|entry| entry.version == 1 && entry.applied_at == now()));
    let second = planned(&catalog_of(&[GOOD]), GOOD).expect("a good file");
    assert_eq!(second, Plan { unchanged: ENTITIES, ..Plan::default() });
}

/// What a changed good file leads to, over the good one.
fn check(from: &str, to: &str, expected: Result<&[(&str, i32)], &[&str]>) {
    assert!(GOOD.contains(from), "{from}");
    let planned = planned(&catalog_of(&[GOOD]), &GOOD.replace(from, to));
    let seen = planned.map(|plan| plan.entries.into_iter().map(|entry| (entry.id, entry.version)).collect::<Vec<_>>());
    let expected = expected
        .map(|entries| entries.iter().map(|&(id, version)| (id.to_owned(), version)).collect::<Vec<_>>())
        .map_err(|problems| problems.iter().map(|problem| problem.to_string()).collect::<Vec<_>>());
    assert_eq!(seen, expected, "{from} -> {to}");
}

#[test]
fn a_changed_entity_becomes_its_next_version() {
    check("name: Alpha}", "name: Alpha Media}", Ok(&[("alpha", 2)]));
    check("commission: 10 %", "commission: 11 %", Ok(&[("standard", 2)]));
    check("commission: 10 %", "commission: 10.0%", Ok(&[]));
    check("active: false", "active: true", Ok(&[("acme/FREESHIP", 2)]));
    check("secrets/acme-server.key", "other.key", Ok(&[("acme-server", 2)]));
    check(
        "  {id: 7, name: Seven}]",
        "  {id: 7, name: Seven}, {id: beta, name: Beta, effective_from: 2026-04-01T00:00:00Z}]",
        Ok(&[("beta", 1)]),
    );
    check("name: Acme Shop", "name: Acme Shop\n  effective_from: 2026-02-01T00:00:00Z", Ok(&[("acme", 2)]));
}

#[test]
fn what_does_not_fit_the_catalog_is_refused_with_its_line() {
    check(
        "publisher: alpha}\ncoupons",
        "publisher: alhpa}\ncoupons",
        Err(&[
            "32: field `links.publisher`: value \"alhpa\": no such publisher in this file or in the catalog of tenant \
               default; did you mean `alpha`?",
        ]),
    );
    check(
        "contract: standard",
        "contract: short",
        Err(&[
            "28: field `campaigns.contract`: value \"short\": in effect only from 2026-06-01T00:00:00.000000Z, after \
               this one's effective_from 2026-01-01T00:00:00.000000Z",
        ]),
    );
    check(
        "  {id: 7, name: Seven}]",
        "  {id: 7, name: Seven},\n  {id: alpha, name: Again}]",
        Err(&["22: field `publishers.id`: value \"alpha\": twice in this file, first in line 20"]),
    );
    check(
        "name: Acme Shop",
        "name: Acme\n  effective_from: 2025-12-31T00:00:00Z",
        Err(&["7: field `advertisers.effective_from`: value \"2025-12-31T00:00:00.000000Z\": advertiser acme has \
               changed since version 1, and lies before that version's 2026-01-01T00:00:00.000000Z; a new version \
               starts at or after the last one"]),
    );
    check(
        "advertiser: acme, key_file: secrets/acme-server.key}",
        "advertiser: acme, key_file: secrets/acme-server.key}\n- {id: second, advertiser: acme, key_file: \
         secrets/acme-server.key}",
        Err(&[
            "38: field `api_keys.key_file`: value \"secrets/acme-server.key\": holds the key of acme-server; every \
               API key has its own",
        ]),
    );
}

#[test]
fn a_campaign_stays_with_its_advertiser_and_a_coupon_with_its_campaigns() {
    let other = "advertisers:\n- {id: other, name: Other}";
    let moved = GOOD.replace("advertisers:", other).replace("  advertiser: acme\n", "  advertiser: other\n");
    let problems = planned(&catalog_of(&[GOOD]), &moved).expect_err("refused");
    assert_eq!(
        problems,
        [
            "25: field `campaigns.advertiser`: value \"other\": campaign summer belongs to acme since version 1; make another",
            "35: field `coupons.campaign`: value \"summer\": belongs to advertiser other, not to acme",
            "36: field `coupons.campaign`: value \"summer\": belongs to advertiser other, not to acme",
        ]
    );
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_their_lines() {
    let text = GOOD
        .replace("commission: 10 %", "commission: lots")
        .replace("look_back: 30d", "look_back: 1m")
        .replace("  advertiser: acme\n", "  advertiser: acne\n")
        .replace("campaign: summer, publisher: alpha}\ncoupons", "campaign: summer, publisher: nobody}\ncoupons");
    let problems = planned(&Catalog::default(), &text).expect_err("refused");
    let lines: Vec<&str> = problems.iter().filter_map(|problem| problem.split(':').next()).collect();
    // The campaign is broken and the contract too, so naming them is no further problem.
    assert_eq!(lines, ["9", "25", "29", "32"], "{problems:#?}");
}

#[test]
fn names_of_an_earlier_file_are_known_and_those_of_another_tenant_are_not() {
    let more = "tenant: default\neffective_from: 2026-01-01T00:00:00Z\nlinks: [{code: seven, campaign: summer, publisher: 7}]\n";
    let plan = planned(&catalog_of(&[GOOD]), more).expect("a good file");
    assert_eq!(plan.entries.len(), 1);
    let problems = planned(&catalog_of(&[GOOD]), &more.replace("default", "second")).expect_err("refused");
    assert_eq!(problems.len(), 2, "{problems:#?}");

    let whole = GOOD.replace("tenant: default", "tenant: second").replace("secrets/acme-server.key", "other.key");
    let problems = planned(&catalog_of(&[GOOD]), &whole).expect_err("refused");
    assert_eq!(
        problems,
        [
            "32: field `links.code`: value \"alpha-summer\": taken by another tenant; codes are unique on an installation"
        ]
    );
}

#[test]
fn a_change_that_starts_in_the_past_is_warned_of() {
    let changed = GOOD.replace("commission: 10 %", "commission: 11 %");
    let plan = planned(&catalog_of(&[GOOD]), &changed).expect("a good file");
    let warnings: Vec<String> = plan.warnings.iter().map(Problem::to_string).collect();
    assert_eq!(
        warnings,
        ["8: field `contracts.effective_from`: value \"2026-01-01T00:00:00.000000Z\": in the past: version 2 of \
          contract standard holds for clicks and events from now on; what is decided stays"]
    );
}
