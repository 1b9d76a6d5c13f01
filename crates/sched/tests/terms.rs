//! What clusters say of themselves, rule by rule: limits of a job and of all jobs together, features, switches, licences,
//! times in which nodes are kept, pools on the same machines, clusters that are not in service.

mod support;

use std::sync::Arc;

use base::{ClusterId, Span};
use model::{Caps, Conditions, Counted, NodeState, Places, PoolTerms, Reason, Request, Service, Switches, Window};
use sched::{ClusterView, Demand, LicenceView, Policy, PoolView, Rule, Scheduler, Standing, Verdict, WorkBudget};
use support::*;

const CLUSTER: ClusterId = ClusterId::from_u128(1);

fn scheduler(pools: impl IntoIterator<Item = PoolView>, cluster: ClusterView) -> Scheduler {
    let mut scheduler = Scheduler::new(Policy::default());
    pools.into_iter().for_each(|p| scheduler.upsert_pool(p));
    scheduler.set_cluster(CLUSTER, cluster, at(0));
    scheduler
}
fn started(scheduler: &mut Scheduler, seconds: i64) -> Vec<(u128, Vec<String>)> {
    let plan = scheduler.plan(at(seconds), WorkBudget::UNLIMITED);
    let nodes = |p: &sched::Placement| p.nodes.iter().map(|n| n.to_string()).collect();
    plan.placements.iter().map(|p| (p.job.as_u128(), nodes(p))).collect()
}
fn numbers(scheduler: &mut Scheduler, seconds: i64) -> Vec<u128> {
    started(scheduler, seconds).into_iter().map(|s| s.0).collect()
}
fn asking(n: u64, nodes: u32, seconds: i64, conditions: Conditions) -> Demand {
    let request = Request { conditions: Some(Arc::new(conditions)), ..Request::of(nodes, res(1, 1, 0)) };
    Demand { request: Arc::new(request), ..demand(n, nodes, res(1, 1, 0), seconds) }
}
fn constraint(text: &str) -> Conditions {
    Conditions { constraint: Some(text.parse().expect("a constraint")), ..Conditions::default() }
}
fn licence(name: &str, count: u32) -> Conditions {
    Conditions { licences: vec![(name.into(), count)], ..Conditions::default() }
}
fn reservation(name: &str) -> Conditions {
    Conditions { reservation: Some(name.into()), ..Conditions::default() }
}
fn switches(count: u32) -> Conditions {
    Conditions { switches: Some(Switches { count, patience: None }), ..Conditions::default() }
}
fn with(terms: PoolTerms, nodes: usize) -> PoolView {
    PoolView { terms: Arc::new(terms), ..pool(1, res(4, 8, 0), nodes) }
}
fn interconnect(text: &str) -> Conditions {
    Conditions { interconnect: Some(text.parse().expect("an interconnect")), ..Conditions::default() }
}
fn joined(by: Option<&str>) -> PoolView {
    with(PoolTerms { interconnect: by.map(|text| text.parse().expect("one")), ..PoolTerms::default() }, 4)
}
/// Work that the policy keeps off slower interconnects.
fn training(gbps_min: u32) -> Demand {
    let standing = Standing { gbps_min, ..Standing::default() };
    Demand { standing, ..demand(1, 2, res(1, 1, 0), 60) }
}
fn features() -> PoolTerms {
    let at = |places: &[u32]| Places::of(places.iter().copied());
    PoolTerms {
        features: vec![("big".into(), at(&[1, 2])), ("fast".into(), at(&[0, 1])), ("gone".into(), at(&[]))],
        switches: vec![("leaf0".into(), at(&[0, 3])), ("leaf1".into(), at(&[1, 2]))],
        ..PoolTerms::default()
    }
}
fn window(name: &str, from: i64, until: i64, nodes: &[&str], ours: bool) -> Window {
    let nodes = nodes.iter().map(|n| (*n).into()).collect();
    Window { name: name.into(), from: at(from), until: at(until), nodes, ours }
}

#[test]
fn every_rule_of_the_terms_refuses_with_its_amounts() {
    let job = Caps { nodes: Some(2), cores: Some(5), ..Caps::NONE };
    let limits = || with(PoolTerms { nodes_min: Some(2), job, ..PoolTerms::default() }, 4);
    let plain = || pool(1, res(4, 8, 0), 4);
    let lic = |total| ClusterView {
        licences: vec![LicenceView { name: "ansys".into(), total, others: 0 }],
        ..ClusterView::default()
    };
    let none = ClusterView::default;
    let together = ClusterView { together: Caps { cores: Some(3), ..Caps::NONE }, ..none() };
    let testing = PoolView { service: Service::Testing, ..plain() };
    let cases: Vec<(PoolView, ClusterView, Demand, Rule, &str)> = vec![
        (limits(), none(), demand(1, 1, res(1, 1, 0), 60), Rule::NodesMin { requested: 1, available: 2 }, "nodes_min"),
        (limits(), none(), demand(1, 3, res(1, 1, 0), 60), Rule::NodesMax { requested: 3, available: 2 }, "nodes_max"),
        (
            limits(),
            none(),
            demand(1, 2, res(3, 1, 0), 60),
            Rule::JobTotal { what: Counted::Cores, requested: 6, available: 5 },
            "job_total",
        ),
        (
            plain(),
            together,
            demand(1, 1, res(4, 1, 0), 60),
            Rule::ClusterTotal { what: Counted::Cores, requested: 4, available: 3 },
            "cluster_total",
        ),
        (
            with(features(), 4),
            none(),
            asking(1, 1, 60, constraint("fast&nvlink")),
            Rule::FeatureUnknown { feature: "nvlink".into() },
            "feature_unknown",
        ),
        (
            with(features(), 4),
            none(),
            asking(1, 2, 60, constraint("fast&big")),
            Rule::Features { constraint: "fast&big".into(), requested: 2, available: 1 },
            "features",
        ),
        (
            with(features(), 4),
            none(),
            asking(1, 3, 60, switches(1)),
            Rule::Switches { switches: 1, requested: 3, available: 2 },
            "switches",
        ),
        (
            plain(),
            ClusterView { windows: vec![window("mine", 0, 100, &["n0"], true)], ..none() },
            asking(1, 1, 60, reservation("theirs")),
            Rule::Reservation { requested: "theirs".into(), available: vec!["mine".into()] },
            "reservation",
        ),
        (
            plain(),
            ClusterView { windows: vec![window("mine", 0, 50, &["n0"], true)], ..none() },
            asking(1, 1, 60, reservation("mine")),
            Rule::TimeLimit { requested: Span::from_secs(60), available: Span::from_secs(50) },
            "time_limit",
        ),
        (
            plain(),
            lic(2),
            asking(1, 1, 60, licence("ansys", 3)),
            Rule::Licence { name: "ansys".into(), requested: 3, available: 2 },
            "licence",
        ),
        (
            plain(),
            lic(2),
            asking(1, 1, 60, licence("abaqus", 1)),
            Rule::Licence { name: "abaqus".into(), requested: 1, available: 0 },
            "licence",
        ),
        (
            joined(Some("ethernet:25G")),
            none(),
            asking(1, 2, 60, interconnect("infiniband:200G")),
            Rule::Interconnect { requested: "infiniband:200G".into(), available: "ethernet:25G".into() },
            "interconnect",
        ),
        (
            joined(None),
            none(),
            asking(1, 2, 60, interconnect("10G")),
            Rule::Interconnect { requested: "10G".into(), available: "".into() },
            "interconnect",
        ),
        (
            joined(Some("ethernet:25G")),
            none(),
            training(200),
            Rule::TrainingInterconnect { requested: 200, available: 25 },
            "training_interconnect",
        ),
        (
            testing,
            none(),
            demand(1, 1, res(1, 1, 0), 60),
            Rule::NotInService { service: Service::Testing },
            "not_in_service",
        ),
    ];
    for (pool, cluster, demand, rule, code) in cases {
        let mut s = scheduler([pool], cluster);
        assert_eq!(rule.code(), code);
        assert_eq!(s.quote(&demand, at(0)).candidates[0].verdict, Verdict::Refused(rule.clone()), "{code}");
        assert!(!rule.is_passing());
        let refusals = s.feasible_anywhere(&demand).expect_err(code);
        assert_eq!(refusals[0].rule, rule);
        s.enqueue(demand.clone());
        assert_eq!(numbers(&mut s, 1), [0u128; 0], "{code}");
        let reason = s.reason(demand.job, at(1));
        match rule {
            Rule::NotInService { .. } => assert_eq!(reason, Reason::NotInService { pool: pool_id(1) }),
            Rule::TimeLimit { .. } => assert!(matches!(reason, Reason::Window { .. }), "{reason:?}"),
            _ => assert_eq!(reason, Reason::NoFeasiblePool, "{code}"),
        }
    }
}

#[test]
fn limits_of_the_account_hold_back_what_would_go_beyond_them() {
    let two = ClusterView { together: Caps { jobs: Some(2), ..Caps::NONE }, ..ClusterView::default() };
    let mut s = scheduler([pool(1, res(4, 8, 0), 4), pool(2, res(4, 8, 0), 4)], two);
    for n in 1..=4 {
        s.enqueue(demand(n, 1, res(1, 1, 0), 100));
    }
    assert_eq!(numbers(&mut s, 5), [1, 2]);
    let waits = Reason::ClusterTotal { pool: pool_id(1), what: Counted::Jobs, requested: 1, available: 0 };
    assert_eq!(s.reason(job_id(3), at(5)), waits);
    let start = s.explain(job_id(3), at(5)).expect("queued").candidates[0].expected_start;
    assert_eq!(start, Some(at(105)), "when the first of the two ends");
    assert!(s.release(job_id(1)));
    assert_eq!(numbers(&mut s, 6), [3]);
    // What is restored counts as well.
    assert!(s.release(job_id(2)) && s.release(job_id(3)));
    assert!(s.occupy(job_id(90), pool_id(2), &["n0".into()], res(1, 1, 0), at(500), tenant(1)));
    assert!(s.occupy(job_id(91), pool_id(2), &["n0".into()], res(1, 1, 0), at(400), tenant(1)));
    assert_eq!(numbers(&mut s, 7), [0u128; 0]);
    assert_eq!(s.explain(job_id(4), at(7)).expect("queued").candidates[0].expected_start, Some(at(400)));
}

#[test]
fn licences_are_counted_and_a_large_ask_is_not_starved() {
    let view = |others| ClusterView {
        licences: vec![LicenceView { name: "ansys".into(), total: 4, others }],
        ..ClusterView::default()
    };
    let mut s = scheduler([pool(1, res(4, 8, 0), 4)], view(1));
    s.enqueue(asking(1, 1, 100, licence("ansys", 2)));
    s.enqueue(asking(2, 1, 50, licence("ansys", 3)));
    // Would take the licences that the second waits for, beyond the end of the first.
    s.enqueue(asking(3, 1, 5_000, licence("ansys", 1)));
    s.enqueue(asking(4, 1, 50, licence("ansys", 1)));
    s.enqueue(demand(5, 1, res(1, 1, 0), 9_000));
    assert_eq!(numbers(&mut s, 10), [1, 4, 5], "4 ends before, 5 asks for none");
    let short = |available| Reason::Licence { pool: pool_id(1), name: "ansys".into(), requested: 3, available };
    assert_eq!(s.reason(job_id(2), at(10)), short(0));
    // The other's comes back.
    s.set_cluster(CLUSTER, view(0), at(20));
    assert_eq!(numbers(&mut s, 20), [3], "one is left beside what the second waits for");
    assert_eq!(s.reason(job_id(2), at(20)), short(0));
    assert!(s.release(job_id(1)) && s.release(job_id(4)));
    assert_eq!(numbers(&mut s, 30), [2]);
}

#[test]
fn nodes_are_not_used_into_a_time_in_which_they_are_kept() {
    let maintenance = window("maint", 1_000, 2_000, &["n0"], false);
    let view = ClusterView { windows: vec![maintenance], ..ClusterView::default() };
    let mut s = scheduler([pool(1, res(4, 8, 0), 1)], view);
    s.enqueue(demand(1, 1, res(1, 1, 0), 1_500));
    s.enqueue(demand(2, 1, res(1, 1, 0), 900));
    assert_eq!(numbers(&mut s, 10), [2], "it ends before");
    let waits = Reason::Window { pool: pool_id(1), name: "maint".into(), from: at(1_000), until: at(2_000) };
    assert_eq!(s.reason(job_id(1), at(10)), waits);
    assert_eq!(s.explain(job_id(1), at(10)).expect("queued").candidates[0].expected_start, Some(at(2_000)));
    assert!(s.release(job_id(2)));
    assert_eq!(numbers(&mut s, 900), [0u128; 0]);
    assert_eq!(s.next_wakeup(), Some(at(1_000)));
    assert_eq!(numbers(&mut s, 1_500), [0u128; 0]);
    assert_eq!(numbers(&mut s, 2_000), [1], "nobody had to say that it is over");
}

#[test]
fn a_reservation_of_ours_is_for_those_who_name_it() {
    let ours = window("course", 100, 1_000, &["n0"], true);
    let view = ClusterView { windows: vec![ours], ..ClusterView::default() };
    let mut s = scheduler([pool(1, res(4, 8, 0), 1)], view);
    s.enqueue(asking(1, 1, 300, reservation("course")));
    s.enqueue(demand(2, 1, res(1, 1, 0), 300));
    s.enqueue(asking(3, 1, 950, reservation("course")));
    assert_eq!(numbers(&mut s, 10), [0u128; 0], "the one begins later, the other would run into it");
    assert_eq!(s.next_wakeup(), Some(at(100)));
    assert_eq!(numbers(&mut s, 100), [1]);
    assert_eq!(numbers(&mut s, 1_000), [2]);
    assert_eq!(s.reason(job_id(3), at(1_000)), Reason::NoFeasiblePool, "the reservation is over");
}

#[test]
fn features_choose_nodes_and_brackets_one_of_them_for_all() {
    let mut s = scheduler([with(features(), 4)], ClusterView::default());
    s.enqueue(asking(1, 1, 60, constraint("fast&big")));
    s.enqueue(asking(2, 2, 60, constraint("[big|fast]")));
    s.enqueue(asking(3, 3, 60, constraint("big|fast")));
    s.enqueue(asking(4, 1, 60, constraint("gone|big")));
    let nodes = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<String>>();
    let got = started(&mut s, 10);
    assert_eq!(got[0], (1, nodes(&["n1"])));
    assert_eq!(got[1], (2, nodes(&["n1", "n2"])), "both big");
    assert_eq!(got[2], (3, nodes(&["n0", "n1", "n2"])));
    assert!(["n1", "n2"].contains(&&*got[3].1[0]));
    // Room on nodes without the feature is not said to be claimed by others.
    s.enqueue(Demand {
        request: Arc::new(Request {
            conditions: asking(5, 1, 60, constraint("big")).request.conditions.clone(),
            ..Request::of(1, res(4, 1, 0))
        }),
        ..demand(5, 1, res(4, 1, 0), 60)
    });
    assert_eq!(numbers(&mut s, 11), [0u128; 0]);
    assert!(matches!(s.reason(job_id(5), at(11)), Reason::Resources { .. }), "{:?}", s.reason(job_id(5), at(11)));
}

#[test]
fn nodes_below_few_switches_are_preferred_and_may_be_demanded() {
    let mut s = scheduler([with(features(), 4)], ClusterView::default());
    s.enqueue(demand(1, 2, res(1, 1, 0), 60));
    let nodes = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<String>>();
    // By name it would be n0 and n1, which stand below two switches.
    assert_eq!(started(&mut s, 10), [(1, nodes(&["n0", "n3"]))]);
    // One whole node below each switch is taken.
    for (job, node) in [(90, "n0"), (91, "n1")] {
        assert!(s.occupy(job_id(job), pool_id(1), &[node.into()], res(4, 8, 0), at(500 + job as i64), tenant(1)));
    }
    assert!(s.release(job_id(1)));
    s.enqueue(asking(2, 2, 60, switches(1)));
    assert_eq!(numbers(&mut s, 20), [0u128; 0]);
    assert_eq!(s.reason(job_id(2), at(20)), Reason::Switches { pool: pool_id(1), switches: 1, requested: 2 });
    assert_eq!(s.explain(job_id(2), at(20)).expect("queued").candidates[0].expected_start, Some(at(590)));
    s.enqueue(asking(3, 2, 60, switches(2)));
    assert_eq!(started(&mut s, 21), [(3, nodes(&["n2", "n3"]))]);
}

#[test]
fn machines_of_several_pools_are_taken_and_counted_once() {
    let machines = Arc::new(PoolTerms { machines: true, ..PoolTerms::default() });
    let cpu = PoolView { terms: machines.clone(), price: rates(1), ..pool(1, res(8, 16, 0), 2) };
    let gpu = PoolView { terms: machines, ..pool(2, res(8, 16, 4), 3) };
    let mut s = scheduler([cpu, gpu], ClusterView::default());
    s.enqueue(demand(1, 2, res(6, 8, 0), 100));
    assert_eq!(numbers(&mut s, 10), [1]);
    let (cpu, gpu) = (s.free(pool_id(1)).expect("known"), s.free(pool_id(2)).expect("known"));
    assert_eq!((cpu.free, cpu.jobs_running), (res(4, 16, 0), 1));
    assert_eq!((gpu.free, gpu.jobs_running), (res(12, 32, 12), 0), "what runs there runs in the other pool");
    assert_eq!((cpu.total_counted, gpu.total_counted), (res(16, 32, 0), res(8, 16, 12)));
    assert_eq!((cpu.free_counted, gpu.free_counted), (res(4, 16, 0), res(8, 16, 12)));
    // A job with cards does not find the cores that are taken, and claims them in both pools.
    s.enqueue(demand(2, 3, res(4, 4, 1), 100));
    s.enqueue(demand(3, 1, res(2, 2, 0), 50));
    s.enqueue(demand(4, 1, res(2, 2, 0), 500));
    assert_eq!(numbers(&mut s, 20), [3, 4]);
    assert_eq!(s.reservations()[0].at, at(110));
    // Work that is restored or moved stands in both, and leaves both.
    assert!(s.occupy(job_id(1), pool_id(2), &["n2".into()], res(6, 8, 2), at(200), tenant(1)));
    let nodes = s.node_use(pool_id(1)).expect("known");
    assert!(nodes.iter().all(|n| n.used.cpu.cores_ceil() <= 4 && n.state == NodeState::Up));
    for job in [1, 3, 4] {
        s.release(job_id(job));
    }
    assert_eq!(numbers(&mut s, 30), [2]);
    assert!(s.release(job_id(2)));
    for pool in [1, 2] {
        let usage = s.free(pool_id(pool)).expect("known");
        assert_eq!((usage.free, usage.jobs_running), (usage.total, 0));
    }
}

#[test]
fn pools_that_are_no_longer_on_the_same_machines_are_free_of_each_other() {
    let machines = Arc::new(PoolTerms { machines: true, ..PoolTerms::default() });
    let one = |n| PoolView { terms: machines.clone(), ..pool(n, res(4, 8, 0), 2) };
    let mut s = scheduler([one(1), one(2)], ClusterView::default());
    assert!(s.occupy(job_id(90), pool_id(1), &["n0".into()], res(4, 4, 0), at(900), tenant(1)));
    assert_eq!(s.free(pool_id(2)).expect("known").free.cpu.cores_ceil(), 4);
    s.upsert_pool(PoolView { terms: Arc::default(), ..pool(2, res(4, 8, 0), 2) });
    assert_eq!(s.free(pool_id(2)).expect("known").free.cpu.cores_ceil(), 8);
    s.upsert_pool(one(2));
    assert_eq!(s.free(pool_id(2)).expect("known").free.cpu.cores_ceil(), 4);
    s.remove_pool(pool_id(1));
    let usage = s.free(pool_id(2)).expect("known");
    assert_eq!((usage.free, usage.total_counted, s.running()), (usage.total, usage.total, 0));
}

#[test]
fn a_job_takes_the_pool_that_is_joined_as_it_asks_though_another_is_cheaper() {
    let named = |n: u128, by: Option<&str>| {
        let view = joined(by);
        PoolView { id: pool_id(n), name: format!("p{n}").into(), price: rates(100_000 * n as i64), ..view }
    };
    let pools = || [named(1, None), named(2, Some("ethernet:25G")), named(3, Some("infiniband-ndr:400G"))];
    let placed = |demand: Demand| {
        let mut s = scheduler(pools(), ClusterView::default());
        s.enqueue(demand);
        s.plan(at(0), WorkBudget::UNLIMITED).placements.first().map(|p| p.pool.as_u128())
    };
    assert_eq!(placed(asking(1, 2, 60, Conditions::default())), Some(1));
    assert_eq!(placed(asking(1, 2, 60, interconnect("ethernet"))), Some(2));
    assert_eq!(placed(asking(1, 2, 60, interconnect("100G"))), Some(3));
    assert_eq!(placed(asking(1, 2, 60, interconnect("infiniband-hdr"))), None);
    // The policy's own least speed lets alone what nobody has described.
    assert_eq!(placed(training(200)), Some(1));
    let mut s = scheduler(pools().into_iter().skip(1), ClusterView::default());
    s.enqueue(training(200));
    assert_eq!(s.plan(at(0), WorkBudget::UNLIMITED).placements.first().map(|p| p.pool), Some(pool_id(3)));
}
