//! What a conversion's set of inputs says before any rule judges it: one event per event id, the earning one, the
//! conflicting repeats.

use schemas::id::{ConversionId, PayloadHash};
use schemas::limits::LATENESS_MICROS;
use schemas::offset::Offset;
use schemas::record::event::Event;
use schemas::record::state::JourneyTouches;

pub(super) struct Facts<'a> {
    /// One per event id, by (time, event id).
    pub events: Vec<Event>,
    earning: usize,
    /// Event ids and payload hashes of repeats that say something else, by (event id, hash).
    pub conflicting: Vec<(String, PayloadHash)>,
    pub journeys: &'a [JourneyTouches],
    pub same_as: Option<ConversionId>,
    pub catalog_offset: Offset,
}

impl<'a> Facts<'a> {
    /// None where no event can earn.
    pub fn of(stored: Vec<Event>, journeys: &'a [JourneyTouches], same_as: Option<ConversionId>) -> Option<Facts<'a>> {
        let catalog_offset = catalog_needed(&stored, journeys);
        let (events, conflicting) = one_per_id(stored);
        // What is reported too late changes nothing that was reported in time.
        let in_time = events.iter().position(|event| event.action.converts() && !is_late(event));
        let earning = in_time.or_else(|| events.iter().position(|event| event.action.converts()))?;
        Some(Facts { events, earning, conflicting, journeys, same_as, catalog_offset })
    }

    /// The event whose value and time are the conversion's: the earliest one that converts and was received in time.
    pub fn earning(&self) -> &Event {
        &self.events[self.earning]
    }

    /// Whether an event came too late to say anything, beside one that came in time.
    pub fn too_late_to_count(&self, event: &Event) -> bool {
        is_late(event) && !is_late(self.earning())
    }
}

/// By the record's own times, so that a replay judges alike.
pub(super) fn is_late(event: &Event) -> bool {
    lateness(event) > LATENESS_MICROS
}

pub(super) fn lateness(event: &Event) -> i64 {
    event.received_at.since(event.occurred_at)
}

pub(super) fn catalog_needed(events: &[Event], journeys: &[JourneyTouches]) -> Offset {
    let of_events = events.iter().map(|event| event.catalog_offset);
    let of_touches = journeys.iter().flat_map(|journey| &journey.touches).map(|touch| touch.catalog_offset);
    of_events.chain(of_touches).max().unwrap_or(Offset::NONE)
}

/// Of several payloads under one event id the one received first counts: a repeat must not change what was paid.
fn one_per_id(mut stored: Vec<Event>) -> (Vec<Event>, Vec<(String, PayloadHash)>) {
    stored.sort_by(|a, b| {
        (&a.event_id, a.received_at, a.payload_hash).cmp(&(&b.event_id, b.received_at, b.payload_hash))
    });
    let mut events: Vec<Event> = Vec::with_capacity(stored.len());
    let mut conflicting = Vec::new();
    for event in stored {
        match events.last() {
            Some(first) if first.event_id == event.event_id => conflicting.push((event.event_id, event.payload_hash)),
            _ => events.push(event),
        }
    }
    conflicting.sort();
    events.sort_by(|a, b| (a.occurred_at, &a.event_id).cmp(&(b.occurred_at, &b.event_id)));
    (events, conflicting)
}
