//! Time and random bytes for one worker thread: the rest of the crate gets them as arguments.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use schemas::id::{ClickId, JourneyId, RejectedId, time_ordered};
use schemas::time::Micros;
use std::time::{SystemTime, UNIX_EPOCH};

/// Draws ids. ChaCha, seeded by the system once: a system call per click would cost more than the click.
pub struct Ids(StdRng);

impl Ids {
    pub fn new() -> Result<Ids, getrandom::Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Ids(StdRng::from_seed(seed)))
    }

    pub fn click(&mut self, at: Micros) -> ClickId {
        ClickId(self.draw(at))
    }

    pub fn journey(&mut self, at: Micros) -> JourneyId {
        JourneyId(self.draw(at))
    }

    pub fn rejected(&mut self, at: Micros) -> RejectedId {
        RejectedId(self.draw(at))
    }

    fn draw(&mut self, at: Micros) -> [u8; 16] {
        let mut random = [0; 10];
        self.0.fill_bytes(&mut random);
        time_ordered(at, random)
    }
}

/// The wall clock; a clock before 1970 is taken as 1970.
pub fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
