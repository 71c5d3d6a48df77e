//! `tributary stack ...`: arguments in, lines and exit codes out.

use std::env;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::control;
use crate::error::{Error, IoContext};
use crate::options::{Options, Ports};
use crate::progress::say;
use crate::reset;
use crate::serve::{self, ServeClickHouse, ServeKafka};
use crate::status::{ServerState, status};

/// Kafka and ClickHouse for development, without Docker
#[derive(Debug, Args)]
pub struct StackArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start what does not run, and wait until it is ready
    Up(UpArgs),
    /// Stop both servers; the data stays
    Down(Folder),
    /// Show what runs; exit code 0 only when both servers do
    Status(Folder),
    /// Stop both servers and delete all their data
    Reset(ResetArgs),
    #[command(hide = true, name = serve::SERVE_KAFKA)]
    ServeKafka(ServeKafka),
    #[command(hide = true, name = serve::SERVE_CLICKHOUSE)]
    ServeClickHouse(ServeClickHouse),
}

#[derive(Debug, Args)]
struct Folder {
    /// The stack's folder: data, logs, ports [default: that of --stack]
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct UpArgs {
    #[command(flatten)]
    folder: Folder,
    /// Kafka's port [default: as last time, else 19092]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    kafka_port: Option<u16>,
    /// KRaft's own port [default: as last time, else 19093]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    kafka_controller_port: Option<u16>,
    /// ClickHouse's HTTP port [default: as last time, else 18123]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    clickhouse_http_port: Option<u16>,
    /// ClickHouse's native port [default: as last time, else 19000]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    clickhouse_tcp_port: Option<u16>,
    /// Take free ports where none is given or recorded
    #[arg(long)]
    free_ports: bool,
}

#[derive(Debug, Args)]
struct ResetArgs {
    #[command(flatten)]
    folder: Folder,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Does what the arguments say, to the stack in `usual` where they name no folder.
pub fn execute(args: StackArgs, usual: &Path) -> Result<ExitCode, Error> {
    match args.command {
        Command::Up(args) => bring_up(args, usual),
        Command::Down(folder) => {
            control::down(&options(folder, usual)?)?;
            say("down");
            Ok(ExitCode::SUCCESS)
        }
        Command::Status(folder) => Ok(show(&options(folder, usual)?)),
        Command::Reset(args) => {
            let options = options(args.folder, usual)?;
            if !args.yes && reset::is_stack(&options.dir) && !confirmed(&options)? {
                return Err(Error::NotConfirmed);
            }
            reset::reset(&options)?;
            say("reset");
            Ok(ExitCode::SUCCESS)
        }
        Command::ServeKafka(args) => match serve::serve_kafka(&args)? {},
        Command::ServeClickHouse(args) => serve::serve_clickhouse(&args).map(|()| ExitCode::SUCCESS),
    }
}

fn bring_up(args: UpArgs, usual: &Path) -> Result<ExitCode, Error> {
    let options = Options {
        ports: Ports {
            kafka: args.kafka_port,
            kafka_controller: args.kafka_controller_port,
            clickhouse_http: args.clickhouse_http_port,
            clickhouse_tcp: args.clickhouse_tcp_port,
        },
        free_ports: args.free_ports,
        ..options(args.folder, usual)?
    };
    let endpoints = control::up(&options)?;
    say(format_args!("Kafka       {}", endpoints.kafka_bootstrap));
    say(format_args!("ClickHouse  {} (native {})", endpoints.clickhouse_http, endpoints.clickhouse_tcp_port));
    Ok(ExitCode::SUCCESS)
}

fn options(folder: Folder, usual: &Path) -> Result<Options, Error> {
    let exe = env::current_exe().at("find", "our own executable".as_ref())?;
    let dir = folder.dir.unwrap_or_else(|| usual.to_owned());
    Ok(Options { dir, exe, ports: Ports::default(), free_ports: false, quiet: false })
}

fn show(options: &Options) -> ExitCode {
    let both = status(options);
    say(format_args!("{:<11} {:<9} {:>8}  {:<23} data", "server", "state", "pid", "endpoint"));
    for one in &both {
        let pid = one.pid.map_or("-".to_owned(), |pid| pid.to_string());
        let endpoint = one.endpoint.as_deref().unwrap_or("-");
        let megabytes = one.data_bytes as f64 / 1e6;
        say(format_args!("{:<11} {:<9} {pid:>8}  {endpoint:<23} {megabytes:.1} MB", one.server, one.state));
    }
    let up = both.iter().all(|one| one.state == ServerState::Running);
    if up { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn confirmed(options: &Options) -> Result<bool, Error> {
    let bytes: u64 = status(options).iter().map(|one| one.data_bytes).sum();
    print!("Delete the stack in {} ({:.1} MB of data)? [y/N] ", options.dir.display(), bytes as f64 / 1e6);
    let stdin = "the answer".as_ref();
    io::stdout().flush().at("ask for", stdin)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).at("read", stdin)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
