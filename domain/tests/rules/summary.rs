//! A decision in a few lines, for rows that a person can read: `#1` stands for the id of sixteen ones.

use crate::shop::{click_id, journey_id};
use schemas::record::decision::Decision;

/// The outcome, then a line per piece of evidence, touch and further delivery.
pub fn summary(decision: &Decision) -> Vec<String> {
    let mut lines = vec![format!("{}: {} | {}", decision.outcome.name(), decision.reason, decision.arithmetic)];
    for verdict in &decision.evidence {
        lines.push(format!("{} {}: {} ({})", verdict.source, verdict.value, verdict.reason, verdict.measured));
    }
    for verdict in &decision.touches {
        let id = verdict.click_id.map_or("synthetic".into(), |click| click.to_string());
        let kept = if verdict.kept { "kept" } else { "dropped" };
        lines.push(format!("{id} {} {kept}: {} ({})", verdict.publisher, verdict.reason, verdict.value));
    }
    for note in &decision.deliveries {
        lines.push(format!("{}: {} ({})", note.event_id, note.reason, note.value));
    }
    lines.into_iter().map(|line| short(&line)).collect()
}

fn short(line: &str) -> String {
    let ids = (1..=20)
        .flat_map(|number| [click_id(number).to_string(), journey_id(number).to_string()].map(|id| (id, number)));
    ids.fold(line.to_owned(), |line, (id, number)| line.replace(&id, &format!("#{number}")))
}
