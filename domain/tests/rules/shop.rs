//! A shop to test with: its catalog, its visitors' clicks, its events.

use crate::budget;
use schemas::catalog::{Catalog, coupon_id};
use schemas::decimal::{Amount, Currency, Ppm};
use schemas::id::{ClickId, ConversionId, CustomerId, JourneyId, PayloadHash, hash_of};
use schemas::name::{AdvertiserId, ApiKeyId, CampaignId, ContractId, CouponCode, LinkCode, PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::attribution::Model;
use schemas::record::candidates::Touch;
use schemas::record::catalog::{
    Approval, Campaign, CatalogEntry, Contract, Coupon, CustomerKind, EntityKind, FraudRule, FraudRuleName, FraudTerms,
    Link, Override, Publisher, PublisherContract, Rate,
};
use schemas::record::event::{Action, Event, Evidence, EvidenceNames, EvidenceSource, Item};
use schemas::time::Micros;

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// When things are sold, unless a test says otherwise.
pub const NOON: Micros = Micros(1_760_000_000_000_000);

/// The last record of the catalog when the shop opened; everything but version 2 of `standard` was there.
pub const OPENED: Offset = Offset(99);
/// From here on contract `standard` pays 20 %.
pub const RAISED: Offset = Offset(100);

const DEFAULT_ORDER: [EvidenceSource; 6] = [
    EvidenceSource::Coupon,
    EvidenceSource::ClickId,
    EvidenceSource::RefCode,
    EvidenceSource::LandingUrl,
    EvidenceSource::Referrer,
    EvidenceSource::Customer,
];

pub fn tenant() -> TenantId {
    TenantId::new("default").expect("a name")
}

pub fn acme() -> AdvertiserId {
    AdvertiserId::new("acme").expect("a name")
}

pub fn publisher(name: &str) -> PublisherId {
    PublisherId::new(name).expect("a name")
}

pub fn entry(kind: EntityKind, id: &str) -> CatalogEntry {
    CatalogEntry::bare(kind, tenant(), id)
}

fn contract(id: &str, rate: i64, paying_model: Model, order: &[EvidenceSource]) -> CatalogEntry {
    terms(id, Contract::percentage(Ppm(rate), Ppm(300_000), paying_model, 30, order.to_vec()))
}

pub fn terms(id: &str, contract: Contract) -> CatalogEntry {
    CatalogEntry { contract: Some(contract), ..entry(EntityKind::Contract, id) }
}

pub fn campaign(id: &str, advertiser: &str, contract: &str, look_back_days: i64, active: bool) -> CatalogEntry {
    let campaign = Campaign {
        advertiser: AdvertiserId::new(advertiser).expect("a name"),
        name: id.into(),
        destination: "https://shop.example/".into(),
        contract: ContractId::new(contract).expect("a name"),
        look_back_seconds: look_back_days * 24 * 3600,
        active,
        minimum_seconds: 0,
        publisher_contracts: Vec::new(),
        budgets: Vec::new(),
        redirects: None,
    };
    CatalogEntry { campaign: Some(campaign), ..entry(EntityKind::Campaign, id) }
}

pub fn link(code: &str, campaign: &str, of: &str, active: bool) -> CatalogEntry {
    let campaign = CampaignId::new(campaign).expect("a name");
    let redirects = None;
    let link = Link { campaign, publisher: publisher(of), active, valid_from: None, valid_until: None, redirects };
    CatalogEntry { link: Some(link), ..entry(EntityKind::Link, code) }
}

fn coupon(code: &str, campaign: &str, of: Option<&str>, active: bool) -> CatalogEntry {
    let code = CouponCode::fold(code).expect("a code");
    let campaign = CampaignId::new(campaign).expect("a name");
    let publisher = of.map(publisher);
    let coupon = Coupon { advertiser: acme(), campaign, publisher, active, valid_from: None, valid_until: None };
    CatalogEntry { coupon: Some(coupon), ..entry(EntityKind::Coupon, &coupon_id(&acme(), &code)) }
}

/// Contract `guarded`, which scores whatever can be scored.
fn guarded() -> CatalogEntry {
    let limit = |rule| match rule {
        FraudRuleName::Velocity => 30,
        FraudRuleName::DuplicateClicks => 1,
        FraudRuleName::TooSoon => HOUR,
        FraudRuleName::BotUserAgent | FraudRuleName::Datacentre | FraudRuleName::SelfReferral => 0,
    };
    let rules = FraudRuleName::ALL.map(|rule| FraudRule { rule, limit: limit(rule), score: 40 }).into();
    let mut entry = contract("guarded", 100_000, Model::Linear, &DEFAULT_ORDER);
    if let Some(contract) = &mut entry.contract {
        contract.fraud = Some(FraudTerms { rules, hold_at: Some(40), reject_at: Some(120) });
    }
    entry
}

/// On `guarded` alpha may look back 40 days, until a week before noon.
fn longer() -> CatalogEntry {
    let changed = Override {
        campaign: Some(CampaignId::new("guarded").expect("a name")),
        publisher: Some(publisher("alpha")),
        look_back_seconds: Some(40 * 24 * 3600),
        minimum_seconds: Some(60),
        expires_at: NOON.plus(-7 * DAY),
        approver: "ana".into(),
        why: "a strike of the post".into(),
    };
    CatalogEntry { exception: Some(changed), ..entry(EntityKind::Override, "longer") }
}

/// A customer of the shop.
pub fn customer(number: u8) -> CustomerId {
    CustomerId([number; 16])
}

/// Beta, who is customer 1.
fn beta() -> CatalogEntry {
    let publisher = Publisher { name: "Beta".into(), customers: vec![customer(1)], addresses: vec![] };
    CatalogEntry { publisher: Some(publisher), ..entry(EntityKind::Publisher, "beta") }
}

/// A coupon whose last moment is noon.
fn until_noon() -> CatalogEntry {
    let mut entry = coupon("NOON", "guarded", Some("beta"), true);
    if let Some(coupon) = &mut entry.coupon {
        coupon.valid_until = Some(NOON);
    }
    entry
}

fn percentage(rate: i64) -> Contract {
    Contract::percentage(Ppm(rate), Ppm(300_000), Model::Last, 30, DEFAULT_ORDER.to_vec())
}

pub fn amount(text: &str) -> Amount {
    Amount::parse(text).expect("an amount")
}

pub fn rate() -> Rate {
    Rate { action: None, sku: None, category: None, customer: None, rate_ppm: Ppm(0), flat: None }
}

/// Something of everything, paid by linear.
fn rich() -> Contract {
    Contract {
        currency: Some(Currency::USD),
        paying_model: Model::Linear,
        rates: vec![
            Rate { sku: Some("mug".into()), flat: Some(amount("1.50")), ..rate() },
            Rate { category: Some("books".into()), rate_ppm: Ppm(200_000), ..rate() },
            Rate { action: Some(Action::Signup), flat: Some(amount("5")), ..rate() },
            Rate { action: Some(Action::Rebill), rate_ppm: Ppm(30_000), ..rate() },
            Rate { customer: Some(CustomerKind::New), rate_ppm: Ppm(150_000), ..rate() },
        ],
        minimum: Some(amount("2")),
        maximum: Some(amount("30")),
        ..percentage(100_000)
    }
}

fn with_own_contract(entry: CatalogEntry, of: &str, contract: &str) -> CatalogEntry {
    let contract = ContractId::new(contract).expect("a name");
    let publisher_contracts = vec![PublisherContract { publisher: publisher(of), contract }];
    let campaign = entry.campaign.map(|campaign| Campaign { publisher_contracts, ..campaign });
    CatalogEntry { campaign, ..entry }
}

pub fn catalog() -> Catalog {
    use EvidenceSource as Source;
    let entries = [
        contract("standard", 100_000, Model::Last, &DEFAULT_ORDER),
        contract("even", 100_000, Model::Linear, &DEFAULT_ORDER),
        contract("ends", 100_000, Model::Position, &DEFAULT_ORDER),
        contract("token-first", 50_000, Model::First, &[Source::ClickId, Source::Coupon]),
        contract("coupon-only", 100_000, Model::Last, &[Source::Coupon]),
        guarded(),
        longer(),
        beta(),
        until_noon(),
        campaign("guarded", "acme", "guarded", 30, true),
        campaign("summer", "acme", "standard", 30, true),
        campaign("autumn", "acme", "even", 30, true),
        campaign("winter", "acme", "ends", 30, true),
        campaign("short", "acme", "standard", 1, true),
        campaign("tokens", "acme", "token-first", 30, true),
        campaign("coupons", "acme", "coupon-only", 30, true),
        campaign("closed", "acme", "standard", 30, false),
        campaign("orphan", "acme", "nowhere", 30, true),
        campaign("theirs", "rival", "standard", 30, true),
        link("L-alpha", "summer", "alpha", true),
        link("L-beta", "autumn", "beta", true),
        link("L-off", "summer", "alpha", false),
        link("L-closed", "closed", "alpha", true),
        link("L-ghost", "ghost", "alpha", true),
        link("L-theirs", "theirs", "alpha", true),
        coupon("SAVE10", "summer", Some("gamma"), true),
        coupon("TOKENS", "tokens", Some("gamma"), true),
        coupon("ANY", "summer", None, true),
        coupon("OLD", "summer", Some("gamma"), false),
        coupon("THEIRS", "theirs", Some("gamma"), true),
        terms("rich", rich()),
        terms("flat", Contract { currency: Some(Currency::USD), flat: Some(amount("50")), ..percentage(0) }),
        terms("confirmed", Contract { approval: Approval::Explicit, ..percentage(100_000) }),
        terms("vip", Contract { platform_share_ppm: Ppm(200_000), hold_days: 7, ..percentage(125_000) }),
        campaign("spring", "acme", "rich", 30, true),
        campaign("flats", "acme", "flat", 30, true),
        campaign("leads", "acme", "confirmed", 30, true),
        with_own_contract(campaign("friends", "acme", "even", 30, true), "alpha", "vip"),
        link("L-flats", "flats", "alpha", true),
        coupon("FLAT", "flats", Some("gamma"), true),
        coupon("RICH", "spring", Some("gamma"), true),
        coupon("LEAD", "leads", Some("gamma"), true),
    ];
    let mut catalog = Catalog::default();
    for (offset, entry) in (0..).zip(entries.into_iter().chain(budget::entries())) {
        catalog.apply(Offset(offset), entry);
    }
    let raised = contract("standard", 200_000, Model::Last, &DEFAULT_ORDER);
    catalog.apply(RAISED, CatalogEntry { version: 2, effective_from: Micros(NOON.0 - DAY), ..raised });
    catalog
}

pub fn click_id(number: u8) -> ClickId {
    ClickId([number; 16])
}

pub fn journey_id(number: u8) -> JourneyId {
    JourneyId([number; 16])
}

/// A click of `number`, `before` noon, on the publisher's link of the campaign.
pub fn click(number: u8, journey: u8, of: &str, campaign: &str, before: i64) -> Touch {
    Touch {
        click_id: click_id(number),
        journey_id: journey_id(journey),
        occurred_at: NOON.plus(-before),
        campaign: CampaignId::new(campaign).expect("a name"),
        publisher: publisher(of),
        link: LinkCode::new(&format!("L-{of}")).expect("a code"),
        catalog_offset: OPENED,
        marks: String::new(),
    }
}

/// A purchase of 100.00 USD at noon with nothing that says who brought the customer.
pub fn sale(event_id: &str) -> Event {
    let event = Event {
        event_id: event_id.into(),
        conversion_id: ConversionId::of_event(&tenant(), &acme(), event_id),
        event_conversion_id: None,
        tenant: tenant(),
        advertiser: acme(),
        api_key: ApiKeyId::new("key").expect("a name"),
        action: Action::Purchase,
        order_id: None,
        value: Amount::parse("100").expect("an amount"),
        currency: Currency::USD,
        occurred_at: NOON,
        received_at: NOON,
        clock_ahead_micros: 0,
        customer: None,
        evidence: Vec::new(),
        landing_url: None,
        referrer: None,
        properties: Some("{}".into()),
        payload_hash: PayloadHash([0; 16]),
        catalog_offset: OPENED,
        forwarded_to: None,
        items: Vec::new(),
        refund_of: None,
        to_customer: false,
        tie: None,
        channel: schemas::record::event::Channel::Api,
    };
    event.sealed()
}

/// A refund, a chargeback or a status an hour after noon, of everything and of nothing yet.
pub fn adjustment(action: Action, event_id: &str) -> Event {
    Event { action, value: Amount::ZERO, ..sale(event_id) }.after(HOUR)
}

/// Pieces of a SKU, together of this value.
pub fn item(sku: &str, category: Option<&str>, quantity: i32, value: &str) -> Item {
    Item { sku: sku.into(), category: category.map(String::from), quantity, value: amount(value) }
}

/// What a test says about an event, in the order in which one would say it.
pub trait Say: Sized {
    fn order(self, order: &str) -> Self;
    /// A refund or a status about the sale of this event id.
    fn about(self, event_id: &str) -> Self;
    fn item(self, item: Item) -> Self;
    fn value(self, value: &str, currency: &str) -> Self;
    /// Takes place and is received so long after noon.
    fn after(self, micros: i64) -> Self;
    /// Is received so long after it took place.
    fn delayed(self, micros: i64) -> Self;
    fn token(self, click: u8, journey: u8) -> Self;
    fn coupon(self, code: &str) -> Self;
    fn ref_code(self, code: &str) -> Self;
    fn says(self, evidence: Evidence) -> Self;
    /// Its payload hash: of everything but the times of receipt.
    fn sealed(self) -> Self;
}

pub fn evidence(source: EvidenceSource, value: &str, names: EvidenceNames) -> Evidence {
    Evidence { source, value: value.into(), names, click_id: None, journey_id: None, code: None, problem: None }
}

pub fn token(source: EvidenceSource, click: u8, journey: u8) -> Evidence {
    let (click_id, journey_id) = (Some(click_id(click)), Some(journey_id(journey)));
    Evidence { click_id, journey_id, ..evidence(source, &format!("T{click}"), EvidenceNames::Touch) }
}

impl Say for Event {
    fn order(self, order: &str) -> Self {
        let conversion_id = ConversionId::of_order(&self.tenant, &self.advertiser, order);
        let event_id = if self.action.adjusts() { self.refund_of.as_ref() } else { Some(&self.event_id) };
        let event_conversion_id = event_id.map(|id| ConversionId::of_event(&self.tenant, &self.advertiser, id));
        Event { order_id: Some(order.into()), conversion_id, event_conversion_id, ..self }.sealed()
    }

    fn about(self, event_id: &str) -> Self {
        let conversion_id = ConversionId::of_event(&self.tenant, &self.advertiser, event_id);
        let event = Event { refund_of: Some(event_id.into()), conversion_id, ..self };
        match event.order_id.clone() {
            Some(order) => event.order(&order),
            None => event.sealed(),
        }
    }

    fn item(mut self, item: Item) -> Self {
        self.items.push(item);
        self.sealed()
    }

    fn value(self, value: &str, currency: &str) -> Self {
        let value = Amount::parse(value).expect("an amount");
        Event { value, currency: Currency::parse(currency).expect("a known code"), ..self }.sealed()
    }

    fn after(self, micros: i64) -> Self {
        Event { occurred_at: NOON.plus(micros), received_at: NOON.plus(micros), ..self }.sealed()
    }

    fn delayed(self, micros: i64) -> Self {
        Event { received_at: self.occurred_at.plus(micros), ..self }
    }

    fn token(self, click: u8, journey: u8) -> Self {
        self.says(token(EvidenceSource::ClickId, click, journey))
    }

    fn coupon(self, code: &str) -> Self {
        let named = evidence(EvidenceSource::Coupon, code, EvidenceNames::Coupon);
        self.says(Evidence { code: Some(code.into()), ..named })
    }

    fn ref_code(self, code: &str) -> Self {
        let named = evidence(EvidenceSource::RefCode, code, EvidenceNames::Link);
        self.says(Evidence { code: Some(code.into()), ..named })
    }

    fn says(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self.sealed()
    }

    fn sealed(self) -> Self {
        let said = format!(
            "{:?} {:?} {} {} {} {:?} {:?} {:?} {:?}",
            self.action,
            self.order_id,
            self.value,
            self.currency,
            self.occurred_at,
            self.evidence,
            self.customer,
            self.items,
            self.refund_of
        );
        Event { payload_hash: PayloadHash(hash_of("test payload", &[said.as_bytes()])), ..self }
    }
}
