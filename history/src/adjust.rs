//! `tributary adjust`: writes what a what-if shows into `candidates`, as amendments. Decide then books the differences, and
//! reckons all that comes later by the same terms.

use crate::Error;
use kafka::KafkaConfig;
use kafka::transaction::TransactionalProducer;
use schemas::codec;
use schemas::key;
use schemas::record::amendment::Amendment;
use schemas::topic::Topic;

/// What one transaction holds: it must end long before the broker's patience does.
const AT_ONCE: usize = 5000;

/// Two adjustments at one time would each take the other's differences for its own: a later one fences the earlier.
const TRANSACTIONAL_ID: &str = "adjust";

/// Writes amendments in the order given. Stopped in between, what was committed stays; the same call again writes the rest.
pub fn write(config: &KafkaConfig, amendments: &[Amendment]) -> Result<(), Error> {
    if amendments.is_empty() {
        return Ok(());
    }
    let topic = config.topics().name(Topic::Candidates);
    let mut producer = TransactionalProducer::new(config, TRANSACTIONAL_ID)?;
    for some in amendments.chunks(AT_ONCE) {
        let record = |one: &Amendment| {
            (None, key::conversion(&one.tenant, &one.advertiser, one.conversion_id), codec::encode(one))
        };
        producer.write_all(&topic, some.iter().map(record))?;
    }
    Ok(())
}
