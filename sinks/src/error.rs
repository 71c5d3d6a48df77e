//! Why a sink ends. What heals by itself (ClickHouse or Kafka away) is waited out and is not here.

use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{key}: {reason}")]
    BadConfig { key: &'static str, reason: String },

    #[error("cannot read the password file {path}: {source}")]
    PasswordFile { path: PathBuf, source: std::io::Error },

    #[error("cannot serve health and metrics on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },

    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),

    #[error("topic {0} does not exist; run `tributary topics create`")]
    NoTopic(String),

    #[error("{}; run `tributary tables create`", .0.join("; "))]
    TablesDoNotFit(Vec<String>),

    /// Also that another process runs under this one's name.
    #[error(transparent)]
    Kafka(#[from] kafka::Error),

    /// Going on would lose or double what lies between.
    #[error(
        "{place}: the group's next offset is {wanted}, but Kafka holds {first} to {end}: records expired before they \
         were loaded, or the topic was made anew; see \"A lost position\" in docs/clickhouse.md"
    )]
    PositionLost { place: String, wanted: i64, first: i64, end: i64 },

    #[error("{place}: the group's commit holds {metadata:?}, which no sink wrote")]
    ForeignCommit { place: String, metadata: String },

    /// An answer of ClickHouse to what is asked once: creating or checking tables.
    #[error("ClickHouse, {doing}: {source}")]
    ClickHouse { doing: String, source: clickhouse::error::Error },
}
