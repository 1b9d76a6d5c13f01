//! One registered Slurm cluster: opened, surveyed, its pools registered, its connector handed to the driver, and all that
//! again when something changed there.

use std::sync::Arc;
use std::time::Duration;

use base::{ClusterId, PoolId};
use connect_slurm::supply::{self, Known, SlurmPoolPlan};
use connect_slurm::{Limits, Opened, Parts, SlurmCluster, key::Realm, open};
use engine::{Command, Envelope};
use model::{Actor, Cluster, ClusterLink, Node, NodeState, Observation, Observed, Pool, Service, SupplyMode};
use rating::PoolCost;
use tokio::sync::{Notify, mpsc};

use super::{SlurmLink, debtors};
use crate::app::{App, CommandError, Message};
use crate::driver::OBSERVATIONS;
use crate::shell::Observe;

/// A cluster is looked at as a whole this often; what changes in between is told by its connector.
const LOOK: Duration = Duration::from_secs(60);
/// After a failure it is tried again after this long, and twice as long each time.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Why a look at a cluster came to nothing; for the operator.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Open(#[from] connect_slurm::OpenError),
    #[error(transparent)]
    Survey(#[from] connect_slurm::CarrierError),
    #[error("the platform could not register it: {0}")]
    Command(#[from] CommandError),
    #[error("the store: {0}")]
    Store(#[from] ports::StoreError),
}

pub(super) struct Keeper {
    app: App,
    observe: Observe,
    cluster: Cluster,
    link: ClusterLink,
    wake: Arc<Notify>,
}

impl Keeper {
    pub fn new(app: App, observe: Observe, cluster: Cluster, link: ClusterLink, wake: Arc<Notify>) -> Keeper {
        Keeper { app, observe, cluster, link, wake }
    }

    /// Until the cluster is retired and nothing of it is open.
    pub async fn keep(self) {
        let link = match SlurmLink::read(&self.link) {
            Ok(link) => link,
            Err(error) => {
                let error = format!("its registration cannot be read: {error}");
                self.app.links.note(self.cluster.id, Some(error));
                return std::future::pending().await;
            }
        };
        let (sender, observations) = mpsc::channel(OBSERVATIONS);
        tokio::select! {
            () = self.pass_on(observations) => {}
            () = self.look_on(&link, sender) => {}
        }
    }

    /// Observations go to the driver; that something changed there wakes the next look as well.
    async fn pass_on(&self, mut observations: mpsc::Receiver<Observation>) {
        while let Some(observation) = observations.recv().await {
            if observation.what == Observed::SupplyChanged {
                self.wake.notify_one();
            }
            // Fails only when the driver is gone, and then so is this task soon.
            let _ = self.observe.send(observation).await;
        }
    }

    async fn look_on(&self, link: &SlurmLink, deliver: Observe) {
        let mut opened: Option<Opened> = None;
        let mut connector: Option<Arc<SlurmCluster>> = None;
        let mut pause = RETRY_FIRST;
        loop {
            if self.is_over().await {
                return;
            }
            let wait = match self.look(link, &mut opened, &mut connector, &deliver).await {
                Ok(error) => {
                    self.app.links.note(self.cluster.id, error);
                    pause = RETRY_FIRST;
                    LOOK
                }
                Err(error) => {
                    let text = chain(&error);
                    tracing::warn!(cluster = %self.cluster.name, error = %text, "a cluster could not be looked at; trying again");
                    self.app.links.note(self.cluster.id, Some(text));
                    let wait = pause;
                    pause = (pause * 2).min(RETRY_MAX);
                    wait
                }
            };
            // Either way the next look does the same.
            let _ = tokio::time::timeout(wait, self.wake.notified()).await;
        }
    }

    /// Retired, and nothing of it is open any more.
    async fn is_over(&self) -> bool {
        let id = self.cluster.id;
        let asked = self.app.engine.ask(move |engine, _| {
            let retired = engine.clusters().any(|c| c.id == id && c.service == Service::Retired);
            retired && engine.handed_over(id).is_empty()
        });
        asked.await.unwrap_or(false)
    }

    /// Surveys, registers what changed, and builds the connector the first time. What is amiss without being in the way.
    async fn look(
        &self,
        link: &SlurmLink,
        opened: &mut Option<Opened>,
        connector: &mut Option<Arc<SlurmCluster>>,
        deliver: &Observe,
    ) -> Result<Option<String>, LookError> {
        let way = match opened {
            Some(opened) => opened.clone(),
            None => opened.insert(open(&link.slurm)?).clone(),
        };
        let (carrier, files) = (way.carrier.clone(), way.files.clone());
        let survey = carrier.survey().await?;
        let known = known_pools(&self.app, self.cluster.id).await?;
        let found = supply::pools(&survey, &link.slurm, self.cluster.id, &self.cluster.name, &known);
        let error = self.register(&found.plans, link.cost.clone()).await?;
        crate::sites::supply::describe(&self.app, self.cluster.id, &found.terms).await?;
        let pools = found.plans.into_iter().map(|plan| plan.pool).collect();
        let platform = self.app.store.platform_id(self.app.ids.draw()).await?;
        let work = realm(platform, &self.cluster, b"work");
        let owing = debtors::keep_out(&self.app, &link.slurm, &way, work, &survey.cluster_name).await;
        let error = error.or(owing);
        match connector {
            Some(connector) => connector.set_pools(pools),
            None => {
                let clock = self.app.clock.clone();
                let parts = Parts {
                    cluster: self.cluster.id,
                    name: self.cluster.name.clone(),
                    realm: work,
                    config: link.slurm.clone(),
                    pools,
                    carrier,
                    files,
                    homes: way.homes.clone(),
                    accounting: survey.accounting,
                    limits: Limits::of(&survey),
                    clock: Arc::new(move || clock.now()),
                };
                let cluster = Arc::new(SlurmCluster::new(parts, deliver.clone()));
                *connector = Some(cluster.clone());
                self.app.links.held().links.entry(self.cluster.id).or_default().cluster = Some(cluster.clone());
                self.app.clusters.insert(self.cluster.id, cluster);
                self.app.engine.send(Message::Resume(self.cluster.id)).await;
            }
        }
        Ok(error)
    }

    /// Registers pools that are new or other than before, and tells the states of their nodes. Pools that are no more give
    /// nothing to new work.
    async fn register(&self, plans: &[SlurmPoolPlan], cost: Option<PoolCost>) -> Result<Option<String>, LookError> {
        let mode = self.mode().await?;
        let known = self.app.store.pools().await?;
        let mut refused = None;
        for plan in plans {
            let before = known.iter().find(|(pool, _)| pool.id == plan.pool.id);
            let wanted = registered_pool(&self.cluster, mode, plan, before.map(|(pool, _)| pool));
            // Terms that the registration does not name are those that were set of the pool.
            let known = before.and_then(|(_, known)| known.as_ref());
            let same = cost.as_ref().is_none_or(|cost| known.is_some_and(|known| cost.is_met_by(known)));
            if before.is_none_or(|(pool, _)| *pool != wanted) || !same {
                let command = Command::RegisterPool { pool: wanted, cost: cost.clone() };
                match self.command(command).await {
                    Ok(()) => {}
                    Err(CommandError::Denied(denied)) => refused = Some(format!("pool {}: {denied}", plan.pool.name)),
                    Err(error) => return Err(error.into()),
                }
            }
            let said = |name: &str| before.and_then(|(pool, _)| pool.nodes.iter().find(|n| &*n.name == name));
            for (name, state) in plan.pool.nodes.iter().zip(&plan.states) {
                let differs = said(name).is_some_and(|n| n.state != n.ordered.map_or(*state, |o| o.max(*state)));
                if differs {
                    self.node(plan.pool.id, name.as_str().into(), *state).await;
                }
            }
        }
        let gone = known.iter().map(|(pool, _)| pool).filter(|pool| pool.cluster == self.cluster.id);
        for pool in gone.filter(|pool| !plans.iter().any(|plan| plan.pool.id == pool.id)) {
            for node in pool.nodes.iter().filter(|n| n.state == NodeState::Up) {
                self.node(pool.id, node.name.clone(), NodeState::Down).await;
            }
        }
        Ok(refused)
    }

    async fn mode(&self) -> Result<SupplyMode, LookError> {
        let suppliers = self.app.store.suppliers().await?;
        Ok(suppliers.iter().find(|s| s.id == self.cluster.supplier).map_or(SupplyMode::Partner, |s| s.mode))
    }

    async fn node(&self, pool: PoolId, node: Arc<str>, state: NodeState) {
        let what = Observed::Node { pool, node, state };
        // As in `pass_on`.
        let _ = self.observe.send(Observation { cluster: self.cluster.id, what }).await;
    }

    async fn command(&self, command: Command) -> Result<(), CommandError> {
        let envelope = Envelope { actor: Actor::Platform, operator: true, once: None, command };
        self.app.engine.command(envelope).await.map(drop)
    }
}

/// The pools of a cluster as they are registered: what is found there again keeps its name.
pub(super) async fn known_pools(app: &App, cluster: ClusterId) -> Result<Vec<Known>, ports::StoreError> {
    let pools = app.store.pools().await?;
    Ok(pools.iter().map(|(pool, _)| pool).filter(|pool| pool.cluster == cluster).map(Known::from).collect())
}

/// A pool as the platform registers it. What an operator ordered of its nodes and who may use it stays.
pub fn registered_pool(cluster: &Cluster, mode: SupplyMode, plan: &SlurmPoolPlan, before: Option<&Pool>) -> Pool {
    let known = |name: &str| before.and_then(|pool| pool.nodes.iter().find(|n| &*n.name == name)).cloned();
    let named = plan.pool.nodes.iter().zip(&plan.states);
    let mut nodes: Vec<Node> =
        named.map(|(name, state)| known(name).unwrap_or_else(|| Node::new(name.as_str(), *state))).collect();
    nodes.sort();
    Pool {
        id: plan.pool.id,
        cluster: cluster.id,
        name: plan.pool.name.clone(),
        mode,
        shape: plan.pool.shape,
        chip: plan.pool.chip.clone(),
        nodes,
        time_limit_max: plan.time_limit_max,
        tenants: before.map_or_else(Vec::new, |pool| pool.tenants.clone()),
        retired: before.map_or_else(Vec::new, |pool| pool.retired.clone()),
        past_use: Default::default(),
        terms: Arc::new(plan.terms.clone()),
    }
}

/// Who the jobs of a purpose are to a cluster: two platforms, and trials beside work, leave each other's alone.
pub(super) fn realm(platform: u128, cluster: &Cluster, purpose: &[u8]) -> Realm {
    Realm::new(&[&platform.to_be_bytes(), &cluster.id.to_bytes(), purpose])
}

/// An error with what it came from, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
