//! `tributary explain`: finds a conversion's records and has `domain` tell them.
//!
//! ClickHouse is the index: it knows where in Kafka the current decision stands and where its journal entries do. What is
//! shown is the record in Kafka, whole, as decide wrote it. What the sinks have not loaded yet is read from the topics' ends,
//! so that nobody is told yesterday's decision (decision 22).

use crate::Error;
use crate::log::{read_after, read_at};
use kafka::KafkaConfig;
use kafka::queue::Record;
use schemas::codec;
use schemas::id::{ConversionId, EntryId};
use schemas::name::{AdvertiserId, TenantId};
use schemas::record::decision::{Decision, Outcome};
use schemas::record::journal::{JournalEntry, JournalRecord};
use schemas::topic::Topic;
use sinks::look_up::{Found, Indexed, LookUp};
use std::collections::BTreeMap;

pub struct Wanted {
    /// An order's, a conversion's or an event's id.
    pub name: String,
    pub advertiser: Option<AdvertiserId>,
    pub tenant: Option<TenantId>,
}

/// A conversion's current decision with all of its entries, by revision.
pub struct Explained {
    pub decision: Decision,
    pub entries: Vec<JournalEntry>,
}

/// Without an index the topics are read whole.
pub fn explain(config: &KafkaConfig, index: Option<&LookUp>, wanted: &Wanted) -> Result<Explained, Error> {
    let decisions = decisions(config, index, &wanted.name)?;
    let decision = pick(decisions, wanted)?;
    let entries = entries(config, index, decision.conversion_id)?;
    Ok(Explained { decision, entries })
}

/// The current decisions of the conversions of this name.
fn decisions(config: &KafkaConfig, index: Option<&LookUp>, name: &str) -> Result<Vec<Decision>, Error> {
    let asked = |found: Result<Vec<Found>, sinks::Error>| found.map_err(Error::Index);
    let found = index.map_or(Ok(Vec::new()), |index| asked(index.decisions(name)))?;
    let loaded = index.map_or(Ok(Vec::new()), |index| asked(index.loaded(Indexed::Decisions)))?;
    let id = name.parse::<ConversionId>().ok();
    let mut current: BTreeMap<ConversionId, Decision> = BTreeMap::new();
    read_at(config, Topic::Decisions, &found, |record| {
        current.extend(decoded(record).map(|decision| (decision.conversion_id, decision)));
        Ok(())
    })?;
    read_after(config, Topic::Decisions, &loaded, |record| {
        let Some(decision) = decoded(record) else { return Ok(()) };
        let named = decision.order_id.as_deref() == Some(name) || decision.event_id == name;
        // A conversion that ever was of this name is: its order may have got another first event since.
        let known = current.get(&decision.conversion_id).map(|known| known.revision);
        if (known.is_some() || named || Some(decision.conversion_id) == id) && known <= Some(decision.revision) {
            current.insert(decision.conversion_id, decision);
        }
        Ok(())
    })?;
    Ok(current.into_values().collect())
}

fn decoded(record: Record<'_>) -> Option<Decision> {
    codec::decode(record.value?).ok()
}

/// By what the name is: a conversion's id before an order's, that before an event's.
fn pick(decisions: Vec<Decision>, wanted: &Wanted) -> Result<Decision, Error> {
    let asked = |decision: &Decision| {
        wanted.advertiser.as_ref().is_none_or(|wanted| *wanted == decision.advertiser)
            && wanted.tenant.as_ref().is_none_or(|wanted| *wanted == decision.tenant)
    };
    let rank = |decision: &Decision| match () {
        () if decision.conversion_id.to_string() == wanted.name => 0,
        () if decision.order_id.as_ref() == Some(&wanted.name) => 1,
        // An event whose order is known is told by the order.
        () if decision.outcome != Outcome::SameAsOrder => 2,
        () => 3,
    };
    let of_them: Vec<Decision> = decisions.into_iter().filter(asked).collect();
    let best = of_them.iter().map(rank).min().ok_or_else(|| Error::Unknown { name: wanted.name.clone() })?;
    let mut of_them: Vec<Decision> = of_them.into_iter().filter(|decision| rank(decision) == best).collect();
    match (of_them.pop(), of_them.is_empty()) {
        (Some(only), true) => Ok(only),
        (last, _) => {
            of_them.extend(last);
            of_them.sort_by(|a, b| (&a.tenant, &a.advertiser).cmp(&(&b.tenant, &b.advertiser)));
            let line = |of: &Decision| {
                format!("  --tenant {} --advertiser {}  conversion {}", of.tenant, of.advertiser, of.conversion_id)
            };
            let list = of_them.iter().map(line).collect::<Vec<_>>().join("\n");
            Err(Error::Several { name: wanted.name.clone(), list })
        }
    }
}

fn entries(config: &KafkaConfig, index: Option<&LookUp>, conversion: ConversionId) -> Result<Vec<JournalEntry>, Error> {
    let found = index.map_or(Ok(Vec::new()), |index| index.entries(conversion)).map_err(Error::Index)?;
    let loaded = index.map_or(Ok(Vec::new()), |index| index.loaded(Indexed::Journal)).map_err(Error::Index)?;
    let mut entries: BTreeMap<(i32, EntryId), JournalEntry> = BTreeMap::new();
    let mut take = |record: Record<'_>| {
        if let Some(Ok(JournalRecord::Entry(entry))) = record.value.map(JournalRecord::read)
            && entry.conversion_id == conversion
        {
            entries.insert((entry.revision, entry.entry_id), *entry);
        }
        Ok(())
    };
    read_at(config, Topic::Journal, &found, &mut take)?;
    read_after(config, Topic::Journal, &loaded, &mut take)?;
    Ok(entries.into_values().collect())
}
