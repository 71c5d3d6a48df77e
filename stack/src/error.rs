//! Everything that can go wrong with a stack, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::options::Server;

/// Why a stack operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read, written or locked.
    #[error("{what} {path}: {source}", path = path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },

    /// A program that is needed is not installed.
    #[error("`{program}` cannot be started: {source}; `tributary doctor` says what is missing")]
    Program { program: String, source: io::Error },

    /// A program ran and failed.
    #[error("`{program}` failed ({status}):\n{output}")]
    Failed { program: String, status: String, output: String },

    /// A download is not the file that this version was tested with.
    #[error("{what} has checksum {found}, expected {expected}: refused")]
    Checksum { what: &'static str, found: String, expected: &'static str },

    /// The server's build does not exist for this machine.
    #[error("{server} is only available for x86_64 Linux here; use docker-compose.yml")]
    Unsupported { server: Server },

    /// The server ended before it was ready.
    #[error("{server} ended before it was ready; its log is {log}:\n{tail}", log = log.display())]
    Died { server: Server, log: PathBuf, tail: String },

    /// The server runs and does not answer.
    #[error("{server} (pid {pid}) did not answer within {} s; its log is {log}:\n{tail}", waited.as_secs(), log = log.display())]
    NotReady { server: Server, pid: i32, waited: Duration, log: PathBuf, tail: String },

    /// SIGKILL did not end the process.
    #[error("{server} (pid {pid}) is still there {} s after SIGKILL", waited.as_secs())]
    Unkillable { server: Server, pid: i32, waited: Duration },

    /// No free port was found.
    #[error("no free port on 127.0.0.1 between {low} and {high}")]
    NoPort { low: u16, high: u16 },

    /// Another process runs this very server in this folder.
    #[error("another process already serves {path}", path = path.display())]
    AlreadyServed { path: PathBuf },

    /// `libchdb.so` could not be loaded or refused to run.
    #[error("ClickHouse library {path}: {reason}", path = path.display())]
    Library { path: PathBuf, reason: String },

    /// No folder for the cache could be determined.
    #[error("no cache folder: set TRIBUTARY_CACHE (or XDG_CACHE_HOME, or HOME)")]
    NoCache,

    /// The folder to reset is not one that a stack made.
    #[error("{path} holds no stack: nothing was deleted", path = path.display())]
    NotAStack { path: PathBuf },

    /// `reset` was not confirmed.
    #[error("not confirmed: nothing was deleted (`--yes` skips the question)")]
    NotConfirmed,
}

/// Adds what was being done, and to which path, to an I/O error.
pub(crate) trait IoContext<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> IoContext<T> for Result<T, E> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io { what, path: path.to_owned(), source: source.into() })
    }
}
