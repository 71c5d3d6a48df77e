//! A full disk: how it shows, what to say about it, and when it is over.

use crate::runtime::{Error, Shared};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// RocksDB gives no code, only the operating system's text: ENOSPC, EFBIG, EDQUOT.
pub fn says_full(reason: &str) -> bool {
    ["No space left on device", "File too large", "Disk quota exceeded"].iter().any(|text| reason.contains(text))
}

pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::FileTooLarge | ErrorKind::QuotaExceeded)
}

/// Returns when there is room again, or at a stop. Meanwhile the thread is in no group and has no store open, so
/// another process may have taken its partitions; nothing is lost, since Kafka keeps what is not committed.
pub fn wait(shared: &Shared, thread: usize, error: &Error) {
    const AGAIN: Duration = Duration::from_secs(1);
    const SAY_AGAIN: Duration = Duration::from_secs(30);
    let folder = &shared.config.state_dir;
    let mut said: Option<Instant> = None;
    while !shared.shutdown.requested() {
        if said.is_none_or(|at| at.elapsed() > SAY_AGAIN) {
            said = Some(Instant::now());
            let free_mib = free(folder).map_or(-1, |bytes| (bytes >> 20) as i64);
            let why = format!(
                "no room on the disk of {} ({free_mib} MiB free): make room there, or move processor.state_dir to a \
                 larger disk; nothing is lost, the work goes on by itself",
                folder.display()
            );
            tracing::error!(%error, thread, "{why}");
            shared.readiness.set(thread, Some(why));
        }
        shared.sleep(AGAIN);
        if probe(folder).is_ok() {
            tracing::info!(thread, "there is room on the disk again");
            shared.readiness.set(thread, Some("starting".into()));
            return;
        }
    }
}

/// Free for us, in bytes.
fn free(folder: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Writes what a store writes at once, and removes it: only that says whether a store could.
fn probe(folder: &Path) -> io::Result<()> {
    const PROBE: usize = 8 << 20;
    let path = folder.join("room.probe");
    let written = std::fs::File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0; PROBE])?;
        file.sync_all()
    });
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}
