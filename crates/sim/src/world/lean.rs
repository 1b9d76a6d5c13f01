//! Long runs: a world that keeps only what is open, and clusters with queues of their own. Refuses to know what a run is for.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{ClusterId, Seed, Span, Stream, Timestamp};

use super::World;
use crate::tables::{Settled, Tables};

/// How late a cluster tells ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    /// Each up to so much later.
    pub late_max: Span,
    /// So many of 1,000 are told without what the work used: the cluster's accounting has nothing of them.
    pub missing_permille: u32,
}

impl Lateness {
    pub(super) fn draw(&self, chance: &mut Stream) -> Span {
        let most = u64::try_from(self.late_max.as_micros()).unwrap_or(0);
        if most == 0 { Span::ZERO } else { Span::from_micros(chance.below(most) as i64) }
    }
}

impl World {
    /// From now on a cluster with a queue of its own tells ends so late; the default is: at once.
    pub fn set_lateness(&mut self, cluster: ClusterId, lateness: Lateness) {
        if let Some((late, _)) = self.places.get_mut(&cluster).and_then(|place| place.late.as_mut()) {
            *late = lateness;
        }
    }
    /// The data of a tenant's jobs does not set out for a cluster before then.
    pub fn hold_data(&mut self, cluster: ClusterId, tenant: &str, until: Timestamp) {
        if let Some(place) = self.places.get_mut(&cluster) {
            place.model.hold_data(tenant, until);
        }
    }
    /// Keeps only what is open: see [`Tables::lean`].
    pub fn lean(mut self) -> World {
        self.tables = Tables::lean();
        self
    }
    /// A lean world whose transfers come out of [`World::take_transfers`].
    #[must_use]
    pub fn telling(mut self) -> World {
        self.tables.tell_transfers();
        self
    }
    /// True time is this when it begins.
    #[must_use]
    pub fn beginning(mut self, at: Timestamp) -> World {
        self.now = at;
        self
    }
    /// A world whose committed batches come out of [`World::take_batches`].
    #[must_use]
    pub fn recording(mut self) -> World {
        self.recorded = Some(Vec::new());
        self
    }
    /// What was committed since the last call, in its order; effects are left out.
    pub fn take_batches(&mut self) -> Vec<engine::Batch> {
        self.recorded.as_mut().map(std::mem::take).unwrap_or_default()
    }
    /// What was moved since the last call, in the order of booking.
    pub fn take_transfers(&mut self) -> Vec<ledger::Transfer> {
        self.tables.take_transfers()
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
            place.late = Some((Lateness::default(), seed.child("ends").child(cluster).stream()));
            place.model.set_queue(mean, seed, staging);
        }
    }
}
