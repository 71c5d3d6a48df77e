//! The edge's benchmark: every server has its turn in every round, on a core of its own, under the same two loads; then
//! what ten thousand idle connections cost, and everything at once on all cores.

use super::figures::{Everything, Idle, Measured, Run};
use super::generator::{Generator, Load, Outcome};
use super::server::{Server, allow_cores, free_address};
use super::site::{CODES, EdgeSite};
use super::traffic::{Clicks, Events};
use crate::bench::process::Process;
use crate::error::{Error, FileContext};
use schemas::topic::Topic;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// Of every topic, ours and the peers'.
const PARTITIONS: i32 = 4;
/// Each server's first load, which is not measured: connections, caches, a JVM's compiler.
const WARM: Duration = Duration::from_secs(3);
/// A process's CPU time is counted in hundredths of a second, and what it does last ends after the last answer.
const SETTLE: Duration = Duration::from_millis(200);
/// Everything at once, on all cores.
const EVERYTHING: Duration = Duration::from_secs(30);

pub struct Peers {
    /// Holds `NAME/run.sh`.
    pub dir: PathBuf,
    pub only: Vec<String>,
    pub build: PathBuf,
    pub kafka_libs: Option<PathBuf>,
}

pub struct Options {
    pub dir: PathBuf,
    pub exe: PathBuf,
    pub peers: Option<Peers>,
    pub rounds: usize,
    pub lasts: Duration,
    pub connections: usize,
    pub rate: f64,
    pub server_core: u32,
    pub all_cores: String,
    pub idle: usize,
    pub with: Vec<String>,
    pub say: fn(&str),
}

/// What is asked of a server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Clicks,
    Events,
}

struct Turn {
    /// In the report.
    name: String,
    server: usize,
    asked: Asked,
}

struct Bench<'o> {
    options: &'o Options,
    site: EdgeSite,
    api_key: String,
    servers: Vec<Server>,
    clicks_acknowledged: u64,
    events_acknowledged: u64,
    events_asked: u64,
    /// By server: what peers answered.
    answered: HashMap<String, u64>,
}

pub fn run(options: &Options) -> Result<Measured, Error> {
    let site = EdgeSite::open(&options.dir, &options.exe, PARTITIONS)?;
    let api_key = site.api_key()?;
    let mut bench = Bench {
        options,
        site,
        api_key,
        servers: Vec::new(),
        clicks_acknowledged: 0,
        events_acknowledged: 0,
        events_asked: 0,
        answered: HashMap::new(),
    };
    let mut measured = Measured::default();
    let turns = bench.start_all(&mut measured)?;
    for turn in &turns {
        bench.load(turn, Load { rate: None, connections: options.connections, lasts: WARM })?;
    }
    for round in 1..=options.rounds {
        for turn in &turns {
            for rate in [Some(options.rate), None] {
                let load = Load { rate, connections: options.connections, lasts: options.lasts };
                let run = bench.measure(turn, load, round)?;
                (options.say)(&run.to_string());
                measured.runs.push(run);
            }
        }
    }
    for name in ["edge", "nginx"] {
        let idle = bench.idle(name)?;
        (options.say)(&idle.to_string());
        measured.idle.push(idle);
    }
    bench.check_peers()?;
    for server in bench.servers.drain(..) {
        server.stop();
    }
    let everything = bench.everything()?;
    (options.say)(&everything.to_string());
    measured.everything = Some(everything);
    measured.clicks = (bench.clicks_acknowledged, bench.site.records(Topic::Clicks)?);
    measured.events = (bench.events_acknowledged, bench.site.records(Topic::Events)?);
    Ok(measured)
}

impl Bench<'_> {
    fn start_all(&mut self, measured: &mut Measured) -> Result<Vec<Turn>, Error> {
        let core = Some(self.options.server_core);
        let edge = self.start_edge(1, core)?;
        let nginx = self.start_nginx()?;
        self.servers = vec![edge, nginx];
        let turn = |name: &str, server, asked| Turn { name: name.to_owned(), server, asked };
        let mut turns = vec![
            turn("nginx", 1, Asked::Clicks),
            turn("edge_click", 0, Asked::Clicks),
            turn("edge_event", 0, Asked::Events),
        ];
        let Some(peers) = &self.options.peers else { return Ok(turns) };
        for name in &peers.only {
            match self.start_peer(peers, name) {
                Ok(server) => {
                    turns.push(turn(&format!("peer_{}", name.replace('-', "_")), self.servers.len(), Asked::Clicks));
                    self.servers.push(server);
                }
                // Such as a machine without its compiler; the others are measured.
                Err(error) => {
                    (self.options.say)(&format!("peer {name} is not measured: {error}"));
                    measured.missing.push(name.clone());
                }
            }
        }
        Ok(turns)
    }

    fn start_edge(&self, threads: u16, core: Option<u32>) -> Result<Server, Error> {
        let address = free_address()?;
        let mut settings = self.options.with.clone();
        settings.push(format!("edge.threads={threads}"));
        // One API key sends all of it.
        settings.push("edge.limits={events={per_second=0,burst=0}}".to_owned());
        let command = self.site.edge(address, &self.site.dir().join("spool"), &settings);
        Server::start("edge", address, &command, &[], core, &self.site.dir().join("edge.log"))
    }

    /// Without a log, as its fastest: a location that returns.
    fn start_nginx(&self) -> Result<Server, Error> {
        let (address, dir) = (free_address()?, self.site.dir().join("nginx"));
        std::fs::create_dir_all(&dir).at("create", &dir)?;
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {};\n", dir.join(what).display()))
            .concat();
        let text = format!(
            "worker_processes 1;\ndaemon off;\npid {dir}/pid;\nerror_log {dir}/error.log warn;\n\
             events {{ worker_connections 20000; }}\nhttp {{\naccess_log off;\n\
             keepalive_requests 1000000000;\n{temporary}\
             server {{ listen {address} reuseport;\n\
             location / {{ return 302 https://shop.example/welcome?click_id=none; }} }} }}\n",
            dir = dir.display()
        );
        let file = dir.join("nginx.conf");
        std::fs::write(&file, text).at("write", &file)?;
        let words = ["nginx", "-p", &dir.to_string_lossy(), "-c", &file.to_string_lossy()].map(str::to_owned);
        Server::start("nginx", address, &words, &[], Some(self.options.server_core), &dir.join("log"))
    }

    /// `go-callback` is `go` with another environment, as the peers' own benchmark has it.
    fn start_peer(&self, peers: &Peers, name: &str) -> Result<Server, Error> {
        let (folder, variant) = name.split_once('-').unwrap_or((name, ""));
        let (address, topic) = (free_address()?, topic(name));
        self.create_topic(&topic)?;
        std::fs::create_dir_all(&peers.build).at("create", &peers.build)?;
        let mut environment = vec![
            ("PORT", address.port().to_string()),
            ("BROKER", self.site.kafka.bootstrap.clone()),
            ("TOPIC", topic),
            ("CPU", self.options.server_core.to_string()),
            ("OUT", peers.build.to_string_lossy().into_owned()),
        ];
        match variant {
            "callback" => environment.push(("WAIT", variant.to_owned())),
            "current" => environment.push(("RUNTIME", variant.to_owned())),
            _ => {}
        }
        if let Some(libs) = &peers.kafka_libs {
            environment.push(("KAFKA_LIBS", libs.to_string_lossy().into_owned()));
        }
        let script = peers.dir.join(folder).join("run.sh");
        if !script.is_file() {
            return Err(Error::Chaos { doing: "start a peer", reason: format!("no {}", script.display()) });
        }
        let log = self.site.dir().join(format!("peer-{name}.log"));
        // It builds itself where it must, and then pins itself.
        Server::start(name, address, &[script.to_string_lossy().into_owned()], &environment, None, &log)
    }

    /// A peer that answers before Kafka has the record is not one that waits.
    fn check_peers(&self) -> Result<(), Error> {
        for server in self.servers.iter().filter(|server| !matches!(server.name.as_str(), "edge" | "nginx")) {
            let there = self.site.foreign_records(&topic(&server.name))?;
            let answered = self.answered.get(&server.name).copied().unwrap_or_default();
            (self.options.say)(&format!("{}: {answered} redirects, {there} records in Kafka", server.name));
            if there < answered {
                let reason = format!("{} answered {answered} requests, and Kafka has {there}", server.name);
                return Err(Error::Chaos { doing: "compare with a peer that waits for Kafka", reason });
            }
        }
        Ok(())
    }

    fn create_topic(&self, name: &str) -> Result<(), Error> {
        let mut tool = stack::kafka_tool("org.apache.kafka.tools.TopicCommand")?;
        tool.args(["--bootstrap-server", &self.site.kafka.bootstrap, "--create", "--topic", name]);
        tool.args(["--partitions", &PARTITIONS.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let status = tool.status().at("run", Path::new("java"))?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::Chaos { doing: "create a peer's topic", reason: status.to_string() })
        }
    }

    fn load(&mut self, turn: &Turn, load: Load) -> Result<(Outcome, u64), Error> {
        let server = &self.servers[turn.server];
        let (outcome, acknowledged, other) = match turn.asked {
            Asked::Clicks => {
                let (outcome, clicks) = clicks(server.address, load)?;
                if server.name == "edge" {
                    self.clicks_acknowledged += clicks.acknowledged;
                } else {
                    *self.answered.entry(server.name.clone()).or_default() += clicks.redirected;
                }
                (outcome, if server.name == "edge" { clicks.acknowledged } else { clicks.redirected }, clicks.other)
            }
            Asked::Events => {
                self.events_asked += 1;
                let ids = format!("b{}-", self.events_asked);
                let mut events = Events::new(&server.address.to_string(), &self.api_key, ids);
                let outcome = Generator::new(server.address, load, &mut events)?.run(|_| true)?;
                self.events_acknowledged += events.acknowledged;
                (outcome, events.acknowledged, events.other)
            }
        };
        let not_acknowledged = outcome.done - acknowledged + outcome.given_up;
        if other > 0 {
            let reason = format!("{} answered {other} requests otherwise than a collector should", turn.name);
            return Err(Error::Chaos { doing: "measure", reason });
        }
        Ok((outcome, not_acknowledged))
    }

    fn measure(&mut self, turn: &Turn, load: Load, round: usize) -> Result<Run, Error> {
        let broker = self.site.broker_pid().map(Process);
        let broker_cpu = || broker.map_or(Ok(Duration::ZERO), Process::cpu);
        let (was, broker_was) = (self.servers[turn.server].cpu()?, broker_cpu()?);
        let (outcome, not_acknowledged) = self.load(turn, load)?;
        std::thread::sleep(SETTLE);
        Ok(Run {
            name: turn.name.clone(),
            round,
            open: load.rate.is_some(),
            cpu: self.servers[turn.server].cpu()? - was,
            broker_cpu: broker_cpu()? - broker_was,
            not_acknowledged,
            outcome,
        })
    }

    /// Each connection has had an answer, and keeps quiet.
    fn idle(&self, name: &str) -> Result<Idle, Error> {
        let server = self.servers.iter().find(|server| server.name == name);
        let server = server.ok_or(Error::Chaos { doing: "find a server", reason: name.to_owned() })?;
        let before = server.memory()?;
        let request = format!("HEAD /r/{} HTTP/1.1\r\nHost: {}\r\n\r\n", CODES[0], server.address);
        let mut open = Vec::with_capacity(self.options.idle);
        let mut answer = [0; 4096];
        for _ in 0..self.options.idle {
            let connected = TcpStream::connect(server.address).and_then(|mut stream| {
                stream.write_all(request.as_bytes())?;
                stream.set_read_timeout(Some(Duration::from_secs(5)))?;
                let count = stream.read(&mut answer)?;
                Ok((stream, count))
            });
            match connected {
                Ok((stream, count)) if answer[..count].starts_with(b"HTTP/1.1 302") => open.push(stream),
                Ok((_, count)) => {
                    let reason = String::from_utf8_lossy(&answer[..count]).into_owned();
                    return Err(Error::Chaos { doing: "open an idle connection", reason });
                }
                Err(error) => return Err(Error::Chaos { doing: "open an idle connection", reason: error.to_string() }),
            }
        }
        let memory = server.memory()?;
        Ok(Idle { name: name.to_owned(), connections: open.len(), before, memory })
    }

    /// Kafka, the edge with two threads and the generator share all cores.
    fn everything(&mut self) -> Result<Everything, Error> {
        let broker = self.site.broker_pid();
        for pid in broker.into_iter().chain([std::process::id()]) {
            allow_cores(pid, &self.options.all_cores)?;
        }
        let edge = self.start_edge(2, None)?;
        let connections = self.options.connections;
        let (_, warm) = clicks(edge.address, Load { rate: Some(self.options.rate), connections, lasts: WARM })?;
        let was = (edge.cpu()?, broker.map_or(Ok(Duration::ZERO), |pid| Process(pid).cpu())?);
        let (outcome, told) =
            clicks(edge.address, Load { rate: Some(self.options.rate), connections, lasts: EVERYTHING })?;
        let cpu = edge.cpu()? - was.0;
        let broker_cpu = broker.map_or(Ok(Duration::ZERO), |pid| Process(pid).cpu())? - was.1;
        self.clicks_acknowledged += warm.acknowledged + told.acknowledged;
        let not_acknowledged = outcome.done - told.acknowledged + outcome.given_up;
        edge.stop();
        Ok(Everything { outcome, cpu, broker_cpu, not_acknowledged })
    }
}

fn clicks(address: SocketAddr, load: Load) -> Result<(Outcome, Clicks), Error> {
    let paths = CODES.map(|code| format!("/r/{code}?sub1=newsletter-42"));
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let mut clicks = Clicks::new(&address.to_string(), &paths, load.connections);
    let outcome = Generator::new(address, load, &mut clicks)?.run(|_| true)?;
    Ok((outcome, clicks))
}

fn topic(peer: &str) -> String {
    format!("peer-{peer}")
}
