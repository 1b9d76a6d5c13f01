//! History on several clusters with supply and money: the engine itself decides, over [`World`](crate::World), with admission, holds,
//! metering and the auditor. Refuses to know files, clocks and what is printed.
//!
//! Start reading at [`Supply`] (what there is, from a TOML file), then [`play`] and [`Sums`] (what is told afterwards).

mod acts;
mod play;
mod sums;
#[cfg(test)]
mod tests;
mod written;

use std::sync::Arc;

use base::{Bytes, Money, Resources, Span};
use engine::network::{Home, Network};
use model::{Chip, SupplyMode};
use rating::{NodeCost, OwnCost, PoolCost, SupplierFee};
use sched::{Links, Path};

pub use engine::Steering;
#[cfg(test)]
pub(crate) use play::at_last_arrival;
pub use play::{Fate, Played, STINTS_JOBS_MAX, Source, Stint, play};
pub use sums::{Group, Sums, csv, group_of, sums};
pub use written::Fault;
pub(crate) use written::span_or_none;

use crate::replay::Rules;
use crate::world::Lateness;
use written::Mode;

/// Hours of a month: a twelfth of 365 days, as costs are counted.
const MONTH_HOURS: i64 = 730;

/// What there is to play on, checked.
#[derive(Clone, Debug)]
pub struct Supply {
    meter_interval: Span,
    look_interval: Span,
    prices: written::Prices,
    cards: std::collections::BTreeMap<Chip, Money>,
    pub clusters: Vec<Cluster>,
    pub pools: Vec<Pool>,
    outages: Vec<Outage>,
    pub tenants: Vec<Tenant>,
    /// What placement is told, unless the policy has links of its own.
    network: Network,
}

#[derive(Clone, Debug)]
pub struct Cluster {
    pub name: String,
    pub mode: SupplyMode,
    site: Option<String>,
    region: String,
    start_delay: Span,
    queue_wait: Span,
}

#[derive(Clone, Debug)]
pub struct Pool {
    pub name: String,
    /// Place in [`Supply::clusters`].
    pub cluster: usize,
    pub nodes: u32,
    /// Of one node.
    pub shape: Resources,
    chip: Option<Chip>,
    time_limit_max: Option<Span>,
    /// Of a node. A partner's fee stands as what the data centre is paid, which is accrued for use only.
    cost: Option<PoolCost>,
    foreign: Vec<written::Foreign>,
    /// From when on a node costs something else, in order of time.
    cost_changes: Vec<(Span, PoolCost)>,
}

#[derive(Clone, Debug)]
struct Outage {
    what: Broken,
    from: Span,
    lasts: Span,
}

#[derive(Clone, Debug)]
enum Broken {
    /// Place of the pool, and how many of its nodes.
    Nodes(usize, u32),
    /// Place of the cluster.
    Link(usize),
    /// Between two sites.
    Way([String; 2]),
    /// Place of the cluster whose ends become known late or without usage.
    Accounting(usize, Lateness),
}

#[derive(Clone, Debug)]
pub struct Tenant {
    pub name: String,
    traces: Vec<String>,
    groups: Vec<u32>,
    shares: u32,
    /// Place of the cluster where its work ran before.
    home: Option<usize>,
    /// Where its data is.
    site: Option<String>,
    pub contract: Option<Contract>,
    /// By cluster: how long a job's data is on its way there, and what that costs.
    data: Vec<(Span, Money)>,
    bytes: Bytes,
}

/// A term contract; a tenant without one buys on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    pub promise: sched::Promise,
    pub fee_month: Money,
    /// Given back for each job within the commitment that waited longer than promised.
    pub broken: Money,
}

impl Tenant {
    /// What the data of one of its jobs costs on the way to the cluster at that place.
    pub fn data_cost(&self, cluster: usize) -> Money {
        self.data.get(cluster).map_or(Money::ZERO, |data| data.1)
    }
}

/// How records become jobs of a supply whose widest pool has so many cores.
pub fn rules(cores_max: u32) -> Rules {
    Rules { shifts_to_zero: true, plays_empty_runs: false, ..Rules::on(cores_max) }
}

impl Supply {
    /// Reads a supply file. Tenants that no entry names are added when a trace of that name is played.
    ///
    /// # Errors
    /// It is not TOML, has a key that does not exist (with line), or its parts contradict each other.
    pub fn parse(text: &str) -> Result<Supply, Fault> {
        let file: written::File = toml::from_str(text).map_err(|fault| Fault::Toml(fault.to_string()))?;
        Self::check(file).map_err(Fault::Sense)
    }

    fn check(file: written::File) -> Result<Supply, String> {
        let cards = file.prices.cards()?;
        let region = |site: &Option<String>| {
            let Some(name) = site else { return Ok(String::new()) };
            let found = file.sites.iter().find(|s| s.name == *name);
            found.map(|s| s.region.clone()).ok_or_else(|| format!("there is no site `{name}`"))
        };
        let cluster = |written: &written::Cluster| {
            Ok(Cluster {
                name: written.name.clone(),
                mode: if written.mode == Mode::Own { SupplyMode::Own } else { SupplyMode::Partner },
                region: region(&written.site)?,
                site: written.site.clone(),
                start_delay: written.start_delay,
                queue_wait: written.queue_wait,
            })
        };
        let clusters = file.clusters.iter().map(cluster).collect::<Result<Vec<_>, String>>()?;
        once("cluster", clusters.iter().map(|c| &c.name))?;
        let place = |name: &str| {
            let found = clusters.iter().position(|c| c.name == name);
            found.ok_or_else(|| format!("there is no cluster `{name}`"))
        };
        let pools = file.pools.iter().map(|p| pool(p, place(&p.cluster)?, &clusters)).collect::<Result<Vec<_>, _>>()?;
        once("pool", pools.iter().map(|p| &p.name))?;
        if pools.is_empty() {
            return Err("there is no pool: write at least one [[cluster]] and one [[pool]]".into());
        }
        let outage = |o: &written::Outage| {
            let what = match (&o.pool, &o.cluster, &o.link) {
                (Some(name), None, None) => {
                    let at = pools.iter().position(|p| p.name == *name);
                    let at = at.ok_or_else(|| format!("there is no pool `{name}`"))?;
                    Broken::Nodes(at, o.nodes.unwrap_or(pools[at].nodes).min(pools[at].nodes))
                }
                (None, Some(name), None) => Broken::Link(place(name)?),
                (None, None, Some(sites)) => {
                    region(&Some(sites[0].clone()))?;
                    region(&Some(sites[1].clone()))?;
                    Broken::Way(sites.clone())
                }
                _ => return Err("an [[outage]] names a pool, a cluster or a link".to_owned()),
            };
            Ok(Outage { what, from: o.from, lasts: o.lasts })
        };
        let late = |a: &written::Accounting| {
            if a.missing_permille > 1_000 || a.late_max < Span::ZERO {
                return Err(format!("[[accounting]] of `{}`: `missing_permille` is at most 1000", a.cluster));
            }
            let lateness = Lateness { late_max: a.late_max, missing_permille: a.missing_permille };
            Ok(Outage { what: Broken::Accounting(place(&a.cluster)?, lateness), from: a.from, lasts: a.lasts })
        };
        let outages = file.outages.iter().map(outage).chain(file.accounting.iter().map(late));
        let outages = outages.collect::<Result<Vec<_>, _>>()?;
        let network = network(&file);
        if let Some(problem) = network.fault() {
            return Err(format!("link: {problem}"));
        }
        let tenants = tenants(&file, &clusters, &network.links())?;
        let written::Run { meter_interval, look_interval } = file.run;
        if meter_interval <= Span::ZERO || look_interval <= Span::ZERO {
            return Err("run: an interval must be longer than zero".into());
        }
        let prices = file.prices;
        Ok(Supply { meter_interval, look_interval, prices, cards, clusters, pools, outages, tenants, network })
    }

    /// Cores of the widest job that any pool can hold.
    pub fn cores_max(&self) -> u32 {
        let widest = self.pools.iter().map(|p| u64::from(p.nodes) * p.shape.cpu.cores_ceil()).max();
        u32::try_from(widest.unwrap_or(0)).unwrap_or(u32::MAX)
    }

    /// A job's processors as nodes and cores of each: one node where some pool has as large ones, else the fewest of the largest.
    fn cut(&self, procs: u32) -> (u32, u64) {
        let procs = u64::from(procs.max(1));
        let largest = self.pools.iter().map(|p| p.shape.cpu.cores_ceil()).max().unwrap_or(1).max(1);
        let nodes = procs.div_ceil(largest);
        (u32::try_from(nodes).unwrap_or(u32::MAX), procs.div_ceil(nodes))
    }
}

fn tenants(file: &written::File, clusters: &[Cluster], links: &Links) -> Result<Vec<Tenant>, String> {
    let mut tenants = Vec::new();
    for written in &file.tenants {
        if let Some(site) = written.site.as_ref().filter(|site| !file.sites.iter().any(|s| s.name == **site)) {
            return Err(format!("there is no site `{site}`"));
        }
        let home = |name: &String| {
            let found = clusters.iter().position(|c| c.name == *name);
            found.ok_or_else(|| format!("there is no cluster `{name}`"))
        };
        tenants.push(Tenant {
            name: written.name.clone(),
            traces: written.traces.clone().unwrap_or_else(|| vec![written.name.clone()]),
            groups: written.groups.clone(),
            shares: written.shares,
            home: written.home.as_ref().map(home).transpose()?,
            site: written.site.clone(),
            contract: None,
            data: clusters.iter().map(|c| data(written, c, links)).collect::<Result<_, _>>()?,
            bytes: bytes(written),
        });
    }
    once("tenant", tenants.iter().map(|t| &t.name))?;
    for contract in &file.contracts {
        let tenant = tenants.iter_mut().find(|t| t.name == contract.tenant && t.contract.is_none());
        let tenant = tenant.ok_or_else(|| format!("there is no tenant `{}` without contract", contract.tenant))?;
        let promise = sched::Promise { cores: contract.cores, wait: contract.wait };
        tenant.contract = Some(Contract { promise, fee_month: contract.fee_month, broken: contract.broken });
    }
    Ok(tenants)
}

fn pool(written: &written::Pool, cluster: usize, clusters: &[Cluster]) -> Result<Pool, String> {
    let of = |text: &str| format!("pool `{}`: {text}", written.name);
    if written.nodes == 0 || written.cores == 0 {
        return Err(of("at least one node with one core"));
    }
    let chip = written.chip.as_ref().map(|c| c.parse::<Chip>().map_err(|_| of("no such chip"))).transpose()?;
    let cost = match (clusters[cluster].mode, written.cost, written.fee_core_hour) {
        (SupplyMode::Own, cost, None) => cost.map(|c| {
            let node = NodeCost {
                purchase_price: c.purchase_price,
                residual: c.residual,
                life_months: c.life_months.max(1),
                datacentre_fee_month: c.datacentre_fee_month,
            };
            PoolCost::Own(OwnCost { node, stages: Vec::new() })
        }),
        (SupplyMode::Partner, None, fee) => fee.map(fee_cost),
        (SupplyMode::Own, _, Some(_)) => return Err(of("an own pool has a [pool.cost], no fee")),
        (SupplyMode::Partner, Some(_), _) => return Err(of("a partner's pool has a fee_core_hour, no cost")),
    };
    if clusters[cluster].mode == SupplyMode::Own && !written.fee_changes.is_empty() {
        return Err(of("an own pool has no fee that could change"));
    }
    let change = |change: &written::FeeChange| (change.from, fee_cost(change.fee_core_hour));
    let mut cost_changes: Vec<_> = written.fee_changes.iter().map(change).collect();
    cost_changes.sort_by_key(|change| change.0);
    Ok(Pool {
        cost_changes,
        name: written.name.clone(),
        cluster,
        nodes: written.nodes,
        shape: Resources::new(written.cores, Bytes::from_gib(written.memory_gib), written.gpus),
        chip,
        time_limit_max: written.time_limit_max,
        cost,
        foreign: written.foreign.clone(),
    })
}

fn fee_cost(fee_core_hour: Money) -> PoolCost {
    PoolCost::Partner(SupplierFee::by_core(fee_core_hour))
}

/// How long a job's data is on its way from the tenant's site to a cluster, and what that costs. Where nothing is said there is neither.
fn data(tenant: &written::Tenant, cluster: &Cluster, links: &Links) -> Result<(Span, Money), String> {
    let (Some(from), Some(to)) = (&tenant.site, &cluster.site) else { return Ok((Span::ZERO, Money::ZERO)) };
    let data = bytes(tenant);
    if data.0 == 0 {
        return Ok((Span::ZERO, Money::ZERO));
    }
    let path = links.between(&from.as_str().into(), &to.as_str().into());
    let path = path.ok_or_else(|| format!("there is no link between `{from}` and `{to}`"))?;
    Ok((path.time(data), path.price(data)))
}

/// What each job of a tenant brings.
fn bytes(tenant: &written::Tenant) -> Bytes {
    Bytes((tenant.data_gib.max(0.0) * Bytes::GIB as f64).round() as u64)
}

/// The file's sites and links as a policy's document has them, with the tenants' sites.
fn network(file: &written::File) -> Network {
    let mut network = Network::default();
    for link in &file.links {
        let path = Path { latency: link.latency, bandwidth: link.bandwidth, gib_price: link.gib_price };
        let (a, b) = if link.from <= link.to { (&link.from, &link.to) } else { (&link.to, &link.from) };
        // The first of a pair counts.
        network.between.entry(a.clone()).or_default().entry(b.clone()).or_insert(path);
    }
    for tenant in &file.tenants {
        let site: Arc<str> = tenant.site.as_deref().unwrap_or_default().into();
        network.tenants.insert(tenant.name.clone(), Home { files: site.clone(), users: site });
    }
    network
}

fn once<'a>(noun: &str, names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !model::people::valid_name(name) {
            return Err(format!("`{name}` is no name for a {noun}: 1 to 40 of a-z 0-9 -"));
        }
        if !seen.insert(name) {
            return Err(format!("there are two of the {noun} `{name}`"));
        }
    }
    Ok(())
}
