//! What a submission would come to before it is handed in: what contracts cover of it, what grants pay of the rest, what is left for the
//! wallet; and the same of each candidate's price. Asks what submissions ask; sets nothing aside.

use base::{Currency, Money, PoolId, ProjectId, TenantId, UserId};
use model::JobSpec;

use crate::admit::total_hold;
use crate::denied::Denied;
use crate::state::Engine;

/// An amount by who bears it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// Contracts, of what is committed and nobody was promised.
    pub covered: Money,
    /// Grants, of what is free of them.
    pub granted: Money,
    pub to_pay: Money,
}

/// Candidates for work that is not submitted, and what would be set aside for it.
#[derive(Clone, Debug)]
pub struct Quoted {
    pub explanation: sched::Explanation,
    /// Of the price of each candidate for one job, in their order; `None` without a price.
    pub shares: Vec<Option<Shares>>,
    /// For all elements; `to_pay` is what the wallet would hold.
    pub set_aside: Shares,
    pub currency: Currency,
}

impl Engine {
    /// As submission would have it now, of a user's work in a project, or in the user's own where none is said.
    ///
    /// # Errors
    /// Those of a submission that does not fit; funds and budgets are not looked at.
    pub fn quote_whole(
        &self,
        (user, project): (UserId, Option<ProjectId>),
        spec: &JobSpec,
        elements: u32,
    ) -> Result<Quoted, Denied> {
        let known = self.users.get(&user).ok_or(Denied::NotFound("user"))?;
        let (tenant, project) = (known.tenant, project.unwrap_or(known.default_project));
        if let Some(paying) = self.projects.get(&project).filter(|paying| !paying.admits(known)) {
            return Err(Denied::NotAMember { project: paying.name.clone() });
        }
        let (explanation, hold, currency) = self.quote(tenant, spec)?;
        let whole = total_hold(hold, elements, None).ok_or(Denied::MoneyRange)?;
        let rest = total_hold(hold, elements, self.covered(tenant, spec)).ok_or(Denied::MoneyRange)?;
        let granted = self.granted(&self.grants_for(tenant, project, user, spec), rest);
        let set_aside = Shares { covered: whole - rest, granted, to_pay: rest - granted };
        let owner = (tenant, project, user);
        let shares = explanation.candidates.iter().map(|candidate| self.shares_of(owner, spec, candidate)).collect();
        Ok(Quoted { explanation, shares, set_aside, currency })
    }

    /// Who bears a candidate's price: a contract's line that has room for the whole time covers its part, as at submission.
    fn shares_of(
        &self,
        (tenant, project, user): (TenantId, ProjectId, UserId),
        spec: &JobSpec,
        candidate: &sched::Candidate,
    ) -> Option<Shares> {
        let (price, only) = (candidate.price?, std::iter::once(candidate.pool));
        let from = candidate.expected_start.unwrap_or(self.now);
        let covered = self.covered_on(tenant, spec, only.clone(), candidate.run_time);
        let line = covered.map(|covered| (covered.key.contract, covered.key.line));
        let rest = line.and_then(|line| self.price_without(tenant, spec, candidate, line, from));
        let rest = rest.unwrap_or(price).min(price);
        let granted = self.granted(&self.grants_on(tenant, project, user, spec, only), rest);
        Some(Shares { covered: price - rest, granted, to_pay: rest - granted })
    }

    /// The price of a candidate without the part that a contract's line covers.
    fn price_without(
        &self,
        tenant: TenantId,
        spec: &JobSpec,
        candidate: &sched::Candidate,
        line: (u64, u8),
        from: base::Timestamp,
    ) -> Option<Money> {
        let pool = &self.pools.get(&candidate.pool)?.pool;
        let (book, mut tariff) = self.tariff(tenant, spec, pool).ok()?;
        let covers = self.covers(tenant, spec, pool, &tariff, self.now);
        let cover = covers.iter().find(|cover| (cover.contract, cover.line) == line)?;
        tariff.parts.get_mut(usize::from(cover.part))?.becomes_flat(Money::ZERO);
        self.amount_by(tenant, book, &tariff, spec, from, candidate.run_time)
    }

    /// The pools on which work may run, as submission asks about them.
    pub(crate) fn pools_for(&self, tenant: TenantId, spec: &JobSpec) -> Vec<PoolId> {
        self.sched.possible_pools(&self.draft_demand(tenant, spec)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_elements_need_stays_in_range() {
        assert_eq!(total_hold(Money(5), 3, None), Some(Money(15)));
        assert_eq!(total_hold(Money(i64::MAX / 2), 3, None), None);
    }
}
