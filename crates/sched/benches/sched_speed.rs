//! How fast the scheduler plans, and what a queued job weighs: 100,000 pending jobs on 1,000 pools.
//! `cargo bench --profile fast -p headworks-sched`; with `cold`, the first plans only.
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::disallowed_types, reason = "a measuring program")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base::{Bytes, ClusterId, JobId, Money, PoolId, Resources, Seed, Span, Stream, TenantId, Timestamp};
use model::{Chip, NodeState, PriorityClass, Request, SupplyMode};
use sched::{Demand, NodeView, Policy, PoolView, Rates, ResourceSeconds, Scheduler, WorkBudget};

const JOBS: u64 = 100_000;
const POOLS: u64 = 1_000;
const SHAPES: u64 = 200;
const TENANTS: u64 = 50;
const START: Timestamp = Timestamp::from_secs(1_790_000_000);

/// Counts live bytes.
struct Counting;
static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CHIPS: [&str; 5] = ["nvidia-a100-80g", "nvidia-a100-40g", "nvidia-a40-48g", "ascend-910b", "enflame-i20"];

fn pools(stream: &mut Stream) -> Vec<PoolView> {
    let node = |i: u64| NodeView { name: format!("n{i:03}").into(), state: NodeState::Up };
    (0..POOLS)
        .map(|i| {
            let gpu = stream.chance(350);
            let cores = *stream.pick(&[32, 48, 64, 96, 128]);
            let mem = Bytes::from_gib(cores * *stream.pick(&[2, 4, 8]));
            let gpus = if gpu { *stream.pick(&[4u32, 8, 8]) } else { 0 };
            let price = Money(80_000 + stream.below(40) as i64 * 1_000);
            let card = Some(Money(8_000_000 + stream.below(30) as i64 * 500_000));
            let rates = Rates { core_hour: price, gib_hour: Money(5_000), card_hour: card, ..Rates::default() };
            PoolView {
                id: PoolId::from_u128(1 + u128::from(i)),
                name: format!("pool-{i:04}").into(),
                cluster: ClusterId::from_u128(u128::from(i / 20)),
                mode: if stream.chance(400) { SupplyMode::Own } else { SupplyMode::Partner },
                shape: Resources::new(cores, mem, gpus),
                chip: gpu.then(|| stream.pick(&CHIPS).parse::<Chip>().expect("a chip")),
                nodes: (0..1 + stream.below(64)).map(node).collect(),
                time_limit_max: stream.chance(150).then(|| Span::from_hours(*stream.pick(&[1, 24, 72]))),
                tenants: if stream.chance(100) {
                    (0..5).map(|_| TenantId::from_u128(1 + u128::from(stream.below(TENANTS)))).collect()
                } else {
                    Vec::new()
                },
                reserve: Vec::new(),
                reachable: true,
                service: Default::default(),
                site: Default::default(),
                region: Default::default(),
                terms: Default::default(),
                price: rates,
                cost: Rates { core_hour: Money(price.micros() / 2), ..rates },
            }
        })
        .collect()
}

fn requests(stream: &mut Stream) -> Vec<Arc<Request>> {
    let mut list: Vec<Arc<Request>> = Vec::new();
    while list.len() < SHAPES as usize {
        let nodes = *stream.pick(&[1, 1, 1, 1, 2, 4, 8, 16]);
        let gpus = if stream.chance(300) { *stream.pick(&[1u32, 1, 2, 4, 8]) } else { 0 };
        let cores = *stream.pick(&[1u64, 2, 4, 8, 16, 24, 32, 48, 64]);
        let mem = Bytes::from_gib(cores * *stream.pick(&[1, 2, 4]));
        let mut request = Request::of(nodes, Resources::new(cores, mem, gpus));
        if gpus > 0 && stream.chance(600) {
            request.chips = vec![stream.pick(&["a100", "a40", "910b", "enflame"]).parse().expect("a chip")];
        }
        let request = Arc::new(request);
        if !list.contains(&request) {
            list.push(request);
        }
    }
    list
}

fn demand(stream: &mut Stream, requests: &[Arc<Request>], names: &Arc<[Arc<str>]>, number: u64) -> Demand {
    // Skewed: half of all jobs ask like one of the first twenty shapes, half come from the first eight tenants.
    let shape = if stream.chance(500) { stream.below(20) } else { stream.below(SHAPES) };
    let tenant = if stream.chance(500) { stream.below(8) } else { stream.below(TENANTS) };
    let minutes = if stream.chance(800) {
        *stream.pick(&[10, 30, 60, 120, 240, 480, 720, 1440, 2880, 4320])
    } else {
        1 + stream.below(4_320) as i64
    };
    Demand {
        job: JobId::from_u128(u128::from(number) << 64 | u128::from(stream.u64())),
        number,
        tenant: TenantId::from_u128(1 + u128::from(tenant)),
        class: *stream.pick(&[
            PriorityClass::Normal,
            PriorityClass::Normal,
            PriorityClass::Normal,
            PriorityClass::High,
        ]),
        submitted_at: START - Span::from_secs(100_000 - number as i64 / 2),
        deadline: stream.chance(20).then(|| START + Span::from_hours(48)),
        time_limit: Span::from_mins(minutes),
        request: requests[shape as usize].clone(),
        pools: names.clone(),
        standing: Default::default(),
    }
}

fn loaded(stream: &mut Stream, pools: &[PoolView]) -> Scheduler {
    let mut scheduler = Scheduler::new(Policy::default());
    pools.iter().cloned().for_each(|p| scheduler.upsert_pool(p));
    for t in 0..TENANTS {
        let tenant = TenantId::from_u128(1 + u128::from(t));
        scheduler.set_tenant(tenant, 1 + stream.below(5) as u32);
        let used = ResourceSeconds { cpu_milli_ms: stream.below(1 << 50), ..ResourceSeconds::default() };
        scheduler.charge(tenant, &used, START);
    }
    scheduler
}

/// Fills every node with one to four jobs that leave nothing. Returns them.
fn fill(scheduler: &mut Scheduler, stream: &mut Stream, pools: &[PoolView]) -> Vec<JobId> {
    let mut jobs = Vec::new();
    for pool in pools {
        for node in &pool.nodes {
            let parts = *stream.pick(&[1u64, 2, 4]);
            let shape = pool.shape;
            let part =
                Resources::new(shape.cpu.0 / 1_000 / parts, Bytes(shape.mem.0 / parts), shape.gpus / parts as u32);
            for _ in 0..parts {
                let job = JobId::from_u128(1 << 100 | jobs.len() as u128);
                let end = START + Span::from_secs(60 + stream.below(200_000) as i64);
                let tenant = TenantId::from_u128(1 + u128::from(stream.below(TENANTS)));
                assert!(scheduler.occupy(job, pool.id, std::slice::from_ref(&node.name), part, end, tenant));
                jobs.push(job);
            }
        }
    }
    jobs
}

/// Time on the processor: on a shared machine the wall clock tells of the neighbours. Yielding makes the kernel count up to now.
fn on_cpu() -> Duration {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0))
}

/// The result of the work with its time on the processor and on the wall.
fn timed<R>(work: impl FnOnce() -> R) -> (R, [Duration; 2]) {
    let (cpu, wall) = (on_cpu(), Instant::now());
    let result = work();
    let wall = wall.elapsed();
    (result, [on_cpu() - cpu, wall])
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Median, 99th percentile and maximum on the processor, median on the wall.
fn spread(name: &str, mut times: Vec<[Duration; 2]>, note: String) {
    times.sort_unstable_by_key(|t| t[1]);
    let wall = ms(times[times.len() / 2][1]);
    times.sort_unstable_by_key(|t| t[0]);
    let at = |per_mille: usize| ms(times[(times.len() - 1) * per_mille / 1_000][0]);
    let (median, p99, max) = (at(500), at(990), at(1_000));
    println!("{name:<42} {median:8.3} {p99:8.3} {max:8.3} ms on the CPU; wall {wall:8.3} ms; {note}");
}

struct World {
    scheduler: Scheduler,
    stream: Stream,
    requests: Vec<Arc<Request>>,
    names: Arc<[Arc<str>]>,
    running: Vec<JobId>,
    number: u64,
    now: Timestamp,
}

impl World {
    fn submit(&mut self) {
        let job = demand(&mut self.stream, &self.requests, &self.names, self.number);
        self.number += 1;
        self.scheduler.enqueue(Demand { submitted_at: self.now, ..job });
    }

    fn plan(&mut self) -> (usize, u64) {
        let plan = self.scheduler.plan(self.now, WorkBudget::UNLIMITED);
        self.running.extend(plan.placements.iter().map(|p| p.job));
        (plan.placements.len(), plan.examined)
    }

    fn changes(&mut self, rounds: usize) {
        let (mut times, mut placed, mut looked) = (Vec::new(), 0, 0);
        for _ in 0..rounds {
            let at = self.stream.below(self.running.len() as u64) as usize;
            let ended = self.running.swap_remove(at);
            self.now = self.now + Span::from_millis(200);
            let ((count, examined), time) = timed(|| {
                assert!(self.scheduler.release(ended));
                self.plan()
            });
            times.push(time);
            placed += count;
            looked += examined;
        }
        spread("one job ended, next placed", times, format!("{placed} placed, {looked} looked at in {rounds}"));
        for batch in [1, 64] {
            let (mut times, mut placed) = (Vec::new(), 0);
            for _ in 0..rounds {
                self.now = self.now + Span::from_millis(13);
                let ((count, _), time) = timed(|| {
                    (0..batch).for_each(|_| self.submit());
                    self.plan()
                });
                times.push(time);
                placed += count;
            }
            spread(&format!("{batch} submitted (making included), planned"), times, format!("{placed} placed"));
        }
        let jobs: Vec<JobId> = self.running.iter().take(rounds).copied().collect();
        let mut times = Vec::new();
        for job in jobs {
            let moved = || {
                self.scheduler.set_expected_end(job, self.now + Span::from_hours(5));
                self.plan()
            };
            times.push(timed(moved).1);
        }
        spread("one expected end moved", times, String::new());
    }
}

fn main() {
    let root = Seed::from_u64(7);
    let pools = pools(&mut root.child("pools").stream());
    let nodes: usize = pools.iter().map(|p| p.nodes.len()).sum();
    println!("{JOBS} jobs, {SHAPES} shapes, {TENANTS} tenants, {POOLS} pools of {nodes} nodes");
    for full in [false, true] {
        let mut stream = root.child("load").stream();
        let requests = requests(&mut stream);
        let names: Arc<[Arc<str>]> = Arc::new([]);
        let mut scheduler = loaded(&mut stream, &pools);
        let running = if full { fill(&mut scheduler, &mut stream, &pools) } else { Vec::new() };
        let demands: Vec<Demand> = (0..JOBS).map(|n| demand(&mut stream, &requests, &names, n)).collect();
        let before = LIVE.load(Ordering::Relaxed);
        let (_, [time, _]) = timed(|| demands.iter().cloned().for_each(|d| scheduler.enqueue(d)));
        let bytes = (LIVE.load(Ordering::Relaxed) - before) as f64 / JOBS as f64;
        println!("\n-- pools {} --", if full { "full" } else { "empty" });
        println!("enqueue: {:.2} us a job; {bytes:.0} bytes a queued job", ms(time) * 1e3 / JOBS as f64);
        let mut world = World { scheduler, stream, requests, names, running, number: JOBS, now: START };
        let ((placed, examined), [cpu, wall]) = timed(|| world.plan());
        let bytes = (LIVE.load(Ordering::Relaxed) - before) as f64 / JOBS as f64;
        println!(
            "cold plan: {:.1} ms on the CPU, {:.1} ms wall; {placed} placed, {examined} looked at; {} left",
            ms(cpu),
            ms(wall),
            world.scheduler.queued()
        );
        println!(
            "with shape lists and placements' explanations: {bytes:.0} bytes a job; {} claims",
            world.scheduler.reservations().len()
        );
        if std::env::args().nth(1).as_deref() != Some("cold") {
            world.changes(300);
        }
    }
}
