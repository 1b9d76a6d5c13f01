//! One Slurm cluster as the platform's contract has it: hands attempts over exactly once, follows them, ends them and proves
//! their ends, through any carrier. Four tasks of this process and a table; no state of its own survives, as everything stands
//! in the cluster. How exactly-once works is told in `docs/slurm.md`.

mod copies;
mod ends;
mod facts;
mod hand_over;
pub mod limits;
mod link;
mod logs;
mod look;
mod nodes;
mod orders;
mod owners;
mod resume;
mod runs;
mod table;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{AttemptId, ClusterId, PoolId, Span, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use model::{EndOrder, Observation, Order};
use ports::cluster::Observations;
use ports::{Cluster, ClusterFacts, ConnectError, Files, LogChunk, LogStream, PoolFacts};
use tokio::sync::{Notify, mpsc, watch as latest};
use tokio::task::JoinSet;

use crate::carrier::{AccountingKind, Carrier};
use crate::config::SlurmConfig;
use crate::homes::Homes;
use crate::key::Realm;
use crate::render::SlurmPool;
use crate::supply::{self, Known};

pub use limits::Limits;
use link::Link;
pub use link::LinkStatus;
use table::{Phase, Table};

/// The platform's clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Everything a Slurm cluster is made of.
pub struct Parts {
    pub cluster: ClusterId,
    pub name: Arc<str>,
    pub realm: Realm,
    pub config: SlurmConfig,
    pub pools: Vec<SlurmPool>,
    pub carrier: Arc<dyn Carrier>,
    /// Below the work root; `None` where only Slurm itself can be reached. Then there is no evidence to read and no log.
    pub files: Option<Arc<dyn Files>>,
    /// The same files, where jobs run as Unix users of their own.
    pub homes: Option<Arc<Homes>>,
    pub accounting: AccountingKind,
    pub limits: Limits,
    pub clock: Clock,
}

pub(crate) struct Inner {
    pub cluster: ClusterId,
    pub name: Arc<str>,
    pub realm: Realm,
    pub config: SlurmConfig,
    pub carrier: Arc<dyn Carrier>,
    pub files: Option<Arc<dyn Files>>,
    pub homes: Option<Arc<Homes>>,
    pub accounting: AccountingKind,
    pub limits: Limits,
    pub clock: Clock,
    pools: Mutex<Arc<[SlurmPool]>>,
    table: Mutex<Table>,
    link: Mutex<Link>,
    /// Attempts to be handed over.
    hand_over: mpsc::UnboundedSender<AttemptId>,
    /// Whole looks at the queue that were answered.
    looks: latest::Sender<u64>,
    /// Somebody waits for the next look at the whole queue.
    look_now: Notify,
    ends_due: Notify,
    orders_due: Notify,
    outbox_due: Notify,
}

/// A Slurm cluster. Dropping it ends its tasks and leaves all jobs as they are; the next one on the same cluster and realm
/// finds them again.
pub struct SlurmCluster {
    inner: Arc<Inner>,
    _tasks: JoinSet<()>,
}

impl SlurmCluster {
    /// Begins to look at the cluster at once. To be called within a tokio runtime; neither waits nor blocks.
    pub fn new(parts: Parts, observations: Observations) -> SlurmCluster {
        let (hand_over, to_hand_over) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            cluster: parts.cluster,
            name: parts.name,
            realm: parts.realm,
            config: parts.config,
            carrier: parts.carrier,
            files: parts.files,
            homes: parts.homes,
            accounting: parts.accounting,
            limits: parts.limits,
            clock: parts.clock,
            pools: Mutex::new(parts.pools.into()),
            table: Mutex::default(),
            link: Mutex::default(),
            hand_over,
            looks: latest::Sender::new(0),
            look_now: Notify::new(),
            ends_due: Notify::new(),
            orders_due: Notify::new(),
            outbox_due: Notify::new(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(tell(Arc::clone(&inner), observations));
        tasks.spawn(watch::run(Arc::clone(&inner)));
        tasks.spawn(hand_over::run(Arc::clone(&inner), to_hand_over));
        tasks.spawn(ends::run(Arc::clone(&inner)));
        tasks.spawn(orders::run(Arc::clone(&inner)));
        tasks.spawn(nodes::run(Arc::clone(&inner)));
        SlurmCluster { inner, _tasks: tasks }
    }

    /// How the line to the cluster is, for operators.
    pub fn status(&self) -> LinkStatus {
        self.inner.status()
    }

    /// Other pools from now on; attempts that are there already stay where they are.
    pub fn set_pools(&self, pools: Vec<SlurmPool>) {
        *self.inner.pools.lock().unwrap_or_else(PoisonError::into_inner) = pools.into();
    }

    pub fn pools(&self) -> Arc<[SlurmPool]> {
        self.inner.pools()
    }
}

impl Inner {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pools(&self) -> Arc<[SlurmPool]> {
        Arc::clone(&self.pools.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The cluster's clock now, in its seconds.
    fn cluster_seconds(&self) -> i64 {
        (self.now() + self.link().offset()).as_secs()
    }

    /// Has everything told that stands in the table's outbox.
    fn told(&self) {
        self.outbox_due.notify_one();
    }
}

/// All observations leave through here, so that their order is that of the course of each attempt.
async fn tell(inner: Arc<Inner>, observations: Observations) {
    loop {
        let next = inner.table().outbox.pop_front();
        match next {
            Some(what) => {
                let cluster = inner.cluster;
                if observations.send(Observation { cluster, what }).await.is_err() {
                    // Nobody listens any more: the platform is going down, and will ask again when it is up.
                    return;
                }
            }
            None => inner.outbox_due.notified().await,
        }
    }
}

impl Cluster for SlurmCluster {
    fn describe(&self) -> BoxFuture<'_, Result<ClusterFacts, ConnectError>> {
        async {
            let survey = self.inner.carrier.survey().await.map_err(link::unreachable)?;
            let pools = self.inner.pools();
            let known: Vec<Known> = pools.iter().map(Known::from).collect();
            let inner = &self.inner;
            let now = supply::pools(&survey, &inner.config, inner.cluster, &inner.name, &known);
            // Places in its terms are those of the nodes as they are now.
            let plan = |pool: &SlurmPool| now.plans.iter().find(|p| p.pool.id == pool.id && p.pool.nodes == pool.nodes);
            let pools = pools.iter().map(|pool| PoolFacts {
                name: pool.name.to_string(),
                shape: pool.shape,
                chip: pool.chip.clone(),
                nodes: pool.nodes.clone(),
                time_limit_max: plan(pool).and_then(|plan| plan.time_limit_max),
                terms: plan(pool).map_or_else(Default::default, |plan| plan.terms.clone()),
            });
            self.inner.link().described();
            Ok(ClusterFacts {
                version: format!("Slurm {}, {}", survey.version, self.inner.carrier.describe()),
                pools: pools.collect(),
                remarks: self.inner.remarks(),
                terms: now.terms,
            })
        }
        .boxed()
    }

    fn submit(&self, order: Arc<Order>, script: Arc<str>) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.inner.submit(order, script).boxed()
    }

    fn end(&self, attempt: AttemptId, how: EndOrder) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.inner.end(attempt, how).boxed()
    }

    fn signal(&self, attempt: AttemptId, signal: i32, shell_only: bool) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.inner.signal(attempt, signal, shell_only).boxed()
    }

    fn forget(&self, attempt: AttemptId) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.inner.forget(attempt);
        std::future::ready(Ok(())).boxed()
    }

    fn resume(&self, open: Vec<AttemptId>) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.inner.resume(open).boxed()
    }

    fn read_log(
        &self,
        order: Arc<Order>,
        stream: LogStream,
        offset: i64,
        max: usize,
    ) -> BoxFuture<'_, Result<LogChunk, ConnectError>> {
        async move { self.inner.read_log(&order, stream, offset, max).await }.boxed()
    }

    fn wait_log(&self, order: Arc<Order>, stream: LogStream, size: u64) -> BoxFuture<'_, Result<(), ConnectError>> {
        async move { self.inner.wait_log(&order, stream, size).await }.boxed()
    }

    fn files(&self) -> Option<Arc<dyn Files>> {
        self.inner.files.clone()
    }

    fn work_folder<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Option<String>, ConnectError>> {
        // Relative to the root: one of an empty root begins with `/`.
        let paths = crate::render::paths(order, "", &self.inner.name, None);
        let folder = paths.ours.then(|| paths.work_dir.trim_start_matches('/').to_owned());
        let home = self.inner.home(order).map_err(|error| hand_over::refused(&error.into()));
        std::future::ready(home.map(|home| folder.map(|folder| home.path(&folder)))).boxed()
    }

    fn set_time_limit(&self, attempt: AttemptId, limit: Span) -> BoxFuture<'_, Result<(), ConnectError>> {
        self.inner.set_time_limit(attempt, limit).boxed()
    }

    fn pool_remarks(&self, pool: PoolId) -> Vec<String> {
        if self.inner.pools().iter().any(|known| known.id == pool) { self.inner.remarks() } else { Vec::new() }
    }
}

impl Inner {
    /// What an operator should know of this cluster, in plain sentences.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        match self.accounting {
            AccountingKind::Slurmdbd => {}
            AccountingKind::CompletionLog => remarks.push(
                "no slurmdbd: starts and ends are those of Slurm's completion log, and what jobs used is not counted"
                    .to_owned(),
            ),
            AccountingKind::Controller => remarks.push(
                "no accounting: ends are proven by the controller's memory and the evidence in the work folder"
                    .to_owned(),
            ),
        }
        if self.files.is_none() {
            remarks.push("files cannot be reached this way: no logs, and no evidence but Slurm's own".to_owned());
        }
        let status = self.status();
        if let Some(error) = status.last_error {
            remarks.push(format!("the last error: {error}"));
        }
        if let Some(error) = status.accounting_error {
            remarks.push(format!("accounting does not answer: {error}"));
        }
        if status.clock_offset != Span::ZERO {
            remarks.push(format!("its clock differs from ours by {}; times are corrected", status.clock_offset));
        }
        remarks
    }

    fn status(&self) -> LinkStatus {
        let table = self.table();
        let link = self.link();
        LinkStatus {
            way: self.carrier.describe(),
            accounting: self.accounting,
            last_contact: link.last_contact_at,
            lag: link.lag(),
            reachable: !link.is_silent(),
            clock_offset: link.offset(),
            handing_over: table.count(|phase| phase == Phase::HandingOver),
            seeking: table.count(|phase| matches!(phase, Phase::Seeking { .. })),
            waiting: table.count(|phase| phase == Phase::Queued),
            running: table.count(|phase| phase == Phase::Running),
            ending: table.count(|phase| matches!(phase, Phase::Ending { .. })),
            missing: table.count(|phase| matches!(phase, Phase::Missing { .. })),
            untold: table.outbox.len(),
            last_error: link.last_error.clone(),
            accounting_error: link.accounting_error.clone(),
        }
    }
}

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod tests;
