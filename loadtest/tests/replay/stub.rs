//! A tiny edge in the process of the test: it stands for nothing but the protocol, so that the client's own behaviour can
//! be seen. It runs on a thread of its own, so the client's CPU time is the client's.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{COOKIE, LOCATION, RETRY_AFTER, SET_COOKIE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use schemas::id::{ClickId, ConversionId, JourneyId, hash_of};
use schemas::token::{ClickToken, MacKey, MacKeys};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

pub const API_KEY: &str = "key-of-the-test";

/// What goes wrong, every so many requests of a kind; 0 is never.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    /// The click is counted, and the connection dies instead of an answer.
    pub drop_click_every: u64,
    /// A redirect without a token.
    pub shed_click_every: u64,
    /// 503 with Retry-After.
    pub refuse_event_every: u64,
    /// The event is taken, and the connection dies instead of an answer.
    pub drop_event_every: u64,
    /// After so many clicks the whole edge stands still once, for half a second.
    pub stall_after_clicks: u64,
}

#[derive(Default)]
pub struct Seen {
    /// By cookie: the codes and clicks of a visitor, in order.
    pub visitors: HashMap<String, Vec<(String, ClickId)>>,
    /// Each delivery: event id, token, value.
    pub events: Vec<(String, Option<String>, String)>,
    pub clicks: u64,
    pub dropped_clicks: u64,
    pub shed_clicks: u64,
    event_requests: u64,
}

#[derive(serde::Deserialize)]
struct Event {
    event_id: String,
    order_id: String,
    action: String,
    value: String,
    currency: String,
    click_id: Option<String>,
}

/// A stub that listens; stops, and forgets its connections, when dropped.
pub struct Stub {
    pub address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Stub {
    pub fn start(address: SocketAddr, faults: Faults, seen: Arc<Mutex<Seen>>) -> Stub {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (bound, address_of) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind(address).await.expect("the address is free");
                bound.send(listener.local_addr().expect("an address")).expect("the test waits");
                tokio::select! {
                    () = serve(listener, faults, seen) => {}
                    _ = stopped => {}
                }
            });
        });
        let address = address_of.recv().expect("the stub listens");
        Stub { address, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, faults: Faults, seen: Arc<Mutex<Seen>>) {
    loop {
        let (stream, _) = listener.accept().await.expect("accepts");
        let seen = seen.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, faults, seen.clone()));
            // A dropped connection is one of the faults.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type Answered = Result<Response<Full<Bytes>>, std::io::Error>;

async fn answer(request: Request<Incoming>, faults: Faults, seen: Arc<Mutex<Seen>>) -> Answered {
    let (head, body) = request.into_parts();
    if head.method == Method::GET {
        let code = head.uri.path().strip_prefix("/r/").expect("a redirect").to_owned();
        assert!(head.uri.query().is_some_and(|query| query.starts_with("source=")), "{:?}", head.uri);
        let cookie = head.headers.get(COOKIE).map(|cookie| cookie.to_str().expect("text").to_owned());
        return click(code, cookie, faults, &mut seen.lock().expect("no test thread has panicked"));
    }
    assert_eq!((head.uri.path(), &head.headers["x-api-key"]), ("/api/v1/events", &API_KEY.parse().expect("a value")));
    let body = body.collect().await.expect("a body").to_bytes();
    event(&body, faults, &mut seen.lock().expect("no test thread has panicked"))
}

fn is_nth(count: u64, every: u64) -> bool {
    every > 0 && count.is_multiple_of(every)
}

fn dropped() -> Answered {
    Err(std::io::Error::other("the connection dies here"))
}

fn click(code: String, cookie: Option<String>, faults: Faults, seen: &mut Seen) -> Answered {
    seen.clicks += 1;
    if seen.clicks == faults.stall_after_clicks {
        std::thread::sleep(Duration::from_millis(500));
    }
    let visitor = cookie.clone().unwrap_or_else(|| format!("tj=visitor{}", seen.clicks));
    let click = ClickId(hash_of("click", &[&seen.clicks.to_be_bytes()]));
    if is_nth(seen.clicks, faults.shed_click_every) {
        seen.shed_clicks += 1;
    } else {
        seen.visitors.entry(visitor.clone()).or_default().push((code.clone(), click));
    }
    if is_nth(seen.clicks, faults.drop_click_every) {
        seen.dropped_clicks += 1;
        return dropped();
    }
    let token = if is_nth(seen.clicks, faults.shed_click_every) {
        String::new()
    } else {
        let keys = MacKeys::new(vec![MacKey::new(1, &[1; 32])]).expect("a key");
        format!("click_id={}&", keys.sign_token(ClickToken { click, journey: JourneyId([1; 16]) }))
    };
    let mut response = Response::builder()
        .status(StatusCode::FOUND)
        .header(LOCATION, format!("https://shop.example/welcome?{token}ref_code={code}"));
    if cookie.is_none() {
        response = response.header(SET_COOKIE, format!("{visitor}; Path=/; HttpOnly; SameSite=Lax"));
    }
    Ok(response.body(Full::default()).expect("a response"))
}

fn event(body: &Bytes, faults: Faults, seen: &mut Seen) -> Answered {
    let event: Event = serde_json::from_slice(body).expect("an event");
    assert_eq!((event.action.as_str(), event.currency.as_str()), ("purchase", "USD"));
    assert_eq!(event.order_id.strip_prefix('R'), event.event_id.strip_prefix('E'));
    seen.event_requests += 1;
    if is_nth(seen.event_requests, faults.refuse_event_every) {
        let response = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).header(RETRY_AFTER, "0");
        return Ok(response.body(Full::default()).expect("a response"));
    }
    let conversion = ConversionId(hash_of("conversion", &[event.event_id.as_bytes()]));
    seen.events.push((event.event_id, event.click_id, event.value));
    if is_nth(seen.event_requests, faults.drop_event_every) {
        return dropped();
    }
    let body = format!("{{\"conversion_id\":\"{conversion}\"}}");
    Ok(Response::builder().status(StatusCode::ACCEPTED).body(Full::from(body)).expect("a response"))
}
