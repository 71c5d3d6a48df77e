//! The spool's disk: a small file system of its own that can be filled up to the last byte, so that a write fails as on
//! a full disk (ENOSPC).
//!
//! A loop device with ext4, which takes root; else the folder itself, and the process's limit on the size of files
//! stands for the full disk (EFBIG).

use crate::error::{Error, FileContext};
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Room for what 90 seconds of 11,000 requests/s leave in the spool, twice.
const MIB: u64 = 1024;

pub struct Volume {
    pub folder: PathBuf,
    mounted: bool,
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Volume {
    pub fn create(dir: &Path) -> Result<Volume, Error> {
        let (image, folder) = (dir.join("disk.img"), dir.join("disk"));
        std::fs::create_dir_all(&folder).at("create", &folder)?;
        let file = File::create(&image).at("create", &image)?;
        file.set_len(MIB << 20).at("size", &image)?;
        let (image, at) = (image.to_string_lossy(), folder.to_string_lossy());
        let mounted = runs("mkfs.ext4", &["-q", "-m", "0", &image]) && runs("mount", &["-o", "loop", &image, &at]);
        Ok(Volume { folder, mounted })
    }

    pub fn describe(&self) -> &'static str {
        if self.mounted {
            "a file system of its own"
        } else {
            "no file system could be mounted: a limit on the size of files stands for the full disk"
        }
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }

    /// Until nothing more fits. `pid` writes to it.
    pub fn fill(&self, pid: u32) -> Result<(), Error> {
        if !self.mounted {
            return limit(pid, "16");
        }
        let path = self.filler();
        let file = File::create(&path).at("create", &path)?;
        let (mut length, mut step) = (0, MIB << 20);
        while step >= 512 {
            if fallocate(&file, FallocateFlags::empty(), length, step).is_ok() {
                length += step;
            } else {
                step /= 2;
            }
        }
        Ok(())
    }

    pub fn make_room(&self, pid: u32) -> Result<(), Error> {
        if !self.mounted {
            return limit(pid, "unlimited");
        }
        let path = self.filler();
        std::fs::remove_file(&path).at("delete", &path)
    }
}

fn limit(pid: u32, bytes: &str) -> Result<(), Error> {
    let done = runs("prlimit", &["--pid", &pid.to_string(), &format!("--fsize={bytes}")]);
    if done { Ok(()) } else { Err(Error::Chaos { doing: "limit the size of files", reason: "prlimit failed".into() }) }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.mounted && !runs("umount", &[&self.folder.to_string_lossy()]) {
            tracing::error!(folder = %self.folder.display(), "not unmounted");
        }
    }
}
