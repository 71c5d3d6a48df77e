//! The processor's figures in `/metrics`; `docs/operating.md` lists them.

use crate::runtime::owned::{Owned, Partition};
use crate::stage;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use schemas::topic::Topic;

pub const LAG: &str = "processor_lag_records";
pub const BATCH: &str = "processor_interval_records";
pub const COMMIT_SECONDS: &str = "processor_commit_seconds";
pub const INTERVAL_SECONDS: &str = "processor_interval_seconds";
pub const STATE_BYTES: &str = "processor_state_bytes";
pub const RECORDS: &str = "processor_records_total";
pub const RESTORE_DONE: &str = "processor_restore_records_done";
pub const RESTORE_TODO: &str = "processor_restore_records_todo";
pub const RESTORED: &str = "processor_restored_records_total";
pub const REBALANCES: &str = "processor_rebalances_total";
pub const ABORTED: &str = "processor_transactions_aborted_total";
pub const SESSIONS_FAILED: &str = "processor_sessions_failed_total";
pub const STORES_REBUILT: &str = "processor_stores_rebuilt_total";
pub const CHANGES_UNKNOWN: &str = "processor_changelog_records_unknown_total";
pub const TAKEN_SECONDS: &str = "processor_taken_seconds";

pub fn describe() {
    describe_gauge!(LAG, "records of a stage's input that wait to be processed");
    describe_histogram!(BATCH, "records of one input of one partition in one transaction");
    describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "from the last record of a transaction to the store's write");
    describe_histogram!(INTERVAL_SECONDS, Unit::Seconds, "from the first record of a transaction to its end");
    describe_gauge!(STATE_BYTES, Unit::Bytes, "a partition's store, on disk and in memory, as of its last checkpoint");
    describe_counter!(RECORDS, "records processed in committed transactions");
    describe_gauge!(RESTORE_DONE, "records restored since the partition was given to this process");
    describe_gauge!(RESTORE_TODO, "records that are still to be restored before the partition is processed");
    describe_counter!(RESTORED, "records restored");
    describe_counter!(REBALANCES, "what the group decided: assigned, revoked, lost");
    describe_counter!(ABORTED, "transactions that were aborted and done again");
    describe_counter!(SESSIONS_FAILED, "sessions that ended with an error, by what followed");
    describe_counter!(STORES_REBUILT, "stores that were deleted and built again from Kafka");
    describe_counter!(CHANGES_UNKNOWN, "changelog records of no table of this version, passed over");
    describe_histogram!(TAKEN_SECONDS, Unit::Seconds, "from the group's decision to processing");
    // Counters are there from the start, so that an alert on them finds them at 0.
    for kind in ["abort", "give_up", "rebuild", "no_room"] {
        counter!(SESSIONS_FAILED, "kind" => kind).increment(0);
    }
    counter!(ABORTED).increment(0);
    counter!(STORES_REBUILT).increment(0);
    counter!(CHANGES_UNKNOWN).increment(0);
    counter!(RESTORED).increment(0);
}

/// Labels of one input of one partition.
pub fn labels(topic: Topic, partition: i32) -> [(&'static str, String); 3] {
    [("stage", stage::name(topic).to_owned()), ("topic", topic.name().to_owned()), ("partition", partition.to_string())]
}

/// One partition's handles, made when it is taken: a figure on the way costs no look-up.
pub struct Gauges {
    lag: Vec<metrics::Gauge>,
    batch: Vec<metrics::Histogram>,
    records: Vec<metrics::Counter>,
    state_bytes: metrics::Gauge,
}

impl Gauges {
    pub fn new(inputs: &[Topic], partition: i32) -> Gauges {
        let labels = |topic: &Topic| labels(*topic, partition);
        Gauges {
            lag: inputs.iter().map(|topic| gauge!(LAG, &labels(topic))).collect(),
            batch: inputs.iter().map(|topic| histogram!(BATCH, &labels(topic))).collect(),
            records: inputs.iter().map(|topic| counter!(RECORDS, &labels(topic))).collect(),
            state_bytes: gauge!(STATE_BYTES, "partition" => partition.to_string()),
        }
    }

    pub fn committed(&self, input: usize, records: u64) {
        self.batch[input].record(records as f64);
        self.records[input].increment(records);
    }

    pub fn lag(&self, input: usize, records: i64) {
        self.lag[input].set(records as f64);
    }

    pub fn state(&self, bytes: u64) {
        self.state_bytes.set(bytes as f64);
    }
}

/// Another process reports them from now on.
impl Drop for Gauges {
    fn drop(&mut self) {
        self.lag.iter().chain([&self.state_bytes]).for_each(|gauge| gauge.set(0.0));
    }
}

/// Sets every lag from what the last fetches told about where partitions end.
pub fn set_lags(owned: &Owned, heard_end: impl Fn(usize, i32) -> Option<schemas::offset::NextOffset>) {
    for Partition { number, inputs, gauges, .. } in owned.partitions() {
        for (input, state) in inputs.iter().enumerate() {
            if let Some(end) = heard_end(input, *number) {
                gauges.lag(input, (end.0 - state.read.0).max(0));
            }
        }
    }
}
