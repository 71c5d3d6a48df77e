//! The catalog topic: its reader, which every role has, and its writer, which applies a YAML file as a whole.
//!
//! Leaves to others: what a version means and who sees which (`schemas::catalog`).

pub mod apply;
pub mod contracts;
pub mod file;
pub mod plan;
pub mod problem;
pub mod reader;

mod follower;
mod secrets;
pub(crate) mod writer;

pub use apply::{Applied, ApplyError, apply};
pub use reader::CatalogReader;
pub use writer::{read, write};
