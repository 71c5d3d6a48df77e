//! Waits until a run's rows have all arrived, or nothing moves any more.

use crate::error::Error;
use crate::verify::recorded::Recorded;
use crate::verify::warehouse::{Counts, Warehouse};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The roles that are still at work need the machine more.
const POLL: Duration = Duration::from_secs(1);
/// A restarted processor or sink has taken its partitions again by then.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Drained {
    pub counts: Counts,
    /// What had not arrived when the waiting ended.
    pub missing: Option<String>,
}

pub async fn wait(warehouse: &Warehouse, recorded: &Recorded, deadline: Instant) -> Result<Drained, Error> {
    let (clicks, conversions) = (recorded.clicks.len() as u64, recorded.conversions.len() as u64);
    let mut last: Option<Counts> = None;
    let mut moved = Instant::now();
    loop {
        let error = match warehouse.counts().await {
            Ok(counts) => {
                if last != Some(counts) {
                    (last, moved) = (Some(counts), Instant::now());
                }
                None
            }
            // ClickHouse may be on its way back; it has as long as everything else.
            Err(error) => Some(error),
        };
        let missing = match (&error, last) {
            (None, Some(counts)) => missing(counts, clicks, conversions),
            _ => vec!["ClickHouse's answer".to_owned()],
        };
        let now = Instant::now();
        if missing.is_empty() || now > deadline || now - moved > PATIENCE {
            let counts = match (error, last) {
                (None, Some(counts)) => counts,
                (Some(error), _) => return Err(error),
                (None, None) => Counts::default(),
            };
            let why = if now > deadline { "time is up" } else { "nothing has moved for 30 s" };
            let missing =
                (!missing.is_empty()).then(|| format!("not everything arrived ({why}): {}", missing.join("; ")));
            return Ok(Drained { counts, missing });
        }
        sleep(POLL).await;
    }
}

/// What is still on its way: every acknowledged record, and what follows from the decisions that have arrived.
fn missing(counts: Counts, clicks: u64, conversions: u64) -> Vec<String> {
    let mut missing = Vec::new();
    let mut check = |what: &str, there: String, expected: String, arrived: bool| {
        if !arrived {
            missing.push(format!("{what}: {there} of {expected}"));
        }
    };
    let Counts { attributed, credited, commission, posted, .. } = counts;
    check("clicks", counts.clicks.to_string(), clicks.to_string(), counts.clicks >= clicks);
    check("conversions", counts.conversions.to_string(), conversions.to_string(), counts.conversions >= conversions);
    check("conversions with credits", credited.to_string(), attributed.to_string(), credited == attributed);
    check("commission in the journal", posted.to_string(), commission.to_string(), posted == commission);
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_both_figures() {
        let amount = |text: &str| text.parse().expect("an amount");
        let all = Counts {
            clicks: 10,
            conversions: 3,
            attributed: 2,
            credited: 2,
            commission: amount("1.5"),
            posted: amount("1.5"),
            ..Counts::default()
        };
        for (counts, expected) in [
            (all, vec![]),
            (Counts { clicks: 9, ..all }, vec!["clicks: 9 of 10"]),
            (Counts { conversions: 2, ..all }, vec!["conversions: 2 of 3"]),
            (Counts { credited: 1, ..all }, vec!["conversions with credits: 1 of 2"]),
            (Counts { posted: amount("1"), ..all }, vec!["commission in the journal: 1.000000 of 1.500000"]),
        ] {
            assert_eq!(missing(counts, 10, 3), expected);
        }
    }
}
