//! The index as of a time, and the catalog that the crate's other tests use.

use super::*;
use schemas::record::catalog::{
    ApiKey, Campaign as CampaignBody, Device, Link as LinkBody, Publisher, RedirectRule, Redirects, System, Variant,
};

mod million;

pub const API_KEY: &str = "tk_test_0123456789abcdef";
/// Of a key that takes signed requests only.
pub const SIGNED_KEY: &str = "tk_signed_0123456789abcdef";
pub const POSTBACK_TOKEN: &str = "tk_postback_0123456789abcdef";
/// Of another advertiser.
pub const OTHER_TOKEN: &str = "tk_other_0123456789abcdef";
pub const BROWSER_KEY: &str = "tk_browser_0123456789abcdef";

impl Client {
    pub fn for_test() -> Client {
        Client {
            tenant: tenant(),
            advertiser: AdvertiserId::new("acme").expect("a name"),
            api_key: ApiKeyId::new("acme-main").expect("a name"),
            key_hash: KeyHash::of_api_key(API_KEY),
            usage: KeyUse::Server,
            signed: false,
        }
    }
}

pub fn tenant() -> TenantId {
    TenantId::new("default").expect("a name")
}

pub fn entry(kind: EntityKind, id: &str, effective_from: i64) -> CatalogEntry {
    CatalogEntry { effective_from: Micros(effective_from), ..CatalogEntry::bare(kind, tenant(), id) }
}

fn campaign_entry(id: &str, effective_from: i64, destination: &str, active: bool) -> CatalogEntry {
    let body = CampaignBody {
        advertiser: AdvertiserId::new("acme").expect("a name"),
        name: id.into(),
        destination: destination.into(),
        contract: schemas::name::ContractId::new("standard").expect("a name"),
        look_back_seconds: 30 * 86_400,
        active,
        minimum_seconds: 0,
        publisher_contracts: Vec::new(),
        budgets: Vec::new(),
        redirects: None,
    };
    CatalogEntry { campaign: Some(body), ..entry(EntityKind::Campaign, id, effective_from) }
}

fn link_entry(code: &str, effective_from: i64, campaign: &str, active: bool) -> CatalogEntry {
    let body = LinkBody {
        campaign: CampaignId::new(campaign).expect("a name"),
        publisher: PublisherId::new("alpha").expect("a name"),
        active,
        valid_from: None,
        valid_until: None,
        redirects: None,
    };
    CatalogEntry { link: Some(body), ..entry(EntityKind::Link, code, effective_from) }
}

fn with_redirects(entry: CatalogEntry, redirects: Redirects) -> CatalogEntry {
    let campaign = entry.campaign.map(|body| CampaignBody { redirects: Some(Arc::new(redirects)), ..body });
    CatalogEntry { campaign, ..entry }
}

/// iPhones to one page, Germans to another; the rest to one of two; deep links within the shop.
fn guided() -> Redirects {
    let rule = |name: &str| RedirectRule {
        name: name.into(),
        countries: vec![],
        devices: vec![],
        systems: vec![],
        languages: vec![],
        destination: format!("https://shop.example/{name}?os={{os}}"),
    };
    let variant = |name: &str, destination| Variant { name: name.into(), weight: 1, destination };
    Redirects {
        rules: vec![
            RedirectRule { devices: vec![Device::Mobile], systems: vec![System::Ios], ..rule("app") },
            RedirectRule { countries: vec!["DE".into()], ..rule("de") },
            RedirectRule { languages: vec!["fr".into()], ..rule("fr") },
        ],
        variants: vec![variant("a", None), variant("b", Some("https://shop.example/b?v={variant}".into()))],
        deep_link_hosts: vec!["shop.example".into()],
        ..Redirects::default()
    }
}

fn over() -> Redirects {
    Redirects { fallback: Some("https://shop.example/over?by={publisher}".into()), ..Redirects::default() }
}

/// One whose time is over, with a page for that.
fn expired_link() -> CatalogEntry {
    let entry = link_entry("expired", 0, "sale", true);
    let fallback = Some("https://shop.example/expired".into());
    let redirects = Some(Arc::new(Redirects { fallback, ..Redirects::default() }));
    let link = entry.link.map(|body| LinkBody { valid_until: Some(Micros(1_000)), redirects, ..body });
    CatalogEntry { link, ..entry }
}

/// `summer` is an active link, `paused` is not, `future` comes into force at 1000 s; `off` is of a paused campaign.
pub fn catalog() -> Catalog {
    let key = ApiKey {
        advertiser: AdvertiserId::new("acme").expect("a name"),
        hash: KeyHash::of_api_key(API_KEY),
        active: true,
        usage: KeyUse::Server,
        signed: false,
    };
    let of = |key: &ApiKey, text: &str, usage| ApiKey { hash: KeyHash::of_api_key(text), usage, ..key.clone() };
    let signed = ApiKey { signed: true, ..of(&key, SIGNED_KEY, KeyUse::Server) };
    let postback = of(&key, POSTBACK_TOKEN, KeyUse::Postback);
    let bolt = AdvertiserId::new("bolt").expect("a name");
    let other = ApiKey { advertiser: bolt, ..of(&key, OTHER_TOKEN, KeyUse::Postback) };
    let browser = of(&key, BROWSER_KEY, KeyUse::Browser);
    let revoked = ApiKey { active: false, hash: KeyHash::of_api_key("revoked"), ..key.clone() };
    let entries = [
        CatalogEntry {
            publisher: Some(Publisher { name: "Alpha".into(), customers: vec![], addresses: vec![] }),
            ..entry(EntityKind::Publisher, "alpha", 0)
        },
        campaign_entry("sale", 0, "https://shop.example/p?a=1#top", true),
        campaign_entry("over", 0, "https://shop.example/", false),
        campaign_entry("broken", 0, "https://shop.example/?x={nonsense}", true),
        link_entry("summer", 0, "sale", true),
        link_entry("paused", 0, "sale", false),
        link_entry("future", 1_000_000_000, "sale", true),
        link_entry("off", 0, "over", true),
        link_entry("bad", 0, "broken", true),
        link_entry("lost", 0, "nowhere", true),
        CatalogEntry { api_key: Some(key), ..entry(EntityKind::ApiKey, "acme-main", 0) },
        CatalogEntry { api_key: Some(revoked), ..entry(EntityKind::ApiKey, "acme-old", 0) },
        CatalogEntry { api_key: Some(signed), ..entry(EntityKind::ApiKey, "acme-signed", 0) },
        CatalogEntry { api_key: Some(postback), ..entry(EntityKind::ApiKey, "acme-network", 0) },
        CatalogEntry { api_key: Some(other), ..entry(EntityKind::ApiKey, "bolt-network", 0) },
        CatalogEntry { api_key: Some(browser), ..entry(EntityKind::ApiKey, "acme-page", 0) },
        with_redirects(campaign_entry("guided", 0, "https://shop.example/", true), guided()),
        link_entry("guided", 0, "guided", true),
        with_redirects(campaign_entry("over-with-page", 0, "https://shop.example/", false), over()),
        link_entry("off-with-page", 0, "over-with-page", true),
        with_redirects(
            campaign_entry("ended", 0, "https://shop.example/", true),
            Redirects { ends_at: Some(Micros(1_000)), ..over() },
        ),
        link_entry("ended", 0, "ended", true),
        expired_link(),
    ];
    let mut catalog = Catalog::default();
    for (offset, entry) in entries.into_iter().enumerate() {
        catalog.apply(Offset(offset as i64), entry);
    }
    catalog
}

#[test]
fn clicks_count_only_where_all_that_a_link_names_is_in_effect() {
    let catalog = catalog();
    for (code, at, expected) in [
        ("summer", 5, Some("active")),
        ("paused", 5, Some("link_paused")),
        ("future", 999_999_999, Some("link_not_yet_effective")),
        ("future", 1_000_000_000, Some("active")),
        ("off", 5, Some("campaign_paused")),
        ("bad", 5, Some("destination_bad")),
        ("lost", 5, Some("campaign_not_yet_effective")),
        ("unknown", 5, None),
    ] {
        let routes = Routes::build(&catalog, Micros(at));
        let found = routes.link(code).map(|link| match link {
            Link::Known(link) => link.closed(Micros(at)).map_or("active", |(reason, _)| reason),
            Link::Lost(lost) => lost.reason,
        });
        assert_eq!(found, expected, "{code} at {at}");
        assert_eq!(routes.offset, catalog.read_to());
    }
}

#[test]
fn an_index_is_outdated_when_a_version_comes_into_force() {
    let routes = Routes::build(&catalog(), Micros(5));
    assert!(!routes.outdated(Micros(999_999_999)));
    assert!(routes.outdated(Micros(1_000_000_000)));
    assert!(!Routes::build(&catalog(), Micros(1_000_000_000)).outdated(Micros(i64::MAX)));
}

/// Link by link, then all that makes a whole index necessary.
#[test]
fn an_index_that_is_brought_up_to_date_is_that_of_the_whole_catalog() {
    let at = Micros(5);
    let mut catalog = catalog();
    let mut routes = Routes::build(&catalog, at);
    let step = |catalog: &mut Catalog, routes: &mut Routes, entry: CatalogEntry, expected: bool| {
        let earlier = catalog.clone();
        let version = catalog.newest_of(entry.kind, &entry.tenant, &entry.id).map_or(1, |entry| entry.version + 1);
        let shown = format!("{:?} {} {version}", entry.kind, entry.id);
        catalog.apply(Offset(catalog.next_offset().0), CatalogEntry { version, ..entry });
        let whole = Routes::build(catalog, at);
        let updated = routes.update(&earlier, catalog, at);
        assert_eq!(updated.is_some(), expected, "{shown}");
        *routes = updated.unwrap_or_else(|| Routes::build(catalog, at));
        for code in ["summer", "new", "later", "off", "lost", "guided"] {
            assert_eq!(format!("{:?}", routes.link(code)), format!("{:?}", whole.link(code)), "{shown}: {code}");
        }
        assert_eq!((routes.count(), routes.offset), (whole.count(), whole.offset), "{shown}");
        assert_eq!(routes.next_change, whole.next_change, "{shown}");
    };
    for (entry, expected) in [
        (link_entry("new", 0, "sale", true), true),
        (link_entry("summer", 0, "sale", false), true),
        (link_entry("later", 600_000_000, "guided", true), true),
        (link_entry("new", 0, "over", true), true),
        (campaign_entry("over", 0, "https://shop.example/again", true), false),
        (link_entry("summer", 0, "over", true), true),
    ] {
        step(&mut catalog, &mut routes, entry, expected);
    }
    let later = Micros(600_000_000);
    assert!(routes.update(&catalog.clone(), &catalog, later).is_none(), "a version has come into force");
}

#[test]
fn an_api_key_is_its_advertisers_until_it_is_revoked() {
    let routes = Routes::build(&catalog(), Micros(5));
    let client = routes.client(API_KEY, KeyUse::Server).expect("known");
    assert_eq!((client.advertiser.as_str(), client.api_key.as_str()), ("acme", "acme-main"));
    for (key, usage) in [
        ("revoked", KeyUse::Server),
        ("", KeyUse::Server),
        (API_KEY, KeyUse::Postback),
        (API_KEY, KeyUse::Browser),
        (POSTBACK_TOKEN, KeyUse::Server),
        (BROWSER_KEY, KeyUse::Server),
        (BROWSER_KEY, KeyUse::Postback),
    ] {
        assert!(routes.client(key, usage).is_none(), "{key} as {usage:?}");
    }
}
