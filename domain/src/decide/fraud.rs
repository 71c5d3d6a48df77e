//! Fraud, first layer: facts of this conversion alone, scored as its contract says. What many conversions have in common
//! is nobody's here.
//!
//! Only touches that are paid are looked at: nobody's conversion is held for what another publisher sent. Each rule scores
//! once, by the first touch that breaks it.

use super::explain::Span;
use super::facts::Facts;
use super::models;
use super::ruling::{Earned, EarningTouch};
use super::touches::JudgedJourney;
use schemas::catalog::{AsOf, Catalog};
use schemas::mark::{self, Mark};
use schemas::record::candidates::Touch;
use schemas::record::catalog::{FraudRule, FraudRuleName, FraudTerms};
use schemas::record::command::{ConversionCommand, Verb};
use schemas::record::decision::{CommandNote, FraudFinding, FraudVerdict, Outcome};

/// Why somebody who would earn does not.
pub(super) struct Withheld {
    pub outcome: Outcome,
    pub reason: &'static str,
    pub value: String,
}

/// What the contract's rules find; none where it has none, or they find nothing.
pub(super) fn judge(
    facts: &Facts,
    earned: &Earned,
    journey: Option<&JudgedJourney>,
    catalog: &Catalog,
) -> Option<FraudVerdict> {
    let terms = earned.terms.body.fraud.as_ref()?;
    let times: Vec<_> = earned.touches.iter().map(|touch| touch.at).collect();
    let credits = models::credits(earned.terms.body.paying_model, &times);
    let paid: Vec<Paid> = earned
        .touches
        .iter()
        .zip(credits)
        .filter(|(_, credit)| !credit.is_zero())
        .map(|(touch, _)| Paid { touch, click: clicked(touch, journey), facts, journey, catalog })
        .collect();
    let findings: Vec<FraudFinding> =
        terms.rules.iter().filter_map(|rule| paid.iter().find_map(|paid| paid.finding(rule))).collect();
    let score = findings.iter().fold(0, |sum: i32, finding| sum.saturating_add(finding.score));
    let FraudTerms { hold_at, reject_at, .. } = *terms;
    (!findings.is_empty()).then_some(FraudVerdict { score, hold_at, reject_at, findings })
}

fn clicked<'j>(touch: &EarningTouch, journey: Option<&JudgedJourney<'j>>) -> Option<&'j Touch> {
    let mut touches = journey?.touches.iter().map(|judged| judged.touch);
    touches.find(|known| Some(known.click_id) == touch.click_id)
}

/// A touch that is paid, with all that the rules look at.
struct Paid<'a> {
    touch: &'a EarningTouch,
    /// None for a synthetic touch.
    click: Option<&'a Touch>,
    facts: &'a Facts<'a>,
    journey: Option<&'a JudgedJourney<'a>>,
    catalog: &'a Catalog,
}

impl Paid<'_> {
    fn finding(&self, rule: &FraudRule) -> Option<FraudFinding> {
        let measured = match rule.rule {
            FraudRuleName::BotUserAgent => self.mark(Mark::BotUserAgent).map(str::to_owned),
            FraudRuleName::Datacentre => self.mark(Mark::Datacentre).map(str::to_owned),
            FraudRuleName::Velocity => self.velocity(rule.limit),
            FraudRuleName::DuplicateClicks => self.duplicate_clicks(rule.limit),
            FraudRuleName::TooSoon => self.too_soon(rule.limit),
            FraudRuleName::SelfReferral => self.self_referral(),
        }?;
        Some(FraudFinding { rule: rule.rule.name().into(), score: rule.score, measured, click_id: self.touch.click_id })
    }

    fn mark(&self, mark: Mark) -> Option<&str> {
        mark::value(&self.click?.marks, mark)
    }

    fn velocity(&self, limit: i64) -> Option<String> {
        let clicks: i64 = self.mark(Mark::Velocity)?.parse().ok()?;
        (clicks > limit).then(|| format!("{clicks} clicks a minute, at most {limit}"))
    }

    /// Clicks after the event are no part of what led to it.
    fn duplicate_clicks(&self, limit: i64) -> Option<String> {
        let (click, at) = (self.click?, self.facts.earning().occurred_at);
        let touches = self.journey?.touches.iter().map(|judged| judged.touch);
        let clicks = touches.filter(|touch| touch.link == click.link && touch.occurred_at <= at).count() as u64;
        (i128::from(clicks) > i128::from(limit)).then(|| format!("{clicks} clicks on {}, at most {limit}", click.link))
    }

    fn too_soon(&self, limit: i64) -> Option<String> {
        let age = self.facts.earning().occurred_at.since(self.click?.occurred_at);
        let sign = if age < 0 { "-" } else { "" };
        (age < limit).then(|| format!("{sign}{} after the click, at least {}", Span(age), Span(limit)))
    }

    fn self_referral(&self) -> Option<String> {
        let of = &self.touch.publisher;
        if let Some(address) = self.mark(Mark::OwnAddress) {
            return Some(format!("address {address} is {of}'s own"));
        }
        let earning = self.facts.earning();
        let offset = self.click.map_or(earning.catalog_offset, |click| click.catalog_offset);
        let as_of = AsOf { offset, time: self.touch.at };
        let publisher = self.catalog.publisher(&earning.tenant, of, as_of)?.body;
        let mut customers = self.facts.events.iter().filter_map(|event| event.customer);
        let own = customers.find(|customer| publisher.customers.contains(customer))?;
        Some(format!("customer {own} is {of}'s own"))
    }
}

/// What follows for a conversion that somebody earns: from the contract's rules, then from the last command.
pub(super) fn withheld(
    verdict: Option<&FraudVerdict>,
    last: Option<&ConversionCommand>,
) -> (Option<Withheld>, Option<CommandNote>) {
    let by_contract = verdict.and_then(by_contract);
    let Some(command) = last else { return (by_contract, None) };
    let outcome = by_contract.as_ref().map(|withheld| withheld.outcome);
    let (withheld, effect) = match (command.verb, outcome) {
        (Verb::Reject, _) => {
            let value = format!("{} by {}: {}", command.command_id, command.by, command.why);
            let reason = "rejected_by_command";
            (Some(Withheld { outcome: Outcome::Rejected, reason, value }), "rejected")
        }
        (Verb::Release, Some(Outcome::Held)) => (None, "released"),
        (Verb::Release, Some(_)) => (by_contract, "rejected_by_contract"),
        (Verb::Release, None) => (None, "not_held"),
    };
    (withheld, Some(note(command, effect)))
}

fn by_contract(verdict: &FraudVerdict) -> Option<Withheld> {
    let reached = |at: Option<i32>| at.filter(|at| verdict.score >= *at);
    let rejected = reached(verdict.reject_at).map(|at| (Outcome::Rejected, at));
    let (outcome, at) = rejected.or_else(|| reached(verdict.hold_at).map(|at| (Outcome::Held, at)))?;
    let each = verdict.findings.iter().map(|finding| format!("{} {}", finding.rule, finding.score));
    let value = format!("{} of {at}: {}", verdict.score, each.collect::<Vec<_>>().join(", "));
    Some(Withheld { outcome, reason: "fraud_score", value })
}

/// A command with what came of it.
pub(super) fn note(command: &ConversionCommand, effect: &str) -> CommandNote {
    CommandNote {
        command_id: command.command_id.clone(),
        verb: command.verb.name().into(),
        by: command.by.clone(),
        why: command.why.clone(),
        issued_at: command.issued_at,
        effect: effect.into(),
    }
}
