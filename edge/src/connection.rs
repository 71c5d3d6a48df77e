//! One connection from its first byte to its last: TLS, HTTP/1.1 or HTTP/2, and an end that answers what is in flight.

use crate::http;
use crate::tls::Tls;
use crate::wire::{Checked, Scan};
use crate::worker::{Peer, Worker};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::Cell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Bytes of a request's head: room for large cookies of a shared domain beside an 8 KB target.
const HEAD_BYTES: usize = 32 * 1024;
/// Bytes read ahead of what is asked for, per connection.
const BUFFER_BYTES: usize = 64 * 1024;
/// Requests of one HTTP/2 connection at a time; a browser has few for us, a client's batches more.
const STREAMS: u32 = 128;
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// When the edge stops, for the first request of a connection that was opened a moment ago.
const FIRST_REQUEST: Duration = Duration::from_millis(200);

/// What a connection's requests are about.
#[derive(Clone)]
struct Context {
    worker: Rc<Worker>,
    peer: Peer,
    requests: Rc<Requests>,
}

/// Requests of one connection.
struct Requests {
    open: Cell<usize>,
    begun: Cell<bool>,
    last: Cell<Instant>,
}

pub async fn serve(worker: Rc<Worker>, peer: Peer, stream: TcpStream, tls: Option<Arc<Tls>>) {
    // Answers are one write each; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let requests = Requests { open: Cell::new(0), begun: Cell::new(false), last: Cell::new(Instant::now()) };
    let context = Context { worker, peer, requests: Rc::new(requests) };
    let Some(tls) = tls else { return context.http1(stream).await };
    match tokio::time::timeout(HANDSHAKE_TIME, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(&b"h2"[..]) => context.http2(stream).await,
        Ok(Ok(stream)) => context.http1(stream).await,
        Ok(Err(error)) => tracing::debug!(%error, "no TLS"),
        Err(_) => tracing::debug!("TLS took too long"),
    }
}

impl Context {
    async fn http1(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let service = service_fn(|request| self.answer(request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.worker.head_time)
            .max_header_size(HEAD_BYTES)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(TokioIo::new(Checked::new(stream, Scan::http1())), service);
        self.until_stopped(pin!(connection), |connection| connection.graceful_shutdown()).await;
    }

    async fn http2(self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
        let context = self.clone();
        let service = service_fn(move |request| {
            let context = context.clone();
            async move { context.answer(request).await }
        });
        let connection = http2::Builder::new(OnThisThread)
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD_BYTES as u32)
            .max_send_buf_size(BUFFER_BYTES)
            .keep_alive_interval(self.worker.head_time)
            .keep_alive_timeout(self.worker.head_time)
            .serve_connection(TokioIo::new(Checked::new(stream, Scan::nothing())), service);
        let mut connection = pin!(connection);
        // hyper closes an idle HTTP/1 connection itself.
        tokio::select! {
            () = self.until_stopped(connection.as_mut(), |connection| connection.graceful_shutdown()) => return,
            () = self.requests.idle(self.worker.head_time) => connection.as_mut().graceful_shutdown(),
        }
        let _ = tokio::time::timeout(self.worker.head_time, connection).await;
    }

    async fn answer(&self, request: hyper::Request<Incoming>) -> Result<http::Reply, std::convert::Infallible> {
        let _open = self.requests.enter();
        http::answer(self.worker.clone(), self.peer, request).await
    }

    async fn until_stopped<C, E>(&self, mut connection: Pin<&mut C>, stop: impl Fn(Pin<&mut C>))
    where
        C: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        let stopped = async {
            self.worker.shutdown.wait().await;
            // hyper would close without an answer to what is on its way.
            if !self.requests.begun.get() {
                tokio::time::sleep(FIRST_REQUEST).await;
            }
        };
        let result = tokio::select! {
            biased;
            result = &mut connection => result,
            () = stopped => {
                stop(connection.as_mut());
                connection.await
            }
        };
        if let Err(error) = result {
            // The other side's doing: gone, too slow, or no HTTP.
            tracing::debug!(%error, "connection");
        }
    }
}

struct Open<'r>(&'r Requests);

impl Requests {
    fn enter(&self) -> Open<'_> {
        self.begun.set(true);
        self.open.set(self.open.get() + 1);
        Open(self)
    }

    /// Returns when there was no request for so long.
    async fn idle(&self, time: Duration) {
        loop {
            let quiet = if self.open.get() == 0 { self.last.get().elapsed() } else { Duration::ZERO };
            if quiet >= time {
                return;
            }
            tokio::time::sleep(time - quiet).await;
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.last.set(Instant::now());
    }
}

/// HTTP/2 answers each stream by a task of its own.
#[derive(Clone)]
struct OnThisThread;

impl<F> Executor<F> for OnThisThread
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}
