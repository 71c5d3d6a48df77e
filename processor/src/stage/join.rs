//! join: the touches and the converting events of journeys. An event takes its journey's touches along; a click
//! that falls before an event that came earlier has that event's candidates sent again.

use crate::state::{Store, StoreError, Table, keys};
use crate::task::{Output, Poison, StageError, Task};
use domain::join::{self, BoundedTouches, Routed};
use kafka::queue::Record;
use schemas::codec;
use schemas::id::JourneyId;
use schemas::key;
use schemas::limits::EVENTS_PER_JOURNEY;
use schemas::record::click::Click;
use schemas::record::event::Event;
use schemas::time::Micros;
use schemas::topic::Topic;
use std::collections::HashSet;

/// Which journeys have events stored, so that the clicks of all others cost no look-up. May name too many after an
/// abort, never too few.
#[derive(Debug, Default)]
pub struct JourneyFilter(HashSet<[u8; keys::JOURNEY_PREFIX]>);

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
            self.0.insert(*prefix);
        }
    }

    fn contains(&self, prefix: &[u8; keys::JOURNEY_PREFIX]) -> bool {
        self.0.contains(prefix)
    }
}

pub fn read_click(record: &Record<'_>) -> Result<Click, Poison> {
    Ok(codec::decode(record.value.ok_or(Poison::Empty)?)?)
}

/// A click: its touch is put; the journey's earlier-delivered events are sent again with it.
pub fn click<S: Store>(task: &mut Task<S>, record: &Record<'_>) -> Result<(), StageError> {
    let click = read_click(record)?;
    task.put_touch(&click, record.offset)?;
    let prefix = keys::journey(&click.tenant, &click.advertiser, click.journey_id);
    if !task.probes(record.offset) || !task.journeys.contains(&prefix) {
        return Ok(());
    }
    for (event, framed) in events_reached_by(task, &prefix, click.occurred_at)? {
        send_candidates(task, &event, &framed, Some(click.journey_id))?;
    }
    Ok(())
}

/// The stored events of a journey that a touch of this time may count for, each with its frame.
fn events_reached_by<S: Store>(
    task: &Task<S>,
    prefix: &[u8; keys::JOURNEY_PREFIX],
    clicked_at: Micros,
) -> Result<Vec<(Event, Vec<u8>)>, StoreError> {
    let mut events = Vec::new();
    let mut unreadable = None;
    let mut seen = 0;
    task.overlay.scan(&task.store, Table::JourneyEvents, prefix, &keys::after_events(prefix), &mut |_, framed| {
        seen += 1;
        match codec::decode::<Event>(framed) {
            Ok(event) if join::reaches(&event) >= clicked_at => events.push((event, framed.to_vec())),
            Ok(_) => {}
            Err(error) => unreadable = Some(error.to_string()),
        }
        seen < EVENTS_PER_JOURNEY && unreadable.is_none()
    })?;
    unreadable.map_or(Ok(events), |reason| Err(StoreError::Corrupt { what: "a journey's event", reason }))
}

/// An event: kept with its journey, sent on with the journey's touches, forwarded to its other journeys.
pub fn event<S: Store>(task: &mut Task<S>, record: &Record<'_>) -> Result<(), StageError> {
    let framed = record.value.ok_or(Poison::Empty)?;
    let event: Event = codec::decode(framed)?;
    let (journey, forward_to) = match join::route(&event) {
        Routed::Ignored => return Ok(()),
        Routed::Conversion { journey, forward_to } => (journey, forward_to),
    };
    if let Some(journey) = journey {
        let key = keys::journey_event(&event, journey);
        task.journeys.insert(&key);
        task.overlay.put(Table::JourneyEvents, key, framed.to_vec());
    }
    send_candidates(task, &event, framed, journey)?;
    for other in forward_to {
        let forwarded = join::forwarded(&event, other);
        let key = forwarded.key();
        task.outbox.push(Output { topic: Topic::Events, key, value: codec::encode(&forwarded) });
    }
    Ok(())
}

fn send_candidates<S: Store>(
    task: &mut Task<S>,
    event: &Event,
    framed: &[u8],
    journey: Option<JourneyId>,
) -> Result<(), StageError> {
    let touches = match journey {
        Some(journey) => touches_of(task, event, journey)?,
        None => BoundedTouches::new(),
    };
    for candidates in join::candidates(event, framed, journey, touches) {
        let key = key::conversion(&candidates.tenant, &candidates.advertiser, candidates.conversion_id);
        task.outbox.push(Output { topic: Topic::Candidates, key, value: codec::encode(&candidates) });
    }
    Ok(())
}

fn touches_of<S: Store>(task: &mut Task<S>, event: &Event, journey: JourneyId) -> Result<BoundedTouches, StoreError> {
    task.write_touches()?;
    let prefix = keys::journey(&event.tenant, &event.advertiser, journey);
    let (from, to) = (keys::from_time(&prefix, Micros(0)), keys::after_time(&prefix, join::reaches(event)));
    let mut touches = BoundedTouches::new();
    let mut unreadable = None;
    task.store.scan(Table::Touches, &from, &to, &mut |key, value| match keys::read_touch(key, value) {
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
