//! Registering clusters: what is said of them, what was found there, whether they serve.

use base::{ClusterId, ReportId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::TimeText;
use crate::cost::{NodeCost, SupplierFee};
use crate::place::Place;
use crate::supply::Cluster;
use crate::words::{ClusterService, FindingLevel, ReportKind, SupplyMode, Verdict};

/// A cluster to be registered, or another way to a registered one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterCreate {
    /// 1 to 40 of a-z, 0-9, `-`, `_`, `.`; its pools' names begin with it.
    #[schema(example = "alpha")]
    pub name: String,
    /// Name of who provides it; made known when it is new.
    #[schema(example = "own")]
    pub supplier: String,
    /// The supplier's mode; needed when the supplier is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<SupplyMode>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The region of that place, such as `cn-east`; tenants and jobs may be bound to regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Where that is on the map; as it was when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What one node costs the operator; for own clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<NodeCost>,
    /// What the partner takes; for partners' clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<SupplierFee>,
    /// How the Slurm cluster is reached and used: `way`, `files`, `work_root`, `partitions`, `reservation`, `identity`, `chips`,
    /// `poll_ms`, `grace_secs`, as described in the operations guide. Paths to secrets, never secrets.
    #[schema(value_type = Object, example = json!({"way": {"kind": "command"}, "work_root": "/shared/headworks"}))]
    pub slurm: serde_json::Value,
}

/// A cluster with what only its operator needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterDetail {
    #[serde(flatten)]
    pub cluster: Cluster,
    /// `null` for a cluster that is not registered with a way to it (this machine).
    #[serde(default)]
    pub link: Option<ClusterWay>,
    /// When a trial last passed, since it was last registered.
    #[serde(default)]
    pub tried_at: Option<TimeText>,
    /// Which machine it is, of a server's own machine: its machine id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
}

/// How a registered cluster is reached, and how that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterWay {
    /// As registered.
    #[schema(value_type = Object)]
    pub slurm: serde_json::Value,
    #[serde(default)]
    pub cost: Option<NodeCost>,
    #[serde(default)]
    pub fee: Option<SupplierFee>,
    /// The connector stands and serves; `false` also on a server that does not run the engine.
    pub connected: bool,
    /// What is wrong at the moment.
    #[serde(default)]
    pub error: Option<String>,
    /// The way in, in the connector's words.
    #[serde(default)]
    pub way: Option<String>,
    /// The cluster's clock less ours.
    #[serde(default)]
    pub clock_offset_seconds: Option<i64>,
    /// Attempts waiting and running there, as the connector sees them.
    #[serde(default)]
    pub waiting: Option<u64>,
    #[serde(default)]
    pub running: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterCreated {
    #[schema(value_type = String, example = "clu_0192f000000070008000000000000001")]
    pub cluster: ClusterId,
    pub service: ClusterService,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceChange {
    pub service: ClusterService,
    /// Into service without a passed trial; the audit log says so.
    #[serde(default)]
    pub force: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceChanged {
    #[schema(value_type = String)]
    pub cluster: ClusterId,
    pub service: ClusterService,
}

/// A check or a trial: under way, or kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterReport {
    #[schema(value_type = String, example = "rep_0192f000000070008000000000000001")]
    pub id: ReportId,
    #[schema(value_type = String)]
    pub cluster: ClusterId,
    pub at: TimeText,
    pub kind: ReportKind,
    /// `null` while it is under way.
    pub passed: Option<bool>,
    /// Why it came to nothing, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_millis: Option<i64>,
    /// Of a check, in the order found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Of a check that reached the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<ClusterSummary>,
    /// Of a trial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<TrialCase>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    pub level: FindingLevel,
    /// A stable word, such as `reachability`, `accounting`, `work_root`.
    pub what: String,
    pub found: String,
    /// What follows from it, or what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
}

/// A cluster in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterSummary {
    pub way: String,
    pub version: String,
    /// Slurm's own name of it.
    pub cluster_name: String,
    /// The unix account there.
    pub user: String,
    /// `slurmdbd`, `completion_log` or `controller`.
    pub accounting: String,
    pub nodes: u32,
    pub partitions: u32,
    pub pools: Vec<SummaryPool>,
    pub latency_millis: i64,
    pub clock_ahead_seconds: i64,
    /// `null`: no job came to its end.
    pub first_job_millis: Option<i64>,
}

/// A pool that the cluster makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SummaryPool {
    pub name: String,
    pub partition: String,
    pub nodes: u32,
    pub nodes_up: u32,
    /// Of one node, as Slurm's TRES.
    pub shape: String,
    pub chip: Option<String>,
}

/// One job of a trial, or an array's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrialCase {
    /// `success`, `failure`, `cancel`, `time_limit`, `array`, `cards`.
    pub what: String,
    pub pool: String,
    pub verdict: Verdict,
    pub waited_millis: Option<i64>,
    pub ran_millis: Option<i64>,
    pub words: String,
}
