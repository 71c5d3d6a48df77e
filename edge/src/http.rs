//! From a request to its handler, and the answers that need none.

pub mod admit;
pub mod body;
pub mod problem;

use crate::event;
use crate::limits::Standing;
use crate::metrics::RouteName;
use crate::redirect;
use crate::worker::{Peer, Worker};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use problem::{Kind, Problem};
use schemas::id::KeyHash;
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
    Health,
    Metrics,
}

impl Target<'_> {
    fn name(&self) -> RouteName {
        match self {
            Target::Redirect { .. } => RouteName::Redirect,
            Target::Events { .. } => RouteName::Events,
            Target::Health => RouteName::Health,
            Target::Metrics => RouteName::Metrics,
        }
    }
}

fn target(path: &str) -> Option<Target<'_>> {
    if let Some(code) = path.strip_prefix("/r/") {
        return (!code.is_empty() && !code.contains('/')).then_some(Target::Redirect { code });
    }
    let events = |action| Some(Target::Events { action });
    match path {
        "/api/v1/events" => events(None),
        "/event/purchase" => events(Some(Action::Purchase)),
        "/event/add_to_cart" => events(Some(Action::AddToCart)),
        "/event/drop_off" => events(Some(Action::DropOff)),
        "/event/signup" => events(Some(Action::Signup)),
        "/health" => Some(Target::Health),
        "/metrics" => Some(Target::Metrics),
        _ => None,
    }
}

/// Never fails: what goes wrong is an answer too.
pub async fn answer(worker: Rc<Worker>, peer: Peer, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let (name, result) = match admit::check(&request, &worker.hosts) {
        Err(problem) => (RouteName::Refused, Err(problem)),
        Ok(()) => dispatch(&worker, peer, request).await,
    };
    let reply = result.unwrap_or_else(Problem::into_reply);
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
            let over_limit = !worker.limits.click(peer.sender);
            redirect::redirect(worker, Peer { over_limit, ..peer }, code, &request).await
        }
        Target::Events { action } if request.method() == Method::POST => match limited(worker, peer, &request) {
            Ok(standing) => {
                let result = event::receive(worker, action, request).await;
                result.map(|mut reply| {
                    standing.tell(&mut reply);
                    reply
                })
            }
            Err(problem) => Err(problem),
        },
        Target::Health if reading => Ok(health(worker)),
        Target::Metrics if reading => Ok(text(StatusCode::OK, service::metrics::render())),
        Target::Events { .. } => Err(Problem::method_not_allowed("POST")),
        Target::Redirect { .. } | Target::Health | Target::Metrics => Err(Problem::method_not_allowed("GET, HEAD")),
    };
    (name, result)
}

/// What a request that a key authenticates counts for; before its body is read.
fn limited<'w>(worker: &'w Worker, peer: Peer, request: &Request<Incoming>) -> Result<Standing<'w>, Problem> {
    let given = request.headers().get("x-api-key").and_then(|key| key.to_str().ok());
    let key = given.filter(|key| worker.routes.load().client(key).is_some()).map(KeyHash::of_api_key);
    worker.limits.request(peer.sender, key.as_ref()).inspect_err(|_| worker.local.request_over())
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
