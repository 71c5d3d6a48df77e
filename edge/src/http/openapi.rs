//! `/openapi.json` (OpenAPI 3.1): all that the edge answers. A test asks the handlers about each line of it.

use super::Reply;
use super::problem::Kind;
use crate::event::{self, browser, params, postback, repeat, signature};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_string()));

pub fn reply() -> Reply {
    let mut reply = Response::new(Full::new(DOCUMENT.clone()));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    reply
}

/// One method of one path.
struct Operation {
    path: &'static str,
    method: &'static str,
    summary: &'static str,
    parameters: Vec<Parameter>,
    /// Media types of its body, and the schema; none where it has no body.
    body: Option<(&'static [&'static str], &'static str)>,
    answers: Vec<Answer>,
    problems: Vec<Kind>,
}

struct Parameter {
    place: &'static str,
    name: String,
    required: bool,
    what: String,
}

struct Answer {
    status: u16,
    what: &'static str,
    media: Option<(&'static str, &'static str)>,
}

fn parameter(place: &'static str, name: &str, what: &str) -> Parameter {
    Parameter { place, name: name.to_owned(), required: false, what: what.to_owned() }
}

fn required(place: &'static str, name: &str, what: &str) -> Parameter {
    Parameter { required: true, ..parameter(place, name, what) }
}

fn answer(status: u16, what: &'static str, media: Option<(&'static str, &'static str)>) -> Answer {
    Answer { status, what, media }
}

/// Whatever is asked for: who reads a body may say so too.
const OF_ALL: [Kind; 3] = [Kind::BadRequest, Kind::UriTooLong, Kind::MisdirectedRequest];
const OF_BODIES: [Kind; 3] = [Kind::UnsupportedMediaType, Kind::BodyTooLarge, Kind::BodyTimeout];
const OF_ROWS: [Kind; 4] = [Kind::MalformedJson, Kind::InvalidEvent, Kind::InvalidBatch, Kind::KafkaUnavailable];

const TEXT: Option<(&str, &str)> = Some(("text/plain; charset=utf-8", "Text"));
const JSON: Option<(&str, &str)> = Some(("application/json", "Answer"));
const ROWS: &[&str] = &["application/json", "application/x-ndjson"];

fn operations() -> Vec<Operation> {
    let mut all = vec![];
    for method in ["get", "head"] {
        all.push(redirect(method));
    }
    for (path, summary) in [
        ("/api/v1/events", "Report one event, or up to 1,000"),
        ("/event/purchase", "As /api/v1/events, action purchase"),
        ("/event/add_to_cart", "As /api/v1/events, action add_to_cart"),
        ("/event/drop_off", "As /api/v1/events, action drop_off"),
        ("/event/signup", "As /api/v1/events, action signup"),
    ] {
        all.push(events(path, summary));
    }
    for method in ["get", "post"] {
        all.push(postback_of(method));
    }
    all.extend([pixel(), collect(), preflight()]);
    for method in ["get", "head"] {
        let script = Some(("text/javascript; charset=utf-8", "Text"));
        let mut of_script = plain("/collect.js", method, "The script that pages load, under 2 KB", script);
        of_script.parameters.push(parameter("header", "if-none-match", "The ETag of the copy that is there"));
        of_script.answers.push(answer(304, "The copy is current", None));
        all.push(of_script);
        all.push(plain("/openapi.json", method, "This document", Some(("application/json", "Document"))));
        let mut health = plain("/health", method, "Whether the edge serves", TEXT);
        health.answers.push(answer(503, "It is stopping", TEXT));
        // Load balancers ask by address.
        health.problems.retain(|kind| *kind != Kind::MisdirectedRequest);
        all.push(health);
        all.push(plain("/metrics", method, "Figures for Prometheus", TEXT));
    }
    all
}

fn plain(
    path: &'static str,
    method: &'static str,
    summary: &'static str,
    media: Option<(&'static str, &'static str)>,
) -> Operation {
    let answers = vec![answer(200, "It", media)];
    Operation { path, method, summary, parameters: vec![], body: None, answers, problems: OF_ALL.to_vec() }
}

fn redirect(method: &'static str) -> Operation {
    let mut parameters = vec![required("path", "code", "The link's code")];
    for number in 1..=crate::redirect::params::SUBS {
        parameters.push(parameter("query", &format!("sub{number}"), "Kept with the click; other names: docs/api.md"));
    }
    parameters.push(parameter("query", "source", "Kept with the click"));
    let deep = "Where within the campaign's deep_links hosts it leads instead; dl is the same";
    parameters.push(parameter("query", "url", deep));
    parameters.push(parameter("query", "consent", "0: no journey cookie, and no address is kept"));
    Operation {
        path: "/r/{code}",
        method,
        summary: if method == "get" { "Count a click and redirect" } else { "Redirect and count nothing" },
        parameters,
        body: None,
        answers: vec![answer(302, "Where the link leads; with click_id where the click is recorded", None)],
        problems: [&OF_ALL[..], &[Kind::UnknownLink, Kind::InactiveLink]].concat(),
    }
}

fn validate_only() -> [Parameter; 2] {
    let what = "true: the same answer, and nothing is recorded";
    [parameter("query", event::VALIDATE_ONLY, what), parameter("header", event::VALIDATE_ONLY_HEADER, what)]
}

fn content_encoding() -> Parameter {
    parameter("header", "content-encoding", "gzip or zstd")
}

fn of_events() -> Vec<Answer> {
    vec![answer(202, "Kafka or the spool has it", JSON), answer(200, "What was only tried would be taken", JSON)]
}

fn events(path: &'static str, summary: &'static str) -> Operation {
    let mut parameters = vec![
        required("header", "x-api-key", "Of a `server` key"),
        parameter("header", repeat::HEADER, "The same request gets the same answer"),
        parameter("header", signature::TIMESTAMP, "Seconds since 1970, at most 300 off"),
        parameter("header", signature::NONCE, "16 to 128 of A-Z a-z 0-9 - _"),
        parameter("header", signature::SIGNATURE, "v1= and the HMAC-SHA256 of timestamp.nonce.body, hexadecimal"),
        content_encoding(),
    ];
    parameters.extend(validate_only());
    let of_keys = [
        Kind::Unauthorized,
        Kind::SignatureRequired,
        Kind::BadSignature,
        Kind::Replayed,
        Kind::NoncesFull,
        Kind::RepeatUnderWay,
        Kind::OtherPayload,
    ];
    Operation {
        path,
        method: "post",
        summary,
        parameters,
        body: Some((ROWS, "Events")),
        answers: of_events(),
        problems: [&OF_ALL[..], &OF_BODIES, &OF_ROWS, &of_keys, &[Kind::RateLimited]].concat(),
    }
}

/// Each field under its first name; the others stand beside it.
fn named(names: &[&str], what: &str) -> Vec<Parameter> {
    let other = |name: &&str| parameter("query", name, &format!("As {}", names[0]));
    std::iter::once(parameter("query", names[0], what)).chain(names[1..].iter().map(other)).collect()
}

fn postback_of(method: &'static str) -> Operation {
    let mut parameters = vec![];
    for (names, what) in [
        (&postback::TOKEN[..], "An API key of use `postback`: whose event it is"),
        (
            &params::CLICK,
            "The token that the click brought along; transaction_id is an order where it is not the click",
        ),
        (&params::ORDER, "What makes a conversion the same; without one, the click and what happened do"),
        (&params::VALUE, "A decimal"),
        (&params::CURRENCY, "ISO 4217, default USD"),
        (&params::STATUS, "What became of it: docs/api.md"),
        (&params::EVENT, "What happened: docs/api.md"),
        (&params::OCCURRED_AT, "As occurred_at of an event"),
        (&params::COUPON, "A coupon"),
        (&params::REF_CODE, "A link's code"),
        (&["customer_id"], "Hashed at the edge"),
    ] {
        parameters.extend(named(names, what));
    }
    parameters.extend(validate_only());
    let mut problems =
        [&OF_ALL[..], &[Kind::Unauthorized, Kind::InvalidEvent, Kind::KafkaUnavailable, Kind::RateLimited]].concat();
    let mut body = None;
    if method == "post" {
        parameters.push(content_encoding());
        problems.extend(OF_BODIES);
        body = Some((&["application/x-www-form-urlencoded"][..], "Form"));
    }
    let answers = vec![answer(200, "Kafka or the spool has it, or what was only tried would be taken", JSON)];
    let summary = "A network reports what became of a click";
    Operation { path: "/postback", method, summary, parameters, body, answers, problems }
}

fn pixel() -> Operation {
    let mut parameters = vec![parameter("query", browser::KEY, "An API key of use `browser`")];
    for (names, what) in [
        (&params::EVENT[..], "purchase, add_to_cart, signup or drop_off"),
        (&params::CLICK, "As in /postback"),
        (&params::ORDER, "As in /postback"),
        (&params::VALUE, "A decimal"),
        (&params::CURRENCY, "ISO 4217, default USD"),
        (&params::COUPON, "A coupon"),
        (&params::REF_CODE, "A link's code"),
        (&["event_id"], "Of the event; without one, the order's or the click's"),
        (&["landing_url", "url"], "Default: the Referer"),
        (&["referrer"], "Where the page's visitor came from"),
    ] {
        parameters.extend(named(names, what));
    }
    parameters.push(parameter("header", "referer", "Stands in for landing_url"));
    Operation {
        path: "/pixel.gif",
        method: "get",
        summary: "A page's event, as an image",
        parameters,
        body: None,
        answers: vec![answer(
            200,
            "Always the image; X-Tributary-Event says what became of it",
            Some(("image/gif", "Text")),
        )],
        problems: OF_ALL.to_vec(),
    }
}

fn collect() -> Operation {
    let mut parameters = vec![required("query", browser::KEY, "An API key of use `browser`"), content_encoding()];
    parameters.extend(validate_only());
    Operation {
        path: "/collect",
        method: "post",
        summary: "A page's events, as collect.js sends them",
        parameters,
        body: Some((&["text/plain", "application/json", "application/x-ndjson"], "Events")),
        answers: of_events(),
        problems: [&OF_ALL[..], &OF_BODIES, &OF_ROWS, &[Kind::Unauthorized, Kind::RateLimited]].concat(),
    }
}

fn preflight() -> Operation {
    let answers = vec![answer(204, "Any page may send", None)];
    let mut operation = plain("/collect", "options", "CORS", None);
    operation.answers = answers;
    operation
}

fn document() -> Value {
    let mut paths = Map::new();
    for operation in operations() {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = told(&operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tributary edge",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "Clicks and events. Any other path is a 404 (not-found), any other method of these a 405 \
                (method-not-allowed) with Allow. docs/api.md has examples.",
        },
        "paths": paths,
        "components": { "schemas": schemas() },
    })
}

fn told(operation: &Operation) -> Value {
    let parameters = operation.parameters.iter().map(|parameter| {
        json!({
            "in": parameter.place,
            "name": parameter.name,
            "required": parameter.required,
            "description": parameter.what,
            "schema": { "type": "string" },
        })
    });
    let mut responses = Map::new();
    for answer in &operation.answers {
        let mut response = json!({ "description": answer.what });
        if let Some((media, schema)) = answer.media {
            response["content"] = content(&[media], schema);
        }
        responses.insert(answer.status.to_string(), response);
    }
    for kind in &operation.problems {
        let status = kind.status().as_u16().to_string();
        let response = responses.entry(status).or_insert_with(|| json!({ "description": "", "x-problems": [] }));
        response["content"]["application/problem+json"] = json!({ "schema": schema("Problem") });
        if let Some(problems) = response["x-problems"].as_array_mut() {
            problems.push(kind.name().into());
        }
        let before = response["description"].as_str().unwrap_or("");
        let and = if before.is_empty() { "" } else { "; " };
        response["description"] = format!("{before}{and}{}: {}", kind.name(), kind.title()).into();
    }
    let mut told = json!({
        "summary": operation.summary,
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": responses,
    });
    if let Some((media, schema)) = operation.body {
        told["requestBody"] = json!({ "required": true, "content": content(media, schema) });
    }
    told
}

fn content(media: &[&str], name: &str) -> Value {
    media.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema(name) }))).collect::<Map<_, _>>().into()
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

mod components;
use components::schemas;

#[cfg(test)]
mod tests;
