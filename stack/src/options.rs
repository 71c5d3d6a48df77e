//! What a caller decides about a stack, and where its files lie. Nothing here touches the disk.

use std::fmt;
use std::path::{Path, PathBuf};

/// One of the two servers of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    Kafka,
    ClickHouse,
}

impl Server {
    /// Both, in the order in which they are started.
    pub const ALL: [Server; 2] = [Server::Kafka, Server::ClickHouse];

    fn folder(self) -> &'static str {
        match self {
            Server::Kafka => "kafka",
            Server::ClickHouse => "clickhouse",
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Server::Kafka => "Kafka",
            Server::ClickHouse => "ClickHouse",
        })
    }
}

/// The ports asked for. `None` means: the one that the folder was used with last, else the usual one (see
/// [`Options::free_ports`]). A taken port is always replaced by a free one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    pub kafka: Option<u16>,
    pub kafka_controller: Option<u16>,
    pub clickhouse_http: Option<u16>,
    pub clickhouse_tcp: Option<u16>,
}

/// A stack: where it lives and how it is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Data, logs, pid files and `endpoints.json`.
    pub dir: PathBuf,
    /// The `tributary` executable, which runs both servers under its hidden subcommands. A test passes
    /// `env!("CARGO_BIN_EXE_tributary")`.
    pub exe: PathBuf,
    pub ports: Ports,
    /// Free ports instead of the usual ones where `ports` and the folder name none; for tests.
    pub free_ports: bool,
    /// No progress and no notes on stderr; for tests.
    pub quiet: bool,
}

impl Options {
    /// A quiet stack in `dir` on free ports, as tests want it.
    pub fn for_test(dir: impl Into<PathBuf>, exe: impl Into<PathBuf>) -> Self {
        Options { dir: dir.into(), exe: exe.into(), ports: Ports::default(), free_ports: true, quiet: true }
    }

    pub(crate) fn layout(&self, server: Server) -> Layout {
        Layout::new(&self.dir, server)
    }
}

/// Where one server of a stack keeps its files.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub home: PathBuf,
}

impl Layout {
    pub fn new(dir: &Path, server: Server) -> Self {
        Layout { home: dir.join(server.folder()) }
    }

    /// Pid and start time of the running server; left behind only by a crash.
    pub fn pid_file(&self) -> PathBuf {
        self.home.join("pid")
    }

    /// The server's own log; it rotates itself.
    pub fn log(&self) -> PathBuf {
        self.home.join("server.log")
    }

    /// stdout and stderr of the process: empty unless it failed early. Truncated at each start.
    pub fn output(&self) -> PathBuf {
        self.home.join("output.log")
    }

    /// What must survive: the topics, the tables.
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// ClickHouse reads this named pipe as its last query; a line in it ends the query, and with it the server.
    pub fn stop_pipe(&self) -> PathBuf {
        self.home.join("stop.fifo")
    }
}
