//! The runtime: threads that own tasks, and the exactly-once protocol around them.
//!
//! Per commit interval: consume, process, produce changelogs and outputs, send the group's progress, commit the
//! transaction, then apply the overlay to the store. A session is one consumer with one producer; whatever leaves a
//! transaction's outcome unknown ends the session, and the next one takes its partitions from Kafka's own positions.

pub mod session;
pub mod surroundings;
pub mod takeover;

use crate::Config;
use crate::state::StoreError;
use crate::state::rocks::Budget;
use crate::task::TaskError;
use kafka::catalog::CatalogReader;
use kafka::{KafkaConfig, Kind};
use service::{Health, Shutdown, health};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Kafka(#[from] kafka::Error),
    #[error(transparent)]
    Task(#[from] TaskError),
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

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Error::Task(TaskError::Store(error))
    }
}

/// Runs until shutdown is requested; returns after every thread has committed and closed its stores.
pub fn run(config: Config, kafka: KafkaConfig, shutdown: Shutdown) -> Result<(), Error> {
    config.check().map_err(Error::BadConfig)?;
    let health = Health::default();
    service::metrics::handle();
    health::serve_in_background(config.metrics_listen, health.clone(), shutdown.clone())?;
    let stop = shutdown.clone();
    let catalog =
        CatalogReader::start(&kafka, move || stop.requested()).map_err(|error| Error::Topics(error.to_string()))?;
    kafka::admin::check(&kafka, &catalog.current()).map_err(|error| Error::Topics(error.to_string()))?;
    std::fs::create_dir_all(&config.state_dir)?;
    let shared = Arc::new(Shared { budget: Budget::new(&config), config, kafka, catalog, shutdown, health });
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
    let mut outcome = Ok(());
    for thread in threads {
        if thread.join().is_err() {
            outcome = Err(Error::Panicked);
        }
    }
    outcome
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
    pub catalog: CatalogReader,
    pub shutdown: Shutdown,
    pub health: Health,
}

/// One session after the other until shutdown.
fn work(shared: &Shared, number: usize) {
    const PAUSE: Duration = Duration::from_millis(200);
    const LONGEST_PAUSE: Duration = Duration::from_secs(5);
    let mut pause = PAUSE;
    while !shared.shutdown.requested() {
        let began = std::time::Instant::now();
        let Err(error) = session::run(shared, number) else { return };
        if shared.shutdown.requested() && matches!(error, Error::Interrupted) {
            return;
        }
        shared.health.set(false);
        metrics::counter!("processor_sessions_failed_total").increment(1);
        match kind(&error) {
            Kind::Fenced => tracing::warn!(%error, thread = number, "gave up its partitions"),
            Kind::Abort | Kind::Transient => {
                tracing::warn!(%error, thread = number, "session ended, the next one resumes")
            }
        }
        pause = if began.elapsed() > LONGEST_PAUSE { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        std::thread::sleep(pause);
    }
}

fn kind(error: &Error) -> Kind {
    match error {
        Error::Kafka(error) => error.kind,
        Error::Task(_)
        | Error::Start(_)
        | Error::Topics(_)
        | Error::BadConfig(_)
        | Error::Interrupted
        | Error::Panicked => Kind::Transient,
    }
}
