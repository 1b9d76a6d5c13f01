//! What a cluster says of itself comes to its pools: times in which nodes are kept for some, licences, the account's limits.
//! Refuses to know the queue.

use base::{ClusterId, Timestamp};
use model::Window;

use crate::bound::Closure;
use crate::pool::Pool;
use crate::purse::Purse;
use crate::scheduler::Scheduler;
use crate::view::ClusterView;

impl Scheduler {
    /// Says what holds in all pools of a cluster together, in place of what was said before.
    pub fn set_cluster(&mut self, cluster: ClusterId, view: ClusterView, now: Timestamp) {
        let others_until = (now + self.policy.foreign_hold).as_micros();
        let mut purse = Purse::new(&view.together, &view.licences, others_until);
        if view.licences.iter().any(|l| l.others > 0) {
            self.foreign_end = self.foreign_end.min(others_until);
        }
        for (slot, run) in (0..).zip(&self.runs.slots) {
            let Some(run) = run else { continue };
            let Some(pool) = self.pools.get(run.pool).filter(|p| p.cluster == cluster) else { continue };
            let nodes = pool.occupation(run.end, slot).map_or(1, |o| o.nodes.as_slice().len());
            let draw = purse.draw(nodes as u32, &run.total, self.runs.licensed.get(&slot).map(|c| &**c));
            purse.spend(run.end, slot, draw);
        }
        if purse.is_empty() {
            self.pools.purses.remove(&cluster);
        } else {
            self.pools.purses.insert(cluster, purse);
        }
        self.windows.insert(cluster, view.windows);
        self.windows.retain(|_, windows| !windows.is_empty());
        self.clock = self.clock.max(now);
        self.find_edge();
        self.renew_windows(Some(cluster));
        // Which pools could ever hold a request depends on all of it.
        self.pools.generation += 1;
        self.changes.full = true;
    }

    /// Nodes begin or cease to be kept for some as time passes.
    pub(crate) fn pass_edges(&mut self, now: Timestamp) {
        // What waits for overdue work begins later than was thought, and so may run into what is kept for others.
        self.changes.full |= !self.windows.is_empty() && self.is_claim_overdue(now);
        if self.next_edge.is_none_or(|at| at > now.as_micros()) {
            return;
        }
        for windows in self.windows.values_mut() {
            windows.retain(|w| w.until > now);
        }
        self.find_edge();
        self.renew_windows(None);
        self.pools.generation += 1;
        self.changes.full = true;
    }

    fn is_claim_overdue(&self, now: Timestamp) -> bool {
        let overdue = |job, pool: u32| {
            let claims = self.pools.get(pool).map_or(&[][..], |p| &p.claims);
            claims.iter().any(|c| c.job == job && c.from <= now.as_micros())
        };
        self.holders.iter().any(|h| h.pool.is_some_and(|pool| overdue(h.job, pool)))
    }

    fn find_edge(&mut self) {
        let now = self.clock;
        let edges = self.windows.values().flatten().flat_map(|w| [w.from, w.until]).filter(|at| *at > now);
        self.next_edge = edges.min().map(Timestamp::as_micros);
    }

    fn renew_windows(&mut self, of: Option<ClusterId>) {
        for ordinal in self.pools.by_id.values().copied().collect::<Vec<_>>() {
            let Some(pool) = self.pools.get(ordinal) else { continue };
            let has = !pool.bounds.closures.is_empty() || self.windows.contains_key(&pool.cluster);
            if !has || of.is_some_and(|cluster| cluster != pool.cluster) {
                continue;
            }
            let closures = self.closures(pool);
            self.pools.change(ordinal, |pool| {
                pool.bounds.closures = closures;
                pool.version += 1;
            });
            self.touched(ordinal);
        }
    }

    pub(crate) fn close_windows(&self, pool: &mut Pool) {
        pool.bounds.closures = self.closures(pool);
    }

    fn closures(&self, pool: &Pool) -> Vec<Closure> {
        let windows = self.windows.get(&pool.cluster).map_or(&[][..], |w| w);
        let closure = |window: &Window| {
            let nodes: Vec<bool> = pool.names.iter().map(|name| window.nodes.binary_search(name).is_ok()).collect();
            let (from, until) = (window.from.as_micros(), window.until.as_micros());
            nodes.contains(&true).then(|| Closure { name: window.name.clone(), from, until, ours: window.ours, nodes })
        };
        windows.iter().filter_map(closure).collect()
    }
}
