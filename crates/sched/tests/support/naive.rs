//! The rule of the crate's first page done from scratch each time, without any memory or index: walks every job, every pool,
//! every node. Shares no code with the scheduler except its plain input and output types.

use std::collections::{BTreeMap, BTreeSet};

use std::sync::Arc;

use base::{JobId, Resources, TenantId, Timestamp};
use model::{Counted, NodeState, Request, Service, SupplyMode};
use sched::{ClusterView, Demand, Dips, Draws, Path, Policy, PoolView, ResourceSeconds, Stake};

mod ages;

#[derive(Clone, Debug)]
pub struct Run {
    pub pool: usize,
    pub nodes: Vec<usize>,
    pub per_node: Resources,
    pub end: i64,
    pub tenant: TenantId,
    pub request: Arc<Request>,
}

#[derive(Clone, Debug)]
pub struct Claim {
    job: JobId,
    set: Vec<usize>,
    pool: usize,
    from: i64,
    per_node: Resources,
    nodes: Vec<usize>,
    request: Arc<Request>,
}

#[derive(Clone, Debug, Default)]
pub struct Naive {
    pub policy: Policy,
    /// In order of id.
    pub pools: Vec<PoolView>,
    pub runs: BTreeMap<JobId, Run>,
    pub queue: Vec<Demand>,
    /// How long a job is expected to run, microseconds; its limit where nothing is said.
    pub expected: BTreeMap<JobId, i64>,
    pub shares: BTreeMap<TenantId, u32>,
    pub used: BTreeMap<TenantId, ResourceSeconds>,
    pub claims: Vec<Claim>,
    /// Of the one cluster.
    pub cluster: ClusterView,
    /// Parts of the own pools.
    pub stakes: BTreeMap<TenantId, Stake>,
    /// Overdue jobs that wait for a limit, and whether it is what others lend.
    pub frozen: Vec<(Demand, bool)>,
    /// Seconds in the queue of a pool's own cluster.
    pub waits: BTreeMap<usize, u64>,
    pub links: Vec<(&'static str, &'static str, Path)>,
    pub now: i64,
}

/// Not of the preferred supply mode, doublings of a minute in its cluster's queue, money, whether cards are wasted, pool.
type Preference = (bool, u32, i128, bool, usize);
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
        self.now = now;
        self.claims.clear();
        self.freeze(now);
        let mut turns: BTreeMap<Vec<usize>, u32> = BTreeMap::new();
        let mut awaited: BTreeMap<usize, i128> = BTreeMap::new();
        let mut rest = self.queue.clone();
        while !rest.is_empty() {
            let next = (0..rest.len()).min_by_key(|i| self.rank(&rest[*i], now)).expect("not empty");
            let job = rest.remove(next);
            let fits = self.fits(&job);
            let end = now + job.time_limit.as_micros();
            let clear = if self.is_strict(&fits) { end } else { now + self.fence(&job) };
            let starts = fits
                .iter()
                .filter(|p| self.gate(**p, &job))
                .filter_map(|p| Some((*p, self.pick(*p, &job, end, clear)?)));
            let best = starts.min_by_key(|(p, _)| self.preference(*p, &job));
            let nearer = best.as_ref().and_then(|(p, _)| self.waits_for_nearer(*p, &fits, &job, &awaited));
            if let Some((pool, nodes)) = best.filter(|_| nearer.is_none()) {
                self.queue.retain(|d| d.job != job.job);
                let per_node = job.request.per_node;
                self.runs.insert(
                    job.job,
                    Run { pool, nodes: nodes.clone(), per_node, end, tenant: job.tenant, request: job.request.clone() },
                );
                placed.push((job.job, pool, nodes));
                continue;
            }
            let taken = turns.entry(fits.clone()).or_default();
            let served = fits.iter().any(|p| self.gate(*p, &job) && self.serves(*p, &job));
            if *taken < self.policy.backfill_depth && served {
                *taken += 1;
                self.claim(&job, fits, now);
            }
            let claim = self.claims.iter().find(|c| c.job == job.job).map(|c| c.pool);
            if let Some(pool) = claim.or(nearer) {
                let work = i128::from(job.request.total().cpu.0) * i128::from(self.expected(&job));
                *awaited.entry(pool).or_default() += work;
            }
        }
    }

    fn claim(&mut self, job: &Demand, fits: Vec<usize>, now: i64) {
        let mut best: Option<(i128, usize, i64, Vec<usize>)> = None;
        let mut order = fits.clone();
        order.sort_by_key(|p| self.preference(*p, job));
        for &pool in order.iter().filter(|p| self.gate(**p, job)) {
            if self.claims.iter().any(|c| c.set == fits && c.pool == pool) {
                continue;
            }
            let Some((start, nodes)) = self.earliest(pool, job) else { continue };
            let start = if start == NOW { now } else { start };
            let there = self.wait_there(pool, job);
            let wait = 1_000 * i128::from(self.policy.weights.start) * (i128::from(start) + there);
            let (hourly, once) = self.money(pool, job);
            let penalty = wait + hourly * i128::from(job.time_limit.as_micros()) + once * 3_600_000_000;
            // The next in order of preference is only worth it for an earlier start.
            if best.as_ref().is_none_or(|b| penalty < b.0 && start < b.2) {
                best = Some((penalty, pool, start, nodes));
            }
        }
        if let Some((_, pool, from, nodes)) = best {
            let request = job.request.clone();
            self.claims.push(Claim { job: job.job, set: fits, pool, from, per_node: request.per_node, nodes, request });
        }
    }

    fn rank(&self, job: &Demand, now: i64) -> (u8, u64, i64, i64, u64) {
        let submitted = self.since(job);
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
        let part = parts(&self.capacity(&|_| true));
        (0..3).for_each(|k| capacity[k] += part[k]);
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

    /// Of such pools together; a machine in several of them counts once.
    fn capacity(&self, such: &dyn Fn(usize) -> bool) -> Resources {
        let (mut machines, mut cards) = (BTreeSet::new(), BTreeSet::new());
        let mut all = Resources::ZERO;
        for (i, pool) in self.pools.iter().enumerate() {
            let mut sum = Resources::ZERO;
            for node in &pool.nodes {
                let once = !pool.terms.machines;
                let core = once || machines.insert(node.name.clone());
                let card = once || cards.insert((node.name.clone(), pool.chip.clone()));
                let shape = pool.shape;
                let rest = if core { shape } else { Resources { gpus: shape.gpus, ..Resources::ZERO } };
                sum = sum.plus(&if card { rest } else { Resources { gpus: 0, ..rest } });
            }
            if such(i) {
                all = all.plus(&sum);
            }
        }
        all
    }

    /// Pools that could ever hold the request, whoever asks for however long.
    fn fits(&self, job: &Demand) -> Vec<usize> {
        let request = &job.request;
        let chip_ok = |p: &PoolView| {
            let served =
                request.chips.is_empty() || p.chip.iter().any(|o| request.chips.iter().any(|c| c.served_by(o)));
            request.per_node.gpus == 0 || p.price.card_hour.is_some() && served
        };
        let sold = |p: &PoolView| !job.standing.unpriced.contains(&p.id);
        let named = |p: &PoolView| sold(p) && (job.pools.is_empty() || job.pools.contains(&p.name));
        let others = |p: &PoolView| -> usize {
            p.reserve.iter().filter(|(by, _)| !job.standing.dips.reach(*by)).map(|(_, nodes)| *nodes as usize).sum()
        };
        let most = |p: &PoolView| p.nodes.len().saturating_sub(others(p));
        let big = |p: &PoolView| request.per_node.fits(&p.shape) && request.nodes as usize <= most(p);
        let in_service = |p: &PoolView| p.service == Service::InService && self.mode_allows(p, job);
        (0..self.pools.len())
            .filter(|i| Some(&self.pools[*i]).is_some_and(|p| named(p) && big(p) && chip_ok(p) && in_service(p)))
            .filter(|i| self.terms_allow(*i, job))
            .collect()
    }

    fn mode_allows(&self, pool: &PoolView, job: &Demand) -> bool {
        let outside = |at: &[Arc<str>]| !at.is_empty() && !at.contains(&pool.site) && !at.contains(&pool.region);
        if outside(&job.standing.regions) || outside(&job.standing.places) {
            return false;
        }
        if pool.terms.interconnect.as_ref().is_some_and(|there| there.gbps < job.standing.gbps_min) {
            return false;
        }
        if let Some(app) = &job.standing.app {
            let cards = job.request.per_node.gpus > 0 && !app.chips.is_empty();
            if cards && !pool.chip.iter().any(|there| app.chips.iter().any(|chip| chip.served_by(there))) {
                return false;
            }
            if !app.architectures.is_empty() && pool.terms.architecture.iter().all(|a| !app.architectures.contains(a)) {
                return false;
            }
        }
        match job.standing.draws {
            Draws::OwnOnly => pool.mode == SupplyMode::Own,
            Draws::PartnerOnly => pool.mode == SupplyMode::Partner,
            _ => true,
        }
    }

    /// Whether what the pool and its cluster say lets the request in at all.
    fn terms_allow(&self, pool: usize, job: &Demand) -> bool {
        let (view, request) = (&self.pools[pool], &job.request);
        let most = |max: Option<u32>| max.is_none_or(|max| request.nodes <= max);
        if !most(view.terms.job.nodes) || view.terms.nodes_min.is_some_and(|min| request.nodes < min) {
            return false;
        }
        if view.terms.job.cores.is_some_and(|max| request.total().cpu.cores_ceil() > max) {
            return false;
        }
        if !self.affords(&[], NOW, &job.request) {
            return false;
        }
        let Some(conditions) = &request.conditions else { return true };
        if let Some(asked) = &conditions.interconnect {
            let Some(there) = &view.terms.interconnect else { return false };
            let named = asked.name.as_ref().is_none_or(|name| there.name.split('-').any(|word| word == &**name));
            if !named || asked.gbps_min.is_some_and(|least| there.gbps < least) {
                return false;
            }
        }
        let licence = |name: &Arc<str>| self.cluster.licences.iter().any(|l| l.name == *name);
        if !conditions.licences.iter().all(|(name, _)| licence(name)) {
            return false;
        }
        if let Some(named) = &conditions.reservation {
            let nodes = |w: &&model::Window| view.nodes.iter().any(|n| w.nodes.contains(&n.name));
            if !self.windows().filter(nodes).any(|w| w.ours && w.name == *named) {
                return false;
            }
        }
        let all: Vec<usize> = (0..view.nodes.len()).collect();
        let count = request.nodes as usize;
        let enough =
            (0..self.choices(job)).any(|c| all.iter().filter(|n| self.may(pool, **n, job, c)).count() >= count);
        let few = match conditions.switches.filter(|_| count > 1 && !view.terms.switches.is_empty()) {
            Some(most) => {
                let sizes: Vec<usize> = view.terms.switches.iter().map(|s| s.1.iter().count()).collect();
                largest(sizes, most.count as usize) >= count
            }
            None => true,
        };
        enough && few
    }

    fn windows(&self) -> impl Iterator<Item = &model::Window> {
        self.cluster.windows.iter().filter(|w| w.until.as_micros() > self.now)
    }
    fn choices(&self, job: &Demand) -> usize {
        let constraint = job.request.conditions.as_ref().and_then(|c| c.constraint.as_ref());
        constraint.map_or(1, |c| c.choices().len())
    }
    /// Features and the reservation allow the node.
    fn may(&self, pool: usize, node: usize, job: &Demand, choice: usize) -> bool {
        let Some(conditions) = &job.request.conditions else { return true };
        let view = &self.pools[pool];
        let has = |feature: &Arc<str>| {
            view.terms.features.iter().any(|(f, at)| f == feature && at.iter().any(|p| p as usize == node))
        };
        let fulfils =
            conditions.constraint.as_ref().is_none_or(|c| c.choices()[choice].iter().any(|way| way.iter().all(has)));
        let inside = |w: &model::Window| w.ours && w.nodes.contains(&view.nodes[node].name);
        let named = conditions.reservation.as_ref().is_none_or(|n| self.windows().any(|w| w.name == *n && inside(w)));
        fulfils && named
    }
    fn open(&self, pool: usize, node: usize, job: &Demand, begin: i64, end: i64) -> bool {
        let named = job.request.conditions.as_ref().and_then(|c| c.reservation.clone());
        let name = &self.pools[pool].nodes[node].name;
        let on: Vec<_> = self.windows().filter(|w| w.nodes.contains(name)).collect();
        let ours = |w: &model::Window| w.ours && Some(&w.name) == named.as_ref();
        let inside = on.iter().any(|w| ours(w) && w.from.as_micros() <= begin && end <= w.until.as_micros());
        (named.is_none() || inside)
            && on.iter().all(|w| ours(w) || end <= w.from.as_micros() || w.until.as_micros() <= begin)
    }
    fn few_switches(&self, pool: usize, nodes: Vec<usize>, job: &Demand, prefer: bool) -> Option<Vec<usize>> {
        let (view, count) = (&self.pools[pool], job.request.nodes as usize);
        if nodes.len() < count {
            return None;
        }
        let most = job.request.conditions.as_ref().and_then(|c| c.switches).map(|s| s.count as usize);
        if count == 1 || view.terms.switches.is_empty() || !prefer && most.is_none() {
            return Some(nodes[..count].to_vec());
        }
        let switch = |n: usize| view.terms.switches.iter().position(|s| s.1.iter().any(|p| p as usize == n));
        let mut groups: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        nodes.iter().for_each(|n| groups.entry(switch(*n)).or_default().push(*n));
        assert!(!groups.contains_key(&None), "every node has a switch in these tests");
        let (mut chosen, mut used) = (Vec::new(), 0);
        while chosen.len() < count {
            let rest = count - chosen.len();
            let tightest = groups.iter().filter(|g| g.1.len() >= rest).min_by_key(|g| (g.1.len(), *g.0));
            let largest = groups.iter().max_by_key(|g| (g.1.len(), std::cmp::Reverse(*g.0)));
            let key = *tightest.or(largest)?.0;
            chosen.extend(groups.remove(&key)?.into_iter().take(rest));
            used += 1;
        }
        most.is_none_or(|most| used <= most).then_some(chosen)
    }

    /// Amounts of one request by what is counted.
    fn draw(&self, request: &Request) -> Vec<u64> {
        let licence = |l: &sched::LicenceView| request.conditions.as_ref().map_or(0, |c| u64::from(c.licence(&l.name)));
        let fixed = [1, u64::from(request.nodes), request.total().cpu.cores_ceil()];
        fixed.into_iter().chain(self.cluster.licences.iter().map(licence)).collect()
    }
    /// Whether these and what runs after `time` leave enough for the request.
    fn affords(&self, beside: &[&Request], time: i64, request: &Request) -> bool {
        let caps =
            [Counted::Jobs, Counted::Nodes, Counted::Cores].map(|k| self.cluster.together.of(k).unwrap_or(u64::MAX));
        let caps: Vec<u64> = caps.into_iter().chain(self.cluster.licences.iter().map(|l| u64::from(l.total))).collect();
        let mut used = vec![0u64; caps.len()];
        let running = self.runs.values().filter(|r| time != NOW && r.end > time).map(|r| &*r.request);
        for other in beside.iter().copied().chain(running) {
            used.iter_mut().zip(self.draw(other)).for_each(|(sum, part)| *sum += part);
        }
        self.draw(request).iter().enumerate().all(|(i, part)| *part == 0 || used[i] + part <= caps[i])
    }

    /// What work on a node of one pool is on a node of another.
    fn seen(&self, from: usize, nodes: &[usize], per_node: &Resources, pool: usize, node: usize) -> Resources {
        let (there, here) = (&self.pools[from], &self.pools[pool]);
        if from == pool {
            return if nodes.contains(&node) { *per_node } else { Resources::ZERO };
        }
        let same = |n: &usize| there.nodes[*n].name == here.nodes[node].name;
        if !there.terms.machines || !here.terms.machines || !nodes.iter().any(same) {
            return Resources::ZERO;
        }
        let cards = here.chip.is_some() && here.chip == there.chip;
        Resources { gpus: if cards { per_node.gpus } else { 0 }, ..*per_node }
    }

    fn gate(&self, pool: usize, job: &Demand) -> bool {
        let pool = &self.pools[pool];
        let lent = pool.mode == SupplyMode::Partner || self.lends(job) && !self.is_frozen(job);
        lent && pool.time_limit_max.is_none_or(|max| job.time_limit <= max)
            && (pool.tenants.is_empty() || pool.tenants.contains(&job.tenant))
    }

    /// Overdue jobs that wait for a limit keep what came later from what they wait for.
    fn freeze(&mut self, now: i64) {
        let queue = self.queue.clone();
        let waits = |job: &&Demand| {
            let own = |p: &usize| {
                let pool = &self.pools[*p];
                let admits = pool.tenants.is_empty() || pool.tenants.contains(&job.tenant);
                pool.mode == SupplyMode::Own && admits && pool.time_limit_max.is_none_or(|max| job.time_limit <= max)
            };
            self.rank(job, now).0 == 0 && !self.lends(job) && self.could_be_lent(job) && self.fits(job).iter().any(own)
        };
        self.frozen = queue.iter().filter(waits).map(|job| (job.clone(), self.borrows(job))).collect();
    }

    fn is_frozen(&self, job: &Demand) -> bool {
        let later = |other: &Demand| (self.since(other), other.number) < (self.since(job), job.number);
        self.frozen
            .iter()
            .any(|(other, within)| later(other) && (other.tenant == job.tenant || *within && !self.is_within(job)))
    }

    /// Nothing held, a job's tenant could have what it asks for.
    fn could_be_lent(&self, job: &Demand) -> bool {
        let empty = Naive { runs: BTreeMap::new(), ..self.clone() };
        // What others do not lend they then keep in full.
        empty.lends(job)
    }

    /// Within its own part.
    fn is_within(&self, job: &Demand) -> bool {
        self.limits(job).iter().all(|(asked, within, _, _)| *asked == 0 || *within)
    }

    /// Within what its tenant may borrow, in the first kind that is too little.
    fn borrows(&self, job: &Demand) -> bool {
        let first = self
            .limits(job)
            .into_iter()
            .find(|(asked, within, borrows, free)| *asked > 0 && !*within && !(*borrows && *free));
        first.is_some_and(|(_, _, borrows, _)| borrows)
    }

    /// Whether the tenants' parts of the own pools leave the job's tenant what it asks for.
    fn lends(&self, job: &Demand) -> bool {
        let enough = |(asked, within, borrows, free): (u64, bool, bool, bool)| asked == 0 || within || borrows && free;
        self.stakes.is_empty() || self.limits(job).into_iter().all(enough)
    }

    /// By kind: what is asked for, whether it is within the tenant's part, within what it may borrow, and left by others.
    fn limits(&self, job: &Demand) -> [(u64, bool, bool, bool); 3] {
        let parts = |r: &Resources| [r.cpu.0, r.mem.mib_ceil(), u64::from(r.gpus)];
        let own = |pool: usize| self.pools[pool].mode == SupplyMode::Own;
        let capacity = parts(&self.capacity(&own));
        let held = |tenant: Option<TenantId>, k: usize| -> u64 {
            let runs = self.runs.values().filter(|r| own(r.pool) && tenant.is_none_or(|t| t == r.tenant));
            runs.map(|r| parts(&r.per_node.times(r.nodes.len() as u32))[k]).sum()
        };
        let asked = parts(&job.request.total());
        let stake = self.stakes.get(&job.tenant).copied().unwrap_or_default();
        [0, 1, 2].map(|k| {
            let part = |permille: u32| capacity[k] * u64::from(permille) / 1_000;
            let mine = held(Some(job.tenant), k) + asked[k];
            let kept = |(id, stake): (&TenantId, &Stake)| {
                let unlent = stake.lend_permille.map_or(0, |lend| stake.nominal_permille.saturating_sub(lend));
                part(unlent).saturating_sub(held(Some(*id), k))
            };
            let others: u64 = self.stakes.iter().filter(|(id, _)| **id != job.tenant).map(kept).sum();
            let borrows = stake.borrow_permille.is_none_or(|b| mine <= part(stake.nominal_permille) + part(b));
            let free = held(None, k) + asked[k] + others <= capacity[k];
            (asked[k], mine <= part(stake.nominal_permille), borrows, free)
        })
    }

    fn serves(&self, pool: usize, job: &Demand) -> bool {
        let up = (0..self.pools[pool].nodes.len()).filter(|n| self.takes(pool, *n, job)).count();
        self.pools[pool].reachable && up >= job.request.nodes as usize
    }

    /// The last nodes that are up are the reserve of the first, those before them of the next.
    fn kept(&self, pool: usize, node: usize) -> usize {
        let behind = self.pools[pool].nodes[node..].iter().filter(|n| n.state == NodeState::Up).count();
        let mut upto = 0;
        let holds = |(_, nodes): &(Dips, u32)| {
            upto += *nodes as usize;
            behind <= upto
        };
        let reserve = &self.pools[pool].reserve;
        reserve.iter().position(holds).unwrap_or(reserve.len())
    }

    fn may_dip(&self, pool: usize, node: usize, job: &Demand) -> bool {
        let kept = self.pools[pool].reserve.get(self.kept(pool, node));
        kept.is_none_or(|(by, _)| job.standing.dips.reach(*by))
    }

    fn takes(&self, pool: usize, node: usize, job: &Demand) -> bool {
        self.pools[pool].nodes[node].state == NodeState::Up && self.may_dip(pool, node, job)
    }

    fn preference(&self, pool: usize, job: &Demand) -> Preference {
        let p = &self.pools[pool];
        let total = job.request.total();
        let rank = self.rank_by_money(pool, job);
        let mins = self.waits.get(&pool).map_or(0, |seconds| seconds / 60);
        let tier = if mins == 0 { 0 } else { mins.ilog2() + 1 };
        let second = match job.standing.draws {
            Draws::OwnFirst => p.mode == SupplyMode::Partner,
            Draws::PartnerFirst => p.mode == SupplyMode::Own,
            _ => false,
        };
        (second, tier, rank, total.gpus == 0 && p.shape.gpus > 0, pool)
    }

    /// What joins the site of a pool with another one.
    fn path(&self, site: &str, pool: usize) -> Option<Path> {
        let here = &*self.pools[pool].site;
        let joins = |a: &str, b: &str| (a, b) == (site, here) || (b, a) == (site, here);
        let path = self.links.iter().find(|(a, b, _)| joins(a, b)).map(|(_, _, path)| *path);
        path.filter(|_| site != here)
    }

    /// Thousandths of micro-units by the weights: for an hour, and once for the way of the data.
    fn money(&self, pool: usize, job: &Demand) -> (i128, i128) {
        let (p, total, weights) = (&self.pools[pool], job.request.total(), &self.policy.weights);
        let money = weights.price * p.price.hourly(&total) + weights.cost * p.cost.hourly(&total);
        // For what takes an hour at the speed for which limits are stated.
        let app = job.standing.app.as_ref().filter(|_| total.gpus > 0);
        let known = app.zip(p.chip.as_ref()).and_then(|(app, chip)| {
            let fitting = app.speed.iter().filter(|(word, _)| word.served_by(chip));
            fitting.map(|(word, permille)| (word.as_str().len(), *permille)).max()
        });
        let money = known.map_or(money, |(_, permille)| money * 1_000 / i64::from(permille));
        let micros = self.path(&job.standing.ties.users_site, pool).map_or(0, |path| path.latency.as_micros());
        let path = self.path(&job.standing.ties.data_site, pool).filter(|_| job.standing.ties.data.0 > 0);
        let cost = path.map_or(0, |path| i128::from(path.gib_price.micros()) * i128::from(mib(job)) / 1_024);
        (i128::from(money) + i128::from(weights.latency * micros), i128::from(weights.cost) * cost)
    }
    /// Microseconds until the data is there.
    fn haul(&self, pool: usize, job: &Demand) -> i64 {
        let path = self.path(&job.standing.ties.data_site, pool).filter(|_| job.standing.ties.data.0 > 0);
        path.map_or(0, |path| {
            let bits = i128::from(mib(job)) * 8 * 1_048_576;
            let bandwidth = i128::from(path.bandwidth.expect("all have one").0);
            path.latency.as_micros() + (bits * 1_000_000 / bandwidth) as i64
        })
    }
    /// What pools are ordered by: money an hour, with what the way counts spread over a run of as many minutes, down to a power of
    /// two of them.
    fn rank_by_money(&self, pool: usize, job: &Demand) -> i128 {
        let (hourly, once) = self.money(pool, job);
        let start = i128::from(self.policy.weights.start);
        let haul = 1_000 * start * i128::from(self.haul(pool, job)) / 3_600_000_000;
        let mins = (self.expected(job) / 60_000_000).max(1);
        hourly + (haul + once) * 60 / (1 << mins.ilog2())
    }
    /// Microseconds between the moment at which there is room and the start.
    fn wait_there(&self, pool: usize, job: &Demand) -> i128 {
        let (_, tier, ..) = self.preference(pool, job);
        let queue = if tier == 0 { 0 } else { (60_000_000 << tier) / 2 };
        queue + i128::from(self.haul(pool, job))
    }

    /// The first pool preferred to this one that starts the job before its data would be here, after what waits for that one.
    fn waits_for_nearer(
        &self,
        pool: usize,
        fits: &[usize],
        job: &Demand,
        awaited: &BTreeMap<usize, i128>,
    ) -> Option<usize> {
        let aged = self.now - self.since(job) >= self.policy.age_bound.as_micros();
        if self.haul(pool, job) == 0 || aged {
            return None;
        }
        let here = i128::from(self.now) + self.wait_there(pool, job);
        let delay = |other: usize| {
            let up = self.pools[other].nodes.iter().filter(|n| n.state == NodeState::Up).count() as i128;
            awaited.get(&other).map_or(0, |work| work / (up * i128::from(self.pools[other].shape.cpu.0)).max(1))
        };
        let sooner = |other: &usize| {
            let alone = Naive { claims: Vec::new(), ..self.clone() };
            let start = alone.earliest(*other, job).map(|(start, _)| i128::from(start.max(self.now)));
            start.is_some_and(|start| start + delay(*other) + self.wait_there(*other, job) < here)
        };
        let better = |other: &usize| {
            self.preference(*other, job) < self.preference(pool, job)
                && self.rank_by_money(*other, job) < self.rank_by_money(pool, job)
        };
        let mut others: Vec<usize> =
            fits.iter().copied().filter(|p| *p != pool && self.gate(*p, job) && better(p)).collect();
        others.sort_by_key(|p| self.preference(*p, job));
        others.into_iter().find(sooner)
    }

    /// What is used on a node by work that ends after `time`.
    fn used(&self, pool: usize, node: usize, time: i64) -> Resources {
        let late = self.runs.values().filter(|r| r.end > time);
        late.fold(Resources::ZERO, |sum, r| sum.plus(&self.seen(r.pool, &r.nodes, &r.per_node, pool, node)))
    }
    fn claimed(&self, claim: &Claim, pool: usize, node: usize) -> Resources {
        self.seen(claim.pool, &claim.nodes, &claim.per_node, pool, node)
    }

    /// `clear`: by when claims may take it to be gone.
    fn pick(&self, pool: usize, job: &Demand, end: i64, clear: i64) -> Option<Vec<usize>> {
        if !self.serves(pool, job) {
            return None;
        }
        (0..self.choices(job)).find_map(|choice| self.pick_choice(pool, job, (end, clear), choice)).filter(|_| {
            let ahead = |c: &Claim| clear <= c.from || self.affords(&[&c.request], c.from, &job.request);
            self.affords(&[], NOW + 1, &job.request) && self.claims.iter().all(ahead)
        })
    }

    fn pick_choice(&self, pool: usize, job: &Demand, (end, clear): (i64, i64), choice: usize) -> Option<Vec<usize>> {
        let (view, per_node) = (&self.pools[pool], &job.request.per_node);
        let mut open = Vec::new();
        for node in (0..view.nodes.len()).filter(|n| self.takes(pool, *n, job) && self.may(pool, *n, job, choice)) {
            let Some(free) = view.shape.minus(&self.used(pool, node, NOW)) else { continue };
            let Some(left) = free.minus(per_node) else { continue };
            let harmless = |c: &Claim| {
                let claimed = self.claimed(c, pool, node);
                let then = self.used(pool, node, c.from).plus(&claimed);
                // What passed a claim by its forecast may take more of it than there is.
                let spare = Resources {
                    cpu: base::CpuMillis(view.shape.cpu.0.saturating_sub(then.cpu.0)),
                    mem: base::Bytes(view.shape.mem.0.saturating_sub(then.mem.0)),
                    gpus: view.shape.gpus.saturating_sub(then.gpus),
                };
                clear <= c.from || claimed == Resources::ZERO || per_node.fits(&spare)
            };
            if self.claims.iter().all(harmless) && self.open(pool, node, job, self.now, end) {
                let starves = per_node.gpus == 0 && left.gpus > 0 && left.cpu.0 < u64::from(left.gpus) * 2_000;
                open.push((self.kept(pool, node), starves, left.gpus, left.cpu, left.mem, node));
            }
        }
        open.sort_unstable();
        let mut nodes = self.few_switches(pool, open.iter().map(|o| o.5).collect(), job, true)?;
        nodes.sort_unstable();
        Some(nodes)
    }

    /// First moment (now, an expected end, or one at which nodes begin or cease to be kept) at which enough nodes have room
    /// beside all claims.
    fn earliest(&self, pool: usize, job: &Demand) -> Option<(i64, Vec<usize>)> {
        if !self.serves(pool, job) {
            return None;
        }
        // Of several choices the soonest, of equal ones the first.
        let found = (0..self.choices(job)).filter_map(|choice| self.earliest_choice(pool, job, choice));
        found.min_by_key(|(time, _)| *time)
    }

    fn earliest_choice(&self, pool: usize, job: &Demand, choice: usize) -> Option<(i64, Vec<usize>)> {
        let view = &self.pools[pool];
        let edges = self.windows().flat_map(|w| [w.from.as_micros(), w.until.as_micros()]).filter(|t| *t > self.now);
        let times: BTreeSet<i64> = self.runs.values().map(|r| r.end).chain(edges).chain([NOW]).collect();
        let beside: Vec<&Request> = self.claims.iter().map(|c| &*c.request).collect();
        let mut found: Vec<usize> = Vec::new();
        for time in times {
            for node in 0..view.nodes.len() {
                let claims = self.claims.iter().map(|c| self.claimed(c, pool, node));
                let used = claims.fold(self.used(pool, node, time), |sum, c| sum.plus(&c));
                let takes = self.takes(pool, node, job) && self.may(pool, node, job, choice);
                if takes && used.plus(&job.request.per_node).fits(&view.shape) && !found.contains(&node) {
                    found.push(node);
                }
            }
            let begin = time.max(self.now);
            let end = begin + job.time_limit.as_micros();
            let open: Vec<usize> = found.iter().copied().filter(|n| self.open(pool, *n, job, begin, end)).collect();
            if self.affords(&beside, time.max(NOW + 1), &job.request)
                && let Some(mut nodes) = self.few_switches(pool, open, job, false)
            {
                nodes.sort_unstable();
                return Some((time, nodes));
            }
        }
        None
    }
}

/// Mebibytes of a job's data, up to the next number of three significant bits.
fn mib(job: &Demand) -> u64 {
    let mut mib = job.standing.ties.data.mib_ceil();
    while mib > 0 && (mib >> mib.trailing_zeros()) > 7 {
        mib += 1;
    }
    mib
}

fn largest(mut sizes: Vec<usize>, count: usize) -> usize {
    sizes.sort_unstable_by_key(|s| std::cmp::Reverse(*s));
    sizes.iter().take(count).sum()
}
