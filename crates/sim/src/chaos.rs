//! Seeded random runs: people, clusters, machines, links and clocks do what they like for some hundred steps, the platform
//! dies at any seam; then all is repaired, all work ends, and the books must be right. The seed decides everything.

mod money;
mod people;
mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{AttemptId, Bytes, ClusterId, Currency, JobId, Money, PoolId, ProjectId, Resources, Seed, Span, Stream};
use base::{SupplierId, TenantId, UserId};
use engine::{BudgetScope, Budgeting, Contracting, MoneyRules, NewTerms, OverBudget};
use engine::{ByClass, Command, Envelope, Policy, Preemption, Replacement, Steering, Waiting};
use model::{
    Actor, BackendKind, Chip, Cluster, ClusterHealth, Node, NodeState, Outcome, Pool, PriorityClass, Role, Service,
    Supplier, SupplyMode, User,
};
use rating::tariff::calendar::UtcOffset;
use rating::{BudgetKind, NodeCost, OwnCost, Period, PoolCost, Settles, SupplierFee};

use crate::audit;
use crate::world::{Crash, Delivery, Doing, World};

/// How a run is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Things done before all is repaired.
    pub steps: u32,
    /// Keep the event log (slow).
    pub log: bool,
    /// Digest everything committed (slow).
    pub fingerprint: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: 300, log: false, fingerprint: false }
    }
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct RunReport {
    pub seed: u64,
    /// Empty when all is well.
    pub failures: Vec<String>,
    pub jobs: usize,
    pub attempts: usize,
    pub executions: usize,
    pub restarts: u32,
    pub transfers: usize,
    /// Events by their stable words.
    pub events: BTreeMap<String, usize>,
    pub fingerprint: Option<u128>,
    /// Lines for the viewer, when asked for.
    pub log: String,
}

/// Runs one seed. Two runs of one seed and the same options give the same report.
pub fn run(seed: u64, options: Options) -> RunReport {
    let mut chaos = Chaos::new(seed, options);
    for _ in 0..options.steps {
        chaos.step();
        if !chaos.failures.is_empty() {
            break;
        }
    }
    if chaos.failures.is_empty() {
        chaos.quiesce();
    }
    let tables = chaos.world.tables();
    let mut events = BTreeMap::new();
    for event in &tables.events {
        *events.entry(crate::scenario::word(&event.what)).or_default() += 1;
    }
    RunReport {
        seed,
        jobs: tables.jobs.len(),
        attempts: tables.attempts.len(),
        executions: chaos.world.clusters().map(|c| c.executions().len()).sum(),
        restarts: chaos.restarts,
        transfers: tables.transfers.len(),
        events,
        fingerprint: chaos.world.fingerprint(),
        log: chaos.world.log().to_lines(),
        failures: chaos.failures,
    }
}

/// Weights of what may happen in a step, in per mille; the rest is a quiet stretch of time.
const WEIGHTS: &[(u64, Act)] = &[
    (330, Act::Submit),
    (40, Act::Repeat),
    (70, Act::Cancel),
    (35, Act::Hold),
    (60, Act::Release),
    (40, Act::Requeue),
    (30, Act::Change),
    (30, Act::FailNode),
    (50, Act::RepairNode),
    (10, Act::DrainNode),
    (20, Act::Cut),
    (45, Act::Join),
    (25, Act::CrashNow),
    (25, Act::CrashBeforeCommit),
    (25, Act::CrashAfterCommit),
    (25, Act::TopUp),
    (10, Act::Prices),
    (12, Act::Sign),
    (14, Act::Grant),
    (4, Act::BreakOff),
    (12, Act::Clock),
    (30, Act::Compare),
    (20, Act::Interrupt),
    (15, Act::Suspend),
    (20, Act::Continue),
    (8, Act::Say),
    (15, Act::Foreign),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Submit,
    Repeat,
    Cancel,
    Hold,
    Release,
    Requeue,
    Change,
    FailNode,
    RepairNode,
    DrainNode,
    Cut,
    Join,
    CrashNow,
    CrashBeforeCommit,
    CrashAfterCommit,
    TopUp,
    Prices,
    Sign,
    Grant,
    BreakOff,
    Clock,
    Compare,
    Interrupt,
    Suspend,
    Continue,
    Say,
    Foreign,
}

struct Chaos {
    world: World,
    chance: Stream,
    ids: Stream,
    /// Of usage alone, so that what is reported leaves the rest of a run as it is.
    reports: Stream,
    reported: Vec<rating::Reported>,
    /// What was answered for each record, by its key.
    billed: BTreeMap<u128, Money>,
    failures: Vec<String>,
    tenants: Vec<(TenantId, UserId)>,
    clusters: Vec<ClusterId>,
    pools: Vec<(PoolId, Vec<Arc<str>>)>,
    /// Submissions by key, with the first answer that came.
    asked: Vec<people::Asked>,
    /// Elements of accepted submissions.
    known: BTreeSet<JobId>,
    restarts: u32,
    /// Clocks are set in runs of odd seeds only, so that even ones can be checked to the microsecond.
    clocks: bool,
    clock_set: Span,
}

impl Chaos {
    fn new(seed: u64, options: Options) -> Chaos {
        let root = Seed::from_u64(seed).child("chaos");
        let mut world = World::new(policy(), &root);
        if options.log {
            world = world.with_log();
        }
        if options.fingerprint {
            world = world.with_fingerprint();
        }
        let mut chaos = Chaos {
            world,
            chance: root.child("acts").stream(),
            ids: root.child("ids").stream(),
            reports: root.child("usage").stream(),
            reported: Vec::new(),
            billed: BTreeMap::new(),
            failures: Vec::new(),
            tenants: Vec::new(),
            clusters: Vec::new(),
            pools: Vec::new(),
            asked: Vec::new(),
            known: BTreeSet::new(),
            restarts: 0,
            clocks: seed % 2 == 1,
            clock_set: Span::ZERO,
        };
        let latency = Span::from_micros(chaos.chance.below(200_000) as i64);
        let late_max = Span::from_secs(90);
        chaos.world.set_delivery(Delivery { latency, report_delay: Span::ZERO, late: 150, late_max, twice: 100 });
        chaos.set_up();
        chaos
    }

    fn set_up(&mut self) {
        self.publish(Span::ZERO, true);
        for (name, balance, shares) in [("rich", 2_000, 1), ("poor", 15, 2)] {
            let (id, project) = (TenantId::from_u128(self.ids.u128()), ProjectId::from_u128(self.ids.u128()));
            let user = UserId::from_u128(self.ids.u128());
            let (currency, credit_limit) = (Currency::CNY, Money::from_units(2));
            self.operator(Command::CreateTenant {
                id,
                name: name.into(),
                currency,
                shares,
                credit_limit,
                tier: Default::default(),
                regions: Default::default(),
                project,
            });
            let (role, disabled, name) = (Role::Owner, false, format!("{name}-user").into());
            let person = User { id: user, tenant: id, name, role, default_project: project, disabled };
            self.operator(Command::CreateUser { user: person, password: None });
            self.operator(Command::TopUp { tenant: id, amount: Money::from_units(balance), memo: String::new() });
            self.tenants.push((id, user));
            self.set_budgets(None);
        }
        let local = self.cluster("local", SupplyMode::Own);
        let far = self.cluster("far", SupplyMode::Partner);
        self.world.set_requeues(far);
        self.pool("main", local, 3, Resources::new(8, Bytes::from_gib(32), 0), None);
        self.pool("gpu", local, 2, Resources::new(16, Bytes::from_gib(64), 4), "nvidia-a100-80g".parse().ok());
        self.pool("far", far, 4, Resources::new(4, Bytes::from_gib(16), 0), None);
    }

    /// A soft budget of each tenant and a hard one of its user; with an amount all of them have that.
    fn set_budgets(&mut self, amount: Option<Money>) {
        for (tenant, user) in self.tenants.clone() {
            for (kind, period, user, usual) in
                [(BudgetKind::Soft, Period::Quarter, None, 3), (BudgetKind::Hard, Period::Month, Some(user), 12)]
            {
                let scope = BudgetScope { tenant, project: None, user };
                let (offset, alerts) = (UtcOffset::UTC, vec![10, 50, 90]);
                let amount = amount.unwrap_or(Money::from_units(usual));
                let set = Budgeting::Set { scope, kind, period, offset, amount, alerts };
                self.operator(Command::Budget(Box::new(set)));
            }
        }
    }

    fn cluster(&mut self, name: &str, mode: SupplyMode) -> ClusterId {
        let (supplier, id) = (SupplierId::from_u128(self.ids.u128()), ClusterId::from_u128(self.ids.u128()));
        self.operator(Command::RegisterSupplier(Supplier { id: supplier, name: name.into(), mode }));
        if mode == SupplyMode::Partner {
            // A term of two hours: it ends while work runs, and its only period is closed and corrected.
            let now = self.world.shown();
            let (from, to) = (None, Some(now + Span::from_hours(2)));
            let (settles, offset, minimum) = (Settles::Month, UtcOffset::UTC, Money::from_units(500));
            let terms = NewTerms { supplier, from, to, settles, offset, minimum };
            self.operator(Command::SetSupplierTerms(Box::new(terms)));
        }
        let (backend, health) = (BackendKind::Slurm, ClusterHealth::Unreachable);
        let cluster = Cluster {
            id,
            name: name.into(),
            backend,
            supplier,
            site: "here".into(),
            health,
            service: Service::InService,
            tried_at: None,
            region: Default::default(),
            place: None,
            machine: Default::default(),
            terms: Default::default(),
        };
        self.operator(Command::RegisterCluster(cluster));
        self.world.add_cluster(id, Span::from_millis(1_500));
        self.clusters.push(id);
        id
    }

    fn pool(&mut self, name: &str, cluster: ClusterId, nodes: u32, shape: Resources, chip: Option<Chip>) {
        let id = PoolId::from_u128(self.ids.u128());
        let names: Vec<Arc<str>> = (1..=nodes).map(|n| format!("{name}{n}").into()).collect();
        let nodes = names.iter().map(|n| Node::new(n.clone(), NodeState::Up)).collect();
        let (mode, time_limit_max, tenants) = (SupplyMode::Own, None, Vec::new());
        let pool = Pool {
            id,
            cluster,
            name: name.into(),
            mode,
            shape,
            chip,
            nodes,
            time_limit_max,
            tenants,
            retired: Vec::new(),
            past_use: Default::default(),
            terms: Default::default(),
        };
        let paid = if name == "far" { SupplyMode::Partner } else { mode };
        let cost = match paid {
            SupplyMode::Own => PoolCost::Own(OwnCost {
                node: NodeCost {
                    purchase_price: Money::from_units(100_000),
                    residual: Money::from_units(1_000),
                    life_months: 37,
                    datacentre_fee_month: Money(333_333_333),
                },
                stages: Vec::new(),
            }),
            SupplyMode::Partner => PoolCost::Partner(SupplierFee {
                fee_node_hour: Money(1_000_003),
                round_up: Span::from_mins(1),
                minimum: Span::from_secs(90),
                ..SupplierFee::by_core(Money(77_777))
            }),
        };
        self.world.add_pool(&pool);
        self.pools.push((id, names));
        self.operator(Command::RegisterPool { pool, cost: Some(cost) });
    }

    /// An operator's command. Whether it is refused or lost is all the same: it is not repeated.
    fn operator(&mut self, command: Command) {
        let _ = self.world.command(Envelope { actor: Actor::Platform, operator: true, once: None, command });
    }

    fn step(&mut self) {
        let act = self.draw();
        self.world.note(|| format!("act: {act:?}"));
        if let Some(act) = act {
            self.act(act);
        }
        self.report_usage();
        // Mostly seconds, sometimes long: short steps pile things up, long ones let them end.
        let longest: u64 = if self.chance.chance(100) { 1_200 } else { 45 };
        let pause = Span::from_micros(self.chance.below(longest * 1_000_000) as i64);
        self.world.advance_to(self.world.now() + pause);
        self.failures.extend(audit::while_running(&self.world));
    }

    fn draw(&mut self) -> Option<Act> {
        let mut left = self.chance.below(1_000);
        for (weight, act) in WEIGHTS {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return Some(*act),
            }
        }
        None
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Submit => self.submit(),
            Act::Repeat => self.repeat(),
            Act::Cancel | Act::Hold | Act::Release | Act::Requeue | Act::Change => self.ask_about_a_job(act),
            Act::FailNode | Act::RepairNode => {
                let (pool, node) = self.any_node();
                self.world.set_node(pool, &node, act == Act::RepairNode);
            }
            Act::DrainNode => {
                let (pool, node) = self.any_node();
                let state = if self.chance.chance(500) { NodeState::Drained } else { NodeState::Up };
                // An operator may say that a node is up which is down: the cluster then refuses what comes.
                self.operator(Command::SetNode { pool, node: node.to_string(), state });
            }
            Act::Cut => {
                let cluster = *self.chance.pick(&self.clusters);
                self.world.cut(cluster);
            }
            Act::Join => {
                let cluster = *self.chance.pick(&self.clusters);
                self.world.join(cluster);
            }
            Act::CrashNow => {
                self.restarts += 1;
                self.world.restart("crash");
            }
            Act::CrashBeforeCommit => {
                self.restarts += 1;
                self.world.crash_next(Crash::BeforeCommit);
            }
            Act::CrashAfterCommit => {
                self.restarts += 1;
                self.world.crash_next(Crash::BeforeAct);
            }
            Act::TopUp => {
                let (tenant, _) = *self.chance.pick(&self.tenants);
                let amount = Money(self.chance.below(20_000_000) as i64 - 4_000_000);
                self.operator(Command::TopUp { tenant, amount, memo: "by chance".into() });
            }
            Act::Prices => {
                let from = Span::from_secs(self.chance.below(3_600) as i64);
                let complete = self.chance.chance(700);
                self.publish(from, complete);
            }
            Act::Sign => self.sign(),
            Act::Grant => self.grant(),
            Act::BreakOff => {
                let contract = 1 + self.chance.below(6);
                let end = Contracting::BreakOff { contract, note: "by chance".into() };
                self.operator(Command::Contract(Box::new(end)));
            }
            Act::Clock => self.set_clock(),
            Act::Interrupt | Act::Suspend | Act::Continue | Act::Say => self.there(act),
            Act::Foreign => {
                let (pool, node) = self.any_node();
                let cores = if self.chance.chance(400) { 0 } else { 1 + self.chance.below(6) };
                self.world.set_foreign(pool, &node, Resources::new(cores, Bytes(0), 0));
            }
            Act::Compare => self.failures.extend(audit::restored_equals_live(&self.world)),
        }
    }

    /// A cluster does something to one of its attempts by itself.
    fn there(&mut self, act: Act) {
        let cluster = *self.chance.pick(&self.clusters);
        let Some(model) = self.world.clusters().find(|c| c.id == cluster) else { return };
        // A connector tells of a stop after it has told of the start: of what the platform knows to run.
        let known = |id: &AttemptId| {
            let stored = self.world.tables().attempts.get(id).and_then(|a| a.start_as_told());
            stored.is_some() && stored == model.runs_since(*id)
        };
        let some = match act {
            Act::Continue => model.standing(),
            Act::Suspend => model.alive(true).into_iter().filter(known).collect(),
            _ => model.alive(true),
        };
        if some.is_empty() {
            return;
        }
        let attempt = *self.chance.pick(&some);
        let doing = match act {
            Act::Continue => Doing::Continue,
            Act::Suspend => Doing::Suspend,
            Act::Say => Doing::Say(format!("Priority {}", self.chance.below(3))),
            _ if self.chance.chance(500) => Doing::Interrupt(Outcome::NodeFail),
            _ => Doing::Interrupt(Outcome::Preempted),
        };
        self.world.at_attempt(cluster, attempt, doing);
    }

    fn any_node(&mut self) -> (PoolId, Arc<str>) {
        let (pool, nodes) = self.chance.pick(&self.pools).clone();
        (pool, self.chance.pick(&nodes).clone())
    }

    /// Back by up to an hour, or right again.
    fn set_clock(&mut self) {
        if !self.clocks {
            return;
        }
        let by = match self.clock_set {
            Span::ZERO => Span::ZERO - Span::from_secs(self.chance.below(3_600) as i64),
            set => Span::ZERO - set,
        };
        self.clock_set += by;
        self.world.step_clock(by);
    }

    /// Everything is repaired and paid for; all work comes to its end.
    fn quiesce(&mut self) {
        self.world.note(|| "all is repaired".to_owned());
        self.world.step_clock(Span::ZERO - self.clock_set);
        // What an armed crash is to strike must not be a command of the repair.
        self.world.round(Vec::new());
        self.clusters.clone().into_iter().for_each(|cluster| self.world.join(cluster));
        let standing: Vec<_> =
            self.world.clusters().flat_map(|c| c.standing().into_iter().map(|id| (c.id, id))).collect();
        for (cluster, attempt) in standing {
            self.world.at_attempt(cluster, attempt, Doing::Continue);
        }
        for (pool, nodes) in self.pools.clone() {
            for node in nodes {
                self.world.set_foreign(pool, &node, Resources::ZERO);
                self.world.set_node(pool, &node, true);
                self.operator(Command::SetNode { pool, node: node.to_string(), state: NodeState::Up });
            }
        }
        for (tenant, _) in self.tenants.clone() {
            let amount = Money::from_units(1_000_000);
            self.operator(Command::TopUp { tenant, amount, memo: String::new() });
        }
        self.set_budgets(Some(Money::from_units(1_000_000)));
        // One for now, and one after the last of those that were published ahead.
        self.publish(Span::ZERO, true);
        self.publish(Span::from_hours(2), true);
        // Begin times lie up to an hour ahead, pauses after failed starts 5 minutes; the rest is work: 40 minutes for each
        // of some hundred jobs on three pools are far less than 40 days.
        const ROUNDS: u32 = 40 * 24 * 6;
        for _ in 0..ROUNDS {
            let held: Vec<JobId> = self.world.tables().jobs.values().filter(|r| is_held(r)).map(|r| r.job.id).collect();
            for job in held {
                self.operator(Command::Release { job });
            }
            self.world.advance_to(self.world.now() + Span::from_mins(10));
            if self.world.engine().sizes().open_jobs == 0 {
                break;
            }
        }
        if !self.world.tables().contracts.is_empty() || !self.world.tables().grants.is_empty() {
            // All contracts are over then, and their months are closed.
            self.world.advance_to(self.world.now() + Span::from_hours(27 * 24));
        }
        // Past a full hour, so that what pools cost while nothing used them is booked to the end.
        self.world.advance_to(self.world.now() + Span::from_mins(70));
        self.failures.extend(audit::after_quiescence(&self.world));
        self.failures.extend(audit::restored_equals_live(&self.world));
        self.usage_stands();
        if !self.clocks {
            self.failures.extend(audit::billed_as_it_ran(&self.world));
        }
        for job in &self.known {
            if !self.world.tables().jobs.contains_key(job) {
                self.failures.push(format!("{job} was accepted and is not stored"));
            }
        }
    }
}

/// The default policy with less patience, so that short cuts are long enough for every remedy.
fn policy() -> Policy {
    let all = |move_after, twin_after, restart_after| Replacement {
        move_after: Some(Span::from_secs(move_after)),
        twin_after,
        restart_after,
    };
    let (twin, restart) = (Some(Span::from_mins(2)), Some(Span::from_mins(4)));
    let replacement = ByClass {
        low: all(120, None, restart),
        normal: all(60, None, None),
        high: all(60, twin, None),
        urgent: all(30, twin, restart),
    };
    let waiting = Waiting { patience: Span::from_mins(5), ..Waiting::default() };
    // One node of each pool is kept in reserve.
    let preemption = Preemption {
        by: vec![PriorityClass::High, PriorityClass::Urgent],
        classes: vec![PriorityClass::Low],
        lead: Span::from_secs(45),
        again_after: Span::from_mins(3),
        ..Preemption::default()
    };
    let money = MoneyRules { over_budget: OverBudget::Stop };
    let steering = Steering { replacement, waiting, preemption, reserve_permille: 250, money, ..Steering::default() };
    Policy { steering, ..Policy::default() }
}

fn is_held(row: &engine::JobRow) -> bool {
    matches!(row.job.phase(), model::Phase::Held { .. })
}
