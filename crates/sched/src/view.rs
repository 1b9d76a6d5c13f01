//! What goes into the scheduler and what comes out of it. Plain data; refuses to know how it is used.

use std::sync::Arc;

use base::{ClusterId, JobId, Money, PoolId, Resources, Span, TenantId, Timestamp};
use model::{Caps, Chip, Conditions, NodeState, PoolTerms, PriorityClass, Request, Service, SupplyMode, Window};
use serde::{Deserialize, Serialize};

use crate::explain::Explanation;
use crate::standing::{Dips, Standing};

/// Micro-units of money per unit and hour. The scheduler compares with them, it does not bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rates {
    pub core_hour: Money,
    pub gib_hour: Money,
    /// `None`: the pool's chip has no price. As a price this refuses GPU jobs; as a cost it counts nothing.
    pub card_hour: Option<Money>,
    /// Of a core that is held without any card, where that is more than `core_hour`: cards whose cores are taken stand idle.
    #[serde(default)]
    pub bare_core_hour: Money,
}

impl Rates {
    /// Micro-units per hour for holding `total`; each part is rounded towards zero, overflow stops at the largest number.
    pub fn hourly(&self, total: &Resources) -> i64 {
        let part = |rate: Money, amount: u64, per: i64| mul_div(rate.micros(), to_i64(i128::from(amount)), per);
        let core_hour = if total.gpus == 0 { self.core_hour.max(self.bare_core_hour) } else { self.core_hour };
        part(core_hour, total.cpu.0, 1_000)
            .saturating_add(part(self.gib_hour, total.mem.mib_ceil(), 1_024))
            .saturating_add(part(self.card_hour.unwrap_or(Money::ZERO), u64::from(total.gpus), 1))
    }
    /// What holding `total` for `time` amounts to, rounded towards zero.
    pub fn estimate(&self, total: &Resources, time: Span) -> Money {
        Money(mul_div(self.hourly(total), time.as_micros(), MICROS_PER_HOUR))
    }
}

pub(crate) const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// `a × b ÷ per`, rounded towards zero, stopping at the ends of `i64`. The product mostly stays in 64 bits, where the division
/// is ten times as fast.
pub(crate) fn mul_div(a: i64, b: i64, per: i64) -> i64 {
    match a.checked_mul(b) {
        Some(product) => product / per,
        None => to_i64(i128::from(a) * i128::from(b) / i128::from(per)),
    }
}

pub(crate) fn to_i64(n: i128) -> i64 {
    i64::try_from(n).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX })
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    pub name: Arc<str>,
    pub state: NodeState,
}

/// A pool as placement sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolView {
    pub id: PoolId,
    pub name: Arc<str>,
    pub cluster: ClusterId,
    pub mode: SupplyMode,
    /// Where its cluster stands.
    #[serde(default)]
    pub site: Arc<str>,
    #[serde(default)]
    pub region: Arc<str>,
    /// What one node offers to jobs.
    pub shape: Resources,
    pub chip: Option<Chip>,
    pub nodes: Vec<NodeView>,
    pub time_limit_max: Option<Span>,
    /// Tenants that may use it; empty means all.
    pub tenants: Vec<TenantId>,
    /// Of the nodes that are up the last so many are kept for these, those before them for the next, and so on.
    #[serde(default)]
    pub reserve: Vec<(Dips, u32)>,
    /// Its cluster answers; nothing new goes to one that does not.
    pub reachable: bool,
    /// Whether its cluster is given new work at all.
    #[serde(default)]
    pub service: Service,
    #[serde(default)]
    pub terms: Arc<PoolTerms>,
    /// To the tenant.
    pub price: Rates,
    /// To the operator.
    pub cost: Rates,
}

/// What holds in all pools of a cluster together.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ClusterView {
    /// What all work of the platform may take there at once.
    pub together: Caps,
    pub licences: Vec<LicenceView>,
    /// Times in which nodes are kept for some.
    pub windows: Vec<Window>,
}

/// A licence with what others than the platform hold of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenceView {
    pub name: Arc<str>,
    pub total: u32,
    pub others: u32,
}

/// What work takes: the amount on each node, and perhaps what its request asks beyond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taking {
    pub per_node: Resources,
    pub conditions: Option<Arc<Conditions>>,
}

impl From<Resources> for Taking {
    fn from(per_node: Resources) -> Taking {
        Taking { per_node, conditions: None }
    }
}
impl From<&Request> for Taking {
    fn from(request: &Request) -> Taking {
        Taking { per_node: request.per_node, conditions: request.conditions.clone() }
    }
}

/// One eligible job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    pub job: JobId,
    /// Unique; the last word of the queue order.
    pub number: u64,
    pub tenant: TenantId,
    pub class: PriorityClass,
    pub submitted_at: Timestamp,
    pub deadline: Option<Timestamp>,
    /// The user's estimate and the limit that will be enforced.
    pub time_limit: Span,
    pub request: Arc<Request>,
    /// Names of allowed pools; empty means any.
    pub pools: Arc<[Arc<str>]>,
    /// Of nodes that are kept it takes first those that it may.
    pub standing: Standing,
}

/// How much one call of `plan` may do, in jobs looked at: the same on every machine, so that runs are reproducible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkBudget(pub u64);

impl WorkBudget {
    pub const UNLIMITED: WorkBudget = WorkBudget(u64::MAX);
}

/// A job that starts now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    pub job: JobId,
    pub pool: PoolId,
    /// In the pool's node order, one entry per node used.
    pub nodes: Vec<Arc<str>>,
    pub explanation: Explanation,
}

/// What one call of `plan` decided.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[must_use = "placed jobs have left the queue and occupy their nodes"]
pub struct Plan {
    /// In the order of decision.
    pub placements: Vec<Placement>,
    /// Jobs looked at.
    pub examined: u64,
    /// False when the budget ended first: call again. Such a plan holds at least one placement, so calling again ends.
    pub complete: bool,
}

/// A blocked job's claim on a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    pub job: JobId,
    pub pool: PoolId,
    /// When the running work is expected to have left enough nodes (may be in the past when it is overdue).
    pub at: Timestamp,
    pub nodes: Vec<Arc<str>>,
}

/// A pool's occupation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolUse {
    /// Of all nodes that are up.
    pub total: Resources,
    /// Of these, not occupied.
    pub free: Resources,
    pub nodes_up: u32,
    pub nodes_total: u32,
    pub jobs_running: u32,
    /// Of `total` and `free`, what counts here in a sum over pools: machines of several pools count in one of them.
    pub total_counted: Resources,
    pub free_counted: Resources,
}

/// What one node of a pool has and has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeUse {
    pub name: Arc<str>,
    pub state: NodeState,
    pub used: Resources,
}
