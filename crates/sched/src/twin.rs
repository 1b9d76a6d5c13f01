//! Pools that stand on the same machines: what one takes is taken in the others, at once. Slurm's partitions may overlap, and
//! a node with cards of two kinds is in two pools. Refuses to know the queue.
//!
//! A run is *mirrored* into the twins of its pool under its own ordinal: it is among their runs as long as it lasts, and not
//! theirs in the scheduler's table of running jobs. So is a claim, under its job.

use std::collections::{BTreeMap, BTreeSet};

use base::{ClusterId, Resources};

use crate::pool::{Claim, FOREIGN, NodeList, Occupation, Pool};
use crate::profile::claim;
use crate::scheduler::Scheduler;
use crate::shape::Pools;

/// Not in the other pool.
const ABSENT: u32 = u32::MAX;

/// Another pool on some of the same machines.
#[derive(Clone, Debug)]
pub(crate) struct Twin {
    pub pool: u32,
    /// Cards here are cards there.
    cards: bool,
    /// By node here: the node there.
    nodes: Vec<u32>,
}

impl Twin {
    fn of(here: &Pool, there: &Pool, ordinal: u32) -> Option<Twin> {
        let nodes: Vec<u32> = here.names.iter().map(|name| there.node(name).unwrap_or(ABSENT)).collect();
        let cards = here.chip.is_some() && here.chip == there.chip;
        nodes.iter().any(|n| *n != ABSENT).then_some(Twin { pool: ordinal, cards, nodes })
    }
    fn amount(&self, per_node: &Resources) -> Resources {
        Resources { gpus: if self.cards { per_node.gpus } else { 0 }, ..*per_node }
    }
    /// The nodes there, ascending.
    fn nodes(&self, here: &[u32]) -> Vec<u32> {
        let mut there: Vec<u32> = here.iter().map(|n| self.nodes[*n as usize]).filter(|n| *n != ABSENT).collect();
        there.sort_unstable();
        there
    }
    fn mirrored(&self, run: &Occupation) -> Option<Occupation> {
        let nodes = self.nodes(run.nodes.as_slice());
        let per_node = self.amount(&run.per_node);
        (!nodes.is_empty()).then(|| Occupation {
            end: run.end,
            run: run.run,
            per_node,
            nodes: NodeList::from_slice(&nodes),
        })
    }
}

impl Pools {
    /// Something for each twin of a pool, whose list is out of the pool for as long.
    fn each_twin(&mut self, ordinal: u32, mut what: impl FnMut(&mut Pools, &Twin)) {
        if self.get(ordinal).is_none_or(|pool| pool.twins.is_empty()) {
            return;
        }
        let Some(twins) = self.change(ordinal, |pool| std::mem::take(&mut pool.twins)) else { return };
        twins.iter().for_each(|twin| what(self, twin));
        self.change(ordinal, |pool| pool.twins = twins);
    }

    fn mirror(&mut self, ordinal: u32, run: &Occupation) {
        self.each_twin(ordinal, |pools, twin| {
            if let Some(there) = twin.mirrored(run) {
                pools.change(twin.pool, |pool| {
                    pool.occupy(there);
                    pool.mirrored += 1;
                });
            }
        });
    }

    /// A run takes nodes of its pool, and with them of its twins.
    pub fn occupy(&mut self, ordinal: u32, run: Occupation) {
        self.mirror(ordinal, &run);
        self.change(ordinal, |pool| pool.occupy(run));
    }

    /// Takes a run away that ends at `end`.
    pub fn vacate(&mut self, ordinal: u32, end: i64, run: u32) -> Option<Occupation> {
        self.each_twin(ordinal, |pools, twin| {
            pools.change(twin.pool, |pool| {
                if pool.occupation(end, run).is_some() {
                    pool.vacate(end, run);
                    pool.mirrored -= 1;
                }
            });
        });
        self.change(ordinal, |pool| pool.vacate(end, run))
    }

    /// Lets a job ahead claim nodes of a pool, and with them of its twins.
    pub fn claim(&mut self, ordinal: u32, made: Claim) {
        self.each_twin(ordinal, |pools, twin| {
            let nodes = twin.nodes(&made.nodes);
            if let Some(there) = pools.get(twin.pool).filter(|_| !nodes.is_empty()) {
                let mirrored = claim(there, made.job, made.from, twin.amount(&made.per_node), &nodes);
                pools.change(twin.pool, |pool| pool.claims.push(mirrored));
            }
        });
        self.change(ordinal, |pool| pool.claims.push(made));
    }

    /// Takes all claims of a pool and its twins away.
    pub fn clear_claims(&mut self, ordinal: u32) {
        self.each_twin(ordinal, |pools, twin| {
            pools.change(twin.pool, |pool| pool.claims.clear());
        });
        self.change(ordinal, |pool| pool.claims.clear());
    }

    /// A pool and its twins.
    pub fn with_twins(&self, ordinal: u32) -> Vec<u32> {
        let twins = self.get(ordinal).map_or(&[][..], |pool| &pool.twins);
        std::iter::once(ordinal).chain(twins.iter().map(|t| t.pool)).collect()
    }
}

impl Scheduler {
    /// After pools of a cluster came, went or changed: which stand on the same machines, and what is taken there.
    pub(crate) fn find_twins(&mut self, cluster: ClusterId) {
        let on_machines = |pool: &Pool| pool.cluster == cluster && pool.bounds.terms.machines;
        let all = self.pools.by_id.values().copied();
        let members: Vec<u32> = all.filter(|o| self.pools.get(*o).is_some_and(on_machines)).collect();
        for &ordinal in &members {
            self.drop_mirrored(ordinal);
        }
        for &ordinal in &members {
            let Some(here) = self.pools.get(ordinal) else { continue };
            let others = members.iter().filter(|o| **o != ordinal);
            let twins: Vec<Twin> = others.filter_map(|o| Twin::of(here, self.pools.get(*o)?, *o)).collect();
            self.pools.change(ordinal, |pool| pool.twins = twins);
        }
        self.count_once(&members);
        for &ordinal in &members {
            let own = |run: &&Occupation| {
                self.runs.slots.get(run.run as usize).is_some_and(|r| r.is_some_and(|r| r.pool == ordinal))
            };
            let runs: Vec<Occupation> =
                self.pools.get(ordinal).map_or_else(Vec::new, |pool| pool.runs.iter().filter(own).cloned().collect());
            for run in runs {
                self.pools.mirror(ordinal, &run);
            }
        }
    }

    fn drop_mirrored(&mut self, ordinal: u32) {
        let Some(pool) = self.pools.get(ordinal) else { return };
        let own = |run: u32| self.runs.slots.get(run as usize).is_some_and(|r| r.is_some_and(|r| r.pool == ordinal));
        let mirrored: Vec<(i64, u32)> =
            pool.runs.iter().filter(|r| r.run < FOREIGN && !own(r.run)).map(|r| (r.end, r.run)).collect();
        self.pools.change(ordinal, |pool| {
            for (end, run) in mirrored {
                pool.vacate(end, run);
            }
            pool.mirrored = 0;
        });
    }

    /// Every machine counts in the sums of one pool, its cards in that of one pool with such cards.
    fn count_once(&mut self, members: &[u32]) {
        let mut machines = BTreeSet::new();
        let mut cards: BTreeMap<(String, String), ()> = BTreeMap::new();
        for &ordinal in members {
            let Some(pool) = self.pools.get(ordinal) else { continue };
            let before = pool.capacity_counted();
            let chip = pool.chip.as_ref().map_or_else(String::new, ToString::to_string);
            let elsewhere: Vec<(bool, bool)> = pool
                .names
                .iter()
                .map(|name| {
                    (!machines.insert(name.clone()), cards.insert((name.to_string(), chip.clone()), ()).is_some())
                })
                .collect();
            self.pools.change(ordinal, |pool| pool.counts_elsewhere = elsewhere);
            let after = self.pools.get(ordinal).map_or(Resources::ZERO, Pool::capacity_counted);
            self.shares.remove_capacity(&before);
            self.shares.add_capacity(&after);
        }
    }
}
