//! What the platform has to offer, as the supply file that `hw twin replay --supply` reads. Knows the API's types; refuses to know
//! files and who may ask.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base::{Money, Timestamp};
use wire::ClusterService;
use wire::cost::SupplierFee;
use wire::people::Tenant;
use wire::prices::PriceBook;
use wire::supply::{Cluster, Pool};
use wire::twin_run::{TwinChanges, TwinOutage, TwinPool};

/// Of nodes whose owner did not say.
const LIFE_MONTHS: u32 = 60;
/// Of waits like those between random arrivals three of four are within ln 4 of their mean, and that bound is what is forecast.
const BOUND_OF_MEAN: f64 = 1.386_294;
/// Cores of a node below one, and memory below a GiB, are left out.
const CORE_MILLIS: u64 = 1_000;

/// The name that a supply gives the trace that goes with it.
pub const TRACE: &str = "history";

/// What is different from what was read: pools that are added, and what fails.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub add: Vec<TwinPool>,
    pub outages: Vec<TwinOutage>,
}

/// What was read of a platform.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    pub clusters: Vec<Cluster>,
    pub pools: Vec<Pool>,
    /// In any order.
    pub books: Vec<PriceBook>,
    pub tenants: Vec<Tenant>,
    /// The policy in force.
    pub policy: String,
    /// Group numbers of tenants in the trace that goes with it, by name; none where there is no trace.
    pub groups: BTreeMap<String, usize>,
    /// Name under which that trace is played.
    pub trace: &'static str,
    pub changes: Changes,
}

impl Offer {
    /// The supply file. `now` says which prices are in force.
    pub fn supply(&self, now: Timestamp) -> String {
        let mut out =
            String::from("# Written by `hw twin export`: pools, prices, tenants and contracts as they were then.\n");
        self.prices(now, &mut out);
        self.clusters(&mut out);
        self.added(&mut out);
        self.tenants(&mut out);
        out
    }

    /// The same with what somebody wants to be different.
    pub fn changed(mut self, changes: &TwinChanges) -> Offer {
        for loss in &changes.lose {
            for pool in self.pools.iter_mut().filter(|pool| pool.name == loss.pool) {
                pool.nodes_total = loss.nodes.map_or(0, |lost| pool.nodes_total.saturating_sub(lost));
            }
        }
        if let Some(policy) = &changes.policy {
            self.policy.clone_from(policy);
        }
        self.changes = Changes { add: changes.add.clone(), outages: changes.outages.clone() };
        self
    }

    fn currency(&self) -> &str {
        self.pools.iter().find_map(|pool| Some(pool.price.as_ref()?.currency.as_str())).unwrap_or("CNY")
    }

    fn prices(&self, now: Timestamp, out: &mut String) {
        let currency = self.currency();
        let in_force = self.books.iter().filter(|book| book.currency == currency && book.effective_from.0 <= now);
        let book = in_force.max_by_key(|book| (book.effective_from, book.id));
        let _ = writeln!(out, "\n[prices]\ncurrency = {}", text(currency));
        let Some(book) = book else {
            let _ = writeln!(out, "# No prices are in force.\ncore_hour = \"0\"");
            return;
        };
        let _ = writeln!(out, "name = {}", text(&book.name));
        // A supply file knows the short form only.
        let (core_hour, gib_hour) = (book.core_hour.unwrap_or_default(), book.gib_hour.unwrap_or_default());
        let _ = writeln!(out, "core_hour = \"{core_hour}\"\ngib_hour = \"{gib_hour}\"");
        if !book.card_hour.is_empty() {
            let _ = writeln!(out, "[prices.card_hour]");
            for (chip, price) in &book.card_hour {
                let _ = writeln!(out, "{} = \"{price}\"", text(chip));
            }
        }
    }

    fn clusters(&self, out: &mut String) {
        let of = |cluster: &Cluster| {
            self.pools
                .iter()
                .filter(|p| p.cluster == cluster.id && p.nodes_total > 0 && cores(p) > 0)
                .collect::<Vec<_>>()
        };
        let offered: Vec<(&Cluster, Vec<&Pool>)> = self
            .clusters
            .iter()
            .filter(|cluster| cluster.service == ClusterService::InService)
            .map(|cluster| (cluster, of(cluster)))
            .filter(|(_, pools)| !pools.is_empty())
            .collect();
        for site in offered.iter().map(|(cluster, _)| cluster.site.as_str()).collect::<BTreeSet<_>>() {
            let _ = writeln!(out, "\n[[site]]\nname = {}", text(site));
        }
        for (cluster, pools) in offered {
            let mode = pools[0].mode;
            let _ = writeln!(out, "\n[[cluster]]\nname = {}\nmode = \"{mode}\"", text(&cluster.name));
            let _ = writeln!(out, "site = {}", text(&cluster.site));
            if let Some(forecast) = pools.iter().filter_map(|pool| pool.forecast).max_by_key(|f| f.wait_seconds) {
                let mean = (forecast.wait_seconds as f64 / BOUND_OF_MEAN).round() as u64;
                let _ = writeln!(
                    out,
                    "queue_wait = \"{mean}s\" # three of four waits of late were within {} s",
                    forecast.wait_seconds
                );
            }
            pools.into_iter().for_each(|pool| self.pool(cluster, pool, out));
        }
    }

    fn pool(&self, cluster: &Cluster, pool: &Pool, out: &mut String) {
        let _ = writeln!(out, "\n[[pool]]\nname = {}\ncluster = {}", text(&pool.name), text(&cluster.name));
        let _ = writeln!(out, "nodes = {}\ncores = {}", pool.nodes_total, cores(pool));
        let _ = writeln!(out, "memory_gib = {}", pool.shape.memory_bytes >> 30);
        if pool.shape.gpus > 0 {
            let _ = writeln!(out, "gpus = {}", pool.shape.gpus);
        }
        if let Some(chip) = &pool.chip {
            let _ = writeln!(out, "chip = {}", text(chip));
        }
        if let Some(seconds) = pool.time_limit_max_seconds {
            let _ = writeln!(out, "time_limit_max = \"{seconds}s\"");
        }
        if let Some(fee) = &pool.fee {
            let _ = writeln!(out, "fee_core_hour = \"{}\"", fee_core_hour(fee, pool));
        }
        if let Some(cost) = &pool.cost {
            let _ = writeln!(out, "[pool.cost]\npurchase_price = \"{}\"", cost.purchase_price);
            let _ = writeln!(
                out,
                "residual = \"{}\"\nlife_months = {}",
                cost.residual,
                cost.life_months.unwrap_or(LIFE_MONTHS)
            );
            let _ = writeln!(out, "datacentre_fee_month = \"{}\"", cost.datacentre_fee_month);
        }
    }

    /// Pools that are not there, each of a cluster of its own, and what fails.
    fn added(&self, out: &mut String) {
        let largest = self.pools.iter().map(|pool| pool.shape.memory_bytes >> 30).max().unwrap_or(0);
        for pool in &self.changes.add {
            let (name, mode) = (text(&pool.name), pool.mode);
            let _ = writeln!(out, "\n[[cluster]]\nname = {name}\nmode = \"{mode}\"");
            let memory = pool.memory_gib.map_or(largest, u64::from);
            let _ = writeln!(out, "\n[[pool]]\nname = {name}\ncluster = {name}\nnodes = {}", pool.nodes);
            let _ = writeln!(out, "cores = {}\nmemory_gib = {memory}\ngpus = {}", pool.cores, pool.gpus);
            if let Some(fee) = pool.fee_core_hour {
                let _ = writeln!(out, "fee_core_hour = \"{fee}\"");
            }
            if let Some(month) = pool.node_month {
                let cost = "purchase_price = \"0\"\nlife_months = 1";
                let _ = writeln!(out, "[pool.cost]\n{cost}\ndatacentre_fee_month = \"{month}\"");
            }
        }
        for outage in &self.changes.outages {
            let _ = writeln!(out, "\n[[outage]]");
            if let Some(pool) = &outage.pool {
                let all = self.pools.iter().find(|known| known.name == *pool).map_or(0, |known| known.nodes_total);
                let nodes = outage.nodes.map_or(all, |nodes| nodes.min(all));
                let _ = writeln!(out, "pool = {}\nnodes = {nodes}", text(pool));
            }
            if let Some(cluster) = &outage.cluster {
                let _ = writeln!(out, "cluster = {}", text(cluster));
            }
            let _ = writeln!(out, "from = \"{}s\"\nfor = \"{}s\"", outage.from_seconds, outage.for_seconds);
        }
    }

    fn tenants(&self, out: &mut String) {
        for tenant in &self.tenants {
            let _ = writeln!(out, "\n[[tenant]]\nname = {}\nshares = {}", text(&tenant.name), tenant.shares);
            match self.groups.get(&tenant.name) {
                Some(group) => {
                    let _ = writeln!(out, "traces = [{}]\ngroups = [{group}]", text(self.trace));
                }
                // It handed nothing in: no trace has work of it.
                None if !self.groups.is_empty() => {
                    let _ = writeln!(out, "traces = []");
                }
                None => {}
            }
        }
        let policy: toml::Table = toml::from_str(&self.policy).unwrap_or_default();
        let contracts = policy.get("contracts").and_then(toml::Value::as_table);
        for (name, promise) in contracts.into_iter().flatten() {
            let (cores, wait) = (promise.get("cores").and_then(toml::Value::as_integer), promise.get("wait"));
            let is_known = self.tenants.iter().any(|tenant| tenant.name == *name);
            if let (Some(cores), Some(wait), true) = (cores, wait.and_then(toml::Value::as_str), is_known) {
                let _ =
                    writeln!(out, "\n[[contract]]\ntenant = {}\ncores = {cores}\nwait = {}", text(name), text(wait));
            }
        }
    }
}

fn cores(pool: &Pool) -> u64 {
    pool.shape.cpu_millis / CORE_MILLIS
}

/// What a core and hour cost at a partner: supply files know fees by the core alone, so those of a whole node are spread over its cores.
fn fee_core_hour(fee: &SupplierFee, pool: &Pool) -> Money {
    let of = |amount: Option<wire::MoneyText>| amount.map_or(0, |amount| amount.0.micros());
    let cards = of(fee.card_hour).saturating_mul(i64::from(pool.shape.gpus));
    let gib = of(fee.gib_hour).saturating_mul(i64::try_from(pool.shape.memory_bytes >> 30).unwrap_or(i64::MAX));
    let node = of(fee.node_hour).saturating_add(cards).saturating_add(gib);
    let cores = i64::try_from(cores(pool)).unwrap_or(i64::MAX).max(1);
    Money(of(fee.core_hour).saturating_add(node / cores))
}

/// As TOML writes a text.
fn text(value: &str) -> toml::Value {
    toml::Value::String(value.to_owned())
}
