//! How far reservations hold others off: which work may pass them by its forecast, and how much sooner wide work goes ahead of others.
//! Refuses to start anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::{Resources, Span, Timestamp};
use model::Request;

use crate::policy::Policy;
use crate::pool::Pool;
use crate::queue::Term;
use crate::scheduler::Scheduler;

impl Policy {
    /// How long reservations ahead may take work to run.
    pub(crate) fn fence(&self, limit: Span, expected: Span) -> Span {
        let least = limit.as_micros().saturating_sub(self.overrun_max.as_micros());
        limit.min(expected.max(Span::from_micros(least)))
    }

    pub(crate) fn hastens(&self) -> bool {
        self.haste > 0 || self.haste_of_the_wide > 0
    }
}

/// What of a pool decides how wide work is there.
pub(crate) type Width = (Arc<str>, Resources, usize);

pub(crate) fn width(pool: &Pool) -> Width {
    (pool.name.clone(), pool.shape, pool.nodes.len())
}

/// A whole in the arithmetic of shares.
const MILLION: u64 = 1_000_000;

impl Scheduler {
    /// By how much such work passes the age bound earlier, by its share of the largest pool among `named` that has nodes for it.
    pub(crate) fn haste(&self, request: &Request, named: &[Arc<str>]) -> Span {
        if !self.policy.hastens() {
            return Span::ZERO;
        }
        let total = request.total();
        let part = |of: u64, all: u64| of.saturating_mul(MILLION).checked_div(all).unwrap_or(MILLION).min(MILLION);
        let shares =
            self.pools.iter().filter(|pool| named.is_empty() || named.contains(&pool.name)).filter_map(|pool| {
                let nodes = pool.nodes.len() as u32;
                let whole = pool.shape.times(nodes);
                let fits = request.nodes <= nodes && request.per_node.fits(&pool.shape);
                fits.then(|| match total.gpus {
                    0 => part(total.cpu.0, whole.cpu.0),
                    cards => part(u64::from(cards), u64::from(whole.gpus)),
                })
            });
        let Some(share) = shares.min() else { return Span::ZERO };
        let square = share * share / MILLION;
        let fourth = square * square / MILLION;
        let thousandths = |haste: u32, share: u64| u64::from(haste).saturating_mul(share);
        let sum = thousandths(self.policy.haste, share)
            .saturating_add(thousandths(self.policy.haste_of_the_wide, fourth))
            .min(1_000 * MILLION);
        let bound = i128::from(self.policy.age_bound.as_micros());
        Span::from_micros((bound * i128::from(sum) / i128::from(1_000 * MILLION)) as i64)
    }

    /// A pool came, went or is another: how wide work is may be another share.
    pub(crate) fn widths_changed(&mut self, was: Option<Width>, is: Option<Width>) {
        if self.policy.hastens() && self.queue.len() > 0 && was != is {
            self.queue_anew();
        }
    }

    /// Whether only limits count for a job of the queue in the present pass.
    pub(crate) fn is_strict(&self, slot: u32) -> bool {
        let set = self.shapes.get(self.queue.lane_of(slot).shape).set;
        self.shapes.sets.get(set as usize).is_none_or(|set| set.strict)
    }

    /// What a job of the queue asks, as reservations of the present pass see it.
    pub(crate) fn term(&self, slot: u32) -> Term {
        let asked = self.queue.slot(slot).term();
        if self.is_strict(slot) { Term::whole(asked.limit) } else { asked }
    }

    /// True of work that has waited so long, its width left out, that nothing passes it by a forecast.
    pub(crate) fn is_old(&self, slot: u32, now: Timestamp) -> bool {
        let job = self.queue.slot(slot);
        let since = job.submitted.saturating_add(job.haste);
        since.saturating_add(self.policy.age_bound.as_micros()) <= now.as_micros()
    }

    /// Which pool sets go by limits alone in this pass: those that share machines, or a cluster's limits, with one for which something
    /// old waits.
    pub(crate) fn judge_fences(&mut self, now: Timestamp) {
        if self.policy.overrun_max <= Span::ZERO {
            return;
        }
        self.shapes.sets.iter_mut().for_each(|set| set.strict = false);
        let mut wanted: BTreeSet<u32> = BTreeSet::new();
        for &lane in &self.queue.aged_lanes {
            let home = &self.queue.lanes[lane as usize];
            // The first in order is the one that has waited longest: all of a lane are equally wide.
            if home.aged.first().is_some_and(|slot| self.is_old(slot, now)) {
                let fits = self.shapes.get(home.shape).fits.iter();
                wanted.extend(fits.flat_map(|fit| self.pools.with_twins(fit.pool)));
            }
        }
        if wanted.is_empty() {
            return;
        }
        let cluster = |pool: u32| self.pools.get(pool).map(|pool| pool.cluster);
        let bounded: BTreeSet<_> =
            wanted.iter().filter_map(|pool| cluster(*pool)).filter(|of| self.pools.purses.contains_key(of)).collect();
        let meets = |pool: u32| wanted.contains(&pool) || cluster(pool).is_some_and(|of| bounded.contains(&of));
        for set in &mut self.shapes.sets {
            let member = set.shapes.first().and_then(|shape| self.shapes.slots[*shape as usize].as_ref());
            set.strict = member.is_some_and(|shape| shape.fits.iter().any(|fit| meets(fit.pool)));
        }
    }
}
