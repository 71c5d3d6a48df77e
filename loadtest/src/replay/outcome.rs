//! What an answer means. Pure.

use crate::replay::pool::{Answered, Reply};
use crate::replay::visitor::token_of;
use schemas::id::{ClickId, ConversionId};
use schemas::token::peek_click;
use serde::Deserialize;
use std::time::Duration;

#[derive(Debug, PartialEq, Eq)]
pub enum ClickOutcome {
    Acknowledged { token: String, click: ClickId },
    Shed,
    Refused(String),
    Unsent(String),
    Unknown(String),
}

#[derive(Debug, PartialEq, Eq)]
pub enum EventOutcome {
    Acknowledged(ConversionId),
    /// Not acknowledged, and worth another try; it may have been taken all the same.
    Again {
        after: Option<Duration>,
        why: String,
    },
    Refused(String),
}

pub fn of_click(reply: &Reply) -> ClickOutcome {
    let answered = match reply {
        Reply::Answered(answered) => answered,
        Reply::Unsent(why) => return ClickOutcome::Unsent(format!("click not sent: {why}")),
        Reply::Unknown(why) => return ClickOutcome::Unknown(format!("click without an answer: {why}")),
    };
    match (answered.status, answered.location.as_deref()) {
        (302, Some(location)) => match token_of(location) {
            None => ClickOutcome::Shed,
            Some(token) => match peek_click(token) {
                Ok(click) => ClickOutcome::Acknowledged { token: token.to_owned(), click },
                Err(error) => {
                    ClickOutcome::Unknown(format!("click answered with a click_id that is {error}: {token:?}"))
                }
            },
        },
        (302, None) => ClickOutcome::Unknown("click answered 302 without a Location".to_owned()),
        (500.., _) => ClickOutcome::Unknown(shown("click", answered)),
        _ => ClickOutcome::Refused(shown("click", answered)),
    }
}

pub fn of_event(reply: &Reply) -> EventOutcome {
    let answered = match reply {
        Reply::Answered(answered) => answered,
        Reply::Unsent(why) => return again(format!("event not sent: {why}")),
        Reply::Unknown(why) => return again(format!("event without an answer: {why}")),
    };
    match answered.status {
        202 => match serde_json::from_slice::<Accepted>(&answered.body) {
            Ok(accepted) => EventOutcome::Acknowledged(accepted.conversion_id),
            Err(error) => again(format!("{}; no conversion_id: {error}", shown("event", answered))),
        },
        // 409: the first try is still being worked on.
        409 | 429 | 500.. => EventOutcome::Again { after: answered.retry_after, why: shown("event", answered) },
        _ => EventOutcome::Refused(shown("event", answered)),
    }
}

fn again(why: String) -> EventOutcome {
    EventOutcome::Again { after: None, why }
}

#[derive(Deserialize)]
struct Accepted {
    conversion_id: ConversionId,
}

fn shown(what: &str, answered: &Answered) -> String {
    let body: String = String::from_utf8_lossy(&answered.body).chars().take(300).collect();
    format!("{what} answered {}: {body}", answered.status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::id::JourneyId;
    use schemas::token::{ClickToken, MacKey, MacKeys};

    fn answered(status: u16, location: Option<&str>, body: &str) -> Reply {
        let (location, body) = (location.map(str::to_owned), body.to_owned().into());
        let retry_after = (status == 503).then_some(Duration::from_secs(3));
        Reply::Answered(Answered { status, location, cookies: Vec::new(), retry_after, body })
    }

    #[test]
    fn a_click_counts_as_acknowledged_only_with_a_token() {
        let keys = MacKeys::new(vec![MacKey::new(1, &[1; 32])]).expect("a key");
        let click = ClickId([5; 16]);
        let token = keys.sign_token(ClickToken { click, journey: JourneyId([6; 16]) });
        let with_token = format!("https://shop.example/?click_id={token}&ref_code=a");
        let expected = ClickOutcome::Acknowledged { token, click };
        assert_eq!(of_click(&answered(302, Some(&with_token), "")), expected);

        let kind = |outcome| match outcome {
            ClickOutcome::Acknowledged { .. } => "acknowledged",
            ClickOutcome::Shed => "shed",
            ClickOutcome::Refused(_) => "refused",
            ClickOutcome::Unsent(_) => "unsent",
            ClickOutcome::Unknown(_) => "unknown",
        };
        for (reply, expected) in [
            (answered(302, Some("https://shop.example/?ref_code=a"), ""), "shed"),
            (answered(302, Some("https://shop.example/?click_id=short"), ""), "unknown"),
            (answered(302, None, ""), "unknown"),
            (answered(404, None, "{}"), "refused"),
            (answered(429, None, "{}"), "refused"),
            (answered(500, None, "{}"), "unknown"),
            (Reply::Unsent("refused".into()), "unsent"),
            (Reply::Unknown("reset".into()), "unknown"),
        ] {
            assert_eq!(kind(of_click(&reply)), expected, "{reply:?}");
        }
    }

    #[test]
    fn an_event_is_tried_again_unless_it_was_taken_or_refused() {
        let id = ConversionId([0xab; 16]);
        let taken = format!("{{\"conversion_id\":\"{id}\",\"event_id\":\"E\"}}");
        assert_eq!(of_event(&answered(202, None, &taken)), EventOutcome::Acknowledged(id));
        let kind = |outcome| match outcome {
            EventOutcome::Acknowledged(_) => "acknowledged",
            EventOutcome::Again { after: Some(_), .. } => "later",
            EventOutcome::Again { after: None, .. } => "again",
            EventOutcome::Refused(_) => "refused",
        };
        for (reply, expected) in [
            (answered(202, None, "{}"), "again"),
            (answered(503, None, "{}"), "later"),
            (answered(429, None, "{}"), "again"),
            (answered(409, None, "{}"), "again"),
            (answered(401, None, "{}"), "refused"),
            (answered(422, None, "{}"), "refused"),
            (Reply::Unsent("refused".into()), "again"),
            (Reply::Unknown("reset".into()), "again"),
        ] {
            assert_eq!(kind(of_event(&reply)), expected, "{reply:?}");
        }
    }
}
