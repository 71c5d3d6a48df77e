//! Keeps the index up to date, on a thread of its own, and does the other work that no request should wait for.

use super::Routes;
use crate::ids;
use arc_swap::ArcSwap;
use kafka::catalog::CatalogReader;
use kafka::producer::EdgeProducer;
use service::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A new link works within a second of its record: this, the rebuild, and what Kafka takes.
const LOOK: Duration = Duration::from_millis(200);

pub struct Keeper {
    pub reader: CatalogReader,
    pub routes: Arc<ArcSwap<Routes>>,
    pub producer: Arc<EdgeProducer>,
    pub shutdown: Shutdown,
}

impl Keeper {
    /// Returns on shutdown. `generation` is that of the index that is there.
    pub fn run(self, mut generation: u64) {
        let mut upkeep = Instant::now();
        while !self.shutdown.requested() {
            std::thread::sleep(LOOK);
            // Before the view, so that a change in between is seen next time.
            let newest = self.reader.generation();
            if newest != generation || self.routes.load().outdated(ids::now()) {
                generation = newest;
                self.rebuild();
            }
            self.producer.renew_if_fatal();
            if upkeep.elapsed() >= service::metrics::UPKEEP {
                upkeep = Instant::now();
                service::metrics::upkeep();
            }
        }
    }

    fn rebuild(&self) {
        let started = Instant::now();
        let routes = Routes::build(&self.reader.current(), ids::now());
        tracing::info!(links = routes.count(), offset = routes.offset.0, took = ?started.elapsed(), "links and keys rebuilt");
        self.routes.store(Arc::new(routes));
    }
}
