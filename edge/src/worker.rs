//! One worker thread: its listener, its connections, and all that they share.

use crate::acks::{Acks, Unawaited, Why};
use crate::http;
use crate::ids::Ids;
use crate::metrics::Metrics;
use crate::redirect::cookie::CookieStyle;
use crate::redirect::destination::Destination;
use crate::routes::Routes;
use crate::secrets::Keys;
use crate::visitor::Visitors;
use arc_swap::ArcSwap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
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

/// For a request's head, and between two requests of a connection: longer than a browser waits before it opens another.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// Bytes of a request's head: room for large cookies of a shared domain beside an 8 KB target.
const HEAD_BYTES: usize = 32 * 1024;
/// Bytes read ahead of what is asked for, per connection.
const BUFFER_BYTES: usize = 64 * 1024;
/// Connections of one thread: some 15 KB each.
const CONNECTIONS: usize = 20_000;
/// After an accept that failed, most often for want of file descriptors: others have to close first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What requests under way get beyond the wait for Kafka, when the edge stops.
const STOP_TIME: Duration = Duration::from_secs(3);
/// For the reports of what nobody waits for any more, when the edge stops.
const FLUSH: Duration = Duration::from_secs(5);
const REPORT_CHECK: Duration = Duration::from_millis(10);

pub struct Worker {
    pub routes: Arc<ArcSwap<Routes>>,
    pub keys: Arc<Keys>,
    pub acks: Rc<Acks>,
    pub ids: RefCell<Ids>,
    pub metrics: Rc<Metrics>,
    pub cookie: CookieStyle,
    pub visitors: Visitors,
    /// For visitors of links that lead nowhere.
    pub fallback: Option<Destination>,
    pub spool_wait: Duration,
    pub acknowledge_wait: Duration,
    pub shutdown: Shutdown,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy)]
pub struct Peer {
    pub address: IpAddr,
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

/// Serves until shutdown, then until all connections are answered or their time is over.
pub async fn serve(worker: Rc<Worker>, listener: TcpListener, mailbox: Arc<Mailbox>) {
    let metrics = worker.metrics.clone();
    tokio::task::spawn_local(worker.acks.clone().run(mailbox, move |said| count(&metrics, said)));
    let open = Rc::new(Open::default());
    let mut stop = pin!(worker.shutdown.wait());
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        take(&worker, &open, accepted).await;
    }
    // Who connected before the listener closes is answered too.
    while let Ok(accepted @ Ok(_)) = tokio::time::timeout(Duration::ZERO, listener.accept()).await {
        take(&worker, &open, accepted).await;
    }
    drop(listener);
    if tokio::time::timeout(worker.acknowledge_wait + STOP_TIME, open.none()).await.is_err() {
        tracing::warn!(connections = open.count.get(), "connections cut off at the end of their time");
    }
    // Whose report comes before the end needs no drain from the spool.
    let until = Instant::now() + FLUSH;
    while worker.acks.under_way() > 0 && Instant::now() < until {
        tokio::time::sleep(REPORT_CHECK).await;
    }
}

async fn take(worker: &Rc<Worker>, open: &Rc<Open>, accepted: std::io::Result<(TcpStream, SocketAddr)>) {
    match accepted {
        Ok(_) if open.count.get() >= CONNECTIONS => worker.metrics.connections_refused.increment(1),
        Ok((stream, address)) => {
            let guard = open.enter();
            let peer = Peer { address: address.ip() };
            tokio::task::spawn_local(connection(worker.clone(), peer, stream, guard));
        }
        Err(error) => {
            tracing::warn!(%error, "connection not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

async fn connection(worker: Rc<Worker>, peer: Peer, stream: TcpStream, _open: Guard) {
    // Answers are one write each; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let shutdown = worker.shutdown.clone();
    let service = service_fn(move |request| http::answer(worker.clone(), peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        biased;
        result = &mut connection => result,
        () = shutdown.wait() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        // The other side's doing: gone, too slow, or no HTTP.
        tracing::debug!(%error, "connection");
    }
}

/// What is said about records that nobody waits for any more.
fn count(metrics: &Metrics, said: Unawaited) {
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

struct Guard(Rc<Open>);

impl Open {
    fn enter(self: &Rc<Self>) -> Guard {
        self.count.set(self.count.get() + 1);
        Guard(self.clone())
    }

    async fn none(&self) {
        while self.count.get() > 0 {
            self.closed.notified().await;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.closed.notify_one();
    }
}
