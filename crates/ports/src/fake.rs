//! A cluster in memory, for tests of those who drive one: time passes by [`FakeMachine::tick`] only, and calls can be made to
//! fail or to lose their answers. Understands scripts of `echo TEXT`, `sleep SECONDS` and `exit CODE`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{AttemptId, Bytes, ClusterId, Span, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use model::{EndCause, EndOrder, Exit, Observation, Observed, Order, Outcome, Usage};

use crate::cluster::{Cluster, ClusterFacts, ConnectError, LogChunk, LogStream, Observations, PoolFacts};

/// What the next call meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done and nothing is answered.
    Unreachable,
    /// It is done, and the answer is lost.
    LostAnswer,
    Refused {
        permanent: bool,
    },
}

#[derive(Clone, Debug)]
enum Step {
    Echo(String),
    Sleep(Span),
    Exit(i32),
}

fn steps(script: &str) -> VecDeque<Step> {
    let step = |line: &str| {
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        match word {
            "echo" => Some(Step::Echo(format!("{rest}\n"))),
            "sleep" => rest.parse().ok().map(|s| Step::Sleep(Span::from_secs(s))),
            "exit" => rest.parse().ok().map(Step::Exit),
            _ => None,
        }
    };
    script.lines().filter_map(step).collect()
}

/// How an attempt ended: when, as what, with which exit and note.
type End = (Timestamp, Outcome, Option<Exit>, Option<Arc<str>>);

#[derive(Debug)]
struct Run {
    nodes: Vec<Arc<str>>,
    steps: VecDeque<Step>,
    submitted_at: Timestamp,
    /// Busy until then.
    until: Timestamp,
    started_at: Option<Timestamp>,
    end: Option<End>,
    stop: Option<EndCause>,
    told_started: bool,
    told_ended: bool,
}

#[derive(Debug, Default)]
struct Memory {
    now: Timestamp,
    runs: BTreeMap<AttemptId, Run>,
    /// Output files outlive their attempts.
    logs: BTreeMap<AttemptId, Vec<u8>>,
    forgotten: BTreeSet<AttemptId>,
    starts: BTreeMap<AttemptId, u32>,
    outbox: VecDeque<Observed>,
    faults: VecDeque<Fault>,
    calls: u64,
    listener: Option<Observations>,
    silent: bool,
}

/// The machine behind the connector: survives restarts of the platform. Cheap to share.
#[derive(Clone, Debug)]
pub struct FakeMachine {
    cluster: ClusterId,
    pools: Arc<[PoolFacts]>,
    memory: Arc<Mutex<Memory>>,
}

impl FakeMachine {
    /// A machine at time `now`, with nothing on it.
    pub fn new(cluster: ClusterId, pools: Vec<PoolFacts>, now: Timestamp) -> FakeMachine {
        let memory = Memory { now, ..Memory::default() };
        FakeMachine { cluster, pools: pools.into(), memory: Arc::new(Mutex::new(memory)) }
    }

    /// A connector to it. Observations go to the newest one only.
    pub fn open(&self, observations: Observations) -> FakeCluster {
        self.memory().listener = Some(observations);
        FakeCluster { machine: self.clone() }
    }

    /// The next call meets `fault`; several queue up.
    pub fn next_call(&self, fault: Fault) {
        self.memory().faults.push_back(fault);
    }

    /// A cut link: nothing is delivered until it is mended, and then everything.
    pub fn set_silent(&self, silent: bool) {
        self.memory().silent = silent;
    }

    /// Calls made so far, of any kind but reading logs.
    pub fn calls(&self) -> u64 {
        self.memory().calls
    }

    /// How often an attempt was started: never more than once, or somebody is at fault.
    pub fn starts(&self, attempt: AttemptId) -> u32 {
        self.memory().starts.get(&attempt).copied().unwrap_or(0)
    }

    /// Attempts which are running now.
    pub fn running(&self) -> Vec<AttemptId> {
        let memory = self.memory();
        memory.runs.iter().filter(|(_, r)| r.started_at.is_some() && r.end.is_none()).map(|(id, _)| *id).collect()
    }

    /// The machine stops and comes up again: everything on it ends with `NodeFail`.
    pub fn fail_node(&self) {
        let mut memory = self.memory();
        let now = memory.now;
        for run in memory.runs.values_mut().filter(|run| run.end.is_none()) {
            run.end = Some((now, Outcome::NodeFail, None, Some("the node failed".into())));
        }
    }

    /// Loses every trace of an attempt.
    pub fn lose(&self, attempt: AttemptId) {
        self.memory().runs.remove(&attempt);
    }

    /// Lets `span` pass and delivers what is new, waiting where the listener is slow.
    pub async fn tick(&self, span: Span) {
        let (listener, news) = {
            let mut memory = self.memory();
            memory.now = memory.now + span;
            memory.advance();
            if memory.silent { (None, Vec::new()) } else { (memory.listener.clone(), memory.news()) }
        };
        let Some(listener) = listener else { return };
        for what in news {
            // A platform that went away will ask again.
            let _ = listener.send(Observation { cluster: self.cluster, what }).await;
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// Brings every attempt up to now.
    fn advance(&mut self) {
        let now = self.now;
        for (attempt, run) in &mut self.runs {
            if run.end.is_none() && run.started_at.is_none() && run.stop.is_none() {
                let at = run.submitted_at;
                (run.started_at, run.until) = (Some(at), at);
                *self.starts.entry(*attempt).or_default() += 1;
            }
            if run.end.is_none()
                && let Some(cause) = run.stop
            {
                let exit = run.started_at.map(|_| Exit { code: 0, signal: 15 });
                run.end = Some((now, outcome_of(cause), exit, None));
            }
            while run.end.is_none() && run.until <= now {
                match run.steps.pop_front() {
                    Some(Step::Echo(text)) => self.logs.entry(*attempt).or_default().extend(text.bytes()),
                    Some(Step::Sleep(span)) => run.until = run.until + span,
                    Some(Step::Exit(0)) | None => {
                        run.end = Some((run.until, Outcome::Completed, Some(Exit::default()), None));
                    }
                    Some(Step::Exit(code)) => {
                        run.end = Some((run.until, Outcome::Failed, Some(Exit { code, signal: 0 }), None));
                    }
                }
            }
        }
    }

    /// What has not been told, in order of attempts, starts before ends.
    fn news(&mut self) -> Vec<Observed> {
        let mut news: Vec<Observed> = self.outbox.drain(..).collect();
        for (attempt, run) in &mut self.runs {
            let attempt = *attempt;
            if let (Some(at), false) = (run.started_at, run.told_started) {
                run.told_started = true;
                news.push(Observed::Started { attempt, at, nodes: run.nodes.clone(), external: None });
            }
            if let (Some((at, outcome, exit, note)), false) = (run.end.clone(), run.told_ended) {
                run.told_ended = true;
                let cpu_time = run.started_at.map_or(Span::ZERO, |started| at.since(started));
                let usage = Usage { cpu_time, memory_peak: Bytes::from_mib(1), ..Usage::default() };
                let started_at = run.started_at;
                news.push(Observed::Ended { attempt, started_at, at, outcome, exit, usage, note });
            }
        }
        news
    }

    fn tell_again(&mut self, attempt: AttemptId) {
        if let Some(run) = self.runs.get_mut(&attempt) {
            (run.told_started, run.told_ended) = (false, false);
        }
    }

    fn gone(&mut self, attempt: AttemptId) {
        self.outbox.push_back(Observed::Gone { attempt, note: None });
    }

    fn submit(&mut self, order: &Order, script: &str) {
        if self.forgotten.contains(&order.attempt) {
            self.gone(order.attempt);
        } else if self.runs.contains_key(&order.attempt) {
            self.tell_again(order.attempt);
        } else {
            let nodes = if order.nodes.is_empty() { vec!["fake".into()] } else { order.nodes.clone() };
            self.runs.insert(order.attempt, self.fresh(nodes, steps(script)));
        }
    }

    fn fresh(&self, nodes: Vec<Arc<str>>, steps: VecDeque<Step>) -> Run {
        Run {
            nodes,
            steps,
            submitted_at: self.now,
            until: self.now,
            started_at: None,
            end: None,
            stop: None,
            told_started: false,
            told_ended: false,
        }
    }

    fn end(&mut self, attempt: AttemptId, cause: EndCause) {
        if self.forgotten.contains(&attempt) {
            return;
        }
        if !self.runs.contains_key(&attempt) {
            let buried = self.fresh(Vec::new(), VecDeque::new());
            self.runs.insert(attempt, buried);
        }
        if let Some(run) = self.runs.get_mut(&attempt) {
            run.stop.get_or_insert(cause);
            run.told_ended = false;
        }
    }

    fn forget(&mut self, attempt: AttemptId) {
        if self.runs.remove(&attempt).is_some() {
            self.forgotten.insert(attempt);
        }
    }

    fn resume(&mut self, open: &[AttemptId]) {
        let beyond: Vec<AttemptId> = self.runs.keys().filter(|id| !open.contains(id)).copied().collect();
        beyond.into_iter().for_each(|attempt| self.forget(attempt));
        for &attempt in open {
            if self.runs.contains_key(&attempt) {
                self.tell_again(attempt);
            } else {
                self.gone(attempt);
            }
        }
    }

    fn log(&self, attempt: AttemptId, offset: i64, max: usize) -> LogChunk {
        let all = self.logs.get(&attempt).map(Vec::as_slice).unwrap_or_default();
        let size = all.len() as u64;
        let offset = u64::try_from(offset).unwrap_or_else(|_| size.saturating_sub(offset.unsigned_abs()));
        let rest = all.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
        let complete = match self.runs.get(&attempt) {
            Some(run) => run.end.is_some(),
            None => self.forgotten.contains(&attempt),
        };
        LogChunk { offset, bytes: rest[..rest.len().min(max)].to_vec(), size, complete }
    }
}

const fn outcome_of(cause: EndCause) -> Outcome {
    match cause {
        EndCause::TimeLimit => Outcome::Timeout,
        EndCause::Preempted => Outcome::Preempted,
        EndCause::Cancelled | EndCause::Balance | EndCause::Requeued | EndCause::Withdrawn => Outcome::Cancelled,
    }
}

/// The connector to a [`FakeMachine`].
#[derive(Clone, Debug)]
pub struct FakeCluster {
    machine: FakeMachine,
}

impl FakeCluster {
    /// Does `what`, unless a fault is next.
    fn call<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Memory) -> Result<T, ConnectError>,
    ) -> BoxFuture<'_, Result<T, ConnectError>> {
        let lost = || ConnectError::Unreachable(io::ErrorKind::TimedOut.into());
        let mut memory = self.machine.memory();
        memory.calls += 1;
        let answer = match memory.faults.pop_front() {
            None => what(&mut memory),
            Some(Fault::Unreachable) => Err(lost()),
            Some(Fault::LostAnswer) => what(&mut memory).and(Err(lost())),
            Some(Fault::Refused { permanent }) => {
                Err(ConnectError::Refused { text: "refused".to_owned(), note: "a fault".to_owned(), permanent })
            }
        };
        std::future::ready(answer).boxed()
    }
}

impl Cluster for FakeCluster {
    fn describe(&self) -> BoxFuture<'_, Result<ClusterFacts, ConnectError>> {
        let pools = self.machine.pools.to_vec();
        self.call(move |_| {
            Ok(ClusterFacts { version: "fake".to_owned(), pools, remarks: Vec::new(), terms: Default::default() })
        })
    }

    fn submit(&self, order: Arc<Order>, script: Arc<str>) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.call(|memory| {
            memory.submit(&order, &script);
            Ok(())
        })
    }

    fn end(&self, attempt: AttemptId, how: EndOrder) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.call(|memory| {
            memory.end(attempt, how.cause);
            Ok(())
        })
    }

    fn signal(&self, attempt: AttemptId, _signal: i32, _shell_only: bool) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.call(|memory| {
            let runs = memory.runs.get(&attempt).is_some_and(|run| run.end.is_none());
            if runs { Ok(()) } else { Err(ConnectError::NoSuchAttempt(attempt)) }
        })
    }

    fn forget(&self, attempt: AttemptId) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.call(|memory| {
            memory.forget(attempt);
            Ok(())
        })
    }

    fn resume(&self, open: Vec<AttemptId>) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.call(|memory| {
            memory.resume(&open);
            Ok(())
        })
    }

    fn read_log(
        &self,
        order: Arc<Order>,
        stream: LogStream,
        offset: i64,
        max: usize,
    ) -> BoxFuture<'_, Result<LogChunk, ConnectError>> {
        let mut chunk = self.machine.memory().log(order.attempt, offset, max);
        if stream == LogStream::Stderr {
            chunk = LogChunk { offset: 0, bytes: Vec::new(), size: 0, ..chunk };
        }
        std::future::ready(Ok(chunk)).boxed()
    }

    /// Answers at once: the caller looks again after the next tick.
    fn wait_log(&self, _order: Arc<Order>, _stream: LogStream, _size: u64) -> BoxFuture<'_, Result<(), ConnectError>> {
        tokio::task::yield_now().map(Ok).boxed()
    }
}

#[cfg(test)]
mod tests {
    use base::{PoolId, Resources};

    use super::*;
    use crate::conformance::{self, Bed};

    struct FakeBed(FakeMachine);

    impl Bed for FakeBed {
        fn open(&self, observations: Observations) -> Arc<dyn Cluster> {
            Arc::new(self.0.open(observations))
        }
        fn pool(&self) -> (PoolId, Arc<str>) {
            (PoolId::from_u128(1), "fake".into())
        }
        fn nudge(&self) -> BoxFuture<'_, ()> {
            self.0.tick(Span::from_millis(100)).boxed()
        }
    }

    fn bed() -> FakeBed {
        let shape = Resources::new(4, Bytes::from_gib(4), 0);
        let pool = PoolFacts {
            name: "fake".to_owned(),
            shape,
            chip: None,
            nodes: vec!["fake".to_owned()],
            time_limit_max: None,
            terms: Default::default(),
        };
        FakeBed(FakeMachine::new(ClusterId::from_u128(1), vec![pool], Timestamp::from_secs(1_000)))
    }

    #[tokio::test]
    async fn the_fake_is_a_cluster() {
        conformance::cluster(bed).await;
    }

    #[tokio::test]
    async fn a_lost_answer_has_been_done_and_an_unreachable_call_has_not() {
        let bed = bed();
        let (sender, mut receiver) = tokio::sync::mpsc::channel(16);
        let cluster = bed.0.open(sender);
        let order = conformance::order(&bed, 1, "exit 0");
        bed.0.next_call(Fault::Unreachable);
        bed.0.next_call(Fault::LostAnswer);
        for _ in 0..2 {
            let answer = cluster.submit(Arc::clone(&order), "exit 0".into()).await;
            assert!(matches!(answer, Err(ConnectError::Unreachable(_))), "{answer:?}");
        }
        bed.0.set_silent(true);
        bed.0.tick(Span::from_secs(1)).await;
        assert!(receiver.try_recv().is_err());
        bed.0.set_silent(false);
        bed.0.tick(Span::from_secs(1)).await;
        assert!(matches!(receiver.try_recv().unwrap().what, Observed::Started { .. }));
        assert!(matches!(receiver.try_recv().unwrap().what, Observed::Ended { .. }));
        assert_eq!(bed.0.starts(order.attempt), 1);
    }

    #[tokio::test]
    async fn a_failing_node_ends_what_runs() {
        let bed = bed();
        let (sender, mut receiver) = tokio::sync::mpsc::channel(16);
        let cluster = bed.0.open(sender);
        let order = conformance::order(&bed, 1, "sleep 100");
        cluster.submit(Arc::clone(&order), "sleep 100".into()).await.unwrap();
        bed.0.tick(Span::from_secs(1)).await;
        assert_eq!(bed.0.running(), [order.attempt]);
        bed.0.fail_node();
        bed.0.tick(Span::from_secs(1)).await;
        assert!(matches!(receiver.try_recv().unwrap().what, Observed::Started { .. }));
        let ended = receiver.try_recv().unwrap().what;
        assert!(matches!(ended, Observed::Ended { outcome: Outcome::NodeFail, .. }), "{ended:?}");
    }
}
