//! What a link's query says besides: `sub1` to `sub10` and `source`, also under the names that people already have, whether
//! the visitor consents, and where a deep link leads.

use percent_encoding::percent_decode;
use schemas::evidence::cut;
use schemas::limits::URL_BYTES;
use std::borrow::Cow;
use std::collections::BTreeMap;

pub const SUBS: usize = 10;
/// Bytes kept of a value: ids and short labels; more is somebody's payload.
const VALUE_BYTES: usize = 256;
/// Parameters looked at, so that a hostile query costs a bounded time.
const PARAMETERS: usize = 100;
/// Bytes of the longest name that means anything here.
const NAME_BYTES: usize = 12;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    subs: [Option<String>; SUBS],
    source: Option<String>,
    /// The publisher's own id of the click, which is its `sub1` where no other is.
    own_click: Option<String>,
    consent: Option<bool>,
    deep_link: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    /// From 1.
    Sub(usize),
    Source,
    OwnClick,
    Consent,
    DeepLink,
}

impl Params {
    /// The first value under a name counts; an empty one is none.
    pub fn from_query(query: Option<&str>) -> Params {
        let mut params = Params::default();
        for part in query.unwrap_or("").split('&').take(PARAMETERS) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let Some(name) = resolve(name).filter(|_| !value.is_empty()) else { continue };
            let (place, limit) = match name {
                Name::Sub(number) => (&mut params.subs[number - 1], VALUE_BYTES),
                Name::Source => (&mut params.source, VALUE_BYTES),
                Name::OwnClick => (&mut params.own_click, VALUE_BYTES),
                // A URL that is cut leads somewhere else.
                Name::DeepLink => (&mut params.deep_link, URL_BYTES + 1),
                Name::Consent => {
                    params.consent = params.consent.or(consent(value));
                    continue;
                }
            };
            if place.is_none() {
                *place = Some(cut(&unescape(value), limit).to_owned());
            }
        }
        let own_click = params.own_click.take();
        params.subs[0] = params.subs[0].take().or(own_click);
        params
    }

    /// The value of `sub{number}`, from 1; empty where there is none.
    pub fn sub(&self, number: usize) -> &str {
        self.subs[number - 1].as_deref().unwrap_or("")
    }

    pub fn source(&self) -> &str {
        self.source.as_deref().unwrap_or("")
    }

    /// Where within the advertiser's site the link is to lead, as it was sent.
    pub fn deep_link(&self) -> Option<&str> {
        self.deep_link.as_deref()
    }

    pub fn consent_refused(&self) -> bool {
        self.consent == Some(false)
    }

    /// As a click keeps them.
    pub fn into_map(self) -> BTreeMap<String, String> {
        let numbered = self.subs.into_iter().zip(1..);
        let subs = numbered.filter_map(|(value, number)| value.map(|value| (format!("sub{number}"), value)));
        subs.chain(self.source.map(|value| ("source".to_owned(), value))).collect()
    }
}

/// `sub3`, and for what other networks' links have: `s3`, `aff_sub3`, `sub_id_3`, `subid3`, `clickref3`, `epi3`; the bare
/// ones are the first. In any case: one network has `subId1`.
fn resolve(name: &str) -> Option<Name> {
    let mut lower = [0; NAME_BYTES];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    let name = std::str::from_utf8(lower).ok()?;
    match name {
        "source" => return Some(Name::Source),
        "consent" => return Some(Name::Consent),
        "url" | "dl" => return Some(Name::DeepLink),
        "clickid" | "click_id" | "aff_click_id" => return Some(Name::OwnClick),
        "sub" | "aff_sub" | "sub_id" | "subid" | "clickref" | "epi" | "u1" | "sid" | "afftrack" => {
            return Some(Name::Sub(1));
        }
        _ => {}
    }
    let prefixes = ["sub_id_", "aff_sub_", "aff_sub", "sub_id", "subid", "sub", "s", "clickref", "epi"];
    prefixes.iter().find_map(|prefix| number(name.strip_prefix(prefix)?)).map(Name::Sub)
}

fn consent(value: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    if is(["0", "no", "false", "denied"]) { Some(false) } else { is(["1", "yes", "true", "granted"]).then_some(true) }
}

/// 1 to 10 as people write them: `sub01` is another parameter.
fn number(digits: &str) -> Option<usize> {
    match digits.as_bytes() {
        [digit @ b'1'..=b'9'] => Some(usize::from(digit - b'0')),
        b"10" => Some(SUBS),
        _ => None,
    }
}

fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains(['%', '+']) {
        return Cow::Borrowed(value);
    }
    let spaced = value.replace('+', " ");
    Cow::Owned(percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_under_every_name_that_people_have() {
        let long = "x".repeat(300);
        for (query, expected) in [
            ("sub1=a&sub10=b&source=mail", vec![("source", "mail"), ("sub1", "a"), ("sub10", "b")]),
            ("aff_sub=a&aff_sub2=b&aff_sub_3=c", vec![("sub1", "a"), ("sub2", "b"), ("sub3", "c")]),
            ("s1=a&sub_id_2=b&subid3=c&sub_id4=d", vec![("sub1", "a"), ("sub2", "b"), ("sub3", "c"), ("sub4", "d")]),
            ("subId2=a&clickref=b&epi3=c&u1=d", vec![("sub1", "b"), ("sub2", "a"), ("sub3", "c")]),
            ("clickid=own", vec![("sub1", "own")]),
            ("clickid=own&s1=a", vec![("sub1", "a")]),
            ("consent=0&url=x&dl=y&a_name_that_is_too_long=z", vec![]),
            ("sub1=first&s1=second", vec![("sub1", "first")]),
            ("sub1=&s1=second", vec![("sub1", "second")]),
            ("sub1=a+b%2Bc%00", vec![("sub1", "a b+c\0")]),
            ("sub1=%ff", vec![("sub1", "\u{fffd}")]),
            ("sub0=a&sub11=b&sub01=c&sub=d&s=e&size1=f&sub+2=g&sub1x=h", vec![("sub1", "d")]),
            (&format!("sub1={long}"), vec![("sub1", &long[..256])]),
            ("", vec![]),
            ("&&=&sub1", vec![]),
            (&format!("{}sub1=a", "x=1&".repeat(100)), vec![]),
        ] {
            let expected: BTreeMap<String, String> =
                expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(Params::from_query(Some(query)).into_map(), expected, "{query}");
        }
    }
}
