//! What each publisher must get for a conversion, computed here from the touches alone, in integers.
//!
//! **Architecture invariant:** shares no rule and no rounding with `domain` or `schemas`; it is what they are judged by.
//! Position and time decay have no oracle here: the reference has no figures for them.

use crate::journeys::PublisherIndex;
use schemas::decimal::{Amount, AttributedValue, Credit, Fixed};

/// The demo contract's commission, per cent of the value (`demo/catalog.yaml`).
const COMMISSION_PERCENT: i128 = 10;
/// The platform's share of the commission, per cent.
const PLATFORM_PERCENT: i128 = 30;
/// Units of 1e-6 in a cent.
const CENT: i128 = 10_000;

/// The models that the oracle knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Model {
    First,
    Last,
    Linear,
}

impl Model {
    pub const ALL: [Model; 3] = [Model::First, Model::Last, Model::Linear];

    pub fn name(self) -> &'static str {
        match self {
            Model::First => "first",
            Model::Last => "last",
            Model::Linear => "linear",
        }
    }

    pub fn parse(name: &str) -> Option<Model> {
        Model::ALL.into_iter().find(|model| model.name() == name)
    }
}

/// A publisher's exact credit for a conversion: `touches / of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub publisher: PublisherIndex,
    pub touches: u32,
    pub of: u32,
}

impl Part {
    /// The credit at 1e-18, cut.
    pub fn credit(self) -> AttributedValue {
        Fixed(AttributedValue::ONE.0 * i128::from(self.touches) / i128::from(self.of))
    }

    /// The credit times the value at 1e-18, cut.
    pub fn value(self, value: Amount) -> AttributedValue {
        // 6 places and 12 more.
        Fixed(value.0 * 10_i128.pow(12) * i128::from(self.touches) / i128::from(self.of))
    }

    /// Whether a credit of 12 places is this one: each touch's share may be rounded either way by less than its last
    /// place, so that a conversion's credits sum to 1.
    pub fn is(self, credit: Credit) -> bool {
        let exact = Credit::ONE.0 * i128::from(self.touches);
        (credit.0 * i128::from(self.of) - exact).abs() < i128::from(self.touches) * i128::from(self.of)
    }
}

/// Who gets how much of a conversion after these touches; nothing without one.
pub fn parts(model: Model, touches: &[PublisherIndex]) -> Vec<Part> {
    let (Some(&first), Some(&last)) = (touches.first(), touches.last()) else { return Vec::new() };
    let whole = |publisher| vec![Part { publisher, touches: 1, of: 1 }];
    match model {
        Model::First => whole(first),
        Model::Last => whole(last),
        Model::Linear => {
            let mut counts = [0_u32; 256];
            for &publisher in touches {
                counts[usize::from(publisher)] += 1;
            }
            let of = counts.iter().sum();
            let counted = (0..=PublisherIndex::MAX).zip(counts).filter(|(_, touches)| *touches > 0);
            counted.map(|(publisher, touches)| Part { publisher, touches, of }).collect()
        }
    }
}

/// What a conversion of this value costs the advertiser and who gets it, in cents' precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Money {
    pub commission: Amount,
    pub payout: Amount,
    pub platform_fee: Amount,
}

impl Money {
    /// Under the demo's contract: 10 % of the value, 30 % of which is the platform's, each rounded half-even to a cent.
    pub fn of(value: Amount) -> Money {
        let commission = percent_to_the_cent(value, COMMISSION_PERCENT);
        let platform_fee = percent_to_the_cent(commission, PLATFORM_PERCENT);
        Money { commission, payout: commission - platform_fee, platform_fee }
    }
}

impl std::ops::AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        self.commission += other.commission;
        self.payout += other.payout;
        self.platform_fee += other.platform_fee;
    }
}

/// `amount` >= 0.
fn percent_to_the_cent(amount: Amount, percent: i128) -> Amount {
    let (product, unit) = (amount.0 * percent, 100 * CENT);
    let (cents, rest) = (product / unit, product % unit);
    let up = rest > unit - rest || (rest == unit - rest && cents % 2 == 1);
    Fixed((cents + i128::from(up)) * CENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{self, Figure};
    use std::collections::HashMap;

    fn printed(sum: AttributedValue) -> Figure {
        let unit = 10_i128.pow(15);
        Fixed((sum.0 + unit / 2) / unit)
    }

    #[test]
    fn all_journeys_of_the_file_give_the_72_figures_of_the_reference() {
        let journeys = reference::demo_journeys();
        let mut sums: HashMap<(Model, String), (AttributedValue, AttributedValue)> = HashMap::new();
        for journey in 0..journeys.len() {
            let Some(value) = journeys.value(journey) else { continue };
            for model in Model::ALL {
                for part in parts(model, journeys.touches(journey)) {
                    let channel = journeys.publisher(part.publisher).to_string();
                    let sum = sums.entry((model, channel)).or_default();
                    sum.0 += part.credit();
                    sum.1 += part.value(value);
                }
            }
        }
        let table = reference::table();
        assert_eq!(sums.len(), table.len());
        for line in table {
            let (conversions, value) = sums[&(line.model, line.channel.clone())];
            assert_eq!((printed(conversions), printed(value)), (line.conversions, line.value), "{line:?}");
        }
    }

    #[test]
    fn the_rates_are_those_of_the_demos_catalog() {
        let rates =
            format!("commission: {COMMISSION_PERCENT} %, platform_share: {PLATFORM_PERCENT} %, paying_model: last");
        assert!(include_str!("../demo/catalog.yaml").contains(&rates), "{rates}");
    }

    #[test]
    fn money_is_rounded_half_even_twice() {
        for (value, commission, payout, fee) in [
            ("0.05", "0.00", "0.00", "0.00"),
            ("0.15", "0.02", "0.01", "0.01"),
            ("0.25", "0.02", "0.01", "0.01"),
            ("2.402", "0.24", "0.17", "0.07"),
            ("5", "0.50", "0.35", "0.15"),
            ("100.000001", "10.00", "7.00", "3.00"),
        ] {
            let [value, commission, payout, fee]: [Amount; 4] =
                [value, commission, payout, fee].map(|text| text.parse().expect("an amount"));
            assert_eq!(Money::of(value), Money { commission, payout, platform_fee: fee }, "{value}");
        }
    }

    #[test]
    fn a_credit_may_be_a_last_place_off_per_touch_and_no_more() {
        let third = Part { publisher: 0, touches: 1, of: 3 };
        let two_thirds = Part { publisher: 0, touches: 2, of: 3 };
        for (part, credit, expected) in [
            (third, "0.333333333333", true),
            (third, "0.333333333334", true),
            (third, "0.333333333335", false),
            (third, "0.333333333332", false),
            (two_thirds, "0.666666666666", true),
            (two_thirds, "0.666666666667", true),
            (Part { publisher: 0, touches: 1, of: 1 }, "1", true),
            (Part { publisher: 0, touches: 1, of: 1 }, "0.999999999999", false),
        ] {
            assert_eq!(part.is(credit.parse().expect("a credit")), expected, "{part:?} {credit}");
        }
    }
}
