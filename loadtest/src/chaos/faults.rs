//! The plan of faults: a pure function of the seed. Two processes, A and B, of which at least one is meant to run.

use super::chance::Chance;
use std::fmt;
use std::time::Duration;

/// One of the two processes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Who {
    A,
    B,
}

impl Who {
    pub const BOTH: [Who; 2] = [Who::A, Who::B];

    pub fn other(self) -> Who {
        match self {
            Who::A => Who::B,
            Who::B => Who::A,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// kill -9, and a start under the same instance after a pause.
    KillAndRestart(Who, Duration),
    /// SIGSTOP for longer than the session timeout, while the other process takes over; then SIGCONT: a zombie.
    Zombie(Who, Duration),
    /// A process that was away joins; `fresh`: its store was lost.
    Join { who: Who, fresh: bool },
    /// SIGTERM; the process stays away.
    Leave(Who),
    /// kill -9; the process stays away.
    Vanish(Who),
    /// kill -9 of the broker, and a start after a pause.
    Broker(Duration),
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Fault::KillAndRestart(..) => "kill",
            Fault::Zombie(..) => "zombie",
            Fault::Join { .. } => "join",
            Fault::Leave(_) => "leave",
            Fault::Vanish(_) => "vanish",
            Fault::Broker(_) => "broker",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::KillAndRestart(who, pause) => write!(out, "kill -9 {who:?}, restart after {pause:?}"),
            Fault::Zombie(who, stopped) => write!(out, "SIGSTOP {who:?} for {stopped:?}"),
            Fault::Join { who, fresh: true } => write!(out, "{who:?} joins with an empty store"),
            Fault::Join { who, fresh: false } => write!(out, "{who:?} joins"),
            Fault::Leave(who) => write!(out, "{who:?} leaves by SIGTERM"),
            Fault::Vanish(who) => write!(out, "{who:?} leaves by kill -9"),
            Fault::Broker(pause) => write!(out, "kill -9 broker, restart after {pause:?}"),
        }
    }
}

/// A fault with what comes after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    pub fault: Fault,
    /// Whether the next fault waits until every partition decides again; else it falls into this one's recovery.
    pub await_recovery: bool,
    pub pause: Duration,
}

/// What a deck of cards holds; joins are added where a card needs two processes.
const DECK: [(Card, usize); 5] =
    [(Card::Kill, 8), (Card::Zombie, 3), (Card::Leave, 2), (Card::Vanish, 2), (Card::Broker, 4)];

#[derive(Clone, Copy)]
enum Card {
    Kill,
    Zombie,
    Leave,
    Vanish,
    Broker,
}

/// The first `count` faults of the seed. A runs at the beginning, B does not.
pub fn plan(seed: u64, count: usize) -> Vec<Step> {
    let mut chance = Chance::new(seed, u64::from_be_bytes(*b"faults.."));
    let mut present = vec![Who::A];
    let mut steps = Vec::with_capacity(count);
    let mut deck = Vec::new();
    while steps.len() < count {
        let card = deck.pop().unwrap_or_else(|| {
            deck = DECK.iter().flat_map(|(card, copies)| vec![*card; *copies]).collect();
            chance.shuffle(&mut deck);
            deck.pop().unwrap_or(Card::Kill)
        });
        let needs_both = matches!(card, Card::Zombie | Card::Leave | Card::Vanish);
        if needs_both && present.len() == 1 {
            let who = present[0].other();
            present.push(who);
            let fresh = chance.percent(25);
            steps.push(step(Fault::Join { who, fresh }, &mut chance));
        }
        let at = chance.place(present.len());
        let fault = match card {
            Card::Kill => Fault::KillAndRestart(present[at], millis(&mut chance, 0, 500)),
            Card::Zombie => Fault::Zombie(present[at], millis(&mut chance, 7000, 9000)),
            Card::Leave => Fault::Leave(present.remove(at)),
            Card::Vanish => Fault::Vanish(present.remove(at)),
            Card::Broker => Fault::Broker(millis(&mut chance, 0, 1000)),
        };
        steps.push(step(fault, &mut chance));
    }
    steps.truncate(count);
    steps
}

fn step(fault: Fault, chance: &mut Chance) -> Step {
    Step { fault, await_recovery: chance.percent(70), pause: millis(chance, 200, 1800) }
}

fn millis(chance: &mut Chance, from: u64, to: u64) -> Duration {
    Duration::from_millis(chance.within(from..to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_faults_of_any_seed_hold_every_kind_and_never_stop_the_last_process() {
        for seed in 0..200 {
            let steps = plan(seed, 50);
            assert_eq!(steps, plan(seed, 50), "seed {seed}");
            assert_eq!(steps[..20], plan(seed, 20), "seed {seed}: a shorter plan is the longer one's beginning");
            let mut present = vec![Who::A];
            for Step { fault, .. } in &steps {
                match fault {
                    Fault::Join { who, .. } => {
                        assert!(!present.contains(who), "seed {seed}");
                        present.push(*who);
                    }
                    Fault::Leave(who) | Fault::Vanish(who) => {
                        assert_eq!(present.len(), 2, "seed {seed}");
                        present.retain(|other| other != who);
                    }
                    Fault::Zombie(who, stopped) => {
                        assert!(present.contains(&who.other()) && stopped.as_secs() > 6, "seed {seed}");
                    }
                    Fault::KillAndRestart(who, _) => assert!(present.contains(who), "seed {seed}"),
                    Fault::Broker(_) => {}
                }
            }
            for kind in ["kill", "zombie", "join", "leave", "vanish", "broker"] {
                assert!(steps.iter().filter(|step| step.fault.name() == kind).count() >= 2, "seed {seed}: {kind}");
            }
        }
    }
}
