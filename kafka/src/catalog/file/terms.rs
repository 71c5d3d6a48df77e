//! The values of contracts and campaigns as people write them: `10 %`, `30d`, a landing page's address with macros.

use schemas::decimal::{Amount, Currency, Ppm};
use schemas::limits::{LONGEST_LOOK_BACK_MICROS, URL_BYTES};
use schemas::placeholder::{self, Macro};
use url::Url;

const HOUR_SECONDS: u64 = 3600;
const LONGEST_LOOK_BACK_SECONDS: u64 = (LONGEST_LOOK_BACK_MICROS / 1_000_000) as u64;
/// A year: longer than any return policy.
const LONGEST_HOLD_DAYS: i32 = 365;
/// Half of what a URL may have, so that token, link code and sub ids find room.
const DESTINATION_BYTES: usize = URL_BYTES / 2;

/// Whole units: more than any contract pays for one conversion, and far from what an amount can be.
const LARGEST_AMOUNT: i128 = 1_000_000_000;

/// What a contract pays: a percentage of the value or an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commission {
    Percent(Ppm),
    Flat(Amount, Currency),
}

impl Commission {
    /// As contracts and rates hold it.
    pub fn parts(self) -> (Ppm, Option<Amount>) {
        match self {
            Commission::Percent(rate) => (rate, None),
            Commission::Flat(amount, _) => (Ppm(0), Some(amount)),
        }
    }
}

/// `10 %` or `50.00 USD`.
pub fn commission(text: &str) -> Result<Commission, String> {
    if let Ok((amount, currency)) = money(text) {
        return Ok(Commission::Flat(amount, currency));
    }
    let reason = |reason: String| format!("{reason}, or an amount like 50.00 USD");
    percent(text).map(Commission::Percent).map_err(reason)
}

/// `50.00 USD`: not negative, in whole minor units of its currency.
pub fn money(text: &str) -> Result<(Amount, Currency), String> {
    let expected = || format!("expected an amount and its currency, like 50.00 USD, of at most {LARGEST_AMOUNT}");
    let (number, code) = text.trim().split_once(char::is_whitespace).ok_or_else(expected)?;
    let currency = Currency::parse(code.trim()).map_err(|_| expected())?;
    let amount = Amount::parse(number).map_err(|_| expected())?;
    if amount < Amount::ZERO || amount.0 > LARGEST_AMOUNT * Amount::ONE.0 {
        return Err(expected());
    }
    let digits = currency.minor_digits();
    if amount.0 % 10_i128.pow(6 - digits) != 0 {
        return Err(format!("{currency} has {digits} decimals"));
    }
    Ok((amount, currency))
}

pub fn whole_number(text: &str) -> Result<i64, String> {
    let number = text.parse().ok().filter(|number| (1..=1_000_000_000).contains(number));
    number.ok_or_else(|| "expected a whole number from 1 to 1000000000".into())
}

/// `10 %` or `12.5%`, from 0 to 100 with at most 4 decimals.
pub fn percent(text: &str) -> Result<Ppm, String> {
    let expected = "expected a percentage from 0 % to 100 % with at most 4 decimals, like 12.5 %";
    let parse = || {
        let number = text.trim().strip_suffix('%')?.trim_end();
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(whole) || !plain(decimals) || whole.len() > 3 || decimals.len() > 4 {
            return None;
        }
        let ppm: i64 = format!("{whole}{decimals:0<4}").parse().ok()?;
        (ppm <= 1_000_000).then_some(Ppm(ppm))
    };
    parse().ok_or_else(|| expected.to_owned())
}

/// A look-back in seconds, written `30d` or `12h`.
pub fn look_back_seconds(text: &str) -> Result<i64, String> {
    let seconds = duration_seconds(text, HOUR_SECONDS, LONGEST_LOOK_BACK_SECONDS);
    seconds.ok_or_else(|| "expected a duration from 1h to 90d, like 30d".to_owned())
}

/// How old a click must be at least, in seconds, written `10s`.
pub fn minimum_seconds(text: &str) -> Result<i64, String> {
    let seconds = duration_seconds(text, 0, LONGEST_LOOK_BACK_SECONDS);
    seconds.ok_or_else(|| "expected a duration from 0s to 90d, like 10s".to_owned())
}

/// Whole seconds between these two, inclusive.
pub fn duration_seconds(text: &str, from: u64, to: u64) -> Option<i64> {
    let duration = humantime::parse_duration(text).ok()?;
    let fits = (from..=to).contains(&duration.as_secs()) && duration.subsec_nanos() == 0;
    i64::try_from(duration.as_secs()).ok().filter(|_| fits)
}

pub fn hold_days(text: &str) -> Result<i32, String> {
    let days = text.parse().ok().filter(|days| (0..=LONGEST_HOLD_DAYS).contains(days));
    days.ok_or_else(|| format!("expected a whole number of days from 0 to {LONGEST_HOLD_DAYS}"))
}

/// An absolute http or https URL. Macros may stand after the host only: within it, a visitor could choose the host.
pub fn destination(text: &str) -> Result<String, String> {
    if text.len() > DESTINATION_BYTES {
        return Err(format!("{} bytes are more than {DESTINATION_BYTES}", text.len()));
    }
    // A URL parser strips tabs and line ends and turns a backslash into a slash, so that host and check part ways.
    if text.chars().any(|letter| letter.is_whitespace() || letter.is_control() || letter == '\\') {
        return Err("expected no white space, control character or backslash".into());
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.ok_or("expected an absolute URL that begins with https:// or http://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    // A URL parser takes the path's first part for a missing host.
    if authority.is_empty() {
        return Err("expected a host".into());
    }
    // Nor one in its escaped form, which the parser decodes.
    if authority.contains(['{', '}', '%']) {
        return Err("expected no macro before the path: a visitor could choose the host".into());
    }
    let filled = fill_macros(text)?;
    let url = Url::parse(&filled).map_err(|error| format!("not a URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
        return Err("expected no user name or password".into());
    }
    Ok(text.to_owned())
}

/// The text with every macro replaced by a letter; an unknown one is refused.
fn fill_macros(text: &str) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let end = rest[at..].find('}').map(|length| at + length);
        let (Some(end), true) = (end, rest[at..].starts_with('{')) else {
            return Err("expected braces around a macro's name only".into());
        };
        let name = &rest[at + 1..end];
        if Macro::parse(name).is_none() {
            return Err(format!("unknown macro {{{name}}}; expected {}", placeholder::EXPECTED));
        }
        filled.push_str(&rest[..at]);
        filled.push('x');
        rest = &rest[end + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_exact() {
        for (text, expected) in [
            ("10 %", Some(100_000)),
            ("12.5%", Some(125_000)),
            ("0.0001 %", Some(1)),
            ("100 %", Some(1_000_000)),
            ("0%", Some(0)),
            ("100.0001 %", None),
            ("0.00001 %", None),
            ("10", None),
            ("-1 %", None),
            ("1e1 %", None),
            (".5 %", None),
            ("%", None),
        ] {
            assert_eq!(percent(text).ok().map(|ppm| ppm.0), expected, "{text}");
        }
    }

    #[test]
    fn amounts_have_a_currency_and_its_decimals() {
        for (text, expected) in [
            ("50.00 USD", Some((50_000_000, "USD"))),
            ("0 EUR", Some((0, "EUR"))),
            ("100 JPY", Some((100_000_000, "JPY"))),
            ("1.005 KWD", Some((1_005_000, "KWD"))),
            ("1.005 USD", None),
            ("1.5 JPY", None),
            ("-1 USD", None),
            ("50.00", None),
            ("50.00USD", None),
            ("USD 50.00", None),
            ("1000000000.01 USD", None),
        ] {
            let read = money(text).ok().map(|(amount, currency)| (amount.0, currency.code()));
            assert_eq!(read, expected, "{text}");
        }
        assert_eq!(commission("10 %"), Ok(Commission::Percent(Ppm(100_000))));
        assert!(matches!(commission("5 USD"), Ok(Commission::Flat(_, Currency::USD))));
    }

    #[test]
    fn look_backs_are_between_an_hour_and_ninety_days() {
        for (text, expected) in [
            ("30d", Some(2_592_000)),
            ("1h", Some(3600)),
            ("90d", Some(7_776_000)),
            ("1h 30m", Some(5400)),
            ("59m", None),
            ("90d 1s", None),
            ("1h 1ms", None),
            ("30", None),
            ("forever", None),
        ] {
            assert_eq!(look_back_seconds(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_minimum_may_be_nothing() {
        for (text, expected) in
            [("0s", Some(0)), ("10s", Some(10)), ("90d", Some(7_776_000)), ("500ms", None), ("-1s", None)]
        {
            assert_eq!(minimum_seconds(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_destination_leads_to_one_host_only() {
        for text in [
            "https://shop.example/landing",
            "http://shop.example",
            "https://shop.example/{sub10}?click={click_id}&r={ref_code}",
            "https://shop.example?u={sub1}#x",
            "https://münchen.example/",
        ] {
            assert_eq!(destination(text).as_deref(), Ok(text));
        }
        for (text, reason) in [
            ("shop.example", "expected an absolute URL that begins with https:// or http://"),
            ("https:shop.example", "expected an absolute URL that begins with https:// or http://"),
            ("javascript://x", "expected an absolute URL that begins with https:// or http://"),
            ("https:///landing", "expected a host"),
            ("https://{sub1}.shop.example/", "expected no macro before the path: a visitor could choose the host"),
            ("https://m%7Bsub1%7D.example/", "expected no macro before the path: a visitor could choose the host"),
            ("https://shop.example:{sub1}/", "expected no macro before the path: a visitor could choose the host"),
            ("https://shop.example\\@evil.example/", "expected no white space, control character or backslash"),
            ("https://a@shop.example/", "expected no user name or password"),
            ("https://@shop.example/", "expected no user name or password"),
            ("https://shop.example/a b", "expected no white space, control character or backslash"),
            (
                "https://shop.example/{sub11}",
                "unknown macro {sub11}; expected {click_id}, {ref_code}, {sub1} to {sub10}, {source}, {campaign}, \
                 {publisher}, {country}, {device}, {os} or {variant}",
            ),
            ("https://shop.example/{", "expected braces around a macro's name only"),
            ("https://shop.example/}{", "expected braces around a macro's name only"),
            ("https://[::1/", "not a URL: invalid IPv6 address"),
        ] {
            assert_eq!(destination(text), Err(reason.to_owned()), "{text}");
        }
    }
}
