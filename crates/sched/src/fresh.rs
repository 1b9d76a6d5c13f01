//! Whether jobs that came since the last plan can change anything: most come behind others that wait for the same. Refuses to start
//! anything.

use base::Timestamp;

use crate::place::Rank;
use crate::pool::{NoPick, Stay};
use crate::queue::Blocked;
use crate::scheduler::Scheduler;
use crate::shape::{Guest, Shape};

impl Scheduler {
    /// True when a job that came since the last plan may start or take a turn. Exact in saying no.
    pub(crate) fn fresh_matters(&self, now: Timestamp) -> bool {
        let waits = |slot: u32| self.queue.find(self.queue.slot(slot).job) == Some(slot);
        self.changes.fresh.iter().any(|slot| waits(*slot) && self.matters(*slot, now))
    }

    fn matters(&self, slot: u32, now: Timestamp) -> bool {
        let job = self.queue.slot(slot);
        let lane = self.queue.lane_of(slot);
        let shape = self.shapes.get(lane.shape);
        if !self.is_current(shape) {
            return true;
        }
        let guest = self.guest(slot, &shape.request);
        let rank = self.rank(slot, now);
        let Blocked { term, at, .. } = lane.blocked.of_pass(self.pass);
        // Behind one of the same lane that was blocked with no longer a term, it is blocked.
        let hopeless = job.term().covers(term) && job.position() > at;
        if shape.roomy && !hopeless && self.might_start(shape, guest, &rank, now) {
            return true;
        }
        if self.shapes.sets[shape.set as usize].turns < self.policy.backfill_depth {
            let serves = |pool| {
                self.pools.serves(pool, shape.request.nodes, shape.standing.dips) && self.pools.admits(pool, guest)
            };
            return shape.fits.iter().any(|f| serves(f.pool));
        }
        self.holders.iter().any(|h| h.set == shape.set && rank < self.rank(h.slot, now))
    }

    /// False when every pool lacks room or claims of jobs ahead forbid it; those of jobs behind do not count.
    fn might_start(&self, shape: &Shape, guest: Guest, rank: &Rank, now: Timestamp) -> bool {
        let stay = Stay::of(now.as_micros(), guest.term());
        let places = std::iter::successors(shape.next_maybe(0), |place| shape.next_maybe(place + 1));
        let mut nodes = Vec::new();
        places.map(|place| shape.fits[place].pool).filter(|p| self.pools.admits(*p, guest)).any(|ordinal| {
            match self.pools.pick(ordinal, shape.ask(), stay, &mut nodes) {
                Ok(()) => true,
                Err(NoPick::NoRoom) => false,
                Err(NoPick::Claimed) => {
                    // What is claimed of a purse or through a twin stands in other pools as well.
                    let alone =
                        self.pools.get(ordinal).is_some_and(|p| p.twins.is_empty() && self.pools.purse(p).is_none());
                    let reaches = |pool: u32| pool == ordinal || !alone;
                    self.holders.iter().any(|h| h.pool.is_some_and(reaches) && *rank < self.rank(h.slot, now))
                }
            }
        })
    }
}
