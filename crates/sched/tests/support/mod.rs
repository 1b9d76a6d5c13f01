//! Builders shared by the scheduler's tests, and the naive planner they compare with.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod naive;

use std::sync::Arc;

use base::{Bytes, ClusterId, JobId, Money, PoolId, Resources, Span, TenantId, Timestamp};
use model::{NodeState, PriorityClass, Request, SupplyMode};
use sched::{Demand, NodeView, PoolView, Rates};

/// 2026-01-01, so that no test depends on times near zero.
pub const START: Timestamp = Timestamp::from_secs(1_767_225_600);

pub fn at(seconds: i64) -> Timestamp {
    START + Span::from_secs(seconds)
}
pub fn pool_id(n: u128) -> PoolId {
    PoolId::from_u128(n)
}
pub fn job_id(n: u64) -> JobId {
    JobId::from_u128(u128::from(n))
}
pub fn tenant(n: u128) -> TenantId {
    TenantId::from_u128(n)
}
pub fn res(cores: u64, gib: u64, gpus: u32) -> Resources {
    Resources::new(cores, Bytes::from_gib(gib), gpus)
}
pub fn rates(core_hour: i64) -> Rates {
    Rates { core_hour: Money(core_hour), gib_hour: Money(10), card_hour: Some(Money(1_000_000)), ..Rates::default() }
}

/// A pool `p<n>` of nodes `n0…`, everything open to all.
pub fn pool(n: u128, shape: Resources, nodes: usize) -> PoolView {
    let node = |i: usize| NodeView { name: format!("n{i}").into(), state: NodeState::Up };
    PoolView {
        id: pool_id(n),
        name: format!("p{n}").into(),
        cluster: ClusterId::from_u128(1),
        mode: SupplyMode::Own,
        site: format!("s{n}").into(),
        region: if n.is_multiple_of(2) { "even" } else { "odd" }.into(),
        shape,
        chip: (shape.gpus > 0).then(|| "nvidia-a100-80g".parse().expect("a chip")),
        nodes: (0..nodes).map(node).collect(),
        time_limit_max: None,
        tenants: Vec::new(),
        reserve: Vec::new(),
        reachable: true,
        service: Default::default(),
        terms: Default::default(),
        price: rates(100_000),
        cost: rates(10_000),
    }
}

/// Job `n` of tenant 1, submitted `n` seconds after the start.
pub fn demand(n: u64, nodes: u32, per_node: Resources, seconds: i64) -> Demand {
    Demand {
        job: job_id(n),
        number: n,
        tenant: tenant(1),
        class: PriorityClass::Normal,
        submitted_at: at(n as i64),
        deadline: None,
        time_limit: Span::from_secs(seconds),
        request: Arc::new(Request::of(nodes, per_node)),
        pools: Arc::new([]),
        standing: Default::default(),
    }
}
