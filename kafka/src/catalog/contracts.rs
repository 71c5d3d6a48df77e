//! A catalog file read for its contracts alone, to be tried on what is past. Nothing of it is applied.

use super::apply::ApplyError;
use super::file::{self, Body};
use super::problem::Problem;
use schemas::name::TenantId;
use schemas::record::catalog::{CatalogEntry, EntityKind};
use std::path::Path;

/// Contracts of one tenant, each once; their versions mean nothing.
#[derive(Debug)]
pub struct Contracts {
    pub tenant: TenantId,
    pub entries: Vec<CatalogEntry>,
}

/// Reads the contracts of a file that holds nothing else.
///
/// # Errors
/// All problems at once.
pub fn read(path: &Path) -> Result<Contracts, ApplyError> {
    let unreadable = |error| ApplyError::Unreadable { path: path.to_owned(), error };
    let file = file::parse(&std::fs::read_to_string(path).map_err(unreadable)?);
    let mut problems = file.problems;
    let mut entries: Vec<CatalogEntry> = Vec::new();
    for draft in file.drafts {
        let Body::Contract(contract) = draft.body else {
            problems.push(Problem::new(draft.line, draft.kind.name(), &draft.id, "only contracts can be tried"));
            continue;
        };
        if entries.iter().any(|entry| entry.id == draft.id) {
            problems.push(Problem::new(draft.line, "contracts.id", &draft.id, "twice in this file"));
        }
        let Some(tenant) = file.tenant.clone() else { continue };
        let bare = CatalogEntry::bare(EntityKind::Contract, tenant, &draft.id);
        let entry = CatalogEntry { effective_from: draft.effective_from, contract: Some(contract), ..bare };
        entries.push(entry);
    }
    if problems.is_empty() && entries.is_empty() {
        problems.push(Problem::without_value(0, "contracts", "missing: there is nothing to try"));
    }
    match file.tenant {
        Some(tenant) if problems.is_empty() => Ok(Contracts { tenant, entries }),
        _ => {
            problems.sort_by_key(|problem| problem.line);
            Err(ApplyError::Problems { path: path.to_owned(), problems })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRACT: &str = "{id: standard, commission: 20 %, paying_model: last, hold_days: 30}";

    fn read_text(text: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file.yaml");
        std::fs::write(&path, text).expect("written");
        let read = read(&path).map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))?;
        Ok(read.entries.into_iter().map(|entry| entry.id).collect())
    }

    #[test]
    fn a_file_of_contracts_is_taken_and_anything_else_is_refused_with_its_line() {
        let top = "tenant: default\neffective_from: 2026-01-01T00:00:00Z\n";
        let refused = |text: &str| Err(format!("{text}\n1 problem, nothing was written"));
        for (text, expected) in [
            (format!("{top}contracts:\n- {CONTRACT}\n"), Ok(vec!["standard".to_owned()])),
            (
                format!("{top}contracts:\n- {CONTRACT}\n- {CONTRACT}\n"),
                refused("FILE:5: field `contracts.id`: value \"standard\": twice in this file"),
            ),
            (
                format!("{top}contracts:\n- {CONTRACT}\nadvertisers:\n- {{id: acme, name: Acme}}\n"),
                refused("FILE:6: field `advertiser`: value \"acme\": only contracts can be tried"),
            ),
            (top.to_owned(), refused("FILE:0: field `contracts`: missing: there is nothing to try")),
        ] {
            assert_eq!(read_text(&text), expected, "{text}");
        }
    }
}
