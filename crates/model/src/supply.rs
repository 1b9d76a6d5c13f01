//! What the operator has to offer: suppliers, clusters, pools and their nodes.

use std::sync::Arc;

use base::{ClusterId, PoolId, Resources, Span, SupplierId, TenantId};
use serde::{Deserialize, Serialize};

use crate::request::Chip;

/// Own (共建) or bought in from a partner (外购/纳管).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupplyMode {
    Own,
    Partner,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supplier {
    pub id: SupplierId,
    pub name: Arc<str>,
    pub mode: SupplyMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendKind {
    Local,
    Slurm,
    Kubernetes,
}

/// Whether the platform can talk to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterHealth {
    #[default]
    Reachable,
    /// No answer for longer than the grace; running work is left alone.
    Unreachable,
}

/// One scheduler endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    pub id: ClusterId,
    pub name: Arc<str>,
    pub backend: BackendKind,
    pub supplier: SupplierId,
    pub site: Arc<str>,
    #[serde(default)]
    pub health: ClusterHealth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    #[default]
    Up,
    /// Running work goes on, nothing new starts.
    Drained,
    Down,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Node {
    pub name: Arc<str>,
    #[serde(default)]
    pub state: NodeState,
}

/// Nodes of one shape in one cluster under one cost: the unit of placement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    pub id: PoolId,
    pub cluster: ClusterId,
    /// Unique on the platform; what `--partition` names.
    pub name: Arc<str>,
    pub mode: SupplyMode,
    /// What one node offers to jobs.
    pub shape: Resources,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip: Option<Chip>,
    /// In name order.
    pub nodes: Vec<Node>,
    /// Longest time limit accepted; `None` means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_limit_max: Option<Span>,
    /// Tenants that may use the pool; empty means every tenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<TenantId>,
    /// Nodes that the platform itself drained when the configuration no longer named the pool, by name in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Arc<str>>,
}

impl Pool {
    pub fn nodes_up(&self) -> u32 {
        self.nodes.iter().filter(|n| n.state == NodeState::Up).count() as u32
    }
    /// What all nodes that are up offer together.
    pub fn capacity(&self) -> Resources {
        self.shape.times(self.nodes_up())
    }
    pub fn admits(&self, tenant: TenantId) -> bool {
        self.tenants.is_empty() || self.tenants.contains(&tenant)
    }
}
