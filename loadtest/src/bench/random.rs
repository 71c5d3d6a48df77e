//! Java's `SplittableRandom`, so that a seed means here what it means to the peers' generator.
//!
//! Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014); bounds as OpenJDK 17's
//! `RandomSupport` has them.

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Scatters a number over 64 bits: one step of SplitMix64.
pub fn mix(number: u64) -> u64 {
    scatter(number.wrapping_add(GOLDEN_GAMMA))
}

fn scatter(z: u64) -> u64 {
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn step(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        self.0
    }

    pub fn long(&mut self) -> u64 {
        scatter(self.step())
    }

    fn int(&mut self) -> u32 {
        let z = self.step();
        let z = (z ^ z >> 33).wrapping_mul(0x62a9_d9ed_7997_05f5);
        ((z ^ z >> 28).wrapping_mul(0xcb24_d0a5_c88c_35b3) >> 32) as u32
    }

    /// From 0 up to but not including `bound`, which is positive.
    pub fn below(&mut self, bound: i64) -> i64 {
        let first = self.long().cast_signed();
        if bound & (bound - 1) == 0 {
            return first & (bound - 1);
        }
        let mut number = (first.cast_unsigned() >> 1).cast_signed();
        loop {
            let rest = number % bound;
            if number.wrapping_add(bound - 1).wrapping_sub(rest) >= 0 {
                return rest;
            }
            number = (self.long() >> 1).cast_signed();
        }
    }

    /// As `below`, of 32 bits.
    pub fn below_int(&mut self, bound: i32) -> i32 {
        let first = self.int().cast_signed();
        if bound & (bound - 1) == 0 {
            return first & (bound - 1);
        }
        let mut number = (first.cast_unsigned() >> 1).cast_signed();
        loop {
            let rest = number % bound;
            if number.wrapping_add(bound - 1).wrapping_sub(rest) >= 0 {
                return rest;
            }
            number = (self.int() >> 1).cast_signed();
        }
    }

    /// From 0 up to but not including 1.
    pub fn fraction(&mut self) -> f64 {
        (self.long() >> 11) as f64 * (-53_f64).exp2()
    }

    /// Exponentially distributed, rounded down.
    pub fn exponential(&mut self, mean: i64) -> i64 {
        (-(1.0 - self.fraction()).ln() * mean as f64) as i64
    }

    /// A UUIDv7 (RFC 9562).
    pub fn uuid7(&mut self, millis: i64) -> [u8; 16] {
        let high = millis.cast_unsigned() << 16 | 0x7000 | self.below_int(0x1000).cast_unsigned() as u64;
        let low = self.long() & !(3 << 62) | 2 << 62;
        pair(high, low)
    }

    pub fn bytes16(&mut self) -> [u8; 16] {
        let high = self.long();
        pair(high, self.long())
    }

    /// So many hexadecimal digits, at most 16, the lowest first.
    pub fn hex(&mut self, digits: usize) -> String {
        let number = self.long();
        (0..digits).map(|at| char::from(b"0123456789abcdef"[(number >> (4 * at) & 15) as usize])).collect()
    }
}

fn pair(high: u64, low: u64) -> [u8; 16] {
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}
