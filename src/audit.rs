//! `tributary audit`: what the audit of `sinks` found, for a person and for machines.

use anyhow::Context;
use clap::Args;
use service::HumanDuration;
use sinks::ClickHouseConfig;
use sinks::audit::{Audited, Options, audit};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Recompute attributions and balances in SQL from clicks and events, and compare with what is stored
///
/// ClickHouse alone is asked, by sinks/sql/audit, which shares nothing with the rules that decided. Every difference
/// is printed with both values; what cannot be recomputed is counted as not judged. Exit code 1 when anything
/// differs.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// One account only [default: all]
    #[arg(long)]
    tenant: Option<String>,
    /// What came in so recently is not judged: it may not be decided yet
    #[arg(long, default_value = "60s", value_parser = duration)]
    quiet: HumanDuration,
    /// Differences that are printed; all are counted
    #[arg(long, default_value_t = 50)]
    show: usize,
    /// Where to write the figures, as JSON
    #[arg(long)]
    figures: Option<PathBuf>,
}

pub fn execute(args: &AuditArgs, clickhouse: &ClickHouseConfig) -> anyhow::Result<ExitCode> {
    let options = Options { tenant: args.tenant.clone(), quiet: args.quiet.0, listed: args.show };
    let audited = audit(clickhouse, &options)?;
    print!("{}", told(&audited));
    if let Some(path) = &args.figures {
        let text = serde_json::to_string_pretty(&figures(&audited))?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if audited.found() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(audited: &Audited) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let read: Vec<String> = audited.read.iter().map(|table| format!("{} {}", table.rows, table.table)).collect();
    let _ = writeln!(text, "rows read: {}\n", read.join(", "));
    let _ = writeln!(text, "{:<48} {:>12} {:>12} {:>12}", "", "judged", "not judged", "differences");
    for check in &audited.checks {
        let _ = writeln!(
            text,
            "{:<48} {:>12} {:>12} {:>12}",
            check.checked, check.judged, check.not_judged, check.differences
        );
    }
    let doubled: i64 = audited.doubled.iter().map(|table| table.doubled).sum();
    let rows: u64 = audited.doubled.iter().map(|table| table.rows).sum();
    let _ = writeln!(text, "{:<48} {rows:>12} {:>12} {doubled:>12}", "rows, each from its own place in Kafka", 0);
    if !audited.not_judged.is_empty() {
        let _ = writeln!(text, "\nconversions not judged, by reason");
    }
    for reason in &audited.not_judged {
        let _ = writeln!(text, "{:>12}  {}: {}", reason.conversions, reason.what, reason.reason);
    }
    for one in &audited.differences {
        let conversion = match one.conversion_id.as_str() {
            "" => String::new(),
            id => format!(", conversion {id}"),
        };
        let _ = writeln!(text, "\n{} of tenant {}{conversion}: {}", one.checked, one.tenant, one.about);
        let _ = writeln!(text, "  recomputed  {}\n  stored      {}", one.recomputed, one.stored);
    }
    let (found, shown) = (audited.found(), audited.differences.len() as u64);
    let _ = match found {
        0 => writeln!(text, "\nno differences"),
        1 => writeln!(text, "\n1 difference"),
        found if shown < found => writeln!(text, "\n{found} differences, {shown} shown"),
        found => writeln!(text, "\n{found} differences"),
    };
    text
}

fn figures(audited: &Audited) -> serde_json::Value {
    serde_json::json!({
        "read": audited.read,
        "checks": audited.checks,
        "not_judged": audited.not_judged,
        "found": audited.found(),
        "differences": audited.differences,
    })
}

fn duration(text: &str) -> Result<HumanDuration, String> {
    let text = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text);
    serde::Deserialize::deserialize(text).map_err(|error| error.to_string())
}
