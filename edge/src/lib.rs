//! The edge: redirects and events come in over HTTP and are answered when Kafka has them, or the spool.
//!
//! Owns: listening, what a request may look like, links and API keys as an index, destinations, the parsing of events,
//! acknowledgement. Leaves to others: who earns what (`domain`), how records look (`schemas`), librdkafka (`kafka`).
//!
//! **Architecture invariant (P1):** a 302 with a click token, or a 2xx to an event, is sent only after Kafka's
//! acknowledgement by all in-sync replicas, or after the spool's fdatasync. One thread owns a connection and everything
//! it waits for; threads share the index, the keys and the producer, and nothing that locks on a request's path but what
//! they remember of signed requests and of such as have an Idempotency-Key (`memory`).

mod acks;
mod config;
mod connection;
mod event;
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod ids;
mod limits;
mod memory;
mod metrics;
mod recording;
mod redirect;
mod routes;
mod run;
pub mod secrets;
mod spool;
mod tls;
mod visitor;
mod wire;
mod worker;

pub use config::Config;
pub use run::{Error, run};
pub use visitor::VisitorsConfig;
