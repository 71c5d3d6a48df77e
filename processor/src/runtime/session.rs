//! One session: a member of the group and its transactional producer, from joining to an error that both cannot
//! outlive, or to shutdown.

use crate::runtime::interval::{Interval, Names};
use crate::runtime::owned::{INPUTS, Owned};
use crate::runtime::reaction::{Reaction, reaction};
use crate::runtime::surroundings::LiveCatalog;
use crate::runtime::{Error, Installation, Shared, gauges, millis, takeover};
use kafka::batch::GroupConsumer;
use kafka::group::Rebalance;
use kafka::transaction::TransactionalProducer;
use schemas::topic::Topics;
use std::time::{Duration, Instant};

/// The processor's group of consumers.
pub const GROUP: &str = "processor";
/// Aborted one after the other, with a pause between them: then the clients are suspected and made anew.
const ABORTS_IN_A_ROW: u32 = 20;
const PAUSE_AFTER_ABORT: Duration = Duration::from_millis(100);
/// How often lags are read off what librdkafka has heard.
const GAUGES: Duration = Duration::from_secs(1);

pub fn run(shared: &Shared, number: usize) -> Result<(), Error> {
    let began = Instant::now();
    let topics = shared.kafka.topics();
    let member = format!("{}-{number}", shared.config.instance);
    let inputs = INPUTS.map(|topic| topics.name(topic));
    // The consumer first: the group answers while the producer is being made. What it then says about positions is
    // asked for after the producer has ended an earlier one's transaction.
    let queue_mib = shared.config.consumer_queue_mib;
    let mut consumer = GroupConsumer::join(&shared.kafka, GROUP, &member, &inputs, queue_mib)?;
    let stop = shared.shutdown.clone();
    let mut producer = TransactionalProducer::open(
        &shared.kafka,
        &format!("{GROUP}-{member}"),
        shared.config.producer_queue_mib,
        move || stop.requested(),
    )?;
    let producer_millis = millis(began);
    let Some(installation) = wait_for_installation(shared, &consumer)? else { return Ok(()) };
    tracing::info!(producer_millis, millis = millis(began), thread = number, "session begins");
    let now = Instant::now();
    let (owned, names) = (Owned::default(), Names::new(&topics));
    let mut session =
        Session { shared, number, installation, topics, names, owned, checkpointed: now, gauged: now, aborts: 0 };
    let worked = session.work(&mut consumer, &mut producer);
    match &worked {
        Ok(()) => {
            session.flush()?;
            consumer.unassign()?;
        }
        // What is committed and not on the disk would be read from Kafka again. Of no use where the store is at fault.
        Err(error) if reaction(error) == Reaction::GiveUp => {
            session.owned.aborted();
            if let Err(error) = session.flush() {
                tracing::warn!(%error, "no checkpoint at the session's end");
            }
        }
        Err(_) => {}
    }
    worked
}

/// None at a stop.
fn wait_for_installation<'s>(shared: &'s Shared, consumer: &GroupConsumer) -> Result<Option<&'s Installation>, Error> {
    loop {
        match shared.installation() {
            Some(installation) => return Ok(Some(installation)),
            None if shared.shutdown.requested() => return Ok(None),
            None => consumer.serve(Duration::from_millis(5))?,
        }
    }
}

struct Session<'a> {
    shared: &'a Shared,
    number: usize,
    installation: &'a Installation,
    topics: Topics,
    names: Names,
    owned: Owned,
    checkpointed: Instant,
    gauged: Instant,
    /// In a row.
    aborts: u32,
}

impl Session<'_> {
    fn work(&mut self, consumer: &mut GroupConsumer, producer: &mut TransactionalProducer) -> Result<(), Error> {
        while !self.shared.shutdown.requested() {
            // Without partitions there is nothing else to wait for.
            let wait = if self.owned.partitions().is_empty() { Duration::from_millis(50) } else { Duration::ZERO };
            if let Some(event) = consumer.rebalance(wait)? {
                self.answer(consumer, event)?;
            }
            match self.interval(consumer, producer) {
                Ok(()) => self.aborts = 0,
                Err(error) if reaction(&error) == Reaction::Abort && self.aborts < ABORTS_IN_A_ROW => {
                    self.resume(consumer, producer, &error)?;
                }
                Err(error) => return Err(error),
            }
            if self.checkpointed.elapsed() >= self.shared.config.checkpoint_interval.0 {
                self.checkpoint()?;
            }
            if self.gauged.elapsed() >= GAUGES {
                self.gauged = Instant::now();
                gauges::set_lags(&self.owned, |input, partition| consumer.heard_end(input, partition));
            }
        }
        Ok(())
    }

    fn interval(&mut self, consumer: &mut GroupConsumer, producer: &mut TransactionalProducer) -> Result<(), Error> {
        if self.owned.partitions().is_empty() {
            return Ok(());
        }
        let around = LiveCatalog { reader: &self.installation.catalog, kafka: &self.shared.kafka };
        let interval = Interval { shared: self.shared, around, topics: &self.topics, names: &self.names };
        interval.run(&mut self.owned, consumer, producer)
    }

    /// After an abort: nothing of the interval has happened, and reading goes back to where the group stands. These are
    /// our own last commits: an abort that is sure leaves them as they were.
    fn resume(
        &mut self,
        consumer: &GroupConsumer,
        producer: &mut TransactionalProducer,
        error: &Error,
    ) -> Result<(), Error> {
        self.aborts += 1;
        metrics::counter!(gauges::ABORTED).increment(1);
        tracing::warn!(%error, thread = self.number, in_a_row = self.aborts, "transaction aborted, doing it again");
        self.owned.aborted();
        self.shared.sleep(PAUSE_AFTER_ABORT);
        producer.renew()?;
        consumer.serve(Duration::ZERO)?;
        if consumer.wants_an_answer() {
            // The partitions are taken anew, or given up: positions are asked for then.
            return Ok(());
        }
        Ok(consumer.seek(&self.owned.committed(&self.topics))?)
    }

    /// Between two intervals nothing is uncommitted, so giving up partitions is just closing their stores.
    fn answer(&mut self, consumer: &GroupConsumer, event: Rebalance) -> Result<(), Error> {
        match event {
            Rebalance::Revoked { lost } => {
                let what = if lost { "lost" } else { "revoked" };
                metrics::counter!(gauges::REBALANCES, "what" => what).increment(1);
                tracing::info!(lost, partitions = self.owned.partitions().len(), "partitions given up");
                if !lost {
                    self.flush()?;
                }
                self.owned = Owned::default();
                consumer.unassign()?;
            }
            Rebalance::Assigned(places) => {
                metrics::counter!(gauges::REBALANCES, "what" => "assigned").increment(1);
                let began = Instant::now();
                let mut alive = || {
                    consumer.serve(Duration::ZERO)?;
                    // The group waits for an answer that only the end of this work gives.
                    let over = self.shared.shutdown.requested() || consumer.wants_an_answer();
                    if over { Err(Error::Interrupted) } else { Ok(()) }
                };
                let taken = takeover::take(self.shared, self.installation, consumer, &places, &mut alive);
                let owned = match taken {
                    // Another decision of the group, which is answered next, or a stop.
                    Err(Error::Interrupted) => return Ok(()),
                    taken => taken?,
                };
                self.owned = owned;
                consumer.assign(&self.owned.committed(&self.topics))?;
                metrics::histogram!(gauges::TAKEN_SECONDS).record(began.elapsed().as_secs_f64());
                let numbers: Vec<i32> = self.owned.partitions().iter().map(|partition| partition.number).collect();
                let (millis, since_start) = (millis(began), millis(self.shared.began));
                tracing::info!(partitions = ?numbers, millis, since_start, "partitions taken");
                self.shared.readiness.set(self.number, None);
            }
        }
        Ok(())
    }

    /// Before stores are closed: what is committed need not be read again.
    fn flush(&mut self) -> Result<(), Error> {
        for partition in self.owned.partitions_mut() {
            let failed = |error| Error::Store { path: partition.path.clone(), error };
            partition.task.flush().map_err(failed)?;
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), Error> {
        for partition in self.owned.partitions_mut() {
            let failed = |error| Error::Store { path: partition.path.clone(), error };
            partition.task.checkpoint().map_err(failed)?;
            partition.gauges.state(partition.task.store().bytes());
        }
        self.checkpointed = Instant::now();
        Ok(())
    }
}
