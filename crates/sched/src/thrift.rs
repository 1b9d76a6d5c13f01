//! Waiting by choice: whether a job that could start now in one pool waits for a cheaper one. Refuses to know the order of the queue
//! and what is promised; asks the availability profile and the weights.

use base::Timestamp;

use crate::bound::Ask;
use crate::explain::penalty;
use crate::profile::NOW;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// A job that could start now at `place` of its shape's list, on the nodes in the scratch, waits for a pool that comes
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
        let weights = self.policy.weights;
        let picked = std::mem::take(&mut self.scratch.nodes);
        let shape = self.shapes.get_mut(shape);
        let ready = shape.fits[place];
        let here = penalty(&weights, now.as_micros().saturating_add(ready.wait), ready.money, expected);
        let (request, dips) = (shape.request.clone(), shape.standing.dips);
        let ask = Ask { request: &request, dips };
        let mut waits = false;
        for at in 0..place {
            let fit = shape.fits[at];
            if fit.money >= ready.money
                || !self.pools.serves(fit.pool, request.nodes, dips)
                || !self.pools.admits(fit.pool, guest)
            {
                continue;
            }
            let start = shape.start(at, &self.pools, latest, &mut self.scratch);
            let claimed = start.is_some() && self.pools.get(fit.pool).is_some_and(|p| !p.claims.is_empty());
            let start = match claimed {
                true => self.pools.start(fit.pool, ask, (now.as_micros(), limit), None, latest, &mut self.scratch),
                false => start,
            };
            let Some(start) = start.map(|s| if s == NOW { now.as_micros() } else { s.max(now.as_micros()) }) else {
                continue;
            };
            let start = start.saturating_add(fit.wait);
            if start >= latest {
                continue;
            }
            let there = penalty(&weights, start, fit.money, expected);
            waits |= there < here;
        }
        self.scratch.nodes = picked;
        // There is room, though not for this one.
        shape.roomy |= waits;
        waits
    }
}
