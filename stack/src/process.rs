//! Processes that outlive the one that started them: pid files that a recycled pid cannot fool, signals that
//! reach the right process or none, and waiting for the end without polling.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::error::{Error, IoContext};

/// A process, told apart from any other that ever had its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessId {
    pub pid: i32,
    /// Clock ticks from boot to the start of the process: field 22 of `/proc/PID/stat` (proc(5)).
    started: u64,
    /// Ticks begin anew at each boot.
    boot: String,
}

/// A running process, held by a pidfd: the number cannot be reused under our hands.
#[derive(Debug)]
pub(crate) struct Running {
    pub pid: i32,
    handle: OwnedFd,
}

impl ProcessId {
    /// The process that was written to `pid_file`, running or not.
    pub fn read(pid_file: &Path) -> Option<Self> {
        let text = fs::read_to_string(pid_file).ok()?;
        let mut words = text.split_whitespace();
        let pid = words.next()?.parse().ok()?;
        let started = words.next()?.parse().ok()?;
        Some(ProcessId { pid, started, boot: words.next()?.to_owned() })
    }

    /// The process if it still runs; a zombie does not, unless threads of it still hold files and memory.
    pub fn running(&self) -> Option<Running> {
        // The handle is opened before the check: what was checked is then what is signalled.
        let handle = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::empty()).ok()?;
        let same = started_at(self.pid) == Some(self.started) && boot_id() == self.boot;
        let running = Running { pid: self.pid, handle };
        (same && !running.is_gone()).then_some(running)
    }
}

impl Running {
    /// The running process that `pid_file` names.
    pub fn find(pid_file: &Path) -> Option<Self> {
        ProcessId::read(pid_file)?.running()
    }

    /// Sends the signal; a process that ended meanwhile is no error.
    pub fn signal(&self, signal: Signal) {
        // The only other errors are a signal number out of range and a process of another user, which
        // could not have written into our folder.
        let _ = pidfd_send_signal(&self.handle, signal);
    }

    /// Waits for the end; `false` when `limit` passed first.
    pub fn wait_gone(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.handle, PollFlags::IN)], Some(&timeout)) {
                Ok(0) => return false,
                Ok(_) => return true,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    pub fn is_gone(&self) -> bool {
        self.wait_gone(Duration::ZERO)
    }
}

/// Writes the calling process into `pid_file` and holds a lock on the file until the process ends, also through
/// `exec`: of two that start the same server only one goes on.
pub(crate) fn claim(pid_file: &Path) -> Result<(), Error> {
    let mut file =
        File::options().create(true).truncate(false).write(true).open(pid_file).at("open pid file", pid_file)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::AlreadyServed { path: pid_file.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(source).at("lock", pid_file),
    }
    fcntl_setfd(&file, FdFlags::empty()).at("keep open", pid_file)?;
    let pid = std::process::id() as i32;
    let started = started_at(pid).ok_or(std::io::ErrorKind::NotFound).at("read start time for", pid_file)?;
    file.set_len(0).at("truncate", pid_file)?;
    // One write: a reader sees nothing or all of it.
    file.write_all(format!("{pid} {started} {}\n", boot_id()).as_bytes()).at("write", pid_file)?;
    std::mem::forget(file);
    Ok(())
}

/// Start time of a process, a zombie too.
fn started_at(pid: i32) -> Option<u64> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(stat: &str) -> Option<u64> {
    // The command, in parentheses, may hold spaces and parentheses itself: count from the last one.
    // The next one is field 3, the start time field 22.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn boot_id() -> String {
    let mut id = String::new();
    // Without it (an unusual container) the start time alone decides.
    let _ = File::open("/proc/sys/kernel/random/boot_id").and_then(|mut file| file.read_to_string(&mut id));
    match id.trim() {
        "" => "unknown".to_owned(),
        id => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_start_time_is_field_22_whatever_the_command_is_called() {
        let tail = "1 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 777 9 9";
        let rows = [
            (format!("12 (java) S {tail}"), Some(777)),
            (format!("12 (a) b) (c) R {tail}"), Some(777)),
            ("12 (java) S 1".to_owned(), None),
        ];
        for (stat, expected) in rows {
            assert_eq!(parse_stat(&stat), expected, "{stat}");
        }
    }

    #[test]
    fn a_recycled_pid_is_not_taken_for_the_process() {
        let own = std::process::id() as i32;
        let now = ProcessId { pid: own, started: started_at(own).expect("own start"), boot: boot_id() };
        assert!(now.running().is_some());
        assert!(ProcessId { started: now.started - 1, ..now.clone() }.running().is_none());
        assert!(ProcessId { boot: "earlier".to_owned(), ..now }.running().is_none());
    }

    #[test]
    fn the_end_of_a_process_is_seen_before_anyone_reaps_it() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
        let pid = child.id() as i32;
        let id = ProcessId { pid, started: started_at(pid).expect("start"), boot: boot_id() };
        let running = id.running().expect("running");
        assert!(!running.is_gone());
        running.signal(Signal::KILL);
        assert!(running.wait_gone(Duration::from_secs(5)));
        assert!(id.running().is_none(), "a zombie does not run");
        child.wait().expect("reaped");
    }
}
