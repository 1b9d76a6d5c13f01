//! Feasibility: whether a pool could hold a job, and if not, which rule said no, with requested and available amounts.
//! Refuses to know what is free at the moment and what else waits.

use std::sync::Arc;

use base::{PoolId, Resources, Span};
use model::Chip;
use serde::{Deserialize, Serialize};

use crate::pool::Pool;
use crate::view::Demand;

/// The rules in the order in which they are asked; the first that refuses is reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Rule {
    /// The job names pools and this one is not among them.
    PoolNotNamed,
    /// The pool serves a list of tenants without this one.
    TenantNotAdmitted,
    /// None of the chips asked for.
    Chip {
        requested: Vec<Chip>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        available: Option<Chip>,
    },
    /// One node is too small.
    NodeShape {
        requested: Resources,
        available: Resources,
    },
    /// The pool has too few nodes, whatever their state.
    NodesTooFew {
        requested: u32,
        available: u32,
    },
    /// The chip has no price, so nothing can be sold on it.
    NoGpuPrice,
    TimeLimit {
        requested: Span,
        available: Span,
    },
    /// The job has just been moved away from it. Passing.
    Avoided,
    /// The cluster does not answer. Passing.
    Unreachable,
    /// Too few nodes are up. Passing.
    NodesDown {
        requested: u32,
        available: u32,
    },
    /// Too few nodes are left beside those kept in reserve for urgent work and replacements.
    Reserve {
        requested: u32,
        available: u32,
    },
}

impl Rule {
    /// Stable name, shown by every front end.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PoolNotNamed => "pool_not_named",
            Self::TenantNotAdmitted => "tenant_not_admitted",
            Self::Chip { .. } => "chip",
            Self::NodeShape { .. } => "node_shape",
            Self::NodesTooFew { .. } => "nodes_too_few",
            Self::NoGpuPrice => "no_gpu_price",
            Self::TimeLimit { .. } => "time_limit",
            Self::Avoided => "avoided",
            Self::Unreachable => "unreachable",
            Self::NodesDown { .. } => "nodes_down",
            Self::Reserve { .. } => "reserve",
        }
    }
    /// True for a state of health that is expected to end; false where only a change of the pool or the job helps.
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Avoided | Self::Unreachable | Self::NodesDown { .. } => true,
            Self::PoolNotNamed
            | Self::TenantNotAdmitted
            | Self::Chip { .. }
            | Self::NodeShape { .. }
            | Self::NodesTooFew { .. }
            | Self::NoGpuPrice
            | Self::TimeLimit { .. }
            | Self::Reserve { .. } => false,
        }
    }
}

/// What the rules say about one pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "rule", rename_all = "snake_case")]
pub enum Verdict {
    Feasible,
    Refused(Rule),
}

/// Why one pool refuses a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolVerdict {
    pub pool: PoolId,
    pub pool_name: Arc<str>,
    pub rule: Rule,
}

/// The first rule that refuses, over the pool as it is built (not its health).
pub(crate) fn refused_for_good(pool: &Pool, demand: &Demand) -> Option<Rule> {
    let request = &*demand.request;
    if !demand.pools.is_empty() && !demand.pools.contains(&pool.name) {
        return Some(Rule::PoolNotNamed);
    }
    if !pool.admits(demand.tenant) {
        return Some(Rule::TenantNotAdmitted);
    }
    if request.per_node.gpus > 0 && !request.chips.is_empty() && !chip_served(&request.chips, pool.chip.as_ref()) {
        return Some(Rule::Chip { requested: request.chips.clone(), available: pool.chip.clone() });
    }
    if !request.per_node.fits(&pool.shape) {
        return Some(Rule::NodeShape { requested: request.per_node, available: pool.shape });
    }
    if request.nodes as usize > pool.nodes.len() {
        return Some(Rule::NodesTooFew { requested: request.nodes, available: pool.nodes.len() as u32 });
    }
    let available = pool.most_nodes(demand.dips);
    if request.nodes > available {
        return Some(Rule::Reserve { requested: request.nodes, available });
    }
    if request.per_node.gpus > 0 && pool.price.card_hour.is_none() {
        return Some(Rule::NoGpuPrice);
    }
    match pool.time_limit_max {
        Some(max) if demand.time_limit > max => Some(Rule::TimeLimit { requested: demand.time_limit, available: max }),
        _ => None,
    }
}

/// The first rule that refuses because of the pool's health.
pub(crate) fn refused_for_now(pool: &Pool, nodes: u32, dips: bool) -> Option<Rule> {
    if !pool.reachable {
        return Some(Rule::Unreachable);
    }
    if pool.nodes_up < nodes {
        return Some(Rule::NodesDown { requested: nodes, available: pool.nodes_up });
    }
    let available = pool.nodes_common;
    (!dips && available < nodes).then_some(Rule::Reserve { requested: nodes, available })
}

pub(crate) fn chip_served(wanted: &[Chip], offered: Option<&Chip>) -> bool {
    offered.is_some_and(|o| wanted.iter().any(|w| w.served_by(o)))
}
