//! What the operator has to offer: suppliers, clusters, pools and their nodes.

use std::sync::Arc;

use base::{ClusterId, PoolId, ReportId, Resources, Span, SupplierId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::request::Chip;
use crate::spec::ProductLine;
use crate::terms::{ClusterTerms, PoolTerms};

/// Own (共建) or bought in from a partner (外购/纳管).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupplyMode {
    Own,
    Partner,
}

impl SupplyMode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Partner => "partner",
        }
    }
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

/// Where something stands on the earth, in millionths of a degree; north and east are positive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub latitude: i32,
    pub longitude: i32,
    /// What people call it; empty when nobody said.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub label: Arc<str>,
}

impl Place {
    /// Neither beyond a pole nor once around.
    pub fn is_on_earth(&self) -> bool {
        self.latitude.unsigned_abs() <= 90_000_000 && self.longitude.unsigned_abs() <= 180_000_000
    }
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

/// Whether new work is given to a cluster, by the operator's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Registered, and tried by hand and by trials only.
    Testing,
    #[default]
    InService,
    /// What runs there goes on, nothing new starts; its connector ends with the last of it.
    Retired,
}

impl Service {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Testing => "testing",
            Self::InService => "in_service",
            Self::Retired => "retired",
        }
    }
}

/// One scheduler endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    pub id: ClusterId,
    pub name: Arc<str>,
    pub backend: BackendKind,
    pub supplier: SupplierId,
    pub site: Arc<str>,
    /// Where it stands, in the operator's words (`cn-east`); empty when nobody said.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub region: Arc<str>,
    /// Where that is on the map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Which machine it is, of a server's own machine; empty otherwise.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub machine: Arc<str>,
    #[serde(default)]
    pub health: ClusterHealth,
    #[serde(default)]
    pub service: Service,
    /// When a trial last passed there, since it was last registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried_at: Option<Timestamp>,
    /// What it said last.
    #[serde(default, skip_serializing_if = "ClusterTerms::is_default")]
    pub terms: Arc<ClusterTerms>,
}

impl Cluster {
    /// New work may be given to it.
    pub fn takes_work(&self) -> bool {
        self.health == ClusterHealth::Reachable && self.service == Service::InService
    }
}

/// How a registered cluster is reached. The engine keeps and hands it on; what it says is the server's and the connector's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterLink {
    pub cluster: ClusterId,
    pub kind: LinkKind,
    /// JSON. Holds paths to secrets, never a secret.
    pub config: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// The platform reaches a Slurm cluster from the outside.
    Slurm,
    /// An agent at the site dials in.
    Site,
}

/// What was once found out about a cluster; kept as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterReport {
    pub id: ReportId,
    pub cluster: ClusterId,
    pub at: Timestamp,
    pub kind: ReportKind,
    pub passed: bool,
    /// JSON of the connector.
    pub report: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// A look at it: what is there and what to do about it.
    Check,
    /// Real jobs through its connector.
    Trial,
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
    /// The worse of what the cluster says and what an operator ordered.
    #[serde(default)]
    pub state: NodeState,
    /// What an operator ordered, when it is not to be up; the cluster's word does not lift it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<NodeState>,
}

impl Node {
    /// A node as its cluster describes it.
    pub fn new(name: impl Into<Arc<str>>, state: NodeState) -> Node {
        Node { name: name.into(), state, ordered: None }
    }
}

/// What was used of a pool at the peak of each hour by work of a product line, or by work that may use what is kept in
/// general.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastUse {
    pub line: Option<ProductLine>,
    /// The hour after the last of `peaks`, counted from the epoch.
    pub until_hour: i64,
    /// Thousandths of a node, the newest last.
    pub peaks: Vec<u32>,
}

impl PastUse {
    /// Adds the peak of an hour that is over by `now`; in hours without a word in between nothing was used. Keeps the last
    /// `most` hours.
    pub fn note(&mut self, hour: i64, milli_nodes: u32, now: i64, most: usize) {
        let idle = |from: i64, to: i64| usize::try_from(to - from).unwrap_or(0).min(most);
        self.peaks.extend(std::iter::repeat_n(0, idle(self.until_hour, hour)));
        self.peaks.push(milli_nodes);
        self.peaks.extend(std::iter::repeat_n(0, idle(hour + 1, now)));
        self.peaks.drain(..self.peaks.len().saturating_sub(most));
        self.until_hour = now;
    }
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
    #[serde(default, skip_serializing_if = "PoolTerms::is_default")]
    pub terms: Arc<PoolTerms>,
    /// What the platform has seen of the demand for which some of it is kept.
    #[serde(default, skip_serializing_if = "is_unseen")]
    pub past_use: Arc<Vec<PastUse>>,
}

// The shape serde asks for.
fn is_unseen(past: &Arc<Vec<PastUse>>) -> bool {
    past.is_empty()
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
