//! Waiting by choice: whether a job that could start now in one pool waits for a cheaper one. Refuses to know the order of the queue
//! and what is promised; asks the availability profile and the weights.

use base::Timestamp;

use crate::bound::Ask;
use crate::explain::penalty;
use crate::policy::Weights;
use crate::profile::Scratch;
use crate::scheduler::Scheduler;
use crate::shape::{Guest, Pools, Shape};

/// The job that may wait: until when it may (microseconds), for how long it asks and is likely to run, who asks, and what a start here
/// costs it.
struct Waiter<'a> {
    now: i64,
    latest: i64,
    limit: i64,
    expected: i64,
    guest: Guest,
    ask: Ask<'a>,
    /// [`Shape::rank`] of where it could start now.
    rank: i64,
    here: i128,
}

impl Waiter<'_> {
    /// Whether it costs less to start at that place when it can; of places whose pool is claimed by jobs ahead, or of the others.
    fn gains(
        &self,
        at: usize,
        claimed: bool,
        shape: &mut Shape,
        pools: &Pools,
        weights: &Weights,
        scratch: &mut Scratch,
    ) -> bool {
        let fit = shape.fits[at];
        let nodes = self.ask.request.nodes;
        if shape.rank(at) >= self.rank
            || pools.get(fit.pool).is_none_or(|p| p.claims.is_empty() == claimed)
            || !pools.serves(fit.pool, nodes, self.ask.dips)
            || !pools.admits(fit.pool, self.guest)
        {
            return false;
        }
        let once = shape.haul(at).once;
        let gains = |start: i64| {
            let start = start.max(self.now).saturating_add(fit.wait);
            start < self.latest && penalty(weights, start, fit.money, self.expected, once) < self.here
        };
        if shape.soonest(at, pools).is_some_and(|soonest| !gains(soonest)) {
            return false;
        }
        let alone = shape.start(at, pools, self.latest, scratch).filter(|start| gains(*start));
        match claimed {
            true if alone.is_some() => {
                let terms = (self.now, self.limit);
                pools.start(fit.pool, self.ask, terms, None, self.latest, scratch).is_some_and(gains)
            }
            _ => alone.is_some(),
        }
    }
}

impl Scheduler {
    /// A job that could start now at `place` of its shape's list waits for a pool that comes
    /// before it there: the start there is told by what runs and by the claims of jobs ahead, the money by how long it is likely
    /// to run. What else waits for that pool is not counted: counted by limits it made jobs pay partners for room that was free long
    /// before.
    pub(crate) fn waits(&mut self, slot: u32, shape: u32, place: usize, now: Timestamp) -> bool {
        let job = self.queue.slot(slot);
        if place == 0 || job.aged {
            return false;
        }
        let (limit, expected) = (job.limit, job.asked.expected);
        let latest = job.submitted.saturating_add(self.policy.age_bound.as_micros());
        let guest = self.guest(slot, &self.shapes.get(shape).request);
        let picked = std::mem::take(&mut self.scratch.nodes);
        let shape = self.shapes.get_mut(shape);
        let ready = shape.fits[place];
        let now = now.as_micros();
        let (rank, once) = (shape.rank(place), shape.haul(place).once);
        let here = penalty(&self.policy.weights, now.saturating_add(ready.wait), ready.money, expected, once);
        let request = shape.request.clone();
        let ask = Ask { request: &request, dips: shape.standing.dips };
        let waiter = Waiter { now, latest, limit, expected, guest, ask, rank, here };
        // Starts in pools without claims are known or soon told; only then the others are asked.
        let awaited = Some(shape.awaited).filter(|at| *at < place);
        let (pools, weights, scratch) = (&self.pools, &self.policy.weights, &mut self.scratch);
        let mut worth = |at: &usize, claimed| waiter.gains(*at, claimed, shape, pools, weights, scratch);
        let unclaimed = awaited.into_iter().chain(0..place).find(|at| worth(at, false));
        let found = unclaimed.or_else(|| (0..place).find(|at| worth(at, true)));
        self.scratch.nodes = picked;
        if let Some(at) = found {
            shape.awaited = at;
            // There is room, though not for this one.
            shape.roomy = true;
        }
        found.is_some()
    }
}
