//! The processor: join, decide and settle around the pure rules of `domain`, exactly once.
//!
//! ```text
//! runtime/   one thread = one group member + one transactional producer; owns its partitions' tasks
//! task.rs    one partition number of all stages: store, overlay, stages; records in, records out
//! stage/     the shells of join, decide, settle around `domain`
//! keeper.rs  beside them: budgets that are spent pause their campaigns
//! state/     tables and touches, the store trait with its disk and its memory twin, the overlay
//! ```
//!
//! **Architecture invariants:** a task is owned by one thread; nothing looks at a clock but the runtime's commit
//! interval; the local store is behind the changelogs or equal to them, never ahead.

pub mod config;
mod keeper;
pub mod runtime;
pub mod stage;
pub mod state;
pub mod task;

pub use config::Config;
pub use runtime::run;
