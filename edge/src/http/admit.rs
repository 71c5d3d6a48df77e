//! What a request must look like before anybody looks at its path.
//!
//! hyper refuses malformed heads and limits headers, and `wire` refuses what leaves a request's end open to opinion; hyper
//! accepts any Host and targets of 65 KB, which are checked here.

use super::problem::{Kind, Problem};
use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{Request, Version};

/// Bytes of a request's path and query: twice what browsers' own limits leave of use, and room for a landing URL.
pub const URI_BYTES: usize = 8192;

/// `hosts` are those that are answered; none: all.
pub fn check<B>(request: &Request<B>, hosts: &[String]) -> Result<(), Problem> {
    let length = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if length > URI_BYTES {
        let detail = format!("the request target has {length} bytes; {URI_BYTES} are accepted");
        return Err(Problem::new(Kind::UriTooLong, detail));
    }
    let bad = |what: String| Err(Problem::new(Kind::BadRequest, what));
    // Of an absolute target (RFC 9112, 3.2.2), and HTTP/2's `:authority`; not CONNECT's.
    let target = request.uri().authority().filter(|_| request.uri().scheme().is_some());
    let mut given = request.headers().get_all(HOST).iter();
    let host = match (given.next(), given.next(), target) {
        (Some(_), Some(_), _) => return bad("more than one Host header".into()),
        (Some(host), None, Some(target)) if !host.as_bytes().eq_ignore_ascii_case(target.as_str().as_bytes()) => {
            return bad(format!("Host is not {target:?}, the target's"));
        }
        (Some(host), None, _) => host.as_bytes(),
        (None, _, Some(target)) if request.version() == Version::HTTP_2 => target.as_str().as_bytes(),
        (None, ..) if request.version() == Version::HTTP_10 => &[],
        (None, ..) => return bad("no Host header".into()),
    };
    let absent = host.is_empty() && request.version() == Version::HTTP_10 && request.headers().get(HOST).is_none();
    if !absent && !is_authority(host) {
        let shown = String::from_utf8_lossy(&host[..host.len().min(64)]).into_owned();
        return bad(format!("Host {shown:?} is no host and port"));
    }
    let name = name(host);
    if hosts.is_empty() || hosts.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    // Load balancers ask by address.
    if request.uri().path() == "/health" {
        return Ok(());
    }
    let shown = String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned();
    Err(Problem::new(Kind::MisdirectedRequest, format!("{shown:?} is none of the hosts that are answered here")))
}

/// Without its port.
fn name(host: &[u8]) -> &[u8] {
    let end = host.iter().rposition(|byte| !byte.is_ascii_digit());
    end.filter(|end| host[*end] == b':').map_or(host, |end| &host[..end])
}

fn is_authority(host: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let name = name(host);
    if !name.is_empty() && name.iter().all(plain) {
        // No port, or digits: what nearly everybody sends, without a copy of it.
        return host.len() <= name.len() + 6;
    }
    !host.contains(&b'@') && Authority::try_from(host).is_ok_and(|authority| !authority.host().is_empty())
}
