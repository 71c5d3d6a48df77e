//! Nonces that were used, each until its time is over.
//!
//! A nonce is used up together with its time, which is signed with it: a repeat of the request has both, and is found
//! among those of its minute. Who signs anew under the same nonce sends the same event again, and may.

use schemas::id::KeyHash;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A signature's time is at most so far from ours, in seconds: clocks, and what a request takes.
pub const WINDOW: i64 = 300;
/// Nonces in all, some 40 MB, and of one API key, so that no advertiser takes the room of all others: 870 signed requests
/// a second for ten minutes on end.
const NONCES: usize = 1 << 20;
const OF_ONE_KEY: usize = 1 << 19;
const BUCKET_SECONDS: i64 = 60;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    New,
    Again,
    /// Nothing can be accepted before others are too old: a nonce is never forgotten early.
    Full,
}

pub struct Nonces {
    by_key: HashMap<KeyHash, OfKey>,
    count: usize,
    most: usize,
    most_of_one: usize,
}

#[derive(Default)]
struct OfKey {
    /// By the minute of their own time.
    buckets: BTreeMap<i64, HashSet<[u8; 16]>>,
    count: usize,
}

impl Default for Nonces {
    fn default() -> Self {
        Nonces::with_limits(NONCES, OF_ONE_KEY)
    }
}

impl Nonces {
    fn with_limits(most: usize, most_of_one: usize) -> Nonces {
        Nonces { by_key: HashMap::new(), count: 0, most, most_of_one }
    }

    /// Of a time within the window around now.
    pub fn take(&mut self, key: KeyHash, nonce: [u8; 16], stamp: i64, now: i64) -> Taken {
        if self.count >= self.most {
            self.forget_old(now);
        }
        let of_key = self.by_key.entry(key).or_default();
        self.count -= of_key.forget_old(now);
        let full = self.count >= self.most || of_key.count >= self.most_of_one;
        let bucket = of_key.buckets.entry(stamp.div_euclid(BUCKET_SECONDS)).or_default();
        if bucket.contains(&nonce) {
            return Taken::Again;
        }
        if full {
            return Taken::Full;
        }
        bucket.insert(nonce);
        of_key.count += 1;
        self.count += 1;
        Taken::New
    }

    pub fn release(&mut self, key: KeyHash, nonce: [u8; 16], stamp: i64) {
        let Some(of_key) = self.by_key.get_mut(&key) else { return };
        let bucket = of_key.buckets.get_mut(&stamp.div_euclid(BUCKET_SECONDS));
        if bucket.is_some_and(|bucket| bucket.remove(&nonce)) {
            of_key.count -= 1;
            self.count -= 1;
        }
    }

    fn forget_old(&mut self, now: i64) {
        let forgotten: usize = self.by_key.values_mut().map(|of_key| of_key.forget_old(now)).sum();
        self.count -= forgotten;
        self.by_key.retain(|_, of_key| of_key.count > 0);
    }
}

impl OfKey {
    /// Buckets all of whose times are refused by now; how many nonces they held.
    fn forget_old(&mut self, now: i64) -> usize {
        let mut forgotten = 0;
        while let Some(first) = self.buckets.first_entry()
            && (first.key() + 1) * BUCKET_SECONDS + WINDOW < now
        {
            forgotten += first.remove().len();
        }
        self.count -= forgotten;
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: KeyHash = KeyHash([1; 16]);
    const B: KeyHash = KeyHash([2; 16]);

    #[test]
    fn a_nonce_is_taken_once_as_long_as_its_time_is_accepted() {
        let mut nonces = Nonces::default();
        assert_eq!(nonces.take(A, [1; 16], 1000, 1000), Taken::New);
        for now in [1000, 700, 1300] {
            assert_eq!(nonces.take(A, [1; 16], 1000, now), Taken::Again, "{now}");
        }
        assert_eq!(nonces.take(A, [1; 16], 1061, 1061), Taken::New, "signed anew");
        assert_eq!(nonces.take(B, [1; 16], 1000, 1000), Taken::New, "another key's");
        nonces.release(A, [1; 16], 1000);
        assert_eq!(nonces.take(A, [1; 16], 1000, 1000), Taken::New);
    }

    #[test]
    fn nonces_are_bounded_and_room_comes_with_time() {
        let mut nonces = Nonces::with_limits(5, 3);
        let mut take = |key, nonce, stamp, now| nonces.take(key, [nonce; 16], stamp, now);
        for nonce in 0..3 {
            assert_eq!(take(A, nonce, 1000, 1000), Taken::New);
        }
        assert_eq!(take(A, 3, 1000, 1000), Taken::Full);
        assert_eq!(take(A, 0, 1000, 1000), Taken::Again, "told also when full");
        assert_eq!(take(B, 0, 1000, 1000), Taken::New);
        assert_eq!(take(B, 1, 1000, 1000), Taken::New);
        assert_eq!(take(B, 2, 1000, 1000), Taken::Full);
        assert_eq!(take(B, 2, 1310, 1310), Taken::Full, "1000 to 1019 are in one bucket until 1320");
        assert_eq!(take(B, 2, 1321, 1321), Taken::New);
        assert_eq!(nonces.count, 1);
    }
}
