//! The keys of an edge that runs: its file is looked at now and then, and a key's time comes without anybody's doing.

use super::{KeyLine, SecretsError, file, read};
use arc_swap::ArcSwap;
use schemas::time::Micros;
use schemas::token::MacKeys;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Keys that may be others at the next look. Those that were replaced stay in memory, a few hundred bytes at each rotation,
/// so that nothing on a request's path counts references or waits.
pub struct Keys(ArcSwap<&'static MacKeys>);

impl From<MacKeys> for Keys {
    fn from(keys: MacKeys) -> Keys {
        Keys(ArcSwap::from_pointee(Box::leak(Box::new(keys))))
    }
}

impl Deref for Keys {
    type Target = MacKeys;

    fn deref(&self) -> &MacKeys {
        let keys: &'static MacKeys = **self.0.load();
        keys
    }
}

/// Of a file: another one, or another content.
type Stamp = (u64, i64, i64, u64);

/// Holds what the file said last, and makes the keys follow it.
pub struct Watch {
    path: PathBuf,
    stamp: Option<Stamp>,
    lines: Vec<KeyLine>,
    next_change: Option<Micros>,
    pub keys: Arc<Keys>,
}

impl Watch {
    pub fn open(path: PathBuf, now: Micros) -> Result<Watch, SecretsError> {
        // Before the content, so that a change in between is seen at the next look.
        let stamp = stamp(&path);
        let lines = read(&path)?;
        let keys = file::mac_keys(&lines, now).ok_or_else(|| SecretsError::Empty { path: path.clone() })?;
        let next_change = file::next_change(&lines, now);
        tell(&keys);
        Ok(Watch { path, stamp, lines, next_change, keys: Arc::new(keys.into()) })
    }

    /// A file that cannot be used is told of, and changes nothing.
    pub fn look(&mut self, now: Micros) {
        let found = stamp(&self.path);
        let changed = found != self.stamp;
        if changed {
            self.stamp = found;
            match read(&self.path) {
                Ok(lines) if file::signs(&lines, now).is_some() => self.lines = lines,
                Ok(_) => return tracing::error!(path = ?self.path, "MAC keys changed and none signs: the earlier stay"),
                Err(error) => return tracing::error!(%error, "MAC keys changed and cannot be used: the earlier stay"),
            }
        }
        if changed || self.next_change.is_some_and(|at| at <= now) {
            self.next_change = file::next_change(&self.lines, now);
            if let Some(keys) = file::mac_keys(&self.lines, now) {
                tell(&keys);
                self.keys.0.store(Arc::new(Box::leak(Box::new(keys))));
            }
        }
    }
}

fn stamp(path: &PathBuf) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
}

fn tell(keys: &MacKeys) {
    let verify: Vec<u8> = keys.verify().collect();
    tracing::info!(signs = keys.signs(), ?verify, "MAC keys");
    metrics::gauge!("edge_mac_key_signs").set(f64::from(keys.signs()));
    metrics::gauge!("edge_mac_keys").set(verify.len() as f64);
}

#[cfg(test)]
mod tests {
    use super::super::{create_mac_keys, revoke, rotate};
    use super::*;
    use schemas::id::{ClickId, JourneyId};
    use schemas::token::{BadToken, ClickToken};
    use std::time::Duration;

    const TOKEN: ClickToken = ClickToken { click: ClickId([1; 16]), journey: JourneyId([2; 16]) };
    const NOW: Micros = Micros(1_800_000_000_000_000);

    /// Two edges, one of which gets the new file late: at no moment is there a token that one of them refuses.
    #[test]
    fn a_rotation_leaves_no_gap_between_edges_and_a_revoked_key_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, other) = (folder.path().join("mac-keys"), folder.path().join("other-edge"));
        create_mac_keys(&path).expect("keys");
        std::fs::copy(&path, &other).expect("copied");
        let mut first = Watch::open(path.clone(), NOW).expect("keys");
        let mut second = Watch::open(other.clone(), NOW).expect("keys");
        let before = first.keys.sign_token(TOKEN);
        let both_take = |one: &Watch, another: &Watch| {
            let signed = [one.keys.sign_token(TOKEN), another.keys.sign_token(TOKEN), before.clone()];
            for (token, watch) in signed.iter().flat_map(|token| [(token, one), (token, another)]) {
                assert_eq!(watch.keys.verify_token(token), Ok(TOKEN));
            }
        };
        let rotated = rotate(&path, NOW, Duration::from_secs(3600)).expect("rotated");
        first.look(NOW.plus(1));
        assert_eq!((first.keys.signs(), first.keys.verify().count()), (1, 2), "known before it signs");
        both_take(&first, &second);
        std::fs::copy(&path, &other).expect("copied");
        second.look(NOW.plus(2));
        first.look(rotated.from.plus(-1));
        assert_eq!(first.keys.signs(), 1);
        first.look(rotated.from);
        assert_eq!((first.keys.signs(), second.keys.signs()), (2, 1), "their clocks differ");
        both_take(&first, &second);
        second.look(rotated.from.plus(5_000_000));
        assert_eq!(second.keys.signs(), 2);
        both_take(&first, &second);

        revoke(&path, 1, rotated.from).expect("revoked");
        first.look(rotated.from.plus(10_000_000));
        assert_eq!(first.keys.verify_token(&before), Err(BadToken::UnknownKey));
        assert_eq!(first.keys.verify_token(&first.keys.sign_token(TOKEN)), Ok(TOKEN));
    }

    #[test]
    fn a_file_that_cannot_be_used_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mac-keys");
        create_mac_keys(&path).expect("keys");
        let mut watch = Watch::open(path.clone(), NOW).expect("keys");
        let signed = watch.keys.sign_token(TOKEN);
        for content in ["", "1 ab", "# nothing"] {
            std::fs::write(&path, content).expect("written");
            watch.look(NOW);
            assert_eq!(watch.keys.verify_token(&signed), Ok(TOKEN), "{content:?}");
        }
        std::fs::remove_file(&path).expect("removed");
        watch.look(NOW);
        assert_eq!(watch.keys.verify_token(&signed), Ok(TOKEN));
        create_mac_keys(&path).expect("another key");
        watch.look(NOW);
        assert_eq!(watch.keys.verify_token(&signed), Err(BadToken::Forged), "the file is read again");
    }
}
