//! Exact decimals with a fixed number of places, and currencies. Money never passes through a float.

use crate::limits;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub};
use std::str::FromStr;

/// A decimal with `SCALE` places, held as the whole number of its last place; Avro `decimal` on `fixed(16)`.
///
/// Sums panic on overflow (the profile keeps overflow checks): 38 digits are out of reach for amounts that
/// `Amount::parse` let in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fixed<const SCALE: u32>(pub i128);

/// Money or an event's value, 6 places. The currency stands beside it in every record.
pub type Amount = Fixed<6>;
/// The credit of one touch under one model, 12 places; those of one model sum to exactly 1.
pub type Credit = Fixed<12>;
/// An event's value times a credit, 18 places, not rounded.
pub type AttributedValue = Fixed<18>;

impl<const SCALE: u32> Fixed<SCALE> {
    pub const ZERO: Self = Fixed(0);
    pub const ONE: Self = Fixed(10_i128.pow(SCALE));

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// Why a text is no amount; says what to send instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAmount {
    #[error("not a decimal number: {0:?}")]
    NotANumber(String),
    #[error("more than 6 decimal places: {0:?}")]
    TooPrecise(String),
    #[error("out of range: {0:?}; at most 15 digits before the point")]
    TooLarge(String),
}

impl Amount {
    /// Reads a decimal as JSON and form fields write it (`12.50`, `-3`, `1e3`), exactly.
    pub fn parse(text: &str) -> Result<Amount, BadAmount> {
        let shown = || text.chars().take(64).collect::<String>();
        // rust_decimal takes underscores between digits; nobody who sends money does.
        if text.len() > 64 || text.contains('_') {
            return Err(BadAmount::NotANumber(shown()));
        }
        let scientific = text.contains(['e', 'E']);
        let parsed = if scientific {
            rust_decimal::Decimal::from_scientific(text)
        } else {
            rust_decimal::Decimal::from_str_exact(text)
        };
        let number = parsed.map_err(|_| BadAmount::NotANumber(shown()))?.normalize();
        if number.scale() > 6 {
            return Err(BadAmount::TooPrecise(shown()));
        }
        let amount = number
            .mantissa()
            .checked_mul(10_i128.pow(6 - number.scale()))
            .filter(|mantissa| mantissa.abs() <= limits::AMOUNT_UNITS * 1_000_000)
            .ok_or_else(|| BadAmount::TooLarge(shown()))?;
        Ok(Fixed(amount))
    }

    /// The value times a credit, exactly.
    pub fn times(self, credit: Credit) -> AttributedValue {
        Fixed(self.0 * credit.0)
    }

    /// This amount times `rate`, rounded half-even to the currency's minor unit.
    pub fn rate(self, rate: Ppm, currency: Currency) -> Amount {
        // amount has 6 places and the rate 6 more, so the product is exact in 12.
        let unit = 10_i128.pow(12 - currency.minor_digits());
        let rounded = div_half_even(self.0 * i128::from(rate.0), unit);
        Fixed(rounded * 10_i128.pow(6 - currency.minor_digits()))
    }
}

/// A rate in millionths: 10 % is 100,000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ppm(pub i64);

impl fmt::Display for Ppm {
    /// As a percentage: `10 %`, `12.5 %`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:04}", self.0 / 10_000, self.0 % 10_000);
        write!(out, "{} %", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Divides and rounds to the nearest, ties to the even neighbour (IEEE 754 roundTiesToEven, on integers). `by` > 0.
pub fn div_half_even(number: i128, by: i128) -> i128 {
    let (quotient, rest) = (number.div_euclid(by), number.rem_euclid(by));
    let up = match (rest * 2).cmp(&by) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => quotient % 2 != 0,
    };
    quotient + i128::from(up)
}

impl<const SCALE: u32> Add for Fixed<SCALE> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Fixed(self.0 + other.0)
    }
}

impl<const SCALE: u32> Sub for Fixed<SCALE> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Fixed(self.0 - other.0)
    }
}

impl<const SCALE: u32> Neg for Fixed<SCALE> {
    type Output = Self;
    fn neg(self) -> Self {
        Fixed(-self.0)
    }
}

impl<const SCALE: u32> AddAssign for Fixed<SCALE> {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl<const SCALE: u32> std::iter::Sum for Fixed<SCALE> {
    fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
        values.fold(Self::ZERO, Add::add)
    }
}

impl<const SCALE: u32> fmt::Display for Fixed<SCALE> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10_u128.pow(SCALE);
        let (whole, rest) = (self.0.unsigned_abs() / one, self.0.unsigned_abs() % one);
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(out, "{sign}{whole}.{rest:0width$}", width = SCALE as usize)
    }
}

impl<const SCALE: u32> fmt::Debug for Fixed<SCALE> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl<const SCALE: u32> Serialize for Fixed<SCALE> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0.to_be_bytes())
        }
    }
}

impl<'de, const SCALE: u32> Deserialize<'de> for Fixed<SCALE> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<const SCALE: u32>;
        impl<const SCALE: u32> de::Visitor<'_> for Visitor<SCALE> {
            type Value = Fixed<SCALE>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "a decimal with {SCALE} places, in 16 bytes or as text")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                let bytes = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
                Ok(Fixed(i128::from_be_bytes(bytes)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map_err(|()| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor)
        } else {
            deserializer.deserialize_bytes(Visitor)
        }
    }
}

impl<const SCALE: u32> FromStr for Fixed<SCALE> {
    type Err = ();

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(rest) || rest.len() > SCALE as usize {
            return Err(());
        }
        let mantissa: i128 = format!("{whole}{rest:0<width$}", width = SCALE as usize).parse().map_err(|_| ())?;
        Ok(Fixed(if negative { -mantissa } else { mantissa }))
    }
}

/// An ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Currency(iso_currency::Currency);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 4217 currency code: {0:?}")]
pub struct BadCurrency(pub String);

impl Currency {
    pub const USD: Currency = Currency(iso_currency::Currency::USD);

    pub fn parse(code: &str) -> Result<Currency, BadCurrency> {
        iso_currency::Currency::from_code(code)
            .map(Currency)
            .ok_or_else(|| BadCurrency(code.chars().take(16).collect()))
    }

    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits of the minor unit: 2 for USD, 0 for JPY, 3 for KWD.
    pub fn minor_digits(self) -> u32 {
        self.0.exponent().map_or(2, u32::from)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Currency::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_exactly_or_refused() {
        let bad_number = |text: &str| Err(BadAmount::NotANumber(text.into()));
        for (text, expected) in [
            ("12.50", Ok(12_500_000)),
            ("0.000001", Ok(1)),
            ("-3", Ok(-3_000_000)),
            ("1e3", Ok(1_000_000_000)),
            ("2.4019999999999997", Err(BadAmount::TooPrecise("2.4019999999999997".into()))),
            ("1.1000000000", Ok(1_100_000)),
            ("", bad_number("")),
            ("NaN", bad_number("NaN")),
            ("1,5", bad_number("1,5")),
            ("1_000", bad_number("1_000")),
            ("10000000000000000", Err(BadAmount::TooLarge("10000000000000000".into()))),
        ] {
            assert_eq!(Amount::parse(text).map(|amount| amount.0), expected, "{text}");
        }
    }

    #[test]
    fn a_commission_is_rounded_half_even_to_the_minor_unit() {
        for (amount, rate, currency, expected) in [
            ("0.25", 100_000, "USD", "0.020000"),
            ("0.35", 100_000, "USD", "0.040000"),
            ("-0.25", 100_000, "USD", "-0.020000"),
            ("1005", 100_000, "JPY", "100.000000"),
            ("1015", 100_000, "JPY", "102.000000"),
            ("1.2345", 100_000, "KWD", "0.123000"),
        ] {
            let currency = Currency::parse(currency).expect("a known code");
            let amount = Amount::parse(amount).expect("an amount");
            assert_eq!(amount.rate(Ppm(rate), currency).to_string(), expected, "{amount} {rate} {currency}");
        }
    }

    proptest! {
        #[test]
        fn rounding_agrees_with_rust_decimal(mantissa in -10_i64.pow(15)..10_i64.pow(15), ppm in 0_i64..=1_000_000) {
            use rust_decimal::{Decimal, RoundingStrategy};
            let ours = Fixed::<6>(mantissa.into()).rate(Ppm(ppm), Currency::USD);
            let theirs = (Decimal::from_i128_with_scale(mantissa.into(), 6) * Decimal::new(ppm, 6))
                .round_dp_with_strategy(2, RoundingStrategy::MidpointNearestEven);
            prop_assert_eq!(Decimal::from_i128_with_scale(ours.0, 6), theirs);
        }

        #[test]
        fn what_is_shown_is_read_back(mantissa in any::<i64>()) {
            let amount = Fixed::<6>(mantissa.into());
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
        }
    }
}
