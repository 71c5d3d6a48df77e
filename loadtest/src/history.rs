//! A history for the audit: visits as chaos tells them, by several campaigns whose contracts pay differently, and
//! what becomes of their sales. All of it is a pure function of the seed, and goes straight to the topics of an
//! installation.
//!
//! Knows nothing of what must come out: that is for `tributary audit` to recompute.

mod adjustment;
pub mod cli;
mod records;

use crate::chaos::stream::{Delivery, Stream};
use crate::chaos::visit::visit;
use adjustment::adjustments;
use records::RecordWriter;

/// What a seed and a number of clicks come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    pub seed: u64,
    pub visits: u64,
    /// Those that arrive, each counted once.
    pub clicks: u64,
    /// Records of clicks, copies included.
    pub click_records: u64,
    /// Records of sales and of what adjusts them, copies included.
    pub event_records: u64,
    /// Refunds, chargebacks and words of a network among them.
    pub adjustment_records: u64,
}

impl History {
    /// As many visits as have at least `clicks` clicks.
    pub fn new(seed: u64, clicks: u64) -> History {
        let mut history =
            History { seed, visits: 0, clicks: 0, click_records: 0, event_records: 0, adjustment_records: 0 };
        while history.clicks < clicks {
            let visit = visit(seed, history.visits);
            let adjusting: usize =
                adjustments(seed, history.visits, &visit).iter().map(|adjustment| adjustment.arrives.len()).sum();
            history.visits += 1;
            history.clicks += visit.clicks.iter().filter(|click| !click.arrives.is_empty()).count() as u64;
            history.click_records += visit.clicks.iter().map(|click| click.arrives.len()).sum::<usize>() as u64;
            history.adjustment_records += adjusting as u64;
            let events: usize = visit.events.iter().map(|event| event.arrives.len()).sum();
            history.event_records += (events + adjusting) as u64;
        }
        history
    }

    /// In the order of arrival.
    fn stream(self, writer: RecordWriter) -> impl Iterator<Item = Delivery> {
        Stream::new(self.visits, move |number| {
            let visit = visit(self.seed, number);
            let adjustments = adjustments(self.seed, number, &visit);
            writer.deliveries(self.seed, number, &visit, &adjustments)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::offset::Offset;
    use schemas::topic::Topic;

    #[test]
    fn a_history_holds_every_record_of_its_plan_and_is_the_same_again() {
        let history = History::new(7, 5000);
        assert_eq!(history, History::new(7, 5000));
        let stream = || history.stream(RecordWriter::new(Offset(30)).expect("names"));
        let all: Vec<Delivery> = stream().collect();
        let clicks = all.iter().filter(|delivery| delivery.topic == Topic::Clicks).count() as u64;
        assert_eq!((clicks, all.len() as u64 - clicks), (history.click_records, history.event_records));
        assert!(history.clicks >= 5000 && history.adjustment_records > 200, "{history:?}");
        assert!(stream().eq(all));
    }
}
