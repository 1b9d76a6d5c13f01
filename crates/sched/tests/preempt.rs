//! Making room: never of work that may not be asked, never more than needed, and the job then starts; compared with trying all
//! sets of running work by planning anew each time.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use base::{JobId, Span};
use model::{PriorityClass, Request};
use proptest::prelude::*;
use sched::{Demand, Policy, Scheduler, WorkBudget, Yielding};
use support::*;

/// Where the room is to be there at the latest.
const UNTIL: i64 = 1_150;
const NOW: i64 = 1_000;

fn scheduler(pools: &[(u64, usize)]) -> Scheduler {
    let mut sched = Scheduler::new(Policy::default());
    for (n, (cores, nodes)) in (1..).zip(pools) {
        sched.upsert_pool(pool(n, res(*cores, 64, 0), *nodes));
    }
    sched
}

fn starts(sched: &Scheduler, gone: &[JobId], job: JobId) -> bool {
    let mut sched = sched.clone();
    for one in gone {
        sched.release(*one);
    }
    let plan = sched.plan(at(NOW), WorkBudget::UNLIMITED);
    plan.placements.iter().any(|placed| placed.job == job)
}

fn urgent(number: u64, nodes: u32, cores: u64) -> Demand {
    let request = Arc::new(Request::of(nodes, res(cores, 1, 0)));
    Demand {
        class: PriorityClass::Urgent,
        tenant: tenant(9),
        submitted_at: at(NOW),
        request,
        ..demand(number, nodes, res(cores, 1, 0), 600)
    }
}

fn low(job: JobId, since: i64) -> Yielding {
    let request = Arc::new(Request::of(1, res(1, 1, 0)));
    Yielding { job, class: PriorityClass::Low, submitted_at: at(0), request, pools: Arc::default(), since: at(since) }
}

/// Cores and nodes of pools; nodes, cores, start, limit of running work and whether it may be asked to go; what is blocked.
type Filled = (Vec<(u64, usize)>, Vec<(u32, u64, i64, i64, bool)>, (u32, u64));

/// Pools that are full of single-node and gang work, of which some may be asked to go.
fn filled() -> impl Strategy<Value = Filled> {
    let pools = prop::collection::vec((2u64..=8, 1usize..4), 1..3);
    let work = prop::collection::vec((1u32..=3, 1u64..=4, 0i64..900, 1_000i64..4_000, any::<bool>()), 1..14);
    (pools, work, (1u32..=3, 1u64..=8))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn room_is_made_of_as_little_as_will_do((pools, work, (nodes, cores)) in filled()) {
        let mut sched = scheduler(&pools);
        let mut yielding = Vec::new();
        for (number, (nodes, cores, since, limit, may)) in (1..).zip(work) {
            sched.enqueue(demand(number, nodes, res(cores, 1, 0), limit));
            let started = !sched.plan(at(since), WorkBudget::UNLIMITED).placements.is_empty();
            sched.dequeue(job_id(number));
            if started {
                sched.set_expected_end(job_id(number), at(since + limit));
                if may {
                    yielding.push(low(job_id(number), since));
                }
            }
        }
        let job = job_id(100);
        sched.enqueue(urgent(100, nodes, cores));
        if !sched.plan(at(NOW), WorkBudget::UNLIMITED).placements.is_empty() {
            prop_assert_eq!(sched.make_room(job, &yielding, at(UNTIL), at(NOW)), None);
            return Ok(());
        }
        let soon = sched.reservations().iter().any(|claim| claim.job == job && claim.at <= at(UNTIL));
        let all: Vec<JobId> = yielding.iter().map(|one| one.job).collect();
        let Some(room) = sched.make_room(job, &yielding, at(UNTIL), at(NOW)) else {
            prop_assert!(soon || !starts(&sched, &all, job), "it would start without {:?}", all);
            return Ok(());
        };
        prop_assert!(!soon);
        let may: BTreeSet<JobId> = all.iter().copied().collect();
        prop_assert!(room.victims.iter().all(|victim| may.contains(victim)));
        prop_assert!(starts(&sched, &room.victims, job), "{:?}", room);
        for spared in &room.victims {
            let rest: Vec<JobId> = room.victims.iter().copied().filter(|one| one != spared).collect();
            prop_assert!(!starts(&sched, &rest, job), "{:?} would do", rest);
        }
        // Where one job's end is enough, that of the least loss is found, or what loses less together.
        let lost = |job: &JobId| {
            let one = yielding.iter().find(|one| one.job == *job).expect("it may be asked");
            let total = sched.node_use(room.pool).map_or(0, |_| NOW - (one.since - at(0)).as_secs());
            total as u64 * held(&sched, *job)
        };
        let sum: u64 = room.victims.iter().map(lost).sum();
        for single in all.iter().filter(|one| starts(&sched, &[**one], job)) {
            prop_assert!(sum <= lost(single), "{:?} loses {}, {} loses {}", room, sum, single, lost(single));
        }
    }
}

/// Cores that a job holds: what is free more when it is gone.
fn held(sched: &Scheduler, job: JobId) -> u64 {
    let free = |sched: &Scheduler| (1..3).filter_map(|n| sched.free(pool_id(n))).map(|u| u.free.cpu.0).sum::<u64>();
    let mut without = sched.clone();
    without.release(job);
    free(&without) - free(sched)
}

/// One pool of two nodes; a job on each, the second one younger.
fn two_running() -> Scheduler {
    let mut sched = scheduler(&[(4, 2)]);
    for (number, since) in [(1, 0), (2, 500)] {
        sched.enqueue(demand(number, 1, res(4, 1, 0), 7_200));
        assert_eq!(sched.plan(at(since), WorkBudget::UNLIMITED).placements.len(), 1);
    }
    sched
}

#[test]
fn the_youngest_goes_and_nobody_once_the_end_is_near() {
    let mut sched = two_running();
    sched.enqueue(urgent(9, 1, 4));
    assert!(sched.plan(at(NOW), WorkBudget::UNLIMITED).placements.is_empty());
    let both = [low(job_id(1), 0), low(job_id(2), 500)];
    let room = sched.make_room(job_id(9), &both, at(UNTIL), at(NOW)).unwrap();
    assert_eq!((room.pool, room.victims), (pool_id(1), vec![job_id(2)]));
    // It was told: its end is near, and the job claims its node.
    sched.set_expected_end(job_id(2), at(UNTIL));
    assert!(sched.plan(at(NOW), WorkBudget::UNLIMITED).placements.is_empty());
    assert_eq!(sched.make_room(job_id(9), &both[..1], at(UNTIL), at(NOW)), None);
    // What would not be gone by then does not start there meanwhile.
    sched.release(job_id(2));
    sched.enqueue(Demand { class: PriorityClass::Normal, ..demand(10, 1, res(4, 1, 0), 7_200) });
    let placed = sched.plan(at(NOW + 60), WorkBudget::UNLIMITED).placements;
    assert_eq!(placed.iter().map(|p| p.job).collect::<Vec<_>>(), [job_id(9)]);
}

#[test]
fn work_that_would_stand_as_high_in_the_queue_keeps_its_place() {
    let mut sched = two_running();
    sched.enqueue(urgent(9, 1, 4));
    assert!(sched.plan(at(NOW), WorkBudget::UNLIMITED).placements.is_empty());
    let class = |class| [Yielding { class, ..low(job_id(2), 500) }];
    assert_eq!(sched.make_room(job_id(9), &class(PriorityClass::Urgent), at(UNTIL), at(NOW)), None);
    assert!(sched.make_room(job_id(9), &class(PriorityClass::High), at(UNTIL), at(NOW)).is_some());
    // It has waited so long that it goes before every class: nothing starves.
    let old = Yielding { submitted_at: at(NOW) - Span::from_hours(6 * 24), ..low(job_id(2), 500) };
    assert_eq!(sched.make_room(job_id(9), &[old], at(UNTIL), at(NOW)), None);
}

#[test]
fn one_ahead_that_could_take_the_room_is_not_passed() {
    let mut sched = two_running();
    // It has waited beyond every bound, for both nodes.
    let bound = Demand { submitted_at: at(NOW) - Span::from_hours(7 * 24), ..demand(8, 2, res(4, 1, 0), 600) };
    sched.enqueue(bound);
    sched.enqueue(Demand { pools: Arc::new(["p1".into()]), ..urgent(9, 1, 4) });
    assert!(sched.plan(at(NOW), WorkBudget::UNLIMITED).placements.is_empty());
    let both = [low(job_id(1), 0), low(job_id(2), 500)];
    assert_eq!(sched.make_room(job_id(9), &both, at(UNTIL), at(NOW)), None);
    let room = sched.make_room(job_id(8), &both, at(UNTIL), at(NOW)).unwrap();
    assert_eq!(room.victims, [job_id(1), job_id(2)]);
}
