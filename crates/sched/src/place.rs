//! Planning: walk the queue in order, start what can start, let the first blocked jobs of each pool set reserve, until nothing
//! more starts. Looks at heads of lanes only, and at nothing when nothing that matters has changed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use base::{Span, Timestamp};
use model::PriorityClass;

use crate::bound::Ask;
use crate::check;
use crate::explain::penalty;
use crate::policy::Order;
use crate::pool::{NoPick, NodeList, Stay};
use crate::profile::{NOW, WHENEVER, claim};
use crate::purse::Purse;
use crate::queue::{Blocked, Lane, Position, Term};
use crate::runs::Run;
use crate::scheduler::{Holder, Scheduler};
use crate::view::{Placement, Plan, WorkBudget};

/// Place of a job in the whole order: level, share key of the tenant, position.
pub(crate) type Rank = (u8, u64, Position);

pub(crate) const CLASSES: usize = PriorityClass::ALL.len();

/// Fewer dead entries than this are left to be popped one by one.
const SWEEP_MIN: u32 = 64;

/// Heads of strands by position: (position, lane, shape).
type Heads = BinaryHeap<Head>;
type Head = Reverse<(Position, u32, u32)>;

/// Fresh strands of one tenant in one class. They are looked at when the tenant's turn comes: by then most shapes are dead,
/// because the tenants before took the turns of their pool sets.
#[derive(Clone, Debug, Default)]
struct Line {
    looked_at: bool,
    heads: Heads,
}

impl Line {
    fn clear(&mut self) {
        self.looked_at = false;
        self.heads.clear();
    }
    /// The position of the next job.
    fn head(&self) -> Option<Position> {
        self.heads.peek().map(|Reverse((position, ..))| *position)
    }
}

/// The state of one pass; its buffers serve the next one too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Walk {
    now: Timestamp,
    /// Aged past twice the bound, any class.
    overdue: Heads,
    /// Aged, by class.
    aged: [Heads; CLASSES],
    /// Fresh, by class and tenant.
    fresh: [Vec<Line>; CLASSES],
    /// Strands of shapes that are not dead: the pass is over when none is left.
    alive: u32,
    /// Entries of dead shapes still in the heaps.
    dead: u32,
    /// By pool: work that has a claim on it, or waits for it though another has room, since its data would be there later. In
    /// thousandths of a core × microseconds that it is expected to take.
    awaited: BTreeMap<u32, i128>,
    /// The budget ended.
    cut: bool,
}

/// What becomes of a strand after its head was looked at.
enum Step {
    Next(Position),
    Done,
}

impl Scheduler {
    /// Decides what starts now. Placed jobs leave the queue and occupy their nodes until `now` + their time limit or until
    /// told otherwise. Planning again with no change between places nothing.
    pub fn plan(&mut self, now: Timestamp, budget: WorkBudget) -> Plan {
        let mut plan = Plan { complete: true, ..Plan::default() };
        self.clock = now;
        self.prolong_foreign(now);
        self.pass_edges(now);
        let aged = self.queue.age(now.as_micros(), self.policy.age_bound.as_micros());
        if self.queue.len() == 0 {
            self.clear_claims();
            self.changes = Default::default();
            return plan;
        }
        self.shares.refresh(now);
        if aged || self.changes.full || !self.ranking_holds() || self.fresh_matters(now) {
            loop {
                let before = plan.placements.len();
                if !self.walk(now, budget, &mut plan) {
                    plan.complete = false;
                    self.changes.full = true;
                    break;
                }
                // What started changed the shares and so perhaps the order: once more, until nothing starts.
                if plan.placements.len() == before {
                    break;
                }
            }
            self.note_ranking();
            self.shapes.sweep();
        }
        self.changes.fresh.clear();
        self.changes.shares = false;
        plan
    }

    /// Place of a queued job in the order at `now`.
    pub(crate) fn rank(&self, slot: u32, now: Timestamp) -> Rank {
        let job = self.queue.slot(slot);
        let lane = self.queue.lane_of(slot);
        let class = 2 * (CLASSES as u8 - 1 - lane.class as u8);
        let (level, share) = match job.aged {
            true if self.is_overdue(job.submitted, now) => (0, 0),
            true => (1 + class, 0),
            false => (2 + class, self.share_key(lane.tenant)),
        };
        (level, share, job.position())
    }

    /// What tenants are ordered by before anything else.
    fn share_key(&self, tenant: u32) -> u64 {
        match self.policy.order {
            Order::Shares => self.shares.key(tenant),
            Order::Work => 0,
        }
    }

    pub(crate) fn is_overdue(&self, submitted: i64, now: Timestamp) -> bool {
        submitted.saturating_add(self.policy.age_bound.as_micros().saturating_mul(2)) <= now.as_micros()
    }

    /// True while the tenants of the last plan still stand in the same order.
    fn ranking_holds(&self) -> bool {
        self.ranking.windows(2).all(|pair| {
            let (a, b) = (self.share_key(pair[0].0), self.share_key(pair[1].0));
            if pair[1].1 { a == b } else { a < b }
        })
    }

    fn note_ranking(&mut self) {
        let keyed = |t: u32| (self.share_key(t), t);
        let waiting = (0..).zip(&self.waiting).filter(|(_, n)| **n > 0);
        let mut order: Vec<(u64, u32)> = waiting.map(|(t, _)| keyed(t)).collect();
        order.sort_unstable();
        let mut before = None;
        self.ranking = order.into_iter().map(|(key, t)| (t, before.replace(key) == Some(key))).collect();
    }

    fn clear_claims(&mut self) {
        for holder in std::mem::take(&mut self.holders) {
            if let Some(pool) = holder.pool {
                self.pools.clear_claims(pool);
            }
        }
        self.pools.purses.values_mut().for_each(Purse::clear_claims);
    }

    /// One pass over the queue in order. False when the budget ended it.
    fn walk(&mut self, now: Timestamp, budget: WorkBudget, plan: &mut Plan) -> bool {
        self.pass += 1;
        self.clear_claims();
        self.shapes.sync(&self.pools, &self.policy.weights, &self.changes.freed, self.pass);
        self.changes.freed.clear();
        self.changes.full = false;
        self.freeze_behind_overdue(now);
        self.judge_fences(now);
        let mut walk = self.heads(now);
        let budget = budget.0;
        while let Some(Reverse((position, lane, shape))) = walk.overdue.pop().filter(|_| walk.goes_on(plan, budget)) {
            if let Step::Next(next) = self.step(&mut walk, lane, shape, true, position, plan) {
                let heap = if self.is_overdue(next.submitted, now) {
                    &mut walk.overdue
                } else {
                    &mut walk.aged[self.queue.lanes[lane as usize].class as usize]
                };
                heap.push(Reverse((next, lane, shape)));
            }
        }
        for class in (0..CLASSES).rev() {
            while let Some(Reverse((position, lane, shape))) =
                walk.aged[class].pop().filter(|_| walk.goes_on(plan, budget))
            {
                if let Step::Next(next) = self.step(&mut walk, lane, shape, true, position, plan) {
                    walk.aged[class].push(Reverse((next, lane, shape)));
                }
            }
            self.walk_tenants(&mut walk, class, plan, budget);
        }
        let firm = self.holders.iter().filter(|h| self.policy.overrun_max == Span::ZERO || self.is_old(h.slot, now));
        debug_assert!(firm.filter_map(|h| self.pools.get(h.pool?)).all(check::claims_stand));
        let complete = !walk.cut;
        self.walk_buffers = walk;
        complete
    }

    /// Fresh jobs of one class: always the tenant with the least share next.
    fn walk_tenants(&mut self, walk: &mut Walk, class: usize, plan: &mut Plan, budget: u64) {
        // Before all positions: a tenant that may come first by its share is looked at before it is compared by position.
        let tenants = (0..walk.fresh[class].len() as u32).filter(|t| !self.queue.line(class, *t).is_empty());
        let mut tenants: BinaryHeap<_> = tenants.map(|t| Reverse((self.share_key(t), Position::FIRST, t))).collect();
        while let Some(Reverse((_, position, tenant))) = tenants.pop().filter(|_| walk.goes_on(plan, budget)) {
            self.look_at(walk, class, tenant);
            let line = &mut walk.fresh[class][tenant as usize];
            // The first time, and after dead shapes were taken out, the head is another one.
            if line.head() == Some(position)
                && let Some(Reverse((_, lane, shape))) = line.heads.pop()
                && let Step::Next(next) = self.step(walk, lane, shape, false, position, plan)
            {
                walk.fresh[class][tenant as usize].heads.push(Reverse((next, lane, shape)));
            }
            if walk.dead > walk.alive + SWEEP_MIN {
                self.sweep(walk);
            }
            if let Some(next) = walk.fresh[class][tenant as usize].head() {
                tenants.push(Reverse((self.share_key(tenant), next, tenant)));
            }
        }
    }

    /// Collects the heads of a tenant's living strands, if that was not done yet.
    fn look_at(&self, walk: &mut Walk, class: usize, tenant: u32) {
        let line = &mut walk.fresh[class][tenant as usize];
        if std::mem::replace(&mut line.looked_at, true) {
            return;
        }
        let mut heads = std::mem::take(&mut line.heads).into_vec();
        for &lane in self.queue.line(class, tenant) {
            let front = &self.queue.fronts[lane as usize];
            let Some(position) = front.fresh else { continue };
            if self.shapes.get(front.shape).dead {
                walk.dead = walk.dead.saturating_sub(1);
            } else {
                heads.push(Reverse((position, lane, front.shape)));
            }
        }
        line.heads = heads.into();
    }

    /// Takes the strands of dead shapes out of all heaps. As it waits until they are the greater part of all strands, looked at
    /// or not, all sweeps together cost no more than looking did.
    fn sweep(&self, walk: &mut Walk) {
        let lives = |Reverse((.., shape)): &Head| !self.shapes.get(*shape).dead;
        walk.overdue.retain(lives);
        walk.aged.iter_mut().for_each(|heads| heads.retain(lives));
        walk.fresh.iter_mut().flatten().for_each(|line| line.heads.retain(lives));
        walk.dead = 0;
    }

    fn heads(&mut self, now: Timestamp) -> Walk {
        let mut walk = Walk { now, ..std::mem::take(&mut self.walk_buffers) };
        (walk.alive, walk.dead, walk.cut) = (0, 0, false);
        walk.overdue.clear();
        walk.awaited.clear();
        walk.aged.iter_mut().for_each(Heads::clear);
        for class in &mut walk.fresh {
            class.iter_mut().for_each(Line::clear);
            class.resize_with(self.waiting.len(), Line::default);
        }
        for (ordinal, slot) in (0..).zip(&mut self.shapes.slots) {
            let Some(shape) = slot.as_mut().filter(|s| s.queued > 0) else { continue };
            shape.strands = self.queue.strands(ordinal);
            shape.dead = !shape.roomy && self.policy.backfill_depth == 0;
            walk.alive += if shape.dead { 0 } else { shape.strands };
        }
        let mut aged: [Vec<Head>; CLASSES] = Default::default();
        let mut overdue = Vec::new();
        for &lane in &self.queue.aged_lanes {
            let home = &self.queue.lanes[lane as usize];
            let Some(slot) = home.aged.first().filter(|_| !self.shapes.get(home.shape).dead) else { continue };
            let job = self.queue.slot(slot);
            let entry = Reverse((job.position(), lane, home.shape));
            if self.is_overdue(job.submitted, now) {
                overdue.push(entry)
            } else {
                aged[home.class as usize].push(entry)
            }
        }
        walk.overdue = overdue.into();
        walk.aged = aged.map(Heads::from);
        walk
    }

    /// Looks at the job at `position` of a strand, or finds the next one worth a look.
    fn step(
        &mut self,
        walk: &mut Walk,
        lane: u32,
        shape: u32,
        aged: bool,
        position: Position,
        plan: &mut Plan,
    ) -> Step {
        if self.shapes.get(shape).dead {
            walk.dead = walk.dead.saturating_sub(1);
            return Step::Done;
        }
        let home = &self.queue.lanes[lane as usize];
        if let Some(slot) = home.strand(aged).next(&self.queue.slots, position, self.hopeless(home)) {
            let found = self.queue.slot(slot).position();
            if found != position {
                return Step::Next(found);
            }
            plan.examined += 1;
            self.look(walk, slot, plan);
            if self.shapes.get(shape).dead {
                return Step::Done;
            }
        }
        let home = &self.queue.lanes[lane as usize];
        match home.strand(aged).next(&self.queue.slots, position.after(), self.hopeless(home)) {
            Some(next) => Step::Next(self.queue.slot(next).position()),
            None => {
                self.shapes.get_mut(shape).strands -= 1;
                walk.alive -= 1;
                Step::Done
            }
        }
    }

    /// Jobs of the lane whose term covers one of these need no look.
    fn hopeless(&self, lane: &Lane) -> [Term; 2] {
        let shape = self.shapes.get(lane.shape);
        let blocked = lane.blocked.of_pass(self.pass);
        let turns = self.shapes.sets[shape.set as usize].turns;
        if turns < self.policy.backfill_depth {
            [Term::by_limit(blocked.unserved), Term::NONE]
        } else {
            [blocked.term, shape.blocked]
        }
    }

    /// What is hopeless for others when this job cannot start.
    fn blocks(&self, slot: u32) -> Term {
        let job = self.queue.slot(slot);
        if self.is_strict(slot) { Term::by_limit(job.limit) } else { job.term() }
    }

    /// Starts the job, or notes that it is blocked and lets it take a turn.
    fn look(&mut self, walk: &mut Walk, slot: u32, plan: &mut Plan) {
        let job = self.queue.slot(slot);
        let (limit, lane, position) = (job.limit, job.lane, job.position());
        let term = self.blocks(slot);
        let home = &mut self.queue.lanes[lane as usize];
        let shape = home.shape;
        let found = self.find_pool(slot, shape, walk.now);
        let nearer = found.filter(|_| self.policy.ready_first);
        let nearer = nearer.and_then(|place| self.waits_for_nearer(slot, shape, place, walk.now, &walk.awaited));
        let waits = nearer.is_some()
            || found.is_some_and(|place| !self.policy.ready_first && self.waits(slot, shape, place, walk.now));
        if let Some(place) = found.filter(|_| !waits) {
            let placement = self.start(slot, shape, place, walk.now);
            plan.placements.push(placement);
            return;
        }
        let home = &mut self.queue.lanes[lane as usize];
        home.blocked = home.blocked.of_pass(self.pass);
        // Those behind one that waits for a nearer pool may have to wait too long for that.
        if home.blocked.term.covers(term) && nearer.is_none() && home.blocked.term != term {
            home.blocked = Blocked { term, at: position, ..home.blocked };
        }
        let set = self.shapes.get(shape).set;
        let gives = self.shapes.sets[set as usize].turns < self.policy.backfill_depth;
        if gives && !self.take_turn(slot, shape, set, limit, walk.now) {
            let unserved = &mut self.queue.lanes[lane as usize].blocked.unserved;
            *unserved = limit.min(*unserved);
        }
        self.awaits(slot, nearer, &mut walk.awaited);
        if self.shapes.sets[set as usize].turns < self.policy.backfill_depth {
            return;
        }
        if !gives {
            // The others of the set were asked when the last turn was taken, and nothing became of them since.
            return self.bury(walk, shape);
        }
        for at in 0..self.shapes.sets[set as usize].shapes.len() {
            self.bury(walk, self.shapes.sets[set as usize].shapes[at]);
        }
    }

    /// A shape of whose set all turns are taken is dead where it has no room, or none for the shortest limit.
    fn bury(&mut self, walk: &mut Walk, shape: u32) {
        let member = self.shapes.get_mut(shape);
        // Nothing that has room is hopeless before something was blocked; only then every lane is asked.
        let hopeless = !member.roomy
            || member.blocked != Term::NONE
                && member.least.get_or_insert_with(|| self.queue.least(shape)).covers(member.blocked);
        if !member.dead && hopeless {
            member.dead = true;
            walk.alive -= member.strands;
            walk.dead += member.strands;
        }
    }

    /// The first pool of the shape, in order of money, that can start such a job now. Its nodes are left in the scratch where
    /// they had to be looked at to say so.
    fn find_pool(&mut self, slot: u32, shape: u32, now: Timestamp) -> Option<usize> {
        let guest = self.guest(slot, &self.shapes.get(shape).request);
        let (limit, term) = (guest.limit, self.blocks(slot));
        let shape = self.shapes.get_mut(shape);
        let stay = Stay::of(now.as_micros(), guest.term());
        let request = shape.request.clone();
        let ask = Ask { request: &request, dips: shape.standing.dips };
        let mut roomy = false;
        // Places that shut this tenant out.
        let mut shut: Vec<usize> = Vec::new();
        let mut next = shape.next_maybe(0);
        while let Some(place) = next {
            next = shape.next_maybe(place + 1);
            let ordinal = shape.fits[place].pool;
            if limit > self.pools.gate(ordinal).limit_max {
                roomy = true;
                continue;
            }
            if !self.pools.admits(ordinal, guest) {
                shut.push(place);
                continue;
            }
            if let Some(pool) = self.pools.get(ordinal)
                && pool.claims.is_empty()
                && pool.is_plain(ask, self.pools.purse(pool))
            {
                if pool.has_room_for(ask) {
                    self.scratch.nodes.clear();
                    return Some(place);
                }
                shape.clear_maybe(place);
                continue;
            }
            match self.pools.pick(ordinal, ask, stay, &mut self.scratch.nodes) {
                Ok(()) => return Some(place),
                Err(NoPick::Claimed) => roomy = true,
                Err(NoPick::NoRoom) => shape.clear_maybe(place),
            }
        }
        // Nobody may start such a job when the others' places have nothing for it either.
        let mut others_may = false;
        for place in shut {
            let picked = self.pools.pick(shape.fits[place].pool, ask, stay, &mut self.scratch.nodes);
            others_may |= picked.is_ok();
            match picked {
                Err(NoPick::NoRoom) => shape.clear_maybe(place),
                Ok(()) | Err(NoPick::Claimed) => roomy = true,
            }
        }
        shape.roomy = roomy;
        if !others_may && shape.blocked.covers(term) {
            shape.blocked = term;
        }
        None
    }

    fn start(&mut self, slot: u32, shape: u32, place: usize, now: Timestamp) -> Placement {
        let job = self.queue.slot(slot).job;
        let limit = self.queue.slot(slot).limit;
        let tenant = self.queue.lane_of(slot).tenant;
        let end = now.as_micros().saturating_add(limit);
        let mut nodes = std::mem::take(&mut self.scratch.nodes);
        let explanation = self.placement_table(slot, shape, place, now);
        self.take_from_queue(slot);
        let shape = self.shapes.get(shape);
        let ordinal = shape.fits[place].pool;
        let request = shape.request.clone();
        if nodes.is_empty() {
            let stay = Stay::of(now.as_micros(), Term::whole(limit));
            let picked = self.pools.pick(ordinal, shape.ask(), stay, &mut nodes);
            debug_assert!(picked.is_ok(), "{job} has room in an unclaimed pool");
        }
        let (per_node, total) = (request.per_node, request.total());
        let run = Run { job, pool: ordinal, end, tenant, total };
        self.begin(run, per_node, NodeList::from_slice(&nodes), request.conditions.clone());
        let pool = self.pools.get(ordinal).expect("a fit with room names a pool that exists");
        debug_assert!(check::within_capacity(pool, &nodes), "{job} is placed beyond the nodes' shape");
        debug_assert!(check::occupations_agree(pool));
        let names = nodes.iter().map(|n| pool.names[*n as usize].clone()).collect();
        let placement = Placement { job, pool: pool.id, nodes: names, explanation };
        self.scratch.nodes = nodes;
        placement
    }

    /// Gives a blocked job one of its pool set's turns, and with it a claim on the pool of least penalty. False when no pool
    /// serves it at all: then it takes no turn. A second turn of the same set goes to another pool.
    fn take_turn(&mut self, slot: u32, shape: u32, set: u32, limit: i64, now: Timestamp) -> bool {
        let job = self.queue.slot(slot).job;
        let weights = &self.policy.weights;
        let taken: Vec<u32> = self.holders.iter().filter(|h| h.set == set).filter_map(|h| h.pool).collect();
        let guest = self.guest(slot, &self.shapes.get(shape).request);
        let shape = self.shapes.get_mut(shape);
        let (request, dips) = (shape.request.clone(), shape.standing.dips);
        let at = |start: i64| if start == NOW { now.as_micros() } else { start };
        let mut serves = false;
        let mut best: Option<(i128, i64, u32)> = None;
        let mut from = 0;
        // The list ascends in waits at clusters and in money: once there is one that serves, only an earlier start is worth a
        // look.
        while let Some(place) = shape.next_start(from, best.map(|b| b.1)) {
            from = place + 1;
            let fit = shape.fits[place];
            if let Some((_, start, _)) = best.filter(|_| serves) {
                match shape.soonest(place, &self.pools) {
                    Some(soonest) if start <= soonest => {
                        shape.passed(place, soonest);
                        continue;
                    }
                    // Room that is claimed could serve now, or at the end of work that is overdue already.
                    None if start <= self.pools.gate(fit.pool).first_end.min(now.as_micros()) => continue,
                    _ => {}
                }
            }
            if !self.pools.serves(fit.pool, request.nodes, dips) || !self.pools.admits(fit.pool, guest) {
                continue;
            }
            serves = true;
            if taken.contains(&fit.pool) {
                continue;
            }
            let (before, once) = (best.map_or(WHENEVER, |b| b.1), shape.haul(place).once);
            let alone = shape.start(place, &self.pools, before, &mut self.scratch);
            let better = |start: i64| {
                let penalty = penalty(weights, start.saturating_add(fit.wait), fit.money, limit, once);
                best.is_none_or(|b| penalty < b.0).then_some((penalty, start, fit.pool))
            };
            let Some(pool) = self.pools.get(fit.pool).filter(|_| alone.is_some()) else { continue };
            let ask = Ask { request: &request, dips };
            let start = if pool.claims.is_empty() && pool.is_plain(ask, self.pools.purse(pool)) {
                alone
            } else if alone.is_some_and(|s| s == NOW || better(s).is_some()) {
                self.pools.start(fit.pool, ask, (now.as_micros(), limit), None, before, &mut self.scratch)
            } else {
                None
            };
            best = start.and_then(|s| better(at(s))).or(best);
        }
        if !serves {
            return false;
        }
        self.shapes.sets[set as usize].turns += 1;
        let ask = Ask { request: &request, dips };
        let claimed = best.and_then(|(_, start, ordinal)| {
            self.pools.start(ordinal, ask, (now.as_micros(), limit), None, WHENEVER, &mut self.scratch)?;
            let pool = self.pools.get(ordinal)?;
            let cluster = pool.cluster;
            let claim = claim(pool, job, start, request.per_node, &self.scratch.nodes);
            self.pools.claim(ordinal, claim);
            if let Some(purse) = self.pools.purses.get_mut(&cluster) {
                purse.claim(job, start, purse.draw_of(&request));
            }
            Some(ordinal)
        });
        self.holders.push(Holder { job, slot, set, pool: claimed });
        true
    }
}

impl Walk {
    /// False when nothing is left, or the budget is spent and a job was placed (so that calling again comes to an end).
    fn goes_on(&mut self, plan: &Plan, budget: u64) -> bool {
        self.cut = self.cut || plan.examined >= budget && !plan.placements.is_empty() && self.alive > 0;
        self.alive > 0 && !self.cut
    }
}
