//! Clicks of an address in the last minute, as far as this worker has seen them: the kernel spreads connections over the
//! workers of an edge, so that each sees its share.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

/// Addresses of a minute, 3 MB of them; further ones are not counted in it.
const ADDRESSES: usize = 65_536;

/// Two minutes of the clock: the last sixty seconds are this one and the rest of the one before, as if its clicks had come
/// evenly.
pub struct Velocity {
    above: u32,
    hasher: RandomState,
    minutes: RefCell<Minutes>,
}

#[derive(Default)]
struct Minutes {
    minute: u64,
    this: HashMap<u64, u32>,
    before: HashMap<u64, u32>,
}

impl Velocity {
    pub fn new(above: u32) -> Velocity {
        Velocity { above, hasher: RandomState::new(), minutes: RefCell::default() }
    }

    /// Counts a click at this second; how many there were with it, where they are too many.
    pub fn click(&self, address: IpAddr, second: u64) -> Option<u32> {
        // A visitor has a whole /64 of IPv6.
        let network = match address {
            IpAddr::V4(address) => u64::from(u32::from(address)),
            IpAddr::V6(address) => (u128::from(address) >> 64) as u64,
        };
        let hash = self.hasher.hash_one((address.is_ipv6(), network));
        let mut minutes = self.minutes.borrow_mut();
        minutes.turn(second / 60);
        let known = minutes.this.len() < ADDRESSES || minutes.this.contains_key(&hash);
        let this = if known {
            let count = minutes.this.entry(hash).or_default();
            *count = count.saturating_add(1);
            *count
        } else {
            1
        };
        let before = minutes.before.get(&hash).copied().unwrap_or(0);
        let left = 60 - second % 60;
        let of_before = u64::from(before) * left / 60;
        let count = this.saturating_add(u32::try_from(of_before).unwrap_or(u32::MAX));
        (count > self.above).then_some(count)
    }
}

impl Minutes {
    fn turn(&mut self, minute: u64) {
        if minute == self.minute {
            return;
        }
        std::mem::swap(&mut self.this, &mut self.before);
        if minute != self.minute + 1 {
            self.before.clear();
        }
        self.this.clear();
        self.minute = minute;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u32) -> IpAddr {
        IpAddr::from(u32::to_be_bytes(0xC000_0200 + last))
    }

    #[test]
    fn an_address_is_told_when_it_clicks_too_often() {
        let velocity = Velocity::new(3);
        let seen: Vec<_> = (0..5).map(|_| velocity.click(address(1), 120)).collect();
        assert_eq!(seen, [None, None, None, Some(4), Some(5)]);
        assert_eq!(velocity.click(address(2), 120), None, "others are others");
        // Half of the minute before still lies within the last sixty seconds.
        assert_eq!(velocity.click(address(1), 210), None);
        assert_eq!(velocity.click(address(1), 210), Some(4));
        assert_eq!(velocity.click(address(1), 400), None);
    }

    #[test]
    fn one_network_of_ipv6_is_one_visitor() {
        let velocity = Velocity::new(1);
        let of = |text: &str| velocity.click(text.parse().expect("an address"), 60);
        assert_eq!((of("2001:db8::1"), of("2001:db8::ffff"), of("2001:db8:0:1::1")), (None, Some(2), None));
    }

    #[test]
    fn memory_is_bounded_by_minutes_and_addresses() {
        let velocity = Velocity::new(1);
        for last in 0..2 * ADDRESSES as u32 {
            velocity.click(address(last), 60);
        }
        assert_eq!(velocity.minutes.borrow().this.len(), ADDRESSES);
        assert_eq!(velocity.click(address(0), 60), Some(2), "who was counted goes on being counted");
        velocity.click(address(0), 180);
        let minutes = velocity.minutes.borrow();
        assert_eq!((minutes.this.len(), minutes.before.len()), (1, 0));
    }
}
