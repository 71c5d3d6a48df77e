//! `verify`: waits until everything that was acknowledged has arrived in ClickHouse, then compares it with the record of
//! the replay, with the oracle and, for the whole file, with the published reference.

mod credits;
mod drain;
mod judge;
mod recorded;
mod table;
mod warehouse;

use crate::clickhouse::ClickHouse;
use crate::error::{Error, FileContext};
use crate::record::Run;
use recorded::Recorded;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use warehouse::Warehouse;

/// The readable result, in the replay's folder; `report` shows it again.
const RESULT: &str = "verified.txt";
/// Rows may be of two moments when something arrives between two queries, so a mismatch counts only once nothing moves.
const STILL: Duration = Duration::from_secs(3);

#[derive(Debug, Clone)]
pub struct Options {
    /// The replay's folder.
    pub out: PathBuf,
    pub clickhouse: ClickHouse,
    /// For everything to arrive.
    pub timeout: Duration,
    /// Demand the whole file without an error, and the reference's figures.
    pub whole_file: bool,
}

/// The result, for a person and for the report.
#[derive(Debug)]
pub struct Verified {
    pub run: Run,
    pub text: String,
    pub mismatches: Vec<String>,
    pub figures: Figures,
    pub whole_file: bool,
}

/// Rows of the run in ClickHouse, and what is wrong with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    pub clicks: u64,
    pub conversions: u64,
    pub lost: u64,
    pub doubled: u64,
    pub reference_mismatches: u64,
    /// Of every kind.
    pub mismatches: u64,
}

impl Verified {
    pub fn ok(&self) -> bool {
        self.mismatches.is_empty()
    }
}

/// Errors are failures to compare; what does not agree is in the result.
pub async fn verify(options: &Options) -> Result<Verified, Error> {
    let recorded = Recorded::read(&options.out)?;
    let warehouse = Warehouse::new(options.clickhouse.clone(), recorded.run.run.clone());
    let deadline = Instant::now() + options.timeout;
    let mut drained = drain::wait(&warehouse, &recorded, deadline).await?;
    let (found, verdict) = loop {
        let found = warehouse.found().await?;
        let verdict = judge::judge(&recorded, &found, options.whole_file);
        if verdict.mismatches.none() || Instant::now() > deadline {
            break (found, verdict);
        }
        sleep(STILL).await;
        let later = warehouse.counts().await?;
        if later == drained.counts {
            break (found, verdict);
        }
        drained.counts = later;
    };
    let mut mismatches: Vec<String> = drained.missing.into_iter().collect();
    let not_arrived = mismatches.len() as u64;
    mismatches.extend(verdict.mismatches.lines());
    let count = |kind| verdict.mismatches.count(kind);
    let figures = Figures {
        clicks: verdict.clicks,
        conversions: verdict.conversions,
        lost: count(judge::CLICK_LOST) + count(judge::CONVERSION_LOST),
        doubled: count(judge::CLICK_DOUBLED) + count(judge::CONVERSION_DOUBLED),
        reference_mismatches: count(judge::REFERENCE),
        mismatches: verdict.mismatches.total() + not_arrived,
    };
    let text = table::text(&recorded, &found, &verdict, &mismatches);
    let path = options.out.join(RESULT);
    std::fs::write(&path, &text).at("write", &path)?;
    Ok(Verified { run: recorded.run, text, mismatches, figures, whole_file: verdict.whole_file })
}

/// The text of the last verification.
pub fn last_result(out: &std::path::Path) -> Result<String, Error> {
    let path = out.join(RESULT);
    std::fs::read_to_string(&path).at("read", &path)
}
