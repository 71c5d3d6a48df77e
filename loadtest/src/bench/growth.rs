//! How the cost of a record grows with the state: the slope of CPU over records at several numbers of clicks, out of the
//! samples of one run.

use crate::bench::meter::Sample;

/// The slope is taken between these shares of a number of clicks: wide enough for a CPU clock of hundredths of a second.
const FROM: f64 = 0.8;
const TO: f64 = 1.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub clicks: u64,
    pub cpu_s_per_million: f64,
    pub broker_cpu_s_per_million: f64,
}

/// One point for each number of clicks that the run came to.
pub fn curve(samples: &[Sample], at: &[u64]) -> Vec<Point> {
    at.iter().filter_map(|&clicks| point(samples, clicks)).collect()
}

fn point(samples: &[Sample], clicks: u64) -> Option<Point> {
    let reached = |share: f64| samples.iter().find(|sample| sample.clicks as f64 >= clicks as f64 * share);
    let (from, to) = (reached(FROM)?, reached(TO)?);
    let records = (to.clicks + to.events) - (from.clicks + from.events);
    if records == 0 {
        return None;
    }
    let per_million = |cpu: std::time::Duration| cpu.as_secs_f64() * 1e6 / records as f64;
    Some(Point {
        clicks,
        cpu_s_per_million: per_million(to.cpu - from.cpu),
        broker_cpu_s_per_million: per_million(to.broker_cpu - from.broker_cpu),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_point_is_the_slope_just_before_it() {
        let began = Instant::now();
        let sample = |clicks: u64, cpu_ms: u64| Sample {
            at: began,
            cpu: Duration::from_millis(cpu_ms),
            broker_cpu: Duration::from_millis(cpu_ms / 2),
            clicks,
            events: 0,
            committed: clicks,
        };
        // 1 us a click up to a million, 3 us from there on.
        let samples = [
            sample(0, 0),
            sample(800_000, 800),
            sample(1_000_000, 1000),
            sample(1_600_000, 2800),
            sample(2_000_000, 4000),
        ];
        let points = curve(&samples, &[1_000_000, 2_000_000, 10_000_000]);
        let costs: Vec<_> = points.iter().map(|point| (point.clicks, point.cpu_s_per_million.round())).collect();
        assert_eq!(costs, [(1_000_000, 1.0), (2_000_000, 3.0)]);
        assert_eq!(points[0].broker_cpu_s_per_million.round(), 1.0);
    }
}
