//! Clicks and purchases in any number, written to the topics directly, and what the processor must make of them.

use crate::installation::Installation;
use crate::log::{self, Written};
use schemas::codec;
use schemas::decimal::{Amount, Currency};
use schemas::id::{ClickId, ConversionId, JourneyId, PayloadHash, hash_of, time_ordered};
use schemas::key;
use schemas::name::{AdvertiserId, ApiKeyId, CampaignId, LinkCode, PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::click::Click;
use schemas::record::decision::Decision;
use schemas::record::event::{Action, Event, Evidence, EvidenceNames, EvidenceSource};
use schemas::record::journal::JournalEntry;
use schemas::time::Micros;
use schemas::topic::Topic;
use std::collections::{BTreeMap, BTreeSet};

/// Journeys of one click each, by number.
pub struct Traffic {
    catalog_offset: Offset,
}

const BEGIN: Micros = Micros(1_790_000_000_000_000);

fn tenant() -> TenantId {
    TenantId::new("default").expect("a name")
}

fn advertiser() -> AdvertiserId {
    AdvertiserId::new("acme").expect("a name")
}

fn ids(number: u64) -> (ClickId, JourneyId) {
    let mut entropy = [0; 10];
    entropy[2..].copy_from_slice(&number.to_be_bytes());
    let at = BEGIN.plus(number as i64 * 1000);
    (ClickId(time_ordered(at, entropy)), JourneyId(time_ordered(BEGIN, entropy)))
}

impl Traffic {
    pub fn of(installation: &Installation) -> Traffic {
        let catalog = log::partition(installation, Topic::Catalog, 0);
        Traffic { catalog_offset: Offset(catalog.last().expect("a catalog").offset) }
    }

    fn click(&self, number: u64) -> Written {
        let (click_id, journey_id) = ids(number);
        let click = Click {
            click_id,
            journey_id,
            tenant: tenant(),
            advertiser: advertiser(),
            campaign: CampaignId::new("demo").expect("a name"),
            publisher: PublisherId::new("alpha").expect("a name"),
            link: LinkCode::new("alpha-demo").expect("a code"),
            occurred_at: BEGIN.plus(number as i64 * 1000),
            catalog_offset: self.catalog_offset,
            returning: false,
            referrer: None,
            user_agent: None,
            ip_hash: None,
            params: BTreeMap::new(),
            marks: String::new(),
        };
        let key = key::journey(&click.tenant, &click.advertiser, click.journey_id);
        (Topic::Clicks, None, key.into_bytes(), codec::encode(&click))
    }

    /// An order with the token of the click of this number.
    fn purchase(&self, number: u64) -> Written {
        let (click_id, journey_id) = ids(number);
        let event_id = format!("event-{number}");
        let event = Event {
            conversion_id: ConversionId::of_event(&tenant(), &advertiser(), &event_id),
            event_conversion_id: None,
            tenant: tenant(),
            advertiser: advertiser(),
            api_key: ApiKeyId::new("acme-server").expect("a name"),
            action: Action::Purchase,
            order_id: None,
            value: Amount::parse("100").expect("an amount"),
            currency: Currency::USD,
            occurred_at: BEGIN.plus(24 * 3_600_000_000),
            received_at: BEGIN.plus(24 * 3_600_000_000),
            clock_ahead_micros: 0,
            customer: None,
            evidence: vec![Evidence {
                source: EvidenceSource::ClickId,
                value: "token".into(),
                names: EvidenceNames::Touch,
                click_id: Some(click_id),
                journey_id: Some(journey_id),
                code: None,
                problem: None,
            }],
            landing_url: None,
            referrer: None,
            properties: None,
            payload_hash: PayloadHash(hash_of("test payload", &[event_id.as_bytes()])),
            catalog_offset: self.catalog_offset,
            forwarded_to: None,
            items: Vec::new(),
            refund_of: None,
            to_customer: false,
            tie: None,
            channel: schemas::record::event::Channel::Api,
            event_id,
        };
        (Topic::Events, None, event.key().into_bytes(), codec::encode(&event))
    }

    pub fn write_clicks(&self, installation: &Installation, numbers: std::ops::Range<u64>) {
        /// What one transaction of the test's writer holds.
        const AT_ONCE: usize = 50_000;
        for begin in numbers.clone().step_by(AT_ONCE) {
            let end = numbers.end.min(begin + AT_ONCE as u64);
            log::write(installation, &(begin..end).map(|number| self.click(number)).collect::<Vec<_>>());
        }
    }

    pub fn write_purchases(&self, installation: &Installation, numbers: impl Iterator<Item = u64>) {
        log::write(installation, &numbers.map(|number| self.purchase(number)).collect::<Vec<_>>());
    }
}

/// What the log says was decided and booked: each revision and entry once.
#[derive(Debug, PartialEq)]
pub struct Booked {
    /// Conversion: outcome, publishers.
    pub decisions: BTreeMap<String, (String, Vec<String>)>,
    pub net: BTreeMap<String, Amount>,
}

pub fn booked(installation: &Installation) -> Booked {
    let mut revisions = BTreeSet::new();
    let mut decisions = BTreeMap::new();
    for decision in log::records::<Decision>(installation, Topic::Decisions) {
        let id = decision.conversion_id.to_string();
        assert!(revisions.insert((id.clone(), decision.revision)), "revision {} of {id} twice", decision.revision);
        let publishers = decision.shares.iter().map(|share| share.publisher.to_string()).collect();
        decisions.insert(id, (format!("{:?}", decision.outcome), publishers));
    }
    let (mut entries, mut net) = (BTreeSet::new(), BTreeMap::<String, Amount>::new());
    for entry in log::records::<JournalEntry>(installation, Topic::Journal) {
        assert!(entries.insert(entry.entry_id), "entry {} twice", entry.entry_id);
        for posting in &entry.postings {
            *net.entry(posting.account.clone()).or_default() += posting.amount;
        }
    }
    net.retain(|_, amount| !amount.is_zero());
    Booked { decisions, net }
}
