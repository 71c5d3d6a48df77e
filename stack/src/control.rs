//! Starting, stopping and killing the servers of a stack; one operation at a time per folder.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::endpoints::{Endpoints, endpoints};
use crate::error::{Error, IoContext};
use crate::lock::Lock;
use crate::options::{Layout, Options, Server};
use crate::ports::{self, Wish};
use crate::process::Running;
use crate::progress::Progress;
use crate::serve::Launcher;
use crate::{cache, clickhouse, kafka};

/// A broker with a large log to recover after a crash is slow; a server that is dead is noticed at once.
const READY_LIMIT: Duration = Duration::from_secs(180);
/// How long a server may take to end cleanly before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// SIGKILL takes effect when the kernel has released the memory.
const KILL_LIMIT: Duration = Duration::from_secs(20);
/// Between two questions whether a server is ready.
const PROBE_PAUSE: Duration = Duration::from_millis(50);

/// Starts what does not run and waits until both servers answer. When both run already, it changes nothing.
///
/// # Errors
/// When a download fails, or a server ends or stays silent; what was started by then keeps running, and the next
/// `up` goes on from there.
pub fn up(options: &Options) -> Result<Endpoints, Error> {
    start(options, &Server::ALL)
}

/// Starts one server if it does not run, and waits until it answers.
pub fn start_one(options: &Options, server: Server) -> Result<Endpoints, Error> {
    start(options, &[server])
}

/// Stops both servers cleanly; SIGKILL after 20 s. The data stays.
pub fn down(options: &Options) -> Result<(), Error> {
    stop(options, &Server::ALL)
}

/// Stops one server cleanly; SIGKILL after 20 s.
pub fn stop_one(options: &Options, server: Server) -> Result<(), Error> {
    stop(options, &[server])
}

/// Kills one server with SIGKILL and returns when it is gone; for chaos tests. No error when it does not run.
pub fn kill(options: &Options, server: Server) -> Result<(), Error> {
    if !options.dir.is_dir() {
        return Ok(());
    }
    let _lock = lock(options, &Progress::new(options.quiet))?;
    match Running::find(&options.layout(server).pid_file()) {
        Some(running) => kill_now(server, &running),
        None => Ok(()),
    }
}

pub(crate) fn lock(options: &Options, progress: &Progress) -> Result<Lock, Error> {
    Lock::acquire(&options.dir.join("stack.lock"), progress)
}

pub(crate) fn is_ready(server: Server, endpoints: &Endpoints) -> bool {
    match server {
        Server::Kafka => kafka::is_ready(endpoints),
        Server::ClickHouse => clickhouse::is_ready(endpoints),
    }
}

/// The error for a server that ended on its own, with the end of its log.
pub(crate) fn died(server: Server, layout: &Layout) -> Error {
    Error::Died { server, log: layout.log(), tail: log_tail(layout) }
}

fn start(options: &Options, servers: &[Server]) -> Result<Endpoints, Error> {
    let progress = Progress::new(options.quiet);
    fs::create_dir_all(&options.dir).at("create folder", &options.dir)?;
    let _lock = lock(options, &progress)?;

    let mut files = HashMap::new();
    for server in servers {
        files.insert(*server, download(*server, &progress)?);
    }
    let mut endpoints = choose_ports(options, &progress)?;
    let mut all_ran = true;
    let mut waiting = Vec::new();
    // Both are launched before either is waited for.
    for server in servers {
        let found = Running::find(&options.layout(*server).pid_file());
        let fresh = found.is_none();
        let running = match found {
            Some(running) => running,
            None => launch(options, *server, &files[server], &endpoints, &progress)?,
        };
        all_ran &= !fresh;
        waiting.push((*server, running, fresh));
    }
    for (server, running, fresh) in waiting {
        let ready = wait_ready(options, server, &running, &endpoints, &progress);
        // Worth a second start: a server found alive that was dying of a kill just before, and one whose port
        // someone took between our look and its bind.
        let again = matches!(ready, Err(Error::Died { .. }))
            && (!fresh || !own_ports(server, &endpoints).into_iter().all(ports::is_free));
        if !again {
            ready?;
            continue;
        }
        all_ran = false;
        endpoints = choose_ports(options, &progress)?;
        let running = launch(options, server, &files[&server], &endpoints, &progress)?;
        wait_ready(options, server, &running, &endpoints, &progress)?;
    }
    if all_ran {
        progress.note("already up");
    }
    Ok(endpoints)
}

fn download(server: Server, progress: &Progress) -> Result<PathBuf, Error> {
    match server {
        Server::Kafka => cache::kafka_libs(progress),
        Server::ClickHouse => cache::clickhouse_library(progress),
    }
}

fn launch(
    options: &Options,
    server: Server,
    files: &Path,
    endpoints: &Endpoints,
    progress: &Progress,
) -> Result<Running, Error> {
    let layout = options.layout(server);
    fs::create_dir_all(&layout.home).at("create folder", &layout.home)?;
    match server {
        Server::Kafka => kafka::prepare(&layout, endpoints, files, progress)?,
        Server::ClickHouse => clickhouse::prepare(&layout)?,
    }
    Launcher { exe: &options.exe, layout, files }.launch(server, endpoints)
}

fn wait_ready(
    options: &Options,
    server: Server,
    running: &Running,
    endpoints: &Endpoints,
    progress: &Progress,
) -> Result<(), Error> {
    let layout = options.layout(server);
    let began = Instant::now();
    let mut step = None;
    loop {
        let ready = is_ready(server, endpoints);
        // Looked at after the answer: a server that could not bind is gone, and something else answered.
        if running.is_gone() {
            return Err(died(server, &layout));
        }
        if ready {
            return Ok(());
        }
        let waited = began.elapsed();
        if waited > READY_LIMIT {
            return Err(Error::NotReady {
                server,
                pid: running.pid,
                waited,
                log: layout.log(),
                tail: log_tail(&layout),
            });
        }
        step.get_or_insert_with(|| progress.step(&format!("starting {server}")));
        thread::sleep(PROBE_PAUSE);
    }
}

/// The ports of the running servers as recorded, those of the others chosen and recorded.
fn choose_ports(options: &Options, progress: &Progress) -> Result<Endpoints, Error> {
    let recorded = endpoints(&options.dir);
    let runs = |server| Running::find(&options.layout(server).pid_file()).is_some();
    let (kafka_runs, clickhouse_runs) = (runs(Server::Kafka), runs(Server::ClickHouse));
    let asked = &options.ports;
    let usual = Endpoints::usual();
    let row =
        |name, runs, asked, port: fn(&Endpoints) -> u16| (name, runs, asked, recorded.as_ref().map(port), port(&usual));
    let rows = [
        row("Kafka", kafka_runs, asked.kafka, Endpoints::kafka_port),
        row("Kafka controller", kafka_runs, asked.kafka_controller, |all| all.kafka_controller_port),
        row("ClickHouse HTTP", clickhouse_runs, asked.clickhouse_http, Endpoints::clickhouse_http_port),
        row("ClickHouse TCP", clickhouse_runs, asked.clickhouse_tcp, |all| all.clickhouse_tcp_port),
    ];
    let mut used: Vec<u16> = rows.iter().filter(|row| row.1).filter_map(|row| row.3).collect();
    let mut chosen = [0; 4];
    for (slot, (name, runs, asked, recorded, usual)) in chosen.iter_mut().zip(rows) {
        if let (true, Some(recorded)) = (runs, recorded) {
            *slot = recorded;
            if asked.is_some_and(|asked| asked != recorded) {
                progress.note(&format!("{name} runs on port {recorded} already; `down` first to change it"));
            }
            continue;
        }
        let usual = (!options.free_ports).then_some(usual);
        let (port, replaced) = ports::choose(Wish { asked, recorded, usual }, &used)?;
        if let Some(replaced) = replaced {
            progress.note(&format!("port {replaced} is taken: {name} uses {port} instead"));
        }
        used.push(port);
        *slot = port;
    }
    let [kafka, controller, http, tcp] = chosen;
    let endpoints = Endpoints::new(kafka, controller, http, tcp);
    // Before anything starts: a server never runs on a port that is not recorded.
    endpoints.save(&options.dir)?;
    Ok(endpoints)
}

fn own_ports(server: Server, endpoints: &Endpoints) -> [u16; 2] {
    match server {
        Server::Kafka => [endpoints.kafka_port(), endpoints.kafka_controller_port],
        Server::ClickHouse => [endpoints.clickhouse_http_port(), endpoints.clickhouse_tcp_port],
    }
}

fn stop(options: &Options, servers: &[Server]) -> Result<(), Error> {
    if !options.dir.is_dir() {
        return Ok(());
    }
    let progress = Progress::new(options.quiet);
    let _lock = lock(options, &progress)?;
    stop_locked(options, servers, &progress)
}

/// As `stop`, for a caller that holds the lock.
pub(crate) fn stop_locked(options: &Options, servers: &[Server], progress: &Progress) -> Result<(), Error> {
    let running: Vec<_> = servers
        .iter()
        .filter_map(|server| Some((*server, Running::find(&options.layout(*server).pid_file())?)))
        .collect();
    // Both are asked first, so that they end at the same time.
    for (server, running) in &running {
        if *server == Server::Kafka {
            running.signal(Signal::TERM);
        } else {
            clickhouse::ask_to_stop(&options.layout(*server));
        }
    }
    for (server, running) in &running {
        let _step = progress.step(&format!("stopping {server}"));
        if !wait_stopped(options, *server, running) {
            progress.note(&format!("{server} did not stop within {} s: killed", STOP_LIMIT.as_secs()));
            kill_now(*server, running)?;
        }
    }
    for server in servers {
        // Only a crash leaves a pid file.
        let _ = fs::remove_file(options.layout(*server).pid_file());
    }
    Ok(())
}

fn wait_stopped(options: &Options, server: Server, running: &Running) -> bool {
    if server == Server::Kafka {
        return running.wait_gone(STOP_LIMIT);
    }
    let deadline = Instant::now() + STOP_LIMIT;
    while Instant::now() < deadline {
        if running.wait_gone(Duration::from_millis(500)) {
            return true;
        }
        // A server that was still starting had nobody at the pipe.
        clickhouse::ask_to_stop(&options.layout(server));
    }
    false
}

fn kill_now(server: Server, running: &Running) -> Result<(), Error> {
    running.signal(Signal::KILL);
    if running.wait_gone(KILL_LIMIT) {
        return Ok(());
    }
    Err(Error::Unkillable { server, pid: running.pid, waited: KILL_LIMIT })
}

/// The last lines of what the process printed and of its log.
fn log_tail(layout: &Layout) -> String {
    const LINES: usize = 15;
    let mut tail = Vec::new();
    for path in [layout.output(), layout.log()] {
        let text = fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        tail.extend(lines[lines.len().saturating_sub(LINES)..].iter().map(|line| format!("  {line}")));
    }
    tail.join("\n")
}
