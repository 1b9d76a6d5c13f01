//! Effects become calls on clusters: in order per attempt, several attempts side by side, retried while a cluster
//! does not answer. Everything here may be repeated after a crash.

use std::sync::Arc;
use std::time::Duration;

use base::{AttemptId, ClusterId, ScriptId};
use engine::Effect;
use model::{Observation, Observed};
use moka::sync::Cache;
use ports::ConnectError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::app::Clusters;

/// Calls under way at once. A local start is about 3 ms, an sbatch 10 ms: 32 lanes keep either busy.
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
    lanes: Vec<mpsc::UnboundedSender<Effect>>,
    tasks: JoinSet<()>,
    resumes: mpsc::UnboundedSender<Resume>,
}

impl Dispatcher {
    pub fn new(clusters: Arc<Clusters>, store: Arc<store::SqlStore>, observe: mpsc::Sender<Observation>) -> Self {
        let scripts =
            Cache::builder().weigher(|_, text: &Arc<str>| text.len() as u32 + 64).max_capacity(SCRIPT_CACHE).build();
        let shared = Shared { clusters, store, observe, scripts };
        let mut tasks = JoinSet::new();
        let mut lanes = Vec::with_capacity(LANES);
        for _ in 0..LANES {
            let (sender, mut effects) = mpsc::unbounded_channel();
            let shared = shared.clone();
            tasks.spawn(async move {
                while let Some(effect) = effects.recv().await {
                    shared.perform(effect).await;
                }
            });
            lanes.push(sender);
        }
        let (resumes, mut queue) = mpsc::unbounded_channel::<Resume>();
        let (resuming, after) = (shared.clone(), lanes.clone());
        tasks.spawn(async move {
            while let Some(Resume { cluster, open, outstanding }) = queue.recv().await {
                resuming.resume(cluster, open).await;
                // Only now: a hand-over that arrives while the cluster takes stock could be taken for one that never ran.
                outstanding.into_iter().for_each(|effect| send(&after, effect));
                resuming.tell(super::active::reachable(cluster)).await;
            }
        });
        Self { shared, lanes, tasks, resumes }
    }

    pub fn remember_script(&self, id: ScriptId, text: Arc<str>) {
        self.shared.scripts.insert(id, text);
    }

    /// Effects on one attempt share a lane and so keep their order.
    pub fn perform(&self, effect: Effect) {
        send(&self.lanes, effect);
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

fn send(lanes: &[mpsc::UnboundedSender<Effect>], effect: Effect) {
    let lane = (effect.attempt().job.as_u128() % LANES as u128) as usize;
    // A lane ends only with the dispatcher.
    let _ = lanes[lane].send(effect);
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
                cluster.submit(order.clone(), script).await
            }
            Effect::End { attempt, how, .. } => cluster.end(*attempt, *how).await,
            Effect::Signal { attempt, signal, shell_only, .. } => cluster.signal(*attempt, *signal, *shell_only).await,
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
