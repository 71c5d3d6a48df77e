//! The benchmark's workload, made here: journeys of 1 to 6 clicks (truncated geometric, mean 2.5) that begin evenly over 35
//! days, their conversions, and the order in which all of it arrives. Record by record that of the peers' generator, seed
//! for seed: each journey is a function of seed and number alone.

use crate::bench::manifest::Manifest;
use crate::bench::random::{Random, mix};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;
const SPAN: i64 = 35 * DAY;
const WINDOW: i64 = 30 * DAY;
const MOST_CLICKS: usize = 6;
/// That a click is followed by another.
const CONTINUE: f64 = 0.69;

/// One of the sets that the goals speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Set {
    /// Journeys in order of time, one conversion for twenty clicks
    A,
    /// As a, with random journey ids
    B,
    /// As many conversions as clicks
    C,
}

impl Set {
    /// Clicks and conversions, where nobody asks for another size.
    pub fn sizes(self) -> (u64, u64) {
        match self {
            Set::A | Set::B => (10_000_000, 500_000),
            Set::C => (1_000_000, 1_000_000),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Plan {
    seed: u64,
    conversions: u64,
    journeys: u64,
    time_ordered: bool,
}

impl Plan {
    pub fn new(set: Set, seed: u64, clicks: u64, conversions: u64) -> Plan {
        let (mut journeys, mut made) = (0, 0);
        while made < clicks {
            made += clicks_of(seed, journeys) as u64;
            journeys += 1;
        }
        Plan { seed, conversions, journeys, time_ordered: set != Set::B }
    }
}

fn clicks_of(seed: u64, journey: u64) -> usize {
    let mut random = Random::new(mix(seed.wrapping_add(1) ^ mix(journey)));
    let mut left = random.fraction() * (1.0 - CONTINUE.powi(MOST_CLICKS as i32));
    let (mut clicks, mut share) = (1, 1.0 - CONTINUE);
    while clicks < MOST_CLICKS && left >= share {
        left -= share;
        share *= CONTINUE;
        clicks += 1;
    }
    clicks
}

#[derive(Debug)]
pub struct Journey {
    pub id: [u8; 16],
    pub clicks: Vec<i64>,
    pub conversions: Vec<Conversion>,
    /// The first click arrives after the first conversion, though it occurred before it.
    late_click: bool,
    seed: u64,
}

/// Times in microseconds since 1970.
#[derive(Debug)]
pub struct Conversion {
    pub at: i64,
    pub amount_minor: i64,
    repeated_at: Option<i64>,
}

impl Journey {
    pub fn new(plan: &Plan, number: u64) -> Journey {
        let seed = mix(plan.seed ^ mix(number));
        let mut random = Random::new(seed);
        let slot = (SPAN / plan.journeys.cast_signed()).max(1);
        let start = START + (SPAN as f64 * number as f64 / plan.journeys as f64) as i64 + random.below(slot);
        let mut clicks = vec![start];
        for _ in 1..clicks_of(plan.seed, number) {
            clicks.push(clicks[clicks.len() - 1] + 120 * SECOND + random.exponential(DAY).min(5 * DAY));
        }
        let rate = plan.conversions as f64 / plan.journeys as f64;
        let count = rate as usize + usize::from(random.fraction() < rate.fract());
        let late_click = count > 0 && random.fraction() < 0.002;
        let conversions = (0..count).map(|nth| {
            let outside = random.fraction() < 0.05;
            let delay = match outside {
                true => WINDOW + HOUR + random.exponential(DAY / 2),
                false => SECOND + random.exponential(2 * DAY).min(29 * DAY),
            };
            let at = if nth == 0 && late_click { start + 30 * SECOND } else { clicks[clicks.len() - 1] + delay };
            let amount_minor = 500 + random.below(50_000);
            let repeated = random.fraction() < 0.01;
            let repeated_at = repeated.then(|| at + SECOND + random.exponential(6 * HOUR));
            Conversion { at, amount_minor, repeated_at }
        });
        let conversions = conversions.collect();
        let id = if plan.time_ordered { random.uuid7(start / 1000) } else { random.bytes16() };
        Journey { id, clicks, conversions, late_click, seed }
    }

    fn arrives(&self, click: usize) -> i64 {
        self.clicks[click] + if click == 0 && self.late_click { 60 * SECOND } else { 0 }
    }

    /// What the journey's clicks and conversions have in common.
    pub fn common(&self) -> Random {
        self.random(1)
    }

    pub fn of_click(&self, click: usize) -> Random {
        self.random(100 + click as u64)
    }

    pub fn of_conversion(&self, conversion: usize) -> Random {
        self.random(200 + conversion as u64)
    }

    fn random(&self, salt: u64) -> Random {
        Random::new(mix(self.seed.wrapping_add(salt)))
    }

    /// The last click that occurred no later than the conversion: the one that its token names.
    pub fn named_by(&self, conversion: usize) -> Option<usize> {
        self.clicks.iter().rposition(|at| *at <= self.conversions[conversion].at)
    }
}

/// What arrives: of a journey, its so-manyth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    Click(usize),
    Conversion(usize),
    Repeat(usize),
}

/// All items in the order of their arrival, with their journeys.
pub struct Arriving {
    plan: Plan,
    next: u64,
    waiting: BinaryHeap<Reverse<(i64, u64, Item)>>,
}

impl Arriving {
    pub fn new(plan: Plan) -> Arriving {
        Arriving { plan, next: 0, waiting: BinaryHeap::new() }
    }

    fn add(&mut self, number: u64, journey: &Journey) {
        let mut add = |at, item| self.waiting.push(Reverse((at, number, item)));
        (0..journey.clicks.len()).for_each(|click| add(journey.arrives(click), Item::Click(click)));
        for (nth, conversion) in journey.conversions.iter().enumerate() {
            add(conversion.at, Item::Conversion(nth));
            if let Some(at) = conversion.repeated_at {
                add(at, Item::Repeat(nth));
            }
        }
    }
}

impl Iterator for Arriving {
    type Item = (Journey, Item);

    fn next(&mut self) -> Option<(Journey, Item)> {
        // A journey's first item is its first click, so none that begins later can come before what waits.
        while self.next < self.plan.journeys {
            let journey = Journey::new(&self.plan, self.next);
            if self.waiting.peek().is_some_and(|Reverse((at, ..))| *at < journey.clicks[0]) {
                break;
            }
            self.add(self.next, &journey);
            self.next += 1;
        }
        let Reverse((_, number, item)) = self.waiting.pop()?;
        Some((Journey::new(&self.plan, number), item))
    }
}

/// What must come out, counted from what goes in: 12 % of each conversion with a click within 30 days before it.
impl Manifest {
    pub fn count(&mut self, journey: &Journey, item: Item) {
        let nth = match item {
            Item::Click(_) => {
                self.clicks += 1;
                return;
            }
            Item::Conversion(nth) => nth,
            Item::Repeat(_) => {
                self.events += 1;
                return;
            }
        };
        let Conversion { at, amount_minor, .. } = journey.conversions[nth];
        self.events += 1;
        self.distinct_conversions += 1;
        if journey.clicks.iter().any(|click| (at - WINDOW..=at).contains(click)) {
            self.attributed_event_time += 1;
            self.commission_event_time += i128::from(twelve_per_cent(amount_minor));
        }
    }
}

/// Rounded half-even.
fn twelve_per_cent(minor: i64) -> i64 {
    let (whole, rest) = (minor * 12 / 100, minor * 12 % 100);
    whole + i64::from(rest > 50 || rest == 50 && whole % 2 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(set: Set, clicks: u64, conversions: u64) -> Manifest {
        let mut manifest = Manifest::default();
        for (journey, item) in Arriving::new(Plan::new(set, 20_260_101, clicks, conversions)) {
            manifest.count(&journey, item);
        }
        manifest
    }

    /// As the peers' generator printed it for the same sizes.
    #[test]
    fn it_is_the_peers_workload() {
        let expected = Manifest {
            clicks: 200_000,
            events: 201_997,
            distinct_conversions: 200_007,
            attributed_event_time: 190_053,
            commission_event_time: 581_249_138,
        };
        assert_eq!(manifest(Set::C, 200_000, 200_000), expected);
    }

    #[test]
    fn items_come_in_the_order_of_their_arrival() {
        let plan = Plan::new(Set::A, 1, 5_000, 2_000);
        let (mut last, mut late) = (0, 0);
        for (journey, item) in Arriving::new(plan) {
            let at = match item {
                Item::Click(nth) => journey.arrives(nth),
                Item::Conversion(nth) => journey.conversions[nth].at,
                Item::Repeat(nth) => journey.conversions[nth].repeated_at.expect("it is repeated"),
            };
            assert!(at >= last, "{item:?} at {at} after {last}");
            last = at;
            late += u32::from(item == Item::Click(0) && journey.late_click);
        }
        assert!(late > 0, "some clicks arrive after their conversion");
    }
}
