//! Which journeys a run may hold: a split-block Bloom filter, one cache line a question. Source: Putze, Sanders,
//! Singler, "Cache-, Hash- and Space-Efficient Bloom Filters" (2007); block and salts as in Apache Parquet's.

const WORDS: usize = 8;
const SALTS: [u32; WORDS] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];
/// About 0.4 % of the journeys that are not there pass.
const BITS_PER_JOURNEY: usize = 12;

/// Bits in blocks of 256.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filter(Vec<[u32; WORDS]>);

impl Filter {
    pub fn of(hashes: &[u64]) -> Self {
        let blocks = (hashes.len() * BITS_PER_JOURNEY).div_ceil(WORDS * 32).max(1);
        let mut filter = Filter(vec![[0; WORDS]; blocks]);
        for &hash in hashes {
            let at = filter.block(hash);
            for (word, bit) in filter.0[at].iter_mut().zip(bits(hash)) {
                *word |= bit;
            }
        }
        filter
    }

    /// False: certainly not there.
    pub fn may_have(&self, hash: u64) -> bool {
        self.0[self.block(hash)].iter().zip(bits(hash)).all(|(word, bit)| word & bit != 0)
    }

    fn block(&self, hash: u64) -> usize {
        (((hash >> 32) * self.0.len() as u64) >> 32) as usize
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// None when the bytes are not whole blocks.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (blocks, []) = bytes.as_chunks::<{ WORDS * 4 }>() else { return None };
        let block = |bytes: &[u8; WORDS * 4]| {
            let (words, _) = bytes.as_chunks::<4>();
            std::array::from_fn(|word| u32::from_le_bytes(words[word]))
        };
        (!blocks.is_empty()).then(|| Filter(blocks.iter().map(block).collect()))
    }
}

fn bits(hash: u64) -> [u32; WORDS] {
    SALTS.map(|salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::keys::prefix_hash;

    fn hash(number: u64) -> u64 {
        let mut prefix = [0; 24];
        prefix[..8].copy_from_slice(&number.to_be_bytes());
        prefix_hash(&prefix)
    }

    #[test]
    fn all_that_was_put_passes_and_little_else() {
        let hashes: Vec<u64> = (0..100_000).map(hash).collect();
        let filter = Filter::of(&hashes);
        assert!(hashes.iter().all(|hash| filter.may_have(*hash)));
        let wrong = (100_000..200_000).filter(|number| filter.may_have(hash(*number))).count();
        assert!(wrong < 1000, "{wrong} of 100,000 that are not there pass");
        assert_eq!(Filter::from_bytes(&filter.to_bytes()), Some(filter));
        assert_eq!(Filter::from_bytes(&[0; 33]), None);
    }
}
