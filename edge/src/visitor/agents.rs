//! What user agents say, each read once: most visitors have one of a few thousand.

use schemas::mark::{self, Program};
use schemas::record::catalog::{Device, System};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// User agents remembered by a worker, 3 MB of them; then it begins again.
const REMEMBERED: usize = 32_768;

/// By a hash that nobody outside can aim at.
#[derive(Default)]
pub struct Agents {
    known: RefCell<HashMap<u64, Agent>>,
    hasher: RandomState,
}

#[derive(Clone, Copy)]
struct Agent {
    program: Option<Program>,
    /// None: not asked for yet.
    device: Option<(Device, System)>,
}

impl Agents {
    pub fn program(&self, user_agent: Option<&str>) -> Option<Program> {
        let Some(text) = user_agent else { return mark::program(None) };
        self.of(text, |agent| agent.program)
    }

    pub fn device(&self, user_agent: Option<&str>) -> (Device, System) {
        let Some(text) = user_agent else { return (Device::Other, System::Other) };
        self.of(text, |agent| *agent.device.get_or_insert_with(|| parse(text)))
    }

    fn of<T>(&self, text: &str, ask: impl FnOnce(&mut Agent) -> T) -> T {
        let mut known = self.known.borrow_mut();
        let hash = self.hasher.hash_one(text);
        if known.len() >= REMEMBERED && !known.contains_key(&hash) {
            known.clear();
        }
        ask(known.entry(hash).or_insert_with(|| Agent { program: mark::program(Some(text)), device: None }))
    }
}

/// The door to the parser.
fn parse(text: &str) -> (Device, System) {
    let Some(found) = woothee::parser::Parser::new().parse(text) else { return (Device::Other, System::Other) };
    let system = match found.os {
        "Android" => System::Android,
        "iPhone" | "iPad" | "iPod" | "iOS" => System::Ios,
        "Mac OSX" | "Mac OS Classic" => System::Macos,
        "Linux" => System::Linux,
        "ChromeOS" => System::Chromeos,
        os if os.starts_with("Windows") => System::Windows,
        _ => System::Other,
    };
    // The parser calls tablets smartphones. Android's have no `Mobile` in what they say (Chrome's and Firefox's own words).
    let tablet = found.os == "iPad" || (system == System::Android && !text.contains("Mobile"));
    let device = match found.category {
        "smartphone" | "mobilephone" if tablet => Device::Tablet,
        "smartphone" | "mobilephone" => Device::Mobile,
        "pc" => Device::Desktop,
        _ => Device::Other,
    };
    (device, system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_systems_are_told_by_their_user_agents() {
        let agents = Agents::default();
        for (text, expected) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 \
                 Safari/537.36",
                (Device::Desktop, System::Windows),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 \
                 Safari/605.1.15",
                (Device::Desktop, System::Macos),
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                (Device::Desktop, System::Linux),
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 \
                 Safari/537.36",
                (Device::Desktop, System::Chromeos),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.5 Mobile/15E148 Safari/604.1",
                (Device::Mobile, System::Ios),
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 15_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.5 \
                 Mobile/15E148 Safari/604.1",
                (Device::Tablet, System::Ios),
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile \
                 Safari/537.36",
                (Device::Mobile, System::Android),
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                (Device::Tablet, System::Android),
            ),
            ("something else", (Device::Other, System::Other)),
            ("", (Device::Other, System::Other)),
        ] {
            for _ in 0..2 {
                assert_eq!(agents.device(Some(text)), expected, "{text}");
            }
        }
        assert_eq!(agents.device(None), (Device::Other, System::Other));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_right() {
        let agents = Agents::default();
        for number in 0..2 * REMEMBERED {
            let text = if number % 2 == 0 { format!("curl/{number}") } else { format!("Browser {number}") };
            assert_eq!(agents.program(Some(&text)).is_some(), number % 2 == 0);
            assert_eq!(agents.program(Some(&text)).is_some(), number % 2 == 0);
            assert!(agents.known.borrow().len() <= REMEMBERED);
        }
        assert!(agents.program(None).is_some());
    }
}
