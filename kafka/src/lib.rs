//! The door to Kafka: clients with their settings, transactions, kinds of errors, topics, the catalog's reader and
//! writer. No other crate names a librdkafka setting.

pub mod admin;
pub mod batch;
pub mod catalog;
pub mod command;
pub mod ends;
pub mod error;
pub mod group;
pub mod journal;
pub mod position;
pub mod producer;
pub mod progress;
pub mod queue;
pub mod range;
pub mod settings;
pub mod sink;
pub mod tail;
pub mod transaction;

pub use error::{Error, Kind};
pub use settings::KafkaConfig;
