//! Runs of settlement and the life of payouts over whatever the simulation has booked: with crashes in between, each
//! statement goes on where the one before ended, each partition is done with a run once, and all that was booked is paid or
//! carried on (P2, P5).

use crate::cluster::{Cluster, Fate};
use rand::RngExt;
use rand::rngs::StdRng;
use schemas::codec;
use schemas::decimal::{Amount, Currency, Fixed};
use schemas::id::RunId;
use schemas::key;
use schemas::name::{CampaignId, PublisherId, TenantId};
use schemas::offset::Offset;
use schemas::record::budget::BudgetSpent;
use schemas::record::journal::JournalRecord;
use schemas::record::payout::{Payout, PayoutCommand, PayoutState, PayoutStep};
use schemas::record::settlement::{Minimum, RunDone, SettlementRun};
use schemas::record::statement::Statement;
use schemas::time::Micros;
use schemas::topic::Topic;
use std::collections::{BTreeMap, BTreeSet};

type Account = (PublisherId, Currency);

/// Past every hold.
pub const LATE: Micros = Micros(1_890_000_000_000_000);
const STEPS: [PayoutStep; 4] = [PayoutStep::Approve, PayoutStep::Sent, PayoutStep::Settled, PayoutStep::Failed];

/// Pays from one cent on.
pub fn run(label: &str, as_of: Micros) -> Vec<u8> {
    let tenant = TenantId::new("default").expect("a name");
    let minimum = |code| Minimum { currency: Currency::parse(code).expect("a code"), amount: Fixed(10_000) };
    codec::encode(&SettlementRun {
        run_id: RunId::of(&tenant, label),
        tenant,
        label: label.into(),
        as_of,
        minimums: vec![minimum("USD"), minimum("EUR")],
        catalog_offset: Offset(1),
    })
}

pub fn pays_what_is_booked_once(cluster: &mut Cluster, booked: &BTreeMap<Vec<u8>, Amount>, rng: &mut StdRng) {
    for round in 0..3 {
        for _ in 0..rng.random_range(1..3) {
            // A repeated run changes nothing.
            cluster.append_everywhere(Topic::Journal, &run(&format!("late {round}"), LATE));
        }
        for (payout, step) in payouts(cluster).into_values().zip((0..).map(|_| STEPS[rng.random_range(0..4)])) {
            cluster.append(&crate::world::Input {
                topic: Topic::Journal,
                key: key::publisher(&payout.tenant, &payout.publisher),
                value: command(&payout, step),
            });
        }
        for _ in 0..6 {
            let fate = [Fate::CrashBeforeCommit, Fate::Aborted, Fate::CommittedButCrashed, Fate::Committed];
            cluster.interval(rng.random_range(1..6), fate[rng.random_range(0..fate.len())], rng);
            if rng.random_bool(0.2) {
                cluster.lose_store(rng);
            }
        }
        cluster.drain();
    }
    cluster.append_everywhere(Topic::Journal, &run("last", LATE));
    cluster.drain();
    assert_eq!(&cluster.balances(), booked, "payouts move what is booked, and change nothing of it");
    budgets_add_up(cluster);
    let closings = closings(cluster);
    let mut paid: BTreeMap<Account, Amount> = BTreeMap::new();
    for payout in payouts(cluster).into_values().filter(|payout| payout.state != PayoutState::Failed) {
        *paid.entry((payout.publisher, payout.currency)).or_default() += payout.amount;
    }
    for (key, booked) in booked {
        let parts: Vec<_> = key.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let publisher = PublisherId::new(&parts[1]).expect("a name");
        let account = (publisher, Currency::parse(&parts[2]).expect("a currency"));
        let of = |sums: &BTreeMap<Account, Amount>| sums.get(&account).copied().unwrap_or_default();
        assert_eq!(of(&closings) + of(&paid), *booked, "{account:?}: carried on and paid");
    }
}

/// What accounts have reported of each budget is what the journal has them pay.
fn budgets_add_up(cluster: &Cluster) {
    let mut told: BTreeMap<(CampaignId, PublisherId), (i64, Amount)> = BTreeMap::new();
    for value in cluster.values(Topic::Budgets) {
        let spent: BudgetSpent = codec::decode(value).expect("a report");
        let last = told.entry((spent.campaign, spent.account)).or_default();
        assert!(spent.revision > last.0, "an account's reports come in order, each once");
        *last = (spent.revision, spent.spent);
    }
    let mut booked: BTreeMap<_, (i32, CampaignId, Amount)> = BTreeMap::new();
    for value in cluster.values(Topic::Journal) {
        let Ok(JournalRecord::Entry(entry)) = JournalRecord::read(value) else { continue };
        if entry.currency != Currency::USD || entry.occurred_at < crate::world::NOW {
            continue;
        }
        let last =
            booked.entry((entry.publisher, entry.conversion_id)).or_insert((0, entry.campaign.clone(), Amount::ZERO));
        if entry.revision > last.0 {
            *last = (entry.revision, entry.campaign, entry.cumulative_commission);
        }
    }
    let mut sums: BTreeMap<_, Amount> = BTreeMap::new();
    for ((publisher, _), (_, campaign, commission)) in booked {
        *sums.entry((campaign, publisher)).or_default() += commission;
    }
    sums.retain(|_, sum| !sum.is_zero());
    let told: BTreeMap<_, _> =
        told.into_iter().map(|(of, (_, spent))| (of, spent)).filter(|(_, spent)| !spent.is_zero()).collect();
    assert_eq!(told, sums);
}

/// As they stand last; each step is told once.
fn payouts(cluster: &Cluster) -> BTreeMap<schemas::id::PayoutId, Payout> {
    let mut payouts: BTreeMap<_, Payout> = BTreeMap::new();
    for value in cluster.values(Topic::Payouts).filter(|value| codec::is_framed_as::<Payout>(value)) {
        let payout: Payout = codec::decode(value).expect("a payout");
        let revision = payouts.get(&payout.payout_id).map_or(0, |before| before.revision);
        assert_eq!(payout.revision, revision + 1, "each step of {} once", payout.payout_id);
        assert!(payout.amount > Amount::ZERO, "no negative payout");
        payouts.insert(payout.payout_id, payout);
    }
    payouts
}

/// Of each account's last statement, after a look at the chain of them and at the runs' ends.
fn closings(cluster: &Cluster) -> BTreeMap<Account, Amount> {
    let mut last: BTreeMap<Account, (i64, Amount)> = BTreeMap::new();
    let mut done = BTreeSet::new();
    for value in cluster.values(Topic::Payouts) {
        if codec::is_framed_as::<RunDone>(value) {
            let run: RunDone = codec::decode(value).expect("a run's end");
            assert!(done.insert((run.run_id, run.partition)), "a partition is done with a run once");
        }
        if !codec::is_framed_as::<Statement>(value) {
            continue;
        }
        let statement: Statement = codec::decode(value).expect("a statement");
        let account = (statement.publisher, statement.currency);
        let (number, closing) = last.get(&account).copied().unwrap_or_default();
        assert_eq!((statement.number, statement.opening), (number + 1, closing), "statements chain");
        let lines: Amount = statement.lines.iter().map(|line| line.amount).sum();
        assert_eq!(lines, statement.lines_total);
        let sum = statement.opening + statement.returned + lines;
        assert_eq!(sum, statement.payout + statement.closing, "a statement adds up");
        last.insert(account, (statement.number, statement.closing));
    }
    last.into_iter().map(|(account, (_, closing))| (account, closing)).collect()
}

fn command(payout: &Payout, step: PayoutStep) -> Vec<u8> {
    codec::encode(&PayoutCommand {
        payout_id: payout.payout_id,
        tenant: payout.tenant.clone(),
        publisher: payout.publisher.clone(),
        step,
        at: LATE,
        by: "ann".into(),
        reference: None,
        reason: (step == PayoutStep::Failed).then(|| "account closed".into()),
    })
}
