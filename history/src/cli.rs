//! The commands that look at history: arguments in, texts out.

use crate::Error;
use crate::adjust;
use crate::explain::{self, Explained, Wanted};
use crate::hash;
use crate::progress::Progress;
use crate::whatif::{self, Trial};
use clap::Args;
use kafka::KafkaConfig;
use schemas::id::ConversionId;
use schemas::name::{AdvertiserId, TenantId};
use schemas::time::Micros;
use service::Shutdown;
use sinks::ClickHouseConfig;
use sinks::look_up::LookUp;
use std::path::PathBuf;

/// Say why somebody is paid for a conversion, or nobody is
///
/// Finds it in ClickHouse and reads the decision and the journal entries themselves from Kafka.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// An order's, a conversion's or an event's id
    #[arg(value_name = "ORDER|CONVERSION")]
    name: String,
    /// Whose, where several advertisers have one of that name
    #[arg(long, value_parser = |text: &str| AdvertiserId::new(text).map_err(|bad| bad.to_string()))]
    advertiser: Option<AdvertiserId>,
    #[arg(long, value_parser = |text: &str| TenantId::new(text).map_err(|bad| bad.to_string()))]
    tenant: Option<TenantId>,
    /// The records themselves
    #[arg(long)]
    json: bool,
    /// Do without ClickHouse: read topics decisions and journal whole
    #[arg(long)]
    scan: bool,
}

impl ExplainArgs {
    /// Whether ClickHouse is asked.
    pub fn asks_clickhouse(&self) -> bool {
        !self.scan
    }

    /// What there is to print.
    pub fn execute(self, kafka: &KafkaConfig, clickhouse: Option<&ClickHouseConfig>) -> Result<String, Error> {
        let index = clickhouse.map(LookUp::open).transpose().map_err(Error::Index)?;
        let wanted = Wanted { name: plain(&self.name), advertiser: self.advertiser, tenant: self.tenant };
        let Explained { decision, entries } = explain::explain(kafka, index.as_ref(), &wanted)?;
        if self.json {
            let records = serde_json::json!({ "decision": decision, "entries": entries });
            return Ok(format!("{records:#}\n"));
        }
        Ok(domain::explanation::text(&decision, &entries))
    }
}

#[derive(Debug, Args)]
struct TrialArgs {
    /// A catalog file with the changed contracts and nothing else; its `effective_from` means nothing here
    #[arg(long, value_name = "FILE")]
    contract: PathBuf,
    /// The first moment, by the time of the conversion's event: 2026-05-01 or 2026-05-01T08:00:00Z
    #[arg(long, value_parser = time)]
    from: Micros,
    /// The first moment that does not count any more
    #[arg(long, value_parser = time)]
    to: Micros,
    /// For programs; money as text
    #[arg(long)]
    json: bool,
}

impl TrialArgs {
    fn check(&self) -> Result<(), Error> {
        let reason = format!("not after --from {}", self.from);
        let empty = Error::BadOption { option: "to", given: self.to.to_string(), reason };
        if self.from < self.to { Ok(()) } else { Err(empty) }
    }
}

/// Say what a changed contract would have paid each publisher; writes nothing
///
/// Replays topic `candidates` and decides every conversion of the range as it is and under the changed contract. Holds in memory
/// the conversions of the range, one partition at a time. Tiers of months and budgets, which settlement books, are not in it.
#[derive(Debug, Args)]
pub struct WhatifArgs {
    #[command(flatten)]
    trial: TrialArgs,
}

impl WhatifArgs {
    /// What there is to print.
    pub fn execute(self, kafka: &KafkaConfig, shutdown: Shutdown) -> Result<String, Error> {
        self.trial.check()?;
        let path = &self.trial.contract;
        let (trial, entries) = Trial::of(path, self.trial.from, self.trial.to)?;
        let progress = Progress::new(shutdown);
        let report = whatif::run(kafka, path, &trial, &entries, &progress, |_, _| Ok(()))?;
        Ok(if self.trial.json { format!("{:#}\n", report.json()) } else { report.text() })
    }
}

/// Book what `whatif` shows, as journal entries beside the old ones; nothing is edited
///
/// Writes other terms for each conversion that would pay otherwise; the processor books the difference, and refunds that come
/// later take back their part of it. The same call again books nothing new.
#[derive(Debug, Args)]
pub struct AdjustArgs {
    #[command(flatten)]
    trial: TrialArgs,
    /// Why; everybody who is paid reads it
    #[arg(long)]
    reason: String,
    /// Who decided it
    #[arg(long)]
    by: String,
    /// Show what would be booked and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl AdjustArgs {
    /// What there is to print.
    pub fn execute(self, kafka: &KafkaConfig, now: Micros, shutdown: Shutdown) -> Result<String, Error> {
        self.trial.check()?;
        let why = said("reason", self.reason)?;
        let by = said("by", self.by)?;
        let path = &self.trial.contract;
        let (mut trial, entries) = Trial::of(path, self.trial.from, self.trial.to)?;
        (trial.by, trial.why, trial.now) = (by, why, now);
        let progress = Progress::new(shutdown);
        let mut amendments = Vec::new();
        let report = whatif::run(kafka, path, &trial, &entries, &progress, |_, amendment| {
            amendments.push(amendment);
            Ok(())
        })?;
        drop(progress);
        if !self.dry_run {
            adjust::write(kafka, &amendments)?;
        }
        if self.trial.json {
            let mut json = report.json();
            json["adjustment"] = trial.amendment_id().into();
            json["written"] = (!self.dry_run).into();
            return Ok(format!("{json:#}\n"));
        }
        let done = match (self.dry_run, amendments.is_empty()) {
            (_, true) => "there is nothing to adjust".to_owned(),
            (true, false) => format!("{} would be written", trial.amendment_id()),
            (false, false) => format!("{} is written; the processor books it", trial.amendment_id()),
        };
        Ok(format!("{}{done}\n", report.text()))
    }
}

/// Hash all that a replay comes to: evidence, decisions, what is booked
///
/// Two replays of the same log give the same hash. Holds in memory the conversions of one partition at a time.
#[derive(Debug, Args)]
pub struct ReplayHashArgs {}

impl ReplayHashArgs {
    /// What there is to print.
    pub fn execute(self, kafka: &KafkaConfig, shutdown: Shutdown) -> Result<String, Error> {
        let progress = Progress::new(shutdown);
        Ok(hash::run(kafka, &progress)?.text())
    }
}

/// What people write stands in decisions: one line, not too long.
fn said(option: &'static str, text: String) -> Result<String, Error> {
    let good = (1..=SAID_CHARS).contains(&text.trim().chars().count()) && !text.chars().any(char::is_control);
    let reason = || format!("expected one line of 1 to {SAID_CHARS} characters");
    if good { Ok(text.trim().to_owned()) } else { Err(Error::BadOption { option, given: text, reason: reason() }) }
}

const SAID_CHARS: usize = 200;

/// As RFC 3339, or a day's first moment, UTC.
fn time(text: &str) -> Result<Micros, String> {
    let parsed = Micros::parse(&format!("{text}T00:00:00Z")).or_else(|_| Micros::parse(text));
    parsed.map_err(|_| "expected a time like 2026-05-01 or 2026-05-01T08:00:00Z".to_owned())
}

/// A conversion's id as UUIDs are written, without its hyphens; anything else as it is.
fn plain(name: &str) -> String {
    let bare = name.replace('-', "").to_ascii_lowercase();
    if name.len() == 36 && bare.parse::<ConversionId>().is_ok() { bare } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_first_moment() {
        for (text, expected) in [
            ("2026-05-01", Some("2026-05-01T00:00:00.000000Z")),
            ("2026-05-01T08:00:00+02:00", Some("2026-05-01T06:00:00.000000Z")),
            ("May", None),
        ] {
            assert_eq!(time(text).ok().map(|time| time.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_uuid_loses_its_hyphens_and_an_order_keeps_them() {
        for (name, expected) in [
            ("3d03efed-0721-8e72-b019-4e15d1046298", "3d03efed07218e72b0194e15d1046298"),
            ("O-1", "O-1"),
            ("2026-11-21-0001-0002-0003-0004-abcdef", "2026-11-21-0001-0002-0003-0004-abcdef"),
        ] {
            assert_eq!(plain(name), expected);
        }
    }
}
