//! Which cores and GPUs of this machine belong to which pool, and which of them are taken. Pure.

use std::collections::{BTreeMap, BTreeSet};

use base::{AttemptId, PoolId, Resources};

use crate::config::LocalPool;

/// Cores and GPU indices given to one attempt; no cores means that it is not bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub cores: Vec<u32>,
    pub gpus: Vec<u32>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// Empty when the pool is declared larger than what is left of the machine.
    cores: Vec<u32>,
    gpus: Vec<u32>,
}

/// The map of the machine.
#[derive(Debug)]
pub struct Layout {
    shelves: BTreeMap<PoolId, Shelf>,
    taken: BTreeMap<AttemptId, (PoolId, Place)>,
    remarks: Vec<String>,
}

/// Why an attempt cannot be placed: it needs more GPUs than are free.
#[derive(Debug, PartialEq, Eq)]
pub struct NoGpus {
    pub wanted: u32,
    pub free: u32,
}

impl Layout {
    /// Hands the machine's cores (their numbers) and `gpus_present` GPUs out to the pools, in order.
    pub fn new(pools: &[LocalPool], cores: &[u32], gpus_present: u32) -> Layout {
        let mut left = cores;
        let mut next_gpu = 0;
        let mut shelves = BTreeMap::new();
        let mut remarks = Vec::new();
        for pool in pools {
            let all = pool.shape.times(pool.nodes.max(1));
            let wanted = all.cpu.cores_ceil() as usize;
            let own = if wanted <= left.len() {
                let (own, rest) = left.split_at(wanted);
                left = rest;
                own.to_vec()
            } else {
                remarks.push(format!(
                    "pool {} declares {wanted} cores where {} of this machine's {} are left: its jobs are not bound to \
                     cores of their own",
                    pool.name,
                    left.len(),
                    cores.len(),
                ));
                Vec::new()
            };
            if next_gpu + all.gpus > gpus_present {
                remarks.push(format!(
                    "pool {} declares {} GPUs where {} of this machine's {gpus_present} are left: jobs are given numbers \
                     of GPUs which do not exist",
                    pool.name,
                    all.gpus,
                    gpus_present.saturating_sub(next_gpu),
                ));
            }
            shelves.insert(pool.id, Shelf { cores: own, gpus: (next_gpu..next_gpu + all.gpus).collect() });
            next_gpu += all.gpus;
        }
        Layout { shelves, taken: BTreeMap::new(), remarks }
    }

    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// Gives an attempt its cores and GPUs, the lowest free ones; again the same when it already has some.
    /// Shares of a core are not bound, nor is work beyond the pool's cores (the platform counts those, not this map).
    pub fn take(&mut self, attempt: AttemptId, pool: PoolId, total: &Resources) -> Result<Place, NoGpus> {
        if let Some((_, place)) = self.taken.get(&attempt) {
            return Ok(place.clone());
        }
        let Some(shelf) = self.shelves.get(&pool) else { return Ok(Place::default()) };
        let (mut used_cores, mut used_gpus) = (BTreeSet::new(), BTreeSet::new());
        for (_, place) in self.taken.values().filter(|(of, _)| *of == pool) {
            used_cores.extend(place.cores.iter().copied());
            used_gpus.extend(place.gpus.iter().copied());
        }
        let free = |all: &[u32], used: &BTreeSet<u32>| -> Vec<u32> {
            all.iter().copied().filter(|n| !used.contains(n)).collect()
        };
        let mut gpus = free(&shelf.gpus, &used_gpus);
        if gpus.len() < total.gpus as usize {
            return Err(NoGpus { wanted: total.gpus, free: gpus.len() as u32 });
        }
        gpus.truncate(total.gpus as usize);
        let mut cores = free(&shelf.cores, &used_cores);
        let wanted = total.cpu.cores_ceil() as usize;
        if total.cpu.0.is_multiple_of(1_000) && wanted <= cores.len() {
            cores.truncate(wanted);
        } else {
            cores.clear();
        }
        let place = Place { cores, gpus };
        self.taken.insert(attempt, (pool, place.clone()));
        Ok(place)
    }

    /// Notes what an attempt found running already holds.
    pub fn restore(&mut self, attempt: AttemptId, pool: PoolId, place: Place) {
        self.taken.insert(attempt, (pool, place));
    }

    pub fn release(&mut self, attempt: AttemptId) {
        self.taken.remove(&attempt);
    }
}

#[cfg(test)]
mod tests {
    use base::{Bytes, CpuMillis, JobId};

    use super::*;

    fn pool(id: u128, cores: u64, gpus: u32, nodes: u32) -> LocalPool {
        LocalPool {
            id: PoolId::from_u128(id),
            name: format!("p{id}").into(),
            shape: Resources::new(cores, Bytes::from_gib(1), gpus),
            chip: None,
            nodes,
        }
    }
    fn attempt(n: u128) -> AttemptId {
        AttemptId::new(JobId::from_u128(n), 1)
    }

    #[test]
    fn pools_own_separate_cores_and_gpus_and_attempts_share_none() {
        let mut map = Layout::new(&[pool(1, 1, 1, 2), pool(2, 2, 2, 1), pool(3, 1, 0, 1)], &[0, 2, 4, 6], 4);
        let one = Resources::new(1, Bytes(0), 1);
        let (first, second) = (PoolId::from_u128(1), PoolId::from_u128(2));
        assert_eq!(map.take(attempt(1), first, &one), Ok(Place { cores: vec![0], gpus: vec![0] }));
        assert_eq!(map.take(attempt(2), first, &one), Ok(Place { cores: vec![2], gpus: vec![1] }));
        assert_eq!(map.take(attempt(1), first, &one), Ok(Place { cores: vec![0], gpus: vec![0] }));
        assert_eq!(map.take(attempt(3), first, &one), Err(NoGpus { wanted: 1, free: 0 }));
        let both = Resources::new(2, Bytes(0), 2);
        assert_eq!(map.take(attempt(3), second, &both), Ok(Place { cores: vec![4, 6], gpus: vec![2, 3] }));
        map.release(attempt(1));
        assert_eq!(map.take(attempt(4), first, &one), Ok(Place { cores: vec![0], gpus: vec![0] }));
        // The third pool found no core left: said, and its jobs are unbound.
        assert_eq!(map.remarks().len(), 1);
        let bare = Resources::new(1, Bytes(0), 0);
        assert_eq!(map.take(attempt(5), PoolId::from_u128(3), &bare), Ok(Place::default()));
    }

    #[test]
    fn shares_of_a_core_are_not_bound() {
        let mut map = Layout::new(&[pool(1, 2, 0, 1)], &[0, 1], 0);
        let half = Resources { cpu: CpuMillis(500), ..Resources::ZERO };
        assert_eq!(map.take(attempt(1), PoolId::from_u128(1), &half), Ok(Place::default()));
    }
}
