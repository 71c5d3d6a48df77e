//! `GET /r/{code}`: a visitor goes on to the advertiser, and a click is recorded first.
//!
//! **Invariant (P1):** a `Location` with a token is sent only when Kafka or the spool has the click. When neither does
//! in time the visitor goes on all the same, without one, and the click counts as shed; where its record lands after
//! all, it is counted as late.

pub mod cookie;
pub mod destination;
pub mod params;

use crate::http::Reply;
use crate::http::problem::{Kind, Problem};
use crate::ids;
use crate::recording::Recording;
use crate::routes::{ActiveLink, InactiveLink, Link};
use crate::worker::{Peer, Worker};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, LOCATION, REFERER, SET_COOKIE, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use params::Params;
use schemas::evidence::cut;
use schemas::id::JourneyId;
use schemas::mark::{self, Mark};
use schemas::offset::Offset;
use schemas::record::click::Click;
use schemas::record::rejected::{Rejected, RejectedWhat};
use schemas::time::Micros;
use schemas::token::ClickToken;
use schemas::topic::Topic;
use schemas::{codec, key};
use std::sync::Arc;
use tokio::time::Instant;

/// Bytes of a user agent or referrer that a click keeps: real ones are shorter, and nobody reads more.
const HEADER_BYTES: usize = 512;

pub async fn redirect<B>(worker: &Worker, peer: Peer, code: &str, request: &Request<B>) -> Result<Reply, Problem> {
    let now = ids::now();
    let (link, offset) = {
        let routes = worker.routes.load();
        match routes.link(code) {
            Some(Link::Active(link)) => (link.clone(), routes.offset),
            Some(Link::Inactive(link)) if peer.over_limit => {
                worker.local.click_over();
                return Err(leads_nowhere(link));
            }
            Some(Link::Inactive(link)) => {
                return Err(inactive(worker, link, code, request.headers(), now, routes.offset));
            }
            None => return Err(Problem::new(Kind::UnknownLink, "there is no link with this code")),
        }
    };
    let params = Params::from_query(request.uri().query());
    if peer.over_limit {
        if worker.local.click_over() {
            uncounted(worker, &link, request.headers(), now, offset, "rate_limited", "network");
        }
        return found(link.campaign.destination.location(code, None, &params), None);
    }
    if request.method() == Method::HEAD {
        uncounted(worker, &link, request.headers(), now, offset, "head_request", "HEAD");
        return found(link.campaign.destination.location(code, None, &params), None);
    }
    let brought = cookie::journey(request.headers(), &worker.keys);
    let (journey_id, set_cookie) = match brought {
        Some(journey) => (journey, None),
        None => {
            let journey = worker.ids.borrow_mut().journey(now);
            (journey, worker.cookie.set(&worker.keys, journey))
        }
    };
    let token = ClickToken { click: worker.ids.borrow_mut().click(now), journey: journey_id };
    let click = Click {
        click_id: token.click,
        journey_id,
        tenant: link.campaign.tenant.clone(),
        advertiser: link.campaign.advertiser.clone(),
        campaign: link.campaign.id.clone(),
        publisher: link.publisher.clone(),
        link: link.code.clone(),
        occurred_at: now,
        catalog_offset: offset,
        returning: brought.is_some(),
        referrer: header(request.headers(), REFERER),
        user_agent: header(request.headers(), USER_AGENT),
        ip_hash: Some(peer.ip_hash),
        params: params.clone().into_map(),
        marks: marks(request.headers()),
    };
    let acknowledged = record(worker, &click).await;
    let token = acknowledged.then(|| worker.keys.sign_token(token));
    found(link.campaign.destination.location(code, token.as_deref(), &params), set_cookie)
}

/// Whether Kafka has it, or else the spool, within the wait.
async fn record(worker: &Worker, click: &Click) -> bool {
    let key = key::journey(&click.tenant, &click.advertiser, click.journey_id);
    let started = Instant::now();
    let mut recording = Recording::send(&worker.acks, Topic::Clicks, key, codec::encode(click));
    let crowded = recording.crowded;
    let mut acknowledged = recording.acknowledged(started + worker.spool_wait).await;
    if !acknowledged {
        recording.store();
        acknowledged = recording.durable(started + worker.acknowledge_wait).await;
    }
    if acknowledged {
        worker.metrics.acknowledged(started.elapsed());
        worker.metrics.clicks.increment(1);
    } else if crowded {
        worker.metrics.clicks_crowded.increment(1);
    } else {
        worker.metrics.clicks_shed.increment(1);
    }
    acknowledged
}

fn found(location: String, set_cookie: Option<HeaderValue>) -> Result<Reply, Problem> {
    // Destinations are ASCII without controls, and what is put in is escaped; should that fail, nothing is sent on.
    let location = HeaderValue::from_maybe_shared(Bytes::from(location))
        .map_err(|_| Problem::new(Kind::InactiveLink, "the link's destination cannot be sent"))?;
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::FOUND;
    let headers = reply.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(cookie) = set_cookie {
        headers.insert(SET_COOKIE, cookie);
    }
    Ok(reply)
}

/// A HEAD goes where a GET would, and nobody looked at anything: it is recorded, not counted. So is a click of a network
/// that sends too many.
fn uncounted(
    worker: &Worker,
    link: &Arc<ActiveLink>,
    headers: &HeaderMap,
    now: Micros,
    offset: Offset,
    reason: &str,
    value: &str,
) {
    let rejected = Rejected {
        rejected_id: worker.ids.borrow_mut().rejected(now),
        what: RejectedWhat::Click,
        tenant: link.campaign.tenant.clone(),
        advertiser: Some(link.campaign.advertiser.clone()),
        link: Some(link.code.to_string()),
        event_id: None,
        reason: reason.into(),
        value: value.into(),
        occurred_at: now,
        catalog_offset: offset,
        user_agent: header(headers, USER_AGENT),
    };
    worker.reject(&rejected, cookie::journey(headers, &worker.keys));
}

fn inactive(
    worker: &Worker,
    link: &InactiveLink,
    code: &str,
    headers: &HeaderMap,
    now: Micros,
    offset: Offset,
) -> Problem {
    let rejected = Rejected {
        rejected_id: worker.ids.borrow_mut().rejected(now),
        what: RejectedWhat::Click,
        tenant: link.tenant.clone(),
        advertiser: link.advertiser.clone(),
        link: Some(code.to_owned()),
        event_id: None,
        reason: link.reason.into(),
        value: code.to_owned(),
        occurred_at: now,
        catalog_offset: offset,
        user_agent: header(headers, USER_AGENT),
    };
    let journey: Option<JourneyId> = cookie::journey(headers, &worker.keys);
    worker.reject(&rejected, journey);
    leads_nowhere(link)
}

fn leads_nowhere(link: &InactiveLink) -> Problem {
    Problem::new(Kind::InactiveLink, format!("the link leads nowhere now: {}", link.reason))
}

/// What is noticed by the request alone. A program's click redirects and is counted; what it is worth, the contract says.
fn marks(headers: &HeaderMap) -> String {
    let mut marks = String::new();
    let user_agent = headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    if let Some(program) = mark::program(user_agent.as_deref()) {
        mark::add(&mut marks, Mark::BotUserAgent, program);
    }
    marks
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    (!text.is_empty()).then(|| cut(&text, HEADER_BYTES).to_owned())
}
