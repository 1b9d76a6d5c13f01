//! What the operator has to offer: systems, clusters, pools and their nodes.

use base::{ClusterId, PoolId, SupplierId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::{Amounts, MoneyText, TimeText};
use crate::cost::{NodeCost, SupplierFee};
use crate::place::Place;
use crate::words::{Backend, ClusterHealth, ClusterService, NodeState, SupplyMode};

/// The list of systems in the shape that users of FirecREST know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Systems {
    pub systems: Vec<System>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct System {
    /// The cluster's name.
    pub name: String,
    pub scheduler: SystemScheduler,
    pub health: ClusterHealth,
    pub services_health: Vec<ServiceHealth>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SystemScheduler {
    #[serde(rename = "type")]
    pub kind: Backend,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceHealth {
    /// `scheduler`.
    pub service_type: String,
    pub healthy: bool,
    pub nodes: NodeCount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeCount {
    pub available: u32,
    pub total: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cluster {
    #[schema(value_type = String, example = "clu_0192f000000070008000000000000001")]
    pub id: ClusterId,
    pub name: String,
    pub backend: Backend,
    #[schema(value_type = String)]
    pub supplier: SupplierId,
    pub supplier_name: String,
    pub site: String,
    /// Where that is on the map, when somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    pub health: ClusterHealth,
    /// Whether new work is given to it.
    #[serde(default = "in_service")]
    pub service: ClusterService,
    /// Number of its pools.
    pub pools: u32,
    /// When it last answered; operators and auditors only, `null` on a server without the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_contact: Option<TimeText>,
    /// Age of the newest picture of its queue, in milliseconds; as `last_contact`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_millis: Option<i64>,
    /// What it is, in its own words; operators and auditors only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it cannot do and what that means; operators and auditors only.
    pub remarks: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    pub name: String,
    pub state: NodeState,
}

/// Selling prices of a pool per hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PoolPrice {
    pub core_hour: MoneyText,
    pub gib_hour: MoneyText,
    /// `null`: no cards, or none for sale.
    pub card_hour: Option<MoneyText>,
    pub currency: String,
}

/// Nodes of one shape in one cluster: what `--partition` names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pool {
    #[schema(value_type = String, example = "pol_0192f000000070008000000000000001")]
    pub id: PoolId,
    pub name: String,
    #[schema(value_type = String)]
    pub cluster: ClusterId,
    pub cluster_name: String,
    #[serde(default = "reachable")]
    pub cluster_health: ClusterHealth,
    #[serde(default = "in_service")]
    pub cluster_service: ClusterService,
    pub mode: SupplyMode,
    /// Accelerator model, where there are cards.
    pub chip: Option<String>,
    /// What one node offers.
    pub shape: Amounts,
    pub nodes_total: u32,
    pub nodes_up: u32,
    /// What all nodes that are up offer together.
    pub total: Amounts,
    /// What is not taken now; `null` on a server that does not run the engine.
    pub free: Option<Amounts>,
    pub running_jobs: Option<u32>,
    /// Nodes that the reserve levels keep free now, over all levels; operators and auditors only, `null` on a server that does
    /// not run the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_nodes: Option<u32>,
    pub time_limit_max_seconds: Option<u64>,
    /// What is forecast of the cluster's own queue; `null` before it let enough work wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<QueueForecast>,
    /// How good the platform's own forecasts of starts and run times were there since the server was started; `null` before there
    /// was one to judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<ForecastQuality>,
    pub price: Option<PoolPrice>,
    /// What one node costs the operator; only operators and auditors see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<NodeCost>,
    /// What the partner takes; only operators and auditors see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<SupplierFee>,
    /// What this host cannot do, and what that means.
    pub remarks: Vec<String>,
    /// The first 1000, in name order.
    pub nodes: Vec<Node>,
}

/// How long a cluster's own queue lets work wait that was handed to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueForecast {
    /// Three of four waits are no longer.
    pub wait_seconds: u64,
    /// Waits that were forecast, and how many of them kept within the bound.
    pub told: u64,
    pub kept: u64,
}

/// How good forecasts were in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForecastQuality {
    /// From the placement to the start, as told at the placement.
    pub starts: ForecastErrors,
    /// How long work ran, as expected at the placement.
    pub runs: ForecastErrors,
}

/// What became of forecasts of one kind. Without any, the means are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForecastErrors {
    pub count: u64,
    /// Mean of the differences without their signs.
    pub mean_absolute_millis: u64,
    /// Mean of what came less what was forecast: above zero, things took longer.
    pub bias_millis: i64,
    /// Of `count`, those at least half and at most twice what came; times under ten seconds count as ten.
    pub within_factor_two: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeChange {
    pub state: NodeState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeChanged {
    #[schema(value_type = String)]
    pub pool: PoolId,
    pub node: String,
    pub state: NodeState,
}

/// What older servers do not say.
const fn in_service() -> ClusterService {
    ClusterService::InService
}
const fn reachable() -> ClusterHealth {
    ClusterHealth::Reachable
}
