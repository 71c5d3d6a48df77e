//! The processor's benchmark: the peers' workload in our own records, one measured run, its check.
//!
//! ```text
//! workload      journeys and the order of their arrival      meter      one measured run, start to quiescence
//! peer, maker   a peer's record, and ours made of it         process    a child's CPU, memory and folder
//! generate      the workload as our records                  metrics    a role's page, and quantiles of its histograms
//! translate     the topics of the peers' generator as ours   check      decisions and journal against the manifest
//! installation  names, catalog and topics of the benchmark   latency    event to decision at a given load
//! arrivals      partitions merged in order of arrival        growth     the cost of a record by the size of the state
//! ```
//!
//! It knows the processor by its command line, its group, its topics and its metrics.

pub mod arrivals;
pub mod check;
pub mod cli;
pub mod generate;
pub mod growth;
pub mod installation;
pub mod latency;
pub mod maker;
pub mod manifest;
pub mod meter;
pub mod metrics;
pub mod peer;
pub mod process;
pub mod random;
pub mod report;
pub mod translate;
pub mod workload;

use schemas::id::JourneyId;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error(transparent)]
    Topics(#[from] kafka::admin::Error),
    #[error(transparent)]
    Catalog(#[from] kafka::catalog::ApplyError),
    #[error(transparent)]
    Peer(#[from] peer::BadPeerRecord),
    #[error(transparent)]
    Name(#[from] schemas::name::BadName),
    #[error(transparent)]
    Currency(#[from] schemas::decimal::BadCurrency),
    #[error("{what}: {error}")]
    Decode { what: String, error: schemas::codec::DecodeError },
    #[error("event {event}: no click of journey {journey} occurred before it")]
    NoClick { event: String, journey: JourneyId },
    #[error("cannot {what} {path}: {error}")]
    File { what: &'static str, path: PathBuf, error: std::io::Error },
    #[error("{path}: {error}")]
    Manifest { path: PathBuf, error: serde_json::Error },
    #[error("the processor {0}; its log: {log}", log = .1.display())]
    Processor(String, PathBuf),
    #[error("the set has {records} records left, {of} are needed")]
    TooFew { records: usize, of: usize },
    #[error("a record was not written: {0}")]
    Undelivered(String),
    /// Of a reader that is not needed any more.
    #[error("over")]
    Over,
    #[error("{what} of process {pid}: {reason}")]
    Unmeasured { what: &'static str, pid: u32, reason: String },
    #[error("http://{address}/metrics: {reason}")]
    Page { address: std::net::SocketAddr, reason: String },
}

impl BenchError {
    pub fn file(what: &'static str, path: &Path, error: std::io::Error) -> Self {
        BenchError::File { what, path: path.to_owned(), error }
    }
}
