//! Connectors of registered clusters: built while this server is active, taken up again when a link breaks, let go of when a
//! cluster is retired and empty. A cluster that cannot be reached holds up nobody. Refuses to know: HTTP, what work is placed.

mod by_agent;
pub(crate) mod debtors;
mod keeper;
mod reports;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::{ClusterId, ReportId, SupplierId};
use connect_slurm::{LinkStatus, SlurmCluster, SlurmConfig};
use model::{ClusterLink, LinkKind, Service};
use rating::PoolCost;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::app::App;
use crate::driver::Role;
use crate::shell::Observe;

pub(crate) use keeper::chain;
pub use keeper::registered_pool;
pub use reports::{Busy, Running, Who};

/// After a store that did not answer, links are read again.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// What is registered of a Slurm cluster, as it is kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlurmLink {
    pub slurm: SlurmConfig,
    /// Of every node of it, where the operator says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<PoolCost>,
}

impl SlurmLink {
    /// # Errors
    /// What is stored is not understood: written by a newer program, or by hand.
    pub fn read(link: &ClusterLink) -> Result<SlurmLink, serde_json::Error> {
        serde_json::from_str(&link.config)
    }
}

/// How the connector of a cluster is.
#[derive(Clone, Debug, Default)]
pub struct LinkState {
    /// It stands and was given to the driver.
    pub connected: bool,
    /// Why it does not stand, or what is wrong with what it offers; for the operator.
    pub error: Option<String>,
    /// The connector's own word, once it stands.
    pub status: Option<LinkStatus>,
}

#[derive(Default)]
struct Held {
    links: BTreeMap<ClusterId, Entry>,
    reports: BTreeMap<ReportId, Running>,
}

#[derive(Default)]
struct Entry {
    cluster: Option<Arc<SlurmCluster>>,
    error: Option<String>,
    /// Look again at once.
    wake: Arc<Notify>,
}

/// What the keeper of all links is told.
enum Turn {
    /// The driver became active; connectors deliver there.
    Begin(Observe),
    /// A cluster was registered, changed or retired.
    Changed,
}

/// The handlers' end; cheap to clone.
#[derive(Clone)]
pub struct Links {
    held: Arc<Mutex<Held>>,
    turns: mpsc::UnboundedSender<Turn>,
}

/// The other end, to be given to [`run`].
pub struct Turns(mpsc::UnboundedReceiver<Turn>);

impl Links {
    pub fn new() -> (Links, Turns) {
        let (turns, inbox) = mpsc::unbounded_channel();
        (Links { held: Arc::default(), turns }, Turns(inbox))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called each time the driver becomes active, before it resumes anything.
    pub fn begin(&self, observe: Observe) {
        // Nobody hears it only when the server is going down.
        let _ = self.turns.send(Turn::Begin(observe));
    }

    /// To be called after a command that changed a registered cluster.
    pub fn changed(&self) {
        let _ = self.turns.send(Turn::Changed);
    }

    /// Looks at a cluster again now, not when its time comes.
    pub fn look_again(&self, cluster: ClusterId) {
        if let Some(entry) = self.held().links.get(&cluster) {
            entry.wake.notify_one();
        }
    }

    /// `None`: not a registered cluster, or another server has the connection.
    pub fn state(&self, cluster: ClusterId) -> Option<LinkState> {
        let held = self.held();
        let entry = held.links.get(&cluster)?;
        Some(LinkState {
            connected: entry.cluster.is_some(),
            error: entry.error.clone(),
            status: entry.cluster.as_ref().map(|c| c.status()),
        })
    }

    fn note(&self, cluster: ClusterId, error: Option<String>) {
        self.held().links.entry(cluster).or_default().error = error;
    }
}

/// What a keeper was begun with; another one is begun when any of it changes.
type Kept = (ClusterLink, Arc<str>, SupplierId);

/// The connectors of one time of being active.
struct Generation {
    observe: Observe,
    keepers: BTreeMap<ClusterId, (Kept, AbortHandle)>,
    tasks: JoinSet<ClusterId>,
}

/// Keeps a connector for every registered cluster while this server is active. Ends with `stop` or when nobody is left to
/// tell it anything.
pub async fn run(app: App, turns: Turns, mut role: watch::Receiver<Role>, mut stop: watch::Receiver<bool>) {
    let Turns(mut turns) = turns;
    let mut generation: Option<Generation> = None;
    let mut again = false;
    loop {
        let pause = if again { READ_AGAIN } else { Duration::MAX };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            () = tokio::time::sleep(pause) => {}
            turn = turns.recv() => match turn {
                None => break,
                Some(Turn::Begin(observe)) => {
                    end(&app, generation.take());
                    generation = Some(Generation { observe, keepers: BTreeMap::new(), tasks: JoinSet::new() });
                }
                Some(Turn::Changed) => {}
            },
            changed = role.changed() => {
                if changed.is_err() {
                    break;
                }
                if !matches!(*role.borrow_and_update(), Role::Starting | Role::Active) {
                    end(&app, generation.take());
                }
            }
            Some(ended) = ended(&mut generation) => {
                if let Some(generation) = &mut generation {
                    generation.keepers.remove(&ended);
                }
                let _ = app.clusters.remove(ended);
                app.links.held().links.remove(&ended);
            }
        }
        again = match &mut generation {
            None => false,
            Some(generation) => refresh(&app, generation).await.is_err(),
        };
    }
    end(&app, generation.take());
}

/// A keeper that ended by itself: its cluster is retired and empty.
async fn ended(generation: &mut Option<Generation>) -> Option<ClusterId> {
    match generation {
        None => std::future::pending().await,
        Some(generation) => loop {
            match generation.tasks.join_next().await {
                Some(Ok(cluster)) => return Some(cluster),
                // Aborted: another one took its place.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        },
    }
}

fn end(app: &App, generation: Option<Generation>) {
    let Some(mut generation) = generation else { return };
    generation.tasks.abort_all();
    for cluster in generation.keepers.into_keys() {
        let _ = app.clusters.remove(cluster);
    }
    app.links.held().links.clear();
}

/// Begins keepers for what is registered and has none, or another link than the one it was begun with.
async fn refresh(app: &App, generation: &mut Generation) -> Result<(), ports::StoreError> {
    let clusters = app.store.clusters().await?;
    for link in app.store.cluster_links().await? {
        let Some(cluster) = clusters.iter().find(|c| c.id == link.cluster && link.kind == LinkKind::Slurm) else {
            continue;
        };
        if cluster.service == Service::Retired && !has_open(app, cluster.id).await {
            continue;
        }
        let kept: Kept = (link.clone(), cluster.name.clone(), cluster.supplier);
        if let Some((known, task)) = generation.keepers.get(&cluster.id) {
            if *known == kept {
                app.links.look_again(cluster.id);
                continue;
            }
            task.abort();
        }
        let wake = app.links.held().links.entry(cluster.id).or_default().wake.clone();
        let keeper = keeper::Keeper::new(app.clone(), generation.observe.clone(), cluster.clone(), link, wake);
        let id = cluster.id;
        let task = generation.tasks.spawn(async move {
            keeper.keep().await;
            id
        });
        generation.keepers.insert(id, (kept, task));
    }
    Ok(())
}

/// Attempts that the platform knows to be there. Without an answer there may be some.
async fn has_open(app: &App, cluster: ClusterId) -> bool {
    app.engine.ask(move |engine, _| !engine.handed_over(cluster).is_empty()).await.unwrap_or(true)
}
