//! What each server of a stack is doing.

use std::fmt;
use std::fs;
use std::path::Path;

use crate::control;
use crate::endpoints::{Endpoints, endpoints};
use crate::options::{Options, Server};
use crate::process::{ProcessId, Running};

/// What a server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// Alive and answering.
    Running,
    /// Alive and not answering: starting, stopping or stuck.
    Starting,
    /// It ended without being stopped; `up` starts it again.
    Crashed,
    /// Never started, or stopped.
    Stopped,
}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ServerState::Running => "running",
            ServerState::Starting => "starting",
            ServerState::Crashed => "crashed",
            ServerState::Stopped => "stopped",
        })
    }
}

/// One server of a stack.
#[derive(Clone, Debug)]
pub struct ServerStatus {
    pub server: Server,
    pub state: ServerState,
    /// Of the live process.
    pub pid: Option<i32>,
    /// Where it is, or was last; `None` when the stack never started.
    pub endpoint: Option<String>,
    /// Bytes of its data folder on disk.
    pub data_bytes: u64,
}

/// What both servers are doing; asks each that is alive. Takes no lock and changes nothing.
pub fn status(options: &Options) -> [ServerStatus; 2] {
    let endpoints = endpoints(&options.dir);
    Server::ALL.map(|server| one(options, server, endpoints.as_ref()))
}

fn one(options: &Options, server: Server, endpoints: Option<&Endpoints>) -> ServerStatus {
    let layout = options.layout(server);
    let running = Running::find(&layout.pid_file());
    let state = match &running {
        Some(_) if endpoints.is_some_and(|endpoints| control::is_ready(server, endpoints)) => ServerState::Running,
        Some(_) => ServerState::Starting,
        None if ProcessId::read(&layout.pid_file()).is_some() => ServerState::Crashed,
        None => ServerState::Stopped,
    };
    let endpoint = endpoints.map(|endpoints| match server {
        Server::Kafka => endpoints.kafka_bootstrap.clone(),
        Server::ClickHouse => endpoints.clickhouse_http.clone(),
    });
    ServerStatus {
        server,
        state,
        pid: running.map(|running| running.pid),
        endpoint,
        data_bytes: disk_usage(&layout.data()),
    }
}

/// Bytes that the files below `path` take on disk. Not their lengths: Kafka's indexes are sparse files of 10 MB each.
/// Files that vanish meanwhile count as nothing.
fn disk_usage(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => disk_usage(&entry.path()),
            // st_blocks counts 512 bytes whatever the file system's block size (stat(2)).
            Ok(found) => found.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}
