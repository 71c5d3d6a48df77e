//! Where the servers of a stack are reached; `endpoints.json` in its folder is the one record of the ports.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext};

/// Addresses of a stack, all on loopback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// For Kafka clients: `127.0.0.1:19092`.
    pub kafka_bootstrap: String,
    /// KRaft's own listener; clients never use it.
    pub kafka_controller_port: u16,
    /// ClickHouse over HTTP: `http://127.0.0.1:18123`.
    pub clickhouse_http: String,
    /// ClickHouse's native protocol, for `clickhouse-client`.
    pub clickhouse_tcp_port: u16,
}

impl Endpoints {
    pub(crate) fn new(kafka: u16, controller: u16, http: u16, tcp: u16) -> Self {
        Endpoints {
            kafka_bootstrap: format!("127.0.0.1:{kafka}"),
            kafka_controller_port: controller,
            clickhouse_http: format!("http://127.0.0.1:{http}"),
            clickhouse_tcp_port: tcp,
        }
    }

    /// The ports of a stack that was told none.
    pub(crate) fn usual() -> Self {
        Endpoints::new(19092, 19093, 18123, 19000)
    }

    pub(crate) fn kafka_port(&self) -> u16 {
        port_of(&self.kafka_bootstrap)
    }

    pub(crate) fn clickhouse_http_port(&self) -> u16 {
        port_of(&self.clickhouse_http)
    }

    pub(crate) fn save(&self, dir: &Path) -> Result<(), Error> {
        let path = file(dir);
        let fresh = path.with_extension("json.new");
        let text = serde_json::to_vec_pretty(self).expect("strings and numbers always serialise");
        fs::write(&fresh, text).at("write", &fresh)?;
        // Renamed, so that a reader sees the old record or the new one and never half of one.
        fs::rename(&fresh, &path).at("rename to", &path)
    }
}

/// 0, which is never free and never answers, for an address that someone edited beyond recognition.
fn port_of(address: &str) -> u16 {
    address.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0)
}

pub(crate) fn file(dir: &Path) -> PathBuf {
    dir.join("endpoints.json")
}

/// The addresses that the stack in `dir` was last started with, running or not; `None` when it never was.
pub fn endpoints(dir: &Path) -> Option<Endpoints> {
    serde_json::from_slice(&fs::read(file(dir)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_read_back() {
        let dir = tempfile::tempdir().expect("temp dir");
        assert_eq!(endpoints(dir.path()), None);
        let saved = Endpoints::new(1, 2, 3, 4);
        saved.save(dir.path()).expect("save");
        assert_eq!(endpoints(dir.path()), Some(saved.clone()));
        assert_eq!((saved.kafka_port(), saved.clickhouse_http_port()), (1, 3));
    }
}
