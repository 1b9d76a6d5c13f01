//! The running platform run ahead: when will each waiting job start, as things are and after changes to pools or policy? Knows a
//! copy of the platform's state; refuses to know where it came from and how the answer is printed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use base::{Bytes, ClusterId, Currency, JobId, PoolId, Resources, Span, SupplierId, Timestamp, digest128};
pub use engine::JobRow;
use engine::{Command, Envelope, Policy, Snapshot, Steering};
use model::{
    Actor, AttemptPhase, BackendKind, Chip, Cluster, ClusterHealth, Node, NodeState, Phase, Pool, Service, Supplier,
    SupplyMode,
};
use serde::{Deserialize, Serialize};

use crate::replay::{Progress, Watch};
use crate::supply::span_or_none;
use crate::world::World;

/// Inputs between two looks at whoever watches.
const STEPS_PER_LOOK: u64 = 256;

/// What is run ahead.
#[derive(Clone, Debug)]
pub struct Now {
    pub at: Timestamp,
    pub steering: Steering,
    pub currency: Currency,
    pub state: Snapshot,
}

/// What is changed at the beginning.
#[derive(Clone, Debug)]
pub enum Change {
    Add(NewPool),
    /// So many of a pool's nodes that are up go down, the first in name order; all where nothing is said. What runs there is broken off.
    Lose {
        pool: String,
        nodes: Option<u32>,
    },
    Steer(Box<Steering>),
}

/// A pool to be added, of a cluster of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPool {
    pub name: String,
    #[serde(default = "one")]
    pub nodes: u32,
    /// Of a node, as the next two.
    pub cores: u64,
    /// Left out: as much as the largest node of the platform has.
    pub memory_gib: Option<u64>,
    #[serde(default)]
    pub gpus: u32,
    /// Left out, with cards: the chip that the platform's first pool with cards has.
    pub chip: Option<String>,
    /// A partner's, not an own one.
    #[serde(default)]
    pub partner: bool,
    #[serde(default, deserialize_with = "span_or_none")]
    pub time_limit_max: Option<Span>,
}

const fn one() -> u32 {
    1
}

/// Pools of a file: `[[pool]]` tables.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pools {
    #[serde(rename = "pool")]
    pools: Vec<NewPool>,
}

impl NewPool {
    /// Reads a file of `[[pool]]` tables.
    ///
    /// # Errors
    /// It is not TOML, or has a key that nobody knows; with line.
    pub fn file(text: &str) -> Result<Vec<NewPool>, Fault> {
        toml::from_str::<Pools>(text).map(|file| file.pools).map_err(|fault| Fault::Toml(fault.to_string()))
    }

    /// Reads `NAME:NODES:CORES[:GPUS]`.
    pub fn short(text: &str) -> Option<NewPool> {
        let parts: Vec<&str> = text.split(':').collect();
        let (name, nodes, cores, gpus) = match parts[..] {
            [name, nodes, cores] => (name, nodes, cores, "0"),
            [name, nodes, cores, gpus] => (name, nodes, cores, gpus),
            _ => return None,
        };
        let (nodes, cores, gpus): (u32, u64, u32) = (nodes.parse().ok()?, cores.parse().ok()?, gpus.parse().ok()?);
        let (name, memory_gib, chip, time_limit_max) = (name.to_owned(), None, None, None);
        let new = NewPool { name, nodes, cores, memory_gib, gpus, chip, partner: false, time_limit_max };
        (nodes > 0 && cores > 0 && model::people::valid_name(&new.name)).then_some(new)
    }
}

/// What becomes of the jobs that wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ahead {
    /// When each first starts; `None`: not before the end of the look ahead.
    pub starts: BTreeMap<JobId, Option<Start>>,
    /// False when it was broken off.
    pub is_complete: bool,
    /// Running jobs that the changes broke off.
    pub broken_off: usize,
}

/// A start that is foretold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Start {
    pub at: Timestamp,
    pub pool: Option<String>,
}

/// Why nothing is foretold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// With line and column.
    #[error("{0}")]
    Toml(String),
    #[error("the state cannot be run ahead: {0}")]
    State(String),
    #[error("there is no pool `{0}`")]
    NoPool(String),
    #[error("the platform refuses the change: {0}")]
    Refused(String),
}

/// Jobs that wait: to be placed, to be handed over, on a cluster for their start. Those that somebody holds do not.
pub fn waits(phase: &Phase) -> bool {
    matches!(phase, Phase::Pending | Phase::Starting { .. } | Phase::Withdrawing { hold: None, .. })
}

/// Runs the platform ahead, at most for `horizon`, until all jobs have started that wait now.
///
/// Jobs that run end by their limits, and so do those that start; nothing new is handed in and nothing fails. Forecasts that the
/// engine learns while it runs are not part of a state: they begin anew. The same input gives the same answer.
///
/// # Errors
/// The state cannot be restored, or a change names nothing.
pub fn ahead(now: &Now, changes: &[Change], horizon: Span, watch: Watch<'_>) -> Result<Ahead, Fault> {
    let policy = Policy { cost_currency: now.currency, steering: now.steering.clone(), ..Policy::default() };
    let mut world =
        World::resume(policy, now.state.clone(), now.at).map_err(|fault| Fault::State(fault.to_string()))?;
    let waiting = now.state.jobs.iter().filter(|row| waits(row.job.phase())).map(|row| row.job.id);
    world.watch_starts(waiting);
    let (begin, jobs) = (world.now(), world.awaited());
    let mut broken_off = 0;
    for change in changes {
        broken_off += change.make(&mut world)?;
    }
    let (mut steps, mut is_complete) = (0u64, true);
    while world.awaited() > 0 {
        let Some(at) = world.next_due().filter(|at| *at <= begin + horizon) else { break };
        steps += 1;
        let progress = Progress { ended: jobs - world.awaited(), jobs };
        if steps.is_multiple_of(STEPS_PER_LOOK) && watch(progress) == ControlFlow::Break(()) {
            is_complete = false;
            break;
        }
        world.advance_to(at);
        drop(world.take_settled());
    }
    let names: BTreeMap<PoolId, String> = world.engine().pools().map(|pool| (pool.id, pool.name.to_string())).collect();
    let start = |at: &Option<(Timestamp, Option<PoolId>)>| {
        at.map(|(at, pool)| Start { at, pool: pool.and_then(|id| names.get(&id).cloned()) })
    };
    let starts = world.starts().iter().map(|(job, at)| (*job, start(at))).collect();
    Ok(Ahead { starts, is_complete, broken_off })
}

impl Change {
    /// Makes it; how many running jobs it broke off.
    fn make(&self, world: &mut World) -> Result<usize, Fault> {
        match self {
            Self::Add(pool) => pool.join(world).map(|()| 0),
            Self::Lose { pool, nodes } => lose(world, pool, *nodes),
            Self::Steer(steering) => {
                let steer = Command::Steer { steering: steering.clone(), note: String::new(), expected: None };
                command(world, steer).map(|()| 0)
            }
        }
    }
}

fn command(world: &mut World, command: Command) -> Result<(), Fault> {
    let envelope = Envelope { actor: Actor::Platform, operator: true, once: None, command };
    match world.command(envelope) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(denied)) => Err(Fault::Refused(denied.to_string())),
        Err(_) => Err(Fault::Refused("it crashed".into())),
    }
}

fn lose(world: &mut World, name: &str, nodes: Option<u32>) -> Result<usize, Fault> {
    let pool = world.engine().pools().find(|pool| &*pool.name == name).cloned();
    let pool = pool.ok_or_else(|| Fault::NoPool(name.to_owned()))?;
    let up = pool.nodes.iter().filter(|node| node.state == NodeState::Up).map(|node| node.name.clone());
    let lost: Vec<_> = up.take(nodes.map_or(usize::MAX, |count| count as usize)).collect();
    let on_lost = |attempt: &&model::Attempt| {
        attempt.pool == pool.id
            && attempt.phase == AttemptPhase::Running
            && attempt.nodes.iter().any(|node| lost.contains(node))
    };
    let broken_off = world.tables().attempts.values().filter(on_lost).count();
    lost.iter().for_each(|node| world.set_node(pool.id, node, false));
    Ok(broken_off)
}

impl NewPool {
    /// Registers it with a cluster of its own that answers at once.
    fn join(&self, world: &mut World) -> Result<(), Fault> {
        let id = |noun: &str| digest128(&[b"live", noun.as_bytes(), self.name.as_bytes()]);
        let (supplier, cluster) = (SupplierId::from_u128(id("supplier")), ClusterId::from_u128(id("cluster")));
        let mode = if self.partner { SupplyMode::Partner } else { SupplyMode::Own };
        let name: std::sync::Arc<str> = self.name.as_str().into();
        let largest = world.engine().pools().map(|pool| pool.shape.mem).max().unwrap_or_default();
        let memory = self.memory_gib.map_or(largest, Bytes::from_gib);
        let known = world.engine().pools().find(|pool| pool.shape.gpus > 0).and_then(|pool| pool.chip.clone());
        let chip = match &self.chip {
            Some(chip) => Some(chip.parse::<Chip>().map_err(|fault| Fault::Refused(fault.to_string()))?),
            None => known.filter(|_| self.gpus > 0),
        };
        command(world, Command::RegisterSupplier(Supplier { id: supplier, name: name.clone(), mode }))?;
        let health = ClusterHealth::Unreachable;
        command(
            world,
            Command::RegisterCluster(Cluster {
                id: cluster,
                name: name.clone(),
                backend: BackendKind::Slurm,
                supplier,
                site: "here".into(),
                region: "".into(),
                health,
                service: Service::InService,
                tried_at: None,
                place: None,
                machine: Default::default(),
                terms: Default::default(),
            }),
        )?;
        let pool = Pool {
            id: PoolId::from_u128(id("pool")),
            cluster,
            name,
            mode,
            shape: Resources::new(self.cores, memory, self.gpus),
            chip,
            nodes: (0..self.nodes).map(|n| Node::new(format!("n{n}"), NodeState::Up)).collect(),
            time_limit_max: self.time_limit_max,
            tenants: Vec::new(),
            retired: Vec::new(),
            terms: Default::default(),
            past_use: Default::default(),
        };
        world.add_cluster(cluster, Span::ZERO);
        world.add_pool(&pool);
        command(world, Command::RegisterPool { pool, cost: None })
    }
}

#[cfg(test)]
mod tests;
