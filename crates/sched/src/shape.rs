//! Request shapes: jobs that ask alike share one list of the pools that could ever hold them, best money terms first, with
//! what is known about each pool at its present version. Refuses to know single jobs.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use base::PoolId;
use model::Request;

use crate::policy::Weights;
use crate::pool::Pool;
use crate::profile::{Respect, Scratch, earliest};
use crate::rule::chip_served;

/// All pools by dense ordinal; a removed pool leaves its place empty for the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pools {
    pub slots: Vec<Option<Pool>>,
    pub by_id: BTreeMap<PoolId, u32>,
    /// Changes when pools come, go or are redefined: every shape's list is then made anew.
    pub generation: u64,
}

impl Pools {
    pub fn get(&self, ordinal: u32) -> Option<&Pool> {
        self.slots[ordinal as usize].as_ref()
    }
    pub fn get_mut(&mut self, ordinal: u32) -> Option<&mut Pool> {
        self.slots[ordinal as usize].as_mut()
    }
    /// In order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Pool> {
        self.by_id.values().filter_map(|o| self.get(*o))
    }
}

/// Idle shapes kept for the next job that asks alike; each costs about 30 bytes for every pool that fits.
const IDLE_SHAPES_MAX: u32 = 512;
/// `earliest` gave nothing.
const NO_START: i64 = i64::MAX;
/// No pool has this version: they count up from 1.
const UNKNOWN: u32 = 0;

/// One pool that could hold the shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit {
    pub pool: u32,
    /// The version of the pool for which `start` holds.
    version: u32,
    start: i64,
    /// Weighted micro-units × 1000 per hour.
    pub money: i64,
}

impl Fit {
    /// The earliest start for running work alone, remembered until the pool changes.
    pub fn start(&mut self, pool: &Pool, request: &Request, scratch: &mut Scratch) -> Option<i64> {
        if self.version != pool.version {
            self.start =
                earliest(pool, &request.per_node, request.nodes, Respect::Running, scratch).unwrap_or(NO_START);
            self.version = pool.version;
        }
        (self.start != NO_START).then_some(self.start)
    }
    /// What is remembered, or the pool's first expected end where nothing is.
    pub fn remembered_start(&self, pool: &Pool) -> i64 {
        let first = || pool.runs.first().map_or(NO_START, |r| r.end);
        if self.version == pool.version { self.start } else { first() }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub request: Arc<Request>,
    pub pools: Arc<[Arc<str>]>,
    pub queued: u32,
    /// Generation of the pools for which the list was made.
    built: u64,
    /// Pass in which `maybe` was last brought up to date.
    pub synced: u64,
    pub set: u32,
    /// By money, then pools whose cards the request would not waste, then id.
    pub fits: Vec<Fit>,
    /// Place in `fits` by pool ordinal.
    place: Vec<u32>,
    /// Places that may have room now, one bit each; a cleared bit is certain until the pool frees something.
    maybe: Vec<u64>,
    /// Of the present pass: some place has room now.
    pub roomy: bool,
    /// Of the present pass: nothing of this shape can start or reserve any more.
    pub dead: bool,
    /// Of the present pass: strands not yet walked to their end.
    pub strands: u32,
}

impl Shape {
    fn new(request: Arc<Request>, pools: Arc<[Arc<str>]>) -> Self {
        Self {
            request,
            pools,
            queued: 0,
            built: 0,
            synced: 0,
            set: 0,
            fits: Vec::new(),
            place: Vec::new(),
            maybe: Vec::new(),
            roomy: false,
            dead: false,
            strands: 0,
        }
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
        }
    }
    fn set_all(&mut self) {
        let places = self.fits.len();
        self.maybe = vec![!0; places.div_ceil(64)];
        if let Some(last) = self.maybe.last_mut().filter(|_| !places.is_multiple_of(64)) {
            *last = (1 << (places % 64)) - 1;
        }
    }

    /// Clears places without room until one with room is found.
    pub fn find_room(&mut self, pools: &Pools) {
        self.roomy = false;
        let mut from = 0;
        while let Some(place) = self.next_maybe(from) {
            let pool = pools.get(self.fits[place].pool);
            if pool.is_some_and(|p| p.has_room(&self.request.per_node, self.request.nodes)) {
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
        let mut list: Vec<(i64, bool, PoolId, u32)> = Vec::new();
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
                && request.nodes as usize <= pool.nodes.len()
                && (self.pools.is_empty() || self.pools.contains(&pool.name))
                && request.fault().is_none();
            if fits && chip_ok {
                let money = money(pool, &total, weights);
                list.push((money, !gpus && pool.shape.gpus > 0, id, ordinal));
            }
        }
        list.sort_unstable();
        self.fits = list
            .iter()
            .map(|(money, _, _, pool)| Fit { pool: *pool, version: UNKNOWN, start: 0, money: *money })
            .collect();
        self.place = vec![u32::MAX; pools.slots.len()];
        for (place, fit) in (0..).zip(&self.fits) {
            self.place[fit.pool as usize] = place;
        }
        self.set_all();
        self.built = pools.generation;
        let mut set: Vec<u32> = self.fits.iter().map(|f| f.pool).collect();
        set.sort_unstable();
        set
    }
}

/// Weighted money an hour, in thousandths of a micro-unit.
pub(crate) fn money(pool: &Pool, total: &base::Resources, weights: &Weights) -> i64 {
    let price = i128::from(weights.price) * i128::from(pool.price.hourly(total));
    let cost = i128::from(weights.cost) * i128::from(pool.cost.hourly(total));
    i64::try_from(price + cost).unwrap_or(if price + cost < 0 { i64::MIN } else { i64::MAX })
}

/// A pool set: shapes that could use exactly the same pools share reservations.
#[derive(Clone, Debug, Default)]
pub(crate) struct PoolSet {
    /// Of the present pass: blocked jobs that took one of the `backfill_depth` turns.
    pub turns: u32,
    /// Of the present pass: shapes with queued jobs.
    pub shapes: Vec<u32>,
}

/// Looked up only, never walked.
type ShapeIndex = HashMap<(Arc<Request>, Arc<[Arc<str>]>), u32, BuildHasherDefault<DefaultHasher>>;

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

    /// The shape of such requests, with one more job in the queue.
    pub fn enter(&mut self, request: &Arc<Request>, pools: &Arc<[Arc<str>]>) -> u32 {
        let key = (request.clone(), pools.clone());
        let shape = match self.index.get(&key) {
            Some(&shape) => shape,
            None => {
                let fresh = Some(Shape::new(request.clone(), pools.clone()));
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
                self.index.remove(&(shape.request, shape.pools));
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
            set.turns = 0;
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
            shape.find_room(pools);
            self.sets[shape.set as usize].shapes.push(ordinal);
        }
    }
}
