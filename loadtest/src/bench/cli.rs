//! `tributary loadtest generate`, `... translate`, `... processor`, `... latency`: the steps of `make bench-processor`, each to be run by itself.

use crate::bench::BenchError;
use crate::bench::check;
use crate::bench::generate;
use crate::bench::growth;
use crate::bench::installation;
use crate::bench::latency::{self, Step};
use crate::bench::manifest::Manifest;
use crate::bench::meter;
use crate::bench::process::Process;
use crate::bench::report;
use crate::bench::translate;
use crate::bench::workload::{Plan, Set};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Write the benchmark's clicks and events, and what must come out of them
    ///
    /// Creates the topics of the installation PREFIX with two partitions, applies a catalog of 50 advertisers, 2000
    /// campaigns and 5000 publishers, and writes journeys of 1 to 6 clicks and their conversions in the order of their
    /// arrival. To be run once: a second run writes everything a second time.
    Generate(GenerateArgs),
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
    /// Measure how long decisions take while clicks and events come in at a steady rate
    ///
    /// Writes the records of a translated installation (FROM) to another one (PREFIX, which is deleted first): the first of
    /// them at once, then so many a second, each when it is due, for as long as a step lasts. Reports for each step the time
    /// from an event's acknowledgement by Kafka to its committed decision.
    Latency(LatencyArgs),
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
pub struct GenerateArgs {
    /// What to write
    workload: Set,
    #[command(flatten)]
    place: Place,
    /// Clicks [default: 10 million, of set c 1 million]
    #[arg(long)]
    clicks: Option<u64>,
    /// Conversions [default: 500 thousand, of set c 1 million]
    #[arg(long)]
    conversions: Option<u64>,
    #[arg(long, default_value_t = 20_260_101)]
    seed: u64,
    /// Where to write what a correct run decides
    #[arg(long)]
    manifest: PathBuf,
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
struct Run {
    /// The processor's core [default: any]
    #[arg(long)]
    core: Option<u32>,
    /// Whose CPU time is reported as the broker's
    #[arg(long)]
    broker_pid: Option<u32>,
    /// A setting of the processor; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    with: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ProcessorArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    run: Run,
    /// Before the name of each figure, as in `a_records_per_s`
    #[arg(long)]
    name: String,
    /// The generator's manifest
    #[arg(long)]
    manifest: PathBuf,
    /// Also the cost of a record once the state holds so many clicks; may be repeated
    #[arg(long, value_name = "CLICKS")]
    growth: Vec<u64>,
    /// Do not read the decisions and compare them, for a quick look at the speed
    #[arg(long)]
    unchecked: bool,
}

#[derive(Debug, Args)]
pub struct LatencyArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    run: Run,
    /// Prefix of the translated installation whose records are written again
    #[arg(long)]
    from: String,
    /// Records that are there before the clock starts
    #[arg(long)]
    warm: usize,
    /// What the processor can do, in records/s; see `processor`
    #[arg(long)]
    capacity: u32,
    /// Loads, per cent of the capacity
    #[arg(long, value_delimiter = ',', default_values_t = [20, 80])]
    loads: Vec<u32>,
    /// Seconds of each load, of which the first 5 are not counted
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(10..=600))]
    seconds: u32,
}

impl BenchCommand {
    pub fn execute(self) -> Result<ExitCode, BenchError> {
        service::logging::init();
        match self {
            BenchCommand::Generate(args) => run_generate(&args),
            BenchCommand::Translate(args) => run_translate(&args),
            BenchCommand::Processor(args) => run_processor(args),
            BenchCommand::Latency(args) => run_latency(args),
        }
    }
}

fn run_generate(args: &GenerateArgs) -> Result<ExitCode, BenchError> {
    let kafka = installation::config(&args.place.bootstrap, &args.place.prefix);
    create(&args.place.dir)?;
    let (clicks, conversions) = args.workload.sizes();
    let (clicks, conversions) = (args.clicks.unwrap_or(clicks), args.conversions.unwrap_or(conversions));
    println!("seed {}", args.seed);
    let made = generate::generate(&kafka, Plan::new(args.workload, args.seed, clicks, conversions), &args.place.dir)?;
    made.write(&args.manifest)?;
    let prefix = &args.place.prefix;
    println!("{} clicks and {} events are in {prefix}clicks and {prefix}events", made.clicks, made.events);
    Ok(ExitCode::SUCCESS)
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
    let options = options(&args.place, args.run)?;
    let measured = meter::run(&options)?;
    let records = manifest.clicks + manifest.events;
    println!("{}", report::summary(&args.name, records, &measured));
    let found = if args.unchecked { None } else { Some(check::check(&options.kafka, &manifest)?) };
    if let Some(found) = &found {
        println!("{}", report::verdict(found));
    }
    let mut figures = report::figures(&args.name, records, &measured, found.as_ref());
    for point in growth::curve(&measured.samples, &args.growth) {
        println!("{}", report::point(&point));
        figures.extend(report::point_figures(&args.name, &point));
    }
    report::write(&args.place.dir.join("figures.json"), figures)?;
    let right = found.is_none_or(|found| found.differences.is_empty());
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_latency(args: LatencyArgs) -> Result<ExitCode, BenchError> {
    let options = latency::Options {
        source: installation::config(&args.place.bootstrap, &args.from),
        run: options(&args.place, args.run)?,
        warm: args.warm,
        rates: args.loads.iter().map(|load| args.capacity * load / 100).collect(),
        step: Duration::from_secs(args.seconds.into()),
    };
    let steps: Vec<Step> = latency::run(&options)?;
    let mut figures = serde_json::Map::new();
    for (load, step) in args.loads.iter().zip(&steps) {
        println!("{}", report::step(*load, step));
        figures.extend(report::step_figures(*load, step));
    }
    report::write(&args.place.dir.join("latency.json"), figures)?;
    let decided = steps.iter().all(|step| step.missing == 0);
    Ok(if decided { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Makes the folder, too.
fn options(place: &Place, run: Run) -> Result<meter::Options, BenchError> {
    create(&place.dir)?;
    Ok(meter::Options {
        kafka: installation::config(&place.bootstrap, &place.prefix),
        program: std::env::current_exe()
            .map_err(|error| BenchError::file("find", "our own program".as_ref(), error))?,
        state: place.dir.join("state"),
        log: place.dir.join("processor.log"),
        core: run.core,
        broker: run.broker_pid.map(Process),
        set: run.with,
    })
}

fn create(dir: &Path) -> Result<(), BenchError> {
    std::fs::create_dir_all(dir).map_err(|error| BenchError::file("create", dir, error))
}
