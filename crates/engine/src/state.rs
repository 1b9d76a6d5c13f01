//! The engine's working state: open jobs, supply, people, money and timers, and the small helpers that keep
//! them in step with the records that are written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{
    AttemptId, ClusterId, HoldId, IdMap, JobId, Money, PoolId, ProjectId, Recent, SpecId, SupplierId, TenantId,
    Timestamp, UserId,
};
use ledger::Ledger;
use model::{
    Actor, Attempt, Cluster, Event, EventKind, Job, JobSpec, Outcome, Pool, Project, Request, StateCode, Supplier,
    Tenant, User,
};
use rating::{Meter, PoolCost, PriceBook, Upkeep, Volumes};
use sched::Scheduler;

use crate::input::Report;
use crate::policy::Policy;
use crate::record::{AuditEntry, Batch, JobRow, Record};

/// A specification shared by the jobs that have it, with the parts the scheduler shares.
#[derive(Debug)]
pub(crate) struct SpecEntry {
    pub spec: Arc<JobSpec>,
    pub request: Arc<Request>,
    pub pools: Arc<[Arc<str>]>,
    /// 32 bits of the digest of its name, by which forecasts know a program: made once, not for each job.
    pub app: u32,
}

/// An open job with what the engine knows beyond its lifecycle.
#[derive(Debug)]
pub(crate) struct JobEntry {
    pub job: Job,
    pub spec: Arc<SpecEntry>,
    pub hold: Option<HoldId>,
    pub charged: Money,
    pub pool: Option<PoolId>,
    pub started_at: Option<Timestamp>,
    /// What it counts on beside the wallet, or did; few jobs do.
    pub counts_on: Option<Box<CountsOn>>,
    /// Known to the scheduler's queue.
    pub queued: bool,
}

/// What of contracts and grants an open job counts on, or did.
#[derive(Debug, Default)]
pub(crate) struct CountsOn {
    /// The months of contracts' lines, with the holds by which it does, see `draw`.
    pub months: Vec<(rating::contract::PeriodKey, HoldId)>,
    /// The grants, see `grant`.
    pub grants: Vec<u64>,
}

impl CountsOn {
    /// Of a job that counts on these grants alone, if any.
    pub fn of_grants(grants: Vec<u64>) -> Option<Box<CountsOn>> {
        (!grants.is_empty()).then(|| Box::new(CountsOn { grants, ..CountsOn::default() }))
    }
}

impl JobEntry {
    /// The hold by which it counts on a month of a contract's line.
    pub fn promise(&self, key: rating::contract::PeriodKey) -> Option<HoldId> {
        let mut months = self.counts_on.iter().flat_map(|on| &on.months);
        months.find_map(|(month, hold)| (*month == key).then_some(*hold))
    }

    pub fn note_promise(&mut self, key: rating::contract::PeriodKey, hold: HoldId) {
        self.counts_on.get_or_insert_default().months.push((key, hold));
    }

    pub fn note_grant(&mut self, number: u64) {
        let grants = &mut self.counts_on.get_or_insert_default().grants;
        if !grants.contains(&number) {
            grants.push(number);
        }
    }
}

/// An array with at least one open element.
#[derive(Debug, Default)]
pub(crate) struct Array {
    pub limit: Option<u32>,
    pub open: BTreeSet<JobId>,
    /// Of arrays with a limit: elements on a cluster.
    pub out: u32,
    /// Of arrays with a limit: elements in the scheduler's queue, by index. With those that are out at most the limit.
    pub queued: BTreeSet<(u32, JobId)>,
    /// Eligible but for the limit; all behind those that are queued.
    pub waiting: BTreeSet<(u32, JobId)>,
    /// How an element ended, if one ended badly; decides what the array's end means to its dependents.
    pub worst: Option<Outcome>,
    /// Number, smallest and largest of the indices.
    pub bounds: (u32, u32, u32),
}

#[derive(Debug)]
pub(crate) struct PoolEntry {
    pub pool: Pool,
    pub cost: Option<PoolCost>,
}

#[derive(Debug)]
pub(crate) struct TenantEntry {
    pub tenant: Tenant,
    pub wallet: base::AccountId,
}

/// What a timer is for; the first field orders timers of the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A job's begin time or retry time has come.
    Eligible(JobId),
    /// An interval is over and its lag has passed.
    Meter(AttemptId),
    /// The grace after a balance warning is over.
    Stop(AttemptId),
    /// The cluster should have ended it at its limit.
    Overdue(AttemptId),
    /// A price book comes into force.
    Prices,
    /// Attempts are looked at for whether they are to be replaced.
    Look,
    /// An attempt that was told to make room is to be gone.
    Yield(AttemptId),
    /// Room for work that goes first is searched for once more.
    Room,
    /// The stretches of all pools end and begin anew.
    Upkeep,
    /// A month of a contract begins or is to be closed.
    Contract(u64),
    /// A grant comes into force, or is over.
    Grant(u64),
    /// The grace after a hard budget was used up is over.
    Budget(u64),
    /// A supplier's period is to be closed, or its term ends.
    Supplier(SupplierId),
}

/// Ends remembered for dependencies named after the fact, and answers remembered for repeated requests.
/// 65,536 × about 70 bytes is 4 MiB each; at 5,000 a second that is 13 s, longer than any request is under way.
pub(crate) const REMEMBERED: usize = 65_536;

/// Counts that every interval changes, written once at the end of the step that changed them.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub periods: BTreeSet<rating::contract::PeriodKey>,
    pub volumes: BTreeSet<(TenantId, base::PriceBookId)>,
    pub shares: BTreeSet<TenantId>,
}

/// The engine. Give it inputs in order through `step`; between steps it can be asked.
pub struct Engine {
    pub(crate) policy: Policy,
    /// Which version of the steering is in force; 0 is the one the engine was made with.
    pub(crate) policy_version: u64,
    pub(crate) sched: Scheduler,
    pub(crate) ledger: Ledger,
    /// Accounts in use by what they are for, so that their codes are spelled once.
    pub(crate) accounts: IdMap<(crate::books::Book, base::Currency), base::AccountId>,
    pub(crate) suppliers: BTreeMap<SupplierId, Supplier>,
    /// Suppliers' statements without their lines, by our number.
    pub(crate) settlements: BTreeMap<u64, rating::settlement::Statement>,
    /// How far each tenant's months are closed.
    pub(crate) closed: crate::billing::ClosedMonths,
    /// Tenants' contracts by our number, and the months of their lines.
    pub(crate) contracts: BTreeMap<u64, rating::contract::Contract>,
    pub(crate) periods: BTreeMap<rating::contract::PeriodKey, rating::contract::Period>,
    /// Those that are not over.
    pub(crate) contracts_of: BTreeMap<TenantId, BTreeSet<u64>>,
    pub(crate) touched: Touched,
    /// Grants by our number, and those that are not over or of which something is still promised.
    pub(crate) grants: BTreeMap<u64, rating::Grant>,
    pub(crate) grants_of: BTreeMap<TenantId, BTreeSet<u64>>,
    /// Storage, traffic, requests and tokens that were booked of late.
    pub(crate) usage: crate::usage::Booked,
    pub(crate) supplier_terms: BTreeMap<SupplierId, rating::SupplierTerms>,
    /// What work may cost, and what of it was spent and promised.
    pub(crate) budgets: crate::budget::Budgets,
    pub(crate) rates: rating::RateTable,
    pub(crate) clusters: BTreeMap<ClusterId, Cluster>,
    pub(crate) pools: BTreeMap<PoolId, PoolEntry>,
    pub(crate) books: Vec<PriceBook>,
    /// In which currencies the book in force sells every part of every pool to everybody, see `sale`.
    pub(crate) sold_to_all: BTreeSet<base::Currency>,
    /// What tenants have had in each month of what is priced by that, under each book that does so.
    pub(crate) volumes: BTreeMap<(TenantId, base::PriceBookId), Volumes>,
    pub(crate) tenants: BTreeMap<TenantId, TenantEntry>,
    pub(crate) projects: BTreeMap<ProjectId, Project>,
    pub(crate) users: BTreeMap<UserId, User>,
    pub(crate) names: BTreeSet<(&'static str, Option<TenantId>, Arc<str>)>,
    /// Each in a place of its own, so that the slack of the table is of pointers.
    pub(crate) jobs: IdMap<JobId, Box<JobEntry>>,
    pub(crate) numbers: IdMap<u64, JobId>,
    pub(crate) specs: IdMap<SpecId, Arc<SpecEntry>>,
    pub(crate) arrays: IdMap<JobId, Array>,
    /// Ended or open job → open jobs that wait for it.
    pub(crate) dependents: IdMap<JobId, BTreeSet<JobId>>,
    pub(crate) ended: Recent<JobId, (u64, Option<u32>, Outcome)>,
    pub(crate) ended_numbers: Recent<u64, JobId>,
    /// Known ends that open jobs depend on, beyond `ended`'s reach.
    pub(crate) settled_ends: IdMap<JobId, Outcome>,
    pub(crate) attempts: IdMap<AttemptId, Attempt>,
    /// Open attempts that are not their job's present one, see `stray`.
    pub(crate) stray: BTreeSet<AttemptId>,
    /// Attempts that were told to make room, and for whom.
    pub(crate) notices: BTreeMap<AttemptId, JobId>,
    /// When room was last searched for.
    pub(crate) room_searched: Timestamp,
    /// Since when each cluster that does not answer has not.
    pub(crate) silent: BTreeMap<ClusterId, Timestamp>,
    /// How long work waited on the cluster of each pool of late.
    pub(crate) waits: BTreeMap<PoolId, crate::replace::Waited>,
    /// Of levels that follow their demand: what was used most in the running hour.
    pub(crate) demand_peaks: BTreeMap<(PoolId, Option<model::ProductLine>), crate::reserve::Peak>,
    /// How long work ran of late, see `likely`.
    pub(crate) likely: sched::batch::Forecast,
    /// What is expected of open attempts that this engine placed, and what became of such forecasts, see `quality`.
    pub(crate) told: IdMap<AttemptId, crate::quality::Told>,
    pub(crate) quality: BTreeMap<PoolId, crate::quality::Quality>,
    /// The timer `Due::Look` is set.
    pub(crate) looking: bool,
    /// The open stretch of each pool.
    pub(crate) upkeep: BTreeMap<PoolId, Upkeep>,
    /// A timer is set for the next full hour.
    pub(crate) counting: bool,
    pub(crate) meters: IdMap<AttemptId, Meter>,
    pub(crate) timers: BTreeSet<(Timestamp, Due)>,
    pub(crate) answers: Recent<u128, (u128, Report)>,
    pub(crate) admissions: crate::admit::Cache,
    pub(crate) last_number: u64,
    pub(crate) last_event: u64,
    pub(crate) last_audit: u64,
    /// Time never goes back, see `clock`.
    pub(crate) now: Timestamp,
    /// What the shell's clock showed last; `MAX` before it was first looked at.
    pub(crate) shown: Timestamp,
}

impl Engine {
    /// An engine of an empty platform.
    pub fn new(policy: Policy) -> Engine {
        let mut sched = Scheduler::new(policy.steering.placement);
        sched.set_links(policy.steering.links.links());
        Engine {
            sched,
            policy,
            policy_version: 0,
            ledger: Ledger::new(),
            accounts: IdMap::default(),
            suppliers: BTreeMap::new(),
            settlements: BTreeMap::new(),
            closed: Default::default(),
            contracts: BTreeMap::new(),
            periods: BTreeMap::new(),
            contracts_of: BTreeMap::new(),
            touched: Touched::default(),
            grants: BTreeMap::new(),
            grants_of: BTreeMap::new(),
            usage: Default::default(),
            supplier_terms: BTreeMap::new(),
            budgets: Default::default(),
            rates: Default::default(),
            clusters: BTreeMap::new(),
            pools: BTreeMap::new(),
            books: Vec::new(),
            sold_to_all: BTreeSet::new(),
            volumes: BTreeMap::new(),
            tenants: BTreeMap::new(),
            projects: BTreeMap::new(),
            users: BTreeMap::new(),
            names: BTreeSet::new(),
            jobs: IdMap::default(),
            numbers: IdMap::default(),
            specs: IdMap::default(),
            arrays: IdMap::default(),
            dependents: IdMap::default(),
            ended: Recent::new(REMEMBERED),
            ended_numbers: Recent::new(REMEMBERED),
            settled_ends: IdMap::default(),
            attempts: IdMap::default(),
            stray: BTreeSet::new(),
            notices: BTreeMap::new(),
            room_searched: Timestamp::ZERO,
            silent: BTreeMap::new(),
            waits: BTreeMap::new(),
            demand_peaks: BTreeMap::new(),
            likely: Default::default(),
            told: IdMap::default(),
            quality: BTreeMap::new(),
            looking: false,
            upkeep: BTreeMap::new(),
            counting: false,
            meters: IdMap::default(),
            timers: BTreeSet::new(),
            answers: Recent::new(REMEMBERED),
            admissions: crate::admit::Cache::default(),
            last_number: 0,
            last_event: 0,
            last_audit: 0,
            now: Timestamp::ZERO,
            shown: Timestamp::MAX,
        }
    }

    pub(crate) fn event(
        &mut self,
        out: &mut Batch,
        actor: Actor,
        tenant: Option<TenantId>,
        job: Option<(JobId, StateCode)>,
        what: EventKind,
    ) {
        self.last_event += 1;
        let (job, state) = job.unzip();
        out.records.push(Record::Event(Event { seq: self.last_event, at: self.now, tenant, job, state, actor, what }));
    }

    /// An event of an open job, with its present state.
    pub(crate) fn job_event(&mut self, out: &mut Batch, actor: Actor, job: JobId, what: EventKind) {
        let Some(entry) = self.jobs.get(&job) else { return };
        let (tenant, state) = (entry.job.tenant, entry.job.state());
        self.event(out, actor, Some(tenant), Some((job, state)), what);
    }

    pub(crate) fn audit(
        &mut self,
        out: &mut Batch,
        actor: Actor,
        action: &str,
        target: String,
        tenant: Option<TenantId>,
        detail: String,
    ) {
        self.last_audit += 1;
        let entry =
            AuditEntry { seq: self.last_audit, at: self.now, actor, action: action.into(), target, tenant, detail };
        out.records.push(Record::Audit(entry));
    }

    /// The stored form of an open job.
    pub(crate) fn row(entry: &JobEntry) -> JobRow {
        let ended_at = match entry.job.phase() {
            model::Phase::Ended { at, .. } => Some(*at),
            _ => None,
        };
        JobRow {
            job: entry.job.clone(),
            name: entry.spec.spec.name.clone(),
            pool: entry.pool,
            started_at: entry.started_at,
            ended_at,
            charged: entry.charged,
            hold: entry.hold,
            class: entry.spec.spec.class,
        }
    }

    pub(crate) fn write_job(&self, out: &mut Batch, job: JobId) {
        if let Some(entry) = self.jobs.get(&job) {
            out.records.push(Record::Job(Box::new(Self::row(entry))));
        }
    }

    pub(crate) fn spec_entry(&mut self, id: SpecId, spec: &Arc<JobSpec>) -> (Arc<SpecEntry>, bool) {
        if let Some(entry) = self.specs.get(&id) {
            return (entry.clone(), false);
        }
        let entry = Arc::new(SpecEntry {
            spec: spec.clone(),
            request: Arc::new(spec.request.clone()),
            pools: spec.pools.clone().into(),
            app: base::digest128(&[spec.name.as_bytes()]) as u32,
        });
        self.specs.insert(id, entry.clone());
        (entry, true)
    }

    /// Drops a specification that no open job uses any more.
    pub(crate) fn drop_spec(&mut self, id: SpecId) {
        // One reference is the map's own.
        if self.specs.get(&id).is_some_and(|e| Arc::strong_count(e) == 1) {
            self.specs.remove(&id);
        }
    }
}
