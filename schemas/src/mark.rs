//! What the edge notices about a click besides what it is: signs of a program or of the publisher's own hand. They travel
//! with the click as text, `bot_user_agent=curl;velocity=61`; what they weigh is the contract's.
//!
//! Leaves to the edge: which addresses are a data centre's, how many clicks an address made in the last minute.

use crate::evidence::cut;
use crate::limits::MARK_VALUE_BYTES;
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The user agent is a program's; the value is the word that tells.
    BotUserAgent,
    /// The address belongs to a data centre; the value names the network.
    Datacentre,
    /// The value is the number of clicks of the address in the last minute.
    Velocity,
    /// The address is one of the publisher's own.
    OwnAddress,
}

impl Mark {
    pub const ALL: [Mark; 4] = [Mark::BotUserAgent, Mark::Datacentre, Mark::Velocity, Mark::OwnAddress];

    pub fn name(self) -> &'static str {
        match self {
            Mark::BotUserAgent => "bot_user_agent",
            Mark::Datacentre => "datacentre",
            Mark::Velocity => "velocity",
            Mark::OwnAddress => "own_address",
        }
    }
}

/// Adds a mark to a click's.
pub fn add(marks: &mut String, mark: Mark, value: &str) {
    let separator = if marks.is_empty() { "" } else { ";" };
    let value = cut(value, MARK_VALUE_BYTES).replace(';', ",");
    write!(marks, "{separator}{}={value}", mark.name()).expect("writing to a string does not fail");
}

/// The value of a mark among a click's.
pub fn value(marks: &str, mark: Mark) -> Option<&str> {
    let mut pairs = marks.split(';').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == mark.name()).map(|(_, value)| value)
}

/// As many whole marks, from the first on, as `limit` bytes hold.
pub fn fitting(marks: &str, limit: usize) -> &str {
    if marks.len() <= limit {
        return marks;
    }
    let ends = marks.match_indices(';').map(|(at, _)| at);
    &marks[..ends.rev().find(|at| *at <= limit).unwrap_or(0)]
}

/// Words of user agents that belong to programs, not to people's browsers; in lower case.
const PROGRAMS: [&str; 20] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "headless",
    "phantomjs",
    "puppeteer",
    "playwright",
    "selenium",
    "curl/",
    "wget/",
    "python-",
    "python/",
    "go-http-client",
    "java/",
    "okhttp",
    "libwww",
    "scrapy",
    "httpclient",
    "facebookexternalhit",
];

/// Which bytes, of either case, a word may begin with: most places of a user agent are passed over by it.
const BEGINS: [bool; 256] = {
    let mut begins = [false; 256];
    let mut at = 0;
    while at < PROGRAMS.len() {
        let first = PROGRAMS[at].as_bytes()[0];
        begins[first as usize] = true;
        begins[first.to_ascii_uppercase() as usize] = true;
        at += 1;
    }
    begins
};

/// The word in a user agent that tells a program, the leftmost; `none` where there is no user agent at all.
pub fn program(user_agent: Option<&str>) -> Option<&'static str> {
    let Some(user_agent) = user_agent else { return Some("none") };
    let bytes = user_agent.as_bytes();
    let begins = |at: usize, word: &str| {
        bytes[at..].get(..word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    };
    let places = (0..bytes.len()).filter(|&at| BEGINS[usize::from(bytes[at])]);
    // A phone that calls itself CUBOT is a phone.
    let is_phone = |at: usize| at >= 2 && begins(at - 2, "cubot");
    places.filter(|&at| !is_phone(at)).find_map(|at| PROGRAMS.into_iter().find(|word| begins(at, word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_by_their_user_agents() {
        for (user_agent, expected) in [
            (Some("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"), Some("bot")),
            (Some("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0"), Some("headless")),
            (Some("curl/8.5.0"), Some("curl/")),
            (Some("python-requests/2.31"), Some("python-")),
            (None, Some("none")),
            (Some("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Safari/604.1"), None),
            (Some("Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) Chrome/118.0"), None),
        ] {
            assert_eq!(program(user_agent), expected, "{user_agent:?}");
        }
    }

    #[test]
    fn marks_are_read_back_as_they_were_added() {
        let mut marks = String::new();
        add(&mut marks, Mark::BotUserAgent, "curl/");
        add(&mut marks, Mark::Velocity, "61");
        add(&mut marks, Mark::Datacentre, &format!("a;velocity=9{}", "é".repeat(100)));
        assert_eq!(value(&marks, Mark::BotUserAgent), Some("curl/"));
        assert_eq!(value(&marks, Mark::Velocity), Some("61"));
        let network = value(&marks, Mark::Datacentre).expect("was added");
        assert!(network.starts_with("a,velocity=9") && network.len() <= MARK_VALUE_BYTES);
        assert_eq!(value(&marks, Mark::OwnAddress), None);
        assert_eq!(value("", Mark::Velocity), None);
        for (limit, expected) in [(0, 0), (19, 0), (20, 20), (31, 20), (32, 32), (1000, marks.len())] {
            assert_eq!(fitting(&marks, limit), &marks[..expected], "{limit}");
        }
        assert!(Mark::ALL.iter().all(|mark| !mark.name().contains(['=', ';'])));
    }
}
