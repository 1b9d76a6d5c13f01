//! Long runs: a world that keeps only what is open, and clusters with queues of their own. Refuses to know what a run is for.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{ClusterId, Seed, Span};

use super::World;
use crate::tables::{Settled, Tables};

impl World {
    /// Keeps only what is open: see [`Tables::lean`].
    pub fn lean(mut self) -> World {
        self.tables = Tables::lean();
        self
    }
    /// Of a lean world: jobs that were settled since the last call.
    pub fn take_settled(&mut self) -> Vec<Settled> {
        let settled = self.tables.take_settled();
        for job in &settled {
            self.plans.remove(&job.row.job.id);
            self.lanes.remove(&job.row.job.id);
        }
        settled
    }
    /// A cluster lets work wait in its own queue: as long as chance says, `mean` on average, and for work of the tenants named
    /// as long as their data takes on its way there.
    pub fn set_queue(&mut self, cluster: ClusterId, mean: Span, seed: &Seed, staging: BTreeMap<Arc<str>, Span>) {
        if let Some(place) = self.places.get_mut(&cluster) {
            place.model.set_queue(mean, seed, staging);
        }
    }
}
