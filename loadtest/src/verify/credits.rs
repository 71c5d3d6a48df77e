//! Credits: each conversion's against the oracle, the channels' sums against the reference.

use crate::oracle::{self, Model, Part};
use crate::reference::{self, Figure};
use crate::verify::judge::{REFERENCE, Verdict};
use crate::verify::recorded::{Conversion, Recorded};
use crate::verify::warehouse::{CreditRow, DecisionRow, Found};
use schemas::decimal::{AttributedValue, Credit, Fixed};
use schemas::id::ConversionId;
use std::collections::{BTreeMap, HashMap};

/// All models that are stored; the oracle knows the first three.
pub const MODELS: [&str; 5] = ["first", "last", "linear", "position", "time_decay"];

/// What a channel got under each model of `MODELS`: conversions and value.
pub type ChannelTotals = [(Credit, AttributedValue); MODELS.len()];

pub fn judge(recorded: &Recorded, found: &Found, current: &HashMap<ConversionId, &DecisionRow>, verdict: &mut Verdict) {
    let mut by_conversion: HashMap<ConversionId, Vec<&CreditRow>> = HashMap::new();
    for row in &found.credits {
        by_conversion.entry(row.conversion).or_default().push(row);
        let Some(model) = MODELS.iter().position(|model| *model == row.model) else {
            verdict.mismatches.add("credits of an unknown model", || format!("{row:?}"));
            continue;
        };
        let total = &mut verdict.channels.entry(row.publisher.clone()).or_default()[model];
        total.0 += row.credit;
        total.1 += row.value;
    }
    for conversion in &recorded.conversions {
        if !current.contains_key(&conversion.conversion) {
            continue;
        }
        let rows = by_conversion.remove(&conversion.conversion).unwrap_or_default();
        if conversion.certain {
            judge_conversion(recorded, conversion, &rows, verdict);
        } else {
            verdict.not_judged += 1;
        }
    }
}

fn judge_conversion(recorded: &Recorded, conversion: &Conversion, rows: &[&CreditRow], verdict: &mut Verdict) {
    let id = &conversion.event_id;
    let whole = if conversion.touches.is_empty() { Credit::ZERO } else { Credit::ONE };
    for model in MODELS {
        let of_model = || rows.iter().filter(|row| row.model == model);
        let sum: Credit = of_model().map(|row| row.credit).sum();
        if sum != whole {
            verdict.mismatches.add("credits that do not add up", || format!("{id}, {model}: {sum}, expected {whole}"));
        }
        for row in of_model().filter(|row| row.value != conversion.value.times(row.credit)) {
            verdict
                .mismatches
                .add("values that are not credit times value", || format!("{id}: {row:?}, value {}", conversion.value));
        }
    }
    for model in Model::ALL {
        let expected: BTreeMap<&str, Part> = oracle::parts(model, &conversion.touches)
            .into_iter()
            .map(|part| (recorded.publishers[usize::from(part.publisher)].as_str(), part))
            .collect();
        let given: BTreeMap<&str, Credit> =
            rows.iter().filter(|row| row.model == model.name()).map(|row| (&*row.publisher, row.credit)).collect();
        let equal = given.len() == expected.len()
            && given.iter().all(|(publisher, credit)| expected.get(publisher).is_some_and(|part| part.is(*credit)));
        if !equal {
            verdict.mismatches.add("wrong credits", || {
                let expected: Vec<String> = expected
                    .iter()
                    .map(|(publisher, part)| format!("{publisher} {}/{}", part.touches, part.of))
                    .collect();
                format!("{id}, {}: {given:?}, expected {}", model.name(), expected.join(", "))
            });
        }
    }
}

/// As the reference prints it.
pub fn printed<const SCALE: u32>(sum: Fixed<SCALE>) -> Figure {
    let unit = 10_i128.pow(SCALE - 3);
    Fixed((sum.0 + unit / 2).div_euclid(unit))
}

/// All 72 figures, to the printed digit.
pub fn judge_reference(verdict: &mut Verdict) {
    for line in reference::table() {
        let model = MODELS.iter().position(|model| *model == line.model.name());
        let totals = verdict.channels.get(&line.channel).copied().unwrap_or_default();
        let (conversions, value) = model.map(|model| totals[model]).unwrap_or_default();
        let figures = [("conversions", printed(conversions), line.conversions), ("value", printed(value), line.value)];
        for (what, found, expected) in figures {
            if found != expected {
                let (channel, model) = (&line.channel, line.model.name());
                verdict
                    .mismatches
                    .add(REFERENCE, || format!("{channel}, {model}, {what}: {found}, reference {expected}"));
            }
        }
    }
}
