//! A dense map keyed by 128-bit ids. It is looked up and never iterated, so no order can leak from it.

use std::hash::Hash;

use base::IdMap;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
