//! `[sinks]` and `[clickhouse]` of the configuration, and the limits of a sink.

use crate::error::Error;
use clickhouse::Client;
use serde::Deserialize;
use service::HumanDuration;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Bytes of Kafka values in one insert. Rows take about three times as much memory.
pub(crate) const RANGE_BYTES: usize = 16 << 20;

/// Bytes of Kafka values held in all partitions together before reading pauses: with rows about three times as large,
/// and what is read ahead (4 MiB a partition), a sink stays below one gigabyte.
pub(crate) const HELD_BYTES: usize = 128 << 20;

/// What a row costs beside its record's bytes: ids, numbers and the heads of its strings.
pub(crate) const ROW_BYTES: usize = 200;

/// Inserts at once: ClickHouse merges fewer large parts more cheaply than many small ones, and this process has one
/// thread to serialise them.
pub(crate) const INSERTS_AT_ONCE: usize = 4;

/// The most rows that one insert may be configured to have. One record adds up to 1,270 rows (5 models of 254
/// touches) to it; one block holds both.
const MAX_ROWS: usize = 500_000;

/// Rows of one block: more than any insert has, so that an insert is one block.
pub(crate) const BLOCK_ROWS: usize = 1_000_000;

/// `[sinks]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long records wait for more before they are inserted.
    pub flush_interval: HumanDuration,
    /// Rows of one insert, at most; fewer when records are large.
    pub max_rows: usize,
    /// `/health` and `/metrics`.
    pub metrics_listen: SocketAddr,
    /// This process among those of the group: after a crash the one that starts under the same name takes its
    /// partitions at once. No two may run under one name.
    pub instance: String,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            flush_interval: HumanDuration::millis(1000),
            max_rows: 50_000,
            metrics_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9465)),
            instance: "sinks-1".into(),
        }
    }
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let bad = |key, reason: String| Err(Error::BadConfig { key, reason });
        if !(1..=MAX_ROWS).contains(&self.max_rows) {
            return bad("sinks.max_rows", format!("{} is not in 1..={MAX_ROWS}", self.max_rows));
        }
        let longest = Duration::from_secs(60);
        if self.flush_interval.0 > longest {
            return bad("sinks.flush_interval", format!("{:?} is longer than {longest:?}", self.flush_interval.0));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !(1..=100).contains(&self.instance.len()) || !self.instance.bytes().all(plain) {
            return bad("sinks.instance", format!("{:?} is not 1 to 100 of A-Z a-z 0-9 - _ .", self.instance));
        }
        Ok(())
    }
}

/// `[clickhouse]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClickHouseConfig {
    /// `http://host:8123`; plain HTTP.
    pub url: String,
    #[serde(default = "database")]
    pub database: String,
    #[serde(default = "user")]
    pub user: String,
    /// Its first line is the password; none means no password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
}

fn database() -> String {
    "tributary".into()
}

fn user() -> String {
    "default".into()
}

impl ClickHouseConfig {
    /// A client that names no database: the one configured may not exist yet.
    pub(crate) fn bare_client(&self) -> Result<Client, Error> {
        let name = self.database.as_bytes();
        if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            let reason = format!("{:?} is not made of A-Z a-z 0-9 _", self.database);
            return Err(Error::BadConfig { key: "clickhouse.database", reason });
        }
        if !self.url.starts_with("http://") {
            let reason = format!("{:?} does not begin with http://", self.url);
            return Err(Error::BadConfig { key: "clickhouse.url", reason });
        }
        let mut client = Client::default().with_url(&self.url).with_user(&self.user);
        if let Some(path) = &self.password_file {
            let text =
                std::fs::read_to_string(path).map_err(|source| Error::PasswordFile { path: path.clone(), source })?;
            client = client.with_password(text.lines().next().unwrap_or_default());
        }
        Ok(client)
    }

    pub(crate) fn client(&self) -> Result<Client, Error> {
        Ok(self.bare_client()?.with_database(&self.database))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_setting_is_named_with_its_value() {
        let fine = Config::default;
        for (config, expected) in [
            (fine(), None),
            (Config { max_rows: 0, ..fine() }, Some("sinks.max_rows: 0 is not in 1..=500000")),
            (
                Config { flush_interval: HumanDuration::millis(90_000), ..fine() },
                Some("sinks.flush_interval: 90s is longer than 60s"),
            ),
            (
                Config { instance: "a b".into(), ..fine() },
                Some("sinks.instance: \"a b\" is not 1 to 100 of A-Z a-z 0-9 - _ ."),
            ),
        ] {
            assert_eq!(config.check().err().map(|error| error.to_string()).as_deref(), expected);
        }
    }
}
