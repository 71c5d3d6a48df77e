//! Whether a visitor wants to be recognised. Who does not gets no journey cookie, and one that is there is not read:
//! every click is a journey of its own, and carries no hash of an address.
//!
//! A cookie that is there stays. Whoever writes a link could otherwise take other publishers' journeys away.

use super::params::Params;
use hyper::header::HeaderMap;

/// Global Privacy Control and Do Not Track, as browsers send them.
const SIGNALS: [(&str, &str); 2] = [("sec-gpc", "gpc"), ("dnt", "dnt")];

/// By which words, with commas between; none where nothing says so.
pub fn refused(headers: &HeaderMap, params: &Params) -> Option<String> {
    let sent = |name: &str| headers.get(name).is_some_and(|value| value.as_bytes() == b"1");
    let signals = SIGNALS.iter().filter(|(header, _)| sent(header)).map(|(_, name)| *name);
    let mut words = signals.chain(params.consent_refused().then_some("consent"));
    let mut all = words.next()?.to_owned();
    for word in words {
        all.push(',');
        all.push_str(word);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn what_a_visitor_refuses_is_named() {
        for (gpc, dnt, query, expected) in [
            (None, None, "", None),
            (Some("1"), None, "", Some("gpc")),
            (None, Some("1"), "", Some("dnt")),
            (Some("0"), Some("0"), "", None),
            (Some("1"), Some("1"), "consent=0", Some("gpc,dnt,consent")),
            (None, None, "consent=denied", Some("consent")),
            (None, None, "consent=FALSE", Some("consent")),
            (None, None, "consent=no", Some("consent")),
            (None, None, "consent=1", None),
            (None, None, "consent=", None),
            // What a browser says stands above what a link says.
            (Some("1"), None, "consent=1", Some("gpc")),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [("sec-gpc", gpc), ("dnt", dnt)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            let params = Params::from_query(Some(query));
            assert_eq!(refused(&headers, &params).as_deref(), expected, "{gpc:?} {dnt:?} {query}");
        }
    }
}
