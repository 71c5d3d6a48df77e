//! A conversion's decision told to a person (P4): from its records alone, so that what is shown is what was decided.
//!
//! Owns the order in which it is told and its layout; what a code means is `meaning`'s. Leaves finding the records, and
//! their form as JSON, to the shell.

pub mod meaning;
mod money;
mod text;

use crate::decide::explain::{Span, money};
use meaning::{Said, meaning};
use schemas::decimal::{Amount, Currency};
use schemas::record::decision::{Decision, EvidenceVerdict, Outcome, Status, TouchVerdict};
use schemas::record::journal::JournalEntry;
use text::Text;

/// Longer evidence (a URL's token, a code that somebody made up) is cut.
const SHOWN_CHARS: usize = 48;

/// An amount with the places of its currency: `7.00`.
pub fn shown_money(amount: Amount, currency: Currency) -> String {
    money(amount, currency)
}

/// The explanation of a conversion's current decision, with all of its journal entries by revision.
pub fn text(decision: &Decision, entries: &[JournalEntry]) -> String {
    let mut text = Text::default();
    text.line(&title(decision));
    text.line(&format!("  {}", what(decision)));
    text.line(&format!("  {}", when(decision)));
    text.line(&format!("  conversion {}, revision {} of its decision", decision.conversion_id, decision.revision));
    why(decision, &mut text);
    evidence(&decision.evidence, &mut text);
    touches(decision, &mut text);
    deliveries(decision, &mut text);
    fraud(decision, &mut text);
    command(decision, &mut text);
    money::contract(decision, &mut text);
    money::booked(decision, entries, &mut text);
    text.done()
}

/// `Order O-1 of acme: alpha earns 7.00 USD`.
fn title(decision: &Decision) -> String {
    let of = match &decision.order_id {
        Some(order) => format!("Order {order}"),
        None => format!("Event {}", decision.event_id),
    };
    let show = |amount| format!("{} {}", money(amount, decision.currency), decision.currency);
    let earns = match (decision.outcome, decision.status) {
        (Outcome::SameAsOrder, _) => "counted with its order".to_owned(),
        (Outcome::Held, _) => "held, nothing is booked until a person releases it".into(),
        (Outcome::Rejected, _) | (Outcome::Attributed, Status::Rejected) => "rejected, nobody earns".into(),
        (Outcome::TooLate, _) => "reported too late, nobody earns".into(),
        (Outcome::Unattributed, _) => "nobody earns".into(),
        (Outcome::Attributed, Status::Pending) => "waits to be approved, nothing is due yet".into(),
        (Outcome::Attributed, Status::Refunded) => "refunded, nothing is left to earn".into(),
        (Outcome::Attributed, Status::ChargedBack) => "charged back, nothing is left to earn".into(),
        (Outcome::Attributed, Status::Approved | Status::PartlyRefunded) => {
            let each: Vec<String> = decision
                .shares
                .iter()
                .map(|share| format!("{} earns {}", share.publisher, show(share.payout)))
                .collect();
            if each.is_empty() { "nobody earns".into() } else { each.join(", ") }
        }
    };
    format!("{of} of {}: {earns}", decision.advertiser)
}

fn what(decision: &Decision) -> String {
    let value = format!("{} {}", money(decision.value, decision.currency), decision.currency);
    let back = |what: &str, amount: Option<_>| {
        amount.map_or(String::new(), |amount| format!(", {} of it {what}", money(amount, decision.currency)))
    };
    let (refunded, charged) = (back("refunded", decision.refunded), back("charged back", decision.charged_back));
    // Of what nobody earns, that it is not refunded says nothing.
    let status = match (decision.outcome, decision.status) {
        (Outcome::Attributed, status) => format!("; status: {}", status.name()),
        (_, Status::Approved) => String::new(),
        (_, status) => format!("; status: {}", status.name()),
    };
    format!("{} of {value}{refunded}{charged}, reported as event {}{status}", decision.action, decision.event_id)
}

fn when(decision: &Decision) -> String {
    let later = decision.received_at.since(decision.occurred_at);
    let received = match later {
        0 => "received at once".to_owned(),
        later => format!("received {} later", Span(later)),
    };
    let ahead = match decision.clock_ahead_micros {
        0 => String::new(),
        ahead => format!("; its sender's clock was {} ahead", Span(ahead)),
    };
    format!("{}, {received}{ahead}", text::time(decision.occurred_at))
}

fn why(decision: &Decision, text: &mut Text) {
    text.heading("Why");
    let context = match decision.outcome {
        Outcome::Attributed => Said::Winner,
        Outcome::Unattributed | Outcome::TooLate | Outcome::SameAsOrder | Outcome::Held | Outcome::Rejected => {
            Said::Outcome
        }
    };
    text.item(&decision.reason, &shown(&decision.reason_value), meaning(context, &decision.reason));
    if let Some(meant) = meaning(Said::Status, decision.status.name()) {
        text.note(meant);
    }
    if let Some(order) = decision.same_as {
        text.note(&format!("Ask for conversion {order}."));
    }
}

fn evidence(evidence: &[EvidenceVerdict], text: &mut Text) {
    text.heading("What the shop sent, strongest first");
    if evidence.is_empty() {
        text.note("Nothing that could name a publisher: no coupon, click id, ref_code, URL or known customer.");
    }
    for verdict in evidence {
        let mark = if verdict.used { "+" } else { "-" };
        let head = format!("{mark} {} {} of event {}", verdict.source, shown(&verdict.value), verdict.event_id);
        text.judged(&head, &verdict.reason, &verdict.measured, meaning(Said::Evidence, &verdict.reason));
    }
}

fn touches(decision: &Decision, text: &mut Text) {
    if decision.touches.is_empty() {
        return;
    }
    text.heading("Clicks that were considered, in order");
    for verdict in &decision.touches {
        let (reason, value) = (&verdict.reason, &verdict.value);
        let meant = meaning(Said::Touch, reason).or_else(|| meaning(Said::Evidence, reason));
        text.judged(&touch(verdict), reason, value, meant.or_else(|| meaning(Said::Outcome, reason)));
    }
    if decision.touches_not_listed > 0 {
        text.note(&format!("{} more in the middle of the journey are not listed.", decision.touches_not_listed));
    }
}

fn touch(verdict: &TouchVerdict) -> String {
    let mark = if verdict.kept { "+" } else { "-" };
    let of = format!("{} on {}, campaign {}", verdict.publisher, shown(&verdict.link), verdict.campaign);
    match verdict.click_id {
        Some(click) => format!("{mark} {} {of}, click {click}", text::time(verdict.occurred_at)),
        None => format!("{mark} {of}, without a click"),
    }
}

fn deliveries(decision: &Decision, text: &mut Text) {
    if decision.deliveries.is_empty() {
        return;
    }
    text.heading("What else was reported of it");
    for note in &decision.deliveries {
        text.judged(&format!(". {}", note.event_id), &note.reason, &note.value, meaning(Said::Delivery, &note.reason));
    }
}

fn fraud(decision: &Decision, text: &mut Text) {
    let Some(fraud) = &decision.fraud else { return };
    text.heading("What the contract holds against it");
    for finding in &fraud.findings {
        let head = format!(". {} points", finding.score);
        text.judged(&head, &finding.rule, &finding.measured, meaning(Said::Fraud, &finding.rule));
    }
    let at = |what: &str, limit: Option<i32>| limit.map_or(String::new(), |limit| format!("; {what} from {limit}"));
    let (hold, reject) = (at("held", fraud.hold_at), at("rejected", fraud.reject_at));
    text.note(&format!("{} points in all{hold}{reject}.", fraud.score));
}

fn command(decision: &Decision, text: &mut Text) {
    let Some(command) = &decision.command else { return };
    text.heading("What a person said");
    let head = format!(". {} by {} at {}", command.verb, command.by, text::time(command.issued_at));
    let said = format!("{}: {}", command.command_id, command.why);
    text.judged(&head, &command.effect, &said, meaning(Said::Command, &command.effect));
}

/// A text from outside, cut and without what would break a line.
fn shown(value: &str) -> String {
    let clean: String = value.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    match clean.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) if !clean.contains(' ') => format!("{}...", &clean[..end]),
        _ => clean,
    }
}
