//! What was measured, as text for a person and as figures for `target/reports`.

use crate::bench::BenchError;
use crate::bench::check::Found;
use crate::bench::growth::Point;
use crate::bench::latency::Step;
use crate::bench::meter::Measured;
use serde_json::{Map, Value, json};
use std::path::Path;

pub fn summary(name: &str, records: u64, measured: &Measured) -> String {
    let commit = |seconds: Option<f64>| seconds.map_or("-".to_owned(), |seconds| format!("{:.1}", seconds * 1000.0));
    format!(
        "{name}: {records} records in {:.1} s, {:.0} records/s, {:.2} CPU s per million (broker {:.2}), \
         peak memory {} MB, state {} MB, commit p50 {} ms, p99 {} ms",
        measured.took.as_secs_f64(),
        measured.per_s(records),
        measured.cpu_s_per_million(records),
        measured.broker_cpu.as_secs_f64() * 1e6 / records as f64,
        measured.peak_memory / 1_000_000,
        measured.peak_state / 1_000_000,
        commit(measured.commit_p50),
        commit(measured.commit_p99),
    )
}

pub fn verdict(found: &Found) -> String {
    let mut text = format!(
        "{} conversions decided in {} revisions, {} attributed, {} journal entries: ",
        found.conversions, found.revisions, found.attributed, found.entries
    );
    match found.differences.as_slice() {
        [] => text.push_str("as the manifest says"),
        differences => text.push_str(&format!("WRONG\n  {}", differences.join("\n  "))),
    }
    text
}

pub fn figures(name: &str, records: u64, measured: &Measured, found: Option<&Found>) -> Map<String, Value> {
    let ms = |seconds: Option<f64>| seconds.map_or(Value::Null, |seconds| rounded(seconds * 1000.0));
    let mb = |bytes: u64| rounded(bytes as f64 / 1e6);
    let mut figures = vec![
        ("records", json!(records)),
        ("records_per_s", json!(measured.per_s(records).round())),
        ("cpu_s_per_million", rounded(measured.cpu_s_per_million(records))),
        ("broker_cpu_s_per_million", rounded(measured.broker_cpu.as_secs_f64() * 1e6 / records as f64)),
        ("broker_cpu_s", rounded(measured.broker_cpu.as_secs_f64())),
        ("peak_memory_mb", mb(measured.peak_memory)),
        ("state_mb", mb(measured.peak_state)),
        ("commit_p50_ms", ms(measured.commit_p50)),
        ("commit_p99_ms", ms(measured.commit_p99)),
    ];
    if let Some(found) = found {
        figures.push(("wrong", json!(found.differences.len())));
        figures.push(("revisions", json!(found.revisions)));
    }
    figures.into_iter().map(|(figure, value)| (format!("{name}_{figure}"), value)).collect()
}

pub fn point(point: &Point) -> String {
    let Point { clicks, cpu_s_per_million, broker_cpu_s_per_million } = point;
    format!("at {clicks} clicks: {cpu_s_per_million:.2} CPU s per million (broker {broker_cpu_s_per_million:.2})")
}

pub fn point_figures(name: &str, point: &Point) -> Map<String, Value> {
    let millions = point.clicks as f64 / 1e6;
    let mut figures = Map::new();
    figures.insert(format!("{name}_at_{millions}m_cpu_s_per_million"), rounded(point.cpu_s_per_million));
    figures
}

pub fn step(load: u32, step: &Step) -> String {
    let Step { rate, events, p50_ms, p99_ms, max_ms, missing, latest_ms } = step;
    format!(
        "at {load} % ({rate} records/s): {events} events decided in p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, at most \
         {max_ms:.1} ms; {missing} without a decision; records were written at most {latest_ms:.1} ms late"
    )
}

pub fn step_figures(load: u32, step: &Step) -> Map<String, Value> {
    let figures = [
        ("rate", json!(step.rate)),
        ("p50_ms", rounded(step.p50_ms)),
        ("p99_ms", rounded(step.p99_ms)),
        ("missing", json!(step.missing)),
        ("client_late_ms", rounded(step.latest_ms)),
    ];
    figures.into_iter().map(|(figure, value)| (format!("latency_{load}_{figure}"), value)).collect()
}

/// One line, so that a script can put several files together.
pub fn write(path: &Path, figures: Map<String, Value>) -> Result<(), BenchError> {
    let text = Value::from(figures).to_string() + "\n";
    std::fs::write(path, text).map_err(|error| BenchError::file("write", path, error))
}

fn rounded(number: f64) -> Value {
    json!((number * 1000.0).round() / 1000.0)
}
