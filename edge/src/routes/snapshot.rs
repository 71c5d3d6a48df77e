//! The catalog as this edge last read it, in a file beside the spool: so that it starts while Kafka is away.
//!
//! ```text
//! magic 8 | version 4 | next offset 8 | how many 8 | (length 4 | entry) ... | blake3 of all that 32
//! ```
//!
//! Only what requests need is in it, every version of it. A file that is not whole is none.

use schemas::catalog::Catalog;
use schemas::codec;
use schemas::offset::{NextOffset, Offset};
use schemas::record::catalog::{CatalogEntry, EntityKind};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"TRIBCAT\n";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 28;
const SUM_BYTES: usize = 32;
const FILE: &str = "catalog";

/// What redirects and events are answered by.
const KINDS: [EntityKind; 4] = [EntityKind::Campaign, EntityKind::Publisher, EntityKind::Link, EntityKind::ApiKey];

#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error(transparent)]
    Disk(#[from] io::Error),
    #[error("{0}")]
    Damaged(&'static str),
    #[error("version {0} is not one that this edge reads")]
    Foreign(u32),
    #[error("an entry: {0}")]
    Entry(#[from] codec::DecodeError),
}

/// In the spool's folder, which is this edge's own.
pub fn path(spool_dir: &Path) -> PathBuf {
    spool_dir.join(FILE)
}

/// In place of the one before it, or not at all.
pub fn write(path: &Path, catalog: &Catalog) -> io::Result<()> {
    let new = path.with_extension("new");
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let mut out = Summed { file: BufWriter::with_capacity(1 << 20, file), sum: blake3::Hasher::new() };
    let entries = || KINDS.into_iter().flat_map(|kind| versions(catalog, kind));
    out.put(&MAGIC)?;
    out.put(&VERSION.to_le_bytes())?;
    out.put(&catalog.next_offset().0.to_le_bytes())?;
    out.put(&(entries().count() as u64).to_le_bytes())?;
    let mut bytes = Vec::new();
    for entry in entries() {
        bytes.clear();
        codec::encode_into(entry, &mut bytes);
        out.put(&(bytes.len() as u32).to_le_bytes())?;
        out.put(&bytes)?;
    }
    out.file.write_all(out.sum.finalize().as_bytes())?;
    out.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn versions(catalog: &Catalog, kind: EntityKind) -> impl Iterator<Item = &CatalogEntry> {
    catalog.newest(kind).flat_map(move |entry| catalog.versions_of(kind, &entry.tenant, &entry.id))
}

struct Summed {
    file: BufWriter<File>,
    sum: blake3::Hasher,
}

impl Summed {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.file.write_all(bytes)
    }
}

/// None where there is no file.
pub fn read(path: &Path) -> Result<Option<Catalog>, Unreadable> {
    match std::fs::read(path) {
        Ok(bytes) => parse(&bytes).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn parse(bytes: &[u8]) -> Result<Catalog, Unreadable> {
    let body = bytes.len().checked_sub(SUM_BYTES).filter(|length| *length >= HEAD_BYTES);
    let (body, sum) = bytes.split_at(body.ok_or(Unreadable::Damaged("too short"))?);
    if blake3::hash(body).as_bytes() != sum {
        return Err(Unreadable::Damaged("its checksum is another"));
    }
    let (head, mut rest) = body.split_at(HEAD_BYTES);
    let number = |at: usize| head[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
    let version = head[8..12].try_into().map_or(0, u32::from_le_bytes);
    if head[..8] != MAGIC {
        return Err(Unreadable::Damaged("no catalog"));
    } else if version != VERSION {
        return Err(Unreadable::Foreign(version));
    }
    let mut catalog = Catalog::default();
    for place in 0..number(20) {
        let short = Unreadable::Damaged("an entry is missing");
        let Some((length, behind)) = rest.split_first_chunk::<4>() else { return Err(short) };
        let Some((entry, behind)) = behind.split_at_checked(u32::from_le_bytes(*length) as usize) else {
            return Err(short);
        };
        rest = behind;
        // Their places among each other are kept; those in the log are not needed, since all of them have been read.
        catalog.apply(Offset(place as i64), codec::decode(entry)?);
    }
    catalog.skip_to(NextOffset(number(12) as i64));
    Ok(catalog)
}

#[cfg(test)]
mod tests {
    use super::super::Routes;
    use super::super::tests::{API_KEY, catalog};
    use super::*;
    use schemas::record::catalog::KeyUse;
    use schemas::time::Micros;

    const NOW: Micros = Micros(1_000);

    #[test]
    fn an_index_built_from_the_file_is_that_of_the_catalog() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = path(folder.path());
        assert!(read(&path).expect("no error").is_none());
        let mut catalog = catalog();
        catalog.skip_to(NextOffset(40));
        write(&path, &catalog).expect("written");
        write(&path, &catalog).expect("written over");
        let found = read(&path).expect("readable").expect("there");
        let (before, after) = (Routes::build(&catalog, NOW), Routes::build(&found, NOW));
        assert_eq!((after.offset, after.count()), (Offset(39), before.count()));
        for code in ["summer", "paused", "future", "off", "bad", "lost", "nobody"] {
            assert_eq!(format!("{:?}", before.link(code)), format!("{:?}", after.link(code)), "{code}");
        }
        for key in [API_KEY, "revoked", "nobody's"] {
            assert_eq!(before.client(key, KeyUse::Server), after.client(key, KeyUse::Server), "{key}");
        }
        assert!(after.outdated(Micros(1_000_000_000)), "what comes into force later does so");
    }

    #[test]
    fn a_file_that_is_not_whole_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = path(folder.path());
        write(&path, &catalog()).expect("written");
        let whole = std::fs::read(&path).expect("readable");
        for length in [0, 10, HEAD_BYTES + SUM_BYTES, whole.len() / 2, whole.len() - 1] {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
        for place in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            assert!(parse(&bytes).is_err(), "{place}");
        }
        let mut newer = whole[..whole.len() - SUM_BYTES].to_vec();
        newer[8] = 2;
        newer.extend(blake3::hash(&newer).as_bytes());
        assert!(matches!(parse(&newer), Err(Unreadable::Foreign(2))));
    }
}
