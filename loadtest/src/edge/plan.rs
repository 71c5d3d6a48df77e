//! What is done to the edge and its surroundings, and when: a pure function of the seed.

use crate::chaos::chance::Chance;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// Streams of numbers, one for each purpose.
const KILLS: u64 = 1;

/// How long before Kafka goes, and how long after it is back: a drain takes as long as what was spooled.
const CALM_SHARE: f64 = 0.25;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// kill -9, and started again at once, as a supervisor would.
    KillEdge,
    /// kill -9 of the broker; it stays away until `StartKafka`.
    StopKafka,
    StartKafka,
    /// Not one more byte fits on the spool's disk.
    FillDisk,
    MakeRoom,
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::KillEdge => "edge killed",
            Fault::StopKafka => "Kafka stopped",
            Fault::StartKafka => "Kafka started",
            Fault::FillDisk => "the spool's disk is full",
            Fault::MakeRoom => "the spool's disk has room again",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub at: Duration,
    pub fault: Fault,
}

/// Faults by time, and how long the load lasts. Kafka is away for `away`, and in the middle of that the disk is full for
/// a fifth of it; `kills` come anywhere.
pub fn plan(seed: u64, away: Duration, kills: usize) -> (Vec<Step>, Duration) {
    let calm = away.mul_f64(CALM_SHARE).max(Duration::from_secs(3));
    // The load goes on for as long again after Kafka's return: live traffic beside the drain.
    let lasts = calm + away * 2;
    let step = |at, fault| Step { at, fault };
    let mut steps = vec![
        step(calm, Fault::StopKafka),
        step(calm + away.mul_f64(0.4), Fault::FillDisk),
        step(calm + away.mul_f64(0.6), Fault::MakeRoom),
        step(calm + away, Fault::StartKafka),
    ];
    let mut chance = Chance::new(seed, KILLS);
    let end = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
    let kill = |_| step(Duration::from_millis(chance.within(1000..end)), Fault::KillEdge);
    steps.extend((0..kills).map(kill));
    steps.sort_by_key(|step| step.at);
    (steps, lasts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_plan_with_every_fault_in_it() {
        let away = Duration::from_secs(60);
        let (steps, lasts) = plan(7, away, 20);
        assert_eq!(plan(7, away, 20), (steps.clone(), lasts));
        assert_ne!(plan(8, away, 20).0, steps);
        let at = |fault| steps.iter().filter(|step| step.fault == fault).map(|step| step.at).collect::<Vec<_>>();
        let all = [Fault::StopKafka, Fault::FillDisk, Fault::MakeRoom, Fault::StartKafka].map(|fault| at(fault)[0]);
        assert!(all.is_sorted(), "{all:?}");
        assert_eq!(all[3] - all[0], away);
        assert_eq!(at(Fault::KillEdge).len(), 20);
        assert!(steps.iter().all(|step| step.at < lasts));
    }
}
