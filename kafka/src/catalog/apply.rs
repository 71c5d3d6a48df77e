//! `tributary catalog apply`: reads a catalog file, plans, makes missing API keys and writes the changes, all or none.
//! Which changes is the plan's decision; here is only what touches files and Kafka.

use super::file;
use super::plan::{Plan, plan};
use super::problem::Problem;
use super::{secrets, writer};
use crate::{Error, KafkaConfig};
use schemas::catalog::Catalog;
use schemas::offset::Offset;
use schemas::record::catalog::{CatalogEntry, EntityKind};
use schemas::time::Micros;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// More lines of changes help nobody; the rest is counted.
const SHOWN_CHANGES: usize = 20;
/// Likewise problems: enough to work on.
const SHOWN_PROBLEMS: usize = 200;

/// What `apply` did, or would do.
#[derive(Debug)]
pub struct Applied {
    pub file: PathBuf,
    /// Entity and its new version.
    pub written: Vec<(EntityKind, String, i32)>,
    pub unchanged: usize,
    pub keys_created: Vec<PathBuf>,
    pub warnings: Vec<Problem>,
    /// The place of the last entry: who has read it sees all of them.
    pub last: Option<Offset>,
    pub dry_run: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("cannot read {path}: {error}")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{}", listed(path, problems))]
    Problems { path: PathBuf, problems: Vec<Problem> },
    #[error("cannot write the API key {path}: {error}; nothing is in the catalog yet, apply again")]
    KeyFile { path: PathBuf, error: io::Error },
    #[error("{0}; applying the same file again is safe")]
    Client(#[from] Error),
}

/// Applies a catalog file as a whole; returns after the commit. `secrets` is where key files are looked for, by default
/// beside the catalog file. A dry run only reads.
pub fn apply(
    config: &KafkaConfig,
    path: &Path,
    secrets: Option<&Path>,
    now: Micros,
    dry_run: bool,
) -> Result<Applied, ApplyError> {
    let unreadable = |error| ApplyError::Unreadable { path: path.to_owned(), error };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let mut file = file::parse(&text);
    // A relative file name alone has an empty parent, which joins to a name in the current folder.
    let beside = path.parent().unwrap_or(Path::new(""));
    let (keys, problems) = secrets::gather(&file, secrets.unwrap_or(beside), random);
    file.problems.extend(problems);

    let refused = |problems| ApplyError::Problems { path: path.to_owned(), problems };
    let decide = |catalog: &Catalog| plan(catalog, &file, &keys.hashes, now).map_err(refused);
    let applied = |plan: Plan, entries: &[CatalogEntry], last| Applied {
        file: path.to_owned(),
        written: entries.iter().map(|entry| (entry.kind, entry.id.clone(), entry.version)).collect(),
        unchanged: plan.unchanged,
        keys_created: keys.new_paths(),
        warnings: plan.warnings,
        last,
        dry_run,
    };
    if dry_run {
        let mut plan = decide(&writer::read(config)?)?;
        let entries = std::mem::take(&mut plan.entries);
        return Ok(applied(plan, &entries, None));
    }
    let mut planned = Plan::default();
    let written = writer::write(config, |catalog| {
        planned = decide(catalog)?;
        // Before the catalog: a hash without its key would lock the advertiser out.
        keys.write_new().map_err(|(path, error)| ApplyError::KeyFile { path, error })?;
        Ok::<_, ApplyError>(std::mem::take(&mut planned.entries))
    })?;
    Ok(applied(planned, &written.entries, written.last))
}

fn random() -> Result<[u8; secrets::RANDOM_BYTES], String> {
    let mut bytes = [0; secrets::RANDOM_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random bytes from the system: {error}"))?;
    Ok(bytes)
}

fn listed(path: &Path, problems: &[Problem]) -> String {
    let lines = problems.iter().take(SHOWN_PROBLEMS).map(|problem| format!("{}:{problem}\n", path.display()));
    let hidden = problems.len().saturating_sub(SHOWN_PROBLEMS);
    let more = if hidden > 0 { format!("and {hidden} more\n") } else { String::new() };
    let problems = if problems.len() == 1 { "1 problem".into() } else { format!("{} problems", problems.len()) };
    format!("{}{more}{problems}, nothing was written", lines.collect::<String>())
}

impl fmt::Display for Applied {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(out, "warning: {}:{warning}", self.file.display())?;
        }
        for (kind, id, version) in self.written.iter().take(SHOWN_CHANGES) {
            writeln!(out, "{} {id}: version {version}", kind.name())?;
        }
        if self.written.len() > SHOWN_CHANGES {
            writeln!(out, "and {} more", self.written.len() - SHOWN_CHANGES)?;
        }
        let (made, written) = if self.dry_run { ("would make", "would be written") } else { ("made", "written") };
        for path in &self.keys_created {
            writeln!(out, "{made} API key {}", path.display())?;
        }
        write!(out, "{} {written}, {} unchanged", self.written.len(), self.unchanged)
    }
}
