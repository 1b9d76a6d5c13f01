//! The rules one by one: feasibility, order, node choice, reasons, explanations.

mod support;

use std::sync::Arc;

use base::{Money, PoolId, Resources, Span, TenantId};
use model::{Chip, NodeState, PoolTerms, PriorityClass, Reason, Request, SupplyMode};
use sched::{
    App, Demand, Dips, Draws, Plan, Policy, PoolView, Rates, ResourceSeconds, Rule, Scheduler, Standing, Verdict,
    WorkBudget,
};
use support::*;

fn scheduler(pools: impl IntoIterator<Item = PoolView>) -> Scheduler {
    let mut scheduler = Scheduler::new(Policy::default());
    pools.into_iter().for_each(|p| scheduler.upsert_pool(p));
    scheduler
}
fn plan(scheduler: &mut Scheduler, seconds: i64) -> Plan {
    scheduler.plan(at(seconds), WorkBudget::UNLIMITED)
}
/// Numbers of the jobs that started, in order.
fn started(scheduler: &mut Scheduler, seconds: i64) -> Vec<u128> {
    plan(scheduler, seconds).placements.iter().map(|p| p.job.as_u128()).collect()
}
fn gpu(n: u64, gpus: u32, chips: &[&str]) -> Demand {
    let chips: Vec<Chip> = chips.iter().map(|c| c.parse().expect("a chip")).collect();
    let request = Request { chips, ..Request::of(1, res(1, 1, gpus)) };
    Demand { request: Arc::new(request), ..demand(n, 1, Resources::ZERO, 60) }
}

#[test]
fn every_rule_refuses_with_its_amounts() {
    let plain = || pool(1, res(4, 8, 0), 2);
    let gpus = || pool(1, res(8, 64, 4), 1);
    let named = Demand { pools: Arc::new(["elsewhere".into()]), ..demand(1, 1, res(1, 1, 0), 60) };
    let unpriced_there = Standing { unpriced: [pool_id(1)].into(), ..Standing::default() };
    let not_sold = Demand { standing: unpriced_there, ..demand(1, 1, res(1, 1, 0), 60) };
    let a100: Chip = "nvidia-a100-80g".parse().expect("a chip");
    let ascend: Chip = "ascend-910b".parse().expect("a chip");
    let unpriced = PoolView { price: Rates { card_hour: None, ..rates(1) }, ..gpus() };
    let down = PoolView {
        nodes: plain().nodes.into_iter().map(|n| sched::NodeView { state: NodeState::Down, ..n }).collect(),
        ..plain()
    };
    let cases: Vec<(PoolView, Demand, Rule, &str)> = vec![
        (plain(), named, Rule::PoolNotNamed, "pool_not_named"),
        (
            PoolView { tenants: vec![tenant(9)], ..plain() },
            demand(1, 1, res(1, 1, 0), 60),
            Rule::TenantNotAdmitted,
            "tenant_not_admitted",
        ),
        (gpus(), gpu(1, 1, &["ascend-910b"]), Rule::Chip { requested: vec![ascend], available: Some(a100) }, "chip"),
        (
            plain(),
            demand(1, 1, res(5, 1, 0), 60),
            Rule::NodeShape { requested: res(5, 1, 0), available: res(4, 8, 0) },
            "node_shape",
        ),
        (plain(), demand(1, 3, res(1, 1, 0), 60), Rule::NodesTooFew { requested: 3, available: 2 }, "nodes_too_few"),
        (unpriced, gpu(1, 1, &[]), Rule::NoGpuPrice, "no_gpu_price"),
        (plain(), not_sold, Rule::NoPrice, "no_price"),
        (
            PoolView { time_limit_max: Some(Span::from_secs(59)), ..plain() },
            demand(1, 1, res(1, 1, 0), 60),
            Rule::TimeLimit { requested: Span::from_secs(60), available: Span::from_secs(59) },
            "time_limit",
        ),
        (PoolView { reachable: false, ..plain() }, demand(1, 1, res(1, 1, 0), 60), Rule::Unreachable, "unreachable"),
        (down, demand(1, 2, res(1, 1, 0), 60), Rule::NodesDown { requested: 2, available: 0 }, "nodes_down"),
        (
            PoolView { reserve: vec![(Dips::keeper(0), 1)], ..plain() },
            demand(1, 2, res(1, 1, 0), 60),
            Rule::Reserve { requested: 2, available: 1 },
            "reserve",
        ),
    ];
    for (pool, demand, rule, code) in cases {
        let mut s = scheduler([pool]);
        assert_eq!(rule.code(), code);
        let quote = s.quote(&demand, at(0));
        assert_eq!(quote.candidates[0].verdict, Verdict::Refused(rule.clone()), "{code}");
        assert_eq!((quote.chosen, quote.candidates[0].price), (None, None));
        // Health passes; everything else is refused at admission.
        let never = s.feasible_anywhere(&demand);
        assert_eq!(never.is_ok(), rule.is_passing(), "{code}");
        s.enqueue(demand.clone());
        assert_eq!(started(&mut s, 1), [0u128; 0], "{code}");
        let reason = if rule.is_passing() { Reason::PoolsUnavailable } else { Reason::NoFeasiblePool };
        assert_eq!(s.reason(demand.job, at(1)), reason, "{code}");
    }
}

#[test]
fn the_reserve_is_kept_for_those_who_may_dip_into_it() {
    let mut s = scheduler([PoolView { reserve: vec![(Dips::keeper(0), 1)], ..pool(1, res(4, 8, 0), 3) }]);
    let whole = |n| demand(n, 1, res(4, 8, 0), 60);
    for n in 1..=3 {
        s.enqueue(whole(n));
    }
    assert_eq!(started(&mut s, 10), [1, 2]);
    assert!(matches!(s.reason(job_id(3), at(10)), Reason::Resources { .. }), "one node is free and kept");
    s.enqueue(Demand { standing: Dips::ALL.into(), ..whole(4) });
    let placed = plan(&mut s, 11).placements;
    assert_eq!((placed.len(), &*placed[0].nodes[0]), (1, "n2"));
    assert!(s.release(job_id(1)));
    assert_eq!(started(&mut s, 12), [3]);
    // The reserve moves with the nodes that are up.
    assert!(s.release(job_id(2)) && s.release(job_id(3)) && s.release(job_id(4)));
    assert!(s.set_node(pool_id(1), "n2", NodeState::Down));
    for n in 5..=6 {
        s.enqueue(whole(n));
    }
    assert_eq!(started(&mut s, 13), [5]);
    // Who may dip into it takes it first.
    s.enqueue(Demand { standing: Dips::ALL.into(), ..whole(7) });
    let placed = plan(&mut s, 14).placements;
    assert_eq!(&*placed[0].nodes[0], "n1");
}

#[test]
fn contracts_say_on_whose_pools_work_runs() {
    let partner = PoolView { mode: SupplyMode::Partner, price: rates(50_000), ..pool(2, res(4, 8, 0), 2) };
    let whole =
        |n, draws| Demand { standing: Standing { draws, ..Standing::default() }, ..demand(n, 1, res(4, 8, 0), 60) };
    // The partner's is cheaper; each is filled before the other is looked at, and `only` waits.
    let cases = [
        (Draws::Any, vec![2, 2, 1, 1]),
        (Draws::OwnFirst, vec![1, 1, 2, 2]),
        (Draws::OwnOnly, vec![1, 1]),
        (Draws::PartnerFirst, vec![2, 2, 1, 1]),
        (Draws::PartnerOnly, vec![2, 2]),
    ];
    for (draws, want) in cases {
        let mut s = scheduler([pool(1, res(4, 8, 0), 2), partner.clone()]);
        (1..=5).for_each(|n| s.enqueue(whole(n, draws)));
        let first = s.quote(&whole(9, draws), at(1));
        let got: Vec<u128> = plan(&mut s, 10).placements.iter().map(|p| p.pool.as_u128()).collect();
        assert_eq!(got, want, "{draws:?}");
        assert_eq!(first.chosen, Some(pool_id(want[0])), "{draws:?}");
    }
    let s = scheduler([partner]);
    let rule = Rule::ContractTier { requested: SupplyMode::Own, available: SupplyMode::Partner };
    let verdicts = s.feasible_anywhere(&whole(1, Draws::OwnOnly)).unwrap_err();
    assert_eq!((verdicts[0].rule.clone(), rule.code()), (rule, "contract_tier"));
    assert!(s.feasible_anywhere(&whole(1, Draws::OwnFirst)).is_ok());
}

#[test]
fn work_stays_where_its_data_may_be() {
    let s = scheduler([pool(1, res(4, 8, 0), 1), pool(2, res(4, 8, 0), 1), pool(3, res(4, 8, 0), 1)]);
    let of = |places: &[&str]| Demand {
        standing: Standing { regions: places.iter().map(|p| Arc::from(*p)).collect(), ..Standing::default() },
        ..demand(9, 1, res(1, 1, 0), 60)
    };
    let open = |places: &[&str]| -> Vec<u128> {
        let rows = s.quote(&of(places), at(1)).candidates;
        rows.iter().filter(|c| c.verdict == Verdict::Feasible).map(|c| c.pool.as_u128()).collect()
    };
    assert_eq!((open(&[]), open(&["odd"]), open(&["even", "s3"])), (vec![1, 2, 3], vec![1, 3], vec![2, 3]));
    let refused = s.feasible_anywhere(&of(&["mars", "moon"])).unwrap_err();
    let rule = &refused[0].rule;
    assert_eq!((rule.code(), rule.amounts()), ("residency", Some(("mars|moon".into(), "odd/s1".into()))));
}

#[test]
fn an_application_goes_where_it_was_verified_and_its_speed_is_part_of_the_choice() {
    let chip = |text: &str| text.parse::<Chip>().unwrap();
    let of = |n: u128, name: &str, arch: Option<&str>, card_hour| {
        let terms = Arc::new(PoolTerms { architecture: arch.map(Arc::from), ..PoolTerms::default() });
        let price = Rates { card_hour: Some(Money::from_units(card_hour)), ..Rates::default() };
        PoolView { chip: Some(chip(name)), terms, price, ..pool(n, res(8, 8, 4), 1) }
    };
    let (a100, h100) = (of(1, "nvidia-a100-80g", Some("x86_64"), 10), of(2, "nvidia-h100", Some("aarch64"), 15));
    let pools = || [a100.clone(), h100.clone(), of(3, "ascend-910b", None, 1)];
    let s = scheduler(pools());
    let ask = |gpus, app: App| {
        let standing = Standing { app: Some(Arc::new(app)), ..Standing::default() };
        Demand { standing, ..demand(9, 1, res(1, 1, gpus), 3_600) }
    };
    let told = |gpus, app: App| -> Vec<String> {
        let rows = s.quote(&ask(gpus, app), at(1)).candidates;
        let word = |row: &sched::Candidate| match &row.verdict {
            Verdict::Feasible => format!("{} in {}s", row.pool_name, row.run_time.as_secs()),
            Verdict::Refused(rule) => format!("{} {} {:?}", row.pool_name, rule.code(), rule.amounts().unwrap()),
        };
        rows.iter().map(word).collect()
    };
    let nvidia = App { chips: vec![chip("a100"), chip("h100")], ..App::default() };
    let refused = r#"p3 app_variant ("a100|h100", "ascend-910b")"#;
    assert_eq!(told(1, nvidia.clone()), ["p1 in 3600s", "p2 in 3600s", refused]);
    assert_eq!(told(0, nvidia.clone()).iter().filter(|row| row.contains("in 3600s")).count(), 3, "no cards, no chip");
    let x86 = App { architectures: vec!["amd64".into()], ..App::default() };
    let rest = [r#"p2 app_variant ("amd64", "aarch64")"#, r#"p3 app_variant ("amd64", "-")"#];
    assert_eq!(told(1, x86), ["p1 in 3600s", rest[0], rest[1]]);
    // Twice as fast for half as much again: the dearer card is the cheaper one. What is slower is expected until its limit.
    let speed = vec![(chip("h100"), 2_000), (chip("a100"), 900)];
    assert_eq!(told(1, App { speed, ..nvidia.clone() }), ["p2 in 1800s", "p1 in 3600s", refused]);
    let start = |app: App| {
        let mut s = scheduler(pools());
        s.enqueue(ask(1, app));
        plan(&mut s, 10).placements.first().map(|p| p.pool.as_u128())
    };
    assert_eq!(start(nvidia.clone()), Some(1));
    assert_eq!(start(App { speed: vec![(chip("h100"), 2_000)], ..nvidia }), Some(2));
    assert_eq!(start(App { chips: vec![chip("enflame-i20")], ..App::default() }), None);
}

#[test]
fn a_job_narrows_where_its_tenant_s_work_may_be() {
    let s = scheduler([pool(1, res(4, 8, 0), 1), pool(2, res(4, 8, 0), 1), pool(3, res(4, 8, 0), 1)]);
    let open = |regions: &[&str], places: &[&str]| -> Vec<u128> {
        let list = |words: &[&str]| words.iter().map(|p| Arc::from(*p)).collect();
        let standing = Standing { regions: list(regions), places: list(places), ..Standing::default() };
        let rows = s.quote(&Demand { standing, ..demand(9, 1, res(1, 1, 0), 60) }, at(1)).candidates;
        for row in &rows {
            if let Verdict::Refused(rule) = &row.verdict {
                let (requested, _) = rule.amounts().unwrap();
                let (code, want) = match rule.code() {
                    "region" => ("region", places),
                    code => (code, regions),
                };
                assert!(["region", "residency"].contains(&code) && requested == want.join("|"), "{rule:?}");
            }
        }
        rows.iter().filter(|c| c.verdict == Verdict::Feasible).map(|c| c.pool.as_u128()).collect()
    };
    assert_eq!(open(&[], &["odd"]), [1, 3]);
    assert_eq!(open(&["odd"], &["s3", "s2"]), [3]);
    assert_eq!(open(&["odd"], &["even"]), [0u128; 0]);
}

#[test]
fn what_is_kept_for_one_is_not_for_another() {
    let (general, ai) = (Dips::keeper(0), Dips::keeper(3));
    let mut s = scheduler([PoolView { reserve: vec![(general, 1), (ai, 2)], ..pool(1, res(4, 8, 0), 5) }]);
    let whole = |n, nodes, dips: Dips| Demand { standing: dips.into(), ..demand(n, nodes, res(4, 8, 0), 60) };
    let refusal = |s: &Scheduler, nodes, dips| match s.feasible_anywhere(&whole(9, nodes, dips)) {
        Ok(()) => None,
        Err(verdicts) => Some(verdicts[0].rule.clone()),
    };
    let kept = |requested, available| Some(Rule::Reserve { requested, available });
    assert_eq!(refusal(&s, 3, Dips::NONE), kept(3, 2));
    assert_eq!((refusal(&s, 4, ai), refusal(&s, 5, ai)), (None, kept(5, 4)));
    assert_eq!((refusal(&s, 3, general), refusal(&s, 4, general)), (None, kept(4, 3)));
    assert_eq!(refusal(&s, 5, Dips::ALL), None);
    // Each takes first what is kept for it.
    s.enqueue(whole(1, 1, ai));
    s.enqueue(whole(2, 1, general));
    s.enqueue(whole(3, 2, Dips::NONE));
    s.enqueue(whole(4, 1, ai));
    s.enqueue(whole(5, 1, ai));
    let placed = plan(&mut s, 10).placements;
    let nodes: Vec<&str> = placed.iter().flat_map(|p| p.nodes.iter().map(|n| &**n)).collect();
    assert_eq!(nodes, ["n2", "n4", "n0", "n1", "n3"]);
    assert_eq!(s.queued(), 1, "nothing is left for the third of them");
}

#[test]
fn work_of_others_takes_room_until_it_is_said_to_be_gone() {
    let mut s = scheduler([pool(1, res(4, 8, 0), 2)]);
    let others = |s: &mut Scheduler, node: &str, cores, seconds| {
        assert!(s.set_foreign(pool_id(1), node, res(cores, 0, 0), at(seconds)));
    };
    others(&mut s, "n0", 3, 0);
    others(&mut s, "n1", 2, 0);
    assert!(!s.set_foreign(pool_id(1), "nowhere", res(1, 0, 0), at(0)));
    let used = s.free(pool_id(1)).unwrap();
    assert_eq!((used.free, used.jobs_running), (res(3, 16, 0), 0));
    s.enqueue(demand(1, 1, res(2, 1, 0), 60));
    s.enqueue(demand(2, 1, res(2, 1, 0), 60));
    assert_eq!(started(&mut s, 1), [1]);
    let hour = 3_600;
    let expected = |s: &Scheduler, now| s.explain(job_id(2), at(now)).unwrap().candidates[0].expected_start.unwrap();
    // Job 1 leaves in a minute, the others are taken to stay for an hour.
    assert_eq!(expected(&s, 1), at(61));
    others(&mut s, "n1", 4, 2);
    let _ = plan(&mut s, 2);
    assert_eq!(expected(&s, 2), at(hour));
    // They are still there after that.
    assert_eq!(started(&mut s, hour + 3), [0u128; 0]);
    assert_eq!(expected(&s, hour + 3), at(2 * hour + 3));
    // A new definition of the pool keeps what is known of them.
    s.upsert_pool(pool(1, res(4, 8, 0), 3));
    assert_eq!(s.free(pool_id(1)).unwrap().free, res(1 + 4, 8 + 7 + 8, 0));
    assert!(s.set_node(pool_id(1), "n2", NodeState::Down));
    others(&mut s, "n0", 0, hour + 4);
    assert_eq!(started(&mut s, hour + 4), [2]);
}

#[test]
fn short_chip_names_any_of_and_the_cheapest_pool_serve() {
    let dear = pool(1, res(8, 64, 4), 1);
    let mut cheap = pool(2, res(8, 64, 4), 1);
    cheap.price.card_hour = Some(Money(500_000));
    let mut other = pool(3, res(8, 64, 4), 1);
    other.chip = Some("ascend-910b".parse().expect("a chip"));
    other.price.card_hour = Some(Money(1));
    let mut s = scheduler([dear, cheap, other]);
    s.enqueue(gpu(1, 4, &["a100", "a40"]));
    s.enqueue(gpu(2, 4, &["a100"]));
    s.enqueue(gpu(3, 4, &[]));
    let pools: Vec<_> = plan(&mut s, 10).placements.iter().map(|p| (p.job.as_u128(), p.pool.as_u128())).collect();
    assert_eq!(pools, [(1, 2), (2, 1), (3, 3)]);
}

#[test]
fn order_is_class_then_share_then_deadline_then_submission() {
    let one = || scheduler([pool(1, res(1, 1, 0), 1)]);
    let of = |n: u64, t: u128, class: PriorityClass, deadline: Option<i64>| Demand {
        tenant: tenant(t),
        class,
        deadline: deadline.map(at),
        ..demand(n, 1, res(1, 1, 0), 60)
    };
    use PriorityClass::{High, Normal};
    let check = |jobs: Vec<Demand>, used: &[(TenantId, u64)], first: u128| {
        let mut s = one();
        for (tenant, cores) in used {
            s.charge(
                *tenant,
                &ResourceSeconds { cpu_milli_ms: cores * 1_000_000, ..ResourceSeconds::default() },
                at(0),
            );
        }
        jobs.into_iter().for_each(|j| s.enqueue(j));
        assert_eq!(started(&mut s, 100), [first]);
    };
    check(vec![of(1, 1, Normal, None), of(2, 1, High, None)], &[], 2);
    check(vec![of(1, 1, Normal, None), of(2, 2, Normal, None)], &[(tenant(1), 50)], 2);
    check(vec![of(1, 1, Normal, None), of(2, 2, Normal, None)], &[(tenant(1), 50), (tenant(2), 60)], 1);
    check(vec![of(1, 1, Normal, None), of(2, 1, Normal, Some(5_000))], &[], 2);
    check(vec![of(2, 1, Normal, None), of(1, 1, Normal, None)], &[], 1);
}

#[test]
fn age_lifts_a_job_over_shares_and_then_over_classes() {
    let day = 24 * 3_600;
    let mut s = scheduler([pool(1, res(1, 1, 0), 1)]);
    s.charge(tenant(2), &ResourceSeconds { cpu_milli_ms: 1 << 40, ..ResourceSeconds::default() }, at(0));
    s.occupy(job_id(99), pool_id(1), &["n0".into()], res(1, 1, 0), at(30 * day), tenant(3));
    s.enqueue(Demand { tenant: tenant(2), class: PriorityClass::Low, ..demand(1, 1, res(1, 1, 0), 60) });
    assert_eq!(s.next_wakeup(), Some(at(1) + Span::from_secs(3 * day)));
    let head = |s: &mut Scheduler, seconds: i64| {
        assert!(plan(s, seconds).placements.is_empty());
        s.reservations()[0].job.as_u128()
    };
    assert_eq!(head(&mut s, 10), 1);
    s.enqueue(Demand { class: PriorityClass::Low, submitted_at: at(2 * day), ..demand(2, 1, res(1, 1, 0), 60) });
    assert_eq!(head(&mut s, 2 * day), 2, "the other tenant used less");
    assert_eq!(head(&mut s, 3 * day + 1), 1, "past the bound the oldest goes first");
    s.enqueue(Demand { class: PriorityClass::Urgent, submitted_at: at(4 * day), ..demand(3, 1, res(1, 1, 0), 60) });
    assert_eq!(head(&mut s, 4 * day), 3, "a class still goes before it");
    assert_eq!(head(&mut s, 6 * day + 1), 1, "until twice the bound");
}

#[test]
fn tenants_take_turns_by_their_dominant_share() {
    // Tenant 1 wants cores, tenant 2 cards: the one with the smaller dominant share is always next.
    let mut s = scheduler([pool(1, res(12, 120, 4), 1)]);
    for n in 0..6 {
        s.enqueue(demand(10 + n, 1, res(2, 1, 0), 60));
        s.enqueue(Demand { tenant: tenant(2), ..gpu(20 + n, 1, &[]) });
    }
    assert_eq!(started(&mut s, 100), [10, 20, 11, 21, 12, 13, 22, 23], "2/12 cores against 1/4 of the cards a job");
}

#[test]
fn backfill_takes_the_gap_and_leaves_the_reservation() {
    let mut s = scheduler([pool(1, res(4, 8, 0), 2)]);
    s.enqueue(demand(1, 1, res(4, 8, 0), 100));
    assert_eq!(started(&mut s, 1), [1]);
    s.enqueue(demand(2, 2, res(4, 8, 0), 100));
    s.enqueue(demand(3, 1, res(1, 1, 0), 300));
    s.enqueue(demand(4, 1, res(1, 1, 0), 90));
    assert_eq!(started(&mut s, 4), [4], "3 would run past second 101, when 2 starts");
    let held = s.reservations();
    assert_eq!((held.len(), held[0].job, held[0].at, held[0].nodes.len()), (1, job_id(2), at(101), 2));
    assert_eq!(s.reason(job_id(3), at(4)), Reason::Priority { ahead: 1 });
    let room = Reason::Resources { pool: pool_id(1), requested: res(8, 16, 0), available: res(3, 7, 0) };
    assert_eq!(s.reason(job_id(2), at(4)), room);
    s.release(job_id(1));
    s.release(job_id(4));
    assert_eq!(started(&mut s, 50), [2]);
}

#[test]
fn nodes_are_filled_up_and_cards_keep_their_cores() {
    let mut s = scheduler([pool(1, res(8, 32, 0), 3)]);
    s.occupy(job_id(90), pool_id(1), &["n1".into()], res(4, 4, 0), at(900), tenant(1));
    s.enqueue(demand(1, 1, res(4, 4, 0), 60));
    assert_eq!(plan(&mut s, 1).placements[0].nodes, ["n1".into()], "the fullest node that fits");
    let mut s = scheduler([pool(1, res(8, 64, 4), 2)]);
    s.occupy(job_id(90), pool_id(1), &["n0".into()], res(4, 4, 4), at(900), tenant(1));
    s.occupy(job_id(91), pool_id(1), &["n1".into()], res(5, 4, 0), at(900), tenant(1));
    s.enqueue(demand(1, 1, res(2, 2, 0), 60));
    assert_eq!(plan(&mut s, 1).placements[0].nodes, ["n0".into()], "n1 needs its cores for four free cards");
}

#[test]
fn drained_and_down_nodes_take_nothing_new() {
    let mut s = scheduler([pool(1, res(1, 1, 0), 3)]);
    s.set_node(pool_id(1), "n0", NodeState::Drained);
    s.set_node(pool_id(1), "n1", NodeState::Down);
    (1..4).for_each(|n| s.enqueue(demand(n, 1, res(1, 1, 0), 60)));
    assert_eq!(started(&mut s, 10), [1]);
    assert!(!s.wants_plan());
    s.set_node(pool_id(1), "n1", NodeState::Up);
    assert!(s.wants_plan());
    assert_eq!(started(&mut s, 11), [2]);
    s.set_reachable(pool_id(1), false);
    s.set_node(pool_id(1), "n0", NodeState::Up);
    assert_eq!(started(&mut s, 12), [0u128; 0]);
    s.set_reachable(pool_id(1), true);
    assert_eq!(started(&mut s, 13), [3]);
}

#[test]
fn redefined_pools_keep_their_work_and_removed_ones_free_the_shares() {
    let mut s = scheduler([pool(1, res(4, 8, 0), 2)]);
    s.enqueue(demand(1, 2, res(4, 8, 0), 60));
    assert_eq!(started(&mut s, 1), [1]);
    s.upsert_pool(pool(1, res(4, 8, 0), 3));
    let usage = s.free(pool_id(1)).expect("a pool");
    assert_eq!((usage.free, usage.nodes_total, usage.jobs_running), (res(4, 8, 0), 3, 1));
    s.remove_pool(pool_id(1));
    assert_eq!((s.running(), s.free(pool_id(1)), s.release(job_id(1))), (0, None, false));
    s.enqueue(demand(2, 1, res(1, 1, 0), 60));
    assert_eq!(started(&mut s, 2), [0u128; 0]);
    assert_eq!(s.reason(job_id(2), at(2)), Reason::NoFeasiblePool);
    s.upsert_pool(pool(5, res(1, 1, 0), 1));
    assert_eq!(started(&mut s, 3), [2]);
}

#[test]
fn confirming_a_placement_changes_nothing() {
    let mut s = scheduler([pool(1, res(4, 8, 0), 1)]);
    s.enqueue(demand(1, 1, res(2, 2, 0), 60));
    let placed = plan(&mut s, 5).placements.remove(0);
    let before = s.free(pool_id(1));
    assert!(s.occupy(placed.job, placed.pool, &placed.nodes, res(2, 2, 0), at(65), tenant(1)));
    assert_eq!((s.free(pool_id(1)), s.running(), s.wants_plan()), (before, 1, false));
    assert!(!s.occupy(job_id(2), pool_id(7), &placed.nodes, res(1, 1, 0), at(65), tenant(1)));
    assert!(!s.occupy(job_id(2), pool_id(1), &["no-such-node".into()], res(1, 1, 0), at(65), tenant(1)));
}

#[test]
fn the_table_says_start_price_cost_and_choice() {
    let mut near = pool(1, res(4, 8, 0), 1);
    near.price = rates(200_000);
    let far = pool(2, res(4, 8, 0), 1);
    let small = pool(3, res(1, 1, 0), 1);
    let mut s = scheduler([near, far, small]);
    s.occupy(job_id(90), pool_id(2), &["n0".into()], res(4, 4, 0), at(1_000), tenant(1));
    let job = demand(1, 1, res(2, 1, 0), 3_600);
    let quote = s.quote(&job, at(0));
    let rows: Vec<_> =
        quote.candidates.iter().map(|c| (c.pool.as_u128(), c.expected_start, c.price, c.cost, c.chosen)).collect();
    assert_eq!(
        rows,
        [
            (1, Some(at(0)), Some(Money(400_010)), Some(Money(20_010)), true),
            (2, Some(at(1_000)), Some(Money(200_010)), Some(Money(20_010)), false),
            (3, None, None, None, false),
        ]
    );
    let waits = quote.candidates[1].score.expect("a score");
    assert_eq!(waits.start, 1_000_000_000_000 / 3_600 * 1_000 + 777, "1,000 s at a million units an hour");
    assert_eq!(waits.total, -(waits.start + waits.price + waits.cost));
    s.enqueue(job);
    assert_eq!(s.explain(job_id(1), at(1)).expect("queued").chosen, Some(pool_id(1)));
    let placement = plan(&mut s, 1).placements.remove(0);
    assert_eq!((placement.pool, placement.explanation.chosen), (pool_id(1), Some(pool_id(1))));
    assert_eq!(placement.explanation.candidates.len(), 2, "the pool that never fits is not kept with a placement");
    assert!(placement.explanation.candidates[0].chosen && !placement.explanation.candidates[1].chosen);
    assert_eq!(s.explain(job_id(1), at(1)), None, "no longer queued");
    let text = serde_json::to_string(&placement.explanation).expect("serializes");
    assert_eq!(serde_json::from_str::<sched::Explanation>(&text).expect("reads back"), placement.explanation);
}

#[test]
fn long_tables_are_cut_and_say_so() {
    let mut s = Scheduler::new(Policy { explain_candidates_max: 3, ..Policy::default() });
    (1..=10).for_each(|n| s.upsert_pool(pool(n, res(1, 1, 0), 1)));
    let quote = s.quote(&demand(1, 1, res(1, 1, 0), 60), at(0));
    assert_eq!((quote.candidates.len(), quote.omitted), (3, 7));
}

#[test]
fn a_deep_queue_costs_nothing_when_nothing_changed() {
    let mut s = scheduler([pool(1, res(1, 1, 0), 1)]);
    (1..500).for_each(|n| s.enqueue(demand(n, 1, res(1, 1, 0), 60)));
    assert_eq!(plan(&mut s, 600).placements.len(), 1);
    assert!(!s.wants_plan());
    assert_eq!(plan(&mut s, 601).examined, 0);
    s.enqueue(demand(600, 1, res(1, 1, 0), 60));
    assert!(s.wants_plan());
    assert_eq!(plan(&mut s, 602).examined, 0, "the new job stands behind one that waits for the same");
    assert!(s.dequeue(job_id(600)) && !s.dequeue(job_id(600)));
    assert_eq!(s.queued(), 498);
}

#[test]
fn a_cluster_that_lets_work_wait_comes_after_one_that_does_not() {
    let cheap = || PoolView { price: rates(1), ..pool(1, res(4, 8, 0), 1) };
    let dear = || PoolView { price: rates(1_000_000), ..pool(2, res(4, 8, 0), 1) };
    let job = |n| demand(n, 1, res(4, 8, 0), 60);
    let mut s = scheduler([cheap(), dear()]);
    let placed_on = |s: &mut Scheduler, n: u64| {
        s.enqueue(job(n));
        let plan = plan(s, 0);
        let explanation = plan.placements[0].explanation.clone();
        s.release(plan.placements[0].job);
        (plan.placements[0].pool, explanation)
    };
    assert_eq!(placed_on(&mut s, 1).0, cheap().id);
    s.set_queue_wait(cheap().id, Some(Span::from_secs(59)));
    assert_eq!(placed_on(&mut s, 2).0, cheap().id, "less than a minute is the noise of a forecast");
    s.set_queue_wait(cheap().id, Some(Span::from_mins(90)));
    let (chosen, explanation) = placed_on(&mut s, 3);
    assert_eq!(chosen, dear().id);
    let waits = explanation.candidates.iter().find(|c| c.pool == cheap().id).expect("both are shown");
    assert_eq!(waits.queue_wait, Some(Span::from_mins(90)));
    assert_eq!(waits.expected_start, Some(at(0) + Span::from_mins(90)));
    let quote = s.quote(&job(4), at(0));
    assert_eq!(
        (quote.chosen, quote.candidates[1].expected_start),
        (Some(dear().id), Some(at(0) + Span::from_mins(90)))
    );
    // Both the same slow: money decides again.
    s.set_queue_wait(dear().id, Some(Span::from_mins(100)));
    assert_eq!(placed_on(&mut s, 5).0, cheap().id);
    s.set_queue_wait(cheap().id, None);
    s.set_queue_wait(dear().id, None);
    assert_eq!(placed_on(&mut s, 6).0, cheap().id);
}

#[test]
fn work_without_cards_keeps_away_from_own_cards_that_would_stand_idle() {
    // What its nodes cost is carried by its cards alone; the other's by its cores.
    let cards = Rates { card_hour: Some(Money(800_000)), bare_core_hour: Money(100_000), ..Rates::default() };
    let cores = Rates { core_hour: Money(60_000), ..Rates::default() };
    let with = PoolView {
        cost: cards,
        price: rates(1),
        chip: Some("nvidia-a100".parse().unwrap()),
        ..pool(1, res(64, 512, 8), 1)
    };
    let without = PoolView { cost: cores, price: rates(1), ..pool(2, res(64, 512, 0), 1) };
    let s = scheduler([with, without]);
    let chosen = |gpus| s.quote(&demand(9, 1, res(8, 16, gpus), 3_600), at(1)).chosen;
    assert_eq!((chosen(0), chosen(1)), (Some(PoolId::from_u128(2)), Some(PoolId::from_u128(1))));
    let cost = |gpus| cards.hourly(&res(8, 16, gpus));
    assert_eq!((cost(0), cost(1)), (800_000, 800_000), "a card's cores are its own");
}
