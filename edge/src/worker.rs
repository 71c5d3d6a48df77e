//! One worker thread: its listener, its connections, and all that they share.

use crate::acks::{Acks, Unawaited, Why};
use crate::connection;
use crate::ids::Ids;
use crate::limits::{Limits, Local, Sender};
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::redirect::cookie::CookieStyle;
use crate::redirect::destination::Destination;
use crate::routes::Routes;
use crate::secrets::Keys;
use crate::tls::Tls;
use crate::visitor::Visitors;
use arc_swap::ArcSwap;
use kafka::producer::Mailbox;
use schemas::id::JourneyId;
use schemas::record::rejected::Rejected;
use schemas::topic::Topic;
use schemas::{codec, key};
use service::Shutdown;
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Connections of one thread: some 15 KB each.
const CONNECTIONS: usize = 20_000;
/// After an accept that failed, most often for want of file descriptors: others have to close first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// For the reports of what nobody waits for any more, when the edge stops.
const FLUSH: Duration = Duration::from_secs(5);
const REPORT_CHECK: Duration = Duration::from_millis(10);

pub struct Worker {
    pub routes: Arc<ArcSwap<Routes>>,
    pub keys: Arc<Keys>,
    pub memory: Arc<Memory>,
    pub acks: Rc<Acks>,
    pub ids: RefCell<Ids>,
    pub metrics: Rc<Metrics>,
    pub cookie: CookieStyle,
    pub visitors: Visitors,
    /// For visitors of links that lead nowhere.
    pub fallback: Option<Destination>,
    pub spool_wait: Duration,
    pub acknowledge_wait: Duration,
    pub limits: Arc<Limits>,
    pub local: Local,
    /// Host names that are answered; none: all.
    pub hosts: Vec<String>,
    /// For a request's head, and between two requests of a connection.
    pub head_time: Duration,
    /// What requests under way get beyond the wait for Kafka, when the edge stops.
    pub stop_time: Duration,
    pub shutdown: Shutdown,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy)]
pub struct Peer {
    pub address: IpAddr,
    /// As limits tell senders apart: of the connection.
    pub sender: Sender,
    /// It sends more clicks than are counted.
    pub over_limit: bool,
}

impl Worker {
    /// Records what was not counted or accepted; no answer waits for that. Without a journey it is one of its own.
    pub fn reject(&self, rejected: &Rejected, journey: Option<JourneyId>) {
        let journey = journey.unwrap_or(JourneyId(rejected.rejected_id.0));
        let key = key::rejected(&rejected.tenant, rejected.advertiser.as_ref(), journey);
        if let Err(error) = self.acks.send_untracked(Topic::Rejected, key.as_bytes(), &codec::encode(rejected)) {
            tracing::debug!(%error, reason = rejected.reason, "rejection not recorded");
            self.metrics.rejected_lost.increment(1);
        }
    }
}

/// A listener, and what is spoken on it.
pub type Listener = (TcpListener, Option<Arc<Tls>>);

/// Serves until shutdown, then until all connections are answered or their time is over.
pub async fn serve(worker: Rc<Worker>, plain: Listener, secured: Option<Listener>, mailbox: Arc<Mailbox>) {
    tokio::task::spawn_local(worker.acks.clone().run(mailbox));
    let open = Rc::new(Open::default());
    let secured = async {
        if let Some(secured) = secured {
            listen(&worker, &open, secured).await;
        }
    };
    tokio::join!(listen(&worker, &open, plain), secured);
    if tokio::time::timeout(worker.acknowledge_wait + worker.stop_time, open.none()).await.is_err() {
        tracing::warn!(connections = open.count.get(), "connections cut off at the end of their time");
    }
    // Whose report comes before the end needs no drain from the spool.
    let until = Instant::now() + FLUSH;
    while worker.acks.under_way() > 0 && Instant::now() < until {
        tokio::time::sleep(REPORT_CHECK).await;
    }
}

async fn listen(worker: &Rc<Worker>, open: &Rc<Open>, (listener, tls): Listener) {
    let mut stop = pin!(worker.shutdown.wait());
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        take(worker, open, accepted, &tls).await;
    }
    // Who connected before the listener closes is answered too.
    while let Ok(accepted @ Ok(_)) = tokio::time::timeout(Duration::ZERO, listener.accept()).await {
        take(worker, open, accepted, &tls).await;
    }
}

type Accepted = std::io::Result<(TcpStream, SocketAddr)>;

async fn take(worker: &Rc<Worker>, open: &Rc<Open>, accepted: Accepted, tls: &Option<Arc<Tls>>) {
    match accepted {
        Ok(_) if open.count.get() >= CONNECTIONS => worker.metrics.connections_refused.increment(1),
        Ok((stream, address)) => {
            let peer = Peer { address: address.ip(), sender: worker.limits.sender(address.ip()), over_limit: false };
            if !worker.local.connected(&worker.limits, peer.sender) {
                return worker.metrics.connections_limited.increment(1);
            }
            let (tls, guard) = (tls.clone(), open.enter(worker, peer));
            tokio::task::spawn_local(async move {
                connection::serve(guard.worker.clone(), peer, stream, tls).await;
                drop(guard);
            });
        }
        Err(error) => {
            tracing::warn!(%error, "connection not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// What is said about records that nobody waits for any more.
pub fn count(metrics: &Metrics, said: Unawaited) {
    let delivered = said.outcome.is_ok();
    match (said.topic, said.why) {
        (Topic::Clicks, Why::GaveUp) if delivered => metrics.clicks_late.increment(1),
        (Topic::Clicks, Why::ClientLeft) if delivered => metrics.clicks.increment(1),
        (Topic::Clicks, Why::ClientLeft) => metrics.clicks_shed.increment(1),
        (Topic::Events, Why::GaveUp | Why::ClientLeft) if delivered => metrics.events_late.increment(1),
        (Topic::Rejected, _) if !delivered => metrics.rejected_lost.increment(1),
        // What failed after its request was answered was counted with the answer.
        _ => {}
    }
}

/// Counts open connections.
#[derive(Default)]
struct Open {
    count: Cell<usize>,
    closed: Notify,
}

struct Guard {
    open: Rc<Open>,
    worker: Rc<Worker>,
    peer: Peer,
}

impl Open {
    fn enter(self: &Rc<Self>, worker: &Rc<Worker>, peer: Peer) -> Guard {
        self.count.set(self.count.get() + 1);
        Guard { open: self.clone(), worker: worker.clone(), peer }
    }

    async fn none(&self) {
        while self.count.get() > 0 {
            self.closed.notified().await;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.worker.local.disconnected(self.peer.sender);
        self.open.count.set(self.open.count.get() - 1);
        self.open.closed.notify_one();
    }
}
