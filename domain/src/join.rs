//! join's rules: which journeys an event concerns, which touches go with it, what is sent on to decide.
//!
//! Leaves the touches and the events of a journey to the shell, which feeds them in and sends the results.

pub mod customer;

use customer::Standing;
use schemas::id::{CustomerId, JourneyId};
use schemas::limits::{CLOCK_SKEW_MICROS, LATENESS_MICROS, TOUCHES_EACH_END};
use schemas::record::candidates::{Candidates, Touch};
use schemas::record::event::Event;
use schemas::time::Micros;

/// What to do with an event that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    /// It does not convert (a funnel step) and ties nobody: nothing to send on.
    Ignored,
    /// It only says whose a journey is: its copy goes to the customer.
    Tie(Box<Event>),
    /// Send its candidates with the touches of `journey`, and the copies of it to the other journeys and to the customer
    /// that it names.
    Conversion { journey: Option<JourneyId>, copies: Vec<Event> },
    /// It stands at its customer: `customer::hear`.
    Customer(CustomerId),
}

/// An event stands at the journey that it was forwarded to or names first, else at its customer, and is forwarded once to
/// the others: a copy at a journey never forwards again, one at a customer only to journeys that it does not name.
///
/// What adjusts a conversion goes there without touches, whatever evidence it carries.
pub fn route(event: &Event) -> Routed {
    let standing = customer::standing(event);
    if let Standing::Here(customer) = standing {
        return Routed::Customer(customer);
    }
    if event.to_customer {
        return Routed::Ignored;
    }
    if event.action.adjusts() {
        return Routed::Conversion { journey: None, copies: Vec::new() };
    }
    let of_customer = match standing {
        Standing::Elsewhere(_) => Some(customer::to_customer(event)),
        Standing::Silent | Standing::Here(_) => None,
    };
    if !event.action.converts() {
        return of_customer.map_or(Routed::Ignored, |copy| Routed::Tie(Box::new(copy)));
    }
    if let Some(journey) = event.forwarded_to {
        return Routed::Conversion { journey: Some(journey), copies: Vec::new() };
    }
    let mut journeys = event.journeys().into_iter();
    let journey = journeys.next();
    Routed::Conversion { journey, copies: journeys.map(|other| forwarded(event, other)).chain(of_customer).collect() }
}

/// The copy of an event that goes to another journey which its evidence names.
pub fn forwarded(event: &Event, journey: JourneyId) -> Event {
    Event { forwarded_to: Some(journey), ..event.clone() }
}

/// By the record's own times, so that a replay judges alike.
pub(crate) fn too_late(event: &Event) -> bool {
    event.received_at.since(event.occurred_at) > LATENESS_MICROS
}

/// Touches up to and including this time go with the event: a click up to 10 minutes later still counts for its own
/// token, because the two were stamped by different machines.
pub fn reaches(event: &Event) -> Micros {
    event.occurred_at.plus(CLOCK_SKEW_MICROS)
}

/// The first and the last touches of a journey, however many it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoundedTouches {
    /// By (time, id). A few more than the bound while touches are pushed; `candidates` cuts them.
    pub touches: Vec<Touch>,
    /// How many were pushed.
    pub total: i64,
}

impl BoundedTouches {
    pub fn new() -> Self {
        BoundedTouches::default()
    }

    /// Takes the next touch; the caller goes through them by (time, id).
    pub fn push(&mut self, touch: Touch) {
        // Cut only now and then, so that a robot's million clicks cost one move each.
        if self.touches.len() >= 4 * TOUCHES_EACH_END {
            bound(&mut self.touches);
        }
        self.touches.push(touch);
        self.total += 1;
    }
}

/// Keeps the first and the last `TOUCHES_EACH_END` of sorted touches: a function of the set, so that bounding parts
/// before joining them changes nothing.
pub(crate) fn bound(touches: &mut Vec<Touch>) {
    if touches.len() > 2 * TOUCHES_EACH_END {
        touches.drain(TOUCHES_EACH_END..touches.len() - TOUCHES_EACH_END);
    }
}

/// What decide gets for an event at a journey: its conversion's candidates and, for an event with both an order id and
/// an event id, an alias to the conversion of the event id, which tells that one that it is the same as the order. A
/// refund or a status that names both goes to both: only decide knows where the sale is.
///
/// Where the journey is the customer's by an earlier event, the candidates say so.
///
/// `framed_event` is the event as it was delivered; it is passed on without encoding it anew.
pub fn candidates(
    event: &Event,
    framed_event: &[u8],
    journey: Option<JourneyId>,
    mut touches: BoundedTouches,
) -> Vec<Candidates> {
    bound(&mut touches.touches);
    let mut sent = vec![Candidates {
        tenant: event.tenant.clone(),
        advertiser: event.advertiser.clone(),
        event: framed_event.to_vec(),
        conversion_id: event.conversion_id,
        same_as: None,
        journey_id: journey,
        touches: touches.touches,
        touches_total: touches.total,
        tie: event.tie.clone(),
        first_order: None,
    }];
    if let Some(of_event) = event.event_conversion_id.filter(|_| !event.is_copy()) {
        sent.push(Candidates {
            conversion_id: of_event,
            same_as: Some(event.conversion_id).filter(|_| event.action.converts()),
            journey_id: None,
            touches: Vec::new(),
            touches_total: 0,
            tie: None,
            first_order: None,
            ..sent[0].clone()
        });
    }
    sent
}
