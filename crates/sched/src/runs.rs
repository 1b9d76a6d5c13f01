//! The table of running jobs. Refuses to know what they take on which nodes: that stands in the pools.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{JobId, Resources};
use model::Conditions;

use crate::queue::JobMap;

/// A job that occupies nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub job: JobId,
    pub pool: u32,
    pub end: i64,
    pub tenant: u32,
    pub total: Resources,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    pub slots: Vec<Option<Run>>,
    vacant: Vec<u32>,
    pub index: JobMap,
    /// Of runs that take licences.
    pub licensed: BTreeMap<u32, Arc<Conditions>>,
}

impl Runs {
    pub fn insert(&mut self, run: Run) -> u32 {
        let slot = self.vacant.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(slot as usize) {
            Some(place) => *place = Some(run),
            None => self.slots.push(Some(run)),
        }
        self.index.insert(run.job, slot);
        slot
    }
    pub fn remove(&mut self, job: JobId) -> Option<(u32, Run)> {
        let slot = self.index.remove(&job)?;
        self.vacant.push(slot);
        self.licensed.remove(&slot);
        Some((slot, self.slots[slot as usize].take()?))
    }
}
