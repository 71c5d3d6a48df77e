//! `tributary loadtest chaos` and `tributary loadtest recovery`: arguments in, texts and exit codes out.

use super::recovery;
use super::storm::{self, Options};
use super::{faults, outcome::Outcome};
use crate::error::{Error, FileContext};
use crate::record::write_json;
use clap::Args;
use service::Shutdown;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub struct ChaosArgs {
    /// Plans the clicks, the events and the faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Clicks in all, written while the faults last
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..=100_000_000))]
    clicks: u64,
    /// Faults in all; about eight seconds each
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    faults: u16,
    #[command(flatten)]
    scratch: Scratch,
}

#[derive(Debug, Args)]
pub struct RecoveryArgs {
    /// Clicks of state when the processor is killed
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(10_000..=1_000_000_000))]
    clicks: u64,
    /// Clicks to read again into a new, empty store
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10_000..=1_000_000_000))]
    reread: u64,
    /// How often each is measured; the slowest counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Plans the clicks and the events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    scratch: Scratch,
}

#[derive(Debug, Args)]
struct Scratch {
    /// Scratch folder for a broker and the processors: deleted at the start, and at the end unless something was wrong
    #[arg(long)]
    dir: PathBuf,
    /// Where the figures go, as JSON
    #[arg(long)]
    figures: Option<PathBuf>,
}

impl Scratch {
    fn finish(&self, figures: &serde_json::Value, ok: bool) -> Result<ExitCode, Error> {
        if let Some(path) = &self.figures {
            write_json(path, figures)?;
        }
        if !ok {
            println!("log files: {}", self.dir.display());
            return Ok(ExitCode::FAILURE);
        }
        std::fs::remove_dir_all(&self.dir).at("delete", &self.dir)?;
        Ok(ExitCode::SUCCESS)
    }
}

pub fn run_chaos(args: ChaosArgs) -> Result<ExitCode, Error> {
    println!("SEED={}", args.seed);
    let shutdown = stoppable()?;
    let options = Options {
        dir: args.scratch.dir.clone(),
        exe: own_exe()?,
        seed: args.seed,
        clicks: args.clicks,
        steps: faults::plan(args.seed, args.faults.into()),
        partitions: 4,
        say: |text| println!("{text}"),
    };
    let outcome: Outcome = storm::run(&options, &shutdown)?;
    println!("{outcome}");
    args.scratch.finish(&outcome.figures(), outcome.ok())
}

pub fn run_recovery(args: RecoveryArgs) -> Result<ExitCode, Error> {
    println!("SEED={}", args.seed);
    let shutdown = stoppable()?;
    let options = recovery::Options {
        dir: args.scratch.dir.clone(),
        exe: own_exe()?,
        seed: args.seed,
        clicks: args.clicks,
        reread: args.reread,
        rounds: args.rounds.into(),
        say: |text| println!("{text}"),
    };
    let measured = recovery::run(&options, &shutdown)?;
    println!("{measured}");
    args.scratch.finish(&measured.figures(), true)
}

fn own_exe() -> Result<PathBuf, Error> {
    std::env::current_exe().at("find", Path::new("our own executable"))
}

/// Ctrl-C ends the run, and with it the processes that it started.
fn stoppable() -> Result<Shutdown, Error> {
    service::logging::init();
    let shutdown = Shutdown::default();
    shutdown.on_signals_in_background().map_err(Error::Runtime)?;
    Ok(shutdown)
}
