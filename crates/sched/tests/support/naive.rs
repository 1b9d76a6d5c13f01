//! The rule of the crate's first page done from scratch each time, without any memory or index: walks every job, every pool,
//! every node. Shares no code with the scheduler except its plain input and output types.

use std::collections::{BTreeMap, BTreeSet};

use base::{JobId, Resources, TenantId, Timestamp};
use model::NodeState;
use sched::{Demand, Policy, PoolView, ResourceSeconds};

#[derive(Clone, Debug)]
pub struct Run {
    pub pool: usize,
    pub nodes: Vec<usize>,
    pub per_node: Resources,
    pub end: i64,
    pub tenant: TenantId,
}

#[derive(Clone, Debug)]
pub struct Claim {
    job: JobId,
    set: Vec<usize>,
    pool: usize,
    from: i64,
    per_node: Resources,
    nodes: Vec<usize>,
}

#[derive(Clone, Debug, Default)]
pub struct Naive {
    pub policy: Policy,
    /// In order of id.
    pub pools: Vec<PoolView>,
    pub runs: BTreeMap<JobId, Run>,
    pub queue: Vec<Demand>,
    pub shares: BTreeMap<TenantId, u32>,
    pub used: BTreeMap<TenantId, ResourceSeconds>,
    pub claims: Vec<Claim>,
}

/// Money, whether cards are wasted, pool.
type Preference = (i64, bool, usize);
pub type Placed = (JobId, usize, Vec<usize>);
pub type Claimed = (JobId, usize, i64, Vec<usize>);

const NOW: i64 = i64::MIN;

impl Naive {
    pub fn plan(&mut self, now: Timestamp) -> (Vec<Placed>, Vec<Claimed>) {
        let mut placed = Vec::new();
        loop {
            let before = placed.len();
            self.pass(now.as_micros(), &mut placed);
            if placed.len() == before {
                break;
            }
        }
        (placed, self.claims.iter().map(|c| (c.job, c.pool, c.from, c.nodes.clone())).collect())
    }

    fn pass(&mut self, now: i64, placed: &mut Vec<Placed>) {
        self.claims.clear();
        let mut turns: BTreeMap<Vec<usize>, u32> = BTreeMap::new();
        let mut rest = self.queue.clone();
        while !rest.is_empty() {
            let next = (0..rest.len()).min_by_key(|i| self.rank(&rest[*i], now)).expect("not empty");
            let job = rest.remove(next);
            let fits = self.fits(&job);
            let end = now + job.time_limit.as_micros();
            let starts =
                fits.iter().filter(|p| self.gate(**p, &job)).filter_map(|p| Some((*p, self.pick(*p, &job, end)?)));
            let best = starts.min_by_key(|(p, _)| self.preference(*p, &job));
            if let Some((pool, nodes)) = best {
                self.queue.retain(|d| d.job != job.job);
                let per_node = job.request.per_node;
                self.runs.insert(job.job, Run { pool, nodes: nodes.clone(), per_node, end, tenant: job.tenant });
                placed.push((job.job, pool, nodes));
                continue;
            }
            let taken = turns.entry(fits.clone()).or_default();
            let served = fits.iter().any(|p| self.gate(*p, &job) && self.serves(*p, &job));
            if *taken < self.policy.backfill_depth && served {
                *taken += 1;
                self.claim(&job, fits, now);
            }
        }
    }

    fn claim(&mut self, job: &Demand, fits: Vec<usize>, now: i64) {
        let mut best: Option<(i128, Preference, i64, Vec<usize>)> = None;
        for &pool in fits.iter().filter(|p| self.gate(**p, job)) {
            if self.claims.iter().any(|c| c.set == fits && c.pool == pool) {
                continue;
            }
            let Some((start, nodes)) = self.earliest(pool, job) else { continue };
            let start = if start == NOW { now } else { start };
            let wait = 1_000 * i128::from(self.policy.weights.start) * i128::from(start);
            let preference = self.preference(pool, job);
            let penalty = wait + i128::from(preference.0) * i128::from(job.time_limit.as_micros());
            if best.as_ref().is_none_or(|b| (penalty, preference) < (b.0, b.1)) {
                best = Some((penalty, preference, start, nodes));
            }
        }
        if let Some((_, (_, _, pool), from, nodes)) = best {
            self.claims.push(Claim { job: job.job, set: fits, pool, from, per_node: job.request.per_node, nodes });
        }
    }

    fn rank(&self, job: &Demand, now: i64) -> (u8, u64, i64, i64, u64) {
        let submitted = job.submitted_at.as_micros();
        let bound = self.policy.age_bound.as_micros();
        let class = 2 * (3 - job.class as u8);
        let age = now - submitted;
        match () {
            _ if age >= 2 * bound => (0, 0, i64::MIN, submitted, job.number),
            _ if age >= bound => (1 + class, 0, i64::MIN, submitted, job.number),
            _ => {
                let deadline = job.deadline.map_or(i64::MAX, Timestamp::as_micros);
                (2 + class, self.key(job.tenant), deadline, submitted, job.number)
            }
        }
    }

    fn key(&self, tenant: TenantId) -> u64 {
        let parts = |r: &Resources| [r.cpu.0, r.mem.mib_ceil(), u64::from(r.gpus)].map(u128::from);
        let (mut held, mut capacity) = ([0; 3], [0; 3]);
        for run in self.runs.values().filter(|r| r.tenant == tenant) {
            let part = parts(&run.per_node.times(run.nodes.len() as u32));
            (0..3).for_each(|k| held[k] += part[k]);
        }
        for pool in &self.pools {
            let part = parts(&pool.shape.times(pool.nodes.len() as u32));
            (0..3).for_each(|k| capacity[k] += part[k]);
        }
        let used = self.used.get(&tenant).copied().unwrap_or_default();
        let used = [used.cpu_milli_ms, used.mem_mib_ms, used.gpu_ms].map(u128::from);
        let mean_life = (self.policy.fair_share_half_life.as_micros() as u128 * 1_442_695 / 1_000_000 / 1_000).max(1);
        let share = |k: usize| {
            let amount = (held[k] << 8) + (used[k] << 8) / mean_life;
            (amount << 24).checked_div(capacity[k]).unwrap_or(0)
        };
        let dominant = share(0).max(share(1)).max(share(2));
        ((dominant << 16) / u128::from(self.shares.get(&tenant).copied().unwrap_or(1))) as u64
    }

    /// Pools that could ever hold the request, whoever asks for however long.
    fn fits(&self, job: &Demand) -> Vec<usize> {
        let request = &job.request;
        let chip_ok = |p: &PoolView| {
            let served =
                request.chips.is_empty() || p.chip.iter().any(|o| request.chips.iter().any(|c| c.served_by(o)));
            request.per_node.gpus == 0 || p.price.card_hour.is_some() && served
        };
        let named = |p: &PoolView| job.pools.is_empty() || job.pools.contains(&p.name);
        let most = |p: &PoolView| p.nodes.len().saturating_sub(if job.dips { 0 } else { p.reserve as usize });
        let big = |p: &PoolView| request.per_node.fits(&p.shape) && request.nodes as usize <= most(p);
        (0..self.pools.len())
            .filter(|i| Some(&self.pools[*i]).is_some_and(|p| named(p) && big(p) && chip_ok(p)))
            .collect()
    }

    fn gate(&self, pool: usize, job: &Demand) -> bool {
        let pool = &self.pools[pool];
        pool.time_limit_max.is_none_or(|max| job.time_limit <= max)
            && (pool.tenants.is_empty() || pool.tenants.contains(&job.tenant))
    }

    fn serves(&self, pool: usize, job: &Demand) -> bool {
        let up = (0..self.pools[pool].nodes.len()).filter(|n| self.takes(pool, *n, job)).count();
        self.pools[pool].reachable && up >= job.request.nodes as usize
    }

    /// The last nodes that are up are the reserve.
    fn is_reserved(&self, pool: usize, node: usize) -> bool {
        let behind = self.pools[pool].nodes[node..].iter().filter(|n| n.state == NodeState::Up).count();
        behind <= self.pools[pool].reserve as usize
    }

    fn takes(&self, pool: usize, node: usize, job: &Demand) -> bool {
        self.pools[pool].nodes[node].state == NodeState::Up && (job.dips || !self.is_reserved(pool, node))
    }

    fn preference(&self, pool: usize, job: &Demand) -> Preference {
        let p = &self.pools[pool];
        let total = job.request.total();
        let weights = &self.policy.weights;
        let money = weights.price * p.price.hourly(&total) + weights.cost * p.cost.hourly(&total);
        (money, total.gpus == 0 && p.shape.gpus > 0, pool)
    }

    /// What is used on a node by work that ends after `time`.
    fn used(&self, pool: usize, node: usize, time: i64) -> Resources {
        let here = |r: &&Run| r.pool == pool && r.end > time && r.nodes.contains(&node);
        self.runs.values().filter(here).fold(Resources::ZERO, |sum, r| sum.plus(&r.per_node))
    }

    fn pick(&self, pool: usize, job: &Demand, end: i64) -> Option<Vec<usize>> {
        if !self.serves(pool, job) {
            return None;
        }
        let (view, per_node) = (&self.pools[pool], &job.request.per_node);
        let mut open = Vec::new();
        for node in (0..view.nodes.len()).filter(|n| self.takes(pool, *n, job)) {
            let Some(free) = view.shape.minus(&self.used(pool, node, NOW)) else { continue };
            let Some(left) = free.minus(per_node) else { continue };
            let harmless = |c: &Claim| {
                let then = self.used(pool, node, c.from).plus(&c.per_node).plus(per_node);
                c.pool != pool || end <= c.from || !c.nodes.contains(&node) || then.fits(&view.shape)
            };
            if self.claims.iter().all(harmless) {
                let starves = per_node.gpus == 0 && left.gpus > 0 && left.cpu.0 < u64::from(left.gpus) * 2_000;
                open.push((!self.is_reserved(pool, node), starves, left.gpus, left.cpu, left.mem, node));
            }
        }
        open.sort_unstable();
        let mut nodes: Vec<usize> = open.iter().take(job.request.nodes as usize).map(|o| o.5).collect();
        nodes.sort_unstable();
        (nodes.len() == job.request.nodes as usize).then_some(nodes)
    }

    /// First expected end (or now) at which enough nodes have room beside all claims.
    fn earliest(&self, pool: usize, job: &Demand) -> Option<(i64, Vec<usize>)> {
        if !self.serves(pool, job) {
            return None;
        }
        let view = &self.pools[pool];
        let ends: BTreeSet<i64> = self.runs.values().filter(|r| r.pool == pool).map(|r| r.end).collect();
        let mut found: Vec<usize> = Vec::new();
        for time in std::iter::once(NOW).chain(ends) {
            for node in 0..view.nodes.len() {
                let claimed = self.claims.iter().filter(|c| c.pool == pool && c.nodes.contains(&node));
                let used = claimed.fold(self.used(pool, node, time), |sum, c| sum.plus(&c.per_node));
                let fits = self.takes(pool, node, job) && used.plus(&job.request.per_node).fits(&view.shape);
                if fits && !found.contains(&node) {
                    found.push(node);
                }
            }
            if found.len() >= job.request.nodes as usize {
                found.truncate(job.request.nodes as usize);
                found.sort_unstable();
                return Some((time, found));
            }
        }
        None
    }
}
