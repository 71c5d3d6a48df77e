//! The client's own journal: every id that an answer acknowledged, noted before it counts. It is the oracle: what is in
//! it must be in Kafka.

use crate::error::{Error, FileContext};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// An id's kind and its sixteen bytes: a click's id, or an event's number.
const ENTRY: usize = 17;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Told {
    Click([u8; 16]),
    Event(u64),
}

impl Told {
    fn write(self) -> [u8; ENTRY] {
        let mut entry = [0; ENTRY];
        match self {
            Told::Click(id) => entry[1..].copy_from_slice(&id),
            Told::Event(number) => {
                entry[0] = 1;
                entry[1..9].copy_from_slice(&number.to_be_bytes());
            }
        }
        entry
    }

    fn read(entry: &[u8; ENTRY]) -> Told {
        let mut id = [0; 16];
        id.copy_from_slice(&entry[1..]);
        let mut number = [0; 8];
        number.copy_from_slice(&entry[1..9]);
        if entry[0] == 0 { Told::Click(id) } else { Told::Event(u64::from_be_bytes(number)) }
    }
}

pub struct Journal {
    file: BufWriter<File>,
    path: PathBuf,
    /// The first write that failed: from then on nothing more is known.
    failed: Option<std::io::Error>,
}

impl Journal {
    pub fn create(path: &Path) -> Result<Journal, Error> {
        let file = BufWriter::with_capacity(1 << 16, File::create(path).at("create", path)?);
        Ok(Journal { file, path: path.to_owned(), failed: None })
    }

    pub fn note(&mut self, told: Told) {
        if let Err(error) = self.file.write_all(&told.write()) {
            self.failed.get_or_insert(error);
        }
    }

    /// Everything that was noted, sorted, from the file.
    pub fn close(mut self) -> Result<Vec<Told>, Error> {
        let flushed = self.file.flush();
        self.failed.map_or(flushed, Err).at("write", &self.path)?;
        let mut bytes = Vec::new();
        File::open(&self.path).and_then(|mut file| file.read_to_end(&mut bytes)).at("read", &self.path)?;
        let (entries, _) = bytes.as_chunks::<ENTRY>();
        let mut all: Vec<Told> = entries.iter().map(Told::read).collect();
        all.sort_unstable();
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut journal = Journal::create(&folder.path().join("journal")).expect("a file");
        let told = [Told::Event(u64::MAX), Told::Click([7; 16]), Told::Event(1), Told::Click([1; 16])];
        told.into_iter().for_each(|told| journal.note(told));
        let read = journal.close().expect("reads");
        assert_eq!(read, [Told::Click([1; 16]), Told::Click([7; 16]), Told::Event(1), Told::Event(u64::MAX)]);
    }
}
