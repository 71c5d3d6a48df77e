//! What the replay recorded, arranged for the comparison.

use crate::error::Error;
use crate::journeys::PublisherIndex;
use crate::record::{self, Line, Run};
use schemas::decimal::Amount;
use schemas::id::{ClickId, ConversionId};
use schemas::name::PublisherId;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

#[derive(Debug)]
pub struct Recorded {
    pub run: Run,
    /// Acknowledged, sorted.
    pub clicks: Vec<ClickId>,
    /// Clicks that may have been counted without our knowing their ids.
    pub unknown_clicks: u64,
    pub publishers: Vec<PublisherId>,
    /// Acknowledged, by journey.
    pub conversions: Vec<Conversion>,
    /// Events that may have been taken without our knowing.
    pub unknown_events: HashSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    pub event_id: String,
    pub conversion: ConversionId,
    pub value: Amount,
    /// The acknowledged clicks of its journey, in order.
    pub touches: Vec<PublisherIndex>,
    /// No click of its journey is unknown, so its touches are all that there are.
    pub certain: bool,
}

#[derive(Default)]
struct Journey {
    touches: BTreeMap<u16, PublisherIndex>,
    uncertain: bool,
}

impl Recorded {
    pub fn read(dir: &Path) -> Result<Recorded, Error> {
        let run = record::read_run(dir)?;
        let lines = record::read_lines(dir)?;
        let mut publishers: Vec<PublisherId> = Vec::new();
        let mut journeys: HashMap<u32, Journey> = HashMap::new();
        let mut recorded = Recorded {
            run,
            clicks: Vec::new(),
            unknown_clicks: 0,
            publishers: Vec::new(),
            conversions: Vec::new(),
            unknown_events: HashSet::new(),
        };
        let mut events = BTreeMap::new();
        for line in lines {
            match line {
                Line::Click { journey, position, publisher, click } => {
                    recorded.clicks.push(click);
                    let index = publishers.iter().position(|known| *known == publisher).unwrap_or(publishers.len());
                    if index == publishers.len() {
                        publishers.push(publisher);
                    }
                    // `Journeys::read` allows 256 of them.
                    journeys.entry(journey).or_default().touches.insert(position, index as PublisherIndex);
                }
                Line::UnknownClick { journey, .. } => {
                    recorded.unknown_clicks += 1;
                    journeys.entry(journey).or_default().uncertain = true;
                }
                Line::Event { journey, event_id, conversion, value, .. } => {
                    events.insert(journey, (event_id, conversion, value));
                }
                Line::UnknownEvent { event_id, .. } => _ = recorded.unknown_events.insert(event_id),
            }
        }
        recorded.clicks.sort_unstable();
        recorded.publishers = publishers;
        let conversion = |(journey, (event_id, conversion, value))| {
            let journey = journeys.remove(&journey).unwrap_or_default();
            let (touches, certain) = (journey.touches.into_values().collect(), !journey.uncertain);
            Conversion { event_id, conversion, value, touches, certain }
        };
        recorded.conversions = events.into_iter().map(conversion).collect();
        Ok(recorded)
    }
}
