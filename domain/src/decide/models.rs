//! The attribution models: how the credit for a conversion is spread over its touches.

use super::apportion::apportion;
use super::half_life;
use schemas::decimal::{Credit, Fixed};
use schemas::record::attribution::Model;
use schemas::time::Micros;

/// The credits of touches at these times, in order and at least one; they sum to exactly 1.
pub fn credits(model: Model, touches: &[Micros]) -> Vec<Credit> {
    if let [_] = touches {
        return vec![Credit::ONE];
    }
    let weights = weights(model, touches);
    apportion(Credit::ONE.0.unsigned_abs(), &weights).into_iter().map(|part| Fixed(part as i128)).collect()
}

fn weights(model: Model, touches: &[Micros]) -> Vec<u128> {
    let count = touches.len();
    let only = |chosen: usize| (0..count).map(|at| u128::from(at == chosen)).collect();
    match model {
        Model::Last => only(count.saturating_sub(1)),
        Model::First => only(0),
        Model::Linear => vec![1; count],
        Model::Position => position(count),
        Model::TimeDecay => time_decay(touches),
    }
}

/// 40 % to the first, 40 % to the last, 20 % evenly to those between; two touches have half each.
fn position(count: usize) -> Vec<u128> {
    let between = count.saturating_sub(2);
    // In units of a fifth of a middle touch's share, so that all are whole: 2 + 1 + 2 fifths.
    let end = if between == 0 { 1 } else { 2 * between as u128 };
    (0..count).map(|at| if at == 0 || at + 1 == count { end } else { 1 }).collect()
}

/// Credits depend on the ratio of weights only, so ages may be taken from the newest touch instead of the conversion:
/// then one weight is 1 and nothing underflows, however old all of them are.
fn time_decay(touches: &[Micros]) -> Vec<u128> {
    let newest = touches.iter().max().copied().unwrap_or_default();
    touches.iter().map(|touch| half_life::weight(newest.since(*touch).unsigned_abs())).collect()
}
