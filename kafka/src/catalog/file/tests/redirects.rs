//! Where clicks go besides a campaign's destination, as files say it, well and badly.

use super::check;
use crate::catalog::file::{Body, parse};
use schemas::record::catalog::{Device, RedirectRule, Redirects, System, Variant};
use schemas::time::Micros;

const GUIDED: &str = "campaigns:
- id: summer
  advertiser: acme
  name: Summer
  destination: https://shop.example/
  contract: standard
  look_back: 30d
  rules:
  - {name: app, device: mobile, os: [ios, android], to: https://shop.example/app}
  - {name: dach, country: [DE, at], language: DE, to: 'https://shop.example/de?c={country}'}
  variants:
  - {name: a, weight: 9}
  - {name: b, weight: 1, to: https://shop.example/b}
  fallback: https://shop.example/over
  deep_links: [Shop.example, '*.münchen.example']
  starts_at: 2026-02-01T00:00:00Z
  ends_at: 2026-03-01T00:00:00Z
links:
- {code: plain, campaign: summer, publisher: alpha}
- {code: own, campaign: summer, publisher: alpha, fallback: https://alpha.example/}
";

#[test]
fn rules_rotation_deep_links_and_schedules_are_read() {
    let file = parse(&format!("tenant: default\neffective_from: 2026-01-01T00:00:00Z\n{GUIDED}"));
    assert_eq!(file.problems, []);
    let Body::Campaign(campaign) = &file.drafts[0].body else { panic!("{:?}", file.drafts[0]) };
    let text = |text: &str| text.to_owned();
    let rule = |name: &str, to: &str| RedirectRule {
        name: name.into(),
        countries: vec![],
        devices: vec![],
        systems: vec![],
        languages: vec![],
        destination: to.into(),
    };
    let expected = Redirects {
        rules: vec![
            RedirectRule {
                devices: vec![Device::Mobile],
                systems: vec![System::Ios, System::Android],
                ..rule("app", "https://shop.example/app")
            },
            RedirectRule {
                countries: vec![text("DE"), text("AT")],
                languages: vec![text("de")],
                ..rule("dach", "https://shop.example/de?c={country}")
            },
        ],
        variants: vec![
            Variant { name: text("a"), weight: 9, destination: None },
            Variant { name: text("b"), weight: 1, destination: Some(text("https://shop.example/b")) },
        ],
        fallback: Some(text("https://shop.example/over")),
        deep_link_hosts: vec![text("shop.example"), text("*.xn--mnchen-3ya.example")],
        starts_at: Micros::parse("2026-02-01T00:00:00Z").ok(),
        ends_at: Micros::parse("2026-03-01T00:00:00Z").ok(),
    };
    assert_eq!(campaign.redirects.as_deref(), Some(&expected));
    let own = |place: usize| {
        let Body::Link(link) = &file.drafts[place].body else { panic!("{:?}", file.drafts[place]) };
        link.redirects.as_ref().and_then(|redirects| redirects.fallback.clone())
    };
    assert_eq!((own(1), own(2)), (None, Some(text("https://alpha.example/"))));
}

#[test]
fn bad_redirects_are_told_all_that_is_wrong_with_them() {
    check(
        "campaigns:\n- id: s\n  advertiser: acme\n  name: S\n  destination: https://s.example/\n  contract: c\n  \
         look_back: 30d\n  rules:\n  - {name: a, country: Germany, to: https://s.example/}\n  \
         - {name: A, device: phone, os: [], to: ftp://s.example/}\n  - {name: b, to: 'https://s.example/{payout}'}\n  \
         - {name: c, language: german, contry: DE}\n  variants:\n  - {name: a, weight: 0}\n  \
         - {name: b, weight: 10001, to: 'https://{sub1}/'}\n  fallback: s.example\n  \
         deep_links: [s.example:80, '*', shop, s.example/x]",
        &[
            "11: field `campaigns.rules.country`: value \"Germany\": expected a country's two letters (ISO 3166), like DE",
            "12: field `campaigns.rules.name`: value \"A\": expected 1 to 64 of a-z, 0-9, - and _, beginning with a letter \
             or digit",
            "12: field `campaigns.rules.device`: value \"phone\": expected one of desktop, mobile, tablet, other",
            "12: field `campaigns.rules.os`: 0 of them; expected 1 to 260",
            "12: field `campaigns.rules.to`: value \"ftp://s.example/\": expected an absolute URL that begins with https:// \
             or http://",
            "13: field `campaigns.rules.to`: value \"https://s.example/{payout}\": unknown macro {payout}; expected \
             {click_id}, {ref_code}, {sub1} to {sub10}, {source}, {campaign}, {publisher}, {country}, {device}, {os} or \
             {variant}",
            "14: field `campaigns.rules.contry`: unknown field; did you mean `country`?",
            "14: field `campaigns.rules.language`: value \"german\": expected a language's two or three letters (ISO 639), \
             like de",
            "14: field `campaigns.rules.to`: missing",
            "16: field `campaigns.variants.weight`: value \"0\": expected a whole number from 1 to 10000",
            "17: field `campaigns.variants.weight`: value \"10001\": expected a whole number from 1 to 10000",
            "17: field `campaigns.variants.to`: value \"https://{sub1}/\": expected no macro before the path: a visitor \
             could choose the host",
            "18: field `campaigns.fallback`: value \"s.example\": expected an absolute URL that begins with https:// or \
             http://",
            "19: field `campaigns.deep_links`: value \"s.example:80\": expected a host like shop.example, or *.shop.example \
             for all below it",
            "19: field `campaigns.deep_links`: value \"*\": expected a host like shop.example, or *.shop.example for all \
             below it",
            "19: field `campaigns.deep_links`: value \"shop\": expected a host like shop.example, or *.shop.example for all \
             below it",
            "19: field `campaigns.deep_links`: value \"s.example/x\": expected a host like shop.example, or *.shop.example \
             for all below it",
        ],
    );
    check(
        "links:\n- {code: a, campaign: s, publisher: p, deep_links: [s.example], rules: [{name: x, to: https://s.example/}]}\n\
         - {code: b, campaign: s, publisher: p, variants: [{name: x, weight: 1}, {name: x, weight: 2}]}\n\
         campaigns:\n- id: s\n  advertiser: acme\n  name: S\n  destination: https://s.example/\n  contract: c\n  \
         look_back: 30d\n  starts_at: 2026-02-01T00:00:00Z\n  ends_at: 2026-02-01T00:00:00Z",
        &[
            "14: field `campaigns.ends_at`: value \"2026-02-01T00:00:00Z\": not after starts_at: nothing would ever count",
            "4: field `links.deep_links`: unknown field",
            "4: field `links.rules`: names no country, device, os or language; what always holds is the destination",
            "5: field `links.variants.name`: value \"x\": named twice",
        ],
    );
}
