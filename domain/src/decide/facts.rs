//! What a conversion's set of inputs says before any rule judges it: one event per event id, the earning one, the
//! conflicting repeats.

use super::amended::{self, Amended};
use crate::join;
use schemas::id::ConversionId;
use schemas::offset::Offset;
use schemas::record::candidates::FirstOrder;
use schemas::record::catalog::CustomerKind;
use schemas::record::command::ConversionCommand;
use schemas::record::event::{Action, Event, Evidence, EvidenceNames, EvidenceSource};
use schemas::record::state::{ConversionState, JourneyTouches};

pub(super) struct Facts<'a> {
    /// Those that convert: one per event id, by (time, event id).
    pub events: Vec<Event>,
    earning: usize,
    /// Refunds, chargebacks and status events: one per event id and kind, by (time, event id).
    pub adjustments: Vec<Event>,
    /// Repeats of event ids under another payload, by (event id, kind, receipt, hash).
    pub repeats: Vec<Event>,
    pub journeys: &'a [JourneyTouches],
    pub same_as: Option<ConversionId>,
    pub first_order: Option<FirstOrder>,
    pub catalog_offset: Offset,
    /// Journeys, indices, that earlier events tied to the customer, as evidence; the one tied last first.
    pub of_customer: Vec<(usize, Evidence)>,
    /// The command that holds: the last one.
    pub command: Option<&'a ConversionCommand>,
    /// Contracts that hold for this conversion in other words than the catalog's.
    pub amended: Vec<Amended>,
}

impl<'a> Facts<'a> {
    /// None where no event can earn.
    pub fn of(stored: Vec<Event>, amended: Vec<Amended>, state: &'a ConversionState) -> Option<Facts<'a>> {
        let ConversionState { journeys, same_as, first_order, commands, .. } = state;
        let catalog_offset = catalog_needed(&stored, journeys);
        let (mut events, repeats) = one_per_id(stored);
        let adjustments: Vec<Event> = events.extract_if(.., |event| event.action.adjusts()).collect();
        // What is reported too late changes nothing that was reported in time. The order is by time already.
        let candidates = events.iter().enumerate().filter(|(_, event)| event.action.converts());
        let (earning, first) = candidates.min_by_key(|(_, event)| (is_late(event), standing(event.action)))?;
        // Whoever may command one account's conversions has no say in another's (P7).
        let theirs =
            |command: &&ConversionCommand| command.tenant == first.tenant && command.advertiser == first.advertiser;
        let command = commands.iter().rfind(theirs);
        let amended = amended::of_account(amended, first);
        Some(Facts {
            of_customer: of_customer(&events, journeys),
            events,
            earning,
            adjustments,
            repeats,
            journeys,
            same_as: *same_as,
            first_order: *first_order,
            catalog_offset,
            command,
            amended,
        })
    }

    /// The event whose value and time are the conversion's: the earliest one that converts and was received in time. A
    /// lead is only that until its sale is known, and a rebill only where the sale it continues never came.
    pub fn earning(&self) -> &Event {
        &self.events[self.earning]
    }

    /// Whether the conversion is its customer's first order; none where nothing is known of the customer. An order that
    /// its event was first reported without is the same order.
    pub fn customer(&self) -> Option<CustomerKind> {
        let first = self.first_order?.conversion_id;
        let same = |event: &Event| event.event_conversion_id == Some(first);
        let first = first == self.earning().conversion_id || self.events.iter().any(same);
        Some(if first { CustomerKind::New } else { CustomerKind::Returning })
    }

    /// Whether an event came too late to say anything, beside one that came in time.
    pub fn too_late_to_count(&self, event: &Event) -> bool {
        is_late(event) && !is_late(self.earning())
    }
}

/// Which of an order's events is its sale, the least first.
fn standing(action: Action) -> u8 {
    match action {
        Action::Lead => 1,
        Action::Rebill => 2,
        Action::Purchase
        | Action::Signup
        | Action::Custom
        | Action::Sale
        | Action::AddToCart
        | Action::DropOff
        | Action::Refund
        | Action::Chargeback
        | Action::ChargebackWon
        | Action::Approved
        | Action::Rejected => 0,
    }
}

/// By the record's own times, so that a replay judges alike.
pub(super) fn is_late(event: &Event) -> bool {
    join::too_late(event)
}

pub(super) fn lateness(event: &Event) -> i64 {
    event.received_at.since(event.occurred_at)
}

pub(super) fn catalog_needed(events: &[Event], journeys: &[JourneyTouches]) -> Offset {
    let of_events = events.iter().map(|event| event.catalog_offset);
    let of_touches = journeys.iter().flat_map(|journey| &journey.touches).map(|touch| touch.catalog_offset);
    of_events.chain(of_touches).max().unwrap_or(Offset::NONE)
}

fn of_customer(events: &[Event], journeys: &[JourneyTouches]) -> Vec<(usize, Evidence)> {
    let ties = journeys.iter().enumerate().filter_map(|(at, journey)| Some((at, journey.tie.as_ref()?)));
    let mut tied: Vec<_> =
        ties.filter(|(_, tie)| events.iter().any(|event| event.customer == Some(tie.customer))).collect();
    tied.sort_by_key(|(at, tie)| (std::cmp::Reverse(tie.at), *at));
    let evidence = |customer: String, at: usize| Evidence {
        source: EvidenceSource::Customer,
        value: customer,
        names: EvidenceNames::Touch,
        click_id: None,
        journey_id: Some(journeys[at].journey_id),
        code: None,
        problem: None,
    };
    tied.into_iter().map(|(at, tie)| (at, evidence(tie.customer.to_string(), at))).collect()
}

/// Of several payloads under one event id the one received first counts: a repeat must not change what was paid. A refund
/// under its sale's event id is no repeat of the sale.
fn one_per_id(mut stored: Vec<Event>) -> (Vec<Event>, Vec<Event>) {
    stored.sort_by(|a, b| {
        (a.identity(), a.received_at, a.payload_hash).cmp(&(b.identity(), b.received_at, b.payload_hash))
    });
    let mut events: Vec<Event> = Vec::with_capacity(stored.len());
    let mut repeats = Vec::new();
    for event in stored {
        match events.last() {
            Some(first) if first.identity() == event.identity() => repeats.push(event),
            _ => events.push(event),
        }
    }
    events.sort_by(|a, b| (a.occurred_at, a.identity()).cmp(&(b.occurred_at, b.identity())));
    (events, repeats)
}
