//! What must become of a visit's conversions, whatever happened on the way: recomputed from the plan alone.
//!
//! **Architecture invariant:** shares no rule and no rounding with `domain` or `schemas`; it is what they are judged by.

use super::visit::{PlannedEvent, Visit};
use schemas::decimal::{Amount, Currency, Fixed};
use schemas::id::{ClickId, ConversionId, JourneyId};
use schemas::name::{AdvertiserId, TenantId};
use schemas::record::decision::Outcome;
use schemas::record::event::EvidenceSource;
use schemas::time::Micros;
use std::collections::{BTreeMap, BTreeSet};

/// The contract's rates in millionths, and the campaign's look-back (`chaos/catalog.yaml`).
const COMMISSION: i128 = 125_000;
const PLATFORM: i128 = 300_000;
const LOOK_BACK: i64 = 30 * 24 * 3600 * 1_000_000;
/// An event received later than this is too late (P3).
const LATENESS: i64 = 60 * 24 * 3600 * 1_000_000;
/// A click so much after an event still counts for its own token.
const SKEW: i64 = 600 * 1_000_000;

/// The last decision of a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub outcome: Outcome,
    /// Who earns, a number of the plan's.
    pub publisher: Option<u8>,
    pub value: Amount,
    pub currency: Currency,
    pub money: Money,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money {
    pub commission: Amount,
    pub payout: Amount,
    pub platform_fee: Amount,
}

/// Whose the run's clicks and events are.
pub struct Shop {
    pub tenant: TenantId,
    pub advertiser: AdvertiserId,
}

impl Shop {
    /// None only where the names in the catalog are no names.
    pub fn open() -> Option<Shop> {
        Some(Shop { tenant: TenantId::new("default").ok()?, advertiser: AdvertiserId::new("chaos").ok()? })
    }

    pub fn of_event(&self, event_id: &str) -> ConversionId {
        ConversionId::of_event(&self.tenant, &self.advertiser, event_id)
    }

    pub fn of_order(&self, order_id: &str) -> ConversionId {
        ConversionId::of_order(&self.tenant, &self.advertiser, order_id)
    }
}

/// The conversions of a visit.
pub fn expect(visit: &Visit, shop: &Shop) -> Vec<(ConversionId, Expected)> {
    let mut conversions: BTreeMap<ConversionId, Vec<&PlannedEvent>> = BTreeMap::new();
    let mut within_orders = BTreeSet::new();
    for event in visit.events.iter().filter(|event| !event.arrives.is_empty()) {
        let id = match &event.order_id {
            Some(order) => {
                within_orders.insert(shop.of_event(&event.event_id));
                shop.of_order(order)
            }
            None => shop.of_event(&event.event_id),
        };
        conversions.entry(id).or_default().push(event);
    }
    let judged = conversions.into_iter().map(|(id, events)| {
        let expected = judge(visit, &events);
        // An event that turned out to be of an order earns there.
        if within_orders.contains(&id) {
            let nothing = Expected {
                outcome: Outcome::SameAsOrder,
                publisher: None,
                money: Money::default(),
                value: expected.value,
                currency: expected.currency,
            };
            return (id, nothing);
        }
        (id, expected)
    });
    judged.collect()
}

fn judge(visit: &Visit, deliveries: &[&PlannedEvent]) -> Expected {
    // Of one event id the delivery received first counts.
    let mut of_id: BTreeMap<&str, &PlannedEvent> = BTreeMap::new();
    for event in deliveries {
        let first = of_id.entry(&event.event_id).or_insert(event);
        if event.received_at < first.received_at {
            *first = event;
        }
    }
    let mut events: Vec<&PlannedEvent> = of_id.into_values().collect();
    events.sort_by_key(|event| (event.at, event.event_id.clone()));
    let late = |event: &PlannedEvent| event.received_at.0 - event.at.0 > LATENESS;
    let in_time: Vec<&PlannedEvent> = events.iter().copied().filter(|event| !late(event)).collect();
    let earning = in_time.first().copied().unwrap_or(events[0]);
    let nobody = |outcome| Expected {
        outcome,
        publisher: None,
        value: earning.value,
        currency: earning.currency,
        money: Money::default(),
    };
    if in_time.is_empty() {
        return nobody(Outcome::TooLate);
    }
    let named: BTreeSet<ClickId> =
        events.iter().flat_map(|event| event.tokens.iter().map(|token| token.click)).collect();
    for source in [EvidenceSource::ClickId, EvidenceSource::LandingUrl] {
        for token in in_time.iter().flat_map(|event| &event.tokens).filter(|token| token.source == source) {
            if let Some(publisher) = last_touch(visit, token.journey, token.click, earning.at, &named) {
                let money = Money::of(earning.value, earning.currency);
                return Expected { publisher: Some(publisher), money, ..nobody(Outcome::Attributed) };
            }
        }
    }
    nobody(Outcome::Unattributed)
}

/// Who brought the journey's last touch that may earn, where the token's own click arrived.
fn last_touch(
    visit: &Visit,
    journey: JourneyId,
    token: ClickId,
    sold_at: Micros,
    named: &BTreeSet<ClickId>,
) -> Option<u8> {
    let arrived = visit.clicks.iter().filter(|click| click.journey == journey && !click.arrives.is_empty());
    let arrived: Vec<_> = arrived.collect();
    arrived.iter().find(|click| click.id == token)?;
    let earns = arrived.into_iter().filter(|click| {
        let age = sold_at.0 - click.at.0;
        age <= LOOK_BACK && (age >= 0 || (age >= -SKEW && named.contains(&click.id)))
    });
    earns.max_by_key(|click| (click.at, click.id)).map(|click| click.publisher)
}

impl Money {
    /// 12.5 % of the value, of which 30 % are the platform's, each rounded half-even to the currency's smallest coin.
    pub fn of(value: Amount, currency: Currency) -> Money {
        let coin = if currency == Currency::USD { 10_000 } else { 1_000_000 };
        let commission = share(value.0.max(0), COMMISSION, coin);
        let fee = share(commission, PLATFORM, coin);
        Money { commission: Fixed(commission), payout: Fixed(commission - fee), platform_fee: Fixed(fee) }
    }
}

/// `rate` millionths of `amount` >= 0, in whole coins.
fn share(amount: i128, rate: i128, coin: i128) -> i128 {
    let (product, unit) = (amount * rate, 1_000_000 * coin);
    let (coins, rest) = (product / unit, product % unit);
    let up = rest > unit - rest || (rest == unit - rest && coins % 2 == 1);
    (coins + i128::from(up)) * coin
}

#[cfg(test)]
mod tests {
    use super::super::visit::{self, yen};
    use super::*;

    #[test]
    fn money_is_rounded_half_even_to_the_smallest_coin() {
        for (value, currency, commission, fee) in [
            ("100", Currency::USD, "12.50", "3.75"),
            ("0.04", Currency::USD, "0", "0"),
            ("0.12", Currency::USD, "0.02", "0.01"),
            ("-5", Currency::USD, "0", "0"),
            ("4", yen(), "0", "0"),
            ("12", yen(), "2", "1"),
            ("1000", yen(), "125", "38"),
        ] {
            let amount = |text| Amount::parse(text).expect("an amount");
            let money = Money::of(amount(value), currency);
            assert_eq!((money.commission, money.platform_fee), (amount(commission), amount(fee)), "{value} {currency}");
            assert_eq!(money.payout + money.platform_fee, money.commission, "{value} {currency}");
        }
    }

    #[test]
    fn the_rates_are_those_of_the_catalog() {
        let catalog = include_str!("../../chaos/catalog.yaml");
        assert!(catalog.contains("commission: 12.5 %, platform_share: 30 %, paying_model: last"));
        assert!(catalog.contains("look_back: 30d"));
    }

    #[test]
    fn the_stories_lead_to_every_outcome() {
        let shop = Shop::open().expect("a shop");
        let mut outcomes: BTreeMap<&str, u32> = BTreeMap::new();
        for number in 0..20_000 {
            for (_, expected) in expect(&visit::visit(1, number), &shop) {
                *outcomes.entry(expected.outcome.name()).or_default() += 1;
                let earns = expected.outcome == Outcome::Attributed;
                assert_eq!(earns, expected.publisher.is_some(), "{expected:?}");
            }
        }
        for outcome in ["attributed", "unattributed", "too_late", "same_as_order"] {
            assert!(outcomes.get(outcome).is_some_and(|count| *count > 50), "{outcomes:?}");
        }
    }
}
