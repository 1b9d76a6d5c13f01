//! Keeps what tenants hold of own pools in step with what runs, for the limits of lending. Refuses to start anything.

use std::collections::BTreeMap;

use base::{Resources, TenantId, Timestamp};
use model::{Request, SupplyMode};

use crate::lending::Stake;
use crate::pool::Pool;
use crate::queue::{Position, Term};
use crate::runs::Run;
use crate::scheduler::Scheduler;
use crate::shape::Guest;

impl Scheduler {
    /// Sets the tenants' parts of the own pools; without any nothing is limited.
    pub fn set_stakes(&mut self, stakes: BTreeMap<TenantId, Stake>) {
        self.lending.set(stakes);
        self.count_lent();
        self.changes.full = true;
    }

    /// What there is of own pools, and what is held of them, counted anew: after pools changed.
    pub(crate) fn count_lent(&mut self) {
        if !self.lending.is_on() {
            return;
        }
        let own = self.pools.iter().filter(|pool| pool.mode == SupplyMode::Own);
        let capacity = own.map(Pool::capacity_counted).fold(Resources::ZERO, |sum, part| sum.plus(&part));
        self.lending.reset(&capacity);
        for run in self.runs.slots.clone().into_iter().flatten() {
            self.lend(&run, true);
        }
    }

    /// A run begins or ends.
    pub(crate) fn lend(&mut self, run: &Run, begins: bool) {
        if !self.lending.is_on() || self.pools.get(run.pool).is_none_or(|pool| pool.mode != SupplyMode::Own) {
            return;
        }
        let tenant = self.shares.id(run.tenant);
        match begins {
            true => self.lending.hold(tenant, &run.total),
            false => self.lending.drop_hold(tenant, &run.total),
        }
    }

    /// Who asks with the job in a slot of the queue.
    pub(crate) fn guest(&self, slot: u32, request: &Request) -> Guest {
        let job = self.queue.slot(slot);
        let tenant = self.shares.id(self.queue.lane_of(slot).tenant);
        let age = (job.submitted, job.number);
        let own = !self.lending.is_on() || self.lending.keeps_off(tenant, &request.total(), age).is_none();
        Guest { tenant, limit: job.limit, fence: self.term(slot).fence, own }
    }

    /// Finds the overdue work that waits for a limit, so that nothing later uses up what it waits for. It holds no claim, which
    /// would keep nodes from those who may use them.
    pub(crate) fn freeze_behind_overdue(&mut self, now: Timestamp) {
        self.lending.thaw();
        if !self.lending.is_on() {
            return;
        }
        for &lane in &self.queue.aged_lanes {
            let home = &self.queue.lanes[lane as usize];
            let shape = self.shapes.get(home.shape);
            let (tenant, total) = (self.shares.id(home.tenant), shape.request.total());
            let own = shape.fits.iter().map(|fit| fit.pool).filter(|pool| {
                self.pools.gate(*pool).own && self.pools.get(*pool).is_some_and(|pool| pool.admits(tenant))
            });
            let Some(longest) = own.map(|pool| self.pools.gate(pool).limit_max).max() else { continue };
            let too_long = Term::by_limit(longest.saturating_add(1));
            let first = home.aged.next(&self.queue.slots, Position::FIRST, [too_long; 2]);
            let job = first.map(|slot| self.queue.slot(slot)).filter(|job| self.is_overdue(job.submitted, now));
            if let (Some(job), Some(over)) = (job, self.lending.over(tenant, &total))
                && self.lending.never(tenant, &total).is_none()
            {
                self.lending.freeze(over.limit, tenant, (job.submitted, job.number));
            }
        }
    }
}
