//! One measured run of the processor on what the topics hold.
//!
//! Clock and CPU run from the first committed record to the last, as at the peers: start-up is not counted, and nothing
//! is until it is committed. Where the processor stands is asked of its group, on the broker's account, so that looking
//! costs the processor nothing.

use crate::bench::BenchError;
use crate::bench::installation::{self, PARTITIONS};
use crate::bench::metrics::Page;
use crate::bench::process::{Owned, Process, folder_bytes};
use kafka::KafkaConfig;
use kafka::ends::Ends;
use kafka::group::Place;
use kafka::progress::GroupWatch;
use kafka::range;
use schemas::offset::NextOffset;
use schemas::topic::Topic;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The processor's group, transactional id and member are named by it.
pub const GROUP: &str = "processor";
const LOOK_EVERY: Duration = Duration::from_millis(50);
const SAY_EVERY: Duration = Duration::from_secs(5);
/// Without a commit for so long, with only control markers left, a run is over.
const QUIET: Duration = Duration::from_secs(1);
/// Without a commit for so long, with records left, something is wrong: longer than a rebalance, a compaction, a checkpoint.
const STUCK: Duration = Duration::from_secs(120);
/// Each partition of an input ends in the control marker of its last transaction, which nobody commits.
const MARKERS: i64 = 1;

pub struct Options {
    pub kafka: KafkaConfig,
    /// The `tributary` executable.
    pub program: PathBuf,
    /// Deleted first: a run begins without state.
    pub state: PathBuf,
    pub log: PathBuf,
    /// The processor's one core; none: it runs where it likes.
    pub core: Option<u32>,
    pub broker: Option<Process>,
    /// More settings of the processor, `section.key=value`.
    pub set: Vec<String>,
}

/// What a run took.
#[derive(Clone, Debug)]
pub struct Measured {
    pub took: Duration,
    pub cpu: Duration,
    pub broker_cpu: Duration,
    pub peak_memory: u64,
    pub peak_state: u64,
    pub state: u64,
    pub commit_p50: Option<f64>,
    pub commit_p99: Option<f64>,
    pub samples: Vec<Sample>,
}

impl Measured {
    pub fn per_s(&self, records: u64) -> f64 {
        records as f64 / self.took.as_secs_f64()
    }

    pub fn cpu_s_per_million(&self, records: u64) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / records as f64
    }
}

/// Where a run stood when a commit was seen.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub at: Instant,
    pub cpu: Duration,
    pub broker_cpu: Duration,
    pub clicks: u64,
    pub events: u64,
    /// All inputs: clicks, events, candidates, journal.
    pub committed: u64,
}

/// Forgets earlier runs, runs the processor until nothing is left to do, and stops it.
pub fn run(options: &Options) -> Result<Measured, BenchError> {
    kafka::admin::forget_processing(&options.kafka, GROUP)?;
    kafka::admin::create_topics(&options.kafka, PARTITIONS, 1, installation::now())?;
    let mut running = Running::start(options)?;
    let peak_state = running.until_quiet()?;
    let measured = running.watched.measured(options, peak_state, &Page::fetch(running.page)?)?;
    running.stop()?;
    Ok(measured)
}

/// A processor that is being watched.
pub struct Running<'o> {
    options: &'o Options,
    child: Owned,
    page: SocketAddr,
    watched: Watched,
}

impl<'o> Running<'o> {
    /// Without any state.
    pub fn start(options: &'o Options) -> Result<Self, BenchError> {
        if options.state.exists() {
            std::fs::remove_dir_all(&options.state)
                .map_err(|error| BenchError::file("delete", &options.state, error))?;
        }
        let page = free_address()?;
        let child = start(options, page)?;
        let watched = Watched::open(options, Process(child.0.id()))?;
        Ok(Running { options, child, page, watched })
    }

    /// Waits until all that the topics hold is processed and committed; returns the state's largest size meanwhile.
    pub fn until_quiet(&mut self) -> Result<u64, BenchError> {
        let peak_state = self.watched.follow(&mut self.child, self.options)?;
        self.watched.nothing_left(&self.options.kafka)?;
        Ok(peak_state)
    }

    pub fn stop(mut self) -> Result<(), BenchError> {
        const PATIENCE: Duration = Duration::from_secs(30);
        if self.child.stop(PATIENCE) {
            return Ok(());
        }
        let what = format!("did not stop within {} s", PATIENCE.as_secs());
        Err(BenchError::Processor(what, self.options.log.clone()))
    }
}

/// A port that was free a moment ago.
fn free_address() -> Result<SocketAddr, BenchError> {
    let bound = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    bound.map_err(|error| BenchError::file("find a free port on", "127.0.0.1".as_ref(), error))
}

fn start(options: &Options, page: SocketAddr) -> Result<Owned, BenchError> {
    let log = File::create(&options.log).map_err(|error| BenchError::file("create", &options.log, error))?;
    let both = log.try_clone().map_err(|error| BenchError::file("write", &options.log, error))?;
    let mut command = match options.core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", &core.to_string()]).arg(&options.program);
            command
        }
        None => Command::new(&options.program),
    };
    let KafkaConfig { bootstrap, prefix, .. } = &options.kafka;
    let settings = [
        format!("kafka.bootstrap={bootstrap}"),
        format!("kafka.prefix={prefix}"),
        "kafka.development=true".into(),
        format!("processor.state_dir={}", options.state.display()),
        format!("processor.metrics_listen={page}"),
        "processor.threads=1".into(),
    ];
    for setting in settings.iter().chain(&options.set) {
        command.args(["--set", setting]);
    }
    command.arg("processor").stdin(Stdio::null()).stdout(log).stderr(both);
    command.spawn().map(Owned).map_err(|error| BenchError::file("run", &options.program, error))
}

/// The processor's inputs, and what was seen of them.
struct Watched {
    process: Process,
    broker: Option<Process>,
    group: GroupWatch,
    ends: Ends,
    /// Clicks, events, candidates, journal; `PARTITIONS` each.
    places: Vec<Place>,
    samples: Vec<Sample>,
    committed: Vec<NextOffset>,
}

impl Watched {
    fn open(options: &Options, process: Process) -> Result<Self, BenchError> {
        let topics = options.kafka.topics();
        let place = |topic: Topic| {
            let topic = topics.name(topic);
            (0..PARTITIONS).map(move |partition| Place { topic: topic.clone(), partition })
        };
        Ok(Watched {
            process,
            broker: options.broker,
            group: GroupWatch::open(&options.kafka, GROUP)?,
            ends: Ends::open(&options.kafka)?,
            places: Topic::STAGE_INPUTS.into_iter().flat_map(place).collect(),
            samples: Vec::new(),
            committed: Vec::new(),
        })
    }

    /// Returns when all is committed, with the largest size of the state on the way.
    fn follow(&mut self, child: &mut Owned, options: &Options) -> Result<u64, BenchError> {
        let (began, mut moved, mut said) = (Instant::now(), Instant::now(), Instant::now());
        let mut peak_state = 0;
        // The state before the first commit: what was done until then is part of the work.
        self.look()?;
        loop {
            std::thread::sleep(LOOK_EVERY);
            if let Ok(Some(status)) = child.0.try_wait() {
                return Err(BenchError::Processor(format!("ended: {status}"), options.log.clone()));
            }
            if self.look()? {
                moved = Instant::now();
            }
            if said.elapsed() >= SAY_EVERY {
                said = Instant::now();
                peak_state = peak_state.max(folder_bytes(&options.state));
                self.say(began, peak_state);
            }
            let quiet = moved.elapsed();
            if quiet >= QUIET && self.samples.len() > 1 && self.left()? <= MARKERS * self.places.len() as i64 {
                return Ok(peak_state);
            }
            if quiet >= STUCK {
                let left = self.left()?;
                let what = format!("has not committed for {} s with {left} records left", STUCK.as_secs());
                return Err(BenchError::Processor(what, options.log.clone()));
            }
        }
    }

    /// Takes a sample where anything was committed since the last one. Before the first commit the last sample is
    /// replaced: the clock starts with the look that saw nothing yet.
    fn look(&mut self) -> Result<bool, BenchError> {
        let committed: Vec<NextOffset> =
            self.group.committed(&self.places)?.into_iter().map(Option::unwrap_or_default).collect();
        let of = |topic: usize| -> u64 {
            let partitions = PARTITIONS as usize;
            committed[topic * partitions..][..partitions].iter().map(|next| next.0.unsigned_abs()).sum()
        };
        let sample = Sample {
            at: Instant::now(),
            cpu: self.process.cpu()?,
            broker_cpu: self.broker.map_or(Ok(Duration::ZERO), Process::cpu)?,
            clicks: of(0),
            events: of(1),
            committed: (0..Topic::STAGE_INPUTS.len()).map(of).sum(),
        };
        let moved = committed != self.committed;
        if sample.committed == 0 {
            self.samples.clear();
        }
        if moved || sample.committed == 0 {
            self.samples.push(sample);
        }
        self.committed = committed;
        Ok(moved)
    }

    /// Offsets between the group's positions and the ends: records, and the markers of transactions.
    fn left(&self) -> Result<i64, BenchError> {
        let mut left = 0;
        for (place, committed) in self.places.iter().zip(&self.committed) {
            left += self.ends.of(&place.topic, place.partition)?.1.0 - committed.0;
        }
        Ok(left)
    }

    /// What lies behind the group's positions must hold no record.
    fn nothing_left(&self, kafka: &KafkaConfig) -> Result<(), BenchError> {
        let extents = range::extents(kafka, &self.places)?;
        for ((place, extent), committed) in self.places.iter().zip(extents).zip(&self.committed) {
            let unprocessed = |record: kafka::queue::Record<'_>| {
                let what = format!("left {} {}/{} unprocessed", place.topic, place.partition, record.offset.0);
                Err(BenchError::Processor(what, PathBuf::new()))
            };
            range::read(kafka, place, (*committed).max(extent.first), extent.end, unprocessed, || Ok(()))?;
        }
        Ok(())
    }

    fn say(&self, began: Instant, state: u64) {
        let (Some(first), Some(last)) = (self.samples.first(), self.samples.last()) else { return };
        let (clicks, events) = (last.clicks, last.events);
        let cpu = (last.cpu - first.cpu).as_secs_f64();
        let records = (clicks + events).max(1) as f64;
        let (seconds, state_mb) = (began.elapsed().as_secs(), state / 1_000_000);
        let (cpu_s, cpu_s_per_million) = (cpu.round(), (cpu * 1e8 / records).round() / 100.0);
        tracing::info!(seconds, clicks, events, cpu_s, cpu_s_per_million, state_mb, "processing");
    }

    fn measured(&self, options: &Options, peak_state: u64, metrics: &Page) -> Result<Measured, BenchError> {
        let nothing = || BenchError::Processor("committed nothing".into(), options.log.clone());
        let (first, last) = self.samples.first().zip(self.samples.last()).ok_or_else(nothing)?;
        let state = folder_bytes(&options.state);
        Ok(Measured {
            took: last.at - first.at,
            cpu: last.cpu - first.cpu,
            broker_cpu: last.broker_cpu - first.broker_cpu,
            peak_memory: self.process.peak_memory()?,
            peak_state: peak_state.max(state),
            state,
            commit_p50: metrics.quantile("processor_commit_seconds", 0.5),
            commit_p99: metrics.quantile("processor_commit_seconds", 0.99),
            samples: self.samples.clone(),
        })
    }
}
