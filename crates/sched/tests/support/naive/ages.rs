//! Since when work counts as waiting, and how long reservations take it to run.

use std::collections::BTreeSet;

use sched::{Demand, Policy, PoolView};

use super::Naive;

impl Naive {
    pub(super) fn expected(&self, job: &Demand) -> i64 {
        self.expected.get(&job.job).copied().unwrap_or(job.time_limit.as_micros())
    }

    /// How long reservations may take it to run.
    pub(super) fn fence(&self, job: &Demand) -> i64 {
        let limit = job.time_limit.as_micros();
        self.expected(job).max(limit - self.policy.overrun_max.as_micros())
    }

    /// Something that wants one of these pools, or what bounds them, is older than the bound.
    pub(super) fn is_strict(&self, fits: &[usize]) -> bool {
        let old = |job: &&Demand| self.now - job.submitted_at.as_micros() >= self.policy.age_bound.as_micros();
        let names = |p: usize| self.pools[p].nodes.iter().map(|n| &n.name).collect::<BTreeSet<_>>();
        let machines = |p: usize| self.pools[p].terms.machines;
        let twins = |p: usize, q: usize| machines(p) && machines(q) && !names(p).is_disjoint(&names(q));
        let bounded = self.cluster.together != model::Caps::NONE || !self.cluster.licences.is_empty();
        let meets = |wanted: usize| fits.iter().any(|p| *p == wanted || twins(*p, wanted) || bounded);
        self.policy.overrun_max.as_micros() == 0
            || self.queue.iter().filter(old).any(|job| self.fits(job).into_iter().any(meets))
    }

    /// By how much it counts as older, as wide as it is.
    pub(super) fn haste(&self, job: &Demand) -> i64 {
        let Policy { haste, haste_of_the_wide, age_bound, .. } = self.policy;
        let request = &job.request;
        let part = |pool: &PoolView| {
            let whole = pool.shape.times(pool.nodes.len() as u32);
            let (of, all) = match request.total().gpus {
                0 => (request.total().cpu.0, whole.cpu.0),
                cards => (u64::from(cards), u64::from(whole.gpus)),
            };
            of * 1_000_000 / all
        };
        let holds = |pool: &&PoolView| {
            let named = job.pools.is_empty() || job.pools.contains(&pool.name);
            named && request.nodes as usize <= pool.nodes.len() && request.per_node.fits(&pool.shape)
        };
        let Some(share) = self.pools.iter().filter(holds).map(part).min() else { return 0 };
        let square = share * share / 1_000_000;
        let sum = u64::from(haste) * share + u64::from(haste_of_the_wide) * (square * square / 1_000_000);
        (i128::from(age_bound.as_micros()) * i128::from(sum.min(1_000_000_000)) / 1_000_000_000) as i64
    }

    /// Since when it counts as waiting.
    pub(super) fn since(&self, job: &Demand) -> i64 {
        job.submitted_at.as_micros() - self.haste(job)
    }
}
