//! A commission before it is rounded: 12 places, so that a value of 6 times a rate of 6 is exact.
//!
//! Only a part of a flat amount needs rounding here, to the 12th place; money is rounded once, when it is posted.

use schemas::decimal::{Amount, Currency, Fixed, Ppm, div_half_even};
use schemas::limits::AMOUNT_UNITS;

/// Not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Exact(i128);

const PLACES: u32 = 12;

impl Exact {
    pub const ZERO: Exact = Exact(0);

    /// `value` times `rate`; what is not sold is not paid for.
    pub fn percent(value: Amount, rate: Ppm) -> Exact {
        Exact(value.max(Amount::ZERO).0 * i128::from(rate.0.max(0)))
    }

    pub fn flat(amount: Amount, pieces: i64) -> Exact {
        Exact(amount.max(Amount::ZERO).0 * 10_i128.pow(PLACES - 6) * i128::from(pieces.max(0)))
    }

    /// What `left` of `all` makes of it; all of it where there is nothing to divide by.
    pub fn part(self, left: Amount, all: Amount) -> Exact {
        if left == all || all <= Amount::ZERO { self } else { Exact(proportion(self.0, left.0.max(0), all.0)) }
    }

    /// As `part`, of commissions.
    pub fn scaled(self, to: Exact, from: Exact) -> Exact {
        if to == from || from == Exact::ZERO { self } else { Exact(proportion(self.0, to.0, from.0)) }
    }

    /// Half-even to the currency's minor unit; at most what an amount may be.
    pub fn posted(self, currency: Currency) -> Amount {
        let unit = 10_i128.pow(PLACES - currency.minor_digits());
        let amount = div_half_even(self.0, unit) * 10_i128.pow(6 - currency.minor_digits());
        Fixed(amount.min(AMOUNT_UNITS * Amount::ONE.0))
    }
}

impl std::ops::Add for Exact {
    type Output = Exact;
    fn add(self, other: Exact) -> Exact {
        Exact(self.0 + other.0)
    }
}

/// `number * by / over`, half-even, whatever the product: long multiplication, a bit of `number` at a time. None is
/// negative, `over` is more than zero.
pub(super) fn proportion(number: i128, by: i128, over: i128) -> i128 {
    if let Some(product) = number.checked_mul(by) {
        return div_half_even(product, over);
    }
    let (whole, part) = (by / over, by % over);
    let (mut quotient, mut rest) = (0_i128, 0_i128);
    for bit in (0..i128::BITS - number.leading_zeros()).rev() {
        let set = number >> bit & 1;
        // 2 * rest + part is less than 3 * over, far below 2^127 for amounts.
        rest = 2 * rest + set * part;
        quotient = 2 * quotient + set * whole + rest / over;
        rest %= over;
    }
    quotient + div_half_even(rest, over) + tie_to_even(quotient, rest, over)
}

/// `div_half_even` rounds a rest of one half down to zero, which is even; with an odd quotient before it that is up.
fn tie_to_even(quotient: i128, rest: i128, over: i128) -> i128 {
    i128::from(rest * 2 == over && quotient % 2 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_part_is_exact_where_it_divides_and_half_even_where_not() {
        for (number, by, over, expected) in [
            (10, 1, 2, 5),
            (1, 1, 2, 0),
            (3, 1, 2, 2),
            (7, 2, 3, 5),
            (10_i128.pow(30), 10_i128.pow(21), 10_i128.pow(21), 10_i128.pow(30)),
            (10_i128.pow(30) + 1, 5 * 10_i128.pow(20), 10_i128.pow(21), 5 * 10_i128.pow(29)),
            (10_i128.pow(30) + 3, 5 * 10_i128.pow(20), 10_i128.pow(21), 5 * 10_i128.pow(29) + 2),
        ] {
            assert_eq!(proportion(number, by, over), expected, "{number} * {by} / {over}");
        }
    }

    proptest! {
        /// Both ways of multiplying agree: 2^20 times the same product no longer fits, and divides alike.
        #[test]
        fn long_multiplication_agrees_with_the_short_one(
            number in 1_i128..1 << 70,
            by in 0_i128..1 << 55,
            over in 1_i128..1 << 55,
        ) {
            let scale = 1_i128 << 20;
            prop_assert_eq!(proportion(number, by * scale, over * scale), div_half_even(number * by, over));
        }
    }

    #[test]
    fn what_is_posted_has_the_places_of_its_currency() {
        for (value, rate, currency, expected) in [
            ("0.25", 100_000, "USD", "0.020000"),
            ("0.35", 100_000, "USD", "0.040000"),
            ("1005", 100_000, "JPY", "100.000000"),
            ("1015", 100_000, "JPY", "102.000000"),
            ("1.2345", 100_000, "KWD", "0.123000"),
            ("-7", 100_000, "USD", "0.000000"),
        ] {
            let currency = Currency::parse(currency).expect("a known code");
            let value = Amount::parse(value).expect("an amount");
            assert_eq!(Exact::percent(value, Ppm(rate)).posted(currency).to_string(), expected, "{value} {currency}");
        }
    }
}
