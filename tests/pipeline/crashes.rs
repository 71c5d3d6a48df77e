//! kill -9 in the middle (P1, P2): what is acknowledged is counted, once, and as if nothing had happened.

use crate::installation::{Installation, Role};
use crate::log;
use std::time::Duration;

/// A small generator (splitmix64, Steele et al. 2014): the seed is printed and repeats a run's choices.
struct Chance(u64);

impl Chance {
    fn seeded() -> Chance {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
        println!("SEED={seed}");
        Chance(seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Replays some thousand journeys while `victims` are killed and started again at random; then verifies.
fn replay_and_kill(installation: &mut Installation, victims: &[Role], chance: &mut Chance) {
    let mut replay = installation.replay(1200);
    let mut kills = 0;
    while replay.try_wait().expect("a status").is_none() {
        std::thread::sleep(Duration::from_millis(300 + chance.below(1200)));
        let victim = victims[kills % victims.len()];
        installation.kill(victim);
        std::thread::sleep(Duration::from_millis(chance.below(300)));
        installation.spawn(victim);
        kills += 1;
    }
    println!("{kills} kills");
    assert!(kills >= 2 * victims.len(), "the replay ended after {kills} kills");
    installation.verify(replay);
}

/// Every decision and what it pays, without the revision: how often a decision changed depends on the order of arrival.
const DECISIONS: &str = "SELECT conversion_id, event_id, order_id, outcome, reason, campaign, value, commission, payout, platform_fee, \
                         shares, arithmetic FROM {db}.conversions ORDER BY conversion_id";
const BALANCES: &str =
    "SELECT publisher, currency, held, conversions FROM {db}.publisher_balances ORDER BY publisher, currency";
const CREDITS: &str = "SELECT model, publisher, sum(sign * credit), sum(sign * attributed_value) FROM {db}.attributions \
                       GROUP BY model, publisher HAVING sum(sign * credit) != 0 ORDER BY model, publisher";

/// Holds the tables against a recomputation from the log.
fn decisions_follow_from_the_log(installation: &Installation) {
    let expected = log::recompute(installation);
    let sql = "SELECT replaceAll(toString(conversion_id), '-', ''), shares.publisher[1], commission, payout \
               FROM {db}.conversions WHERE outcome = 'attributed' ORDER BY conversion_id";
    let found = installation.rows(sql);
    assert_eq!(found.len(), expected.len(), "attributed conversions");
    for row in found {
        let id = row[0].parse().expect("an id");
        let amount = |text: &str| text.parse::<schemas::decimal::Amount>().expect("an amount");
        let found = log::Expected { publisher: row[1].clone(), commission: amount(&row[2]), payout: amount(&row[3]) };
        assert_eq!(Some(&found), expected.get(&id), "conversion {id}");
    }
    assert_eq!(installation.rows("SELECT currency FROM {db}.books WHERE difference != 0"), Vec::<Vec<String>>::new());
}

#[test]
fn a_processor_and_a_sink_killed_again_and_again_leave_what_an_undisturbed_run_leaves() {
    let mut chance = Chance::seeded();
    let mut disturbed = Installation::new("disturbed");
    disturbed.start_all();
    replay_and_kill(&mut disturbed, &[Role::Processor, Role::Sinks], &mut chance);
    decisions_follow_from_the_log(&disturbed);

    let mut calm = Installation::on(disturbed.stack.clone(), "calm");
    log::copy_inputs(&disturbed, &calm);
    calm.start(Role::Processor);
    calm.start(Role::Sinks);
    for sql in [DECISIONS, BALANCES, CREDITS] {
        let expected = disturbed.rows(sql);
        assert!(!expected.is_empty(), "{sql}");
        calm.wait_for(&format!("the same rows of {sql}"), || calm.rows(sql) == expected);
    }
}

#[test]
fn an_edge_killed_again_and_again_keeps_what_it_acknowledged() {
    let mut chance = Chance::seeded();
    let mut installation = Installation::new("edgekill");
    installation.start_all();
    replay_and_kill(&mut installation, &[Role::Edge], &mut chance);
    decisions_follow_from_the_log(&installation);
}
