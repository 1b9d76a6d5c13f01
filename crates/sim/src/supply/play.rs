//! The run: traces become submissions, the world does the rest, and every job that is over is checked and taken down. Refuses to judge
//! what came of it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use base::{Bytes, Resources, digest128};
use base::{
    ClusterId, JobId, Money, PoolId, PriceBookId, ProjectId, Seed, Span, SupplierId, TenantId, Timestamp, UserId,
};
use engine::network::Network;
use engine::{Command, Envelope, Input, Policy, Steering, Submission};
use model::{
    Actor, Attempt, BackendKind, Cluster, ClusterHealth, ContentDigest, Input as DataFile, JobSpec, Node, NodeState,
    Outcome, Phase, Pool, Request, Role, Service, Supplier, SupplyMode, User,
};
use rating::{PriceBook, PriceList};

use super::acts::acts;
use super::{Fault, Supply, Tenant};
use crate::audit;
use crate::cluster::RunPlan;
use crate::replay::{Load, Progress, Watch};
use crate::tables::Settled;
use crate::world::World;

/// A trace and whose it is.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub load: Load,
}

/// What became of one job. Times since the beginning of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// Place among [`Played::tenants`].
    pub tenant: usize,
    /// Place of the trace among the sources, and of the job in its load.
    pub source: usize,
    pub at: usize,
    pub submitted: Span,
    pub started: Option<Span>,
    pub ended: Option<Span>,
    pub procs: u32,
    pub run: Span,
    /// Place of the pool where it ran last.
    pub pool: Option<usize>,
    /// It came within what its tenant's contract commits.
    pub promised: bool,
    /// It ended otherwise than by itself.
    pub failed: bool,
    /// By the ledger: to the tenant, and what its use cost the operator.
    pub charge: Money,
    pub cost: Money,
    /// Attempts beyond the first.
    pub retries: u32,
    /// Where it ran, one after the other; of runs with few jobs only, see [`STINTS_JOBS_MAX`].
    pub stints: Vec<Stint>,
}

/// One attempt on its nodes. Times since the beginning of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stint {
    /// Place of the pool.
    pub pool: usize,
    /// Numbers of the nodes in the pool, from 0, as the engine chose them.
    pub nodes: Vec<u32>,
    /// Taken on each of the nodes.
    pub cores: u64,
    pub from: Span,
    /// Nothing while it runs.
    pub to: Option<Span>,
}

/// Where jobs ran is kept of runs with at most so many of them: it is for charts that people read.
pub const STINTS_JOBS_MAX: usize = 500;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Played {
    /// In order of submission.
    pub fates: Vec<Fate>,
    pub tenants: Vec<Tenant>,
    /// From the beginning to the last end, or to where it was broken off.
    pub lasted: Span,
    pub is_complete: bool,
    /// By the ledger's accounts.
    pub revenue: Money,
    pub cost: Money,
    /// What the auditor found; empty when all is well.
    pub wrong: Vec<String>,
}

/// Prepaid by every tenant: money is not what a run is to end by.
const BALANCE: Money = Money::from_units(1_000_000_000);
/// Inputs between two looks at whoever watches.
const STEPS_PER_LOOK: u64 = 256;
/// A run that goes on so long after the last submission is broken off: something waits for what never comes.
const TAIL_MAX: Span = Span::from_hours(24 * 365 * 5);
const JOB_BITS: u32 = 80;

pub(super) struct Run<'a> {
    supply: &'a Supply,
    sources: &'a [Source],
    pub(super) world: World,
    begin: Timestamp,
    pub(super) tenants: Vec<Tenant>,
    /// By tenant: who it is, and its users by their numbers in the source.
    people: Vec<(TenantId, ProjectId)>,
    users: BTreeMap<(usize, usize, Option<u32>), UserId>,
    pub(super) clusters: Vec<ClusterId>,
    pub(super) pools: Vec<PoolId>,
    /// By source: the tenants that share its users.
    of_source: Vec<Vec<usize>>,
    fates: Vec<Fate>,
    /// Few enough jobs to keep where they ran.
    keeps_stints: bool,
    /// Cores of open work within its contract, in thousandths, by tenant.
    within: Vec<u64>,
    ended: usize,
    pub(super) wrong: Vec<String>,
}

/// Plays the sources' jobs on a supply under a policy. `seed` decides about waits in clusters' own queues only.
///
/// # Errors
/// The platform refuses something of the supply.
pub fn play(
    supply: &Supply,
    steering: Steering,
    sources: &[Source],
    seed: &Seed,
    watch: Watch<'_>,
) -> Result<Played, Fault> {
    let mut run = Run::new(supply, steering, sources, seed)?;
    let is_complete = run.goes(watch);
    Ok(run.done(is_complete))
}

impl<'a> Run<'a> {
    fn new(supply: &'a Supply, mut steering: Steering, sources: &'a [Source], seed: &Seed) -> Result<Run<'a>, Fault> {
        // A policy that says nothing of links knows those there are.
        if steering.links == Network::default() {
            steering.links = supply.network.clone();
        }
        let policy = Policy {
            meter_interval: supply.meter_interval,
            look_interval: supply.look_interval,
            cost_currency: supply.prices.currency,
            steering,
            ..Policy::default()
        };
        let world = World::new(policy, seed).lean();
        let mut tenants = supply.tenants.clone();
        for source in sources {
            if !tenants.iter().any(|t| t.traces.contains(&source.name)) {
                tenants.push(Tenant::plain(&source.name));
            }
        }
        let of = |source: &Source| {
            let of = (0..).zip(&tenants).filter(|(_, t)| t.traces.contains(&source.name));
            of.map(|(at, _)| at).collect()
        };
        let mut run = Run {
            supply,
            sources,
            begin: world.now(),
            world,
            of_source: sources.iter().map(of).collect(),
            people: Vec::new(),
            users: BTreeMap::new(),
            clusters: Vec::new(),
            pools: Vec::new(),
            fates: Vec::new(),
            keeps_stints: sources.iter().map(|source| source.load.jobs.len()).sum::<usize>() <= STINTS_JOBS_MAX,
            within: vec![0; tenants.len()],
            tenants,
            ended: 0,
            wrong: Vec::new(),
        };
        run.set_up(seed)?;
        Ok(run)
    }

    pub(super) fn command(&mut self, command: Command) -> Result<(), Fault> {
        let envelope = Envelope { actor: Actor::Platform, operator: true, once: None, command };
        match self.world.command(envelope) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(denied)) => Err(Fault::Refused(denied.to_string())),
            Err(_) => Err(Fault::Refused("it crashed".into())),
        }
    }

    fn set_up(&mut self, seed: &Seed) -> Result<(), Fault> {
        let prices = &self.supply.prices;
        let list = PriceList {
            core_hour: Some(prices.core_hour),
            gib_hour: Some(prices.gib_hour),
            card_hour: self.supply.cards.clone(),
        };
        let (number, name) = (PriceBookId::from_u128(id("prices", 0)), prices.name.as_str().into());
        let book = PriceBook::list(number, name, prices.currency, self.begin, list);
        self.command(Command::PublishPrices(book))?;
        for at in 0..self.tenants.len() {
            self.tenant(at)?;
        }
        for at in 0..self.supply.clusters.len() {
            self.cluster(at, seed)?;
        }
        for at in 0..self.supply.pools.len() {
            self.pool(at)?;
        }
        Ok(())
    }

    fn tenant(&mut self, at: usize) -> Result<(), Fault> {
        let (tenant, project) = (TenantId::from_u128(id("tenant", at)), ProjectId::from_u128(id("project", at)));
        let (name, shares) = (self.tenants[at].name.clone(), self.tenants[at].shares);
        let (currency, credit_limit) = (self.supply.prices.currency, Money::ZERO);
        let (tier, regions) = Default::default();
        let name_of = name.clone();
        let create =
            Command::CreateTenant { id: tenant, name: name_of, currency, shares, credit_limit, project, tier, regions };
        self.command(create)?;
        self.people.push((tenant, project));
        self.command(Command::TopUp { tenant, amount: BALANCE, memo: String::new() })
    }

    /// The platform's user for a user of a source, made when first met.
    fn user(&mut self, tenant: usize, source: usize, number: Option<u32>) -> UserId {
        let key = (tenant, source, number);
        if let Some(id) = self.users.get(&key) {
            return *id;
        }
        let (of, default_project) = self.people[tenant];
        let user = UserId::from_u128(id("user", self.users.len()));
        let (name, number) = (&self.tenants[tenant].name, number.map_or("nobody".into(), |n| n.to_string()));
        let name = format!("{}.{source}.{number}", &name[..name.len().min(20)]).into();
        let user = User { id: user, tenant: of, name, role: Role::Member, default_project, disabled: false };
        self.users.insert(key, user.id);
        let made = user.id;
        if let Err(fault) = self.command(Command::CreateUser { user, password: None }) {
            self.wrong.push(fault.to_string());
        }
        made
    }

    fn cluster(&mut self, at: usize, seed: &Seed) -> Result<(), Fault> {
        let written = &self.supply.clusters[at];
        let (supplier, cluster) = (SupplierId::from_u128(id("supplier", at)), ClusterId::from_u128(id("cluster", at)));
        let (name, mode) = (written.name.as_str().into(), written.mode);
        self.command(Command::RegisterSupplier(Supplier { id: supplier, name, mode }))?;
        self.command(Command::RegisterCluster(Cluster {
            id: cluster,
            name: written.name.as_str().into(),
            backend: BackendKind::Slurm,
            supplier,
            site: written.site.as_deref().unwrap_or("here").into(),
            region: written.region.as_str().into(),
            health: ClusterHealth::Unreachable,
            service: Service::InService,
            tried_at: None,
            place: None,
            machine: Default::default(),
            terms: Default::default(),
        }))?;
        self.clusters.push(cluster);
        self.world.add_cluster(cluster, written.start_delay);
        let staging = self.tenants.iter().filter_map(|t| Some((t.name.as_str().into(), t.data.get(at)?.0))).collect();
        self.world.set_queue(cluster, written.queue_wait, &seed.child("queues"), staging);
        self.world.advance_to(self.begin);
        Ok(())
    }

    /// A pool as the file has it, all its nodes up.
    pub(super) fn pool_as_written(&self, at: usize) -> Pool {
        let written = &self.supply.pools[at];
        Pool {
            id: PoolId::from_u128(id("pool", at)),
            cluster: self.clusters[written.cluster],
            name: written.name.as_str().into(),
            mode: self.supply.clusters[written.cluster].mode,
            shape: written.shape,
            chip: written.chip.clone(),
            nodes: (0..written.nodes).map(|n| Node::new(node_name(n), NodeState::Up)).collect(),
            time_limit_max: written.time_limit_max,
            tenants: Vec::new(),
            retired: Vec::new(),
            terms: Default::default(),
            past_use: Default::default(),
        }
    }

    fn pool(&mut self, at: usize) -> Result<(), Fault> {
        let pool = self.pool_as_written(at);
        self.pools.push(pool.id);
        self.world.add_pool(&pool);
        self.command(Command::RegisterPool { pool, cost: self.supply.pools[at].cost.clone() })
    }

    /// Submissions in order of time, then of source and place: (seconds, source, place).
    fn arrivals(&self) -> Vec<(i64, usize, usize)> {
        let of = |(source, s): (usize, &Source)| {
            (0..s.load.jobs.len()).map(move |at| (source, at)).collect::<Vec<(usize, usize)>>()
        };
        let mut all: Vec<(i64, usize, usize)> = self
            .sources
            .iter()
            .enumerate()
            .flat_map(of)
            .map(|(source, at)| (self.sources[source].load.jobs[at].submit_s, source, at))
            .collect();
        all.sort_unstable();
        all
    }

    /// True when everything came to its end.
    fn goes(&mut self, watch: Watch<'_>) -> bool {
        let arrivals = self.arrivals();
        let sites: Vec<Option<String>> = self.tenants.iter().map(|t| t.site.clone()).collect();
        let acts = acts(self.supply, &sites);
        let total = arrivals.len();
        let (mut next, mut act, mut steps) = (0, 0, 0u64);
        let last = Span::from_secs(arrivals.last().map_or(0, |a| a.0));
        loop {
            steps += 1;
            let progress = Progress { ended: self.ended, jobs: total };
            if steps.is_multiple_of(STEPS_PER_LOOK) && watch(progress) == ControlFlow::Break(()) {
                return false;
            }
            let arrival = arrivals.get(next).map(|a| self.begin + Span::from_secs(a.0));
            let acts_at = acts.get(act).map(|a| self.begin + a.0);
            let Some(at) = arrival.into_iter().chain(acts_at).min().or_else(|| self.world.next_due()) else { break };
            if arrival.is_none() && (self.ended >= total || at - self.begin > last + TAIL_MAX) {
                break;
            }
            self.world.advance_to(at);
            self.take_settled();
            while let Some((_, what)) = acts.get(act).filter(|a| self.begin + a.0 <= at) {
                self.act(what);
                act += 1;
            }
            let mut inputs = Vec::new();
            while let Some(&(_, source, place)) = arrivals.get(next).filter(|a| self.begin + Span::from_secs(a.0) <= at)
            {
                inputs.push(self.submission(source, place));
                next += 1;
            }
            if !inputs.is_empty() {
                self.submit(inputs);
            }
        }
        let _ = watch(Progress { ended: self.ended, jobs: total });
        self.ended >= total
    }

    /// Whose a job is: the tenant that names its group, else one of those that name none, by its user.
    fn tenant_of(&self, source: usize, user: Option<u32>, group: Option<u32>) -> usize {
        let of = &self.of_source[source];
        let named = |tenant: &&usize| group.is_some_and(|group| self.tenants[**tenant].groups.contains(&group));
        if let Some(tenant) = of.iter().find(named) {
            return *tenant;
        }
        let rest: Vec<usize> = of.iter().copied().filter(|tenant| self.tenants[*tenant].groups.is_empty()).collect();
        let rest = if rest.is_empty() { of } else { &rest };
        rest[user.unwrap_or(0) as usize % rest.len()]
    }

    fn submission(&mut self, source: usize, at: usize) -> (JobId, Submission) {
        let load = &self.sources[source].load;
        let (job, run) = (&load.jobs[at], Span::from_secs(load.runs_s[at]));
        let tenant = self.tenant_of(source, job.user, job.group);
        let number = self.fates.len();
        let (nodes, cores) = self.supply.cut(job.procs);
        let per_node = Resources::new(cores, Bytes(0), 0);
        let request = Request::of(nodes, per_node);
        let cpu = request.total().cpu.0;
        let within = self.within[tenant];
        let promised = self.tenants[tenant].contract.is_some_and(|c| c.promise.covers(within, cpu));
        if promised {
            self.within[tenant] += cpu;
        }
        self.fates.push(Fate {
            tenant,
            source,
            at,
            submitted: Span::from_secs(job.submit_s),
            started: None,
            ended: None,
            procs: job.procs,
            run,
            pool: None,
            promised,
            failed: false,
            charge: Money::ZERO,
            cost: Money::ZERO,
            retries: 0,
            stints: Vec::new(),
        });
        let id = JobId::from_u128((number as u128) << JOB_BITS | id("job", number) >> (128 - JOB_BITS));
        self.world.plan(id, RunPlan { runs: run, ..RunPlan::default() });
        let (number, app) = (job.user, job.app);
        let user = self.user(tenant, source, number);
        let name = app.map_or_else(|| "job".to_owned(), |app| format!("app-{app}"));
        let script: Arc<str> = "#!/bin/sh\n".into();
        let estimate = Span::from_secs(job.estimate_s.max(1));
        let minimal = JobSpec::minimal(&name, model::spec::script_id(&script), request, estimate);
        let bytes = self.tenants[tenant].bytes;
        let data = DataFile { path: "data".into(), digest: ContentDigest([0; 32]), size: bytes.0, mode: 0o644 };
        let inputs = if bytes.0 > 0 { vec![data] } else { Vec::new() };
        let spec = Arc::new(JobSpec { requeue: true, inputs, ..minimal });
        let key = [u128::from(nodes), u128::from(cores), estimate.as_micros() as u128, u128::from(bytes.0)];
        let [nodes, cores, estimate, bytes] = key.map(u128::to_be_bytes);
        let parts: [&[u8]; 6] = [b"spec", name.as_bytes(), &nodes, &cores, &estimate, &bytes];
        let spec_id = base::SpecId::from_u128(digest128(&parts));
        let submission = Submission {
            id,
            user,
            project: None,
            spec_id,
            script_id: spec.script,
            script,
            spec,
            dependencies: Vec::new(),
            ended: Vec::new(),
        };
        (id, submission)
    }

    fn submit(&mut self, submissions: Vec<(JobId, Submission)>) {
        let (ids, all): (Vec<JobId>, Vec<Submission>) = submissions.into_iter().unzip();
        let input = |submission: Submission| {
            let actor = Actor::User(submission.user);
            let command = Command::Submit(Box::new(submission));
            Input::Command(Box::new(Envelope { actor, operator: false, once: None, command }))
        };
        let answers = self.world.round(all.into_iter().map(input).collect());
        for (job, answer) in ids.into_iter().zip(answers) {
            if let Ok(Err(denied)) = answer {
                // It is not played; the figures count it as one that did not start.
                self.wrong.push(format!("{job} was refused: {denied}"));
                self.ended += 1;
            }
        }
    }

    fn take_settled(&mut self) {
        for settled in self.world.take_settled() {
            self.ended += 1;
            let found = audit::settled(&settled);
            self.wrong.extend(found.into_iter().take(WRONG_MAX.saturating_sub(self.wrong.len())));
            self.note(&settled);
        }
    }

    fn note(&mut self, settled: &Settled) {
        let Settled { row, attempts, intervals } = settled;
        let number = (row.job.id.as_u128() >> JOB_BITS) as usize;
        let stints = if self.keeps_stints {
            attempts.iter().filter_map(|attempt| self.stint(attempt)).collect()
        } else {
            Vec::new()
        };
        let Some(fate) = self.fates.get_mut(number) else { return };
        if fate.promised && !row.job.is_open() {
            let (nodes, cores) = self.supply.cut(fate.procs);
            let cpu = Resources::new(cores, Bytes(0), 0).times(nodes).cpu.0;
            self.within[fate.tenant] = self.within[fate.tenant].saturating_sub(cpu);
        }
        fate.started = row.started_at.map(|at| at - self.begin);
        fate.ended = row.ended_at.map(|at| at - self.begin);
        let outcome = match row.job.phase() {
            Phase::Ended { outcome, .. } => Some(*outcome),
            _ => None,
        };
        fate.failed = outcome.is_some_and(|o| o != Outcome::Completed);
        fate.pool = row.pool.and_then(|id| self.pools.iter().position(|p| *p == id));
        fate.charge = intervals.iter().map(|i| i.charge).sum();
        fate.cost = intervals.iter().map(|i| i.cost.total()).sum();
        fate.retries = (attempts.len() as u32).saturating_sub(1);
        fate.stints = stints;
    }

    fn stint(&self, attempt: &Attempt) -> Option<Stint> {
        Some(Stint {
            pool: self.pools.iter().position(|pool| *pool == attempt.pool)?,
            nodes: attempt.nodes.iter().filter_map(|name| node_number(name)).collect(),
            cores: attempt.per_node().cpu.cores_ceil(),
            from: attempt.started_at? - self.begin,
            to: attempt.ended_at.map(|at| at - self.begin),
        })
    }

    fn done(mut self, is_complete: bool) -> Played {
        self.take_settled();
        let open: Vec<JobId> = self.world.tables().jobs.keys().copied().collect();
        for job in open {
            let tables = self.world.tables();
            let of = base::AttemptId::new(job, 0)..=base::AttemptId::new(job, u32::MAX);
            let intervals = tables.intervals.range(of.clone()).flat_map(|(_, all)| all.clone()).collect();
            let attempts = tables.attempts.range(of).map(|(_, attempt)| attempt.clone()).collect();
            let row = tables.jobs[&job].clone();
            self.note(&Settled { row, attempts, intervals });
        }
        let (revenue, cost) = audit::accounts(self.world.tables());
        let of = |amount: fn(&Fate) -> Money| self.fates.iter().map(amount).sum::<Money>();
        let (charges, costs) = (of(|f| f.charge), of(|f| f.cost));
        let mut wrong = std::mem::take(&mut self.wrong);
        wrong.extend(audit::while_running(&self.world));
        wrong.extend(audit::books(&self.world, is_complete));
        if (charges, costs) != (revenue, cost) {
            wrong.push(format!(
                "the ledger has {revenue} of revenue and {cost} of cost, the jobs {charges} and {costs}"
            ));
        }
        let lasted = match self.fates.iter().filter_map(|f| f.ended).max() {
            Some(last) if is_complete => last,
            _ => self.world.now() - self.begin,
        };
        Played { fates: self.fates, tenants: self.tenants, lasted, is_complete, revenue, cost, wrong }
    }
}

/// Findings kept: the first ones tell the cause.
const WRONG_MAX: usize = 100;

impl Tenant {
    fn plain(name: &str) -> Tenant {
        let (name, traces) = (name.to_owned(), vec![name.to_owned()]);
        let (groups, data) = (Vec::new(), Vec::new());
        Tenant { name, traces, groups, shares: 1, home: None, site: None, contract: None, data, bytes: Bytes(0) }
    }
}

fn id(noun: &str, number: usize) -> u128 {
    digest128(&[b"supply", noun.as_bytes(), &(number as u64).to_be_bytes()])
}

pub(super) fn node_name(number: u32) -> String {
    format!("n{number}")
}

fn node_number(name: &str) -> Option<u32> {
    name.strip_prefix('n')?.parse().ok()
}

/// By pool and tenant, for who sums up.
pub(super) fn mode_of(supply: &Supply, pool: usize) -> SupplyMode {
    supply.clusters[supply.pools[pool].cluster].mode
}

/// For tests: a world in which all jobs of a source were submitted at their times, at the moment of the last submission.
#[cfg(test)]
pub(crate) fn at_last_arrival(supply: &Supply, steering: Steering, source: Source) -> Result<World, Fault> {
    let sources = [source];
    let mut run = Run::new(supply, steering, &sources, &Seed::from_u64(1))?;
    for (second, source, at) in run.arrivals() {
        run.world.advance_to(run.begin + Span::from_secs(second));
        let submission = run.submission(source, at);
        run.submit(vec![submission]);
    }
    Ok(run.world)
}
