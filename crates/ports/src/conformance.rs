//! What every cluster must do, as one suite run by every implementation: real adapters and the in-memory fake.
//! Waits on conditions, never on durations; knows no adapter. Panics with the name of the case that failed.

use std::sync::Arc;
use std::time::Duration;

use base::{AttemptId, Bytes, JobId, PoolId, Resources, Span};
use futures::future::BoxFuture;
use model::spec::script_id;
use model::{EndCause, EndOrder, Exit, JobSpec, Observation, Observed, Order, Outcome, Request};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::cluster::{Cluster, ConnectError, LogChunk, LogStream, Observations};

/// Longest wait for anything; a loaded machine needs a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two nudges of a bed whose time passes by hand.
const NUDGE: Duration = Duration::from_millis(5);
/// Room for observations; the suite never has more under way.
const ROOM: usize = 256;

/// A cluster's outside world, which survives a restart of the platform: a folder, a machine, a fake's memory.
pub trait Bed: Send + Sync {
    /// A connector as after a (re)start of the platform. The one before is gone.
    fn open(&self, observations: Observations) -> Arc<dyn Cluster>;
    /// A pool with at least one core and 64 MiB.
    fn pool(&self) -> (PoolId, Arc<str>);
    /// Lets time pass where it only passes by hand.
    fn nudge(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Runs every case on a fresh bed each. Scripts use `echo`, `sleep SECONDS` and `exit CODE` only, one per line.
pub async fn cluster<B: Bed>(make: impl Fn() -> B) {
    completes(&make()).await;
    reports_the_exit_code(&make()).await;
    a_repeated_submission_adopts(&make()).await;
    an_end_before_the_submission_prevents_the_start(&make()).await;
    an_end_while_running_ends_it_once(&make()).await;
    the_cause_decides_the_outcome(&make()).await;
    a_restart_delivers_again_what_is_not_forgotten(&make()).await;
    what_the_platform_does_not_know_is_ended(&make()).await;
    the_forgotten_are_gone_and_their_files_stay(&make()).await;
    logs_are_read_by_offset(&make()).await;
    a_waiter_wakes_when_output_grows_and_at_the_end(&make()).await;
    signals_need_an_attempt(&make()).await;
}

/// The platform's side of one connector.
struct Platform<'a> {
    bed: &'a dyn Bed,
    case: &'static str,
    cluster: Arc<dyn Cluster>,
    observations: mpsc::Receiver<Observation>,
    seen: Vec<Observed>,
}

impl<'a> Platform<'a> {
    fn start(bed: &'a dyn Bed, case: &'static str) -> Self {
        let (sender, observations) = mpsc::channel(ROOM);
        Platform { bed, case, cluster: bed.open(sender), observations, seen: Vec::new() }
    }

    /// Waits until `find` finds something in what was observed.
    async fn until<T>(&mut self, what: &str, find: impl Fn(&[Observed]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = find(&self.seen) {
                return found;
            }
            assert!(Instant::now() < deadline, "{}: {what} did not come; seen: {:#?}", self.case, self.seen);
            if let Ok(Some(observation)) = tokio::time::timeout(NUDGE, self.observations.recv()).await {
                self.seen.push(observation.what);
            }
            self.bed.nudge().await;
        }
    }

    async fn submit(&self, order: &Arc<Order>, script: &str) {
        let answer = self.cluster.submit(Arc::clone(order), script.into()).await;
        answer.unwrap_or_else(|error| panic!("{}: submit: {error}", self.case));
    }

    async fn end(&self, attempt: AttemptId, cause: EndCause) {
        let how = EndOrder { cause, grace: Span::from_secs(5) };
        self.cluster.end(attempt, how).await.unwrap_or_else(|error| panic!("{}: end: {error}", self.case));
    }

    async fn started(&mut self, attempt: AttemptId) {
        self.until("Started", |seen| starts(seen, attempt).next().map(drop)).await;
    }

    async fn ended(&mut self, attempt: AttemptId) -> (Outcome, Option<Exit>) {
        self.until("Ended", |seen| ends(seen, attempt).next()).await
    }

    async fn gone(&mut self, attempt: AttemptId) {
        let is_it = |o: &Observed| matches!(o, Observed::Gone { attempt: a, .. } if *a == attempt);
        self.until("Gone", |seen| seen.iter().any(is_it).then_some(())).await;
    }

    async fn log(&self, order: &Arc<Order>, offset: i64, max: usize) -> LogChunk {
        let chunk = self.cluster.read_log(Arc::clone(order), LogStream::Stdout, offset, max).await;
        chunk.unwrap_or_else(|error| panic!("{}: read_log: {error}", self.case))
    }
}

/// Waits until the order's output is longer than `size`.
async fn output(platform: &Platform<'_>, order: &Arc<Order>, size: u64) {
    let deadline = Instant::now() + PATIENCE;
    while platform.log(order, 0, 100).await.size <= size {
        assert!(Instant::now() < deadline, "{}: no output came", platform.case);
        let waiter = platform.cluster.wait_log(Arc::clone(order), LogStream::Stdout, size);
        let ((), answer) = futures::join!(platform.bed.nudge(), waiter);
        answer.expect("wait_log");
    }
}

fn starts(seen: &[Observed], attempt: AttemptId) -> impl Iterator<Item = usize> {
    seen.iter().enumerate().filter_map(move |(at, what)| match what {
        Observed::Started { attempt: a, nodes, .. } if *a == attempt => {
            assert!(!nodes.is_empty(), "a started attempt names its nodes");
            Some(at)
        }
        _ => None,
    })
}

fn ends(seen: &[Observed], attempt: AttemptId) -> impl Iterator<Item = (Outcome, Option<Exit>)> {
    seen.iter().filter_map(move |what| match what {
        Observed::Ended { attempt: a, outcome, exit, started_at, at, .. } if *a == attempt => {
            assert!(started_at.is_none_or(|started| started <= *at), "an end lies after its start");
            Some((*outcome, *exit))
        }
        _ => None,
    })
}

/// An order of one core and 64 MiB for `script`, with the given number as its job's.
pub fn order(bed: &dyn Bed, number: u64, script: &str) -> Arc<Order> {
    let per_node = Resources::new(1, Bytes::from_mib(64), 0);
    let spec = JobSpec::minimal("conformance", script_id(script), Request::of(1, per_node), Span::from_mins(10));
    let (pool, pool_name) = bed.pool();
    Arc::new(Order {
        attempt: AttemptId::new(JobId::from_u128(u128::from(number) << 64 | 7), 1),
        number,
        array: None,
        array_bounds: None,
        tenant: "tenant".into(),
        project: "project".into(),
        user: "user".into(),
        pool,
        pool_name,
        nodes: Vec::new(),
        per_node,
        spec: Arc::new(spec),
        checkpoint: None,
    })
}

const LONG: &str = "#!/bin/sh\necho begun\nsleep 1000\n";
const SHORT: &str = "#!/bin/sh\nexit 0\n";

async fn completes(bed: &dyn Bed) {
    let mut platform = Platform::start(bed, "completes");
    let order = order(bed, 1, SHORT);
    platform.submit(&order, SHORT).await;
    assert_eq!(platform.ended(order.attempt).await, (Outcome::Completed, Some(Exit::default())));
    let start = starts(&platform.seen, order.attempt).next();
    let end = platform.seen.iter().position(|what| matches!(what, Observed::Ended { .. }));
    assert!(start.is_some() && start < end, "the start is told before the end");
}

async fn reports_the_exit_code(bed: &dyn Bed) {
    let mut platform = Platform::start(bed, "reports the exit code");
    let script = "#!/bin/sh\nexit 7\n";
    let order = order(bed, 1, script);
    platform.submit(&order, script).await;
    assert_eq!(platform.ended(order.attempt).await, (Outcome::Failed, Some(Exit { code: 7, signal: 0 })));
}

async fn a_repeated_submission_adopts(bed: &dyn Bed) {
    let mut platform = Platform::start(bed, "a repeated submission adopts");
    let order = order(bed, 1, LONG);
    platform.submit(&order, LONG).await;
    platform.submit(&order, "#!/bin/sh\nexit 9\n").await;
    platform.started(order.attempt).await;
    platform.submit(&order, "#!/bin/sh\nexit 9\n").await;
    output(&platform, &order, 0).await;
    platform.end(order.attempt, EndCause::Cancelled).await;
    assert_eq!(platform.ended(order.attempt).await.0, Outcome::Cancelled);
    once(&platform, &order, "it ran once, with the first script").await;
}

async fn an_end_before_the_submission_prevents_the_start(bed: &dyn Bed) {
    let mut platform = Platform::start(bed, "an end before the submission prevents the start");
    let (early, later) = (order(bed, 1, LONG), order(bed, 2, SHORT));
    platform.end(early.attempt, EndCause::Cancelled).await;
    platform.ended(early.attempt).await;
    platform.submit(&early, LONG).await;
    // Another one, handed over afterwards, has run to its end: the first would have started by then.
    platform.submit(&later, SHORT).await;
    platform.ended(later.attempt).await;
    assert_eq!(starts(&platform.seen, early.attempt).count(), 0);
    assert!(ends(&platform.seen, early.attempt).all(|(outcome, _)| outcome == Outcome::Cancelled));
    assert_eq!(platform.log(&early, 0, 100).await.bytes, b"");
}

async fn an_end_while_running_ends_it_once(bed: &dyn Bed) {
    let mut platform = Platform::start(bed, "an end while running ends it once");
    let order = order(bed, 1, LONG);
    platform.submit(&order, LONG).await;
    platform.started(order.attempt).await;
    platform.end(order.attempt, EndCause::Cancelled).await;
    platform.end(order.attempt, EndCause::TimeLimit).await;
    let first = platform.ended(order.attempt).await;
    assert_eq!(first.0, Outcome::Cancelled, "the first cause counts");
    platform.end(order.attempt, EndCause::TimeLimit).await;
    platform.until("a second Ended", |seen| ends(seen, order.attempt).nth(1)).await;
    assert!(ends(&platform.seen, order.attempt).all(|end| end == first), "repeats say the same");
}

async fn the_cause_decides_the_outcome(bed: &dyn Bed) {
    let mut platform = Platform::start(bed, "the cause decides the outcome");
    let cases = [
        (EndCause::TimeLimit, Outcome::Timeout),
        (EndCause::Preempted, Outcome::Preempted),
        (EndCause::Balance, Outcome::Cancelled),
        (EndCause::Requeued, Outcome::Cancelled),
    ];
    for (number, (cause, outcome)) in (1..).zip(cases) {
        let order = order(bed, number, LONG);
        platform.submit(&order, LONG).await;
        platform.started(order.attempt).await;
        platform.end(order.attempt, cause).await;
        assert_eq!(platform.ended(order.attempt).await.0, outcome, "{cause:?}");
    }
}

async fn a_restart_delivers_again_what_is_not_forgotten(bed: &dyn Bed) {
    let case = "a restart delivers again what is not forgotten";
    let mut platform = Platform::start(bed, case);
    let (long, short, unknown) = (order(bed, 1, LONG), order(bed, 2, SHORT), order(bed, 3, SHORT));
    platform.submit(&short, SHORT).await;
    platform.ended(short.attempt).await;
    platform.submit(&long, LONG).await;
    platform.started(long.attempt).await;
    drop(platform);
    let mut platform = Platform::start(bed, case);
    let open = vec![long.attempt, short.attempt, unknown.attempt];
    platform.cluster.resume(open).await.unwrap_or_else(|error| panic!("{case}: resume: {error}"));
    platform.started(long.attempt).await;
    assert_eq!(platform.ended(short.attempt).await, (Outcome::Completed, Some(Exit::default())));
    platform.gone(unknown.attempt).await;
    output(&platform, &long, 0).await;
    platform.end(long.attempt, EndCause::Cancelled).await;
    assert_eq!(platform.ended(long.attempt).await.0, Outcome::Cancelled);
    once(&platform, &long, "it was not started again").await;
}

/// What [`LONG`] wrote is there once. A shell may tell besides that its `sleep` was terminated.
async fn once(platform: &Platform<'_>, order: &Arc<Order>, what: &str) {
    let log = String::from_utf8_lossy(&platform.log(order, 0, 100).await.bytes).into_owned();
    assert_eq!(log.lines().filter(|line| *line == "begun").count(), 1, "{what}: {log}");
}

async fn what_the_platform_does_not_know_is_ended(bed: &dyn Bed) {
    let case = "what the platform does not know is ended";
    let mut platform = Platform::start(bed, case);
    let order = order(bed, 1, LONG);
    platform.submit(&order, LONG).await;
    platform.started(order.attempt).await;
    drop(platform);
    let platform = Platform::start(bed, case);
    platform.cluster.resume(Vec::new()).await.unwrap_or_else(|error| panic!("{case}: resume: {error}"));
    let deadline = Instant::now() + PATIENCE;
    while !platform.log(&order, 0, 100).await.complete {
        assert!(Instant::now() < deadline, "{case}: still running");
        tokio::task::yield_now().await;
        bed.nudge().await;
    }
}

async fn the_forgotten_are_gone_and_their_files_stay(bed: &dyn Bed) {
    let mut platform = Platform::start(bed, "the forgotten are gone and their files stay");
    let script = "#!/bin/sh\necho kept\n";
    let order = order(bed, 1, script);
    platform.submit(&order, script).await;
    platform.ended(order.attempt).await;
    for _ in 0..2 {
        platform.cluster.forget(order.attempt).await.expect("forgetting may be repeated");
    }
    let chunk = platform.log(&order, 0, 100).await;
    assert_eq!((&chunk.bytes[..], chunk.complete), (&b"kept\n"[..], true));
    platform.cluster.resume(vec![order.attempt]).await.expect("resume");
    platform.gone(order.attempt).await;
}

async fn logs_are_read_by_offset(bed: &dyn Bed) {
    let mut platform = Platform::start(bed, "logs are read by offset");
    let script = "#!/bin/sh\necho one\necho two\n";
    let order = order(bed, 1, script);
    assert_eq!(platform.log(&order, 0, 100).await.bytes, b"", "nothing is there before the start");
    platform.submit(&order, script).await;
    platform.ended(order.attempt).await;
    for (offset, max, bytes, at) in
        [(0, 100, "one\ntwo\n", 0), (0, 3, "one", 0), (4, 3, "two", 4), (-4, 100, "two\n", 4), (8, 100, "", 8)]
    {
        let wanted = LogChunk { offset: at, bytes: bytes.into(), size: 8, complete: true };
        assert_eq!(platform.log(&order, offset, max).await, wanted, "from {offset}, at most {max}");
    }
}

async fn a_waiter_wakes_when_output_grows_and_at_the_end(bed: &dyn Bed) {
    let mut platform = Platform::start(bed, "a waiter wakes when output grows and at the end");
    let order = order(bed, 1, LONG);
    platform.submit(&order, LONG).await;
    platform.started(order.attempt).await;
    output(&platform, &order, 0).await;
    let chunk = platform.log(&order, 0, 100).await;
    assert_eq!((&chunk.bytes[..], chunk.complete), (&b"begun\n"[..], false));
    platform.end(order.attempt, EndCause::Cancelled).await;
    platform.ended(order.attempt).await;
    platform.cluster.wait_log(Arc::clone(&order), LogStream::Stdout, 6).await.expect("wait_log");
    assert!(platform.log(&order, 6, 100).await.complete);
}

async fn signals_need_an_attempt(bed: &dyn Bed) {
    let platform = Platform::start(bed, "signals need an attempt");
    let unknown = order(bed, 1, SHORT).attempt;
    let answer = platform.cluster.signal(unknown, 10, false).await;
    assert!(matches!(answer, Err(ConnectError::NoSuchAttempt(a)) if a == unknown), "{answer:?}");
}
