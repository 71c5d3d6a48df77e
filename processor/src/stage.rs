//! The shells of the three stages: read the state that a rule needs, let `domain` decide, note changes and records.

pub mod decide;
pub mod join;
pub mod settle;

use schemas::topic::Topic;

/// The stage that a topic is the input of.
pub fn name(topic: Topic) -> &'static str {
    match topic {
        Topic::Clicks | Topic::Events => "join",
        Topic::Candidates => "decide",
        Topic::Journal => "settle",
        Topic::Rejected
        | Topic::Decisions
        | Topic::Attributions
        | Topic::Payouts
        | Topic::Catalog
        | Topic::DecideChangelog
        | Topic::SettleChangelog
        | Topic::DeadLetters => "none",
    }
}
