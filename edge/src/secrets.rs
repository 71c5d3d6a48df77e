//! The MAC keys' file: a line per key, one signs and all verify that are not revoked. Nobody but its owner may read it, and
//! no key is ever made up where one is missing.

mod file;
mod live;
mod rotate;

pub(crate) use live::{Keys, Watch};
pub use rotate::{Listed, Rotated, State, list, revoke, rotate};

use file::{KeyLine, SECRET_BYTES};
use schemas::token::MacKeys;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file of keys is a few lines; anything longer is another file.
const FILE_BYTES: u64 = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    #[error("{path} exists already; its keys sign what is under way, so it is not overwritten")]
    Exists { path: PathBuf },
    #[error("cannot write {path}: {error}")]
    NotWritten { path: PathBuf, error: io::Error },
    #[error("there is no {path}: run `tributary secrets init`")]
    Missing { path: PathBuf },
    #[error("cannot read {path}: {error}")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("others can read {path} (mode {mode:04o}): run `chmod 600 {path}`")]
    TooOpen { path: PathBuf, mode: u32 },
    #[error("{path}, line {line}: {problem}")]
    BadLine { path: PathBuf, line: usize, problem: &'static str },
    #[error("key {id} of {path} does not sign yet; rotate again when it does")]
    Pending { path: PathBuf, id: u8 },
    #[error("{path} has all the keys that ids are for; remove lines of revoked ones, but never the last line")]
    Full { path: PathBuf },
    #[error("{path} has no key {id} that is not revoked already")]
    Unknown { path: PathBuf, id: u8 },
    #[error("key {id} of {path} signs; run `tributary secrets rotate` first")]
    Signs { path: PathBuf, id: u8 },
    #[error("{path} holds no key that signs")]
    Empty { path: PathBuf },
    #[error("no random bytes from the system: {0}")]
    NoRandom(getrandom::Error),
    #[error("no certificate for {names:?}: {error}")]
    NoCertificate { names: Vec<String>, error: rcgen::Error },
}

/// Writes a certificate for these names, signed by itself, and its key; never over existing ones. Clients trust it where
/// they are told to.
pub fn create_certificate(certificate: &Path, key: &Path, names: &[String]) -> Result<(), SecretsError> {
    let made = rcgen::generate_simple_self_signed(names);
    let made = made.map_err(|error| SecretsError::NoCertificate { names: names.to_vec(), error })?;
    for (path, content) in [(key, made.signing_key.serialize_pem()), (certificate, made.cert.pem())] {
        write_new(path, content.as_bytes()).map_err(|error| not_written(path, error))?;
    }
    Ok(())
}

/// Writes a file with one new key, mode 0600; never over an existing one.
pub fn create_mac_keys(path: &Path) -> Result<(), SecretsError> {
    let mut secret = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(SecretsError::NoRandom)?;
    write_new(path, file::line(1, &secret, None).as_bytes()).map_err(|error| not_written(path, error))
}

fn not_written(path: &Path, error: io::Error) -> SecretsError {
    let path = path.to_owned();
    if error.kind() == io::ErrorKind::AlreadyExists {
        SecretsError::Exists { path }
    } else {
        SecretsError::NotWritten { path, error }
    }
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    // The name has to survive a power loss too: tokens signed with the key are already out.
    File::open(folder)?.sync_all()
}

/// As they are now.
pub fn read_mac_keys(path: &Path) -> Result<MacKeys, SecretsError> {
    let keys = read(path)?;
    file::mac_keys(&keys, crate::ids::now()).ok_or_else(|| SecretsError::Empty { path: path.to_owned() })
}

fn read(path: &Path) -> Result<Vec<KeyLine>, SecretsError> {
    read_text(path).map(|(_, keys)| keys)
}

fn read_text(path: &Path) -> Result<(String, Vec<KeyLine>), SecretsError> {
    let owned = || path.to_owned();
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => SecretsError::Missing { path: owned() },
        _ => SecretsError::Unreadable { path: owned(), error },
    };
    let file = File::open(path).map_err(unreadable)?;
    // Of the open file, so that what is checked is what is read.
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretsError::TooOpen { path: owned(), mode });
    }
    if metadata.len() > FILE_BYTES {
        return Err(SecretsError::BadLine { path: owned(), line: 1, problem: "too long for a file of keys" });
    }
    let text = io::read_to_string(file).map_err(unreadable)?;
    let keys = file::parse(&text).map_err(|(line, problem)| SecretsError::BadLine { path: owned(), line, problem })?;
    Ok((text, keys))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn written(content: &str, mode: u32) -> Result<MacKeys, SecretsError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mac-keys");
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("allowed");
        read_mac_keys(&path)
    }

    #[test]
    fn a_new_file_is_private_readable_and_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secrets/mac-keys");
        create_mac_keys(&path).expect("created");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, 0o600);
        let keys = read_mac_keys(&path).expect("reads");
        let journey = schemas::id::JourneyId([3; 16]);
        assert_eq!(read_mac_keys(&path).expect("again").verify_cookie(&keys.sign_cookie(journey)), Ok(journey));
        assert!(matches!(create_mac_keys(&path), Err(SecretsError::Exists { .. })));
    }

    #[test]
    fn a_bad_file_is_refused_and_its_secret_not_shown() {
        let good = "ab".repeat(32);
        for (content, mode, message) in [
            (format!("1 {good}\n"), 0o640, "mode 0640"),
            (format!("1 {good}\n"), 0o604, "chmod 600"),
            ("\n# only a comment\n".into(), 0o600, "holds no key"),
            (format!("1 {good}\n1 {good}\n"), 0o600, "line 2: the id stands on an earlier line too"),
            (format!("256 {good}\n"), 0o600, "line 1: the id is no number"),
            (good.clone(), 0o600, "line 1: expected `id hex64`"),
            (format!("1 {}\n", &good[1..]), 0o600, "not 64 hexadecimal digits"),
            (format!("1 {}\n", "0".repeat(64)), 0o600, "all zeros"),
            (format!("1 {good} soon\n"), 0o600, "line 1: expected `from=TIME` or `revoked`"),
            (format!("1 {good} from=soon\n"), 0o600, "line 1: `from=` is no time"),
            (format!("1 {good} revoked\n"), 0o600, "holds no key"),
            (format!("1 {good} from=9000-01-01T00:00:00Z\n"), 0o600, "holds no key"),
        ] {
            let error = written(&content, mode).err().expect("refused").to_string();
            assert!(error.contains(message), "{error}");
            assert!(!error.contains("abab"), "{error}");
        }
        assert!(written(&format!("# newest first\n2 {good}\n1 {}\n", "cd".repeat(32)), 0o400).is_ok());
        let missing = read_mac_keys(Path::new("/nonexistent/mac-keys")).err().expect("refused").to_string();
        assert!(missing.contains("tributary secrets init"), "{missing}");
    }
}
