//! A server that is measured: the edge, nginx, a peer. A process from outside, with its CPU and memory.

use crate::bench::process::{Owned, Process};
use crate::error::{Error, FileContext};
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A peer that compiles itself first takes its time.
const READY_LIMIT: Duration = Duration::from_secs(900);
const STOP_LIMIT: Duration = Duration::from_secs(15);

pub struct Server {
    pub name: String,
    pub address: SocketAddr,
    child: Owned,
    log: PathBuf,
}

impl Server {
    /// As `spawn`, and waits until it listens.
    pub fn start(
        name: &str,
        address: SocketAddr,
        command: &[String],
        environment: &[(&str, String)],
        core: Option<u32>,
        log: &Path,
    ) -> Result<Server, Error> {
        let mut server = Server::spawn(name, address, command, environment, core, log)?;
        server.await_listening()?;
        Ok(server)
    }

    /// Runs a command pinned to a core, or to none, with this environment.
    pub fn spawn(
        name: &str,
        address: SocketAddr,
        command: &[String],
        environment: &[(&str, String)],
        core: Option<u32>,
        log: &Path,
    ) -> Result<Server, Error> {
        let file = File::options().create(true).append(true).open(log).at("open", log)?;
        let both = file.try_clone().at("open", log)?;
        let pin = core.map(|core| ["taskset".to_owned(), "-c".to_owned(), core.to_string()]);
        let words: Vec<&String> = pin.iter().flatten().chain(command).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(file).stderr(both);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let child = Owned(command.spawn().at("run", Path::new(words[0]))?);
        Ok(Server { name: name.to_owned(), address, child, log: log.to_owned() })
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> Result<bool, Error> {
        Ok(self.child.0.try_wait().at("wait for", &self.log)?.is_some())
    }

    pub fn await_listening(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.0.try_wait().at("wait for", &self.log)?;
            if ended.is_some() || began.elapsed() > READY_LIMIT {
                let reason = format!("{} does not listen ({ended:?}); its log: {}", self.name, self.log.display());
                return Err(Error::Chaos { doing: "start a server", reason });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Of all its processes and their threads since they started.
    pub fn cpu(&self) -> Result<Duration, Error> {
        let mut sum = Duration::ZERO;
        for process in family(self.pid()) {
            sum += Process(process).cpu()?;
        }
        Ok(sum)
    }

    /// Resident now, in bytes.
    pub fn memory(&self) -> Result<u64, Error> {
        let mut sum = 0;
        for process in family(self.pid()) {
            sum += Process(process).memory()?;
        }
        Ok(sum)
    }

    /// SIGTERM; killed where that does not end it in time.
    pub fn stop(mut self) -> bool {
        self.child.stop(STOP_LIMIT)
    }
}

/// A process and its descendants; one that ends meanwhile may be among them.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    for task in tasks {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(children.split_ascii_whitespace().filter_map(|child| child.parse().ok()).flat_map(family));
    }
    all
}

/// A port of loopback that nobody listens at now.
pub fn free_address() -> Result<SocketAddr, Error> {
    let socket = TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr());
    socket.map_err(|error| Error::Chaos { doing: "find a free port", reason: error.to_string() })
}

/// Lets all threads of a process that runs already go to these cores.
pub fn allow_cores(pid: u32, cores: &str) -> Result<(), Error> {
    let (cores, pid) = (cores.to_owned(), pid.to_string());
    let output =
        Command::new("taskset").args(["-a", "-c", "-p", &cores, &pid]).output().at("run", Path::new("taskset"))?;
    if output.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::Chaos { doing: "move a process to other cores", reason })
}
