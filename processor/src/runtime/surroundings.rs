//! The catalog as a task sees it: waits until it has been read far enough, and tells a slow catalog from a position
//! that nobody ever wrote.

use crate::task::{NoCatalog, Surroundings};
use kafka::KafkaConfig;
use kafka::catalog::CatalogReader;
use schemas::catalog::Catalog;
use schemas::offset::Offset;
use schemas::topic::Topic;
use std::sync::Arc;
use std::time::Duration;

/// The catalog's reader is at most a poll behind; longer means that Kafka is away or the position is nonsense.
const WAIT: Duration = Duration::from_secs(2);

pub struct LiveCatalog<'a> {
    pub reader: &'a CatalogReader,
    pub kafka: &'a KafkaConfig,
}

impl Surroundings for LiveCatalog<'_> {
    fn catalog(&self, needed: Offset) -> Result<Arc<Catalog>, NoCatalog> {
        let current = self.reader.current();
        if current.has_read(needed) {
            return Ok(current);
        }
        if self.reader.wait_for(needed, WAIT) {
            return Ok(self.reader.current());
        }
        match kafka::admin::end_offsets(self.kafka, Topic::Catalog) {
            Ok(ends) if ends.first().is_some_and(|end| needed.next() > *end) => Err(NoCatalog::NeverWritten),
            Ok(_) | Err(_) => Err(NoCatalog::Behind),
        }
    }
}
