//! The scheduler's state and everything that changes it except planning. Each change notes what it may have made possible, so
//! that the next plan looks there only. Refuses to start anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{ClusterId, JobId, PoolId, Resources, Span, TenantId, Timestamp};
use model::{Conditions, NodeState, Window};

use crate::fences::width;
use crate::lending::Lending;
use crate::links::Ties;
use crate::place::Walk;
use crate::policy::{Order, Policy, work};
use crate::pool::{FOREIGN, NodeList, Occupation, Pool};
use crate::profile::Scratch;
use crate::promise::Promises;
use crate::purse::Draw;
use crate::queue::{Asked, Queue, Slot};
use crate::runs::{Run, Runs};
use crate::shape::{Pools, QueueWait, Shapes};
use crate::share::{FairShare, ResourceSeconds};
use crate::standing::{Dips, Standing};
use crate::view::{Demand, NodeUse, PoolUse, PoolView, Reservation, Taking};

/// A blocked job that took a turn of its pool set, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder {
    pub job: JobId,
    pub slot: u32,
    pub set: u32,
    /// Where its claim is; `None` when claims ahead left no pool.
    pub pool: Option<u32>,
}

/// What happened since the last plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// Something that may let waiting jobs start or claims move.
    pub full: bool,
    /// Pools that may have more room, or have it sooner.
    pub freed: Vec<u32>,
    /// Slots of jobs not looked at yet; some may have left since.
    pub fresh: Vec<u32>,
    /// Usage was charged: the order of tenants may have changed.
    pub shares: bool,
}

/// Pools, running work, queue and shares, with the incremental planner over them. See the crate's first page for the rule.
#[derive(Clone, Debug)]
pub struct Scheduler {
    pub(crate) policy: Policy,
    pub(crate) pools: Pools,
    pub(crate) shapes: Shapes,
    pub(crate) queue: Queue,
    pub(crate) shares: FairShare,
    pub(crate) lending: Lending,
    pub(crate) runs: Runs,
    /// Queued jobs by tenant ordinal.
    pub(crate) waiting: Vec<u32>,
    pub(crate) holders: Vec<Holder>,
    pub(crate) changes: Changes,
    /// Tenants with queued jobs in the order of the last plan; true where the key equalled the one before.
    pub(crate) ranking: Vec<(u32, bool)>,
    pub(crate) pass: u64,
    pub(crate) clock: Timestamp,
    /// When the first work of others is taken to end.
    pub(crate) foreign_end: i64,
    /// Times in which nodes are kept for some, by cluster.
    pub(crate) windows: BTreeMap<ClusterId, Vec<Window>>,
    /// The next moment at which one of them begins or ends, microseconds since the epoch.
    pub(crate) next_edge: Option<i64>,
    pub(crate) scratch: Scratch,
    pub(crate) walk_buffers: Walk,
    /// What tenants are promised and which work is within it.
    pub(crate) promises: Promises,
}

/// A promised job passes the age bound when one part in so many of the promised time is over: the rest is for draining nodes.
const PROMISE_AGES: i64 = 4;

impl Scheduler {
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            pools: Pools::default(),
            shapes: Shapes::default(),
            queue: Queue::default(),
            shares: FairShare::new(policy.fair_share_half_life),
            lending: Lending::default(),
            runs: Runs::default(),
            waiting: Vec::new(),
            holders: Vec::new(),
            changes: Changes::default(),
            ranking: Vec::new(),
            pass: 0,
            clock: Timestamp::ZERO,
            foreign_end: i64::MAX,
            windows: BTreeMap::new(),
            next_edge: None,
            scratch: Scratch::default(),
            walk_buffers: Walk::default(),
            promises: Promises::default(),
        }
    }

    /// Changes the policy; running work and past usage stay.
    pub fn set_policy(&mut self, policy: Policy) {
        let fences = |policy: &Policy| (policy.haste, policy.haste_of_the_wide, policy.overrun_max);
        let reorders = policy.order != self.policy.order || fences(&policy) != fences(&self.policy);
        if policy.age_bound != self.policy.age_bound {
            self.queue.rejuvenate(policy.age_bound.as_micros());
        }
        self.shares.set_half_life(policy.fair_share_half_life, self.clock);
        let ages = policy.age_bound != self.policy.age_bound && (policy.hastens() || !self.promises.is_empty());
        self.policy = policy;
        if reorders || ages {
            self.queue_anew();
        }
        self.pools.generation += 1;
        self.changes.full = true;
    }
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Adds a pool or redefines it. Running work stays on the nodes that keep their names; it is forgotten where all its
    /// nodes are gone.
    pub fn upsert_pool(&mut self, view: PoolView) {
        let old = self.take_pool(view.id, true);
        let cluster = view.cluster;
        let was = old.as_ref().map(width);
        let mut pool = Pool::new(view, old.as_ref().map_or(1, |p| p.version + 1));
        let is = Some(width(&pool));
        self.shares.add_capacity(&pool.capacity_counted());
        let moved = old.as_ref().map(|old| old.cluster).filter(|before| *before != cluster);
        if let Some(old) = old {
            self.take_over(&old, &mut pool);
        }
        self.close_windows(&mut pool);
        self.pools.put(pool);
        self.find_twins(cluster);
        if let Some(before) = moved {
            self.find_twins(before);
        }
        self.count_lent();
        self.widths_changed(was, is);
        self.changes.full = true;
    }

    /// What runs in a pool as it was goes on in what it has become.
    fn take_over(&mut self, old: &Pool, pool: &mut Pool) {
        let mut lost = Vec::new();
        let ordinal = self.pools.by_id.get(&old.id).copied();
        for run in &old.runs {
            let names = run.nodes.as_slice().iter().map(|n| &*old.names[*n as usize]);
            let mut nodes: Vec<u32> = names.filter_map(|name| pool.node(name)).collect();
            nodes.sort_unstable();
            let own = self.runs.slots.get(run.run as usize).is_some_and(|r| r.map(|r| r.pool) == ordinal);
            if run.run >= FOREIGN {
                if let [node] = nodes[..] {
                    pool.set_foreign(node, run.per_node, run.end);
                }
            } else if !own {
                // Of a twin; it is mirrored again if it still is one.
            } else if nodes.is_empty() {
                lost.push(run.run);
            } else {
                pool.occupy(Occupation { nodes: NodeList::from_slice(&nodes), ..run.clone() });
            }
        }
        self.forget_runs(&lost);
    }

    /// Removes a pool with everything that runs on it. Unknown pools are no matter.
    pub fn remove_pool(&mut self, id: PoolId) {
        let ordinal = self.pools.by_id.get(&id).copied();
        if let Some(old) = self.take_pool(id, false) {
            let own = |run: &u32| self.runs.slots.get(*run as usize).is_some_and(|r| r.map(|r| r.pool) == ordinal);
            let lost: Vec<u32> = old.runs.iter().map(|r| r.run).filter(own).collect();
            self.forget_runs(&lost);
            self.find_twins(old.cluster);
            self.count_lent();
            self.widths_changed(Some(width(&old)), None);
            self.changes.full = true;
        }
    }

    /// False when pool or node are unknown.
    pub fn set_node(&mut self, pool: PoolId, node: &str, state: NodeState) -> bool {
        let Some(&ordinal) = self.pools.by_id.get(&pool) else { return false };
        let Some(node) = self.pools.get(ordinal).and_then(|p| p.node(node)) else { return false };
        if self.pools.change(ordinal, |pool| pool.set_state(node, state)) == Some(true) {
            self.touched(ordinal);
        }
        true
    }

    /// False when the pool is unknown.
    pub fn set_reachable(&mut self, pool: PoolId, reachable: bool) -> bool {
        let Some(&ordinal) = self.pools.by_id.get(&pool) else { return false };
        if self.pools.change(ordinal, |pool| pool.set_reachable(reachable)) == Some(true) {
            self.touched(ordinal);
        }
        true
    }

    /// How long the cluster of a pool lets work wait in its own queue; `None` when nothing is known, or it does not. Among pools
    /// with room, those that let work start sooner come first, by doublings of a minute.
    pub fn set_queue_wait(&mut self, pool: PoolId, wait: Option<Span>) {
        let new = wait.map(QueueWait::of);
        let old = match new {
            Some(new) => self.pools.queues.insert(pool, new),
            None => self.pools.queues.remove(&pool),
        };
        let tier = |queue: Option<QueueWait>| queue.map_or(0, |queue| queue.tier);
        if tier(old) != tier(new) {
            self.pools.generation += 1;
            self.changes.full = true;
        }
    }

    /// What work that is not the platform's takes on a node of a shared cluster, in place of what was said before. It is taken
    /// to go on for [`Policy::foreign_hold`], again and again until it is said to be gone. False when pool or node are unknown.
    pub fn set_foreign(&mut self, pool: PoolId, node: &str, busy: Resources, now: Timestamp) -> bool {
        let Some(&ordinal) = self.pools.by_id.get(&pool) else { return false };
        let Some(node) = self.pools.get(ordinal).and_then(|p| p.node(node)) else { return false };
        let end = (now + self.policy.foreign_hold).as_micros();
        if self.pools.change(ordinal, |pool| pool.set_foreign(node, busy, end)) == Some(true) {
            self.foreign_end = self.foreign_end.min(end);
            self.touched(ordinal);
        }
        true
    }

    /// The work of others has not ended when it was taken to end.
    pub(crate) fn prolong_foreign(&mut self, now: Timestamp) {
        if self.foreign_end > now.as_micros() {
            return;
        }
        let end = (now + self.policy.foreign_hold).as_micros();
        let mut first = end;
        for purse in self.pools.purses.values_mut() {
            let (changed, next) = purse.prolong(now.as_micros(), end);
            self.changes.full |= changed;
            first = first.min(next);
        }
        for ordinal in self.pools.by_id.values().copied().collect::<Vec<_>>() {
            if self.pools.get(ordinal).is_none_or(|p| p.foreign.is_empty()) {
                continue;
            }
            if self.pools.change(ordinal, |pool| pool.prolong_foreign(now.as_micros(), end)) == Some(true) {
                self.touched(ordinal);
            }
            let ends = self.pools.get(ordinal).and_then(|p| p.foreign.values().min().copied());
            first = first.min(ends.unwrap_or(end));
        }
        self.foreign_end = first;
    }

    /// Weight in fair sharing, at least 1. Tenants never named have 1.
    pub fn set_tenant(&mut self, tenant: TenantId, shares: u32) {
        let ordinal = self.tenant(tenant);
        self.shares.set_shares(ordinal, shares);
        self.changes.shares = true;
    }

    /// Adds used resources to a tenant's account of fair sharing. To restore an account, charge what [`Self::used`] gave.
    pub fn charge(&mut self, tenant: TenantId, used: &ResourceSeconds, now: Timestamp) {
        let ordinal = self.tenant(tenant);
        self.shares.charge(ordinal, used, now);
        self.changes.shares = true;
    }

    /// What was charged to a tenant, as far as it is not forgotten at `now`.
    pub fn used(&self, tenant: TenantId, now: Timestamp) -> ResourceSeconds {
        self.shares.find(tenant).map_or(ResourceSeconds::default(), |ordinal| self.shares.used(ordinal, now))
    }

    /// Puts an eligible job into the queue, replacing one of the same id. Cost: O(log n).
    pub fn enqueue(&mut self, demand: Demand) {
        let limit = demand.time_limit;
        self.enqueue_expecting(demand, limit);
    }

    /// The same of a job that is expected to run for less than its limit. Only [`Order::Work`], [`Policy::overrun_max`] and the choice
    /// between a pool that is ready and a cheaper one go by that; when nodes are free again is told from limits.
    pub fn enqueue_expecting(&mut self, demand: Demand, expected: Span) {
        let expected = expected.min(demand.time_limit).max(Span::from_micros(1));
        self.dequeue(demand.job);
        let tenant = self.tenant(demand.tenant);
        let shape = self.shapes.enter(&demand.request, &demand.pools, &demand.standing, expected.as_micros());
        let lane = self.queue.lane(demand.class, tenant, shape);
        let asked = Asked {
            submitted: demand.submitted_at.as_micros(),
            deadline: demand.deadline.map_or(crate::queue::NEVER, Timestamp::as_micros),
            expected: expected.as_micros(),
            data: demand.standing.ties.data,
        };
        let cpu = demand.request.total().cpu.0;
        let promise = self.promises.enter(demand.job, tenant, cpu);
        let bound = self.policy.age_bound;
        let haste = self.haste(&demand.request, &demand.pools);
        // As old as makes it pass the age bound when a part of the promised time is over.
        let promised =
            promise.map_or(Span::ZERO, |wait| bound - bound.min(Span::from_micros(wait.as_micros() / PROMISE_AGES)));
        let older = promised.max(haste);
        let new = Slot {
            job: demand.job,
            number: demand.number,
            submitted: asked.submitted - older.as_micros(),
            key: match self.policy.order {
                Order::Shares => asked.deadline,
                Order::Work => work(&demand.request.total(), expected),
            },
            limit: demand.time_limit.as_micros(),
            fence: self.policy.fence(demand.time_limit, expected).as_micros(),
            haste: (older - promised).as_micros(),
            lane,
            aged: false,
            asked,
        };
        let ages_at = new.submitted.saturating_add(bound.as_micros());
        let slot = self.queue.insert(new, ages_at);
        self.waiting[tenant as usize] += 1;
        self.changes.fresh.push(slot);
    }

    /// Takes a job out of the queue: cancelled, held, changed. False when it was not there.
    pub fn dequeue(&mut self, job: JobId) -> bool {
        let Some(slot) = self.queue.find(job) else { return false };
        let held_off = self.policy.overrun_max > Span::ZERO && self.is_old(slot, self.clock);
        if held_off || self.holders.iter().any(|h| h.job == job) || self.lending.is_frozen() {
            self.changes.full = true;
        }
        self.promises.leave(job);
        self.take_from_queue(slot);
        true
    }

    pub(crate) fn take_from_queue(&mut self, slot: u32) {
        let lane = self.queue.lane_of(slot);
        let (tenant, shape) = (lane.tenant, lane.shape);
        self.waiting[tenant as usize] -= 1;
        self.shapes.leave(shape);
        self.queue.remove(slot, self.policy.age_bound.as_micros());
    }

    /// Says that a job occupies nodes: restores running work, or confirms (possibly with other nodes or another end) a
    /// placement. A queued job leaves the queue. False when the pool or all nodes are unknown; then nothing changes.
    pub fn occupy(
        &mut self,
        job: JobId,
        pool: PoolId,
        nodes: &[Arc<str>],
        taking: impl Into<Taking>,
        expected_end: Timestamp,
        tenant: TenantId,
    ) -> bool {
        let Taking { per_node, conditions } = taking.into();
        let Some(&ordinal) = self.pools.by_id.get(&pool) else { return false };
        let Some(place) = self.pools.get(ordinal) else { return false };
        let mut list: Vec<u32> = nodes.iter().filter_map(|name| place.node(name)).collect();
        list.sort_unstable();
        list.dedup();
        if list.is_empty() {
            return false;
        }
        if self.is_occupied_so(job, ordinal, &list, &per_node) {
            self.set_expected_end(job, expected_end);
            return true;
        }
        self.release(job);
        self.dequeue(job);
        let tenant = self.tenant(tenant);
        let total = per_node.times(list.len() as u32);
        let run = Run { job, pool: ordinal, end: expected_end.as_micros(), tenant, total };
        self.begin(run, per_node, NodeList::from_slice(&list), conditions);
        self.changes.full = true;
        true
    }

    /// A job takes nodes from now on, and of its cluster's purse.
    pub(crate) fn begin(
        &mut self,
        run: Run,
        per_node: Resources,
        nodes: NodeList,
        conditions: Option<Arc<Conditions>>,
    ) {
        let slot = self.runs.insert(run);
        self.shares.hold(run.tenant, &run.total);
        self.lend(&run, true);
        if let Some(conditions) = conditions.filter(|c| !c.licences.is_empty()) {
            self.runs.licensed.insert(slot, conditions);
        }
        let draw = self.draw(slot, &run, nodes.as_slice().len());
        if let Some((purse, draw)) = self.purse_of(run.pool).zip(draw) {
            purse.spend(run.end, slot, draw);
        }
        self.pools.occupy(run.pool, Occupation { end: run.end, run: slot, per_node, nodes });
    }

    fn purse_of(&mut self, pool: u32) -> Option<&mut crate::purse::Purse> {
        let cluster = self.pools.get(pool)?.cluster;
        self.pools.purses.get_mut(&cluster)
    }
    fn draw(&self, slot: u32, run: &Run, nodes: usize) -> Option<Draw> {
        let purse = self.pools.purse(self.pools.get(run.pool)?)?;
        Some(purse.draw(nodes as u32, &run.total, self.runs.licensed.get(&slot).map(|c| &**c)))
    }

    fn is_occupied_so(&self, job: JobId, pool: u32, nodes: &[u32], per_node: &Resources) -> bool {
        let Some(&run) = self.runs.index.get(&job) else { return false };
        let known = self.runs.slots[run as usize].filter(|r| r.pool == pool);
        let held = known.and_then(|r| self.pools.get(pool)?.occupation(r.end, run));
        held.is_some_and(|o| o.nodes.as_slice() == nodes && o.per_node == *per_node)
    }

    /// Frees what a job occupied. False when it occupied nothing.
    pub fn release(&mut self, job: JobId) -> bool {
        let Some((slot, run)) = self.runs.remove(job) else { return false };
        self.promises.leave(job);
        self.shares.drop_hold(run.tenant, &run.total);
        self.lend(&run, false);
        if let Some(purse) = self.purse_of(run.pool) {
            purse.refund(run.end, slot);
        }
        self.pools.vacate(run.pool, run.end, slot);
        self.touched(run.pool);
        true
    }

    /// Changes when running work is expected to end. False when the job occupies nothing.
    pub fn set_expected_end(&mut self, job: JobId, expected_end: Timestamp) -> bool {
        let Some(&slot) = self.runs.index.get(&job) else { return false };
        let Some(run) = self.runs.slots[slot as usize].as_mut() else { return false };
        let (pool, old, end) = (run.pool, run.end, expected_end.as_micros());
        if old != end {
            run.end = end;
            if let Some(purse) = self.purse_of(pool)
                && let Some(draw) = purse.refund(old, slot)
            {
                purse.spend(end, slot, draw);
            }
            if let Some(gone) = self.pools.vacate(pool, old, slot) {
                self.pools.occupy(pool, Occupation { end, ..gone });
            }
            // An end that comes sooner is room sooner.
            self.touched(pool);
        }
        true
    }

    /// Lets the next plan look at everything, as if something had changed.
    pub fn plan_again(&mut self) {
        self.changes.full = true;
    }

    /// Something changed since the last plan that can matter to the queue.
    pub fn wants_plan(&self) -> bool {
        let Changes { full, freed: _, fresh, shares } = &self.changes;
        self.queue.len() > 0 && (*full || *shares || !fresh.is_empty())
    }

    /// When a queued job next passes an age threshold, or nodes begin or cease to be kept for some: planning then may decide
    /// otherwise without any other event.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        let edge = (self.queue.len() > 0).then_some(self.next_edge).flatten().map(Timestamp::from_micros);
        self.queue.next_threshold().into_iter().chain(edge).min()
    }

    /// When nodes next begin or cease to be kept for some.
    pub fn next_edge(&self) -> Option<Timestamp> {
        self.next_edge.map(Timestamp::from_micros)
    }

    /// A pool's occupation; `None` when unknown.
    pub fn free(&self, pool: PoolId) -> Option<PoolUse> {
        self.pools.get(*self.pools.by_id.get(&pool)?).map(Pool::usage)
    }
    /// What is kept of a pool, as it was said.
    pub fn reserve_of(&self, pool: PoolId) -> Vec<(Dips, u32)> {
        let known = self.pools.by_id.get(&pool).and_then(|ordinal| self.pools.get(*ordinal));
        known.map_or_else(Vec::new, Pool::reserve)
    }
    /// What is taken on each node of a pool, by the platform's work and by others'; `None` when unknown.
    pub fn node_use(&self, pool: PoolId) -> Option<Vec<NodeUse>> {
        self.pools.get(*self.pools.by_id.get(&pool)?).map(Pool::node_use)
    }
    /// Jobs in the queue.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }
    /// Jobs that occupy nodes.
    pub fn running(&self) -> usize {
        self.runs.index.len()
    }

    /// The claims of the last plan, in queue order.
    pub fn reservations(&self) -> Vec<Reservation> {
        let claim = |holder: &Holder| {
            let pool = self.pools.get(holder.pool?)?;
            let claim = pool.claims.iter().find(|c| c.job == holder.job)?;
            let nodes = claim.nodes.iter().map(|n| pool.names[*n as usize].clone()).collect();
            Some(Reservation { job: holder.job, pool: pool.id, at: Timestamp::from_micros(claim.from), nodes })
        };
        self.holders.iter().filter_map(claim).collect()
    }

    /// A queued job as it was handed in.
    pub(crate) fn demand(&self, job: JobId) -> Option<Demand> {
        let slot = self.queue.slot(self.queue.find(job)?);
        let lane = &self.queue.lanes[slot.lane as usize];
        let shape = self.shapes.get(lane.shape);
        Some(Demand {
            job,
            number: slot.number,
            tenant: self.shares.id(lane.tenant),
            class: lane.class,
            submitted_at: Timestamp::from_micros(slot.asked.submitted),
            deadline: (slot.asked.deadline != crate::queue::NEVER)
                .then_some(Timestamp::from_micros(slot.asked.deadline)),
            time_limit: base::Span::from_micros(slot.limit),
            request: shape.request.clone(),
            pools: shape.pools.clone(),
            standing: Standing {
                ties: Ties { data: slot.asked.data, ..shape.standing.ties.clone() },
                ..shape.standing.clone()
            },
        })
    }

    pub(crate) fn tenant(&mut self, id: TenantId) -> u32 {
        let ordinal = self.shares.ordinal(id);
        if self.waiting.len() <= ordinal as usize {
            self.waiting.resize(ordinal as usize + 1, 0);
        }
        ordinal
    }

    pub(crate) fn touched(&mut self, pool: u32) {
        let all = self.pools.with_twins(pool);
        self.changes.freed.extend(all);
        self.changes.full = true;
    }

    /// Takes a pool's state out, leaving its ordinal to it when it comes back at once.
    fn take_pool(&mut self, id: PoolId, keep: bool) -> Option<Pool> {
        let &ordinal = self.pools.by_id.get(&id)?;
        let old = self.pools.take(id)?;
        if keep {
            self.pools.by_id.insert(id, ordinal);
        }
        self.shares.remove_capacity(&old.capacity_counted());
        Some(old)
    }

    fn forget_runs(&mut self, lost: &[u32]) {
        for &slot in lost {
            let job = self.runs.slots[slot as usize].map(|r| r.job);
            let Some((slot, run)) = job.and_then(|j| self.runs.remove(j)) else { continue };
            self.promises.leave(run.job);
            self.shares.drop_hold(run.tenant, &run.total);
            for purse in self.pools.purses.values_mut() {
                purse.refund(run.end, slot);
            }
        }
    }
}
