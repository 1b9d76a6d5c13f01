//! Admission of a job: who asks, whether any pool could ever run it, what is set aside for it.
//! Rejects in a documented order; after the funds are found to suffice nothing fails.

use std::collections::HashMap;
use std::sync::Arc;

use base::{Currency, HoldId, IdMap, JobId, Money, ProjectId, Span, SpecId, TenantId};
use ledger::NewHold;
use model::{
    Actor, ArrayRef, Dependency, EventKind, Holder, Job, JobSpec, Outcome, PriorityClass, ProductLine, Request,
    TenantStatus, User,
};
use rating::book;
use sched::{Demand, PoolVerdict, Rule, Standing, Ties};

use crate::denied::Denied;
use crate::draw::Covered;
use crate::input::{JobRef, Report, Submission};
use crate::record::{Batch, Record};
use crate::state::{Array, CountsOn, Due, Engine, JobEntry};

/// Verdicts of admission by shape, so that many jobs of one shape are judged once. Emptied whenever supply or
/// prices change; at 10,000 shapes × about 300 bytes it stays under 3 MiB.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    shapes: HashMap<Shape, Result<Money, Denied>>,
    /// The admitted ones once more, by what many submissions in a row have in common.
    specs: IdMap<(TenantId, SpecId), Money>,
}

const SHAPES_MAX: usize = 10_000;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Shape {
    tenant: TenantId,
    request: Request,
    pools: Vec<Arc<str>>,
    time_limit: Span,
    /// By these prices may differ.
    class: PriorityClass,
    line: ProductLine,
    standing: Standing,
}

impl Cache {
    pub fn clear(&mut self) {
        self.shapes.clear();
        self.specs.clear();
    }
}

/// What is set aside for a submission.
struct Cover {
    /// For one job without contracts.
    hold: Money,
    covered: Option<Covered>,
    /// The grants that pay for it, in their order.
    grants: Vec<u64>,
    /// What the wallet is to hold.
    total: Money,
    warnings: Vec<String>,
}

/// What the wallet is to hold for so many jobs, of which contracts cover some.
pub(crate) fn total_hold(hold: Money, elements: u32, covered: Option<Covered>) -> Option<Money> {
    let (rest, jobs) = covered.map_or((Money::ZERO, 0), |c| (c.rest, c.jobs.min(elements)));
    let of = |amount: Money, many: u32| amount.0.checked_mul(i64::from(many));
    Some(Money(of(rest, jobs)?.checked_add(of(hold, elements - jobs)?)?))
}

impl Engine {
    /// Order of refusal: user, tenant, project, request, array, queue length, dependencies, feasibility and price, funds.
    pub(crate) fn submit(&mut self, s: Submission, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        let user = self.users.get(&s.user).ok_or(Denied::NotFound("user"))?;
        if user.disabled {
            return Err(Denied::UserDisabled);
        }
        let (tenant, project) = (user.tenant, s.project.unwrap_or(user.default_project));
        self.check_tenant(tenant)?;
        self.check_project(project, user)?;
        if self.jobs.contains_key(&s.id) {
            return Err(Denied::Invalid("a job with this id exists"));
        }
        let elements = self.check_shape(&s.spec)?;
        let dependencies = self.resolve(&s)?;
        let Cover { hold, covered, grants, total, warnings } = self.check_money(&s, (tenant, project), elements)?;
        // From here on nothing fails.
        self.note_ends(&s, &dependencies);
        let (entry, new_spec) = self.spec_entry(s.spec_id, &s.spec);
        if new_spec {
            out.records.push(Record::Script { id: s.script_id, text: s.script });
            out.records.push(Record::Spec { id: s.spec_id, spec: s.spec });
        }
        let number = self.last_number + 1;
        let indices = entry.spec.array.as_ref().map(|a| a.indices.clone());
        if let Some(array) = &entry.spec.array {
            let bounds = (elements, array.indices[0], array.indices[array.indices.len() - 1]);
            self.arrays.insert(s.id, Array { limit: array.limit, bounds, ..Array::default() });
        }
        let mut ids = Vec::with_capacity(elements as usize);
        for position in 0..elements {
            let index = indices.as_ref().map(|i| i[position as usize]);
            let id = if position == 0 { s.id } else { element_id(s.id, position) };
            let array = index.map(|index| ArrayRef { root: s.id, root_number: number, index });
            self.last_number += 1;
            let held = entry.spec.hold.then_some(Holder::User);
            let mut job = Job::new(id, self.last_number, tenant, project, s.user, s.spec_id, array, held, self.now);
            job.dependencies = dependencies.clone();
            let covered = covered.filter(|covered| position < covered.jobs);
            let hold = covered.map_or(hold, |covered| covered.rest);
            let (counted_on, hold) = self.count_on(id, &grants, hold, out);
            let hold_id = self.open_hold(id, tenant, hold, out);
            let entry = JobEntry {
                job,
                spec: entry.clone(),
                hold: hold_id,
                charged: Money::ZERO,
                pool: None,
                started_at: None,
                counts_on: CountsOn::of_grants(counted_on),
                queued: false,
            };
            self.enter(id, Box::new(entry));
            if let Some(covered) = covered {
                self.promise(id, covered.key, covered.value, out);
            }
            self.count_promised(id);
            self.write_job(out, id);
            self.job_event(out, actor, id, EventKind::Submitted { hold });
            ids.push(id);
        }
        // The array is whole now: its elements may queue, or end with their dependency.
        for id in ids {
            self.refresh(id);
            self.abandon_if_hopeless(id, out);
        }
        Ok(Report::Submitted { job: s.id, number, elements, hold: total, warnings })
    }

    /// Whether a user may have its work paid by a project.
    fn check_project(&self, project: ProjectId, user: &User) -> Result<(), Denied> {
        let paying = self.projects.get(&project).ok_or(Denied::NotFound("project"))?;
        if paying.tenant != user.tenant {
            return Err(Denied::ForeignProject);
        }
        if !paying.admits(user) {
            return Err(Denied::NotAMember { project: paying.name.clone() });
        }
        Ok(())
    }

    /// What is set aside for the jobs of a submission, where the wallet and the budgets have room for it.
    fn check_money(
        &mut self,
        s: &Submission,
        (tenant, project): (TenantId, ProjectId),
        elements: u32,
    ) -> Result<Cover, Denied> {
        let hold = self.admission(tenant, s.spec_id, &s.spec)?;
        let covered = self.covered(tenant, &s.spec);
        let total = total_hold(hold, elements, covered).ok_or(Denied::MoneyRange)?;
        let grants = self.grants_for(tenant, project, s.user, &s.spec);
        let total = total - self.granted(&grants, total);
        self.check_funds(tenant, total)?;
        let warnings = self.check_budgets((tenant, project, s.user), total, Money::ZERO)?;
        Ok(Cover { hold, covered, grants, total, warnings })
    }

    pub(crate) fn check_tenant(&self, tenant: TenantId) -> Result<(), Denied> {
        match self.tenants.get(&tenant).ok_or(Denied::NotFound("tenant"))?.tenant.status {
            TenantStatus::Active => Ok(()),
            TenantStatus::Suspended => Err(Denied::TenantSuspended),
        }
    }

    /// The number of jobs it makes.
    fn check_shape(&self, spec: &JobSpec) -> Result<u32, Denied> {
        if let Some(fault) = spec.request.fault() {
            return Err(Denied::Invalid(fault));
        }
        if spec.time_limit <= Span::ZERO {
            return Err(Denied::Invalid("the time limit must be longer than zero"));
        }
        let limit = self.policy.array_elements_max;
        let elements = match &spec.array {
            None => 1,
            Some(a) if a.indices.is_empty() => return Err(Denied::Invalid("the array has no elements")),
            Some(a) => u32::try_from(a.indices.len()).unwrap_or(u32::MAX),
        };
        if elements > limit {
            return Err(Denied::ArrayTooLarge { elements, limit });
        }
        let limit = self.policy.open_jobs_max;
        if self.jobs.len() as u64 + elements as u64 > limit {
            return Err(Denied::QueueFull { limit });
        }
        Ok(elements)
    }

    fn resolve(&self, s: &Submission) -> Result<Vec<Dependency>, Denied> {
        let mut all = Vec::with_capacity(s.dependencies.len());
        for (kind, reference) in &s.dependencies {
            let on = self
                .find(reference)
                .or_else(|| s.ended.iter().find(|(r, _, _)| r == reference).map(|(_, id, _)| *id))
                .ok_or_else(|| Denied::NoSuchDependency(reference.to_string()))?;
            all.push(Dependency { kind: *kind, on });
        }
        Ok(all)
    }

    /// An open or recently ended job by any of its names.
    pub(crate) fn find(&self, reference: &JobRef) -> Option<JobId> {
        match reference {
            JobRef::Id(id) => (self.jobs.contains_key(id) || self.ended.get(id).is_some()).then_some(*id),
            JobRef::Number(n) => self.numbers.get(n).or_else(|| self.ended_numbers.get(n)).copied(),
            JobRef::Element(root, index) => {
                // Elements are numbered from the root on, in index order.
                let root_id = self.find(&JobRef::Number(*root))?;
                let array = self.arrays.get(&root_id)?;
                array
                    .open
                    .iter()
                    .copied()
                    .find(|id| self.jobs.get(id).and_then(|e| e.job.array).is_some_and(|a| a.index == *index))
            }
        }
    }

    /// What is set aside for one job of this shape: the dearest feasible pool's price for the time limit or the
    /// policy's hold span, whichever is shorter. Judged once per shape until supply or prices change.
    pub(crate) fn admission(&mut self, tenant: TenantId, id: SpecId, spec: &JobSpec) -> Result<Money, Denied> {
        if let Some(hold) = self.admissions.specs.get(&(tenant, id)) {
            return Ok(*hold);
        }
        let verdict = self.admission_of_shape(tenant, spec);
        if let Ok(hold) = verdict {
            self.admissions.specs.insert((tenant, id), hold);
        }
        verdict
    }

    fn admission_of_shape(&mut self, tenant: TenantId, spec: &JobSpec) -> Result<Money, Denied> {
        let shape = Shape {
            tenant,
            request: spec.request.clone(),
            pools: spec.pools.clone(),
            time_limit: spec.time_limit,
            class: spec.class,
            line: spec.line,
            // Where data is forbids nothing.
            standing: Standing { ties: Ties::default(), ..self.standing(tenant, spec, false) },
        };
        if let Some(verdict) = self.admissions.shapes.get(&shape) {
            return verdict.clone();
        }
        let verdict = self.judge(tenant, spec);
        if self.admissions.shapes.len().max(self.admissions.specs.len()) >= SHAPES_MAX {
            self.admissions.clear();
        }
        self.admissions.shapes.insert(shape, verdict.clone());
        verdict
    }

    pub(crate) fn judge(&self, tenant: TenantId, spec: &JobSpec) -> Result<Money, Denied> {
        self.check_regions(tenant, spec)?;
        let currency = self.currency(tenant).ok_or(Denied::NotFound("tenant"))?;
        if book::in_force(&self.books, currency, self.now).is_none() {
            return Err(Denied::NoPriceBook(currency));
        }
        let demand = self.draft_demand(tenant, spec);
        self.sched.feasible_anywhere(&demand).map_err(|verdicts| self.infeasible(tenant, spec, &verdicts))?;
        let span = self.hold_span(spec.time_limit);
        let mut dearest = Money::ZERO;
        for pool in self.sched.possible_pools(&demand) {
            let Some(entry) = self.pools.get(&pool) else { continue };
            let Ok((_, tariff)) = self.tariff(tenant, spec, &entry.pool) else { continue };
            // When it starts is not known: at the dearest hour of the week.
            dearest = dearest.max(tariff.most(spec.request.total(), span).ok_or(Denied::MoneyRange)?);
        }
        Ok(dearest)
    }

    /// Where a job is to run narrows where its tenant's work may: a region of these, or a site in one.
    fn check_regions(&self, tenant: TenantId, spec: &JobSpec) -> Result<(), Denied> {
        let allowed = self.tenants.get(&tenant).map_or(&[][..], |entry| &entry.tenant.regions);
        let within = |region: &Arc<str>| {
            let lives = |c: &model::Cluster| allowed.iter().any(|at| *at == c.site || *at == c.region);
            allowed.contains(region) || self.clusters.values().any(|c| c.site == *region && lives(c))
        };
        match spec.regions.iter().find(|region| !within(region)) {
            Some(region) if !allowed.is_empty() => {
                Err(Denied::RegionNotAllowed { region: region.clone(), allowed: allowed.to_vec() })
            }
            _ => Ok(()),
        }
    }

    /// No pool can run it: a missing price is named first, since only the operator can mend that.
    fn infeasible(&self, tenant: TenantId, spec: &JobSpec, verdicts: &[PoolVerdict]) -> Denied {
        let unpriced = verdicts.iter().filter(|v| matches!(v.rule, Rule::NoPrice));
        let missing = |v: &PoolVerdict| self.tariff(tenant, spec, &self.pools.get(&v.pool)?.pool).err();
        if let Some((verdict, missing)) = unpriced.filter_map(|v| Some((v, missing(v)?))).next() {
            return Denied::NoPrice { pool: verdict.pool, pool_name: verdict.pool_name.clone(), missing };
        }
        let why = |v: &PoolVerdict| match v.rule.amounts() {
            Some((asked, there)) => format!("{}: {} ({asked} asked for, {there} there)", v.pool_name, v.rule.code()),
            None => format!("{}: {}", v.pool_name, v.rule.code()),
        };
        Denied::NoFeasiblePool { pools: verdicts.iter().map(why).collect() }
    }

    /// Running time that is authorised for a job with this limit: at least what must be covered while it runs.
    pub(crate) fn hold_span(&self, time_limit: Span) -> Span {
        (time_limit + self.policy.kill_grace).min(self.policy.hold_span.max(self.policy.cover()))
    }

    fn check_funds(&self, tenant: TenantId, needed: Money) -> Result<(), Denied> {
        let wallet = self.wallet(tenant).ok_or(Denied::NotFound("tenant"))?;
        if wallet.available >= needed {
            return Ok(());
        }
        Err(Denied::InsufficientFunds {
            needed,
            available: wallet.available,
            missing: needed - wallet.available,
            currency: wallet.currency,
        })
    }

    /// Sets money aside for a job; nothing when the work is free or the wallet does not cover it.
    pub(crate) fn open_hold(&mut self, job: JobId, tenant: TenantId, amount: Money, out: &mut Batch) -> Option<HoldId> {
        let wallet = self.tenants.get(&tenant)?.wallet;
        if amount == Money::ZERO {
            return None;
        }
        // One hold per job: the same bits keep the store's keys in the order of time.
        let id = HoldId::from_u128(job.as_u128());
        let hold = NewHold { id, account: wallet, amount, opened_at: self.now, expires_at: None };
        // At admission the sum was checked before; while work runs a refusal leaves it without a hold, which metering
        // treats as an empty one.
        self.ledger.hold_onto(hold, &mut out.records).ok()?;
        Some(id)
    }

    /// Puts a job into the engine's maps.
    pub(crate) fn enter(&mut self, id: JobId, entry: Box<JobEntry>) {
        self.numbers.insert(entry.job.number, id);
        for dependency in &entry.job.dependencies {
            self.dependents.entry(dependency.on).or_default().insert(id);
        }
        if let Some(array) = entry.job.array {
            self.arrays.entry(array.root).or_default().open.insert(id);
        }
        let waits_until = [entry.spec.spec.begin, entry.job.not_before].into_iter().flatten().max();
        let avoids = entry.job.avoid.as_ref().map(|a| a.until);
        for at in [waits_until, avoids].into_iter().flatten().filter(|at| *at > self.now) {
            self.timers.insert((at, Due::Eligible(id)));
        }
        self.jobs.insert(id, entry);
    }

    pub(crate) fn currency(&self, tenant: TenantId) -> Option<Currency> {
        self.tenants.get(&tenant).map(|t| t.tenant.currency)
    }

    /// What the scheduler would see of a job that is not there yet.
    pub(crate) fn draft_demand(&self, tenant: TenantId, spec: &JobSpec) -> Demand {
        Demand {
            job: JobId::from_u128(0),
            number: u64::MAX,
            tenant,
            class: spec.class,
            submitted_at: self.now,
            deadline: spec.deadline,
            time_limit: spec.time_limit,
            request: Arc::new(spec.request.clone()),
            pools: spec.pools.clone().into(),
            standing: self.standing(tenant, spec, false),
        }
    }

    /// Whether the owner may move a job from one class to another: downwards only.
    pub(crate) fn may_reclass(old: PriorityClass, new: PriorityClass, operator: bool) -> bool {
        operator || new <= old
    }
}

/// The id of the array element at a position beyond the first: that many after the root's, so that elements stand together in
/// the store. Two roots are as close as an array is long with a chance of about 10,000 in 2^74.
pub(crate) fn element_id(root: JobId, position: u32) -> JobId {
    JobId::from_u128(root.as_u128().wrapping_add(position.into()))
}

/// The outcome of a job that has ended, as far as anyone remembers.
impl Engine {
    pub(crate) fn end_of(&self, job: JobId) -> Option<Outcome> {
        self.ended.get(&job).map(|(_, _, outcome)| *outcome).or_else(|| self.settled_ends.get(&job).copied())
    }

    /// Keeps the ends of dependencies that are over for as long as the new job is open: those that the engine itself
    /// remembers, and those that the edge read from the store.
    pub(crate) fn note_ends(&mut self, s: &Submission, dependencies: &[Dependency]) {
        for on in dependencies.iter().map(|d| d.on) {
            let stored = || s.ended.iter().find(|(_, id, _)| *id == on).map(|(_, _, outcome)| *outcome);
            let open = self.jobs.contains_key(&on) || self.arrays.contains_key(&on);
            if let Some(outcome) = self.end_of(on).or_else(stored).filter(|_| !open) {
                self.settled_ends.insert(on, outcome);
            }
        }
    }
}
