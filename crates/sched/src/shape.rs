//! Request shapes: jobs that ask alike share one list of the pools that could ever hold them, best money terms first, with
//! what is known about each pool at its present version. Refuses to know single jobs.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use base::{ClusterId, JobId, PoolId, Span, TenantId};
use model::{Request, Service, SupplyMode};

use crate::bound::{Ask, earliest_bound};
use crate::links::{Links, Way, run_class};
use crate::policy::Weights;
use crate::pool::{NoPick, Pool, Stay};
use crate::profile::{NOW, Respect, Scratch, earliest, earliest_alone};
use crate::purse::Purse;
use crate::queue::Term;
use crate::rule::{chip_served, standing_refuses};
use crate::standing::{Dips, REFERENCE_PERMILLE, Standing};
use crate::view::to_i64;

/// What a glance at a pool needs, dense so that a walk over a thousand pools stays in the nearest cache (32 bytes each).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    /// Longest time limit, microseconds.
    pub limit_max: i64,
    /// First expected end of its running work; [`NOW`] when nothing runs.
    pub first_end: i64,
    /// Nodes up; none when the cluster does not answer or the pool is gone.
    up: u32,
    /// Of them, those that are kept for nobody.
    common: u32,
    version: u32,
    restricted: bool,
    /// The operator's own.
    pub own: bool,
}

/// Who asks to be let in: a tenant, for how long (microseconds), and whether its limits let it into own pools.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guest {
    pub tenant: TenantId,
    pub limit: i64,
    /// How long reservations ahead may take it to run.
    pub fence: i64,
    pub own: bool,
}

impl Guest {
    pub const fn term(&self) -> Term {
        Term { limit: self.limit, fence: self.fence }
    }
}

impl Gate {
    fn of(pool: Option<&Pool>) -> Self {
        let Some(pool) = pool else {
            return Self {
                limit_max: 0,
                first_end: NOW,
                up: 0,
                common: 0,
                version: UNKNOWN,
                restricted: true,
                own: false,
            };
        };
        Self {
            limit_max: pool.time_limit_max.map_or(i64::MAX, Span::as_micros),
            first_end: pool.runs.first().map_or(NOW, |r| r.end),
            up: if pool.reachable { pool.nodes_up } else { 0 },
            common: if pool.reachable { pool.nodes_common } else { 0 },
            version: pool.version,
            restricted: !pool.tenants.is_empty(),
            own: pool.mode == SupplyMode::Own,
        }
    }
}

/// How long a cluster lets work wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueWait {
    pub wait: Span,
    pub tier: u8,
}

impl QueueWait {
    /// Waits are compared by their doublings of a minute: a forecast is no finer, and lists are not made anew for each wait.
    pub fn of(wait: Span) -> QueueWait {
        let mins = u64::try_from(wait.as_secs() / 60).unwrap_or(0);
        QueueWait { wait, tier: (u64::BITS - mins.leading_zeros()) as u8 }
    }
    /// The shortest wait of a tier, in microseconds.
    const fn least(tier: u8) -> i64 {
        if tier == 0 { 0 } else { (1 << (tier - 1)) * 60_000_000 }
    }
}

/// All pools by dense ordinal; a removed pool leaves its place empty for the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pools {
    slots: Vec<Option<Pool>>,
    gates: Vec<Gate>,
    pub by_id: BTreeMap<PoolId, u32>,
    /// What is bounded for all pools of a cluster together.
    pub purses: BTreeMap<ClusterId, Purse>,
    /// How long work waits in the queue of a pool's own cluster, where it waits at all.
    pub queues: BTreeMap<PoolId, QueueWait>,
    pub links: Links,
    /// Changes when pools come, go or are redefined: every shape's list is then made anew.
    pub generation: u64,
}

impl Pools {
    pub fn get(&self, ordinal: u32) -> Option<&Pool> {
        self.slots[ordinal as usize].as_ref()
    }
    pub fn gate(&self, ordinal: u32) -> &Gate {
        &self.gates[ordinal as usize]
    }
    /// Changes a pool in place.
    pub fn change<R>(&mut self, ordinal: u32, change: impl FnOnce(&mut Pool) -> R) -> Option<R> {
        let pool = self.slots[ordinal as usize].as_mut()?;
        let result = change(pool);
        self.gates[ordinal as usize] = Gate::of(Some(pool));
        Some(result)
    }
    /// Defines or redefines a pool.
    pub fn put(&mut self, pool: Pool) {
        self.generation += 1;
        let vacant = || self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let ordinal = self.by_id.get(&pool.id).map_or_else(vacant, |o| *o as usize);
        if ordinal == self.slots.len() {
            self.slots.push(None);
            self.gates.push(Gate::of(None));
        }
        self.by_id.insert(pool.id, ordinal as u32);
        self.gates[ordinal] = Gate::of(Some(&pool));
        self.slots[ordinal] = Some(pool);
    }
    /// Takes a pool out.
    pub fn take(&mut self, id: PoolId) -> Option<Pool> {
        let ordinal = self.by_id.remove(&id)? as usize;
        self.generation += 1;
        self.gates[ordinal] = Gate::of(None);
        self.slots[ordinal].take()
    }
    pub fn queue_wait(&self, pool: PoolId) -> Option<Span> {
        self.queues.get(&pool).map(|queue| queue.wait)
    }
    pub fn purse(&self, pool: &Pool) -> Option<&Purse> {
        if self.purses.is_empty() { None } else { self.purses.get(&pool.cluster) }
    }
    /// As [`Pool::pick`].
    pub fn pick(&self, ordinal: u32, ask: Ask<'_>, stay: Stay, out: &mut Vec<u32>) -> Result<(), NoPick> {
        let pool = self.get(ordinal).ok_or(NoPick::NoRoom)?;
        pool.pick(ask, self.purse(pool), stay, out)
    }
    /// When such work of `(now, limit)` can start in a pool beside all claims but those of `own`, as
    /// [`crate::profile::earliest`].
    pub fn start(
        &self,
        ordinal: u32,
        ask: Ask<'_>,
        (now, limit): (i64, i64),
        own: Option<JobId>,
        before: i64,
        scratch: &mut Scratch,
    ) -> Option<i64> {
        let pool = self.get(ordinal)?;
        let (purse, respect) = (self.purse(pool), Respect::ClaimsExcept(own));
        if pool.is_plain(ask, purse) {
            let Request { nodes, per_node, .. } = ask.request;
            return earliest(pool, per_node, *nodes, ask.dips, respect, before, scratch);
        }
        earliest_bound(pool, purse, ask, limit, now, respect, before, scratch)
    }
    /// In order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Pool> {
        self.by_id.values().filter_map(|o| self.get(*o))
    }
    /// Whether the pool's terms let such a job in, free or not.
    pub fn admits(&self, ordinal: u32, guest: Guest) -> bool {
        let gate = self.gate(ordinal);
        guest.limit <= gate.limit_max
            && (guest.own || !gate.own)
            && (!gate.restricted || self.get(ordinal).is_some_and(|p| p.admits(guest.tenant)))
    }
    /// Whether it is in the health to serve so many nodes.
    pub fn serves(&self, ordinal: u32, nodes: u32, dips: Dips) -> bool {
        let gate = self.gate(ordinal);
        // Most work asks for fewer than are common to all, or there is nothing kept.
        nodes <= gate.common || nodes <= gate.up && self.get(ordinal).is_some_and(|p| p.serves(nodes, dips))
    }
}

/// Idle shapes kept for the next job that asks alike; each costs about 36 bytes for every pool that fits.
const IDLE_SHAPES_MAX: u32 = 512;
/// No pool has this version: they count up from 1.
const UNKNOWN: u32 = 0;

/// One pool that could hold the shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit {
    pub pool: u32,
    /// The version of the pool for which its start is `exact`.
    version: u32,
    exact: bool,
    /// Weighted micro-units × 1000 per hour.
    pub money: i64,
    /// Until its data is there and in the queue of its cluster, at least, in microseconds.
    pub wait: i64,
}

/// What the way of its data adds to a pool for the shape.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Haul {
    /// Microseconds.
    pub time: i64,
    /// Weighted micro-units × 1000, once.
    pub once: i64,
    /// All of it for an hour of the run, in the unit of [`Fit::money`].
    pub spread: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub request: Arc<Request>,
    pub pools: Arc<[Arc<str>]>,
    pub standing: Standing,
    /// Of work with data: [`run_class`](crate::links::run_class).
    pub run_class: u8,
    pub queued: u32,
    /// Generation of the pools for which the list was made; the last number before it is.
    built: u64,
    /// Pass in which `maybe` was last brought up to date.
    pub synced: u64,
    pub set: u32,
    /// By preferred supply mode, how long the cluster's own queue lets work wait, money
    /// with what the way of its data counts, then pools whose cards the request would not waste, then id.
    pub fits: Vec<Fit>,
    /// By place; empty for work without data.
    hauls: Vec<Haul>,
    /// By place: running work alone lets it start then or later. Holds while the pool frees nothing, exact or not. Apart from
    /// the fits, so that a search over a thousand pools reads 8 bytes of those that cannot be the first.
    starts: Vec<i64>,
    /// Place in `fits` by pool ordinal.
    place: Vec<u32>,
    /// The place for which work last waited by choice: the next of its kind most often waits for it too.
    pub awaited: usize,
    /// Places that may have room now, one bit each; a cleared bit is certain until the pool frees something.
    maybe: Vec<u64>,
    /// Of the present pass: some place has room now.
    pub roomy: bool,
    /// Of the present pass: a short term that could start nowhere, whoever asks.
    pub blocked: Term,
    /// Of the present pass: the shortest in the queue when it was first asked for.
    pub least: Option<Term>,
    /// Of the present pass: nothing of this shape can start or reserve any more.
    pub dead: bool,
    /// Of the present pass: strands not yet walked to their end.
    pub strands: u32,
}

impl Shape {
    fn new((request, pools, standing, run_class): ShapeKey) -> Self {
        Self {
            request,
            pools,
            standing,
            run_class,
            queued: 0,
            built: u64::MAX,
            synced: 0,
            set: 0,
            fits: Vec::new(),
            hauls: Vec::new(),
            starts: Vec::new(),
            place: Vec::new(),
            awaited: 0,
            maybe: Vec::new(),
            roomy: false,
            blocked: Term::NONE,
            least: None,
            dead: false,
            strands: 0,
        }
    }

    pub fn ask(&self) -> Ask<'_> {
        Ask { request: &self.request, dips: self.standing.dips }
    }

    /// What the way of its data adds at a place.
    pub fn haul(&self, place: usize) -> Haul {
        self.hauls.get(place).copied().unwrap_or_default()
    }
    /// What the list is ordered by within one tier: money an hour with what the way of its data counts.
    pub fn rank(&self, place: usize) -> i64 {
        self.fits[place].money.saturating_add(self.haul(place).spread)
    }

    /// The list is that of the pools as they are defined.
    pub fn is_built(&self, pools: &Pools) -> bool {
        self.built == pools.generation
    }

    /// The next place from `from` on that may have room.
    pub fn next_maybe(&self, from: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut bits = self.maybe.get(word)? & (!0 << (from % 64));
        while bits == 0 {
            word += 1;
            bits = *self.maybe.get(word)?;
        }
        Some(word * 64 + bits.trailing_zeros() as usize)
    }
    pub fn maybe(&self, place: usize) -> bool {
        self.maybe[place / 64] & (1 << (place % 64)) != 0
    }
    pub fn clear_maybe(&mut self, place: usize) {
        self.maybe[place / 64] &= !(1 << (place % 64));
    }
    fn set_maybe(&mut self, pool: u32) {
        if let Some(&place) = self.place.get(pool as usize).filter(|p| **p != u32::MAX) {
            self.maybe[place as usize / 64] |= 1 << (place % 64);
            self.starts[place as usize] = NOW;
            self.fits[place as usize].exact = false;
        }
    }
    fn set_all(&mut self) {
        let places = self.fits.len();
        self.starts = vec![NOW; places];
        self.fits.iter_mut().for_each(|fit| fit.exact = false);
        self.maybe = vec![!0; places.div_ceil(64)];
        if let Some(last) = self.maybe.last_mut().filter(|_| !places.is_multiple_of(64)) {
            *last = (1 << (places % 64)) - 1;
        }
    }

    /// The first place from `from` on that may start before `before`, judging by what is known.
    pub fn next_start(&self, from: usize, before: Option<i64>) -> Option<usize> {
        let rest = &self.starts[from..];
        let offset = match before {
            None => (!rest.is_empty()).then_some(0),
            Some(before) => rest.iter().position(|start| *start < before),
        };
        offset.map(|offset| from + offset)
    }
    /// When a place may start at the soonest: at its pool's first expected end where it has no room and nothing is known.
    /// `None` where it may have room now.
    pub fn soonest(&self, place: usize, pools: &Pools) -> Option<i64> {
        let first_end = pools.gate(self.fits[place].pool).first_end;
        (!self.maybe(place)).then(|| self.starts[place].max(first_end))
    }
    /// Notes what is known of a place that was passed over, so that it is passed over by a glance the next time.
    pub fn passed(&mut self, place: usize, soonest: i64) {
        self.starts[place] = soonest;
    }
    /// When a place starts for running work alone, if that is before `before`: to look no further is most often to look at
    /// a few of the pool's runs.
    pub fn start(&mut self, place: usize, pools: &Pools, before: i64, scratch: &mut Scratch) -> Option<i64> {
        let (fit, known) = (&mut self.fits[place], &mut self.starts[place]);
        let version = pools.gate(fit.pool).version;
        if fit.version != version || !fit.exact {
            if before <= *known {
                return None;
            }
            let Request { nodes, per_node, .. } = &*self.request;
            let dips = self.standing.dips;
            let find = |pool: &Pool| earliest_alone(pool, per_node, *nodes, dips, before, scratch);
            // None before `profile::WHENEVER` is none at all.
            let found = pools.get(fit.pool).and_then(find);
            (*known, fit.exact) = found.map_or((before, false), |start| (start, true));
            fit.version = version;
        }
        Some(*known).filter(|start| fit.exact && *start < before)
    }

    /// Clears places without room until one with room is found.
    pub fn find_room(&mut self, pools: &Pools) {
        self.roomy = false;
        let mut from = 0;
        while let Some(place) = self.next_maybe(from) {
            let pool = pools.get(self.fits[place].pool);
            if pool.is_some_and(|p| p.has_room(&self.request.per_node, self.request.nodes, self.standing.dips)) {
                self.roomy = true;
                return;
            }
            self.clear_maybe(place);
            from = place + 1;
        }
    }

    fn build(&mut self, pools: &Pools, weights: &Weights) -> Vec<u32> {
        let request = &*self.request;
        let total = request.total();
        let mut chips: BTreeMap<Option<&str>, bool> = BTreeMap::new();
        let mut list: Vec<(bool, u8, i64, bool, PoolId, u32)> = Vec::new();
        let draws = self.standing.draws;
        for (&id, &ordinal) in &pools.by_id {
            let Some(pool) = pools.get(ordinal) else { continue };
            let gpus = request.per_node.gpus > 0;
            let chip_ok = !gpus
                || pool.price.card_hour.is_some()
                    && (request.chips.is_empty()
                        || *chips
                            .entry(pool.chip.as_ref().map(|c| c.as_str()))
                            .or_insert_with(|| chip_served(&request.chips, pool.chip.as_ref())));
            let fits = request.per_node.fits(&pool.shape)
                && request.nodes <= pool.most_nodes(self.standing.dips)
                && (self.pools.is_empty() || self.pools.contains(&pool.name))
                && request.fault().is_none()
                && pool.service == Service::InService
                && self.standing.unpriced.binary_search(&id).is_err()
                && standing_refuses(pool, &self.standing, request).is_none()
                && pool.terms_refuse(pools.purse(pool), request).is_none();
            if fits && chip_ok {
                let way = pools.links.way(&self.standing.ties, &pool.site);
                let money = money(pool, &total, weights, &self.standing).saturating_add(way.hourly(weights));
                let money = money.saturating_add(way.spread(weights, self.run_class));
                let tier = pools.queues.get(&id).map_or(0, |queue| queue.tier);
                let second = draws.is_second(pool.mode);
                list.push((second, tier, money, !gpus && pool.shape.gpus > 0, id, ordinal));
            }
        }
        list.sort_unstable();
        let ways = list.iter().map(|(.., pool)| match pools.get(*pool) {
            Some(pool) => pools.links.way(&self.standing.ties, &pool.site),
            None => Way::default(),
        });
        let haul = |way: Way| {
            let (once, spread) = (way.once(weights), way.spread(weights, self.run_class));
            Haul { time: way.data_time.map_or(0, Span::as_micros), once, spread }
        };
        let hauls: Vec<Haul> = ways.map(haul).collect();
        let fit = |((_, tier, rank, _, _, pool), haul): (&(bool, u8, i64, bool, PoolId, u32), &Haul)| {
            let wait = QueueWait::least(*tier).saturating_add(haul.time);
            Fit { pool: *pool, version: UNKNOWN, exact: false, money: rank.saturating_sub(haul.spread), wait }
        };
        self.fits = list.iter().zip(&hauls).map(fit).collect();
        self.hauls = if self.standing.ties.data.0 > 0 { hauls } else { Vec::new() };
        self.place = vec![u32::MAX; pools.slots.len()];
        for (place, fit) in (0..).zip(&self.fits) {
            self.place[fit.pool as usize] = place;
        }
        self.awaited = 0;
        self.set_all();
        self.built = pools.generation;
        let mut set: Vec<u32> = self.fits.iter().map(|f| f.pool).collect();
        set.sort_unstable();
        set
    }
}

/// Weighted money for what takes an hour at the speed for which run times are stated, in thousandths of a micro-unit.
pub(crate) fn money(pool: &Pool, total: &base::Resources, weights: &Weights, standing: &Standing) -> i64 {
    let price = i128::from(weights.price) * i128::from(pool.price.hourly(total));
    let cost = i128::from(weights.cost_in(pool.mode)) * i128::from(pool.cost.hourly(total));
    let permille = standing.speed_permille(total.gpus, pool.chip.as_ref());
    to_i64((price + cost) * i128::from(REFERENCE_PERMILLE) / i128::from(permille))
}

/// A pool set: shapes that could use exactly the same pools share reservations.
#[derive(Clone, Debug, Default)]
pub(crate) struct PoolSet {
    /// Of the present pass: blocked jobs that took one of the `backfill_depth` turns.
    pub turns: u32,
    /// Of the present pass: reservations go by limits alone.
    pub strict: bool,
    /// Of the present pass: shapes with queued jobs.
    pub shapes: Vec<u32>,
}

/// Looked up only, never walked.
type ShapeIndex = HashMap<ShapeKey, u32, BuildHasherDefault<DefaultHasher>>;
/// Request, names of pools, standing with rounded ties, class of the run where there is data.
type ShapeKey = (Arc<Request>, Arc<[Arc<str>]>, Standing, u8);

#[derive(Clone, Debug, Default)]
pub(crate) struct Shapes {
    pub slots: Vec<Option<Shape>>,
    vacant: Vec<u32>,
    index: ShapeIndex,
    pub sets: Vec<PoolSet>,
    set_index: BTreeMap<Vec<u32>, u32>,
    sets_generation: u64,
    idle: u32,
}

impl Shapes {
    pub fn get(&self, shape: u32) -> &Shape {
        self.slots[shape as usize].as_ref().expect("a lane's shape exists while the lane does")
    }
    pub fn get_mut(&mut self, shape: u32) -> &mut Shape {
        self.slots[shape as usize].as_mut().expect("a lane's shape exists while the lane does")
    }

    /// The shape of such requests that are expected to run for so many microseconds, with one more job in the queue.
    pub fn enter(
        &mut self,
        request: &Arc<Request>,
        pools: &Arc<[Arc<str>]>,
        standing: &Standing,
        expected: i64,
    ) -> u32 {
        let ties = standing.ties.rounded();
        let run_class = if ties.data.0 > 0 { run_class(expected) } else { 0 };
        let key = (request.clone(), pools.clone(), Standing { ties, ..standing.clone() }, run_class);
        let shape = match self.index.get(&key) {
            Some(&shape) => shape,
            None => {
                let fresh = Some(Shape::new(key.clone()));
                let shape = self.vacant.pop().unwrap_or(self.slots.len() as u32);
                match self.slots.get_mut(shape as usize) {
                    Some(place) => *place = fresh,
                    None => self.slots.push(fresh),
                }
                self.index.insert(key, shape);
                self.idle += 1;
                shape
            }
        };
        let entered = self.get_mut(shape);
        entered.queued += 1;
        if entered.queued == 1 {
            self.idle -= 1;
        }
        shape
    }

    /// One job of the shape has left the queue.
    pub fn leave(&mut self, shape: u32) {
        let left = self.get_mut(shape);
        left.queued -= 1;
        if left.queued == 0 {
            self.idle += 1;
        }
    }

    /// Forgets idle shapes when there are too many. Never during a pass.
    pub fn sweep(&mut self) {
        if self.idle <= IDLE_SHAPES_MAX {
            return;
        }
        for (ordinal, slot) in (0..).zip(&mut self.slots) {
            if let Some(shape) = slot.take_if(|s| s.queued == 0) {
                self.index.remove(&(shape.request, shape.pools, shape.standing, shape.run_class));
                self.vacant.push(ordinal);
            }
        }
        self.idle = 0;
    }

    /// Brings every shape with queued jobs up to the pools' state for the pass `pass`: lists after a redefinition, room where
    /// `freed` pools may have some. Counts members of each set.
    pub fn sync(&mut self, pools: &Pools, weights: &Weights, freed: &[u32], pass: u64) {
        if self.sets_generation != pools.generation {
            self.sets.clear();
            self.set_index.clear();
            self.sets_generation = pools.generation;
        }
        for set in &mut self.sets {
            (set.turns, set.strict) = (0, true);
            set.shapes.clear();
        }
        for (ordinal, slot) in (0..).zip(&mut self.slots) {
            let Some(shape) = slot.as_mut().filter(|s| s.queued > 0) else { continue };
            if shape.built != pools.generation {
                let key = shape.build(pools, weights);
                let next = self.set_index.len() as u32;
                shape.set = *self.set_index.entry(key).or_insert(next);
                if shape.set == next {
                    self.sets.push(PoolSet::default());
                }
            } else if shape.synced + 1 != pass {
                shape.set_all();
            } else {
                freed.iter().for_each(|pool| shape.set_maybe(*pool));
            }
            shape.synced = pass;
            shape.strands = 0;
            shape.dead = false;
            shape.blocked = Term::NONE;
            shape.least = None;
            shape.find_room(pools);
            self.sets[shape.set as usize].shapes.push(ordinal);
        }
    }
}
