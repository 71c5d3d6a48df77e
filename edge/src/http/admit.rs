//! What a request must look like before anybody looks at its path.
//!
//! hyper refuses malformed heads, closes after a request with both Content-Length and Transfer-Encoding (RFC 9112, 6.3)
//! and limits headers; it accepts any Host and targets of 65 KB, which are checked here.

use super::problem::{Kind, Problem};
use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{Request, Version};

/// Bytes of a request's path and query: twice what browsers' own limits leave of use, and room for a landing URL.
pub const URI_BYTES: usize = 8192;

pub fn check<B>(request: &Request<B>) -> Result<(), Problem> {
    let length = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if length > URI_BYTES {
        let detail = format!("the request target has {length} bytes; {URI_BYTES} are accepted");
        return Err(Problem::new(Kind::UriTooLong, detail));
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_authority(host.as_bytes()) => Ok(()),
        (Some(host), None) => {
            let shown = String::from_utf8_lossy(&host.as_bytes()[..host.len().min(64)]).into_owned();
            Err(Problem::new(Kind::BadRequest, format!("Host {shown:?} is no host and port")))
        }
        (None, _) if request.version() == Version::HTTP_10 => Ok(()),
        (None, _) => Err(Problem::new(Kind::BadRequest, "no Host header")),
        (Some(_), Some(_)) => Err(Problem::new(Kind::BadRequest, "more than one Host header")),
    }
}

fn is_authority(host: &[u8]) -> bool {
    !host.contains(&b'@') && Authority::try_from(host).is_ok_and(|authority| !authority.host().is_empty())
}
