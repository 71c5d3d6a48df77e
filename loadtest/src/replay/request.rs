//! A job and the HTTP request that it is: what does not change is built once.

use crate::error::Error;
use crate::journeys::PublisherIndex;
use crate::record::RunId;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use schemas::decimal::Amount;
use schemas::name::PublisherId;
use serde::Serialize;
use tokio::time::Instant;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// One request that is due. Latency is counted from `due`, whenever it could be sent.
#[derive(Debug)]
pub struct Job {
    pub journey: u32,
    pub due: Instant,
    pub task: Task,
}

#[derive(Debug)]
pub enum Task {
    Click { position: u16, publisher: PublisherIndex, cookie: Option<HeaderValue> },
    Event { value: Amount, token: Option<String>, attempt: u32, first_sent: Instant },
}

/// What all requests of a run share.
#[derive(Debug)]
pub struct Requests {
    pub authority: String,
    host: HeaderValue,
    run: RunId,
    api_key: HeaderValue,
    /// By publisher.
    clicks: Vec<Uri>,
}

#[derive(Serialize)]
struct Event<'a> {
    action: &'static str,
    event_id: String,
    order_id: String,
    /// Text: no float on the way.
    value: Amount,
    currency: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    click_id: Option<&'a str>,
}

impl Requests {
    /// `authority` is `host:port`; each publisher's link code is its name and `-demo`.
    pub fn new(authority: String, run: RunId, api_key: &str, publishers: &[PublisherId]) -> Result<Self, Error> {
        let bad = |option, problem, given: &str| Error::BadOption { option, problem, given: given.to_owned() };
        let mut secret = HeaderValue::from_str(api_key)
            .map_err(|_| bad("--api-key-file", "holds what cannot stand in a header", "(not shown)"))?;
        secret.set_sensitive(true);
        let host = HeaderValue::from_str(&authority).map_err(|_| bad("--edge", "is no address", &authority))?;
        let uri = |publisher: &PublisherId| {
            let text = format!("/r/{publisher}-demo?source={run}");
            text.parse().map_err(|_| bad("--data", "has a channel that makes no address", &text))
        };
        let clicks = publishers.iter().map(uri).collect::<Result<_, _>>()?;
        Ok(Requests { authority, host, run, api_key: secret, clicks })
    }

    pub fn of(&self, job: &Job) -> Request<Full<Bytes>> {
        let mut request = match &job.task {
            Task::Click { publisher, cookie, .. } => {
                let mut request = Request::new(Full::default());
                *request.uri_mut() = self.clicks[usize::from(*publisher)].clone();
                let browser = HeaderValue::from_static("Mozilla/5.0 (X11; Linux x86_64) tributary-loadtest");
                request.headers_mut().insert(USER_AGENT, browser);
                if let Some(cookie) = cookie {
                    request.headers_mut().insert(COOKIE, cookie.clone());
                }
                request
            }
            Task::Event { value, token, .. } => {
                let mut request = Request::new(Full::new(self.event(job.journey, *value, token.as_deref())));
                *request.method_mut() = Method::POST;
                *request.uri_mut() = Uri::from_static("/api/v1/events");
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                request.headers_mut().insert(X_API_KEY, self.api_key.clone());
                request
            }
        };
        request.headers_mut().insert(HOST, self.host.clone());
        request
    }

    fn event(&self, journey: u32, value: Amount, click_id: Option<&str>) -> Bytes {
        let event = Event {
            action: "purchase",
            event_id: self.run.event_id(journey),
            order_id: self.run.order_id(journey),
            value,
            currency: "USD",
            click_id,
        };
        serde_json::to_vec(&event).expect("plain text and a decimal always become JSON").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::demo_journeys;

    /// The file that `make demo` applies; the edge would answer 404 to a link that is not in it.
    const CATALOG: &str = include_str!("../../demo/catalog.yaml");

    #[test]
    fn every_channel_of_the_file_has_its_link_in_the_demos_catalog() {
        let journeys = demo_journeys();
        let requests = requests(journeys.publishers());
        for (publisher, uri) in journeys.publishers().iter().zip(&requests.clicks) {
            let code = uri.path().strip_prefix("/r/").expect("a redirect");
            let link = format!("  - {{ code: {code}, campaign: demo, publisher: {publisher} }}\n");
            assert!(CATALOG.contains(&link), "{link}");
            assert!(CATALOG.contains(&format!("  - {{ id: {publisher}, ")), "{publisher}");
        }
    }

    fn requests(publishers: &[PublisherId]) -> Requests {
        let run = RunId::new("a").expect("a name");
        Requests::new("127.0.0.1:80".into(), run, "secret", publishers).expect("plain values")
    }

    #[test]
    fn an_event_says_its_value_as_text_and_names_the_last_click_if_there_is_one() {
        for (token, expected) in [
            (Some("t"), r#""value":"2.402000","currency":"USD","click_id":"t"}"#),
            (None, r#""value":"2.402000","currency":"USD"}"#),
        ] {
            let value = "2.402".parse().expect("an amount");
            let body = requests(&[]).event(7, value, token);
            let start = r#"{"action":"purchase","event_id":"Ea-7","order_id":"Ra-7","#;
            assert_eq!(std::str::from_utf8(&body), Ok(format!("{start}{expected}").as_str()));
        }
    }
}
