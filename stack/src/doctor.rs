//! `tributary doctor`: whether this machine can run and build Tributary, one line per need, with what to do.

mod machine;
mod programs;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::error::Error;
use crate::progress::say;

/// Check what this machine needs to run and build Tributary
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The stack's folder, as for `tributary stack`
    #[arg(long, default_value = "data/stack")]
    dir: PathBuf,
}

/// How one need is met.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    /// It works without, or is needed for some purposes only: what to do for those.
    Advice(String),
    /// It does not work: what to do.
    Missing(String),
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Check {
    name: String,
    /// What was found.
    found: String,
    verdict: Verdict,
}

impl Check {
    fn new(name: impl Into<String>, found: impl Into<String>, verdict: Verdict) -> Self {
        Check { name: name.into(), found: found.into(), verdict }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, advice) = match &self.verdict {
            Verdict::Ok => ("ok", ""),
            Verdict::Advice(advice) => ("note", advice.as_str()),
            Verdict::Missing(advice) => ("missing", advice.as_str()),
        };
        write!(f, "{word:<8} {:<17} {}", self.name, self.found)?;
        if advice.is_empty() { Ok(()) } else { write!(f, ": {advice}") }
    }
}

/// Prints one line per need; exit code 1 when one that running needs is missing.
///
/// # Errors
/// When no cache folder can be determined.
pub fn execute(args: DoctorArgs) -> Result<ExitCode, Error> {
    let mut needed_is_missing = false;
    let mut report = |check: Check| {
        say(&check);
        needed_is_missing |= matches!(check.verdict, Verdict::Missing(_));
    };
    machine::checks(&args.dir)?.into_iter().for_each(&mut report);
    // Printed one by one: each starts a program, and some of them are slow.
    programs::checks().for_each(&mut report);
    if needed_is_missing {
        say("\n`scripts/setup.sh` installs what is missing on Debian and Ubuntu.");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_found_and_what_to_do() {
        let rows = [
            (Check::new("tar", "1.34", Verdict::Ok), "ok       tar               1.34"),
            (
                Check::new("java", "not found", Verdict::Missing("install 17".into())),
                "missing  java              not found: install 17",
            ),
        ];
        for (check, line) in rows {
            assert_eq!(check.to_string(), line);
        }
    }
}
