//! The process's metrics in Prometheus' text format.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use std::time::Duration;

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Seconds; names of durations end in `_seconds`.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Installs the recorder of this process, once, and returns its handle.
pub fn handle() -> &'static PrometheusHandle {
    HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        let builder = builder
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Another recorder in the process (a test's) keeps what it gets; ours then renders nothing.
        let _ = metrics::set_global_recorder(recorder);
        handle
    })
}

/// How often `upkeep` is due.
pub const UPKEEP: Duration = Duration::from_secs(5);

/// Drains histograms: without it they keep every sample until somebody looks at the page.
pub fn upkeep() {
    handle().run_upkeep();
}

/// The text that `/metrics` answers.
pub fn render() -> String {
    upkeep();
    handle().render()
}
