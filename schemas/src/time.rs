//! Points in time: microseconds since the Unix epoch, UTC, as Avro's `timestamp-micros` has them.

use serde::{Deserialize, Serialize};
use std::fmt;

pub const MICROS_PER_SECOND: i64 = 1_000_000;
pub const MICROS_PER_DAY: i64 = 24 * 3600 * MICROS_PER_SECOND;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// The difference `self - earlier` in microseconds; negative where `self` is the earlier one.
    pub fn since(self, earlier: Micros) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    pub fn plus(self, micros: i64) -> Micros {
        Micros(self.0.saturating_add(micros))
    }

    /// Midnight, UTC, at the beginning of a day of the Gregorian calendar.
    pub fn midnight(year: i64, month: i64, day: i64) -> Micros {
        Micros(days_from_civil(year, month, day) * MICROS_PER_DAY)
    }

    /// Year, month from 1, and day from 1, UTC.
    pub fn date(self) -> (i64, i64, i64) {
        civil_from_days(self.0.div_euclid(MICROS_PER_DAY))
    }

    /// Parses RFC 3339 (`2026-01-31T08:00:00.123456+01:00`) or whole seconds, milliseconds or microseconds since the epoch.
    pub fn parse(text: &str) -> Result<Micros, BadTime> {
        let bad = || BadTime(text.chars().take(64).collect());
        if let Ok(number) = text.parse::<i64>() {
            return from_epoch_number(number).ok_or_else(bad);
        }
        parse_rfc3339(text.as_bytes()).ok_or_else(bad)
    }
}

/// A calendar month, UTC: 12 x year + month - 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Month(pub i32);

impl Month {
    pub fn of(time: Micros) -> Month {
        let (year, month, _) = time.date();
        // Times of our records lie between the years 1970 and 9999.
        Month((year * 12 + month - 1) as i32)
    }

    pub fn start(self) -> Micros {
        Micros::midnight(i64::from(self.0.div_euclid(12)), i64::from(self.0.rem_euclid(12)) + 1, 1)
    }

    /// The first microsecond after it.
    pub fn end(self) -> Micros {
        Month(self.0 + 1).start()
    }
}

impl fmt::Display for Month {
    /// `2026-01`
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a time: {0:?}; expected RFC 3339 like 2026-01-31T08:00:00Z, or seconds, milliseconds or microseconds since 1970"
)]
pub struct BadTime(pub String);

/// The magnitude tells the unit: seconds reach 10^11 only in the year 5138, milliseconds 10^14 likewise.
fn from_epoch_number(number: i64) -> Option<Micros> {
    match number {
        0..100_000_000_000 => Some(Micros(number * MICROS_PER_SECOND)),
        100_000_000_000..100_000_000_000_000 => Some(Micros(number * 1000)),
        100_000_000_000_000..100_000_000_000_000_000 => Some(Micros(number)),
        _ => None,
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    (!bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit))
        .then(|| bytes.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

fn parse_rfc3339(text: &[u8]) -> Option<Micros> {
    if text.len() < 20 || text.len() > 40 {
        return None;
    }
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| text[at] != byte) || !matches!(text[10], b'T' | b't' | b' ') {
        return None;
    }
    let (year, month, day) = (digits(&text[0..4])?, digits(&text[5..7])?, digits(&text[8..10])?);
    let (hour, minute, second) = (digits(&text[11..13])?, digits(&text[14..16])?, digits(&text[17..19])?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    // A leap second (60) is taken as the last instant that POSIX time can name.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (micros, zone) = fraction(&text[19..])?;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second.min(59);
    Some(Micros((seconds - zone_seconds(zone)?) * MICROS_PER_SECOND + micros))
}

/// Splits `.123456+01:00` into microseconds (further digits are cut) and the zone.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    if text.first() != Some(&b'.') {
        return Some((0, text));
    }
    let end = text[1..].iter().position(|byte| !byte.is_ascii_digit())? + 1;
    let shown = &text[1..end.min(7)];
    let micros = digits(shown)? * 10_i64.pow(6 - shown.len() as u32);
    Some((micros, &text[end..]))
}

fn zone_seconds(zone: &[u8]) -> Option<i64> {
    match zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), hours @ ..] if hours.len() == 5 && hours[2] == b':' => {
            let (hours, minutes) = (digits(&hours[0..2])?, digits(&hours[3..5])?);
            let seconds = hours * 3600 + minutes * 60;
            (hours < 24 && minutes < 60).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of `days_from_civil`: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

impl fmt::Display for Micros {
    /// RFC 3339 with six decimals, UTC.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0.div_euclid(MICROS_PER_SECOND), self.0.rem_euclid(MICROS_PER_SECOND));
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let in_day = seconds.rem_euclid(86_400);
        let (hour, minute, second) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-01-31T08:00:00.123456+01:00", Some(1_769_842_800_123_456)),
            ("2026-01-31 07:00:00.5Z", Some(1_769_842_800_500_000)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800_000_000)),
            ("2023-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("1769842800", Some(1_769_842_800_000_000)),
            ("1769842800123", Some(1_769_842_800_123_000)),
            ("1769842800123456", Some(1_769_842_800_123_456)),
            ("-5", None),
            ("2026-01-31T08:00:00", None),
            ("yesterday", None),
            ("2026-01-31T08:00:00.Z", None),
        ] {
            assert_eq!(Micros::parse(text).ok().map(|time| time.0), expected, "{text}");
        }
    }

    #[test]
    fn a_date_is_that_of_the_calendar() {
        for (text, date) in [
            ("1970-01-01T00:00:00Z", (1970, 1, 1)),
            ("2024-02-29T23:59:59.999999Z", (2024, 2, 29)),
            ("2026-12-31T23:59:59.999999Z", (2026, 12, 31)),
        ] {
            assert_eq!(Micros::parse(text).expect("a time").date(), date, "{text}");
        }
        assert_eq!(Micros(-1).date(), (1969, 12, 31));
        assert_eq!(Ok(Micros::midnight(2024, 2, 29)), Micros::parse("2024-02-29T00:00:00Z"));
        let december = Month::of(Micros::parse("2026-12-31T23:59:59.999999Z").expect("a time"));
        assert_eq!((december.to_string(), Month(december.0 + 1).to_string()), ("2026-12".into(), "2027-01".into()));
        assert_eq!(Ok(december.start()), Micros::parse("2026-12-01T00:00:00Z"));
        assert_eq!(Ok(december.end()), Micros::parse("2027-01-01T00:00:00Z"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_is_read_back(micros in 0_i64..253_402_300_799_000_000) {
            let time = Micros(micros);
            proptest::prop_assert_eq!(Micros::parse(&time.to_string()), Ok(time));
        }
    }
}
