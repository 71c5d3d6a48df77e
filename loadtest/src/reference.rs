//! The published credits of the demo's file (design, "Real data"): 12 channels, 3 models, conversions and value.
//!
//! They were computed by the independent package ChannelAttribution 2.2.5 and stand in `data/reference.csv`.

use crate::journeys::Totals;
use crate::oracle::Model;
use schemas::decimal::Fixed;

/// A figure as printed, with 3 decimals.
pub type Figure = Fixed<3>;

const TABLE: &str = include_str!("../data/reference.csv");

/// What the reference is about: all customers of `data/journeys.csv`.
pub const WHOLE_FILE: Totals =
    Totals { journeys: 88_387, touches: 378_209, conversions: 19_785, value: Fixed(74_802_971_587) };

/// What one channel got under one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub channel: String,
    pub model: Model,
    pub conversions: Figure,
    pub value: Figure,
}

/// The 36 lines of two figures each, by channel.
pub fn table() -> Vec<Line> {
    let parse = |line: &str| {
        let mut fields = line.split(',');
        let channel = fields.next()?.to_owned();
        let model = Model::parse(fields.next()?)?;
        let (conversions, value) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Line { channel, model, conversions, value })
    };
    // Compiled in and counted by a test, so every line parses.
    TABLE.lines().skip(1).filter_map(parse).collect()
}

#[cfg(test)]
pub(crate) fn demo_journeys() -> crate::journeys::Journeys {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/journeys.csv");
    crate::journeys::Journeys::read(path.as_ref()).expect("the demo's file is in the repository")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_holds_72_figures() {
        let table = table();
        assert_eq!(table.len() * 2, 72);
        let conversions: Figure =
            table.iter().filter(|line| line.model == Model::Last).map(|line| line.conversions).sum();
        assert_eq!(conversions, Fixed(19_785_000));
    }
}
