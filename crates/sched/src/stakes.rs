//! Keeps what tenants hold of own pools in step with what runs, for the limits of lending. Refuses to start anything.

use std::collections::BTreeMap;

use base::{Resources, TenantId};
use model::{Request, SupplyMode};

use crate::lending::Stake;
use crate::pool::Pool;
use crate::scheduler::{Run, Scheduler};
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

    /// A tenant that asks with such a request for so many microseconds.
    pub(crate) fn guest(&self, tenant: TenantId, request: &Request, limit: i64) -> Guest {
        Guest { tenant, limit, own: self.lending.over(tenant, &request.total()).is_none() }
    }
}
