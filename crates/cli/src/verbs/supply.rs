//! What there is to run on: pools, nodes, clusters.

use clap::{Args, Subcommand};
use wire::supply::{Cluster, ForecastErrors, Pool};
use wire::{ClusterHealth, ClusterService, NodeState};

use crate::desk::Desk;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::text::Word;
use crate::view::cell::Tone;
use crate::view::{Cell, Part, Table, View, to_json};

/// Pools and clusters read at once: the ten thousand the platform is designed for.
pub(super) const SUPPLY_MAX: usize = 10_000;

#[derive(Debug, Args)]
pub struct Pools {
    /// Only these pools, with everything about them
    #[arg(value_name = "POOL")]
    pub names: Vec<String>,
    /// How good the platform's forecasts of starts and run times were
    #[arg(long)]
    pub forecast: bool,
}

pub async fn pools(desk: &Desk, args: Pools) -> Result<View, Fault> {
    let mut page = desk.client()?.pools().take(SUPPLY_MAX).await?;
    if args.names.is_empty() {
        let table = if args.forecast { forecasts_table(&page.items) } else { pools_table(&page.items) };
        return Ok(View::table(&page, table));
    }
    for name in &args.names {
        if !page.items.iter().any(|pool| is_named(pool, name)) {
            return Err(Fault::NotFound(Word::NoSuchPool, vec![("pool", name.clone())]));
        }
    }
    page.items.retain(|pool| args.names.iter().any(|name| is_named(pool, name)));
    if args.forecast {
        let table = forecasts_table(&page.items);
        return Ok(View::table(&page, table));
    }
    let parts = page.items.iter().map(|pool| Part::Facts(pool_facts(pool))).collect();
    Ok(View::of(&page, parts))
}

fn is_named(pool: &Pool, name: &str) -> bool {
    pool.name == name || pool.id.to_string() == name
}

pub fn pools_table(pools: &[Pool]) -> Table {
    let heads = [
        Word::Pool,
        Word::Cluster,
        Word::Health,
        Word::Mode,
        Word::Chip,
        Word::NodesUp,
        Word::Running,
        Word::Free,
        Word::Total,
        Word::CoreHour,
        Word::GibHour,
        Word::CardHour,
        Word::Currency,
    ];
    let row = |pool: &Pool| {
        let up = if pool.nodes_up == pool.nodes_total { Tone::Plain } else { Tone::Bad };
        let price = pool.price.as_ref();
        vec![
            Cell::text(&pool.name),
            Cell::text(&pool.cluster_name),
            cluster_health(pool),
            Cell::text(pool.mode.as_str()),
            Cell::maybe(pool.chip.as_ref(), Cell::text),
            Cell::Toned(format!("{}/{}", pool.nodes_up, pool.nodes_total), up),
            Cell::maybe(pool.running_jobs, Cell::number),
            Cell::maybe(pool.free.as_ref(), |free| Cell::text(&free.tres)),
            Cell::text(&pool.total.tres),
            Cell::maybe(price, |price| Cell::Money(price.core_hour)),
            Cell::maybe(price, |price| Cell::Money(price.gib_hour)),
            Cell::maybe(price.and_then(|price| price.card_hour), Cell::Money),
            Cell::maybe(price, |price| Cell::text(&price.currency)),
        ]
    };
    Table::new("pool", &heads).with(pools.iter().map(row))
}

/// How good forecasts were: of starts, of run times, of waits in the cluster's own queue.
pub fn forecasts_table(pools: &[Pool]) -> Table {
    let heads = [
        Word::Pool,
        Word::Starts,
        Word::StartError,
        Word::StartBias,
        Word::StartsNear,
        Word::Runs,
        Word::RunError,
        Word::RunBias,
        Word::RunsNear,
        Word::QueueWait,
        Word::ForecastKept,
    ];
    let of = |errors: Option<ForecastErrors>| {
        let known = errors.filter(|errors| errors.count > 0);
        let share =
            |e: ForecastErrors| Cell::number(format!("{:.0}%", e.within_factor_two as f64 * 100.0 / e.count as f64));
        [
            Cell::number(errors.map_or(0, |errors| errors.count)),
            Cell::maybe(known, |e| Cell::Seconds(e.mean_absolute_millis as f64 / 1e3)),
            Cell::maybe(known, |e| Cell::number(format!("{:+.1} s", e.bias_millis as f64 / 1e3))),
            Cell::maybe(known, share),
        ]
    };
    let row = |pool: &Pool| {
        let mut row = vec![Cell::text(&pool.name)];
        row.extend(of(pool.quality.map(|quality| quality.starts)));
        row.extend(of(pool.quality.map(|quality| quality.runs)));
        row.push(Cell::maybe(pool.forecast, |forecast| Cell::Seconds(forecast.wait_seconds as f64)));
        row.push(Cell::maybe(pool.forecast, |forecast| Cell::text(format!("{}/{}", forecast.kept, forecast.told))));
        row
    };
    Table::new("forecast", &heads).with(pools.iter().map(row))
}

/// One word for whether its cluster takes work: the service where it is not in service, else the health.
fn cluster_health(pool: &Pool) -> Cell {
    match (pool.cluster_service, pool.cluster_health) {
        (ClusterService::InService, ClusterHealth::Reachable) => Cell::Toned("reachable".into(), Tone::Good),
        (ClusterService::InService, health) => Cell::Toned(health.as_str().into(), Tone::Bad),
        (service, _) => Cell::Toned(service.as_str().into(), Tone::Faint),
    }
}

fn pool_facts(pool: &Pool) -> Vec<(Word, Cell)> {
    let in_state = |state| {
        let nodes = pool.nodes.iter().filter(|node| node.state == state);
        Cell::text(crate::slurm::hostlist::compress(nodes.map(|node| node.name.as_str())))
    };
    let mut facts = vec![
        (Word::Pool, Cell::text(&pool.name)),
        (Word::Id, Cell::text(pool.id.to_string())),
        (Word::Cluster, Cell::text(&pool.cluster_name)),
        (Word::Health, cluster_health(pool)),
        (Word::Mode, Cell::text(pool.mode.as_str())),
        (Word::Chip, Cell::maybe(pool.chip.as_ref(), Cell::text)),
        (Word::NodeShape, Cell::text(&pool.shape.tres)),
        (Word::NodesUp, Cell::text(format!("{}/{}", pool.nodes_up, pool.nodes_total))),
        (Word::Total, Cell::text(&pool.total.tres)),
        (Word::Free, Cell::maybe(pool.free.as_ref(), |free| Cell::text(&free.tres))),
        (Word::Running, Cell::maybe(pool.running_jobs, Cell::number)),
        (Word::TimeLimitMax, Cell::maybe(pool.time_limit_max_seconds, |seconds| Cell::Seconds(seconds as f64))),
        (Word::NodesAreUp, in_state(NodeState::Up)),
        (Word::NodesDrained, in_state(NodeState::Drained)),
        (Word::NodesDown, in_state(NodeState::Down)),
    ];
    if let Some(forecast) = &pool.forecast {
        facts.push((Word::QueueWait, Cell::Seconds(forecast.wait_seconds as f64)));
        facts.push((Word::ForecastKept, Cell::text(format!("{}/{}", forecast.kept, forecast.told))));
    }
    if let Some(price) = &pool.price {
        facts.push((Word::CoreHour, Cell::price(price.core_hour, &price.currency)));
        facts.push((Word::GibHour, Cell::price(price.gib_hour, &price.currency)));
        facts.push((Word::CardHour, Cell::maybe(price.card_hour, |amount| Cell::price(amount, &price.currency))));
    }
    facts.extend(pool.remarks.iter().map(|remark| (Word::Remark, Cell::text(remark))));
    facts
}

#[derive(Debug, Args)]
pub struct Nodes {
    #[command(subcommand)]
    pub act: Option<NodesAct>,
}

#[derive(Debug, Subcommand)]
pub enum NodesAct {
    /// List nodes (the default)
    List {
        /// Only this pool's
        #[arg(long, short = 'p', value_name = "POOL")]
        pool: Option<String>,
    },
    /// Let running work end and start nothing new
    Drain(NodeNames),
    /// Take a drained or dead node back
    Resume(NodeNames),
    /// Say that a node is dead
    Down(NodeNames),
}

#[derive(Debug, Args)]
pub struct NodeNames {
    /// The pool
    #[arg(value_name = "POOL")]
    pub pool: String,
    /// Nodes of the pool
    #[arg(value_name = "NODE", required = true)]
    pub nodes: Vec<String>,
}

pub async fn nodes(desk: &Desk, args: Nodes) -> Result<View, Fault> {
    match args.act.unwrap_or(NodesAct::List { pool: None }) {
        NodesAct::List { pool } => {
            let mut page = desk.client()?.pools().take(SUPPLY_MAX).await?;
            page.items.retain(|one| pool.as_ref().is_none_or(|name| is_named(one, name)));
            if let Some(pool) = pool.filter(|_| page.items.is_empty()) {
                return Err(Fault::NotFound(Word::NoSuchPool, vec![("pool", pool)]));
            }
            let rows = page.items.iter().flat_map(|pool| pool.nodes.iter().map(move |node| (pool, node)));
            let rows = rows.map(|(pool, node)| {
                vec![
                    Cell::text(&node.name),
                    Cell::text(&pool.name),
                    node_state(node.state),
                    Cell::text(&pool.shape.tres),
                    Cell::maybe(pool.chip.as_ref(), Cell::text),
                ]
            });
            let heads = [Word::Node, Word::Pool, Word::State, Word::NodeShape, Word::Chip];
            let table = Table::new("node", &heads).with(rows);
            Ok(View::table(&page, table))
        }
        NodesAct::Drain(names) => set(desk, names, NodeState::Drained).await,
        NodesAct::Resume(names) => set(desk, names, NodeState::Up).await,
        NodesAct::Down(names) => {
            let gaps = [("nodes", names.nodes.join(", "))];
            desk.confirm(Word::ReallyDown, &gaps)?;
            set(desk, names, NodeState::Down).await
        }
    }
}

fn node_state(state: NodeState) -> Cell {
    let tone = match state {
        NodeState::Up => Tone::Good,
        NodeState::Drained => Tone::Faint,
        NodeState::Down => Tone::Bad,
    };
    Cell::Toned(state.as_str().into(), tone)
}

async fn set(desk: &Desk, names: NodeNames, state: NodeState) -> Result<View, Fault> {
    let client = desk.client()?;
    let (mut answers, mut notes) = (Vec::new(), Vec::new());
    for node in &names.nodes {
        let answer = client.set_node(&names.pool, node, state).await?;
        notes.push(Word::NodeIs.fill(desk.lang(), &[("node", node.clone()), ("state", answer.state.to_string())]));
        answers.push(answer);
    }
    Ok(View { json: Some(to_json(&answers)), notes, ..View::done(Exit::Ok) })
}

pub async fn clusters(desk: &Desk) -> Result<View, Fault> {
    let page = desk.client()?.clusters().take(SUPPLY_MAX).await?;
    let row = |cluster: &Cluster| {
        let tone = if cluster.health == wire::ClusterHealth::Reachable { Tone::Good } else { Tone::Bad };
        vec![
            Cell::text(&cluster.name),
            Cell::text(cluster.backend.as_str()),
            Cell::text(&cluster.supplier_name),
            Cell::text(&cluster.site),
            Cell::Toned(cluster.health.as_str().into(), tone),
            Cell::text(cluster.service.as_str()),
            Cell::maybe(cluster.last_contact, Cell::Time),
            Cell::maybe(cluster.lag_millis, |ms| Cell::Seconds(ms as f64 / 1e3)),
            Cell::number(cluster.pools),
        ]
    };
    let heads = [
        Word::Cluster,
        Word::Backend,
        Word::Supplier,
        Word::Site,
        Word::Health,
        Word::Service,
        Word::LastContact,
        Word::Lag,
        Word::Pools,
    ];
    let mut view = View::table(&page, Table::new("cluster", &heads).with(page.items.iter().map(row)));
    let remarks = page.items.iter().flat_map(|cluster| cluster.remarks.iter().map(move |remark| (cluster, remark)));
    let rows: Vec<Vec<Cell>> =
        remarks.map(|(cluster, remark)| vec![Cell::text(&cluster.name), Cell::text(remark)]).collect();
    // For eyes only: a pipe gets clusters, a line each.
    if desk.settings.look.terminal && !rows.is_empty() {
        view.parts.push(Part::Title(Word::Remarks));
        view.parts.push(Part::Table(Table::new("remark", &[Word::Cluster, Word::Remark]).with(rows)));
    }
    Ok(view)
}
