//! Records to load, made from a number, and a writer that needs no role.

use kafka::KafkaConfig;
use kafka::transaction::TransactionalProducer;
use schemas::codec;
use schemas::decimal::{Currency, Fixed, Ppm};
use schemas::id::{ClickId, ConversionId, EntryId, IpHash, JourneyId, PayloadHash};
use schemas::key;
use schemas::name::{AdvertiserId, ApiKeyId, CampaignId, ContractId, LinkCode, PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::attribution::{Attribution, CreditRow, Model};
use schemas::record::click::Click;
use schemas::record::decision::{
    CommandNote, Decision, DeliveryNote, EvidenceVerdict, FraudFinding, FraudVerdict, Outcome, PublisherShare, Status,
    TouchVerdict,
};
use schemas::record::event::{Action, Event, Evidence, EvidenceNames, EvidenceSource, Item};
use schemas::record::journal::{Cause, JournalEntry, Posting};
use schemas::time::Micros;
use schemas::topic::Topic;

/// 2026-10-31T23:50:00Z: clicks ten milliseconds apart reach the next month, so that inserts touch two partitions.
pub const BEGIN: i64 = 1_793_490_600_000_000;
pub const ID: [u8; 16] =
    [0x01, 0x9a, 0xbc, 0xde, 0xf0, 0x12, 0x74, 0x56, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67];

/// A record to write: topic, partition (none: by key), key, value.
pub type Written = (Topic, Option<i32>, Vec<u8>, Vec<u8>);

/// Writes each list in one transaction of its own.
pub fn write(config: &KafkaConfig, lists: impl Iterator<Item = Vec<Written>>) {
    let topics = config.topics();
    let mut producer = TransactionalProducer::new(config, "test-writer").expect("a producer");
    for list in lists {
        let mut transaction = producer.begin().expect("a transaction");
        for (topic, partition, key, value) in list {
            transaction.send(&topics.name(topic), partition, &key, Some(&value), None).expect("sends");
        }
        transaction.commit_records().expect("commits");
    }
}

fn tenant() -> TenantId {
    TenantId::new("default").expect("a name")
}

fn advertiser() -> AdvertiserId {
    AdvertiserId::new("acme").expect("a name")
}

fn campaign() -> CampaignId {
    CampaignId::new("demo").expect("a name")
}

fn publisher() -> PublisherId {
    PublisherId::new("alpha").expect("a name")
}

pub fn click(number: u64) -> Written {
    let id = (u128::from(number) << 64 | 7).to_be_bytes();
    let click = Click {
        click_id: ClickId(id),
        journey_id: JourneyId(id),
        tenant: tenant(),
        advertiser: advertiser(),
        campaign: campaign(),
        publisher: PublisherId::new(&format!("p{}", number % 12)).expect("a name"),
        link: LinkCode::new("alpha-demo").expect("a code"),
        occurred_at: Micros(BEGIN + number as i64 * 10_000),
        catalog_offset: Offset(3),
        returning: number.is_multiple_of(2),
        referrer: Some("https://example.org/".into()),
        user_agent: None,
        ip_hash: Some(IpHash([9; 16])),
        params: [("sub1".into(), number.to_string())].into(),
        marks: "velocity=40".into(),
    };
    let key = key::journey(&click.tenant, &click.advertiser, click.journey_id);
    (Topic::Clicks, None, key.into_bytes(), codec::encode(&click))
}

pub fn event(forwarded_to: Option<JourneyId>) -> Written {
    let event = Event {
        event_id: "e-1".into(),
        conversion_id: ConversionId(ID),
        event_conversion_id: None,
        tenant: tenant(),
        advertiser: advertiser(),
        api_key: ApiKeyId::new("server").expect("a name"),
        action: Action::Refund,
        order_id: Some("O-1".into()),
        value: Fixed(-12_345_678),
        currency: Currency::USD,
        occurred_at: Micros(BEGIN),
        received_at: Micros(BEGIN + 1),
        clock_ahead_micros: 0,
        customer: None,
        evidence: vec![Evidence {
            source: EvidenceSource::ClickId,
            value: "T".into(),
            names: EvidenceNames::Touch,
            click_id: Some(ClickId(ID)),
            journey_id: None,
            code: None,
            problem: None,
        }],
        landing_url: None,
        referrer: None,
        properties: Some("{\"a\":1}".into()),
        payload_hash: PayloadHash([5; 16]),
        catalog_offset: Offset(3),
        forwarded_to,
        items: vec![Item { sku: "mug".into(), category: None, quantity: 2, value: Fixed(3_500_000) }],
        refund_of: Some("e-0".into()),
        to_customer: false,
        tie: None,
        channel: schemas::record::event::Channel::Api,
    };
    (Topic::Events, None, b"e".to_vec(), codec::encode(&event))
}

pub fn decision(revision: i32, outcome: Outcome) -> Written {
    let decision = Decision {
        conversion_id: ConversionId(ID),
        revision,
        tenant: tenant(),
        advertiser: advertiser(),
        campaign: Some(campaign()),
        event_id: "e-1".into(),
        order_id: None,
        action: "purchase".into(),
        outcome,
        reason: "last_click".into(),
        reason_value: format!("revision {revision}"),
        occurred_at: Micros(BEGIN),
        received_at: Micros(BEGIN),
        value: Fixed(100_000_000),
        currency: Currency::USD,
        contract: None,
        contract_version: (revision == 1).then_some(4),
        paying_model: Some("last".into()),
        commission_rate_ppm: Some(Ppm(100_000)),
        platform_share_ppm: None,
        commission: Fixed(10_000_000),
        payout: Fixed(7_000_000),
        platform_fee: Fixed(3_000_000),
        shares: vec![PublisherShare {
            publisher: publisher(),
            commission: Fixed(10_000_000),
            payout: Fixed(7_000_000),
            platform_fee: Fixed(3_000_000),
            contract: Some(ContractId::new("alpha-own").expect("a name")),
            contract_version: Some(3),
        }],
        arithmetic: "100.00 x 10 % = 10.00".into(),
        evidence: vec![EvidenceVerdict {
            source: "click_id".into(),
            value: "T".into(),
            event_id: "e-1".into(),
            used: true,
            reason: "strongest".into(),
            measured: String::new(),
        }],
        touches: vec![TouchVerdict {
            click_id: None,
            journey_id: Some(JourneyId(ID)),
            occurred_at: Micros(BEGIN),
            campaign: campaign(),
            publisher: publisher(),
            link: "L".into(),
            kept: true,
            reason: "in_window".into(),
            value: "3 d".into(),
        }],
        touches_not_listed: 0,
        deliveries: vec![DeliveryNote { event_id: "e-2".into(), reason: "same_order".into(), value: String::new() }],
        clock_ahead_micros: 0,
        catalog_offset: Offset(3),
        same_as: None,
        fraud: None,
        command: None,
        status: Status::Approved,
        full_commission: None,
        refunded: None,
        charged_back: None,
    };
    let decision = if revision == 1 { decision } else { judged(decision) };
    (Topic::Decisions, Some(1), b"d".to_vec(), codec::encode(&decision))
}

/// With all that a decision may say beside who earns it.
fn judged(decision: Decision) -> Decision {
    let finding =
        FraudFinding { rule: "velocity".into(), score: 20, measured: "40".into(), click_id: Some(ClickId(ID)) };
    let command = CommandNote {
        command_id: "c-1".into(),
        verb: "release".into(),
        by: "ana".into(),
        why: "known buyer".into(),
        issued_at: Micros(BEGIN),
        effect: "released".into(),
    };
    Decision {
        fraud: Some(FraudVerdict { score: 20, hold_at: Some(10), reject_at: None, findings: vec![finding] }),
        command: Some(command),
        status: Status::PartlyRefunded,
        full_commission: Some(Fixed(12_500_000)),
        refunded: Some(Fixed(20_000_000)),
        charged_back: Some(Fixed(5_000_000)),
        ..decision
    }
}

/// Revision 1 credits 1, or takes it back.
pub fn attribution(sign: i32) -> Written {
    let credit = |model| CreditRow {
        model,
        click_id: Some(ClickId(ID)),
        touch_at: Micros(BEGIN),
        campaign: campaign(),
        link: "L".into(),
        credit: Fixed(333_333_333_333),
        attributed_value: Fixed(100_000_000 * 333_333_333_333),
    };
    let attribution = Attribution {
        conversion_id: ConversionId(ID),
        revision: 1,
        sign,
        tenant: tenant(),
        advertiser: advertiser(),
        publisher: publisher(),
        action: "purchase".into(),
        occurred_at: Micros(BEGIN),
        value: Fixed(100_000_000),
        currency: Currency::USD,
        credits: Model::ALL.into_iter().map(credit).collect(),
    };
    (Topic::Attributions, Some(2), b"a".to_vec(), codec::encode(&attribution))
}

pub fn entry() -> Written {
    let posting = |account: &str, amount| Posting { account: account.into(), amount: Fixed(amount) };
    let entry = JournalEntry {
        entry_id: EntryId(ID),
        tenant: tenant(),
        publisher: publisher(),
        advertiser: advertiser(),
        campaign: campaign(),
        conversion_id: ConversionId(ID),
        revision: 1,
        cause: Cause::Conversion,
        occurred_at: Micros(BEGIN),
        received_at: Micros(BEGIN),
        currency: Currency::USD,
        contract: ContractId::new("standard").expect("a name"),
        contract_version: 1,
        postings: vec![
            posting("advertiser:acme", 10_000_000),
            posting("publisher:alpha", -7_000_000),
            posting("platform", -3_000_000),
        ],
        cumulative_commission: Fixed(10_000_000),
        cumulative_payout: Fixed(7_000_000),
        cumulative_platform_fee: Fixed(3_000_000),
        hold_until: Micros(BEGIN),
        cause_event: Some("e-2".into()),
        tier_value: None,
    };
    (Topic::Journal, Some(0), b"j".to_vec(), codec::encode(&entry))
}
