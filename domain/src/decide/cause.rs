//! Why what is booked changes: what the new decision has taken notice of and the one before had not.
//!
//! Only this, like revisions, tells in which order inputs came; what is booked in the end does not depend on it (P3).

use super::amended;
use super::facts::Facts;
use schemas::record::decision::{Decision, DeliveryNote, Outcome};
use schemas::record::event::Event;
use schemas::record::journal;
use schemas::time::Micros;

pub(super) struct Cause {
    /// Of an entry that changes what is booked.
    pub cause: journal::Cause,
    /// The event behind it, where it is not the conversion's own.
    pub event: Option<String>,
    pub received_at: Micros,
}

pub(super) fn of(before: Option<&Decision>, now: &Decision, facts: &Facts) -> Cause {
    let conversion = |cause| Cause { cause, event: None, received_at: now.received_at };
    let Some(before) = before else { return conversion(journal::Cause::Conversion) };
    let news = now.deliveries.iter().filter(|note| !before.deliveries.contains(note));
    let Some((note, cause)) = news.filter_map(|note| Some((note, named(&note.reason)?))).next() else {
        // A network's own sale approves what a lead had left waiting.
        let approved = before.outcome == Outcome::Attributed && before.status != now.status && now.action == "sale";
        return conversion(if approved { journal::Cause::Approved } else { journal::Cause::Correction });
    };
    let received_at = event_of(note, facts).map(|event| event.received_at);
    let received_at = received_at.or_else(|| amended::issued(&facts.amended, note)).unwrap_or(now.received_at);
    Cause { cause, event: Some(note.event_id.clone()), received_at }
}

fn event_of<'f>(note: &DeliveryNote, facts: &'f Facts<'_>) -> Option<&'f Event> {
    facts.adjustments.iter().chain(&facts.events).find(|event| event.event_id == note.event_id)
}

/// Of a note's reason, as `life::verdict`, `record` and `amended` give them. A correction that names what caused it is an
/// amendment's.
fn named(reason: &str) -> Option<journal::Cause> {
    Some(match reason {
        "refund" => journal::Cause::Refund,
        "chargeback" => journal::Cause::Chargeback,
        "chargeback_won" => journal::Cause::ChargebackWon,
        "approved" => journal::Cause::Approved,
        "rejected" => journal::Cause::Rejected,
        "rebill" => journal::Cause::Rebill,
        amended::REASON => journal::Cause::Correction,
        _ => return None,
    })
}
