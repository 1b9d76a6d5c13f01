//! Clusters, pools and prices as the API shows them.

use base::{Currency, Resources, Timestamp};
use model::{Chip, ClusterHealth, NodeState, Pool, Service};
use rating::{PoolCost, PriceBook, Sale, book};
use sched::PoolUse;
use wire::{Amounts, supply as shown};

use super::job::seconds_ceil;
use super::{backend, health, node_state, supply_mode};
use crate::access::Supply;
use crate::limits::POOL_NODES_SHOWN;

pub fn cluster(cluster: &model::Cluster, supply: &Supply) -> shown::Cluster {
    let pools = supply.pools.values().filter(|p| p.cluster == cluster.id).count();
    shown::Cluster {
        id: cluster.id,
        name: cluster.name.to_string(),
        backend: backend(cluster.backend),
        supplier: cluster.supplier,
        supplier_name: supply.supplier_name(cluster.supplier),
        site: cluster.site.to_string(),
        place: cluster.place.as_ref().map(place),
        health: health(cluster.health),
        service: super::service(cluster.service),
        pools: u32::try_from(pools).unwrap_or(u32::MAX),
        last_contact: None,
        lag_millis: None,
        version: None,
        remarks: Vec::new(),
    }
}

fn place(place: &model::Place) -> wire::place::Place {
    use wire::place::Degrees;
    let label = (!place.label.is_empty()).then(|| place.label.to_string());
    wire::place::Place { latitude: Degrees(place.latitude), longitude: Degrees(place.longitude), label }
}

/// A cluster in the shape that users of FirecREST know.
pub fn system(cluster: &model::Cluster, supply: &Supply) -> shown::System {
    let nodes = supply.pools.values().filter(|p| p.cluster == cluster.id).fold((0, 0), |(up, all), pool| {
        (up + pool.nodes_up(), all + u32::try_from(pool.nodes.len()).unwrap_or(u32::MAX))
    });
    shown::System {
        name: cluster.name.to_string(),
        scheduler: shown::SystemScheduler { kind: backend(cluster.backend) },
        health: health(cluster.health),
        services_health: vec![shown::ServiceHealth {
            service_type: "scheduler".into(),
            healthy: cluster.health == model::ClusterHealth::Reachable,
            nodes: shown::NodeCount { available: nodes.0, total: nodes.1 },
        }],
    }
}

const RETIRED: &str = "the configuration no longer names this pool: its nodes are drained, what runs there goes on";

/// What is known of a pool beside its row.
pub struct PoolNow<'a> {
    pub usage: Option<PoolUse>,
    pub reserved_nodes: Option<u32>,
    pub forecast: Option<shown::QueueForecast>,
    pub quality: Option<shown::ForecastQuality>,
    pub currency: Currency,
    /// The name of the one who asks.
    pub tenant: &'a str,
    pub now: Timestamp,
    pub cost: Option<PoolCost>,
    pub remarks: Vec<String>,
}

pub fn pool(pool: &Pool, supply: &Supply, now: PoolNow<'_>) -> shown::Pool {
    let PoolNow { usage, reserved_nodes, forecast, quality, currency, tenant, now, cost, mut remarks } = now;
    if !pool.retired.is_empty() {
        remarks.push(RETIRED.to_owned());
    }
    let chip = pool.chip.as_ref().map(Chip::as_str);
    let amounts = |r: Resources| Amounts::of(r, chip);
    let (cost, fee) = cost.as_ref().map_or((None, None), super::cost::shown);
    shown::Pool {
        id: pool.id,
        name: pool.name.to_string(),
        cluster: pool.cluster,
        cluster_name: supply.cluster_name(pool.cluster),
        cluster_health: health(supply.clusters.get(&pool.cluster).map_or(ClusterHealth::Unreachable, |c| c.health)),
        cluster_service: super::service(supply.clusters.get(&pool.cluster).map_or(Service::Retired, |c| c.service)),
        mode: supply_mode(pool.mode),
        chip: chip.map(Into::into),
        shape: amounts(pool.shape),
        nodes_total: u32::try_from(pool.nodes.len()).unwrap_or(u32::MAX),
        nodes_up: pool.nodes.iter().filter(|n| n.state == NodeState::Up).count() as u32,
        total: amounts(pool.capacity()),
        free: usage.map(|u| amounts(u.free)),
        running_jobs: usage.map(|u| u.jobs_running),
        reserved_nodes,
        time_limit_max_seconds: pool.time_limit_max.map(seconds_ceil),
        forecast,
        quality,
        price: book::in_force(&supply.books, currency, now).and_then(|book| price(book, pool, tenant)),
        cost,
        fee,
        remarks,
        nodes: pool
            .nodes
            .iter()
            .take(POOL_NODES_SHOWN)
            .map(|n| shown::Node { name: n.name.to_string(), state: node_state(n.state) })
            .collect(),
    }
}

/// What is shown of a queue; nothing before there is a bound.
pub fn forecast(known: &sched::forecast::WaitForecast) -> Option<shown::QueueForecast> {
    let (told, kept) = known.record();
    let wait = known.bound()?.as_micros().max(0) as u64;
    Some(shown::QueueForecast { wait_seconds: wait.div_ceil(1_000_000), told, kept })
}

/// How good forecasts were.
pub fn quality(known: &engine::quality::Quality) -> shown::ForecastQuality {
    let errors = |errors: &engine::quality::Errors| shown::ForecastErrors {
        count: errors.count,
        mean_absolute_millis: errors.mean_absolute().map_or(0, |mean| mean.as_millis().unsigned_abs()),
        bias_millis: errors.bias().map_or(0, base::Span::as_millis),
        within_factor_two: errors.within_two,
    };
    shown::ForecastQuality { starts: errors(&known.starts), runs: errors(&known.runs) }
}

fn price(book: &PriceBook, pool: &Pool, tenant: &str) -> Option<shown::PoolPrice> {
    let rates = book.rates(&Sale {
        tenant,
        pool: &pool.name,
        chip: pool.chip.as_ref(),
        product: Default::default(),
        class: Default::default(),
        shape: pool.shape,
        nodes: 1,
        per_node: pool.shape,
        call: Default::default(),
    })?;
    Some(shown::PoolPrice {
        core_hour: rates.core_hour.into(),
        gib_hour: rates.gib_hour.into(),
        card_hour: rates.card_hour.map(Into::into),
        currency: book.currency.to_string(),
    })
}
