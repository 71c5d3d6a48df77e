//! Whether a request is a person's click. What a browser fetches ahead, what shows a link in a message and what says of
//! itself that it crawls is sent on like anybody, and is recorded in `rejected` instead of `clicks`.
//!
//! Who is merely suspicious counts, with a mark: a click that was not counted cannot be counted afterwards.

use hyper::Method;
use hyper::header::{HeaderMap, HeaderValue};
use schemas::evidence::cut;
use schemas::mark::{Program, ProgramKind};

/// Bytes of a header's value that a reason keeps.
const VALUE_BYTES: usize = 64;

/// Why a redirect is no click, as `rejected` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAClick {
    pub reason: &'static str,
    pub value: String,
}

/// Headers by which browsers say that nobody has looked yet: Chromium and the Fetch standard, older Chromium and WebKit,
/// Safari's previews, older Firefox.
const AHEAD: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];

pub fn not_a_click(method: &Method, headers: &HeaderMap, program: Option<Program>) -> Option<NotAClick> {
    if *method == Method::HEAD {
        return Some(NotAClick { reason: "head_request", value: "HEAD".into() });
    }
    if let Some(purpose) = AHEAD.iter().find_map(|name| headers.get(*name).filter(|value| is_ahead(value))) {
        let value = String::from_utf8_lossy(purpose.as_bytes());
        return Some(NotAClick { reason: "prefetch", value: cut(&value, VALUE_BYTES).to_owned() });
    }
    let Program { word, kind } = program?;
    let reason = match kind {
        ProgramKind::Preview => "link_preview",
        ProgramKind::Bot => "known_bot",
        ProgramKind::Tool => return None,
    };
    Some(NotAClick { reason, value: word.to_owned() })
}

/// `prefetch`, `prefetch;prerender`, `preview`.
fn is_ahead(value: &HeaderValue) -> bool {
    let word = value.as_bytes().split(|byte| matches!(byte, b';' | b',' | b' ')).next().unwrap_or_default();
    [&b"prefetch"[..], b"prerender", b"preview"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::mark;

    const PERSON: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

    #[test]
    fn what_nobody_clicked_is_told_by_reason_and_value() {
        for (method, header, user_agent, expected) in [
            (Method::GET, None, Some(PERSON), None),
            (Method::HEAD, None, Some(PERSON), Some(("head_request", "HEAD"))),
            (Method::GET, Some(("sec-purpose", "prefetch")), Some(PERSON), Some(("prefetch", "prefetch"))),
            (
                Method::GET,
                Some(("sec-purpose", "prefetch;prerender")),
                Some(PERSON),
                Some(("prefetch", "prefetch;prerender")),
            ),
            (Method::GET, Some(("purpose", "Prefetch")), Some(PERSON), Some(("prefetch", "Prefetch"))),
            (Method::GET, Some(("x-purpose", "preview")), Some(PERSON), Some(("prefetch", "preview"))),
            (Method::GET, Some(("x-moz", "prefetch")), Some(PERSON), Some(("prefetch", "prefetch"))),
            (Method::GET, Some(("purpose", "shopping")), Some(PERSON), None),
            (Method::GET, Some(("sec-purpose", "")), Some(PERSON), None),
            (Method::GET, None, Some("Twitterbot/1.0"), Some(("link_preview", "twitterbot"))),
            (Method::GET, None, Some("Googlebot/2.1"), Some(("known_bot", "bot"))),
            (Method::GET, None, Some("curl/8.5.0"), None),
            (Method::GET, None, None, None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some((name, value)) = header {
                headers.insert(name, HeaderValue::from_static(value));
            }
            let found = not_a_click(&method, &headers, mark::program(user_agent));
            let found = found.as_ref().map(|found| (found.reason, found.value.as_str()));
            assert_eq!(found, expected, "{method} {header:?} {user_agent:?}");
        }
    }
}
