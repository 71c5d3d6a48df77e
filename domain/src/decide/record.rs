//! Writes a ruling down: the decision (P4) and the credits of every model.

use super::commission::Earnings;
use super::explain::money;
use super::facts::Facts;
use super::life;
use super::models;
use super::ruling::{Explanation, Ruling};
use super::sold::{self, Sold};
use schemas::decimal::Amount;
use schemas::name::PublisherId;
use schemas::record::attribution::{Attribution, CreditRow, Model};
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
    let (outcome, reason, reason_value, campaign) = match ruling {
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
        commission: earnings.map_or(Amount::ZERO, |earnings| earnings.commission),
        payout: earnings.map_or(Amount::ZERO, |earnings| earnings.payout),
        platform_fee: earnings.map_or(Amount::ZERO, |earnings| earnings.platform_fee),
        shares: earnings.map_or_else(Vec::new, |earnings| earnings.shares.clone()),
        arithmetic: earnings.map_or_else(|| format!("nobody earns: {reason}"), |earnings| earnings.arithmetic.clone()),
        evidence: explanation.evidence,
        touches: explanation.touches,
        touches_not_listed: explanation.touches_not_listed,
        deliveries: notes(facts),
        clock_ahead_micros: event.clock_ahead_micros,
        catalog_offset: facts.catalog_offset,
        same_as: facts.same_as,
        status,
        full_commission: earnings.filter(|earnings| earnings.full != earnings.commission).map(|earnings| earnings.full),
        refunded: Some(sold.refunded).filter(|refunded| !refunded.is_zero()),
        charged_back: Some(sold.charged_back).filter(|charged_back| !charged_back.is_zero()),
    }
}

/// Other events of the order, what adjusts it, and conflicting repeats, by event id.
fn notes(facts: &Facts) -> Vec<DeliveryNote> {
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
    let repeats = facts.conflicting.iter().map(|(event_id, hash)| DeliveryNote {
        event_id: event_id.clone(),
        reason: "conflicting_repeat".into(),
        value: format!("payload {hash}"),
    });
    let mut notes: Vec<DeliveryNote> = others.chain(adjustments).chain(repeats).collect();
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

fn compared(event: &Event, earning: &Event) -> String {
    let says =
        |event: &Event| format!("{} {} {}", event.action.name(), money(event.value, event.currency), event.currency);
    if says(event) == says(earning) {
        format!("{}, as {} says", says(event), earning.event_id)
    } else {
        format!("{}, but {} says {}", says(event), earning.event_id, says(earning))
    }
}

/// One row per publisher with every model's credits of its touches: a function of the decision, in which the touches that
/// earn are those that were kept. So a later revision takes them back without their having been stored.
pub(super) fn attributions(decision: &Decision) -> Vec<Attribution> {
    let kept: Vec<&TouchVerdict> = decision.touches.iter().filter(|touch| touch.kept).collect();
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
