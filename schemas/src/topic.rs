//! The topics: names, how they are kept and partitioned. The one place that knows.

use crate::limits;

/// A topic of an installation; `Topics` gives its full name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Topic {
    Clicks,
    Rejected,
    Events,
    Candidates,
    Decisions,
    Attributions,
    Journal,
    Payouts,
    Budgets,
    Catalog,
    DecideChangelog,
    SettleChangelog,
    DeadLetters,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// Longest window plus lateness limit: 150 days.
    Window,
    ForEver,
    Compacted,
}

/// How long clicks, events and what is kept as they are stay in Kafka: the longest window and the lateness limit.
pub const WINDOW_MILLIS: i64 = (limits::LONGEST_LOOK_BACK_MICROS + limits::LATENESS_MICROS) / 1000;

/// Partitions of every co-partitioned topic, unless `topics create --partitions` says otherwise: two per core of a
/// small machine. Growth is a migration to new topics, so larger installations choose at creation.
pub const DEFAULT_PARTITIONS: i32 = 4;

impl Topic {
    pub const ALL: [Topic; 13] = [
        Topic::Clicks,
        Topic::Rejected,
        Topic::Events,
        Topic::Candidates,
        Topic::Decisions,
        Topic::Attributions,
        Topic::Journal,
        Topic::Payouts,
        Topic::Budgets,
        Topic::Catalog,
        Topic::DecideChangelog,
        Topic::SettleChangelog,
        Topic::DeadLetters,
    ];

    /// What the processor consumes; range assignment gives one thread the same partition number of each.
    pub const STAGE_INPUTS: [Topic; 4] = [Topic::Clicks, Topic::Events, Topic::Candidates, Topic::Journal];

    pub fn name(self) -> &'static str {
        match self {
            Topic::Clicks => "clicks",
            Topic::Rejected => "rejected",
            Topic::Events => "events",
            Topic::Candidates => "candidates",
            Topic::Decisions => "decisions",
            Topic::Attributions => "attributions",
            Topic::Journal => "journal",
            Topic::Payouts => "payouts",
            Topic::Budgets => "budgets",
            Topic::Catalog => "catalog",
            Topic::DecideChangelog => "decide-changelog",
            Topic::SettleChangelog => "settle-changelog",
            Topic::DeadLetters => "dead-letters",
        }
    }

    pub fn kept(self) -> Kept {
        match self {
            Topic::Clicks | Topic::Rejected | Topic::Events | Topic::DeadLetters => Kept::Window,
            Topic::Candidates | Topic::Decisions | Topic::Attributions | Topic::Journal | Topic::Payouts => {
                Kept::ForEver
            }
            Topic::Budgets | Topic::Catalog | Topic::DecideChangelog | Topic::SettleChangelog => Kept::Compacted,
        }
    }

    /// Everything but the catalog has the installation's number of partitions.
    pub fn partitions(self, installation: i32) -> i32 {
        match self {
            Topic::Catalog => 1,
            _ => installation,
        }
    }
}

/// The names of an installation's topics: a prefix keeps several apart on one cluster.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Topics {
    prefix: String,
}

impl Topics {
    pub fn new(prefix: &str) -> Self {
        Topics { prefix: prefix.to_owned() }
    }

    pub fn name(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.name())
    }

    /// Which topic a full name is, if it is one of ours.
    pub fn topic(&self, name: &str) -> Option<Topic> {
        let bare = name.strip_prefix(self.prefix.as_str())?;
        Topic::ALL.into_iter().find(|topic| topic.name() == bare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_found_by_its_full_name_only() {
        let topics = Topics::new("t1.");
        for topic in Topic::ALL {
            assert_eq!(topics.topic(&topics.name(topic)), Some(topic));
            assert_eq!(topics.topic(topic.name()), None);
        }
    }
}
