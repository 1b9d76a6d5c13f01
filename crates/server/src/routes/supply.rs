//! What the operator has to offer: systems, clusters, pools and nodes.

use std::collections::HashMap;

use axum::Json;
use base::PoolId;
use engine::Command;
use futures::{StreamExt, stream};
use sched::PoolUse;
use wire::Page;
use wire::page::PageQuery;
use wire::supply::{Cluster, ForecastQuality, NodeChange, NodeChanged, Pool, QueueForecast, Systems};

use super::page_of;
use crate::access::{Body, Caller, Meta, OperatorAccess, Params, Segments};
use crate::app::{App, CommandError};
use crate::convert::{self, supply::PoolNow};
use crate::limits::{CLUSTER_SAYS_WITHIN, CLUSTERS_ASKED_AT_ONCE};
use crate::problem::Failure;

/// The clusters in the shape that users of FirecREST know.
#[utoipa::path(
    get, path = "/v1/systems", tag = "supply", operation_id = "systems",
    responses((status = 200, description = "All systems", body = Systems))
)]
pub(super) async fn systems(caller: Caller) -> Result<Json<Systems>, Failure> {
    let supply = caller.names().supply().await?;
    let mut systems: Vec<_> = supply.clusters.values().map(|c| convert::supply::system(c, &supply)).collect();
    systems.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(Systems { systems }))
}

/// Clusters, by name; to operators and auditors with what each says of itself.
#[utoipa::path(
    get, path = "/v1/clusters", tag = "supply", operation_id = "clusters", params(PageQuery),
    responses((status = 200, description = "A page of clusters", body = Page<Cluster>))
)]
pub(super) async fn clusters(caller: Caller, Params(query): Params<PageQuery>) -> Result<Json<Page<Cluster>>, Failure> {
    let supply = caller.names().supply().await?;
    let mut all: Vec<Cluster> = supply.clusters.values().map(|c| convert::supply::cluster(c, &supply)).collect();
    all.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    let mut page = page_of(all, query.limit, query.cursor.as_deref(), |c| c.id.to_string())?;
    if caller.who.sees_all() {
        let app = caller.app();
        let told = stream::iter(page.items).map(|cluster| tell(app, cluster));
        page.items = told.buffered(CLUSTERS_ASKED_AT_ONCE).collect().await;
    }
    Ok(Json(page))
}

/// Adds what a cluster says of itself, or why it says nothing, for those who run it.
pub(super) async fn tell(app: &App, mut cluster: Cluster) -> Cluster {
    if let Some(link) = app.links.state(cluster.id) {
        if let Some(status) = link.status {
            cluster.last_contact = status.last_contact.map(Into::into);
            cluster.lag_millis = Some(status.lag.as_millis());
            cluster.remarks.extend(status.last_error);
        }
        cluster.remarks.extend(link.error);
    }
    let clusters = &app.clusters;
    let asked = tokio::time::timeout(CLUSTER_SAYS_WITHIN, clusters.facts(cluster.id)).await;
    match asked {
        Ok(Ok(Some(facts))) => {
            cluster.version = Some(facts.version.clone());
            cluster.remarks.extend(facts.remarks.iter().cloned());
        }
        // Another server has the connection.
        Ok(Ok(None)) => {}
        Ok(Err(error)) => cluster.remarks.push(error.to_string()),
        Err(_) => cluster.remarks.push(format!("it said nothing of itself within {} s", CLUSTER_SAYS_WITHIN.as_secs())),
    }
    cluster.remarks.extend(clusters.notes(cluster.id));
    cluster
}

/// Pools that the caller's tenant may use, by name, with what is free and what it costs.
#[utoipa::path(
    get, path = "/v1/pools", tag = "supply", operation_id = "pools", params(PageQuery),
    responses((status = 200, description = "A page of pools", body = Page<Pool>))
)]
pub(super) async fn pools(caller: Caller, Params(query): Params<PageQuery>) -> Result<Json<Page<Pool>>, Failure> {
    let supply = caller.names().supply().await?;
    let who = &caller.who;
    let mut seen: Vec<&model::Pool> =
        supply.pools.values().filter(|p| who.sees_all() || p.admits(who.tenant)).collect();
    seen.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    let page = page_of(seen, query.limit, query.cursor.as_deref(), |p| p.id.to_string())?;
    let usage = usage(&caller, page.items.iter().map(|p| p.id).collect()).await?;
    let now = caller.app().clock.now();
    let tenant = caller.names().tenant(who.tenant).await?;
    let tenant: &str = tenant.as_ref().map_or("", |tenant| &tenant.name);
    let items = page.items.into_iter().map(|pool| {
        let remarks = caller.app().clusters.get(pool.cluster).map(|c| c.pool_remarks(pool.id)).unwrap_or_default();
        let known = usage.get(&pool.id);
        let (usage, forecast, quality) = match known {
            Some(Known { usage, forecast, quality, .. }) => (Some(*usage), *forecast, *quality),
            None => (None, None, None),
        };
        let reserved_nodes = known.filter(|_| who.sees_all()).and_then(|known| known.reserved_nodes);
        let cost = who.sees_all().then(|| supply.costs.get(&pool.id).cloned()).flatten();
        let now =
            PoolNow { usage, reserved_nodes, forecast, quality, currency: who.currency, tenant, now, cost, remarks };
        convert::supply::pool(pool, &supply, now)
    });
    Ok(Json(Page { items: items.collect(), next_cursor: page.next_cursor }))
}

/// What the engine knows of a pool.
struct Known {
    usage: PoolUse,
    reserved_nodes: Option<u32>,
    forecast: Option<QueueForecast>,
    quality: Option<ForecastQuality>,
}

/// What is taken of each pool, how its queue goes and how good forecasts were; nothing where this server does not run the engine.
async fn usage(caller: &Caller, pools: Vec<PoolId>) -> Result<HashMap<PoolId, Known>, Failure> {
    let asked = caller.app().engine.ask(move |engine, _| {
        let known = |id| {
            let usage = engine.pool_use(id)?;
            let forecast = engine.queue_forecast(id).and_then(convert::supply::forecast);
            let (reserved_nodes, quality) = (engine.reserved_nodes(id), engine.forecast_quality(id));
            Some((id, Known { usage, reserved_nodes, forecast, quality: quality.map(convert::supply::quality) }))
        };
        pools.into_iter().filter_map(known).collect::<HashMap<_, _>>()
    });
    match asked.await {
        Ok(usage) => Ok(usage),
        Err(CommandError::NotActive { .. } | CommandError::Unavailable(_) | CommandError::Stopping) => {
            Ok(HashMap::new())
        }
        Err(CommandError::Denied(denied)) => Err(denied.into()),
    }
}

/// Drain a node, take it down, or bring it back.
#[utoipa::path(
    post, path = "/v1/pools/{pool}/nodes/{node}", tag = "supply", operation_id = "set_node", request_body = NodeChange,
    params(
        ("pool" = String, Path, description = "Name or id"),
        ("node" = String, Path, description = "Name of the node"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")
    ),
    responses((status = 200, description = "The node's state now", body = NodeChanged))
)]
pub(super) async fn set_node(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<NodeChange>,
) -> Result<Json<NodeChanged>, Failure> {
    let supply = access.names().supply().await?;
    let pool = supply.find_pool(segments.get("pool")).ok_or_else(|| Failure::not_found("pool"))?.id;
    let node = segments.get("node").to_owned();
    let state = body.value.state;
    let command = Command::SetNode { pool, node: node.clone(), state: convert::node_state_from(state) };
    access.command(command, meta.once(access.who.user, &body.raw)).await?;
    Ok(Json(NodeChanged { pool, node, state }))
}
