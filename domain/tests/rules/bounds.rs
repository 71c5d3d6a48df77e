//! Sets that are larger than their bounds still end the same in any order.

use crate::shop::*;
use domain::decide::{self, Merged};
use domain::join::{self, BoundedTouches};
use proptest::prelude::*;
use schemas::codec;
use schemas::decimal::Fixed;
use schemas::id::{ClickId, JourneyId};
use schemas::limits::{
    AMOUNT_UNITS, COMMANDS_PER_CONVERSION, DELIVERIES_PER_CONVERSION, JOURNEYS_PER_CONVERSION, TOUCHES_EACH_END,
};
use schemas::record::candidates::{Candidates, Touch};
use schemas::record::command::{ConversionCommand, Verb};
use schemas::record::event::Event;
use schemas::record::state::ConversionState;

fn input(event: &Event, journey: Option<u8>, touches: Vec<Touch>) -> Candidates {
    let mut bounded = BoundedTouches::new();
    touches.into_iter().for_each(|touch| bounded.push(touch));
    join::candidates(event, &codec::encode(event), journey.map(journey_id), bounded).remove(0)
}

fn touch(number: u16, journey: u8) -> Touch {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let before = DAY - i64::from(number) / 2 * SECOND;
    Touch { click_id: ClickId(id), ..click(1, journey, "alpha", "summer", before) }
}

fn merged<'i>(inputs: impl IntoIterator<Item = &'i Candidates>) -> ConversionState {
    let mut state = ConversionState::default();
    for input in inputs {
        let before = state.clone();
        let merged = decide::merge(&mut state, input).expect("decodes");
        assert_eq!(merged == Merged::Unchanged, state == before);
        assert_eq!(decide::merge(&mut state, input).expect("decodes"), Merged::Unchanged, "idempotent");
    }
    state
}

/// 150 deliveries under 50 event ids, conflicting ones among them, in 20 journeys.
fn too_many() -> impl Strategy<Value = Vec<Candidates>> {
    let one = (0_u8..50, 0_i64..30, 0_i64..30, 1_u8..4, 1_u8..21, 0_u16..600, 0_u16..400);
    proptest::collection::vec(one, 150).prop_map(|all| {
        let delivery = |(id, at, delay, value, journey, from, count)| {
            let event = sale(&format!("e-{id}")).order("O").after(at * SECOND).delayed(delay * SECOND);
            let touches = (from..from + count).map(|number| touch(number, journey)).collect();
            let event = event.value(&format!("{value}"), "USD").token(1, journey);
            input(&event, Some(journey), touches)
        };
        all.into_iter().map(delivery).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_set_larger_than_its_bounds_ends_the_same_in_any_order(
        (inputs, shuffled) in too_many().prop_flat_map(|inputs| (Just(inputs.clone()), Just(inputs).prop_shuffle()))
    ) {
        let state = merged(&inputs);
        prop_assert_eq!(&state, &merged(&shuffled));
        prop_assert_eq!(state.deliveries.len(), DELIVERIES_PER_CONVERSION);
        prop_assert_eq!(state.journeys.len(), JOURNEYS_PER_CONVERSION);
        prop_assert!(state.journeys.iter().all(|journey| journey.touches.len() <= 2 * TOUCHES_EACH_END));
    }
}

/// 60 commands under 30 ids, some given twice with another time or verb.
fn too_many_commands() -> impl Strategy<Value = Vec<ConversionCommand>> {
    proptest::collection::vec((0_u8..30, 0_i64..20, any::<bool>()), 60).prop_map(|all| {
        let command = |(id, at, release)| ConversionCommand {
            command_id: format!("c-{id}"),
            tenant: tenant(),
            advertiser: acme(),
            conversion_id: sale("e").conversion_id,
            verb: if release { Verb::Release } else { Verb::Reject },
            by: "ana".into(),
            why: String::new(),
            issued_at: NOON.plus(at * SECOND),
            catalog_offset: OPENED,
        };
        all.into_iter().map(command).collect()
    })
}

fn commanded(commands: &[ConversionCommand]) -> ConversionState {
    let mut state = ConversionState::default();
    for command in commands {
        decide::merge_command(&mut state, command);
        assert_eq!(decide::merge_command(&mut state, command), Merged::Unchanged, "idempotent");
    }
    state
}

proptest! {
    #[test]
    fn commands_beyond_their_bound_end_the_same_and_the_latest_of_all_is_there(
        (commands, shuffled) in too_many_commands().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        let state = commanded(&commands);
        prop_assert_eq!(&state, &commanded(&shuffled));
        let distinct: std::collections::BTreeSet<_> = commands.iter().map(|command| &command.command_id).collect();
        prop_assert_eq!(state.commands.len(), distinct.len().min(COMMANDS_PER_CONVERSION));
        let latest = commands.iter().map(|command| command.issued_at).max();
        prop_assert_eq!(state.commands.last().map(|command| command.issued_at), latest);
    }
}

#[test]
fn a_long_journey_keeps_its_two_ends_and_counts_the_rest() {
    for (count, kept) in [(1_u16, 1_usize), (254, 254), (255, 254), (3000, 254)] {
        let candidates = input(&sale("e"), Some(1), (0..count).map(|number| touch(number, 1)).collect());
        assert_eq!((candidates.touches.len(), candidates.touches_total), (kept, i64::from(count)));
        assert_eq!(candidates.touches.first(), Some(&touch(0, 1)));
        assert_eq!(candidates.touches.last(), Some(&touch(count - 1, 1)));
    }
}

/// A token is verified by the edge, so its click is believed where the journey is too long to be listed.
#[test]
fn a_click_in_the_middle_of_a_long_journey_counts_as_seen() {
    let event = sale("e").says(schemas::record::event::Evidence {
        click_id: Some(touch(500, 1).click_id),
        ..token(schemas::record::event::EvidenceSource::ClickId, 1, 1)
    });
    let mut state = merged(&[input(&event, Some(1), (0..1000).map(|number| touch(number, 1)).collect())]);
    let evidence = decide::read(&state).expect("decodes");
    let decision = decide::decide(&mut state, evidence, &catalog()).expect("decodes").expect("decided").decision;
    assert_eq!((decision.reason.as_str(), decision.touches_not_listed), ("click_id", 746));
}

#[test]
fn what_no_rule_reads_is_not_kept_and_a_forwarded_copy_is_the_same_delivery() {
    let event = Event { landing_url: Some("https://shop.example/".into()), ..sale("e").token(1, 1).token(2, 2) };
    let copy = join::forwarded(&event, JourneyId([2; 16]));
    let state = merged(&[input(&event, Some(1), vec![]), input(&copy, Some(2), vec![])]);
    assert_eq!(state.deliveries.len(), 1);
    let kept: Event = codec::decode(&state.deliveries[0].event).expect("an event");
    assert_eq!((kept.landing_url, kept.properties, kept.forwarded_to), (None, None, None));
}

#[test]
fn what_cannot_be_an_event_is_refused_and_changes_nothing() {
    let good = input(&sale("e"), None, vec![]);
    let too_much = Event { value: Fixed(AMOUNT_UNITS * 1_000_000 + 1), ..sale("e") };
    for (bad, expected) in [
        (vec![], "shorter than the 5-byte header: 0 bytes"),
        (
            codec::encode(&too_much),
            "not a Event: value 1000000000000000.000001 is out of range: at most 1000000000000000 units",
        ),
    ] {
        let mut state = ConversionState::default();
        let refused = decide::merge(&mut state, &Candidates { event: bad, ..good.clone() }).expect_err("refused");
        assert_eq!(refused.to_string(), expected);
        assert_eq!(state, ConversionState::default());
    }
}
