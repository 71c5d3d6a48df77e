//! Chaos: a stream of clicks and events goes into real Kafka while processors and broker are killed, frozen, added and
//! removed; at the end everything that was decided and booked is held against the plan (P2, P3).
//!
//! Owns: the plan of visits and what must become of them, the plan of faults, the processes it does them to, the audit.
//! The plans are pure functions of the seed; when what happens is not.

mod audit;
mod books;
pub(crate) mod chance;
pub mod cli;
mod expectation;
pub mod faults;
pub(crate) mod feeder;
mod member;
mod outcome;
pub mod recovery;
pub(crate) mod site;
mod storm;
pub(crate) mod stream;
mod verdicts;
pub(crate) mod visit;
mod watch;

pub use outcome::Outcome;
pub use storm::{Options, run};
