//! The edge under load: what a request costs beside bare nginx and other collectors, and what is left of what it
//! acknowledged after everything around it was broken (P1).
//!
//! ```text
//! generator   requests at their times on many connections   bench     rounds of the servers, one beside the other
//! answer      HTTP answers as they come                      figures   what was measured, and the goals
//! traffic     clicks and events as the benchmark sends them
//! server      the edge, nginx, peers, from outside           storm     faults under load
//! site        a broker, topics, a catalog, keys              plan      which, and when
//!                                                            visitors  what is asked meanwhile, and told
//! volume      the spool's disk, which can be filled          journal   what was acknowledged: the oracle
//!                                                            audit     the journal against what Kafka holds
//! ```
//!
//! It knows the edge by its command line, its HTTP and its topics.

mod answer;
mod audit;
mod bench;
pub mod cli;
mod figures;
mod generator;
mod journal;
mod plan;
mod server;
mod site;
mod storm;
mod traffic;
mod visitors;
mod volume;
