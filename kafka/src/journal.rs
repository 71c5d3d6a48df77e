//! What people write to `journal` and read from `payouts`: runs of settlement, commands on payouts, and what came of both.

use crate::ends::Ends;
use crate::group::Place;
use crate::range::{self, Stretch};
use crate::transaction::TransactionalProducer;
use crate::{Error, KafkaConfig};
use schemas::codec;
use schemas::key;
use schemas::offset::NextOffset;
use schemas::record::payout::{Payout, PayoutCommand};
use schemas::record::settlement::{RunDone, SettlementRun};
use schemas::record::statement::Statement;
use schemas::topic::Topic;

/// Every writer has this id: a dead one's open transaction is ended by the next, and hides nothing from readers.
const TRANSACTIONAL_ID: &str = "journal-writer";

/// Writes a run to every partition of `journal`, all or none: its place in each is the cut. Returns how many they are.
pub fn write_run(config: &KafkaConfig, run: &SettlementRun) -> Result<i32, Error> {
    let topic = config.topics().name(Topic::Journal);
    let partitions = Ends::open(config)?.partitions(&topic)?.unwrap_or(0);
    let value = codec::encode(run);
    write(
        config,
        (0..partitions).map(|partition| (Some(partition), key::run(&run.tenant, run.run_id, partition), value.clone())),
    )?;
    Ok(partitions)
}

/// Writes commands, all or none, each to its publisher's partition.
pub fn write_commands(config: &KafkaConfig, commands: &[PayoutCommand]) -> Result<(), Error> {
    let record =
        |command: &PayoutCommand| (None, key::publisher(&command.tenant, &command.publisher), codec::encode(command));
    write(config, commands.iter().map(record))
}

fn write(config: &KafkaConfig, records: impl Iterator<Item = (Option<i32>, String, Vec<u8>)>) -> Result<(), Error> {
    let topic = config.topics().name(Topic::Journal);
    TransactionalProducer::new(config, TRANSACTIONAL_ID)?.write_all(&topic, records)?;
    Ok(())
}

/// What `payouts` says.
#[derive(Default)]
pub struct Settlements {
    pub statements: Vec<Statement>,
    /// Every step of every payout; of one payout, in order.
    pub payouts: Vec<Payout>,
    pub done: Vec<RunDone>,
}

/// Reads `payouts`, from where the last `read` came to.
pub struct Reader<'k> {
    config: &'k KafkaConfig,
    positions: Vec<NextOffset>,
}

impl<'k> Reader<'k> {
    pub fn new(config: &'k KafkaConfig) -> Reader<'k> {
        Reader { config, positions: Vec::new() }
    }

    /// What was committed since the last call; at first, all. Adds it to `into`. Records of later versions of this program
    /// that this one does not know are passed over.
    pub fn read(&mut self, into: &mut Settlements) -> Result<(), Error> {
        let topic = self.config.topics().name(Topic::Payouts);
        let partitions = Ends::open(self.config)?.partitions(&topic)?.unwrap_or(0);
        let places: Vec<_> = (0..partitions).map(|partition| Place { topic: topic.clone(), partition }).collect();
        let extents = range::extents(self.config, &places)?;
        let from = |number: usize, first: NextOffset| self.positions.get(number).copied().unwrap_or(first).max(first);
        let stretches = places.into_iter().zip(&extents).enumerate();
        let stretches: Vec<_> = stretches
            .map(|(number, (place, extent))| Stretch { place, from: from(number, extent.first), to: extent.end })
            .collect();
        let each = |step: range::Step<'_>| {
            if let range::Step::Record(_, record) = step {
                take(record.value.unwrap_or_default(), into);
            }
            Ok::<_, Error>(())
        };
        range::read_all(self.config, &stretches, QUEUE_MIB, each, || Ok(()))?;
        self.positions = extents.into_iter().map(|extent| extent.end).collect();
        Ok(())
    }
}

/// What a reader may fetch ahead.
const QUEUE_MIB: usize = 16;

fn take(framed: &[u8], into: &mut Settlements) {
    if codec::is_framed_as::<Payout>(framed) {
        into.payouts.extend(codec::decode(framed).ok());
    } else if codec::is_framed_as::<Statement>(framed) {
        into.statements.extend(codec::decode(framed).ok());
    } else if codec::is_framed_as::<RunDone>(framed) {
        into.done.extend(codec::decode(framed).ok());
    }
}
