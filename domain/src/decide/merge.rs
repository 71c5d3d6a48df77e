//! The set of a conversion's inputs: what is kept of it, always as a function of the set.
//!
//! Every bound here takes the least by a key that an element carries itself. So an element that is kept in the end
//! was kept all along, and bounding early loses nothing that a later input could need.

use super::Merged;
use crate::join;
use schemas::codec::{self, DecodeError};
use schemas::decimal::Amount;
use schemas::id::{ClickId, ConversionId, CustomerId, JourneyId, PayloadHash};
use schemas::limits::{
    ADJUSTMENTS_PER_CONVERSION, AMENDMENTS_PER_CONVERSION, AMOUNT_UNITS, COMMANDS_PER_CONVERSION,
    DELIVERIES_PER_CONVERSION, ITEM_QUANTITY, ITEMS_PER_EVENT, JOURNEYS_PER_CONVERSION, ORDERS_PER_EVENT_ID,
};
use schemas::offset::Offset;
use schemas::record::amendment::Amendment;
use schemas::record::candidates::{Candidates, CustomerTie, FirstOrder, Touch};
use schemas::record::command::ConversionCommand;
use schemas::record::event::Event;
use schemas::record::state::{ConversionState, Delivery, JourneyTouches};
use schemas::time::Micros;
use std::cmp::Reverse;

pub(super) fn merge(state: &mut ConversionState, input: &Candidates) -> Result<Merged, DecodeError> {
    let event = without_what_no_rule_reads(checked(codec::decode(&input.event)?)?);
    let changed = match input.same_as {
        Some(order) => add_alias(state, order),
        None => {
            let new_event = add_event(state, event)?;
            let new_touches = input.journey_id.is_some_and(|journey| add_touches(&mut state.journeys, journey, input));
            new_event | new_touches | add_first_order(state, input.first_order)
        }
    };
    Ok(if changed { Merged::Changed } else { Merged::Unchanged })
}

/// The events of the state, in its order.
pub(super) fn stored(state: &ConversionState) -> Result<Vec<Event>, DecodeError> {
    state.deliveries.iter().map(|delivery| codec::decode::<Event>(&delivery.event)).collect()
}

/// What the edge lets in is within the limit; a topic can be written to by others, and arithmetic must not overflow.
fn checked(event: Event) -> Result<Event, DecodeError> {
    let bad = |reason: String| Err(DecodeError::Body { record: "Event", reason });
    let beyond = |value: Amount| value.0.unsigned_abs() > (AMOUNT_UNITS * Amount::ONE.0).unsigned_abs();
    let values = std::iter::once(event.value).chain(event.items.iter().map(|item| item.value));
    if let Some(value) = values.into_iter().find(|value| beyond(*value)) {
        return bad(format!("value {value} is out of range: at most {AMOUNT_UNITS} units"));
    }
    if event.items.len() > ITEMS_PER_EVENT {
        return bad(format!("{} items; at most {ITEMS_PER_EVENT}", event.items.len()));
    }
    let negative = event.items.iter().find(|item| item.value < Amount::ZERO || !QUANTITIES.contains(&item.quantity));
    match negative {
        Some(item) => bad(format!("item {:?}: {} pieces of {}", item.sku, item.quantity, item.value)),
        None => Ok(event),
    }
}

const QUANTITIES: std::ops::RangeInclusive<i32> = 0..=ITEM_QUANTITY;

/// A forwarded copy is the same delivery. URLs and properties are the larger part of an event; they stay in
/// `candidates`, and the payload hash tells whether they differed.
fn without_what_no_rule_reads(event: Event) -> Event {
    Event {
        forwarded_to: None,
        to_customer: false,
        tie: None,
        landing_url: None,
        referrer: None,
        properties: None,
        ..event
    }
}

/// An event id can name several orders when a shop reuses it; the least is as good as any and does not depend on which
/// came first. The others are kept for what is passed on.
fn add_alias(state: &mut ConversionState, order: ConversionId) -> bool {
    if state.same_as == Some(order) || state.orders.contains(&order) {
        return false;
    }
    let mut orders: Vec<ConversionId> = orders(state).chain([order]).collect();
    orders.sort();
    orders.truncate(ORDERS_PER_EVENT_ID);
    let others = orders.split_off(1);
    let changed = state.same_as != orders.first().copied() || state.orders != others;
    (state.same_as, state.orders) = (orders.first().copied(), others);
    changed
}

/// The orders that the event id is known to belong to.
fn orders(state: &ConversionState) -> impl Iterator<Item = ConversionId> {
    state.same_as.into_iter().chain(state.orders.iter().copied())
}

/// What adjusts a conversion by its event id, for the orders that the id turned out to belong to. Repeated with every
/// change: what they have heard already changes nothing there.
pub(super) fn passed_on(state: &ConversionState, input: &Candidates) -> Result<Vec<Candidates>, DecodeError> {
    if state.same_as.is_none() {
        return Ok(Vec::new());
    }
    let events = stored(state)?.into_iter().zip(&state.deliveries);
    let adjustments: Vec<&Delivery> =
        events.filter(|(event, _)| event.action.adjusts()).map(|(_, delivery)| delivery).collect();
    let to = |order: ConversionId, delivery: &Delivery| Candidates {
        tenant: input.tenant.clone(),
        advertiser: input.advertiser.clone(),
        event: delivery.event.clone(),
        conversion_id: order,
        same_as: None,
        journey_id: None,
        touches: Vec::new(),
        touches_total: 0,
        tie: None,
        first_order: None,
    };
    let pairs = orders(state).flat_map(|order| adjustments.iter().map(move |delivery| (order, delivery)));
    Ok(pairs.map(|(order, delivery)| to(order, delivery)).collect())
}

/// Of all that was ever said the least: whatever came first, the earliest order stays.
fn add_first_order(state: &mut ConversionState, said: Option<FirstOrder>) -> bool {
    let least = [state.first_order, said].into_iter().flatten().min();
    let changed = least != state.first_order;
    state.first_order = least;
    changed
}

/// The order of deliveries in the state.
fn order(event: &Event) -> (Micros, &str, PayloadHash) {
    (event.occurred_at, &event.event_id, event.payload_hash)
}

/// Of deliveries of one payload under one id: the order in which the least is kept.
fn copy_order(event: &Event) -> (Micros, Micros, Offset) {
    (event.occurred_at, event.received_at, event.catalog_offset)
}

fn add_event(state: &mut ConversionState, event: Event) -> Result<bool, DecodeError> {
    let framed = codec::encode(&event);
    if state.deliveries.iter().any(|delivery| delivery.event == framed) {
        return Ok(false);
    }
    let mut known: Vec<(Event, Vec<u8>)> =
        stored(state)?.into_iter().zip(state.deliveries.iter().map(|delivery| delivery.event.clone())).collect();
    let copy = known
        .iter()
        .position(|(other, _)| (&other.event_id, other.payload_hash) == (&event.event_id, event.payload_hash));
    match copy {
        Some(at) if (copy_order(&known[at].0), &known[at].1) <= (copy_order(&event), &framed) => return Ok(false),
        Some(at) => known[at] = (event, framed),
        None => known.push((event, framed)),
    }
    known.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
    bound(&mut known);
    let deliveries: Vec<Delivery> = known.into_iter().map(|(_, event)| Delivery { event }).collect();
    let changed = deliveries != state.deliveries;
    state.deliveries = deliveries;
    Ok(changed)
}

/// Keeps the earliest of those that earn and of those that adjust, each by a bound of its own.
fn bound(known: &mut Vec<(Event, Vec<u8>)>) {
    let (mut adjusting, mut others) = (0, 0);
    known.retain(|(event, _)| {
        let (count, most) = match event.action.adjusts() {
            true => (&mut adjusting, ADJUSTMENTS_PER_CONVERSION),
            false => (&mut others, DELIVERIES_PER_CONVERSION),
        };
        *count += 1;
        *count <= most
    });
}

fn add_touches(journeys: &mut Vec<JourneyTouches>, journey: JourneyId, input: &Candidates) -> bool {
    if input.touches.is_empty() && input.touches_total == 0 && input.tie.is_none() {
        return false;
    }
    let at = match journeys.binary_search_by_key(&journey, |known| known.journey_id) {
        Ok(at) => at,
        Err(JOURNEYS_PER_CONVERSION..) => return false,
        Err(at) => {
            journeys
                .insert(at, JourneyTouches { journey_id: journey, touches_total: 0, touches: Vec::new(), tie: None });
            journeys.truncate(JOURNEYS_PER_CONVERSION);
            at
        }
    };
    let known = &mut journeys[at];
    let before = known.tie.clone();
    let mut touches = Vec::with_capacity(known.touches.len() + input.touches.len());
    touches.extend(known.touches.iter().chain(&input.touches).cloned());
    touches.sort_by(|a, b| touch_order(a).cmp(&touch_order(b)));
    touches.dedup_by_key(|touch| touch.click_id);
    join::bound(&mut touches);
    // Counted after the bound: before it, the number would depend on which parts were joined.
    let listed = i64::try_from(touches.len()).unwrap_or(i64::MAX);
    let total = known.touches_total.max(input.touches_total).max(listed);
    let tie = least_tie(known.tie.take(), input.tie.clone());
    let changed = touches != known.touches || total != known.touches_total || tie != before;
    known.touches = touches;
    known.touches_total = total;
    known.tie = tie;
    changed
}

/// Of several ties of one journey the earliest counts: from then on the customer was known.
fn least_tie(known: Option<CustomerTie>, said: Option<CustomerTie>) -> Option<CustomerTie> {
    match (known, said) {
        (Some(known), Some(said)) => Some(match order_of_tie(&said) < order_of_tie(&known) {
            true => said,
            false => known,
        }),
        (known, said) => known.or(said),
    }
}

fn order_of_tie(tie: &CustomerTie) -> (Micros, &str, CustomerId) {
    (tie.at, &tie.event_id, tie.customer)
}

pub(super) fn add_command(state: &mut ConversionState, command: &ConversionCommand) -> bool {
    let key = |command: &ConversionCommand| (command.issued_at, command.command_id.clone());
    add_word(&mut state.commands, command, key, COMMANDS_PER_CONVERSION)
}

/// As commands. An amendment whose contracts cannot be read is none.
pub(super) fn add_amendment(state: &mut ConversionState, amendment: &Amendment) -> Result<bool, DecodeError> {
    for contract in &amendment.contracts {
        contract.read()?;
    }
    let key = |amendment: &Amendment| (amendment.issued_at, amendment.amendment_id.clone());
    Ok(add_word(&mut state.amendments, amendment, key, AMENDMENTS_PER_CONVERSION))
}

/// A person's words: the last ones by (time, id); under one id the latest, so that both bounds keep the greatest of the set.
fn add_word<T: Clone + Ord>(known: &mut Vec<T>, word: &T, key: impl Fn(&T) -> (Micros, String), most: usize) -> bool {
    let mut words = known.clone();
    words.push(word.clone());
    words.sort_by_cached_key(|word| {
        let (at, id) = key(word);
        (id, Reverse(at), Reverse(word.clone()))
    });
    words.dedup_by_key(|word| key(word).1);
    words.sort_by_cached_key(&key);
    words.drain(..words.len().saturating_sub(most));
    let changed = words != *known;
    *known = words;
    changed
}

/// (time, id), then all else, so that two records of one click, which no edge writes, still have an order.
fn touch_order(touch: &Touch) -> (Micros, ClickId, Offset, &str, &str, &str, &str) {
    let (at, id) = touch.order();
    (
        at,
        id,
        touch.catalog_offset,
        touch.campaign.as_str(),
        touch.publisher.as_str(),
        touch.link.as_str(),
        touch.marks.as_str(),
    )
}
