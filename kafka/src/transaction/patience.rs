//! How long a producer waits for a broker that does not answer.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// A restart of the broker takes seconds; past this the client is of no use and a new one is made.
const LONGEST: Duration = Duration::from_secs(30);
/// A process that is to stop waits no longer than this: whoever stopped it waits too, and nothing is lost.
const LONGEST_AT_STOP: Duration = Duration::from_secs(1);
/// One call waits so long, so that a wish to stop is seen.
pub const SLICE: Duration = Duration::from_millis(500);

pub struct Patience {
    stop: Box<dyn Fn() -> bool + Send>,
}

/// One wait.
pub struct Wait<'p> {
    patience: &'p Patience,
    began: Instant,
    stopping_since: Cell<Option<Instant>>,
}

impl Patience {
    pub fn new(stop: impl Fn() -> bool + Send + 'static) -> Patience {
        Patience { stop: Box::new(stop) }
    }

    pub fn begin(&self) -> Wait<'_> {
        Wait { patience: self, began: Instant::now(), stopping_since: Cell::new(None) }
    }
}

impl Wait<'_> {
    pub fn over(&self) -> bool {
        if self.stopping_since.get().is_none() && (self.patience.stop)() {
            self.stopping_since.set(Some(Instant::now()));
        }
        let stopping_over = self.stopping_since.get().is_some_and(|since| since.elapsed() > LONGEST_AT_STOP);
        stopping_over || self.began.elapsed() > LONGEST
    }
}
