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

/// What kind of program a user agent tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramKind {
    /// Fetches a page to show what a link in a message leads to. It says so itself, and nobody has clicked.
    Preview,
    /// A crawler that says so itself.
    Bot,
    /// A tool or a library: a program most likely, though a person may stand behind it. Its clicks count, and are marked.
    Tool,
}

/// The word that tells a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    pub word: &'static str,
    pub kind: ProgramKind,
}

/// Words of user agents that belong to programs, not to people's browsers; in lower case, the longer ones of a place first.
const PROGRAMS: [Program; 39] = {
    use ProgramKind::{Bot, Preview, Tool};
    const fn is(kind: ProgramKind, word: &'static str) -> Program {
        Program { word, kind }
    }
    [
        is(Preview, "facebookexternalhit"),
        is(Preview, "facebookcatalog"),
        is(Preview, "meta-external"),
        is(Preview, "whatsapp/"),
        is(Preview, "slackbot"),
        is(Preview, "slack-imgproxy"),
        is(Preview, "telegrambot"),
        is(Preview, "twitterbot"),
        is(Preview, "discordbot"),
        is(Preview, "linkedinbot"),
        is(Preview, "redditbot"),
        is(Preview, "skypeuripreview"),
        is(Preview, "microsoftpreview"),
        is(Preview, "bingpreview"),
        is(Preview, "google web preview"),
        is(Preview, "embedly"),
        is(Preview, "iframely"),
        is(Preview, "vkshare"),
        is(Bot, "bot"),
        is(Bot, "crawl"),
        is(Bot, "spider"),
        is(Bot, "slurp"),
        is(Bot, "ia_archiver"),
        is(Bot, "mediapartners-google"),
        is(Tool, "headless"),
        is(Tool, "phantomjs"),
        is(Tool, "puppeteer"),
        is(Tool, "playwright"),
        is(Tool, "selenium"),
        is(Tool, "curl/"),
        is(Tool, "wget/"),
        is(Tool, "python-"),
        is(Tool, "python/"),
        is(Tool, "go-http-client"),
        is(Tool, "java/"),
        is(Tool, "okhttp"),
        is(Tool, "libwww"),
        is(Tool, "scrapy"),
        is(Tool, "httpclient"),
    ]
};

/// Which bytes, of either case, a word may begin with: most places of a user agent are passed over by it.
const BEGINS: [bool; 256] = {
    let mut begins = [false; 256];
    let mut at = 0;
    while at < PROGRAMS.len() {
        let first = PROGRAMS[at].word.as_bytes()[0];
        begins[first as usize] = true;
        begins[first.to_ascii_uppercase() as usize] = true;
        at += 1;
    }
    begins
};

/// The program that a user agent tells: the leftmost crawler or preview, else the leftmost tool; the tool `none` where
/// there is no user agent at all.
pub fn program(user_agent: Option<&str>) -> Option<Program> {
    let Some(user_agent) = user_agent else { return Some(Program { word: "none", kind: ProgramKind::Tool }) };
    let bytes = user_agent.as_bytes();
    let mut tool = None;
    for at in (0..bytes.len()).filter(|&at| BEGINS[usize::from(bytes[at])]) {
        let found = PROGRAMS.into_iter().find(|program| begins(bytes, at, program.word));
        match found
            .filter(|program| program.word != "bot" || !is_phone(bytes, at))
            .map(|program| told(bytes, at, program))
        {
            Some(program) if program.kind == ProgramKind::Tool => tool = tool.or(Some(program)),
            Some(program) => return Some(program),
            None => {}
        }
    }
    tool
}

fn begins(bytes: &[u8], at: usize, word: &str) -> bool {
    bytes[at..].get(..word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// A phone that calls itself CUBOT is a phone.
fn is_phone(bytes: &[u8], at: usize) -> bool {
    at >= 2 && begins(bytes, at - 2, "cubot")
}

/// `Googlebot/2.1` calls itself one; letters that go on after the word may be anything's name.
fn told(bytes: &[u8], at: usize, program: Program) -> Program {
    let goes_on = bytes.get(at + program.word.len()).is_some_and(u8::is_ascii_alphabetic);
    if program.word == "bot" && goes_on { Program { kind: ProgramKind::Tool, ..program } } else { program }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_by_their_user_agents() {
        use ProgramKind::{Bot, Preview, Tool};
        for (user_agent, expected) in [
            (Some("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"), Some(("bot", Bot))),
            (Some("AdsBot-Google (+http://www.google.com/adsbot.html)"), Some(("bot", Bot))),
            (Some("Mozilla/5.0 (compatible; Baiduspider/2.0)"), Some(("spider", Bot))),
            (Some("Mozilla/5.0 HeadlessChrome/120.0 (compatible; bingbot/2.0)"), Some(("bot", Bot))),
            (Some("facebookexternalhit/1.1 Facebot Twitterbot/1.0"), Some(("facebookexternalhit", Preview))),
            (Some("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"), Some(("slackbot", Preview))),
            (Some("TelegramBot (like TwitterBot)"), Some(("telegrambot", Preview))),
            (Some("WhatsApp/2.23.20.0 A"), Some(("whatsapp/", Preview))),
            (Some("Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)"), Some(("discordbot", Preview))),
            (Some("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0"), Some(("headless", Tool))),
            (Some("Mozilla/5.0 (Linux; Android 9; Botanica X1) Chrome/118.0"), Some(("bot", Tool))),
            (Some("curl/8.5.0"), Some(("curl/", Tool))),
            (Some("python-requests/2.31"), Some(("python-", Tool))),
            (None, Some(("none", Tool))),
            (Some("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Safari/604.1"), None),
            (Some("Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) Chrome/118.0"), None),
            (Some("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) [FBAN/FBIOS;FBAV/440.0]"), None),
        ] {
            let found = program(user_agent).map(|program| (program.word, program.kind));
            assert_eq!(found, expected, "{user_agent:?}");
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
