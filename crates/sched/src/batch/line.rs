//! Jobs in a static order, in chunks that each know their least processors, least estimate and sum of processors, so that a
//! search for what fits steps over whole chunks. Knows no policy and no time.

use super::{Job, JobNo};

/// Most jobs of a chunk: 3 KiB, a few cache lines to move, and a queue of 100,000 has about a thousand chunks to step over.
const CHUNK_MAX: usize = 128;

/// A job in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// What the line is ordered by; then by number.
    pub key: i64,
    pub no: JobNo,
    pub procs: u32,
    pub estimate_s: i64,
}

impl Item {
    /// A job under a key.
    pub const fn of(job: &Job, key: i64) -> Self {
        Self { key, no: job.no, procs: job.procs, estimate_s: job.estimate_s }
    }
    const fn place(&self) -> (i64, JobNo) {
        (self.key, self.no)
    }
}

#[derive(Clone, Debug)]
struct Chunk {
    procs_min: u32,
    estimate_min_s: i64,
    procs_sum: u64,
    items: Vec<Item>,
}

impl Chunk {
    fn of(items: Vec<Item>) -> Self {
        let mut chunk = Self { procs_min: 0, estimate_min_s: 0, procs_sum: 0, items };
        chunk.sum_up();
        chunk
    }
    fn sum_up(&mut self) {
        (self.procs_min, self.estimate_min_s, self.procs_sum) = (u32::MAX, i64::MAX, 0);
        for item in &self.items {
            self.procs_min = self.procs_min.min(item.procs);
            self.estimate_min_s = self.estimate_min_s.min(item.estimate_s);
            self.procs_sum += u64::from(item.procs);
        }
    }
    fn add(&mut self, at: usize, item: Item) {
        self.items.insert(at, item);
        self.procs_min = self.procs_min.min(item.procs);
        self.estimate_min_s = self.estimate_min_s.min(item.estimate_s);
        self.procs_sum += u64::from(item.procs);
    }
}

/// A walk over a line that takes some jobs out.
pub trait Sweep {
    /// Whether a chunk whose jobs have at least these processors and estimates may hold one to take.
    fn may_take(&self, procs_min: u32, estimate_min_s: i64) -> bool;
    /// Whether this one is taken out.
    fn take(&mut self, item: &Item) -> bool;
    /// Whether nothing further can be taken at all.
    fn is_done(&self) -> bool;
}

/// Jobs in ascending order of key and number.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// None of them is empty.
    chunks: Vec<Chunk>,
    len: usize,
}

impl Line {
    pub const fn len(&self) -> usize {
        self.len
    }
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
    pub fn first(&self) -> Option<&Item> {
        self.chunks.first().map(|chunk| &chunk.items[0])
    }
    pub fn iter(&self) -> impl Iterator<Item = &Item> {
        self.chunks.iter().flat_map(|chunk| &chunk.items)
    }

    /// The chunk where a place is, or would be.
    fn chunk_of(&self, place: (i64, JobNo)) -> usize {
        let last = |chunk: &Chunk| chunk.items.last().map(Item::place);
        self.chunks.partition_point(|chunk| last(chunk) < Some(place))
    }

    pub fn insert(&mut self, item: Item) {
        self.len += 1;
        if self.chunks.is_empty() {
            self.chunks.push(Chunk::of(vec![item]));
            return;
        }
        let at = self.chunk_of(item.place()).min(self.chunks.len() - 1);
        let chunk = &mut self.chunks[at];
        let inside = chunk.items.partition_point(|other| other.place() < item.place());
        chunk.add(inside, item);
        if chunk.items.len() > CHUNK_MAX {
            // A line that only grows at its end keeps full chunks behind it.
            let cut = if inside == CHUNK_MAX { CHUNK_MAX } else { CHUNK_MAX / 2 };
            let rest = Chunk::of(chunk.items.split_off(cut));
            chunk.sum_up();
            self.chunks.insert(at + 1, rest);
        }
    }

    /// Takes out the job with this key and number, if it is there.
    pub fn remove(&mut self, key: i64, no: JobNo) -> Option<Item> {
        let at = self.chunk_of((key, no));
        let chunk = self.chunks.get_mut(at)?;
        let inside = chunk.items.binary_search_by_key(&(key, no), Item::place).ok()?;
        let item = chunk.items.remove(inside);
        self.len -= 1;
        if chunk.items.is_empty() {
            self.chunks.remove(at);
        } else {
            chunk.procs_sum -= u64::from(item.procs);
            if item.procs == chunk.procs_min || item.estimate_s == chunk.estimate_min_s {
                chunk.sum_up();
            }
        }
        Some(item)
    }

    pub fn pop_first(&mut self) -> Option<Item> {
        let first = *self.first()?;
        self.remove(first.key, first.no)
    }

    /// Offers every job that may be taken, in order.
    pub fn sweep(&mut self, sweep: &mut impl Sweep) {
        let mut emptied = false;
        for chunk in &mut self.chunks {
            if sweep.is_done() {
                break;
            }
            if !sweep.may_take(chunk.procs_min, chunk.estimate_min_s) {
                continue;
            }
            let before = chunk.items.len();
            chunk.items.retain(|item| !sweep.take(item));
            if chunk.items.len() < before {
                self.len -= before - chunk.items.len();
                chunk.sum_up();
                emptied |= chunk.items.is_empty();
            }
        }
        if emptied {
            self.chunks.retain(|chunk| !chunk.items.is_empty());
        }
    }

    /// Processors of all jobs up to this key, itself included.
    pub fn procs_to(&self, key: i64) -> u64 {
        let mut sum = 0;
        for chunk in &self.chunks {
            if chunk.items.last().is_some_and(|last| last.key <= key) {
                sum += chunk.procs_sum;
                continue;
            }
            let up_to = chunk.items.iter().take_while(|item| item.key <= key);
            return sum + up_to.map(|item| u64::from(item.procs)).sum::<u64>();
        }
        sum
    }

    /// The first key at which the processors of all jobs up to it reach `wanted`, and what they come to with every job of that very
    /// key. `None`: all together do not.
    pub fn reach(&self, wanted: u64) -> Option<(i64, u64)> {
        let mut sum = 0;
        let mut found = None;
        for chunk in &self.chunks {
            if found.is_none() && sum + chunk.procs_sum < wanted {
                sum += chunk.procs_sum;
                continue;
            }
            for item in &chunk.items {
                if let Some(key) = found
                    && item.key > key
                {
                    return Some((key, sum));
                }
                sum += u64::from(item.procs);
                if found.is_none() && sum >= wanted {
                    found = Some(item.key);
                }
            }
        }
        found.map(|key| (key, sum))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Fitting(u32);
    impl Sweep for Fitting {
        fn may_take(&self, procs_min: u32, _: i64) -> bool {
            procs_min <= self.0
        }
        fn take(&mut self, item: &Item) -> bool {
            let fits = item.procs <= self.0;
            self.0 -= if fits { item.procs } else { 0 };
            fits
        }
        fn is_done(&self) -> bool {
            self.0 == 0
        }
    }

    proptest! {
        /// Against a sorted vector: the same content, the same answers.
        #[test]
        fn a_line_is_a_sorted_list(steps in prop::collection::vec((0u8..4, 0i64..40, 1u32..20), 1..900)) {
            let (mut line, mut list) = (Line::default(), Vec::<Item>::new());
            for (no, (what, key, procs)) in (0u32..).zip(steps) {
                match what {
                    0 | 1 => {
                        let item = Item { key, no, procs, estimate_s: key };
                        line.insert(item);
                        list.push(item);
                        list.sort_by_key(Item::place);
                    }
                    2 => prop_assert_eq!(line.pop_first(), (!list.is_empty()).then(|| list.remove(0))),
                    _ => {
                        let (mut a, mut b) = (Fitting(procs * 3), Fitting(procs * 3));
                        line.sweep(&mut a);
                        list.retain(|item| b.is_done() || !b.take(item));
                        prop_assert_eq!(a.0, b.0);
                    }
                }
                prop_assert_eq!(line.len(), list.len());
                prop_assert!(line.iter().eq(list.iter()));
                let wanted = u64::from(procs) * 9;
                let sum = |to: i64| list.iter().filter(|i| i.key <= to).map(|i| u64::from(i.procs)).sum::<u64>();
                let reached = list.iter().map(|i| i.key).find(|key| sum(*key) >= wanted);
                prop_assert_eq!(line.procs_to(key), sum(key));
                prop_assert_eq!(line.reach(wanted), reached.map(|key| (key, sum(key))));
            }
        }
    }
}
