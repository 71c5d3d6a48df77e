//! Finds what a URL says about who brought the visitor: a click token or a link code among its query parameters, in
//! any order, encoded, in the fragment, or inside a URL that is itself a parameter.

use std::borrow::Cow;

/// Parameter names that carry a click token; ours first, then what networks and shops already use.
pub const TOKEN_NAMES: [&str; 4] = ["click_id", "clickid", "cid", "subid"];
/// Parameter names that carry a link code.
pub const REF_CODE_NAMES: [&str; 2] = ["ref_code", "ref"];

/// A URL within a URL within a URL is followed, deeper ones are not.
const DEPTH: usize = 3;
/// Parameters looked at in all, so that a hostile URL costs a bounded time.
const PARAMETERS: usize = 200;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Values of token parameters, outermost and leftmost first.
    pub tokens: Vec<String>,
    pub ref_codes: Vec<String>,
}

/// Searches a URL, or what a shop took for one.
pub fn find(url: &str) -> Found {
    let mut found = Found::default();
    search(url, DEPTH, &mut PARAMETERS.clone(), &mut found);
    found
}

fn search(text: &str, depth: usize, left: &mut usize, found: &mut Found) {
    let Some(at) = text.find(['?', '#']) else {
        // A URL that was encoded as a whole, or twice, shows its question mark only when it is decoded.
        if depth > 1 && hides_a_query(text) {
            search(&unescape(text), depth - 1, left, found);
        }
        return;
    };
    let mut nested = Vec::new();
    for part in text[at + 1..].split(['&', '?', '#', ';']) {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = unescape(value);
        if value.is_empty() {
            continue;
        }
        let name = unescape(name).to_ascii_lowercase();
        if TOKEN_NAMES.contains(&name.as_str()) {
            found.tokens.push(value.clone().into_owned());
        } else if REF_CODE_NAMES.contains(&name.as_str()) {
            found.ref_codes.push(value.clone().into_owned());
        }
        if value.contains(['?', '#']) || hides_a_query(&value) {
            nested.push(value.into_owned());
        }
    }
    if depth > 1 {
        for url in nested {
            search(&url, depth - 1, left, found);
        }
    }
}

fn hides_a_query(text: &str) -> bool {
    text.as_bytes().windows(3).any(|part| matches!(part, b"%3F" | b"%3f" | b"%23" | b"%25"))
}

fn unescape(text: &str) -> Cow<'_, str> {
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    match percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy() {
        Cow::Borrowed(_) => spaced,
        Cow::Owned(decoded) => Cow::Owned(decoded),
    }
}

/// The first `limit` bytes, cut at a character.
pub fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_found_wherever_it_hides() {
        for (url, tokens, ref_codes) in [
            ("https://shop.example/p?click_id=T1&ref_code=R1", vec!["T1"], vec!["R1"]),
            ("https://shop.example/p?ref_code=R1&x=1&click_id=T1", vec!["T1"], vec!["R1"]),
            ("https://shop.example/p?CLICK_ID=T1", vec!["T1"], vec![]),
            ("https://shop.example/p#click_id=T1", vec!["T1"], vec![]),
            ("https://shop.example/?u=https%3A%2F%2Fa.example%2F%3Fclick_id%3DT1", vec!["T1"], vec![]),
            (
                "https://a.example/?u=https%3A%2F%2Fb.example%2F%3Fv%3Dhttps%253A%252F%252Fc.example%252F%253Fref%253DR1",
                vec![],
                vec!["R1"],
            ),
            ("https://shop.example/?u=https%253A%252F%252Fa.example%252F%253Fclick_id%253DT1", vec!["T1"], vec![]),
            ("https%3A%2F%2Fshop.example%2Fp%3Fx%3D1%26click_id%3DT1", vec!["T1"], vec![]),
            ("https%253A%252F%252Fshop.example%252F%253Fclick_id%253DT1", vec!["T1"], vec![]),
            ("https://shop.example/?u=https://b.example/?click_id=T1", vec!["T1"], vec![]),
            ("https://shop.example/p?x=1&amp;click_id=T1", vec!["T1"], vec![]),
            ("https://shop.example/#/cart?ref=R1", vec![], vec!["R1"]),
            ("https://shop.example/p?cl%69ck_id=T%31", vec!["T1"], vec![]),
            ("https://shop.example/p?x=100%25&y=%3", vec![], vec![]),
            ("https://shop.example/p?click_id=", vec![], vec![]),
            ("https://shop.example/click_id=T1", vec![], vec![]),
            ("not a url ?click_id=T1", vec!["T1"], vec![]),
            ("", vec![], vec![]),
        ] {
            let expected = Found {
                tokens: tokens.into_iter().map(String::from).collect(),
                ref_codes: ref_codes.into_iter().map(String::from).collect(),
            };
            assert_eq!(find(url), expected, "{url}");
        }
    }

    #[test]
    fn a_hostile_url_costs_a_bounded_time() {
        let found = find(&format!("https://a.example/?{}", "click_id=T&".repeat(100_000)));
        assert_eq!(found.tokens.len(), PARAMETERS);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_searched_without_a_panic(text in ".{0,300}") {
            find(&text);
            assert!(cut(&text, 7).len() <= 7);
        }
    }
}
