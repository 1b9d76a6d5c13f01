//! Budgets at work: what is billed is counted, what does not fit is not taken in, alerts are told once, and where the policy says
//! so work is stopped when a hard budget is used up. Soft budgets stop and refuse nothing. Refuses to know who may set them.
//!
//! What is promised to open jobs, which is what their holds still have, is counted by tenant, project and user as it changes, so
//! that a submission does not walk through the queue.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use base::{Currency, IdMap, JobId, Money, ProjectId, Span, TenantId, Timestamp, UserId};
use model::{Actor, EndCause, EventKind, Holder, Phase};
use rating::budget::{Budget, BudgetKind, Period, thresholds};
use rating::tariff::calendar::UtcOffset;
use rating::{Interval, budget};
use serde::{Deserialize, Serialize};

use crate::denied::Denied;
use crate::input::Report;
use crate::record::{Batch, Record};
use crate::state::{Due, Engine};

/// What money decides about work that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MoneyRules {
    pub over_budget: OverBudget,
}

/// What becomes of running work when a hard budget is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverBudget {
    /// It runs on; only new work is refused.
    #[default]
    LetRun,
    /// It is stopped after the grace that an empty wallet has too, and what waits is held.
    Stop,
}

/// What is asked about budgets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Budgeting {
    /// Sets a budget; one of the same work, kind and periods is changed.
    Set {
        scope: Scope,
        kind: BudgetKind,
        period: Period,
        offset: UtcOffset,
        amount: Money,
        alerts: Vec<u32>,
    },
    /// What was billed in the period in which the budget was set, before it was. Counted once.
    Before {
        budget: u64,
        from: Timestamp,
        amount: Money,
    },
    Remove {
        tenant: TenantId,
        budget: u64,
    },
}

/// Whose work a budget is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    pub tenant: TenantId,
    pub project: Option<ProjectId>,
    pub user: Option<UserId>,
}

/// Whose work something is.
pub(crate) type Owner = (TenantId, ProjectId, UserId);

/// Why a budget does not let work in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub budget: u64,
    pub of: String,
    pub until: Timestamp,
    /// Of the amount, less what was spent and what is promised to open jobs; may be below zero.
    pub left: Money,
    pub needed: Money,
    pub currency: Currency,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refused { budget, of, until, left, needed, currency } = self;
        let (until, left) = (until.rfc3339(), (*left).max(Money::ZERO));
        write!(
            f,
            "budget {budget} (hard, {of}) leaves {left} {currency} until {until}, and the work needs {needed} {currency}: \
             the tenant's owner or an operator can raise it"
        )
    }
}

/// All budgets, and what is promised to open jobs of tenants that have some.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    all: BTreeMap<u64, Budget>,
    /// Those that were not removed.
    of: BTreeMap<TenantId, BTreeSet<u64>>,
    promised: IdMap<JobId, Money>,
    sums: BTreeMap<Owner, Money>,
}

impl Budgets {
    fn enter(&mut self, budget: Budget) {
        let numbers = self.of.entry(budget.tenant).or_default();
        match budget.removed_at {
            None => drop(numbers.insert(budget.number)),
            Some(_) => drop(numbers.remove(&budget.number)),
        }
        if numbers.is_empty() {
            self.of.remove(&budget.tenant);
        }
        self.all.insert(budget.number, budget);
    }

    /// The live budgets of a tenant.
    fn of(&self, tenant: TenantId) -> impl Iterator<Item = &Budget> {
        self.of.get(&tenant).into_iter().flatten().filter_map(|number| self.all.get(number))
    }

    /// What is promised to open jobs of a budget's work.
    fn promised(&self, budget: &Budget) -> Money {
        let first = (budget.tenant, ProjectId::from_u128(0), UserId::from_u128(0));
        let of_tenant = self.sums.range(first..).take_while(|((tenant, ..), _)| *tenant == budget.tenant);
        of_tenant.filter(|((t, p, u), _)| budget.is_for(*t, *p, *u)).map(|(_, sum)| *sum).sum()
    }
}

impl Engine {
    pub(crate) fn budget(&mut self, what: Budgeting, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        match what {
            Budgeting::Set { scope, kind, period, offset, amount, alerts } => {
                let alerts = thresholds(alerts, kind);
                let Scope { tenant, project, user } = scope;
                let (set_at, removed_at, spent) = (self.now, None, Vec::new());
                let new = Budget {
                    number: self.budgets.all.last_key_value().map_or(0, |(n, _)| *n) + 1,
                    tenant,
                    project,
                    user,
                    kind,
                    period,
                    offset,
                    amount,
                    alerts,
                    set_at,
                    removed_at,
                    spent,
                };
                self.set_budget(new, actor, out)
            }
            Budgeting::Before { budget, from, amount } => self.count_before(budget, from, amount, out),
            Budgeting::Remove { tenant, budget } => self.remove_budget(tenant, budget, actor, out),
        }
    }

    fn set_budget(&mut self, new: Budget, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        let currency = self.currency(new.tenant).ok_or(Denied::NotFound("tenant"))?;
        if let Some(project) = new.project {
            let owner = self.projects.get(&project).ok_or(Denied::NotFound("project"))?.tenant;
            if owner != new.tenant {
                return Err(Denied::ForeignProject);
            }
        }
        if let Some(user) = new.user {
            self.users.get(&user).filter(|u| u.tenant == new.tenant).ok_or(Denied::NotFound("user"))?;
        }
        if let Some(fault) = new.fault() {
            return Err(Denied::Invalid(fault));
        }
        let known = self.budgets.of(new.tenant).find(|old| old.is_same_as(&new)).cloned();
        if known.is_none() && self.budgets.of(new.tenant).count() >= BUDGETS_MAX {
            return Err(Denied::Invalid("a tenant has at most 1000 budgets"));
        }
        // From here on nothing fails.
        let watched = self.budgets.of.contains_key(&new.tenant);
        let budget = match known {
            Some(old) => Budget { amount: new.amount, alerts: new.alerts, ..old },
            None => new,
        };
        let (number, tenant) = (budget.number, budget.tenant);
        let detail = format!(
            "{} {} {currency}, {}, alerts at {:?} %",
            budget.kind.as_str(),
            budget.amount,
            self.words(&budget),
            budget.alerts
        );
        self.audit(out, actor, "budget.set", number.to_string(), Some(tenant), detail);
        self.budgets.enter(budget);
        if !watched {
            self.promise_all();
        }
        self.keep_budget(number, self.now + Span::from_micros(1), out);
        Ok(Report::Budget { budget: number })
    }

    fn count_before(&mut self, number: u64, from: Timestamp, amount: Money, out: &mut Batch) -> Result<Report, Denied> {
        let budget = self.budgets.all.get_mut(&number).ok_or(Denied::NotFound("budget"))?;
        let first = budget.ahead(budget.set_at).filter(|(begin, _)| *begin == from);
        let (_, to) = first.ok_or(Denied::Invalid("not the period in which the budget was set"))?;
        let Some(spent) = budget.entry(to) else { return Ok(Report::Budget { budget: number }) };
        if spent.before.is_none() {
            spent.before = Some(amount);
            self.keep_budget(number, to, out);
        }
        Ok(Report::Budget { budget: number })
    }

    fn remove_budget(
        &mut self,
        tenant: TenantId,
        number: u64,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let known = self.budgets.all.get(&number).filter(|b| b.tenant == tenant && b.removed_at.is_none());
        let budget = Budget { removed_at: Some(self.now), ..known.cloned().ok_or(Denied::NotFound("budget"))? };
        let detail = format!("{} {}, {}", budget.kind.as_str(), budget.amount, self.words(&budget));
        self.audit(out, actor, "budget.remove", number.to_string(), Some(tenant), detail);
        out.records.push(Record::Budget(Box::new(budget.clone())));
        self.budgets.enter(budget);
        Ok(Report::Budget { budget: number })
    }

    /// What it is for, in words: `project mesh, user ann, by the month`.
    fn words(&self, budget: &Budget) -> String {
        let project = budget.project.map(|id| {
            let name = self.projects.get(&id).map_or_else(|| id.to_string(), |p| p.name.to_string());
            format!("project {name}, ")
        });
        let user = budget.user.map(|id| {
            let name = self.users.get(&id).map_or_else(|| id.to_string(), |u| u.name.to_string());
            format!("user {name}, ")
        });
        let whole = if project.is_none() && user.is_none() { "whole tenant, " } else { "" };
        let period = match budget.period {
            Period::Once { .. } => "once".to_owned(),
            other => format!("by the {}", other.as_str()),
        };
        format!("{}{}{whole}{period}", project.unwrap_or_default(), user.unwrap_or_default())
    }

    /// Stores a budget that was changed or spent from, tells what it has reached in the period around `at`, and sees to it that
    /// work is stopped where the policy says so.
    fn keep_budget(&mut self, number: u64, at: Timestamp, out: &mut Batch) {
        let (now, rule, grace) = (self.now, self.policy.steering.money.over_budget, self.policy.balance_grace);
        let Some(budget) = self.budgets.all.get_mut(&number) else { return };
        let (tenant, amount, kind) = (budget.tenant, budget.amount, budget.kind);
        let reached = budget.newly_reached(at);
        let is_present = budget.around(at) == budget.ahead(now);
        let stops = kind == BudgetKind::Hard && rule == OverBudget::Stop && is_present && budget.is_over(at);
        let Some(spent) = budget.entry(at) else { return };
        let (total, until, known) = (spent.total(), spent.to, spent.stop_at);
        let stop_at = stops.then(|| known.unwrap_or(now + grace));
        spent.stop_at = stop_at;
        out.records.push(Record::Budget(Box::new(budget.clone())));
        for percent in reached {
            let what = EventKind::BudgetAlert { budget: number, percent, spent: total, amount, until };
            self.event(out, Actor::Platform, Some(tenant), None, what);
        }
        let Some(stop_at) = stop_at else { return };
        // What is billed after the time has come is stopped at once: it was out of reach then, or begun since.
        self.timers.insert((stop_at.max(now), Due::Budget(number)));
        if known.is_none() {
            self.event(out, Actor::Platform, Some(tenant), None, EventKind::BudgetStop { budget: number, stop_at });
        }
    }

    /// An interval was billed or given back: it counts for every budget of its work, in the period in which it ends.
    pub(crate) fn count_spent(&mut self, interval: &Interval, out: &mut Batch) {
        let job = interval.attempt.job;
        let Some((tenant, project, user)) = self.owner(job) else { return };
        if !self.budgets.of.contains_key(&tenant) {
            return;
        }
        self.count_promised(job);
        // What was drawn from a contract is paid for already, and what grants paid costs the tenant nothing.
        let charge = interval.own_part();
        self.count_own((tenant, project, user), interval.to, charge, out);
    }

    /// Counts what somebody's work came to for every budget of it, in the period around a moment.
    pub(crate) fn count_own(&mut self, (tenant, project, user): Owner, at: Timestamp, own: Money, out: &mut Batch) {
        if own == Money::ZERO {
            return;
        }
        let of_work = self.budgets.of(tenant).filter(|budget| budget.is_for(tenant, project, user));
        for number in of_work.map(|budget| budget.number).collect::<Vec<_>>() {
            let counted = self.budgets.all.get_mut(&number).is_some_and(|b| b.count(at, own));
            if counted {
                self.keep_budget(number, at, out);
            }
        }
    }

    fn owner(&self, job: JobId) -> Option<Owner> {
        self.jobs.get(&job).map(|entry| (entry.job.tenant, entry.job.project, entry.job.user))
    }

    /// What is promised to a job is what its hold has now.
    pub(crate) fn count_promised(&mut self, job: JobId) {
        let Some(owner) = self.owner(job) else { return };
        if !self.budgets.of.contains_key(&owner.0) {
            return;
        }
        let now = self.kept_for(job);
        let before = match now {
            Money::ZERO => self.budgets.promised.remove(&job),
            _ => self.budgets.promised.insert(job, now),
        };
        let sum = self.budgets.sums.entry(owner).or_default();
        *sum += now - before.unwrap_or(Money::ZERO);
        if *sum == Money::ZERO {
            self.budgets.sums.remove(&owner);
        }
    }

    fn kept_for(&self, job: JobId) -> Money {
        let hold = self.jobs.get(&job).and_then(|entry| entry.hold).and_then(|hold| self.ledger.find_hold(hold));
        hold.map_or(Money::ZERO, |hold| hold.remaining())
    }

    /// Counts all promises anew: a tenant has its first budget.
    pub(crate) fn promise_all(&mut self) {
        self.budgets.promised = IdMap::default();
        self.budgets.sums = BTreeMap::new();
        if self.budgets.of.is_empty() {
            return;
        }
        for job in self.jobs.keys().copied().collect::<Vec<_>>() {
            self.count_promised(job);
        }
    }

    /// Whether new work fits into every hard budget of it; of `needed`, `own` is promised already. What soft ones say.
    ///
    /// # Errors
    /// The hard budget that leaves least.
    pub(crate) fn check_budgets(&self, owner: Owner, needed: Money, own: Money) -> Result<Vec<String>, Denied> {
        let mut warnings = Vec::new();
        let mut worst: Option<(Money, &Budget, Timestamp)> = None;
        let (tenant, project, user) = owner;
        for budget in self.budgets.of(tenant).filter(|b| needed > Money::ZERO && b.is_for(tenant, project, user)) {
            let Some((_, until)) = budget.ahead(self.now) else { continue };
            let left = budget.amount - budget.spent_at(self.now) - (self.budgets.promised(budget) - own);
            if left >= needed {
                continue;
            }
            match budget.kind {
                BudgetKind::Hard if worst.is_none_or(|(least, ..)| left < least) => worst = Some((left, budget, until)),
                BudgetKind::Hard => {}
                BudgetKind::Soft => {
                    let (left, until) = (left.max(Money::ZERO), until.rfc3339());
                    let of = self.words(budget);
                    let number = budget.number;
                    warnings
                        .push(format!("budget {number} (soft, {of}) leaves {left} until {until}; needed: {needed}"));
                }
            }
        }
        let Some((left, budget, until)) = worst else { return Ok(warnings) };
        let currency = self.currency(tenant).unwrap_or(Currency::CNY);
        let refused = Refused { budget: budget.number, of: self.words(budget), until, left, needed, currency };
        Err(Denied::OverBudget(Box::new(refused)))
    }

    /// Whether a job that is to wait or run once more still fits; others, which the command does not concern, pass.
    pub(crate) fn check_budgets_again(&mut self, job: JobId) -> Result<(), Denied> {
        let Some(owner) = self.owner(job).filter(|owner| self.budgets.of.contains_key(&owner.0)) else {
            return Ok(());
        };
        let Some(entry) = self.jobs.get(&job) else { return Ok(()) };
        let concerned = matches!(
            entry.job.phase(),
            Phase::Held { .. } | Phase::Withdrawing { .. } | Phase::Starting { .. } | Phase::Running { .. }
        );
        if !concerned {
            return Ok(());
        }
        let (id, spec): (_, Arc<_>) = (entry.job.spec, entry.spec.spec.clone());
        let own = self.kept_for(job);
        // What no pool can run any more waits as it did.
        let needed = self.admission(owner.0, id, &spec).unwrap_or(own);
        self.check_budgets(owner, needed.max(own), own).map(drop)
    }

    /// The grace after a hard budget was used up is over: if it still is and the policy still says so, its work is stopped.
    pub(crate) fn budget_due(&mut self, number: u64, out: &mut Batch) {
        let now = self.now;
        let Some(budget) = self.budgets.all.get(&number).filter(|budget| budget.removed_at.is_none()) else { return };
        let Some((from, to)) = budget.ahead(now) else { return };
        let due = budget.of(from).and_then(|spent| spent.stop_at).is_some_and(|at| at <= now);
        let stops = self.policy.steering.money.over_budget == OverBudget::Stop;
        if !due || !stops || !budget.is_over(to) {
            return;
        }
        let of_work = |e: &crate::state::JobEntry| budget.is_for(e.job.tenant, e.job.project, e.job.user);
        let costs = |e: &crate::state::JobEntry| e.hold.is_some() || e.charged > Money::ZERO;
        let concerned = self.jobs.iter().filter(|(_, e)| of_work(e) && costs(e));
        let mut jobs: Vec<(u64, JobId)> = concerned.map(|(id, e)| (e.job.number, *id)).collect();
        jobs.sort_unstable();
        for (_, job) in jobs {
            let Some(entry) = self.jobs.get(&job) else { continue };
            // A refusal means that it is ending already.
            match entry.job.phase() {
                Phase::Running { .. } => drop(self.end_job(job, EndCause::Balance, Actor::Platform, out)),
                Phase::Pending | Phase::Starting { .. } | Phase::Withdrawing { hold: None, .. } => {
                    drop(self.hold_one(job, Holder::Platform, Actor::Platform, out));
                }
                _ => {}
            }
        }
    }

    pub(crate) fn restore_budgets(&mut self, budgets: Vec<Budget>) {
        for budget in budgets {
            let number = budget.number;
            for stop_at in budget.spent.iter().filter_map(|spent: &budget::Spent| spent.stop_at) {
                self.timers.insert((stop_at, Due::Budget(number)));
            }
            self.budgets.enter(budget);
        }
    }

    /// The budgets of a tenant that were not removed, by number, with what is promised to its open jobs.
    pub fn budgets(&self, tenant: TenantId) -> Vec<(Budget, Money)> {
        self.budgets.of(tenant).map(|budget| (budget.clone(), self.budgets.promised(budget))).collect()
    }
}

/// Budgets of one tenant: each submission looks at all of them.
const BUDGETS_MAX: usize = 1_000;
