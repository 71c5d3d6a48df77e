//! The customer journeys of a data file: who touches which publishers in which order, and what a conversion is worth.
//!
//! A row is a path with counts. With `c` conversions and `n` nulls it stands for `c + n` customers over that path, of whom
//! the first `c` convert. Numbers are read exactly; nothing passes through a float.

use crate::error::{Error, FileContext};
use schemas::decimal::{Amount, AttributedValue, Fixed};
use schemas::name::PublisherId;
use serde::Deserialize;
use std::fs::File;
use std::path::Path;

/// The join keeps the first and the last 127 touches of a journey, so a longer path could not be credited as the oracle
/// does; the file's longest has 89.
const TOUCHES_PER_PATH: usize = 254;
/// Customers of a file: each costs some bytes here and a line per click in the record of the replay.
const CUSTOMERS: usize = 10_000_000;
/// Publishers are numbered in a byte.
const PUBLISHERS: usize = 256;

/// A publisher's number in `Journeys::publishers`.
pub type PublisherIndex = u8;

/// All customers of a file, numbered in its order.
#[derive(Debug)]
pub struct Journeys {
    publishers: Vec<PublisherId>,
    paths: Vec<Vec<PublisherIndex>>,
    customers: Vec<Customer>,
}

#[derive(Debug, Clone, Copy)]
struct Customer {
    path: u32,
    value: Option<Amount>,
}

/// What a set of customers adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, Deserialize)]
pub struct Totals {
    pub journeys: u64,
    pub touches: u64,
    pub conversions: u64,
    pub value: Amount,
}

#[derive(Deserialize)]
struct Row {
    path: String,
    total_conversions: String,
    total_conversion_value: String,
    total_null: String,
}

struct ParsedRow {
    touches: Vec<PublisherIndex>,
    conversions: u32,
    nulls: u32,
    value: AttributedValue,
}

impl Journeys {
    pub fn read(path: &Path) -> Result<Journeys, Error> {
        let file = File::open(path).at("open", path)?;
        let mut reader = csv::Reader::from_reader(file);
        let mut publishers = Vec::new();
        let mut rows = Vec::new();
        for (row, line) in reader.deserialize::<Row>().zip(2..) {
            let row = row.map_err(|error| Error::BadFile { path: path.to_owned(), error: error.to_string() })?;
            let bad =
                |(field, problem, given): Bad| Error::BadRow { path: path.to_owned(), line, field, problem, given };
            rows.push(parse_row(row, &mut publishers).map_err(bad)?);
        }
        let customers = rows.iter().map(|row| row.conversions as usize + row.nulls as usize).sum::<usize>();
        if customers == 0 || customers > CUSTOMERS {
            let error = format!("{customers} customer journeys; expected 1 to {CUSTOMERS}");
            return Err(Error::BadFile { path: path.to_owned(), error });
        }
        Ok(Journeys::from_rows(publishers, rows))
    }

    fn from_rows(publishers: Vec<PublisherId>, rows: Vec<ParsedRow>) -> Journeys {
        let values = round_keeping_the_sum(&rows.iter().map(|row| row.value).collect::<Vec<_>>());
        let mut customers = Vec::new();
        for ((row, value), path) in rows.iter().zip(values).zip(0..) {
            let converting = (0..row.conversions).map(|at| Some(share(value, row.conversions, at)));
            let others = (0..row.nulls).map(|_| None);
            customers.extend(converting.chain(others).map(|value| Customer { path, value }));
        }
        Journeys { publishers, paths: rows.into_iter().map(|row| row.touches).collect(), customers }
    }

    pub fn publishers(&self) -> &[PublisherId] {
        &self.publishers
    }

    pub fn publisher(&self, index: PublisherIndex) -> &PublisherId {
        &self.publishers[usize::from(index)]
    }

    pub fn len(&self) -> u32 {
        // `read` allows fewer than 2^32.
        self.customers.len() as u32
    }

    pub fn is_empty(&self) -> bool {
        self.customers.is_empty()
    }

    /// The publishers that the customer touches, in order.
    pub fn touches(&self, journey: u32) -> &[PublisherIndex] {
        &self.paths[self.customers[journey as usize].path as usize]
    }

    /// What the customer buys for in the end, if anything.
    pub fn value(&self, journey: u32) -> Option<Amount> {
        self.customers[journey as usize].value
    }

    pub fn totals(&self, journeys: impl Iterator<Item = u32>) -> Totals {
        journeys.fold(Totals::default(), |totals, journey| Totals {
            journeys: totals.journeys + 1,
            touches: totals.touches + self.touches(journey).len() as u64,
            conversions: totals.conversions + u64::from(self.value(journey).is_some()),
            value: totals.value + self.value(journey).unwrap_or_default(),
        })
    }
}

type Bad = (&'static str, String, String);

fn parse_row(row: Row, publishers: &mut Vec<PublisherId>) -> Result<ParsedRow, Bad> {
    let count = |field, text: &str| {
        text.parse::<u32>()
            .ok()
            .filter(|count| *count as usize <= CUSTOMERS)
            .ok_or_else(|| (field, "is no count".to_owned(), text.to_owned()))
    };
    let conversions = count("total_conversions", &row.total_conversions)?;
    let nulls = count("total_null", &row.total_null)?;
    let bad_value = |problem: &str| ("total_conversion_value", problem.to_owned(), row.total_conversion_value.clone());
    let value: AttributedValue =
        row.total_conversion_value.parse().map_err(|()| bad_value("is no decimal of at most 18 places"))?;
    if value < AttributedValue::ZERO || (conversions == 0 && !value.is_zero()) {
        return Err(bad_value("is negative, or stands without a conversion"));
    }
    let mut touches = Vec::new();
    for channel in row.path.split(" > ") {
        touches.push(number_of(channel, publishers).map_err(|problem| ("path", problem, row.path.clone()))?);
    }
    if touches.len() > TOUCHES_PER_PATH {
        return Err(("path", format!("has more than {TOUCHES_PER_PATH} touches"), row.path));
    }
    Ok(ParsedRow { touches, conversions, nulls, value })
}

fn number_of(channel: &str, publishers: &mut Vec<PublisherId>) -> Result<PublisherIndex, String> {
    if let Some(known) = publishers.iter().position(|publisher| publisher.as_str() == channel) {
        return PublisherIndex::try_from(known).map_err(|error| error.to_string());
    }
    let next =
        PublisherIndex::try_from(publishers.len()).map_err(|_| format!("has more than {PUBLISHERS} channels"))?;
    publishers.push(PublisherId::new(channel).map_err(|error| format!("has a channel that is {error}"))?);
    Ok(next)
}

/// Units of 1e-18 in one of 1e-6.
const FINE: i128 = 10_i128.pow(12);

/// The values at 6 places such that their sum is the exact sum rounded: every value is cut, and the places that this loses
/// go to those that lost most (largest remainder). Rounding each for itself would lose 0.000005 of the demo's file.
fn round_keeping_the_sum(values: &[AttributedValue]) -> Vec<Amount> {
    let mut rounded: Vec<Amount> = values.iter().map(|value| Fixed(value.0 / FINE)).collect();
    let lost: i128 = values.iter().map(|value| value.0 % FINE).sum();
    let to_give = usize::try_from((lost + FINE / 2) / FINE).unwrap_or(0);
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(values[at].0 % FINE));
    for &at in order.iter().take(to_give) {
        rounded[at] += Fixed(1);
    }
    rounded
}

/// The `at`-th of `parts` shares of a value, by largest remainder at 1e-6: all remainders are equal, so the first get more.
fn share(value: Amount, parts: u32, at: u32) -> Amount {
    let (each, rest) = (value.0 / i128::from(parts), value.0 % i128::from(parts));
    Fixed(each + i128::from(i128::from(at) < rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn amounts(values: &[&str]) -> Vec<String> {
        let parsed: Vec<AttributedValue> = values.iter().map(|text| text.parse().expect("a decimal")).collect();
        round_keeping_the_sum(&parsed).iter().map(Amount::to_string).collect()
    }

    #[test]
    fn the_whole_file_adds_up_to_the_published_totals() {
        let journeys = crate::reference::demo_journeys();
        let totals = journeys.totals(0..journeys.len());
        let value = "74802.971587".parse().expect("an amount");
        assert_eq!(totals, Totals { journeys: 88_387, touches: 378_209, conversions: 19_785, value });
        assert_eq!(journeys.publishers().len(), 12);
    }

    #[test]
    fn values_are_rounded_to_six_places_and_keep_their_sum() {
        for (given, expected) in [
            (vec!["2.4019999999999997"], vec!["2.402000"]),
            (vec!["0.0000004", "0.0000004", "0.0000004"], vec!["0.000001", "0.000000", "0.000000"]),
            (vec!["1.0000006", "1.0000006"], vec!["1.000001", "1.000000"]),
            (vec!["3.195", "0"], vec!["3.195000", "0.000000"]),
        ] {
            assert_eq!(amounts(&given), expected, "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn shares_add_up_and_differ_by_one_place_at_most(value in 0_i128..10_i128.pow(12), parts in 1_u32..5000) {
            let shares: Vec<i128> = (0..parts).map(|at| share(Fixed(value), parts, at).0).collect();
            prop_assert_eq!(shares.iter().sum::<i128>(), value);
            prop_assert!(shares[0] - shares[shares.len() - 1] <= 1);
        }
    }

    #[test]
    fn a_bad_row_is_refused_with_its_line_and_field() {
        for (row, message) in [
            ("a > b,x,1,0", "line 2: total_conversions is no count: \"x\""),
            ("a,1,1e3,0", "total_conversion_value is no decimal of at most 18 places: \"1e3\""),
            ("a,1,-1,0", "total_conversion_value is negative"),
            ("a,0,1,1", "or stands without a conversion: \"1\""),
            ("a > B,1,1,0", "path has a channel that is not 1 to 64 of a-z"),
            (&format!("{},1,1,0", vec!["a"; 255].join(" > ")), "path has more than 254 touches"),
            ("a,0,0,0", "0 customer journeys"),
            ("a,1", "found record with 2 fields"),
        ] {
            let file = tempfile::NamedTempFile::new().expect("a file");
            let text = format!("path,total_conversions,total_conversion_value,total_null\n{row}\n");
            std::fs::write(file.path(), text).expect("written");
            let error = Journeys::read(file.path()).expect_err("refused").to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
