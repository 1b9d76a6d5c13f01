//! A bounded memory of the most recent entries, found by id. Made for tables that turn over all the time: adding one and
//! forgetting one touches the two ends of a queue and one small cell each. Never walked by key, so no order leaks.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use crate::id_map::IdHasher;

/// The last entries added, found by id.
#[derive(Debug, Clone)]
pub struct Recent<K, V> {
    entries: VecDeque<(K, V)>,
    index: Index,
    /// The sequence number of the front entry; numbers are counted modulo 2^32, of which far fewer are alive at a time.
    first: u32,
    capacity: usize,
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    pub fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), index: Index::default(), first: 0, capacity }
    }

    fn place(&self, id: &K) -> Option<usize> {
        let place = |sequence: u32| sequence.wrapping_sub(self.first) as usize;
        let is_it = |sequence: u32| self.entries.get(place(sequence)).is_some_and(|(key, _)| key == id);
        self.index.find(tag(id), is_it).map(place)
    }

    pub fn get(&self, id: &K) -> Option<&V> {
        self.place(id).and_then(|place| self.entries.get(place)).map(|(_, value)| value)
    }

    /// Adds an entry whose id is not among them, in the place of the oldest when the capacity is reached.
    pub fn push(&mut self, id: K, value: V) {
        if self.entries.len() >= self.capacity {
            self.forget();
        }
        self.push_beyond(id, value);
        self.trim();
    }

    /// Adds an entry whose id is not among them and forgets none: the capacity may be exceeded until [`Recent::trim`].
    pub fn push_beyond(&mut self, id: K, value: V) {
        self.index.insert(tag(&id), self.first.wrapping_add(self.entries.len() as u32));
        self.entries.push_back((id, value));
    }

    /// Adds an entry and forgets the oldest beyond the capacity, or changes the value where the id is known; it stays as old
    /// as it was then.
    pub fn put(&mut self, id: K, value: V) {
        match self.place(&id).and_then(|place| self.entries.get_mut(place)) {
            Some((_, known)) => *known = value,
            None => self.push(id, value),
        }
    }

    /// Takes back the last [`Recent::push_beyond`].
    pub fn pop(&mut self) -> Option<V> {
        let (id, value) = self.entries.pop_back()?;
        self.index.remove(tag(&id), self.first.wrapping_add(self.entries.len() as u32));
        Some(value)
    }

    /// Forgets the oldest entries beyond the capacity.
    pub fn trim(&mut self) {
        while self.entries.len() > self.capacity {
            self.forget();
        }
    }

    fn forget(&mut self) {
        if let Some((id, _)) = self.entries.front() {
            self.index.remove(tag(id), self.first);
            self.first = self.first.wrapping_add(1);
            self.entries.pop_front();
        }
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|(_, value)| value)
    }
}

/// What of a key's hash a cell keeps. Odd, so that no cell in use is zero.
fn tag(key: &impl Hash) -> u32 {
    let mut hasher = IdHasher::default();
    key.hash(&mut hasher);
    (hasher.finish() >> 32) as u32 | 1
}

const FREE: u64 = 0;

/// Sequence numbers by the tags of their keys: open addressing with linear probing in cells of 8 bytes, tag above number.
/// 65,536 entries take 1 MiB, where a map with 16-byte keys takes 4 and misses the cache for each entry added or forgotten.
#[derive(Debug, Clone, Default)]
struct Index {
    /// A power of two of them, or none.
    cells: Vec<u64>,
    used: usize,
}

impl Index {
    const fn cell(tag: u32, sequence: u32) -> u64 {
        (tag as u64) << 32 | sequence as u64
    }
    /// Where probing for a tag begins: all of its bits but the constant one.
    fn home(&self, tag: u32) -> usize {
        (tag >> 1) as usize & (self.cells.len() - 1)
    }
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.cells.len() - 1)
    }

    /// The number under this tag of which `is_it` holds.
    fn find(&self, tag: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        if self.cells.is_empty() {
            return None;
        }
        let mut at = self.home(tag);
        loop {
            let cell = self.cells[at];
            if cell == FREE {
                return None;
            }
            if (cell >> 32) as u32 == tag && is_it(cell as u32) {
                return Some(cell as u32);
            }
            at = self.after(at);
        }
    }

    fn insert(&mut self, tag: u32, sequence: u32) {
        // At most three quarters in use, so that probes stay short and end.
        if (self.used + 1) * 4 > self.cells.len() * 3 {
            let cells = vec![FREE; (self.cells.len() * 2).max(16)];
            for cell in std::mem::replace(&mut self.cells, cells).into_iter().filter(|cell| *cell != FREE) {
                self.place(cell);
            }
        }
        self.place(Self::cell(tag, sequence));
        self.used += 1;
    }

    fn place(&mut self, cell: u64) {
        let mut at = self.home((cell >> 32) as u32);
        while self.cells[at] != FREE {
            at = self.after(at);
        }
        self.cells[at] = cell;
    }

    /// Removes a number that is there; those behind it that probed past its cell move up, so no marks are left.
    fn remove(&mut self, tag: u32, sequence: u32) {
        let (wanted, mask) = (Self::cell(tag, sequence), self.cells.len() - 1);
        let mut hole = self.home(tag);
        while self.cells[hole] != wanted {
            debug_assert_ne!(self.cells[hole], FREE, "what is forgotten is known");
            hole = self.after(hole);
        }
        let mut at = hole;
        loop {
            at = self.after(at);
            let cell = self.cells[at];
            if cell == FREE {
                break;
            }
            let home = self.home((cell >> 32) as u32);
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.cells[hole] = cell;
                hole = at;
            }
        }
        self.cells[hole] = FREE;
        self.used -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::JobId;
    use std::collections::HashMap;

    #[test]
    fn the_oldest_are_forgotten_and_the_last_can_be_taken_back() {
        let mut recent = Recent::new(2);
        for id in 0..4_u128 {
            recent.push(id, id * 10);
        }
        assert_eq!((recent.get(&1), recent.get(&2), recent.get(&3)), (None, Some(&20), Some(&30)));
        recent.push_beyond(9, 90);
        assert_eq!(recent.get(&2), Some(&20), "nothing is forgotten before the trim");
        assert_eq!(recent.pop(), Some(90));
        assert_eq!(recent.iter().copied().collect::<Vec<_>>(), [20, 30]);
        recent.put(2, 21);
        recent.put(4, 40);
        assert_eq!(recent.iter().copied().collect::<Vec<_>>(), [30, 40], "a changed value stays as old as it was");
    }

    /// Against a map and a list, with ids that come again, and with few enough tags that many share one.
    #[test]
    fn it_remembers_what_a_list_remembers() {
        for capacity in [0, 1, 5, 12, 13, 48, 300] {
            let mut stream = crate::Seed::from_u64(capacity as u64).stream();
            let mut recent = Recent::new(capacity);
            // As if four thousand million had come before.
            recent.first = u32::MAX - 200;
            let (mut order, mut values) = (VecDeque::new(), HashMap::new());
            for n in 0..3_000_u64 {
                let id = JobId::from_u128(u128::from(stream.below(700)));
                if stream.chance(100) && recent.pop().is_some() {
                    values.remove(&order.pop_back().unwrap());
                }
                recent.put(id, n);
                if values.insert(id, n).is_none() {
                    order.push_back(id);
                    if order.len() > capacity {
                        values.remove(&order.pop_front().unwrap());
                    }
                }
                let asked = JobId::from_u128(u128::from(stream.below(700)));
                assert_eq!(recent.get(&asked), values.get(&asked));
            }
            assert!(recent.iter().eq(order.iter().map(|id| &values[id])));
            assert_eq!(recent.index.used, order.len());
        }
    }

    #[test]
    fn keys_that_share_a_tag_are_told_apart() {
        let mut index = Index::default();
        (0..40).for_each(|n| index.insert(7, n));
        (0..40).filter(|n| n % 3 == 0).for_each(|n| index.remove(7, n));
        for n in 0..40 {
            assert_eq!(index.find(7, |sequence| sequence == n), (n % 3 != 0).then_some(n));
            assert_eq!(index.find(9, |sequence| sequence == n), None);
        }
    }
}
