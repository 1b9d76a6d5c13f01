//! Promised waits: a tenant with a contract has cores committed to it, and what it asks for within them is not to wait longer than
//! was promised. Says which jobs are within; refuses to know the order of the queue, pools and what a contract costs.

use std::collections::BTreeMap;

use base::{JobId, Span, TenantId};
use serde::{Deserialize, Serialize};

use crate::scheduler::Scheduler;
use crate::view::Demand;

/// What a tenant is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// Cores of the tenant's open work, waiting or running, that the promise covers: a job that comes on top of more is not within.
    pub cores: u32,
    /// Such work starts within this time of its submission.
    #[serde(with = "base::span_text")]
    pub wait: Span,
}

impl Promise {
    /// Whether work of so many thousandths of a core is within, beside what is within already.
    pub fn covers(&self, beside: u64, cpu: u64) -> bool {
        beside.saturating_add(cpu) <= u64::from(self.cores) * 1_000
    }
}

/// Promises by tenant ordinal and the jobs within them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promises {
    /// With the thousandths of cores of all jobs within it.
    of: BTreeMap<u32, (Promise, u64)>,
    jobs: BTreeMap<JobId, (u32, u64)>,
}

impl Promises {
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// False when nothing changes.
    pub fn set(&mut self, tenant: u32, promise: Option<Promise>) -> bool {
        let known = self.of.get(&tenant).map(|(promise, _)| *promise);
        if known == promise {
            return false;
        }
        match promise {
            Some(promise) => {
                self.of.entry(tenant).or_insert((promise, 0)).0 = promise;
            }
            None => {
                self.of.remove(&tenant);
                self.jobs.retain(|_, (of, _)| *of != tenant);
            }
        }
        true
    }

    /// A job comes into the queue; the promised wait when it is within.
    pub fn enter(&mut self, job: JobId, tenant: u32, cpu: u64) -> Option<Span> {
        let (promise, within) = self.of.get_mut(&tenant)?;
        if !promise.covers(*within, cpu) {
            return None;
        }
        *within += cpu;
        self.jobs.insert(job, (tenant, cpu));
        Some(promise.wait)
    }

    pub fn covers(&self, job: JobId) -> bool {
        self.jobs.contains_key(&job)
    }

    /// It left the queue unstarted, or ended.
    pub fn leave(&mut self, job: JobId) {
        if self.of.is_empty() {
            return;
        }
        if let Some((tenant, cpu)) = self.jobs.remove(&job)
            && let Some((_, within)) = self.of.get_mut(&tenant)
        {
            *within = within.saturating_sub(cpu);
        }
    }
}

impl Scheduler {
    /// What a tenant is promised, or that it is not any more. Its waiting jobs are looked at again in order of their numbers.
    pub fn set_promise(&mut self, tenant: TenantId, promise: Option<Promise>) {
        let tenant = self.tenant(tenant);
        if self.promises.set(tenant, promise) {
            self.queue_anew();
        }
    }

    /// Puts everything that waits into the queue as if it had come now.
    pub(crate) fn queue_anew(&mut self) {
        let mut jobs: Vec<(u64, JobId)> =
            self.queue.live().into_iter().map(|s| (self.queue.slot(s).number, self.queue.slot(s).job)).collect();
        jobs.sort_unstable();
        let expected = |job| Some(Span::from_micros(self.queue.slot(self.queue.find(job)?).asked.expected));
        let demands: Vec<(Demand, Span)> =
            jobs.iter().filter_map(|(_, job)| self.demand(*job).zip(expected(*job))).collect();
        demands.into_iter().for_each(|(demand, expected)| self.enqueue_expecting(demand, expected));
        self.changes.full = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_is_what_is_open_at_the_time() {
        let mut promises = Promises::default();
        let job = |n| JobId::from_u128(n);
        assert!(promises.set(0, Some(Promise { cores: 8, wait: Span::from_hours(1) })));
        assert_eq!(promises.enter(job(1), 0, 6_000), Some(Span::from_hours(1)));
        assert_eq!(promises.enter(job(2), 0, 3_000), None);
        assert_eq!(promises.enter(job(3), 0, 2_000), Some(Span::from_hours(1)));
        promises.leave(job(2));
        promises.leave(job(1));
        assert_eq!(promises.enter(job(4), 0, 7_000), None);
        assert_eq!(promises.enter(job(5), 0, 6_000), Some(Span::from_hours(1)));
        assert_eq!(promises.enter(job(6), 1, 1), None);
        assert!(promises.set(0, None) && !promises.set(0, None));
        assert_eq!(promises.enter(job(7), 0, 1), None);
    }
}
