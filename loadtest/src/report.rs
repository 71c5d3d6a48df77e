//! A run's figures with their goals, for machines: `demo.json`, and those of the edge under load.

use crate::error::{Error, FileContext};
use crate::record::write_json;
use crate::verify::Verified;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::Command;

/// What the demo must reach with everything on two cores. Speed is a goal and no mismatch: `verify` does not fail for it.
const CLICKS_PER_S: f64 = 3000.0;

#[derive(Debug, Serialize)]
pub struct Report {
    target: &'static str,
    commit: String,
    seed: u64,
    ok: bool,
    figures: Map<String, Value>,
    /// What each figure should be; `ok` is false where one is missed.
    goals: Map<String, Value>,
}

impl Report {
    pub fn of(verified: &Verified) -> Report {
        let (run, figures) = (&verified.run, verified.figures);
        let ms = |milliseconds: f64| (milliseconds * 1000.0).round() / 1000.0;
        // Null where nobody looked: 0 would be the best figure of all.
        let visible = |milliseconds| if run.visible.samples > 0 { json!(ms(milliseconds)) } else { Value::Null };
        let figures = [
            ("clicks", json!(figures.clicks)),
            ("conversions", json!(figures.conversions)),
            ("lost", json!(figures.lost)),
            ("doubled", json!(figures.doubled)),
            ("reference_mismatches", json!(figures.reference_mismatches)),
            ("mismatches", json!(figures.mismatches)),
            ("clicks_per_s", json!(run.clicks_per_s.round())),
            ("click_p50_ms", json!(ms(run.click_latency.p50_ms))),
            ("click_p99_ms", json!(ms(run.click_latency.p99_ms))),
            ("click_p999_ms", json!(ms(run.click_latency.p999_ms))),
            ("event_p50_ms", json!(ms(run.event_latency.p50_ms))),
            ("event_p99_ms", json!(ms(run.event_latency.p99_ms))),
            ("visible_p50_ms", visible(run.visible.p50_ms)),
            ("visible_p99_ms", visible(run.visible.p99_ms)),
            ("never_visible", json!(run.never_visible)),
            ("clicks_failed", json!(run.clicks.failed())),
            ("event_retries", json!(run.events.retries)),
            ("client_cpu_us_per_request", json!(ms(run.cpu_us_per_request))),
        ];
        let zero = ["lost", "doubled", "reference_mismatches", "mismatches"];
        let mut goals: Vec<(&str, String)> = zero.map(|name| (name, "== 0".to_owned())).into();
        if verified.whole_file {
            goals.extend([("clicks", "== 378209".to_owned()), ("conversions", "== 19785".to_owned())]);
            goals.push(("clicks_per_s", format!(">= {CLICKS_PER_S}")));
        }
        Report {
            target: "demo",
            commit: commit(),
            seed: run.seed,
            ok: verified.ok() && (!verified.whole_file || run.clicks_per_s >= CLICKS_PER_S),
            figures: figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            goals: goals.into_iter().map(|(name, goal)| (name.to_owned(), json!(goal))).collect(),
        }
    }

    /// Of another run than the demo's; `ok` where no goal is missed.
    pub fn new(
        target: &'static str,
        seed: u64,
        ok: bool,
        figures: Map<String, Value>,
        goals: Map<String, Value>,
    ) -> Report {
        Report { target, commit: commit(), seed, ok, figures, goals }
    }

    pub fn write(&self, path: &Path) -> Result<(), Error> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).at("create", dir)?;
        }
        write_json(path, self)
    }
}

/// Of the tree that this runs in; a binary elsewhere has none.
fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).output().ok().filter(|output| output.status.success());
    output.map_or("unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
