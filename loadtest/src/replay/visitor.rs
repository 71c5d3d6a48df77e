//! What a browser keeps: its cookies. And what a shop takes from the address it was opened with: the click's token.

use hyper::header::HeaderValue;

/// A visitor's cookies for the tracking domain. Attributes are ignored: nothing expires within a run.
#[derive(Debug, Default)]
pub struct CookieJar {
    cookies: Vec<(String, String)>,
    header: Option<HeaderValue>,
}

impl CookieJar {
    /// Takes a `Set-Cookie` (RFC 6265, 5.2).
    pub fn take(&mut self, set_cookie: &str) {
        let pair = set_cookie.split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else { return };
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        match self.cookies.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.cookies.push((name, value)),
        }
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.header = HeaderValue::from_str(&pairs.join("; ")).ok();
    }

    pub fn header(&self) -> Option<HeaderValue> {
        self.header.clone()
    }
}

/// `click_id` of the address that a redirect leads to.
pub fn token_of(location: &str) -> Option<&str> {
    let (_, query) = location.split('#').next()?.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("click_id=")).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jar_sends_back_what_was_set_and_replaces_by_name() {
        let mut jar = CookieJar::default();
        assert_eq!(jar.header(), None);
        for (set_cookie, sent) in [
            ("j=1; Path=/; HttpOnly; Max-Age=31536000", "j=1"),
            ("k=a=b", "j=1; k=a=b"),
            ("j=2", "j=2; k=a=b"),
            ("nonsense", "j=2; k=a=b"),
        ] {
            jar.take(set_cookie);
            assert_eq!(jar.header().expect("cookies"), sent, "{set_cookie}");
        }
    }

    #[test]
    fn the_token_is_taken_out_of_the_address() {
        for (location, expected) in [
            ("https://shop.example/welcome?click_id=abc&ref_code=x", Some("abc")),
            ("https://shop.example/?a=1&click_id=abc#top", Some("abc")),
            ("https://shop.example/welcome?ref_code=x", None),
            ("https://shop.example/welcome?click_id=", None),
            ("https://shop.example/#?click_id=abc", None),
            ("https://shop.example/?my_click_id=abc", None),
        ] {
            assert_eq!(token_of(location), expected, "{location}");
        }
    }
}
