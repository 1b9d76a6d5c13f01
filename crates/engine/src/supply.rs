//! Commands on suppliers, clusters, pools and nodes.

use base::{ClusterId, PoolId};
use model::people::valid_name;
use model::{Actor, ClusterHealth, EventKind, NodeState, Pool};
use sched::{NodeView, PoolView};

use crate::denied::Denied;
use crate::input::{Command, Report};
use crate::record::{Batch, Record};
use crate::state::{Engine, PoolEntry};

impl Engine {
    pub(crate) fn supply_command(&mut self, command: Command, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        let action = command.word();
        match command {
            Command::RegisterSupplier(supplier) => {
                let id = supplier.id;
                self.audit(out, actor, action, id.to_string(), None, supplier.name.to_string());
                out.records.push(Record::Supplier(supplier.clone()));
                self.suppliers.insert(id, supplier);
                Ok(Report::Supplier { supplier: id })
            }
            Command::RegisterCluster(mut cluster) => {
                check_name("cluster", &cluster.name)?;
                if !self.suppliers.contains_key(&cluster.supplier) {
                    return Err(Denied::NotFound("supplier"));
                }
                let id = cluster.id;
                if self.clusters.values().any(|c| c.name == cluster.name && c.id != id) {
                    return Err(Denied::NameTaken { noun: "cluster", name: cluster.name.to_string() });
                }
                // What the platform has seen of its health stays.
                cluster.health = self.clusters.get(&id).map_or(ClusterHealth::Unreachable, |c| c.health);
                self.audit(out, actor, action, id.to_string(), None, cluster.name.to_string());
                out.records.push(Record::Cluster(cluster.clone()));
                self.clusters.insert(id, cluster);
                Ok(Report::Cluster { cluster: id })
            }
            Command::RegisterPool { mut pool, cost } => {
                check_name("pool", &pool.name)?;
                if !self.clusters.contains_key(&pool.cluster) {
                    return Err(Denied::NotFound("cluster"));
                }
                if self.pools.values().any(|p| p.pool.name == pool.name && p.pool.id != pool.id) {
                    return Err(Denied::NameTaken { noun: "pool", name: pool.name.to_string() });
                }
                if pool.nodes.is_empty() || pool.shape.cpu.0 == 0 {
                    return Err(Denied::Invalid("a pool needs at least one node with at least one core"));
                }
                let id = pool.id;
                // What is known of the nodes' state stays.
                let known = self.pools.get(&id).map_or(&[][..], |p| &p.pool.nodes);
                for node in &mut pool.nodes {
                    node.state = known.iter().find(|n| n.name == node.name).map_or(node.state, |n| n.state);
                }
                self.audit(out, actor, action, id.to_string(), None, pool.name.to_string());
                self.event(out, actor, None, None, EventKind::PoolChanged { pool: id });
                out.records.push(Record::Pool(pool.clone()));
                out.records.push(Record::PoolCost { pool: id, cost });
                let entry = PoolEntry { pool, cost };
                self.sched.upsert_pool(self.view(&entry));
                self.admissions.clear();
                self.pools.insert(id, entry);
                Ok(Report::Pool { pool: id })
            }
            Command::SetNode { pool, node, state } => {
                if !self.set_node(pool, &node, state, actor, out)? {
                    return Ok(Report::Pool { pool });
                }
                self.audit(out, actor, action, format!("{pool}/{node}"), None, format!("{state:?}"));
                Ok(Report::Pool { pool })
            }
            _ => Err(Denied::Invalid("not a command on supply")),
        }
    }

    /// Sets a node's state; `false` when it is in that state already.
    fn set_node(
        &mut self,
        pool: PoolId,
        node: &str,
        state: NodeState,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<bool, Denied> {
        let entry = self.pools.get_mut(&pool).ok_or(Denied::NotFound("pool"))?;
        let found = entry.pool.nodes.iter_mut().find(|n| &*n.name == node).ok_or(Denied::NotFound("node"))?;
        if found.state == state {
            return Ok(false);
        }
        found.state = state;
        let name = found.name.clone();
        if actor != Actor::Platform {
            // From here on the node's state is somebody else's doing.
            entry.pool.retired.retain(|n| *n != name);
        }
        out.records.push(Record::Pool(entry.pool.clone()));
        self.sched.set_node(pool, node, state);
        self.admissions.clear();
        self.event(out, actor, None, None, EventKind::NodeChanged { pool, node: name, state });
        Ok(true)
    }

    /// A cluster reports a node; one that an operator drained stays drained while it is up.
    pub(crate) fn node_seen(
        &mut self,
        cluster: ClusterId,
        pool: PoolId,
        node: &str,
        state: NodeState,
        out: &mut Batch,
    ) {
        let Some(entry) = self.pools.get(&pool).filter(|p| p.pool.cluster == cluster) else { return };
        let drained = entry.pool.nodes.iter().any(|n| &*n.name == node && n.state == NodeState::Drained);
        if drained && state == NodeState::Up {
            return;
        }
        // A node nobody knows is no news.
        let _ = self.set_node(pool, node, state, Actor::Cluster(cluster), out);
    }

    /// Prices changed, or supply as a whole: the scheduler sees the pools anew and admission forgets its verdicts.
    pub(crate) fn supply_changed(&mut self) {
        self.admissions.clear();
        let views: Vec<PoolView> = self.pools.values().map(|p| self.view(p)).collect();
        for view in views {
            self.sched.upsert_pool(view);
        }
    }

    fn view(&self, entry: &PoolEntry) -> PoolView {
        let pool: &Pool = &entry.pool;
        // Candidates are compared in the operator's currency; each tenant pays by its own book.
        let book = rating::book::in_force(&self.books, self.policy.cost_currency, self.now);
        let price = book.map(|b| b.rates(pool.chip.as_ref())).map_or(sched::Rates::default(), |r| rates(&r));
        let cost = entry.cost.map_or(sched::Rates::default(), |c| rates(&c.rates(pool.shape)));
        PoolView {
            id: pool.id,
            name: pool.name.clone(),
            cluster: pool.cluster,
            mode: pool.mode,
            shape: pool.shape,
            chip: pool.chip.clone(),
            nodes: pool.nodes.iter().map(|n| NodeView { name: n.name.clone(), state: n.state }).collect(),
            time_limit_max: pool.time_limit_max,
            tenants: pool.tenants.clone(),
            reachable: self.clusters.get(&pool.cluster).is_some_and(|c| c.health == ClusterHealth::Reachable),
            price,
            cost,
        }
    }
}

fn rates(r: &rating::Rates) -> sched::Rates {
    sched::Rates { core_hour: r.core_hour, gib_hour: r.gib_hour, card_hour: r.card_hour }
}

fn check_name(noun: &'static str, name: &str) -> Result<(), Denied> {
    if valid_name(name) { Ok(()) } else { Err(Denied::BadName { noun, name: name.chars().take(60).collect() }) }
}
