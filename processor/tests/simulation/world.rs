//! Random inputs: journeys of a few clicks and the events of an advertiser, with orders, repeats, two journeys in one
//! event or none, customers, refunds and chargebacks, and a person's commands.

use rand::RngExt;
use rand::rngs::StdRng;
use schemas::catalog::Catalog;
use schemas::codec;
use schemas::decimal::{Currency, Fixed, Ppm};
use schemas::id::{ClickId, ConversionId, CustomerId, JourneyId, PayloadHash, hash_of, time_ordered};
use schemas::key;
use schemas::name::{AdvertiserId, ApiKeyId, CampaignId, ContractId, LinkCode, PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::attribution::Model;
use schemas::record::catalog::{Budget, Campaign, CatalogEntry, Contract, CustomerKind, EntityKind, Rate};
use schemas::record::click::Click;
use schemas::record::command::{ConversionCommand, Verb};
use schemas::record::event::{Action, Event, Evidence, EvidenceNames, EvidenceSource};
use schemas::time::Micros;
use schemas::topic::Topic;

pub const NOW: Micros = Micros(1_790_000_000_000_000);
const MINUTE: i64 = 60_000_000;

/// A record of `clicks`, `events` or, a command, `candidates`.
#[derive(Clone)]
pub struct Input {
    pub topic: Topic,
    pub key: String,
    pub value: Vec<u8>,
}

fn tenant() -> TenantId {
    TenantId::new("default").expect("a name")
}

fn advertiser() -> AdvertiserId {
    AdvertiserId::new("acme").expect("a name")
}

fn entry(kind: EntityKind, id: &str) -> CatalogEntry {
    CatalogEntry::bare(kind, tenant(), id)
}

/// Linear pays, so that several publishers share a conversion.
pub fn catalog() -> Catalog {
    let order =
        vec![EvidenceSource::Coupon, EvidenceSource::ClickId, EvidenceSource::LandingUrl, EvidenceSource::Customer];
    let contract = Contract::percentage(Ppm(125_000), Ppm(300_000), Model::Linear, 30, order);
    let rates = vec![of_customers(CustomerKind::New, 200_000), of_customers(CustomerKind::Returning, 50_000)];
    let contract = Contract { rates, ..contract };
    let campaign = |of: &str| Campaign {
        advertiser: AdvertiserId::new(of).expect("a name"),
        name: "Summer".into(),
        destination: "https://shop.example/".into(),
        contract: ContractId::new("standard").expect("a name"),
        look_back_seconds: 30 * 24 * 3600,
        active: true,
        minimum_seconds: 0,
        publisher_contracts: Vec::new(),
        // Of what the simulation counts to see that all of it is counted (`settlement`).
        budgets: vec![Budget { publisher: None, currency: Currency::USD, from: NOW, limit: Fixed(50_000_000) }],
        redirects: None,
    };
    let mut catalog = Catalog::default();
    catalog.apply(Offset(0), CatalogEntry { contract: Some(contract), ..entry(EntityKind::Contract, "standard") });
    for (offset, of) in ["bolt", "acme"].into_iter().enumerate() {
        let entry = entry(EntityKind::Campaign, campaign_of(of).as_str());
        catalog.apply(Offset(offset as i64 + 1), CatalogEntry { campaign: Some(campaign(of)), ..entry });
    }
    catalog
}

fn of_customers(kind: CustomerKind, ppm: i64) -> Rate {
    Rate { action: None, sku: None, category: None, customer: Some(kind), rate_ppm: Ppm(ppm), flat: None }
}

/// The same journeys and customers, seen by another advertiser: its clicks, events and orders (P7).
pub fn of_other_advertiser(input: &Input) -> Option<Input> {
    let other = || AdvertiserId::new("bolt").expect("a name");
    match input.topic {
        Topic::Clicks => {
            let click: Click = codec::decode(&input.value).expect("encoded here");
            Some(input_of_click(&Click { advertiser: other(), campaign: campaign_of("bolt"), ..click }))
        }
        Topic::Events => {
            let event: Event = codec::decode(&input.value).expect("encoded here");
            let of_order = event.order_id.as_ref().map(|order| ConversionId::of_order(&tenant(), &other(), order));
            let named = if event.action.adjusts() { event.refund_of.as_ref() } else { Some(&event.event_id) };
            let of_event = named.map(|id| ConversionId::of_event(&tenant(), &other(), id));
            Some(input_of_event(&Event {
                conversion_id: of_order.or(of_event).expect("one of the two"),
                event_conversion_id: of_order.and(of_event),
                advertiser: other(),
                ..event
            }))
        }
        _ => None,
    }
}

fn campaign_of(advertiser: &str) -> CampaignId {
    CampaignId::new(if advertiser == "acme" { "summer" } else { "winter" }).expect("a name")
}

pub fn inputs(rng: &mut StdRng) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut clicks = Vec::new();
    for journey in 0..rng.random_range(1..5_u8) {
        for nth in 0..rng.random_range(1..5_u8) {
            let click = click(journey, nth, ["alpha", "beta", "gamma"][rng.random_range(0..3)]);
            inputs.push(input_of_click(&click));
            clicks.push(click);
        }
    }
    for number in 0..rng.random_range(1..6_u8) {
        inputs.push(input_of_event(&event(rng, number, &clicks)));
    }
    for number in 0..rng.random_range(0..3_u8) {
        inputs.push(input_of_event(&adjustment(rng, number)));
    }
    if rng.random_bool(0.2) {
        inputs.push(command(rng));
    }
    inputs
}

pub fn input_of_click(click: &Click) -> Input {
    let key = key::journey(&click.tenant, &click.advertiser, click.journey_id);
    Input { topic: Topic::Clicks, key, value: codec::encode(click) }
}

pub fn input_of_event(event: &Event) -> Input {
    Input { topic: Topic::Events, key: event.key(), value: codec::encode(event) }
}

pub fn click(journey: u8, nth: u8, publisher: &str) -> Click {
    let at = NOW.plus(i64::from(nth) * MINUTE);
    Click {
        click_id: ClickId(time_ordered(at, [journey * 16 + nth; 10])),
        journey_id: JourneyId(time_ordered(NOW, [journey; 10])),
        tenant: tenant(),
        advertiser: advertiser(),
        campaign: CampaignId::new("summer").expect("a name"),
        publisher: PublisherId::new(publisher).expect("a name"),
        link: LinkCode::new(publisher).expect("a code"),
        occurred_at: at,
        catalog_offset: Offset(2),
        returning: nth > 0,
        referrer: None,
        user_agent: None,
        ip_hash: None,
        params: std::collections::BTreeMap::new(),
        marks: String::new(),
    }
}

fn evidence(source: EvidenceSource, click: &Click) -> Evidence {
    Evidence {
        source,
        value: "token".into(),
        names: EvidenceNames::Touch,
        click_id: Some(click.click_id),
        journey_id: Some(click.journey_id),
        code: None,
        problem: None,
    }
}

/// A purchase whose token names one journey and whose landing page names another.
pub fn purchase_naming(token: &Click, landing: &Click) -> Event {
    let (tenant, advertiser) = (tenant(), advertiser());
    Event {
        event_id: "e".into(),
        conversion_id: ConversionId::of_event(&tenant, &advertiser, "e"),
        event_conversion_id: None,
        tenant,
        advertiser,
        api_key: ApiKeyId::new("key").expect("a name"),
        action: Action::Purchase,
        order_id: None,
        value: Fixed(100_000_000),
        currency: Currency::USD,
        occurred_at: NOW.plus(10 * MINUTE),
        received_at: NOW.plus(10 * MINUTE),
        clock_ahead_micros: 0,
        customer: None,
        evidence: vec![evidence(EvidenceSource::ClickId, token), evidence(EvidenceSource::LandingUrl, landing)],
        landing_url: None,
        referrer: None,
        properties: None,
        payload_hash: PayloadHash([0; 16]),
        catalog_offset: Offset(2),
        forwarded_to: None,
        items: Vec::new(),
        refund_of: None,
        to_customer: false,
        tie: None,
        channel: schemas::record::event::Channel::Api,
    }
}

/// Of customer 1, with a click's token.
pub fn signup(click: &Click) -> Event {
    let base = purchase_naming(click, click);
    Event {
        action: Action::Signup,
        customer: Some(CustomerId([1; 16])),
        occurred_at: NOW.plus(5 * MINUTE),
        evidence: base.evidence[..1].to_vec(),
        ..base
    }
}

/// Of customer 1, worth 100, and nothing else is said of it.
pub fn order(id: &str, minutes: i64) -> Event {
    let click = click(1, 0, "alpha");
    Event {
        event_id: id.into(),
        order_id: Some(id.into()),
        conversion_id: ConversionId::of_order(&tenant(), &advertiser(), id),
        customer: Some(CustomerId([1; 16])),
        occurred_at: NOW.plus(minutes * MINUTE),
        evidence: Vec::new(),
        payload_hash: PayloadHash(hash_of("simulated payload", &[id.as_bytes()])),
        ..purchase_naming(&click, &click)
    }
}

/// Few event and order ids, so that events repeat one another and share orders.
fn event(rng: &mut StdRng, number: u8, clicks: &[Click]) -> Event {
    let named = |rng: &mut StdRng| &clicks[rng.random_range(0..clicks.len())];
    let base = purchase_naming(named(rng), named(rng));
    let event_id = format!("e{}", rng.random_range(0..=number));
    let order_id = rng.random_bool(0.6).then(|| format!("o{}", rng.random_range(0..3)));
    let of_event = ConversionId::of_event(&base.tenant, &base.advertiser, &event_id);
    let of_order = order_id.as_ref().map(|order| ConversionId::of_order(&base.tenant, &base.advertiser, order));
    let occurred_at = NOW.plus(rng.random_range(0..8) * MINUTE);
    Event {
        payload_hash: PayloadHash(hash_of("simulated payload", &[event_id.as_bytes(), &[number]])),
        event_id,
        conversion_id: of_order.unwrap_or(of_event),
        event_conversion_id: of_order.map(|_| of_event),
        action: [Action::Purchase, Action::Purchase, Action::Purchase, Action::Signup, Action::AddToCart]
            [rng.random_range(0..5)],
        customer: rng.random_bool(0.5).then(|| CustomerId([rng.random_range(1..3); 16])),
        order_id,
        value: Fixed(rng.random_range(1..500) * 333_333),
        currency: if rng.random_bool(0.9) { Currency::USD } else { Currency::parse("JPY").expect("a code") },
        occurred_at,
        received_at: occurred_at.plus(i64::from(number)),
        evidence: base.evidence[..rng.random_range(0..=2)].to_vec(),
        ..base
    }
}

/// What adjusts a conversion names its order, an event id of its, or both; the sale may be unknown, or another order's.
fn adjustment(rng: &mut StdRng, number: u8) -> Event {
    let (tenant, advertiser) = (tenant(), advertiser());
    let about = rng.random_bool(0.5).then(|| format!("e{}", rng.random_range(0..4)));
    let order_id = (about.is_none() || rng.random_bool(0.3)).then(|| format!("o{}", rng.random_range(0..3)));
    let of_event = about.as_ref().map(|event| ConversionId::of_event(&tenant, &advertiser, event));
    let of_order = order_id.as_ref().map(|order| ConversionId::of_order(&tenant, &advertiser, order));
    let actions = [Action::Refund, Action::Refund, Action::Chargeback, Action::ChargebackWon, Action::Rejected];
    let occurred_at = NOW.plus(rng.random_range(5..60) * MINUTE);
    let click = click(0, 0, "alpha");
    Event {
        event_id: format!("r{number}"),
        payload_hash: PayloadHash(hash_of("simulated payload", &[b"r", &[number]])),
        conversion_id: of_order.or(of_event).expect("one of the two"),
        event_conversion_id: of_order.and(of_event),
        action: actions[rng.random_range(0..actions.len())],
        order_id,
        refund_of: about,
        value: Fixed(rng.random_range(0..3) * 25_000_000),
        occurred_at,
        received_at: occurred_at,
        evidence: Vec::new(),
        ..purchase_naming(&click, &click)
    }
}

fn command(rng: &mut StdRng) -> Input {
    let (tenant, advertiser) = (tenant(), advertiser());
    let conversion_id = match rng.random_bool(0.5) {
        true => ConversionId::of_order(&tenant, &advertiser, "o0"),
        false => ConversionId::of_event(&tenant, &advertiser, "e0"),
    };
    let key = key::conversion(&tenant, &advertiser, conversion_id);
    let command = ConversionCommand {
        command_id: "c".into(),
        tenant,
        advertiser,
        conversion_id,
        verb: if rng.random_bool(0.7) { Verb::Reject } else { Verb::Release },
        by: "ana".into(),
        why: "asked".into(),
        issued_at: NOW.plus(MINUTE),
        catalog_offset: Offset(2),
    };
    Input { topic: Topic::Candidates, key, value: codec::encode(&command) }
}
