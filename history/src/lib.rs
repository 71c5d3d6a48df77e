//! What the log says, read again after the fact: why a conversion was decided as it was (`explain`), what another contract
//! would have paid (`whatif`), whether two replays agree (`hash`).
//!
//! Owns reading topics that are kept for ever with plain consumers, up to where they end now. Leaves the rules and the
//! words to `domain`. Nothing here is part of the data path: no group, no offsets, no state of its own.
//!
//! **Architecture invariant:** nothing here writes to a topic but `adjust`, and that writes commands only.

mod adjust;
pub mod cli;
mod error;
mod explain;
mod hash;
mod log;
mod progress;
mod replay;
mod report;
mod whatif;

pub use error::Error;
