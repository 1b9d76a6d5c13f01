//! The connector on the cluster in memory, in paused time.

use std::sync::Arc;
use std::time::Duration;

use base::{AttemptId, Bytes, JobId, PoolId, Resources, Span, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use model::spec::script_id;
use model::{EndCause, EndOrder, Exit, JobSpec, NodeState, Observation, Observed, Order, Outcome, Request};
use ports::cluster::Observations;
use ports::conformance::{self, Bed};
use ports::{Cluster, ConnectError};
use tokio::sync::mpsc;

use crate::carrier::{AccountingKind, SlurmState};
use crate::core::{Parts, SlurmCluster};
use crate::fake::{FakeSlurm, Faults, Setup};

struct FakeBed(FakeSlurm);

impl Bed for FakeBed {
    fn open(&self, observations: Observations) -> Arc<dyn Cluster> {
        Arc::new(SlurmCluster::new(self.0.parts(), observations))
    }
    fn pool(&self) -> (PoolId, Arc<str>) {
        let pool = self.0.pool();
        (pool.id, pool.name)
    }
    fn nudge(&self) -> BoxFuture<'_, ()> {
        tokio::time::sleep(Duration::from_millis(50)).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_a_cluster_with_every_kind_of_accounting() {
    for accounting in [AccountingKind::Slurmdbd, AccountingKind::CompletionLog, AccountingKind::Controller] {
        conformance::cluster(|| FakeBed(FakeSlurm::new(Setup { accounting, ..Setup::default() }))).await;
    }
}

/// The platform's side, with everything it was told.
pub struct Platform {
    pub cluster: SlurmCluster,
    observations: mpsc::Receiver<Observation>,
    pub seen: Vec<Observed>,
}

impl Platform {
    pub fn start(slurm: &FakeSlurm) -> Platform {
        Platform::with(slurm, |_| {})
    }

    fn with(slurm: &FakeSlurm, change: impl FnOnce(&mut Parts)) -> Platform {
        let (sender, observations) = mpsc::channel(64);
        let mut parts = slurm.parts();
        change(&mut parts);
        let cluster = SlurmCluster::new(parts, sender);
        Platform { cluster, observations, seen: Vec::new() }
    }

    /// Waits for something among what was told, for up to `patience` of the cluster's time.
    async fn until<T>(&mut self, patience: Duration, find: impl Fn(&[Observed]) -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            if let Some(found) = find(&self.seen) {
                return found;
            }
            match tokio::time::timeout_at(deadline, self.observations.recv()).await {
                Ok(Some(observation)) => self.seen.push(observation.what),
                Ok(None) => panic!("the connector has ended"),
                Err(_) => panic!("it did not come; status {:#?}; seen {:#?}", self.cluster.status(), self.seen),
            }
        }
    }

    async fn ended(&mut self, attempt: AttemptId) -> (Outcome, Option<Exit>, Option<Timestamp>, Timestamp) {
        self.until(HOUR, |seen| seen.iter().find_map(|what| end_of(what, attempt))).await
    }

    async fn submit(&self, order: &Arc<Order>, script: &str) {
        self.cluster.submit(Arc::clone(order), script.into()).await.unwrap();
    }

    pub async fn wait(&mut self, span: Duration) {
        let deadline = tokio::time::Instant::now() + span;
        while let Ok(Some(observation)) = tokio::time::timeout_at(deadline, self.observations.recv()).await {
            self.seen.push(observation.what);
        }
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
pub const SECONDS: fn(u64) -> Duration = Duration::from_secs;

fn end_of(what: &Observed, wanted: AttemptId) -> Option<(Outcome, Option<Exit>, Option<Timestamp>, Timestamp)> {
    match what {
        Observed::Ended { attempt, outcome, exit, started_at, at, .. } if *attempt == wanted => {
            Some((*outcome, *exit, *started_at, *at))
        }
        _ => None,
    }
}

fn started(what: &Observed, wanted: AttemptId) -> Option<Timestamp> {
    match what {
        Observed::Started { attempt, at, .. } if *attempt == wanted => Some(*at),
        _ => None,
    }
}

pub fn order(number: u64) -> Arc<Order> {
    let per_node = Resources::new(1, Bytes::from_mib(64), 0);
    let spec = JobSpec::minimal("job", script_id(""), Request::of(1, per_node), Span::from_mins(10));
    Arc::new(Order {
        attempt: AttemptId::new(JobId::from_u128(u128::from(number)), 1),
        number,
        array: None,
        array_bounds: None,
        tenant: "tenant".into(),
        project: "project".into(),
        user: "user".into(),
        pool: PoolId::from_u128(1),
        pool_name: "fake".into(),
        nodes: Vec::new(),
        per_node,
        spec: Arc::new(spec),
        checkpoint: None,
    })
}

fn always(fault: impl FnOnce(&mut Faults)) -> Faults {
    let mut faults = Faults::default();
    fault(&mut faults);
    faults
}

const TEN: &str = "#!/bin/sh\nsleep 10\nexit 0\n";

#[tokio::test(start_paused = true)]
async fn intervals_are_accountings_to_the_second_and_clocks_are_corrected() {
    for offset in [0, 1, -4_000, 7_200] {
        let slurm = FakeSlurm::new(Setup { clock_offset: Span::from_secs(offset), ..Setup::default() });
        let mut platform = Platform::start(&slurm);
        let order = order(1);
        platform.submit(&order, "#!/bin/sh\nsleep 37\nexit 3\n").await;
        let (outcome, exit, start, end) = platform.ended(order.attempt).await;
        assert_eq!((outcome, exit), (Outcome::Failed, Some(Exit { code: 3, signal: 0 })));
        let accounted = slurm.accounted(order.attempt);
        let start = start.unwrap();
        assert_eq!(end.since(start), Span::from_secs(accounted[0].1 - accounted[0].0));
        let now = (slurm.clock())();
        assert!(now.since(end) < Span::from_secs(5) && end <= now + Span::from_secs(2), "{offset}: {end} at {now}");
        assert_eq!(
            started(platform.seen.iter().find(|w| started(w, order.attempt).is_some()).unwrap(), order.attempt),
            Some(start)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn codes_above_128_are_the_scripts_own() {
    let slurm = FakeSlurm::new(Setup::default());
    let mut platform = Platform::start(&slurm);
    let order = order(1);
    platform.submit(&order, "#!/bin/sh\nexit 137\n").await;
    assert_eq!(platform.ended(order.attempt).await.1, Some(Exit { code: 137, signal: 0 }));
    // After a restart there is no controller's record any more, and accounting says 9.
    let slurm = FakeSlurm::new(Setup { min_job_age: SECONDS(1), ..Setup::default() });
    let platform = Platform::start(&slurm);
    platform.submit(&order, "#!/bin/sh\nexit 137\n").await;
    drop(platform);
    tokio::time::sleep(SECONDS(60)).await;
    let mut platform = Platform::start(&slurm);
    platform.cluster.resume(vec![order.attempt]).await.unwrap();
    assert_eq!(platform.ended(order.attempt).await.1, Some(Exit { code: 137, signal: 0 }));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_for_and_adopted() {
    let slurm = FakeSlurm::new(Setup::default());
    let mut platform = Platform::start(&slurm);
    slurm.set_faults(1, always(|f| f.answer_lost = 1_000));
    let order = order(1);
    platform.submit(&order, TEN).await;
    assert_eq!(platform.ended(order.attempt).await.0, Outcome::Completed);
    assert_eq!(slurm.ran(order.attempt), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_came_to_nothing_is_repeated_once_it_cannot_appear_any_more() {
    let slurm = FakeSlurm::new(Setup::default());
    let mut platform = Platform::start(&slurm);
    slurm.set_faults(1, always(|f| f.dropped = 1_000));
    let order = order(1);
    platform.submit(&order, TEN).await;
    slurm.set_faults(1, Faults::default());
    platform.wait(SECONDS(25)).await;
    assert!(slurm.active(order.attempt).is_empty(), "it may still appear");
    let (_, _, start, _) = platform.ended(order.attempt).await;
    assert!(start.unwrap() > Timestamp::from_secs(1_700_000_000 + 30));
    assert_eq!(slurm.ran(order.attempt), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_late_submission_is_adopted_and_one_that_is_too_late_does_no_harm() {
    let slurm = FakeSlurm::new(Setup::default());
    let mut platform = Platform::start(&slurm);
    slurm.set_faults(3, always(|f| (f.late, f.late_max) = (1_000, SECONDS(25))));
    let (one, two) = (order(1), order(2));
    platform.submit(&one, TEN).await;
    assert_eq!(platform.ended(one.attempt).await.0, Outcome::Completed);
    assert_eq!(slurm.ran(one.attempt), (1, 1));
    // A second copy of a running attempt ends itself; one of a queued attempt is cancelled.
    slurm.set_faults(3, Faults::default());
    platform.submit(&two, "#!/bin/sh\nsleep 60\n").await;
    platform.until(HOUR, |seen| seen.iter().find_map(|what| started(what, two.attempt))).await;
    let around = slurm.parts();
    let pool = slurm.pool();
    let rendered = crate::render::request(
        &two,
        "#!/bin/sh\nsleep 60\n",
        crate::render::Surroundings {
            realm: around.realm,
            cluster_name: "fake",
            config: &around.config,
            pool: &pool,
            script_bytes_max: crate::render::SCRIPT_BYTES_MAX,
            can_stage: false,
            has_folder: true,
            may_requeue: true,
        },
    )
    .unwrap();
    slurm.slip_in(&rendered.request);
    assert_eq!(platform.ended(two.attempt).await.0, Outcome::Completed);
    assert_eq!(slurm.ran(two.attempt), (1, 1));
    // One that comes when all is over and forgotten is cancelled.
    platform.cluster.forget(two.attempt).await.unwrap();
    for node in slurm.pool().nodes {
        slurm.set_node_state(&node, "IDLE+DRAIN");
    }
    slurm.slip_in(&rendered.request);
    platform.wait(SECONDS(40)).await;
    assert!(slurm.active(two.attempt).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_job_that_was_forgotten_is_handed_over_again_and_its_number_is_nobodys() {
    let slurm = FakeSlurm::new(Setup { save_every: SECONDS(1_000), ..Setup::default() });
    let mut platform = Platform::start(&slurm);
    for node in slurm.pool().nodes {
        slurm.set_node_state(&node, "IDLE+DRAIN");
    }
    let (lost, other) = (order(1), order(2));
    platform.submit(&lost, TEN).await;
    platform.wait(SECONDS(2)).await;
    slurm.crash(SECONDS(5));
    for node in slurm.pool().nodes {
        slurm.set_node_state(&node, "IDLE");
    }
    tokio::time::sleep(SECONDS(6)).await;
    // The number of the lost job is given to another.
    platform.submit(&other, "#!/bin/sh\nexit 7\n").await;
    assert_eq!(platform.ended(other.attempt).await.1, Some(Exit { code: 7, signal: 0 }));
    assert_eq!(platform.ended(lost.attempt).await.0, Outcome::Completed);
    assert_eq!((slurm.ran(lost.attempt), slurm.ran(other.attempt)), ((1, 1), (1, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_running_job_that_was_forgotten_is_reported_and_not_repeated() {
    let slurm = FakeSlurm::new(Setup { save_every: SECONDS(1_000), ..Setup::default() });
    let mut platform = Platform::start(&slurm);
    let order = order(1);
    platform.submit(&order, "#!/bin/sh\nsleep 100\n").await;
    platform.until(HOUR, |seen| seen.iter().find_map(|what| started(what, order.attempt))).await;
    slurm.crash(SECONDS(5));
    let (outcome, exit, start, end) = platform.ended(order.attempt).await;
    assert_eq!((outcome, exit), (Outcome::NodeFail, None));
    assert!(start.is_some_and(|start| end >= start));
    assert_eq!(slurm.ran(order.attempt), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_gives_way_is_not_the_end_of_the_launch_that_works() {
    for (script, exit, ran) in [
        ("#!/bin/sh\nsleep 10\n", Exit::default(), (1, 1)),
        ("#!/bin/sh\nsleep 10\nexit 3\n", Exit { code: 3, signal: 0 }, (1, 1)),
    ] {
        let slurm = FakeSlurm::new(Setup::default());
        let mut platform = Platform::start(&slurm);
        let order = order(1);
        platform.submit(&order, script).await;
        platform.until(HOUR, |seen| seen.iter().find_map(|what| started(what, order.attempt))).await;
        slurm.launch_twice(order.attempt);
        let (outcome, seen, ..) = platform.ended(order.attempt).await;
        assert_eq!(seen, Some(exit), "{outcome:?}");
        assert_eq!(outcome == Outcome::Completed, exit == Exit::default());
        assert_eq!(slurm.ran(order.attempt), ran);
    }
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_never_says_how_it_ended_is_the_nodes_fault() {
    let slurm = FakeSlurm::new(Setup::default());
    let mut platform = Platform::start(&slurm);
    let order = order(1);
    platform.submit(&order, "#!/bin/sh\nsleep 1000\n").await;
    platform.until(HOUR, |seen| seen.iter().find_map(|what| started(what, order.attempt))).await;
    slurm.launch_twice(order.attempt);
    assert_eq!(platform.ended(order.attempt).await.0, Outcome::NodeFail);
}

#[tokio::test(start_paused = true)]
async fn an_accounting_that_is_down_is_waited_for_and_then_done_without() {
    let slurm = FakeSlurm::new(Setup::default());
    let mut platform = Platform::start(&slurm);
    slurm.set_accounting_down(true);
    let (one, two) = (order(1), order(2));
    platform.submit(&one, TEN).await;
    platform.wait(SECONDS(30)).await;
    assert!(platform.seen.iter().all(|what| end_of(what, one.attempt).is_none()));
    assert!(platform.cluster.status().accounting_error.is_some());
    slurm.set_accounting_down(false);
    platform.ended(one.attempt).await;
    let note = |seen: &[Observed], wanted| {
        seen.iter().find_map(|what| match what {
            Observed::Ended { attempt, note, .. } if *attempt == wanted => {
                Some(note.clone().unwrap_or_default().to_string())
            }
            _ => None,
        })
    };
    assert_eq!(note(&platform.seen, one.attempt).unwrap(), "");
    slurm.set_accounting_down(true);
    platform.submit(&two, TEN).await;
    platform.ended(two.attempt).await;
    assert!(note(&platform.seen, two.attempt).unwrap().contains("the controller's"));
}

#[tokio::test(start_paused = true)]
async fn silence_is_told_and_what_happened_meanwhile_is_made_up_for() {
    let slurm = FakeSlurm::new(Setup::default());
    let mut platform = Platform::start(&slurm);
    let order = order(1);
    platform.submit(&order, TEN).await;
    slurm.set_cut(true);
    platform.until(SECONDS(60), |seen| seen.contains(&Observed::Unreachable).then_some(())).await;
    assert!(!platform.cluster.status().reachable);
    slurm.set_cut(false);
    platform.until(SECONDS(60), |seen| seen.contains(&Observed::Reachable).then_some(())).await;
    assert_eq!(platform.ended(order.attempt).await.0, Outcome::Completed);
    assert_eq!(platform.seen.iter().filter(|what| **what == Observed::Unreachable).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn runs_that_slurm_repeats_are_intervals_of_their_own() {
    for accounting in [AccountingKind::Slurmdbd, AccountingKind::Controller] {
        let slurm = FakeSlurm::new(Setup { accounting, ..Setup::default() });
        let mut platform = Platform::start(&slurm);
        let order = order(1);
        platform.submit(&order, "#!/bin/sh\nsleep 20\n").await;
        platform.until(HOUR, |seen| seen.iter().find_map(|what| started(what, order.attempt))).await;
        platform.wait(SECONDS(7)).await;
        slurm.requeue(order.attempt, SlurmState::Preempted);
        platform.ended(order.attempt).await;
        let course: Vec<&str> = platform
            .seen
            .iter()
            .filter_map(|what| match what {
                Observed::Started { .. } => Some("started"),
                Observed::Interrupted { .. } => Some("interrupted"),
                Observed::Ended { .. } => Some("ended"),
                _ => None,
            })
            .collect();
        assert_eq!(course, ["started", "interrupted", "started", "ended"], "{accounting:?}");
        if accounting == AccountingKind::Slurmdbd {
            let interval = platform.seen.iter().find_map(|what| match what {
                Observed::Interrupted { started_at, at, outcome, .. } => Some((at.since(*started_at), *outcome)),
                _ => None,
            });
            let (from, to) = slurm.accounted(order.attempt)[0];
            assert_eq!(interval, Some((Span::from_secs(to - from), Outcome::Preempted)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn suspensions_sum_up_to_slurms() {
    let slurm = FakeSlurm::new(Setup::default());
    let mut platform = Platform::start(&slurm);
    let order = order(1);
    platform.submit(&order, "#!/bin/sh\nsleep 30\n").await;
    platform.until(HOUR, |seen| seen.iter().find_map(|what| started(what, order.attempt))).await;
    slurm.suspend(order.attempt, true);
    platform.wait(SECONDS(11)).await;
    slurm.suspend(order.attempt, false);
    platform.wait(SECONDS(5)).await;
    // One that no look sees.
    slurm.set_cut(true);
    slurm.suspend(order.attempt, true);
    tokio::time::sleep(SECONDS(4)).await;
    slurm.suspend(order.attempt, false);
    slurm.set_cut(false);
    platform.ended(order.attempt).await;
    let mut sum = Span::ZERO;
    let mut since = None;
    for what in &platform.seen {
        match what {
            Observed::Suspended { at, .. } => since = Some(*at),
            Observed::Continued { at, .. } => sum += at.since(since.take().unwrap()),
            _ => {}
        }
    }
    assert_eq!((since, sum), (None, Span::from_secs(15)));
}

#[tokio::test(start_paused = true)]
async fn nodes_others_and_failures_are_seen() {
    let slurm = FakeSlurm::new(Setup::default());
    let mut platform = Platform::start(&slurm);
    let order = order(1);
    platform.submit(&order, "#!/bin/sh\nsleep 1000\n").await;
    platform.until(HOUR, |seen| seen.iter().find_map(|what| started(what, order.attempt))).await;
    slurm.take_node("f2", 3);
    slurm.set_node_state("f3", "MIXED+DRAIN");
    let foreign = |seen: &[Observed]| {
        seen.iter().find_map(|what| match what {
            Observed::Foreign { node, busy, .. } => Some((node.to_string(), *busy)),
            _ => None,
        })
    };
    let found = platform.until(HOUR, foreign).await;
    assert_eq!(found, ("f2".to_owned(), Resources::new(3, Bytes(0), 0)));
    let state = |name: &'static str, wanted: NodeState| {
        move |seen: &[Observed]| {
            let is_it = |what: &Observed| matches!(what, Observed::Node { node, state, .. } if **node == *name && *state == wanted);
            seen.iter().any(is_it).then_some(())
        }
    };
    platform.until(HOUR, state("f3", NodeState::Drained)).await;
    slurm.fail_node("f1");
    platform.until(HOUR, state("f1", NodeState::Down)).await;
    let (outcome, exit, ..) = platform.ended(order.attempt).await;
    assert_eq!((outcome, exit), (Outcome::NodeFail, None));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_handed_over_is_refused_at_once() {
    let slurm = FakeSlurm::new(Setup::default());
    let platform = Platform::start(&slurm);
    let answer = platform.cluster.submit(order(1), "#!/bin/sh\n\0".into()).await;
    assert!(matches!(answer, Err(ConnectError::Refused { permanent: true, .. })), "{answer:?}");
    platform.cluster.set_pools(Vec::new());
    let answer = platform.cluster.submit(order(1), "#!/bin/sh\n".into()).await;
    assert!(matches!(answer, Err(ConnectError::Refused { permanent: false, .. })), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn an_order_to_end_survives_a_cut_line() {
    let slurm = FakeSlurm::new(Setup::default());
    let mut platform = Platform::start(&slurm);
    let (running, sought) = (order(1), order(2));
    platform.submit(&running, "#!/bin/sh\nsleep 100000\n").await;
    platform.until(HOUR, |seen| seen.iter().find_map(|what| started(what, running.attempt))).await;
    slurm.set_faults(1, always(|f| (f.late, f.late_max) = (1_000, SECONDS(20))));
    platform.submit(&sought, TEN).await;
    slurm.set_faults(1, Faults::default());
    let how = EndOrder { cause: EndCause::TimeLimit, grace: Span::from_secs(5) };
    platform.cluster.end(sought.attempt, how).await.unwrap();
    slurm.set_cut(true);
    platform.cluster.end(running.attempt, how).await.unwrap();
    tokio::time::sleep(SECONDS(20)).await;
    slurm.set_cut(false);
    assert_eq!(platform.ended(running.attempt).await.0, Outcome::Timeout);
    assert_eq!(platform.ended(sought.attempt).await.0, Outcome::Timeout);
    assert_eq!(slurm.ran(sought.attempt).0, 0, "it was ended before it began");
}

fn all_nodes(slurm: &FakeSlurm, state: &str) {
    slurm.pool().nodes.iter().for_each(|node| slurm.set_node_state(node, state));
}

/// A job that waits for nodes. The controller has saved that, and does not save again for 20 seconds.
async fn waiting_and_saved(accounting: AccountingKind) -> (FakeSlurm, Platform, Arc<Order>) {
    waiting(accounting, SECONDS(21)).await
}

/// No node takes it in, and it has waited for so long.
async fn waiting(accounting: AccountingKind, long: Duration) -> (FakeSlurm, Platform, Arc<Order>) {
    let slurm = FakeSlurm::new(Setup { accounting, save_every: SECONDS(20), ..Setup::default() });
    let mut platform = Platform::start(&slurm);
    all_nodes(&slurm, "IDLE+DRAIN");
    let order = order(1);
    platform.submit(&order, "#!/bin/sh\nsleep 5\n").await;
    platform.wait(long).await;
    (slurm, platform, order)
}

#[tokio::test(start_paused = true)]
async fn a_cancel_of_a_job_that_has_just_come_in_may_be_meant_for_another() {
    for accounting in [AccountingKind::Slurmdbd, AccountingKind::CompletionLog, AccountingKind::Controller] {
        for (long, outcome) in [(SECONDS(5), Outcome::NodeFail), (SECONDS(21), Outcome::Cancelled)] {
            let (slurm, mut platform, order) = waiting(accounting, long).await;
            slurm.cancel_waiting(order.attempt);
            let (ended, exit, start, _) = platform.ended(order.attempt).await;
            assert_eq!((ended, exit, start), (outcome, None, None), "{accounting:?} {:#?}", platform.seen);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_launch_after_the_end_by_a_controller_that_was_set_back_is_no_run() {
    for accounting in [AccountingKind::Slurmdbd, AccountingKind::CompletionLog, AccountingKind::Controller] {
        for was_seen in [true, false] {
            let (slurm, mut platform, order) = waiting_and_saved(accounting).await;
            all_nodes(&slurm, "IDLE");
            if was_seen {
                platform.until(HOUR, |seen| seen.iter().find_map(|what| started(what, order.attempt))).await;
            }
            slurm.set_cut(true);
            tokio::time::sleep(SECONDS(10)).await;
            slurm.crash(SECONDS(2));
            slurm.set_cut(false);
            let (outcome, _, start, end) = platform.ended(order.attempt).await;
            platform.wait(SECONDS(60)).await;
            let place = format!("{accounting:?}, seen {was_seen}: {:#?}", platform.seen);
            assert_eq!((outcome, slurm.ran(order.attempt)), (Outcome::Completed, (1, 1)), "{place}");
            let told = start.map(|start| (start.as_secs(), end.as_secs()));
            assert_eq!(told, slurm.worked(order.attempt), "{place}");
            assert!(!platform.seen.iter().any(|what| matches!(what, Observed::Interrupted { .. })), "{place}");
            assert!(slurm.active(order.attempt).is_empty(), "{place}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_was_refused_does_not_begin_later() {
    let both = [AccountingKind::Slurmdbd, AccountingKind::Controller];
    let ways = [(SlurmState::Cancelled, (0, 0)), (SlurmState::Failed, (2, 0))];
    for (accounting, (state, exit)) in both.into_iter().flat_map(|kind| ways.clone().map(|way| (kind, way))) {
        let (slurm, mut platform, order) = waiting_and_saved(accounting).await;
        slurm.refuse_launch(order.attempt, state, exit);
        let (outcome, ..) = platform.ended(order.attempt).await;
        all_nodes(&slurm, "IDLE");
        slurm.crash(SECONDS(2));
        platform.wait(SECONDS(60)).await;
        assert_eq!((outcome, slurm.ran(order.attempt)), (Outcome::NodeFail, (0, 0)), "{:#?}", platform.seen);
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_held_after_its_launch_failed_is_ended_as_the_machines_failure() {
    for accounting in [AccountingKind::Slurmdbd, AccountingKind::Controller] {
        let (slurm, mut platform, order) = waiting_and_saved(accounting).await;
        slurm.hold_after_launch(order.attempt);
        let (outcome, _, start, _) = platform.ended(order.attempt).await;
        all_nodes(&slurm, "IDLE");
        platform.wait(SECONDS(60)).await;
        let seen = format!("{:#?}", platform.seen);
        assert_eq!((outcome, start, slurm.ran(order.attempt)), (Outcome::NodeFail, None, (0, 0)), "{seen}");
        assert!(slurm.active(order.attempt).is_empty(), "it is taken out of the queue: {seen}");
    }
}
