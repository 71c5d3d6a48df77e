//! Why a replay or a verification could not be done at all. What it found wrong is no error but a `Mismatch`.

use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {what} {path}: {error}")]
    File { what: &'static str, path: PathBuf, error: std::io::Error },
    #[error("{path}, line {line}: {field} {problem}: {given:?}")]
    BadRow { path: PathBuf, line: u64, field: &'static str, problem: String, given: String },
    #[error("{path}: {error}")]
    BadFile { path: PathBuf, error: String },
    #[error("{option} {problem}: {given:?}")]
    BadOption { option: &'static str, problem: &'static str, given: String },
    #[error("ClickHouse at {url}: {problem}")]
    ClickHouse { url: String, problem: String },
    #[error("ClickHouse answered {given:?} where {expected} was asked for")]
    UnexpectedAnswer { expected: &'static str, given: String },
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error(transparent)]
    Stack(#[from] stack::Error),
    #[error("could not {doing}: {reason}")]
    Chaos { doing: &'static str, reason: String },
    #[error("cannot start the runtime: {0}")]
    Runtime(std::io::Error),
    #[error(transparent)]
    Bench(#[from] crate::bench::BenchError),
}

/// Adds to an I/O error what was attempted on which file.
pub(crate) trait FileContext<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T> FileContext<T> for std::io::Result<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|error| Error::File { what, path: path.to_owned(), error })
    }
}
