//! The five models against examples worked out by hand and against an independent calculation.

use domain::decide::half_life::{self, HALF_LIFE_MICROS, ONE};
use domain::decide::models::credits;
use proptest::prelude::*;
use schemas::decimal::Credit;
use schemas::record::attribution::Model;
use schemas::time::Micros;

use crate::shop::{DAY, NOON};

fn given(model: Model, days_before: &[i64]) -> Vec<i128> {
    let touches: Vec<Micros> = days_before.iter().map(|days| NOON.plus(-days * DAY)).collect();
    credits(model, &touches).into_iter().map(|credit| credit.0).collect()
}

#[test]
fn models_credit_as_their_definitions_say() {
    const ALL: i128 = 1_000_000_000_000;
    const THIRD: i128 = 333_333_333_333;
    for (model, days_before, expected) in [
        (Model::Last, vec![3], vec![ALL]),
        (Model::Last, vec![3, 2, 1], vec![0, 0, ALL]),
        (Model::First, vec![3, 2, 1], vec![ALL, 0, 0]),
        (Model::Linear, vec![3, 2, 1], vec![THIRD + 1, THIRD, THIRD]),
        (Model::Linear, vec![3, 2, 1, 0], vec![ALL / 4; 4]),
        (Model::Position, vec![3], vec![ALL]),
        (Model::Position, vec![3, 2], vec![ALL / 2; 2]),
        (Model::Position, vec![3, 2, 1], vec![ALL / 5 * 2, ALL / 5, ALL / 5 * 2]),
        (
            Model::Position,
            vec![5, 4, 3, 2, 1],
            vec![ALL / 5 * 2, 66_666_666_667, 66_666_666_667, 66_666_666_666, ALL / 5 * 2],
        ),
        // Weights 1/4, 1/2, 1; worked out with 60 decimals.
        (Model::TimeDecay, vec![14, 7, 0], vec![142_857_142_857, 285_714_285_714, 571_428_571_429]),
        (Model::TimeDecay, vec![20, 3, 1, 0], vec![49_524_385_304, 266_619_518_881, 325_012_833_993, 358_843_261_822]),
        (Model::TimeDecay, vec![29, 29, 29], vec![THIRD + 1, THIRD, THIRD]),
        // However old all of them are, the newest weighs most.
        (Model::TimeDecay, vec![100_007, 100_000], vec![THIRD, THIRD * 2 + 1]),
        (Model::TimeDecay, vec![1000, 0], vec![0, ALL]),
    ] {
        assert_eq!(given(model, &days_before), expected, "{model:?} {days_before:?}");
    }
}

/// Values of 2^63 x 2^(-age / half-life), rounded, from Python's `decimal` with 60 digits.
#[test]
fn weights_agree_with_a_calculation_of_sixty_digits() {
    for (age, expected) in [
        (0, 9_223_372_036_854_775_808_u128),
        (1, 9_223_372_036_844_205_116),
        (1_000_000, 9_223_361_466_169_162_250),
        (3_600_000_000, 9_185_395_943_039_508_846),
        (86_400_000_000, 8_353_826_318_089_359_996),
        (302_400_000_000, 6_521_908_912_666_391_106),
        (604_799_999_999, 4_611_686_018_432_673_250),
        (HALF_LIFE_MICROS, 4_611_686_018_427_387_904),
        (604_800_000_001, 4_611_686_018_422_102_558),
        (2_592_000_000_000, 472_891_136_465_259_695),
        (7_776_000_000_000, 1_243_094_280_591_263),
        (65 * HALF_LIFE_MICROS, 0),
        (u64::MAX, 0),
    ] {
        let weight = half_life::weight(age);
        assert!(weight.abs_diff(expected) <= 64, "{age}: {weight}, expected {expected}");
    }
}

proptest! {
    #[test]
    fn weights_agree_with_floats_and_fall_with_age(age in 0_u64..100 * DAY as u64, more in 1_000_u64..DAY as u64) {
        let weight = half_life::weight(age);
        let expected = (-(age as f64) / HALF_LIFE_MICROS as f64).exp2();
        prop_assert!((weight as f64 / ONE as f64 - expected).abs() < 1e-14);
        prop_assert!(half_life::weight(age + more) < weight);
        prop_assert_eq!(half_life::weight(age + HALF_LIFE_MICROS), weight >> 1);
    }

    #[test]
    fn credits_of_every_model_sum_to_exactly_one(mut before in proptest::collection::vec(0..90 * DAY, 1..254)) {
        before.sort_by_key(|before| std::cmp::Reverse(*before));
        let touches: Vec<Micros> = before.iter().map(|before| NOON.plus(-before)).collect();
        for model in Model::ALL {
            let credits = credits(model, &touches);
            prop_assert_eq!(credits.len(), touches.len());
            prop_assert!(credits.iter().all(|credit| *credit >= Credit::ZERO));
            prop_assert_eq!(credits.into_iter().sum::<Credit>(), Credit::ONE);
        }
    }
}
