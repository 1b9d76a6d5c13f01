//! One pool as it stands: nodes, what occupies them, what is claimed, and the choice of nodes.
//! Refuses to know the queue, tenants' shares and money beyond the pool's rates.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{ClusterId, JobId, PoolId, Resources, Span, TenantId};
use model::{Chip, NodeState, Request, Service, SupplyMode};

use crate::bound::{Ask, Bounds};
use crate::purse::Purse;
use crate::queue::Term;
use crate::room::Rooms;
use crate::standing::Dips;
use crate::twin::Twin;
use crate::view::{NodeUse, PoolUse, PoolView, Rates};

/// Cores of a GPU node that CPU-only work leaves alone for each free card, as long as another node serves it:
/// a card without a core to feed it cannot be sold.
const CPU_MILLIS_PER_FREE_CARD: u64 = 2_000;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub used: Resources,
    /// What is left of the shape; nothing when over-occupied.
    pub free: Resources,
    /// Takes new work.
    pub open: bool,
    /// Takes only work that may dip into what is kept for these.
    pub kept: Dips,
}

impl Node {
    pub fn takes(&self, dips: Dips) -> bool {
        self.open && dips.reach(self.kept)
    }
}

/// The nodes of one job: most take one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeList {
    One(u32),
    Many(Box<[u32]>),
}

impl NodeList {
    pub fn from_slice(nodes: &[u32]) -> Self {
        match nodes {
            [one] => Self::One(*one),
            many => Self::Many(many.into()),
        }
    }
    pub fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// A job's hold on nodes. Inline in the pool, sorted by `(end, run)`, because profiles walk it.
#[derive(Clone, Debug)]
pub(crate) struct Occupation {
    /// Microseconds since the epoch.
    pub end: i64,
    /// Ordinal in the scheduler's table of running jobs.
    pub run: u32,
    pub per_node: Resources,
    pub nodes: NodeList,
}

/// Ordinals from here on are no runs of the scheduler's table: what others take on a node of a shared cluster stands among
/// the pool's runs under this number plus the node's. 2^31 runs would be 100 GB.
pub(crate) const FOREIGN: u32 = 1 << 31;

/// A reservation as later jobs must respect it.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub job: JobId,
    /// From when the nodes are wanted, microseconds since the epoch.
    pub from: i64,
    pub per_node: Resources,
    /// Ascending; `spare[i]` is what node `nodes[i]` will have left at `from` beside the claim.
    pub nodes: Vec<u32>,
    pub spare: Vec<Resources>,
}

impl Claim {
    pub fn on(&self, node: u32) -> Option<usize> {
        self.nodes.binary_search(&node).ok()
    }
}

/// From when until when work would be on its nodes, microseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stay {
    pub now: i64,
    /// By its limit.
    pub end: i64,
    /// By when reservations ahead may take it to be gone.
    pub clear: i64,
}

impl Stay {
    pub const fn of(now: i64, term: Term) -> Stay {
        Stay { now, end: now.saturating_add(term.limit), clear: now.saturating_add(term.fence) }
    }
}

/// Why no nodes could be picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPick {
    /// Too few nodes have the room.
    NoRoom,
    /// The room is there and claimed by jobs ahead.
    Claimed,
}

#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub id: PoolId,
    pub name: Arc<str>,
    pub cluster: ClusterId,
    pub service: Service,
    pub mode: SupplyMode,
    pub site: Arc<str>,
    pub region: Arc<str>,
    pub shape: Resources,
    pub chip: Option<Chip>,
    pub time_limit_max: Option<Span>,
    /// Sorted; empty means all.
    pub tenants: Vec<TenantId>,
    pub reachable: bool,
    pub price: Rates,
    pub cost: Rates,
    pub names: Vec<Arc<str>>,
    pub states: Vec<NodeState>,
    index: BTreeMap<Arc<str>, u32>,
    pub nodes: Vec<Node>,
    pub nodes_up: u32,
    /// Nodes to be kept, for whom, and how many of them are up.
    reserve: Vec<Kept>,
    /// Nodes up that are kept for nobody.
    pub nodes_common: u32,
    /// What is left on the nodes, counted.
    pub rooms: Rooms,
    pub runs: Vec<Occupation>,
    /// When the work of others is taken to end, by node.
    pub foreign: BTreeMap<u32, i64>,
    pub claims: Vec<Claim>,
    pub bounds: Bounds,
    /// Pools on some of the same machines.
    pub twins: Vec<Twin>,
    /// Runs of other pools on machines of this one, among `runs`.
    pub mirrored: u32,
    /// By node: its cores and memory count in another pool's sum, and its cards do.
    pub counts_elsewhere: Vec<(bool, bool)>,
    /// Changes with every change of nodes or runs (not of claims).
    pub version: u32,
}

/// Nodes kept for somebody.
#[derive(Clone, Copy, Debug)]
struct Kept {
    by: Dips,
    wanted: u32,
    up: u32,
}

/// The reserve first, then least remaining room: (for whom it is kept, starves cards, cards, cores, memory, node).
type Fitness = (u8, bool, u32, u64, u64, u32);

impl Pool {
    pub fn new(view: PoolView, version: u32) -> Self {
        let mut tenants = view.tenants;
        tenants.sort_unstable();
        let names: Vec<Arc<str>> = view.nodes.iter().map(|n| n.name.clone()).collect();
        let states: Vec<NodeState> = view.nodes.iter().map(|n| n.state).collect();
        let index = names.iter().cloned().zip(0..).collect();
        let node = |s: &NodeState| Node {
            used: Resources::ZERO,
            free: view.shape,
            open: *s == NodeState::Up,
            kept: Dips::NONE,
        };
        let nodes: Vec<Node> = states.iter().map(node).collect();
        let mut pool = Self {
            id: view.id,
            name: view.name,
            cluster: view.cluster,
            service: view.service,
            mode: view.mode,
            site: view.site,
            region: view.region,
            bounds: Bounds::new(view.terms, nodes.len()),
            twins: Vec::new(),
            mirrored: 0,
            counts_elsewhere: Vec::new(),
            shape: view.shape,
            chip: view.chip,
            time_limit_max: view.time_limit_max,
            tenants,
            reachable: view.reachable,
            price: view.price,
            cost: view.cost,
            names,
            states,
            index,
            nodes,
            nodes_up: 0,
            reserve: view.reserve.iter().map(|&(by, wanted)| Kept { by, wanted, up: 0 }).collect(),
            nodes_common: 0,
            rooms: Rooms::default(),
            runs: Vec::new(),
            foreign: BTreeMap::new(),
            claims: Vec::new(),
            version,
        };
        pool.count_nodes();
        pool
    }

    /// After a change of a node's state: which nodes are in reserve, and how many are not.
    fn count_nodes(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.kept = Dips::NONE);
        let mut open = self.nodes.iter_mut().rev().filter(|node| node.open);
        for kept in &mut self.reserve {
            kept.up = 0;
            for node in open.by_ref().take(kept.wanted as usize) {
                node.kept = kept.by;
                kept.up += 1;
            }
        }
        self.nodes_up = self.nodes.iter().filter(|n| n.open).count() as u32;
        self.nodes_common = self.nodes_up - self.reserve.iter().map(|kept| kept.up).sum::<u32>();
        self.rooms = Rooms::of(&self.nodes);
    }

    pub fn admits(&self, tenant: TenantId) -> bool {
        self.tenants.is_empty() || self.tenants.binary_search(&tenant).is_ok()
    }
    pub fn node(&self, name: &str) -> Option<u32> {
        self.index.get(name).copied()
    }
    /// Nodes that one job may have at most, whatever their state.
    pub fn most_nodes(&self, dips: Dips) -> u32 {
        let others = self.reserve.iter().filter(|kept| !dips.reach(kept.by));
        others.fold(self.nodes.len() as u32, |nodes, kept| nodes.saturating_sub(kept.wanted))
    }
    pub fn reserve(&self) -> Vec<(Dips, u32)> {
        self.reserve.iter().map(|kept| (kept.by, kept.wanted)).collect()
    }
    /// Nodes up that such work may use.
    pub fn nodes_for(&self, dips: Dips) -> u32 {
        let kept = self.reserve.iter().filter(|kept| dips.reach(kept.by));
        self.nodes_common + kept.map(|kept| kept.up).sum::<u32>()
    }
    /// Could take new work if it had the room.
    pub fn serves(&self, nodes: u32, dips: Dips) -> bool {
        self.reachable && nodes <= self.nodes_for(dips)
    }

    /// Returns false when nothing changes.
    pub fn set_state(&mut self, node: u32, state: NodeState) -> bool {
        let i = node as usize;
        if self.states[i] == state {
            return false;
        }
        self.states[i] = state;
        self.nodes[i].open = state == NodeState::Up;
        self.count_nodes();
        self.version += 1;
        true
    }

    /// Returns false when nothing changes.
    pub fn set_reachable(&mut self, reachable: bool) -> bool {
        let changes = self.reachable != reachable;
        self.reachable = reachable;
        self.version += u32::from(changes);
        changes
    }

    pub fn occupy(&mut self, run: Occupation) {
        for &n in run.nodes.as_slice() {
            self.use_node(n, |used| used.plus(&run.per_node));
        }
        for claim in self.claims.iter_mut().filter(|c| run.end > c.from) {
            for &n in run.nodes.as_slice() {
                if let Some(i) = claim.on(n) {
                    claim.spare[i] = left(&claim.spare[i], &run.per_node);
                }
            }
        }
        let at = self.runs.partition_point(|r| (r.end, r.run) < (run.end, run.run));
        self.runs.insert(at, run);
        self.version += 1;
    }

    /// Takes the occupation with this end and ordinal away; its claims must be made anew.
    pub fn vacate(&mut self, end: i64, run: u32) -> Occupation {
        let at = self.runs.partition_point(|r| (r.end, r.run) < (end, run));
        let gone = self.runs.remove(at);
        debug_assert_eq!((gone.end, gone.run), (end, run), "the table of running jobs and the pool agree");
        for &n in gone.nodes.as_slice() {
            self.use_node(n, |used| left(used, &gone.per_node));
        }
        self.version += 1;
        gone
    }

    fn use_node(&mut self, node: u32, change: impl FnOnce(&Resources) -> Resources) {
        let node = &mut self.nodes[node as usize];
        self.rooms.leave(node);
        node.used = change(&node.used);
        node.free = left(&self.shape, &node.used);
        self.rooms.enter(node);
    }

    /// What others take on a node until `end`, in place of what was said before. False when nothing changes.
    pub fn set_foreign(&mut self, node: u32, busy: Resources, end: i64) -> bool {
        let run = FOREIGN + node;
        let known = self.foreign.get(&node).and_then(|end| self.occupation(*end, run));
        if known.map_or(Resources::ZERO, |o| o.per_node) == busy {
            return false;
        }
        if let Some(old) = self.foreign.remove(&node) {
            self.vacate(old, run);
        }
        if busy != Resources::ZERO {
            self.foreign.insert(node, end);
            self.occupy(Occupation { end, run, per_node: busy, nodes: NodeList::One(node) });
        }
        true
    }

    /// The work of others that should have ended by `now` goes on until `end`.
    pub fn prolong_foreign(&mut self, now: i64, end: i64) -> bool {
        let late: Vec<(u32, i64)> = self.foreign.iter().filter(|f| *f.1 <= now).map(|(n, e)| (*n, *e)).collect();
        for &(node, old) in &late {
            let gone = self.vacate(old, FOREIGN + node);
            self.foreign.insert(node, end);
            self.occupy(Occupation { end, ..gone });
        }
        !late.is_empty()
    }

    pub fn occupation(&self, end: i64, run: u32) -> Option<&Occupation> {
        let at = self.runs.partition_point(|r| (r.end, r.run) < (end, run));
        self.runs.get(at).filter(|r| r.run == run)
    }

    /// True when `count` open nodes have room for `per_node` now, whoever claims it.
    pub fn has_room(&self, per_node: &Resources, count: u32, dips: Dips) -> bool {
        self.serves(count, dips) && self.rooms.count(per_node, dips, count) >= count
    }

    /// Longest time limit for such a request; `None` means any.
    pub fn limit_max(&self, request: &Request) -> Option<Span> {
        let reservation = request.conditions.as_ref().and_then(|c| c.reservation.as_ref());
        let closures = self.bounds.closures.iter().filter(|c| c.ours && Some(&c.name) == reservation);
        let inside = closures.map(|c| Span::from_micros(c.until.saturating_sub(c.from))).max();
        self.time_limit_max.into_iter().chain(inside).min()
    }

    /// Chooses nodes for work that stays so long, best fit first, into `out` (ascending).
    pub fn pick(&self, ask: Ask<'_>, purse: Option<&Purse>, stay: Stay, out: &mut Vec<u32>) -> Result<(), NoPick> {
        if self.is_plain(ask, purse) {
            return self.pick_among(ask, None, stay.clear, |_| true, |_| true, out);
        }
        self.pick_bound(ask, purse, stay, out)
    }

    /// `may`: whether a node may be used at all. `open`: whether it may be used for so long. Both are asked by node. `clear`: as in
    /// [`Stay`].
    pub fn pick_among(
        &self,
        ask: Ask<'_>,
        switches_max: Option<u32>,
        clear: i64,
        may: impl Fn(u32) -> bool,
        open: impl Fn(u32) -> bool,
        out: &mut Vec<u32>,
    ) -> Result<(), NoPick> {
        let (per_node, count, dips) = (&ask.request.per_node, ask.request.nodes, ask.dips);
        out.clear();
        if !self.has_room(per_node, count, dips) {
            return Err(NoPick::NoRoom);
        }
        let mut roomy = 0u32;
        let mut best: Option<Fitness> = None;
        let mut all: Vec<Fitness> = Vec::new();
        for (i, node) in (0..).zip(&self.nodes) {
            if !(node.takes(dips) && per_node.fits(&node.free) && may(i)) {
                continue;
            }
            roomy += 1;
            if !self.claims.iter().all(|c| allows(c, i, per_node, clear)) || !open(i) {
                continue;
            }
            let fitness = fitness(i, node, per_node);
            if count > 1 {
                all.push(fitness);
            } else if best.is_none_or(|b| fitness < b) {
                best = Some(fitness);
            }
        }
        if roomy < count {
            return Err(NoPick::NoRoom);
        }
        if count > 1 {
            if all.len() < count as usize {
                return Err(NoPick::Claimed);
            }
            if self.bounds.has_switches() {
                all.sort_unstable();
                let order: Vec<u32> = all.iter().map(|f| f.5).collect();
                let few = self.bounds.below_few_switches(&order, count as usize, switches_max);
                out.extend(few.ok_or(NoPick::Claimed)?);
            } else {
                // The best of them, in no order.
                all.select_nth_unstable(count as usize - 1);
                out.extend(all[..count as usize].iter().map(|f| f.5));
            }
            out.sort_unstable();
            return Ok(());
        }
        out.push(best.ok_or(NoPick::Claimed)?.5);
        Ok(())
    }

    pub fn usage(&self) -> PoolUse {
        let (mut free, mut total_counted, mut free_counted) = (Resources::ZERO, Resources::ZERO, Resources::ZERO);
        for (i, node) in self.nodes.iter().enumerate().filter(|(_, n)| n.open) {
            free = free.plus(&node.free);
            total_counted = total_counted.plus(&self.counted(i, &self.shape));
            free_counted = free_counted.plus(&self.counted(i, &node.free));
        }
        PoolUse {
            total: self.shape.times(self.nodes_up),
            free,
            nodes_up: self.nodes_up,
            nodes_total: self.nodes.len() as u32,
            jobs_running: (self.runs.len() - self.foreign.len()) as u32 - self.mirrored,
            total_counted,
            free_counted,
        }
    }

    /// What of a node's amount counts in this pool's sum.
    fn counted(&self, node: usize, amount: &Resources) -> Resources {
        let (cores, cards) = self.counts_elsewhere.get(node).copied().unwrap_or((false, false));
        let rest = if cores { Resources { gpus: amount.gpus, ..Resources::ZERO } } else { *amount };
        if cards { Resources { gpus: 0, ..rest } } else { rest }
    }
    /// Of all nodes, whatever their state.
    pub fn capacity_counted(&self) -> Resources {
        (0..self.nodes.len()).fold(Resources::ZERO, |sum, node| sum.plus(&self.counted(node, &self.shape)))
    }

    pub fn node_use(&self) -> Vec<NodeUse> {
        let named = self.names.iter().zip(&self.states).zip(&self.nodes);
        named.map(|((name, state), node)| NodeUse { name: name.clone(), state: *state, used: node.used }).collect()
    }

    /// The most that a request of `count` nodes finds now: the freest open node for one, all free room for several.
    pub fn available(&self, count: u32, dips: Dips) -> Resources {
        if count > 1 {
            let takes = self.nodes.iter().filter(|n| n.takes(dips));
            return takes.fold(Resources::ZERO, |free, node| free.plus(&node.free));
        }
        let freest = self.nodes.iter().filter(|n| n.takes(dips)).map(|n| (n.free.gpus, n.free.cpu, n.free.mem)).max();
        freest.map_or(Resources::ZERO, |(gpus, cpu, mem)| Resources { cpu, mem, gpus })
    }
}

fn allows(claim: &Claim, node: u32, per_node: &Resources, end: i64) -> bool {
    end <= claim.from || claim.on(node).is_none_or(|i| per_node.fits(&claim.spare[i]))
}

fn fitness(index: u32, node: &Node, per_node: &Resources) -> Fitness {
    let left = left(&node.free, per_node);
    let starves = per_node.gpus == 0 && left.gpus > 0 && left.cpu.0 < u64::from(left.gpus) * CPU_MILLIS_PER_FREE_CARD;
    (node.kept.order(), starves, left.gpus, left.cpu.0, left.mem.0, index)
}

/// Component-wise difference that stops at nothing: restored work may exceed a shape that was reduced since.
pub(crate) fn left(from: &Resources, taken: &Resources) -> Resources {
    Resources {
        cpu: base::CpuMillis(from.cpu.0.saturating_sub(taken.cpu.0)),
        mem: base::Bytes(from.mem.0.saturating_sub(taken.mem.0)),
        gpus: from.gpus.saturating_sub(taken.gpus),
    }
}
