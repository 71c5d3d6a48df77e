//! The wire contract of Tributary: what travels through Kafka and how it is named.
//!
//! Owns: Avro schemas and their codec, ids, times, money, topic names and keys, click tokens, the catalog's
//! versioned view. Leaves to others: every rule (`domain`), every socket (`kafka`, `edge`, `sinks`).
//!
//! **Architecture invariant:** no I/O, no async, no clock, no random source. Times and random bytes are arguments.

pub mod catalog;
pub mod codec;
pub mod decimal;
pub mod evidence;
pub mod id;
pub mod key;
pub mod limits;
pub mod mark;
pub mod name;
pub mod offset;
pub mod placeholder;
pub mod record;
pub mod time;
pub mod token;
pub mod topic;
