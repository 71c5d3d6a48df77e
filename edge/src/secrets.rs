//! The MAC keys' file: a line per key, `id hex64`, the first signs and all verify. Nobody but its owner may read it, and
//! no key is ever made up where one is missing.

use schemas::token::{MacKey, MacKeys};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const SECRET_BYTES: usize = 32;
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
    #[error("{path} holds no key")]
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
    let line = format!("1 {}\n", hex(&secret));
    write_new(path, line.as_bytes()).map_err(|error| not_written(path, error))
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

pub fn read_mac_keys(path: &Path) -> Result<MacKeys, SecretsError> {
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
    let keys = parse(&text).map_err(|(line, problem)| SecretsError::BadLine { path: owned(), line, problem })?;
    MacKeys::new(keys).ok_or_else(|| SecretsError::Empty { path: owned() })
}

/// Errors name the line and never show it.
fn parse(text: &str) -> Result<Vec<MacKey>, (usize, &'static str)> {
    let mut ids = Vec::new();
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = |problem| (index + 1, problem);
        let (id, secret) = line.split_once(' ').ok_or_else(|| bad("expected `id hex64`"))?;
        let id: u8 = id.parse().map_err(|_| bad("the id is no number from 0 to 255"))?;
        if ids.contains(&id) {
            return Err(bad("the id stands on an earlier line too"));
        }
        let secret = from_hex(secret.trim()).ok_or_else(|| bad("the key is not 64 hexadecimal digits"))?;
        if secret == [0; SECRET_BYTES] {
            return Err(bad("the key is all zeros"));
        }
        ids.push(id);
        keys.push(MacKey::new(id, &secret));
    }
    Ok(keys)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; SECRET_BYTES]> {
    if text.len() != 2 * SECRET_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; SECRET_BYTES];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
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
