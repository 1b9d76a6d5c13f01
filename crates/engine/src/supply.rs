//! Commands on suppliers, clusters, pools and nodes.

use std::sync::Arc;

use base::{ClusterId, Money, PoolId, Resources};
use model::people::valid_name;
use model::{
    Actor, AttemptPhase, Cluster, ClusterHealth, ClusterLink, ClusterReport, ClusterTerms, EventKind, Licence,
    NodeState, Place, Pool, ReportKind, Service, SupplyMode,
};
use rating::PoolCost;
use sched::{ClusterView, LicenceView, NodeView, PoolView};

use crate::denied::Denied;
use crate::input::{Command, Report};
use crate::record::{Batch, Record};
use crate::sale::compared;
use crate::state::{Engine, PoolEntry};

/// What a node with cards costs is carried by its cards. Work that takes cores alone keeps as large a part of it from being used as
/// of the cores it takes.
fn spread_over(shape: Resources, cost: sched::Rates) -> sched::Rates {
    let all_cards = cost.card_hour.unwrap_or(Money::ZERO).micros().saturating_mul(i64::from(shape.gpus));
    let cores = i64::try_from(shape.cpu.cores_ceil()).unwrap_or(i64::MAX).max(1);
    sched::Rates { bare_core_hour: Money(all_cards / cores), ..cost }
}

/// Millionths of a degree as degrees.
fn degrees(micro: i32) -> String {
    let (sign, size) = (if micro < 0 { "-" } else { "" }, micro.unsigned_abs());
    format!("{sign}{}.{:06}", size / 1_000_000, size % 1_000_000)
}

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
                self.check_cluster(&cluster)?;
                let id = cluster.id;
                // What the platform has seen of its health stays.
                let known = self.clusters.get(&id);
                cluster.health = known.map_or(ClusterHealth::Unreachable, |c| c.health);
                cluster.place = cluster.place.or_else(|| known?.place.clone());
                cluster.terms = known.map_or_else(Arc::default, |c| c.terms.clone());
                self.audit(out, actor, action, id.to_string(), None, cluster.name.to_string());
                out.records.push(Record::Cluster(cluster.clone()));
                self.clusters.insert(id, cluster);
                self.recount(self.pools_of(id), out);
                Ok(Report::Cluster { cluster: id })
            }
            Command::ConnectCluster { cluster, link } => self.connect_cluster(cluster, link, actor, out),
            Command::SetService { cluster, service, force } => self.set_service(cluster, service, force, actor, out),
            Command::PlaceCluster { cluster, place } => self.place_cluster(cluster, place, actor, out),
            Command::KeepReport(report) => self.keep_report(report, actor, out),
            Command::DescribeCluster { cluster, terms } => self.describe_cluster(cluster, terms, out),
            Command::RegisterPool { pool, cost } => self.register_pool(pool, cost, actor, out),
            Command::SetPoolCost { pool, cost } => self.set_pool_cost(pool, cost, actor, out),
            Command::SetNode { pool, node, state } => {
                let ordered = Some(state).filter(|s| *s != NodeState::Up);
                if !self.set_node(pool, &node, state, ordered, actor, out)? {
                    return Ok(Report::Pool { pool });
                }
                self.audit(out, actor, action, format!("{pool}/{node}"), None, format!("{state:?}"));
                Ok(Report::Pool { pool })
            }
            _ => Err(Denied::Invalid("not a command on supply")),
        }
    }

    fn register_pool(
        &mut self,
        mut pool: Pool,
        cost: Option<PoolCost>,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
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
        pool.past_use = self.pools.get(&id).map_or_else(Default::default, |p| p.pool.past_use.clone());
        let known = self.pools.get(&id).map_or(&[][..], |p| &p.pool.nodes);
        for node in &mut pool.nodes {
            if let Some(known) = known.iter().find(|n| n.name == node.name) {
                (node.state, node.ordered) = (known.state, known.ordered);
            }
        }
        self.audit(out, actor, "pool.register", id.to_string(), None, pool.name.to_string());
        self.event(out, actor, None, None, EventKind::PoolChanged { pool: id });
        out.records.push(Record::Pool(pool.clone()));
        let cost = cost.or_else(|| self.pools.get(&id).and_then(|known| known.cost.clone()));
        let cost = cost.map(|cost| self.agreed(&pool, cost));
        self.cut_stretch(id, out);
        out.records.push(Record::PoolCost { pool: id, cost: cost.clone() });
        let entry = PoolEntry { pool, cost };
        self.sched.upsert_pool(self.view(&entry));
        self.admissions.clear();
        let sold = |p: &Pool| (p.name.clone(), p.chip.clone(), p.shape);
        let now_sold = sold(&entry.pool);
        let known = self.pools.insert(id, entry);
        if known.is_none_or(|known| sold(&known.pool) != now_sold) {
            self.sold_changed();
        }
        self.recount([id], out);
        Ok(Report::Pool { pool: id })
    }

    fn set_pool_cost(&mut self, id: PoolId, cost: PoolCost, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        let entry = self.pools.get(&id).ok_or(Denied::NotFound("pool"))?;
        if (entry.pool.mode == SupplyMode::Own) != cost.own().is_some() {
            return Err(Denied::Invalid("an own pool has a cost, a partner's pool a fee"));
        }
        let (name, cost) = (entry.pool.name.to_string(), self.agreed(&entry.pool, cost));
        self.cut_stretch(id, out);
        self.audit(out, actor, "pool.cost", id.to_string(), None, name);
        out.records.push(Record::PoolCost { pool: id, cost: Some(cost.clone()) });
        if let Some(entry) = self.pools.get_mut(&id) {
            entry.cost = Some(cost);
        }
        if let Some(view) = self.pools.get(&id).map(|entry| self.view(entry)) {
            self.sched.upsert_pool(view);
        }
        self.recount([id], out);
        Ok(Report::Pool { pool: id })
    }

    /// Sets a node's state and what was ordered of it; `false` when both are so already.
    fn set_node(
        &mut self,
        pool: PoolId,
        node: &str,
        state: NodeState,
        ordered: Option<NodeState>,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<bool, Denied> {
        let entry = self.pools.get_mut(&pool).ok_or(Denied::NotFound("pool"))?;
        let found = entry.pool.nodes.iter_mut().find(|n| &*n.name == node).ok_or(Denied::NotFound("node"))?;
        if (found.state, found.ordered) == (state, ordered) {
            return Ok(false);
        }
        (found.state, found.ordered) = (state, ordered);
        let name = found.name.clone();
        if actor != Actor::Platform {
            // From here on the node's state is somebody else's doing.
            entry.pool.retired.retain(|n| *n != name);
        }
        out.records.push(Record::Pool(entry.pool.clone()));
        self.sched.set_node(pool, node, state);
        self.admissions.clear();
        self.event(out, actor, None, None, EventKind::NodeChanged { pool, node: name, state });
        self.recount([pool], out);
        Ok(true)
    }

    /// A cluster reports a node; what an operator ordered is not lifted by it.
    pub(crate) fn node_seen(
        &mut self,
        cluster: ClusterId,
        pool: PoolId,
        node: &str,
        state: NodeState,
        out: &mut Batch,
    ) {
        let Some(entry) = self.pools.get(&pool).filter(|p| p.pool.cluster == cluster) else { return };
        let ordered = entry.pool.nodes.iter().find(|n| &*n.name == node).and_then(|n| n.ordered);
        let state = ordered.map_or(state, |ordered| ordered.max(state));
        // A node nobody knows is no news.
        let _ = self.set_node(pool, node, state, ordered, Actor::Cluster(cluster), out);
    }

    fn check_cluster(&self, cluster: &Cluster) -> Result<(), Denied> {
        check_name("cluster", &cluster.name)?;
        if !self.suppliers.contains_key(&cluster.supplier) {
            return Err(Denied::NotFound("supplier"));
        }
        let taken = |c: &Cluster| c.name == cluster.name && (c.id != cluster.id || c.backend != cluster.backend);
        if self.clusters.values().any(taken) {
            return Err(Denied::NameTaken { noun: "cluster", name: cluster.name.to_string() });
        }
        Ok(())
    }

    fn connect_cluster(
        &mut self,
        mut cluster: Cluster,
        link: ClusterLink,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        self.check_cluster(&cluster)?;
        let id = cluster.id;
        if link.cluster != id {
            return Err(Denied::Invalid("the link is another cluster's"));
        }
        let known = self.clusters.get(&id);
        cluster.health = known.map_or(ClusterHealth::Unreachable, |c| c.health);
        // One in service stays there: its operator changes the way, not the cluster.
        cluster.service = known.map_or(Service::Testing, |c| c.service);
        cluster.place = cluster.place.or_else(|| known?.place.clone());
        cluster.terms = known.map_or_else(Arc::default, |c| c.terms.clone());
        if cluster.service == Service::Retired {
            cluster.service = Service::Testing;
        }
        cluster.tried_at = None;
        self.audit(out, actor, "cluster.connect", id.to_string(), None, cluster.name.to_string());
        out.records.push(Record::ClusterLink(link));
        self.replace_cluster(cluster, out);
        Ok(Report::Cluster { cluster: id })
    }

    fn set_service(
        &mut self,
        id: ClusterId,
        service: Service,
        force: bool,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        let known = self.clusters.get(&id).ok_or(Denied::NotFound("cluster"))?;
        if known.service == service {
            return Ok(Report::Cluster { cluster: id });
        }
        let untried = service == Service::InService && known.tried_at.is_none();
        if untried && !force {
            return Err(Denied::Untried);
        }
        let mut cluster = known.clone();
        cluster.service = service;
        let how = if untried { ", forced: no trial has passed" } else { "" };
        self.audit(out, actor, "cluster.service", id.to_string(), None, format!("{}{how}", service.as_str()));
        self.replace_cluster(cluster, out);
        Ok(Report::Cluster { cluster: id })
    }

    /// Placement does not look at it: pools stay as they are.
    fn place_cluster(
        &mut self,
        id: ClusterId,
        place: Option<Place>,
        actor: Actor,
        out: &mut Batch,
    ) -> Result<Report, Denied> {
        if place.as_ref().is_some_and(|place| !place.is_on_earth()) {
            return Err(Denied::Invalid("a latitude is at most 90 degrees, a longitude at most 180"));
        }
        let known = self.clusters.get_mut(&id).ok_or(Denied::NotFound("cluster"))?;
        if known.place == place {
            return Ok(Report::Cluster { cluster: id });
        }
        known.place = place;
        let cluster = known.clone();
        let detail = cluster.place.as_ref().map_or_else(
            || "nowhere".to_owned(),
            |at| format!("{},{} {}", degrees(at.latitude), degrees(at.longitude), at.label).trim_end().to_owned(),
        );
        self.audit(out, actor, "cluster.place", id.to_string(), None, detail);
        out.records.push(Record::Cluster(cluster));
        Ok(Report::Cluster { cluster: id })
    }

    fn keep_report(&mut self, report: ClusterReport, actor: Actor, out: &mut Batch) -> Result<Report, Denied> {
        let id = report.cluster;
        let known = self.clusters.get(&id).ok_or(Denied::NotFound("cluster"))?;
        let word = match report.kind {
            ReportKind::Check => "check",
            ReportKind::Trial => "trial",
        };
        if report.kind == ReportKind::Trial {
            let mut cluster = known.clone();
            cluster.tried_at = report.passed.then_some(self.now);
            out.records.push(Record::Cluster(cluster.clone()));
            self.clusters.insert(id, cluster);
        }
        let detail = format!("{word} {}", if report.passed { "passed" } else { "failed" });
        self.audit(out, actor, "cluster.report", id.to_string(), None, detail);
        out.records.push(Record::ClusterReport(report));
        Ok(Report::Cluster { cluster: id })
    }

    /// A cluster says what holds in all its pools. Nobody's doing: no line in the audit log.
    fn describe_cluster(&mut self, id: ClusterId, mut terms: ClusterTerms, out: &mut Batch) -> Result<Report, Denied> {
        let known = self.clusters.get_mut(&id).ok_or(Denied::NotFound("cluster"))?;
        terms.licences.sort();
        terms.windows.iter_mut().for_each(|w| w.nodes.sort());
        terms.windows.sort();
        if *known.terms != terms {
            known.terms = Arc::new(terms);
            out.records.push(Record::Cluster(known.clone()));
        }
        // What others hold of a licence is what is in use beyond our own, which has changed even where the sum has not.
        self.apply_terms(id);
        self.admissions.clear();
        Ok(Report::Cluster { cluster: id })
    }

    /// Tells the scheduler what holds in all pools of a cluster.
    pub(crate) fn apply_terms(&mut self, id: ClusterId) {
        let Some(terms) = self.clusters.get(&id).map(|c| &c.terms) else { return };
        let running = self.attempts.values().filter(|a| a.cluster == id && a.phase == AttemptPhase::Running);
        let asked: Vec<_> = running.filter_map(|a| self.jobs.get(&a.id.job)?.spec.request.conditions.clone()).collect();
        let licence = |l: &Licence| {
            let ours: u32 = asked.iter().map(|c| c.licence(&l.name)).sum();
            LicenceView { name: l.name.clone(), total: l.total, others: l.used.saturating_sub(ours) }
        };
        let licences = terms.licences.iter().map(licence).collect();
        let view = ClusterView { together: terms.together, licences, windows: terms.windows.clone() };
        self.sched.set_cluster(id, view, self.now);
    }

    /// Stores a changed cluster; its pools are seen anew, since it may take work now, or no more.
    fn replace_cluster(&mut self, cluster: Cluster, out: &mut Batch) {
        let id = cluster.id;
        out.records.push(Record::Cluster(cluster.clone()));
        self.clusters.insert(id, cluster);
        let pools = self.pools_of(id);
        self.recount(pools.clone(), out);
        for pool in pools {
            if let Some(view) = self.pools.get(&pool).map(|entry| self.view(entry)) {
                self.sched.upsert_pool(view);
            }
            self.event(out, Actor::Platform, None, None, EventKind::PoolChanged { pool });
        }
        self.admissions.clear();
    }

    pub(crate) fn pools_of(&self, cluster: ClusterId) -> Vec<PoolId> {
        self.pools.values().filter(|p| p.pool.cluster == cluster).map(|p| p.pool.id).collect()
    }

    /// The terms of a pool with what was left to the platform: the life of its nodes, and when they went into service.
    fn agreed(&self, pool: &Pool, cost: PoolCost) -> PoolCost {
        let PoolCost::Own(mut own) = cost else { return cost };
        if own.node.life_months == 0 {
            own.node.life_months = rating::assets::life_months_usual(pool.chip.as_ref());
        }
        PoolCost::Own(self.staged(pool.id, pool.nodes.len() as u32, own))
    }

    /// Prices changed, or supply as a whole: the scheduler sees the pools anew and admission forgets its verdicts.
    pub(crate) fn supply_changed(&mut self) {
        self.admissions.clear();
        let views: Vec<PoolView> = self.pools.values().map(|p| self.view(p)).collect();
        for view in views {
            self.sched.upsert_pool(view);
        }
        self.sold_changed();
    }

    pub(crate) fn view(&self, entry: &PoolEntry) -> PoolView {
        let pool: &Pool = &entry.pool;
        let cluster = self.clusters.get(&pool.cluster);
        // Candidates are compared in the operator's currency; each tenant pays by its own book.
        let price = self.list_rates(pool);
        let cost = entry.cost.as_ref();
        let cost = cost.map_or(sched::Rates::default(), |c| {
            let rates = compared(&c.at(self.now).rates(pool.shape));
            // A partner's cards cost their fee only when they are used.
            if c.own().is_some() { spread_over(pool.shape, rates) } else { rates }
        });
        PoolView {
            id: pool.id,
            name: pool.name.clone(),
            cluster: pool.cluster,
            mode: pool.mode,
            site: cluster.map_or_else(Default::default, |c| c.site.clone()),
            region: cluster.map_or_else(Default::default, |c| c.region.clone()),
            shape: pool.shape,
            chip: pool.chip.clone(),
            nodes: pool.nodes.iter().map(|n| NodeView { name: n.name.clone(), state: n.state }).collect(),
            time_limit_max: pool.time_limit_max,
            tenants: pool.tenants.clone(),
            reserve: self.kept(pool),
            reachable: cluster.is_some_and(|c| c.health == ClusterHealth::Reachable),
            service: cluster.map_or(Service::Retired, |c| c.service),
            terms: pool.terms.clone(),
            price,
            cost,
        }
    }
}

fn check_name(noun: &'static str, name: &str) -> Result<(), Denied> {
    if valid_name(name) { Ok(()) } else { Err(Denied::BadName { noun, name: name.chars().take(60).collect() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_alone_cost_what_their_part_of_the_node_does() {
        let shape = Resources::new(64, base::Bytes::from_gib(512), 8);
        let cost = sched::Rates { card_hour: Some(Money(1_000)), ..sched::Rates::default() };
        let spread = spread_over(shape, cost);
        assert_eq!((spread.bare_core_hour, spread.core_hour), (Money(125), Money::ZERO));
        assert_eq!(
            spread.hourly(&Resources::new(64, base::Bytes(0), 0)),
            spread.hourly(&shape),
            "the whole node either way"
        );
        let plain = sched::Rates { core_hour: Money(10), ..sched::Rates::default() };
        assert_eq!(spread_over(Resources::new(64, base::Bytes(0), 0), plain), plain);
    }
}
