//! Writes a ruling down: the decision (P4) and the credits of every model.

use super::amended;
use super::commission::Earnings;
use super::explain::money;
use super::facts::Facts;
use super::life;
use super::models;
use super::ruling::{Earned, Explanation, Ruling};
use super::sold::{self, Sold};
use schemas::decimal::Amount;
use schemas::name::PublisherId;
use schemas::record::attribution::{Attribution, CreditRow, Model};
use schemas::record::catalog::Contract;
use schemas::record::decision::{Decision, DeliveryNote, Outcome, Status, TouchVerdict};
use schemas::record::event::{Action, Event};
use schemas::time::Micros;
use std::collections::BTreeMap;

/// What became of the conversion.
pub(super) struct Standing<'s> {
    pub sold: &'s Sold<'s>,
    pub status: Status,
}

/// The first revision; the caller numbers it.
pub(super) fn decision(
    facts: &Facts,
    ruling: &Ruling,
    earnings: Option<&Earnings>,
    Standing { sold, status }: Standing<'_>,
    explanation: Explanation,
) -> Decision {
    let event = facts.earning();
    let earned = match ruling {
        Ruling::Earned(earned) => Some(earned),
        Ruling::Nobody { .. } => None,
    };
    let terms = earned.map(|earned| &earned.terms);
    let withheld = earned.and_then(|earned| earned.withheld.as_ref());
    let booked = earnings.filter(|_| withheld.is_none());
    let (outcome, reason, reason_value, campaign) = match ruling {
        Ruling::Earned(Earned { withheld: Some(withheld), campaign, .. }) => {
            (withheld.outcome, withheld.reason, &withheld.value, Some(campaign.clone()))
        }
        Ruling::Earned(earned) => {
            (Outcome::Attributed, earned.source.name(), &earned.value, Some(earned.campaign.clone()))
        }
        Ruling::Nobody { outcome, reason, value, campaign } => (*outcome, reason.as_str(), value, campaign.clone()),
    };
    Decision {
        conversion_id: event.conversion_id,
        revision: 1,
        tenant: event.tenant.clone(),
        advertiser: event.advertiser.clone(),
        campaign,
        event_id: event.event_id.clone(),
        order_id: event.order_id.clone(),
        action: event.action.name().into(),
        outcome,
        reason: reason.to_owned(),
        reason_value: reason_value.clone(),
        occurred_at: event.occurred_at,
        received_at: event.received_at,
        value: sold.value,
        currency: event.currency,
        contract: terms.map(|terms| terms.contract.clone()),
        contract_version: terms.map(|terms| terms.version),
        paying_model: terms.map(|terms| terms.body.paying_model.name().into()),
        commission_rate_ppm: terms
            .filter(|terms| terms.body.flat.is_none())
            .map(|terms| terms.body.commission_rate_ppm),
        platform_share_ppm: terms.map(|terms| terms.body.platform_share_ppm),
        commission: booked.map_or(Amount::ZERO, |earnings| earnings.commission),
        payout: booked.map_or(Amount::ZERO, |earnings| earnings.payout),
        platform_fee: booked.map_or(Amount::ZERO, |earnings| earnings.platform_fee),
        shares: booked.map_or_else(Vec::new, |earnings| earnings.shares.clone()),
        arithmetic: arithmetic(outcome, reason, earnings),
        evidence: explanation.evidence,
        touches: explanation.touches,
        touches_not_listed: explanation.touches_not_listed,
        deliveries: notes(facts, earned),
        clock_ahead_micros: event.clock_ahead_micros,
        catalog_offset: facts.catalog_offset,
        same_as: facts.same_as,
        fraud: explanation.fraud,
        command: explanation.command,
        status,
        full_commission: booked.filter(|earnings| earnings.full != earnings.commission).map(|earnings| earnings.full),
        refunded: Some(sold.refunded).filter(|refunded| !refunded.is_zero()),
        charged_back: Some(sold.charged_back).filter(|charged_back| !charged_back.is_zero()),
    }
}

fn arithmetic(outcome: Outcome, reason: &str, earnings: Option<&Earnings>) -> String {
    match (outcome, earnings) {
        (_, None) => format!("nobody earns: {reason}"),
        (Outcome::Attributed, Some(earnings)) => earnings.arithmetic.clone(),
        (withheld, Some(earnings)) => format!("{}, nothing is booked: {}", withheld.name(), earnings.arithmetic),
    }
}

/// Other events of the order, what adjusts it, repeats under another payload, and amendments that it is paid by, by event id.
fn notes(facts: &Facts, earned: Option<&Earned>) -> Vec<DeliveryNote> {
    let earning = facts.earning();
    let others = facts.events.iter().filter(|event| event.event_id != earning.event_id).map(|event| DeliveryNote {
        event_id: event.event_id.clone(),
        reason: beside(facts, event).into(),
        value: compared(event, earning),
    });
    let adjustments = facts.adjustments.iter().map(|event| DeliveryNote {
        event_id: event.event_id.clone(),
        reason: life::verdict(facts, event).into(),
        value: adjusted(event),
    });
    let counting = || facts.events.iter().chain(&facts.adjustments);
    let repeats = facts.repeats.iter().filter_map(|repeat| {
        let first = counting().find(|event| event.identity() == repeat.identity())?;
        let differing = differences(repeat, first);
        let (reason, said) = match differing.as_slice() {
            [] => ("repeat", "the same".to_owned()),
            _ => ("conflicting_repeat", differing.join(", ")),
        };
        let value = format!("{said}{}", way_in(repeat, first));
        Some(DeliveryNote { event_id: repeat.event_id.clone(), reason: reason.into(), value })
    });
    let terms =
        earned.into_iter().flat_map(|earned| earned.own_terms.iter().map(|(_, own)| own).chain([&earned.terms]));
    let bodies: Vec<&Contract> = terms.map(|terms| terms.body).collect();
    let amended = amended::notes(&facts.amended, |terms| bodies.iter().any(|body| std::ptr::eq(*body, terms)));
    let mut notes: Vec<DeliveryNote> = others.chain(adjustments).chain(repeats).chain(amended).collect();
    notes.sort_by(|a, b| (&a.event_id, &a.reason, &a.value).cmp(&(&b.event_id, &b.reason, &b.value)));
    notes
}

/// What an event is beside the earning one.
fn beside(facts: &Facts, event: &Event) -> &'static str {
    if facts.too_late_to_count(event) {
        "too_late"
    } else if sold::rebills(facts, event) {
        "rebill"
    } else {
        "same_order"
    }
}

fn adjusted(event: &Event) -> String {
    match event.action {
        Action::Refund | Action::Chargeback => format!("{} of {}", event.action.name(), sold::said(event)),
        _ => event.action.name().into(),
    }
}

fn worth(event: &Event) -> String {
    format!("{} {} {}", event.action.name(), money(event.value, event.currency), event.currency)
}

fn compared(event: &Event, earning: &Event) -> String {
    let (said, counts, way) = (worth(event), worth(earning), way_in(event, earning));
    if said == counts {
        format!("{said}, as {} says{way}", earning.event_id)
    } else {
        format!("{said}, but {} says {counts}{way}", earning.event_id)
    }
}

/// What a repeat says otherwise than the delivery that counts, field by field.
fn differences(repeat: &Event, first: &Event) -> Vec<String> {
    let differs = |name: &str, said: String, counts: String| {
        (said != counts).then(|| format!("{name} {said} instead of {counts}"))
    };
    let customer = |event: &Event| event.customer.map_or("none".to_owned(), |customer| customer.to_string());
    let evidence = |event: &Event| {
        let each: Vec<_> = event.evidence.iter().map(|said| format!("{} {}", said.source.name(), said.value)).collect();
        if each.is_empty() { "none".to_owned() } else { each.join(" and ") }
    };
    let items = |event: &Event| {
        let each = event.items.iter().map(|item| format!("{} x {} at {}", item.quantity, item.sku, item.value));
        if event.items.is_empty() { "none".to_owned() } else { each.collect::<Vec<_>>().join(" and ") }
    };
    [
        differs("worth", worth(repeat), worth(first)),
        differs("time", repeat.occurred_at.to_string(), first.occurred_at.to_string()),
        differs("items", items(repeat), items(first)),
        differs("customer", customer(repeat), customer(first)),
        differs("evidence", evidence(repeat), evidence(first)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The API, a network's postback and an import have keys of their own.
fn way_in(event: &Event, counts: &Event) -> String {
    if event.api_key == counts.api_key { String::new() } else { format!("; by key {}", event.api_key) }
}

/// One row per publisher with every model's credits of its touches: a function of the decision, in which the touches that
/// earn are those that were kept, unless it is held or rejected. So a later revision takes them back without their having been stored.
pub(super) fn attributions(decision: &Decision) -> Vec<Attribution> {
    let earns = decision.outcome == Outcome::Attributed;
    let kept: Vec<&TouchVerdict> = decision.touches.iter().filter(|touch| touch.kept && earns).collect();
    let times: Vec<Micros> = kept.iter().map(|touch| touch.occurred_at).collect();
    let mut of_publisher: BTreeMap<&PublisherId, Vec<CreditRow>> = BTreeMap::new();
    for model in Model::ALL {
        for (touch, credit) in kept.iter().zip(models::credits(model, &times)).filter(|(_, credit)| !credit.is_zero()) {
            of_publisher.entry(&touch.publisher).or_default().push(CreditRow {
                model,
                click_id: touch.click_id,
                touch_at: touch.occurred_at,
                campaign: touch.campaign.clone(),
                link: touch.link.clone(),
                credit,
                attributed_value: decision.value.times(credit),
            });
        }
    }
    let row = |(publisher, credits): (&PublisherId, Vec<CreditRow>)| Attribution {
        conversion_id: decision.conversion_id,
        revision: decision.revision,
        sign: 1,
        tenant: decision.tenant.clone(),
        advertiser: decision.advertiser.clone(),
        publisher: publisher.clone(),
        action: decision.action.clone(),
        occurred_at: decision.occurred_at,
        value: decision.value,
        currency: decision.currency,
        credits,
    };
    of_publisher.into_iter().map(row).collect()
}
