//! One placement of a job on a cluster: its own small lifecycle, and what the kernel or the cluster counted.

use std::sync::Arc;

use base::{AttemptId, Bytes, ClusterId, PoolId, Resources, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::job::{Exit, Outcome};

/// Used amounts as measured; `None`-like zero where the backend cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    pub cpu_time: Span,
    pub memory_peak: Bytes,
    pub read: Bytes,
    pub written: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptPhase {
    /// Decided and recorded; the hand-over is an effect under way.
    Submitting,
    /// The cluster has it and has not started it.
    Queued,
    Running,
    Ended,
    /// The cluster can be shown not to have it.
    Lost,
}

impl AttemptPhase {
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Submitting | Self::Queued | Self::Running)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub id: AttemptId,
    pub cluster: ClusterId,
    pub pool: PoolId,
    pub phase: AttemptPhase,
    /// Total over all nodes, fixed at placement.
    pub granted: Resources,
    /// Node names, in order, as placed (own pools) or as the cluster said.
    #[serde(default)]
    pub nodes: Vec<Arc<str>>,
    /// The cluster's own name of it (a process id, a Slurm job number).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<Arc<str>>,
    pub placed_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(default)]
    pub usage: Usage,
    /// What the operator should know (the cluster's own words), not shown to tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Arc<str>>,
}
