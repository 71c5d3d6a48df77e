//! A contract's rules against fraud in a catalog file: each rule once, with a limit where it measures something, and scores
//! that can reach what holds and what rejects.

use super::fields::{Fields, Noted, one_of};
use super::terms::{duration_seconds, whole_number};
use super::tree::Node;
use crate::catalog::problem::Problem;
use schemas::record::catalog::{FraudRule, FraudRuleName, FraudTerms};
use schemas::time::MICROS_PER_SECOND;

const FRAUD: [&str; 3] = ["hold_at", "reject_at", "rules"];
const RULE: [&str; 3] = ["rule", "limit", "score"];
/// So that the scores of all rules add up to something that a person can read.
const MOST: i32 = 1000;
/// The longest time from click to conversion that can be called too short.
const LONGEST_TOO_SOON_SECONDS: u64 = 24 * 3600;

/// What a rule's limit counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    None,
    Clicks,
    Time,
}

pub fn terms(contract: &Fields<'_>, problems: &mut Vec<Problem>) -> Result<Option<FraudTerms>, Noted> {
    let Some(node) = contract.get("fraud") else { return Ok(None) };
    let noted_before = problems.len();
    let Some(fields) = Fields::open(node, "contracts.fraud", &FRAUD, problems) else { return Err(Noted) };
    let hold_at = fields.optional("hold_at", problems, score);
    let reject_at = fields.optional("reject_at", problems, score);
    let rules = rules(&fields, problems);
    let (hold_at, reject_at, rules) = (hold_at?, reject_at?, rules?);
    match (hold_at, reject_at) {
        (None, None) => {
            let reason = "expected hold_at, reject_at or both: else nothing follows from a score";
            problems.push(Problem::without_value(fields.line, "contracts.fraud", reason));
        }
        (Some(hold), Some(reject)) if hold >= reject => {
            note(&fields, "hold_at", "not less than reject_at: nothing would be held", problems);
        }
        (Some(_), _) | (None, Some(_)) => {}
    }
    let all: i32 = rules.iter().map(|rule| rule.score).sum();
    for (field, at) in [("hold_at", hold_at), ("reject_at", reject_at)] {
        if at.is_some_and(|at| at > all) {
            note(&fields, field, &format!("never reached: the scores of all rules add up to {all}"), problems);
        }
    }
    if problems.len() == noted_before { Ok(Some(FraudTerms { rules, hold_at, reject_at })) } else { Err(Noted) }
}

fn rules(fields: &Fields<'_>, problems: &mut Vec<Problem>) -> Result<Vec<FraudRule>, Noted> {
    let items: &[Node] = fields.list("rules", problems)?.unwrap_or_default();
    let noted_before = problems.len();
    if items.is_empty() {
        problems.push(Problem::without_value(
            fields.line_of("rules"),
            "contracts.fraud.rules",
            "expected a rule at least",
        ));
    }
    let mut rules: Vec<FraudRule> = Vec::new();
    for item in items {
        let Some(fields) = Fields::open(item, "contracts.fraud.rules", &RULE, problems) else { continue };
        let Ok(rule) = rule(&fields, problems) else { continue };
        if rules.iter().any(|earlier| earlier.rule == rule.rule) {
            note(&fields, "rule", "named twice", problems);
        }
        rules.push(rule);
    }
    if problems.len() == noted_before { Ok(rules) } else { Err(Noted) }
}

fn rule(fields: &Fields<'_>, problems: &mut Vec<Problem>) -> Result<FraudRule, Noted> {
    let rule = fields.required("rule", problems, |text| one_of(text, &FraudRuleName::ALL, FraudRuleName::name));
    let score = fields.required("score", problems, score);
    let Ok(rule) = rule else { return Err(Noted) };
    let limit = match limit_of(rule) {
        Limit::Clicks => fields.required("limit", problems, whole_number),
        Limit::Time => fields.required("limit", problems, too_soon),
        Limit::None => fields
            .optional("limit", problems, |_| Err(format!("{} has no limit: leave it out", rule.name())))
            .map(|none: Option<i64>| none.unwrap_or(0)),
    };
    Ok(FraudRule { rule, limit: limit?, score: score? })
}

fn limit_of(rule: FraudRuleName) -> Limit {
    match rule {
        FraudRuleName::BotUserAgent | FraudRuleName::Datacentre | FraudRuleName::SelfReferral => Limit::None,
        FraudRuleName::Velocity | FraudRuleName::DuplicateClicks => Limit::Clicks,
        FraudRuleName::TooSoon => Limit::Time,
    }
}

/// In microseconds.
fn too_soon(text: &str) -> Result<i64, String> {
    let seconds = duration_seconds(text, 1, LONGEST_TOO_SOON_SECONDS);
    seconds
        .map(|seconds| seconds * MICROS_PER_SECOND)
        .ok_or_else(|| "expected a duration from 1s to 24h, like 10s".into())
}

fn score(text: &str) -> Result<i32, String> {
    let score = text.parse().ok().filter(|score| (1..=MOST).contains(score));
    score.ok_or_else(|| format!("expected a whole number from 1 to {MOST}"))
}

fn note(fields: &Fields<'_>, field: &str, reason: &str, problems: &mut Vec<Problem>) {
    let shown = fields.get(field).map_or("", Node::shown);
    problems.push(Problem::new(fields.line_of(field), fields.path(field), shown, reason));
}
