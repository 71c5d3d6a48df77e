//! `tributary loadtest history`: arguments in, records out.

use super::History;
use super::records::RecordWriter;
use crate::chaos::feeder::{Pace, feed};
use crate::error::{Error, FileContext};
use crate::record::write_json;
use clap::Args;
use kafka::KafkaConfig;
use kafka::catalog::CatalogReader;
use service::Shutdown;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

#[derive(Debug, Args)]
pub struct HistoryArgs {
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..=100_000_000))]
    clicks: u64,
    /// Kafka, host:port
    #[arg(long)]
    bootstrap: String,
    /// Before every topic of the installation
    #[arg(long, default_value = "")]
    prefix: String,
    /// Where to write how many records of each kind there are, as JSON
    #[arg(long)]
    figures: Option<PathBuf>,
}

pub fn run_history(args: &HistoryArgs) -> Result<ExitCode, Error> {
    service::logging::init();
    println!("SEED={}", args.seed);
    let shutdown = Shutdown::default();
    shutdown.on_signals_in_background().map_err(Error::Runtime)?;
    let kafka = KafkaConfig { bootstrap: args.bootstrap.clone(), prefix: args.prefix.clone(), development: true };
    let history = History::new(args.seed, args.clicks);
    let stopped = shutdown.clone();
    let catalog = CatalogReader::start(&kafka, move || stopped.requested())?.read_to();
    let writer = RecordWriter::new(catalog)
        .map_err(|error| Error::Chaos { doing: "write the history", reason: error.to_string() })?;
    let (pace, begun) = (Pace::default(), Instant::now());
    pace.full_speed();
    feed(&kafka, history.stream(writer), &pace, &shutdown)?;
    let History { visits, clicks, click_records, event_records, adjustment_records, .. } = history;
    println!(
        "{clicks} clicks of {visits} visits in {click_records} records, {event_records} events, of which \
         {adjustment_records} refunds, chargebacks and words of a network, in {:.0} s",
        begun.elapsed().as_secs_f64()
    );
    if let Some(path) = &args.figures {
        let figures = serde_json::json!({
            "clicks": clicks,
            "click_records": click_records,
            "event_records": event_records,
            "adjustment_records": adjustment_records,
        });
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).at("create", folder)?;
        }
        write_json(path, &figures)?;
    }
    Ok(if shutdown.requested() { ExitCode::from(130) } else { ExitCode::SUCCESS })
}
