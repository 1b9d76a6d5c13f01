//! A year of a made-up operator: four clusters, two of its own and two bought in; tenants with and without contracts; prices that
//! change; machines that fail, links that are cut, clocks that are set, reports that come late or twice, and a platform that dies at
//! any seam. The seed decides everything. Whoever listens is told every job that is over and every transfer, so that the books can be
//! reckoned again by other means. Refuses to judge what came of it.

mod months;
mod operator;
mod usage;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use base::{ClusterId, Currency, JobId, Money, PoolId, Resources, Seed, Span, Stream, TenantId, Timestamp, UserId};
pub use engine::Batch;
use engine::{Command, Contracting, Denied, Envelope, Policy, Report};
use ledger::{AccountKind, Transfer};
use model::{Actor, NodeState};

use crate::audit;
use crate::cluster::RunPlan;
use crate::tables::Settled;
use crate::world::{Crash, Delivery, World};

use self::months::Months;

/// How a year is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub seed: u64,
    /// Handed in over all days.
    pub jobs: u32,
    /// At least 1.
    pub days: u32,
    /// At least 8.
    pub tenants: u32,
    /// True time when it begins; nothing: always the same date.
    pub begins: Option<Timestamp>,
    /// All contracts come to their ends, and tenants' months are closed when they are over.
    pub whole: bool,
    /// What is committed is told as well.
    pub batches: bool,
}

impl Options {
    /// As years are played that are reckoned again.
    pub const fn new(seed: u64, jobs: u32, days: u32) -> Options {
        Options { seed, jobs, days, tenants: 24, begins: None, whole: true, batches: false }
    }
}

/// What is told while it goes on.
#[derive(Debug)]
pub enum Told<'a> {
    /// A job that is over and settled.
    Job(&'a Settled),
    Transfer(&'a Transfer),
    /// What was committed, where it is asked for, in its order.
    Batch(Batch),
    /// So many jobs were handed in, or tried to be.
    Tried(u32),
}

/// Who listens; breaks the year off when it wants to.
pub type Ear<'a> = dyn FnMut(&World, Told<'_>) -> ControlFlow<()> + 'a;

/// What came of it.
pub struct Year {
    pub world: World,
    pub handed_in: u32,
    /// By the code of the refusal.
    pub refused: BTreeMap<&'static str, u32>,
    pub restarts: u32,
    /// Whoever listened wanted no more: nothing is at its end.
    pub broken_off: bool,
    /// What no year may show; empty when all is well.
    pub wrong: Vec<String>,
}

/// What came in and what it cost, by the accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earned {
    pub currency: Currency,
    pub revenue: Money,
    pub cost: Money,
}

impl Earned {
    pub fn margin(&self) -> Money {
        self.revenue.saturating_sub(self.cost)
    }
}

impl Year {
    /// By currency.
    pub fn earned(&self) -> Vec<Earned> {
        let mut sums: BTreeMap<Currency, Earned> = BTreeMap::new();
        for account in self.world.tables().accounts.values() {
            let currency = account.currency;
            let zero = Earned { currency, revenue: Money::ZERO, cost: Money::ZERO };
            let sums = sums.entry(currency).or_insert(zero);
            match account.kind {
                AccountKind::Income => sums.revenue += account.balance(),
                AccountKind::Expense => sums.cost += account.balance(),
                _ => {}
            }
        }
        sums.into_values().collect()
    }
}

/// Faults a day, each by chance.
const FAULTS: &[(u64, Fault)] = &[
    (700, Fault::FailNode),
    (1_000, Fault::RepairNode),
    (150, Fault::Cut),
    (400, Fault::CrashNow),
    (400, Fault::CrashBeforeCommit),
    (400, Fault::CrashAfterCommit),
    (100, Fault::Clock),
    (30, Fault::BreakOff),
];

#[derive(Clone, Copy, Debug)]
enum Fault {
    FailNode,
    RepairNode,
    Cut,
    CrashNow,
    CrashBeforeCommit,
    CrashAfterCommit,
    Clock,
    BreakOff,
}

/// Work that does not end within so many days after the last was handed in is a finding.
const TAIL_DAYS: u32 = 60;
const WRONG_MAX: usize = 50;

struct Run<'a> {
    options: Options,
    world: World,
    chance: Stream,
    ids: Stream,
    /// Of usage alone.
    reports: Stream,
    /// What nobody has answered for yet.
    unanswered: Vec<rating::Reported>,
    tenants: Vec<(TenantId, Vec<UserId>)>,
    clusters: Vec<ClusterId>,
    pools: Vec<(PoolId, Vec<std::sync::Arc<str>>)>,
    handed_in: u32,
    refused: BTreeMap<&'static str, u32>,
    restarts: u32,
    /// Links that are cut are joined again then.
    joins: Vec<(Timestamp, ClusterId)>,
    clock_set: Span,
    wrong: Vec<String>,
    months: Months,
    tried: u32,
    broken_off: bool,
    ear: &'a mut Ear<'a>,
}

/// Plays a year. Two plays of the same options tell the same.
pub fn play<'a>(options: Options, ear: &'a mut Ear<'a>) -> Year {
    let root = Seed::from_u64(options.seed);
    let policy = Policy { meter_interval: Span::from_hours(1), open_jobs_max: u64::MAX, ..Policy::default() };
    let mut world = World::new(policy, &root).lean().telling();
    if let Some(at) = options.begins {
        world = world.beginning(at);
    }
    if options.batches {
        world = world.recording();
    }
    let latency = Span::from_micros(50_000);
    world.set_delivery(Delivery {
        latency,
        report_delay: Span::ZERO,
        late: 50,
        late_max: Span::from_secs(300),
        twice: 50,
    });
    let mut run = Run {
        options,
        world,
        chance: root.child("chance").stream(),
        ids: root.child("ids").stream(),
        reports: root.child("usage").stream(),
        unanswered: Vec::new(),
        tenants: Vec::new(),
        clusters: Vec::new(),
        pools: Vec::new(),
        handed_in: 0,
        refused: BTreeMap::new(),
        restarts: 0,
        joins: Vec::new(),
        clock_set: Span::ZERO,
        wrong: Vec::new(),
        months: Months::default(),
        tried: 0,
        broken_off: false,
        ear,
    };
    run.set_up();
    run.days();
    if !run.broken_off {
        run.ends();
    }
    let Run { world, handed_in, refused, restarts, broken_off, wrong, .. } = run;
    Year { world, handed_in, refused, restarts, broken_off, wrong }
}

impl Run<'_> {
    /// An operator's command without which there is no year.
    fn must(&mut self, command: Command) {
        if let Some(Err(denied)) = self.operator(command) {
            self.wrong.push(denied.to_string());
        }
    }

    /// An operator's command. `None`: it was lost in a crash.
    fn operator(&mut self, command: Command) -> Option<Result<Report, Denied>> {
        self.world.command(Envelope { actor: Actor::Platform, operator: true, once: None, command }).ok()
    }

    /// In thousandths: few jobs are long ones, and more than a million a year shorter ones, so that there is as much going on at a time.
    fn stretch(&self) -> i64 {
        let a_year = (i64::from(self.options.jobs) * 365 / i64::from(self.options.days.max(1))).max(1);
        if a_year > 1_000_000 { 1_000_000_000 / a_year } else { (48_000 / a_year).clamp(1, 12) * 1_000 }
    }

    fn days(&mut self) {
        let begin = self.world.now();
        let day = days(1);
        let gap = Span::from_micros(days(self.options.days).as_micros() / i64::from(self.options.jobs.max(1)));
        let mut at = begin;
        for n in 0..self.options.days {
            self.day(n);
            self.report_usage();
            if self.options.whole {
                self.close_months();
            }
            let ends = begin + days(n + 1);
            let faults: u64 = FAULTS.iter().map(|(weight, _)| weight).sum::<u64>() / 1_000;
            let every = day.as_micros() / (faults as i64 + 1);
            let mut fault_at = begin + days(n) + Span::from_micros(every);
            while at < ends {
                self.go(at);
                if self.broken_off {
                    return;
                }
                self.submit();
                while fault_at <= at {
                    self.fault();
                    fault_at = fault_at + Span::from_micros(every);
                }
                at = at
                    + Span::from_micros(gap.as_micros() / 2 + self.chance.below(gap.as_micros().max(1) as u64) as i64);
            }
            self.go(ends);
        }
    }

    /// Time passes up to then, and whoever listens is told.
    fn go(&mut self, at: Timestamp) {
        while let Some(n) = self.joins.iter().position(|(join, _)| *join <= at) {
            let (join, cluster) = self.joins.remove(n);
            self.world.advance_to(join.max(self.world.now()));
            self.world.join(cluster);
        }
        self.world.advance_to(at.max(self.world.now()));
        self.tell();
    }

    fn tell(&mut self) {
        let (batches, transfers) = (self.world.take_batches(), self.world.take_transfers());
        let settled = self.world.take_settled();
        for batch in batches {
            self.say(Told::Batch(batch));
        }
        if self.options.whole {
            self.count_months(&transfers, &settled);
        }
        for transfer in &transfers {
            self.say(Told::Transfer(transfer));
        }
        for job in &settled {
            if self.wrong.len() < WRONG_MAX {
                self.wrong.extend(audit::settled(job));
            }
            self.say(Told::Job(job));
        }
        self.say(Told::Tried(self.tried));
    }

    fn say(&mut self, told: Told<'_>) {
        self.broken_off |= (self.ear)(&self.world, told).is_break();
    }

    fn fault(&mut self) {
        let all: u64 = FAULTS.iter().map(|(weight, _)| weight).sum();
        let mut left = self.chance.below(all);
        let drawn = FAULTS.iter().find(|(weight, _)| {
            let here = left < *weight;
            left = left.saturating_sub(*weight);
            here
        });
        match drawn.map_or(Fault::CrashNow, |(_, fault)| *fault) {
            Fault::FailNode | Fault::RepairNode if self.pools.is_empty() => {}
            fault @ (Fault::FailNode | Fault::RepairNode) => {
                let (pool, nodes) = self.chance.pick(&self.pools).clone();
                let node = self.chance.pick(&nodes).clone();
                self.world.set_node(pool, &node, matches!(fault, Fault::RepairNode));
            }
            Fault::Cut => {
                let cluster = *self.chance.pick(&self.clusters);
                if !self.world.is_cut(cluster) {
                    let span = Span::from_secs(60 + self.chance.below(7_200) as i64);
                    self.world.cut(cluster);
                    self.joins.push((self.world.now() + span, cluster));
                }
            }
            Fault::CrashNow => {
                self.restarts += 1;
                self.world.restart("crash");
            }
            Fault::CrashBeforeCommit => {
                self.restarts += 1;
                self.world.crash_next(Crash::BeforeCommit);
            }
            Fault::CrashAfterCommit => {
                self.restarts += 1;
                self.world.crash_next(Crash::BeforeAct);
            }
            Fault::Clock => {
                let by = match self.clock_set {
                    Span::ZERO => Span::ZERO - Span::from_secs(self.chance.below(600) as i64),
                    set => Span::ZERO - set,
                };
                self.clock_set += by;
                self.world.step_clock(by);
            }
            Fault::BreakOff => {
                let known = self.world.tables().contracts.len() as u64;
                let contract = 1 + self.chance.below(known.max(1));
                let end = Contracting::BreakOff { contract, note: "by chance".into() };
                let _ = self.operator(Command::Contract(Box::new(end)));
            }
        }
    }

    fn submit(&mut self) {
        self.tried += 1;
        let id = JobId::from_u128(self.ids.u128());
        let tenant = self.chance.below(self.tenants.len() as u64) as usize;
        let user = *self.chance.pick(&self.tenants[tenant].1);
        let (submission, plan) = self.work(id, user);
        self.world.plan(id, plan);
        let command = Command::Submit(Box::new(submission));
        let envelope = Envelope { actor: Actor::User(user), operator: false, once: None, command };
        match self.world.command(envelope) {
            Ok(Ok(_)) => self.handed_in += 1,
            Ok(Err(denied)) => *self.refused.entry(denied.code()).or_default() += 1,
            // Whether it was taken in is seen at its end.
            Err(_) => {}
        }
    }

    /// All is repaired; all work ends; contracts come to their ends.
    fn ends(&mut self) {
        self.world.step_clock(Span::ZERO - self.clock_set);
        self.world.round(Vec::new());
        self.clusters.clone().into_iter().for_each(|cluster| self.world.join(cluster));
        for (pool, nodes) in self.pools.clone() {
            for node in nodes {
                self.world.set_node(pool, &node, true);
                let node = node.to_string();
                let _ = self.operator(Command::SetNode { pool, node, state: NodeState::Up });
            }
        }
        for _ in 0..TAIL_DAYS {
            self.go(self.world.now() + Span::from_hours(24));
            if self.world.engine().sizes().open_jobs == 0 {
                break;
            }
        }
        if !self.options.whole {
            self.wrong.extend(audit::books(&self.world, false));
            return self.wrong.extend(audit::while_running(&self.world));
        }
        // Past the ends of all contracts, and the time after which a month is closed whatever is still to be billed.
        let last = self.world.tables().contracts.values().map(|c| c.to).fold(self.world.now(), Ord::max);
        self.go(last + days(8));
        self.close_months();
        self.tell();
        self.wrong.extend(audit::books(&self.world, true));
        self.wrong.extend(audit::while_running(&self.world));
    }
}

fn days(n: u32) -> Span {
    Span::from_hours(24 * i64::from(n))
}

/// What a job does there.
fn plan(runs: Span, exit: i32) -> RunPlan {
    RunPlan { runs, exit, ..RunPlan::default() }
}

/// Shapes of nodes, by pool.
const CPU_NODE: (u64, u64, u32) = (32, 128, 0);

const fn shape((cores, gib, cards): (u64, u64, u32)) -> Resources {
    Resources::new(cores, base::Bytes::from_gib(gib), cards)
}
