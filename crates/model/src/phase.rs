//! Where a job stands: its phases, the states that users know, and how it can end.
//! Refuses to know how one follows from another: that is `job`.

use base::{PoolId, Timestamp};
use serde::{Deserialize, Serialize};

/// How a process ended: exit code, and the signal that ended it (0 for none).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Exit {
    pub code: i32,
    pub signal: i32,
}

/// Who put a job on hold; only an operator releases an operator's hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    User,
    Operator,
    /// Too many failed starts; released by hand.
    Platform,
}

/// Why the platform itself ends a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    Cancelled,
    TimeLimit,
    /// The wallet ran dry and the grace is over.
    Balance,
    Preempted,
    /// Ended to be run again.
    Requeued,
    /// Asked back from its cluster: to be held, or to run elsewhere. Whatever it does there afterwards is ended.
    Withdrawn,
}

/// How a job or an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Completed,
    Failed,
    Cancelled,
    Timeout,
    OutOfMemory,
    NodeFail,
    Preempted,
}

impl Outcome {
    /// For dependencies: `afterok` wants true, `afternotok` false.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Completed)
    }
}

/// States as users know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StateCode {
    Pending,
    Held,
    Running,
    Completing,
    Completed,
    Failed,
    Cancelled,
    Timeout,
    OutOfMemory,
    NodeFail,
    Preempted,
}

impl StateCode {
    pub const ALL: [StateCode; 11] = [
        Self::Pending,
        Self::Held,
        Self::Running,
        Self::Completing,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Timeout,
        Self::OutOfMemory,
        Self::NodeFail,
        Self::Preempted,
    ];
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Held => "HELD",
            Self::Running => "RUNNING",
            Self::Completing => "COMPLETING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Timeout => "TIMEOUT",
            Self::OutOfMemory => "OUT_OF_MEMORY",
            Self::NodeFail => "NODE_FAIL",
            Self::Preempted => "PREEMPTED",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str().eq_ignore_ascii_case(text))
    }
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Held | Self::Running | Self::Completing)
    }
}

/// Where a job stands, with the data of that place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    Pending,
    Held {
        by: Holder,
    },
    /// Placed; the cluster has not said that it runs. Shown as PENDING.
    Starting {
        attempt: u32,
        pool: PoolId,
    },
    Running {
        attempt: u32,
        pool: PoolId,
        since: Timestamp,
    },
    /// The cluster has been asked to end it. `since` is the start, if it had started.
    Ending {
        attempt: u32,
        pool: PoolId,
        since: Option<Timestamp>,
        cause: EndCause,
    },
    /// Asked back from the cluster on which it waited: afterwards it is held, or in the queue again. Shown as HELD or
    /// PENDING. `since` is the start, if it started in spite of it.
    Withdrawing {
        attempt: u32,
        pool: PoolId,
        since: Option<Timestamp>,
        hold: Option<Holder>,
    },
    Ended {
        outcome: Outcome,
        at: Timestamp,
    },
}

impl Phase {
    pub const fn code(&self) -> StateCode {
        match self {
            Self::Pending | Self::Starting { .. } | Self::Withdrawing { hold: None, .. } => StateCode::Pending,
            Self::Held { .. } | Self::Withdrawing { hold: Some(_), .. } => StateCode::Held,
            Self::Running { .. } => StateCode::Running,
            Self::Ending { .. } => StateCode::Completing,
            Self::Ended { outcome, .. } => match outcome {
                Outcome::Completed => StateCode::Completed,
                Outcome::Failed => StateCode::Failed,
                Outcome::Cancelled => StateCode::Cancelled,
                Outcome::Timeout => StateCode::Timeout,
                Outcome::OutOfMemory => StateCode::OutOfMemory,
                Outcome::NodeFail => StateCode::NodeFail,
                Outcome::Preempted => StateCode::Preempted,
            },
        }
    }
    /// The attempt that is out there now, if any.
    pub const fn attempt(&self) -> Option<u32> {
        match self {
            Self::Starting { attempt, .. }
            | Self::Running { attempt, .. }
            | Self::Ending { attempt, .. }
            | Self::Withdrawing { attempt, .. } => Some(*attempt),
            Self::Pending | Self::Held { .. } | Self::Ended { .. } => None,
        }
    }
}
