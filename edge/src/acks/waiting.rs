//! How many records of a thread may wait to be durable at once. Clicks are shed first, events are money.

use schemas::limits;
use schemas::topic::Topic;
use std::cell::Cell;

/// Clicks of one thread that wait to be durable; more are shed. Beyond it a visitor would wait for hundreds of
/// milliseconds: 5,000 clicks/s for 0.8 s.
const CLICKS_WAITING: usize = 4096;
/// Events of the same, which are money: 64 full batches.
const EVENTS_WAITING: usize = 64 * limits::BATCH_ROWS;

/// Records that requests of this thread wait for, by what may wait.
#[derive(Default)]
pub struct Waiting {
    clicks: Cell<usize>,
    events: Cell<usize>,
}

impl Waiting {
    fn of(&self, topic: Topic) -> &Cell<usize> {
        if topic == Topic::Clicks { &self.clicks } else { &self.events }
    }

    /// Whether one more may; `leave` is to be called once where it does.
    pub fn enter(&self, topic: Topic) -> bool {
        let most = if topic == Topic::Clicks { CLICKS_WAITING } else { EVENTS_WAITING };
        let count = self.of(topic);
        let fits = count.get() < most;
        if fits {
            count.set(count.get() + 1);
        }
        fits
    }

    pub fn leave(&self, topic: Topic) {
        let count = self.of(topic);
        count.set(count.get() - 1);
    }
}
