//! `tributary loadtest ...`: arguments in, texts and exit codes out.

use crate::bench::cli::BenchCommand;
use crate::chaos::cli::{ChaosArgs, RecoveryArgs, run_chaos, run_recovery};
use crate::clickhouse::ClickHouse;
use crate::edge::cli::EdgeCommand;
use crate::error::Error;
use crate::history::cli::{HistoryArgs, run_history};
use crate::record::{Run, RunId};
use crate::replay::{self, read_api_key};
use crate::report::Report;
use crate::verify;
use clap::{Args, Subcommand};
use service::{HumanDuration, Shutdown};
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

/// Replay real journeys through the edge and check what became of them
#[derive(Debug, Args)]
pub struct LoadtestArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Drive the journeys of a file through the edge, at a given rate, and record what was acknowledged
    Replay(ReplayArgs),
    /// Compare ClickHouse with the record of a replay; exit code 1 when anything differs
    Verify(VerifyArgs),
    /// Show the last result of verify again
    Report(ReportArgs),
    #[command(flatten)]
    Bench(BenchCommand),
    /// Write clicks, sales, refunds and what else becomes of sales straight to the topics, for the audit
    ///
    /// Visits as chaos has them (late clicks, events before their clicks, repeats by event id and by order id), by
    /// the contracts of loadtest/history/catalog.yaml, which must have been applied; refunds also before their sale,
    /// too late, in other currencies. The same for a seed.
    History(HistoryArgs),
    /// Kill, freeze, add and remove processors and kill the broker under load, then hold every decision and journal
    /// entry against the plan; exit code 1 when anything is lost, doubled or wrong
    Chaos(ChaosArgs),
    /// Measure how soon decisions come again when a processor with much state is killed and started again
    Recovery(RecoveryArgs),
    #[command(flatten)]
    Edge(EdgeCommand),
}

#[derive(Debug, Args)]
struct ReplayArgs {
    /// Journeys as CSV: path,total_conversions,total_conversion_value,total_null
    #[arg(long, default_value = "loadtest/data/journeys.csv")]
    data: PathBuf,
    /// The edge
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    edge: String,
    /// Clicks a second
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Folder for the record; that of an earlier replay is replaced
    #[arg(long)]
    out: PathBuf,
    /// File with the advertiser's API key
    #[arg(long)]
    api_key_file: PathBuf,
    /// Only so many visitors, chosen by the seed
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    limit_journeys: Option<u32>,
    /// Orders the visitors
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Connections to the edge at most; opened as they are needed
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// How long an event is retried
    #[arg(long, default_value = "120s", value_parser = duration)]
    give_up: HumanDuration,
    /// Name of the run, 1 to 24 of a-z and 0-9 [default: the time]
    #[arg(long, value_parser = run_id)]
    run: Option<RunId>,
    /// Where to look for sampled conversions, to measure how soon they are visible
    #[arg(long)]
    clickhouse: Option<String>,
    #[arg(long, default_value = "tributary")]
    database: String,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// The replay's folder
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value = "http://127.0.0.1:18123")]
    clickhouse: String,
    #[arg(long, default_value = "tributary")]
    database: String,
    /// For everything to arrive; 30 s without any movement end the waiting too
    #[arg(long, default_value = "120s", value_parser = duration)]
    timeout: HumanDuration,
    /// Fail unless the whole file was replayed without an error; then the reference applies
    #[arg(long)]
    whole_file: bool,
    /// Where the figures go
    #[arg(long, default_value = "target/reports/demo.json")]
    report: PathBuf,
}

#[derive(Debug, Args)]
struct ReportArgs {
    /// The replay's folder
    #[arg(long)]
    out: PathBuf,
}

/// Does what the arguments say, on a runtime of its own.
pub fn execute(args: LoadtestArgs) -> Result<ExitCode, Error> {
    match args.command {
        Command::Replay(args) => run_replay(args),
        Command::Verify(args) => run_verify(args),
        Command::Bench(command) => Ok(command.execute()?),
        Command::History(args) => run_history(&args),
        Command::Chaos(args) => run_chaos(args),
        Command::Recovery(args) => run_recovery(args),
        Command::Edge(command) => command.execute(),
        Command::Report(args) => {
            print!("{}", verify::last_result(&args.out)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn run_replay(args: ReplayArgs) -> Result<ExitCode, Error> {
    let clickhouse = args.clickhouse.map(|url| ClickHouse::new(&url, &args.database)).transpose()?;
    let options = replay::Options {
        api_key: read_api_key(&args.api_key_file)?,
        data: args.data,
        edge: args.edge,
        rate: args.rate,
        out: args.out,
        limit_journeys: args.limit_journeys,
        seed: args.seed,
        connections: usize::from(args.connections),
        give_up: args.give_up.0,
        run: args.run,
        clickhouse,
        show_progress: true,
    };
    let run = block_on(async {
        let shutdown = Shutdown::default();
        let signals = shutdown.clone();
        tokio::spawn(async move {
            if let Err(error) = signals.on_signals().await {
                tracing::error!(%error, "signals are not handled");
            }
        });
        replay::replay(&options, &shutdown).await
    })?;
    println!("{}", summary(&run));
    Ok(if run.complete { ExitCode::SUCCESS } else { ExitCode::from(130) })
}

fn summary(run: &Run) -> String {
    let (clicks, events, latency) = (run.clicks, run.events, run.click_latency);
    let mut text = format!(
        "run {}: {} clicks and {} conversions acknowledged, {:.0} clicks/s, click p50 {:.1} ms, p99 {:.1} ms, {} clicks failed, {} events refused or given up",
        run.run,
        clicks.acknowledged,
        events.acknowledged,
        run.clicks_per_s,
        latency.p50_ms,
        latency.p99_ms,
        clicks.failed(),
        events.refused + events.given_up
    );
    for problem in &run.problems {
        text.push_str("\n  ");
        text.push_str(problem);
    }
    if !run.complete {
        text.push_str("\nstopped early; what was acknowledged is recorded");
    }
    text
}

fn run_verify(args: VerifyArgs) -> Result<ExitCode, Error> {
    let options = verify::Options {
        out: args.out,
        clickhouse: ClickHouse::new(&args.clickhouse, &args.database)?,
        timeout: args.timeout.0,
        whole_file: args.whole_file,
    };
    let verified = block_on(verify::verify(&options))?;
    print!("{}", verified.text);
    Report::of(&verified).write(&args.report)?;
    Ok(if verified.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One thread: the client shares the machine with what it measures.
fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(work)
}

fn run_id(text: &str) -> Result<RunId, String> {
    RunId::new(text).ok_or_else(|| "expected 1 to 24 of a-z and 0-9".to_owned())
}

fn duration(text: &str) -> Result<HumanDuration, String> {
    let text = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text);
    serde::Deserialize::deserialize(text).map_err(|error| error.to_string())
}
