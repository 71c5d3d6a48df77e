//! Keys and values of the tables. Touches and journey events share a prefix of journey and advertiser, so that a
//! look-back is one seek, and time-ordered journeys make puts nearly sequential.

use crate::state::StoreError;
use schemas::id::{ClickId, ConversionId, JourneyId, hash_of};
use schemas::name::{AdvertiserId, CampaignId, LinkCode, PublisherId, TenantId};
use schemas::offset::{NextOffset, Offset};
use schemas::record::candidates::Touch;
use schemas::record::click::Click;
use schemas::record::event::Event;
use schemas::time::Micros;
use schemas::topic::Topic;

/// Bytes of a journey's prefix: journey (16) and a hash of tenant and advertiser (8).
pub const JOURNEY_PREFIX: usize = 24;
const TOUCH_KEY: usize = JOURNEY_PREFIX + 8 + 16;

/// One journey as one advertiser sees it (P7: others' touches have another prefix).
pub fn journey(tenant: &TenantId, advertiser: &AdvertiserId, journey: JourneyId) -> [u8; JOURNEY_PREFIX] {
    let scope = hash_of("tributary journey scope v1", &[tenant.as_bytes(), advertiser.as_bytes()]);
    let mut key = [0; JOURNEY_PREFIX];
    key[..16].copy_from_slice(&journey.0);
    key[16..].copy_from_slice(&scope[..8]);
    key
}

/// Times sort as unsigned big-endian numbers; none of ours is before 1970.
fn time_bytes(time: Micros) -> [u8; 8] {
    time.0.max(0).to_be_bytes()
}

/// The key below or at which no entry of the prefix is earlier than `time`.
pub fn from_time(prefix: &[u8; JOURNEY_PREFIX], time: Micros) -> Vec<u8> {
    [prefix.as_slice(), &time_bytes(time)].concat()
}

/// The first key of the prefix that is later than `time`.
pub fn after_time(prefix: &[u8; JOURNEY_PREFIX], time: Micros) -> Vec<u8> {
    from_time(prefix, time.plus(1))
}

pub fn touch(click: &Click) -> Vec<u8> {
    let prefix = journey(&click.tenant, &click.advertiser, click.journey_id);
    let mut key = Vec::with_capacity(TOUCH_KEY);
    key.extend_from_slice(&prefix);
    key.extend_from_slice(&time_bytes(click.occurred_at));
    key.extend_from_slice(&click.click_id.0);
    key
}

/// Catalog offset, then campaign, publisher and link, each after its length (names have at most 64 bytes).
pub fn touch_value(click: &Click) -> Vec<u8> {
    let names = [click.campaign.as_bytes(), click.publisher.as_bytes(), click.link.as_bytes()];
    let mut value = Vec::with_capacity(8 + 3 + names.iter().map(|name| name.len()).sum::<usize>());
    value.extend_from_slice(&click.catalog_offset.0.to_be_bytes());
    for name in names {
        value.push(name.len() as u8);
        value.extend_from_slice(name);
    }
    value
}

pub fn read_touch(key: &[u8], value: &[u8]) -> Result<Touch, StoreError> {
    let corrupt =
        || StoreError::Corrupt { what: "a touch", reason: format!("{} and {} bytes", key.len(), value.len()) };
    let sixteen = |at: usize| key.get(at..at + 16).and_then(|bytes| bytes.try_into().ok()).ok_or_else(corrupt);
    let eight = |bytes: Option<&[u8]>| {
        bytes.and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes).ok_or_else(corrupt)
    };
    let mut rest = value.get(8..).ok_or_else(corrupt)?;
    let mut name = || {
        let (&length, after) = rest.split_first()?;
        let (name, after) = after.split_at_checked(length.into())?;
        rest = after;
        std::str::from_utf8(name).ok()
    };
    let (campaign, publisher, link) = (name(), name(), name());
    let named = |text: Option<&str>| text.map(str::to_owned).ok_or_else(corrupt);
    Ok(Touch {
        click_id: ClickId(sixteen(JOURNEY_PREFIX + 8)?),
        journey_id: JourneyId(sixteen(0)?),
        occurred_at: Micros(eight(key.get(JOURNEY_PREFIX..JOURNEY_PREFIX + 8))?),
        campaign: CampaignId::new(&named(campaign)?).map_err(|_| corrupt())?,
        publisher: PublisherId::new(&named(publisher)?).map_err(|_| corrupt())?,
        link: LinkCode::new(&named(link)?).map_err(|_| corrupt())?,
        catalog_offset: Offset(eight(value.get(..8))?),
    })
}

/// Another delivery of the same content has the same key: its latest stands for all. No time is in it, since the edge
/// gives each delivery of an event without `occurred_at` a time of its own.
pub fn journey_event(event: &Event, of: JourneyId) -> Vec<u8> {
    let prefix = journey(&event.tenant, &event.advertiser, of);
    let id = hash_of("tributary journey event v1", &[event.event_id.as_bytes(), &event.payload_hash.0]);
    [prefix.as_slice(), &id].concat()
}

/// Past every journey event of the prefix.
pub fn after_events(prefix: &[u8; JOURNEY_PREFIX]) -> Vec<u8> {
    [prefix.as_slice(), &[0xff; 17]].concat()
}

pub fn conversion(id: ConversionId) -> Vec<u8> {
    id.0.to_vec()
}

/// The parts are names and a currency code: no zero byte is in them.
pub fn settled(tenant: &TenantId, publisher: &PublisherId, conversion: ConversionId, currency: &str) -> Vec<u8> {
    [tenant.as_bytes(), &[0], publisher.as_bytes(), &[0], &conversion.0, currency.as_bytes()].concat()
}

pub fn balance(tenant: &TenantId, publisher: &PublisherId, currency: &str) -> Vec<u8> {
    [tenant.as_bytes(), &[0], publisher.as_bytes(), &[0], currency.as_bytes()].concat()
}

pub fn position(topic: Topic) -> Vec<u8> {
    topic.name().as_bytes().to_vec()
}

pub fn position_value(next: NextOffset) -> Vec<u8> {
    next.0.to_be_bytes().to_vec()
}

pub fn read_position(value: &[u8]) -> Result<NextOffset, StoreError> {
    let bytes = value
        .try_into()
        .map_err(|_| StoreError::Corrupt { what: "a position", reason: format!("{} bytes", value.len()) })?;
    Ok(NextOffset(i64::from_be_bytes(bytes)))
}
