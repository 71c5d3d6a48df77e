//! The commands on the keys' file: add one, revoke one, list all. Each writes a whole new file in place of the old one, or
//! nothing.

use super::file::{self, REVOKED, SECRET_BYTES};
use super::{SecretsError, read_text};
use schemas::limits::{LATENESS_MICROS, LONGEST_LOOK_BACK_MICROS};
use schemas::time::{MICROS_PER_DAY, Micros};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// A key that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    pub id: u8,
    /// When it begins to sign.
    pub from: Micros,
}

/// Adds a key that verifies at once and signs after a while, in which every edge has to get the file.
///
/// # Errors
/// Also where an earlier one does not sign yet: which of two would be the newest, nobody could say.
pub fn rotate(path: &Path, now: Micros, after: Duration) -> Result<Rotated, SecretsError> {
    let (text, keys) = read_text(path)?;
    if let Some(pending) = keys.iter().find(|key| !key.revoked && key.from.is_some_and(|from| from > now)) {
        return Err(SecretsError::Pending { path: path.to_owned(), id: pending.id });
    }
    let newest = keys.iter().map(|key| key.id).max().unwrap_or(0);
    let free = (newest..=u8::MAX).chain(1..newest).find(|id| keys.iter().all(|key| key.id != *id));
    let id = free.ok_or_else(|| SecretsError::Full { path: path.to_owned() })?;
    let mut secret = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(SecretsError::NoRandom)?;
    // In whole seconds, as it is written.
    let from = now.plus(i64::try_from(after.as_micros()).unwrap_or(i64::MAX)).0 / 1_000_000;
    let from = Micros(from * 1_000_000);
    replace(path, &format!("{}{text}", file::line(id, &secret, Some(from))))?;
    Ok(Rotated { id, from })
}

/// Marks a key: what it signed is refused from then on. Its line stays, since customers' ids are hashed by the oldest key.
pub fn revoke(path: &Path, id: u8, now: Micros) -> Result<(), SecretsError> {
    let (text, keys) = read_text(path)?;
    let unknown = || SecretsError::Unknown { path: path.to_owned(), id };
    let place = keys.iter().position(|key| key.id == id && !key.revoked).ok_or_else(unknown)?;
    if file::signs(&keys, now) == Some(place) {
        return Err(SecretsError::Signs { path: path.to_owned(), id });
    }
    let of_key = |line: &str| {
        let word = file::content(line).and_then(|line| line.split_ascii_whitespace().next());
        word.and_then(|word| word.parse::<u8>().ok()) == Some(id)
    };
    let mut marked = String::with_capacity(text.len() + REVOKED.len() + 1);
    for line in text.lines() {
        marked.push_str(line.trim_end());
        if of_key(line) {
            marked.push(' ');
            marked.push_str(REVOKED);
        }
        marked.push('\n');
    }
    replace(path, &marked)
}

/// What a key does at a time, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub id: u8,
    pub fingerprint: String,
    pub from: Option<Micros>,
    pub state: State,
    /// When a newer key took over.
    pub replaced: Option<Micros>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Pending,
    Signs,
    Verifies,
    Revoked,
}

/// In the order of the file.
pub fn list(path: &Path, now: Micros) -> Result<Vec<Listed>, SecretsError> {
    let (_, keys) = read_text(path)?;
    let signs = file::signs(&keys, now);
    let state = |place: usize| match &keys[place] {
        key if key.revoked => State::Revoked,
        _ if signs == Some(place) => State::Signs,
        key if key.from.is_some_and(|from| from > now) => State::Pending,
        _ => State::Verifies,
    };
    let later = |from: Option<Micros>| keys.iter().filter_map(|key| key.from).filter(|&at| Some(at) > from).min();
    let listed = keys.iter().enumerate().map(|(place, key)| Listed {
        id: key.id,
        fingerprint: key.fingerprint(),
        from: key.from,
        state: state(place),
        replaced: later(key.from).filter(|at| *at <= now),
    });
    Ok(listed.collect())
}

impl fmt::Display for Listed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:>3}  {}  ", self.id, self.fingerprint)?;
        match self.state {
            State::Pending => out.write_str("verifies, will sign")?,
            State::Signs => out.write_str("signs")?,
            State::Verifies => out.write_str("verifies")?,
            State::Revoked => out.write_str("revoked")?,
        }
        if let (Some(from), State::Pending | State::Signs) = (self.from, self.state) {
            write!(out, " from {}", from)?;
        }
        if let (Some(at), State::Verifies) = (self.replaced, self.state) {
            // The last token it signed may come back until then.
            let needed = at.plus(LONGEST_LOOK_BACK_MICROS + LATENESS_MICROS + MICROS_PER_DAY);
            write!(out, "; needed until {}", needed)?;
        }
        Ok(())
    }
}

/// Whole or not at all, readable by its owner only; an edge that reads meanwhile sees the old one or the new one.
fn replace(path: &Path, text: &str) -> Result<(), SecretsError> {
    let write = || -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| SecretsError::NotWritten { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::super::create_mac_keys;
    use super::*;
    use std::os::unix::fs::MetadataExt;

    const NOW: Micros = Micros(1_800_000_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn states(path: &Path, now: Micros) -> Vec<(u8, State)> {
        list(path, now).expect("a list").iter().map(|key| (key.id, key.state)).collect()
    }

    #[test]
    fn a_key_is_added_signs_later_and_is_revoked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mac-keys");
        create_mac_keys(&path).expect("keys");
        let text = std::fs::read_to_string(&path).expect("text");
        std::fs::write(&path, format!("# ours\n{text}")).expect("written");
        let rotated = rotate(&path, NOW, HOUR).expect("rotated");
        assert_eq!((rotated.id, rotated.from), (2, NOW.plus(3_600_000_000)));
        assert_eq!(states(&path, NOW), [(2, State::Pending), (1, State::Signs)]);
        assert!(matches!(rotate(&path, NOW, HOUR), Err(SecretsError::Pending { id: 2, .. })));
        assert!(matches!(revoke(&path, 1, NOW), Err(SecretsError::Signs { id: 1, .. })));
        let later = rotated.from;
        assert_eq!(states(&path, later), [(2, State::Signs), (1, State::Verifies)]);
        assert!(matches!(revoke(&path, 2, later), Err(SecretsError::Signs { id: 2, .. })));
        assert!(matches!(revoke(&path, 3, later), Err(SecretsError::Unknown { id: 3, .. })));
        revoke(&path, 1, later).expect("revoked");
        assert_eq!(states(&path, later), [(2, State::Signs), (1, State::Revoked)]);
        assert!(matches!(revoke(&path, 1, later), Err(SecretsError::Unknown { id: 1, .. })));
        let later = later.plus(60_000_000);
        assert_eq!(rotate(&path, later, Duration::ZERO).expect("rotated").id, 3);
        assert_eq!(states(&path, later), [(3, State::Signs), (2, State::Verifies), (1, State::Revoked)]);
        let text = std::fs::read_to_string(&path).expect("text");
        assert!(text.contains("# ours\n"), "comments stay: {text}");
        assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o7777, 0o600);
        let shown: Vec<String> = list(&path, later).expect("a list").iter().map(Listed::to_string).collect();
        assert!(shown[0].contains("signs from 2027-01-15T09:01:00.000000Z"), "{shown:?}");
        // 90 days of look-back, 60 of lateness, one more.
        assert!(shown[1].contains("verifies; needed until 2027-06-15T09:01:00.000000Z"), "{shown:?}");
        assert!(shown.iter().all(|line| line.len() < 80), "no key is shown: {shown:?}");
    }
}
