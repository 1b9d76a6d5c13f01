//! Why a job does not run yet, with what it asked for and what there was.

use std::sync::Arc;

use base::{JobId, Money, PoolId, Resources, Timestamp};
use serde::{Deserialize, Serialize};

use crate::job::Holder;
use crate::terms::Counted;

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
    /// The only pools that could run it belong to clusters that are being tested or were taken out of service; one of them.
    NotInService {
        pool: PoolId,
    },
    /// All work of the platform together takes as much of its account on the cluster as it may. Units as in [`Counted`].
    ClusterTotal {
        pool: PoolId,
        what: Counted,
        requested: u64,
        available: u64,
    },
    /// Its tenant holds as much of the own pools as its part and what it may borrow. Units as in [`Counted`].
    BorrowingLimit {
        what: Counted,
        requested: u64,
        available: u64,
    },
    /// What others leave and lend of their parts of the own pools does not hold it. Units as in [`Counted`].
    LendingLimit {
        what: Counted,
        requested: u64,
        available: u64,
    },
    /// Too few of a licence are free on the cluster.
    Licence {
        pool: PoolId,
        name: Arc<str>,
        requested: u64,
        available: u64,
    },
    /// Nodes with the room are kept for others in a time into which it would run, or the reservation it names is not now.
    Window {
        pool: PoolId,
        name: Arc<str>,
        from: Timestamp,
        until: Timestamp,
    },
    /// The nodes with the room stand below more switches than it allows.
    Switches {
        pool: PoolId,
        switches: u32,
        requested: u32,
    },
    /// So many running jobs in the pool were told to make room for it; all are gone by then.
    MakingRoom {
        pool: PoolId,
        jobs: u64,
        at: Timestamp,
    },
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
            Self::NotInService { .. } => "not_in_service",
            Self::ClusterTotal { .. } => "cluster_total",
            Self::BorrowingLimit { .. } => "borrowing_limit",
            Self::LendingLimit { .. } => "lending_limit",
            Self::Licence { .. } => "licence",
            Self::Window { .. } => "window",
            Self::Switches { .. } => "switches",
            Self::MakingRoom { .. } => "making_room",
            Self::Balance { .. } => "balance",
            Self::Retry { .. } => "retry",
        }
    }
}
