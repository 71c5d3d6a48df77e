//! How long an acknowledged conversion takes to be found in ClickHouse: a sample is asked for again and again.
//!
//! What is measured is up to one polling interval too long, never too short.

use crate::clickhouse::ClickHouse;
use crate::record::Latency;
use crate::replay::measure::Latencies;
use service::Shutdown;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// One conversion in so many: the demo has 20,000, and a p99 wants some hundreds.
const ONE_IN: u64 = 50;
const POLL: Duration = Duration::from_millis(100);
/// A query's list of ids; while the sinks stand still no more are added.
const PENDING: usize = 1000;
/// After the replay, for the last ones; a stopped replay does not wait for them.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes acknowledgements; polls on a task of its own.
pub struct Visibility {
    samples: mpsc::Sender<(String, Instant)>,
    seen: u64,
    not_sampled: u64,
    poller: JoinHandle<(Latencies, u64)>,
}

impl Visibility {
    pub fn start(clickhouse: ClickHouse, shutdown: Shutdown) -> Visibility {
        let (samples, receiver) = mpsc::channel(PENDING);
        let poller = tokio::spawn(poll(clickhouse, receiver, shutdown));
        Visibility { samples, seen: 0, not_sampled: 0, poller }
    }

    pub fn acknowledged(&mut self, event_id: String) {
        self.seen += 1;
        if self.seen % ONE_IN == 1 && self.samples.try_send((event_id, Instant::now())).is_err() {
            self.not_sampled += 1;
        }
    }

    /// The latencies, and how many never became visible or could not be sampled for that.
    pub async fn finish(self) -> (Latency, u64) {
        drop(self.samples);
        match self.poller.await {
            Ok((latencies, missing)) => (latencies.summary(), missing + self.not_sampled),
            Err(error) => {
                tracing::error!(%error, "visibility was not measured");
                (Latency::default(), self.seen.div_ceil(ONE_IN))
            }
        }
    }
}

async fn poll(
    clickhouse: ClickHouse,
    mut samples: mpsc::Receiver<(String, Instant)>,
    shutdown: Shutdown,
) -> (Latencies, u64) {
    let mut latencies = Latencies::default();
    let mut pending: HashMap<String, Instant> = HashMap::new();
    let mut ended: Option<Instant> = None;
    let mut warned = false;
    loop {
        while pending.len() < PENDING {
            match samples.try_recv() {
                Ok((event_id, at)) => _ = pending.insert(event_id, at),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    ended.get_or_insert_with(Instant::now);
                    break;
                }
            }
        }
        let enough = |ended: Instant| pending.is_empty() || ended.elapsed() > PATIENCE || shutdown.requested();
        if ended.is_some_and(enough) {
            return (latencies, pending.len() as u64);
        }
        if !pending.is_empty() {
            match found(&clickhouse, &pending).await {
                Ok(found) => {
                    found.lines().filter_map(|id| pending.remove(id)).for_each(|at| latencies.record(at.elapsed()))
                }
                // Also while the table is not there yet, or ClickHouse is restarted by a test.
                Err(error) if !warned => {
                    warned = true;
                    tracing::warn!(%error, "conversions cannot be looked for");
                }
                Err(_) => {}
            }
        }
        sleep(POLL).await;
    }
}

async fn found(clickhouse: &ClickHouse, pending: &HashMap<String, Instant>) -> Result<String, crate::Error> {
    // Event ids are letters, digits and dashes.
    let ids: Vec<String> = pending.keys().map(|id| format!("'{id}'")).collect();
    // The event of an order has a decision of its own, which says no more than that.
    let decided = "SELECT DISTINCT event_id FROM decisions WHERE outcome != 'same_as_order'";
    clickhouse.query(format!("{decided} AND event_id IN ({})", ids.join(","))).await
}
