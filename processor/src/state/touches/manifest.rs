//! Which runs are the state, and where in `clicks` they end: one small file, replaced as a whole.
//!
//! **Invariant:** a run is named here only when it is on the disk, and the position moves only together with the runs
//! that it stands for. Files that are not named here are leftovers of a crash.

use crate::state::StoreError;
use crate::state::touches::run::failed;
use schemas::offset::NextOffset;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

const FORMAT: u32 = 1;
const NAME: &str = "manifest.json";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The offset behind the last click whose touch is in a run.
    next: i64,
    /// By bucket and number.
    pub runs: Vec<(u32, u64)>,
    /// Touches of earlier buckets have expired.
    pub first_bucket: u32,
}

impl Manifest {
    pub fn new(next: NextOffset, runs: Vec<(u32, u64)>, first_bucket: u32) -> Self {
        Manifest { format: FORMAT, next: next.0, runs, first_bucket }
    }

    pub fn next(&self) -> NextOffset {
        NextOffset(self.next)
    }

    /// That of the folder, or an empty one.
    pub fn read(folder: &Path) -> Result<Self, StoreError> {
        let text = match std::fs::read(folder.join(NAME)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Manifest::new(NextOffset(0), Vec::new(), 0));
            }
            Err(error) => return Err(failed("read the manifest of touches")(error)),
        };
        let corrupt = |reason: String| StoreError::Corrupt { what: "the manifest of touches", reason };
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| corrupt(error.to_string()))?;
        if manifest.format == FORMAT { Ok(manifest) } else { Err(corrupt(format!("format {}", manifest.format))) }
    }

    /// Replaces the folder's manifest; the runs that it names are in the folder already.
    pub fn write(&self, folder: &Path) -> Result<(), StoreError> {
        let temporary = folder.join("manifest.new");
        let replace = || {
            let mut file = File::create(&temporary)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_all()?;
            File::open(folder)?.sync_all()?;
            std::fs::rename(&temporary, folder.join(NAME))?;
            File::open(folder)?.sync_all()
        };
        replace().map_err(failed("write the manifest of touches"))
    }
}
