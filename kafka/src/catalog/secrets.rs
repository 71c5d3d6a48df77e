//! The files that hold API keys: read where they exist, made with mode 0600 where they don't. The catalog gets hashes
//! only.

use super::file::{Body, File, KeyDraft};
use super::plan::KeyHashes;
use super::problem::Problem;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemas::id::KeyHash;
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Tells a key of ours from other secrets, for people and for scanners of leaked ones.
const PREFIX: &str = "tk_";
pub const RANDOM_BYTES: usize = 32;
/// A key that someone brings along: 32 characters hold 128 bits also where they are hexadecimal.
const KEY_CHARS: std::ops::RangeInclusive<usize> = 32..=256;

/// Keys of one catalog file.
#[derive(Debug, Default)]
pub struct Keys {
    pub hashes: KeyHashes,
    new: Vec<NewKey>,
}

/// A key that has no file yet.
struct NewKey {
    path: PathBuf,
    key: String,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "NewKey {{ path: {:?}, .. }}", self.path)
    }
}

/// Reads the key files that a catalog file names, below `folder`, and makes up a key for each that does not exist.
/// Nothing is written yet.
pub fn gather(
    file: &File,
    folder: &Path,
    mut random: impl FnMut() -> Result<[u8; RANDOM_BYTES], String>,
) -> (Keys, Vec<Problem>) {
    let mut keys = Keys::default();
    let mut problems = Vec::new();
    for draft in &file.drafts {
        let Body::ApiKey(draft) = &draft.body else { continue };
        if keys.hashes.contains_key(&draft.key_file) {
            continue;
        }
        let path = folder.join(&draft.key_file);
        let read = read(&path).and_then(|found| match found {
            Some(key) => Ok((key, false)),
            None => random().map(|bytes| (format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)), true)),
        });
        match read {
            Ok((key, is_new)) => {
                keys.hashes.insert(draft.key_file.clone(), KeyHash::of_api_key(&key));
                if is_new {
                    keys.new.push(NewKey { path, key });
                }
            }
            Err(reason) => problems.push(problem(draft, &path, reason)),
        }
    }
    (keys, problems)
}

fn problem(draft: &KeyDraft, path: &Path, reason: String) -> Problem {
    Problem::new(draft.key_file_line, "api_keys.key_file", &path.display().to_string(), reason)
}

fn read(path: &Path) -> Result<Option<String>, String> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    if !metadata.is_file() {
        return Err("is no file".into());
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("is open to others (mode {mode:04o}); chmod 600 it"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let key = text.trim();
    // What a header value can carry.
    if !KEY_CHARS.contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let (least, most) = (KEY_CHARS.start(), KEY_CHARS.end());
        return Err(format!("holds no key: expected {least} to {most} visible ASCII characters"));
    }
    Ok(Some(key.to_owned()))
}

impl Keys {
    /// Where the keys are that have no file yet.
    pub fn new_paths(&self) -> Vec<PathBuf> {
        self.new.iter().map(|new| new.path.clone()).collect()
    }

    /// Writes them, durably: a key whose hash is in the catalog and whose file is lost is of no use.
    pub fn write_new(&self) -> Result<(), (PathBuf, io::Error)> {
        self.new.iter().try_for_each(|new| write(&new.path, &new.key).map_err(|error| (new.path.clone(), error)))
    }
}

fn write(path: &Path, key: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // A file that appeared meanwhile is another's key.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // The mode above is subject to the umask, which may take away the owner's own rights.
    file.set_permissions(Permissions::from_mode(0o600))?;
    writeln!(file, "{key}")?;
    file.sync_all()?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::file;

    const YAML: &str = "tenant: default\neffective_from: 2026-01-01T00:00:00Z\napi_keys:\n- {id: a, advertiser: acme, key_file: secrets/a.key}\n";

    #[test]
    fn a_missing_key_is_made_once_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = file::parse(YAML);
        let (keys, problems) = gather(&file, folder.path(), || Ok([7; RANDOM_BYTES]));
        assert_eq!(problems, []);
        let path = folder.path().join("secrets/a.key");
        assert_eq!(keys.new_paths(), std::slice::from_ref(&path));
        assert!(!path.exists(), "gathering writes nothing");
        keys.write_new().expect("writes");
        let mode = |path: &Path| std::fs::metadata(path).expect("exists").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
        let key = std::fs::read_to_string(&path).expect("reads");
        assert_eq!(key.trim().len(), PREFIX.len() + 43);
        assert!(key.starts_with(PREFIX));

        let (again, problems) = gather(&file, folder.path(), || Ok([8; RANDOM_BYTES]));
        assert_eq!((problems, again.new_paths()), (Vec::new(), Vec::new()));
        assert_eq!(again.hashes, keys.hashes);
        assert_eq!(again.hashes[Path::new("secrets/a.key")], KeyHash::of_api_key(key.trim()));
        assert!(keys.write_new().is_err(), "an existing file is never overwritten");
    }

    #[test]
    fn a_key_file_that_is_of_no_use_is_a_problem_at_its_line() {
        for (content, mode, reason) in [
            ("tk_0123456789012345678901234567890123456789012", 0o644, "is open to others (mode 0644); chmod 600 it"),
            ("short", 0o600, "holds no key: expected 32 to 256 visible ASCII characters"),
            ("", 0o600, "holds no key: expected 32 to 256 visible ASCII characters"),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("secrets/a.key");
            std::fs::create_dir(folder.path().join("secrets")).expect("creates");
            std::fs::write(&path, content).expect("writes");
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("sets");
            let (keys, problems) = gather(&file::parse(YAML), folder.path(), || Ok([7; RANDOM_BYTES]));
            let expected = Problem::new(4, "api_keys.key_file", &path.display().to_string(), reason);
            assert_eq!((problems, keys.hashes.len()), (vec![expected], 0));
        }
    }
}
