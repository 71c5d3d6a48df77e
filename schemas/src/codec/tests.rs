//! Every record goes through its schema and back; every schema is held against its committed earlier versions.

mod settlement;

use super::*;
use crate::decimal::Ppm;
use crate::decimal::{Currency, Fixed};
use crate::id::RejectedId;
use crate::id::{ClickId, ConversionId, CustomerId, JourneyId, PayloadHash};
use crate::name::{AdvertiserId, ApiKeyId, CampaignId, LinkCode, PublisherId, TenantId};
use crate::offset::Offset;
use crate::record::amendment::AmendedContract;
use crate::record::attribution::{CreditRow, Model};
use crate::record::candidates::{CustomerTie, FirstOrder, Touch};
use crate::record::catalog::{
    Approval, Contract, CustomerKind, EntityKind, FraudRule, FraudRuleName, FraudTerms, Override, Rate, Tier,
};
use crate::record::command::Verb;
use crate::record::event::{Action, Evidence, EvidenceNames, EvidenceSource, Item};
use crate::record::rejected::RejectedWhat;
use crate::record::state::{Delivery, KnownTie};
use crate::time::Micros;
use apache_avro::schema_compatibility::SchemaCompatibility;
use std::fmt::Debug;

fn there_and_back<T: Record + PartialEq + Debug>(record: &T) {
    let bytes = encode(record);
    assert_eq!(&decode::<T>(&bytes).expect("decodes"), record);
    assert_eq!(bytes, authority::encode(record), "as apache-avro writes it");
    assert_eq!(authority::decode::<T>(&bytes).as_ref(), Some(record), "apache-avro reads it");
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(decode::<T>(&longer), Err(DecodeError::Trailing(1))));
    for end in 0..bytes.len() {
        assert!(decode::<T>(&bytes[..end]).is_err(), "cut at {end}");
    }
}

fn event() -> Event {
    Event {
        event_id: "e-1".into(),
        conversion_id: ConversionId([3; 16]),
        event_conversion_id: Some(ConversionId([4; 16])),
        tenant: TenantId::new("default").expect("a name"),
        advertiser: AdvertiserId::new("acme").expect("a name"),
        api_key: ApiKeyId::new("key").expect("a name"),
        action: Action::Purchase,
        order_id: Some("O-1".into()),
        value: Fixed(-12_345_678),
        currency: Currency::USD,
        occurred_at: Micros(1_700_000_000_000_000),
        received_at: Micros(1_700_000_000_000_001),
        clock_ahead_micros: 0,
        customer: None,
        evidence: vec![Evidence {
            source: EvidenceSource::ClickId,
            value: "T".into(),
            names: EvidenceNames::Touch,
            click_id: Some(ClickId([1; 16])),
            journey_id: Some(JourneyId([2; 16])),
            code: None,
            problem: None,
        }],
        landing_url: None,
        referrer: None,
        properties: Some("{}".into()),
        payload_hash: PayloadHash([5; 16]),
        catalog_offset: Offset(7),
        forwarded_to: None,
        items: vec![],
        refund_of: None,
        to_customer: false,
        tie: None,
        channel: crate::record::event::Channel::Browser,
    }
}

fn command() -> ConversionCommand {
    ConversionCommand {
        command_id: "c-1".into(),
        tenant: event().tenant,
        advertiser: event().advertiser,
        conversion_id: ConversionId([3; 16]),
        verb: Verb::Release,
        by: "ana".into(),
        why: "asked the shop".into(),
        issued_at: Micros(6),
        catalog_offset: Offset(7),
    }
}

fn amendment() -> Amendment {
    let bare = CatalogEntry::bare(EntityKind::Contract, event().tenant, "standard");
    let entry = CatalogEntry { contract: Some(plain_contract()), ..bare };
    Amendment {
        amendment_id: "a-1".into(),
        tenant: event().tenant,
        advertiser: event().advertiser,
        conversion_id: ConversionId([3; 16]),
        contracts: vec![AmendedContract::new(&entry)],
        by: "ana".into(),
        why: "promised in May".into(),
        issued_at: Micros(6),
    }
}

fn touch() -> Touch {
    Touch {
        click_id: ClickId([1; 16]),
        journey_id: JourneyId([2; 16]),
        occurred_at: Micros(5),
        campaign: CampaignId::new("summer").expect("a name"),
        publisher: PublisherId::new("alpha").expect("a name"),
        link: LinkCode::new("L1").expect("a code"),
        catalog_offset: Offset(3),
        marks: "velocity=61".into(),
    }
}

#[test]
fn records_go_there_and_back() {
    there_and_back(&event());
    there_and_back(&Candidates {
        tenant: event().tenant,
        advertiser: event().advertiser,
        event: encode(&event()),
        conversion_id: ConversionId([3; 16]),
        same_as: None,
        journey_id: Some(JourneyId([2; 16])),
        touches: vec![touch(), touch()],
        touches_total: 2,
        tie: Some(CustomerTie { customer: CustomerId([9; 16]), at: Micros(4), event_id: "e-0".into() }),
        first_order: Some(FirstOrder { at: Micros(3), conversion_id: ConversionId([7; 16]) }),
    });
    there_and_back(&Attribution {
        conversion_id: ConversionId([3; 16]),
        revision: 1,
        sign: -1,
        tenant: event().tenant,
        advertiser: event().advertiser,
        publisher: touch().publisher,
        action: "purchase".into(),
        occurred_at: Micros(1),
        value: Fixed(1),
        currency: Currency::USD,
        credits: vec![CreditRow {
            model: Model::TimeDecay,
            click_id: None,
            touch_at: Micros(1),
            campaign: touch().campaign,
            link: "L1".into(),
            credit: Fixed(1),
            attributed_value: Fixed(-1),
        }],
    });
    there_and_back(&ConversionState {
        deliveries: vec![Delivery { event: encode(&event()) }],
        journeys: vec![],
        same_as: Some(ConversionId([8; 16])),
        decision: None,
        booked: vec![],
        commands: vec![command()],
        orders: vec![],
        first_order: None,
        amendments: vec![amendment()],
    });
    there_and_back(&CustomerState {
        ties: vec![KnownTie { at: Micros(4), journey_id: JourneyId([2; 16]), event_id: "e-0".into() }],
        first_order: Some(FirstOrder { at: Micros(3), conversion_id: ConversionId([7; 16]) }),
    });
    there_and_back(&command());
    there_and_back(&amendment());
    let read = amendment().contracts[0].read().expect("a contract");
    assert_eq!((read.0.as_str(), read.1), ("standard", plain_contract()));
    there_and_back(&BalanceState::default());
    there_and_back(&Rejected {
        rejected_id: RejectedId([1; 16]),
        what: RejectedWhat::Event,
        tenant: event().tenant,
        advertiser: None,
        link: Some("L1".into()),
        event_id: None,
        reason: "head_request".into(),
        value: String::new(),
        occurred_at: Micros(-1),
        catalog_offset: Offset(i64::MAX),
        user_agent: None,
    });
    there_and_back(&DeadLetter {
        topic: "clicks".into(),
        partition: 3,
        offset: Offset(1),
        stage: "join".into(),
        error: "no value".into(),
        key: Some(Vec::new()),
        value: None,
        failed_at: Micros(i64::MIN),
    });
    there_and_back(&CatalogEntry {
        contract: Some(Contract {
            fraud: Some(FraudTerms {
                rules: FraudRuleName::ALL.map(|rule| FraudRule { rule, limit: 3, score: 40 }).into(),
                hold_at: Some(50),
                reject_at: None,
            }),
            currency: Some(Currency::USD),
            flat: Some(Fixed(50_000_000)),
            rates: vec![Rate {
                action: Some(Action::Rebill),
                sku: Some("mug".into()),
                category: None,
                customer: Some(CustomerKind::Returning),
                rate_ppm: Ppm(0),
                flat: Some(Fixed(1)),
            }],
            maximum: Some(Fixed(1)),
            approval: Approval::Explicit,
            tiers: vec![Tier { from_count: Some(100), from_revenue: None, rate_ppm: Ppm(150_000) }],
            ..plain_contract()
        }),
        ..CatalogEntry::bare(EntityKind::Contract, event().tenant, "standard")
    });
    there_and_back(&CatalogEntry {
        exception: Some(Override {
            campaign: Some(touch().campaign),
            publisher: None,
            look_back_seconds: Some(60),
            minimum_seconds: None,
            expires_at: Micros(9),
            approver: "ana".into(),
            why: "strike of the post".into(),
        }),
        ..CatalogEntry::bare(EntityKind::Override, event().tenant, "longer")
    });
    there_and_back(&Event { items: vec![item()], refund_of: Some("e-0".into()), action: Action::Refund, ..event() });
}

fn plain_contract() -> Contract {
    let order = vec![EvidenceSource::Coupon, EvidenceSource::Referrer];
    Contract::percentage(Ppm(125_000), Ppm(300_000), Model::Position, 30, order)
}

fn item() -> Item {
    Item { sku: "mug".into(), category: Some("kitchen".into()), quantity: 2, value: Fixed(7) }
}

/// What a version adds are fields behind those of the one before, or behind those of a record within. So a record without any
/// of them is the old one, but for its end.
fn read_as<T: Record + PartialEq + Debug>(record: &T, earlier: u8, end: &[u8], earlier_end: &[u8]) {
    let mut bytes = encode(record);
    assert_eq!(bytes.split_off(bytes.len() - end.len()), end, "how the current version ends");
    bytes.extend_from_slice(earlier_end);
    bytes[4] = earlier;
    assert_eq!(&decode::<T>(&bytes).expect("an earlier version is read"), record);
}

#[test]
fn what_an_earlier_version_wrote_is_read_with_the_defaults_of_the_current_one() {
    let event_of_api = Event { channel: crate::record::event::Channel::Api, ..event() };
    read_as(&event_of_api, 21, &[0; 5], &[]);
    read_as(&event_of_api, 22, &[0; 3], &[]);
    read_as(&event_of_api, 23, &[0], &[]);
    let entry = CatalogEntry::bare(EntityKind::Contract, event().tenant, "standard");
    let contract = CatalogEntry { contract: Some(plain_contract()), ..entry };
    // Eight fields of the contract, the API key that is not there, the override, and that a budget is spent.
    read_as(&contract, 71, &[0; 11], &[0]);
    read_as(&contract, 72, &[0], &[]);
    let state = ConversionState { same_as: Some(ConversionId([8; 16])), ..ConversionState::default() };
    read_as(&state, 92, &[0, 0, 0, 0], &[]);
    read_as(&state, 93, &[0], &[]);
}

proptest::proptest! {
    /// Damaged events: both readers refuse them, or both read the same.
    #[test]
    fn our_reader_and_apache_avros_agree_on_damaged_events(
        flips in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), proptest::num::u8::ANY), 1..4),
        cut in proptest::prelude::any::<proptest::sample::Index>(),
    ) {
        let mut framed = encode(&event());
        for (at, byte) in flips {
            let at = HEADER_BYTES + at.index(framed.len() - HEADER_BYTES);
            framed[at] = byte;
            proptest::prop_assert_eq!(decode::<Event>(&framed).ok(), authority::decode::<Event>(&framed));
        }
        let cut = HEADER_BYTES + cut.index(framed.len() - HEADER_BYTES);
        proptest::prop_assert_eq!(decode::<Event>(&framed[..cut]).ok(), authority::decode::<Event>(&framed[..cut]));
    }
}

#[test]
fn what_is_not_ours_is_refused_with_the_reason() {
    let click = encode(&BalanceState::default());
    for (bytes, expected) in [
        (vec![], "shorter than the 5-byte header: 0 bytes"),
        (b"{\"json\": 1}".to_vec(), "first byte is 0x7b, expected 0x00 of the Confluent wire format"),
        (vec![0, 0, 0, 255, 255, 0], "schema id 65535 is unknown here; 24 was expected"),
        (click, "schema id 112 is a BalanceState, expected a Event"),
    ] {
        assert_eq!(decode::<Event>(&bytes).expect_err("refused").to_string(), expected);
    }
}

/// apache-avro takes micros -> millis and other scales for compatible, so logical types are compared too.
fn logical_types(schema: &serde_json::Value, path: &str, found: &mut Vec<(String, String)>) {
    match schema {
        serde_json::Value::Object(fields) => {
            let name = fields.get("name").and_then(|name| name.as_str()).unwrap_or("");
            let path = format!("{path}/{name}");
            if let Some(logical) = fields.get("logicalType") {
                found
                    .push((path.clone(), format!("{logical} {:?} {:?}", fields.get("precision"), fields.get("scale"))));
            }
            fields.values().for_each(|value| logical_types(value, &path, found));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| logical_types(value, path, found)),
        _ => {}
    }
}

fn compatible(earlier: &str, later: &str) -> Result<(), String> {
    let parse = |text| Schema::parse_str(text).map_err(|error| error.to_string());
    SchemaCompatibility::can_read(&parse(earlier)?, &parse(later)?).map_err(|error| error.to_string())?;
    let types = |text| {
        let mut found = Vec::new();
        logical_types(&serde_json::from_str(text).expect("JSON"), "", &mut found);
        found
    };
    let later_types = types(later);
    let changed =
        types(earlier).into_iter().find(|(path, is)| later_types.iter().any(|(other, now)| other == path && now != is));
    changed.map_or(Ok(()), |(path, _)| Err(format!("logical type of {path} changed")))
}

#[test]
fn every_schema_reads_what_its_earlier_versions_wrote() {
    for family in FAMILIES {
        assert!(family.versions.len() < 10, "{}: ten schema ids a record", family.name);
        let Some(current) = family.versions.last() else { continue };
        for earlier in family.versions {
            assert_eq!(compatible(earlier, current), Ok(()), "{}", family.name);
        }
    }
}

#[test]
fn an_incompatible_change_is_noticed() {
    let schema = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let one = schema(r#"{"name":"a","type":{"type":"long","logicalType":"timestamp-micros"}}"#);
    for (later, fine) in [
        (schema(r#"{"name":"a","type":{"type":"long","logicalType":"timestamp-millis"}}"#), false),
        (schema(r#"{"name":"a","type":"string"}"#), false),
        (
            schema(
                r#"{"name":"a","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"b","type":"string"}"#,
            ),
            false,
        ),
        (
            schema(
                r#"{"name":"a","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"b","type":"string","default":""}"#,
            ),
            true,
        ),
    ] {
        assert_eq!(compatible(&one, &later).is_ok(), fine, "{later}");
    }
}

/// The compiled-in table and the folder are the same set of files.
#[test]
fn every_committed_schema_file_is_in_the_table() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("avsc");
    let mut files = 0;
    for record in std::fs::read_dir(folder).expect("avsc folder") {
        files += std::fs::read_dir(record.expect("entry").path()).expect("record folder").count();
    }
    assert_eq!(files, FAMILIES.iter().map(|family| family.versions.len()).sum::<usize>());
}

proptest::proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused_without_a_panic(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = decode::<Event>(&bytes);
        if bytes.len() > 5 {
            bytes[..5].copy_from_slice(&[0, 0, 0, 0, 22]);
            let _ = decode::<Event>(&bytes);
        }
    }
}
