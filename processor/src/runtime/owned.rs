//! The partitions of a session: their tasks, and how far each of their inputs has been read and committed.

use crate::runtime::gauges::Gauges;
use crate::state::rocks::RocksStore;
use crate::task::Task;
use kafka::transaction::Progress;
use schemas::offset::NextOffset;
use schemas::time::Micros;
use schemas::topic::{Topic, Topics};
use std::path::PathBuf;

/// What the stages read, in the order of a turn: a later stage before an earlier one, clicks before the events that may
/// ask for them.
pub const INPUTS: [Topic; 4] = [Topic::Journal, Topic::Candidates, Topic::Clicks, Topic::Events];

/// One input of one partition.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// The group's position.
    pub committed: NextOffset,
    /// Of the open transaction: where it has come to, and with how many records.
    pub reached: NextOffset,
    pub records: u64,
    /// Passes also what is not for readers, such as the markers of transactions.
    pub read: NextOffset,
}

pub struct Partition {
    pub number: i32,
    pub task: Task<RocksStore>,
    pub path: PathBuf,
    /// In the order of `INPUTS`.
    pub inputs: [Input; INPUTS.len()],
    pub gauges: Gauges,
}

impl Partition {
    pub fn new(number: i32, task: Task<RocksStore>, path: PathBuf, resume_at: [NextOffset; INPUTS.len()]) -> Partition {
        let inputs = resume_at.map(|next| Input { committed: next, reached: next, records: 0, read: next });
        Partition { number, task, path, inputs, gauges: Gauges::new(&INPUTS, number) }
    }
}

#[derive(Default)]
pub struct Owned {
    partitions: Vec<Partition>,
    /// By a partition's number, its place in `partitions`.
    places: Vec<Option<usize>>,
}

impl Owned {
    pub fn new(partitions: Vec<Partition>) -> Owned {
        let most = partitions.iter().map(|partition| index(partition.number) + 1).max().unwrap_or(0);
        let mut places = vec![None; most];
        for (place, partition) in partitions.iter().enumerate() {
            places[index(partition.number)] = Some(place);
        }
        Owned { partitions, places }
    }

    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    pub fn partitions_mut(&mut self) -> &mut [Partition] {
        &mut self.partitions
    }

    pub fn get_mut(&mut self, number: i32) -> Option<&mut Partition> {
        let place = (*self.places.get(index(number))?)?;
        self.partitions.get_mut(place)
    }

    /// The broker's time of the newest event that was taken.
    pub fn events_at(&self) -> Micros {
        self.partitions.iter().map(|partition| partition.task.events_at()).max().unwrap_or(Micros(0))
    }

    /// What the open transaction has read, for the group's positions.
    pub fn progress(&self, topics: &Topics) -> Vec<Progress> {
        self.positions(topics, |input| (input.records > 0).then_some(input.reached))
    }

    /// Where the group stands.
    pub fn committed(&self, topics: &Topics) -> Vec<Progress> {
        self.positions(topics, |input| Some(input.committed))
    }

    fn positions(&self, topics: &Topics, of: impl Fn(&Input) -> Option<NextOffset>) -> Vec<Progress> {
        let mut positions = Vec::new();
        for partition in &self.partitions {
            for (topic, input) in INPUTS.iter().zip(&partition.inputs) {
                if let Some(next) = of(input) {
                    positions.push(Progress { topic: topics.name(*topic), partition: partition.number, next });
                }
            }
        }
        positions
    }

    /// Nothing of the open transaction has happened.
    pub fn aborted(&mut self) {
        for partition in &mut self.partitions {
            partition.task.aborted();
            for input in &mut partition.inputs {
                (input.reached, input.read, input.records) = (input.committed, input.committed, 0);
            }
        }
    }
}

/// Kafka numbers partitions from 0.
fn index(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}
