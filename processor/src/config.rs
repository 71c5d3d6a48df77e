//! `[processor]` of the configuration.

use serde::Deserialize;
use service::HumanDuration;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who this process is among the group's members, the same after a restart: it takes its partitions and its
    /// store back, and fences its own zombie.
    pub instance: String,
    /// Where the state is kept; lost state is rebuilt from Kafka.
    pub state_dir: PathBuf,
    pub threads: usize,
    /// Longest time between a record and the commit of what follows from it.
    pub commit_interval: HumanDuration,
    /// How often memory is written to disk, which bounds what a restart reads again.
    pub checkpoint_interval: HumanDuration,
    /// RocksDB's block cache for all partitions of the process, in MiB.
    pub block_cache_mib: usize,
    /// State that is committed and not on the disk yet, for all partitions of the process, in MiB.
    pub write_buffers_mib: usize,
    /// Touches that are not on the disk yet, for all partitions of the process, in MiB.
    pub touch_index_mib: usize,
    /// What one thread changes and sends within one transaction, in MiB: a transaction that reaches it is committed.
    pub interval_mib: usize,
    /// Records of one thread on their way to Kafka, in MiB.
    pub producer_queue_mib: usize,
    /// Records of one thread that were fetched and wait to be processed, in MiB.
    pub consumer_queue_mib: usize,
    pub metrics_listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            instance: "processor-1".into(),
            state_dir: "data/processor".into(),
            threads: 1,
            commit_interval: HumanDuration::millis(50),
            checkpoint_interval: HumanDuration::millis(30_000),
            block_cache_mib: 256,
            write_buffers_mib: 256,
            touch_index_mib: 256,
            interval_mib: 64,
            producer_queue_mib: 64,
            consumer_queue_mib: 256,
            metrics_listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
        }
    }
}

const MIB_LEAST: usize = 8;
const MIB_MOST: usize = 1_048_576;

impl Config {
    /// The memory budget by its parts, in MiB.
    pub fn shares(&self) -> [(&'static str, usize); 6] {
        [
            ("block_cache_mib", self.block_cache_mib),
            ("write_buffers_mib", self.write_buffers_mib),
            ("touch_index_mib", self.touch_index_mib),
            ("interval_mib", self.interval_mib),
            ("producer_queue_mib", self.producer_queue_mib),
            ("consumer_queue_mib", self.consumer_queue_mib),
        ]
    }

    /// What the process may hold at most of what grows with its work, in MiB. Code, threads, indexes of open files and
    /// the catalog come on top: 100 MiB and about 1 KiB a link.
    pub fn memory_mib(&self) -> usize {
        let of_process = self.block_cache_mib + self.write_buffers_mib + self.touch_index_mib;
        let of_thread = self.interval_mib + self.producer_queue_mib + self.consumer_queue_mib;
        of_process + self.threads * of_thread
    }

    /// What serde cannot see.
    pub fn check(&self) -> Result<(), String> {
        let mut errors = Vec::new();
        if !(1..=64).contains(&self.threads) {
            errors.push(format!("threads {} is not between 1 and 64", self.threads));
        }
        let interval = self.commit_interval.0;
        // An interval must end well before the broker gives a transaction up.
        if interval < Duration::from_millis(1) || interval > Duration::from_secs(5) {
            errors.push(format!("commit_interval {interval:?} is not between 1ms and 5s"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !(1..=100).contains(&self.instance.len()) || !self.instance.bytes().all(plain) {
            errors.push(format!("instance {:?} is not 1 to 100 of A-Z a-z 0-9 - _ .", self.instance));
        }
        for (name, mib) in self.shares() {
            // librdkafka takes queue sizes in KiB up to 2^31 - 1.
            if !(MIB_LEAST..=MIB_MOST).contains(&mib) {
                errors.push(format!("{name} {mib} is not between {MIB_LEAST} and {MIB_MOST}"));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }
}
