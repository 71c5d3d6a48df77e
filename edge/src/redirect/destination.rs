//! A campaign's destination, taken apart once so that a redirect only appends: macros, the destination's own query and
//! fragment, and our two parameters.
//!
//! What a visitor sends goes into it escaped; nothing a visitor sends can change its host.

use super::params::Params;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use schemas::limits;
use schemas::placeholder::{self, Macro};
use std::borrow::Cow;
use url::Url;

pub const CLICK_ID: &str = "click_id";
pub const REF_CODE: &str = "ref_code";

/// All but RFC 3986's unreserved characters.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDestination {
    #[error("not an absolute http or https URL")]
    NotHttp,
    #[error("longer than {} bytes", limits::URL_BYTES)]
    TooLong,
    #[error("a control character, a space or a backslash in it")]
    Character,
    #[error("a user name or password in it")]
    Credentials,
    #[error("{0}")]
    Syntax(url::ParseError),
    #[error("a macro before the path: a visitor could choose the host")]
    MacroInHost,
    #[error("unknown macro {{{0}}}; there are {list}", list = placeholder::EXPECTED)]
    UnknownMacro(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Filled(Macro),
}

/// What a redirect puts into a destination.
pub struct Fill<'a> {
    pub code: &'a str,
    pub token: Option<&'a str>,
    pub params: &'a Params,
    /// The macros that are rarely asked for.
    pub rest: &'a dyn Fn(Macro) -> Cow<'a, str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Up to the end of its own query.
    head: Vec<Part>,
    /// Between that and our parameters.
    separator: char,
    /// With its `#`.
    fragment: Vec<Part>,
}

impl Destination {
    pub fn parse(text: &str) -> Result<Destination, BadDestination> {
        Destination::take_apart(Destination::check(text)?.as_str(), parts)
    }

    /// One without macros: what looks like one is text.
    pub fn literal(url: &Url) -> Destination {
        let text = |text: &str| Ok(if text.is_empty() { Vec::new() } else { vec![Part::Text(text.into())] });
        // Text is always taken.
        let nowhere = |_| Destination { head: Vec::new(), separator: '?', fragment: Vec::new() };
        Destination::take_apart(url.as_str(), text).unwrap_or_else(nowhere)
    }

    /// The address as a browser will read it.
    pub fn check(text: &str) -> Result<Url, BadDestination> {
        if text.len() > limits::URL_BYTES {
            return Err(BadDestination::TooLong);
        }
        // Crate url strips or rewrites these, so that what it reads is not what a person reads.
        if text.contains(|char: char| char.is_control() || matches!(char, '\\' | ' ')) {
            return Err(BadDestination::Character);
        }
        // And it takes `https:evil.example` for a host.
        let rest = ["http://", "https://"].iter().find_map(|scheme| {
            let (start, rest) = text.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        });
        // And the path's first part for a host where there is none.
        let authority =
            rest.and_then(|rest| rest.split(['/', '?', '#']).next()).filter(|authority| !authority.is_empty());
        let authority = authority.ok_or(BadDestination::NotHttp)?;
        // Braces are legal in a host for crate url, which also decodes them there: a visitor could choose where the link leads.
        if authority.contains(['{', '}', '%']) {
            return Err(BadDestination::MacroInHost);
        }
        let url = Url::parse(text).map_err(BadDestination::Syntax)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadDestination::Credentials);
        }
        Ok(url)
    }

    fn take_apart(
        url: &str,
        parts: impl Fn(&str) -> Result<Vec<Part>, BadDestination>,
    ) -> Result<Destination, BadDestination> {
        let (rest, fragment) = url.find('#').map_or((url, ""), |at| url.split_at(at));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        // Ours replace the destination's own of the same name: two values under a name that we define mean nothing.
        let own: Vec<&str> = query.split('&').filter(|part| !part.is_empty() && !is_ours(part)).collect();
        let (head, separator) =
            if own.is_empty() { (path.to_owned(), '?') } else { (format!("{path}?{}", own.join("&")), '&') };
        Ok(Destination { head: parts(&head)?, separator, fragment: parts(fragment)? })
    }

    /// Where the browser goes. Without a token no `click_id` is there at all, and its macro is empty.
    pub fn location(&self, fill: &Fill<'_>) -> String {
        let mut location = String::with_capacity(256);
        append(&mut location, &self.head, fill);
        location.push(self.separator);
        if let Some(token) = fill.token {
            location.push_str(CLICK_ID);
            location.push('=');
            location.push_str(token);
            location.push('&');
        }
        location.push_str(REF_CODE);
        location.push('=');
        location.push_str(fill.code);
        append(&mut location, &self.fragment, fill);
        location
    }
}

fn is_ours(part: &str) -> bool {
    let name = part.split('=').next().unwrap_or("");
    let name = percent_decode_str(name).decode_utf8_lossy();
    name == CLICK_ID || name == REF_CODE
}

/// Codes and tokens need no escaping; what a visitor sent does.
fn append(location: &mut String, parts: &[Part], fill: &Fill<'_>) {
    for part in parts {
        match part {
            Part::Text(text) => location.push_str(text),
            Part::Filled(Macro::ClickId) => location.push_str(fill.token.unwrap_or("")),
            Part::Filled(Macro::RefCode) => location.push_str(fill.code),
            Part::Filled(Macro::Sub(number)) => escape(location, fill.params.sub(*number)),
            Part::Filled(Macro::Source) => escape(location, fill.params.source()),
            Part::Filled(other) => escape(location, &(fill.rest)(*other)),
        }
    }
}

fn escape(location: &mut String, value: &str) {
    location.extend(utf8_percent_encode(value, VALUE));
}

/// In a path crate url has escaped the braces, in a query and fragment not.
fn parts(text: &str) -> Result<Vec<Part>, BadDestination> {
    let mut parts = Vec::new();
    let mut done = 0;
    let mut from = 0;
    while let Some((start, name, end)) = next_macro(text, from) {
        from = end;
        let found = Macro::parse(name).ok_or_else(|| BadDestination::UnknownMacro(name.to_owned()))?;
        if start > done {
            parts.push(Part::Text(text[done..start].into()));
        }
        parts.push(Part::Filled(found));
        done = end;
    }
    if done < text.len() {
        parts.push(Part::Text(text[done..].into()));
    }
    Ok(parts)
}

/// The next `{name}` or `%7Bname%7D`: its start, name and end. Other braces are text.
fn next_macro(text: &str, from: usize) -> Option<(usize, &str, usize)> {
    let mut from = from;
    loop {
        let rest = &text[from..];
        let opened = [("{", "}"), ("%7B", "%7D")]
            .into_iter()
            .filter_map(|(open, close)| rest.find(open).map(|at| (at, open, close)))
            .min()?;
        let (at, open, close) = opened;
        let inside = &rest[at + open.len()..];
        let length = inside.find(|char: char| !char.is_ascii_lowercase() && !char.is_ascii_digit() && char != '_');
        let length = length.unwrap_or(inside.len());
        if length > 0 && inside[length..].starts_with(close) {
            let start = from + at;
            return Some((start, &inside[..length], start + open.len() + length + close.len()));
        }
        from += at + open.len();
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn fill<'a>(token: Option<&'a str>, params: &'a Params) -> Fill<'a> {
        Fill { code: "R", token, params, rest: &rest }
    }

    fn rest<'a>(asked: Macro) -> Cow<'a, str> {
        Cow::Borrowed(match asked {
            Macro::Country => "DE",
            Macro::Variant => "b&c",
            _ => "x",
        })
    }

    #[test]
    fn our_parameters_are_merged_and_its_own_survive() {
        let params = Params::from_query(Some("sub1=a%20b%26c&sub2=%23%3F/é"));
        for (destination, expected) in [
            ("https://shop.example", "https://shop.example/?click_id=T&ref_code=R"),
            ("https://shop.example/p?", "https://shop.example/p?click_id=T&ref_code=R"),
            ("https://shop.example/p?a=1&b=%20x", "https://shop.example/p?a=1&b=%20x&click_id=T&ref_code=R"),
            ("https://shop.example/p#top", "https://shop.example/p?click_id=T&ref_code=R#top"),
            ("https://shop.example/p?a=1#/r?x=1", "https://shop.example/p?a=1&click_id=T&ref_code=R#/r?x=1"),
            ("https://shop.example/?click_id=old&a=1&ref%5Fcode=x", "https://shop.example/?a=1&click_id=T&ref_code=R"),
            ("https://shop.example/?click_id={click_id}", "https://shop.example/?click_id=T&ref_code=R"),
            ("https://shop.example/?cid={click_id}", "https://shop.example/?cid=T&click_id=T&ref_code=R"),
            ("https://shop.example/{ref_code}/{sub1}", "https://shop.example/R/a%20b%26c?click_id=T&ref_code=R"),
            (
                "https://shop.example/?q={sub2}&e={sub10}#{sub1}",
                "https://shop.example/?q=%23%3F%2F%C3%A9&e=&click_id=T&ref_code=R#a%20b%26c",
            ),
            ("https://shop.example/{country}?v={variant}", "https://shop.example/DE?v=b%26c&click_id=T&ref_code=R"),
            ("https://shop.example/?j={%22a%22:1}", "https://shop.example/?j={%22a%22:1}&click_id=T&ref_code=R"),
            ("https://münchen.example/ä", "https://xn--mnchen-3ya.example/%C3%A4?click_id=T&ref_code=R"),
            ("HTTP://Shop.Example:80/", "http://shop.example/?click_id=T&ref_code=R"),
        ] {
            let parsed = Destination::parse(destination).unwrap_or_else(|error| panic!("{destination}: {error}"));
            assert_eq!(parsed.location(&fill(Some("T"), &params)), expected, "{destination}");
        }
    }

    #[test]
    fn without_a_token_only_the_code_is_there() {
        let parsed = Destination::parse("https://shop.example/?cid={click_id}&a=1").expect("good");
        let params = Params::default();
        assert_eq!(parsed.location(&fill(None, &params)), "https://shop.example/?cid=&a=1&ref_code=R");
    }

    #[test]
    fn what_is_no_plain_web_address_is_refused() {
        use BadDestination::{Character, Credentials, MacroInHost, NotHttp, TooLong, UnknownMacro};
        for (destination, expected) in [
            ("", NotHttp),
            ("shop.example", NotHttp),
            ("//shop.example/", NotHttp),
            ("https:evil.example", NotHttp),
            ("javascript:alert(1)", NotHttp),
            ("ftp://shop.example/", NotHttp),
            ("https://shop.example\\@evil.example/", Character),
            ("https://shop.example/a\tb", Character),
            ("https://shop.example/a\r\nSet-Cookie: x=1", Character),
            ("https://user:pass@shop.example/", Credentials),
            ("https:///evil.example", NotHttp),
            ("https://{sub1}.example/", MacroInHost),
            ("https://m\u{fc}nch%7Bsub1%7Den.example/", MacroInHost),
            ("https://shop.example:{sub1}", MacroInHost),
            ("https://shop.example/?x={payout}", UnknownMacro("payout".into())),
            ("https://shop.example/{sub11}", UnknownMacro("sub11".into())),
            (&format!("https://shop.example/{}", "a".repeat(5000)), TooLong),
        ] {
            assert_eq!(Destination::parse(destination), Err(expected), "{destination}");
        }
        assert!(matches!(Destination::parse("https://[::1/"), Err(BadDestination::Syntax(_))));
    }
}
