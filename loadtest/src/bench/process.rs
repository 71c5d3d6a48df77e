//! A process from outside: its CPU and memory as proc(5) has them, and the size of a folder.

use crate::bench::BenchError;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// Ticks of a second in `/proc/<pid>/stat`: `USER_HZ`, which is 100 on every Linux that we run on.
const TICKS_PER_S: u64 = 100;

/// A process that is ours or not.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// User and system time of all its threads since it started; hundredths of a second.
    pub fn cpu(self) -> Result<Duration, BenchError> {
        let stat = self.read("CPU time", "stat")?;
        let ticks = cpu_ticks(&stat).ok_or_else(|| self.unmeasured("CPU time", format!("stat is {stat:?}")))?;
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_S))
    }

    /// The most resident memory that it ever had, in bytes.
    pub fn peak_memory(self) -> Result<u64, BenchError> {
        self.kib("VmHWM:")
    }

    /// Resident memory now, in bytes.
    pub fn memory(self) -> Result<u64, BenchError> {
        self.kib("VmRSS:")
    }

    fn kib(self, name: &'static str) -> Result<u64, BenchError> {
        let status = self.read("memory", "status")?;
        let kib = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok());
        kib.map(|kib: u64| kib * 1024).ok_or_else(|| self.unmeasured("memory", format!("no {name}")))
    }

    fn read(self, what: &'static str, file: &str) -> Result<String, BenchError> {
        let path = format!("/proc/{}/{file}", self.0);
        fs::read_to_string(path).map_err(|error| self.unmeasured(what, error.to_string()))
    }

    fn unmeasured(self, what: &'static str, reason: String) -> BenchError {
        BenchError::Unmeasured { what, pid: self.0, reason }
    }
}

/// The name in parentheses may hold anything; utime and stime are the 12th and 13th field after it.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

/// Bytes of the files below a folder; 0 where there is none. Files that vanish meanwhile count nothing.
pub fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(file) if file.is_dir() => folder_bytes(&entry.path()),
        Ok(file) => file.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

/// A child that does not outlive its owner: asked to stop first, killed where it does not.
pub struct Owned(pub Child);

impl Owned {
    /// True when it ended by itself in time.
    pub fn stop(&mut self, patience: Duration) -> bool {
        let pid = rustix::process::Pid::from_child(&self.0);
        // It may have ended already.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < patience {
            match self.0.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                Ok(Some(_)) => return true,
                Err(_) => break,
            }
        }
        false
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_ticks_are_found_behind_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 8 0 1";
        for name in ["tributary", "a) (b", ""] {
            assert_eq!(cpu_ticks(&format!("42 ({name}) {rest}")), Some(300), "{name}");
        }
        assert_eq!(cpu_ticks("42 (x) S 1"), None);
    }

    #[test]
    fn this_process_can_be_measured() {
        let own = Process(std::process::id());
        assert!(own.cpu().is_ok());
        assert!(own.peak_memory().expect("Linux") > 1 << 20);
    }

    #[test]
    fn a_folder_is_as_large_as_its_files() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("inner")).expect("created");
        fs::write(folder.path().join("inner/a"), [0; 1000]).expect("written");
        fs::write(folder.path().join("b"), [0; 10]).expect("written");
        assert_eq!(folder_bytes(folder.path()), 1010);
        assert_eq!(folder_bytes(&folder.path().join("none")), 0);
    }
}
