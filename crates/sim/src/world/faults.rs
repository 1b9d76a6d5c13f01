//! What goes wrong in a world, and what others do there: links that are cut, nodes that fail, what a cluster does by itself.

use std::sync::Arc;

use base::{ClusterId, PoolId, Resources, Span};

use super::{Doing, Due, World};

/// From the cut of a link to the report that the cluster does not answer.
const UNREACHABLE_AFTER: Span = Span::from_secs(30);

impl World {
    /// Cuts the link to a cluster; noticed after a while.
    pub fn cut(&mut self, cluster: ClusterId) {
        self.cuts += 1;
        let cut = self.cuts;
        if let Some(place) = self.places.get_mut(&cluster).filter(|p| p.cut.is_none()) {
            place.cut = Some(cut);
            let at = self.now + UNREACHABLE_AFTER;
            self.push(at, Due::Unreachable { cluster, cut });
        }
    }

    /// Joins it again: what waited on both sides is delivered, then the cluster counts as reachable.
    pub fn join(&mut self, cluster: ClusterId) {
        let Some(place) = self.places.get_mut(&cluster).filter(|p| p.cut.is_some()) else { return };
        place.cut = None;
        let (reports, effects) = (std::mem::take(&mut place.reports), std::mem::take(&mut place.effects));
        let nothing_kept = reports.is_empty() && effects.is_empty();
        reports.into_iter().for_each(|what| self.report(cluster, what));
        effects.into_iter().for_each(|effect| self.send(effect));
        if nothing_kept {
            self.note(|| "nothing waited on either side".to_owned());
        }
        // A restart during the cut forgot what waited: the cluster is asked for everything.
        self.resume_later(cluster);
    }

    /// A machine fails or is repaired; its cluster notices.
    pub fn set_node(&mut self, pool: PoolId, node: &str, up: bool) {
        let Some(cluster) = self.tables.pools.get(&pool).map(|p| p.cluster) else { return };
        let node: Arc<str> = node.into();
        self.note(|| format!("node {node} of {pool} goes {}", if up { "up" } else { "down" }));
        self.at_cluster(cluster, |model, at| model.set_node(pool, &node, up, at));
    }

    /// What a cluster does to one attempt by itself.
    pub fn at_attempt(&mut self, cluster: ClusterId, attempt: base::AttemptId, doing: Doing) {
        self.note(|| format!("the cluster: {doing:?} {attempt}"));
        self.at_cluster(cluster, |model, at| match &doing {
            Doing::Interrupt(outcome) => model.interrupt(attempt, *outcome, at),
            Doing::Suspend => model.suspend(attempt, true, at),
            Doing::Continue => model.suspend(attempt, false, at),
            Doing::Say(text) => model.say(attempt, text),
        });
    }

    /// Others take so much of a node from now on.
    pub fn set_foreign(&mut self, pool: PoolId, node: &str, busy: Resources) {
        let Some(cluster) = self.tables.pools.get(&pool).map(|p| p.cluster) else { return };
        let node: Arc<str> = node.into();
        self.at_cluster(cluster, |model, _| model.set_foreign(pool, &node, busy));
    }

    /// Others take something of a node, as far as the present engine was told.
    pub fn has_foreign(&self) -> bool {
        self.foreign.values().any(|(_, busy)| *busy != Resources::ZERO)
    }

    /// The cluster queues work again by itself when a node fails under it.
    pub fn set_requeues(&mut self, cluster: ClusterId) {
        if let Some(place) = self.places.get_mut(&cluster) {
            place.model.requeues = true;
        }
    }
}
