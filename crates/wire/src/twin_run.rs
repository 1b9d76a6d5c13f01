//! Runs of the twin in the platform: what is asked, where a run stands, what came of it. Times of curves are seconds since the beginning
//! of what was played.

use base::TwinRunId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::common::{MoneyText, TimeText};
use crate::words::{SupplyMode, TwinKind, TwinState};

/// What is to be played: as things are, and where something is changed also with the changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TwinRunAsk {
    pub kind: TwinKind,
    /// Of kind `past`: jobs that were handed in during the last so many days, and are over. 7 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 90)]
    pub days: Option<u32>,
    /// Of kind `past`: the end of these days, instead of now. The same days are played again by saying it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<TimeText>,
    /// Of kind `ahead`: how far it is looked ahead. 7 days when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 2592000)]
    pub horizon_seconds: Option<u32>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 200)]
    pub note: String,
    #[serde(default)]
    pub changes: TwinChanges,
}

/// What is different from how things are. Nothing: only as things are is played.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TwinChanges {
    /// This policy, as TOML, instead of the one in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Pools that there are besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub add: Vec<TwinPool>,
    /// Pools that are smaller, or not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub lose: Vec<TwinLoss>,
    /// Of kind `past`: what fails for a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub outages: Vec<TwinOutage>,
}

/// A pool of a cluster of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TwinPool {
    #[schema(pattern = "^[a-z0-9._-]{1,40}$")]
    pub name: String,
    #[schema(minimum = 1, maximum = 100000)]
    pub nodes: u32,
    /// Of a node, as the next two.
    #[schema(minimum = 1, maximum = 4096)]
    pub cores: u32,
    /// As much as the largest node there is has, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_gib: Option<u32>,
    #[serde(default)]
    pub gpus: u32,
    pub mode: SupplyMode,
    /// Of kind `past`, of a partner: what an hour of a core costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_core_hour: Option<MoneyText>,
    /// Of kind `past`, of an own pool: what a node costs in a month, used or idle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_month: Option<MoneyText>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TwinLoss {
    pub pool: String,
    /// All of them when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub nodes: Option<u32>,
}

/// A pool's nodes, or a whole cluster, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TwinOutage {
    /// A pool whose nodes go down,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// so many of them,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub nodes: Option<u32>,
    /// or a cluster that does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Since the first submission.
    pub from_seconds: u32,
    #[schema(minimum = 1)]
    pub for_seconds: u32,
}

/// A run and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwinRun {
    #[schema(value_type = String)]
    pub id: TwinRunId,
    pub state: TwinState,
    pub asked: TwinRunAsk,
    /// The policy that was in force when it was asked for.
    pub policy_in_force: String,
    pub policy_version: u64,
    pub at: TimeText,
    /// Name of the one who asked.
    pub by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<TimeText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<TimeText>,
    /// While it is played: the share that is done, of one, and when it will be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_end: Option<TimeText>,
    /// Runs that are played before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u32>,
    /// Why nothing came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// In a few figures: as things are, and with the changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gist: Option<TwinGist>,
}

/// A run with what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwinRunDetail {
    #[serde(flatten)]
    pub run: TwinRun,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<TwinResult>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwinGist {
    pub as_is: TwinHead,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<TwinHead>,
    /// Of money.
    pub currency: String,
}

/// The figures of a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwinHead {
    pub jobs: u64,
    pub started: u64,
    pub mean_wait_seconds: f64,
    /// Of kind `past`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<MoneyText>,
}

/// What came of a run. Of kind `past` it has `past`, else `ahead`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwinResult {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<TwinPast>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<TwinAhead>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwinPast {
    pub currency: String,
    /// First and last submission.
    pub from: Option<TimeText>,
    pub to: Option<TimeText>,
    /// Jobs that were handed in and over in these days.
    pub jobs_over: u64,
    pub as_is: TwinPlay,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<TwinPlay>,
}

/// One play of the past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwinPlay {
    pub all: TwinFigures,
    pub clusters: Vec<TwinFigures>,
    pub pools: Vec<TwinFigures>,
    pub modes: Vec<TwinFigures>,
    pub tenants: Vec<TwinFigures>,
    /// By the priority class that the jobs had; the twin plays all alike.
    pub classes: Vec<TwinFigures>,
    /// Of the jobs those that are not played: what never ran, and what is larger than any pool.
    pub left_out_unknown: u64,
    pub left_out_too_large: u64,
    /// What the auditor found: nothing.
    pub wrong: Vec<String>,
    pub curves: TwinCurves,
}

/// Figures of the jobs of one group, as `hw twin replay --supply` tells them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwinFigures {
    pub name: String,
    pub jobs: u64,
    /// Of them, those that never started.
    pub unstarted: u64,
    /// Of them, those that did not end by themselves.
    pub failed: u64,
    pub mean_wait_seconds: f64,
    pub median_wait_seconds: f64,
    pub p95_wait_seconds: f64,
    pub max_wait_seconds: f64,
    pub mean_bounded_slowdown: f64,
    /// Core-hours of the runs, what the group's pools had, and the share, where the group is of supply.
    pub core_hours: f64,
    /// Of the core-hours what the processes used, as far as the clusters told it of the real runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_core_hours: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_core_hours: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utilization: Option<f64>,
    pub revenue: MoneyText,
    pub contract_fees: MoneyText,
    pub fees: MoneyText,
    pub own_cost: MoneyText,
    pub idle_cost: MoneyText,
    pub data_cost: MoneyText,
    pub margin: MoneyText,
    pub promises_kept: u64,
    pub promises_broken: u64,
}

/// Curves over time: the middle of part n is (n + ½) × `part_seconds`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwinCurves {
    pub lasted_seconds: f64,
    pub part_seconds: f64,
    /// Mean share of the cores in use, in each part.
    pub use_by_pool: Vec<TwinCurve>,
    pub use_by_mode: Vec<TwinCurve>,
    /// Mean number of jobs that wait, and of cores that they ask for.
    pub waiting_jobs: Vec<f64>,
    pub waiting_cores: Vec<f64>,
    /// Of the jobs that started: wait, and share of jobs with at most that.
    pub waits: Vec<TwinPoint>,
    /// Money since the beginning, at the end of each part; for drawing only.
    pub revenue: Vec<f64>,
    pub cost: Vec<f64>,
    pub margin: Vec<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwinCurve {
    pub name: String,
    pub values: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwinPoint {
    pub seconds: f64,
    pub share: f64,
}

/// What becomes of the jobs that wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwinAhead {
    pub now: TimeText,
    pub horizon_seconds: u32,
    pub waiting: u64,
    pub as_is: TwinForetold,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<TwinForetold>,
    /// The first of the waiting jobs, by number.
    pub jobs: Vec<TwinStart>,
}

/// What is told of all waiting jobs together; waits from now on, of those that start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwinForetold {
    pub started: u64,
    pub mean_wait_seconds: f64,
    pub median_wait_seconds: f64,
    pub max_wait_seconds: f64,
    /// Running jobs that the changes break off.
    pub broken_off: u64,
    /// Wait, and share of all waiting jobs that have started by then.
    pub starts: Vec<TwinPoint>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwinStart {
    pub number: u64,
    pub name: String,
    pub tenant: String,
    pub user: String,
    /// What the platform itself expects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<TimeText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<TimeText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// With the changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_start: Option<TimeText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_pool: Option<String>,
}
