//! Why a look at history ends without an answer.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("Kafka: {0}")]
    Kafka(#[from] kafka::Error),

    #[error("{0}; `--scan` does without ClickHouse and reads the topics whole")]
    Index(sinks::Error),

    #[error("topic {0} does not exist; run `tributary topics create`")]
    NoTopic(String),

    #[error(
        "no decision about {name:?}: no order, event or conversion of this id has been decided. An event that was refused \
         is in table `rejected`; a refund whose sale never came decides nothing"
    )]
    Unknown { name: String },

    #[error(
        "{name:?} is several conversions, pick one by --advertiser (and --tenant) or by its conversion id:\n{list}"
    )]
    Several { name: String, list: String },

    #[error("{topic} {partition}:{offset} is not there any more; `--scan` reads what is")]
    Gone { topic: String, partition: i32, offset: i64 },

    #[error("--{option}: {given:?}: {reason}")]
    BadOption { option: &'static str, given: String, reason: String },

    #[error("{path}: {reason}")]
    BadFile { path: PathBuf, reason: String },

    #[error("stopped; nothing was written")]
    Stopped,
}
