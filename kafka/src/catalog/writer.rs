//! Writes catalog entries: one writer at a time, all of its entries or none. What to write is decided by the caller from
//! the catalog as it stands.

use super::follower::{Follower, PARTITION};
use crate::transaction::TransactionalProducer;
use crate::{Error, KafkaConfig, Kind};
use rdkafka::error::RDKafkaErrorCode;
use schemas::catalog::Catalog;
use schemas::codec;
use schemas::key;
use schemas::offset::Offset;
use schemas::record::catalog::CatalogEntry;
use schemas::topic::Topic;

/// Every writer has this id, so that a later one fences an earlier one: what the earlier one decided on is outdated.
const TRANSACTIONAL_ID: &str = "catalog-writer";

/// What was written.
#[derive(Debug)]
pub struct Written {
    pub entries: Vec<CatalogEntry>,
    /// The place of the last entry; none when there was nothing to write.
    pub last: Option<Offset>,
}

/// Reads the catalog to its end, lets `decide` say what to add, and adds it in one transaction. An error after that
/// may leave open whether it was written; writing again decides anew from what is there.
pub fn write<E: From<Error>>(
    config: &KafkaConfig,
    decide: impl FnOnce(&Catalog) -> Result<Vec<CatalogEntry>, E>,
) -> Result<Written, E> {
    // Before reading: it ends a transaction that a dead writer left open, which would hide what comes after it.
    let mut producer = TransactionalProducer::new(config, TRANSACTIONAL_ID)?;
    let mut follower = Follower::open(config)?;
    follower.read_to_end(config)?;
    let entries = decide(&follower.catalog)?;
    let last = if entries.is_empty() { None } else { send(config, &mut producer, &entries)? };
    Ok(Written { entries, last })
}

/// The catalog as it stands now.
pub fn read(config: &KafkaConfig) -> Result<Catalog, Error> {
    let mut follower = Follower::open(config)?;
    follower.read_to_end(config)?;
    Ok(follower.catalog)
}

fn send(
    config: &KafkaConfig,
    producer: &mut TransactionalProducer,
    entries: &[CatalogEntry],
) -> Result<Option<Offset>, Error> {
    let topic = config.topics().name(Topic::Catalog);
    let record = |entry: &CatalogEntry| {
        let key = key::catalog(&entry.tenant, entry.kind, &entry.id, entry.version);
        (Some(PARTITION), key, codec::encode(entry))
    };
    producer.write_all(&topic, entries.iter().map(record)).map_err(taken_over)
}

/// However librdkafka reports it: the records of a fenced producer are purged, and its calls refused.
fn taken_over(error: Error) -> Error {
    use RDKafkaErrorCode as Code;
    match error.source.rdkafka_error_code() {
        Some(Code::PurgeQueue | Code::ProducerFenced | Code::Fenced | Code::InvalidProducerEpoch | Code::Fatal) => {
            Error { doing: "another writer of the catalog took over", kind: Kind::GiveUp, source: error.source }
        }
        _ => error,
    }
}
