//! Who brought the customer, as far as an event says so: coupon, click token, link code, and what is found in URLs.
//!
//! A token that does not verify is no error of the request: the decision explains it to whoever asks why.

use super::field::{Field, Fields};
use schemas::evidence::{self, cut};
use schemas::id::{ClickId, JourneyId};
use schemas::limits;
use schemas::name::{CouponCode, LinkCode};
use schemas::record::event::{Evidence, EvidenceNames, EvidenceSource};
use schemas::token::MacKeys;

/// Tokens, and link codes, taken from one URL: a visitor who comes by several links has the last few in it.
const PER_URL: usize = 4;

/// What an event gives as evidence, as it was sent.
#[derive(Debug, Default)]
pub struct Given {
    pub coupon_code: Option<String>,
    pub click_id: Option<String>,
    pub ref_code: Option<String>,
    pub landing_url: Option<String>,
    pub referrer: Option<String>,
}

impl Given {
    pub fn read(fields: &mut Fields<'_>) -> Given {
        Given {
            coupon_code: fields.text_if_any(Field::CouponCode),
            click_id: fields.text_if_any(Field::ClickId),
            ref_code: fields.text_if_any(Field::RefCode),
            landing_url: url(fields, Field::LandingUrl),
            referrer: url(fields, Field::Referrer),
        }
    }

    /// Strongest first.
    pub fn resolve(&self, keys: &MacKeys) -> Vec<Evidence> {
        let mut found = Vec::new();
        if let Some(coupon) = &self.coupon_code {
            found.push(of_coupon(coupon));
        }
        if let Some(token) = &self.click_id {
            found.push(of_token(EvidenceSource::ClickId, token.trim(), keys));
        }
        if let Some(code) = &self.ref_code {
            found.push(of_ref_code(EvidenceSource::RefCode, code.trim()));
        }
        for (source, url) in
            [(EvidenceSource::LandingUrl, &self.landing_url), (EvidenceSource::Referrer, &self.referrer)]
        {
            let Some(url) = url else { continue };
            let in_url = evidence::find(url);
            let tokens = in_url.tokens.iter().take(PER_URL).map(|token| of_token(source, token, keys));
            let codes = in_url.ref_codes.iter().take(PER_URL).map(|code| of_ref_code(source, code));
            for evidence in tokens.chain(codes) {
                if !found.contains(&evidence) {
                    found.push(evidence);
                }
            }
        }
        found
    }
}

fn url(fields: &mut Fields<'_>, field: Field) -> Option<String> {
    let url = fields.text_if_any(field)?;
    if url.len() > limits::URL_BYTES {
        let reason = format!("{} bytes; at most {} are accepted", url.len(), limits::URL_BYTES);
        return fields.refuse(field, "too_long", &reason);
    }
    Some(url)
}

fn of_token(source: EvidenceSource, token: &str, keys: &MacKeys) -> Evidence {
    match keys.verify_token(token) {
        Ok(named) => touch(source, token, named.click, named.journey),
        Err(error) => nothing(source, token, error.code()),
    }
}

fn of_ref_code(source: EvidenceSource, code: &str) -> Evidence {
    match LinkCode::new(code) {
        Ok(link) => named(source, code, EvidenceNames::Link, link.as_str()),
        Err(_) => nothing(source, code, "ref_code_malformed"),
    }
}

fn of_coupon(typed: &str) -> Evidence {
    match CouponCode::fold(typed) {
        Ok(coupon) => named(EvidenceSource::Coupon, typed, EvidenceNames::Coupon, coupon.as_str()),
        Err(_) => nothing(EvidenceSource::Coupon, typed, "coupon_malformed"),
    }
}

fn touch(source: EvidenceSource, value: &str, click: ClickId, journey: JourneyId) -> Evidence {
    let evidence = nothing(source, value, "");
    let (click_id, journey_id) = (Some(click), Some(journey));
    Evidence { names: EvidenceNames::Touch, click_id, journey_id, problem: None, ..evidence }
}

fn named(source: EvidenceSource, value: &str, names: EvidenceNames, code: &str) -> Evidence {
    Evidence { names, code: Some(code.to_owned()), problem: None, ..nothing(source, value, "") }
}

fn nothing(source: EvidenceSource, value: &str, problem: &str) -> Evidence {
    Evidence {
        source,
        value: cut(value, limits::EVIDENCE_VALUE_BYTES).to_owned(),
        names: EvidenceNames::Nothing,
        click_id: None,
        journey_id: None,
        code: None,
        problem: Some(problem.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::token::{ClickToken, MacKey};

    #[test]
    fn evidence_comes_strongest_first_and_what_names_nothing_says_why() {
        let keys = MacKeys::new(vec![MacKey::new(1, &[1; 32])]).expect("a key");
        let foreign = MacKeys::new(vec![MacKey::new(1, &[2; 32])]).expect("a key");
        let click = ClickToken { click: ClickId([1; 16]), journey: JourneyId([2; 16]) };
        let (good, forged) = (keys.sign_token(click), foreign.sign_token(click));
        let text = |text: &str| Some(text.to_owned());
        for (given, expected) in [
            (Given::default(), vec![]),
            (
                Given {
                    coupon_code: text(" save10 "),
                    click_id: Some(good.clone()),
                    ref_code: text("R1"),
                    landing_url: Some(format!("https://a.example/?ref_code=R2&click_id={forged}")),
                    referrer: text("https://b.example/?cid=other"),
                },
                vec![
                    "coupon SAVE10",
                    "click_id touch",
                    "ref_code R1",
                    "landing_url token_forged",
                    "landing_url R2",
                    "referrer token_malformed",
                ],
            ),
            (
                Given { coupon_code: text("10 % off"), ref_code: text("a/b"), ..Given::default() },
                vec!["coupon coupon_malformed", "ref_code ref_code_malformed"],
            ),
            (
                Given { landing_url: text("https://a.example/?ref=R&ref=R&ref_code=R"), ..Given::default() },
                vec!["landing_url R"],
            ),
            (
                Given {
                    landing_url: Some(format!("https://a.example/?{}", "cid=1&cid=2&".repeat(50))),
                    ..Given::default()
                },
                vec!["landing_url token_malformed", "landing_url token_malformed"],
            ),
        ] {
            let shown: Vec<String> = given
                .resolve(&keys)
                .into_iter()
                .map(|evidence| {
                    let touch = evidence.click_id.zip(evidence.journey_id).map(|_| "touch".to_owned());
                    let what = touch.or(evidence.code).or(evidence.problem).unwrap_or_default();
                    format!("{} {what}", evidence.source.name())
                })
                .collect();
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn a_value_is_kept_cut() {
        let keys = MacKeys::new(vec![MacKey::new(1, &[1; 32])]).expect("a key");
        let given = Given { click_id: Some("é".repeat(1000)), ..Given::default() };
        assert_eq!(given.resolve(&keys)[0].value.len(), limits::EVIDENCE_VALUE_BYTES);
    }
}
