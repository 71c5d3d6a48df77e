//! The servers' files, downloaded once into a cache that all clones and users of this machine's account share.
//!
//! A folder in the cache is complete or absent: it is filled under a temporary name, under a lock, and renamed. What
//! an interrupted download left is deleted by the next one.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde::Deserialize;

use crate::error::{Error, IoContext};
use crate::lock::Lock;
use crate::options::Server;
use crate::progress::Progress;

const KAFKA: &str = "kafka-4.3.1";
const KAFKA_POM: &str = include_str!("kafka/pom.xml");

const CLICKHOUSE: &str = "clickhouse-26.7.3";
/// ClickHouse as a shared library (the chDB project); the whole server is in it.
const CLICKHOUSE_PACKAGE: &str = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1";
/// npm checks a package against its registry; this checks the registry against what we tested.
const CLICKHOUSE_INTEGRITY: &str =
    "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==";
const CLICKHOUSE_LIBRARY: &str = "libchdb.so";

/// `$TRIBUTARY_CACHE`, else `$XDG_CACHE_HOME/tributary`, else `$HOME/.cache/tributary`; always absolute.
pub(crate) fn root() -> Result<PathBuf, Error> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = set("TRIBUTARY_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("tributary")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache/tributary")))
        .ok_or(Error::NoCache)?;
    std::path::absolute(&root).at("resolve", &root)
}

/// Whether `server` has been downloaded.
pub(crate) fn has(server: Server) -> bool {
    let name = match server {
        Server::Kafka => KAFKA,
        Server::ClickHouse => CLICKHOUSE,
    };
    root().is_ok_and(|root| root.join("servers").join(name).is_dir())
}

/// The folder of jars that Kafka's class path is made of.
pub(crate) fn kafka_libs(progress: &Progress) -> Result<PathBuf, Error> {
    let folder = fetch(KAFKA, "downloading Kafka 4.3.1 from Maven (55 MB)", progress, fill_kafka)?;
    Ok(folder.join("libs"))
}

/// `libchdb.so`.
pub(crate) fn clickhouse_library(progress: &Progress) -> Result<PathBuf, Error> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Error::Unsupported { server: Server::ClickHouse });
    }
    let what = "downloading ClickHouse 26.7.3 from npm (178 MB, 566 MB unpacked)";
    let folder = fetch(CLICKHOUSE, what, progress, fill_clickhouse)?;
    Ok(folder.join(CLICKHOUSE_LIBRARY))
}

/// The folder `name` of the cache, filled first if it is not there.
fn fetch(name: &str, what: &str, progress: &Progress, fill: fn(&Path) -> Result<(), Error>) -> Result<PathBuf, Error> {
    let servers = root()?.join("servers");
    let folder = servers.join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(&servers).at("create folder", &servers)?;
    let _lock = Lock::acquire(&servers.join(format!("{name}.lock")), progress)?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let partial = servers.join(format!("{name}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial).at("delete", &partial)?;
    }
    fs::create_dir(&partial).at("create folder", &partial)?;
    let began = Instant::now();
    let step = progress.step(what);
    fill(&partial)?;
    drop(step);
    fs::rename(&partial, &folder).at("rename to", &folder)?;
    progress.note(&format!("{name}: downloaded in {:.1} s", began.elapsed().as_secs_f64()));
    Ok(folder)
}

fn fill_kafka(folder: &Path) -> Result<(), Error> {
    let pom = folder.join("pom.xml");
    fs::write(&pom, KAFKA_POM).at("write", &pom)?;
    // Strict checksums: a jar that was damaged on its way fails instead of warning.
    run(Command::new("mvn").current_dir(folder).args([
        "--quiet",
        "--batch-mode",
        "--strict-checksums",
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        "-DoutputDirectory=libs",
    ]))?;
    Ok(())
}

#[derive(Deserialize)]
struct Packed {
    filename: String,
    integrity: String,
}

fn fill_clickhouse(folder: &Path) -> Result<(), Error> {
    // npm's own cache would keep a second copy of 178 MB for ever.
    let npm_cache = folder.join("npm");
    let listing = run(Command::new("npm")
        .current_dir(folder)
        .args(["pack", CLICKHOUSE_PACKAGE, "--json", "--cache"])
        .arg(&npm_cache))?;
    let packed: Vec<Packed> =
        serde_json::from_str(&listing).map_err(|error| failed("npm", "unexpected answer", error))?;
    let [packed] = packed.as_slice() else {
        return Err(failed("npm", "unexpected answer", &listing));
    };
    if packed.integrity != CLICKHOUSE_INTEGRITY {
        return Err(Error::Checksum {
            what: CLICKHOUSE_PACKAGE,
            found: packed.integrity.clone(),
            expected: CLICKHOUSE_INTEGRITY,
        });
    }
    let member = format!("package/{CLICKHOUSE_LIBRARY}");
    run(Command::new("tar").current_dir(folder).args(["-xzf", &packed.filename, "--strip-components=1", &member]))?;
    let archive = folder.join(&packed.filename);
    fs::remove_file(&archive).at("delete", &archive)?;
    fs::remove_dir_all(&npm_cache).at("delete", &npm_cache)
}

/// Runs a program to its end and returns its stdout.
pub(crate) fn run(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|source| Error::Program { program: program.clone(), source })?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let said = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
    Err(failed(&program, &output.status.to_string(), said.trim()))
}

fn failed(program: &str, status: &str, output: impl ToString) -> Error {
    Error::Failed { program: program.to_owned(), status: status.to_owned(), output: output.to_string() }
}
