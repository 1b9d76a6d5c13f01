//! Data on its way: a pool is ready for a job when the job's data is there. Whether another that is free a little later would start
//! it sooner. Refuses to know what waiting costs; asks the availability profile.

use std::collections::BTreeMap;

use base::Timestamp;

use crate::bound::{Ask, earliest_bound};
use crate::links::Links;
use crate::profile::{Respect, WHENEVER};
use crate::scheduler::Scheduler;
use crate::shape::Pools;
use crate::view::to_i64;

impl Scheduler {
    /// Says what joins the sites, in place of what was said before.
    pub fn set_links(&mut self, links: Links) {
        if links != self.pools.links {
            self.pools.links = links;
            self.pools.generation += 1;
            self.changes.full = true;
        }
    }

    /// A job that could be sent to `place` of its shape's list now, on the nodes in the scratch, waits for a pool that comes before
    /// it there, which it tells: it starts there before its data would be here, also after those in the queue before it that wait
    /// for that one. A job older than the age bound waits for none.
    pub(crate) fn waits_for_nearer(
        &mut self,
        slot: u32,
        shape: u32,
        place: usize,
        now: Timestamp,
        awaited: &BTreeMap<u32, i128>,
    ) -> Option<u32> {
        let job = self.queue.slot(slot);
        let haul = self.shapes.get(shape).haul(place);
        if place == 0 || job.aged || haul.time == 0 {
            return None;
        }
        let limit = job.limit;
        let guest = self.guest(slot, &self.shapes.get(shape).request);
        let picked = std::mem::take(&mut self.scratch.nodes);
        let shape = self.shapes.get_mut(shape);
        let (ready, rank) = (shape.fits[place], shape.rank(place));
        let here = now.as_micros().saturating_add(ready.wait);
        let (request, dips) = (shape.request.clone(), shape.standing.dips);
        let ask = Ask { request: &request, dips };
        let mut waits = None;
        for at in 0..place {
            let fit = shape.fits[at];
            let serves = self.pools.serves(fit.pool, request.nodes, dips) && self.pools.admits(fit.pool, guest);
            let before = here.saturating_sub(fit.wait).saturating_sub(delay(&self.pools, fit.pool, awaited));
            if !serves || shape.rank(at) >= rank || before <= now.as_micros() {
                continue;
            }
            let pool = self.pools.get(fit.pool);
            let start = match pool.filter(|p| !p.is_plain(ask, self.pools.purse(p))) {
                None => shape.start(at, &self.pools, WHENEVER, &mut self.scratch),
                Some(pool) => {
                    let (purse, start) = (self.pools.purse(pool), now.as_micros());
                    earliest_bound(pool, purse, ask, limit, start, Respect::Running, WHENEVER, &mut self.scratch)
                }
            };
            // What should have ended is taken to end any moment.
            if start.is_some_and(|start| start.max(now.as_micros()) < before) {
                waits = Some(fit.pool);
                break;
            }
        }
        self.scratch.nodes = picked;
        // There is room, though not for this one.
        shape.roomy |= waits.is_some();
        waits
    }

    /// A job waits: for the pool where it has just got a claim, or for a nearer one.
    pub(crate) fn awaits(&self, slot: u32, nearer: Option<u32>, awaited: &mut BTreeMap<u32, i128>) {
        let claim = self.holders.last().filter(|h| h.slot == slot).and_then(|h| h.pool);
        let Some(pool) = claim.or(nearer) else { return };
        let cores = self.shapes.get(self.queue.lane_of(slot).shape).request.total().cpu.0;
        *awaited.entry(pool).or_default() += i128::from(cores) * i128::from(self.queue.slot(slot).asked.expected);
    }
}

/// How long what waits for a pool will take there, were it alone.
fn delay(pools: &Pools, pool: u32, awaited: &BTreeMap<u32, i128>) -> i64 {
    let (Some(work), Some(pool)) = (awaited.get(&pool), pools.get(pool)) else { return 0 };
    let cores = i128::from(pool.shape.cpu.0) * i128::from(pool.nodes_up);
    to_i64(work / cores.max(1))
}
