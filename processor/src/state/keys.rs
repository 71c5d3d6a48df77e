//! Keys and values of the state. Touches and journey events share a prefix of journey and advertiser, so that a journey's
//! stand side by side.

use crate::state::StoreError;
use domain::settle::month::Counted;
use schemas::decimal::Currency;
use schemas::id::{ClickId, ConversionId, CustomerId, JourneyId, PayoutId, RunId, hash_of};
use schemas::mark;
use schemas::name::{CampaignId, LinkCode, PublisherId, TenantId};
use schemas::offset::{NextOffset, Offset};
use schemas::record::budget::BudgetSpent;
use schemas::record::candidates::Touch;
use schemas::record::click::ClickView;
use schemas::record::event::Event;
use schemas::time::Micros;
use schemas::topic::Topic;

/// Bytes of a journey's prefix: journey (16) and a hash of tenant and advertiser (8).
pub const JOURNEY_PREFIX: usize = 24;
/// Bytes of a touch's key: the journey's prefix, time (8), click id (16).
pub const TOUCH_KEY: usize = JOURNEY_PREFIX + 8 + 16;

pub type Scope = [u8; 8];
pub type JourneyPrefix = [u8; JOURNEY_PREFIX];
pub type TouchKey = [u8; TOUCH_KEY];

/// An advertiser of a tenant, hashed: what one may see of a journey (P7: others' touches have another prefix).
pub fn scope(tenant: &str, advertiser: &str) -> Scope {
    let hash = hash_of("tributary journey scope v1", &[tenant.as_bytes(), advertiser.as_bytes()]);
    let mut scope = Scope::default();
    scope.copy_from_slice(&hash[..8]);
    scope
}

/// One journey as one advertiser sees it.
pub fn journey(scope: Scope, journey: JourneyId) -> JourneyPrefix {
    let mut key = [0; JOURNEY_PREFIX];
    key[..16].copy_from_slice(&journey.0);
    key[16..].copy_from_slice(&scope);
    key
}

/// One customer of one advertiser, as one journey: their events stand in one table. A hash, so that no customer's id is
/// taken for a journey's.
pub fn customer(scope: Scope, customer: CustomerId) -> JourneyPrefix {
    let hash = hash_of("tributary customer v1", &[&scope, &customer.0]);
    let mut key = [0; JOURNEY_PREFIX];
    key[..16].copy_from_slice(&hash);
    key[16..].copy_from_slice(&scope);
    key
}

/// Spreads a prefix over 64 bits, the same in every process: filters on the disk are made of it. Journeys come from
/// cookies that we signed, so that nobody can choose them to collide.
pub fn prefix_hash(prefix: &JourneyPrefix) -> u64 {
    const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
    const ODD: u128 = 0xd6e8_feb8_6659_fd93;
    let (words, _) = prefix.as_chunks::<8>();
    words.iter().fold(SEED, |hash, word| {
        let product = u128::from(hash ^ u64::from_le_bytes(*word)) * ODD;
        (product >> 64) as u64 ^ product as u64
    })
}

/// Times sort as unsigned big-endian numbers; none of ours is before 1970.
fn time_bytes(time: Micros) -> [u8; 8] {
    time.0.max(0).to_be_bytes()
}

/// The week in which a click reached its topic, by the broker's clock: touches are kept and expire by it. Not the week of
/// the click itself: old clicks may be imported, and one edge's clock may be wrong.
pub fn bucket(arrived: Micros) -> u32 {
    const WEEK: i64 = 7 * 24 * 3600 * 1_000_000;
    (arrived.0.max(0) / WEEK) as u32
}

pub fn touch(prefix: &JourneyPrefix, occurred_at: Micros, click: ClickId) -> TouchKey {
    let mut key = [0; TOUCH_KEY];
    key[..JOURNEY_PREFIX].copy_from_slice(prefix);
    key[JOURNEY_PREFIX..JOURNEY_PREFIX + 8].copy_from_slice(&time_bytes(occurred_at));
    key[JOURNEY_PREFIX + 8..].copy_from_slice(&click.0);
    key
}

/// At or before every touch of the journey.
pub fn first_touch(prefix: &JourneyPrefix) -> TouchKey {
    touch(prefix, Micros(0), ClickId([0; 16]))
}

pub fn prefix_of(key: &TouchKey) -> &JourneyPrefix {
    key.first_chunk().expect("a key is longer than its prefix")
}

pub fn time_of(key: &TouchKey) -> Micros {
    let mut time = [0; 8];
    time.copy_from_slice(&key[JOURNEY_PREFIX..JOURNEY_PREFIX + 8]);
    Micros(i64::from_be_bytes(time))
}

/// A key's first eight bytes: keys that differ in it are ordered by it.
pub fn head(key: &TouchKey) -> u64 {
    let mut head = [0; 8];
    head.copy_from_slice(&key[..8]);
    u64::from_be_bytes(head)
}

/// Catalog offset, then campaign, publisher and link, each after its length (names have at most 64 bytes), then the click's
/// marks, to the end: nearly always nothing.
pub fn touch_value(click: &ClickView<'_>, value: &mut Vec<u8>) {
    value.clear();
    value.extend_from_slice(&click.catalog_offset.0.to_be_bytes());
    for name in [click.campaign, click.publisher, click.link] {
        value.push(name.len() as u8);
        value.extend_from_slice(name.as_bytes());
    }
    // A value's length is one byte in runs and index.
    value.extend_from_slice(mark::fitting(click.marks, usize::from(u8::MAX) - value.len()).as_bytes());
}

pub fn read_touch(key: &TouchKey, value: &[u8]) -> Result<Touch, StoreError> {
    let corrupt = || StoreError::Corrupt { what: "a touch", reason: format!("{} bytes", value.len()) };
    let (offset, mut rest) = value.split_first_chunk().ok_or_else(corrupt)?;
    let mut name = || {
        let (&length, after) = rest.split_first()?;
        let (name, after) = after.split_at_checked(length.into())?;
        rest = after;
        std::str::from_utf8(name).ok()
    };
    let mut named = || name().ok_or_else(corrupt);
    let (campaign, publisher, link) = (named()?, named()?, named()?);
    let marks = std::str::from_utf8(rest).map_err(|_| corrupt())?.to_owned();
    let (mut click_id, mut journey_id) = (ClickId::default(), JourneyId::default());
    journey_id.0.copy_from_slice(&key[..16]);
    click_id.0.copy_from_slice(&key[JOURNEY_PREFIX + 8..]);
    Ok(Touch {
        click_id,
        journey_id,
        occurred_at: time_of(key),
        campaign: CampaignId::new(campaign).map_err(|_| corrupt())?,
        publisher: PublisherId::new(publisher).map_err(|_| corrupt())?,
        link: LinkCode::new(link).map_err(|_| corrupt())?,
        catalog_offset: Offset(i64::from_be_bytes(*offset)),
        marks,
    })
}

/// Another delivery of the same content has the same key: its latest stands for all. No time is in it, since the edge
/// gives each delivery of an event without `occurred_at` a time of its own.
pub fn journey_event(prefix: &JourneyPrefix, event: &Event) -> Vec<u8> {
    let id = hash_of("tributary journey event v1", &[event.event_id.as_bytes(), &event.payload_hash.0]);
    [prefix.as_slice(), &id].concat()
}

/// By time: what a tie or an order concerns are the events from its time on. Deliveries of the same content at several times are
/// each kept.
pub fn customer_event(prefix: &JourneyPrefix, event: &Event) -> Vec<u8> {
    let id = hash_of("tributary customer event v1", &[event.event_id.as_bytes(), &event.payload_hash.0]);
    [prefix.as_slice(), &time_bytes(event.occurred_at), &id].concat()
}

/// From which to before which key a customer's events from this time on stand.
pub fn customer_events(prefix: &JourneyPrefix, from: Micros) -> (Vec<u8>, Vec<u8>) {
    ([prefix.as_slice(), &time_bytes(from)].concat(), [prefix.as_slice(), &[0xff; 25]].concat())
}

/// The time at which the event reached its topic, then its frame.
pub fn journey_event_value(arrived: Micros, framed: &[u8]) -> Vec<u8> {
    [time_bytes(arrived).as_slice(), framed].concat()
}

pub fn framed_event(value: &[u8]) -> &[u8] {
    value.get(8..).unwrap_or_default()
}

/// Whether a journey event arrived before this time.
pub fn expired(value: &[u8], before: Micros) -> bool {
    value.first_chunk().is_some_and(|arrived| i64::from_be_bytes(*arrived) < before.0)
}

/// Past every journey event of the prefix.
pub fn after_events(prefix: &JourneyPrefix) -> Vec<u8> {
    [prefix.as_slice(), &[0xff; 17]].concat()
}

pub fn conversion(id: ConversionId) -> Vec<u8> {
    id.0.to_vec()
}

/// Of settle's keys: a tenant's stand side by side, and behind its zero byte a publisher's. Names hold no zero byte.
pub fn tenant(tenant: &TenantId) -> Vec<u8> {
    [tenant.as_bytes(), &[0]].concat()
}

fn account(tenant: &TenantId, publisher: &PublisherId) -> Vec<u8> {
    [tenant.as_bytes(), &[0], publisher.as_bytes(), &[0]].concat()
}

/// From and to of all that an account holds. Conversion ids begin with any byte, so the end is the next separator.
pub fn all_settled(tenant: &TenantId, publisher: &PublisherId) -> (Vec<u8>, Vec<u8>) {
    (account(tenant, publisher), [tenant.as_bytes(), &[0], publisher.as_bytes(), &[1]].concat())
}

pub fn settled(tenant: &TenantId, publisher: &PublisherId, conversion: ConversionId, currency: Currency) -> Vec<u8> {
    [account(tenant, publisher).as_slice(), &conversion.0, currency.code().as_bytes()].concat()
}

pub fn balance(tenant: &TenantId, publisher: &PublisherId, currency: Currency) -> Vec<u8> {
    [account(tenant, publisher).as_slice(), currency.code().as_bytes()].concat()
}

/// Whose balance has this key.
pub fn account_of_balance(key: &[u8]) -> Result<(PublisherId, Currency), StoreError> {
    let corrupt = || StoreError::Corrupt { what: "a balance's key", reason: String::from_utf8_lossy(key).into_owned() };
    let mut parts = std::str::from_utf8(key).map_err(|_| corrupt())?.split('\0').skip(1);
    let (Some(publisher), Some(currency)) = (parts.next(), parts.next()) else { return Err(corrupt()) };
    Ok((PublisherId::new(publisher).map_err(|_| corrupt())?, Currency::parse(currency).map_err(|_| corrupt())?))
}

/// A conversion of the account whose balance has this key, by the date when a run may state it.
pub fn due(balance: &[u8], due: Micros, conversion: ConversionId) -> Vec<u8> {
    [balance, &time_bytes(due), &conversion.0].concat()
}

/// As `due`, of the conversion whose settled state has this key.
pub fn due_of(settled: &[u8], at: Micros) -> Result<Vec<u8>, StoreError> {
    const CURRENCY: usize = 3;
    let corrupt = || StoreError::Corrupt { what: "a settled conversion's key", reason: format!("{settled:?}") };
    let (rest, currency) = settled.split_at_checked(settled.len().wrapping_sub(CURRENCY)).ok_or_else(corrupt)?;
    let (account, conversion) = rest.split_last_chunk().ok_or_else(corrupt)?;
    Ok(due(&[account, currency].concat(), at, ConversionId(*conversion)))
}

/// The conversion in a key of `due`'s form.
pub fn due_conversion(key: &[u8]) -> Result<ConversionId, StoreError> {
    let conversion = key.last_chunk().map(|id| ConversionId(*id));
    conversion.ok_or_else(|| StoreError::Corrupt { what: "a due date's key", reason: format!("{key:?}") })
}

pub fn month(tenant: &TenantId, publisher: &PublisherId, counted: &Counted) -> Vec<u8> {
    let (month, campaign) = (counted.month.0.to_be_bytes(), counted.campaign.as_bytes());
    [account(tenant, publisher).as_slice(), &month, campaign, &[0], counted.currency.code().as_bytes()].concat()
}

/// Whose month has this key.
pub fn publisher_of_month(key: &[u8]) -> Result<PublisherId, StoreError> {
    let corrupt = || StoreError::Corrupt { what: "a month's key", reason: format!("{key:?}") };
    let publisher = key.split(|byte| *byte == 0).nth(1).and_then(|name| std::str::from_utf8(name).ok());
    PublisherId::new(publisher.ok_or_else(corrupt)?).map_err(|_| corrupt())
}

/// What an account has booked against a budget.
pub fn budget(spent: &BudgetSpent) -> Vec<u8> {
    let scope = spent.publisher.as_ref().map_or(&[][..], PublisherId::as_bytes);
    let rest = [scope, &[0], spent.currency.code().as_bytes(), &time_bytes(spent.from)];
    [budgets(&spent.tenant, &spent.account, &spent.campaign).0, rest.concat()].concat()
}

/// From and to of an account's parts of a campaign's budgets.
pub fn budgets(tenant: &TenantId, of: &PublisherId, campaign: &CampaignId) -> (Vec<u8>, Vec<u8>) {
    let all = [account(tenant, of).as_slice(), campaign.as_bytes()].concat();
    ([all.as_slice(), &[0]].concat(), [all.as_slice(), &[1]].concat())
}

pub fn payout(id: PayoutId) -> Vec<u8> {
    id.0.to_vec()
}

pub fn run(id: RunId) -> Vec<u8> {
    id.0.to_vec()
}

/// Past every key that begins like this.
pub fn after(prefix: &[u8]) -> Vec<u8> {
    [prefix, &[0xff]].concat()
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
