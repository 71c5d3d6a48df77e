//! The machine's part of the report: processor, memory, disk, files, ports.

use std::env;
use std::fs;
use std::path::Path;
use std::thread;

use rustix::fs::statvfs;
use rustix::process::{Resource, getrlimit};

use super::{Check, Verdict};
use crate::cache;
use crate::control;
use crate::endpoints::{Endpoints, endpoints};
use crate::error::{Error, IoContext};
use crate::options::{Layout, Server};
use crate::ports;
use crate::process::Running;

const GB: f64 = 1e9;
/// Download, unpacked files and what npm and Maven need meanwhile.
const SERVERS_GB: f64 = 1.2;
/// A target folder with RocksDB, and the crates' sources.
const BUILD_GB: f64 = 12.0;
/// Topics, tables and the processor's state of an ordinary load test.
const DATA_GB: f64 = 5.0;
/// Kafka (heap 1 GB), ClickHouse, edge, processor and sinks, side by side.
const MEMORY_GB: f64 = 4.0;
/// Each segment of each Kafka partition and each part of each ClickHouse table is a few open files.
const OPEN_FILES: u64 = 4096;

pub(super) fn checks(dir: &Path) -> Result<Vec<Check>, Error> {
    let dir = &std::path::absolute(dir).at("resolve", dir)?;
    let here = env::current_dir().at("find", "the current folder".as_ref())?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| here.join("target"), Into::into);
    let mut checks = vec![
        architecture(env::consts::OS, env::consts::ARCH),
        processors(thread::available_parallelism().map_or(1, |count| count.get())),
        memory(&fs::read_to_string("/proc/meminfo").unwrap_or_default()),
        open_files(getrlimit(Resource::Nofile).maximum),
    ];
    let missing_servers = Server::ALL.iter().any(|server| !cache::has(*server));
    checks.push(disk("cache", &cache::root()?, if missing_servers { SERVERS_GB } else { 0.0 }, true));
    checks.push(disk("data", dir, DATA_GB, true));
    checks.push(disk("build", &target, BUILD_GB, false));
    checks.extend(port_checks(dir));
    Ok(checks)
}

fn architecture(os: &str, arch: &str) -> Check {
    let verdict = match (os, arch) {
        ("linux", "x86_64") => Verdict::Ok,
        _ => Verdict::Missing("ClickHouse's library is for x86_64 Linux; use docker-compose.yml".into()),
    };
    Check::new("machine", format!("{arch} {os}"), verdict)
}

fn processors(count: usize) -> Check {
    let verdict = match count {
        0 | 1 => Verdict::Advice("it runs; measurements want two and more".into()),
        _ => Verdict::Ok,
    };
    Check::new("processors", count.to_string(), verdict)
}

fn memory(meminfo: &str) -> Check {
    let kilobytes: Option<f64> = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok());
    let Some(kilobytes) = kilobytes else {
        return Check::new("memory", "unknown", Verdict::Advice(format!("{MEMORY_GB} GB are needed")));
    };
    let gigabytes = kilobytes * 1024.0 / GB;
    let enough = gigabytes >= MEMORY_GB;
    let verdict = if enough { Verdict::Ok } else { Verdict::Advice(format!("{MEMORY_GB} GB are comfortable")) };
    Check::new("memory", format!("{gigabytes:.1} GB"), verdict)
}

fn open_files(hard: Option<u64>) -> Check {
    let found = hard.map_or("unlimited".to_owned(), |limit| limit.to_string());
    let verdict = match hard {
        Some(limit) if limit < OPEN_FILES => {
            Verdict::Missing(format!("raise the hard limit to {OPEN_FILES} or more (`ulimit -Hn`, limits.conf)"))
        }
        // The servers raise their own soft limit to the hard one.
        _ => Verdict::Ok,
    };
    Check::new("open files", found, verdict)
}

fn disk(what: &str, folder: &Path, needed_gb: f64, to_run: bool) -> Check {
    let name = format!("disk for {what}");
    // The folder itself may not exist yet: the nearest one above it does.
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let Ok(found) = statvfs(existing) else {
        return Check::new(name, folder.display().to_string(), Verdict::Advice("free space is unknown".into()));
    };
    let free_gb = (found.f_bavail * found.f_frsize) as f64 / GB;
    Check::new(
        name,
        format!("{free_gb:.1} GB free, {needed_gb} GB needed in {}", folder.display()),
        space(free_gb, needed_gb, to_run),
    )
}

fn space(free_gb: f64, needed_gb: f64, to_run: bool) -> Verdict {
    match (free_gb >= needed_gb, to_run) {
        (true, _) => Verdict::Ok,
        (false, true) => Verdict::Missing("free some, or choose another folder (TRIBUTARY_CACHE, --dir)".into()),
        (false, false) => Verdict::Advice("needed only to build; CARGO_TARGET_DIR chooses another folder".into()),
    }
}

fn port_checks(dir: &Path) -> Vec<Check> {
    let ports = endpoints(dir).unwrap_or_else(Endpoints::usual);
    let rows = [
        ("port Kafka", Server::Kafka, ports.kafka_port()),
        ("port controller", Server::Kafka, ports.kafka_controller_port),
        ("port HTTP", Server::ClickHouse, ports.clickhouse_http_port()),
        ("port native", Server::ClickHouse, ports.clickhouse_tcp_port),
    ];
    let ours = Server::ALL.map(|server| {
        let runs = Running::find(&Layout::new(dir, server).pid_file()).is_some();
        (server, runs && control::is_ready(server, &ports))
    });
    rows.into_iter()
        .map(|(name, server, port)| port_check(name, port, ours.contains(&(server, true)), ports::is_free(port)))
        .collect()
}

fn port_check(name: &str, port: u16, ours: bool, free: bool) -> Check {
    let (found, verdict) = match (ours, free) {
        (true, _) => ("ours", Verdict::Ok),
        (false, true) => ("free", Verdict::Ok),
        (false, false) => ("taken", Verdict::Advice("`tributary stack up` will take another".into())),
    };
    Check::new(name, format!("{port} {found}"), verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_missing(check: &Check) -> bool {
        matches!(check.verdict, Verdict::Missing(_))
    }

    #[test]
    fn only_what_running_needs_is_missing() {
        let rows = [
            (architecture("linux", "x86_64"), false),
            (architecture("linux", "aarch64"), true),
            (architecture("macos", "x86_64"), true),
            (open_files(Some(1024)), true),
            (open_files(Some(20_000)), false),
            (open_files(None), false),
            (port_check("port", 1, false, false), false),
            (memory("MemTotal:  1000000 kB\n"), false),
            (processors(1), false),
        ];
        for (check, expected) in rows {
            assert_eq!(is_missing(&check), expected, "{check}");
        }
    }

    #[test]
    fn little_disk_stops_running_and_not_building() {
        let rows = [(10.0, 5.0, true, "ok"), (1.0, 5.0, true, "missing"), (1.0, 12.0, false, "note")];
        for (free, needed, to_run, word) in rows {
            let check = Check::new("disk", "", space(free, needed, to_run));
            assert!(check.to_string().starts_with(word), "{check}");
        }
    }

    #[test]
    fn memory_is_read_from_meminfo() {
        assert_eq!(memory("Foo: 1 kB\nMemTotal:       24000000 kB\n").found, "24.6 GB");
        assert_eq!(memory("").found, "unknown");
    }
}
