//! The runtime: threads that own tasks, and the exactly-once protocol around them.
//!
//! Per commit interval: consume, process, produce changelogs and outputs, send the group's progress, commit the
//! transaction, then apply the overlay to the store. A session is one consumer with one producer; what an error leads
//! to is decided in `reaction`, and carried out here and in `session`.

pub mod gauges;
pub mod interval;
pub mod owned;
pub mod reaction;
pub mod readiness;
pub mod restore;
pub mod room;
pub mod session;
pub mod surroundings;
pub mod takeover;

use crate::Config;
use crate::keeper;
use crate::state::StoreError;
use crate::state::rocks::Budget;
use crate::task::TaskError;
use kafka::KafkaConfig;
use kafka::admin::Survey;
use kafka::catalog::CatalogReader;
use reaction::{Reaction, reaction};
use readiness::Readiness;
use service::{Health, Shutdown, health};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    /// While a record was processed: nothing is wrong with the store.
    #[error("partition {partition}: the catalog has not been read up to offset {offset}")]
    CatalogBehind { partition: i32, offset: i64 },
    #[error("{path}: {error}")]
    Store { path: PathBuf, error: StoreError },
    #[error("{path}: {error}")]
    File { path: PathBuf, error: std::io::Error },
    #[error("start: {0}")]
    Start(#[from] std::io::Error),
    #[error("start: {0}")]
    Topics(String),
    #[error("[processor] {0}")]
    BadConfig(String),
    /// A stop, or the group took the partitions away again, before they were taken.
    #[error("interrupted while taking partitions")]
    Interrupted,
    #[error("a processor thread panicked")]
    Panicked,
}

impl Error {
    pub(crate) fn of_task(error: TaskError, partition: i32, path: &std::path::Path) -> Error {
        match error {
            TaskError::Store(error) => Error::Store { path: path.to_owned(), error },
            TaskError::CatalogBehind(offset) => Error::CatalogBehind { partition, offset: offset.0 },
        }
    }
}

/// Runs until shutdown is requested; returns after every thread has committed and closed its stores.
pub fn run(config: Config, kafka: KafkaConfig, shutdown: Shutdown) -> Result<(), Error> {
    let began = Instant::now();
    config.check().map_err(Error::BadConfig)?;
    let health = Health::default();
    service::metrics::handle();
    gauges::describe();
    health::serve_in_background(config.metrics_listen, health.clone(), shutdown.clone())?;
    tracing::info!(memory_mib = config.memory_mib(), shares = ?config.shares(), threads = config.threads, "memory budget");
    std::fs::create_dir_all(&config.state_dir)?;
    let readiness = Readiness::new(health, config.threads);
    let budget = Budget::new(&config);
    let shared = Arc::new(Shared { budget, config, kafka, installation: OnceLock::new(), shutdown, readiness, began });
    let threads: Vec<_> = (0..shared.config.threads)
        .map(|number| {
            let shared = Arc::clone(&shared);
            let work = move || {
                let _others = StopOthers(shared.shutdown.clone());
                work(&shared, number);
            };
            std::thread::Builder::new().name(format!("processor-{number}")).spawn(work)
        })
        .collect::<Result<_, _>>()?;
    // Beside the threads' joining of the group, which takes as long; no partition is taken before this is done.
    let mut outcome = install(&shared);
    if outcome.is_err() {
        shared.shutdown.request();
    }
    let keeping = Arc::clone(&shared);
    let keeper = std::thread::Builder::new().name("budgets".into()).spawn(move || {
        let _others = StopOthers(keeping.shutdown.clone());
        if let Some(installation) = keeping.installation() {
            keeper::keep(&keeping, installation);
        }
    })?;
    for thread in threads.into_iter().chain([keeper]) {
        if thread.join().is_err() {
            outcome = Err(Error::Panicked);
        }
    }
    outcome
}

/// Reads the installation for the threads. A Kafka that does not answer is waited for, but not by a process that is told
/// to stop: whatever still waits then ends by itself.
fn install(shared: &Arc<Shared>) -> Result<(), Error> {
    const STOP_CHECK: Duration = Duration::from_millis(50);
    let (sender, read) = mpsc::channel();
    let reading = Arc::clone(shared);
    std::thread::Builder::new().name("start".into()).spawn(move || sender.send(Installation::read(&reading)))?;
    while !shared.shutdown.requested() {
        match read.recv_timeout(STOP_CHECK) {
            Ok(installation) => {
                // Nobody else sets it.
                let _ = shared.installation.set(installation?);
                return Ok(());
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return Err(Error::Panicked),
        }
    }
    Ok(())
}

/// Ends the process's other threads when its own panics: a process that works half is worse than one that is restarted.
struct StopOthers(Shutdown);

impl Drop for StopOthers {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.request();
        }
    }
}

/// What the threads of a process share: nothing that changes on the data path.
pub struct Shared {
    pub config: Config,
    pub kafka: KafkaConfig,
    pub budget: Budget,
    pub shutdown: Shutdown,
    pub readiness: Readiness,
    /// Set once, when it has been read.
    installation: OnceLock<Installation>,
    began: Instant,
}

impl Shared {
    /// What was read of the installation; none while it is still being read.
    pub fn installation(&self) -> Option<&Installation> {
        self.installation.get()
    }
}

/// What is known of the topics that the processor works on, after they were found to fit.
pub struct Installation {
    pub catalog: CatalogReader,
    /// One folder per cluster and installation, so that another broker's data is never taken for ours.
    pub folder: PathBuf,
}

impl Installation {
    fn read(shared: &Shared) -> Result<Installation, Error> {
        let refused = |error: kafka::admin::Error| Error::Topics(error.to_string());
        let stop = shared.shutdown.clone();
        let (catalog, survey) = std::thread::scope(|scope| {
            let survey = scope.spawn(|| Survey::ask(&shared.kafka));
            let catalog = CatalogReader::start(&shared.kafka, move || stop.requested());
            (catalog, survey.join())
        });
        let catalog = catalog.map_err(|error| Error::Topics(error.to_string()))?;
        let survey = survey.map_err(|_| Error::Panicked)?.map_err(refused)?;
        let checked = survey.check(&shared.kafka, &catalog.current()).map_err(refused)?;
        let folder = shared.config.state_dir.join(format!("{}-{}", checked.cluster, shared.kafka.id("v1")));
        std::fs::create_dir_all(&folder)?;
        let millis = millis(shared.began);
        tracing::info!(millis, partitions = checked.partitions.0, "topics fit, catalog read");
        Ok(Installation { catalog, folder })
    }
}

pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// One session after the other until shutdown.
fn work(shared: &Shared, number: usize) {
    const PAUSE: Duration = Duration::from_millis(50);
    const LONGEST_PAUSE: Duration = Duration::from_secs(5);
    let mut pause = PAUSE;
    while !shared.shutdown.requested() {
        let began = Instant::now();
        let Err(error) = session::run(shared, number) else { return };
        if shared.shutdown.requested() {
            return tracing::info!(%error, thread = number, "stopped without a last commit");
        }
        let reaction = reaction(&error);
        metrics::counter!(gauges::SESSIONS_FAILED, "kind" => reaction.name()).increment(1);
        shared.readiness.set(number, Some(error.to_string()));
        pause = if began.elapsed() > LONGEST_PAUSE { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        match reaction {
            Reaction::Abort | Reaction::GiveUp => {
                tracing::warn!(%error, thread = number, "session ended, the next one resumes");
            }
            Reaction::Rebuild => takeover::discard(&error),
            Reaction::AwaitRoom => room::wait(shared, number, &error),
        }
        shared.sleep(pause);
    }
}

impl Shared {
    /// Sleeps, but not into a shutdown.
    pub(crate) fn sleep(&self, wait: Duration) {
        const STOP_CHECK: Duration = Duration::from_millis(50);
        let until = Instant::now() + wait;
        while !self.shutdown.requested() && Instant::now() < until {
            std::thread::sleep(STOP_CHECK.min(until.saturating_duration_since(Instant::now())));
        }
    }
}
