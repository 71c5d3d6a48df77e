//! `tributary whatif`: what a changed contract would have paid. Writes nothing.

use crate::Error;
use crate::progress::Progress;
use crate::replay::{Replay, Scope};
use crate::report::Report;
use domain::whatif::{self, Compared};
use kafka::KafkaConfig;
use kafka::catalog::contracts::{self, Contracts};
use schemas::catalog::Catalog;
use schemas::id::hash_of;
use schemas::name::AdvertiserId;
use schemas::record::amendment::{AmendedContract, Amendment};
use schemas::record::catalog::{CatalogEntry, EntityKind};
use schemas::time::Micros;
use std::path::Path;

/// Contracts to be tried on the conversions of a time.
pub struct Trial {
    contracts: Vec<AmendedContract>,
    pub scope: Scope,
    amendment_id: String,
    pub by: String,
    pub why: String,
    pub now: Micros,
}

impl Trial {
    /// The file's contracts in place of those of the same ids.
    pub fn of(path: &Path, from: Micros, to: Micros) -> Result<(Trial, Vec<CatalogEntry>), Error> {
        let bad =
            |error: kafka::catalog::ApplyError| Error::BadFile { path: path.to_owned(), reason: error.to_string() };
        let Contracts { tenant, entries } = contracts::read(path).map_err(bad)?;
        let contracts: Vec<AmendedContract> = entries.iter().map(AmendedContract::new).collect();
        let times = [from.0.to_be_bytes(), to.0.to_be_bytes()];
        let mut parts: Vec<&[u8]> = vec![tenant.as_bytes(), &times[0], &times[1]];
        parts.extend(contracts.iter().map(|contract| contract.entry.as_slice()));
        // A function of what is adjusted: the same call is the same amendment.
        let id = hash_of("tributary amendment", &parts);
        let hex: String = id.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let trial = Trial {
            contracts,
            scope: Scope { tenant, from, to },
            amendment_id: format!("adjustment-{hex}"),
            by: "nobody".into(),
            why: "what if".into(),
            now: Micros(0),
        };
        Ok((trial, entries))
    }

    pub fn amendment_id(&self) -> &str {
        &self.amendment_id
    }

    fn amendment(&self, of: schemas::id::ConversionId, advertiser: AdvertiserId, issued_at: Micros) -> Amendment {
        Amendment {
            amendment_id: self.amendment_id.clone(),
            tenant: self.scope.tenant.clone(),
            advertiser,
            conversion_id: of,
            contracts: self.contracts.clone(),
            by: self.by.clone(),
            why: self.why.clone(),
            issued_at,
        }
    }
}

/// Every one of the contracts has to be one: else nothing would ever be paid by it.
pub fn check(catalog: &Catalog, path: &Path, entries: &[CatalogEntry]) -> Result<(), Error> {
    for entry in entries {
        if catalog.newest_of(EntityKind::Contract, &entry.tenant, &entry.id).is_none() {
            let reason = format!("contract {:?} of tenant {} is not in the catalog", entry.id, entry.tenant);
            return Err(Error::BadFile { path: path.to_owned(), reason });
        }
    }
    Ok(())
}

/// Compares all that is in scope; `each` gets what pays otherwise, with the amendment that makes it so.
pub fn run(
    config: &KafkaConfig,
    path: &Path,
    trial: &Trial,
    entries: &[CatalogEntry],
    progress: &Progress,
    mut each: impl FnMut(&Compared, Amendment) -> Result<(), Error>,
) -> Result<Report, Error> {
    let mut replay = Replay::open(config, progress)?;
    check(&replay.catalog, path, entries)?;
    let mut report = Report::default();
    replay.partitions(Some(&trial.scope), |catalog, conversions| {
        for (id, state) in conversions {
            progress.check()?;
            // Of the account: the first input says whose, and an amendment of another's changes nothing.
            let Ok(Some(now)) = domain::decide::afresh(&state, catalog) else { continue };
            if now.tenant != trial.scope.tenant || !trial.scope.has(now.occurred_at) {
                continue;
            }
            report.conversions += 1;
            let amendment = trial.amendment(id, now.advertiser, whatif::issue_at(&state, trial.now));
            let Ok(Some(compared)) = whatif::compare(&state, &amendment, catalog) else { continue };
            if compared.differs() {
                report.changed += 1;
                whatif::add(&mut report.sums, &compared);
                each(&compared, amendment)?;
            }
        }
        Ok(())
    })?;
    report.passed_over = replay.passed_over;
    Ok(report)
}
