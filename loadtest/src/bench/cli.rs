//! `tributary loadtest translate`, `... processor`: the steps of `make bench-processor`, each to be run by itself.

use crate::bench::BenchError;
use crate::bench::check::{self, Found};
use crate::bench::installation;
use crate::bench::manifest::Manifest;
use crate::bench::meter::{self, Measured};
use crate::bench::process::Process;
use crate::bench::translate;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Write the clicks and events of the peers' generator as Tributary's own, for benchmarks
    ///
    /// Reads the topics <SOURCE>clicks and <SOURCE>events, creates the topics of the installation PREFIX with two
    /// partitions, applies a catalog of 50 advertisers, 2000 campaigns and 5000 publishers, and writes the same
    /// journeys, times and amounts in the same order of arrival under Tributary's schemas and keys. To be run once: a
    /// second run writes everything a second time.
    Translate(TranslateArgs),
    /// Measure one run of the processor on what the topics hold, and check what it decided
    ///
    /// Deletes what an earlier run made (clicks, events and the catalog stay), starts `tributary processor` with one
    /// thread and no state, waits until all is processed and committed, and compares decisions and journal with the
    /// generator's manifest. Clock and CPU run from the first commit to the last. Exit code 1 when anything differs.
    Processor(ProcessorArgs),
}

#[derive(Debug, Args)]
struct Place {
    /// Kafka, host:port
    #[arg(long)]
    bootstrap: String,
    /// Before every topic of the installation
    #[arg(long)]
    prefix: String,
    /// Folder for state, logs and figures
    #[arg(long)]
    dir: PathBuf,
}

#[derive(Debug, Args)]
pub struct TranslateArgs {
    #[command(flatten)]
    place: Place,
    /// Before the names of the peers' topics
    #[arg(long)]
    source: String,
}

#[derive(Debug, Args)]
pub struct ProcessorArgs {
    #[command(flatten)]
    place: Place,
    /// Before the name of each figure, as in `a_records_per_s`
    #[arg(long)]
    name: String,
    /// The generator's manifest
    #[arg(long)]
    manifest: PathBuf,
    /// The processor's core [default: any]
    #[arg(long)]
    core: Option<u32>,
    /// Whose CPU time is reported as the broker's
    #[arg(long)]
    broker_pid: Option<u32>,
    /// A setting of the processor, `section.key=value`; may be repeated
    #[arg(long = "with", value_name = "SECTION.KEY=VALUE")]
    with: Vec<String>,
    /// Do not read the decisions and compare them, for a quick look at the speed
    #[arg(long)]
    unchecked: bool,
}

impl BenchCommand {
    pub fn execute(self) -> Result<ExitCode, BenchError> {
        service::logging::init();
        match self {
            BenchCommand::Translate(args) => run_translate(&args),
            BenchCommand::Processor(args) => run_processor(args),
        }
    }
}

fn run_translate(args: &TranslateArgs) -> Result<ExitCode, BenchError> {
    let kafka = installation::config(&args.place.bootstrap, &args.place.prefix);
    create(&args.place.dir)?;
    let prefix = &args.place.prefix;
    let done = translate::translate(&kafka, &args.source, &args.place.dir)?;
    println!("{} clicks and {} events are in {prefix}clicks and {prefix}events", done.clicks, done.events);
    Ok(ExitCode::SUCCESS)
}

fn run_processor(args: ProcessorArgs) -> Result<ExitCode, BenchError> {
    let manifest = Manifest::read(&args.manifest)?;
    let dir = &args.place.dir;
    create(dir)?;
    let options = meter::Options {
        kafka: installation::config(&args.place.bootstrap, &args.place.prefix),
        program: std::env::current_exe()
            .map_err(|error| BenchError::file("find", "our own program".as_ref(), error))?,
        state: dir.join("state"),
        log: dir.join("processor.log"),
        core: args.core,
        broker: args.broker_pid.map(Process),
        set: args.with,
    };
    let measured = meter::run(&options)?;
    let records = manifest.clicks + manifest.events;
    println!("{}", summary(&args.name, records, &measured));
    let found = if args.unchecked { None } else { Some(check::check(&options.kafka, &manifest)?) };
    if let Some(found) = &found {
        println!("{}", verdict(found));
    }
    let figures = dir.join("figures.json");
    let text = Value::from(figures_of(&args.name, records, &measured, found.as_ref())).to_string();
    std::fs::write(&figures, text + "\n").map_err(|error| BenchError::file("write", &figures, error))?;
    let right = found.is_none_or(|found| found.differences.is_empty());
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn create(dir: &Path) -> Result<(), BenchError> {
    std::fs::create_dir_all(dir).map_err(|error| BenchError::file("create", dir, error))
}

fn summary(name: &str, records: u64, measured: &Measured) -> String {
    let commit = |seconds: Option<f64>| seconds.map_or("-".to_owned(), |seconds| format!("{:.1}", seconds * 1000.0));
    format!(
        "{name}: {records} records in {:.1} s, {:.0} records/s, {:.2} CPU s per million (broker {:.2}), \
         peak memory {} MB, state {} MB, commit p50 {} ms, p99 {} ms",
        measured.took.as_secs_f64(),
        measured.per_s(records),
        measured.cpu_s_per_million(records),
        measured.broker_cpu.as_secs_f64() * 1e6 / records as f64,
        measured.peak_memory / 1_000_000,
        measured.peak_state / 1_000_000,
        commit(measured.commit_p50),
        commit(measured.commit_p99),
    )
}

fn verdict(found: &Found) -> String {
    let mut text = format!(
        "{} conversions decided in {} revisions, {} attributed, {} journal entries: ",
        found.conversions, found.revisions, found.attributed, found.entries
    );
    match found.differences.as_slice() {
        [] => text.push_str("as the manifest says"),
        differences => text.push_str(&format!("WRONG\n  {}", differences.join("\n  "))),
    }
    text
}

fn figures_of(name: &str, records: u64, measured: &Measured, found: Option<&Found>) -> Map<String, Value> {
    let rounded = |number: f64| json!((number * 1000.0).round() / 1000.0);
    let ms = |seconds: Option<f64>| seconds.map_or(Value::Null, |seconds| rounded(seconds * 1000.0));
    let mb = |bytes: u64| rounded(bytes as f64 / 1e6);
    let mut figures = vec![
        ("records", json!(records)),
        ("records_per_s", json!(measured.per_s(records).round())),
        ("cpu_s_per_million", rounded(measured.cpu_s_per_million(records))),
        ("broker_cpu_s_per_million", rounded(measured.broker_cpu.as_secs_f64() * 1e6 / records as f64)),
        ("broker_cpu_s", rounded(measured.broker_cpu.as_secs_f64())),
        ("peak_memory_mb", mb(measured.peak_memory)),
        ("state_mb", mb(measured.peak_state)),
        ("commit_p50_ms", ms(measured.commit_p50)),
        ("commit_p99_ms", ms(measured.commit_p99)),
    ];
    if let Some(found) = found {
        figures.push(("wrong", json!(found.differences.len())));
        figures.push(("revisions", json!(found.revisions)));
    }
    figures.into_iter().map(|(figure, value)| (format!("{name}_{figure}"), value)).collect()
}
