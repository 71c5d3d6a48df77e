//! The result as a text to read: credits beside the reference, commission per publisher, the books, latencies, verdict.

use crate::record::{Latency, Run};
use crate::reference::{self, Line};
use crate::verify::credits::{MODELS, printed};
use crate::verify::judge::Verdict;
use crate::verify::recorded::Recorded;
use crate::verify::warehouse::Found;
use schemas::decimal::{Amount, Fixed};
use std::fmt::{self, Write};

pub fn text(recorded: &Recorded, found: &Found, verdict: &Verdict, mismatches: &[String]) -> String {
    let mut out = String::new();
    let written = write_channels(&mut out, verdict)
        .and_then(|()| write_money(&mut out, verdict))
        .and_then(|()| write_books(&mut out, found))
        .and_then(|()| write_run(&mut out, &recorded.run, verdict))
        .and_then(|()| write_verdict(&mut out, verdict, mismatches));
    // Writing into a string fails only when a Display of ours does, and none does.
    written.map_or_else(|error| error.to_string(), |()| out)
}

fn write_channels(out: &mut String, verdict: &Verdict) -> fmt::Result {
    let reference = if verdict.whole_file { reference::table() } else { Vec::new() };
    let beside = if reference.is_empty() { "" } else { "; below each the published reference, which has three models" };
    writeln!(out, "Credits per channel and model: conversions and value, as ClickHouse has them{beside}\n")?;
    write!(out, "{:<10}", "channel")?;
    for model in MODELS {
        write!(out, "{:>12}{:>12}", model, "")?;
    }
    writeln!(out)?;
    for (channel, totals) in &verdict.channels {
        write!(out, "{channel:<10}")?;
        for (conversions, value) in totals {
            write!(out, "{:>12}{:>12}", printed(*conversions).to_string(), printed(*value).to_string())?;
        }
        writeln!(out)?;
        let lines = |model: &str| find(&reference, channel, model);
        if !reference.is_empty() {
            write!(out, "{:<10}", "reference")?;
            for line in MODELS.iter().map_while(|model| lines(model)) {
                write!(out, "{:>12}{:>12}", line.conversions.to_string(), line.value.to_string())?;
            }
            writeln!(out)?;
        }
    }
    writeln!(out)
}

fn find<'a>(reference: &'a [Line], channel: &str, model: &str) -> Option<&'a Line> {
    reference.iter().find(|line| line.channel == channel && line.model.name() == model)
}

fn write_money(out: &mut String, verdict: &Verdict) -> fmt::Result {
    writeln!(out, "Commission per publisher (last click pays), USD\n")?;
    let header = ["publisher", "conversions", "commission", "payout", "platform fee", "expected"];
    writeln!(
        out,
        "{:<10}{:>12}{:>14}{:>14}{:>14}{:>14}",
        header[0], header[1], header[2], header[3], header[4], header[5]
    )?;
    for (publisher, money) in &verdict.money {
        let posted = money.posted;
        let [commission, payout, fee, expected] =
            [posted.commission, posted.payout, posted.platform_fee, money.expected.commission].map(cents);
        let conversions = money.conversions;
        writeln!(out, "{publisher:<10}{conversions:>12}{commission:>14}{payout:>14}{fee:>14}{expected:>14}")?;
    }
    writeln!(out)
}

fn write_books(out: &mut String, found: &Found) -> fmt::Result {
    writeln!(out, "The books, all runs\n")?;
    let header = ["currency", "entries", "debits", "credits", "difference"];
    writeln!(out, "{:<10}{:>12}{:>14}{:>14}{:>14}", header[0], header[1], header[2], header[3], header[4])?;
    for row in &found.books {
        let [debits, credits, difference] = [row.debits, row.credits, row.debits - row.credits].map(cents);
        writeln!(out, "{:<10}{:>12}{debits:>14}{credits:>14}{difference:>14}", row.currency, row.entries)?;
    }
    writeln!(out)
}

/// Without the four zeros behind the cents, where they are zeros.
fn cents(amount: Amount) -> String {
    if amount.0 % 10_000 == 0 { Fixed::<2>(amount.0 / 10_000).to_string() } else { amount.to_string() }
}

fn write_run(out: &mut String, run: &Run, verdict: &Verdict) -> fmt::Result {
    let (clicks, events) = (run.clicks, run.events);
    writeln!(out, "Run {} of {}, seed {}", run.run, run.started_at, run.seed)?;
    writeln!(
        out,
        "  clicks       {} of {} acknowledged; {} shed, {} refused, {} unsent, {} unknown; {} in ClickHouse",
        clicks.acknowledged,
        run.planned.touches,
        clicks.shed,
        clicks.refused,
        clicks.unsent,
        clicks.unknown,
        verdict.clicks
    )?;
    writeln!(
        out,
        "  conversions  {} of {} acknowledged; {} refused, {} given up, {} retries; {} in ClickHouse",
        events.acknowledged,
        run.planned.conversions,
        events.refused,
        events.given_up,
        events.retries,
        verdict.conversions
    )?;
    if verdict.not_judged > 0 {
        writeln!(out, "  not judged   {} conversions with an unknown click in their journey", verdict.not_judged)?;
    }
    writeln!(
        out,
        "  rate         {:.0} clicks/s acknowledged, {} due, in {:.1} s",
        run.clicks_per_s, run.rate, run.seconds
    )?;
    write_latency(out, "click", "due to answered", &run.click_latency)?;
    write_latency(out, "event", "due to answered", &run.event_latency)?;
    write_latency(out, "visible", "acknowledged to found in ClickHouse", &run.visible)?;
    writeln!(out, "  client       {:.1} us of CPU per request", run.cpu_us_per_request)?;
    for problem in &run.problems {
        writeln!(out, "  problem      {problem}")?;
    }
    writeln!(out)
}

fn write_latency(out: &mut String, what: &str, meaning: &str, latency: &Latency) -> fmt::Result {
    let Latency { samples, p50_ms, p99_ms, p999_ms, max_ms } = latency;
    if *samples == 0 {
        return writeln!(out, "  {what:<12} not measured");
    }
    writeln!(
        out,
        "  {what:<12} p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, p99.9 {p999_ms:.1} ms, max {max_ms:.1} ms ({samples}, {meaning})"
    )
}

fn write_verdict(out: &mut String, verdict: &Verdict, mismatches: &[String]) -> fmt::Result {
    for mismatch in mismatches {
        writeln!(out, "MISMATCH  {mismatch}")?;
    }
    match (mismatches.is_empty(), verdict.whole_file) {
        (true, true) => writeln!(out, "OK: nothing lost, nothing doubled, all 72 figures of the reference agree"),
        (true, false) => writeln!(out, "OK: nothing lost, nothing doubled, all credits and postings as recomputed"),
        (false, _) => writeln!(out, "NOT OK"),
    }
}
