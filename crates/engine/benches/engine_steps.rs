//! Engine steps per second with 100,000 open jobs on a full machine park, one core, no I/O; and memory per open job.
//! A stopwatch around the engine, so it may look at the clock and at /proc, which the engine may not.
//!
//! `cargo bench -p headworks-engine --profile fast`
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a stopwatch")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{
    AttemptId, Bytes, ClusterId, Currency, JobId, Money, PoolId, PriceBookId, ProjectId, Resources, Seed, Span, Stream,
    SupplierId, TenantId, Timestamp, UserId,
};
use engine::{Batch, Command, Contracting, Effect, Engine, Envelope, Input, Policy, Record, Submission};
use model::{
    Actor, BackendKind, Cluster, ClusterHealth, Exit, JobSpec, Node, NodeState, Observation, Observed, Outcome, Pool,
    Request, Role, Supplier, SupplyMode, Usage, User,
};
use rating::contract::{Commitment, Quantity, Terms};
use rating::tariff::calendar::Day;
use rating::tariff::{Band, Item, Rate, RoundUp, Selector, Unit};
use rating::{NodeCost, OwnCost, PoolCost, PriceBook, PriceList};

/// Open jobs while steps are timed.
const OPEN: usize = 100_000;
/// Open jobs whose memory is measured.
const OPEN_FOR_MEMORY: usize = 200_000;
/// 10 pools of 50 nodes of 64 cores, jobs of 16: 2,000 run and the rest waits.
const POOLS: u32 = 10;
const NODES: u32 = 50;
const SHAPE: Resources = Resources::new(64, Bytes::from_gib(256), 0);
const JOB: Resources = Resources::new(16, Bytes::from_gib(32), 0);
const TENANTS: usize = 20;
/// Different specifications in use.
const SPECS: u64 = 200;
/// Inputs between two passes of the scheduler, as in a driver's busy batch.
const BATCH: usize = 64;
/// Turns of 96 inputs: jobs of two minutes, metered every minute, are started, ended and submitted once for every two
/// intervals; one in five is cancelled.
const TURN: [(Kind, u32); 5] =
    [(Kind::Submit, 20), (Kind::Started, 17), (Kind::Ended, 17), (Kind::Meter, 38), (Kind::Cancel, 4)];
const TURNS: u32 = 3_000;
const TARGET_STEPS: f64 = 300_000.0;
const TARGET_BYTES: usize = 1_024;
const TARGET_INTERVALS: f64 = 200_000.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Submit,
    Started,
    Ended,
    Meter,
    Cancel,
    Schedule,
}

struct Bench {
    engine: Engine,
    now: Timestamp,
    batch: Batch,
    ids: Stream,
    specs: Vec<(base::SpecId, Arc<JobSpec>)>,
    users: Vec<UserId>,
    tenants: Vec<TenantId>,
    cluster: ClusterId,
    starting: VecDeque<(AttemptId, Vec<Arc<str>>)>,
    running: VecDeque<(AttemptId, Timestamp)>,
    waiting: VecDeque<JobId>,
    spent: [(u64, Duration); 6],
    records: usize,
    intervals: u64,
}

impl Bench {
    fn new() -> Bench {
        let seed = Seed::from_u64(1);
        let mut bench = Bench {
            engine: Engine::new(Policy::default()),
            now: Timestamp::from_secs(1_795_248_000),
            batch: Batch::default(),
            ids: seed.child("ids").stream(),
            specs: Vec::new(),
            users: Vec::new(),
            tenants: Vec::new(),
            cluster: ClusterId::from_u128(1),
            starting: VecDeque::new(),
            running: VecDeque::new(),
            waiting: VecDeque::new(),
            spent: Default::default(),
            records: 0,
            intervals: 0,
        };
        bench.set_up();
        bench
    }

    fn operator(&mut self, command: Command) {
        let envelope = Envelope { actor: Actor::Platform, operator: true, once: None, command };
        self.engine.step(Input::Command(Box::new(envelope)), self.now, &mut self.batch).unwrap();
    }

    fn set_up(&mut self) {
        let supplier = SupplierId::from_u128(1);
        self.operator(Command::RegisterSupplier(Supplier { id: supplier, name: "own".into(), mode: SupplyMode::Own }));
        self.operator(Command::RegisterCluster(Cluster {
            id: self.cluster,
            name: "local".into(),
            backend: BackendKind::Slurm,
            supplier,
            site: "here".into(),
            health: ClusterHealth::Unreachable,
            service: Default::default(),
            tried_at: None,
            region: Default::default(),
            place: None,
            machine: Default::default(),
            terms: Default::default(),
        }));
        self.observe(Observed::Reachable);
        let list =
            PriceList { core_hour: Some(Money(100_000)), gib_hour: Some(Money(10_000)), card_hour: Default::default() };
        let id = PriceBookId::from_u128(1);
        self.operator(Command::PublishPrices(PriceBook::list(id, "book".into(), Currency::CNY, self.now, list)));
        for pool in 0..POOLS {
            let node = |n: u32| Node::new(format!("p{pool:02}n{n:04}"), NodeState::Up);
            let pool = Pool {
                id: PoolId::from_u128(1 + u128::from(pool)),
                cluster: self.cluster,
                name: format!("pool{pool:02}").into(),
                mode: SupplyMode::Own,
                shape: SHAPE,
                chip: None,
                nodes: (0..NODES).map(node).collect(),
                time_limit_max: None,
                tenants: Vec::new(),
                retired: Vec::new(),
                past_use: Default::default(),
                terms: Default::default(),
            };
            let node = NodeCost {
                purchase_price: Money::from_units(100_000),
                residual: Money::ZERO,
                life_months: 36,
                datacentre_fee_month: Money::from_units(500),
            };
            let cost = PoolCost::Own(OwnCost { node, stages: Vec::new() });
            self.operator(Command::RegisterPool { pool, cost: Some(cost) });
        }
        for n in 0..TENANTS {
            let (id, project) = (TenantId::from_u128(self.ids.u128()), ProjectId::from_u128(self.ids.u128()));
            let user = UserId::from_u128(self.ids.u128());
            let (name, currency, credit_limit) = (format!("tenant{n}"), Currency::CNY, Money::ZERO);
            self.operator(Command::CreateTenant {
                id,
                name,
                currency,
                shares: 1,
                credit_limit,
                tier: Default::default(),
                regions: Default::default(),
                project,
            });
            let (name, role, disabled) = (format!("user{n}").into(), Role::Owner, false);
            let person = User { id: user, tenant: id, name, role, default_project: project, disabled };
            self.operator(Command::CreateUser { user: person, password: None });
            let amount = Money::from_units(1_000_000_000);
            self.operator(Command::TopUp { tenant: id, amount, memo: String::new() });
            self.users.push(user);
            self.tenants.push(id);
        }
        let script = model::spec::script_id("#!/bin/sh\n");
        for n in 0..SPECS {
            let limit = Span::from_mins(30 + (n % 60) as i64);
            let spec = Arc::new(JobSpec::minimal(&format!("job-{n}"), script, Request::of(1, JOB), limit));
            self.specs.push((model::spec::spec_id(&serde_json::to_vec(&*spec).unwrap()), spec));
        }
        self.flush();
    }

    /// Another book from now on: half the price at night, at least a hundredth, by whole seconds.
    fn publish_by_the_hour(&mut self) {
        let night = Band {
            days: Day::ALL.to_vec(),
            from: "22:00".parse().unwrap(),
            to: "08:00".parse().unwrap(),
            rate: Rate::Factor(500_000),
        };
        let item = |unit, price| Item {
            bands: vec![night.clone()],
            minimum: Money(10_000),
            round_up: RoundUp::Second,
            ..Item::plain(unit, Selector::default(), Money(price))
        };
        let items = vec![item(Unit::CoreHour, 100_000), item(Unit::GibHour, 10_000)];
        let list = PriceList::default();
        let book = PriceBook::list(PriceBookId::from_u128(2), "hours".into(), Currency::CNY, self.now, list);
        self.operator(Command::PublishPrices(PriceBook { items, ..book }));
    }

    /// A contract for every tenant, of more hours than are used.
    fn sign(&mut self) {
        let tenants: Vec<TenantId> = self.tenants.clone();
        for tenant in tenants {
            let terms = Terms {
                name: "hours".into(),
                currency: Currency::CNY,
                tier: Default::default(),
                from: self.now,
                to: self.now + Span::from_hours(24 * 60),
                utc_offset: Default::default(),
                fee: Money::ZERO,
                commitments: vec![Commitment {
                    unit: Unit::CoreHour,
                    of: Selector::default(),
                    quantity: Quantity::Hours(100_000_000),
                    fee: Money::from_units(8_000_000),
                    overage: None,
                }],
                included: Vec::new(),
                unused: Default::default(),
                early_end: 0,
            };
            let sign = Contracting::Sign { tenant, terms: Box::new(terms), at_once: true };
            self.operator(Command::Contract(Box::new(sign)));
        }
        self.flush();
    }

    /// What a driver does with a batch, without the store: effects become work at the cluster.
    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.records += batch.records.len();
        self.intervals += batch.records.iter().filter(|r| matches!(r, Record::Interval { .. })).count() as u64;
        for effect in batch.effects {
            if let Effect::Submit { order, .. } = effect {
                self.starting.push_back((order.attempt, order.nodes.clone()));
            }
        }
    }

    fn observe(&mut self, what: Observed) {
        let observation = Observation { cluster: self.cluster, what };
        self.engine.step(Input::Observed(observation), self.now, &mut self.batch).unwrap();
    }

    fn envelope(&mut self) -> (JobId, Input) {
        let id = JobId::from_u128(self.ids.u128());
        let (spec_id, spec) = self.ids.pick(&self.specs).clone();
        let user = *self.ids.pick(&self.users);
        let submission = Submission {
            id,
            user,
            project: None,
            spec_id,
            script_id: spec.script,
            script: "#!/bin/sh\n".into(),
            spec,
            dependencies: Vec::new(),
            ended: Vec::new(),
        };
        let command = Command::Submit(Box::new(submission));
        let envelope = Envelope { actor: Actor::User(user), operator: false, once: None, command };
        (id, Input::Command(Box::new(envelope)))
    }

    /// Makes one input of a kind outside of the time that is measured; `None` where there is nothing of the kind.
    fn input(&mut self, kind: Kind) -> Option<Input> {
        let observed = |what| Some(Input::Observed(Observation { cluster: ClusterId::from_u128(1), what }));
        match kind {
            Kind::Submit => {
                let (id, input) = self.envelope();
                self.waiting.push_back(id);
                Some(input)
            }
            Kind::Started => {
                let (attempt, nodes) = self.starting.pop_front()?;
                self.running.push_back((attempt, self.now));
                observed(Observed::Started { attempt, at: self.now, nodes, external: None })
            }
            Kind::Ended => {
                let (attempt, started_at) = self.running.pop_front()?;
                observed(Observed::Ended {
                    attempt,
                    started_at: Some(started_at),
                    at: self.now,
                    outcome: Outcome::Completed,
                    exit: Some(Exit::default()),
                    usage: Usage::default(),
                    note: None,
                })
            }
            Kind::Meter => {
                self.now = self.now.max(self.engine.next_wakeup()?);
                Some(Input::Tick)
            }
            Kind::Cancel => {
                // One of the youngest: it waits.
                let job = self.waiting.pop_back()?;
                let user = self.users[0];
                let command = Command::Cancel { job };
                let envelope = Envelope { actor: Actor::User(user), operator: false, once: None, command };
                Some(Input::Command(Box::new(envelope)))
            }
            Kind::Schedule => Some(Input::Schedule),
        }
    }

    fn timed(&mut self, kind: Kind) {
        let Some(input) = self.input(kind) else { return };
        let begun = Instant::now();
        self.engine.step(input, self.now, &mut self.batch).unwrap();
        let (count, spent) = &mut self.spent[kind as usize];
        *count += 1;
        *spent += begun.elapsed();
    }

    /// Submits until so many are open, and lets what can start run.
    fn fill(&mut self, open: usize) {
        while self.engine.sizes().open_jobs < open {
            let (id, input) = self.envelope();
            self.waiting.push_back(id);
            self.engine.step(input, self.now, &mut self.batch).unwrap();
            if self.batch.records.len() > 4_096 {
                self.flush();
            }
        }
        self.engine.step(Input::Schedule, self.now, &mut self.batch).unwrap();
        self.flush();
        // Starts are spread over a minute, so that meters do not all tick at once.
        while let Some((attempt, nodes)) = self.starting.pop_front() {
            self.now = self.now + Span::from_millis(30);
            self.observe(Observed::Started { attempt, at: self.now, nodes, external: None });
            self.running.push_back((attempt, self.now));
        }
        self.flush();
    }
}

/// Time this process was on a CPU.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

fn memory() {
    let mut bench = Bench::new();
    bench.fill(10_000);
    bench.batch = Batch::default();
    let (before, open_before) = (resident_bytes(), bench.engine.sizes().open_jobs);
    bench.fill(OPEN_FOR_MEMORY);
    let (after, open) = (resident_bytes(), bench.engine.sizes().open_jobs);
    // The list of waiting jobs is the bench's own: 16 B a job and up to as much of slack.
    let each = (after - before) / (open - open_before);
    println!("memory per open job: {each} B (target {TARGET_BYTES}, {:.2} of it)", each as f64 / TARGET_BYTES as f64);
}

fn steps() {
    let mut bench = Bench::new();
    bench.fill(OPEN);
    bench.spent = Default::default();
    (bench.records, bench.intervals) = (0, 0);
    let (begun, cpu_begun) = (Instant::now(), on_cpu());
    let mut dealt: Vec<Kind> = TURN.iter().flat_map(|(kind, count)| vec![*kind; *count as usize]).collect();
    // A fixed shuffle, so that kinds alternate.
    let mut order = Seed::from_u64(2).stream();
    for n in (1..dealt.len()).rev() {
        dealt.swap(n, order.below(n as u64 + 1) as usize);
    }
    let mut since_flush = 0;
    let mut flushing = Duration::ZERO;
    for _ in 0..TURNS {
        for kind in &dealt {
            bench.timed(*kind);
            since_flush += 1;
            if since_flush >= BATCH {
                since_flush = 0;
                if bench.engine.wants_schedule(bench.now) {
                    bench.timed(Kind::Schedule);
                }
                let at = Instant::now();
                bench.flush();
                flushing += at.elapsed();
            }
        }
    }
    let (wall, cpu) = (begun.elapsed(), on_cpu() - cpu_begun);
    let (mut count, mut spent) = (0, flushing);
    for kind in [Kind::Submit, Kind::Started, Kind::Ended, Kind::Meter, Kind::Cancel, Kind::Schedule] {
        let (n, time) = bench.spent[kind as usize];
        if kind != Kind::Schedule {
            count += n;
        }
        spent += time;
        let each = time.as_nanos() as f64 / n.max(1) as f64;
        let share = 100.0 * time.as_secs_f64() / wall.as_secs_f64();
        println!("{:>9} {n:>8} × {each:>9.0} ns   {share:>5.1} %", format!("{kind:?}"));
    }
    println!("    drops of batches {:>5.1} %", 100.0 * flushing.as_secs_f64() / wall.as_secs_f64());
    // Other work on the machine takes time away: what the process really had counts.
    let had = (cpu.as_secs_f64() / wall.as_secs_f64()).min(1.0);
    println!("the process had {:.0} % of one core", 100.0 * had);
    let ended = bench.spent[Kind::Ended as usize].0;
    // A tick counts once for every attempt that it bills.
    let count = count - bench.spent[Kind::Meter as usize].0 + bench.intervals - ended;
    let rate = count as f64 / (spent.as_secs_f64() * had);
    let sizes = bench.engine.sizes();
    let billed = (bench.intervals - ended) as f64 / bench.spent[Kind::Meter as usize].0 as f64;
    println!("a tick bills {billed:.2} attempts");
    println!("{count} steps, {} records, {sizes:?}", bench.records);
    println!("steps per second: {rate:.0} (target {TARGET_STEPS:.0}, ratio {:.2})", rate / TARGET_STEPS);
}

/// Intervals metered, rated and posted a second for 2,000 runs that are looked at every minute: by flat prices; by the hour with
/// minima and rounding; and drawn from contracts.
fn metering() {
    for (what, prices, contracts) in
        [("flat prices", false, false), ("prices by the hour", true, false), ("drawn from contracts", false, true)]
    {
        let mut bench = Bench::new();
        if prices {
            bench.publish_by_the_hour();
        }
        if contracts {
            bench.sign();
        }
        bench.fill(2_500);
        bench.flush();
        bench.intervals = 0;
        let (begun, cpu_begun) = (Instant::now(), on_cpu());
        // All of them run for half an hour at least.
        for _ in 0..1_200 {
            bench.now = bench.now + Span::from_secs(1);
            bench.engine.step(Input::Tick, bench.now, &mut bench.batch).unwrap();
            bench.flush();
        }
        let had = ((on_cpu() - cpu_begun).as_secs_f64() / begun.elapsed().as_secs_f64()).min(1.0);
        let rate = bench.intervals as f64 / (begun.elapsed().as_secs_f64() * had);
        println!(
            "metering and rating, {what:<20} {rate:>9.0} intervals per second (target {TARGET_INTERVALS:.0}, ratio {:.2})",
            rate / TARGET_INTERVALS
        );
    }
}

fn main() {
    // A test run of benches passes `--test`: nothing to test here.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    println!("a record is {} B, a report {} B", size_of::<Record>(), size_of::<engine::Report>());
    // `-- steps` measures that alone, for a profiler.
    let named = |what: &str| std::env::args().any(|arg| arg == what);
    let all = !["memory", "metering", "steps"].into_iter().any(named);
    for (what, measure) in [("memory", memory as fn()), ("metering", metering), ("steps", steps)] {
        if all || named(what) {
            measure();
        }
    }
}
