//! Whether a request shall wait for Kafka: while acknowledgements are overdue, what it would wait is known to be in vain.
//!
//! Pure: times are arguments. One per worker thread, which sees only its own records' reports.

use std::time::{Duration, Instant};

/// Waits without an acknowledgement in time after which Kafka is left alone: a pause of a broker is shorter.
const PATIENCE: u32 = 3;
/// Between two records that are sent while open, to see whether Kafka is back.
const PROBE_EVERY: Duration = Duration::from_millis(100);
/// Acknowledged in time and in a row, so that all records go to Kafka again.
const PROBES: u32 = 3;

/// Where a record goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Path {
    /// To Kafka, and to the spool after the wait.
    Kafka,
    /// To both at once.
    Probe,
    /// To the spool alone; its drain brings it to Kafka.
    Spool,
}

/// What a request or a report changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing came.
    Away,
    /// What comes, comes too late.
    Slow,
    Back,
}

#[derive(Debug)]
enum State {
    /// Since when records are overdue and none was acknowledged in time.
    Closed {
        overdue: Option<Instant>,
    },
    Open {
        probed: Instant,
        in_time: u32,
    },
}

#[derive(Debug)]
pub struct Breaker {
    /// What a request waits for Kafka.
    wait: Duration,
    /// When the last report came that said that Kafka has something.
    heard: Option<Instant>,
    state: State,
}

impl Breaker {
    pub fn new(wait: Duration) -> Breaker {
        Breaker { wait, heard: None, state: State::Closed { overdue: None } }
    }

    /// Where a request's record goes.
    pub fn path(&mut self, now: Instant) -> Path {
        match &mut self.state {
            State::Closed { .. } => Path::Kafka,
            State::Open { probed, .. } if now.duration_since(*probed) >= PROBE_EVERY => {
                *probed = now;
                Path::Probe
            }
            State::Open { .. } => Path::Spool,
        }
    }

    /// A request waited from `sent` on as long as it may, and no report came.
    pub fn overdue(&mut self, sent: Instant, now: Instant) -> Option<Change> {
        let State::Closed { overdue } = &mut self.state else { return None };
        let since = *overdue.get_or_insert(sent);
        if now.duration_since(since) < PATIENCE * self.wait {
            return None;
        }
        let silent = self.heard.is_none_or(|heard| heard < since);
        let change = if silent { Change::Away } else { Change::Slow };
        // The first probe is due after a while: this one was in vain.
        self.state = State::Open { probed: now, in_time: 0 };
        Some(change)
    }

    /// A report came of a record that was sent `took` ago.
    pub fn reported(&mut self, took: Duration, delivered: bool, now: Instant) -> Option<Change> {
        if delivered {
            self.heard = Some(now);
        }
        let good = delivered && took <= self.wait;
        match &mut self.state {
            State::Closed { overdue } if good => *overdue = None,
            State::Closed { .. } => {}
            State::Open { in_time, .. } => {
                *in_time = if good { *in_time + 1 } else { 0 };
                if *in_time >= PROBES {
                    self.state = State::Closed { overdue: None };
                    return Some(Change::Back);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(50);

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_silent_kafka_is_away_after_three_waits_and_back_after_three_probes() {
        let start = Instant::now();
        let mut breaker = Breaker::new(WAIT);
        assert_eq!(breaker.path(start), Path::Kafka);
        assert_eq!(breaker.reported(Duration::from_millis(5), true, at(start, 5)), None);
        for (sent, now, expected) in [(6, 56, None), (90, 155, None), (100, 156, Some(Change::Away)), (101, 157, None)]
        {
            assert_eq!(breaker.overdue(at(start, sent), at(start, now)), expected, "{sent}");
        }
        let paths: Vec<_> = [160, 255, 256, 300, 356].map(|millis| breaker.path(at(start, millis))).into();
        assert_eq!(paths, [Path::Spool, Path::Spool, Path::Probe, Path::Spool, Path::Probe]);
        // What was stuck comes late, or failed: Kafka is there, and not yet in time.
        assert_eq!(breaker.reported(Duration::from_millis(300), true, at(start, 400)), None);
        for (took, delivered, expected) in
            [(5, true, None), (5, false, None), (5, true, None), (5, true, None), (50, true, Some(Change::Back))]
        {
            assert_eq!(breaker.reported(Duration::from_millis(took), delivered, at(start, 500)), expected);
        }
        assert_eq!(breaker.path(at(start, 501)), Path::Kafka);
    }

    #[test]
    fn a_slow_kafka_is_left_when_none_came_in_time_for_a_while() {
        let start = Instant::now();
        for (in_time_between, expected) in [(false, true), (true, false)] {
            let mut breaker = Breaker::new(WAIT);
            let mut opened = false;
            for number in 0..100 {
                // A late one of others comes all the time.
                breaker.reported(Duration::from_millis(70), true, at(start, number * 10 + 45));
                opened |= breaker.overdue(at(start, number * 10), at(start, number * 10 + 50)) == Some(Change::Slow);
                if in_time_between && number % 8 == 0 {
                    breaker.reported(Duration::from_millis(40), true, at(start, number * 10 + 50));
                }
            }
            assert_eq!(opened, expected, "{in_time_between}");
        }
    }
}
