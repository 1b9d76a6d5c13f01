//! Looks into the live engine between steps: why a job waits, what one would cost, what is free.

use base::{AttemptId, ClusterId, Currency, JobId, Money, PoolId, Span, SpecId, TenantId, Timestamp};
use model::{Attempt, JobSpec, Phase, Reason, TenantStatus, spec::CHECKPOINT_INTERVAL};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::denied::Denied;
use crate::jobs::Waits;
use crate::state::Engine;

/// A tenant's money as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletView {
    pub balance: Money,
    pub held: Money,
    /// Balance − held + credit limit.
    pub available: Money,
    pub credit_limit: Money,
    pub currency: Currency,
}

/// Whether anything of a tenant is taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub tenant: Arc<str>,
    pub projects: Vec<Arc<str>>,
    /// Disabled ones too: a site may still let them in.
    pub users: Vec<Arc<str>>,
    /// It is active, and something is left for new work, in its wallet or of what it has committed itself to.
    pub takes_work: bool,
}

/// Sizes for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub open_jobs: usize,
    pub queued_jobs: usize,
    pub running_attempts: usize,
    pub open_holds: usize,
    pub timers: usize,
}

/// A running attempt whose files are to be copied away from time to time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpointed {
    pub attempt: AttemptId,
    pub cluster: ClusterId,
    pub started_at: Timestamp,
    /// As its job asked for; closer together when it has been told to make room.
    pub every: Span,
    /// Its nodes or its cluster take no new work any more, so that it may soon have to go.
    pub leaving: bool,
}

impl Engine {
    /// The running attempts with a rule for checkpoints whose clusters answer, in order of id. Attempts that were left are none.
    pub fn checkpointed(&self) -> Vec<Checkpointed> {
        if self.specs.values().all(|entry| entry.spec.checkpoint.is_empty()) {
            return Vec::new();
        }
        let mut found: Vec<Checkpointed> = self.attempts.values().filter_map(|a| self.checkpoint_of(a)).collect();
        found.sort_unstable_by_key(|one| one.attempt);
        found
    }

    fn checkpoint_of(&self, facts: &Attempt) -> Option<Checkpointed> {
        let entry = self.jobs.get(&facts.id.job)?;
        let spec = &entry.spec.spec;
        let runs = matches!(entry.job.phase(), Phase::Running { attempt, .. } if *attempt == facts.id.number);
        if spec.checkpoint.is_empty() || !runs || self.silence(facts.cluster).is_some() {
            return None;
        }
        Some(Checkpointed {
            attempt: facts.id,
            cluster: facts.cluster,
            started_at: facts.started_at?,
            every: self.checkpoints_before_end(facts, spec.checkpoint_interval.unwrap_or(CHECKPOINT_INTERVAL)),
            leaving: facts.notice().is_some() || !self.takes_work(facts),
        })
    }

    /// Why an open job is not running; `None` for running, ending and ended ones.
    pub fn reason(&self, job: JobId) -> Option<Reason> {
        let entry = self.jobs.get(&job)?;
        match entry.job.phase() {
            Phase::Held { by } | Phase::Withdrawing { hold: Some(by), .. } => return Some(Reason::Held { by: *by }),
            Phase::Withdrawing { hold: None, .. } => return Some(Reason::Queued),
            Phase::Starting { pool, .. } => return Some(Reason::Starting { pool: *pool }),
            Phase::Running { .. } | Phase::Ending { .. } | Phase::Ended { .. } => return None,
            Phase::Pending => {}
        }
        if let Some(at) = entry.spec.spec.begin.filter(|at| *at > self.now) {
            return Some(Reason::BeginTime { at });
        }
        if let Some(at) = entry.job.not_before.filter(|at| *at > self.now) {
            return Some(Reason::Retry { at });
        }
        match self.waits(job) {
            Waits::For(on) => return Some(Reason::Dependency { on }),
            Waits::Never(on) => return Some(Reason::DependencyNever { on }),
            Waits::Fulfilled => {}
        }
        if !entry.queued {
            let limit = entry.job.array.and_then(|a| self.arrays.get(&a.root)).and_then(|a| a.limit);
            return Some(limit.map_or(Reason::Queued, |limit| Reason::ArrayLimit { limit }));
        }
        self.room_coming(job).or_else(|| Some(self.sched.reason(job, self.now)))
    }

    /// The candidate table of a queued job; placed ones have theirs in the store.
    pub fn explain(&self, job: JobId) -> Option<sched::Explanation> {
        let mut explanation = self.sched.explain(job, self.now)?;
        let tenant = self.jobs.get(&job)?.job.tenant;
        let entry = self.jobs.get(&job)?;
        self.say_avoided(job, &mut explanation);
        self.reprice(&mut explanation, tenant, &entry.spec.spec);
        Some(explanation)
    }

    /// Candidates for work that is not submitted, and what would be set aside for one job of it.
    pub fn quote(&self, tenant: TenantId, spec: &JobSpec) -> Result<(sched::Explanation, Money, Currency), Denied> {
        if let Some(fault) = spec.request.fault() {
            return Err(Denied::Invalid(fault));
        }
        let currency = self.currency(tenant).ok_or(Denied::NotFound("tenant"))?;
        let mut explanation = self.sched.quote(&self.draft_demand(tenant, spec), self.now);
        self.reprice(&mut explanation, tenant, spec);
        let hold = match self.judge(tenant, spec) {
            Ok(hold) => hold,
            Err(Denied::NoFeasiblePool { .. }) => Money::ZERO,
            Err(denied) => return Err(denied),
        };
        Ok((explanation, hold, currency))
    }

    /// Prices by the tenant's own book, from the expected start on.
    pub(crate) fn reprice(&self, explanation: &mut sched::Explanation, tenant: TenantId, spec: &JobSpec) {
        for candidate in &mut explanation.candidates {
            let from = candidate.expected_start.unwrap_or(self.now);
            candidate.price = self.price_of(tenant, spec, candidate.pool, from, candidate.run_time);
        }
    }

    /// When a queued job is expected to start, over all candidates.
    pub fn expected_start(&self, job: JobId) -> Option<Timestamp> {
        self.sched.explain(job, self.now)?.candidates.iter().filter_map(|c| c.expected_start).min()
    }

    pub fn wallet(&self, tenant: TenantId) -> Option<WalletView> {
        let entry = self.tenants.get(&tenant)?;
        let account = self.ledger.account(entry.wallet)?;
        let credit_limit = match account.floor {
            ledger::Floor::NotBelow(floor) => -floor,
            ledger::Floor::Unlimited => Money::ZERO,
        };
        Some(WalletView {
            balance: account.balance(),
            held: account.held,
            available: account.available().unwrap_or(Money::ZERO),
            credit_limit,
            currency: entry.tenant.currency,
        })
    }

    /// Every tenant, in the order of ids.
    pub fn standings(&self) -> impl Iterator<Item = Standing> {
        let mut projects: BTreeMap<TenantId, Vec<Arc<str>>> = BTreeMap::new();
        for project in self.projects.values() {
            projects.entry(project.tenant).or_default().push(project.name.clone());
        }
        let mut users: BTreeMap<TenantId, Vec<Arc<str>>> = BTreeMap::new();
        for user in self.users.values() {
            users.entry(user.tenant).or_default().push(user.name.clone());
        }
        self.tenants.values().map(move |entry| {
            let id = entry.tenant.id;
            let is_active = entry.tenant.status == TenantStatus::Active;
            Standing {
                tenant: entry.tenant.name.clone(),
                projects: projects.remove(&id).unwrap_or_default(),
                users: users.remove(&id).unwrap_or_default(),
                takes_work: is_active
                    && (self.wallet(id).is_some_and(|wallet| wallet.available > Money::ZERO)
                        || self.has_commitment_left(id)
                        || self.has_grant_left(id)),
            }
        })
    }

    pub fn pool_use(&self, pool: PoolId) -> Option<sched::PoolUse> {
        self.sched.free(pool)
    }

    /// Nodes of an own pool that are kept free now, over all levels; `None` for a pool that is not known.
    pub fn reserved_nodes(&self, pool: PoolId) -> Option<u32> {
        let pool = &self.pools.get(&pool)?.pool;
        let all: u32 = self.kept(pool).iter().map(|(_, nodes)| *nodes).fold(0, u32::saturating_add);
        Some(all.min(u32::try_from(pool.nodes.len()).unwrap_or(u32::MAX)))
    }

    /// Whether tenants' regions, the policy's links or open jobs name a site so.
    pub fn names_site(&self, name: &str) -> bool {
        let of_tenants = self.tenants.values().any(|entry| entry.tenant.regions.iter().any(|at| &**at == name));
        let of_jobs = self.jobs.values().any(|entry| entry.spec.spec.regions.iter().any(|at| &**at == name));
        of_tenants || of_jobs || self.policy.steering.links.names(name)
    }

    pub fn job(&self, id: JobId) -> Option<&model::Job> {
        self.jobs.get(&id).map(|e| &e.job)
    }

    pub fn spec(&self, id: SpecId) -> Option<Arc<JobSpec>> {
        self.specs.get(&id).map(|e| e.spec.clone())
    }

    pub fn pools(&self) -> impl Iterator<Item = &model::Pool> {
        self.pools.values().map(|p| &p.pool)
    }

    pub fn clusters(&self) -> impl Iterator<Item = &model::Cluster> {
        self.clusters.values()
    }

    pub fn ledger(&self) -> &ledger::Ledger {
        &self.ledger
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub fn sizes(&self) -> Sizes {
        Sizes {
            open_jobs: self.jobs.len(),
            queued_jobs: self.sched.queued(),
            running_attempts: self.attempts.len(),
            open_holds: self.ledger.open_hold_count(),
            timers: self.timers.len(),
        }
    }
}
