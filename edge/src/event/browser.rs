//! Events from visitors' browsers: `/collect` (what `collect.js` sends), `/pixel.gif`, and the script itself.
//!
//! A browser's key is public. So it is a kind of its own, works here only, for its advertiser's own events and for what a
//! page may tell, and each event says by which door it came (decision 29).

use super::delivery::Delivery;
use super::field::{Field, FieldError, Fields};
use super::params::{self, Params, order_of_click, refused};
use super::result::Row;
use super::rows::Rows;
use crate::http::body::{self, Format};
use crate::http::problem::{Kind, Problem};
use crate::http::{Reply, coding};
use crate::ids;
use crate::routes::Client;
use crate::worker::Worker;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use schemas::limits;
use schemas::offset::Offset;
use schemas::record::catalog::KeyUse;
use schemas::record::event::{Action, Channel};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Public, as a parameter: neither an image nor a beacon has headers of its own.
pub const KEY: &str = "key";
/// What became of a pixel's event, for who looks.
pub const OUTCOME: HeaderName = HeaderName::from_static("x-tributary-event");

/// Events of one request: its key is public, and what is wrong with a row is recorded too.
const ROWS: usize = 20;
/// What a page may tell.
const ACTIONS: [Action; 4] = [Action::Purchase, Action::AddToCart, Action::Signup, Action::DropOff];
/// A stranger's customer id would tie that customer to the stranger's clicks; a time of one's own reaches back for clicks;
/// and nothing that is sold is taken back by a page.
const CLOSED: [Field; 3] = [Field::CustomerId, Field::OccurredAt, Field::RefundOf];

pub const SCRIPT: &str = include_str!("browser/collect.js");
/// A page's visitors have a new version after an hour.
const SCRIPT_CACHE: &str = "public, max-age=3600, stale-while-revalidate=86400";

/// One transparent pixel (GIF89a): the smallest that every browser takes.
const PIXEL: &[u8; 43] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00\
    ,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// What of an event its browser may not say.
pub fn check(fields: &mut Fields<'_>, action: Option<Action>) {
    for field in CLOSED {
        if fields.raw(field).is_some() {
            fields.refuse::<()>(field, "not_for_browsers", "only a server may say this, with its own key");
        }
    }
    if action.is_some_and(|action| !ACTIONS.contains(&action)) {
        let names = ACTIONS.map(Action::name).join(", ");
        let reason = format!("only a server may say this; a page tells of {names}");
        fields.refuse::<()>(Field::Action, "not_for_browsers", &reason);
    }
}

/// As `POST /api/v1/events`, with a browser's key.
pub async fn collect(worker: &Worker, request: Request<Incoming>) -> Result<Reply, Problem> {
    let key = key(request.uri().query());
    let (client, offset) = client(worker, key.as_deref())
        .ok_or_else(|| Problem::unauthorized("no parameter key, or none that is known and active"))?;
    let (format, coding) = (body::format(request.headers())?, coding::of(request.headers())?);
    let validate_only = super::validate_only(&request)?;
    let body = body::read(request, body::FORM_BYTES).await?;
    let body = coding::decode(body, coding, body::FORM_BYTES).await?;
    let delivery = delivery(worker, client, offset, validate_only);
    let rows = Rows::split(&body, format)?;
    if rows.count() > ROWS {
        let detail = format!("{} events; a page sends at most {ROWS} at once", rows.count());
        return Err(Problem::new(Kind::InvalidBatch, detail));
    }
    delivery.deliver(rows).await.reply
}

/// Always an image: a page's visitor is not to see that something about it is wrong. Nothing is promised by it, but where
/// its header says `accepted` (P1).
pub async fn pixel(worker: &Worker, request: &Request<Incoming>) -> Reply {
    let query = request.uri().query().unwrap_or("").as_bytes();
    let referrer = request.headers().get(header::REFERER).and_then(|referrer| referrer.to_str().ok());
    let outcome = match (Params::read(&[query]), client(worker, key(request.uri().query()).as_deref())) {
        (Ok(params), Some((client, offset))) => {
            let event = event(params, &client, referrer);
            let delivery = delivery(worker, client, offset, false);
            match record(&delivery, event).await {
                Some(Row::Accepted(_)) => "accepted",
                Some(Row::Unavailable) | None => "unavailable",
                Some(Row::Rejected(_)) => "rejected",
            }
        }
        (Err(_), _) => "rejected",
        (_, None) => "unauthorized",
    };
    image(outcome)
}

pub fn image(outcome: &'static str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from_static(PIXEL)));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/gif"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(OUTCOME, HeaderValue::from_static(outcome));
    reply
}

async fn record(delivery: &Delivery<'_>, event: Result<Map<String, Value>, FieldError>) -> Option<Row> {
    let event = match event {
        Ok(event) => Value::Object(event).to_string(),
        Err(error) => {
            let errors = vec![error];
            delivery.record_rejection(None, &errors);
            return Some(Row::Rejected(errors));
        }
    };
    let rows = Rows::split(event.as_bytes(), Format::Json).ok()?;
    delivery.rows(rows).await.pop()
}

pub fn script(request: &Request<Incoming>) -> Reply {
    let tag = format!("\"{:016x}\"", crc32c::crc32c(SCRIPT.as_bytes()));
    let known = request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut reply = Response::new(Full::new(Bytes::from_static(if known { b"" } else { SCRIPT.as_bytes() })));
    if known {
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(SCRIPT_CACHE));
    headers.extend(HeaderValue::try_from(tag).map(|tag| (header::ETAG, tag)));
    reply
}

/// What a browser asks before it sends anything but text (the Fetch standard, CORS-preflight).
pub fn preflight() -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    let headers = reply.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type, content-encoding"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    reply
}

/// Any page may read the answer: the key is all that a browser brings, and no cookie counts here.
pub fn open_to_pages(reply: &mut Reply) {
    let headers = reply.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
}

fn key(query: Option<&str>) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or("").as_bytes());
    pairs.find(|(name, _)| name == KEY).map(|(_, key)| key.into_owned())
}

fn client(worker: &Worker, key: Option<&str>) -> Option<(Arc<Client>, Offset)> {
    let routes = worker.routes.load();
    let client = routes.client(key?, KeyUse::Browser)?.clone();
    Some((client, routes.offset))
}

fn delivery(worker: &Worker, client: Arc<Client>, offset: Offset, validate_only: bool) -> Delivery<'_> {
    Delivery {
        worker,
        client,
        action: None,
        channel: Channel::Browser,
        idempotency_key: None,
        nonce: None,
        received_at: ids::now(),
        offset,
        validate_only,
    }
}

/// A pixel's event as JSON. An image that is loaded again is the same event: by its ids, or by its click.
fn event(mut params: Params, client: &Client, referrer: Option<&str>) -> Result<Map<String, Value>, FieldError> {
    params.take(&[KEY]);
    let action = params.take_value(&params::EVENT).unwrap_or_default();
    let Some(known) = Action::parse(&action) else {
        return Err(refused("action", "unknown_action", &action, "not a known action"));
    };
    let (click, event_id) = (params.take_click().map(|(_, token)| token), params.take_value(&["event_id"]));
    let order = params.take_order();
    let of_click = || {
        let click = click.as_ref().filter(|_| event_id.is_none());
        click.map(|click| order_of_click(&client.tenant, &client.advertiser, click, known, ""))
    };
    let order = order.or_else(of_click);
    // One that is too long for a landing page is no reason to lose the event.
    let page = referrer.filter(|page| page.len() <= limits::URL_BYTES);
    let landing_url = params.take_value(&["landing_url", "url"]).or(page.map(str::to_owned));
    let mut event = Map::new();
    for (name, value) in [
        ("action", Some(action)),
        ("event_id", event_id),
        ("order_id", order),
        ("value", params.take_value(&params::VALUE)),
        ("currency", params.take_value(&params::CURRENCY)),
        ("click_id", click),
        ("ref_code", params.take_value(&params::REF_CODE)),
        ("coupon_code", params.take_value(&params::COUPON)),
        ("landing_url", landing_url),
        ("referrer", params.take_value(&["referrer"])),
        ("customer_id", params.take_value(&["customer_id"])),
        ("occurred_at", params.take_value(&params::OCCURRED_AT)),
    ] {
        event.extend(value.map(|value| (name.to_owned(), Value::String(value))));
    }
    let properties = params.into_properties();
    if !properties.is_empty() {
        let properties = properties.into_iter().map(|(name, value)| (name, value.into())).collect();
        event.insert("properties".into(), Value::Object(properties));
    }
    Ok(event)
}

#[cfg(test)]
pub fn event_for_test(params: Params) -> Result<Map<String, Value>, FieldError> {
    event(params, &Client::for_test(), None)
}
