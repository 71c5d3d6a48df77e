//! What the generator says must come out, under the reading that waits for late clicks (`event_time`).

use crate::bench::BenchError;
use serde::{Deserialize, Serialize};
use std::path::Path;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub clicks: u64,
    /// Deliveries, repeated ones included.
    pub events: u64,
    pub distinct_conversions: u64,
    pub attributed_event_time: u64,
    /// Minor units, before the platform's share.
    pub commission_event_time: i128,
}

impl Manifest {
    pub fn read(path: &Path) -> Result<Self, BenchError> {
        let text = std::fs::read(path).map_err(|error| BenchError::file("read", path, error))?;
        serde_json::from_slice(&text).map_err(|error| BenchError::Manifest { path: path.to_owned(), error })
    }

    pub fn write(&self, path: &Path) -> Result<(), BenchError> {
        let text = serde_json::to_string(self);
        let text = text.map_err(|error| BenchError::Manifest { path: path.to_owned(), error })?;
        std::fs::write(path, text + "\n").map_err(|error| BenchError::file("write", path, error))
    }
}
