//! Effects become calls on clusters: in order per attempt, several attempts side by side, retried while a cluster
//! does not answer, which holds up no other cluster. Everything here may be repeated after a crash.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base::{AttemptId, ClusterId, ScriptId};
use engine::Effect;
use model::{Observation, Observed, Order};
use moka::sync::Cache;
use ports::ConnectError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::app::Clusters;
use crate::staging::Staging;

/// Calls under way at once on one cluster. A local start is about 3 ms, an sbatch 10 ms: 32 lanes keep either busy. A lane is a
/// queue and a task of some hundred bytes: 100 clusters × 32 are below 4 MiB.
const LANES: usize = 32;
/// Scripts kept for hand-over, in bytes; those that fell out are read from the store.
const SCRIPT_CACHE: u64 = 64 << 20;
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(15);

#[derive(Clone)]
struct Shared {
    clusters: Arc<Clusters>,
    store: Arc<store::SqlStore>,
    observe: mpsc::Sender<Observation>,
    scripts: Cache<ScriptId, Arc<str>>,
    staging: Arc<Staging>,
}

/// A cluster to be taken up again: the open attempts it must know, and what is outstanding there.
struct Resume {
    cluster: ClusterId,
    open: Vec<AttemptId>,
    outstanding: Vec<Effect>,
}

/// Performs effects for as long as it lives; dropping it abandons what is under way, which a restart repeats.
pub(super) struct Dispatcher {
    shared: Shared,
    lanes: mpsc::UnboundedSender<Effect>,
    tasks: JoinSet<()>,
    resumes: mpsc::UnboundedSender<Resume>,
}

impl Dispatcher {
    pub fn new(
        clusters: Arc<Clusters>,
        store: Arc<store::SqlStore>,
        observe: mpsc::Sender<Observation>,
        staging: Staging,
    ) -> Self {
        let scripts =
            Cache::builder().weigher(|_, text: &Arc<str>| text.len() as u32 + 64).max_capacity(SCRIPT_CACHE).build();
        let shared = Shared { clusters, store, observe, scripts, staging: Arc::new(staging) };
        let mut tasks = JoinSet::new();
        let (lanes, effects) = mpsc::unbounded_channel();
        tasks.spawn(spread(shared.clone(), effects));
        let (resumes, mut queue) = mpsc::unbounded_channel::<Resume>();
        let (resuming, after) = (shared.clone(), lanes.clone());
        tasks.spawn(async move {
            // Side by side: a cluster that does not answer keeps no other from going on.
            let mut tasks = JoinSet::new();
            while let Some(Resume { cluster, open, outstanding }) = queue.recv().await {
                let (resuming, after) = (resuming.clone(), after.clone());
                tasks.spawn(async move {
                    resuming.resume(cluster, open).await;
                    // Only now: a hand-over that arrives while the cluster takes stock could be taken for one that never ran.
                    outstanding.into_iter().for_each(|effect| drop(after.send(effect)));
                    resuming.tell(super::active::reachable(cluster)).await;
                });
            }
        });
        Self { shared, lanes, tasks, resumes }
    }

    pub fn remember_script(&self, id: ScriptId, text: Arc<str>) {
        self.shared.scripts.insert(id, text);
    }

    /// Effects on one attempt share a lane and so keep their order.
    pub fn perform(&self, effect: Effect) {
        // The lanes end only with the dispatcher.
        let _ = self.lanes.send(effect);
    }

    /// Lets a cluster deliver what happened while nobody listened, then does what is outstanding there; it counts as
    /// reachable once it has answered.
    pub fn resume(&self, cluster: ClusterId, open: Vec<AttemptId>, outstanding: Vec<Effect>) {
        // The queue ends only with the dispatcher.
        let _ = self.resumes.send(Resume { cluster, open, outstanding });
    }

    pub async fn shut(&mut self) {
        self.tasks.shutdown().await;
    }
}

/// Gives each cluster lanes of its own, so that one that does not answer holds up no other, and spreads effects over them.
async fn spread(shared: Shared, mut effects: mpsc::UnboundedReceiver<Effect>) {
    let mut tasks = JoinSet::new();
    let mut lanes: HashMap<ClusterId, Vec<mpsc::UnboundedSender<Effect>>> = HashMap::new();
    while let Some(effect) = effects.recv().await {
        let of_cluster =
            lanes.entry(effect.cluster()).or_insert_with(|| (0..LANES).map(|_| lane(&shared, &mut tasks)).collect());
        let lane = (effect.attempt().job.as_u128() % LANES as u128) as usize;
        // A lane ends only with this function.
        let _ = of_cluster[lane].send(effect);
    }
}

fn lane(shared: &Shared, tasks: &mut JoinSet<()>) -> mpsc::UnboundedSender<Effect> {
    let (sender, mut effects) = mpsc::unbounded_channel();
    let shared = shared.clone();
    tasks.spawn(async move {
        while let Some(effect) = effects.recv().await {
            shared.perform(effect).await;
        }
    });
    sender
}

impl Shared {
    async fn resume(&self, id: ClusterId, open: Vec<AttemptId>) {
        let Some(cluster) = self.clusters.get(id) else { return };
        let mut pause = RETRY_FIRST;
        while let Err(error) = cluster.resume(open.clone()).await {
            tracing::warn!(cluster = %id, %error, "the cluster did not resume; trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    async fn perform(&self, effect: Effect) {
        let mut pause = RETRY_FIRST;
        loop {
            match self.attempt(&effect).await {
                Ok(()) => return,
                Err(ConnectError::Unreachable(error)) => {
                    tracing::warn!(attempt = %effect.attempt(), %error, "the cluster did not answer; trying again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_MAX);
                }
                Err(ConnectError::Refused { text, note, permanent }) => {
                    tracing::warn!(attempt = %effect.attempt(), %text, %note, "the cluster refused");
                    if let Effect::SetTimeLimit { cluster, attempt, .. } = &effect {
                        // The platform ends it at its limit itself; if the limit was raised, the cluster may end it before.
                        let said: Arc<str> = format!("the time limit there stays: {text}").into();
                        let what = Observed::Remark { attempt: *attempt, text: said };
                        self.tell(Observation { cluster: *cluster, what }).await;
                    }
                    if let Effect::Submit { cluster, order } = &effect {
                        let what = Observed::Refused {
                            attempt: order.attempt,
                            text: text.into(),
                            note: Some(note.into()),
                            permanent,
                        };
                        self.tell(Observation { cluster: *cluster, what }).await;
                    }
                    return;
                }
                Err(ConnectError::NoSuchAttempt(attempt)) => {
                    if let Effect::End { cluster, .. } = &effect {
                        let what = Observed::Gone { attempt, note: None };
                        self.tell(Observation { cluster: *cluster, what }).await;
                    }
                    return;
                }
            }
        }
    }

    async fn attempt(&self, effect: &Effect) -> Result<(), ConnectError> {
        let id = effect.cluster();
        let cluster = self.clusters.get(id).ok_or_else(|| {
            ConnectError::Unreachable(std::io::Error::other(format!("no connector for {id} on this server")))
        })?;
        match effect {
            Effect::Submit { order, .. } => {
                let script = self.script(order.spec.script).await?;
                let checkpoint = self.staging.make_ready(id, cluster.as_ref(), order).await?;
                let order = match checkpoint {
                    None => order.clone(),
                    Some(_) => Arc::new(Order { checkpoint, ..Order::clone(order) }),
                };
                cluster.submit(order, script).await
            }
            Effect::End { attempt, how, .. } => cluster.end(*attempt, *how).await,
            Effect::Signal { attempt, signal, shell_only, .. } => cluster.signal(*attempt, *signal, *shell_only).await,
            Effect::SetTimeLimit { attempt, limit, .. } => cluster.set_time_limit(*attempt, *limit).await,
            Effect::Forget { attempt, .. } => cluster.forget(*attempt).await,
        }
    }

    async fn script(&self, id: ScriptId) -> Result<Arc<str>, ConnectError> {
        if let Some(text) = self.scripts.get(&id) {
            return Ok(text);
        }
        match self.store.script(id).await {
            Ok(Some(text)) => {
                self.scripts.insert(id, text.clone());
                Ok(text)
            }
            Ok(None) => Err(ConnectError::Refused {
                text: "the job's script is missing".into(),
                note: format!("{id} is not in the store"),
                permanent: true,
            }),
            Err(error) => Err(ConnectError::Unreachable(std::io::Error::other(error.to_string()))),
        }
    }

    async fn tell(&self, observation: Observation) {
        // Fails only when the driver is gone, and then nobody is left to tell.
        let _ = self.observe.send(observation).await;
    }
}
