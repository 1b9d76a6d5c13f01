//! What happened, when, through whom: the platform's one stream of facts that people watch.

use std::sync::Arc;

use base::{AttemptId, ClusterId, JobId, Money, PoolId, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::job::{EndCause, Exit, Holder, Outcome, StateCode};
use crate::supply::NodeState;

/// Who caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Actor {
    /// The engine by a rule or because time passed.
    Platform,
    User(UserId),
    Cluster(ClusterId),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    Submitted {
        hold: Money,
    },
    Held {
        by: Holder,
    },
    Released,
    Placed {
        attempt: AttemptId,
        pool: PoolId,
    },
    Queued {
        attempt: AttemptId,
        external: Option<Arc<str>>,
    },
    Started {
        attempt: AttemptId,
        nodes: Vec<Arc<str>>,
    },
    /// The platform asked the cluster to end it.
    Ending {
        cause: EndCause,
    },
    Ended {
        outcome: Outcome,
        exit: Option<Exit>,
        charged: Money,
    },
    /// Back to the queue after an attempt that did not count.
    Requeued {
        after: Outcome,
    },
    /// The hand-over to the cluster failed; `text` is for the tenant.
    HandOverFailed {
        attempt: AttemptId,
        text: Arc<str>,
    },
    /// The wallet will not cover the next interval; work is stopped at `stop_at`.
    BalanceLow {
        available: Money,
        needed: Money,
        stop_at: Timestamp,
    },
    BalanceRestored,
    TimeLimitWarning {
        signal: i32,
    },
    PriorityChanged,
    TimeLimitChanged {
        micros: i64,
    },
    /// Money came into or left the tenant's wallet by hand.
    WalletChanged {
        amount: Money,
    },
    PoolChanged {
        pool: PoolId,
    },
    NodeChanged {
        pool: PoolId,
        node: Arc<str>,
        state: NodeState,
    },
    ClusterUnreachable {
        cluster: ClusterId,
    },
    ClusterReachable {
        cluster: ClusterId,
    },
    TenantChanged,
    UserChanged {
        user: UserId,
    },
    PricesChanged,
}

/// One entry of the stream; `seq` is strictly increasing over the whole platform and never reused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub seq: u64,
    pub at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// The job's state after the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<StateCode>,
    pub actor: Actor,
    pub what: EventKind,
}
