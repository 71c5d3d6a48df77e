//! The promises by their names, as far as they are about rules: for any clicks, events, refunds, customers and commands.
//!
//! P3 is `order_free`'s. P1 is about processes and disks (`tests/pipeline`); P7 is about keys (`processor/tests/simulation`,
//! `p7_...`), and here about commands (`refunds`). What settlement adds to P2, P3 and P5 is in `domain/tests/settlement`.

use crate::order_free::{check_attributions, check_books, check_decisions, inputs};
use crate::pipeline::{Input, Pipeline};
use crate::shop::catalog;
use proptest::prelude::*;
use schemas::decimal::Amount;
use schemas::id::ConversionId;
use schemas::record::decision::{Decision, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// The conversions that events report, refunds and the like aside.
fn reported(inputs: &[Input]) -> BTreeSet<ConversionId> {
    let converting = inputs.iter().filter_map(|input| match input {
        Input::Event(event) | Input::FirstOrder(event, _) => Some(event).filter(|event| event.action.converts()),
        Input::Click(_) | Input::Command(_) | Input::Amendment(_) => None,
    });
    converting.map(|event| event.conversion_id).collect()
}

fn decisions(pipeline: &Pipeline) -> Vec<Decision> {
    pipeline.ending().decisions
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Delivered a second time, everything has been said already: no revision, no row, no entry.
    #[test]
    fn p2_what_is_delivered_again_changes_nothing(inputs in inputs()) {
        let mut pipeline = Pipeline::run(catalog(), inputs.clone());
        let before = pipeline.ending();
        let (entries, rows) = (pipeline.entries.len(), pipeline.attributions.len());
        let distinct: BTreeSet<_> = pipeline.entries.iter().map(|entry| entry.entry_id).collect();
        prop_assert_eq!(distinct.len(), entries, "each entry once");
        inputs.into_iter().for_each(|input| pipeline.arrive(input));
        prop_assert_eq!((pipeline.entries.len(), pipeline.attributions.len()), (entries, rows));
        prop_assert_eq!(pipeline.ending(), before);
    }

    /// Who reports a conversion finds a decision with a reason, for each touch and each piece of evidence too; and whoever is
    /// paid is paid under a contract's version, with its arithmetic.
    #[test]
    fn p4_every_conversion_has_a_decision_that_says_why(inputs in inputs()) {
        let pipeline = Pipeline::run(catalog(), inputs.clone());
        for conversion in reported(&inputs) {
            let decision = pipeline.decision(conversion);
            prop_assert!(decision.is_some(), "{} is undecided", conversion);
        }
        for decision in decisions(&pipeline) {
            prop_assert!(!decision.reason.is_empty() && !decision.arithmetic.is_empty());
            let paid = !decision.commission.is_zero();
            prop_assert!(!paid || decision.contract.is_some() && decision.contract_version.is_some());
            prop_assert!(!paid || decision.touches.iter().any(|verdict| verdict.kept), "somebody's touch was paid");
            prop_assert!(decision.touches.iter().all(|verdict| !verdict.reason.is_empty()));
            prop_assert!(decision.evidence.iter().all(|verdict| !verdict.reason.is_empty()));
            prop_assert!(decision.deliveries.iter().all(|note| !note.reason.is_empty()));
        }
        check_decisions(&pipeline.ending());
    }

    /// Debits are credits, what is booked is what is decided, and each sum is that of its parts.
    #[test]
    fn p5_the_books_balance(inputs in inputs()) {
        check_books(&Pipeline::run(catalog(), inputs));
    }

    /// By account, over all entries.
    #[test]
    fn p5_payouts_and_fees_are_the_advertisers_cost(inputs in inputs()) {
        let mut sums: BTreeMap<_, [Amount; 2]> = BTreeMap::new();
        for ((account, currency), amount) in Pipeline::run(catalog(), inputs).ending().accounts {
            let [cost, paid] = sums.entry(currency).or_default();
            match account.starts_with("advertiser:") {
                true => *cost += amount,
                false => *paid = *paid - amount,
            }
        }
        for (currency, [cost, paid]) in sums {
            prop_assert_eq!(cost, paid, "in {}", currency);
            prop_assert!(cost >= Amount::ZERO);
        }
    }

    /// Not at the end and not after any entry on the way there.
    #[test]
    fn p5_no_payout_is_negative(inputs in inputs()) {
        let pipeline = Pipeline::run(catalog(), inputs);
        let mut held: BTreeMap<_, Amount> = BTreeMap::new();
        for entry in &pipeline.entries {
            let account = held.entry((&entry.publisher, entry.conversion_id, entry.currency)).or_default();
            let theirs = entry.postings.iter().filter(|posting| posting.account.starts_with("publisher:"));
            *account = *account - theirs.map(|posting| posting.amount).sum();
            prop_assert!(*account >= Amount::ZERO, "{} after revision {}", account, entry.revision);
        }
        let shares = decisions(&pipeline).into_iter().flat_map(|decision| decision.shares);
        prop_assert!(shares.into_iter().all(|share| share.payout >= Amount::ZERO && share.platform_fee >= Amount::ZERO));
    }

    /// Each at most once, and in each model exactly one credit of it and its whole value.
    #[test]
    fn p5_no_more_is_attributed_than_was_converted(inputs in inputs()) {
        let pipeline = Pipeline::run(catalog(), inputs.clone());
        let ending = pipeline.ending();
        let attributed: Vec<ConversionId> = ending
            .decisions
            .iter()
            .filter(|decision| decision.outcome == Outcome::Attributed)
            .map(|decision| decision.conversion_id)
            .collect();
        let conversions = reported(&inputs);
        prop_assert!(attributed.iter().all(|id| conversions.contains(id)));
        let distinct: BTreeSet<_> = attributed.iter().collect();
        prop_assert_eq!(distinct.len(), attributed.len());
        prop_assert!(attributed.len() <= conversions.len());
        check_attributions(&pipeline, &ending);
    }

    /// What decide was told, told again to an empty state: every state, revision, row and entry, in the same order.
    #[test]
    fn p6_a_replay_ends_in_the_same_state(inputs in inputs()) {
        let pipeline = Pipeline::run(catalog(), inputs);
        let replayed = pipeline.replay();
        prop_assert_eq!(&replayed.states, &pipeline.states);
        prop_assert_eq!(&replayed.entries, &pipeline.entries);
        prop_assert_eq!(&replayed.attributions, &pipeline.attributions);
        prop_assert_eq!(replayed.ending(), pipeline.ending());
    }

    /// No clock, no chance, no order of a hash map: the same inputs give the same records in the same order.
    #[test]
    fn p6_the_same_inputs_give_the_same_records(inputs in inputs()) {
        let (one, other) = (Pipeline::run(catalog(), inputs.clone()), Pipeline::run(catalog(), inputs));
        prop_assert_eq!(one.states, other.states);
        prop_assert_eq!(one.entries, other.entries);
        prop_assert_eq!(one.attributions, other.attributions);
    }
}
