//! Clusters, licences, nodes and queues as the engine takes them in.

use super::*;

fn report(cluster: ClusterId, passed: bool) -> Command {
    let (id, at) = (ReportId::from_u128(77), Timestamp::ZERO);
    Command::KeepReport(ClusterReport { id, cluster, at, kind: ReportKind::Trial, passed, report: "{}".into() })
}

#[test]
fn a_registered_cluster_is_given_work_after_a_passed_trial_or_by_force() {
    let mut f = Fixture::new();
    let service = |cluster, service, force| Command::SetService { cluster, service, force };
    let waiting = f.submission(|_| {});
    let waiting = f.submit(waiting);
    f.give(service(CLUSTER, Service::Retired, false));
    let id = ClusterId::from_u128(20);
    let link = |config: &str| ClusterLink { cluster: id, kind: LinkKind::Slurm, config: config.into() };
    let connect =
        |config| Command::ConnectCluster { cluster: cluster(id, "alpha", BackendKind::Slurm), link: link(config) };
    f.give(connect("{}"));
    let taken = Command::ConnectCluster { cluster: cluster(CLUSTER, "alpha", BackendKind::Local), link: link("{}") };
    assert!(matches!(f.ask(true, taken), Err(Denied::NameTaken { .. })));
    let far = Pool { id: PoolId::from_u128(21), cluster: id, name: "alpha-main".into(), ..pool() };
    f.give(Command::RegisterPool { pool: far, cost: None });
    let reachable = Input::Observed(Observation { cluster: id, what: Observed::Reachable });
    f.engine.step(reachable, f.now, &mut f.out).unwrap();
    assert_eq!(f.placed(), [], "one is retired, the other is tested");
    assert_eq!(f.engine.reason(waiting), Some(Reason::NotInService { pool: POOL }));
    let late = f.submission(|_| {});
    let denied = f.ask(false, Command::Submit(Box::new(late))).unwrap_err().to_string();
    assert!(denied.contains("main: not_in_service (- asked for, retired there)"), "{denied}");
    assert!(denied.contains("alpha-main: not_in_service (- asked for, testing there)"), "{denied}");

    let known = |f: &Fixture| f.engine.clusters().find(|c| c.id == id).cloned().unwrap();
    assert_eq!(known(&f).service, Service::Testing);
    assert_eq!(f.ask(true, service(id, Service::InService, false)), Err(Denied::Untried));
    f.give(report(id, false));
    assert_eq!(f.ask(true, service(id, Service::InService, false)), Err(Denied::Untried));
    f.give(report(id, true));
    f.give(service(id, Service::InService, false));
    assert_eq!(f.placed().len(), 1);

    f.give(connect("{\"other\": 1}"));
    assert_eq!((known(&f).service, known(&f).tried_at), (Service::InService, None), "another way needs another trial");
    f.give(service(id, Service::Testing, false));
    assert_eq!(f.ask(true, service(id, Service::InService, false)), Err(Denied::Untried));
    f.out = Batch::default();
    f.give(service(id, Service::InService, true));
    let audited = f.out.records.iter().find_map(|r| match r {
        Record::Audit(entry) => Some(entry.detail.as_str()),
        _ => None,
    });
    assert_eq!(audited, Some("in_service, forced: no trial has passed"));
    f.give(service(id, Service::Retired, false));
    f.give(connect("{}"));
    assert_eq!(known(&f).service, Service::Testing, "one that comes back is tested anew");
}

#[test]
fn licences_in_use_are_those_of_others_beyond_our_own() {
    let mut f = Fixture::new();
    let asks = |n: u32| Conditions { licences: vec![("ansys".into(), n)], ..Conditions::default() };
    let describe = |used| {
        let licences = vec![Licence { name: "ansys".into(), total: 4, used }];
        Command::DescribeCluster { cluster: CLUSTER, terms: ClusterTerms { licences, ..ClusterTerms::default() } }
    };
    let job = f.submission(|spec| spec.request.conditions = Some(Arc::new(asks(2))));
    let denied = f.ask(false, Command::Submit(Box::new(job.clone()))).unwrap_err().to_string();
    assert!(denied.contains("main: licence (ansys:2 asked for, 0 there)"), "{denied}");
    f.out = Batch::default();
    f.give(describe(1));
    assert!(f.out.records.iter().any(|r| matches!(r, Record::Cluster(c) if c.terms.licences.len() == 1)));
    f.submit(job);
    let second = f.submission(|spec| spec.request.conditions = Some(Arc::new(asks(2))));
    let second = f.submit(second);
    let first = f.placed();
    assert_eq!(first.len(), 1);
    let waits = |available| Some(Reason::Licence { pool: POOL, name: "ansys".into(), requested: 2, available });
    assert_eq!(f.engine.reason(second), waits(1));
    f.run(first[0]);
    // Ours among the three that are in use, so that the picture is the same; then the other's is given back.
    f.give(describe(3));
    assert!(f.placed().is_empty());
    assert_eq!(f.engine.reason(second), waits(1));
    f.give(describe(2));
    assert_eq!(f.placed().len(), 1);
}

#[test]
fn what_an_operator_ordered_of_a_node_is_lifted_by_operators_only() {
    let mut f = Fixture::new();
    let node = |f: &Fixture| f.engine.pools().next().unwrap().nodes[0].state;
    let says = |state| Observed::Node { pool: POOL, node: "n1".into(), state };
    let order = |state| Command::SetNode { pool: POOL, node: "n1".into(), state };
    f.see(says(NodeState::Drained));
    assert_eq!(node(&f), NodeState::Drained);
    f.see(says(NodeState::Up));
    assert_eq!(node(&f), NodeState::Up, "the cluster drained it and takes it back");
    f.give(order(NodeState::Drained));
    f.see(says(NodeState::Down));
    assert_eq!(node(&f), NodeState::Down);
    f.see(says(NodeState::Up));
    assert_eq!(node(&f), NodeState::Drained);
    f.give(Command::RegisterPool { pool: pool(), cost: None });
    f.see(says(NodeState::Up));
    assert_eq!(node(&f), NodeState::Drained, "a new description changes no order");
    f.give(order(NodeState::Up));
    assert_eq!(node(&f), NodeState::Up);
}

#[test]
fn what_a_cluster_s_queue_did_is_told_to_the_next_job() {
    let mut f = Fixture::new();
    for _ in 0..8 {
        let submission = f.submission(|_| {});
        f.submit(submission);
        let attempt = f.placed()[0];
        assert_eq!(f.engine.queue_forecast(POOL).and_then(|q| q.bound()).is_some(), f.next > 1_006);
        f.now = f.now + Span::from_mins(3);
        f.run(attempt);
        f.now = f.now + Span::from_mins(20);
        f.end(attempt);
    }
    let forecast = f.engine.queue_forecast(POOL).unwrap();
    // Told a start at once while nothing was known of the queue, then in three minutes, twice; an hour to run by its limit, then twenty minutes.
    let quality = f.engine.forecast_quality(POOL).unwrap();
    assert_eq!((quality.starts.count, quality.runs.count), (8, 8));
    assert_eq!(quality.runs.within_two, 6, "two runs tell what the third will be");
    assert!(quality.runs.bias() < Some(Span::ZERO) && quality.starts.bias() > Some(Span::ZERO));
    assert_eq!((forecast.bound(), forecast.record()), (Some(Span::from_mins(3)), (2, 2)));
    let submission = f.submission(|_| {});
    let (spec, job) = (submission.spec.clone(), f.submit(submission));
    f.placed();
    f.now = f.now + Span::from_mins(2);
    f.engine.step(Input::Tick, f.now, &mut f.out).unwrap();
    let (explanation, ..) = f.engine.quote(TENANT, &spec).unwrap();
    assert_eq!(explanation.candidates[0].queue_wait, Some(Span::from_mins(3)), "after the next look, {job}");
}

/// Where a cluster stands is kept over other ways to it, and is nobody's matter but the map's.
#[test]
fn a_place_is_said_kept_and_taken_back() {
    let mut f = Fixture::new();
    let at = |latitude, longitude| Some(Place { latitude, longitude, label: "Guiyang".into() });
    let say = |place| Command::PlaceCluster { cluster: CLUSTER, place };
    let known = |f: &Fixture| f.engine.clusters().find(|c| c.id == CLUSTER).cloned().unwrap();
    assert!(f.ask(true, say(at(90_000_001, 0))).is_err());
    assert!(f.ask(true, say(at(0, -180_000_001))).is_err());
    let unknown = Command::PlaceCluster { cluster: ClusterId::from_u128(999), place: None };
    assert_eq!(f.ask(true, unknown), Err(Denied::NotFound("cluster")));
    f.out = Batch::default();
    f.give(say(at(26_600_000, -106_700_000)));
    let audited = f.out.records.iter().find_map(|r| match r {
        Record::Audit(entry) => Some((entry.action.to_string(), entry.detail.clone())),
        _ => None,
    });
    assert_eq!(audited, Some(("cluster.place".into(), "26.600000,-106.700000 Guiyang".into())));
    f.out = Batch::default();
    f.give(say(at(26_600_000, -106_700_000)));
    assert!(f.out.records.is_empty(), "said again, nothing changes");
    f.give(Command::RegisterCluster(Cluster { place: None, ..known(&f) }));
    assert_eq!(known(&f).place, at(26_600_000, -106_700_000));
    f.give(say(None));
    assert_eq!(known(&f).place, None);
}
