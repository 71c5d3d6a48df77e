//! How one Kafka node is configured, formatted, started and asked whether it is ready.

mod probe;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::cache;
use crate::endpoints::Endpoints;
use crate::error::{Error, IoContext};
use crate::options::Layout;
use crate::progress::Progress;

const SERVER_PROPERTIES: &str = include_str!("kafka/server.properties");
const LOG4J2: &str = include_str!("kafka/log4j2.properties");

/// Longest wait for one answer of the probe; a broker that is starting does not answer at all.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

/// Writes the configuration and, the first time, formats the data folder.
pub(crate) fn prepare(layout: &Layout, endpoints: &Endpoints, libs: &Path, progress: &Progress) -> Result<(), Error> {
    let write = |name: &str, text: &str| {
        let path = layout.home.join(name);
        fs::write(&path, text).at("write", &path)
    };
    write("log4j2.properties", LOG4J2)?;
    write("server.properties", &server_properties(endpoints))?;
    // The format is done when this file is there: it is written last.
    if layout.data().join("meta.properties").exists() {
        return Ok(());
    }
    let _step = progress.step("formatting Kafka's data folder");
    let mut format = java(libs);
    format
        .current_dir(&layout.home)
        .args(["kafka.tools.StorageTool", "format", "--ignore-formatted", "--cluster-id"])
        .args([&cluster_id()?, "--config", "server.properties"]);
    cache::run(&mut format)?;
    Ok(())
}

/// The command that becomes the broker; its working folder is `home`.
pub(crate) fn command(libs: &Path) -> Command {
    let mut command = Command::new(java_program());
    command
        // Four of these are Kafka's own; a development broker needs no more heap than this for 100 partitions.
        .args(["-server", "-Xms512m", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"])
        .args(["-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"])
        .args(["-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData", "-Djava.awt.headless=true"])
        .args(["-Dlog4j2.configurationFile=log4j2.properties", "-cp"])
        .arg(class_path(libs))
        .args(["kafka.Kafka", "server.properties"]);
    command
}

/// Whether the broker answers requests and is in its own metadata.
pub(crate) fn is_ready(endpoints: &Endpoints) -> bool {
    probe::brokers(endpoints.kafka_port(), PROBE_LIMIT).is_ok_and(|brokers| brokers > 0)
}

/// `$JAVA_HOME/bin/java` when that is set, else the `java` of the path.
pub(crate) fn java_program() -> PathBuf {
    match env::var_os("JAVA_HOME").filter(|home| !home.is_empty()) {
        Some(home) => Path::new(&home).join("bin/java"),
        None => PathBuf::from("java"),
    }
}

/// One of Kafka's own command line tools, by its Java class (`org.apache.kafka.tools.TopicCommand`): the caller adds
/// arguments. Downloads Kafka first if need be.
pub fn kafka_tool(class: &str) -> Result<Command, Error> {
    let mut tool = java(&cache::kafka_libs(&Progress::new(true))?);
    tool.arg(class);
    Ok(tool)
}

/// A short-lived JVM: a small heap, and no compiling of what runs once.
fn java(libs: &Path) -> Command {
    let mut command = Command::new(java_program());
    command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp"]).arg(class_path(libs));
    command
}

fn class_path(libs: &Path) -> OsString {
    libs.join("*").into_os_string()
}

fn server_properties(endpoints: &Endpoints) -> String {
    SERVER_PROPERTIES
        .replace("@KAFKA_PORT@", &endpoints.kafka_port().to_string())
        .replace("@CONTROLLER_PORT@", &endpoints.kafka_controller_port.to_string())
}

/// 16 random bytes in Kafka's spelling, as `StorageTool random-uuid` would take a JVM start to make.
fn cluster_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Failed {
        program: "getrandom".into(),
        status: error.to_string(),
        output: String::new(),
    })?;
    // A leading '-' (62 << 2) would read as an option on a command line; Kafka avoids it too.
    bytes[0] &= 0x7f;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_carries_the_ports_and_no_placeholder() {
        let text = server_properties(&Endpoints::new(19092, 19093, 18123, 19000));
        assert!(text.contains("listeners=PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093\n"));
        assert!(text.contains("controller.quorum.voters=1@127.0.0.1:19093\n"));
        assert!(!text.contains("_PORT@"));
    }

    #[test]
    fn a_cluster_id_is_22_characters_and_no_option() {
        for _ in 0..100 {
            let id = cluster_id().expect("random bytes");
            assert_eq!(id.len(), 22);
            assert!(!id.starts_with('-'), "{id}");
        }
    }
}
