//! When each click is due: a constant rate, many visitors interleaved, and a pause between two clicks of one visitor.
//!
//! Pure: a function of the journeys' lengths and the order they are given in. Time is counted in slots, of which `rate`
//! make a second.

use std::collections::VecDeque;
use std::time::Duration;

/// Between two clicks of a visitor: long enough that the first has been answered when the second is due, short enough
/// that the file's longest journey (89 touches) ends within a run.
const PAUSE: Duration = Duration::from_millis(500);
/// For files so small that the usual pause would leave most slots empty.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// One click: the `position`-th touch of a journey, at the `slot`-th moment of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub slot: u32,
    pub journey: u32,
    pub position: u16,
}

#[derive(Debug)]
pub struct Schedule {
    pub steps: Vec<Step>,
    /// Slots between two clicks of a visitor, and from the last click to the conversion.
    pub pause_slots: u32,
}

/// `journeys`: numbers and touches, in the order in which visitors should come; clicks come at `rate` a second.
///
/// Slots are dealt to as many lanes in turn as a pause has slots; a lane serves one visitor at a time. A long journey that
/// comes last would leave its lane alone at the end, so it is taken earlier once what remains is less than twice its length.
pub fn schedule(journeys: &[(u32, u16)], rate: u32) -> Schedule {
    let mut remaining: u64 = journeys.iter().map(|(_, touches)| u64::from(*touches)).sum();
    let pause_slots = pause_slots(journeys, remaining, rate);
    // The place of the visitor in `journeys` and the touch that is next.
    let mut lanes: Vec<Option<(usize, u16)>> = vec![None; pause_slots as usize];
    let mut waiting = Waiting::new(journeys);
    let mut steps = Vec::new();
    for slot in 0_u32.. {
        if remaining == 0 {
            break;
        }
        let lane = &mut lanes[(slot % pause_slots) as usize];
        let rounds_left = remaining / u64::from(pause_slots);
        let next = lane.take().or_else(|| waiting.next(rounds_left).map(|place| (place, 0)));
        let Some((place, position)) = next else { continue };
        let (journey, touches) = journeys[place];
        if position + 1 < touches {
            *lane = Some((place, position + 1));
        }
        steps.push(Step { slot, journey, position });
        remaining -= 1;
    }
    Schedule { steps, pause_slots }
}

fn pause_slots(journeys: &[(u32, u16)], touches: u64, rate: u32) -> u32 {
    let slots = |pause: Duration| (u64::from(rate) * pause.as_millis() as u64 / 1000).max(1);
    let longest = journeys.iter().map(|(_, touches)| *touches).max().unwrap_or(1);
    let fitting = touches / (2 * u64::from(longest.max(1)));
    // Not larger than the rate, which is 32 bits wide.
    fitting.clamp(slots(SHORTEST_PAUSE), slots(PAUSE)) as u32
}

/// The visitors who have not come yet, by their places in the given order and from the longest on.
struct Waiting<'a> {
    journeys: &'a [(u32, u16)],
    come: Vec<bool>,
    in_order: usize,
    longest_first: VecDeque<usize>,
}

impl<'a> Waiting<'a> {
    fn new(journeys: &'a [(u32, u16)]) -> Self {
        let mut longest_first: Vec<usize> = (0..journeys.len()).collect();
        longest_first.sort_by_key(|&place| std::cmp::Reverse(journeys[place].1));
        Waiting { journeys, come: vec![false; journeys.len()], in_order: 0, longest_first: longest_first.into() }
    }

    fn next(&mut self, rounds_left: u64) -> Option<usize> {
        while self.longest_first.front().is_some_and(|&place| self.come[place]) {
            self.longest_first.pop_front();
        }
        let longest = *self.longest_first.front()?;
        let urgent = u64::from(self.journeys[longest].1) * 2 >= rounds_left;
        let place = if urgent {
            longest
        } else {
            let later = self.come[self.in_order..].iter().position(|come| !come)?;
            self.in_order += later;
            self.in_order
        };
        self.come[place] = true;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Every touch once and in order, no two closer than a pause, no two in one slot.
    fn check(journeys: &[(u32, u16)], schedule: &Schedule) {
        let mut last: HashMap<u32, Step> = HashMap::new();
        for pair in schedule.steps.windows(2) {
            assert!(pair[0].slot < pair[1].slot, "{pair:?}");
        }
        for step in &schedule.steps {
            match last.insert(step.journey, *step) {
                None => assert_eq!(step.position, 0, "{step:?}"),
                Some(before) => {
                    assert_eq!(step.position, before.position + 1, "{step:?}");
                    assert!(step.slot - before.slot >= schedule.pause_slots, "{before:?} {step:?}");
                }
            }
        }
        for (journey, touches) in journeys {
            assert_eq!(last[journey].position + 1, *touches, "journey {journey}");
        }
    }

    #[test]
    fn the_whole_file_keeps_its_rate_to_the_end() {
        let demo = crate::reference::demo_journeys();
        // No conversion counts here, so the file's own order, which has long and short ones mixed, will do.
        let journeys: Vec<(u32, u16)> =
            (0..demo.len()).map(|journey| (journey, demo.touches(journey).len() as u16)).collect();
        for rate in [1000, 4000, 8000] {
            let schedule = schedule(&journeys, rate);
            check(&journeys, &schedule);
            let slots = schedule.steps.last().expect("steps").slot as usize + 1;
            assert!(slots <= schedule.steps.len() * 102 / 100, "rate {rate}: {slots} slots");
        }
    }

    proptest! {
        #[test]
        fn every_touch_has_its_slot(lengths in prop::collection::vec(1_u16..90, 1..60), rate in 1_u32..5000) {
            let journeys: Vec<(u32, u16)> = (7..).zip(lengths).collect();
            check(&journeys, &schedule(&journeys, rate));
        }
    }
}
