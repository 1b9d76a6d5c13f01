//! What the operator has to offer: systems, clusters, pools, nodes and prices.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base::{Money, PoolId, PriceBookId};
use engine::{Command, Report};
use futures::{StreamExt, stream};
use model::Chip;
use rating::PriceBook;
use sched::PoolUse;
use wire::money::{PriceBook as ShownBook, PriceCreate, PriceCreated};
use wire::page::PageQuery;
use wire::supply::{Cluster, NodeChange, NodeChanged, Pool, QueueForecast, Systems};
use wire::{ErrorCode, MoneyText, Page};

use super::money::amount;
use super::{page_of, unexpected};
use crate::access::{Body, Caller, Meta, OperatorAccess, Params, Segments};
use crate::app::{App, CommandError};
use crate::convert::{self, supply::PoolNow};
use crate::limits::{CLUSTER_SAYS_WITHIN, CLUSTERS_ASKED_AT_ONCE, PRICE_CHIPS_MAX};
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
    let items = page.items.into_iter().map(|pool| {
        let remarks = caller.app().clusters.get(pool.cluster).map(|c| c.pool_remarks(pool.id)).unwrap_or_default();
        let (usage, forecast) = usage.get(&pool.id).copied().unzip();
        let cost = who.sees_all().then(|| supply.costs.get(&pool.id).copied()).flatten();
        let now = PoolNow { usage, forecast: forecast.flatten(), currency: who.currency, now, cost, remarks };
        convert::supply::pool(pool, &supply, now)
    });
    Ok(Json(Page { items: items.collect(), next_cursor: page.next_cursor }))
}

/// What is taken of each pool and how its queue goes; nothing where this server does not run the engine.
async fn usage(
    caller: &Caller,
    pools: Vec<PoolId>,
) -> Result<HashMap<PoolId, (PoolUse, Option<QueueForecast>)>, Failure> {
    let asked = caller.app().engine.ask(move |engine, _| {
        let forecast = |id| engine.queue_forecast(id).and_then(convert::supply::forecast);
        pools.into_iter().filter_map(|id| Some((id, (engine.pool_use(id)?, forecast(id))))).collect::<HashMap<_, _>>()
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

/// Versions of the selling prices, newest first.
#[utoipa::path(
    get, path = "/v1/prices", tag = "money", operation_id = "prices", params(PageQuery),
    responses((status = 200, description = "A page of price books", body = Page<ShownBook>))
)]
pub(super) async fn prices(caller: Caller, Params(query): Params<PageQuery>) -> Result<Json<Page<ShownBook>>, Failure> {
    let supply = caller.names().supply().await?;
    let mut all: Vec<&PriceBook> = supply.books.iter().collect();
    all.sort_by_key(|b| std::cmp::Reverse((b.effective_from, b.id)));
    let page = page_of(all, query.limit, query.cursor.as_deref(), |b| b.id.to_string())?;
    let items = page.items.into_iter().map(convert::supply::price_book).collect();
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

/// Publish a new version of the selling prices. Running work keeps the prices of its start.
#[utoipa::path(
    post, path = "/v1/prices", tag = "money", operation_id = "publish_prices", request_body = PriceCreate,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")),
    responses((status = 201, description = "Published", body = PriceCreated))
)]
pub(super) async fn publish_prices(
    access: OperatorAccess,
    meta: Meta,
    body: Body<PriceCreate>,
) -> Result<Response, Failure> {
    let PriceCreate { name, currency, effective_from, core_hour, gib_hour, card_hour } = body.value;
    if card_hour.len() > PRICE_CHIPS_MAX {
        return Err(Failure::invalid("card_hour", format!("at most {PRICE_CHIPS_MAX} chips in one book")));
    }
    if !model::people::valid_name(&name) {
        return Err(Failure::new(
            ErrorCode::BadName,
            format!("name: use 1 to 40 of a-z, 0-9, `-`, `_`, `.`: {name:.60}"),
        ));
    }
    let now = access.app().clock.now();
    let effective_from = effective_from.map_or(now, |t| t.0);
    if effective_from < now {
        return Err(Failure::invalid("effective_from", "prices are never changed after the fact: say a later time"));
    }
    let mut cards = BTreeMap::new();
    for (chip, price) in card_hour {
        let chip: Chip =
            chip.parse().map_err(|e: model::ParseChipError| Failure::invalid("card_hour", e.to_string()))?;
        cards.insert(chip, price_of("card_hour", price)?);
    }
    let id = PriceBookId::from_u128(access.app().ids.draw());
    let book = PriceBook {
        id,
        name: Arc::from(name),
        currency: currency.parse().map_err(|e: base::ParseMoneyError| Failure::invalid("currency", e.to_string()))?,
        effective_from,
        core_hour: price_of("core_hour", core_hour)?,
        gib_hour: price_of("gib_hour", gib_hour)?,
        card_hour: cards,
    };
    match access.command(Command::PublishPrices(book), meta.once(access.who.user, &body.raw)).await? {
        Report::Prices => Ok((StatusCode::CREATED, Json(PriceCreated { price_book: id })).into_response()),
        other => Err(unexpected(&other)),
    }
}

fn price_of(field: &str, text: MoneyText) -> Result<Money, Failure> {
    let price = amount(field, text)?;
    if price.is_negative() { Err(Failure::invalid(field, "a price is not negative")) } else { Ok(price) }
}
