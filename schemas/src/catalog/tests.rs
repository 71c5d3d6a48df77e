//! What a look-up finds, as of which position and time.

use super::*;
use crate::decimal::{Currency, Fixed};

fn publisher(version: i32, effective_from: i64, name: &str) -> CatalogEntry {
    let tenant = TenantId::new("default").expect("a name");
    CatalogEntry {
        version,
        effective_from: Micros(effective_from),
        publisher: Some(Publisher { name: name.into(), customers: vec![], addresses: vec![] }),
        ..CatalogEntry::bare(EntityKind::Publisher, tenant, "alpha")
    }
}

#[test]
fn a_look_up_takes_the_newest_version_known_and_in_effect() {
    let mut catalog = Catalog::default();
    catalog.apply(Offset(3), publisher(1, 100, "first"));
    catalog.apply(Offset(7), publisher(2, 200, "second"));
    catalog.apply(Offset(9), publisher(3, 150, "third"));
    catalog.apply(Offset(7), publisher(2, 200, "repeated"));
    let tenant = TenantId::new("default").expect("a name");
    let alpha = PublisherId::new("alpha").expect("a name");
    for (offset, time, expected) in [
        (2, 1000, None),
        (3, 99, None),
        (3, 100, Some("first")),
        (8, 199, Some("first")),
        (8, 200, Some("second")),
        (9, 149, Some("first")),
        (9, 150, Some("third")),
        (9, 500, Some("third")),
    ] {
        let as_of = AsOf { offset: Offset(offset), time: Micros(time) };
        let found = catalog.publisher(&tenant, &alpha, as_of).map(|version| version.body.name.as_str());
        assert_eq!(found, expected, "{offset} {time}");
    }
    assert_eq!(catalog.read_to(), Offset(9));
    assert!(catalog.has_read(Offset(9)) && !catalog.has_read(Offset(10)));
}

fn exception(campaign: Option<&str>, of: Option<&str>, look_back_seconds: i64, expires_at: i64) -> Override {
    Override {
        campaign: campaign.map(|name| CampaignId::new(name).expect("a name")),
        publisher: of.map(|name| PublisherId::new(name).expect("a name")),
        look_back_seconds: Some(look_back_seconds),
        minimum_seconds: None,
        expires_at: Micros(expires_at),
        approver: "ana".into(),
        why: String::new(),
    }
}

#[test]
fn the_narrowest_override_in_force_counts() {
    let tenant = TenantId::new("default").expect("a name");
    let (summer, alpha) = (CampaignId::new("summer").expect("a name"), PublisherId::new("alpha").expect("a name"));
    let mut catalog = Catalog::default();
    let found = |catalog: &Catalog, offset: i64, time: i64| {
        let as_of = AsOf { offset: Offset(offset), time: Micros(time) };
        let found = catalog.overridden(&tenant, &summer, &alpha, as_of)?.look_back;
        found.map(|(seconds, named)| (seconds, named.id.to_owned(), named.version))
    };
    assert_eq!(found(&catalog, 9, 100), None);
    let entries = [
        ("wide", 1, 100, exception(Some("summer"), None, 10, 1000)),
        ("both", 1, 200, exception(Some("summer"), Some("alpha"), 20, 300)),
        ("own", 1, 100, exception(None, Some("alpha"), 30, 250)),
        ("newer", 1, 150, exception(None, Some("alpha"), 40, 160)),
        ("others", 1, 0, exception(None, Some("beta"), 50, 1000)),
        // From its second version on it is about somebody else.
        ("own", 2, 120, exception(None, Some("beta"), 60, 1000)),
    ];
    for (offset, (id, version, effective_from, body)) in (0..).zip(entries) {
        let bare = CatalogEntry::bare(EntityKind::Override, tenant.clone(), id);
        let effective_from = Micros(effective_from);
        catalog.apply(Offset(offset), CatalogEntry { version, effective_from, exception: Some(body), ..bare });
    }
    let named = |seconds, id: &str| Some((seconds, id.to_owned(), 1));
    for (offset, time, expected) in [
        (9, 99, None),
        (9, 100, named(30, "own")),
        (0, 100, named(10, "wide")),
        (9, 130, named(10, "wide")),
        (4, 130, named(30, "own")),
        (9, 159, named(40, "newer")),
        (9, 160, named(10, "wide")),
        (4, 160, named(30, "own")),
        (9, 200, named(20, "both")),
        (9, 299, named(20, "both")),
        (9, 300, named(10, "wide")),
        (9, 1000, None),
    ] {
        assert_eq!(found(&catalog, offset, time), expected, "{offset} {time}");
    }
}

#[test]
fn a_budget_that_is_spent_pauses_from_then_on_until_its_limit_is_raised() {
    let tenant = TenantId::new("default").expect("a name");
    let summer = CampaignId::new("summer").expect("a name");
    let budget = |of: Option<&str>, limit: i128| Budget {
        publisher: of.map(|name| PublisherId::new(name).expect("a name")),
        currency: Currency::USD,
        from: Micros(0),
        limit: Fixed(limit),
    };
    let campaign = |version, budgets: Vec<Budget>| {
        let campaign = Campaign { budgets, ..campaign_without_budgets() };
        let bare = CatalogEntry::bare(EntityKind::Campaign, tenant.clone(), "summer");
        CatalogEntry { version, effective_from: Micros(i64::from(version)), campaign: Some(campaign), ..bare }
    };
    let passed = |version, at, budget: &Budget, spent| {
        let Budget { publisher, currency, from, limit } = budget.clone();
        let passed = BudgetPassed { campaign: summer.clone(), publisher, currency, from, limit, spent: Fixed(spent) };
        let bare = CatalogEntry::bare(EntityKind::BudgetPassed, tenant.clone(), &budget_id(&summer, budget));
        CatalogEntry { version, effective_from: Micros(at), budget_passed: Some(passed), ..bare }
    };
    let (all, alphas) = (budget(None, 1000), budget(Some("alpha"), 100));
    let mut catalog = Catalog::default();
    let entries = [
        campaign(1, vec![all.clone(), alphas.clone()]),
        passed(1, 50, &alphas, 120),
        passed(1, 60, &all, 1000),
        // The whole campaign's is raised, alpha's lowered.
        campaign(70, vec![budget(None, 2000), budget(Some("alpha"), 50)]),
        passed(2, 80, &budget(None, 2000), 2001),
        campaign(90, vec![]),
    ];
    for (offset, entry) in (0..).zip(entries) {
        catalog.apply(Offset(offset), entry);
    }
    for (of, offset, time, spent) in [
        ("alpha", 9, 49, None),
        ("alpha", 9, 50, Some(120)),
        ("alpha", 0, 50, None),
        ("beta", 9, 59, None),
        ("beta", 9, 60, Some(1000)),
        ("alpha", 9, 70, Some(120)),
        ("beta", 9, 70, None),
        ("beta", 2, 70, Some(1000)),
        ("beta", 9, 80, Some(2001)),
        ("alpha", 9, 90, None),
    ] {
        let (as_of, of) = (AsOf { offset: Offset(offset), time: Micros(time) }, PublisherId::new(of).expect("a name"));
        let found = catalog.budget_passed(&tenant, &summer, &of, as_of).map(|passed| passed.spent.0);
        assert_eq!(found, spent, "{of} {offset} {time}");
    }
    assert_eq!(catalog.budgets(&tenant, &summer, Offset(0)), [all, alphas]);
    assert!(catalog.budgets(&tenant, &summer, Offset(9)).is_empty());
}

fn campaign_without_budgets() -> Campaign {
    Campaign {
        advertiser: AdvertiserId::new("acme").expect("a name"),
        name: "Summer".into(),
        destination: "https://shop.example/".into(),
        contract: ContractId::new("standard").expect("a name"),
        look_back_seconds: 3600,
        active: true,
        minimum_seconds: 0,
        publisher_contracts: Vec::new(),
        budgets: Vec::new(),
        redirects: None,
    }
}

#[test]
fn a_clone_does_not_see_what_comes_later_and_shares_the_rest() {
    let mut catalog = Catalog::default();
    for number in 0..2000 {
        let entry = CatalogEntry { id: format!("publisher-{number}"), ..publisher(1, 0, "first") };
        catalog.apply(Offset(number), entry);
    }
    let earlier = catalog.clone();
    let changed = CatalogEntry { id: "publisher-7".into(), ..publisher(2, 0, "second") };
    catalog.apply(Offset(2000), changed);
    let tenant = TenantId::new("default").expect("a name");
    let version =
        |catalog: &Catalog| catalog.newest_of(EntityKind::Publisher, &tenant, "publisher-7").map(|entry| entry.version);
    assert_eq!((version(&earlier), version(&catalog)), (Some(1), Some(2)));
    assert_eq!((earlier.read_to(), catalog.read_to()), (Offset(1999), Offset(2000)));
    assert_eq!(earlier.newest(EntityKind::Publisher).count(), 2000);
    assert_eq!(catalog.entities.shards_not_shared_with(&earlier.entities), 1);
    let changed = |earlier: &Catalog| -> Vec<String> {
        catalog.changed_since(earlier, EntityKind::Publisher).map(|entry| entry.id.clone()).collect()
    };
    assert_eq!(changed(&earlier), ["publisher-7"]);
    assert_eq!((changed(&catalog).len(), changed(&Catalog::default()).len()), (0, 2000));
}

#[test]
fn a_link_code_belongs_to_whoever_had_it_first() {
    let link = |tenant: &str| CatalogEntry {
        kind: EntityKind::Link,
        tenant: TenantId::new(tenant).expect("a name"),
        id: "alpha-summer".into(),
        publisher: None,
        ..publisher(1, 0, "")
    };
    let mut catalog = Catalog::default();
    catalog.apply(Offset(0), link("one"));
    catalog.apply(Offset(1), link("two"));
    let code = |text| LinkCode::new(text).expect("a code");
    assert_eq!(catalog.link_owner(&code("alpha-summer")).map(TenantId::as_str), Some("one"));
    assert_eq!(catalog.link_owner(&code("alpha-winter")), None);
}
