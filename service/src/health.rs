//! `/health` and `/metrics` of a role that has no HTTP of its own.

use crate::{Shutdown, metrics};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

/// Whether a role does its work, and if not, why; shared between the worker and the page.
#[derive(Clone, Debug)]
pub struct Health(Arc<Mutex<Option<String>>>);

impl Default for Health {
    fn default() -> Self {
        Health(Arc::new(Mutex::new(Some(STARTING.into()))))
    }
}

/// What `/health` says of a role that is not ready for no reason of its own.
const STARTING: &str = "starting";

impl Health {
    pub fn set(&self, ready: bool) {
        *self.why() = (!ready).then(|| STARTING.into());
    }

    pub fn not_ready(&self, why: &str) {
        *self.why() = Some(why.into());
    }

    pub fn ready(&self) -> bool {
        self.why().is_none()
    }

    /// None when it is ready.
    pub fn why_not(&self) -> Option<String> {
        self.why().clone()
    }

    /// A reason is replaced whole: a panic cannot leave it half changed.
    fn why(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(listener: std::net::TcpListener, health: Health, shutdown: Shutdown) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    tracing::info!(address = %listener.local_addr()?, "health and metrics");
    let mut upkeep = tokio::time::interval(metrics::UPKEEP);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            _ = upkeep.tick() => {
                metrics::upkeep();
                continue;
            }
            () = shutdown.wait() => return Ok(()),
        };
        let health = health.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, health.clone()));
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(5))
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection");
            }
        });
    }
}

/// Serves on a thread of its own until shutdown; logs where, since port 0 takes a free one.
///
/// # Errors
/// A port that is taken: a role that nobody can ask does not start.
pub fn serve_in_background(listen: SocketAddr, health: Health, shutdown: Shutdown) -> std::io::Result<()> {
    let taken =
        |error: std::io::Error| std::io::Error::new(error.kind(), format!("cannot listen on {listen}: {error}"));
    let listener = std::net::TcpListener::bind(listen).map_err(taken)?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("health".into()).spawn(move || {
        if let Err(error) = runtime.block_on(serve(listener, health, shutdown)) {
            tracing::error!(%error, %listen, "health and metrics are not served");
        }
    })?;
    Ok(())
}

async fn answer(request: Request<Incoming>, health: Health) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (status, body) = match request.uri().path() {
        "/health" => match health.why_not() {
            None => (StatusCode::OK, "ok\n".to_owned()),
            Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        "/metrics" => (StatusCode::OK, metrics::render()),
        _ => (StatusCode::NOT_FOUND, "there are /health and /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    Ok(response)
}
