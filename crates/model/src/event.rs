//! What happened, when, through whom: the platform's one stream of facts that people watch.

use std::sync::Arc;

use base::{AttemptId, ClusterId, JobId, Money, PoolId, SupplierId, TenantId, Timestamp, UserId};
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

/// Why work is moved to another pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveCause {
    /// The cluster does not answer.
    Unreachable,
    /// The nodes it was to run on take no work any more.
    Unavailable,
    /// It waits on the cluster longer than was to be expected.
    Stuck,
}

impl MoveCause {
    pub const ALL: [MoveCause; 3] = [Self::Unreachable, Self::Unavailable, Self::Stuck];
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Unavailable => "unavailable",
            Self::Stuck => "stuck",
        }
    }
}

/// Why work may drive other work from its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precedence {
    /// By its class.
    Class,
    /// Its tenant's contract promises it a start.
    Contract,
}

impl Precedence {
    pub const ALL: [Precedence; 2] = [Self::Class, Self::Contract];
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Contract => "contract",
        }
    }
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
    /// So much of a budget is spent in its period.
    BudgetAlert {
        budget: u64,
        percent: u32,
        spent: Money,
        amount: Money,
        /// End of the period.
        until: Timestamp,
    },
    /// A hard budget is used up, and the policy stops its work at `stop_at`.
    BudgetStop {
        budget: u64,
        stop_at: Timestamp,
    },
    TimeLimitWarning {
        signal: i32,
    },
    /// The cluster itself queued it again; `text` is what the cluster said.
    Interrupted {
        attempt: AttemptId,
        outcome: Outcome,
        text: Option<Arc<str>>,
    },
    /// The cluster has stopped it for a while; that time is not billed.
    Suspended {
        attempt: AttemptId,
    },
    Continued {
        attempt: AttemptId,
    },
    /// The cluster's own words.
    Remark {
        attempt: AttemptId,
        text: Arc<str>,
    },
    /// The cluster has given back an attempt that had not started.
    Withdrawn {
        attempt: AttemptId,
    },
    /// What was billed of a run that does not count was given back.
    Waived {
        attempt: AttemptId,
        amount: Money,
    },
    /// It is to run elsewhere.
    Moved {
        attempt: AttemptId,
        from: PoolId,
        why: MoveCause,
    },
    /// A second attempt is made elsewhere; the first to complete counts.
    Twinned {
        attempt: AttemptId,
        from: PoolId,
    },
    /// Back to an attempt that had been left.
    Returned {
        attempt: AttemptId,
        pool: PoolId,
    },
    /// An attempt that had been abandoned was heard of again; it is ended there and counts for nothing.
    LateAnswer {
        attempt: AttemptId,
        outcome: Option<Outcome>,
    },
    /// Its results are in the tenant's file space, below this folder.
    Fetched {
        files: u64,
        bytes: u64,
        folder: Arc<str>,
    },
    /// They are not, or not all of them: why, for the tenant.
    FetchFailed {
        text: Arc<str>,
    },
    /// Somebody put a file into its work folder.
    Uploaded {
        path: Arc<str>,
        bytes: u64,
    },
    /// An attempt goes on from a checkpoint of an earlier one.
    Restored {
        attempt: AttemptId,
        /// Number of the attempt whose files they are.
        from: u32,
        taken_at: Timestamp,
        files: u64,
        bytes: u64,
    },
    /// No newer checkpoint of it is taken: why, for the tenant.
    CheckpointFailed {
        attempt: AttemptId,
        text: Arc<str>,
    },
    /// It is to make room and has been sent the signal: it is ended at `at` and queued again.
    Preempting {
        attempt: AttemptId,
        /// For whom.
        by: JobId,
        why: Precedence,
        signal: i32,
        at: Timestamp,
    },
    /// What it was to make room for needs none any more: it goes on.
    Spared {
        attempt: AttemptId,
    },
    PriorityChanged,
    TimeLimitChanged {
        micros: i64,
    },
    /// Money came into or left the tenant's wallet by hand.
    WalletChanged {
        amount: Money,
    },
    /// What was billed was amended by so much, for a reason that the tenant reads.
    Corrected {
        amount: Money,
        reason: Arc<str>,
    },
    /// A month of the tenant's is closed: it has its statement.
    StatementClosed {
        statement: u64,
        month: Arc<str>,
        due: Money,
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
    /// What was agreed on with the supplier of a pool is over; the pool serves on.
    SupplierTermOver {
        supplier: SupplierId,
        pool: PoolId,
    },
    TenantChanged,
    UserChanged {
        user: UserId,
    },
    PricesChanged,
    /// Something became of the tenant's contract of this number.
    ContractChanged {
        contract: u64,
        step: ContractStep,
    },
    /// Something became of a grant to the tenant.
    GrantChanged {
        grant: u64,
        step: GrantStep,
        amount: Money,
    },
}

/// What became of a grant; the amount is what was given, what went back, and what went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantStep {
    Given,
    Revoked,
    Expired,
}

impl GrantStep {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// What became of a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContractStep {
    Signed,
    /// The wallet does not cover the fee of a month: it does not begin until it does.
    Unpaid {
        fee: Money,
        available: Money,
    },
    BrokenOff,
    Over,
}

impl ContractStep {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Unpaid { .. } => "unpaid",
            Self::BrokenOff => "broken_off",
            Self::Over => "over",
        }
    }
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
