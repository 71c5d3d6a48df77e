//! What a chaos run came to: its figures, and the story of its faults for a person.

use super::audit::Findings;
use super::watch::Recovery;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// A fault that was done, or another moment after which decisions may pause.
#[derive(Debug)]
pub struct Done {
    /// Seconds after the first fault.
    pub at: Duration,
    pub what: String,
    pub kind: &'static str,
    /// A thawed zombie's return is watched too, but is part of its fault.
    pub counts: bool,
    pub recovery: Recovery,
}

#[derive(Debug)]
pub struct Outcome {
    pub seed: u64,
    pub clicks: u64,
    pub conversions: u64,
    pub done: Vec<Done>,
    /// Processes that ended although nobody ended them, and were started again.
    pub ended_by_themselves: u64,
    /// From the start of a killed broker to its first answer: a part of what its clients waited, and none of ours.
    pub slowest_broker_start: Option<Duration>,
    /// Records whose acknowledgement was lost, written again.
    pub rewritten: u64,
    pub findings: Findings,
    pub took: Duration,
    /// From the last fault to the last decision.
    pub drained: Duration,
}

impl Outcome {
    pub fn faults(&self) -> usize {
        self.done.iter().filter(|done| done.counts).count()
    }

    /// Nothing lost, doubled or wrong, and decisions came again after each fault.
    pub fn ok(&self) -> bool {
        self.findings.clean() && self.done.iter().all(|done| done.recovery.first.is_some())
    }

    pub fn figures(&self) -> Value {
        let firsts = self.sorted(|recovery| recovery.first);
        let wholes = self.sorted(|recovery| recovery.whole);
        let kinds = ["kill", "zombie", "join", "leave", "vanish", "broker"];
        let of_kind = |kind| self.done.iter().filter(|done| done.kind == kind).count();
        let mut figures = json!({
            "faults": self.faults(),
            "clicks": self.clicks,
            "conversions": self.conversions,
            "decisions": self.findings.decisions,
            "entries": self.findings.entries,
            "lost": self.findings.lost,
            "doubled": self.findings.doubled,
            "wrong": self.findings.wrong,
            "recovery_p50_ms": percentile(&firsts, 50),
            "recovery_p99_ms": percentile(&firsts, 99),
            "whole_recovery_p50_ms": percentile(&wholes, 50),
            "whole_recovery_p99_ms": percentile(&wholes, 99),
            "ended_by_themselves": self.ended_by_themselves,
            "slowest_broker_start_ms": self.slowest_broker_start.map(|took| took.as_millis() as u64),
            "rewritten": self.rewritten,
            "drained_s": self.drained.as_secs(),
            "seconds": self.took.as_secs(),
        });
        for kind in kinds {
            figures[format!("{kind}_faults")] = json!(of_kind(kind));
        }
        figures
    }

    fn sorted(&self, of: fn(&Recovery) -> Option<Duration>) -> Vec<Duration> {
        let mut all: Vec<Duration> = self.done.iter().filter_map(|done| of(&done.recovery)).collect();
        all.sort();
        all
    }
}

/// The value that so many per cent do not exceed, in milliseconds; null of nothing.
fn percentile(sorted: &[Duration], percent: usize) -> Value {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(Value::Null, |value| json!(value.as_millis() as u64))
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |took: Option<Duration>| took.map_or("never".into(), |took| format!("{:.2} s", took.as_secs_f64()));
        writeln!(out, "{:>8}  {:<42} {:>9} {:>9}", "at", "fault", "first", "all")?;
        for Done { at, what, recovery, .. } in &self.done {
            let (first, whole) = (shown(recovery.first), shown(recovery.whole));
            writeln!(out, "{:>6.1} s  {what:<42} {first:>9} {whole:>9}", at.as_secs_f64())?;
        }
        writeln!(out, "(first: until the next new decision; all: until each partition had one)")?;
        writeln!(
            out,
            "seed {}: {} faults, {} clicks, {} conversions in {} s, drained {} s after the last fault; {} processes \
             ended by themselves",
            self.seed,
            self.faults(),
            self.clicks,
            self.conversions,
            self.took.as_secs(),
            self.drained.as_secs(),
            self.ended_by_themselves
        )?;
        write!(out, "{}", self.findings)
    }
}
