//! Selling prices: their versions, publication, and the trial of a book on a month's work.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base::{Money, PriceBookId, TenantId, Timestamp};
use engine::{Command, Report};
use rating::tariff::{Month, UtcOffset};
use rating::trial::Tried;
use rating::{PriceBook, Sale, Trial, Usage};
use store::MeteredWork;
use wire::Page;
use wire::page::PageQuery;
use wire::prices::{PriceBook as ShownBook, PriceCreate, PriceCreated, PriceTrial, PriceTrialRow, PriceTry};

use super::{page_of, unexpected};
use crate::access::{Body, Caller, Meta, OperatorAccess, Params, Supply};
use crate::convert::prices::{book_from, price_book};
use crate::problem::Failure;

/// Versions of the selling prices, newest first. Items for other tenants are shown to operators and auditors only.
#[utoipa::path(
    get, path = "/v1/prices", tag = "money", operation_id = "prices", params(PageQuery),
    responses((status = 200, description = "A page of price books", body = Page<ShownBook>))
)]
pub(super) async fn list(caller: Caller, Params(query): Params<PageQuery>) -> Result<Json<Page<ShownBook>>, Failure> {
    let supply = caller.names().supply().await?;
    let mut all: Vec<&PriceBook> = supply.books.iter().collect();
    all.sort_by_key(|b| std::cmp::Reverse((b.effective_from, b.id)));
    let page = page_of(all, query.limit, query.cursor.as_deref(), |b| b.id.to_string())?;
    let tenant = caller.names().tenant(caller.who.tenant).await?;
    let own = tenant.as_ref().map_or("", |tenant| &tenant.name);
    let sight = (!caller.who.sees_all()).then_some(own);
    let items = page.items.into_iter().map(|book| price_book(book, sight)).collect();
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

/// Publish a new version of the selling prices. Running work keeps the prices of its start.
#[utoipa::path(
    post, path = "/v1/prices", tag = "money", operation_id = "publish_prices", request_body = PriceCreate,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")),
    responses((status = 201, description = "Published", body = PriceCreated))
)]
pub(super) async fn publish(access: OperatorAccess, meta: Meta, body: Body<PriceCreate>) -> Result<Response, Failure> {
    let now = access.app().clock.now();
    let id = PriceBookId::from_u128(access.app().ids.draw());
    let book = book_from(id, body.value, now)?;
    if book.effective_from < now {
        return Err(Failure::invalid("effective_from", "prices are never changed after the fact: say a later time"));
    }
    match access.command(Command::PublishPrices(book), meta.once(access.who.user, &body.raw)).await? {
        Report::Prices => Ok((StatusCode::CREATED, Json(PriceCreated { price_book: id })).into_response()),
        other => Err(unexpected(&other)),
    }
}

/// What a book would have charged for the metered work and the usage of a month in its currency. Nothing is published.
#[utoipa::path(
    post, path = "/v1/prices/trial", tag = "money", operation_id = "try_prices", request_body = PriceTry,
    responses((status = 200, description = "For each tenant, and in all", body = PriceTrial))
)]
pub(super) async fn try_out(access: OperatorAccess, body: Body<PriceTry>) -> Result<Json<PriceTrial>, Failure> {
    let PriceTry { month, book } = body.value;
    let now = access.app().clock.now();
    let book = book_from(PriceBookId::from_u128(0), book, now)?;
    let (month, from, to) = month_of(month.as_deref(), book.utc_offset, now)?;
    let supply = access.names().supply().await?;
    let mut names: BTreeMap<TenantId, Arc<str>> = BTreeMap::new();
    let mut trial = Trial::new(&book, from, to);
    let store = &access.app().store;
    let each = |work: &MeteredWork, interval: &rating::Interval| {
        names.entry(work.tenant).or_insert_with(|| work.tenant_name.clone());
        trial.take(work.tenant, sale(work, &supply).as_ref(), interval);
    };
    store.metered(book.currency, from, to, each).await?;
    let each = |tenant: TenantId, name: &str, usage: &Usage| {
        let name = names.entry(tenant).or_insert_with(|| name.into());
        trial.take_usage(tenant, usage_sale(name, usage, &supply).as_ref(), usage);
    };
    store.used_since(book.currency, from, to, each).await?;
    let (rows, missing) = trial.finish();
    let name = |tenant: &TenantId| names.get(tenant).map(|name| name.to_string());
    let mut tenants: Vec<PriceTrialRow> =
        rows.iter().map(|(tenant, tried)| row(Some(*tenant), name(tenant), tried)).collect();
    tenants.sort_by(|a, b| (&a.tenant_name, a.tenant).cmp(&(&b.tenant_name, b.tenant)));
    let all = rows.values().fold(Tried::default(), |sum, one| sum.and(one));
    Ok(Json(PriceTrial {
        month: month.to_string(),
        from: from.into(),
        to: to.into(),
        currency: book.currency.to_string(),
        tenants,
        total: row(None, None, &all),
        missing,
    }))
}

/// The month that is asked for, or the last one that is over.
fn month_of(asked: Option<&str>, offset: UtcOffset, now: Timestamp) -> Result<(Month, Timestamp, Timestamp), Failure> {
    let month = match asked {
        Some(text) => text
            .parse()
            .map_err(|e: rating::tariff::calendar::ParseTimeError| Failure::invalid("month", e.to_string()))?,
        None => offset.month_of(now).previous(),
    };
    Ok((month, offset.start_of(month), offset.start_of(month.next())))
}

/// The work as a book sees it. `None` when its pool is not known any more.
fn sale<'a>(work: &'a MeteredWork, supply: &'a Supply) -> Option<Sale<'a>> {
    let pool = supply.pools.get(&work.pool?)?;
    Some(Sale {
        tenant: &work.tenant_name,
        pool: &pool.name,
        chip: pool.chip.as_ref(),
        product: work.spec.line,
        class: work.spec.class,
        shape: pool.shape,
        nodes: work.spec.request.nodes,
        per_node: work.spec.request.per_node,
        call: Default::default(),
    })
}

/// A record as a book sees it. `None` when its pool is not known any more.
fn usage_sale<'a>(tenant: &'a str, usage: &'a Usage, supply: &'a Supply) -> Option<Sale<'a>> {
    let Some(pool) = usage.of.pool else { return Some(usage.of.sale(tenant, "", None)) };
    let pool = supply.pools.get(&pool)?;
    Some(usage.of.sale(tenant, &pool.name, pool.chip.as_ref()))
}

fn row(tenant: Option<TenantId>, tenant_name: Option<String>, tried: &Tried) -> PriceTrialRow {
    let difference: Money = tried.tried - tried.charged;
    PriceTrialRow {
        tenant,
        tenant_name,
        runs: tried.runs,
        runs_unpriced: tried.unpriced,
        records: tried.records,
        records_unpriced: tried.records_unpriced,
        usage_charged: tried.usage_charged.into(),
        usage_tried: tried.usage_tried.into(),
        charged: tried.charged.into(),
        tried: tried.tried.into(),
        difference: difference.into(),
    }
}
