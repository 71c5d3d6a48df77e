//! join: the touches and the converting events of journeys. An event takes its journey's touches along; a click
//! that falls before an event that came earlier has that event's candidates sent again. Customers are `customer`'s.

mod customer;

use crate::state::keys::{self, JourneyPrefix};
use crate::state::{Change, Store, StoreError, Table};
use crate::task::{Output, Poison, StageError, Task};
use domain::join::{self, BoundedTouches, Routed};
use hashbrown::HashSet;
use kafka::queue::Record;
use schemas::codec::{self, DecodeError};
use schemas::id::JourneyId;
use schemas::key;
use schemas::limits::EVENTS_PER_JOURNEY;
use schemas::record::click::{Click, ClickView};
use schemas::record::event::Event;
use schemas::time::Micros;
use schemas::topic::Topic;

/// Which journeys have events stored, so that the clicks of all others cost no look-up: eight bytes a journey. May name
/// too many after an abort, after an expiry (until the next start) or where two journeys hash alike, and customers after a
/// restore; never too few.
#[derive(Debug, Default)]
pub struct JourneyFilter(HashSet<u64>);

impl JourneyFilter {
    /// From the store's journey events.
    pub fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let mut filter = JourneyFilter::default();
        store.scan(Table::JourneyEvents, &[], &[0xff; keys::JOURNEY_PREFIX + 1], &mut |key, _| {
            filter.insert(key);
            true
        })?;
        Ok(filter)
    }

    /// Takes the key of a journey event, or a journey's prefix.
    pub fn insert(&mut self, key: &[u8]) {
        if let Some(prefix) = key.first_chunk() {
            self.0.insert(keys::prefix_hash(prefix));
        }
    }

    fn contains(&self, prefix: &JourneyPrefix) -> bool {
        self.0.contains(&keys::prefix_hash(prefix))
    }
}

/// Reads a click in place; one of an earlier schema is decoded first.
pub fn with_click<R>(record: &Record<'_>, take: impl FnOnce(&ClickView<'_>) -> R) -> Result<R, Poison> {
    let framed = record.value.ok_or(Poison::Empty)?;
    match ClickView::read(framed)? {
        Some(click) => Ok(take(&click)),
        None => Ok(take(&codec::decode::<Click>(framed)?.view())),
    }
}

/// A click: its touch is put; the journey's earlier-delivered events are sent again with it.
pub fn click<S: Store>(task: &mut Task<S>, record: &Record<'_>) -> Result<(), StageError> {
    let put = with_click(record, |click| {
        let prefix = task.put_touch(click, record)?;
        Ok::<_, StoreError>((prefix, click.journey_id, click.occurred_at))
    });
    let (prefix, journey, occurred_at) = put??;
    if !task.probes(record.offset) || !task.journeys.contains(&prefix) {
        return Ok(());
    }
    for (event, framed) in events_reached_by(task, &prefix, occurred_at)? {
        send_candidates(task, &event, &framed, Some((journey, prefix)))?;
    }
    Ok(())
}

/// The stored events of a journey that a touch of this time may count for, each with its frame.
fn events_reached_by<S: Store>(
    task: &Task<S>,
    prefix: &JourneyPrefix,
    clicked_at: Micros,
) -> Result<Vec<(Event, Vec<u8>)>, StoreError> {
    let mut events = Vec::new();
    let mut unreadable = None;
    let mut seen = 0;
    task.overlay.scan(&task.store, Table::JourneyEvents, prefix, &keys::after_events(prefix), &mut |_, value| {
        seen += 1;
        match event_stored(value) {
            Ok((event, framed)) if join::reaches(&event) >= clicked_at => events.push((event, framed)),
            Ok(_) => {}
            Err(error) => unreadable = Some(error),
        }
        seen < EVENTS_PER_JOURNEY && unreadable.is_none()
    })?;
    unreadable.map_or(Ok(events), Err)
}

/// An event as it is kept, with its frame.
fn event_stored(value: &[u8]) -> Result<(Event, Vec<u8>), StoreError> {
    let framed = keys::framed_event(value);
    let corrupt = |error: DecodeError| StoreError::Corrupt { what: "an event", reason: error.to_string() };
    codec::decode(framed).map(|event| (event, framed.to_vec())).map_err(corrupt)
}

/// An event: kept with its journey or its customer, sent on with the journey's touches, copied to where else it belongs.
pub fn event<S: Store>(task: &mut Task<S>, record: &Record<'_>) -> Result<(), StageError> {
    let framed = record.value.ok_or(Poison::Empty)?;
    let event: Event = codec::decode(framed)?;
    let (journey, copies) = match join::route(&event) {
        Routed::Ignored => return Ok(()),
        Routed::Tie(copy) => {
            send_copies(task, &[*copy]);
            return Ok(());
        }
        Routed::Customer(customer) => return customer::event(task, record, framed, &event, customer),
        Routed::Conversion { journey, copies } => (journey, copies),
    };
    let journey = journey.map(|journey| (journey, prefix_of(task, &event, journey)));
    if let Some((_, prefix)) = &journey {
        task.journeys.insert(prefix);
        let value = keys::journey_event_value(record.timestamp, framed);
        task.overlay.put(Table::JourneyEvents, keys::journey_event(prefix, &event), value);
    }
    send_candidates(task, &event, framed, journey)?;
    send_copies(task, &copies);
    Ok(())
}

fn send_copies<S>(task: &mut Task<S>, copies: &[Event]) {
    for copy in copies {
        task.outbox.push(Output { topic: Topic::Events, key: copy.key(), value: codec::encode(copy) });
    }
}

/// What `event` keeps of an event: nothing where it stands at no journey and no customer or is in dead-letters.
pub fn kept<S>(task: &mut Task<S>, record: &Record<'_>) -> Option<Change> {
    let framed = record.value?;
    let event: Event = codec::decode(framed).ok()?;
    let key = match join::route(&event) {
        Routed::Conversion { journey: Some(journey), .. } => {
            keys::journey_event(&prefix_of(task, &event, journey), &event)
        }
        Routed::Customer(customer) if event.action.converts() => {
            keys::customer_event(&customer::prefix_of(task, &event, customer), &event)
        }
        Routed::Conversion { journey: None, .. } | Routed::Customer(_) | Routed::Tie(_) | Routed::Ignored => {
            return None;
        }
    };
    Some(Change { table: Table::JourneyEvents, key, value: Some(keys::journey_event_value(record.timestamp, framed)) })
}

fn prefix_of<S>(task: &mut Task<S>, event: &Event, journey: JourneyId) -> JourneyPrefix {
    keys::journey(task.scopes.of(event.tenant.as_str(), event.advertiser.as_str()), journey)
}

fn send_candidates<S: Store>(
    task: &mut Task<S>,
    event: &Event,
    framed: &[u8],
    journey: Option<(JourneyId, JourneyPrefix)>,
) -> Result<(), StageError> {
    let touches = match &journey {
        Some((_, prefix)) => touches_of(task, event, prefix)?,
        None => BoundedTouches::new(),
    };
    for candidates in join::candidates(event, framed, journey.map(|(journey, _)| journey), touches) {
        let key = key::conversion(&candidates.tenant, &candidates.advertiser, candidates.conversion_id);
        task.outbox.push(Output { topic: Topic::Candidates, key, value: codec::encode(&candidates) });
    }
    Ok(())
}

fn touches_of<S: Store>(
    task: &mut Task<S>,
    event: &Event,
    prefix: &JourneyPrefix,
) -> Result<BoundedTouches, StoreError> {
    let mut touches = BoundedTouches::new();
    let mut unreadable = None;
    let after = join::reaches(event).plus(1);
    task.store.touches(prefix, Micros(0), after, &mut |key, value| match keys::read_touch(key, value) {
        Ok(touch) => {
            touches.push(touch);
            true
        }
        Err(error) => {
            unreadable = Some(error);
            false
        }
    })?;
    unreadable.map_or(Ok(touches), Err)
}
