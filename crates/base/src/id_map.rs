//! Maps keyed by ids with a fixed, fast hash. They are looked up and never walked into output, so no order leaks from them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map from an id (or a small number) to `V`.
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Folded multiplication of the two halves of a 128-bit id. Ids are made by the platform (UUID v7 or a digest), never
/// chosen by a client, so the hash needs no secret and no OS randomness. Not for keys that clients choose.
///
/// What is called for each look-up is marked `inline`: a build that is incremental inlines nothing of another crate by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

// Two odd constants with about half of their bits set: the first fractional bits of π and of the golden ratio.
const LOW: u64 = 0x243f_6a88_85a3_08d3;
const HIGH: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    #[inline]
    fn write_u128(&mut self, id: u128) {
        let product = u128::from(id as u64 ^ LOW) * u128::from((id >> 64) as u64 ^ HIGH ^ self.0);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
    #[inline]
    fn write_u64(&mut self, n: u64) {
        self.write_u128(u128::from(n));
    }
    #[inline]
    fn write_usize(&mut self, n: usize) {
        self.write_u128(n as u128);
    }
    #[inline]
    fn write_u32(&mut self, n: u32) {
        self.write_u128(u128::from(n));
    }
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u128(u128::from(*byte)));
    }
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttemptId, JobId};
    use std::collections::BTreeSet;
    use std::hash::Hash;

    fn hash(key: impl Hash) -> u64 {
        let mut hasher = IdHasher::default();
        key.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn neighbours_are_spread_over_low_and_high_bits() {
        let hashes: Vec<u64> = (0..4_096).map(|n| hash(AttemptId::new(JobId::from_u128(n), 1))).collect();
        for shift in [0, 57] {
            let seen: BTreeSet<u64> = hashes.iter().map(|h| h >> shift & 0x7f).collect();
            assert_eq!(seen.len(), 128, "bits {shift}..{} take every value", shift + 7);
        }
    }
}
