//! Splits a whole number exactly, by largest remainder (Hamilton's method).

/// Splits `total` in proportion to `weights`; the parts sum to `total`. What is left after rounding down goes to the
/// largest remainders, earlier ones first where they are equal. Where all weights are zero there is nobody to give to.
///
/// `total` times a weight must fit 128 bits: callers have 40 bits of credits times 63 of weights, or 64 of minor units
/// times 40 of credits.
pub(super) fn apportion(total: u128, weights: &[u128]) -> Vec<u128> {
    let sum: u128 = weights.iter().sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    // Divisions of 128 bits are slow, and most often one takes all.
    if let Some(all) = weights.iter().position(|weight| *weight == sum) {
        return (0..weights.len()).map(|at| if at == all { total } else { 0 }).collect();
    }
    let mut parts: Vec<u128> = weights.iter().map(|weight| divided(total * weight, sum)).collect();
    let left = total - parts.iter().sum::<u128>();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    // The sort is stable: equal remainders stay in their order.
    by_remainder.sort_by_key(|&at| std::cmp::Reverse(total * weights[at] % sum));
    for (at, _) in by_remainder.into_iter().zip(0..left) {
        parts[at] += 1;
    }
    parts
}

/// A quotient, by the machine's own division where both fit it.
fn divided(number: u128, by: u128) -> u128 {
    match (u64::try_from(number), u64::try_from(by)) {
        (Ok(number), Ok(by)) => u128::from(number / by),
        _ => number / by,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_left_goes_to_the_largest_remainders_and_earlier_ones_first() {
        for (total, weights, expected) in [
            (10, vec![1, 1, 1], vec![4, 3, 3]),
            (10, vec![1, 2], vec![3, 7]),
            (100, vec![1, 1, 1, 3], vec![17, 17, 16, 50]),
            (1, vec![0, 5, 5], vec![0, 1, 0]),
            (7, vec![3], vec![7]),
            (0, vec![1, 2], vec![0, 0]),
            (5, vec![0, 0], vec![0, 0]),
        ] {
            assert_eq!(apportion(total, &weights), expected, "{total} over {weights:?}");
        }
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_total_and_are_less_than_one_off(
            total in 0_u64..=u64::MAX,
            weights in proptest::collection::vec(0_u64..1 << 40, 1..300),
        ) {
            let weights: Vec<u128> = weights.into_iter().map(u128::from).collect();
            let sum: u128 = weights.iter().sum();
            prop_assume!(sum > 0);
            let parts = apportion(u128::from(total), &weights);
            prop_assert_eq!(parts.iter().sum::<u128>(), u128::from(total));
            for (part, weight) in parts.iter().zip(&weights) {
                let floor = u128::from(total) * weight / sum;
                prop_assert!(*part == floor || *part == floor + 1);
                prop_assert!(*weight > 0 || *part == 0);
            }
        }
    }
}
