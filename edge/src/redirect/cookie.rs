//! The journey cookie: one visitor's browser, recognised on the tracking domain only.

use hyper::header::{COOKIE, HeaderMap, HeaderValue};
use schemas::id::JourneyId;
use schemas::token::MacKeys;

const NAME: &str = "tj";
/// 90 days: the longest window plus lateness; later nothing can be credited to the journey.
const MAX_AGE_SECONDS: u32 = 7_776_000;

/// How the cookie is set; the same for every visitor.
pub struct CookieStyle {
    attributes: String,
}

impl CookieStyle {
    pub fn new(domain: Option<&str>, secure: bool) -> CookieStyle {
        let mut attributes = format!("; Path=/; Max-Age={MAX_AGE_SECONDS}; HttpOnly; SameSite=Lax");
        if let Some(domain) = domain {
            attributes.push_str("; Domain=");
            attributes.push_str(domain);
        }
        if secure {
            attributes.push_str("; Secure");
        }
        CookieStyle { attributes }
    }

    /// None cannot happen with a validated domain; then the visitor has no cookie, which a click survives.
    pub fn set(&self, keys: &MacKeys, journey: JourneyId) -> Option<HeaderValue> {
        let mut value = String::with_capacity(160);
        value.push_str(NAME);
        value.push('=');
        value.push_str(&keys.sign_cookie(journey));
        value.push_str(&self.attributes);
        HeaderValue::from_maybe_shared(bytes::Bytes::from(value)).ok()
    }
}

/// The journey that the browser brought, if we signed it. Another cookie of the same name, such as one that a page on a
/// neighbouring domain set, is passed over.
pub fn journey(headers: &HeaderMap, keys: &MacKeys) -> Option<JourneyId> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == NAME).find_map(|(_, value)| keys.verify_cookie(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::token::MacKey;

    #[test]
    fn a_valid_cookie_is_used_again_and_any_other_is_passed_over() {
        let keys = MacKeys::new(vec![MacKey::new(1, &[1; 32])]).expect("a key");
        let foreign = MacKeys::new(vec![MacKey::new(1, &[2; 32])]).expect("a key");
        let journey_id = JourneyId([7; 16]);
        let (good, forged) = (keys.sign_cookie(journey_id), foreign.sign_cookie(journey_id));
        for (cookies, expected) in [
            (vec![format!("tj={good}")], Some(journey_id)),
            (vec![format!("a=b; tj={good}; c=d")], Some(journey_id)),
            (vec![format!("tj={forged}; tj={good}")], Some(journey_id)),
            (vec!["a=b".into(), format!("tj={good}")], Some(journey_id)),
            (vec![format!("tj={forged}")], None),
            (vec![format!("tjx={good}")], None),
            (vec!["tj".into()], None),
            (vec!["tj=".into()], None),
            (vec![], None),
        ] {
            let mut headers = HeaderMap::new();
            for cookie in &cookies {
                headers.append(COOKIE, cookie.parse().expect("a value"));
            }
            assert_eq!(journey(&headers, &keys), expected, "{cookies:?}");
        }
    }

    #[test]
    fn the_cookie_is_closed_to_scripts_and_says_what_is_configured() {
        let keys = MacKeys::new(vec![MacKey::new(1, &[1; 32])]).expect("a key");
        let set = |style: CookieStyle| {
            let value = style.set(&keys, JourneyId([7; 16])).expect("a value");
            value.to_str().expect("text").split_once("; ").map(|(_, attributes)| attributes.to_owned())
        };
        let plain = "Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax";
        assert_eq!(set(CookieStyle::new(None, false)), Some(plain.into()));
        let full = format!("{plain}; Domain=t.example; Secure");
        assert_eq!(set(CookieStyle::new(Some("t.example"), true)), Some(full));
    }
}
