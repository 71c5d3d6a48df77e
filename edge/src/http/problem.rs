//! What is wrong with a request, as RFC 9457 has it: `application/problem+json`.

use super::Reply;
use crate::event::field::FieldError;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::Value;

/// A broker that restarts is back by then.
const RETRY_AFTER_SECONDS: &str = "2";
/// How to be known (RFC 9110, 11.6.1).
const API_KEY: &str = "ApiKey realm=\"tributary\"";

/// Every problem that the edge tells of, with its status; its name is the last part of its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    BadRequest,
    UriTooLong,
    NotFound,
    UnknownLink,
    InactiveLink,
    MethodNotAllowed,
    Unauthorized,
    SignatureRequired,
    BadSignature,
    Replayed,
    NoncesFull,
    RepeatUnderWay,
    OtherPayload,
    UnsupportedMediaType,
    BodyTooLarge,
    BodyTimeout,
    MisdirectedRequest,
    RateLimited,
    MalformedJson,
    InvalidEvent,
    InvalidBatch,
    KafkaUnavailable,
}

impl Kind {
    pub fn status(self) -> StatusCode {
        self.facts().0
    }

    pub fn name(self) -> &'static str {
        self.facts().1
    }

    pub fn title(self) -> &'static str {
        self.facts().2
    }

    /// Status, name, title.
    fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Kind::BadRequest => (StatusCode::BAD_REQUEST, "bad-request", "Bad request"),
            Kind::UriTooLong => (StatusCode::URI_TOO_LONG, "uri-too-long", "Request target too long"),
            Kind::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Kind::UnknownLink => (StatusCode::NOT_FOUND, "unknown-link", "Unknown link"),
            Kind::InactiveLink => (StatusCode::NOT_FOUND, "inactive-link", "Link not active"),
            Kind::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Kind::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "API key missing or unknown"),
            Kind::SignatureRequired => (StatusCode::UNAUTHORIZED, "signature-required", "Signature missing"),
            Kind::BadSignature => (StatusCode::UNAUTHORIZED, "bad-signature", "Signature not valid"),
            Kind::Replayed => (StatusCode::CONFLICT, "replayed", "Request was here before"),
            Kind::NoncesFull => (StatusCode::SERVICE_UNAVAILABLE, "nonces-full", "Too many signed requests"),
            Kind::RepeatUnderWay => (StatusCode::CONFLICT, "repeat-under-way", "The same request is under way"),
            Kind::OtherPayload => {
                (StatusCode::UNPROCESSABLE_ENTITY, "other-payload", "Idempotency-Key used for another payload")
            }
            Kind::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type")
            }
            Kind::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large"),
            Kind::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "body-timeout", "Body not received in time"),
            Kind::MisdirectedRequest => {
                (StatusCode::MISDIRECTED_REQUEST, "misdirected-request", "Host not served here")
            }
            Kind::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many requests"),
            Kind::MalformedJson => (StatusCode::BAD_REQUEST, "malformed-json", "Malformed JSON"),
            Kind::InvalidEvent => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-event", "Event not accepted"),
            Kind::InvalidBatch => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-batch", "No event of the batch accepted"),
            Kind::KafkaUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not recorded: the log is not available")
            }
        }
    }
}

/// Boxed, since it is the rare half of nearly every result.
#[derive(Debug)]
pub struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    kind: Kind,
    detail: String,
    errors: Vec<FieldError>,
    results: Option<Value>,
    validate_only: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The members of RFC 9457 in its order, and ours.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<&'a Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    validate_only: bool,
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        let detail = detail.into();
        let (errors, results) = (Vec::new(), None);
        Problem(Box::new(Parts { kind, detail, errors, results, validate_only: false, headers: Vec::new() }))
    }

    pub fn method_not_allowed(allow: &'static str) -> Problem {
        let problem = Problem::new(Kind::MethodNotAllowed, format!("this path answers {allow}"));
        problem.with_header(ALLOW, HeaderValue::from_static(allow))
    }

    pub fn unauthorized(detail: &str) -> Problem {
        Problem::new(Kind::Unauthorized, detail).with_header(WWW_AUTHENTICATE, HeaderValue::from_static(API_KEY))
    }

    pub fn signature_required(detail: &str) -> Problem {
        Problem::new(Kind::SignatureRequired, detail).with_header(WWW_AUTHENTICATE, HeaderValue::from_static(API_KEY))
    }

    pub fn bad_signature(detail: &str) -> Problem {
        Problem::new(Kind::BadSignature, detail).with_header(WWW_AUTHENTICATE, HeaderValue::from_static(API_KEY))
    }

    pub fn nonces_full() -> Problem {
        let detail = "this edge remembers no more nonces; send the request again later, or larger batches";
        Problem::new(Kind::NoncesFull, detail).with_header(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS))
    }

    /// With the codings that are accepted (RFC 7694).
    pub fn coding(detail: &str) -> Problem {
        let detail = format!("{detail}; send gzip, zstd or plain");
        Problem::new(Kind::UnsupportedMediaType, detail)
            .with_header(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd"))
    }

    /// To be sent again, with the same ids: an event is never counted twice.
    pub fn unavailable() -> Problem {
        let detail = "not acknowledged in time; send it again with the same ids";
        let after = HeaderValue::from_static(RETRY_AFTER_SECONDS);
        Problem::new(Kind::KafkaUnavailable, detail).with_header(RETRY_AFTER, after)
    }

    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Problem {
        self.0.headers.push((name, value));
        self
    }

    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Problem {
        self.0.errors = errors;
        self
    }

    pub fn with_results(mut self, results: Value) -> Problem {
        self.0.results = Some(results);
        self
    }

    /// Of a request that would have recorded nothing anyway.
    pub fn validate_only(mut self, validate_only: bool) -> Problem {
        self.0.validate_only = validate_only;
        self
    }

    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    pub fn into_reply(self) -> Reply {
        let parts = *self.0;
        let (status, name, title) = parts.kind.facts();
        let body = Body {
            r#type: format!("/problems/{name}"),
            title,
            status: status.as_u16(),
            detail: &parts.detail,
            errors: &parts.errors,
            results: parts.results.as_ref(),
            validate_only: parts.validate_only,
        };
        // Strings, numbers and lists of them: there is nothing that could fail to be JSON.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut reply = Response::new(Full::new(Bytes::from(body)));
        *reply.status_mut() = status;
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(parts.headers);
        reply
    }
}
