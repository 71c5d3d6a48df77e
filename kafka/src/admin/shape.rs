//! What each topic must be like, and what is wrong with those that are there. Pure: asking the broker is the client's.

use super::Partitions;
use crate::KafkaConfig;
use schemas::limits::RECORD_BYTES;
use schemas::topic::{Kept, Topic, WINDOW_MILLIS};
use std::fmt;

/// Copies that outlive the loss of one broker while another is being restarted.
pub const SAFE_REPLICATION: i32 = 3;
/// Copies that an acknowledged record has at least.
const SAFE_IN_SYNC: i32 = 2;

/// A topic as the broker describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub name: String,
    pub partitions: i32,
    /// The fewest copies that a partition has.
    pub replication: i32,
    pub settings: Vec<(String, String)>,
}

/// A setting of a topic that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    pub topic: String,
    pub field: &'static str,
    pub found: String,
    pub expected: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {} is {}, expected {}", self.topic, self.field, self.found, self.expected)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Misfits(pub Vec<Misfit>);

impl Misfits {
    pub fn of(misfit: Misfit) -> Misfits {
        Misfits(vec![misfit])
    }

    pub fn add(&mut self, misfit: Misfit) {
        self.0.push(misfit);
    }

    pub fn refuse_any(self) -> Result<(), Misfits> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Misfits {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the topics do not fit:")?;
        // What is wrong with many in the same way takes one line.
        let mut alike: Vec<(&Misfit, Vec<&str>)> = Vec::new();
        for misfit in &self.0 {
            let same = |other: &Misfit| Misfit { topic: misfit.topic.clone(), ..other.clone() } == *misfit;
            match alike.iter_mut().find(|(first, _)| same(first)) {
                Some((_, topics)) => topics.push(&misfit.topic),
                None => alike.push((misfit, vec![&misfit.topic])),
            }
        }
        for (Misfit { field, found, expected, .. }, topics) in alike {
            write!(out, "\n  {field} is {found}, expected {expected}: {}", topics.join(", "))?;
        }
        let has = |fields: &[&str]| self.0.iter().any(|misfit| fields.contains(&misfit.field));
        if has(&["topic", "installation"]) {
            out.write_str("\nrun `tributary topics create`")?;
        }
        if has(&["partitions", "installation.partitions"]) {
            out.write_str(
                "\nthe number of partitions is fixed when topics are created, since journeys and orders hash by it; \
                 another one is a migration to new topics: set another [kafka] prefix",
            )?;
        }
        if has(&["replication", "min.insync.replicas"]) {
            out.write_str("\non a laptop or in a test set [kafka] development = true")?;
        }
        Ok(())
    }
}

/// The settings with which a topic is created.
pub fn settings(topic: Topic, replication: i32) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("compression.type", "producer".to_owned()),
        ("message.timestamp.type", timestamp_type(topic).to_owned()),
        ("min.insync.replicas", if replication >= SAFE_REPLICATION { SAFE_IN_SYNC } else { 1 }.to_string()),
        // The broker's own limit must not shorten what is kept by time.
        ("retention.bytes", "-1".to_owned()),
        ("max.message.bytes", largest_record(topic).to_string()),
    ];
    match topic.kept() {
        Kept::Window => {
            settings.push(("cleanup.policy", "delete".to_owned()));
            settings.push(("retention.ms", WINDOW_MILLIS.to_string()));
        }
        Kept::ForEver => {
            settings.push(("cleanup.policy", "delete".to_owned()));
            settings.push(("retention.ms", "-1".to_owned()));
        }
        Kept::Compacted => {
            settings.push(("cleanup.policy", "compact".to_owned()));
            // How long a store may be away and still learn of deletions: 7 days.
            settings.push(("delete.retention.ms", (7 * 24 * 3600 * 1000_i64).to_string()));
            // Restoring reads the whole topic, so it is cleaned earlier than at the default half, in smaller segments,
            // since the last one is never cleaned.
            settings.push(("min.cleanable.dirty.ratio", "0.3".to_owned()));
            settings.push(("segment.bytes", (256 * 1024 * 1024).to_string()));
        }
    }
    settings
}

/// What the edge writes is small; what the processor writes may be a conversion with all its history.
fn largest_record(topic: Topic) -> usize {
    match topic {
        Topic::Clicks | Topic::Events | Topic::Rejected | Topic::Catalog => 1 << 20,
        Topic::Candidates
        | Topic::Decisions
        | Topic::Attributions
        | Topic::Journal
        | Topic::Payouts
        | Topic::Budgets
        | Topic::DecideChangelog
        | Topic::SettleChangelog
        | Topic::DeadLetters => RECORD_BYTES,
    }
}

/// What expires with the clicks does so by the broker's clock: one skewed edge must not make it drop everything.
fn timestamp_type(topic: Topic) -> &'static str {
    match topic {
        Topic::Clicks | Topic::Events => "LogAppendTime",
        Topic::Rejected
        | Topic::Candidates
        | Topic::Decisions
        | Topic::Attributions
        | Topic::Journal
        | Topic::Payouts
        | Topic::Budgets
        | Topic::Catalog
        | Topic::DecideChangelog
        | Topic::SettleChangelog
        | Topic::DeadLetters => "CreateTime",
    }
}

/// What is wrong with these topics. Topics that are not among them are not missed.
pub fn check(config: &KafkaConfig, partitions: Partitions, found: &[Found]) -> Misfits {
    let mut misfits = Misfits::default();
    for topic in Topic::ALL {
        let name = config.topics().name(topic);
        if let Some(found) = found.iter().find(|found| found.name == name) {
            check_one(config, topic, topic.partitions(partitions.0), found, &mut misfits);
        }
    }
    misfits
}

fn check_one(config: &KafkaConfig, topic: Topic, partitions: i32, found: &Found, misfits: &mut Misfits) {
    let mut expect = |fits: bool, field, is: String, expected: String| {
        if !fits {
            misfits.add(Misfit { topic: found.name.clone(), field, found: is, expected });
        }
    };
    let setting = |name: &str| {
        let value = found.settings.iter().find(|(found, _)| found == name);
        value.map_or_else(|| "unknown".to_owned(), |(_, value)| value.clone())
    };
    let number = |name: &str| setting(name).parse::<i64>().ok();

    expect(found.partitions == partitions, "partitions", found.partitions.to_string(), partitions.to_string());
    if !config.development {
        let replication = found.replication;
        expect(
            replication >= SAFE_REPLICATION,
            "replication",
            replication.to_string(),
            format!("{SAFE_REPLICATION} or more"),
        );
        let field = "min.insync.replicas";
        let enough = number(field).is_some_and(|copies| copies >= i64::from(SAFE_IN_SYNC));
        expect(enough, field, setting(field), format!("{SAFE_IN_SYNC} or more"));
    }
    let policy = if topic.kept() == Kept::Compacted { "compact" } else { "delete" };
    expect(setting("cleanup.policy") == policy, "cleanup.policy", setting("cleanup.policy"), policy.to_owned());
    let (retention, least) = (number("retention.ms"), "retention.ms");
    match topic.kept() {
        Kept::Window => {
            let enough = retention.is_some_and(|kept| kept == -1 || kept >= WINDOW_MILLIS);
            expect(enough, least, setting(least), format!("{WINDOW_MILLIS} or more"));
        }
        Kept::ForEver => expect(retention == Some(-1), least, setting(least), "-1".to_owned()),
        Kept::Compacted => {}
    }
    if topic.kept() != Kept::Compacted {
        let field = "retention.bytes";
        expect(number(field) == Some(-1), field, setting(field), "-1".to_owned());
    }
    let field = "message.timestamp.type";
    expect(setting(field) == timestamp_type(topic), field, setting(field), timestamp_type(topic).to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(development: bool) -> KafkaConfig {
        KafkaConfig { bootstrap: "127.0.0.1:1".into(), prefix: "t.".into(), development }
    }

    fn created(topic: Topic, replication: i32) -> Found {
        let settings = settings(topic, replication);
        Found {
            name: format!("t.{}", topic.name()),
            partitions: topic.partitions(4),
            replication,
            settings: settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }

    #[test]
    fn topics_fit_as_they_were_created() {
        let all: Vec<Found> = Topic::ALL.into_iter().map(|topic| created(topic, 3)).collect();
        assert_eq!(check(&config(false), Partitions(4), &all), Misfits::default());
        let single: Vec<Found> = Topic::ALL.into_iter().map(|topic| created(topic, 1)).collect();
        assert_eq!(check(&config(true), Partitions(4), &single), Misfits::default());
    }

    #[test]
    fn a_misfit_names_topic_field_and_values() {
        let set = |topic, name: &str, value: &str| {
            let mut found = created(topic, 3);
            found.settings.retain(|(setting, _)| setting != name);
            found.settings.push((name.into(), value.into()));
            found
        };
        for (found, message) in [
            (Found { partitions: 3, ..created(Topic::Clicks, 3) }, "t.clicks: partitions is 3, expected 4"),
            (Found { partitions: 4, ..created(Topic::Catalog, 3) }, "t.catalog: partitions is 4, expected 1"),
            (Found { replication: 1, ..created(Topic::Journal, 3) }, "t.journal: replication is 1, expected 3 or more"),
            (
                set(Topic::Journal, "min.insync.replicas", "1"),
                "t.journal: min.insync.replicas is 1, expected 2 or more",
            ),
            (
                set(Topic::Catalog, "cleanup.policy", "compact,delete"),
                "t.catalog: cleanup.policy is compact,delete, expected compact",
            ),
            (
                set(Topic::Candidates, "retention.ms", "604800000"),
                "t.candidates: retention.ms is 604800000, expected -1",
            ),
            (
                set(Topic::Events, "retention.ms", "604800000"),
                "t.events: retention.ms is 604800000, expected 12960000000 or more",
            ),
            (
                set(Topic::Clicks, "message.timestamp.type", "CreateTime"),
                "t.clicks: message.timestamp.type is CreateTime, expected LogAppendTime",
            ),
        ] {
            let misfits = check(&config(false), Partitions(4), &[found]);
            assert_eq!(misfits.0.iter().map(Misfit::to_string).collect::<Vec<_>>(), [message]);
        }
    }

    #[test]
    fn what_is_wrong_with_many_takes_one_line_and_says_what_to_do() {
        let fewer = |topic| Found { partitions: 3, ..created(topic, 3) };
        let misfits = check(&config(false), Partitions(4), &[fewer(Topic::Clicks), fewer(Topic::Events)]);
        let shown = misfits.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[..2], ["the topics do not fit:", "  partitions is 3, expected 4: t.clicks, t.events"]);
        assert!(lines[2].contains("set another [kafka] prefix"), "{shown}");
    }
}
