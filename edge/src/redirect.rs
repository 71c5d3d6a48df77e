//! `GET /r/{code}`: a visitor goes on to the advertiser, and a click is recorded first.
//!
//! **Invariant (P1):** a `Location` with a token is sent only when Kafka or the spool has the click. When neither does
//! in time the visitor goes on all the same, without one, and the click counts as shed; where its record lands after
//! all, it is counted as late.
//!
//! A visitor never sees an error for a link that exists: what does not count leads somewhere too (decision 30).

mod choice;
pub mod cookie;
pub mod deep_link;
pub mod destination;
mod fetch;
pub mod params;
pub mod plan;
mod privacy;

use crate::http::Reply;
use crate::http::problem::{Kind, Problem};
use crate::ids;
use crate::recording::Recording;
use crate::routes::{KnownLink, Link, LostLink};
use crate::visitor::Visitors;
use crate::worker::{Peer, Worker};
use bytes::Bytes;
use choice::Chosen;
use fetch::NotAClick;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, LOCATION, REFERER, SET_COOKIE, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use params::Params;
use schemas::evidence::cut;
use schemas::id::{IpHash, JourneyId};
use schemas::mark::{self, Mark, Program};
use schemas::name::{AdvertiserId, TenantId};
use schemas::offset::Offset;
use schemas::record::click::Click;
use schemas::record::rejected::{Rejected, RejectedWhat};
use schemas::time::{MICROS_PER_DAY, MICROS_PER_SECOND, Micros};
use schemas::token::ClickToken;
use schemas::topic::Topic;
use schemas::{codec, key};
use std::net::IpAddr;
use tokio::time::Instant;

/// Bytes of a user agent or referrer that a click keeps: real ones are shorter, and nobody reads more.
const HEADER_BYTES: usize = 512;
/// Under which name a click's parameters say by what its visitor refused to be recognised; no link can send it.
const PRIVACY: &str = "privacy";

pub async fn redirect<B>(worker: &Worker, peer: Peer, code: &str, request: &Request<B>) -> Result<Reply, Problem> {
    let now = ids::now();
    let (link, offset) = {
        let routes = worker.routes.load();
        let link =
            routes.link(code).ok_or_else(|| Problem::new(Kind::UnknownLink, "there is no link with this code"))?;
        (link.clone(), routes.offset)
    };
    let (headers, stamp) = (request.headers(), Stamp { now, offset });
    let user_agent = header(headers, USER_AGENT);
    let link = match link {
        Link::Known(link) => link,
        Link::Lost(lost) => return lost_link(worker, peer, &lost, code, user_agent, stamp),
    };
    let params = Params::from_query(request.uri().query());
    let visitors = &worker.visitors;
    let address = visitors.address(peer.address, headers);
    let traits = visitors.traits(peer.address, address, headers, user_agent.as_deref());
    let refused = privacy::refused(headers, &params);
    let brought = if refused.is_none() { cookie::journey(headers, &worker.keys) } else { None };
    let program = visitors.program(user_agent.as_deref());
    let closed = link.closed(now).map(|(reason, value)| NotAClick { reason, value });
    let is_closed = closed.is_some();
    let over_limit = || peer.over_limit.then(|| NotAClick { reason: "rate_limited", value: "network".to_owned() });
    let fetch = || fetch::not_a_click(request.method(), headers, program);
    if let Some(why) = closed.or_else(over_limit).or_else(fetch) {
        let chosen = if is_closed {
            Chosen::closed(&link, worker.fallback.as_ref())
        } else {
            Chosen::open(&link, &traits, &params, brought.unwrap_or_default())
        };
        let location = chosen.location(&link, None, &params, &traits);
        let of = (&link.campaign.tenant, Some(&link.campaign.advertiser));
        if is_recorded(worker, peer) {
            not_counted(worker, of, code, why, user_agent.clone(), brought, stamp);
        }
        return found(location?, None);
    }
    let (journey_id, set_cookie) = match brought {
        Some(journey) => (journey, None),
        None => {
            let journey = worker.ids.borrow_mut().journey(now);
            (journey, if refused.is_none() { worker.cookie.set(&worker.keys, journey) } else { None })
        }
    };
    let token = ClickToken { click: worker.ids.borrow_mut().click(now), journey: journey_id };
    let chosen = Chosen::open(&link, &traits, &params, journey_id);
    let mut kept = params.clone().into_map();
    chosen.note(&mut kept);
    choice::note_traits(visitors, &traits, &mut kept);
    let ip_hash = refused.is_none().then(|| ip_hash(worker, address, now));
    kept.extend(refused.map(|by| (PRIVACY.to_owned(), by)));
    let click = Click {
        click_id: token.click,
        journey_id,
        tenant: link.campaign.tenant.clone(),
        advertiser: link.campaign.advertiser.clone(),
        campaign: link.campaign.id.clone(),
        publisher: link.publisher.id.clone(),
        link: link.code.clone(),
        occurred_at: now,
        catalog_offset: offset,
        returning: brought.is_some(),
        referrer: header(headers, REFERER),
        user_agent: user_agent.clone(),
        ip_hash,
        params: kept,
        marks: marks(worker, visitors, &link, address, program, now),
    };
    let acknowledged = record(worker, &click).await;
    let token = acknowledged.then(|| worker.keys.sign_token(token));
    found(chosen.location(&link, token.as_deref(), &params, &traits)?, set_cookie)
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

/// When a request came, and what of the catalog was known.
#[derive(Clone, Copy)]
struct Stamp {
    now: Micros,
    offset: Offset,
}

fn not_counted(
    worker: &Worker,
    (tenant, advertiser): (&TenantId, Option<&AdvertiserId>),
    code: &str,
    why: NotAClick,
    user_agent: Option<String>,
    journey: Option<JourneyId>,
    stamp: Stamp,
) {
    let rejected = Rejected {
        rejected_id: worker.ids.borrow_mut().rejected(stamp.now),
        what: RejectedWhat::Click,
        tenant: tenant.clone(),
        advertiser: advertiser.cloned(),
        link: Some(code.to_owned()),
        event_id: None,
        reason: why.reason.into(),
        value: why.value,
        occurred_at: stamp.now,
        catalog_offset: stamp.offset,
        user_agent,
    };
    worker.metrics.not_counted(why.reason);
    worker.reject(&rejected, journey);
}

/// Nobody knows where it led; where the edge has a page for that, visitors see it.
fn lost_link(
    worker: &Worker,
    peer: Peer,
    lost: &LostLink,
    code: &str,
    user_agent: Option<String>,
    stamp: Stamp,
) -> Result<Reply, Problem> {
    let why = NotAClick { reason: lost.reason, value: code.to_owned() };
    if is_recorded(worker, peer) {
        not_counted(worker, (&lost.tenant, lost.advertiser.as_ref()), code, why, user_agent, None, stamp);
    }
    match &worker.fallback {
        Some(fallback) => found(choice::bare(fallback, code), None),
        None => Err(Problem::new(Kind::InactiveLink, format!("the link leads nowhere now: {}", lost.reason))),
    }
}

/// Of a flood only some are.
fn is_recorded(worker: &Worker, peer: Peer) -> bool {
    !peer.over_limit || worker.local.click_over()
}

/// What is suspicious and still a click; what it is worth, the contract says.
fn marks(
    worker: &Worker,
    visitors: &Visitors,
    link: &KnownLink,
    address: IpAddr,
    program: Option<Program>,
    now: Micros,
) -> String {
    let mut marks = String::new();
    if let Some(program) = program {
        mark::add(&mut marks, Mark::BotUserAgent, program.word);
    }
    if let Some(network) = visitors.datacentre(address) {
        mark::add(&mut marks, Mark::Datacentre, &network);
    }
    if let Some(clicks) = visitors.velocity(address, u64::try_from(now.0 / MICROS_PER_SECOND).unwrap_or(0)) {
        mark::add(&mut marks, Mark::Velocity, &clicks.to_string());
    }
    if with_octets(address, |octets| worker.keys.is_own(octets, &link.publisher.own)) {
        mark::add(&mut marks, Mark::OwnAddress, "publisher");
    }
    marks
}

fn ip_hash(worker: &Worker, address: IpAddr, now: Micros) -> IpHash {
    with_octets(address, |octets| worker.keys.hash_ip_of_day(octets, now.0.div_euclid(MICROS_PER_DAY)))
}

fn with_octets<T>(address: IpAddr, ask: impl FnOnce(&[u8]) -> T) -> T {
    match address {
        IpAddr::V4(address) => ask(&address.octets()),
        IpAddr::V6(address) => ask(&address.octets()),
    }
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    let text = String::from_utf8_lossy(value.as_bytes());
    (!text.is_empty()).then(|| cut(&text, HEADER_BYTES).to_owned())
}
