//! `tributary`: the roles as subcommands, nothing else.

mod audit;
mod budgets;
mod command;
mod settlement;
mod setup;

use clap::{Parser, Subcommand};
use kafka::KafkaConfig;
use schemas::record::command::Verb;
use service::{Settings, Shutdown};
use sinks::ClickHouseConfig;
use std::path::PathBuf;
use std::process::ExitCode;

/// A conversion makes hundreds of small allocations; glibc's allocator took a sixth of a conversion's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Open, self-hosted affiliate tracking and attribution
///
/// Clicks and events come in over HTTP (edge), travel through Kafka, are joined, decided and booked exactly once
/// (processor), and are written to ClickHouse (sinks).
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    sources: Sources,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
struct Sources {
    /// Configuration in TOML [default: tributary.toml, where there is one]
    #[arg(long, global = true, env = "TRIBUTARY_CONFIG")]
    config: Option<PathBuf>,
    /// One setting, stronger than the file: `section.key=value`; may be repeated
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// The folder of `tributary stack`: where nothing else says so, its servers are used
    #[arg(long, global = true, default_value = "data/stack", value_name = "DIR")]
    stack: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Take clicks and events over HTTP into Kafka
    Edge,
    /// Join clicks to conversions, decide who earns, book it: exactly once
    Processor,
    /// Write every topic to ClickHouse, exactly once
    Sinks,
    /// Generate the keys that sign click tokens and cookies
    #[command(subcommand)]
    Secrets(setup::Secrets),
    /// Create the topics of an installation
    #[command(subcommand)]
    Topics(setup::Topics),
    /// Create the tables and views in ClickHouse
    #[command(subcommand)]
    Tables(setup::Tables),
    /// Apply a file of advertisers, campaigns, publishers, links, contracts
    #[command(subcommand)]
    Catalog(setup::Catalog),
    /// Pay publishers: runs, statements, the life of payouts, files for bank and tax office
    #[command(subcommand)]
    Settlement(settlement::Settlement),
    Explain(history::cli::ExplainArgs),
    Whatif(history::cli::WhatifArgs),
    Adjust(history::cli::AdjustArgs),
    ReplayHash(history::cli::ReplayHashArgs),
    /// Release a conversion that a contract holds
    Release(command::Word),
    /// Reject a conversion: whatever it would earn is taken back
    Reject(command::Word),
    Audit(audit::AuditArgs),
    Loadtest(loadtest::cli::LoadtestArgs),
    Stack(stack::cli::StackArgs),
    Doctor(stack::doctor::DoctorArgs),
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let sources = arguments.sources;
    match arguments.command {
        Command::Stack(args) => return Ok(stack::cli::execute(args, &sources.stack)?),
        Command::Doctor(args) => return Ok(stack::doctor::execute(args)?),
        Command::Secrets(command) => command.execute()?,
        Command::Topics(command) => command.execute(&kafka(&sources.settings()?)?)?,
        Command::Tables(command) => command.execute(&clickhouse(&sources.settings()?)?)?,
        Command::Catalog(command) => command.execute(&kafka(&sources.settings()?)?)?,
        Command::Settlement(command) => command.execute(&kafka(&sources.settings()?)?)?,
        Command::Explain(args) => {
            let settings = sources.settings()?;
            let index = args.asks_clickhouse().then(|| clickhouse(&settings)).transpose()?;
            print!("{}", args.execute(&kafka(&settings)?, index.as_ref())?);
        }
        Command::Whatif(args) => print!("{}", args.execute(&kafka(&sources.settings()?)?, stoppable()?)?),
        Command::Adjust(args) => print!("{}", args.execute(&kafka(&sources.settings()?)?, setup::now(), stoppable()?)?),
        Command::ReplayHash(args) => print!("{}", args.execute(&kafka(&sources.settings()?)?, stoppable()?)?),
        Command::Release(word) => word.execute(Verb::Release, &kafka(&sources.settings()?)?, setup::now())?,
        Command::Reject(word) => word.execute(Verb::Reject, &kafka(&sources.settings()?)?, setup::now())?,
        Command::Audit(args) => return audit::execute(&args, &clickhouse(&sources.settings()?)?),
        Command::Loadtest(args) => return Ok(loadtest::cli::execute(args)?),
        Command::Edge => run_edge(&sources.settings()?)?,
        Command::Processor => run_processor(&sources.settings()?)?,
        Command::Sinks => run_sinks(&sources.settings()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn run_edge(settings: &Settings) -> anyhow::Result<()> {
    let shutdown = started()?;
    let ready = |address| tracing::info!(%address, "edge is ready");
    Ok(edge::run(settings.section("edge")?, kafka(settings)?, shutdown, ready)?)
}

fn run_processor(settings: &Settings) -> anyhow::Result<()> {
    let shutdown = started()?;
    Ok(processor::run(settings.section("processor")?, kafka(settings)?, shutdown)?)
}

fn run_sinks(settings: &Settings) -> anyhow::Result<()> {
    let shutdown = started()?;
    Ok(sinks::run(settings.section("sinks")?, kafka(settings)?, clickhouse(settings)?, shutdown)?)
}

/// Logging and signals of a role.
fn started() -> anyhow::Result<Shutdown> {
    service::logging::init();
    stoppable()
}

/// Ctrl-C is a wish.
fn stoppable() -> anyhow::Result<Shutdown> {
    let shutdown = Shutdown::default();
    shutdown.on_signals_in_background()?;
    Ok(shutdown)
}

fn kafka(settings: &Settings) -> anyhow::Result<KafkaConfig> {
    needs(settings, "kafka", "bootstrap")?;
    Ok(settings.section("kafka")?)
}

fn clickhouse(settings: &Settings) -> anyhow::Result<ClickHouseConfig> {
    needs(settings, "clickhouse", "url")?;
    Ok(settings.section("clickhouse")?)
}

fn needs(settings: &Settings, section: &str, key: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        settings.has(section, key),
        "no {section}.{key}: name it in tributary.toml or by --set, or run `tributary stack up`"
    );
    Ok(())
}

impl Sources {
    /// Strongest first: `--set`, the file, the running stack.
    fn settings(&self) -> anyhow::Result<Settings> {
        let usual = PathBuf::from("tributary.toml");
        let file = self.config.clone().or_else(|| usual.exists().then_some(usual));
        let own = Settings::load(file.as_deref(), &self.set, toml::Table::new())?;
        let Some(endpoints) = stack::endpoints(&self.stack) else { return Ok(own) };
        // The stack is for development; whoever names a Kafka of their own is asked for its replication.
        let kafka = match own.has("kafka", "bootstrap") {
            false => format!("[kafka]\nbootstrap = {:?}\ndevelopment = true\n", endpoints.kafka_bootstrap),
            true => String::new(),
        };
        let found = format!("{kafka}[clickhouse]\nurl = {:?}\n", endpoints.clickhouse_http);
        Ok(Settings::load(file.as_deref(), &self.set, found.parse()?)?)
    }
}

fn main() -> ExitCode {
    run(Arguments::parse()).unwrap_or_else(|error| {
        // Every error of ours tells its cause itself.
        eprintln!("error: {}", error.to_string().trim_end());
        ExitCode::FAILURE
    })
}
