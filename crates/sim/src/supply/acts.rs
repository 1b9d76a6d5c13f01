//! What happens to the supply by itself, in order of time: nodes, clusters and links fail, others come and go, fees change, ends become
//! known late. Refuses to know the work.

use base::{Bytes, Resources, Span};
use engine::Command;
use rating::PoolCost;

use super::play::{Run, node_name};
use super::{Broken, Supply};
use crate::world::Lateness;

#[derive(Clone, Debug)]
pub(super) enum Act {
    Nodes {
        pool: usize,
        count: u32,
        up: bool,
    },
    Link {
        cluster: usize,
        up: bool,
    },
    /// Data of the tenant that is to set out for the cluster waits for so long.
    Way {
        cluster: usize,
        tenant: usize,
        lasts: Span,
    },
    Accounting {
        cluster: usize,
        lateness: Lateness,
    },
    Foreign {
        pool: usize,
        count: u32,
        cores: u64,
    },
    Cost {
        pool: usize,
        cost: PoolCost,
    },
}

/// What happens, in order of time. `tenants`: the sites of their data.
pub(super) fn acts(supply: &Supply, tenants: &[Option<String>]) -> Vec<(Span, Act)> {
    let mut acts = Vec::new();
    for outage in &supply.outages {
        let (from, lasts) = (outage.from, outage.lasts);
        let until = from + lasts;
        match &outage.what {
            Broken::Nodes(pool, count) => {
                let (pool, count) = (*pool, *count);
                acts.extend([(from, false), (until, true)].map(|(at, up)| (at, Act::Nodes { pool, count, up })));
            }
            Broken::Link(cluster) => {
                acts.extend([(from, false), (until, true)].map(|(at, up)| (at, Act::Link { cluster: *cluster, up })));
            }
            Broken::Way(ends) => {
                let joins = |a: &Option<String>, b: &Option<String>| {
                    let (a, b) = (a.as_ref(), b.as_ref());
                    (a, b) == (Some(&ends[0]), Some(&ends[1])) || (a, b) == (Some(&ends[1]), Some(&ends[0]))
                };
                for (cluster, written) in supply.clusters.iter().enumerate() {
                    let behind = (0..).zip(tenants).filter(|(_, site)| joins(site, &written.site));
                    acts.extend(behind.map(|(tenant, _)| (from, Act::Way { cluster, tenant, lasts })));
                }
            }
            Broken::Accounting(cluster, lateness) => {
                let cluster = *cluster;
                let turns = [(from, *lateness), (until, Lateness::default())];
                acts.extend(turns.map(|(at, lateness)| (at, Act::Accounting { cluster, lateness })));
            }
        }
    }
    for (pool, written) in supply.pools.iter().enumerate() {
        for foreign in &written.foreign {
            let count = foreign.nodes.min(written.nodes);
            for (at, cores) in [(foreign.from, foreign.cores), (foreign.from + foreign.lasts, 0)] {
                acts.push((at, Act::Foreign { pool, count, cores }));
            }
        }
        acts.extend(written.cost_changes.iter().map(|(at, cost)| (*at, Act::Cost { pool, cost: cost.clone() })));
    }
    acts.sort_by_key(|(at, _)| *at);
    acts
}

impl Run<'_> {
    pub(super) fn act(&mut self, act: &Act) {
        match act {
            Act::Nodes { pool, count, up } => {
                (0..*count).for_each(|n| self.world.set_node(self.pools[*pool], &node_name(n), *up));
            }
            Act::Link { cluster, up: true } => self.world.join(self.clusters[*cluster]),
            Act::Link { cluster, up: false } => self.world.cut(self.clusters[*cluster]),
            Act::Way { cluster, tenant, lasts } => {
                let until = self.world.now() + *lasts;
                self.world.hold_data(self.clusters[*cluster], &self.tenants[*tenant].name, until);
            }
            Act::Accounting { cluster, lateness } => self.world.set_lateness(self.clusters[*cluster], *lateness),
            Act::Foreign { pool, count, cores } => {
                let busy = Resources::new(*cores, Bytes(0), 0);
                (0..*count).for_each(|n| self.world.set_foreign(self.pools[*pool], &node_name(n), busy));
            }
            Act::Cost { pool, cost } => {
                let now = Command::RegisterPool { pool: self.pool_as_written(*pool), cost: Some(cost.clone()) };
                if let Err(fault) = self.command(now) {
                    self.wrong.push(fault.to_string());
                }
            }
        }
    }
}
