//! Whose running work is to make room for a blocked job: the least loss of work with which the job really fits. Names it and no
//! more; refuses to know who may be made to go and why, how they are told, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{JobId, PoolId, Timestamp};
use model::{PriorityClass, Request};

use crate::bound::Ask;
use crate::place::CLASSES;
use crate::pool::{Pool, Stay};
use crate::purse::Purse;
use crate::queue::Term;
use crate::runs::Run;
use crate::scheduler::Scheduler;

/// Running work that may be made to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Yielding {
    pub job: JobId,
    pub class: PriorityClass,
    pub submitted_at: Timestamp,
    /// What it asked for, and the pools that it named.
    pub request: Arc<Request>,
    pub pools: Arc<[Arc<str>]>,
    /// Since when it has done what would be lost.
    pub since: Timestamp,
}

/// Whose room a job is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    pub by: JobId,
    pub pool: PoolId,
    /// In order of id. Without any one of them the job would not fit.
    pub victims: Vec<JobId>,
}

/// Sets of running work that are tried out on one pool one by one, where a look at its nodes does not tell.
const TRIES_MAX: usize = 256;
/// A card counts as so many thousandths of a core in what is lost.
const MILLIS_PER_CARD: u64 = 8_000;

/// One that may be made to go, as it stands in its pool.
#[derive(Clone, Copy, Debug)]
struct Goer {
    /// Thousandths of a core × microseconds.
    lost: u128,
    job: JobId,
    run: u32,
    end: i64,
}

/// One pool as it would be without some of its work.
struct Trial<'a> {
    pool: &'a Pool,
    purse: Option<&'a Purse>,
    ask: Ask<'a>,
    limit: i64,
    now: i64,
}

impl Trial<'_> {
    /// Whether the job fits when these are gone.
    fn fits(&self, gone: &[Goer]) -> bool {
        let mut pool = self.pool.clone();
        // Nobody ahead claims anything here, and those behind come after.
        pool.claims.clear();
        let mut purse = self.purse.cloned();
        if let Some(purse) = &mut purse {
            purse.clear_claims();
        }
        for one in gone {
            pool.vacate(one.end, one.run);
            if let Some(purse) = &mut purse {
                purse.refund(one.end, one.run);
            }
        }
        let stay = Stay::of(self.now, Term::whole(self.limit));
        pool.pick(self.ask, purse.as_ref(), stay, &mut Vec::new()).is_ok()
    }

    /// The least loss that is found, if there is any that helps. `goers` by what is lost.
    fn least(&self, goers: &[Goer]) -> Option<Vec<Goer>> {
        let mut chosen = self.by_nodes(goers).filter(|chosen| self.fits(chosen));
        if chosen.is_none() && goers.len() <= TRIES_MAX {
            // Switches, reservations, licences: the least work first, until it fits.
            let enough = (1..=goers.len()).find(|count| self.fits(&goers[..*count]));
            chosen = enough.map(|count| goers[..count].to_vec());
        }
        let mut chosen = chosen?;
        // What would be lost most is spared first.
        chosen.sort_unstable_by_key(|one| std::cmp::Reverse((one.lost, one.job)));
        let mut at = 0;
        while at < chosen.len() {
            let spared = chosen.remove(at);
            if !self.fits(&chosen) {
                chosen.insert(at, spared);
                at += 1;
            }
        }
        // A look at nodes one by one counts a job of several nodes for each of them.
        let sum = chosen.iter().map(|one| one.lost).sum();
        let mut alone = goers.iter().take_while(|one| one.lost < sum).take(TRIES_MAX);
        let one = alone.find(|one| self.fits(&[**one]));
        Some(one.map_or(chosen, |one| vec![*one]))
    }

    /// By a look at single nodes: on each as little as frees it, and of them the cheapest.
    fn by_nodes(&self, goers: &[Goer]) -> Option<Vec<Goer>> {
        let (per_node, count) = (&self.ask.request.per_node, self.ask.request.nodes as usize);
        let mut on: BTreeMap<u32, Vec<(Goer, base::Resources)>> = BTreeMap::new();
        for one in goers {
            let held = self.pool.occupation(one.end, one.run)?;
            for node in held.nodes.as_slice() {
                on.entry(*node).or_default().push((*one, held.per_node));
            }
        }
        let mut nodes: Vec<(u128, usize, u32, Vec<Goer>)> = Vec::new();
        for (index, node) in (0..).zip(&self.pool.nodes).filter(|(_, node)| node.takes(self.ask.dips)) {
            let mut going: Vec<(Goer, base::Resources)> = Vec::new();
            let mut there = on.get(&index).into_iter().flatten();
            let room = |going: &[(Goer, base::Resources)]| {
                let used = going.iter().fold(node.used, |used, (_, held)| crate::pool::left(&used, held));
                per_node.fits(&crate::pool::left(&self.pool.shape, &used))
            };
            let mut fits = room(&going);
            while !fits && let Some(next) = there.next() {
                going.push(*next);
                fits = room(&going);
            }
            if !fits {
                continue;
            }
            for at in (0..going.len()).rev() {
                let spared = going.remove(at);
                if !room(&going) {
                    going.insert(at, spared);
                }
            }
            let lost = going.iter().map(|(one, _)| one.lost).sum();
            nodes.push((lost, going.len(), index, going.into_iter().map(|(one, _)| one).collect()));
        }
        nodes.sort_unstable_by_key(|(lost, count, index, _)| (*lost, *count, *index));
        let mut seen = BTreeSet::new();
        let cheapest = (nodes.len() >= count).then(|| nodes.into_iter().take(count));
        cheapest.map(|nodes| nodes.flat_map(|node| node.3).filter(|one| seen.insert(one.run)).collect())
    }
}

impl Scheduler {
    /// The blocked jobs that reserve, in order. As of the last plan.
    pub fn blocked_first(&self) -> Vec<JobId> {
        self.holders.iter().map(|holder| holder.job).collect()
    }

    /// Whether a waiting or running job is within what its tenant is promised.
    pub fn is_promised(&self, job: JobId) -> bool {
        self.promises.covers(job)
    }

    /// Whose running work is to go so that a blocked job that reserves can start in its place; `None` where none of `yielding`
    /// helps, and where the job is expected to start by `until` without. To be asked right after a plan.
    ///
    /// Of the pools the one with the least loss (core time since it began, a card as eight cores), then the fewest jobs, is
    /// chosen. Work that would stand as high in the queue as the job, by its class and age, keeps its place: it would take the
    /// room back. So does work in pools for which another job ahead waits: that one would take it.
    pub fn make_room(&self, by: JobId, yielding: &[Yielding], until: Timestamp, now: Timestamp) -> Option<Room> {
        let slot = self.queue.find(by)?;
        let holder = self.holders.iter().find(|holder| holder.job == by && holder.slot == slot)?;
        let lane = self.queue.lane_of(slot);
        let shape = self.shapes.get(lane.shape);
        // One that may wait for a cheaper pool does not drive others out of a dear one.
        if !self.policy.ready_first || !shape.is_built(&self.pools) || self.starts_by(holder.pool, by, until) {
            return None;
        }
        let (level, ..) = self.rank(slot, now);
        let yields = |one: &&Yielding| {
            let since = one.submitted_at - self.haste(&one.request, &one.pools);
            self.level(one.class, since, until) > level
        };
        let mut goers: BTreeMap<u32, Vec<Goer>> = BTreeMap::new();
        for one in yielding.iter().filter(yields) {
            let Some((run, Run { pool, end, total, .. })) = self.run_of(one.job) else { continue };
            let millis = u128::from(total.cpu.0 + MILLIS_PER_CARD * u64::from(total.gpus));
            let lost = millis * now.since(one.since).as_micros().max(0) as u128;
            goers.entry(pool).or_default().push(Goer { lost, job: one.job, run, end });
        }
        if goers.is_empty() {
            return None;
        }
        let wanted = self.wanted_ahead(slot, now);
        let guest = self.guest(slot, &shape.request);
        let ask = shape.ask();
        let mut best: Option<(u128, usize, PoolId, Vec<Goer>)> = None;
        for ordinal in shape.fits.iter().map(|fit| fit.pool).filter(|pool| !wanted.contains(pool)) {
            let Some(goers) = goers.get_mut(&ordinal) else { continue };
            let Some(pool) = self.pools.get(ordinal) else { continue };
            if !self.pools.serves(ordinal, ask.request.nodes, ask.dips) || !self.pools.admits(ordinal, guest) {
                continue;
            }
            goers.sort_unstable_by_key(|one| (one.lost, one.job));
            let purse = self.pools.purse(pool);
            let trial = Trial { pool, purse, ask, limit: guest.limit, now: now.as_micros() };
            let Some(chosen) = trial.least(goers).filter(|chosen| !chosen.is_empty()) else { continue };
            let lost = chosen.iter().map(|one| one.lost).sum();
            if best.as_ref().is_none_or(|b| (lost, chosen.len()) < (b.0, b.1)) {
                best = Some((lost, chosen.len(), pool.id, chosen));
            }
        }
        let (_, _, pool, chosen) = best?;
        let mut victims: Vec<JobId> = chosen.into_iter().map(|one| one.job).collect();
        victims.sort_unstable();
        Some(Room { by, pool, victims })
    }

    /// Whether what a job claims is expected to be there by then without anything being done.
    fn starts_by(&self, pool: Option<u32>, job: JobId, until: Timestamp) -> bool {
        let claims = pool.and_then(|pool| self.pools.get(pool)).map_or(&[][..], |pool| &pool.claims);
        claims.iter().any(|claim| claim.job == job && claim.from <= until.as_micros())
    }

    fn run_of(&self, job: JobId) -> Option<(u32, Run)> {
        let &run = self.runs.index.get(&job)?;
        Some((run, self.runs.slots[run as usize]?))
    }

    /// The first part of [`Self::rank`] of work as it would stand in the queue at `at`, counted as handed in at `since`.
    fn level(&self, class: PriorityClass, since: Timestamp, at: Timestamp) -> u8 {
        let class = 2 * (CLASSES as u8 - 1 - class as u8);
        if self.is_overdue(since.as_micros(), at) {
            0
        } else if since + self.policy.age_bound <= at {
            1 + class
        } else {
            2 + class
        }
    }

    /// Pools into whose room a blocked job ahead of this one might go.
    fn wanted_ahead(&self, slot: u32, now: Timestamp) -> BTreeSet<u32> {
        let rank = self.rank(slot, now);
        let ahead = self.holders.iter().filter(|holder| {
            holder.slot != slot
                && self.queue.find(holder.job) == Some(holder.slot)
                && self.rank(holder.slot, now) < rank
        });
        let fits = ahead.flat_map(|holder| &self.shapes.get(self.queue.lane_of(holder.slot).shape).fits);
        let mut wanted: BTreeSet<u32> = fits.flat_map(|fit| self.pools.with_twins(fit.pool)).collect();
        if !self.pools.purses.is_empty() {
            // What holds for a cluster as a whole may be what the one ahead waits for.
            let clusters: BTreeSet<_> = wanted.iter().filter_map(|pool| Some(self.pools.get(*pool)?.cluster)).collect();
            let beside = self.pools.by_id.values().filter(|pool| {
                self.pools.get(**pool).is_some_and(|p| clusters.contains(&p.cluster) && self.pools.purse(p).is_some())
            });
            wanted.extend(beside);
        }
        wanted
    }
}
