//! Sites and links in the score: data on its way delays and costs, answers go to where users are, and neither is paid twice.

mod support;

use base::{Bytes, Money, Span};
use proptest::prelude::*;
use sched::{Bandwidth, Demand, Links, Path, Policy, PoolView, Rates, Scheduler, Standing, Ties, Weights, WorkBudget};
use support::*;

fn path(mbit_s: u64, latency_ms: i64, gib_price: i64) -> Path {
    let bandwidth = Some(Bandwidth(mbit_s * 1_000_000));
    Path { latency: Span::from_millis(latency_ms), bandwidth, gib_price: Money(gib_price) }
}

/// A pool at `s1`, one at `s2` that costs as much as `dear` says; 80 Mbit/s between them at half a unit for a GiB.
fn fleet(policy: Policy, dear: i64) -> Scheduler {
    let mut scheduler = Scheduler::new(policy);
    let cost = |core_hour| Rates { core_hour: Money(core_hour), ..Rates::default() };
    scheduler.upsert_pool(PoolView { cost: cost(1_000_000), ..pool(1, res(8, 8, 0), 1) });
    scheduler.upsert_pool(PoolView { cost: cost(dear), ..pool(2, res(8, 8, 0), 1) });
    scheduler.set_links(Links::new([("s1".into(), "s2".into(), path(80, 30, 500_000))], None));
    scheduler
}

fn tied(n: u64, seconds: i64, data_site: &str, gib: u64, users_site: &str) -> Demand {
    let (data_site, users_site) = (data_site.into(), users_site.into());
    let ties = Ties { data_site, data: Bytes::from_gib(gib), users_site };
    Demand { standing: Standing { ties, ..Standing::default() }, ..demand(n, 1, res(8, 1, 0), seconds) }
}

fn started(scheduler: &mut Scheduler, seconds: i64) -> Vec<(u128, u128)> {
    let plan = scheduler.plan(at(seconds), WorkBudget::UNLIMITED);
    plan.placements.iter().map(|p| (p.job.as_u128(), p.pool.as_u128())).collect()
}

#[test]
fn work_goes_to_its_data_unless_something_else_outweighs_the_way() {
    // The pool at s1 is the cheaper one, and so the first for work without data.
    for (site, gib, goes) in [("", 0, 1), ("s1", 10, 1), ("s2", 10, 2), ("nowhere", 10, 1)] {
        let mut s = fleet(Policy::default(), 2_000_000);
        s.enqueue(tied(1, 3_600, site, gib, ""));
        assert_eq!(started(&mut s, 1), [(1, goes)], "{gib} GiB at `{site}`");
    }
    // An hour is worth ten units: 10 GiB are 18 minutes on the way and 5 units, which eight cores at 1 unit less each hour outweigh
    // in two hours, not in a quarter of one.
    let weights = Weights { start: 10_000_000, price: 0, ..Weights::default() };
    for (seconds, goes) in [(900, 2), (4 * 3_600, 1)] {
        let mut s = fleet(Policy { weights, ..Policy::default() }, 2_000_000);
        s.enqueue(tied(1, seconds, "s2", 10, ""));
        assert_eq!(started(&mut s, 1), [(1, goes)], "{seconds} s");
    }
}

#[test]
fn a_pool_behind_a_slow_link_is_ready_when_the_data_is_there() {
    // 10 GiB take 1,074 s to s2. What runs at s1 ends sooner, or later.
    for (runs, goes) in [(600, 1), (3_000, 2)] {
        let mut s = fleet(Policy::default(), 1_000_000);
        s.enqueue(Demand { pools: ["p1".into()].into(), ..demand(1, 1, res(8, 1, 0), runs) });
        assert_eq!(started(&mut s, 1), [(1, 1)]);
        s.enqueue(tied(2, 3_600, "s1", 10, ""));
        assert_eq!(started(&mut s, 2), if goes == 2 { vec![(2, 2)] } else { vec![] }, "{runs} s");
        if goes == 1 {
            let table = s.explain(job_id(2), at(2)).expect("queued");
            assert_eq!((table.chosen, table.candidates[0].pool), (Some(pool_id(1)), pool_id(1)));
        }
        s.release(job_id(1));
        assert_eq!(started(&mut s, 3), if goes == 2 { vec![] } else { vec![(2, 1)] }, "{runs} s");
    }
    // Those that wait for the near pool already count: the third would start there in twenty minutes, its data is sooner at the far one.
    let mut s = fleet(Policy::default(), 1_000_000);
    s.enqueue(Demand { pools: ["p1".into()].into(), ..demand(1, 1, res(8, 1, 0), 400) });
    assert_eq!(started(&mut s, 1), [(1, 1)]);
    (2..=4).for_each(|n| s.enqueue(tied(n, 400, "s1", 10, "")));
    assert_eq!(started(&mut s, 2), [(4, 2)]);
    // Past the age bound it waits for nothing.
    let mut s = fleet(Policy { age_bound: Span::from_mins(10), ..Policy::default() }, 1_000_000);
    s.enqueue(Demand { pools: ["p1".into()].into(), ..demand(1, 1, res(8, 1, 0), 900) });
    assert_eq!(started(&mut s, 1), [(1, 1)]);
    s.enqueue(tied(2, 3_600, "s1", 10, ""));
    assert_eq!(started(&mut s, 2), vec![]);
    assert_eq!(s.next_wakeup(), Some(at(602)));
    assert_eq!(started(&mut s, 602), [(2, 2)]);
}

#[test]
fn answers_go_to_where_users_are() {
    // 30 ms are 0.6 an hour by default: eight cores at 0.05 less each hour do not outweigh it, at 0.1 they do.
    for (dear, goes) in [(1_050_000, 2), (1_100_000, 1)] {
        let mut s = fleet(Policy::default(), dear);
        s.enqueue(tied(1, 3_600, "", 0, "s2"));
        assert_eq!(started(&mut s, 1), [(1, goes)], "{dear}");
    }
    let mut s = fleet(Policy::default(), 1_050_000);
    s.enqueue(tied(1, 3_600, "", 0, ""));
    assert_eq!(started(&mut s, 1), [(1, 1)], "nobody waits for the answers of a batch job");
}

#[test]
fn the_table_tells_the_way_of_data_and_answers() {
    let mut s = fleet(Policy::default(), 1_000_000);
    let quote = s.quote(&tied(1, 7_200, "s1", 10, "s2"), at(0));
    let [near, far] = &quote.candidates[..] else { panic!("{quote:?}") };
    assert_eq!((near.pool, near.data_time, near.data_cost), (pool_id(1), Some(Span::ZERO), Some(Money::ZERO)));
    assert_eq!((near.latency, far.latency), (Some(Span::from_millis(30)), Some(Span::ZERO)));
    let way = Span::from_micros(85_899_345_920 / 80 + 30_000);
    assert_eq!((far.data_time, far.data_cost), (Some(way), Some(Money(5_000_000))));
    assert_eq!((near.expected_start, far.expected_start), (Some(at(0)), Some(at(0) + way)));
    let score = near.score.expect("feasible");
    assert_eq!((score.start, score.data, score.latency), (0, 0, 2 * 30 * 20_000));
    assert_eq!(score.total, -(score.price + score.cost + score.latency));
    assert_eq!(far.score.expect("feasible").data, 5_000_000);
    // What was decided tells the same of the job's own size, though lists of pools are made for sizes rounded up.
    let odd = Demand { pools: ["p2".into()].into(), ..tied(1, 7_200, "s1", 9, "") };
    s.enqueue(odd);
    let plan = s.plan(at(1), WorkBudget::UNLIMITED);
    assert_eq!(plan.placements[0].explanation.candidates[0].data_cost, Some(Money(4_500_000)));
}

proptest! {
    /// A job that was placed on one of two idle pools is there sooner, or for less, than it would be on the other one: with its
    /// data on the way within the quarter by which sizes are rounded.
    #[test]
    fn the_nearer_of_two_equal_pools_is_chosen(
        gib in 1u64..2_000, fast in 1u64..10_000, more in 1u64..10_000, seconds in 60i64..90_000, latency in 0i64..100,
    ) {
        let mut s = Scheduler::new(Policy::default());
        (1..=2).for_each(|n| s.upsert_pool(pool(n, res(8, 8, 0), 1)));
        let (slow, fast) = (path(fast, latency, 1_000), path(fast + more, latency, 1_000));
        s.set_links(Links::new([("data".into(), "s1".into(), slow), ("data".into(), "s2".into(), fast)], None));
        s.enqueue(tied(1, seconds, "data", gib, ""));
        prop_assert_eq!(started(&mut s, 1), [(1, 2)]);
    }

    /// Work without ties is placed as if there were no links.
    #[test]
    fn links_do_not_matter_to_work_without_ties(
        jobs in prop::collection::vec((1u64..9, 1i64..50), 1..30), mbit in 1u64..1_000, price in 0i64..9_000_000,
    ) {
        let run = |links: Links| {
            let mut s = fleet(Policy::default(), 3_000_000);
            s.set_links(links);
            let jobs = (1..).zip(&jobs).map(|(n, (cores, mins))| demand(n, 1, res(*cores, 1, 0), mins * 60));
            jobs.for_each(|job| s.enqueue(job));
            let placed = started(&mut s, 1);
            (placed, s.reservations())
        };
        prop_assert_eq!(run(Links::default()), run(Links::new([], Some(path(mbit, 9, price)))));
    }
}
