//! Rules of the engine that are easier to state against it alone than in a simulated world: bounds, repeats, refusals.

mod billing;
mod prices;
mod purchases;
mod rates;
mod steering;
mod supply;
mod usage;

use std::sync::Arc;

use base::{
    AttemptId, Bytes, ClusterId, Currency, JobId, Money, PoolId, PriceBookId, ProjectId, ReportId, Resources, Span,
    SupplierId, TenantId, Timestamp, UserId,
};
use engine::{Batch, Command, Denied, Effect, Engine, Envelope, Input, JobRef, Policy, Record, Report, Submission};
use model::{
    Actor, ArraySpec, BackendKind, Cluster, ClusterHealth, ClusterLink, ClusterReport, ClusterTerms, Conditions,
    DependencyKind, JobSpec, Licence, LinkKind, Node, NodeState, Observation, Observed, Outcome, Place, Pool,
    PriorityClass, Reason, ReportKind, Request, Role, Service, Supplier, SupplyMode, Usage, User,
};
use rating::{PriceBook, PriceList};

const TENANT: TenantId = TenantId::from_u128(10);
const USER: UserId = UserId::from_u128(11);
const PROJECT: ProjectId = ProjectId::from_u128(12);
const CLUSTER: ClusterId = ClusterId::from_u128(13);
const POOL: PoolId = PoolId::from_u128(14);

/// A cluster of the fixture's supplier.
fn cluster(id: ClusterId, name: &str, backend: BackendKind) -> Cluster {
    Cluster {
        id,
        name: name.into(),
        backend,
        supplier: SupplierId::from_u128(15),
        site: "here".into(),
        health: ClusterHealth::Unreachable,
        service: Service::InService,
        tried_at: None,
        region: Default::default(),
        place: None,
        machine: Default::default(),
        terms: Default::default(),
    }
}

fn book(n: u128, from: Timestamp, list: PriceList) -> PriceBook {
    PriceBook::list(PriceBookId::from_u128(n), "book".into(), Currency::CNY, from, list)
}

struct Fixture {
    engine: Engine,
    now: Timestamp,
    out: Batch,
    next: u128,
}

impl Fixture {
    /// A tenant with 1,000.00, one pool of one node with 8 cores, 1.00 a core-hour.
    fn new() -> Fixture {
        let (engine, now) = (Engine::new(Policy::default()), Timestamp::from_secs(1_000_000));
        let mut f = Fixture { engine, now, out: Batch::default(), next: 1_000 };
        let supplier = SupplierId::from_u128(15);
        f.give(Command::RegisterSupplier(Supplier { id: supplier, name: "own".into(), mode: SupplyMode::Own }));
        f.give(Command::RegisterCluster(cluster(CLUSTER, "local", BackendKind::Local)));
        f.see(Observed::Reachable);
        let list = PriceList {
            core_hour: Some(Money::from_units(1)),
            gib_hour: Some(Money::ZERO),
            card_hour: Default::default(),
        };
        f.give(Command::PublishPrices(book(16, f.now, list)));
        f.give(Command::RegisterPool { pool: pool(), cost: None });
        let (currency, credit_limit) = (Currency::CNY, Money::ZERO);
        f.give(Command::CreateTenant {
            id: TENANT,
            name: "lab".into(),
            currency,
            shares: 1,
            credit_limit,
            tier: Default::default(),
            regions: Default::default(),
            project: PROJECT,
        });
        let (name, role, disabled) = ("user".into(), Role::Owner, false);
        let user = User { id: USER, tenant: TENANT, name, role, default_project: PROJECT, disabled };
        f.give(Command::CreateUser { user, password: None });
        f.give(Command::TopUp { tenant: TENANT, amount: Money::from_units(1_000), memo: String::new() });
        f.out = Batch::default();
        f
    }

    fn ask(&mut self, operator: bool, command: Command) -> Result<Report, Denied> {
        let envelope = Envelope { actor: Actor::User(USER), operator, once: None, command };
        self.engine.step(Input::Command(Box::new(envelope)), self.now, &mut self.out)
    }

    fn give(&mut self, command: Command) -> Report {
        self.ask(true, command).unwrap()
    }

    fn see(&mut self, what: Observed) {
        let observed = Input::Observed(Observation { cluster: CLUSTER, what });
        self.engine.step(observed, self.now, &mut self.out).unwrap();
    }

    fn submission(&mut self, change: impl FnOnce(&mut JobSpec)) -> Submission {
        self.next += 1;
        let script = model::spec::script_id("#!/bin/sh\n");
        let request = Request::of(1, Resources::new(1, Bytes::from_gib(1), 0));
        let mut spec = JobSpec::minimal("job", script, request, Span::from_hours(24));
        change(&mut spec);
        let spec_id = model::spec::spec_id(&serde_json::to_vec(&spec).unwrap());
        Submission {
            id: JobId::from_u128(self.next),
            user: USER,
            project: None,
            spec_id,
            spec: Arc::new(spec),
            dependencies: Vec::new(),
            ended: Vec::new(),
            script_id: script,
            script: "#!/bin/sh\n".into(),
        }
    }

    fn submit(&mut self, submission: Submission) -> JobId {
        let id = submission.id;
        self.give(Command::Submit(Box::new(submission)));
        id
    }

    /// Runs the scheduler and gives the attempts it placed.
    fn placed(&mut self) -> Vec<AttemptId> {
        self.out = Batch::default();
        self.engine.step(Input::Schedule, self.now, &mut self.out).unwrap();
        let submitted = self.out.effects.iter().filter(|e| matches!(e, Effect::Submit { .. }));
        submitted.map(Effect::attempt).collect()
    }

    fn run(&mut self, attempt: AttemptId) {
        let at = self.now;
        self.see(Observed::Started { attempt, at, nodes: vec!["n1".into()], external: None });
    }

    fn end(&mut self, attempt: AttemptId) {
        self.see(ended(attempt, self.now));
    }
}

fn pool() -> Pool {
    Pool {
        id: POOL,
        cluster: CLUSTER,
        name: "main".into(),
        mode: SupplyMode::Own,
        shape: Resources::new(8, Bytes::from_gib(32), 0),
        chip: None,
        nodes: vec![Node::new("n1", NodeState::Up)],
        time_limit_max: None,
        tenants: Vec::new(),
        retired: Vec::new(),
        past_use: Default::default(),
        terms: Default::default(),
    }
}

fn ended(attempt: AttemptId, at: Timestamp) -> Observed {
    let (started_at, exit, usage, note) = (None, None, Usage::default(), None);
    Observed::Ended { attempt, started_at, at, outcome: Outcome::Completed, exit, usage, note }
}

fn interrupted(attempt: AttemptId, started_at: Timestamp, at: Timestamp) -> Observed {
    Observed::Interrupted { attempt, started_at, at, outcome: Outcome::Preempted, note: None }
}

fn started(attempt: AttemptId, at: Timestamp) -> Observed {
    Observed::Started { attempt, at, nodes: Vec::new(), external: None }
}

/// What a job of one core was charged when everything has been told.
fn charged(told: impl FnOnce(&mut Fixture, AttemptId, Timestamp)) -> Money {
    let mut f = Fixture::new();
    let submission = f.submission(|_| {});
    let job = f.submit(submission);
    let attempt = f.placed()[0];
    let begin = f.now;
    f.now = f.now + Span::from_hours(2);
    f.out = Batch::default();
    told(&mut f, attempt, begin);
    let row = f.out.records.iter().rev().find_map(|r| match r {
        Record::Job(row) if row.job.id == job => Some(row.charged),
        _ => None,
    });
    row.unwrap()
}

#[test]
fn stops_are_taken_off_the_bill_however_they_are_told() {
    let min = |begin: Timestamp, minutes| begin + Span::from_mins(minutes);
    // It ran for an hour and stood still from minute 10 to 20 and from 30 to 45.
    let worked = Money(1_000_000 * 35 / 60);
    let stops: [(bool, i64); 4] = [(true, 10), (false, 20), (true, 30), (false, 45)];
    for order in [[0, 1, 2, 3], [1, 0, 2, 3], [0, 1, 3, 2], [1, 0, 3, 2]] {
        for again in [None, Some(0), Some(1), Some(2)] {
            let sum = charged(|f, attempt, begin| {
                f.see(started(attempt, begin));
                for which in order.into_iter().chain(again) {
                    let (stop, at) = (stops[which].0, min(begin, stops[which].1));
                    let told =
                        if stop { Observed::Suspended { attempt, at } } else { Observed::Continued { attempt, at } };
                    f.see(told);
                    f.engine.step(Input::Tick, f.now, &mut f.out).unwrap();
                }
                f.see(ended(attempt, min(begin, 60)));
            });
            assert_eq!(sum, worked, "in the order {order:?}, then {again:?}");
        }
    }
}

#[test]
fn a_run_that_the_job_itself_had_queued_again_is_billed() {
    let sum = |outcome| {
        charged(|f, attempt, begin| {
            let half = begin + Span::from_mins(30);
            f.see(started(attempt, begin));
            f.see(Observed::Interrupted { attempt, started_at: begin, at: half, outcome, note: None });
            f.see(started(attempt, half));
            f.see(ended(attempt, begin + Span::from_mins(60)));
        })
    };
    assert_eq!(sum(Outcome::Cancelled), Money(1_000_000));
    assert_eq!(sum(Outcome::NodeFail), Money(500_000));
}

#[test]
fn only_the_run_that_counts_is_billed_however_runs_are_told() {
    let min = |begin: Timestamp, minutes| begin + Span::from_mins(minutes);
    let end = |attempt, begin| match ended(attempt, min(begin, 60)) {
        Observed::Ended { attempt, at, outcome, exit, usage, note, .. } => {
            Observed::Ended { attempt, started_at: Some(min(begin, 30)), at, outcome, exit, usage, note }
        }
        other => other,
    };
    let half = Money(500_000);
    let first = |a, b| interrupted(a, b, min(b, 10));
    // In order; the end of the first run late; never; told twice; the second start not at all.
    for told in ["s1 i1 s2 e", "s1 s2 i1 e", "s1 s2 e", "s1 e", "i1 e", "s1 i1 i1 s1 s2 i1 e", "e i1 s2"] {
        let sum = charged(|f, attempt, begin| {
            for word in told.split(' ') {
                let what = match word {
                    "s1" => started(attempt, begin),
                    "i1" => first(attempt, begin),
                    "s2" => started(attempt, min(begin, 30)),
                    _ => end(attempt, begin),
                };
                f.see(what);
            }
        });
        assert_eq!(sum, half, "{told}");
    }
}

/// An end that only the work's own lines prove comes with its first line, which is later than the start that its cluster had shown.
#[test]
fn a_run_is_billed_from_the_start_that_was_shown() {
    let billed = |later: Span| {
        charged(|f, attempt, begin| {
            f.see(started(attempt, begin));
            let (started_at, outcome) = (Some(begin + later), Outcome::Completed);
            let (at, exit, usage, note) = (begin + later + Span::from_secs(90), None, Usage::default(), None);
            f.see(Observed::Ended { attempt, started_at, at, outcome, exit, usage, note });
        })
    };
    let seconds = |seconds: i64| Money(1_000_000 * seconds / 3_600);
    assert_eq!(billed(Span::ZERO), seconds(90));
    assert_eq!(billed(Span::from_secs(2)), seconds(92));
    // The clock there was corrected in between: how long it ran counts.
    assert_eq!(billed(Span::from_micros(2_100_000)), seconds(90));
}

/// A cluster that was set back starts what had ended once more, and the start of that launch is seen first.
#[test]
fn a_start_that_was_none_is_not_billed() {
    let min = |begin: Timestamp, minutes| begin + Span::from_mins(minutes);
    for (looks, own_start) in [(false, 0), (true, 0), (true, 29)] {
        let mut intervals = Vec::new();
        let sum = charged(|f, attempt, begin| {
            f.see(started(attempt, min(begin, 30)));
            if looks {
                f.engine.step(Input::Tick, f.now, &mut f.out).unwrap();
            }
            let (started_at, outcome) = (Some(min(begin, own_start)), Outcome::Completed);
            let (at, exit, usage, note) = (min(begin, own_start + 15), None, Usage::default(), None);
            f.see(Observed::Ended { attempt, started_at, at, outcome, exit, usage, note });
            let ended = f.out.records.iter().find_map(|r| match r {
                Record::Attempt(a) if a.outcome.is_some() => Some((a.started_at, a.ended_at)),
                _ => None,
            });
            assert_eq!(ended, Some((started_at, Some(at))));
            intervals.extend(f.out.records.iter().filter_map(|r| match r {
                Record::Interval { interval: i, .. } => Some((i.seq, i.from, i.to, i.charge)),
                _ => None,
            }));
        });
        assert_eq!(sum, Money(250_000), "{looks} {own_start}");
        let numbers: Vec<u32> = intervals.iter().map(|i| i.0).collect();
        assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>(), "{intervals:?}");
        let last = intervals.last().unwrap();
        assert_eq!(last.3, Money(250_000), "{intervals:?}");
    }
}

#[test]
fn remarks_are_told_once_and_not_without_end() {
    let mut f = Fixture::new();
    let submission = f.submission(|_| {});
    f.submit(submission);
    let attempt = f.placed()[0];
    let events = |f: &Fixture| f.out.records.iter().filter(|r| matches!(r, Record::Event(_))).count();
    f.out = Batch::default();
    for n in 0..200 {
        let text: Arc<str> = format!("reason {n} {}", "x".repeat(1_000)).into();
        f.see(Observed::Remark { attempt, text: text.clone() });
        f.see(Observed::Remark { attempt, text });
    }
    assert_eq!(events(&f), 50);
}

#[test]
fn a_limit_changed_on_a_cluster_is_outstanding_until_the_end() {
    let mut f = Fixture::new();
    let submission = f.submission(|_| {});
    let job = f.submit(submission);
    let attempt = f.placed()[0];
    f.run(attempt);
    let limit = Span::from_mins(7);
    f.give(Command::Change { job, class: None, time_limit: Some(limit) });
    let order = Effect::SetTimeLimit { cluster: CLUSTER, attempt, limit };
    assert!(f.out.effects.contains(&order));
    assert_eq!(f.engine.outstanding(), [order]);
    let denied = f.ask(true, Command::Change { job, class: Some(PriorityClass::Low), time_limit: None });
    assert_eq!(denied.unwrap_err().code(), "wrong_state");
    // The cluster does not follow: the platform ends it itself.
    f.now = f.now + limit + Span::from_secs(91);
    f.out = Batch::default();
    f.engine.step(Input::Tick, f.now, &mut f.out).unwrap();
    assert!(f.out.effects.iter().any(|e| matches!(e, Effect::End { .. })), "{:?}", f.out.effects);
    f.end(attempt);
    assert_eq!(f.engine.outstanding(), []);
}

#[test]
fn a_chain_of_hopeless_dependents_as_long_as_the_queue_is_cancelled_at_once() {
    const LONG: usize = 20_000;
    let mut f = Fixture::new();
    f.give(Command::TopUp { tenant: TENANT, amount: Money::from_units(1_000_000), memo: String::new() });
    let first = f.submission(|_| {});
    let first = f.submit(first);
    let mut last = first;
    for _ in 1..LONG {
        let mut next = f.submission(|_| {});
        next.dependencies = vec![(DependencyKind::AfterOk, JobRef::Id(last))];
        last = f.submit(next);
    }
    assert_eq!(f.engine.sizes().open_jobs, LONG);
    f.give(Command::Cancel { job: first });
    let sizes = f.engine.sizes();
    assert_eq!((sizes.open_jobs, sizes.open_holds, sizes.queued_jobs), (0, 0, 0));
}

#[test]
fn ended_work_leaves_no_timers_behind() {
    let mut f = Fixture::new();
    for round in 0..500 {
        let submission = f.submission(|spec| spec.begin = (round % 2 == 0).then(|| Timestamp::from_secs(9_000_000)));
        let job = f.submit(submission);
        match f.placed().pop() {
            None => drop(f.give(Command::Cancel { job })),
            Some(attempt) => {
                f.run(attempt);
                f.now = f.now + Span::from_secs(1);
                f.end(attempt);
            }
        }
    }
    // The meters' own timers fire within two minutes.
    f.now = f.now + Span::from_mins(2);
    f.engine.step(Input::Tick, f.now, &mut f.out).unwrap();
    assert_eq!((f.engine.sizes().timers, f.engine.sizes().open_jobs), (1, 0), "the full hour's");
}

#[test]
fn what_comes_late_or_again_changes_nothing() {
    let mut f = Fixture::new();
    let submission = f.submission(|_| {});
    f.submit(submission);
    let attempt = f.placed()[0];
    f.run(attempt);
    f.now = f.now + Span::from_mins(3);
    f.end(attempt);
    let usage = Usage::default();
    let late = [
        ended(attempt, f.now),
        Observed::Started { attempt, at: f.now, nodes: Vec::new(), external: None },
        Observed::Accepted { attempt, external: None },
        Observed::Refused { attempt, text: "no".into(), note: None, permanent: true },
        Observed::Gone { attempt, note: None },
        Observed::Progress { attempt, usage },
        interrupted(attempt, f.now, f.now),
        Observed::Suspended { attempt, at: f.now },
        Observed::Continued { attempt, at: f.now },
        Observed::Remark { attempt, text: "late".into() },
        Observed::Reachable,
    ];
    for what in late {
        f.out = Batch::default();
        f.see(what.clone());
        assert_eq!(f.out.records, Vec::new(), "{what:?}");
        let tidies = |e: &Effect| matches!(e, Effect::Forget { .. } | Effect::End { .. });
        assert!(f.out.effects.iter().all(tidies), "{what:?}");
    }
}

#[test]
fn a_refused_command_stores_nothing() {
    let mut f = Fixture::new();
    let submission = f.submission(|_| {});
    let job = f.submit(submission.clone());
    let foreign = JobId::from_u128(1);
    let dear = f.submission(|spec| spec.request = Request::of(1, Resources::new(9, Bytes::from_gib(1), 0)));
    let many = f.submission(|spec| spec.array = Some(ArraySpec { indices: (0..10_001).collect(), limit: None }));
    let mut lost = f.submission(|_| {});
    lost.dependencies = vec![(DependencyKind::AfterAny, JobRef::Number(99))];
    let raise = Command::Change { job, class: Some(PriorityClass::Urgent), time_limit: None };
    let withdraw = Command::TopUp { tenant: TENANT, amount: Money::from_units(-2_000), memo: String::new() };
    let refused = [
        (Command::Submit(Box::new(submission)), "invalid"),
        (Command::Submit(Box::new(dear)), "no_feasible_pool"),
        (Command::Submit(Box::new(many)), "array_too_large"),
        (Command::Submit(Box::new(lost)), "dependency_not_found"),
        (Command::Cancel { job: foreign }, "job_not_found"),
        (Command::Release { job }, "wrong_state"),
        (Command::Requeue { job }, "wrong_state"),
        (raise, "operator_only"),
        (withdraw, "ledger_refused"),
    ];
    f.out = Batch::default();
    let before = format!("{:?} {:?}", f.engine.sizes(), f.engine.wallet(TENANT));
    for (command, code) in refused {
        let word = command.word();
        let denied = f.ask(false, command).unwrap_err();
        assert_eq!(denied.code(), code, "{word}: {denied}");
        assert!(f.out.is_empty(), "{word} left {:?}", f.out);
    }
    assert_eq!(before, format!("{:?} {:?}", f.engine.sizes(), f.engine.wallet(TENANT)));
}

#[test]
fn a_change_of_an_array_reaches_every_waiting_element() {
    let mut f = Fixture::new();
    let submission = f.submission(|spec| {
        spec.array = Some(ArraySpec { indices: vec![0, 1, 2, 3], limit: Some(1) });
        spec.hold = true;
    });
    let root = f.submit(submission);
    f.out = Batch::default();
    let limit = Span::from_mins(7);
    let report = f.ask(false, Command::Change { job: root, class: Some(PriorityClass::Low), time_limit: Some(limit) });
    assert_eq!(report, Ok(Report::Job { job: root, changed: 4 }));
    let specs: Vec<_> = f.out.records.iter().filter(|r| matches!(r, Record::Spec { .. })).collect();
    assert_eq!(specs.len(), 1, "the elements share the new specification");
    assert!(f.placed().is_empty());
    f.give(Command::Release { job: root });
    // One at a time, in the order of the indices.
    for index in 0..4 {
        let placed = f.placed();
        assert_eq!(placed.len(), 1);
        let job = f.engine.job(placed[0].job).unwrap();
        assert_eq!(job.array.map(|a| a.index), Some(index));
        assert_eq!(f.engine.spec(job.spec).map(|s| s.time_limit), Some(limit));
        f.run(placed[0]);
        f.end(placed[0]);
    }
    assert_eq!(f.engine.sizes().open_jobs, 0);
}

#[test]
fn a_node_keeps_its_state_when_its_pool_is_registered_again() {
    let mut f = Fixture::new();
    f.give(Command::SetNode { pool: POOL, node: "n1".into(), state: NodeState::Drained });
    f.give(Command::RegisterPool { pool: pool(), cost: None });
    let states: Vec<NodeState> = f.engine.pools().flat_map(|p| &p.nodes).map(|n| n.state).collect();
    assert_eq!(states, [NodeState::Drained]);
    let submission = f.submission(|_| {});
    f.submit(submission);
    assert!(f.placed().is_empty(), "nothing new starts on a drained node");
}

#[test]
fn the_last_operator_stays_one() {
    let mut f = Fixture::new();
    let make = |id: u128, name: &str| {
        let (id, name) = (UserId::from_u128(id), name.into());
        User { id, tenant: TENANT, name, role: Role::Operator, default_project: PROJECT, disabled: false }
    };
    let change = |user: u128, role, disabled| Command::ChangeUser { user: UserId::from_u128(user), role, disabled };
    f.give(Command::CreateUser { user: make(31, "one"), password: None });
    assert_eq!(f.ask(true, change(31, None, Some(true))), Err(Denied::LastOperator));
    assert_eq!(f.ask(true, change(31, Some(Role::Owner), None)), Err(Denied::LastOperator));
    f.give(change(31, Some(Role::Operator), Some(false)));
    f.give(Command::CreateUser { user: make(32, "two"), password: None });
    f.give(change(31, None, Some(true)));
    assert_eq!(f.ask(true, change(32, Some(Role::Member), None)), Err(Denied::LastOperator), "the other is disabled");
    f.give(change(31, None, Some(false)));
    f.give(change(32, Some(Role::Member), None));
}
