//! Decisions as the audit keeps them: each revision of each conversion once, from 1 without a gap, the newest as planned.

use super::audit::{Findings, Kind};
use super::expectation::{Expected, Money};
use super::stream::Plan;
use schemas::id::ConversionId;
use schemas::record::decision::Decision;
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Verdicts(BTreeMap<ConversionId, Decided>);

/// How often each revision was seen, and what the newest one says.
#[derive(Default)]
struct Decided {
    revisions: BTreeMap<i32, u64>,
    newest: Option<Expected>,
}

impl Verdicts {
    pub fn enter(&mut self, decision: &Decision) {
        let of = self.0.entry(decision.conversion_id).or_default();
        let newest = of.revisions.keys().next_back().is_none_or(|newest| decision.revision > *newest);
        *of.revisions.entry(decision.revision).or_default() += 1;
        if newest {
            of.newest = Some(said(decision));
        }
    }

    /// Holds them against the plan.
    pub fn close(mut self, plan: &Plan, findings: &mut Findings) {
        for (id, expected) in &plan.conversions {
            let Some(Decided { revisions, newest }) = self.0.remove(id) else {
                findings.add(Kind::Lost, 1, || format!("conversion {id} has no decision; expected {expected:?}"));
                continue;
            };
            let shown = || format!("conversion {id}: revisions {revisions:?} (number: times)");
            findings.add(Kind::Doubled, revisions.values().map(|seen| seen - 1).sum(), shown);
            let last = revisions.keys().next_back().copied().unwrap_or_default();
            let gaps = u64::try_from(last).unwrap_or(0).saturating_sub(revisions.len() as u64);
            findings.add(Kind::Lost, gaps, shown);
            if newest.as_ref() != Some(expected) {
                findings.add(Kind::Wrong, 1, || format!("conversion {id}: expected {expected:?}, decided {newest:?}"));
            }
        }
        findings.add(Kind::Wrong, self.0.len() as u64, || {
            format!("decisions of conversions that nobody planned: {:?}", self.0.keys().take(3).collect::<Vec<_>>())
        });
    }
}

/// A decision in the plan's terms. More than one earning publisher, or shares that are not the whole, is nobody's plan.
fn said(decision: &Decision) -> Expected {
    let money = Money { commission: decision.commission, payout: decision.payout, platform_fee: decision.platform_fee };
    let publisher = match decision.shares.as_slice() {
        [share]
            if (share.commission, share.payout, share.platform_fee)
                == (money.commission, money.payout, money.platform_fee) =>
        {
            share.publisher.as_str().strip_prefix('p').and_then(|number| number.parse().ok())
        }
        _ => None,
    };
    Expected { outcome: decision.outcome, publisher, value: decision.value, currency: decision.currency, money }
}
