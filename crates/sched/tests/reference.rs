//! The incremental scheduler decides the same as a naive planner that starts from nothing each time: same placements, same
//! nodes, same claims, after any history of submissions, ends, failures, charges and time.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Bytes, ClusterId, Money, Resources, Span, TenantId};
use model::{Caps, Conditions, NodeState, Places, PoolTerms, PriorityClass, Request, SupplyMode, Switches, Window};
use proptest::prelude::*;
use sched::{
    App, Bandwidth, ClusterView, Demand, Dips, Draws, LicenceView, Links, Path, Policy, PoolView, ResourceSeconds,
    Scheduler, Stake, Standing, Ties, Weights, WorkBudget,
};
use support::naive::Naive;
use support::*;

#[derive(Clone, Debug)]
enum Op {
    Submit {
        tenant: u128,
        class: usize,
        shape: usize,
        named: Option<u128>,
        seconds: i64,
        /// Quarters of its limit that it is expected to run.
        quarters: i64,
        deadline: Option<i64>,
        asks: usize,
        draws: usize,
        ties: usize,
    },
    /// Another of the things that a cluster may say of itself.
    Cluster(usize),
    /// The n-th running job ends.
    End(usize),
    Cancel(usize),
    Extend(usize, i64),
    Pass(i64),
    Node(usize, usize, NodeState),
    Reach(usize, bool),
    Charge(u128, u64),
    /// Other parts of the own pools for the tenants.
    Stakes(usize),
    /// A cluster's own queue lets work wait so many seconds.
    Queue(usize, u64),
    /// Other links between the sites.
    Links(usize),
    Plan,
}

fn shapes() -> Vec<(u32, Resources)> {
    vec![
        (1, res(1, 1, 0)),
        (1, res(2, 1, 0)),
        (1, res(4, 8, 0)),
        (2, res(3, 2, 0)),
        (2, res(4, 8, 0)),
        (3, res(1, 1, 0)),
        (1, res(1, 2, 1)),
        (2, res(2, 2, 2)),
    ]
}

/// What jobs ask beyond amounts.
fn conditions() -> Vec<Conditions> {
    let constraint = |text: &str| Conditions { constraint: Some(text.parse().expect("one")), ..Conditions::default() };
    let licence = |n| Conditions { licences: vec![("lic".into(), n)], ..Conditions::default() };
    vec![
        constraint("f"),
        constraint("f|g"),
        constraint("[f|g]"),
        constraint("f&g"),
        constraint("none"),
        licence(1),
        licence(2),
        Conditions { reservation: Some("ours".into()), ..Conditions::default() },
        Conditions { switches: Some(Switches { count: 1, patience: None }), ..Conditions::default() },
        Conditions { interconnect: Some("ndr".parse().expect("one")), ..Conditions::default() },
        Conditions { interconnect: Some("100G".parse().expect("one")), ..Conditions::default() },
    ]
}

/// None; one that lends little; two with limits of their own; one that may borrow nothing.
fn stakes(n: usize) -> BTreeMap<TenantId, Stake> {
    let stake =
        |nominal_permille, borrow_permille, lend_permille| Stake { nominal_permille, borrow_permille, lend_permille };
    let all = [
        vec![],
        vec![(tenant(1), stake(500, None, Some(100)))],
        vec![(tenant(1), stake(300, Some(200), Some(200))), (tenant(2), stake(400, Some(400), None))],
        vec![(tenant(3), stake(250, Some(0), None)), (tenant(2), stake(600, None, Some(0)))],
    ];
    all.into_iter().nth(n).into_iter().flatten().collect()
}

/// What work of a class and a tenant may use of what is kept.
fn dips(class: usize, tenant: u128) -> Dips {
    match (class, tenant) {
        (2.., _) => Dips::ALL,
        (_, 2) => Dips::keeper(3),
        _ => Dips::NONE,
    }
}

/// An application that was verified on a chip, or on processors of one kind, or is faster here and slower there.
fn app(kind: usize) -> Option<Arc<App>> {
    let chip = |text: &str| text.parse().expect("a chip");
    let known = match kind {
        5 => App { chips: vec![chip("ascend-910b")], ..App::default() },
        6 => App { architectures: vec!["x86_64".into()], ..App::default() },
        7 => App { speed: vec![(chip("nvidia"), 500), (chip("nvidia-a100"), 2_000)], ..App::default() },
        8 => App { speed: vec![(chip("910b"), 3_000)], chips: vec![chip("a100"), chip("910b")], ..App::default() },
        _ => return None,
    };
    Some(Arc::new(known))
}

fn clusters() -> Vec<ClusterView> {
    let window = |name: &str, from, until, nodes: &[&str], ours| Window {
        name: name.into(),
        from: at(from),
        until: at(until),
        nodes: nodes.iter().map(|n| (*n).into()).collect(),
        ours,
    };
    let licences = |total| vec![LicenceView { name: "lic".into(), total, others: 0 }];
    let maintenance = window("down", 3_000, 4_500, &["n0", "n1"], false);
    let ours = window("ours", 1_000, 9_000, &["n0", "n2"], true);
    vec![
        ClusterView::default(),
        ClusterView { together: Caps { jobs: Some(2), ..Caps::NONE }, ..ClusterView::default() },
        ClusterView { together: Caps { cores: Some(9), ..Caps::NONE }, licences: licences(3), windows: Vec::new() },
        ClusterView {
            licences: licences(2),
            windows: vec![maintenance.clone(), ours.clone()],
            ..ClusterView::default()
        },
        ClusterView { windows: vec![maintenance], ..ClusterView::default() },
        ClusterView { windows: vec![ours], ..ClusterView::default() },
    ]
}

fn terms(kind: u8, nodes: usize) -> PoolTerms {
    let places = |keep: &dyn Fn(u32) -> bool| Places::of((0..nodes as u32).filter(|n| keep(n.to_owned())));
    let mut terms = PoolTerms { machines: kind & 1 > 0, ..PoolTerms::default() };
    if kind & 2 > 0 {
        terms.features = vec![("f".into(), places(&|n| n != 1)), ("g".into(), places(&|n| n > 0))];
    }
    if kind & 4 > 0 {
        terms.switches = vec![("s0".into(), places(&|n| n < 2)), ("s1".into(), places(&|n| n >= 2))];
    }
    if kind & 32 > 0 {
        let text = if kind & 8 > 0 { "infiniband-ndr:400G" } else { "ethernet:25G" };
        terms.interconnect = Some(text.parse().expect("one"));
    }
    if kind & 12 > 0 {
        terms.architecture = Some(if kind & 4 > 0 { "x86_64" } else { "aarch64" }.into());
    }
    if kind & 24 == 24 {
        terms.job = Caps { nodes: Some(2), cores: Some(6), ..Caps::NONE };
        terms.nodes_min = (kind & 32 > 0).then_some(2);
    }
    terms
}

fn pools(with_terms: bool) -> impl Strategy<Value = Vec<PoolView>> {
    let kinds = prop_oneof![Just(res(4, 8, 0)), Just(res(8, 8, 0)), Just(res(4, 16, 2))];
    let one = (kinds, 1usize..4, 0i64..3, prop::option::weighted(0.2, 100i64..2_000), 0u8..8, 0u32..6, 0u8..64);
    prop::collection::vec(one, 1..5).prop_map(move |list| {
        type Kind = (Resources, usize, i64, Option<i64>, u8, u32, u8);
        let build = |(i, (shape, nodes, price, limit, tenants, reserve, kind)): (usize, Kind)| {
            let mut view = pool(i as u128 + 1, shape, nodes);
            if with_terms {
                view.terms = Arc::new(terms(kind, nodes));
            }
            view.price = rates(100_000 + price * 50_000);
            if shape.gpus > 0 && price == 0 {
                view.chip = Some("ascend-910b".parse().expect("a chip"));
            }
            view.mode = if price == 1 { SupplyMode::Partner } else { SupplyMode::Own };
            // Two pools in three keep one or two nodes in reserve, perhaps all that they have; one of them for two keepers.
            let kept = |by: &[u8]| by.iter().map(|by| (Dips::keeper(*by), reserve.min(2))).collect();
            view.reserve = match reserve {
                0 | 1 => Vec::new(),
                2 | 3 => kept(&[0]),
                4 => kept(&[0, 3]),
                _ => vec![(Dips::keeper(3), 1)],
            };
            view.time_limit_max = limit.map(Span::from_secs);
            view.tenants = if tenants == 0 { vec![tenant(2)] } else { Vec::new() };
            view
        };
        list.into_iter().enumerate().map(build).collect()
    })
}

/// Mostly none; data at the first site or at one where nothing runs, users at the second.
fn ties(n: usize) -> Ties {
    let ties = |data_site: &str, mib: u64, users_site: &str| Ties {
        data_site: data_site.into(),
        data: Bytes::from_mib(mib),
        users_site: users_site.into(),
    };
    match n {
        0 => ties("s1", 9, ""),
        1 => ties("s1", 83, "s2"),
        2 => ties("far", 30, ""),
        3 => ties("", 30, "s2"),
        _ => Ties::default(),
    }
}

/// None; slow ones between some; fast and dear ones.
fn links(n: usize) -> Vec<(&'static str, &'static str, Path)> {
    let path = |bits: u64, latency, price| Path {
        latency: Span::from_millis(latency),
        bandwidth: Some(Bandwidth(bits)),
        gib_price: Money(price),
    };
    match n {
        1 => vec![
            ("s1", "s2", path(1_000_000, 2_000, 0)),
            ("s3", "s1", path(300_000, 30, 1_000_000)),
            ("far", "s2", path(1_000_000, 10, 0)),
            ("s2", "s3", path(1, 5, 0)),
        ],
        2 => vec![("s1", "s2", path(1_000_000_000, 1, 900_000)), ("far", "s1", path(2_000_000, 100, 5_000_000))],
        _ => Vec::new(),
    }
}

fn op() -> impl Strategy<Value = Op> {
    let submit = (
        1u128..4,
        0usize..4,
        0usize..8,
        prop::option::weighted(0.2, 1u128..5),
        (1i64..40, 1i64..5),
        prop::option::weighted(0.2, 0i64..50),
        0usize..22,
        0usize..10,
        0usize..10,
    );
    prop_oneof![
        8 => submit.prop_map(|(tenant, class, shape, named, (s, quarters), deadline, asks, draws, ties)| Op::Submit {
            tenant, class: if class == 0 { 2 } else { 1 }, shape, named, seconds: s * 50, quarters, deadline, asks, draws, ties }),
        1 => (0usize..6).prop_map(Op::Cluster),
        1 => (0usize..4).prop_map(Op::Stakes),
        1 => (0usize..3).prop_map(Op::Links),
        4 => (0usize..20).prop_map(Op::End),
        1 => (0usize..20).prop_map(Op::Cancel),
        1 => ((0usize..20), 0i64..1_000).prop_map(|(n, s)| Op::Extend(n, s)),
        3 => (1i64..400).prop_map(Op::Pass),
        1 => ((0usize..4), (0usize..3), prop_oneof![Just(NodeState::Up), Just(NodeState::Drained), Just(NodeState::Down)])
            .prop_map(|(p, n, s)| Op::Node(p, n, s)),
        1 => ((0usize..4), any::<bool>()).prop_map(|(p, r)| Op::Reach(p, r)),
        1 => (1u128..4, 0u64..2_000_000).prop_map(|(t, c)| Op::Charge(t, c)),
        1 => ((0usize..4), prop_oneof![Just(0u64), 30..300u64, 300..90_000u64]).prop_map(|(p, s)| Op::Queue(p, s)),
        6 => Just(Op::Plan),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let weight = prop_oneof![Just(1_000_000_000_000i64), Just(100_000), Just(0)];
    let fences = (prop_oneof![Just(0i64), 1i64..800], prop_oneof![Just((0, 0)), (0u32..1_200, 0u32..1_200)]);
    (0u32..3, weight, fences).prop_map(|(backfill_depth, start, (overrun, (haste, haste_of_the_wide)))| Policy {
        overrun_max: Span::from_secs(overrun),
        haste,
        haste_of_the_wide,
        backfill_depth,
        age_bound: Span::from_secs(1_000),
        fair_share_half_life: Span::from_secs(600),
        weights: Weights { start, ..Weights::default() },
        ..Policy::default()
    })
}

struct Both {
    fast: Scheduler,
    naive: Naive,
    now: i64,
    number: u64,
    with_terms: bool,
}

impl Both {
    fn new(policy: Policy, pools: Vec<PoolView>, with_terms: bool) -> Both {
        let mut fast = Scheduler::new(policy);
        pools.iter().cloned().for_each(|p| fast.upsert_pool(p));
        fast.set_tenant(tenant(3), 2);
        let shares = [(tenant(3), 2)].into();
        Both { fast, naive: Naive { policy, pools, shares, ..Naive::default() }, now: 0, number: 0, with_terms }
    }

    fn apply(&mut self, op: &Op) -> Result<(), TestCaseError> {
        let running = |n: &usize, naive: &Naive| naive.runs.keys().nth(*n).copied();
        match op {
            Op::Submit { tenant: t, class, shape, named, seconds, quarters, deadline, asks, draws, ties } => {
                self.number += 1;
                let (nodes, per_node) = shapes()[*shape];
                let conditions = conditions().into_iter().nth(*asks).filter(|_| self.with_terms).map(Arc::new);
                let pools: Vec<Arc<str>> = named.iter().map(|n| format!("p{n}").into()).collect();
                let job = Demand {
                    tenant: tenant(*t),
                    class: PriorityClass::ALL[*class],
                    submitted_at: at(self.now),
                    deadline: deadline.map(|d| at(d * 100)),
                    request: Arc::new(Request { conditions, ..Request::of(nodes, per_node) }),
                    pools: pools.into(),
                    standing: Standing {
                        dips: self::dips(*class, *t),
                        // Half of the work runs anywhere.
                        draws: Draws::ALL.get(*draws).copied().unwrap_or_default(),
                        regions: match draws {
                            6 => Arc::new(["odd".into()]),
                            7 => Arc::new(["even".into(), "s1".into()]),
                            _ => Arc::default(),
                        },
                        places: match draws {
                            7 => Arc::new(["odd".into(), "s2".into(), "s1".into()]),
                            9 => Arc::new(["even".into()]),
                            _ => Arc::default(),
                        },
                        app: app(*draws),
                        gbps_min: if *draws == 8 { 100 } else { 0 },
                        ties: self::ties(*ties),
                        // A price is missing in one pool.
                        unpriced: if *draws == 5 { [pool_id(1)].into() } else { Arc::default() },
                    },
                    ..demand(self.number, nodes, per_node, *seconds)
                };
                let expected = Span::from_millis(seconds * quarters * 250);
                self.fast.enqueue_expecting(job.clone(), expected);
                self.naive.expected.insert(job.job, expected.as_micros());
                self.naive.queue.push(job);
            }
            Op::End(n) => {
                if let Some(job) = running(n, &self.naive) {
                    prop_assert!(self.fast.release(job));
                    self.naive.runs.remove(&job);
                }
            }
            Op::Cancel(n) => {
                if let Some(job) = self.naive.queue.get(*n).map(|d| d.job) {
                    prop_assert!(self.fast.dequeue(job));
                    self.naive.queue.retain(|d| d.job != job);
                }
            }
            Op::Extend(n, seconds) => {
                if let Some(job) = running(n, &self.naive) {
                    let end = at(self.now + seconds);
                    prop_assert!(self.fast.set_expected_end(job, end));
                    self.naive.runs.get_mut(&job).expect("runs").end = end.as_micros();
                }
            }
            Op::Pass(seconds) => self.now += seconds,
            Op::Node(p, n, state) => {
                if let Some(node) = self.naive.pools.get_mut(*p).and_then(|p| p.nodes.get_mut(*n)) {
                    node.state = *state;
                    prop_assert!(self.fast.set_node(pool_id(*p as u128 + 1), &node.name, *state));
                }
            }
            Op::Reach(p, reachable) => {
                if let Some(pool) = self.naive.pools.get_mut(*p) {
                    pool.reachable = *reachable;
                    self.fast.set_reachable(pool.id, *reachable);
                }
            }
            Op::Charge(t, cores) => {
                let used = ResourceSeconds { cpu_milli_ms: *cores * 1_000, ..ResourceSeconds::default() };
                self.fast.charge(tenant(*t), &used, at(self.now));
            }
            Op::Queue(p, seconds) => {
                if *p < self.naive.pools.len() {
                    self.naive.waits.insert(*p, *seconds);
                    let wait = (*seconds > 0).then_some(Span::from_secs(*seconds as i64));
                    self.fast.set_queue_wait(pool_id(*p as u128 + 1), wait);
                }
            }
            Op::Links(n) => {
                self.naive.links = links(*n);
                let named = links(*n).into_iter().map(|(a, b, path)| (a.into(), b.into(), path));
                self.fast.set_links(Links::new(named, None));
            }
            Op::Stakes(n) => {
                self.naive.stakes = stakes(*n);
                self.fast.set_stakes(stakes(*n));
            }
            Op::Cluster(n) if self.with_terms => {
                let view = clusters()[*n].clone();
                self.naive.cluster = view.clone();
                self.fast.set_cluster(ClusterId::from_u128(1), view, at(self.now));
            }
            Op::Cluster(_) => {}
            Op::Plan => self.plan_and_compare()?,
        }
        Ok(())
    }

    fn plan_and_compare(&mut self) -> Result<(), TestCaseError> {
        let now = at(self.now);
        for t in 1..4 {
            self.naive.used.insert(tenant(t), self.fast.used(tenant(t), now));
        }
        let plan = self.fast.plan(now, WorkBudget::UNLIMITED);
        let (placed, claims) = self.naive.plan(now);
        let name = |n: &usize| -> Arc<str> { format!("n{n}").into() };
        let got: Vec<_> = plan.placements.iter().map(|p| (p.job, p.pool, p.nodes.clone())).collect();
        let want: Vec<_> = placed
            .iter()
            .map(|(job, pool, nodes)| (*job, pool_id(*pool as u128 + 1), nodes.iter().map(name).collect::<Vec<_>>()))
            .collect();
        prop_assert_eq!(got, want);
        let got: Vec<_> =
            self.fast.reservations().into_iter().map(|r| (r.job, r.pool, r.at.as_micros(), r.nodes)).collect();
        let want: Vec<_> = claims
            .iter()
            .map(|(j, p, from, nodes)| (*j, pool_id(*p as u128 + 1), *from, nodes.iter().map(name).collect::<Vec<_>>()))
            .collect();
        prop_assert_eq!(got, want);
        prop_assert_eq!(self.fast.queued(), self.naive.queue.len());
        prop_assert!(!self.fast.wants_plan());
        // Solving again changes nothing.
        let again = self.fast.plan(now, WorkBudget::UNLIMITED);
        prop_assert_eq!((again.placements.len(), again.complete), (0, true));
        Ok(())
    }
}

proptest! {
    #[test]
    fn incremental_equals_from_scratch(policy in policy(), pools in pools(false), ops in prop::collection::vec(op(), 1..80)) {
        let mut both = Both::new(policy, pools, false);
        for op in &ops {
            both.apply(op)?;
        }
        both.apply(&Op::Plan)?;
    }

    /// With machines in several pools, features, switches, licences, limits of the account and times kept for some.
    #[test]
    fn terms_are_the_same_from_scratch(policy in policy(), pools in pools(true), ops in prop::collection::vec(op(), 1..80)) {
        let mut both = Both::new(policy, pools, true);
        for op in &ops {
            both.apply(op)?;
        }
        both.apply(&Op::Plan)?;
    }
}
