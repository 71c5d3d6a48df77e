//! Order, repetition and bad records (P2, P3, P4), with records written to the topics directly.

use crate::installation::{Installation, Role};
use crate::log::{self, Written};
use schemas::codec;
use schemas::decimal::{Amount, Currency};
use schemas::id::{ClickId, ConversionId, JourneyId, PayloadHash, hash_of, time_ordered};
use schemas::key;
use schemas::name::{AdvertiserId, ApiKeyId, CampaignId, LinkCode, PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::catalog::CatalogEntry;
use schemas::record::click::Click;
use schemas::record::event::{Action, Event, Evidence, EvidenceNames, EvidenceSource};
use schemas::time::Micros;
use schemas::topic::Topic;

/// What stays the same in this file: the demo's catalog and a moment.
struct World {
    tenant: TenantId,
    advertiser: AdvertiserId,
    catalog_offset: Offset,
    now: Micros,
}

impl World {
    fn of(installation: &Installation) -> World {
        let catalog = log::partition(installation, Topic::Catalog, 0);
        assert!(catalog.iter().any(|stored| codec::decode::<CatalogEntry>(&stored.value).is_ok()));
        World {
            tenant: TenantId::new("default").expect("a name"),
            advertiser: AdvertiserId::new("acme").expect("a name"),
            catalog_offset: Offset(catalog.last().expect("a catalog").offset),
            now: Micros(1_790_000_000_000_000),
        }
    }

    fn journey(&self, number: u8) -> JourneyId {
        JourneyId(time_ordered(self.now, [number; 10]))
    }

    /// The `nth` click of a journey, a minute after the one before it.
    fn click(&self, journey: u8, nth: u8, publisher: &str) -> (Click, Written) {
        let at = self.now.plus(i64::from(nth) * 60_000_000);
        let click = Click {
            click_id: ClickId(time_ordered(at, [journey ^ nth.rotate_left(4); 10])),
            journey_id: self.journey(journey),
            tenant: self.tenant.clone(),
            advertiser: self.advertiser.clone(),
            campaign: CampaignId::new("demo").expect("a name"),
            publisher: PublisherId::new(publisher).expect("a name"),
            link: LinkCode::new(&format!("{publisher}-demo")).expect("a code"),
            occurred_at: at,
            catalog_offset: self.catalog_offset,
            returning: false,
            referrer: None,
            user_agent: None,
            ip_hash: None,
            params: std::collections::BTreeMap::new(),
            marks: String::new(),
        };
        let key = key::journey(&self.tenant, &self.advertiser, click.journey_id);
        let written = (Topic::Clicks, None, key.into_bytes(), codec::encode(&click));
        (click, written)
    }

    /// A purchase an hour after the journeys began, with the token of `click`.
    fn purchase(&self, event_id: &str, order_id: Option<&str>, value: &str, click: &Click) -> Written {
        let (tenant, advertiser) = (&self.tenant, &self.advertiser);
        let of_event = ConversionId::of_event(tenant, advertiser, event_id);
        let of_order = order_id.map(|order| ConversionId::of_order(tenant, advertiser, order));
        let event = Event {
            event_id: event_id.into(),
            conversion_id: of_order.unwrap_or(of_event),
            event_conversion_id: of_order.map(|_| of_event),
            tenant: tenant.clone(),
            advertiser: advertiser.clone(),
            api_key: ApiKeyId::new("acme-server").expect("a name"),
            action: Action::Purchase,
            order_id: order_id.map(str::to_owned),
            value: Amount::parse(value).expect("an amount"),
            currency: Currency::USD,
            occurred_at: self.now.plus(3_600_000_000),
            received_at: self.now.plus(3_601_000_000),
            clock_ahead_micros: 0,
            customer: None,
            evidence: vec![Evidence {
                source: EvidenceSource::ClickId,
                value: "token".into(),
                names: EvidenceNames::Touch,
                click_id: Some(click.click_id),
                journey_id: Some(click.journey_id),
                code: None,
                problem: None,
            }],
            landing_url: None,
            referrer: None,
            properties: None,
            payload_hash: PayloadHash(hash_of("test payload", &[event_id.as_bytes(), value.as_bytes()])),
            catalog_offset: self.catalog_offset,
            forwarded_to: None,
            items: Vec::new(),
            refund_of: None,
            to_customer: false,
            tie: None,
            channel: schemas::record::event::Channel::Api,
        };
        (Topic::Events, None, event.key().into_bytes(), codec::encode(&event))
    }
}

fn conversions(installation: &Installation) -> Vec<Vec<String>> {
    installation.rows(
        "SELECT event_id, order_id, outcome, shares.publisher, payout FROM {db}.conversions ORDER BY event_id, order_id",
    )
}

fn rows(expected: &[[&str; 5]]) -> Vec<Vec<String>> {
    expected.iter().map(|row| row.iter().map(|&text| text.to_owned()).collect()).collect()
}

#[test]
fn events_before_their_clicks_repeats_and_second_events_of_an_order_end_as_if_in_order() {
    let mut installation = Installation::new("order");
    let world = World::of(&installation);
    installation.start(Role::Processor);
    installation.start(Role::Sinks);

    // Journey 1: the purchase comes before any of its clicks, and twice.
    let (_, early) = world.click(1, 0, "alpha");
    let (last, late) = world.click(1, 1, "beta");
    let before = world.purchase("before", Some("O-1"), "100", &last);
    // Journey 2: two events of one order with different ids and values; the lesser id is the conversion.
    let (click, two) = world.click(2, 0, "gamma");
    let (first, second) =
        (world.purchase("order-a", Some("O-2"), "50", &click), world.purchase("order-b", Some("O-2"), "70", &click));
    // Journey 3: an event first without its order id, then with it.
    let (click, three) = world.click(3, 0, "delta");
    let (bare, ordered) =
        (world.purchase("bare", None, "10", &click), world.purchase("bare", Some("O-3"), "10", &click));

    log::write(&installation, &[before.clone(), before.clone(), second.clone(), bare.clone()]);
    installation.wait_for("the first decisions", || conversions(&installation).len() == 3);
    let waiting = rows(&[
        ["bare", "", "unattributed", "[]", "0"],
        ["before", "O-1", "unattributed", "[]", "0"],
        ["order-b", "O-2", "unattributed", "[]", "0"],
    ]);
    assert_eq!(conversions(&installation), waiting, "kept and explained while their clicks are missing");
    let reasons = installation.rows("SELECT DISTINCT reason FROM {db}.conversions");
    assert_eq!(reasons, vec![vec!["click_not_seen".to_owned()]]);

    log::write(&installation, &[late, two, three.clone(), early]);
    log::write(&installation, &[ordered.clone(), first, before, bare, three, ordered]);
    let expected = rows(&[
        ["bare", "O-3", "attributed", "['delta']", "0.7"],
        ["before", "O-1", "attributed", "['beta']", "7"],
        ["order-a", "O-2", "attributed", "['gamma']", "3.5"],
    ]);
    installation.wait_for("every conversion to be credited once", || conversions(&installation) == expected);
    let balances =
        installation.rows("SELECT publisher, held FROM {db}.publisher_balances WHERE held != 0 ORDER BY publisher");
    let expected = [["beta", "7"], ["delta", "0.7"], ["gamma", "3.5"]];
    assert_eq!(balances, expected.map(|row| row.map(str::to_owned).to_vec()).to_vec());
    assert_eq!(installation.rows("SELECT sum(amount) FROM {db}.journal"), vec![vec!["0".to_owned()]]);
    let same = installation.rows("SELECT event_id, reason FROM {db}.decisions WHERE outcome = 'same_as_order'");
    assert_eq!(same, vec![vec!["bare".to_owned(), "same_as_order".to_owned()]], "what was booked alone is taken back");
}

#[test]
fn a_poison_record_goes_to_dead_letters_and_its_partition_goes_on() {
    let mut installation = Installation::new("poison");
    let world = World::of(&installation);
    installation.start(Role::Processor);
    installation.start(Role::Sinks);
    let (click, good_click) = world.click(1, 0, "alpha");
    let good = world.purchase("good", Some("O-1"), "100", &click);
    let key = good.2.clone();
    let partition = Some(key::partition(&key, 3));
    let mut of_another_time = codec::decode::<Event>(&good.3).expect("decodes");
    of_another_time.event_id = "future".into();
    of_another_time.order_id = None;
    of_another_time.event_conversion_id = None;
    of_another_time.conversion_id = ConversionId::of_event(&world.tenant, &world.advertiser, "future");
    of_another_time.catalog_offset = Offset(1_000_000);
    let poison: [(&str, Vec<u8>); 5] = [
        ("first byte is 0x7b", b"{\"not\": \"avro\"}".to_vec()),
        ("unknown here", vec![0, 0, 0, 255, 255, 1]),
        ("expected a Event", good_click.3.clone()),
        ("catalog offset 1000000 was never written", codec::encode(&of_another_time)),
        ("value cut from 1040000 bytes", vec![b'x'; 1_040_000]),
    ];
    let mut records: Vec<Written> =
        poison.iter().map(|(_, value)| (Topic::Events, partition, key.clone(), value.clone())).collect();
    records.push((Topic::Clicks, partition, key.clone(), b"nonsense".to_vec()));
    records.push(good_click);
    records.push(good);
    log::write(&installation, &records);

    let expected = rows(&[["good", "O-1", "attributed", "['alpha']", "7"]]);
    installation.wait_for("the good event behind the bad ones", || conversions(&installation) == expected);
    // Events and clicks that do not decode are found by join and by the sinks, each for itself.
    for (error, _) in &poison {
        let sql = format!("SELECT count() FROM {{db}}.dead_letters FINAL WHERE position(error, '{error}') > 0");
        installation.wait_for(&format!("a dead letter with {error:?}"), || installation.number(&sql) >= 1);
    }
    let joined = "SELECT uniqExact(topic, partition, offset) FROM {db}.dead_letters WHERE stage = 'join'";
    installation.wait_for_number(joined, 5);
    // Whether the click was read before or after the event, and so asked for a second decision, is a matter of timing.
    let decided = "SELECT uniqExact(topic, partition, offset) FROM {db}.dead_letters WHERE stage = 'decide'";
    assert!((1..=2).contains(&installation.number(decided)), "one event, decided once or once more for its click");
}
