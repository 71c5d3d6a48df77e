//! A customer's partition of join: the ties and the first order of each customer, and the converting events, to be told
//! again when a tie or an earlier order comes later than they. An event without a customer never gets here.

use crate::stage::join::{event_stored, send_copies};
use crate::state::keys::{self, JourneyPrefix};
use crate::state::{Store, StoreError, Table};
use crate::task::{Output, StageError, Task};
use domain::join::{self, BoundedTouches, customer};
use kafka::queue::Record;
use schemas::codec;
use schemas::id::CustomerId;
use schemas::key;
use schemas::limits::EVENTS_PER_CUSTOMER;
use schemas::record::event::Event;
use schemas::record::state::CustomerState;
use schemas::time::Micros;
use schemas::topic::Topic;

/// An event that stands here: heard, kept, and told what is known of its customer.
pub fn event<S: Store>(
    task: &mut Task<S>,
    record: &Record<'_>,
    framed: &[u8],
    event: &Event,
    customer: CustomerId,
) -> Result<(), StageError> {
    let prefix = prefix_of(task, event, customer);
    let mut state = read(task, &prefix)?;
    let heard = customer::hear(&mut state, event);
    if heard.changed {
        task.overlay.put(Table::Customers, prefix.to_vec(), codec::encode(&state));
    }
    let key = keys::customer_event(&prefix, event);
    if let Some(from) = heard.concerns {
        for (other, framed) in events_from(task, &prefix, from, &key)? {
            tell(task, &state, &other, &framed);
        }
    }
    if event.action.converts() {
        task.overlay.put(Table::JourneyEvents, key, keys::journey_event_value(record.timestamp, framed));
        tell(task, &state, event, framed);
    }
    Ok(())
}

pub fn prefix_of<S>(task: &mut Task<S>, event: &Event, customer: CustomerId) -> JourneyPrefix {
    keys::customer(task.scopes.of(event.tenant.as_str(), event.advertiser.as_str()), customer)
}

fn read<S: Store>(task: &Task<S>, prefix: &JourneyPrefix) -> Result<CustomerState, StoreError> {
    let Some(framed) = task.overlay.get(&task.store, Table::Customers, prefix)? else {
        return Ok(CustomerState::default());
    };
    codec::decode(&framed).map_err(|error| StoreError::Corrupt { what: "a customer", reason: error.to_string() })
}

/// The customer's stored events from this time on but for the one that is being heard, each with its frame.
fn events_from<S: Store>(
    task: &Task<S>,
    prefix: &JourneyPrefix,
    from: Micros,
    but_for: &[u8],
) -> Result<Vec<(Event, Vec<u8>)>, StoreError> {
    let mut events = Vec::new();
    let mut unreadable = None;
    let (from, to) = keys::customer_events(prefix, from);
    task.overlay.scan(&task.store, Table::JourneyEvents, &from, &to, &mut |key, value| {
        if key != but_for {
            match event_stored(value) {
                Ok(event) => events.push(event),
                Err(error) => unreadable = Some(error),
            }
        }
        events.len() < EVENTS_PER_CUSTOMER && unreadable.is_none()
    })?;
    unreadable.map_or(Ok(events), Err)
}

/// Its candidates, with the customer's first order, and its copies for the customer's journeys.
fn tell<S>(task: &mut Task<S>, state: &CustomerState, event: &Event, framed: &[u8]) {
    for mut candidates in join::candidates(event, framed, None, BoundedTouches::new()) {
        candidates.first_order = Some(customer::first_order(state, event));
        let key = key::conversion(&candidates.tenant, &candidates.advertiser, candidates.conversion_id);
        task.outbox.push(Output { topic: Topic::Candidates, key, value: codec::encode(&candidates) });
    }
    send_copies(task, &customer::copies(state, event));
}
