//! Exclusive file locks: one operation on a stack at a time, one filler of the cache at a time. The kernel drops a
//! lock with the process that held it, so a crash leaves none behind.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Error, IoContext};
use crate::progress::Progress;

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl Lock {
    /// Waits for the lock file at `path`; says so through `progress` when it is not to be had at once.
    pub fn acquire(path: &Path, progress: &Progress) -> Result<Self, Error> {
        loop {
            let file = File::options().create(true).append(true).open(path).at("open lock file", path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    progress.note(&format!("waiting for another process that holds {}", path.display()));
                    file.lock().at("lock", path)?;
                }
                Err(TryLockError::Error(source)) => return Err(source).at("lock", path),
            }
            // `reset` deletes the lock file while it holds it: whoever waited then owns a file without a name,
            // which keeps nobody out.
            if same_file(&file, path) {
                return Ok(Lock(file));
            }
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).at("create folder", parent)?;
            }
        }
    }
}

fn same_file(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(named)) => held.ino() == named.ino() && held.dev() == named.dev(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_on_a_deleted_file_keeps_nobody_out_and_is_taken_again() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("lock");
        let quiet = Progress::new(true);
        let first = Lock::acquire(&path, &quiet).expect("first");
        let waiter = std::thread::spawn({
            let path = path.clone();
            move || Lock::acquire(&path, &Progress::new(true)).map(|_| path.exists())
        });
        fs::remove_file(&path).expect("remove");
        drop(first);
        assert!(waiter.join().expect("waiter").expect("second lock"));
    }
}
