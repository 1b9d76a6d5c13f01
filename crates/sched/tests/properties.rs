//! What holds over time: reserved jobs are not delayed, nothing starves, budgets only cut, what is freed is free.
//! A small discrete-event loop drives the scheduler; real run times never exceed the limits.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{JobId, Resources, Span};
use model::{NodeState, PriorityClass, Request, SupplyMode};
use proptest::prelude::*;
use sched::{Demand, Dips, Draws, NodeView, Policy, PoolView, Scheduler, Stake, WorkBudget};
use support::*;

const LIMIT_MAX: i64 = 300;

#[derive(Clone, Debug)]
struct Work {
    at: i64,
    demand: Demand,
    runs: i64,
}

/// Submissions in order of time. `mixed`: several tenants and classes; else all jobs stand in one line.
fn load(mixed: bool) -> impl Strategy<Value = Vec<Work>> {
    let one = (0i64..60, 0usize..6, 1i64..=LIMIT_MAX, 0i64..=100, 1u128..4, 0usize..4);
    prop::collection::vec(one, 1..60).prop_map(move |list| {
        let mut clock = 0;
        let shapes = [
            (1, res(1, 1, 0)),
            (1, res(2, 2, 0)),
            (1, res(4, 4, 0)),
            (2, res(1, 1, 0)),
            (2, res(4, 4, 0)),
            (3, res(4, 8, 0)),
        ];
        let build = |(number, (gap, shape, limit, part, t, class)): (u64, (i64, usize, i64, i64, u128, usize))| {
            clock += gap;
            let (nodes, per_node): (u32, Resources) = shapes[shape];
            let plain = demand(number, nodes, per_node, limit);
            let (tenant, class) =
                if mixed { (tenant(t), PriorityClass::ALL[class]) } else { (plain.tenant, plain.class) };
            let demand = Demand {
                tenant,
                class,
                submitted_at: at(clock),
                request: Arc::new(Request::of(nodes, per_node)),
                ..plain
            };
            Work { at: clock, demand, runs: (limit * part / 100).max(1) }
        };
        (1..).zip(list).map(build).collect()
    })
}

/// Like [`load`], longer, with work that only some pools may run and work that may use what is kept.
fn rough_load() -> impl Strategy<Value = Vec<Work>> {
    let rules = prop::collection::vec((0usize..8, 0usize..10), 150);
    (load(true), load(true), rules).prop_map(|(first, second, rules)| {
        let shift = first.last().map_or(0, |w| w.at);
        let (count, mut all) = (first.len() as u64, first);
        all.extend(second.into_iter().map(|w| {
            let (at_time, number) = (w.at + shift, w.demand.number + count);
            let demand = Demand { job: job_id(number), number, submitted_at: at(at_time), ..w.demand };
            Work { at: at_time, demand, ..w }
        }));
        for (work, (pools, draws)) in all.iter_mut().zip(rules) {
            let demand = &mut work.demand;
            // What is on one pool alone must fit there beside what is kept.
            let small = demand.request.nodes == 1 && demand.request.per_node.cpu.0 <= 4_000;
            demand.standing.draws = match draws {
                1 => Draws::OwnFirst,
                2 => Draws::PartnerFirst,
                3 if small => Draws::OwnOnly,
                4 if small => Draws::PartnerOnly,
                _ => Draws::Any,
            };
            if demand.class == PriorityClass::Urgent {
                demand.standing.dips = Dips::ALL;
            }
            if small && pools < 2 && demand.standing.draws == Draws::Any {
                demand.pools = Arc::new([format!("p{}", pools + 1).into()]);
            }
        }
        all
    })
}

fn platform() -> Vec<PoolView> {
    let mut dear = pool(2, res(4, 16, 0), 2);
    dear.price = rates(900_000);
    vec![pool(1, res(4, 8, 0), 3), dear]
}

/// Runs the load to its end and calls `watch` after each plan with the time, what started and the scheduler.
fn simulate(
    policy: Policy,
    load: &[Work],
    mut watch: impl FnMut(i64, &[JobId], &Scheduler) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut scheduler = Scheduler::new(policy);
    platform().into_iter().for_each(|p| scheduler.upsert_pool(p));
    let works: BTreeMap<JobId, &Work> = load.iter().map(|w| (w.demand.job, w)).collect();
    let mut arrivals = load.iter().peekable();
    let mut ends: BTreeSet<(i64, JobId)> = BTreeSet::new();
    let mut now = 0;
    loop {
        while let Some((_, job)) = ends.first().copied().filter(|(t, _)| *t <= now) {
            ends.pop_first();
            prop_assert!(scheduler.release(job));
        }
        while let Some(work) = arrivals.next_if(|w| w.at <= now) {
            scheduler.enqueue(work.demand.clone());
        }
        let plan = scheduler.plan(at(now), WorkBudget::UNLIMITED);
        prop_assert!(plan.complete);
        let started: Vec<JobId> = plan.placements.iter().map(|p| p.job).collect();
        ends.extend(started.iter().map(|job| (now + works[job].runs, *job)));
        watch(now, &started, &scheduler)?;
        let wakeup = scheduler.next_wakeup().map(|t| (t - START).as_secs()).filter(|t| *t > now);
        let next = [ends.first().map(|e| e.0), arrivals.peek().map(|w| w.at), wakeup];
        match next.into_iter().flatten().min() {
            Some(time) => now = time,
            None => break,
        }
    }
    prop_assert_eq!((scheduler.queued(), scheduler.running()), (0, 0), "everything ran and ended");
    for pool in platform() {
        let usage = scheduler.free(pool.id).expect("a pool");
        prop_assert_eq!((usage.free, usage.jobs_running), (usage.total, 0), "what was freed is free");
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_reserved_head_starts_no_later_than_promised(load in load(false)) {
        let mut promised: BTreeMap<JobId, i64> = BTreeMap::new();
        simulate(Policy { age_bound: Span::from_hours(100), ..Policy::default() }, &load, |now, started, scheduler| {
            for job in started {
                if let Some(promise) = promised.get(job) {
                    prop_assert!(now <= *promise, "{job} was promised {promise} and starts at {now}");
                }
            }
            // Jobs stand in one line: nothing comes before the first blocked one any more.
            if let Some(head) = scheduler.reservations().first() {
                let at = (head.at.max(at(now)) - START).as_secs();
                promised.entry(head.job).and_modify(|p| *p = at.min(*p)).or_insert(at);
            }
            Ok(())
        })?;
    }

    #[test]
    fn nothing_starves_beyond_the_bound(load in load(true)) {
        let bound = 200;
        let policy = Policy { age_bound: Span::from_secs(bound), ..Policy::default() };
        let submitted: BTreeMap<JobId, (i64, u64)> = load.iter().map(|w| (w.demand.job, (w.at, w.demand.number))).collect();
        let mut waiting: BTreeMap<(i64, u64), JobId> = BTreeMap::new();
        let mut arrived = load.iter().peekable();
        // Since when a job is the oldest in the queue.
        let mut oldest: BTreeMap<JobId, i64> = BTreeMap::new();
        simulate(policy, &load, |now, started, _| {
            while let Some(work) = arrived.next_if(|w| w.at <= now) {
                waiting.insert((work.at, work.demand.number), work.demand.job);
            }
            for job in started {
                if let Some(since) = oldest.get(job) {
                    let latest = (submitted[job].0 + 2 * bound).max(*since) + LIMIT_MAX;
                    prop_assert!(now <= latest, "{job} starts at {now}, {latest} was the latest");
                }
                waiting.remove(&submitted[job]);
            }
            if let Some(job) = waiting.values().next() {
                oldest.entry(*job).or_insert(now);
            }
            Ok(())
        })?;
    }

    /// The bound as it is stated: a job that is overdue (twice `age_bound`) starts within the longest time limit for each
    /// job that is older and not started, and once for itself; where tenants have limits, twice as long. Whatever came later,
    /// of whatever class, tenant, contract or right to the reserve.
    #[test]
    fn nothing_later_keeps_overdue_work_waiting(load in rough_load(), limits in 0usize..3, overrun in 0i64..3) {
        let bound = 100;
        let overrun_max = Span::from_secs(overrun * 40);
        let policy = Policy { age_bound: Span::from_secs(bound), overrun_max, ..Policy::default() };
        let stake = |nominal_permille, borrow_permille, lend_permille| Stake { nominal_permille, borrow_permille, lend_permille };
        let stakes = match limits {
            0 => BTreeMap::new(),
            // What is not lent is left out of what others can ever have.
            1 => [(tenant(1), stake(200, Some(800), Some(0)))].into(),
            _ => [(tenant(2), stake(0, Some(850), None))].into(),
        };
        let mut s = Scheduler::new(policy);
        let mut pools = platform();
        pools[0].nodes.push(NodeView { name: "kept".into(), state: NodeState::Up });
        pools[0].reserve = vec![(Dips::keeper(0), 1)];
        pools[1].mode = SupplyMode::Partner;
        pools.iter().cloned().for_each(|p| s.upsert_pool(p));
        s.set_stakes(stakes);
        let slack = if limits == 0 { 1 } else { 2 };
        let works: Vec<&Work> = load.iter().filter(|w| s.feasible_anywhere(&w.demand).is_ok()).collect();
        let of: BTreeMap<JobId, &Work> = works.iter().map(|w| (w.demand.job, *w)).collect();
        // Number → the moment by which it must have started, as soon as it is overdue.
        let mut latest: BTreeMap<u64, i64> = BTreeMap::new();
        let mut waiting: BTreeMap<u64, i64> = BTreeMap::new();
        let mut arrivals = works.iter().peekable();
        let mut ends: BTreeSet<(i64, JobId)> = BTreeSet::new();
        let mut now = 0;
        loop {
            while let Some((_, job)) = ends.first().copied().filter(|(t, _)| *t <= now) {
                ends.pop_first();
                prop_assert!(s.release(job));
            }
            while let Some(work) = arrivals.next_if(|w| w.at <= now) {
                // Half of the forecasts are right, the others much too short.
                let expected = if work.demand.number % 2 == 0 { work.runs.max(1) } else { 1 };
                s.enqueue_expecting(work.demand.clone(), Span::from_secs(expected));
                waiting.insert(work.demand.number, work.at);
            }
            for placed in s.plan(at(now), WorkBudget::UNLIMITED).placements {
                ends.insert((now + of[&placed.job].runs, placed.job));
                let number = of[&placed.job].demand.number;
                waiting.remove(&number);
                if let Some(latest) = latest.get(&number) {
                    prop_assert!(now <= *latest, "{number} starts at {now}, {latest} was the latest");
                }
            }
            for (older, (number, since)) in (0..).zip(&waiting) {
                let overdue = since + 2 * bound;
                if overdue <= now {
                    latest.entry(*number).or_insert(now + (older + 1) * slack * LIMIT_MAX);
                }
            }
            let wakeup = s.next_wakeup().map(|t| (t - START).as_secs()).filter(|t| *t > now);
            let next = [ends.first().map(|e| e.0), arrivals.peek().map(|w| w.at), wakeup];
            match next.into_iter().flatten().min() {
                Some(time) => now = time,
                None => break,
            }
        }
        prop_assert_eq!(s.queued(), 0, "everything ran");
    }

    #[test]
    fn the_same_history_prints_the_same_bytes(load in load(true)) {
        let record = || {
            let mut log = String::new();
            simulate(Policy::default(), &load, |now, started, scheduler| {
                log += &format!("{now} {started:?} {:?}\n", scheduler.reservations());
                Ok(())
            }).map(|()| log)
        };
        prop_assert_eq!(record()?, record()?);
    }

    #[test]
    fn small_budgets_come_to_the_end_within_capacity(load in load(true), budget in 1u64..10) {
        let mut scheduler = Scheduler::new(Policy::default());
        platform().into_iter().for_each(|p| scheduler.upsert_pool(p));
        load.iter().for_each(|w| scheduler.enqueue(w.demand.clone()));
        let mut nodes: BTreeMap<_, Resources> = BTreeMap::new();
        let requests: BTreeMap<JobId, Arc<Request>> = load.iter().map(|w| (w.demand.job, w.demand.request.clone())).collect();
        let mut calls = 0;
        loop {
            calls += 1;
            let plan = scheduler.plan(at(10_000), WorkBudget(budget));
            prop_assert!(plan.complete || !plan.placements.is_empty(), "an incomplete plan places something");
            for placed in &plan.placements {
                for node in &placed.nodes {
                    let used = nodes.entry((placed.pool, node.clone())).or_default();
                    *used = used.plus(&requests[&placed.job].per_node);
                }
            }
            if plan.complete {
                break;
            }
            prop_assert!(scheduler.wants_plan());
        }
        prop_assert!(calls <= load.len() + 1);
        for pool in platform() {
            let mut here = nodes.iter().filter(|(key, _)| key.0 == pool.id);
            prop_assert!(here.all(|(_, used)| used.fits(&pool.shape)), "no node holds more than its shape");
        }
        let again = scheduler.plan(at(10_000), WorkBudget::UNLIMITED);
        prop_assert!(again.placements.is_empty());
    }

    #[test]
    fn restoring_and_releasing_gives_back_what_was_free(picks in prop::collection::vec((0usize..2, 0usize..3, 1u64..6), 1..40)) {
        let mut scheduler = Scheduler::new(Policy::default());
        let pools = platform();
        pools.iter().cloned().for_each(|p| scheduler.upsert_pool(p));
        let before: Vec<_> = pools.iter().map(|p| scheduler.free(p.id)).collect();
        let mut held = Vec::new();
        for (n, (pool, node, cores)) in (1..).zip(picks) {
            let pool = &pools[pool];
            let Some(node) = pool.nodes.get(node) else { continue };
            // Restored work may exceed a node, as after a change of its shape.
            prop_assert!(scheduler.occupy(job_id(n), pool.id, std::slice::from_ref(&node.name), res(cores, 1, 0), at(50), tenant(1)));
            held.push(job_id(n));
        }
        prop_assert_eq!(scheduler.running(), held.len());
        for job in held {
            prop_assert!(scheduler.release(job));
            prop_assert!(!scheduler.release(job));
        }
        let after: Vec<_> = pools.iter().map(|p| scheduler.free(p.id)).collect();
        prop_assert_eq!(before, after);
    }
}
