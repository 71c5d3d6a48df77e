//! Which journeys are a customer's: an event that names both ties them, from its own time on. A later event that only names
//! the customer is forwarded to those journeys.
//!
//! Leaves to the shell: that a tie is sent to the customer's partition, and that the customer's events are kept there and
//! forwarded, once more where a tie comes later than they.

use schemas::id::JourneyId;
use schemas::limits::JOURNEYS_PER_CUSTOMER;
use schemas::record::candidates::CustomerTie;
use schemas::record::event::{Event, EvidenceNames};
use schemas::time::Micros;

/// The ties that an event makes, a funnel step's too: one for each journey that its tokens name. A forwarded copy makes none.
pub fn ties(event: &Event) -> Vec<(JourneyId, CustomerTie)> {
    let (Some(customer), None) = (event.customer, event.forwarded_to) else { return Vec::new() };
    let tie = || CustomerTie { customer, at: event.occurred_at, event_id: event.event_id.clone() };
    event.journeys().into_iter().filter(|journey| names(event, *journey)).map(|journey| (journey, tie())).collect()
}

/// What adjusts a conversion brings no evidence: the person who books a refund is not the one who bought.
fn names(event: &Event, journey: JourneyId) -> bool {
    if event.action.adjusts() {
        return false;
    }
    let mut tokens = event.evidence.iter().filter(|evidence| evidence.names == EvidenceNames::Touch);
    tokens.any(|evidence| evidence.journey_id == Some(journey))
}

/// How a journey's candidates are tied to an event that was forwarded there: by the journey's own events, all of which are
/// kept with it. None for an event that names the journey itself.
pub fn tie_at<'e>(
    event: &Event,
    journey: JourneyId,
    of_journey: impl IntoIterator<Item = &'e Event>,
) -> Option<CustomerTie> {
    if names(event, journey) {
        return None;
    }
    let customer = event.customer?;
    let theirs = of_journey.into_iter().filter(|other| other.customer == Some(customer) && names(other, journey));
    let first = theirs.min_by(|a, b| (a.occurred_at, &a.event_id).cmp(&(b.occurred_at, &b.event_id)))?;
    Some(CustomerTie { customer, at: first.occurred_at, event_id: first.event_id.clone() })
}

/// A customer's journeys at one advertiser: the first and the last ties, a function of their set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerJourneys {
    /// By (time, journey, event id).
    ties: Vec<(Micros, JourneyId, String)>,
}

impl CustomerJourneys {
    /// Whether that was new and is kept.
    pub fn add(&mut self, journey: JourneyId, tie: &CustomerTie) -> bool {
        let known = (tie.at, journey, tie.event_id.clone());
        let Err(at) = self.ties.binary_search(&known) else { return false };
        self.ties.insert(at, known.clone());
        if self.ties.len() > 2 * JOURNEYS_PER_CUSTOMER {
            self.ties.drain(JOURNEYS_PER_CUSTOMER..self.ties.len() - JOURNEYS_PER_CUSTOMER);
        }
        self.ties.binary_search(&known).is_ok()
    }

    /// Where an event goes besides the journeys that it names: to those that were the customer's when it took place.
    pub fn of(&self, event: &Event) -> Vec<JourneyId> {
        let mut journeys: Vec<JourneyId> = self
            .ties
            .iter()
            .filter(|(at, journey, _)| *at <= event.occurred_at && !names(event, *journey))
            .map(|(_, journey, _)| *journey)
            .collect();
        journeys.sort();
        journeys.dedup();
        journeys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::id::CustomerId;

    fn tie(at: i64, number: u8) -> (JourneyId, CustomerTie) {
        let tie = CustomerTie { customer: CustomerId([1; 16]), at: Micros(at), event_id: format!("e-{number}") };
        (JourneyId([number; 16]), tie)
    }

    fn added(ties: &[(i64, u8)]) -> CustomerJourneys {
        let mut journeys = CustomerJourneys::default();
        for &(at, number) in ties {
            let (journey, tie) = tie(at, number);
            journeys.add(journey, &tie);
            assert!(!journeys.add(journey, &tie), "once is enough");
        }
        journeys
    }

    proptest! {
        #[test]
        fn a_customers_journeys_are_a_function_of_the_set(
            (ties, shuffled) in proptest::collection::vec((0_i64..500, 0_u8..255), 0..120)
                .prop_flat_map(|ties| (Just(ties.clone()), Just(ties).prop_shuffle()))
        ) {
            let journeys = added(&ties);
            prop_assert_eq!(&journeys, &added(&shuffled));
            let distinct: std::collections::BTreeSet<_> = ties.into_iter().collect();
            prop_assert_eq!(journeys.ties.len(), distinct.len().min(2 * JOURNEYS_PER_CUSTOMER));
            let times = |ties: &mut dyn Iterator<Item = i64>| ties.take(JOURNEYS_PER_CUSTOMER).collect::<Vec<_>>();
            let kept = |tie: &(Micros, JourneyId, String)| tie.0.0;
            prop_assert_eq!(times(&mut journeys.ties.iter().map(kept)), times(&mut distinct.iter().map(|tie| tie.0)));
            prop_assert_eq!(
                times(&mut journeys.ties.iter().rev().map(kept)),
                times(&mut distinct.iter().rev().map(|tie| tie.0))
            );
        }
    }
}
