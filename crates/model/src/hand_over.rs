//! What passes between the platform and a cluster: orders out, observations in.
//! The words of every connector, whatever its backend.

use std::sync::Arc;

use base::{AttemptId, ClusterId, PoolId, Resources, Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::attempt::Usage;
use crate::job::{ArrayRef, EndCause, Exit, Outcome};
use crate::spec::JobSpec;
use crate::supply::NodeState;

/// Everything a connector needs to run one attempt, except the script text, which travels beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub attempt: AttemptId,
    /// The job's small number, for `%j` and `SLURM_JOB_ID`.
    pub number: u64,
    pub array: Option<ArrayRef>,
    /// Number of elements, smallest and largest index of the array, when it is one.
    pub array_bounds: Option<(u32, u32, u32)>,
    pub tenant: Arc<str>,
    pub project: Arc<str>,
    pub user: Arc<str>,
    pub pool: PoolId,
    pub pool_name: Arc<str>,
    /// Nodes chosen by the platform (own pools); empty leaves the choice to the cluster.
    pub nodes: Vec<Arc<str>>,
    /// What is taken on each node.
    pub per_node: Resources,
    pub spec: Arc<JobSpec>,
    /// When the checkpoint was taken that lies in its work folder (`HW_CHECKPOINT`). Known once the folder is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Timestamp>,
}

/// How an attempt is to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndOrder {
    pub cause: EndCause,
    /// Time between TERM and KILL.
    pub grace: Span,
}

/// What a cluster was seen to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    pub cluster: ClusterId,
    pub what: Observed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Observed {
    /// The cluster has it under its own name, waiting.
    Accepted {
        attempt: AttemptId,
        external: Option<Arc<str>>,
    },
    Started {
        attempt: AttemptId,
        at: Timestamp,
        nodes: Vec<Arc<str>>,
        external: Option<Arc<str>>,
    },
    /// It is over; `started_at` is `None` when it never ran. `note` is for the operator.
    Ended {
        attempt: AttemptId,
        started_at: Option<Timestamp>,
        at: Timestamp,
        outcome: Outcome,
        exit: Option<Exit>,
        usage: Usage,
        note: Option<Arc<str>>,
    },
    /// The cluster would not take or start it. `text` is for the tenant, `note` for the operator.
    /// `permanent`: trying again there is pointless.
    Refused {
        attempt: AttemptId,
        text: Arc<str>,
        note: Option<Arc<str>>,
        permanent: bool,
    },
    /// The cluster can be shown not to have it (any more), and no end was recorded.
    Gone {
        attempt: AttemptId,
        note: Option<Arc<str>>,
    },
    /// A run of it is over and does not count as its end: the cluster itself queued it again (its node failed, it was
    /// preempted or requeued there). The attempt waits on the cluster again; the run is billed or not by its outcome.
    Interrupted {
        attempt: AttemptId,
        started_at: Timestamp,
        at: Timestamp,
        outcome: Outcome,
        note: Option<Arc<str>>,
    },
    /// The cluster suspended it: time from `at` on is not used until `Continued`.
    Suspended {
        attempt: AttemptId,
        at: Timestamp,
    },
    Continued {
        attempt: AttemptId,
        at: Timestamp,
    },
    /// The cluster's own words on an attempt (why it waits, what was changed there), for the timeline.
    Remark {
        attempt: AttemptId,
        text: Arc<str>,
    },
    /// A checkpoint of an earlier attempt lies in its work folder, from which it goes on.
    Restored {
        attempt: AttemptId,
        /// Number of the attempt whose files they are.
        from: u32,
        taken_at: Timestamp,
        files: u64,
        bytes: u64,
    },
    /// Amounts used so far by running work.
    Progress {
        attempt: AttemptId,
        usage: Usage,
    },
    Node {
        pool: PoolId,
        node: Arc<str>,
        state: NodeState,
    },
    /// What work that is not the platform's takes on one node of a shared cluster; replaces what was said before.
    Foreign {
        pool: PoolId,
        node: Arc<str>,
        busy: Resources,
    },
    /// Nodes, shapes or limits are other than described: `describe` says how. Repeated until it was asked.
    SupplyChanged,
    /// No answer for longer than the connector's grace.
    Unreachable,
    Reachable,
}
