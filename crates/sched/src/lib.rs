//! Placement: view + now + policy → placements and, for everything else, reasons.
//! Pure, incremental and deterministic. Refuses to know: the ledger, ports, async, clocks, logging, chance.
//!
//! One [`Scheduler`] holds the pools, what occupies them, the queue of eligible jobs and the fair shares. The engine feeds it
//! changes and calls [`Scheduler::plan`]; what cannot have become possible is not looked at again.
//!
//! # The rule, in the words the tests check
//!
//! Jobs are taken in *order*: jobs that waited twice [`Policy::age_bound`] (oldest first), then by priority class, in a class first
//! those beyond `age_bound` (oldest first), then by the tenant's dominant share, deadline, submission time, number (or as
//! [`Policy::order`] says). A job that can start now starts, in the pool with the best money terms (unless
//! [`Policy::ready_first`] is off and a cheaper one is worth waiting for). One that cannot is *blocked*; the first
//! [`Policy::backfill_depth`] blocked jobs of each *pool set* (the pools that could ever hold the request) reserve the nodes of
//! one pool from the time its running work is expected to leave them. Later jobs start only where they end before that time
//! or leave the reserved room (EASY backfill); with [`Policy::overrun_max`] they may be taken to end when they are expected to, within
//! bounds and while nothing old waits. This is repeated until nothing more starts.

pub mod batch;
mod bound;
mod check;
mod explain;
mod fences;
pub mod forecast;
mod fresh;
mod haul;
mod lending;
mod links;
pub mod packing;
mod place;
mod policy;
mod pool;
mod preempt;
mod profile;
mod promise;
mod purse;
mod queue;
mod room;
mod rule;
mod runs;
mod scheduler;
mod shape;
mod share;
mod stakes;
mod standing;
mod terms;
mod thrift;
mod twin;
mod view;

pub use explain::{Candidate, Explanation, Score};
pub use lending::Stake;
pub use links::{Bandwidth, Links, Path, Ties};
pub use policy::{Order, Policy, Weights};
pub use preempt::{Room, Yielding};
pub use promise::Promise;
pub use rule::{PoolVerdict, Rule, Verdict};
pub use scheduler::Scheduler;
pub use share::ResourceSeconds;
pub use standing::{App, Dips, Draws, Standing, at_speed};
pub use view::{
    ClusterView, Demand, LicenceView, NodeUse, NodeView, Placement, Plan, PoolUse, PoolView, Rates, Reservation,
    Taking, WorkBudget,
};
