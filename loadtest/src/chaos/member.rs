//! One `tributary processor`, a process of its own: started, killed, stopped, continued, asked to end.

use super::site::Installation;
use crate::error::{Error, FileContext};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process that was asked to end may take.
const END_LIMIT: Duration = Duration::from_secs(60);

pub struct Member {
    pub instance: String,
    exe: PathBuf,
    /// Working folder, store and log are in it.
    dir: PathBuf,
    settings: Vec<String>,
    child: Option<Child>,
}

impl Member {
    /// Does not start it. `settings`: `section.key=value`, beside those that every member of an installation has.
    pub fn new(instance: &str, exe: &Path, dir: &Path, installation: &Installation, settings: &[String]) -> Member {
        let dir = dir.join(instance);
        let kafka = &installation.kafka;
        let mut all = vec![
            format!("kafka.bootstrap=\"{}\"", kafka.bootstrap),
            format!("kafka.prefix=\"{}\"", kafka.prefix),
            "kafka.development=true".into(),
            format!("processor.instance=\"{instance}\""),
            format!("processor.state_dir={:?}", dir.join("state").to_string_lossy()),
            "processor.metrics_listen=\"127.0.0.1:0\"".into(),
        ];
        all.extend_from_slice(settings);
        Member { instance: instance.into(), exe: exe.to_owned(), dir, settings: all, child: None }
    }

    pub fn log(&self) -> PathBuf {
        self.dir.join("processor.log")
    }

    pub fn start(&mut self) -> Result<(), Error> {
        std::fs::create_dir_all(&self.dir).at("create", &self.dir)?;
        let path = self.log();
        let log = File::options().create(true).append(true).open(&path).at("open", &path)?;
        let both = log.try_clone().at("open", &path)?;
        let mut command = Command::new(&self.exe);
        command.current_dir(&self.dir).stdin(Stdio::null()).stdout(log).stderr(both);
        self.settings.iter().for_each(|setting| {
            command.args(["--set", setting]);
        });
        self.child = Some(command.arg("processor").spawn().at("run", &self.exe)?);
        Ok(())
    }

    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Whether it was started and has ended by itself; then it no longer runs.
    pub fn ended(&mut self) -> Result<bool, Error> {
        let Some(child) = &mut self.child else { return Ok(false) };
        let ended = child.try_wait().at("wait for", &self.exe)?.is_some();
        if ended {
            self.child = None;
        }
        Ok(ended)
    }

    /// kill -9; nothing where it does not run.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended just now; either way it is gone and reaped after this.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGSTOP: it holds its sockets and files, and does nothing.
    pub fn freeze(&self) -> Result<(), Error> {
        self.signal(Signal::STOP)
    }

    pub fn thaw(&self) -> Result<(), Error> {
        self.signal(Signal::CONT)
    }

    /// SIGTERM, and waits for the end; returns how long that took.
    pub fn leave(&mut self) -> Result<Duration, Error> {
        let began = Instant::now();
        self.signal(Signal::TERM)?;
        while let Some(child) = &mut self.child {
            if child.try_wait().at("wait for", &self.exe)?.is_some() {
                self.child = None;
                break;
            }
            if began.elapsed() > END_LIMIT {
                let reason = format!("{} did not end within {END_LIMIT:?} of SIGTERM", self.instance);
                return Err(Error::Chaos { doing: "stop a process", reason });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(began.elapsed())
    }

    /// Deletes its store, as a lost disk would.
    pub fn lose_store(&self) -> Result<(), Error> {
        let state = self.dir.join("state");
        if state.is_dir() { std::fs::remove_dir_all(&state).at("delete", &state) } else { Ok(()) }
    }

    /// To our own child only: as long as nobody has waited for it, its number is not given to another process.
    fn signal(&self, signal: Signal) -> Result<(), Error> {
        let pid = self.child.as_ref().and_then(|child| Pid::from_raw(child.id() as i32));
        pid.map_or(Ok(()), |pid| kill_process(pid, signal)).map_err(std::io::Error::from).at("signal", &self.exe)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}
