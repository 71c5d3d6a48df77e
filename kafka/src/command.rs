//! Writes a person's command on a conversion to where decide reads it: `candidates`, under the conversion's key.

use crate::catalog::writer;
use crate::transaction::TransactionalProducer;
use crate::{Error, KafkaConfig};
use schemas::catalog::Catalog;
use schemas::codec;
use schemas::key;
use schemas::offset::Offset;
use schemas::record::command::ConversionCommand;
use schemas::topic::Topic;

/// Reads the catalog to its end, lets `decide` say what to write from it and from how far it was read, and writes that.
/// Returns the command and its place, after the commit. Given again, the same command changes nothing.
pub fn write<E: From<Error>>(
    config: &KafkaConfig,
    decide: impl FnOnce(&Catalog) -> Result<ConversionCommand, E>,
) -> Result<(ConversionCommand, Option<Offset>), E> {
    let command = decide(&writer::read(config)?)?;
    let place = send(config, &command)?;
    Ok((command, place))
}

fn send(config: &KafkaConfig, command: &ConversionCommand) -> Result<Option<Offset>, Error> {
    let topic = config.topics().name(Topic::Candidates);
    let key = key::conversion(&command.tenant, &command.advertiser, command.conversion_id);
    // One id for all: a command that another one fences off says so and can be given again.
    let mut producer = TransactionalProducer::new(config, "conversion-commands")?;
    producer.write_all(&topic, [(None, key, codec::encode(command))])
}
