//! `[processor]` of the configuration.

use serde::Deserialize;
use service::HumanDuration;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who this process is among the group's members, the same after a restart: it takes its partitions and its
    /// store back, and fences its own zombie.
    #[serde(default = "default_instance")]
    pub instance: String,
    /// Where the state is kept; lost state is rebuilt from Kafka.
    #[serde(default = "default_state_dir")]
    pub state_dir: PathBuf,
    #[serde(default = "default_threads")]
    pub threads: usize,
    /// Longest time between a record and the commit of what follows from it.
    #[serde(default = "default_commit_interval")]
    pub commit_interval: HumanDuration,
    /// How often memory is written to disk, which bounds what a restart reads again.
    #[serde(default = "default_checkpoint_interval")]
    pub checkpoint_interval: HumanDuration,
    /// RocksDB's block cache for all partitions of the process, in MiB.
    #[serde(default = "default_block_cache_mib")]
    pub block_cache_mib: usize,
    /// RocksDB's write buffers for all partitions of the process, in MiB.
    #[serde(default = "default_write_buffers_mib")]
    pub write_buffers_mib: usize,
    /// Touches that are not on the disk yet, for all partitions of the process, in MiB.
    #[serde(default = "default_touch_index_mib")]
    pub touch_index_mib: usize,
    #[serde(default = "default_metrics_listen")]
    pub metrics_listen: SocketAddr,
}

impl Config {
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
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }
}

fn default_instance() -> String {
    "processor-1".into()
}

fn default_state_dir() -> PathBuf {
    "data/processor".into()
}

fn default_threads() -> usize {
    1
}

fn default_commit_interval() -> HumanDuration {
    HumanDuration::millis(50)
}

fn default_checkpoint_interval() -> HumanDuration {
    HumanDuration::millis(30_000)
}

fn default_block_cache_mib() -> usize {
    256
}

fn default_write_buffers_mib() -> usize {
    256
}

fn default_touch_index_mib() -> usize {
    256
}

fn default_metrics_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9464))
}
