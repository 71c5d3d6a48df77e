//! What a replay leaves behind in its folder: `acknowledged.jsonl`, a line per click and event that got an answer or may
//! have been counted without one, and `run.json`, the totals. `verify` reads both.

use crate::error::{Error, FileContext};
use crate::journeys::Totals;
use schemas::decimal::Amount;
use schemas::id::{ClickId, ConversionId};
use schemas::name::PublisherId;
use schemas::time::Micros;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

const LINES: &str = "acknowledged.jsonl";
const RUN: &str = "run.json";

/// The name of a run: it begins every event id and order id, and every click carries it as `source`, so that the rows of
/// several runs in one database are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// `None` unless it is 1 to 24 of a-z and 0-9: it goes into URLs and SQL as it is, and a dash ends it.
    pub fn new(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        (plain && (1..=24).contains(&text.len())).then(|| RunId(text.to_owned()))
    }

    pub fn event_id(&self, journey: u32) -> String {
        format!("E{}-{journey}", self.0)
    }

    pub fn order_id(&self, journey: u32) -> String {
        format!("R{}-{journey}", self.0)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// A redirect with a token.
    Click { journey: u32, position: u16, publisher: PublisherId, click: ClickId },
    /// Sent, but without a token in the answer, or without an answer: it may have been counted.
    UnknownClick { journey: u32, position: u16, publisher: PublisherId },
    /// A 202 with the conversion's id.
    Event {
        journey: u32,
        event_id: String,
        conversion: ConversionId,
        value: Amount,
        /// The first attempt.
        sent_at: Micros,
        acknowledged_at: Micros,
    },
    /// Sent, but never acknowledged: it may have been taken.
    UnknownEvent { journey: u32, event_id: String },
}

/// `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub run: RunId,
    pub started_at: String,
    pub edge: String,
    pub data: String,
    pub seed: u64,
    /// Clicks a second that were due.
    pub rate: u32,
    pub planned: Totals,
    /// Everything planned was done; false after Ctrl-C.
    pub complete: bool,
    pub clicks: Clicks,
    pub events: Events,
    /// From the first due time to the last answer of a click.
    pub seconds: f64,
    pub clicks_per_s: f64,
    /// From the due time to the answer, of acknowledged ones.
    pub click_latency: Latency,
    pub event_latency: Latency,
    /// From the acknowledgement of a conversion to its decision's being found in ClickHouse; a sample.
    pub visible: Latency,
    /// Sampled conversions that had not become visible in time.
    pub never_visible: u64,
    /// The client's own.
    pub cpu_us_per_request: f64,
    /// Some of what went wrong, each once.
    pub problems: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Clicks {
    pub acknowledged: u64,
    /// Redirected without a token.
    pub shed: u64,
    /// Answered with another status than 302.
    pub refused: u64,
    /// There was no connection to send it on, so it was certainly not counted.
    pub unsent: u64,
    /// Sent, but the answer did not come or was a 5xx.
    pub unknown: u64,
}

impl Clicks {
    pub fn ended(self) -> u64 {
        self.acknowledged + self.failed()
    }

    pub fn failed(self) -> u64 {
        self.shed + self.refused + self.unsent + self.unknown
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Events {
    pub acknowledged: u64,
    pub refused: u64,
    /// Tried again and again and never acknowledged.
    pub given_up: u64,
    pub retries: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Latency {
    pub samples: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
}

/// Writes the lines of a run; what an earlier run left in the folder is replaced.
pub struct Recorder {
    out: BufWriter<File>,
    path: std::path::PathBuf,
}

impl Recorder {
    pub fn create(dir: &Path) -> Result<Recorder, Error> {
        std::fs::create_dir_all(dir).at("create", dir)?;
        let run = dir.join(RUN);
        match std::fs::remove_file(&run) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", &run)?,
            Ok(()) | Err(_) => {}
        }
        let path = dir.join(LINES);
        let out = BufWriter::with_capacity(1 << 18, File::create(&path).at("create", &path)?);
        Ok(Recorder { out, path })
    }

    pub fn write(&mut self, line: &Line) -> Result<(), Error> {
        serde_json::to_writer(&mut self.out, line).map_err(std::io::Error::from).at("write", &self.path)?;
        self.out.write_all(b"\n").at("write", &self.path)
    }

    pub fn flush(&mut self) -> Result<(), Error> {
        self.out.flush().at("write", &self.path)
    }
}

pub fn write_run(dir: &Path, run: &Run) -> Result<(), Error> {
    write_json(&dir.join(RUN), run)
}

pub fn read_run(dir: &Path) -> Result<Run, Error> {
    let path = dir.join(RUN);
    let text = std::fs::read_to_string(&path).at("read", &path)?;
    serde_json::from_str(&text).map_err(|error| Error::BadFile { path, error: error.to_string() })
}

pub fn read_lines(dir: &Path) -> Result<Vec<Line>, Error> {
    let path = dir.join(LINES);
    let file = BufReader::new(File::open(&path).at("open", &path)?);
    let mut lines = Vec::new();
    for (text, number) in file.lines().zip(1..) {
        let text = text.at("read", &path)?;
        let bad = |error: serde_json::Error| Error::BadRow {
            path: path.clone(),
            line: number,
            field: "the line",
            problem: error.to_string(),
            given: text.chars().take(200).collect(),
        };
        lines.push(serde_json::from_str(&text).map_err(bad)?);
    }
    Ok(lines)
}

/// Pretty, for people, and with a line's end.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_string_pretty(value).map_err(std::io::Error::from).at("write", path)?;
    text.push('\n');
    std::fs::write(path, text).at("write", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let dir = tempfile::tempdir().expect("a folder");
        let publisher = PublisherId::new("alpha").expect("a name");
        let lines = vec![
            Line::Click { journey: 1, position: 0, publisher: publisher.clone(), click: ClickId([7; 16]) },
            Line::UnknownClick { journey: 1, position: 1, publisher },
            Line::Event {
                journey: 1,
                event_id: "Ea-1".into(),
                conversion: ConversionId([9; 16]),
                value: "2.402".parse().expect("an amount"),
                sent_at: Micros(1),
                acknowledged_at: Micros(2),
            },
            Line::UnknownEvent { journey: 2, event_id: "Ea-2".into() },
        ];
        let mut recorder = Recorder::create(dir.path()).expect("created");
        for line in &lines {
            recorder.write(line).expect("written");
        }
        recorder.flush().expect("flushed");
        assert_eq!(read_lines(dir.path()).expect("read"), lines);
    }

    #[test]
    fn a_run_is_named_so_that_it_needs_no_escaping() {
        for (text, good) in [("abc123", true), ("", false), ("a-b", false), ("A", false), ("a'b", false)] {
            assert_eq!(RunId::new(text).is_some(), good, "{text:?}");
        }
    }
}
