//! Numbers as a person reads them in a decision.

use schemas::decimal::{Amount, Currency};
use schemas::time::{MICROS_PER_DAY, MICROS_PER_SECOND};
use std::fmt;

/// A length of time to the microsecond, without its sign: `30 d 00:00:00.000001`, `00:10:00`.
pub(crate) struct Span(pub i64);

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.unsigned_abs();
        let (day, second) = (MICROS_PER_DAY.unsigned_abs(), MICROS_PER_SECOND.unsigned_abs());
        let (days, seconds, rest) = (micros / day, micros % day / second, micros % second);
        if days > 0 {
            write!(out, "{days} d ")?;
        }
        write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        if rest > 0 { write!(out, ".{rest:06}") } else { Ok(()) }
    }
}

/// An amount with the places of its currency, and with more where it has them: `100.00`, `0.123456`.
pub(crate) fn money(amount: Amount, currency: Currency) -> String {
    let text = amount.to_string();
    let point = text.find('.').unwrap_or(text.len());
    let shown = text.trim_end_matches('0').len().max(point + 1 + currency.minor_digits() as usize);
    text[..shown.min(text.len())].trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::decimal::Fixed;

    #[test]
    fn spans_are_exact() {
        for (micros, expected) in [
            (0, "00:00:00"),
            (600_000_000, "00:10:00"),
            (30 * MICROS_PER_DAY + 1, "30 d 00:00:00.000001"),
            (-3_723_500_000, "01:02:03.500000"),
        ] {
            assert_eq!(Span(micros).to_string(), expected);
        }
    }

    #[test]
    fn money_has_the_places_of_its_currency() {
        for (amount, currency, expected) in [
            (100_000_000, "USD", "100.00"),
            (123_456, "USD", "0.123456"),
            (-2_500_000, "USD", "-2.50"),
            (100_000_000, "JPY", "100"),
            (100_500_000, "JPY", "100.5"),
            (1_000_000, "KWD", "1.000"),
        ] {
            assert_eq!(money(Fixed(amount), Currency::parse(currency).expect("a known code")), expected);
        }
    }
}
