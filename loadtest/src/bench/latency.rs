//! How long a decision takes at a given load: from an event's acknowledgement by Kafka to its committed decision.
//!
//! Clicks and events of a translated set are written again to an installation of its own, in their order and
//! proportions: first a share of them at once, so that there is state, then the others at a steady rate, each when it
//! is due, whatever the answers (open loop). The records are written by the edge's producer.

use crate::bench::BenchError;
use crate::bench::arrivals::Arrivals;
use crate::bench::installation::{self, PARTITIONS};
use crate::bench::meter::{self, GROUP};
use crate::replay::measure::Latencies;
use kafka::KafkaConfig;
use kafka::group::Place;
use kafka::producer::{EdgeProducer, Mailbox, Refused, Ticket};
use kafka::range;
use kafka::transaction::TransactionalProducer;
use schemas::codec;
use schemas::id::ConversionId;
use schemas::offset::NextOffset;
use schemas::record::decision::Decision;
use schemas::record::event::Event;
use schemas::topic::Topic;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const AT_ONCE: usize = 200_000;
/// Of each step: at first buffers fill and caches are cold.
const UNMEASURED: Duration = Duration::from_secs(5);
/// After the last event; what has no decision by then is reported as missing.
const PATIENCE: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(1);

pub struct Options {
    /// The translated set.
    pub source: KafkaConfig,
    /// The processor's run; its installation is deleted first.
    pub run: meter::Options,
    /// Records written before the processor starts.
    pub warm: usize,
    /// Records/s of each step.
    pub rates: Vec<u32>,
    pub step: Duration,
}

#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub rate: u32,
    pub events: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// Events without a decision.
    pub missing: u64,
    /// The most that a record was written after it was due: when this is long, the client was the bottleneck.
    pub latest_ms: f64,
}

pub fn run(options: &Options) -> Result<Vec<Step>, BenchError> {
    let kafka = &options.run.kafka;
    kafka::admin::forget_processing(kafka, GROUP)?;
    kafka::admin::delete_topics(kafka)?;
    let folder = options.run.state.parent().unwrap_or(&options.run.state);
    installation::set_up(kafka, folder)?;
    let (mut source, events_from) = open(&options.source)?;
    let mut known = HashSet::new();
    warm_up(options, &mut source, events_from, &mut known)?;
    let mut processor = meter::Running::start(&options.run)?;
    processor.until_quiet()?;
    let mut steps = Vec::new();
    for &rate in &options.rates {
        let records = f64::from(rate) * options.step.as_secs_f64();
        let planned = plan(&mut source, events_from, records as usize, &mut known)?;
        tracing::info!(rate, records = planned.len(), "step");
        let step = step(kafka, rate, &planned)?;
        tracing::info!(rate, p50_ms = step.p50_ms, p99_ms = step.p99_ms, missing = step.missing, "step measured");
        steps.push(step);
        processor.until_quiet()?;
    }
    processor.stop()?;
    Ok(steps)
}

/// The source's stream, and the index of its first partition of events.
fn open(source: &KafkaConfig) -> Result<(Arrivals, usize), BenchError> {
    let place = |topic: Topic| {
        let topic = source.topics().name(topic);
        (0..PARTITIONS).map(move |partition| Place { topic: topic.clone(), partition })
    };
    let places: Vec<Place> = place(Topic::Clicks).chain(place(Topic::Events)).collect();
    Ok((Arrivals::open(source, &places)?, PARTITIONS as usize))
}

struct Planned {
    key: Vec<u8>,
    value: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Click,
    Event(ConversionId),
    /// A repeated delivery, which changes no decision.
    Repeated,
}

fn next(
    source: &mut Arrivals,
    events_from: usize,
    known: &mut HashSet<ConversionId>,
) -> Result<Option<Planned>, BenchError> {
    let Some((from, arrival)) = source.take()? else { return Ok(None) };
    let kind = if from < events_from {
        Kind::Click
    } else {
        let undecodable = |error| BenchError::Decode { what: "an event".into(), error };
        let event: Event = codec::decode(&arrival.value).map_err(undecodable)?;
        if known.insert(event.conversion_id) { Kind::Event(event.conversion_id) } else { Kind::Repeated }
    };
    Ok(Some(Planned { key: arrival.key, value: arrival.value, kind }))
}

impl Kind {
    fn topic(self) -> Topic {
        match self {
            Kind::Click => Topic::Clicks,
            Kind::Event(_) | Kind::Repeated => Topic::Events,
        }
    }
}

fn warm_up(
    options: &Options,
    source: &mut Arrivals,
    events_from: usize,
    known: &mut HashSet<ConversionId>,
) -> Result<(), BenchError> {
    let kafka = &options.run.kafka;
    let mut producer = TransactionalProducer::new(kafka, "warm-up")?;
    let mut left = options.warm;
    while left > 0 {
        let mut transaction = producer.begin()?;
        for _ in 0..left.min(AT_ONCE) {
            let Some(Planned { key, value, kind }) = next(source, events_from, known)? else { break };
            transaction.send(&kafka.topics().name(kind.topic()), None, &key, Some(&value), None)?;
        }
        transaction.commit_records()?;
        left -= left.min(AT_ONCE);
    }
    Ok(())
}

/// In memory before the clock starts: reading them would be in the broker's way.
fn plan(
    source: &mut Arrivals,
    events_from: usize,
    records: usize,
    known: &mut HashSet<ConversionId>,
) -> Result<Vec<Planned>, BenchError> {
    let mut planned = Vec::with_capacity(records);
    while planned.len() < records {
        match next(source, events_from, known)? {
            Some(record) => planned.push(record),
            None => return Err(BenchError::TooFew { records: planned.len(), of: records }),
        }
    }
    Ok(planned)
}

fn step(kafka: &KafkaConfig, rate: u32, planned: &[Planned]) -> Result<Step, BenchError> {
    let decisions = Decisions::follow(kafka)?;
    let producer = EdgeProducer::start(kafka, 1)?;
    producer.warm_up(&[Topic::Clicks, Topic::Events], Duration::from_secs(10))?;
    let mut sending =
        Sending { producer: &producer, planned, rate, acknowledged: HashMap::new(), latest: Duration::ZERO };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| BenchError::file("start", "a runtime".as_ref(), error))?;
    let began = Instant::now();
    runtime.block_on(sending.run(began, &producer.mailbox(0)))?;
    let (acknowledged, latest) = (sending.acknowledged, sending.latest);
    let measured_from = began + UNMEASURED;
    let mut waiting: HashMap<ConversionId, Instant> =
        acknowledged.into_iter().filter(|(_, at)| *at >= measured_from).collect();
    let events = waiting.len() as u64;
    let (mut latencies, give_up) = (Latencies::default(), Instant::now() + PATIENCE);
    while !waiting.is_empty() {
        let left = give_up.saturating_duration_since(Instant::now());
        let Ok((conversion, decided)) = decisions.decided.recv_timeout(left) else { break };
        if let Some(acknowledged) = waiting.remove(&conversion) {
            latencies.record(decided.saturating_duration_since(acknowledged));
        }
    }
    decisions.stop()?;
    let summary = latencies.summary();
    Ok(Step {
        rate,
        events,
        p50_ms: summary.p50_ms,
        p99_ms: summary.p99_ms,
        max_ms: summary.max_ms,
        missing: waiting.len() as u64,
        latest_ms: latest.as_secs_f64() * 1000.0,
    })
}

/// Writes each record when it is due.
struct Sending<'s> {
    producer: &'s EdgeProducer,
    planned: &'s [Planned],
    rate: u32,
    acknowledged: HashMap<ConversionId, Instant>,
    latest: Duration,
}

impl Sending<'_> {
    async fn run(&mut self, began: Instant, mailbox: &Mailbox) -> Result<(), BenchError> {
        let (mut sent, mut reported, mut reports) = (0, 0, Vec::new());
        while reported < self.planned.len() {
            let now = Instant::now();
            let due = (((now - began).as_secs_f64() * f64::from(self.rate)) as usize).min(self.planned.len());
            if sent < due {
                let was_due = began + Duration::from_secs_f64(sent as f64 / f64::from(self.rate));
                self.latest = self.latest.max(now.saturating_duration_since(was_due));
            }
            while sent < due && self.send(sent)? {
                sent += 1;
            }
            if tokio::time::timeout(TICK, mailbox.take(&mut reports)).await.is_err() {
                continue;
            }
            let now = Instant::now();
            reported += reports.len();
            for report in &reports {
                report.outcome.map_err(|error| BenchError::Undelivered(error.to_string()))?;
                if let Kind::Event(conversion) = self.planned[report.slot as usize].kind {
                    self.acknowledged.insert(conversion, now);
                }
            }
        }
        Ok(())
    }

    /// False where the queue is full: later.
    fn send(&self, at: usize) -> Result<bool, BenchError> {
        let Planned { key, value, kind } = &self.planned[at];
        let slot = u32::try_from(at).map_err(|_| BenchError::Undelivered("too many records for one step".into()))?;
        match self.producer.send(kind.topic(), key, value, Ticket { mailbox: 0, slot }) {
            Ok(()) => Ok(true),
            Err(Refused::QueueFull) => Ok(false),
            Err(Refused::Broken(error)) => Err(BenchError::Undelivered(error.to_string())),
        }
    }
}

/// Reads decisions as they are committed, one thread per partition.
struct Decisions {
    decided: Receiver<(ConversionId, Instant)>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(), BenchError>>>,
}

impl Decisions {
    fn follow(kafka: &KafkaConfig) -> Result<Self, BenchError> {
        let topic = kafka.topics().name(Topic::Decisions);
        let places: Vec<Place> = (0..PARTITIONS).map(|partition| Place { topic: topic.clone(), partition }).collect();
        let extents = range::extents(kafka, &places)?;
        let (sender, decided) = channel();
        let over = Arc::new(AtomicBool::new(false));
        let follow = |(place, extent): (Place, range::Extent)| {
            let (kafka, sender, over) = (kafka.clone(), sender.clone(), Arc::clone(&over));
            std::thread::spawn(move || follow(&kafka, &place, extent.end, &sender, &over))
        };
        let threads = places.into_iter().zip(extents).map(follow).collect();
        Ok(Decisions { decided, over, threads })
    }

    fn stop(self) -> Result<(), BenchError> {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(())
    }
}

fn follow(
    kafka: &KafkaConfig,
    place: &Place,
    from: NextOffset,
    sender: &Sender<(ConversionId, Instant)>,
    over: &AtomicBool,
) -> Result<(), BenchError> {
    let each = |record: kafka::queue::Record<'_>| {
        let seen = Instant::now();
        let undecodable = |error| BenchError::Decode { what: "a decision".into(), error };
        let decision: Decision = codec::decode(record.value.unwrap_or_default()).map_err(undecodable)?;
        // Who does not listen any more does not want it.
        let _ = sender.send((decision.conversion_id, seen));
        Ok(())
    };
    let idle = || if over.load(Ordering::Relaxed) { Err(BenchError::Over) } else { Ok(()) };
    match range::read(kafka, place, from, NextOffset(i64::MAX), each, idle) {
        Ok(()) | Err(BenchError::Over) => Ok(()),
        Err(error) => Err(error),
    }
}
