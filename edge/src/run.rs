//! Starts an edge and stops it: keys, producer, spool, catalog, index, then one thread per listener.

use crate::acks::Acks;
use crate::config::Config;
use crate::ids::{self, Ids};
use crate::limits::{Limits, Local};
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::redirect::cookie::CookieStyle;
use crate::redirect::destination::Destination;
use crate::routes::Routes;
use crate::routes::keeper::{Keeper, Source};
use crate::routes::snapshot;
use crate::secrets::{Keys, SecretsError, Watch};
use crate::spool::{FolderError, Spool};
use crate::tls::{Tls, TlsError};
use crate::visitor::{Networks, NetworksError, Visitors};
use crate::worker::{self, Worker};
use arc_swap::ArcSwap;
use kafka::KafkaConfig;
use kafka::catalog::CatalogReader;
use kafka::producer::EdgeProducer;
use schemas::topic::Topic;
use service::Shutdown;
use socket2::{Domain, Protocol, Socket, Type};
use std::cell::RefCell;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions};

/// Connections that the kernel holds until a busy thread takes them.
const BACKLOG: i32 = 1024;
/// For Kafka to say where the topics are.
const WARM_UP: Duration = Duration::from_secs(15);
/// For Kafka, where a snapshot says how to go on without it.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(3);
/// Between two attempts to read the catalog while Kafka is away.
const OPEN_AGAIN: Duration = Duration::from_millis(500);
/// Workers have waited for theirs, and the spool for its own: this only asks.
const FLUSH: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("[edge] {0}")]
    Config(String),
    #[error("MAC keys: {0}")]
    Secrets(#[from] SecretsError),
    #[error("[edge.visitors] {0}")]
    Networks(#[from] NetworksError),
    #[error("Kafka: {0}")]
    Kafka(#[from] kafka::Error),
    #[error("topics: {0}")]
    Topics(#[from] kafka::admin::Error),
    #[error("spool: {0}")]
    Spool(#[from] FolderError),
    #[error("cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    #[error("cannot start a worker: {0}")]
    Worker(io::Error),
    #[error("no random bytes from the system: {0}")]
    NoRandom(getrandom::Error),
    #[error("a worker thread panicked")]
    Panicked,
}

/// What all workers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub routes: Arc<ArcSwap<Routes>>,
    pub keys: Arc<Keys>,
    pub memory: Arc<Memory>,
    pub producer: Arc<EdgeProducer>,
    pub spool: Spool,
    pub networks: Arc<Networks>,
    pub config: Config,
    pub shutdown: Shutdown,
}

/// Serves until shutdown. `on_ready` is told the address once connections are accepted.
pub fn run(
    config: Config,
    kafka: KafkaConfig,
    shutdown: Shutdown,
    on_ready: impl FnOnce(SocketAddr),
) -> Result<(), Error> {
    config.validate().map_err(Error::Config)?;
    // Installs the recorder before the first metric.
    service::metrics::handle();
    let secrets = Watch::open(config.mac_keys.clone(), ids::now())?;
    let keys = secrets.keys.clone();
    let networks = Arc::new(Networks::open(&config.visitors)?);
    let threads = config.threads.get();
    // The last mailbox is the spool's.
    let producer = Arc::new(EdgeProducer::start(&kafka, threads + 1)?);
    let most_bytes = config.spool_mib << 20;
    let (spool, spooling) = Spool::start(&config.spool_dir, most_bytes, producer.clone(), threads, &kafka)?;
    let snapshot = snapshot::path(&config.spool_dir);
    let served = open(&kafka, &snapshot, &producer, &shutdown).and_then(|(source, routes)| {
        let routes = Arc::new(ArcSwap::from_pointee(routes));
        let (for_keeper, stop) = (producer.clone(), shutdown.clone());
        let keeper = Keeper {
            source,
            routes: routes.clone(),
            retired: Vec::new(),
            built_of: None,
            secrets,
            snapshot,
            producer: for_keeper,
            shutdown: stop,
        };
        let keeper = std::thread::Builder::new()
            .name("edge-keeper".into())
            .spawn(move || keeper.run())
            .map_err(Error::Worker)?;
        let (producer, memory) = (producer.clone(), Arc::default());
        let shared = {
            let (spool, shutdown) = (spool.clone(), shutdown.clone());
            Shared { routes, keys, memory, producer, spool, networks, config, shutdown }
        };
        let served = serve(shared, on_ready);
        // Also where serving failed: the keeper and the catalog's thread stop with it.
        shutdown.request();
        let kept = keeper.join().unwrap_or(Err(Error::Panicked));
        served.and(kept)
    });
    shutdown.request();
    spooling.stop(&spool);
    if !producer.flush(FLUSH) {
        tracing::warn!("records left that nobody was told of, or that the spool has: Kafka did not take them in time");
    }
    served
}

/// Links and keys, from Kafka, or where it does not answer soon, from the snapshot that an earlier run left.
fn open(
    kafka: &KafkaConfig,
    path: &Path,
    producer: &Arc<EdgeProducer>,
    shutdown: &Shutdown,
) -> Result<(Source, Routes), Error> {
    let snapshot = snapshot::read(path).unwrap_or_else(|error| {
        tracing::error!(?path, %error, "catalog's snapshot not readable, passed over");
        None
    });
    let again = snapshot.is_some();
    let (sender, opening) = mpsc::channel();
    let (config, producer, stop) = (kafka.clone(), producer.clone(), shutdown.clone());
    let opener = move || {
        loop {
            let opened = open_catalog(&config, &producer, &stop);
            match opened {
                Err(error @ (Error::Kafka(_) | Error::Topics(kafka::admin::Error::Client(_))))
                    if again && !stop.requested() =>
                {
                    tracing::warn!(%error, "catalog not readable yet");
                    std::thread::sleep(OPEN_AGAIN);
                }
                // Nobody waits any more where the edge has stopped.
                opened => return drop(sender.send(opened)),
            }
        }
    };
    std::thread::Builder::new().name("edge-opener".into()).spawn(opener).map_err(Error::Worker)?;
    let wait = if again { SNAPSHOT_WAIT } else { Duration::MAX };
    match (opening.recv_timeout(wait), snapshot) {
        (Ok(opened), _) => {
            let reader = opened?;
            let generation = reader.generation();
            let routes = Routes::build(&reader.current(), ids::now());
            Ok((Source::Kafka(reader, generation), routes))
        }
        (Err(RecvTimeoutError::Timeout), Some(catalog)) => {
            let routes = Routes::build(&catalog, ids::now());
            tracing::warn!(
                links = routes.count(),
                offset = routes.offset.0,
                "Kafka is away: links and keys as last read"
            );
            Ok((Source::Snapshot(opening), routes))
        }
        (Err(_), _) => Err(Error::Panicked),
    }
}

fn open_catalog(kafka: &KafkaConfig, producer: &EdgeProducer, shutdown: &Shutdown) -> Result<CatalogReader, Error> {
    let stopping = shutdown.clone();
    let reader = CatalogReader::start(kafka, move || stopping.requested())?;
    kafka::admin::check(kafka, &reader.current())?;
    producer.warm_up(&[Topic::Clicks, Topic::Events, Topic::Rejected], WARM_UP)?;
    Ok(reader)
}

/// The listeners and their threads; apart from `run` so that tests serve without Kafka.
pub(crate) fn serve(shared: Shared, on_ready: impl FnOnce(SocketAddr)) -> Result<(), Error> {
    let count = shared.config.threads.get();
    let limits = Arc::new(Limits::new(&shared.config.limits, count));
    let tls = shared.config.tls.as_ref().map(Tls::load).transpose()?.map(Arc::new);
    let (address, listeners) = listen_all(shared.config.listen, count)?;
    let mut secured = match &shared.config.tls {
        Some(tls) => {
            let (address, listeners) = listen_all(tls.listen, count)?;
            tracing::info!(%address, "edge listens with TLS");
            listeners.into_iter()
        }
        None => Vec::new().into_iter(),
    };
    if let Some(tls) = &tls {
        tls.clone().watch(shared.shutdown.clone()).map_err(Error::Worker)?;
    }
    let mut threads = Vec::new();
    for (index, listener) in (0..count).zip(listeners) {
        let (for_thread, limits, secured) = (shared.clone(), limits.clone(), secured.next().zip(tls.clone()));
        let thread = std::thread::Builder::new()
            .name(format!("edge-{index}"))
            .spawn(move || work(&for_thread, limits, index, listener, secured))
            .map_err(Error::Worker);
        match thread {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                shared.shutdown.request();
                return Err(error);
            }
        }
    }
    tracing::info!(%address, threads = count, "edge listens");
    on_ready(address);
    let results = threads.into_iter().map(|thread| thread.join().unwrap_or(Err(Error::Panicked)));
    // All are joined, whichever fails.
    results.collect::<Vec<_>>().into_iter().collect()
}

/// A listener for each worker; the kernel spreads connections over them.
fn listen_all(address: SocketAddr, count: u16) -> Result<(SocketAddr, Vec<TcpListener>), Error> {
    check_free(address)?;
    let first = listen(address)?;
    let address = first.local_addr().map_err(|error| Error::Listen { address, error })?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(listen(address)?);
    }
    Ok((address, listeners))
}

/// Listeners that share an address would share it with another edge too, which nobody would notice.
fn check_free(address: SocketAddr) -> Result<(), Error> {
    let probe = || -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())
    };
    probe().map_err(|error| Error::Listen { address, error })
}

/// One listener of several on an address.
fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let open = || -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().map_err(|error| Error::Listen { address, error })
}

fn work(
    shared: &Shared,
    limits: Arc<Limits>,
    index: u16,
    listener: TcpListener,
    secured: Option<(TcpListener, Arc<Tls>)>,
) -> Result<(), Error> {
    // A worker that ends on its own takes the others with it: half an edge would go unnoticed.
    let _stop = StopOthers(&shared.shutdown);
    let runtime =
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).map_err(Error::Worker)?;
    let metrics = Rc::new(Metrics::new());
    let for_acks = metrics.clone();
    let acks =
        Acks::new(shared.producer.clone(), index, shared.spool.clone(), shared.config.spool_wait.0, move |said| {
            worker::count(&for_acks, said)
        });
    let worker = Worker {
        routes: shared.routes.clone(),
        keys: shared.keys.clone(),
        memory: shared.memory.clone(),
        acks,
        ids: RefCell::new(Ids::new().map_err(Error::NoRandom)?),
        metrics,
        cookie: CookieStyle::new(shared.config.cookie_domain.as_deref(), shared.config.secure_cookie),
        visitors: Visitors::new(shared.config.visitors.clone(), shared.networks.clone()),
        // Checked at the start.
        fallback: shared.config.fallback_url.as_deref().and_then(|url| Destination::parse(url).ok()),
        spool_wait: shared.config.spool_wait.0,
        acknowledge_wait: shared.config.acknowledge_wait.0,
        limits,
        local: Local::new(),
        hosts: shared.config.limits.hosts.clone(),
        head_time: shared.config.limits.head_time.0,
        stop_time: shared.config.limits.stop_time.0,
        shutdown: shared.shutdown.clone(),
    };
    let mailbox = shared.producer.mailbox(index);
    runtime.block_on(async {
        let asynchronous = |listener| tokio::net::TcpListener::from_std(listener).map_err(Error::Worker);
        let plain = (asynchronous(listener)?, None);
        let secured = secured.map(|(listener, tls)| asynchronous(listener).map(|listener| (listener, Some(tls))));
        worker::serve(Rc::new(worker), plain, secured.transpose()?, mailbox).await;
        Ok(())
    })
}

struct StopOthers<'a>(&'a Shutdown);

impl Drop for StopOthers<'_> {
    fn drop(&mut self) {
        self.0.request();
    }
}
