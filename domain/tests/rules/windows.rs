//! Where a conversion's window begins and ends, and what never opens one.

use crate::pipeline::{Input, Pipeline};
use crate::shop::*;
use schemas::record::event::{Action, Event};

#[test]
fn a_window_ends_at_the_microsecond_and_its_end_belongs_to_it() {
    for (age, expected) in [
        (0, "eligible"),
        (30 * DAY - 1, "eligible"),
        (30 * DAY, "eligible"),
        (30 * DAY + 1, "outside_window"),
        (-1, "clock_skew"),
        (-10 * MINUTE, "clock_skew"),
    ] {
        let inputs = [Input::Click(click(1, 1, "alpha", "summer", age)), Input::Event(Box::new(sale("e").token(1, 1)))];
        let pipeline = Pipeline::run(catalog(), inputs);
        let decision = pipeline.decision(sale("e").conversion_id).expect("decided");
        assert_eq!(decision.touches[0].reason, expected, "{age}");
        assert_eq!(decision.touches[0].kept, expected != "outside_window", "{age}");
    }
    let late =
        [Input::Click(click(1, 1, "alpha", "summer", -10 * MINUTE - 1)), Input::Event(Box::new(sale("e").token(1, 1)))];
    let pipeline = Pipeline::run(catalog(), late);
    assert_eq!(pipeline.decision(sale("e").conversion_id).expect("decided").reason, "click_not_seen");
}

#[test]
fn funnel_steps_decide_nothing() {
    for action in [Action::AddToCart, Action::DropOff] {
        let step = Event { action, ..sale("e").coupon("SAVE10") };
        let pipeline = Pipeline::run(catalog(), [Input::Event(Box::new(step))]);
        assert!(pipeline.states.is_empty(), "{action:?}");
    }
}
