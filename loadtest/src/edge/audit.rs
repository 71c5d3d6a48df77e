//! The journal against what Kafka holds: every acknowledged id once. An event that was sent again under its id may
//! stand there as often as it was sent; processing counts it once, by that id.

use super::journal::Told;
use super::site::EdgeSite;
use super::visitors::event_number;
use crate::error::Error;
use schemas::codec;
use schemas::record::click::Click;
use schemas::record::event::Event;
use schemas::topic::Topic;
use std::collections::HashMap;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    pub acknowledged: u64,
    /// Acknowledged and not in Kafka.
    pub lost: u64,
    /// Clicks that stand in their topic more than once, and events more often than they were sent.
    pub doubled: u64,
    /// Events that stand in their topic as often as they were sent, more than once.
    pub resent: u64,
    /// In Kafka, and nobody was told so: the answer was lost, or came without a token.
    pub untold: u64,
    /// The first few that are wrong.
    pub shown: Vec<String>,
}

const SHOWN: usize = 5;

/// What the topics hold, each id with how often.
pub fn read(site: &EdgeSite) -> Result<HashMap<Told, u32>, Error> {
    let mut found = HashMap::new();
    let undecodable =
        |error: codec::DecodeError| Error::Chaos { doing: "read what the edge wrote", reason: error.to_string() };
    for topic in [Topic::Clicks, Topic::Events] {
        for (place, extent) in site.extents(topic)? {
            let each = |record: kafka::queue::Record<'_>| {
                let value = record.value.unwrap_or_default();
                let told = if topic == Topic::Clicks {
                    Some(Told::Click(codec::decode::<Click>(value).map_err(undecodable)?.click_id.0))
                } else {
                    event_number(&codec::decode::<Event>(value).map_err(undecodable)?.event_id).map(Told::Event)
                };
                if let Some(told) = told {
                    *found.entry(told).or_insert(0) += 1;
                }
                Ok::<(), Error>(())
            };
            kafka::range::read(&site.kafka, &place, extent.first, extent.end, each, || Ok(()))?;
        }
    }
    Ok(found)
}

/// `acknowledged` is the journal; `sent` says how often an event was sent, where that was not once.
pub fn audit(acknowledged: &[Told], sent: &HashMap<u64, u32>, found: &HashMap<Told, u32>) -> Findings {
    let mut findings = Findings { acknowledged: acknowledged.len() as u64, ..Findings::default() };
    let mut show = |what: String| {
        if findings.shown.len() < SHOWN {
            findings.shown.push(what);
        }
    };
    for told in acknowledged {
        if !found.contains_key(told) {
            findings.lost += 1;
            show(format!("{told:?} was acknowledged and is not in Kafka"));
        }
    }
    for (told, times) in found {
        let allowed = match told {
            Told::Click(_) => 1,
            Told::Event(number) => sent.get(number).copied().unwrap_or(1),
        };
        if *times > allowed {
            findings.doubled += 1;
            show(format!("{told:?} is in Kafka {times} times, and was sent {allowed} times"));
        } else if *times > 1 {
            findings.resent += 1;
        }
        findings.untold += u64::from(acknowledged.binary_search(told).is_err());
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_fault_is_found() {
        let click = |number| Told::Click([number; 16]);
        let mut acknowledged = vec![click(1), click(2), click(3), Told::Event(1), Told::Event(2), Told::Event(3)];
        acknowledged.sort_unstable();
        let sent = HashMap::from([(2, 2)]);
        let held = [
            (click(1), 1),
            // Twice; and the third is missing.
            (click(2), 2),
            (Told::Event(1), 1),
            // As often as it was sent; and once more than that.
            (Told::Event(2), 2),
            (Told::Event(3), 2),
            // Nobody was told of this one.
            (click(9), 1),
        ];
        let findings = audit(&acknowledged, &sent, &HashMap::from(held));
        let figures = (findings.acknowledged, findings.lost, findings.doubled, findings.resent, findings.untold);
        assert_eq!(figures, (6, 1, 2, 1, 1));
        assert_eq!(findings.shown.len(), 3);
    }
}
