//! What a site's agent describes becomes pools of its cluster.

use std::sync::Arc;

use base::ClusterId;
use engine::{Command, Envelope};
use model::{Actor, ClusterTerms, Node, NodeState, Pool, SupplyMode};
use ports::{ClusterFacts, StoreError};
use rating::PoolCost;

use crate::app::{App, CommandError};
use crate::boot;

/// Why pools are not registered yet; tried again.
#[derive(Debug, thiserror::Error)]
pub enum SupplyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("the cluster is not registered")]
    NoCluster,
}

/// Registers new pools and changed ones. One that is no longer described is drained: what runs there goes on, nothing new starts.
/// Described again, it is in use again.
/// `cost`: what a node of one's own machines costs.
///
/// # Errors
/// [`SupplyError`]; a pool that the platform refuses (its name is taken) is left out with a word in the log.
pub async fn register(app: &App, cluster: ClusterId, facts: &ClusterFacts, cost: PoolCost) -> Result<(), SupplyError> {
    let clusters = app.store.clusters().await?;
    let supplier = clusters.iter().find(|c| c.id == cluster).ok_or(SupplyError::NoCluster)?.supplier;
    let mode = app.store.suppliers().await?.iter().find(|s| s.id == supplier).map_or(SupplyMode::Partner, |s| s.mode);
    let known = app.store.pools().await?;
    let described = |pool: &Pool| facts.pools.iter().any(|facts| *facts.name == *pool.name);
    for (pool, cost) in known.iter().filter(|(pool, _)| pool.cluster == cluster && !described(pool)) {
        boot::retire(app, pool, cost.clone()).await?;
    }
    for facts in &facts.pools {
        let id = link::pool_id(cluster, &facts.name);
        let before = known.iter().find(|(pool, _)| pool.id == id);
        if let Some((before, _)) = before {
            boot::restore(app, before, &facts.nodes).await?;
        }
        let mut nodes: Vec<Node> = facts.nodes.iter().map(|name| node(before.map(|(pool, _)| pool), name)).collect();
        nodes.sort();
        let wanted = Pool {
            id,
            cluster,
            name: facts.name.as_str().into(),
            mode,
            shape: facts.shape,
            chip: facts.chip.clone(),
            nodes,
            time_limit_max: facts.time_limit_max,
            tenants: before.map_or_else(Vec::new, |(pool, _)| pool.tenants.clone()),
            retired: before.map_or_else(Vec::new, |(pool, _)| still_retired(pool)),
            past_use: Default::default(),
            terms: Arc::new(facts.terms.clone()),
        };
        if before.is_some_and(|(pool, _)| *pool == wanted) {
            continue;
        }
        let cost = before.map_or_else(|| (mode == SupplyMode::Own).then(|| cost.clone()), |(_, cost)| cost.clone());
        match command(app, Command::RegisterPool { pool: wanted, cost }).await {
            Ok(()) => {}
            Err(CommandError::Denied(denied)) => {
                tracing::error!(pool = facts.name, %denied, "a pool of a site cannot be registered");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(describe(app, cluster, &facts.terms).await?)
}

/// Tells the platform what a cluster says of itself beyond its pools: always where it counts licences, of which others may
/// hold more or fewer now, else when it is something new.
pub async fn describe(app: &App, cluster: ClusterId, terms: &ClusterTerms) -> Result<(), CommandError> {
    let asked = terms.clone();
    let new = app.engine.ask(move |engine, _| engine.clusters().any(|c| c.id == cluster && *c.terms != asked));
    if !terms.licences.is_empty() || new.await.unwrap_or(true) {
        return command(app, Command::DescribeCluster { cluster, terms: terms.clone() }).await;
    }
    Ok(())
}

/// Nodes that were drained because the pool was not described, and that cannot be in use again yet: the cluster says they are down.
fn still_retired(pool: &Pool) -> Vec<Arc<str>> {
    let down = |name: &Arc<str>| pool.nodes.iter().any(|node| node.name == *name && node.state == NodeState::Down);
    pool.retired.iter().filter(|name| down(name)).cloned().collect()
}

/// A node as it is known, or a new one.
fn node(pool: Option<&Pool>, name: &str) -> Node {
    let known = pool.and_then(|pool| pool.nodes.iter().find(|node| &*node.name == name));
    known.cloned().unwrap_or_else(|| Node::new(Arc::<str>::from(name), NodeState::Up))
}

/// In the platform's own name.
pub async fn command(app: &App, command: Command) -> Result<(), CommandError> {
    let envelope = Envelope { actor: Actor::Platform, operator: true, once: None, command };
    app.engine.command(envelope).await.map(drop)
}
