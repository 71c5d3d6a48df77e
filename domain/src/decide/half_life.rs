//! 2^(-age / 7 days) in fixed point, for the time decay model: integers only, so that every machine gets the same.
//!
//! x = age / half-life is split into whole half-lives, a shift, and a fraction of 63 bits. Each bit k of the fraction
//! multiplies by 2^(-2^-k) from a table, which repeated integer square roots of 1/2 give. Each of at most 63 factors is
//! rounded by at most 2^-63, so a weight of `ONE` is off by less than 2^-56: far below a credit's last place, 2^-40.

use schemas::time::MICROS_PER_DAY;

/// Bits after the point; 63, so that a product of two weights fits 128 bits.
const BITS: u32 = 63;

/// The weight of age zero.
pub const ONE: u128 = 1 << BITS;

/// After this a touch weighs half as much; microseconds.
pub const HALF_LIFE_MICROS: u64 = 7 * MICROS_PER_DAY as u64;

/// `TABLE[k - 1]` is 2^(-2^-k).
const TABLE: [u128; BITS as usize] = table();

const fn table() -> [u128; BITS as usize] {
    let mut table = [0; BITS as usize];
    let mut root = ONE / 2;
    let mut k = 0;
    while k < table.len() {
        root = (root << BITS).isqrt();
        table[k] = root;
        k += 1;
    }
    table
}

/// The weight of an age, `ONE` at age zero. From 64 half-lives on (448 days) it is zero; the credit of such a touch
/// beside one of age zero was zero long before, from 41 half-lives on (287 days).
pub fn weight(age_micros: u64) -> u128 {
    let (halvings, rest) = (age_micros / HALF_LIFE_MICROS, age_micros % HALF_LIFE_MICROS);
    if halvings > u64::from(BITS) {
        return 0;
    }
    let fraction = (u128::from(rest) << BITS) / u128::from(HALF_LIFE_MICROS);
    let factors = TABLE.iter().enumerate().filter(|(k, _)| fraction >> (BITS as usize - 1 - k) & 1 == 1);
    let weight = factors.fold(ONE, |weight, (_, factor)| (weight * factor + ONE / 2) >> BITS);
    weight >> halvings
}
