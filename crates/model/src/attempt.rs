//! One placement of a job on a cluster: its own small lifecycle, and what the kernel or the cluster counted.

use std::sync::Arc;

use base::{AttemptId, Bytes, ClusterId, JobId, PoolId, Resources, Span, TenantId, Timestamp};
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
    /// Its job goes on without it, because its cluster did not answer. It is kept until the cluster does, is ended there,
    /// and counts for nothing.
    Abandoned,
}

impl AttemptPhase {
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Submitting | Self::Queued | Self::Running | Self::Abandoned)
    }
}

/// The order to an attempt to make room: recorded with it, and carried out from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub by: JobId,
    /// When it is ended, if it still runs.
    pub at: Timestamp,
    /// Number of the signal that tells it.
    pub signal: i32,
}

/// What is to be known of an attempt beyond one plain run. Most attempts have none of it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Course {
    /// Runs that are over and did not count as its end: the cluster queued it again.
    #[serde(skip_serializing_if = "is_zero")]
    pub runs: u32,
    /// Intervals billed of those runs; the numbers of the present run's follow.
    #[serde(skip_serializing_if = "is_zero")]
    pub intervals: u32,
    /// Start and end of the last of those runs, by the cluster's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<(Timestamp, Timestamp)>,
    /// End of the last of those runs as it was billed: the next one begins no earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_at: Option<Timestamp>,
    /// Start of a run that was reported before the end of the one before it, by the cluster's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_run: Option<Timestamp>,
    /// What the cluster's stamp of the present start was ahead of the start that counts.
    #[serde(skip_serializing_if = "no_time")]
    pub ahead: Span,
    /// Of the present run: how long it has stood still, without the time since `suspended_at`.
    #[serde(skip_serializing_if = "no_time")]
    pub suspended: Span,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended_at: Option<Timestamp>,
    /// Of the present run: when it was stopped last, and the latest time at which it was said to go on. What is older changes
    /// nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continued_at: Option<Timestamp>,
    /// The time limit that the cluster is to set instead of the one it was handed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_limit: Option<Span>,
    /// It is to make room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// Remarks in the timeline so far, and the last one.
    #[serde(skip_serializing_if = "is_zero")]
    pub remarks: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<Arc<str>>,
    /// Of an abandoned one: whose job it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

fn no_time(span: &Span) -> bool {
    *span == Span::ZERO
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<Box<Course>>,
}

impl Attempt {
    /// What is known beyond one plain run, to be written to.
    pub fn course_mut(&mut self) -> &mut Course {
        self.course.get_or_insert_default()
    }
    /// Start of the present run by the cluster's clock.
    pub fn start_as_told(&self) -> Option<Timestamp> {
        Some(self.started_at? + self.course.as_ref().map_or(Span::ZERO, |c| c.ahead))
    }
    /// How long the present run has stood still, as far as it goes on again.
    pub fn suspended(&self) -> Span {
        self.course.as_ref().map_or(Span::ZERO, |c| c.suspended)
    }
    pub fn notice(&self) -> Option<Notice> {
        self.course.as_ref().and_then(|c| c.notice)
    }
    pub fn suspended_at(&self) -> Option<Timestamp> {
        self.course.as_ref().and_then(|c| c.suspended_at)
    }
    /// The earliest time at which a run of it may have begun: the second of its placement, since clusters count whole seconds
    /// and what they count is what is billed.
    pub fn begins_after(&self) -> Timestamp {
        let placed = Timestamp::from_secs(self.placed_at.as_secs());
        self.course.as_ref().and_then(|c| c.over_at).map_or(placed, |over| over.max(placed))
    }
    /// What it takes on each of its nodes.
    pub fn per_node(&self) -> Resources {
        let nodes = self.nodes.len().max(1) as u64;
        let Resources { cpu, mem, gpus } = self.granted;
        Resources {
            cpu: base::CpuMillis(cpu.0 / nodes),
            mem: Bytes(mem.0 / nodes),
            gpus: (u64::from(gpus) / nodes) as u32,
        }
    }
}
