//! Catalog files, good and bad: text in, drafts and problems out.

use super::*;
use schemas::catalog::coupon_id;
use schemas::decimal::{Amount, Currency, Ppm};
use schemas::id::{CustomerId, IpHash};
use schemas::name::{CampaignId, CouponCode, PublisherId};
use schemas::record::attribution::Model;
use schemas::record::catalog::{Approval, CustomerKind, FraudRule, FraudRuleName, FraudTerms, Override, Rate, Tier};
use schemas::record::event::{Action, EvidenceSource};

mod redirects;

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
            "4: field `publishers`: value \"alpha\": expected a mapping with the fields id, name, customers, addresses, \
             effective_from",
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

const GUARDED: &str = "contracts:
- id: guarded
  commission: 10 %
  paying_model: last
  hold_days: 30
  fraud:
    hold_at: 40
    reject_at: 100
    rules:
    - {rule: self_referral, score: 50}
    - {rule: velocity, limit: 60, score: 30}
    - {rule: too_soon, limit: 1m 30s, score: 40}
publishers:
- id: alpha
  name: Alpha
  customers: [ffffffffffffffffffffffffffffffff, 0123456789abcdef0123456789ABCDEF]
  addresses: [00000000000000000000000000000001]
campaigns:
- id: summer
  advertiser: acme
  name: Summer
  destination: https://shop.example/
  contract: guarded
  look_back: 30d
  minimum_time: 10s
overrides:
- id: strike
  campaign: summer
  publisher: alpha
  look_back: 60d
  minimum_time: 0s
  expires_at: 2026-03-01T00:00:00Z
  approver: ana
  why: the mail was late
";

#[test]
fn fraud_minimum_times_own_customers_and_overrides_are_read() {
    let file = parse(&format!("tenant: default\neffective_from: 2026-01-01T00:00:00Z\n{GUARDED}"));
    assert_eq!(file.problems, []);
    let Body::Contract(contract) = &file.drafts[0].body else { panic!("{:?}", file.drafts[0]) };
    let rule = |rule, limit, score| FraudRule { rule, limit, score };
    let rules = vec![
        rule(FraudRuleName::SelfReferral, 0, 50),
        rule(FraudRuleName::Velocity, 60, 30),
        rule(FraudRuleName::TooSoon, 90_000_000, 40),
    ];
    assert_eq!(contract.fraud, Some(FraudTerms { rules, hold_at: Some(40), reject_at: Some(100) }));
    let Body::Publisher(publisher) = &file.drafts[1].body else { panic!("{:?}", file.drafts[1]) };
    let sorted = [0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128, u128::MAX];
    assert_eq!(publisher.customers, sorted.map(|hash| CustomerId(hash.to_be_bytes())));
    assert_eq!(publisher.addresses, [IpHash(1_u128.to_be_bytes())]);
    let Body::Campaign(campaign) = &file.drafts[2].body else { panic!("{:?}", file.drafts[2]) };
    assert_eq!(campaign.minimum_seconds, 10);
    let Body::Override(exception) = &file.drafts[3].body else { panic!("{:?}", file.drafts[3]) };
    let expected = Override {
        campaign: CampaignId::new("summer").ok(),
        publisher: PublisherId::new("alpha").ok(),
        look_back_seconds: Some(60 * 86_400),
        minimum_seconds: Some(0),
        expires_at: Micros::parse("2026-03-01T00:00:00Z").expect("a time"),
        approver: "ana".into(),
        why: "the mail was late".into(),
    };
    assert_eq!(*exception, expected);
    assert_eq!((file.drafts[3].id.as_str(), file.drafts[3].references.len()), ("strike", 2));
}

#[test]
fn bad_terms_against_fraud_are_told_with_field_value_and_reason() {
    let contract = "contracts:\n- id: c\n  commission: 10 %\n  paying_model: last\n  hold_days: 30\n  fraud:";
    check(
        &format!(
            "{contract}\n    hold_at: 0\n    reject_at: 101\n    rules:\n    - {{rule: velocity, score: 50}}\n    \
             - {{rule: self_referal, score: 5}}\n    - {{rule: datacentre, limit: 5, score: 1001}}\n    \
             - {{rule: too_soon, limit: 25h, score: 5, weight: 1}}\n    - alpha"
        ),
        &[
            "9: field `contracts.fraud.hold_at`: value \"0\": expected a whole number from 1 to 1000",
            "12: field `contracts.fraud.rules.limit`: missing",
            "13: field `contracts.fraud.rules.rule`: value \"self_referal\": expected one of bot_user_agent, datacentre, \
             velocity, duplicate_clicks, too_soon, self_referral; did you mean `self_referral`?",
            "14: field `contracts.fraud.rules.score`: value \"1001\": expected a whole number from 1 to 1000",
            "14: field `contracts.fraud.rules.limit`: value \"5\": datacentre has no limit: leave it out",
            "15: field `contracts.fraud.rules.weight`: unknown field",
            "15: field `contracts.fraud.rules.limit`: value \"25h\": expected a duration from 1s to 24h, like 10s",
            "16: field `contracts.fraud.rules`: value \"alpha\": expected a mapping with the fields rule, limit, score",
        ],
    );
    check(
        &format!(
            "{contract}\n    hold_at: 30\n    reject_at: 20\n    rules:\n    - {{rule: self_referral, score: 25}}"
        ),
        &[
            "9: field `contracts.fraud.hold_at`: value \"30\": not less than reject_at: nothing would be held",
            "9: field `contracts.fraud.hold_at`: value \"30\": never reached: the scores of all rules add up to 25",
        ],
    );
    check(
        &format!(
            "{contract}\n    rules:\n    - {{rule: self_referral, score: 25}}\n    - {{rule: self_referral, score: 25}}"
        ),
        &["11: field `contracts.fraud.rules.rule`: value \"self_referral\": named twice"],
    );
    check(
        &format!("{contract}\n    rules:\n    - {{rule: self_referral, score: 25}}"),
        &["9: field `contracts.fraud`: expected hold_at, reject_at or both: else nothing follows from a score"],
    );
    check(&format!("{contract}\n    reject_at: 5"), &["9: field `contracts.fraud.rules`: expected a rule at least"]);
}

#[test]
fn bad_overrides_minimum_times_and_own_customers_are_told() {
    check(
        "overrides:\n- {id: a, expires_at: 2026-01-01T00:00:00Z, approver: '', why: x}\n\
         - {id: b, campaign: s, look_back: 1d, minimum_time: 2d, expires_at: soon, why: x}\n\
         - {id: c, publisher: p, look_back: 1d, expires_at: 2026-01-01T00:00:00Z, approver: ana, why: x}",
        &[
            "4: field `overrides.approver`: value \"\": expected 1 to 200 printable characters",
            "4: field `overrides`: names no campaign and no publisher; what holds for all is the campaigns' own",
            "4: field `overrides`: changes neither look_back nor minimum_time",
            "5: field `overrides.expires_at`: value \"soon\": expected a time like 2026-01-31T08:00:00Z",
            "5: field `overrides.approver`: missing",
            "5: field `overrides`: minimum_time is more than look_back: no click would earn",
            "6: field `overrides.expires_at`: value \"2026-01-01T00:00:00Z\": not after effective_from \
             2026-01-01T00:00:00.000000Z: it would hold for nothing",
        ],
    );
    check(
        "publishers:\n- id: a\n  name: A\n  customers: [ann, 00000000000000000000000000000001, \
         00000000000000000000000000000001]\n  addresses: 127.0.0.1\ncampaigns:\n- id: s\n  advertiser: acme\n  name: S\n  \
         destination: https://s.example/\n  contract: c\n  look_back: 1h\n  minimum_time: 2h\n  active: maybe",
        &[
            "6: field `publishers.customers`: value \"ann\": expected a hash of 32 hexadecimal digits, as `tributary secrets \
             hash` prints it",
            "6: field `publishers.customers`: value \"00000000000000000000000000000001\": named twice",
            "7: field `publishers.addresses`: value \"127.0.0.1\": expected a list",
            "15: field `campaigns.minimum_time`: value \"2h\": more than look_back: no click would earn",
            "16: field `campaigns.active`: value \"maybe\": expected true or false",
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
