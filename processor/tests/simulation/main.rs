//! The three stages in one thread, without a broker: a seeded simulation with crashes, aborted transactions, commits
//! whose outcome nobody learns, stores that are lost, and input that is shuffled and repeated. Whatever happens, the
//! log must end with what an undisturbed run leaves, each revision and entry once (P2, P3, P5).
//!
//! `SEED=n cargo test -p processor --test simulation` repeats one seed.

mod cluster;
mod settlement;
mod world;

use cluster::{Cluster, Fate};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use schemas::codec;
use schemas::decimal::{Amount, AttributedValue, Fixed};
use schemas::record::attribution::Attribution;
use schemas::record::decision::Decision;
use schemas::record::journal::JournalRecord;
use schemas::topic::Topic;
use std::collections::BTreeMap;

const SEEDS: u64 = 2000;

/// What is left at the end, without the number of revisions that it took.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    decisions: BTreeMap<String, Decision>,
    accounts: BTreeMap<(String, String), Amount>,
    balances: BTreeMap<Vec<u8>, Amount>,
    attributed: BTreeMap<(String, String), AttributedValue>,
}

/// Reads the outcome off the log, and checks what must hold whatever happened.
fn outcome(cluster: &Cluster) -> Outcome {
    let mut outcome = Outcome::default();
    let mut revisions: BTreeMap<String, i32> = BTreeMap::new();
    for value in cluster.values(Topic::Decisions) {
        let mut decision: Decision = codec::decode(value).expect("a decision");
        let revision = revisions.entry(decision.conversion_id.to_string()).or_default();
        *revision += 1;
        assert_eq!(decision.revision, *revision, "each revision once, in order: {}", decision.conversion_id);
        decision.revision = 0;
        outcome.decisions.insert(decision.conversion_id.to_string(), decision);
    }
    let mut entries = std::collections::BTreeSet::new();
    for value in cluster.values(Topic::Journal) {
        let JournalRecord::Entry(entry) = JournalRecord::read(value).expect("of the journal") else { continue };
        assert!(entries.insert(entry.entry_id), "entry {} is booked once", entry.entry_id);
        assert!(entry.postings.iter().map(|posting| posting.amount).sum::<Amount>().is_zero(), "an entry balances");
        for posting in &entry.postings {
            *outcome.accounts.entry((posting.account.clone(), entry.currency.to_string())).or_default() +=
                posting.amount;
        }
    }
    for value in cluster.values(Topic::Attributions) {
        let record: Attribution = codec::decode(value).expect("an attribution");
        for row in &record.credits {
            let sum =
                outcome.attributed.entry((record.publisher.to_string(), row.model.name().to_owned())).or_default();
            *sum += if record.sign < 0 { -row.attributed_value } else { row.attributed_value };
        }
    }
    outcome.accounts.retain(|_, amount| !amount.is_zero());
    outcome.attributed.retain(|_, amount| !amount.is_zero());
    outcome.balances = cluster.balances();
    outcome
}

/// What settle holds is what the journal credited to publishers.
fn balances_follow_from_the_journal(outcome: &Outcome, seed: u64) {
    let credited: Amount = outcome
        .accounts
        .iter()
        .filter(|((account, _), _)| account.starts_with("publisher:"))
        .map(|(_, amount)| -*amount)
        .sum();
    let held: Amount = outcome.balances.values().copied().sum();
    assert_eq!(held, credited, "seed {seed}");
}

fn check(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let inputs = world::inputs(&mut rng);

    let mut calm = Cluster::new();
    inputs.iter().for_each(|input| calm.append(input));
    calm.drain();
    let expected = outcome(&calm);
    balances_follow_from_the_journal(&expected, seed);

    let mut shuffled: Vec<_> = inputs.iter().chain(inputs.iter().filter(|_| rng.random_bool(0.3))).cloned().collect();
    shuffled.shuffle(&mut rng);
    let mut cluster = Cluster::new();
    let mut waiting = shuffled.iter();
    for turn in 0..rng.random_range(5..60) {
        if rng.random_bool(0.05) {
            cluster.append_everywhere(Topic::Journal, &settlement::run(&format!("early {turn}"), settlement::LATE));
        }
        waiting.by_ref().take(rng.random_range(0..8)).for_each(|input| cluster.append(input));
        let fate = match rng.random_range(0..10) {
            0 => Fate::CrashBeforeCommit,
            1 => Fate::Aborted,
            2 => Fate::CommittedButCrashed,
            _ => Fate::Committed,
        };
        cluster.interval(rng.random_range(1..12), fate, &mut rng);
        match rng.random_range(0..12) {
            0 => cluster.crash(),
            1 => cluster.lose_store(&mut rng),
            2 | 3 => cluster.flush(),
            _ => {}
        }
    }
    waiting.for_each(|input| cluster.append(input));
    cluster.drain();
    let found = outcome(&cluster);
    balances_follow_from_the_journal(&found, seed);
    assert_eq!(found, expected, "seed {seed}");
    settlement::pays_what_is_booked_once(&mut cluster, &expected.balances, &mut rng);
}

#[test]
fn whatever_crashes_the_log_ends_as_if_nothing_had_happened() {
    let seeds = match std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..SEEDS,
    };
    for seed in seeds {
        let checked = std::panic::catch_unwind(|| check(seed));
        if let Err(panic) = checked {
            eprintln!("repeat it with SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// The click of the token never comes; that of the landing page's token, in another journey, does.
#[test]
fn an_event_is_forwarded_to_each_journey_that_it_names() {
    let (missing, there) = (world::click(1, 0, "alpha"), world::click(2, 0, "beta"));
    let mut cluster = Cluster::new();
    cluster.append(&world::input_of_event(&world::purchase_naming(&missing, &there)));
    cluster.append(&world::input_of_click(&there));
    cluster.drain();
    let outcome = outcome(&cluster);
    let decision = outcome.decisions.values().next().expect("a decision");
    let shares: Vec<&str> = decision.shares.iter().map(|share| share.publisher.as_str()).collect();
    assert_eq!((decision.reason.as_str(), shares), ("landing_url", vec!["beta"]));
}

/// P7: another advertiser of the tenant sees the same browsers and has the same customers, order ids and event ids. What it
/// reports changes nothing of ours.
#[test]
fn p7_what_another_advertiser_reports_changes_nothing() {
    for seed in 0..SEEDS / 4 {
        let mut rng = StdRng::seed_from_u64(seed);
        let inputs = world::inputs(&mut rng);
        let mut alone = Cluster::new();
        inputs.iter().for_each(|input| alone.append(input));
        alone.drain();
        let mut both: Vec<_> = inputs.iter().filter_map(world::of_other_advertiser).chain(inputs.clone()).collect();
        both.shuffle(&mut rng);
        let mut beside = Cluster::new();
        both.iter().for_each(|input| beside.append(input));
        beside.drain();
        let ours = |cluster: &Cluster| {
            let mut decisions = outcome(cluster).decisions;
            decisions.retain(|_, decision| decision.advertiser.as_str() == "acme");
            decisions
        };
        assert_eq!(ours(&beside), ours(&alone), "seed {seed}");
        let costs = |cluster: &Cluster| {
            let mut accounts = outcome(cluster).accounts;
            accounts.retain(|(account, _), _| account == "advertiser:acme");
            accounts
        };
        assert_eq!(costs(&beside), costs(&alone), "seed {seed}");
    }
}

/// The click's journey is the customer's by a signup; the order names the customer only. What comes late changes what was
/// decided: first the click, then the signup, then an earlier order.
#[test]
fn a_known_customer_brings_its_journeys_and_is_new_once_whatever_comes_last() {
    let click = world::click(1, 0, "alpha");
    let inputs = [
        world::input_of_click(&click),
        world::input_of_event(&world::signup(&click)),
        world::input_of_event(&world::order("late", 20)),
        world::input_of_event(&world::order("early", 10)),
    ];
    for rotated in 0..inputs.len() {
        let mut cluster = Cluster::new();
        for at in 0..inputs.len() {
            cluster.append(&inputs[(rotated + at) % inputs.len()]);
            cluster.drain();
        }
        let outcome = outcome(&cluster);
        let of = |order: &str| {
            let found = outcome.decisions.values().find(|decision| decision.order_id.as_deref() == Some(order));
            let decision = found.expect("decided");
            (decision.reason.as_str(), decision.commission)
        };
        assert_eq!(of("early"), ("customer", Fixed(20_000_000)), "new, 20 %");
        assert_eq!(of("late"), ("customer", Fixed(5_000_000)), "returning, 5 %");
    }
}

/// A conversion that names no customer writes what it always wrote.
#[test]
fn an_event_without_a_customer_pays_for_none() {
    let click = world::click(1, 0, "alpha");
    let mut cluster = Cluster::new();
    cluster.append(&world::input_of_click(&click));
    cluster.append(&world::input_of_event(&world::purchase_naming(&click, &click)));
    cluster.drain();
    let written = [Topic::Events, Topic::Candidates, Topic::DecideChangelog].map(|topic| cluster.values(topic).count());
    assert_eq!(written, [1, 1, 1]);
}
