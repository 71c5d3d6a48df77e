//! What the edge's benchmark measured: a table for a person, figures and goals for machines.

use super::generator::Outcome;
use crate::report::Report;
use serde_json::{Map, Value, json};
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// An acknowledged redirect beside bare nginx's, which records nothing.
const NGINX_RATIO: f64 = 1.5;
/// And beside the cheapest peer that waits for Kafka.
const PEER_RATIO: f64 = 0.8;
/// At the open loop's rate, with everything on the same cores.
const P99_MS: f64 = 47.0;

pub struct Run {
    pub name: String,
    pub round: usize,
    /// Open loop, or as fast as the server can.
    pub open: bool,
    pub outcome: Outcome,
    pub cpu: Duration,
    pub broker_cpu: Duration,
    pub not_acknowledged: u64,
}

impl Run {
    fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.outcome.done.max(1) as f64
    }

    fn broker_us(&self) -> f64 {
        self.broker_cpu.as_secs_f64() * 1e6 / self.outcome.done.max(1) as f64
    }
}

impl Display for Run {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let loop_ = if self.open { "open" } else { "closed" };
        write!(
            f,
            "round {}  {:<17} {loop_:<6} {:>6.0}/s  {:>5.1} us CPU (broker {:>5.1})  \
             p50 {:>6.2}  p99 {:>6.2}  p99.9 {:>6.2} ms",
            self.round,
            self.name,
            self.outcome.per_s(),
            self.cpu_us(),
            self.broker_us(),
            self.outcome.quantile_ms(0.5),
            self.outcome.quantile_ms(0.99),
            self.outcome.quantile_ms(0.999),
        )?;
        if self.not_acknowledged > 0 { write!(f, "  not acknowledged: {}", self.not_acknowledged) } else { Ok(()) }
    }
}

pub struct Idle {
    pub name: String,
    pub connections: usize,
    pub before: u64,
    pub memory: u64,
}

impl Display for Idle {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (memory, before) = (mb(self.memory), mb(self.before));
        write!(f, "{}: {memory} MB with {} idle connections, {before} MB before", self.name, self.connections)
    }
}

pub struct Everything {
    pub outcome: Outcome,
    pub cpu: Duration,
    pub broker_cpu: Duration,
    pub not_acknowledged: u64,
}

impl Display for Everything {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let per = |cpu: Duration| cpu.as_secs_f64() * 1e6 / self.outcome.done.max(1) as f64;
        write!(
            f,
            "everything on all cores: {:.0} clicks/s, p50 {:.2}, p99 {:.2}, p99.9 {:.2} ms, {:.1} us CPU a click \
             (broker {:.1}), {} not acknowledged",
            self.outcome.per_s(),
            self.outcome.quantile_ms(0.5),
            self.outcome.quantile_ms(0.99),
            self.outcome.quantile_ms(0.999),
            per(self.cpu),
            per(self.broker_cpu),
            self.not_acknowledged
        )
    }
}

#[derive(Default)]
pub struct Measured {
    pub runs: Vec<Run>,
    /// Peers that could not be started.
    pub missing: Vec<String>,
    pub idle: Vec<Idle>,
    pub everything: Option<Everything>,
    /// Acknowledged, and in Kafka.
    pub clicks: (u64, u64),
    pub events: (u64, u64),
}

impl Measured {
    /// Acknowledged and not in Kafka, by count.
    pub fn lost(&self) -> u64 {
        [self.clicks, self.events].iter().map(|(acknowledged, there)| acknowledged.saturating_sub(*there)).sum()
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for run in &self.runs {
            if !names.contains(&run.name.as_str()) {
                names.push(&run.name);
            }
        }
        names
    }

    fn median(&self, name: &str, open: bool, of: impl Fn(&Run) -> f64) -> f64 {
        median(self.runs.iter().filter(|run| run.name == name && run.open == open).map(of).collect())
    }

    /// Round by round, so that a change of the machine's speed between rounds is in neither side; then the median.
    fn ratio(&self, name: &str, open: bool, other: impl Fn(&Run) -> bool) -> Option<f64> {
        let cpu = |round: usize, is: &dyn Fn(&Run) -> bool| {
            let of = self.runs.iter().filter(|run| run.round == round && run.open == open && is(run));
            of.map(Run::cpu_us).min_by(f64::total_cmp)
        };
        let rounds = self.runs.iter().map(|run| run.round).max().unwrap_or(0);
        let ratios = (1..=rounds).map(|round| Some(cpu(round, &|run| run.name == name)? / cpu(round, &other)?));
        ratios.collect::<Option<Vec<f64>>>().filter(|ratios| !ratios.is_empty()).map(median)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn mb(bytes: u64) -> u64 {
    bytes / 1_000_000
}

fn rounded(number: f64) -> Value {
    json!((number * 100.0).round() / 100.0)
}

pub fn table(measured: &Measured) -> String {
    let mut text =
        String::from("median of the rounds       open: us CPU   p50    p99  p99.9 ms   closed: us CPU  requests/s");
    for name in measured.names() {
        let of = |open, what: fn(&Run) -> f64| measured.median(name, open, what);
        text.push_str(&format!(
            "\n{name:<22} {:>16.1} {:>5.2} {:>6.2} {:>6.2} {:>19.1} {:>11.0}",
            of(true, Run::cpu_us),
            of(true, |run| run.outcome.quantile_ms(0.5)),
            of(true, |run| run.outcome.quantile_ms(0.99)),
            of(true, |run| run.outcome.quantile_ms(0.999)),
            of(false, Run::cpu_us),
            of(false, |run| run.outcome.per_s()),
        ));
    }
    let ((clicks, there), (events, events_there)) = (measured.clicks, measured.events);
    text.push_str(&format!(
        "\n{clicks} clicks acknowledged, {there} in Kafka; {events} events, {events_there} in Kafka"
    ));
    text
}

pub fn report(measured: &Measured, seed: u64) -> Report {
    let (mut figures, mut goals, mut ok) = (Map::new(), Map::new(), true);
    for name in measured.names() {
        for (open, suffix) in [(true, "open"), (false, "closed")] {
            let of = |what: fn(&Run) -> f64| rounded(measured.median(name, open, what));
            let mut put = |figure: &str, value: Value| figures.insert(format!("{name}_{suffix}_{figure}"), value);
            put("cpu_us", of(Run::cpu_us));
            put("broker_cpu_us", of(Run::broker_us));
            put("requests_per_s", of(|run| run.outcome.per_s().round()));
            put("p50_ms", of(|run| run.outcome.quantile_ms(0.5)));
            put("p99_ms", of(|run| run.outcome.quantile_ms(0.99)));
            put("p999_ms", of(|run| run.outcome.quantile_ms(0.999)));
        }
    }
    let mut goal = |name: &str, value: f64, bound: f64, text: String| {
        figures.insert(name.to_owned(), rounded(value));
        goals.insert(name.to_owned(), json!(text));
        ok &= value <= bound;
    };
    for (open, suffix) in [(true, "open"), (false, "closed")] {
        if let Some(ratio) = measured.ratio("edge_click", open, |run| run.name == "nginx") {
            goal(&format!("nginx_ratio_{suffix}"), ratio, NGINX_RATIO, format!("<= {NGINX_RATIO}"));
        }
        if let Some(ratio) = measured.ratio("edge_click", open, |run| run.name.starts_with("peer_")) {
            goal(&format!("peer_ratio_{suffix}"), ratio, PEER_RATIO, format!("<= {PEER_RATIO}"));
        }
    }
    if let Some(everything) = &measured.everything {
        goal("everything_p99_ms", everything.outcome.quantile_ms(0.99), P99_MS, format!("< {P99_MS}"));
    }
    goal("lost", measured.lost() as f64, 0.0, "== 0".into());
    if let Some(everything) = &measured.everything {
        let per = |cpu: Duration| rounded(cpu.as_secs_f64() * 1e6 / everything.outcome.done.max(1) as f64);
        figures.insert("everything_clicks_per_s".into(), json!(everything.outcome.per_s().round()));
        figures.insert("everything_p50_ms".into(), rounded(everything.outcome.quantile_ms(0.5)));
        figures.insert("everything_p999_ms".into(), rounded(everything.outcome.quantile_ms(0.999)));
        figures.insert("everything_cpu_us".into(), per(everything.cpu));
        figures.insert("everything_broker_cpu_us".into(), per(everything.broker_cpu));
        figures.insert("everything_not_acknowledged".into(), json!(everything.not_acknowledged));
    }
    for idle in &measured.idle {
        figures.insert(format!("{}_idle_connections", idle.name), json!(idle.connections));
        figures.insert(format!("{}_idle_mb", idle.name), json!(mb(idle.memory)));
        let kb = idle.memory.saturating_sub(idle.before) as f64 / 1000.0 / idle.connections.max(1) as f64;
        figures.insert(format!("{}_idle_kb_per_connection", idle.name), rounded(kb));
    }
    let not_acknowledged: u64 = measured.runs.iter().map(|run| run.not_acknowledged).sum();
    figures.insert("not_acknowledged".into(), json!(not_acknowledged));
    figures.insert("clicks_acknowledged".into(), json!(measured.clicks.0));
    figures.insert("clicks_in_kafka".into(), json!(measured.clicks.1));
    figures.insert("events_acknowledged".into(), json!(measured.events.0));
    figures.insert("events_in_kafka".into(), json!(measured.events.1));
    if !measured.missing.is_empty() {
        figures.insert("peers_missing".into(), json!(measured.missing));
    }
    Report::new("bench-edge", seed, ok, figures, goals)
}
