//! What a customer's partition of join knows: which journeys are the customer's, and what the first order was.
//!
//! An event that names a customer is heard there once. One that names a journey too ties the two, from its own time on; one
//! that converts goes on to the journeys that were the customer's when it took place, each copy with its tie, and its
//! candidates say whether it is the customer's first order. Where a tie or an order comes later than the events that it
//! concerns, they are told again. Leaves to the shell: keeping state and events, and sending.
//!
//! **Invariant (P3):** what an event is told in the end is a function of the set of the customer's events.

use super::too_late;
use schemas::id::{CustomerId, JourneyId};
use schemas::limits::JOURNEYS_PER_CUSTOMER;
use schemas::record::candidates::{CustomerTie, FirstOrder};
use schemas::record::event::{Action, Event, EvidenceNames};
use schemas::record::state::{CustomerState, KnownTie};
use schemas::time::Micros;

/// Where an event stands towards the customer that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It says nothing about a customer.
    Silent,
    /// At a journey or a conversion: a copy goes to the customer.
    Elsewhere(CustomerId),
    Here(CustomerId),
}

/// What is reported too late says nothing of its customer, like a funnel step without a token, a refund, and the copies that
/// went to journeys.
pub fn standing(event: &Event) -> Standing {
    let Some(customer) = event.customer else { return Standing::Silent };
    if event.forwarded_to.is_some() || event.action.adjusts() || too_late(event) {
        return Standing::Silent;
    }
    let at_journey = event.evidence.iter().any(|evidence| evidence.journey_id.is_some());
    match (event.to_customer, at_journey) {
        (true, _) => Standing::Here(customer),
        (false, true) => Standing::Elsewhere(customer),
        (false, false) if event.action.converts() => Standing::Here(customer),
        (false, false) => Standing::Silent,
    }
}

/// The copy of an event that goes to its customer.
pub fn to_customer(event: &Event) -> Event {
    Event { to_customer: true, ..event.clone() }
}

/// What an event changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Whether the state is another.
    pub changed: bool,
    /// Events from this time on are to be told again.
    pub concerns: Option<Micros>,
}

/// Takes an event of the customer's into account.
pub fn hear(state: &mut CustomerState, event: &Event) -> Heard {
    let mut heard = Heard::default();
    if let Some(order) = order(event)
        && state.first_order.is_none_or(|known| order < known)
    {
        state.first_order = Some(order);
        // Also who was told of another earlier one: an order may be this very one, under the id that its event had alone.
        heard.news(order.at);
    }
    for tie in ties(event) {
        let (journey, at) = (tie.journey_id, tie.at);
        if add(state, &tie) {
            heard.changed = true;
            // Else the journey was the customer's before.
            if least(state, journey) == Some(&tie) {
                heard.news(at);
            }
        }
    }
    heard
}

impl Heard {
    fn news(&mut self, from: Micros) {
        self.concerns = Some(self.concerns.map_or(from, |earliest| earliest.min(from)));
        self.changed = true;
    }
}

/// An event as an order of its customer's, where it is one.
fn order(event: &Event) -> Option<FirstOrder> {
    match event.action {
        Action::Purchase | Action::Sale | Action::Rebill => Some(itself(event)),
        Action::Signup
        | Action::Custom
        | Action::AddToCart
        | Action::DropOff
        | Action::Refund
        | Action::Chargeback
        | Action::Lead
        | Action::ChargebackWon
        | Action::Approved
        | Action::Rejected => None,
    }
}

fn itself(event: &Event) -> FirstOrder {
    FirstOrder { at: event.occurred_at, conversion_id: event.conversion_id }
}

/// The customer's first order as an event is told it: the event itself, where it comes before all orders. So who signs up
/// and has ordered nothing is new.
pub fn first_order(state: &CustomerState, event: &Event) -> FirstOrder {
    state.first_order.map_or(itself(event), |first| first.min(itself(event)))
}

/// The copies of an event for the journeys that were its customer's when it took place, each with the least tie.
pub fn copies(state: &CustomerState, event: &Event) -> Vec<Event> {
    let Some(customer) = event.customer else { return Vec::new() };
    let mut copies: Vec<Event> = Vec::new();
    // The first tie of a journey is its least.
    for known in state.ties.iter().take_while(|known| known.at <= event.occurred_at) {
        let copied = copies.iter().any(|copy| copy.forwarded_to == Some(known.journey_id));
        if copied || names(event, known.journey_id) {
            continue;
        }
        let tie = CustomerTie { customer, at: known.at, event_id: known.event_id.clone() };
        let forwarded_to = Some(known.journey_id);
        copies.push(Event { forwarded_to, to_customer: false, tie: Some(tie), ..event.clone() });
    }
    copies
}

/// The ties that an event makes: one for each journey that its tokens name.
fn ties(event: &Event) -> Vec<KnownTie> {
    let tie = |journey_id| KnownTie { at: event.occurred_at, journey_id, event_id: event.event_id.clone() };
    event.journeys().into_iter().filter(|journey| names(event, *journey)).map(tie).collect()
}

fn names(event: &Event, journey: JourneyId) -> bool {
    let mut tokens = event.evidence.iter().filter(|evidence| evidence.names == EvidenceNames::Touch);
    tokens.any(|evidence| evidence.journey_id == Some(journey))
}

/// Whether that was new and is kept.
fn add(state: &mut CustomerState, tie: &KnownTie) -> bool {
    let ties = &mut state.ties;
    let Err(at) = ties.binary_search(tie) else { return false };
    ties.insert(at, tie.clone());
    if ties.len() > 2 * JOURNEYS_PER_CUSTOMER {
        ties.drain(JOURNEYS_PER_CUSTOMER..ties.len() - JOURNEYS_PER_CUSTOMER);
    }
    ties.binary_search(tie).is_ok()
}

fn least(state: &CustomerState, journey: JourneyId) -> Option<&KnownTie> {
    state.ties.iter().find(|known| known.journey_id == journey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn added(ties: &[(i64, u8)]) -> CustomerState {
        let mut state = CustomerState::default();
        for &(at, number) in ties {
            let tie = KnownTie { at: Micros(at), journey_id: JourneyId([number; 16]), event_id: format!("e-{number}") };
            add(&mut state, &tie);
            assert!(!add(&mut state, &tie), "once is enough");
        }
        state
    }

    proptest! {
        #[test]
        fn a_customers_journeys_are_a_function_of_the_set(
            (ties, shuffled) in proptest::collection::vec((0_i64..500, 0_u8..255), 0..120)
                .prop_flat_map(|ties| (Just(ties.clone()), Just(ties).prop_shuffle()))
        ) {
            let state = added(&ties);
            prop_assert_eq!(&state, &added(&shuffled));
            let distinct: std::collections::BTreeSet<_> = ties.into_iter().collect();
            prop_assert_eq!(state.ties.len(), distinct.len().min(2 * JOURNEYS_PER_CUSTOMER));
            let times = |ties: &mut dyn Iterator<Item = i64>| ties.take(JOURNEYS_PER_CUSTOMER).collect::<Vec<_>>();
            let kept = |tie: &KnownTie| tie.at.0;
            prop_assert_eq!(times(&mut state.ties.iter().map(kept)), times(&mut distinct.iter().map(|tie| tie.0)));
            prop_assert_eq!(
                times(&mut state.ties.iter().rev().map(kept)),
                times(&mut distinct.iter().rev().map(|tie| tie.0))
            );
        }
    }
}
