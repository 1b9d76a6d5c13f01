//! Why a job does not run yet, with what it asked for and what there was.

use base::{JobId, Money, PoolId, Resources, Timestamp};
use serde::{Deserialize, Serialize};

use crate::job::Holder;

/// One reason of a pending job; `code()` is stable and shown by every front end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Reason {
    /// Nothing free that fits yet; `pool` is the one expected to serve first.
    Resources {
        pool: PoolId,
        requested: Resources,
        available: Resources,
    },
    /// It would fit, but work ahead of it in the queue has the claim.
    Priority {
        ahead: u64,
    },
    /// Not looked at yet since the last change.
    Queued,
    /// Placed; the cluster has not confirmed the start.
    Starting {
        pool: PoolId,
    },
    Held {
        by: Holder,
    },
    BeginTime {
        at: Timestamp,
    },
    Dependency {
        on: JobId,
    },
    /// A dependency can no longer be fulfilled.
    DependencyNever {
        on: JobId,
    },
    ArrayLimit {
        limit: u32,
    },
    /// No pool could ever run it; the explanation says which rule each pool failed.
    NoFeasiblePool,
    /// Every feasible pool is down or drained.
    PoolsUnavailable,
    /// The wallet no longer covers the work.
    Balance {
        needed: Money,
        available: Money,
    },
    /// Waits after a failure of the machine or of the hand-over.
    Retry {
        at: Timestamp,
    },
}

impl Reason {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Resources { .. } => "resources",
            Self::Priority { .. } => "priority",
            Self::Queued => "queued",
            Self::Starting { .. } => "starting",
            Self::Held { .. } => "held",
            Self::BeginTime { .. } => "begin_time",
            Self::Dependency { .. } => "dependency",
            Self::DependencyNever { .. } => "dependency_never",
            Self::ArrayLimit { .. } => "array_limit",
            Self::NoFeasiblePool => "no_feasible_pool",
            Self::PoolsUnavailable => "pools_unavailable",
            Self::Balance { .. } => "balance",
            Self::Retry { .. } => "retry",
        }
    }
}
