//! The queue of eligible jobs: a slot a job, a lane for each (class, tenant, request shape), in lanes the order of the queue.
//! Refuses to know pools; answers "the next of this lane after that one, shorter than so much".

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use base::{JobId, Timestamp};
use model::PriorityClass;

/// No deadline, no bound, no limit.
pub(crate) const NEVER: i64 = i64::MAX;

/// Position within a lane, and between lanes of one tenant: deadline, submission (microseconds), number.
/// Aged jobs have no deadline any more, they stand before all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub deadline: i64,
    pub submitted: i64,
    pub number: u64,
}

impl Position {
    pub const FIRST: Position = Position { deadline: i64::MIN, submitted: i64::MIN, number: 0 };
    /// The next one possible.
    pub const fn after(self) -> Self {
        Self { number: self.number.saturating_add(1), ..self }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub job: JobId,
    pub number: u64,
    /// As it counts in the order: before the true one where a promise makes a job older than it is.
    pub submitted: i64,
    /// What comes first in the order of a lane: the deadline, or what the policy puts in its place.
    pub key: i64,
    pub limit: i64,
    /// How long reservations ahead may take it to run: no longer than its limit.
    pub fence: i64,
    /// By how much `submitted` is earlier for its width.
    pub haste: i64,
    pub lane: u32,
    pub aged: bool,
    /// As the job was handed in.
    pub asked: Asked,
}

/// For how long a job asks, and how long reservations ahead may take it to run; microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub limit: i64,
    pub fence: i64,
}

impl Term {
    /// What covers everything and nothing covers.
    pub const NONE: Term = Term { limit: NEVER, fence: NEVER };

    /// Of what reservations take to run to its limit.
    pub const fn whole(limit: i64) -> Term {
        Term { limit, fence: limit }
    }
    /// Where limits alone count.
    pub const fn by_limit(limit: i64) -> Term {
        Term { limit, fence: i64::MIN }
    }
    /// No shorter than the other in either sense: where that one could not start, this one cannot.
    pub const fn covers(self, other: Term) -> bool {
        self.limit >= other.limit && self.fence >= other.fence
    }
    fn least(self, other: Term) -> Term {
        Term { limit: self.limit.min(other.limit), fence: self.fence.min(other.fence) }
    }
    fn touches(self, other: Term) -> bool {
        self.limit == other.limit || self.fence == other.fence
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub submitted: i64,
    pub deadline: i64,
    /// How long it is expected to run, microseconds.
    pub expected: i64,
    /// How much goes to where it runs, as it was said.
    pub data: base::Bytes,
}

impl Slot {
    pub fn position(&self) -> Position {
        let deadline = if self.aged { i64::MIN } else { self.key };
        Position { deadline, submitted: self.submitted, number: self.number }
    }
    pub const fn term(&self) -> Term {
        Term { limit: self.limit, fence: self.fence }
    }
}

/// Entries per chunk before it splits: a scan of 128 slots costs as much as a few cache misses.
const CHUNK_MAX: usize = 128;

#[derive(Clone, Debug)]
struct Chunk {
    /// Of the first slot, so that a search for a chunk reads nothing else.
    first: Position,
    /// The shortest inside, in both senses apart.
    least: Term,
    slots: Vec<u32>,
}

/// Slots in order of position, in chunks that know their shortest terms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strand {
    chunks: Vec<Chunk>,
}

impl Strand {
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }
    pub fn first(&self) -> Option<u32> {
        self.chunks.first().map(|c| c.slots[0])
    }
    fn least(&self) -> Term {
        self.chunks.iter().fold(Term::NONE, |least, c| least.least(c.least))
    }
    fn insert(&mut self, slots: &[Slot], slot: u32) {
        let position = slots[slot as usize].position();
        let term = slots[slot as usize].term();
        let before = |s: &u32| slots[*s as usize].position() < position;
        // The last chunk whose first entry is before, or the first chunk.
        let at = match self.chunks.last() {
            None => {
                self.chunks.push(Chunk { first: position, least: term, slots: vec![slot] });
                return;
            }
            Some(last) if last.first < position => self.chunks.len() - 1,
            Some(_) => self.chunks.partition_point(|c| c.first < position).saturating_sub(1),
        };
        let chunk = &mut self.chunks[at];
        let place = if before(&chunk.slots[chunk.slots.len() - 1]) {
            chunk.slots.len()
        } else {
            chunk.slots.partition_point(before)
        };
        chunk.slots.insert(place, slot);
        chunk.first = chunk.first.min(position);
        chunk.least = chunk.least.least(term);
        if chunk.slots.len() > CHUNK_MAX {
            // New work comes at the end: a full left part stays dense, the right part grows.
            let tail = chunk.slots.split_off(CHUNK_MAX * 3 / 4);
            chunk.least = shortest(slots, &chunk.slots);
            chunk.slots.shrink_to_fit();
            let first = slots[tail[0] as usize].position();
            let tail = Chunk { first, least: shortest(slots, &tail), slots: tail };
            self.chunks.insert(at + 1, tail);
        }
    }
    fn remove(&mut self, slots: &[Slot], slot: u32) {
        let position = slots[slot as usize].position();
        let at = self.chunks.partition_point(|c| c.first <= position) - 1;
        let chunk = &mut self.chunks[at];
        // To look through 512 bytes in a row costs less than to ask half a dozen slots where they stand.
        let place = chunk.slots.iter().position(|s| *s == slot).expect("a slot stands where its position says");
        chunk.slots.remove(place);
        let Some(&first) = chunk.slots.first() else {
            self.chunks.remove(at);
            return;
        };
        if place == 0 {
            chunk.first = slots[first as usize].position();
        }
        if slots[slot as usize].term().touches(chunk.least) {
            chunk.least = shortest(slots, &chunk.slots);
        }
    }
    /// The first slot at or after `from` that covers none of these.
    pub fn next(&self, slots: &[Slot], from: Position, hopeless: [Term; 2]) -> Option<u32> {
        let start = self.chunks.partition_point(|c| c.first <= from).saturating_sub(1);
        let hopes = |term: Term| !hopeless.iter().any(|bound| term.covers(*bound));
        let matches = |s: &&u32| {
            let slot = &slots[**s as usize];
            hopes(slot.term()) && slot.position() >= from
        };
        self.chunks[start..].iter().filter(|c| hopes(c.least)).find_map(|c| c.slots.iter().find(matches)).copied()
    }
}

fn shortest(slots: &[Slot], of: &[u32]) -> Term {
    of.iter().fold(Term::NONE, |least, s| least.least(slots[*s as usize].term()))
}

/// What the pass of this number learnt about a lane. Room only shrinks and claims only grow in a pass, so what holds for one
/// job holds for those of the same lane behind it whose term covers its term.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocked {
    pub pass: u64,
    /// A short term that could not start, and the position of that job.
    pub term: Term,
    pub at: Position,
    /// The shortest limit that no pool serves, so that it takes no turn either.
    pub unserved: i64,
}

impl Blocked {
    pub const fn nothing(pass: u64) -> Self {
        Self { pass, term: Term::NONE, at: Position::FIRST, unserved: NEVER }
    }
    /// As it stands in a pass; what an earlier one learnt is void.
    pub fn of_pass(self, pass: u64) -> Self {
        if self.pass == pass { self } else { Self::nothing(pass) }
    }
}

/// What a pass needs of a lane to begin, dense: there may be 20,000 lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Front {
    /// Of the first fresh job.
    pub fresh: Option<Position>,
    /// The shortest in the lane, in both senses apart.
    pub least: Term,
    pub shape: u32,
    /// It has aged jobs.
    pub aged: bool,
}

impl Front {
    fn strands(&self) -> u32 {
        u32::from(self.fresh.is_some()) + u32::from(self.aged)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pub class: PriorityClass,
    pub tenant: u32,
    pub shape: u32,
    pub aged: Strand,
    pub fresh: Strand,
    pub blocked: Blocked,
    /// In the list of its class and tenant.
    place: usize,
}

impl Lane {
    pub fn strand(&self, aged: bool) -> &Strand {
        if aged { &self.aged } else { &self.fresh }
    }
    fn strand_mut(&mut self, aged: bool) -> &mut Strand {
        if aged { &mut self.aged } else { &mut self.fresh }
    }
    fn is_empty(&self) -> bool {
        self.aged.is_empty() && self.fresh.is_empty()
    }
}

/// Job ids carry 74 random bits; one multiplication spreads them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }
    fn write_u64(&mut self, n: u64) {
        let mixed = (self.0 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
    fn write_u128(&mut self, n: u128) {
        self.write_u64(n as u64);
        self.write_u64((n >> 64) as u64);
    }
}

/// Looked up only, never walked.
pub(crate) type JobMap = HashMap<JobId, u32, BuildHasherDefault<IdHasher>>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    pub slots: Vec<Slot>,
    vacant: Vec<u32>,
    pub lanes: Vec<Lane>,
    /// By lane.
    pub fronts: Vec<Front>,
    vacant_lanes: Vec<u32>,
    /// By shape, tenant and class.
    lane_index: BTreeMap<(u32, u32, PriorityClass), u32>,
    /// By class and tenant, in no order.
    lines: [Vec<Vec<u32>>; PriorityClass::ALL.len()],
    /// Those with aged jobs.
    pub aged_lanes: BTreeSet<u32>,
    /// By shape: strands with jobs.
    strands: Vec<u32>,
    index: JobMap,
    /// When each job passes its next age threshold.
    ageing: BTreeSet<(i64, u32)>,
}

impl Queue {
    pub fn len(&self) -> usize {
        self.index.len()
    }
    pub fn find(&self, job: JobId) -> Option<u32> {
        self.index.get(&job).copied()
    }
    pub fn slot(&self, slot: u32) -> &Slot {
        &self.slots[slot as usize]
    }
    pub fn lane_of(&self, slot: u32) -> &Lane {
        &self.lanes[self.slots[slot as usize].lane as usize]
    }

    /// The lane of this key, made when missing.
    pub fn lane(&mut self, class: PriorityClass, tenant: u32, shape: u32) -> u32 {
        if let Some(&lane) = self.lane_index.get(&(shape, tenant, class)) {
            return lane;
        }
        let blocked = Blocked::nothing(0);
        let lines = &mut self.lines[class as usize];
        if lines.len() <= tenant as usize {
            lines.resize_with(tenant as usize + 1, Vec::new);
        }
        let line = &mut lines[tenant as usize];
        let (aged, place) = (Strand::default(), line.len());
        let fresh = Lane { class, tenant, shape, aged, fresh: Strand::default(), blocked, place };
        let lane = self.vacant_lanes.pop().unwrap_or(self.lanes.len() as u32);
        line.push(lane);
        if self.strands.len() <= shape as usize {
            self.strands.resize(shape as usize + 1, 0);
        }
        let front = Front { fresh: None, least: Term::NONE, shape, aged: false };
        match self.lanes.get_mut(lane as usize) {
            Some(place) => {
                *place = fresh;
                self.fronts[lane as usize] = front;
            }
            None => {
                self.lanes.push(fresh);
                self.fronts.push(front);
            }
        }
        self.lane_index.insert((shape, tenant, class), lane);
        lane
    }

    /// Adds a job, fresh; `ages_at` is when it becomes aged.
    pub fn insert(&mut self, new: Slot, ages_at: i64) -> u32 {
        let slot = self.vacant.pop().unwrap_or(self.slots.len() as u32);
        let (job, lane) = (new.job, new.lane);
        match self.slots.get_mut(slot as usize) {
            Some(place) => *place = new,
            None => self.slots.push(new),
        }
        self.index.insert(job, slot);
        self.ageing.insert((ages_at, slot));
        self.lanes[lane as usize].fresh.insert(&self.slots, slot);
        let least = self.fronts[lane as usize].least.least(self.slots[slot as usize].term());
        self.renew_front(lane, least);
        slot
    }

    fn renew_front(&mut self, lane: u32, least: Term) {
        let home = &self.lanes[lane as usize];
        let front = &mut self.fronts[lane as usize];
        let (strands, aged) = (front.strands(), front.aged);
        front.fresh = home.fresh.first().map(|s| self.slots[s as usize].position());
        front.aged = !home.aged.is_empty();
        front.least = least;
        let of_shape = &mut self.strands[home.shape as usize];
        *of_shape = *of_shape - strands + front.strands();
        match (aged, front.aged) {
            (false, true) => drop(self.aged_lanes.insert(lane)),
            (true, false) => drop(self.aged_lanes.remove(&lane)),
            _ => {}
        }
    }

    /// The lanes of a tenant in a class, in no order.
    pub fn line(&self, class: usize, tenant: u32) -> &[u32] {
        self.lines[class].get(tenant as usize).map_or(&[], Vec::as_slice)
    }
    /// Strands with jobs of a shape.
    pub fn strands(&self, shape: u32) -> u32 {
        self.strands.get(shape as usize).copied().unwrap_or(0)
    }
    /// The shortest of all jobs of a shape, in both senses apart.
    pub fn least(&self, shape: u32) -> Term {
        let lanes = self.lane_index.range((shape, 0, PriorityClass::ALL[0])..).take_while(|(key, _)| key.0 == shape);
        lanes.fold(Term::NONE, |least, (_, lane)| least.least(self.fronts[*lane as usize].least))
    }

    /// Removes a job; `bound` is the policy's age bound.
    pub fn remove(&mut self, slot: u32, bound: i64) {
        let Slot { job, lane, aged, .. } = self.slots[slot as usize];
        let term = self.slots[slot as usize].term();
        self.ageing.remove(&(self.threshold(slot, bound), slot));
        let home = &mut self.lanes[lane as usize];
        home.strand_mut(aged).remove(&self.slots, slot);
        let before = self.fronts[lane as usize].least;
        let least = if term.touches(before) { home.aged.least().least(home.fresh.least()) } else { before };
        if home.is_empty() {
            let (class, tenant, place) = (home.class, home.tenant, home.place);
            self.lane_index.remove(&(home.shape, tenant, class));
            self.vacant_lanes.push(lane);
            let line = &mut self.lines[class as usize][tenant as usize];
            line.swap_remove(place);
            if let Some(&moved) = line.get(place) {
                self.lanes[moved as usize].place = place;
            }
        }
        self.renew_front(lane, least);
        self.index.remove(&job);
        self.vacant.push(slot);
    }

    /// The time of the next age threshold of a job. A job past both has one that lies before its second.
    fn threshold(&self, slot: u32, bound: i64) -> i64 {
        let Slot { submitted, aged, .. } = self.slots[slot as usize];
        submitted.saturating_add(if aged { bound.saturating_mul(2) } else { bound })
    }

    pub fn next_threshold(&self) -> Option<Timestamp> {
        self.ageing.first().map(|(at, _)| Timestamp::from_micros(*at))
    }

    /// Moves jobs past their thresholds; true when one was.
    pub fn age(&mut self, now: i64, bound: i64) -> bool {
        let mut any = false;
        while let Some(&(at, slot)) = self.ageing.first().filter(|(at, _)| *at <= now) {
            any = true;
            self.ageing.remove(&(at, slot));
            if !self.slots[slot as usize].aged {
                let ordinal = self.slots[slot as usize].lane;
                let lane = &mut self.lanes[ordinal as usize];
                lane.fresh.remove(&self.slots, slot);
                self.slots[slot as usize].aged = true;
                lane.aged.insert(&self.slots, slot);
                self.renew_front(ordinal, self.fronts[ordinal as usize].least);
                self.ageing.insert((self.threshold(slot, bound), slot));
            }
        }
        any
    }

    /// After a change of the bound: every job starts over as fresh.
    pub fn rejuvenate(&mut self, bound: i64) {
        self.ageing.clear();
        for slot in self.live() {
            let lane = self.slots[slot as usize].lane as usize;
            if self.slots[slot as usize].aged {
                self.lanes[lane].aged.remove(&self.slots, slot);
                self.slots[slot as usize].aged = false;
                self.lanes[lane].fresh.insert(&self.slots, slot);
                self.renew_front(lane as u32, self.fronts[lane].least);
            }
            self.ageing.insert((self.threshold(slot, bound), slot));
        }
    }

    /// Slots in use, ascending.
    pub fn live(&self) -> Vec<u32> {
        let vacant: BTreeSet<u32> = self.vacant.iter().copied().collect();
        (0..self.slots.len() as u32).filter(|s| !vacant.contains(s)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUND: i64 = 1_000;

    fn slot(n: u64, submitted: i64, deadline: i64, term: Term, lane: u32) -> Slot {
        let Term { limit, fence } = term;
        let job = JobId::from_u128(u128::from(n));
        let asked = Asked { submitted, deadline, expected: limit, data: base::Bytes(0) };
        Slot { job, number: n, submitted, key: deadline, limit, fence, haste: 0, lane, aged: false, asked }
    }

    proptest! {
        /// One lane against a sorted list: big enough for several chunks.
        #[test]
        fn a_lane_is_a_sorted_list(
            jobs in prop::collection::vec((0i64..500, prop::option::weighted(0.1, 0i64..500), 1i64..50, 0i64..20, any::<bool>()), 300..900),
            asked in (0i64..500, 0i64..60, 0i64..60, 0i64..60),
            now in 0i64..3_000,
        ) {
            let mut queue = Queue::default();
            let mut kept: Vec<Slot> = Vec::new();
            let lane = queue.lane(PriorityClass::Normal, 0, 0);
            for (n, (submitted, deadline, limit, less, leaves)) in (1..).zip(jobs) {
                let term = Term { limit, fence: (limit - less).max(1) };
                let new = slot(n, submitted, deadline.unwrap_or(NEVER), term, lane);
                queue.insert(new.clone(), submitted + BOUND);
                kept.push(new);
                if leaves {
                    let gone = kept.remove(kept.len() / 2);
                    queue.remove(queue.find(gone.job).expect("queued"), BOUND);
                }
                if kept.is_empty() {
                    // An empty lane is given up; the next job asks for it again.
                    prop_assert_eq!(queue.lane(PriorityClass::Normal, 0, 0), lane);
                }
            }
            queue.age(now, BOUND);
            kept.iter_mut().for_each(|s| s.aged = s.submitted + BOUND <= now);
            kept.sort_by_key(Slot::position);
            let home = &queue.lanes[lane as usize];
            let from = Position { deadline: NEVER, submitted: asked.0, number: 0 };
            for aged in [true, false] {
                let from = if aged { Position { deadline: i64::MIN, ..from } } else { from };
                let hopeless = [Term { limit: asked.1, fence: asked.2 }, Term::by_limit(asked.3)];
                let got = home.strand(aged).next(&queue.slots, from, hopeless).map(|s| queue.slot(s).job);
                let hopes = |s: &&Slot| (s.limit < asked.1 || s.fence < asked.2) && s.limit < asked.3;
                let mut fits = kept.iter().filter(|s| s.aged == aged && s.position() >= from).filter(hopes);
                prop_assert_eq!(got, fits.next().map(|s| s.job));
                let first = home.strand(aged).first().map(|s| queue.slot(s).job);
                prop_assert_eq!(first, kept.iter().find(|s| s.aged == aged).map(|s| s.job));
            }
            prop_assert_eq!(queue.len(), kept.len());
            let (limit, fence) = (kept.iter().map(|s| s.limit).min(), kept.iter().map(|s| s.fence).min());
            let shortest = Term { limit: limit.unwrap_or(NEVER), fence: fence.unwrap_or(NEVER) };
            prop_assert_eq!(queue.fronts[lane as usize].least, shortest);
            prop_assert_eq!(queue.least(0), shortest);
            let has = |aged: bool| kept.iter().any(|s| s.aged == aged);
            prop_assert_eq!(queue.strands(0), u32::from(has(true)) + u32::from(has(false)));
            prop_assert_eq!(queue.aged_lanes.contains(&lane), has(true));
            prop_assert_eq!(queue.line(PriorityClass::Normal as usize, 0), if kept.is_empty() { &[][..] } else { &[lane] });
            let past = |s: &Slot| s.submitted + if s.aged { 2 * BOUND } else { BOUND };
            let next = kept.iter().map(past).filter(|t| *t > now).min().map(Timestamp::from_micros);
            prop_assert_eq!(queue.next_threshold(), next);
        }
    }
}
