//! The one door to ClickHouse: a query as text over HTTP, tab-separated rows back. Reads only.

use crate::error::Error;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;

/// A query over a whole run's rows takes a second or two on a busy machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub struct ClickHouse {
    url: String,
    authority: String,
    path: String,
}

impl ClickHouse {
    /// `url` is `http://host:port`.
    pub fn new(url: &str, database: &str) -> Result<ClickHouse, Error> {
        let bad = |problem| Error::BadOption { option: "--clickhouse", problem, given: url.to_owned() };
        let authority = http_authority(url).ok_or_else(|| bad("is no http://host:port"))?;
        let plain = database.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if database.is_empty() || !plain {
            let problem = "is no name of a database (A-Z, a-z, 0-9, _)";
            return Err(Error::BadOption { option: "--database", problem, given: database.to_owned() });
        }
        // Without wait_end_of_query an error in the middle would come as a row with status 200.
        let path = format!("/?database={database}&wait_end_of_query=1");
        Ok(ClickHouse { url: url.to_owned(), authority, path })
    }

    /// The rows' text, `FORMAT TSV`.
    pub async fn query(&self, sql: String) -> Result<String, Error> {
        let problem = |problem: String| Error::ClickHouse { url: self.url.clone(), problem };
        match tokio::time::timeout(ANSWER_LIMIT, self.exchange(sql)).await {
            Ok(result) => result.map_err(problem),
            Err(_) => Err(problem(format!("no answer in {} s", ANSWER_LIMIT.as_secs()))),
        }
    }

    async fn exchange(&self, sql: String) -> Result<String, String> {
        let stream = TcpStream::connect(&self.authority).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let request = Request::post(&self.path).header(HOST, &self.authority).body(Full::new(Bytes::from(sql)));
        let request = request.map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        let text = String::from_utf8(body.to_vec()).map_err(|error| error.to_string())?;
        if status.is_success() { Ok(text) } else { Err(format!("{status}: {}", text.trim_end())) }
    }
}

/// `host:port` of `http://host:port`; 80 where there is none.
pub(crate) fn http_authority(url: &str) -> Option<String> {
    let uri: hyper::Uri = url.parse().ok()?;
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"))?;
    let plain = uri.path() == "/" && uri.query().is_none() && !authority.as_str().contains('@');
    plain.then(|| format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_http_address_is_taken() {
        for (url, expected) in [
            ("http://127.0.0.1:8123", Some("127.0.0.1:8123")),
            ("http://localhost/", Some("localhost:80")),
            ("https://localhost", None),
            ("localhost:8123", None),
            ("http://user@localhost", None),
            ("http://localhost/play", None),
        ] {
            assert_eq!(http_authority(url).as_deref(), expected, "{url}");
        }
    }
}
