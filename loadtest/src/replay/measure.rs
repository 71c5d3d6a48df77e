//! Latencies as histograms, and the client's own CPU time.

use crate::record::Latency;
use hdrhistogram::Histogram;
use std::time::Duration;

/// The longest that is told apart: an event may be retried for minutes.
const LONGEST_US: u64 = 600_000_000;

/// Microseconds, with three digits.
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Latencies(
            Histogram::new_with_bounds(1, LONGEST_US, 3).expect("bounds are constant: 1 to 600,000,000, 3 digits"),
        )
    }
}

impl Latencies {
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record(latency.as_micros().clamp(1, u128::from(LONGEST_US)) as u64);
    }

    pub fn clear(&mut self) {
        self.0.reset();
    }

    pub fn summary(&self) -> Latency {
        let ms = |quantile| self.0.value_at_quantile(quantile) as f64 / 1000.0;
        Latency {
            samples: self.0.len(),
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            p999_ms: ms(0.999),
            max_ms: self.0.max() as f64 / 1000.0,
        }
    }
}

/// CPU time of the calling thread, which is the whole client: proc(5), `schedstat`'s first figure is nanoseconds. `None`
/// where the kernel does not keep it.
pub fn thread_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
