//! Maps keyed by 128-bit ids with a fixed, fast hash: a dense one, and a bounded memory of the most recent entries.
//! They are looked up and never iterated, so no order can leak from them.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};

pub(crate) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Folded multiplication of the two halves of a 128-bit id. Ids are made by the platform (UUID v7 or derived by
/// digest), never chosen by a client, so the hash needs no secret; it needs no OS randomness either.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

// Two odd constants with about half of their bits set: the first fractional bits of π and of the golden ratio.
const LOW: u64 = 0x243f_6a88_85a3_08d3;
const HIGH: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    fn write_u128(&mut self, id: u128) {
        let product = u128::from(id as u64 ^ LOW) * u128::from((id >> 64) as u64 ^ HIGH ^ self.0);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u128(u128::from(*byte));
        }
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Values in dense slots, found by id. A slot stays good until something is removed; look up once, then use it.
#[derive(Debug, Clone)]
pub(crate) struct Dense<K, V> {
    slots: IdMap<K, u32>,
    values: Vec<(K, V)>,
}

impl<K: Copy + Eq + Hash, V> Dense<K, V> {
    pub(crate) fn new() -> Self {
        Self { slots: IdMap::default(), values: Vec::new() }
    }

    pub(crate) fn slot(&self, id: K) -> Option<usize> {
        self.slots.get(&id).map(|&slot| slot as usize)
    }

    pub(crate) fn at(&self, slot: usize) -> &V {
        &self.values[slot].1
    }

    pub(crate) fn at_mut(&mut self, slot: usize) -> &mut V {
        &mut self.values[slot].1
    }

    pub(crate) fn get(&self, id: K) -> Option<&V> {
        self.slot(id).map(|slot| self.at(slot))
    }

    /// Adds a value whose id is not among them.
    pub(crate) fn insert(&mut self, id: K, value: V) {
        let slot = u32::try_from(self.values.len()).expect("four thousand million values do not fit in memory");
        self.slots.insert(id, slot);
        self.values.push((id, value));
    }

    /// Takes a value out; the last one moves into its slot.
    pub(crate) fn remove(&mut self, id: K) -> Option<V> {
        let slot = self.slots.remove(&id)?;
        let (_, value) = self.values.swap_remove(slot as usize);
        if let Some((moved, _)) = self.values.get(slot as usize) {
            self.slots.insert(*moved, slot);
        }
        Some(value)
    }

    /// In the order of the slots, which depends on what was removed: to be sorted before it is shown.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.values.iter().map(|(_, value)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

/// The last entries added, found by id; [`Recent::trim`] forgets the oldest.
#[derive(Debug, Clone)]
pub(crate) struct Recent<K, V> {
    entries: VecDeque<(K, V)>,
    sequence: IdMap<K, u64>,
    /// The sequence number of the front entry.
    first: u64,
    capacity: usize,
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), sequence: IdMap::default(), first: 0, capacity }
    }

    pub(crate) fn get(&self, id: K) -> Option<&V> {
        let sequence = *self.sequence.get(&id)?;
        self.entries.get((sequence - self.first) as usize).map(|(_, value)| value)
    }

    /// Adds an entry whose id is not among them; the capacity may be exceeded until [`Recent::trim`].
    pub(crate) fn push(&mut self, id: K, value: V) {
        self.sequence.insert(id, self.first + self.entries.len() as u64);
        self.entries.push_back((id, value));
    }

    /// Takes back the last [`Recent::push`].
    pub(crate) fn pop(&mut self) -> Option<V> {
        let (id, value) = self.entries.pop_back()?;
        self.sequence.remove(&id);
        Some(value)
    }

    pub(crate) fn trim(&mut self) {
        while self.entries.len() > self.capacity {
            if let Some((id, _)) = self.entries.pop_front() {
                self.sequence.remove(&id);
                self.first += 1;
            }
        }
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_the_last_can_be_taken_back() {
        let mut recent = Recent::new(2);
        for id in 0..4_u128 {
            recent.push(id, id * 10);
            recent.trim();
        }
        assert_eq!((recent.get(1), recent.get(2), recent.get(3)), (None, Some(&20), Some(&30)));
        recent.push(9, 90);
        assert_eq!(recent.get(2), Some(&20), "nothing is forgotten before the trim");
        assert_eq!(recent.pop(), Some(90));
        assert_eq!(recent.iter().copied().collect::<Vec<_>>(), [20, 30]);
    }

    #[test]
    fn dense_values_are_found_after_others_moved() {
        let mut dense = Dense::new();
        for id in 0..4_u128 {
            dense.insert(id, id * 10);
        }
        assert_eq!((dense.remove(1), dense.remove(1), dense.remove(3)), (Some(10), None, Some(30)));
        assert_eq!((dense.get(0), dense.get(2), dense.get(3), dense.len()), (Some(&0), Some(&20), None, 2));
        *dense.at_mut(dense.slot(2).unwrap()) += 1;
        dense.insert(1, 11);
        assert_eq!(dense.values().copied().collect::<Vec<_>>(), [0, 21, 11]);
    }

    #[test]
    fn ids_that_differ_in_one_half_spread() {
        let hash = |id: u128| {
            let mut hasher = IdHasher::default();
            hasher.write_u128(id);
            hasher.finish()
        };
        // 4,096 neighbours in either half must not crowd the low 12 bits, which choose the bucket: with random
        // hashes 63 % of 4,096 buckets are hit.
        for shift in [0, 64] {
            let buckets: std::collections::BTreeSet<u64> = (0..4_096_u128).map(|i| hash(i << shift) & 0xfff).collect();
            assert!(buckets.len() > 2_200, "{} buckets", buckets.len());
        }
    }
}
