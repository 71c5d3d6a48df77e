//! Catalog files, good and bad: text in, drafts and problems out.

use super::*;
use schemas::catalog::coupon_id;
use schemas::decimal::{Amount, Currency, Ppm};
use schemas::name::CouponCode;
use schemas::record::attribution::Model;
use schemas::record::catalog::{Approval, CustomerKind, Rate, Tier};
use schemas::record::event::{Action, EvidenceSource};

pub const GOOD: &str = include_str!("good.yaml");

#[test]
fn a_good_file_becomes_drafts_in_the_order_of_their_dependence() {
    let file = parse(GOOD);
    assert_eq!(file.problems, []);
    assert_eq!(file.tenant.as_ref().map(TenantId::as_str), Some("default"));
    let seen: Vec<(EntityKind, &str, u64)> =
        file.drafts.iter().map(|draft| (draft.kind, draft.id.as_str(), draft.line)).collect();
    assert_eq!(
        seen,
        [
            (EntityKind::Advertiser, "acme", 5),
            (EntityKind::Contract, "standard", 8),
            (EntityKind::Contract, "short", 13),
            (EntityKind::Publisher, "alpha", 20),
            (EntityKind::Publisher, "7", 21),
            (EntityKind::Campaign, "summer", 24),
            (EntityKind::Link, "alpha-summer", 32),
            (EntityKind::Coupon, "acme/SAVE10", 34),
            (EntityKind::Coupon, "acme/FREESHIP", 35),
            (EntityKind::ApiKey, "acme-server", 37),
        ]
    );
    let Body::Contract(contract) = &file.drafts[2].body else { panic!("{:?}", file.drafts[2]) };
    assert_eq!((contract.commission_rate_ppm, contract.platform_share_ppm), (Ppm(125_000), Ppm(0)));
    assert_eq!((contract.paying_model, contract.hold_days), (Model::TimeDecay, 0));
    assert_eq!(contract.evidence_order, [EvidenceSource::ClickId, EvidenceSource::Coupon]);
    let later = Micros::parse("2026-06-01T00:00:00Z").expect("a time");
    assert_eq!((file.drafts[2].effective_from, file.drafts[2].effective_from_line), (later, 18));
    let Body::Campaign(campaign) = &file.drafts[5].body else { panic!("{:?}", file.drafts[5]) };
    assert_eq!((campaign.look_back_seconds, campaign.active), (30 * 86_400, true));
    let Body::Coupon(coupon) = &file.drafts[8].body else { panic!("{:?}", file.drafts[8]) };
    assert_eq!((&coupon.publisher, coupon.active), (&None, false));
    let folded = coupon_id(&coupon.advertiser, &CouponCode::fold("save10").expect("a code"));
    assert_eq!(file.drafts[7].id, folded);
}

/// What is reported for a text that is put under the top two lines.
fn check(text: &str, expected: &[&str]) {
    let file = parse(&format!("tenant: default\neffective_from: 2026-01-01T00:00:00Z\n{text}"));
    let problems: Vec<String> = file.problems.iter().map(Problem::to_string).collect();
    assert_eq!(problems, expected, "{text}");
}

#[test]
fn each_problem_names_line_field_value_and_reason() {
    check("advertisers: [{id: acme, name: Acme}]", &[]);
    check(
        "advertisers: [{id: Acme, name: ''}]",
        &[
            "3: field `advertisers.id`: value \"Acme\": expected 1 to 64 of a-z, 0-9, - and _, beginning with a letter \
             or digit",
            "3: field `advertisers.name`: value \"\": expected 1 to 200 printable characters",
        ],
    );
    check("publisher: []", &["3: field `publisher`: unknown field; did you mean `publishers`?"]);
    check("publishers: alpha", &["3: field `publishers`: value \"alpha\": expected a list"]);
    check(
        "publishers:\n- alpha\n- {id: beta, name: Beta, nmae: x}",
        &[
            "4: field `publishers`: value \"alpha\": expected a mapping with the fields id, name, effective_from",
            "5: field `publishers.nmae`: unknown field; did you mean `name`?",
        ],
    );
    check(
        "links:\n- code: a b\n  campaign: summer\n- {code: ok, campaign: [], publisher: ~}",
        &[
            "4: field `links.code`: value \"a b\": expected 1 to 64 of A-Z, a-z, 0-9, - and _",
            "4: field `links.publisher`: missing",
            "6: field `links.campaign`: value \"[...]\": expected a single value",
            "6: field `links.publisher`: missing",
        ],
    );
    check(
        "contracts:\n- id: c\n  commission: 10\n  platform_share: 110 %\n  paying_model: lsat\n  hold_days: 30.5\n  \
         evidence_order:\n  - coupon\n  - coupon\n  - clickid",
        &[
            "5: field `contracts.commission`: value \"10\": expected a percentage from 0 % to 100 % with at most 4 \
             decimals, like 12.5 %, or an amount like 50.00 USD",
            "6: field `contracts.platform_share`: value \"110 %\": expected a percentage from 0 % to 100 % with at \
             most 4 decimals, like 12.5 %",
            "7: field `contracts.paying_model`: value \"lsat\": expected one of last, first, linear, position, \
             time_decay; did you mean `last`?",
            "8: field `contracts.hold_days`: value \"30.5\": expected a whole number of days from 0 to 365",
            "11: field `contracts.evidence_order`: value \"coupon\": named twice",
            "12: field `contracts.evidence_order`: value \"clickid\": expected one of coupon, click_id, ref_code, \
             landing_url, referrer, customer; did you mean `click_id`?",
        ],
    );
    check(
        "coupons: [{code: SAVE10, campaign: summer}]\napi_keys: [{id: a, advertiser: acme, active: yes}]",
        &[
            "3: field `coupons.advertiser`: missing",
            "4: field `api_keys.key_file`: missing",
            "4: field `api_keys.active`: value \"yes\": expected true or false",
        ],
    );
    check(
        "advertisers: [{id: acme, name: Acme, effective_from: yesterday}]",
        &["3: field `advertisers.effective_from`: value \"yesterday\": expected a time like 2026-01-31T08:00:00Z"],
    );
}

const RICH: &str = "contracts:
- id: rich
  commission: 50.00 USD
  paying_model: linear
  hold_days: 30
  minimum: 1 USD
  maximum: 80.00 USD
  approval: explicit
  rates:
  - {sku: mug, commission: 1.50 USD}
  - {category: books, customer: new, commission: 12.5 %}
  - {event: signup, commission: 5.00 USD}
  tiers:
  - {from_revenue: 1000 USD, commission: 12 %}
  - {from_revenue: 5000 USD, commission: 15 %}
publishers: [{id: alpha, name: Alpha}, {id: beta, name: Beta}]
campaigns:
- id: summer
  advertiser: acme
  name: Summer
  destination: https://shop.example/
  contract: rich
  look_back: 30d
  publisher_contracts:
  - {publisher: beta, contract: rich}
  - {publisher: alpha, contract: rich}
";

#[test]
fn a_contract_says_all_that_it_pays() {
    let file = parse(&format!("tenant: default\neffective_from: 2026-01-01T00:00:00Z\n{RICH}"));
    assert_eq!(file.problems, []);
    let Body::Contract(contract) = &file.drafts[0].body else { panic!("{:?}", file.drafts[0]) };
    let usd = |text| Amount::parse(text).ok();
    assert_eq!(
        (contract.commission_rate_ppm, contract.flat, contract.currency),
        (Ppm(0), usd("50"), Some(Currency::USD))
    );
    assert_eq!(contract.platform_share_ppm, Ppm(300_000), "where it is not said");
    assert_eq!((contract.minimum, contract.maximum, contract.approval), (usd("1"), usd("80"), Approval::Explicit));
    let plain = Rate { action: None, sku: None, category: None, customer: None, rate_ppm: Ppm(0), flat: None };
    let books = Rate { category: Some("books".into()), rate_ppm: Ppm(125_000), ..plain.clone() };
    assert_eq!(
        contract.rates,
        [
            Rate { sku: Some("mug".into()), flat: usd("1.5"), ..plain.clone() },
            Rate { customer: Some(CustomerKind::New), ..books },
            Rate { action: Some(Action::Signup), flat: usd("5"), ..plain },
        ]
    );
    let tier = |revenue, rate| Tier { from_count: None, from_revenue: usd(revenue), rate_ppm: Ppm(rate) };
    assert_eq!(contract.tiers, [tier("1000", 120_000), tier("5000", 150_000)]);
    let Body::Campaign(campaign) = &file.drafts[3].body else { panic!("{:?}", file.drafts[3]) };
    let named: Vec<&str> = campaign.publisher_contracts.iter().map(|own| own.publisher.as_str()).collect();
    assert_eq!(named, ["alpha", "beta"]);
    assert_eq!(file.drafts[3].references.len(), 6);
}

#[test]
fn a_bad_contract_is_told_all_that_is_wrong_with_it() {
    check(
        "contracts:\n- id: c\n  commission: 50.005 USD\n  paying_model: last\n  hold_days: 30\n  currency: dollar\n  \
         minimum: -1 USD\n  maximum: 5\n  approval: maybe\n  rates:\n  - {event: refund, commission: 1 %}\n  \
         - {commission: 1 %}\n  - {sku: mug}\n  - {color: red, sku: mug, commission: 1 %}\n  tiers:\n  \
         - {commission: 1 %}\n  - {from_count: 0, commission: 1 %}",
        &[
            "5: field `contracts.commission`: value \"50.005 USD\": expected a percentage from 0 % to 100 % with at most 4 \
             decimals, like 12.5 %, or an amount like 50.00 USD",
            "8: field `contracts.currency`: value \"dollar\": expected an ISO 4217 code, like USD",
            "13: field `contracts.rates.event`: value \"refund\": expected one of purchase, signup, lead, custom, rebill",
            "14: field `contracts.rates`: names no event, sku, category or customer; what always holds is the contract's \
             own commission",
            "15: field `contracts.rates.commission`: missing",
            "16: field `contracts.rates.color`: unknown field",
            "9: field `contracts.minimum`: value \"-1 USD\": expected an amount and its currency, like 50.00 USD, of at \
             most 1000000000",
            "10: field `contracts.maximum`: value \"5\": expected an amount and its currency, like 50.00 USD, of at most \
             1000000000",
            "11: field `contracts.approval`: value \"maybe\": expected one of automatic, explicit",
            "18: field `contracts.tiers`: expected from_count or from_revenue, one of them",
            "19: field `contracts.tiers.from_count`: value \"0\": expected a whole number from 1 to 1000000000",
        ],
    );
    check(
        "contracts:\n- id: c\n  commission: 5 EUR\n  paying_model: last\n  hold_days: 30\n  minimum: 3 USD\n  \
         maximum: 2 EUR\n  rates:\n  - {sku: mug, commission: 1 %}\n  - {sku: mug, customer: new, commission: 1 JPY}\n  \
         tiers:\n  - {from_count: 10, commission: 1 %}\n  - {from_count: 10, commission: 2 %}\n  \
         - {from_revenue: 10 EUR, commission: 2 %}",
        &[
            "12: field `contracts.rates`: never reached: the rate in line 11 fits wherever this one does",
            "8: field `contracts.minimum`: value \"3 USD\": more than the maximum",
            "15: field `contracts.tiers`: expected a larger from_count than the tier before",
            "16: field `contracts.tiers`: expected from_count, as the tier before has it",
            "12: field `contracts.rates.commission`: value \"1 JPY\": the contract's currency is EUR",
            "8: field `contracts.minimum`: value \"3 USD\": the contract's currency is EUR",
        ],
    );
    check(
        "campaigns:\n- id: s\n  advertiser: acme\n  name: S\n  destination: https://s.example/\n  contract: c\n  \
         look_back: 30d\n  publisher_contracts:\n  - {publisher: a, contract: c}\n  - {publisher: a, contract: d}\n  \
         - {publisher: B}",
        &[
            "12: field `campaigns.publisher_contracts.publisher`: value \"a\": named twice",
            "13: field `campaigns.publisher_contracts.publisher`: value \"B\": expected 1 to 64 of a-z, 0-9, - and _, \
             beginning with a letter or digit",
            "13: field `campaigns.publisher_contracts.contract`: missing",
        ],
    );
}

#[test]
fn a_time_of_effect_is_required_somewhere_and_a_bad_one_is_told_once() {
    let missing = parse(
        "tenant: default\npublishers:\n- {id: a, name: A}\n- {id: b, name: B, effective_from: 2026-01-01T00:00:00Z}\n",
    );
    let problems: Vec<String> = missing.problems.iter().map(Problem::to_string).collect();
    assert_eq!(problems, ["3: field `publishers.effective_from`: missing; give it here or at the top of the file"]);
    assert_eq!(missing.drafts.len(), 1);
    assert!(missing.broken.contains(&(EntityKind::Publisher, "a".into())));

    let bad = parse("tenant: Default\neffective_from: soon\npublishers:\n- {id: a, name: A}\n- {id: b, name: B}\n");
    let lines: Vec<u64> = bad.problems.iter().map(|problem| problem.line).collect();
    assert_eq!((lines, bad.tenant), (vec![1, 2], None));
}

#[test]
fn a_text_that_is_no_catalog_is_one_problem() {
    for (text, expected) in [
        ("", "value \"null\": expected a mapping"),
        ("- a\n", "value \"[...]\": expected a mapping"),
        ("a: [\n", "not YAML"),
        ("---\ntenant: a\n---\ntenant: b\n", "not YAML"),
    ] {
        let file = parse(text);
        let problems: Vec<String> = file.problems.iter().map(Problem::to_string).collect();
        assert!(problems.len() == 1 && problems[0].contains(expected), "{text:?}: {problems:?}");
    }
}
