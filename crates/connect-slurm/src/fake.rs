//! A Slurm cluster in memory, for tests of those who drive one: a controller that saves its state now and then and may forget
//! what it acknowledged, accounting that lags or is down, nodes that run the wrapper's protocol, and a line that breaks by seed.
//! Time is tokio's: paused time makes hours pass in milliseconds. Understands scripts of `echo`, `sleep` and `exit` lines.

mod files;
mod model;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::{AttemptId, Bytes, ClusterId, PoolId, Resources, Seed, Span, Stream, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use ports::Files;
use tokio::time::Instant;

use crate::carrier::{
    AccountedRun, AccountingKind, AccountsWanted, Cancel, Carrier, CarrierError, JobNumber, NodeFacts, PartitionFacts,
    Queue, QueueWanted, SlurmState, SubmitError, SubmitRequest, Survey,
};
use crate::config::SlurmConfig;
use crate::core::{Clock, Limits, Parts};
use crate::key::Realm;
use crate::render::SlurmPool;

use model::Model;

/// Where the fake's files are, as its jobs see them.
pub const WORK_ROOT: &str = "/fake";
/// One call takes this long, so that time passes between question and answer.
const CALL: Duration = Duration::from_millis(10);

/// How a cluster of this kind is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    pub nodes: u32,
    pub cores: u32,
    pub accounting: AccountingKind,
    /// Whether the platform reaches the work folder.
    pub has_files: bool,
    /// Between two saves of the controller's state.
    pub save_every: Duration,
    /// Ended jobs stay in the controller's memory this long.
    pub min_job_age: Duration,
    /// From an end to its record in accounting.
    pub accounting_lag: Duration,
    /// The cluster's clock less ours.
    pub clock_offset: Span,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            nodes: 4,
            cores: 8,
            accounting: AccountingKind::Slurmdbd,
            has_files: true,
            save_every: Duration::from_secs(3),
            min_job_age: Duration::from_secs(60),
            accounting_lag: Duration::from_millis(300),
            clock_offset: Span::ZERO,
        }
    }
}

/// What goes wrong, in thousandths of the calls that it can happen to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// The job is made, and the answer is lost.
    pub answer_lost: u64,
    /// There is no answer, and the job appears up to `late_max` later.
    pub late: u64,
    pub late_max: Duration,
    /// There is no answer, and no job.
    pub dropped: u64,
    pub not_sent: u64,
    /// A question about queue, nodes or accounting is not answered.
    pub silent: u64,
}

/// The machine room. Survives restarts of the platform; cheap to share.
#[derive(Clone)]
pub struct FakeSlurm {
    setup: Arc<Setup>,
    began: Instant,
    epoch: Timestamp,
    memory: Arc<Mutex<Memory>>,
}

struct Memory {
    model: Model,
    faults: Faults,
    chance: Stream,
    cut: bool,
    accounting_down: bool,
    files_down: bool,
}

impl FakeSlurm {
    /// A cluster on which nothing runs, at a time that means nothing.
    pub fn new(setup: Setup) -> FakeSlurm {
        let epoch = Timestamp::from_secs(1_700_000_000);
        let memory = Memory {
            model: Model::new(&setup, (epoch + setup.clock_offset).as_micros()),
            faults: Faults::default(),
            chance: Seed::from_u64(0).stream(),
            cut: false,
            accounting_down: false,
            files_down: false,
        };
        FakeSlurm { setup: Arc::new(setup), began: Instant::now(), epoch, memory: Arc::new(Mutex::new(memory)) }
    }

    /// Everything that a connector to it needs. `cluster` and realm are fixed.
    pub fn parts(&self) -> Parts {
        let config = SlurmConfig {
            way: crate::config::Way::Command { tools: crate::config::Tools::default() },
            files: None,
            work_root: WORK_ROOT.to_owned(),
            partitions: Vec::new(),
            reservation: None,
            identity: crate::config::Identity::default(),
            users: None,
            chips: std::collections::BTreeMap::new(),
            interconnects: Default::default(),
            poll_ms: 400,
            grace_secs: 30,
        };
        let files: Option<Arc<dyn Files>> =
            if self.setup.has_files { Some(Arc::new(files::FakeFiles(self.clone()))) } else { None };
        Parts {
            cluster: ClusterId::from_u128(1),
            name: "fake".into(),
            realm: Realm::new(&[b"fake"]),
            config,
            pools: vec![self.pool()],
            carrier: Arc::new(self.clone()),
            files,
            homes: None,
            accounting: self.setup.accounting,
            limits: Limits { late: Duration::from_secs(30), ..Limits::default() },
            clock: self.clock(),
        }
    }

    pub fn pool(&self) -> SlurmPool {
        SlurmPool {
            id: PoolId::from_u128(1),
            name: "fake".into(),
            partition: "main".to_owned(),
            gres: None,
            constraint: None,
            exclude: Vec::new(),
            nodes: self.memory().model.node_names(),
            shape: Resources::new(u64::from(self.setup.cores), Bytes::from_gib(16), 0),
            chip: None,
        }
    }

    /// The platform's clock.
    pub fn clock(&self) -> Clock {
        let (began, epoch) = (self.began, self.epoch);
        Arc::new(move || epoch + Span::from_micros(began.elapsed().as_micros() as i64))
    }

    /// From now on calls go wrong as `faults` says, by chance from `seed`.
    pub fn set_faults(&self, seed: u64, faults: Faults) {
        let mut memory = self.memory();
        memory.faults = faults;
        memory.chance = Seed::from_u64(seed).child("faults").stream();
    }

    /// The line is cut, or mended.
    pub fn set_cut(&self, cut: bool) {
        self.memory().cut = cut;
    }

    pub fn set_accounting_down(&self, down: bool) {
        self.memory().accounting_down = down;
    }

    pub fn set_files_down(&self, down: bool) {
        self.memory().files_down = down;
    }

    /// kill -9 of the controller: it is back after `down` with the state it saved last, and gives numbers out again.
    pub fn crash(&self, down: Duration) {
        self.now().model.crash(down.as_micros() as i64);
    }

    /// Slurm starts a running job again; its run counts as `state`.
    pub fn requeue(&self, attempt: AttemptId, state: crate::carrier::SlurmState) {
        self.now().model.requeue(attempt, state);
    }

    /// A node's daemon launches a running job a second time.
    pub fn launch_twice(&self, attempt: AttemptId) {
        self.now().model.launch_twice(attempt);
    }

    /// A job that waits is cancelled at the site.
    pub fn cancel_waiting(&self, attempt: AttemptId) {
        self.now().model.cancel_waiting(attempt);
    }
    /// A node's daemon does not launch a job that waits, and Slurm queues it again and holds it.
    pub fn hold_after_launch(&self, attempt: AttemptId) {
        self.now().model.hold_after_launch(attempt);
    }
    /// A node's daemon refuses to launch a job that waits, and Slurm ends it.
    pub fn refuse_launch(&self, attempt: AttemptId, state: SlurmState, exit: (i32, i32)) {
        self.now().model.refuse_launch(attempt, state, exit);
    }

    /// A node is gone with everything on it.
    pub fn fail_node(&self, name: &str) {
        self.now().model.fail_node(name);
    }

    pub fn set_node_state(&self, name: &str, state: &str) {
        self.now().model.set_node_state(name, state);
    }

    /// Somebody else's job takes this many cores of a node.
    pub fn take_node(&self, name: &str, cores: u32) {
        self.now().model.take_node(name, cores);
    }

    pub fn suspend(&self, attempt: AttemptId, suspended: bool) {
        self.now().model.suspend(attempt, suspended);
    }

    /// A job is put into the queue behind the connector's back: a submission that arrives late.
    pub fn slip_in(&self, request: &SubmitRequest) -> JobNumber {
        self.now().model.submit(request)
    }

    /// How often the script of an attempt was begun, and how often it came to its own end.
    pub fn ran(&self, attempt: AttemptId) -> (u32, u32) {
        self.now().model.ran(attempt)
    }

    /// Seconds of the cluster's clock in which the script last began and came to its end.
    pub fn worked(&self, attempt: AttemptId) -> Option<(i64, i64)> {
        self.now().model.worked(attempt)
    }

    /// Jobs of an attempt that wait or run.
    pub fn active(&self, attempt: AttemptId) -> Vec<JobNumber> {
        self.now().model.active(attempt)
    }

    /// Seconds that the cluster's accounting holds for an attempt, over all its runs: start and end of each.
    pub fn accounted(&self, attempt: AttemptId) -> Vec<(i64, i64)> {
        self.now().model.accounted(attempt)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine room brought up to the present.
    fn now(&self) -> MutexGuard<'_, Memory> {
        let now = (self.clock())() + self.setup.clock_offset;
        let mut memory = self.memory();
        memory.model.advance(now.as_micros());
        memory
    }

    /// Asks the controller something, unless a fault is next.
    fn ask<'a, T: Send + 'a>(
        &'a self,
        what: impl FnOnce(&mut Model) -> T + Send + 'a,
    ) -> BoxFuture<'a, Result<T, CarrierError>> {
        async move {
            tokio::time::sleep(CALL).await;
            let mut memory = self.now();
            let silent = memory.faults.silent;
            if memory.cut || memory.model.is_down() || memory.chance.chance(silent) {
                return Err(CarrierError::Unreachable(io::ErrorKind::TimedOut.into()));
            }
            Ok(what(&mut memory.model))
        }
        .boxed()
    }
}

impl Carrier for FakeSlurm {
    fn describe(&self) -> String {
        "a cluster in memory".to_owned()
    }

    fn survey(&self) -> BoxFuture<'_, Result<Survey, CarrierError>> {
        self.ask(|model| Survey {
            version: "fake".to_owned(),
            cluster_name: "fake".to_owned(),
            user: "fake".to_owned(),
            accounting: self.setup.accounting,
            clock: model.seconds(),
            config: Vec::new(),
            partitions: vec![PartitionFacts {
                name: "main".to_owned(),
                state: "UP".to_owned(),
                is_default: true,
                nodes: model.node_names(),
                max_time_minutes: None,
                max_nodes: None,
                min_nodes: None,
                default_time_minutes: None,
                allow_accounts: Vec::new(),
                allow_qos: Vec::new(),
                preempt_mode: "OFF".to_owned(),
                rules: Vec::new(),
            }],
            nodes: model.node_facts(),
            reservations: Vec::new(),
            licences: Vec::new(),
            limits: Vec::new(),
            topology: Vec::new(),
        })
    }

    fn nodes(&self, _since: Option<i64>) -> BoxFuture<'_, Result<Vec<NodeFacts>, CarrierError>> {
        self.ask(|model| model.node_facts())
    }

    fn submit<'a>(&'a self, request: &'a SubmitRequest) -> BoxFuture<'a, Result<JobNumber, SubmitError>> {
        async move {
            tokio::time::sleep(CALL).await;
            let mut memory = self.now();
            let lost = || io::Error::from(io::ErrorKind::TimedOut);
            let faults = memory.faults;
            if memory.cut || memory.chance.chance(faults.not_sent) {
                return Err(SubmitError::NotSent(lost()));
            }
            if memory.model.is_down() || memory.chance.chance(faults.dropped) {
                return Err(SubmitError::Unanswered(lost()));
            }
            if memory.chance.chance(faults.late) {
                let late = memory.chance.below(faults.late_max.as_micros() as u64);
                memory.model.submit_late(request, late as i64);
                return Err(SubmitError::Unanswered(lost()));
            }
            let number = memory.model.submit(request);
            if memory.chance.chance(faults.answer_lost) {
                return Err(SubmitError::Unanswered(lost()));
            }
            Ok(number)
        }
        .boxed()
    }

    fn queue(&self, wanted: QueueWanted) -> BoxFuture<'_, Result<Queue, CarrierError>> {
        self.ask(move |model| model.queue(&wanted))
    }

    fn accounts(&self, wanted: AccountsWanted) -> BoxFuture<'_, Result<Vec<AccountedRun>, CarrierError>> {
        async move {
            tokio::time::sleep(CALL).await;
            let mut memory = self.now();
            let silent = memory.faults.silent;
            if memory.cut || memory.accounting_down || memory.chance.chance(silent) {
                return Err(CarrierError::Refused("slurmdbd: connection refused".to_owned()));
            }
            Ok(memory.model.accounts(&wanted))
        }
        .boxed()
    }

    fn cancel<'a>(&'a self, numbers: &'a [JobNumber], how: Cancel) -> BoxFuture<'a, Result<(), CarrierError>> {
        self.ask(move |model| numbers.iter().for_each(|number| model.cancel(*number, how)))
    }

    fn hold<'a>(&'a self, numbers: &'a [JobNumber]) -> BoxFuture<'a, Result<(), CarrierError>> {
        self.ask(move |model| model.hold(numbers, true))
    }

    fn release<'a>(&'a self, numbers: &'a [JobNumber]) -> BoxFuture<'a, Result<(), CarrierError>> {
        self.ask(move |model| model.hold(numbers, false))
    }

    fn set_time_limit(&self, number: JobNumber, minutes: u32) -> BoxFuture<'_, Result<(), CarrierError>> {
        self.ask(move |model| model.set_time_limit(number, minutes))
    }
}
