//! Our clicks and events of the peers' workload: the same journeys, times and amounts under our schemas.

use crate::bench::BenchError;
use crate::bench::installation::Names;
use crate::bench::peer::{PeerClick, PeerEvent};
use schemas::decimal::{Amount, Currency, Fixed};
use schemas::id::{ClickId, ConversionId, CustomerId, IpHash, PayloadHash, hash_of};
use schemas::name::ApiKeyId;
use schemas::offset::Offset;
use schemas::record::click::Click;
use schemas::record::event::{Action, Event, Evidence, EvidenceNames, EvidenceSource};
use schemas::token::{ClickToken, MacKey, MacKeys};
use std::collections::BTreeMap;

/// What a record needs beside the peer's.
pub struct Maker {
    names: Names,
    api_key: ApiKeyId,
    keys: MacKeys,
    /// What the edge would have read.
    catalog: Offset,
}

impl Maker {
    pub fn new(catalog: Offset) -> Result<Self, BenchError> {
        // Nobody verifies these tokens: they travel as text, in their usual size.
        let keys = MacKeys::new(vec![MacKey::new(1, &[7; 32])]).expect("one key");
        Ok(Maker { names: Names::new()?, api_key: ApiKeyId::new("bench")?, keys, catalog })
    }

    pub fn click(&self, peer: &PeerClick<'_>) -> Click {
        let mut params = BTreeMap::from([("sub1".to_owned(), peer.sub1.to_owned())]);
        if let Some(sub2) = peer.sub2 {
            params.insert("sub2".to_owned(), sub2.to_owned());
        }
        Click {
            click_id: peer.click_id,
            journey_id: peer.journey_id,
            tenant: self.names.tenant.clone(),
            advertiser: self.names.advertiser(peer.tenant).clone(),
            campaign: self.names.campaign(peer.tenant, peer.campaign).clone(),
            publisher: self.names.publisher(peer.publisher).clone(),
            link: self.names.link(peer.link).clone(),
            occurred_at: peer.occurred_at,
            catalog_offset: self.catalog,
            returning: false,
            referrer: Some(peer.referrer.to_owned()),
            user_agent: Some(format!("{} {} {:016x}", peer.device, peer.country, peer.user_agent_hash)),
            ip_hash: Some(IpHash(peer.ip_hash)),
            params,
            marks: String::new(),
        }
    }

    /// The peers dedup by event id alone. With an order id of ours beside it, an event would be two conversions to
    /// decide, the order's and its alias; so the order id travels as a property.
    ///
    /// `click` is the one that its token names, `delivered` what the payload hash is of.
    pub fn event(&self, peer: &PeerEvent<'_>, click: ClickId, delivered: &[u8]) -> Result<Event, BenchError> {
        let names = &self.names;
        let (tenant, advertiser) = (names.tenant.clone(), names.advertiser(peer.tenant).clone());
        let event_id = peer.event_id();
        let value = self.keys.sign_token(ClickToken { click, journey: peer.journey_id });
        let coupon = peer.coupon.unwrap_or_default();
        Ok(Event {
            conversion_id: ConversionId::of_event(&tenant, &advertiser, &event_id),
            event_conversion_id: None,
            event_id,
            tenant,
            advertiser,
            api_key: self.api_key.clone(),
            action: Action::Purchase,
            order_id: None,
            value: amount(peer.amount_minor),
            currency: Currency::parse(peer.currency)?,
            occurred_at: peer.occurred_at,
            received_at: peer.occurred_at,
            clock_ahead_micros: 0,
            customer: Some(CustomerId(hash_of("tributary benchmark customer", &[peer.customer_id.as_bytes()]))),
            evidence: vec![Evidence {
                source: EvidenceSource::ClickId,
                value,
                names: EvidenceNames::Touch,
                click_id: Some(click),
                journey_id: Some(peer.journey_id),
                code: None,
                problem: None,
            }],
            landing_url: Some(peer.landing_url.to_owned()),
            referrer: None,
            properties: Some(format!(r#"{{"order":"{}","coupon":"{coupon}"}}"#, peer.order_id)),
            payload_hash: PayloadHash(hash_of("tributary benchmark payload", &[delivered])),
            catalog_offset: self.catalog,
            forwarded_to: None,
            items: Vec::new(),
            refund_of: None,
            to_customer: false,
            tie: None,
            channel: schemas::record::event::Channel::Api,
        })
    }
}

/// Hundredths of a unit as our six places.
fn amount(minor: i64) -> Amount {
    Fixed(i128::from(minor) * 10_000)
}
