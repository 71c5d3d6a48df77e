//! `tributary loadtest bench-edge` and `... chaos-edge`: arguments in, texts, reports and exit codes out.

use super::bench::{self, Options};
use super::storm::{self, Stormed};
use super::{figures, plan};
use crate::error::{Error, FileContext};
use crate::report::Report;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use service::Shutdown;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub enum EdgeCommand {
    /// Measure what an acknowledged redirect and event cost, beside bare nginx and other collectors
    ///
    /// A broker and the load generator share one core, the server that is measured has the other: to be run pinned to
    /// the generator's core. Exit code 1 where something that was acknowledged is not in Kafka.
    BenchEdge(BenchArgs),
    /// Stop Kafka, kill the edge and fill its spool's disk under load, then hold what it acknowledged against Kafka
    ///
    /// Exit code 1 where an acknowledged id is not in Kafka or is there twice, or a visitor got no redirect.
    ChaosEdge(ChaosArgs),
}

#[derive(Debug, Args)]
pub struct ChaosArgs {
    /// Scratch folder: deleted at the start, and at the end unless something was wrong
    #[arg(long)]
    dir: PathBuf,
    /// Where the figures go
    #[arg(long, default_value = "target/reports/chaos-edge.json")]
    report: PathBuf,
    /// Plans when the edge is killed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Clicks a second
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    rate: u32,
    /// Events a second
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    events: u32,
    /// Seconds without Kafka; the load lasts for two and a quarter times that
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(5..=3600))]
    away: u16,
    /// How often the edge is killed
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=1000))]
    kills: u16,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Scratch folder: deleted at the start and at the end
    #[arg(long)]
    dir: PathBuf,
    /// Where the figures go
    #[arg(long, default_value = "target/reports/bench-edge.json")]
    report: PathBuf,
    /// Folder with the peers' run.sh files, each in a folder of its own; else only the edge and nginx are measured
    #[arg(long)]
    peers: Option<PathBuf>,
    /// Which peers
    #[arg(long, value_delimiter = ',', default_value = "go,go-callback,rust,java")]
    only: Vec<String>,
    /// Where the peers are built
    #[arg(long)]
    peers_build: Option<PathBuf>,
    /// Kafka's jars, for a peer in Java
    #[arg(long)]
    kafka_libs: Option<PathBuf>,
    /// Rounds; in each every server has its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Seconds of each load
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// Keep-alive connections of each load
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// Requests a second of the open loop
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// The server's core
    #[arg(long, default_value_t = 1)]
    server_core: u32,
    /// All cores, for the load that everything shares
    #[arg(long, default_value = "0,1")]
    all_cores: String,
    /// Connections that are opened to see what an idle one costs
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(100..=20_000))]
    idle: u16,
    /// Settings of the edge; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    with: Vec<String>,
    /// Only names the run: the load is always the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl EdgeCommand {
    pub fn execute(self) -> Result<ExitCode, Error> {
        service::logging::init();
        match self {
            EdgeCommand::BenchEdge(args) => run_bench(args),
            EdgeCommand::ChaosEdge(args) => run_chaos(&args),
        }
    }
}

fn run_bench(args: BenchArgs) -> Result<ExitCode, Error> {
    let options = Options {
        dir: args.dir.clone(),
        exe: own_exe()?,
        peers: args.peers.map(|peers| bench::Peers {
            dir: peers,
            only: args.only,
            build: args.peers_build.unwrap_or_else(|| args.dir.join("peers")),
            kafka_libs: args.kafka_libs,
        }),
        rounds: args.rounds.into(),
        lasts: Duration::from_secs(args.seconds.into()),
        connections: args.connections.into(),
        rate: args.rate.into(),
        server_core: args.server_core,
        all_cores: args.all_cores,
        idle: args.idle.into(),
        with: args.with,
        say: |text| println!("{text}"),
    };
    let measured = bench::run(&options)?;
    println!("{}", figures::table(&measured));
    let report = figures::report(&measured, args.seed);
    report.write(&args.report)?;
    println!("report: {}", args.report.display());
    std::fs::remove_dir_all(&args.dir).at("delete", &args.dir)?;
    Ok(if measured.lost() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn own_exe() -> Result<PathBuf, Error> {
    std::env::current_exe().at("find", Path::new("our own executable"))
}

fn run_chaos(args: &ChaosArgs) -> Result<ExitCode, Error> {
    println!("SEED={}", args.seed);
    let shutdown = Shutdown::default();
    shutdown.on_signals_in_background().map_err(Error::Runtime)?;
    let (steps, lasts) = plan::plan(args.seed, Duration::from_secs(args.away.into()), args.kills.into());
    let options = storm::Options {
        dir: args.dir.clone(),
        exe: own_exe()?,
        clicks_per_s: args.rate,
        events_per_s: args.events,
        steps,
        lasts,
        say: |text| println!("{text}"),
    };
    let stormed = storm::run(&options, &shutdown)?;
    let (figures, goals, ok) = weigh(&stormed, args);
    for line in stormed.findings.shown.iter().chain(&stormed.complaint) {
        println!("{line}");
    }
    println!("{}", figures.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join("\n"));
    Report::new("chaos-edge", args.seed, ok, figures, goals).write(&args.report)?;
    println!("report: {}", args.report.display());
    if !ok {
        println!("log files: {}", args.dir.display());
        return Ok(ExitCode::FAILURE);
    }
    std::fs::remove_dir_all(&args.dir).at("delete", &args.dir)?;
    Ok(ExitCode::SUCCESS)
}

fn weigh(stormed: &Stormed, args: &ChaosArgs) -> (Map<String, Value>, Map<String, Value>, bool) {
    let (tally, findings, outcome) = (&stormed.tally, &stormed.findings, &stormed.outcome);
    let seconds = |took: Duration| json!((took.as_secs_f64() * 10.0).round() / 10.0);
    let ms = |quantile| json!(outcome.quantile_ms(quantile).round());
    let figures = [
        ("asked_clicks_per_s", json!(args.rate)),
        ("asked_events_per_s", json!(args.events)),
        ("answers_per_s", json!(outcome.per_s().round())),
        ("seconds", seconds(outcome.took)),
        ("redirects", json!(tally.redirects)),
        ("clicks_acknowledged", json!(tally.clicks_acknowledged)),
        ("clicks_shed", json!(tally.shed)),
        ("events_acknowledged", json!(tally.events_acknowledged)),
        ("events_put_off", json!(tally.put_off)),
        ("connections_refused", json!(outcome.refused)),
        ("answers_cut_off", json!(tally.cut_off)),
        ("answers_after_a_retry", json!(outcome.repeated)),
        ("first_try_p50_ms", ms(0.5)),
        ("first_try_p99_ms", ms(0.99)),
        ("edge_ended_by_itself", json!(stormed.ended_by_itself)),
        ("kafka_away_s", seconds(stormed.away)),
        ("drained_s", seconds(stormed.drained)),
        ("spool_disk", json!(stormed.disk)),
        ("acknowledged", json!(findings.acknowledged)),
        ("resent_events_in_kafka_again", json!(findings.resent)),
        ("in_kafka_and_not_told", json!(findings.untold)),
    ];
    let checked = [
        ("kills", stormed.kills, format!("== {}", args.kills), stormed.kills == u64::from(args.kills)),
        ("lost", findings.lost, "== 0".to_owned(), findings.lost == 0),
        ("doubled", findings.doubled, "== 0".to_owned(), findings.doubled == 0),
        ("visitors_without_redirect", outcome.given_up, "== 0".to_owned(), outcome.given_up == 0),
        ("wrong_answers", tally.wrong, "== 0".to_owned(), tally.wrong == 0),
    ];
    let mut all: Map<String, Value> = figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    all.extend(checked.iter().map(|(name, value, ..)| ((*name).to_owned(), json!(value))));
    let goals = checked.iter().map(|(name, _, goal, _)| ((*name).to_owned(), json!(goal))).collect();
    (all, goals, checked.iter().all(|(.., met)| *met))
}
