//! What is told of a run: waits, slowdowns, use and money, in all and by cluster, pool, tenant and supply mode. Each figure says here how
//! it is computed. Refuses to know how it is printed.

use rating::PoolCost;
use std::io::Write;

use base::{Money, Span};
use model::SupplyMode;
use serde::Serialize;

use super::play::mode_of;
use super::{Fate, Played, Source, Supply};
use crate::replay::{TAU_S, quantile};

/// Figures of the jobs of one group. Times in seconds, money as decimal text, shares of one.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Group {
    pub name: String,
    pub jobs: usize,
    /// Of them, those that never started, or not before the run was broken off.
    pub unstarted: usize,
    /// Of them, those that did not end by themselves.
    pub failed: usize,
    pub mean_wait_s: f64,
    pub median_wait_s: f64,
    pub p95_wait_s: f64,
    pub max_wait_s: f64,
    /// max(1, (wait + run) / max(run, 10 s)).
    pub mean_bounded_slowdown: f64,
    /// Core-hours of the runs; and of what the group's pools had while the run lasted, the share, where the group is of supply.
    pub core_hours: f64,
    /// Core-hours that the group's pools had while the run lasted, where the group is of supply.
    pub capacity_core_hours: Option<f64>,
    pub utilization: Option<f64>,
    #[serde(serialize_with = "as_text")]
    pub revenue: Money,
    /// Fees of the contracts for as long as the run lasted, less what was given back for broken promises.
    #[serde(serialize_with = "as_text")]
    pub contract_fees: Money,
    /// To partners, for use.
    #[serde(serialize_with = "as_text")]
    pub fees: Money,
    /// Of own pools while work ran on them.
    #[serde(serialize_with = "as_text")]
    pub own_cost: Money,
    /// Of own pools while nothing did; only where the group is of supply.
    #[serde(serialize_with = "as_text")]
    pub idle_cost: Money,
    /// Of data on its way.
    #[serde(serialize_with = "as_text")]
    pub data_cost: Money,
    /// Revenue and contract fees less all costs.
    #[serde(serialize_with = "as_text")]
    pub margin: Money,
    /// Jobs within the commitment of their tenant's contract that started in the promised time, and that did not.
    pub promises_kept: usize,
    pub promises_broken: usize,
    /// Share that ran elsewhere than at home, of those whose tenant has a home.
    pub moved: Option<f64>,
}

fn as_text<S: serde::Serializer>(money: &Money, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(money)
}

/// All figures of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sums {
    pub all: Group,
    pub clusters: Vec<Group>,
    pub pools: Vec<Group>,
    pub tenants: Vec<Group>,
    pub modes: Vec<Group>,
}

/// One line for each job: `job,trace,tenant,submit_s,start_s,end_s,wait_s,run_s,procs,pool,promised,charge,cost,margin`, the job's place in
/// its trace from 0. What did not happen is empty.
///
/// # Errors
/// When the output cannot be written.
pub fn csv(supply: &Supply, played: &Played, sources: &[Source], mut out: impl Write) -> std::io::Result<()> {
    writeln!(out, "job,trace,tenant,submit_s,start_s,end_s,wait_s,run_s,procs,pool,promised,charge,cost,margin")?;
    let seconds = |span: Option<Span>| span.map_or(String::new(), |s| format!("{}", s.as_secs_f64()));
    for fate in &played.fates {
        let (trace, tenant) = (&sources[fate.source], &played.tenants[fate.tenant].name);
        let pool = fate.pool.map_or("", |at| supply.pools[at].name.as_str());
        let record = trace.load.records[fate.at];
        write!(out, "{record},{},{tenant},{},", trace.name, fate.submitted.as_secs())?;
        write!(out, "{},{},", seconds(fate.started), seconds(fate.ended))?;
        write!(out, "{},{},", seconds(fate.started.map(|s| s - fate.submitted)), fate.run.as_secs())?;
        let promised = u8::from(fate.promised);
        writeln!(out, "{},{pool},{promised},{},{},{}", fate.procs, fate.charge, fate.cost, fate.charge - fate.cost)?;
    }
    Ok(())
}

/// Figures of the jobs that count, under a name. Idle pools and contract fees are no part of them.
pub fn group_of(name: &str, supply: &Supply, played: &Played, counts: &dyn Fn(&Fate) -> bool) -> Group {
    group(name, supply, played, counts)
}

/// Sums a run up.
pub fn sums(supply: &Supply, played: &Played) -> Sums {
    let pools = 0..supply.pools.len();
    let cluster_of = |pool: usize| supply.pools[pool].cluster;
    let supply_side = |name: &str, has: &dyn Fn(usize) -> bool| {
        let of: Vec<usize> = pools.clone().filter(|p| has(*p)).collect();
        let mut group = group(name, supply, played, &|f| f.pool.is_some_and(has));
        add_supply(&mut group, supply, played, &of);
        group
    };
    let tenant = |(at, tenant): (usize, &super::Tenant)| {
        let mut group = group(&tenant.name, supply, played, &|f| f.tenant == at);
        add_contract(&mut group, tenant, played);
        group
    };
    let tenants: Vec<Group> = played.tenants.iter().enumerate().map(tenant).collect();
    let mut all = group("all", supply, played, &|_| true);
    add_supply(&mut all, supply, played, &pools.clone().collect::<Vec<_>>());
    for tenant in &tenants {
        all.contract_fees += tenant.contract_fees;
        all.margin += tenant.contract_fees;
    }
    let modes = [(SupplyMode::Own, "own"), (SupplyMode::Partner, "partner")];
    Sums {
        all,
        clusters: supply
            .clusters
            .iter()
            .enumerate()
            .map(|(at, c)| supply_side(&c.name, &|pool| cluster_of(pool) == at))
            .collect(),
        pools: supply.pools.iter().enumerate().map(|(at, p)| supply_side(&p.name, &|pool| pool == at)).collect(),
        tenants,
        modes: modes.iter().map(|(mode, name)| supply_side(name, &|pool| mode_of(supply, pool) == *mode)).collect(),
    }
}

fn group(name: &str, supply: &Supply, played: &Played, counts: &dyn Fn(&Fate) -> bool) -> Group {
    let mut found = Group { name: name.to_owned(), ..Group::default() };
    let (mut waits, mut slowdowns, mut homed, mut away) = (Vec::new(), 0.0, 0usize, 0usize);
    for fate in played.fates.iter().filter(|f| counts(f)) {
        let tenant = &played.tenants[fate.tenant];
        found.jobs += 1;
        found.failed += usize::from(fate.failed);
        found.revenue += fate.charge;
        if let Some(pool) = fate.pool {
            match mode_of(supply, pool) {
                SupplyMode::Own => found.own_cost += fate.cost,
                SupplyMode::Partner => found.fees += fate.cost,
            }
            let cluster = supply.pools[pool].cluster;
            found.data_cost += tenant.data_cost(cluster);
            homed += usize::from(tenant.home.is_some());
            away += usize::from(tenant.home.is_some_and(|home| home != cluster));
        }
        let Some(started) = fate.started else {
            found.unstarted += 1;
            continue;
        };
        let wait = started - fate.submitted;
        if let Some(contract) = tenant.contract.filter(|_| fate.promised) {
            let kept = wait <= contract.promise.wait;
            found.promises_kept += usize::from(kept);
            found.promises_broken += usize::from(!kept);
        }
        let (wait_s, run_s) = (wait.as_secs_f64(), fate.run.as_secs_f64());
        waits.push(wait_s);
        slowdowns += ((wait_s + run_s) / run_s.max(TAU_S as f64)).max(1.0);
        let ran = fate.ended.unwrap_or(played.lasted) - started;
        found.core_hours += f64::from(fate.procs) * ran.as_secs_f64() / 3_600.0;
    }
    found.margin = found.revenue - found.fees - found.own_cost - found.data_cost;
    found.moved = (homed > 0).then(|| away as f64 / homed as f64);
    if !waits.is_empty() {
        waits.sort_unstable_by(f64::total_cmp);
        found.mean_wait_s = waits.iter().sum::<f64>() / waits.len() as f64;
        found.mean_bounded_slowdown = slowdowns / waits.len() as f64;
        found.median_wait_s = quantile(&waits, 0.5);
        found.p95_wait_s = quantile(&waits, 0.95);
        found.max_wait_s = waits[waits.len() - 1];
    }
    found
}

/// What pools had and cost while the run lasted.
fn add_supply(group: &mut Group, supply: &Supply, played: &Played, pools: &[usize]) {
    let hours = played.lasted.as_secs_f64() / 3_600.0;
    let mut capacity = 0.0;
    let mut whole = Money::ZERO;
    for pool in pools.iter().map(|at| (mode_of(supply, *at), &supply.pools[*at])) {
        let (mode, pool) = pool;
        capacity += f64::from(pool.nodes) * pool.shape.cpu.cores_ceil() as f64 * hours;
        let own = pool.cost.as_ref().and_then(PoolCost::own);
        if let Some(own) = own.filter(|_| mode == SupplyMode::Own) {
            let each = own.node.of(pool.shape, pool.shape, played.lasted).map_or(Money::ZERO, |c| c.total());
            whole += Money(each.0.saturating_mul(i64::from(pool.nodes)));
        }
    }
    group.capacity_core_hours = Some(capacity);
    group.utilization = (capacity > 0.0).then(|| group.core_hours / capacity);
    group.idle_cost = (whole - group.own_cost).max(Money::ZERO);
    group.margin = group.margin - group.idle_cost;
}

fn add_contract(group: &mut Group, tenant: &super::Tenant, played: &Played) {
    let Some(contract) = tenant.contract else { return };
    let month = Span::from_hours(super::MONTH_HOURS).as_micros() as u128;
    let lasted = played.lasted.as_micros().max(0) as u128;
    let fee = Money::for_quantity(contract.fee_month, lasted, month).unwrap_or(Money::ZERO);
    let back = Money(contract.broken.0.saturating_mul(group.promises_broken as i64));
    group.contract_fees = fee - back;
    group.margin += group.contract_fees;
}
