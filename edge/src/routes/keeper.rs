//! Keeps the index up to date, on a thread of its own, and does the other work that no request should wait for.

use super::{Routes, snapshot};
use crate::ids;
use crate::run::Error;
use crate::secrets::Watch;
use arc_swap::ArcSwap;
use kafka::catalog::CatalogReader;
use kafka::producer::EdgeProducer;
use schemas::catalog::Catalog;
use service::Shutdown;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// A new link works within a second of its record: this, the rebuild, and what Kafka takes.
const LOOK: Duration = Duration::from_millis(200);
/// From a change to the snapshot that has it: that of a million links is a hundred megabytes.
const SNAPSHOT: Duration = Duration::from_secs(30);

/// Where the index comes from.
pub enum Source {
    /// The reader, and the generation of the index that is there.
    Kafka(CatalogReader, u64),
    /// The index is from the snapshot, and Kafka is asked for.
    Snapshot(Receiver<Result<CatalogReader, Error>>),
}

pub struct Keeper {
    pub source: Source,
    pub routes: Arc<ArcSwap<Routes>>,
    /// Indexes whose place was taken. The last holder lets go of a million links, and that is not to be a worker.
    pub retired: Vec<Arc<Routes>>,
    /// What the index was built of, once the keeper has built one.
    pub built_of: Option<Arc<Catalog>>,
    pub secrets: Watch,
    pub snapshot: PathBuf,
    pub producer: Arc<EdgeProducer>,
    pub shutdown: Shutdown,
}

impl Keeper {
    /// Returns on shutdown, or where the catalog turns out to be one that no edge may serve.
    pub fn run(mut self) -> Result<(), Error> {
        let mut upkeep = Instant::now();
        // When to write a snapshot; none where the last one has everything.
        let mut due = matches!(self.source, Source::Kafka(..)).then(Instant::now);
        while !self.shutdown.requested() {
            std::thread::sleep(LOOK);
            self.retired.retain(|routes| Arc::strong_count(routes) > 1);
            if self.follow()? {
                due.get_or_insert_with(|| Instant::now() + SNAPSHOT);
            }
            if due.is_some_and(|due| due <= Instant::now()) {
                due = None;
                self.write_snapshot();
            }
            self.producer.renew_if_fatal();
            self.secrets.look(ids::now());
            if upkeep.elapsed() >= service::metrics::UPKEEP {
                upkeep = Instant::now();
                service::metrics::upkeep();
            }
        }
        if due.is_some() {
            self.write_snapshot();
        }
        Ok(())
    }

    /// Whether the catalog changed.
    fn follow(&mut self) -> Result<bool, Error> {
        let outdated = self.routes.load().outdated(ids::now());
        match &mut self.source {
            Source::Kafka(reader, generation) => {
                // Before the view, so that a change in between is seen next time.
                let newest = reader.generation();
                let changed = newest != *generation;
                *generation = newest;
                if changed || outdated {
                    let catalog = reader.current();
                    self.retired.push(rebuild(&self.routes, self.built_of.as_deref(), &catalog));
                    self.built_of = Some(catalog);
                }
                Ok(changed)
            }
            Source::Snapshot(opening) => {
                let Ok(opened) = opening.try_recv() else { return Ok(false) };
                let reader = opened.inspect_err(|_| self.shutdown.request())?;
                tracing::info!("Kafka is there; links and keys are its own again");
                let generation = reader.generation();
                let catalog = reader.current();
                self.retired.push(rebuild(&self.routes, None, &catalog));
                self.built_of = Some(catalog);
                self.source = Source::Kafka(reader, generation);
                Ok(true)
            }
        }
    }

    fn write_snapshot(&self) {
        let Source::Kafka(reader, _) = &self.source else { return };
        if let Err(error) = snapshot::write(&self.snapshot, &reader.current()) {
            tracing::warn!(path = ?self.snapshot, %error, "catalog's snapshot not written");
        }
    }
}

/// The one that was there.
fn rebuild(routes: &ArcSwap<Routes>, earlier: Option<&Catalog>, catalog: &Catalog) -> Arc<Routes> {
    let (started, now) = (Instant::now(), ids::now());
    let updated = earlier.and_then(|earlier| routes.load().update(earlier, catalog, now));
    let built = updated.unwrap_or_else(|| Routes::build(catalog, now));
    tracing::info!(links = built.count(), offset = built.offset.0, took = ?started.elapsed(), "links and keys rebuilt");
    routes.swap(Arc::new(built))
}
