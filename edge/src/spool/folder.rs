//! The spool's folder: the only place that touches its files.
//!
//! One process owns a folder, by a lock that ends with the process. A name is durable (directory fsync) before anything
//! in the file is told to anybody.

use super::format::{self, Name};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";
const ASIDE: &str = ".damaged";

/// What a spool needs of a disk; a test's fails when it is told to.
pub trait Disk: Send + 'static {
    type File: Send;

    /// A new segment with its header, durable, name and all.
    fn create(&mut self, name: Name) -> io::Result<Self::File>;
    fn append(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
    /// Returns when all that was appended survives a power loss.
    fn sync(&mut self, file: &mut Self::File) -> io::Result<()>;
    /// Shortens a segment to what is good of it, durably.
    fn cut(&mut self, name: Name, length: u64) -> io::Result<()>;
    fn read(&mut self, name: Name) -> io::Result<Vec<u8>>;
    fn remove(&mut self, name: Name) -> io::Result<()>;
    /// Keeps a damaged segment for a person, out of the spool's way.
    fn set_aside(&mut self, name: Name) -> io::Result<PathBuf>;
}

/// Whether reading again would end alike; any other error, such as too many open files, passes.
pub fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(EIO)
}

/// The disk cannot read it (`errno.h`).
const EIO: i32 = 5;

#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("cannot use {path}: {error}")]
    Unusable { path: PathBuf, error: io::Error },
    #[error("another edge uses {path}: give each its own `spool_dir`")]
    InUse { path: PathBuf },
}

pub struct Folder {
    path: PathBuf,
    /// Of the folder itself, for its fsync.
    handle: File,
    _lock: File,
}

impl Folder {
    /// What is acknowledged may be personal (referrers, customers' properties): nobody else reads it.
    pub fn open(path: &Path) -> Result<Folder, FolderError> {
        let unusable = |error| FolderError::Unusable { path: path.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path.join(LOCK));
        let lock = lock.map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(FolderError::InUse { path: path.to_owned() }),
            Err(std::fs::TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let handle = File::open(path).map_err(unusable)?;
        Ok(Folder { path: path.to_owned(), handle, _lock: lock })
    }

    /// The segments that are there, oldest first.
    pub fn segments(&self) -> Result<Vec<Name>, FolderError> {
        let unusable = |error| FolderError::Unusable { path: self.path.clone(), error };
        let mut names = Vec::new();
        for file in std::fs::read_dir(&self.path).map_err(unusable)? {
            names.extend(file.map_err(unusable)?.file_name().to_str().and_then(Name::parse));
        }
        names.sort();
        Ok(names)
    }

    pub fn path(&self, name: Name) -> PathBuf {
        self.path.join(name.file())
    }
}

impl Disk for Folder {
    type File = File;

    fn create(&mut self, name: Name) -> io::Result<File> {
        let path = self.path(name);
        let begin = || -> io::Result<File> {
            let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(&format::header(name))?;
            file.sync_data()?;
            self.handle.sync_all()?;
            Ok(file)
        };
        // Half a header helps nobody; should that fail too, the next start passes it over.
        begin().inspect_err(|_| drop(std::fs::remove_file(&path)))
    }

    fn append(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&mut self, file: &mut File) -> io::Result<()> {
        file.sync_data()
    }

    fn cut(&mut self, name: Name, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(name))?;
        file.set_len(length)?;
        file.sync_data()
    }

    fn read(&mut self, name: Name) -> io::Result<Vec<u8>> {
        std::fs::read(self.path(name))
    }

    fn remove(&mut self, name: Name) -> io::Result<()> {
        std::fs::remove_file(self.path(name))
    }

    fn set_aside(&mut self, name: Name) -> io::Result<PathBuf> {
        let (from, to) = (self.path(name), self.path.join(name.file() + ASIDE));
        std::fs::rename(from, &to)?;
        self.handle.sync_all()?;
        Ok(to)
    }
}
