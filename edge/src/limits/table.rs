//! GCRA's state for many senders in a table of fixed size: lock-free, and whoever was quiet longest makes room.
//!
//! Two threads that take the same place at once may forget one sender's count: it is a limit, not a ledger.

use governor::nanos::Nanos;
use governor::state::StateStore;
use std::sync::atomic::{AtomicU64, Ordering};

/// Places that a sender may have: one cache line.
const WAYS: usize = 4;

#[derive(Default)]
struct Place {
    /// 0: nobody's.
    sender: AtomicU64,
    /// The theoretical arrival time, in nanoseconds; 0: none.
    arrival: AtomicU64,
}

pub struct Table(Box<[Place]>);

impl Table {
    pub fn new(places: usize) -> Table {
        Table((0..places.next_multiple_of(WAYS)).map(|_| Place::default()).collect())
    }

    fn place(&self, sender: u64) -> &Place {
        let set = (sender as usize % (self.0.len() / WAYS)) * WAYS;
        let places = &self.0[set..set + WAYS];
        let mut quiet = &places[0];
        for place in places {
            if place.sender.load(Ordering::Relaxed) == sender {
                return place;
            }
            if place.arrival.load(Ordering::Relaxed) < quiet.arrival.load(Ordering::Relaxed) {
                quiet = place;
            }
        }
        quiet.sender.store(sender, Ordering::Relaxed);
        quiet.arrival.store(0, Ordering::Relaxed);
        quiet
    }
}

impl StateStore for Table {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, sender: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // Nobody has the number 0, which places begin with.
        let place = self.place((*sender).max(1));
        let mut before = place.arrival.load(Ordering::Relaxed);
        loop {
            let (told, next) = decide((before != 0).then(|| Nanos::new(before)))?;
            let swap = place.arrival.compare_exchange_weak(before, next.as_u64(), Ordering::Relaxed, Ordering::Relaxed);
            match swap {
                Ok(_) => return Ok(told),
                Err(now) => before = now,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use governor::middleware::StateInformationMiddleware;
    use governor::{Quota, RateLimiter};
    use std::num::NonZeroU32;
    use std::time::Duration;

    type Limiter = RateLimiter<u64, Table, FakeRelativeClock, StateInformationMiddleware>;

    fn limiter(places: usize, clock: FakeRelativeClock) -> Limiter {
        let three = NonZeroU32::new(3).expect("not 0");
        RateLimiter::new(Quota::per_second(three), Table::new(places), clock)
    }

    #[test]
    fn each_sender_has_its_own_quota_and_gets_it_back() {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(64, clock.clone());
        // What a later arrival time means begins after the start.
        clock.advance(Duration::from_secs(1));
        let take = |sender| (0..5).filter(|_| limiter.check_key(&sender).is_ok()).count();
        assert_eq!((take(7), take(8), take(0)), (3, 3, 3));
        clock.advance(Duration::from_millis(667));
        assert_eq!((take(7), take(8)), (2, 2));
    }

    #[test]
    fn who_was_quiet_longest_makes_room_and_who_is_over_the_limit_stays() {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(4, clock.clone());
        clock.advance(Duration::from_secs(1));
        while limiter.check_key(&1).is_ok() {}
        // Far more than there are places, one request each.
        for sender in 100..1000 {
            assert!(limiter.check_key(&sender).is_ok());
        }
        assert!(limiter.check_key(&1).is_err(), "not forgotten for others' sake");
        assert_eq!(limiter.into_state_store().0.len(), 4);
    }
}
