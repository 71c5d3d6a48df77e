//! From a request to its handler, and the answers that need none.

pub mod admit;
pub mod body;
pub mod coding;
mod openapi;
pub mod problem;

use crate::event;
use crate::limits::{Sender, Standing};
use crate::metrics::RouteName;
use crate::redirect;
use crate::worker::{Peer, Worker};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use problem::{Kind, Problem};
use schemas::id::KeyHash;
use schemas::record::catalog::KeyUse;
use schemas::record::event::Action;
use std::convert::Infallible;
use std::rc::Rc;

pub type Reply = Response<Full<Bytes>>;

/// What a path asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Target<'a> {
    Redirect {
        code: &'a str,
    },
    /// `None`: the body says which action.
    Events {
        action: Option<Action>,
    },
    Postback,
    Pixel,
    Collect,
    Script,
    OpenApi,
    Health,
    Metrics,
}

impl Target<'_> {
    fn name(&self) -> RouteName {
        match self {
            Target::Redirect { .. } => RouteName::Redirect,
            Target::Events { .. } => RouteName::Events,
            Target::Postback => RouteName::Postback,
            Target::Pixel => RouteName::Pixel,
            Target::Collect => RouteName::Collect,
            Target::Script => RouteName::Script,
            Target::OpenApi => RouteName::OpenApi,
            Target::Health => RouteName::Health,
            Target::Metrics => RouteName::Metrics,
        }
    }
}

/// All paths but the links'.
const PATHS: [(&str, Target<'static>); 12] = [
    ("/api/v1/events", Target::Events { action: None }),
    ("/event/purchase", Target::Events { action: Some(Action::Purchase) }),
    ("/event/add_to_cart", Target::Events { action: Some(Action::AddToCart) }),
    ("/event/drop_off", Target::Events { action: Some(Action::DropOff) }),
    ("/event/signup", Target::Events { action: Some(Action::Signup) }),
    ("/postback", Target::Postback),
    ("/collect", Target::Collect),
    ("/pixel.gif", Target::Pixel),
    ("/collect.js", Target::Script),
    ("/openapi.json", Target::OpenApi),
    ("/health", Target::Health),
    ("/metrics", Target::Metrics),
];

fn target(path: &str) -> Option<Target<'_>> {
    if let Some(code) = path.strip_prefix("/r/") {
        return (!code.is_empty() && !code.contains('/')).then_some(Target::Redirect { code });
    }
    PATHS.iter().find(|(known, _)| *known == path).map(|(_, target)| target.clone())
}

/// Never fails: what goes wrong is an answer too.
pub async fn answer(worker: Rc<Worker>, peer: Peer, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let (name, result) = match admit::check(&request, &worker.hosts) {
        Err(problem) => (RouteName::Refused, Err(problem)),
        Ok(()) => dispatch(&worker, peer, request).await,
    };
    let mut reply = result.unwrap_or_else(Problem::into_reply);
    if matches!(name, RouteName::Pixel | RouteName::Collect | RouteName::Script | RouteName::OpenApi) {
        event::browser::open_to_pages(&mut reply);
    }
    worker.metrics.request(name, reply.status().as_u16());
    Ok(reply)
}

async fn dispatch(worker: &Rc<Worker>, peer: Peer, request: Request<Incoming>) -> (RouteName, Result<Reply, Problem>) {
    let Some(target) = target(request.uri().path()) else {
        return (RouteName::Unknown, Err(Problem::new(Kind::NotFound, "there is nothing at this path")));
    };
    let name = target.name();
    let reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let result = match target {
        Target::Redirect { code } if reading => {
            let over_limit = !worker.limits.click(sender(worker, peer, request.headers()));
            redirect::redirect(worker, Peer { over_limit, ..peer }, code, &request).await
        }
        Target::Events { action } if request.method() == Method::POST => {
            let key = request.headers().get("x-api-key").and_then(|key| key.to_str().ok());
            match limited(worker, sender(worker, peer, request.headers()), key.map(|key| (key, KeyUse::Server))) {
                Ok(standing) => standing.told(event::receive(worker, action, request).await),
                Err(problem) => Err(problem),
            }
        }
        Target::Postback if matches!(*request.method(), Method::GET | Method::POST) => {
            let token = event::postback::token(request.uri().query());
            match limited(
                worker,
                sender(worker, peer, request.headers()),
                token.as_deref().map(|token| (token, KeyUse::Postback)),
            ) {
                Ok(standing) => standing.told(event::postback::receive(worker, request).await),
                Err(problem) => Err(problem),
            }
        }
        // A page's key is public: whoever floods under it must not use up what others of its advertiser have.
        Target::Pixel if request.method() == Method::GET => {
            match limited(worker, sender(worker, peer, request.headers()), None) {
                Ok(_) => Ok(event::browser::pixel(worker, &request).await),
                Err(_) => Ok(event::browser::image("limited")),
            }
        }
        Target::Collect if request.method() == Method::POST => {
            match limited(worker, sender(worker, peer, request.headers()), None) {
                Ok(standing) => standing.told(event::browser::collect(worker, request).await),
                Err(problem) => Err(problem),
            }
        }
        Target::Collect if request.method() == Method::OPTIONS => Ok(event::browser::preflight()),
        Target::Script if reading => Ok(event::browser::script(&request)),
        Target::OpenApi if reading => Ok(openapi::reply()),
        Target::Health if reading => Ok(health(worker)),
        Target::Metrics if reading => Ok(text(StatusCode::OK, service::metrics::render())),
        Target::Events { .. } => Err(Problem::method_not_allowed("POST")),
        Target::Postback => Err(Problem::method_not_allowed("GET, POST")),
        Target::Pixel => Err(Problem::method_not_allowed("GET")),
        Target::Collect => Err(Problem::method_not_allowed("POST, OPTIONS")),
        Target::Redirect { .. } | Target::Script | Target::OpenApi | Target::Health | Target::Metrics => {
            Err(Problem::method_not_allowed("GET, HEAD"))
        }
    };
    (name, result)
}

/// Whom a request is from, as limits tell senders apart: whom a trusted proxy asks for, else who is connected.
fn sender(worker: &Worker, peer: Peer, headers: &HeaderMap) -> Sender {
    worker.limits.sender(worker.visitors.address(peer.address, headers))
}

/// What a request counts for, before its body is read: its key where that is known, else its network.
fn limited<'w>(worker: &'w Worker, sender: Sender, given: Option<(&str, KeyUse)>) -> Result<Standing<'w>, Problem> {
    let known = given.filter(|(key, of)| worker.routes.load().client(key, *of).is_some());
    let key = known.map(|(key, _)| KeyHash::of_api_key(key));
    worker.limits.request(sender, key.as_ref()).inspect_err(|_| worker.local.request_over())
}

/// Kafka's absence is no reason to take an edge out of service: visitors still get where they want.
fn health(worker: &Worker) -> Reply {
    if worker.shutdown.requested() {
        text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned())
    } else {
        text(StatusCode::OK, "ok\n".to_owned())
    }
}

fn text(status: StatusCode, body: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

#[cfg(test)]
mod tests;
