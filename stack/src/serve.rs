//! The hidden subcommands that are the servers: our executable turns itself into one of them.
//!
//! Doing the last steps here, in the new process, needs no code between fork and exec, and leaves no moment in which
//! a server runs that no pid file names: it leaves the terminal's session, claims the pid file, and only then starts.

use std::convert::Infallible;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, setsid};

use crate::endpoints::Endpoints;
use crate::error::{Error, IoContext};
use crate::options::{Layout, Server};
use crate::process::{self, Running};
use crate::{clickhouse, control, kafka};

pub(crate) const SERVE_KAFKA: &str = "serve-kafka";
pub(crate) const SERVE_CLICKHOUSE: &str = "serve-clickhouse";

/// How long our executable may take to claim the pid file; it does nothing before that.
const CLAIM_LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug, Args)]
pub(crate) struct ServeKafka {
    /// Folder of jars
    #[arg(long)]
    libs: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ServeClickHouse {
    /// Path of libchdb.so
    #[arg(long)]
    library: PathBuf,
    #[arg(long)]
    http_port: u16,
    #[arg(long)]
    tcp_port: u16,
}

/// Becomes the broker; returns only when that failed.
pub(crate) fn serve_kafka(args: &ServeKafka) -> Result<Infallible, Error> {
    detach()?;
    let mut java = kafka::command(&args.libs);
    let program = java.get_program().to_string_lossy().into_owned();
    // exec keeps pid and start time, and with them the pid file true.
    Err(Error::Program { program, source: java.exec() })
}

/// Is the ClickHouse server until it is stopped.
pub(crate) fn serve_clickhouse(args: &ServeClickHouse) -> Result<(), Error> {
    detach()?;
    clickhouse::run(&args.library, args.http_port, args.tcp_port)
}

/// A session of its own (Ctrl-C and a closed terminal do not reach it), the pid file, and all the files it may open.
fn detach() -> Result<(), Error> {
    // Fails only for a process that leads a group already: started by hand from a shell, then it stays there.
    let _ = setsid();
    process::claim(Path::new("pid"))?;
    let limit = getrlimit(Resource::Nofile);
    // Not worth failing for: the servers work with less and say when it runs out.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    Ok(())
}

/// What is needed to start a server: the executable that serves, and the downloaded files.
#[derive(Debug)]
pub(crate) struct Launcher<'a> {
    pub exe: &'a Path,
    pub layout: Layout,
    pub files: &'a Path,
}

impl Launcher<'_> {
    /// Starts the server's process and returns once its pid file names it.
    pub fn launch(&self, server: Server, endpoints: &Endpoints) -> Result<Running, Error> {
        let output = self.layout.output();
        let stdout = File::create(&output).at("create", &output)?;
        let stderr = stdout.try_clone().at("open", &output)?;
        // Absolute, since the process starts in another folder than ours.
        let exe = std::path::absolute(self.exe).at("resolve", self.exe)?;
        let mut command = Command::new(&exe);
        command.current_dir(&self.layout.home).arg("stack");
        match server {
            Server::Kafka => command.args([SERVE_KAFKA, "--libs"]).arg(self.files),
            Server::ClickHouse => command
                .args([SERVE_CLICKHOUSE, "--http-port", &endpoints.clickhouse_http_port().to_string()])
                .args(["--tcp-port", &endpoints.clickhouse_tcp_port.to_string(), "--library"])
                .arg(self.files),
        };
        // Both log in UTC, and ClickHouse takes its time zone from here.
        command.env("TZ", "UTC").stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let mut child =
            command.spawn().map_err(|source| Error::Program { program: exe.display().to_string(), source })?;

        let pid_file = self.layout.pid_file();
        let pid = child.id() as i32;
        let began = Instant::now();
        let running = loop {
            if let Some(running) = Running::find(&pid_file).filter(|running| running.pid == pid) {
                break running;
            }
            let ended = child.try_wait().at("wait for", &exe)?.is_some();
            if ended || began.elapsed() > CLAIM_LIMIT {
                let _ = child.kill();
                let _ = child.wait();
                return Err(control::died(server, &self.layout));
            }
            thread::sleep(Duration::from_millis(5));
        };
        // A caller that lives on (a test, a chaos run) must not keep the ended server as a zombie.
        thread::spawn(move || child.wait());
        Ok(running)
    }
}
