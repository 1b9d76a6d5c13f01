//! Wallets, transfers, bills and margins.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base::{Currency, JobId, Money, Timestamp};
use engine::{Command, Report};
use ledger::Reference;
use model::Role;
use rating::CostParts;
use rating::statement::Correction;
use rating::usage::STREAM_PART;
use store::{BillFilter, BillSum, LIST_LIMIT_MAX, MarginRow, PageRequest, Scope, TransferEntry};
use wire::money::{Bill, BillLine, BillQuery, BillUsage, Margin, MarginQuery, TopUp, TopUpDone, Transfer, Wallet};
use wire::page::PageQuery;
use wire::{BillFormat, MarginBy, MoneyText, Page};

use super::reports::exchange;
use super::{page, plain_text, unexpected};
use crate::access::{AuditAccess, Body, Meta, OperatorAccess, Params, Read, Segments, Sight, TenantAccess};
use crate::convert::rate::{self, Exchange, Lacking};
use crate::convert::{self, bill as render};
use crate::limits::{AMOUNT_UNITS_MAX, FILTER_CHARS_MAX, MEMO_CHARS_MAX, REPORT_ROWS_MAX};
use crate::problem::Failure;

/// An amount that a request names: small enough that sums of many stay in range.
pub(super) fn amount(field: &str, text: MoneyText) -> Result<Money, Failure> {
    let most = Money::from_units(AMOUNT_UNITS_MAX);
    if text.0 > most || text.0 < -most {
        return Err(Failure::invalid(field, format!("at most {most}")));
    }
    Ok(text.0)
}

/// A tenant's wallet.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/wallet", tag = "money", operation_id = "wallet",
    params(("tenant" = String, Path, description = "Name or id")),
    responses((status = 200, description = "As of the last commit", body = Wallet))
)]
pub(super) async fn wallet(access: TenantAccess<Read>) -> Result<Json<Wallet>, Failure> {
    let account = account(&access).await?;
    let credit_limit = match account.floor {
        ledger::Floor::NotBelow(floor) => -floor,
        ledger::Floor::Unlimited => Money::ZERO,
    };
    Ok(Json(Wallet {
        tenant: access.tenant.id,
        balance: account.balance().into(),
        held: account.held.into(),
        available: account.available().unwrap_or(Money::ZERO).into(),
        credit_limit: credit_limit.into(),
        currency: account.currency.to_string(),
    }))
}

async fn account(access: &TenantAccess<Read>) -> Result<ledger::Account, Failure> {
    let code = engine::wallet_code(access.tenant.id);
    let found = access.app().store.account(&code).await?;
    found.ok_or_else(|| Failure::internal(format!("the account {code} is not stored")))
}

/// Put money into a wallet, or take it out.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/wallet/top-ups", tag = "money", operation_id = "top_up", request_body = TopUp,
    params(
        ("tenant" = String, Path, description = "Name or id"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters: the same key and body move money once")
    ),
    responses((status = 200, description = "The balance afterwards", body = TopUpDone))
)]
pub(super) async fn top_up(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<TopUp>,
) -> Result<Json<TopUpDone>, Failure> {
    let tenant = access.tenant(segments.get("tenant")).await?;
    let TopUp { amount: text, memo } = body.value;
    plain_text("memo", &memo, MEMO_CHARS_MAX)?;
    let command = Command::TopUp { tenant: tenant.id, amount: amount("amount", text)?, memo };
    match access.command(command, meta.once(access.who.user, &body.raw)).await? {
        Report::Wallet { tenant: id, balance } => {
            Ok(Json(TopUpDone { tenant: id, balance: balance.into(), currency: tenant.currency.to_string() }))
        }
        other => Err(unexpected(&other)),
    }
}

/// Movements of a wallet, newest first.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/transfers", tag = "money", operation_id = "transfers",
    params(("tenant" = String, Path, description = "Name or id"), PageQuery),
    responses((status = 200, description = "A page of transfers", body = Page<Transfer>))
)]
pub(super) async fn transfers(
    access: TenantAccess<Read>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<Transfer>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let account = account(&access).await?;
    let found = access.app().store.transfers(account.id, request).await?;
    Ok(Json(convert::page(found, transfer)))
}

fn transfer(entry: TransferEntry) -> Transfer {
    let TransferEntry { transfer, debited, other: _ } = entry;
    let (stream, from, to) = match transfer.reference {
        Some(Reference::Interval { stream, from, to }) => {
            // Usage that is no running time is of no job.
            (Some(stream).filter(|stream| stream.part != STREAM_PART), Some(from), Some(to))
        }
        Some(Reference::Subject { stream }) => (Some(stream), None, None),
        Some(Reference::Text { .. }) | None => (None, None, None),
    };
    Transfer {
        id: transfer.id,
        at: transfer.at.into(),
        // A wallet is a liability: debits leave it.
        amount: if debited { -transfer.amount } else { transfer.amount }.into(),
        currency: transfer.currency.to_string(),
        reason: transfer.reason.as_str().into(),
        memo: transfer.memo.as_str().into(),
        job: stream.map(|s| JobId::from_u128(s.subject)),
        // A correction is about a job as a whole.
        attempt: stream.map(|s| s.part).filter(|part| *part > 0),
        from: convert::job::time(from),
        to: convert::job::time(to),
    }
}

/// What work cost, attempt by attempt, and usage, kind by kind, as JSON or as CSV in the FOCUS columns.
#[utoipa::path(
    get, path = "/v1/bill", tag = "money", operation_id = "bill", params(BillQuery),
    responses((status = 200, description = "The bill", content((Bill = "application/json"), (String = "text/csv"))))
)]
pub(super) async fn bill(sight: Sight, Params(query): Params<BillQuery>) -> Result<Response, Failure> {
    let scope = sight.scope(query.tenant.as_deref()).await?;
    let now = sight.app().clock.now();
    let (from, to) = period(query.from.map(|t| t.0), query.to.map(|t| t.0), now)?;
    let tenant = match scope {
        Scope::Tenant(id) => sight.names().tenant(id).await?,
        Scope::All => None,
    };
    let currency = tenant.as_ref().map_or(sight.who.currency, |t| t.currency);
    let filter = bill_filter(&sight, scope, &query, from, to).await?;
    let (lines, usage, truncated, sums) = match &filter {
        Some(filter) => {
            let (lines, truncated) = bill_lines(&sight, scope, filter).await?;
            let (usage, more) = bill_usage(&sight, scope, filter).await?;
            (lines, usage, truncated || more, bill_sums(&sight, scope, filter).await?)
        }
        None => (Vec::new(), Vec::new(), false, Vec::new()),
    };
    let made = bill_corrections(&sight, scope, &query, from, to).await?;
    let mut total = render::totals(&sums, currency);
    render::add_corrections(&mut total, &made);
    let bill = Bill {
        tenant: tenant.map(|t| t.name.to_string()),
        from: from.into(),
        to: to.into(),
        lines,
        usage,
        total,
        corrections: super::statements::corrections(&sight, &made).await?,
        truncated,
    };
    Ok(match query.format.unwrap_or(BillFormat::Json) {
        BillFormat::Json => Json(bill).into_response(),
        BillFormat::Csv => {
            let kind = HeaderValue::from_static("text/csv; charset=utf-8");
            let name = HeaderValue::from_static("attachment; filename=\"bill.csv\"");
            ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], render::csv(&bill)).into_response()
        }
    })
}

/// From the beginning of time until now, unless said otherwise.
pub(super) fn period(
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), Failure> {
    let (from, to) = (from.unwrap_or(Timestamp::ZERO), to.unwrap_or(now));
    if from > to {
        return Err(Failure::invalid("from", "lies behind `to`"));
    }
    Ok((from, to))
}

/// Corrections within the time of a bill: about the job that it is for, or all of a tenant. Bills of one project or user have those about
/// its jobs only, which are named by the job alone.
async fn bill_corrections(
    sight: &Sight,
    scope: Scope,
    query: &BillQuery,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Correction>, Failure> {
    let store = &sight.app().store;
    let mut made = match &query.job {
        Some(text) => store.job_corrections(sight.visible_job(text).await?.row.job.id).await?,
        None => store.corrections(scope, from, to).await?,
    };
    made.retain(|one| from <= one.at && one.at < to);
    if query.project.is_some() || query.user.is_some() {
        let jobs: Vec<JobId> = made.iter().filter_map(|one| Some(one.job?.job)).collect();
        let facts = store.work_facts(&jobs).await?;
        made.retain(|one| {
            let Some(work) = one.job.and_then(|of| facts.get(&of.job)) else { return false };
            let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
            is(&query.project, &work.project) && is(&query.user, &work.user)
        });
    }
    // A member sees what is about a job, not what its tenant was given as a whole.
    let all = sight.who.sees_all() || sight.who.role == Role::Owner;
    made.retain(|one| all || one.job.is_some());
    Ok(made)
}

/// The store's filter; `None` when a name in it names nothing.
async fn bill_filter(
    sight: &Sight,
    scope: Scope,
    query: &BillQuery,
    from: Timestamp,
    to: Timestamp,
) -> Result<Option<BillFilter>, Failure> {
    for (field, text) in [("project", &query.project), ("user", &query.user), ("job", &query.job)] {
        plain_text(field, text.as_deref().unwrap_or_default(), FILTER_CHARS_MAX)?;
    }
    let mut filter = BillFilter { from: Some(from), to: Some(to), ..BillFilter::default() };
    if let Some(text) = &query.project {
        let tenant = match scope {
            Scope::Tenant(tenant) => tenant,
            Scope::All => sight.who.tenant,
        };
        let Some(project) = sight.names().find_project(tenant, text).await? else { return Ok(None) };
        filter.project = Some(project);
    }
    if let Some(text) = &query.user {
        let Some(user) = sight.names().find_user(text).await? else { return Ok(None) };
        filter.user = Some(user.id);
    }
    if let Some(text) = &query.job {
        filter.job = Some(sight.visible_job(text).await?.row.job.id);
    }
    Ok(Some(filter))
}

/// Lines by currency and number, up to a bill's bound.
async fn bill_lines(sight: &Sight, scope: Scope, filter: &BillFilter) -> Result<(Vec<BillLine>, bool), Failure> {
    let mut lines = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let request = next_page(cursor.as_deref())?;
        let page = sight.app().store.bill(scope, filter, request).await?;
        lines.extend(page.items.iter().map(render::line));
        cursor = page.next;
        if cursor.is_none() || lines.len() >= REPORT_ROWS_MAX {
            let truncated = cursor.is_some() || lines.len() > REPORT_ROWS_MAX;
            lines.truncate(REPORT_ROWS_MAX);
            lines.sort_by(|a, b| (&a.currency, a.number, a.attempt).cmp(&(&b.currency, b.number, b.attempt)));
            return Ok((lines, truncated));
        }
    }
}

/// Storage, traffic, requests and tokens, up to a bill's bound.
async fn bill_usage(sight: &Sight, scope: Scope, filter: &BillFilter) -> Result<(Vec<BillUsage>, bool), Failure> {
    let mut found = sight.app().store.used_lines(scope, filter, REPORT_ROWS_MAX + 1).await?;
    let truncated = found.len() > REPORT_ROWS_MAX;
    found.truncate(REPORT_ROWS_MAX);
    Ok((found.iter().map(convert::usage::line_of_bill).collect(), truncated))
}

/// What work and usage come to, whatever of it is listed.
async fn bill_sums(sight: &Sight, scope: Scope, filter: &BillFilter) -> Result<Vec<BillSum>, Failure> {
    let store = &sight.app().store;
    let mut sums: BTreeMap<Currency, BillSum> = BTreeMap::new();
    for one in store.bill_total(scope, filter).await?.into_iter().chain(store.used_total(scope, filter).await?) {
        match sums.entry(one.currency) {
            Entry::Vacant(place) => {
                place.insert(one);
            }
            Entry::Occupied(mut known) => known.get_mut().add(&one),
        }
    }
    Ok(sums.into_values().collect())
}

fn next_page(cursor: Option<&str>) -> Result<PageRequest, Failure> {
    PageRequest::new(Some(LIST_LIMIT_MAX), cursor).map_err(|e| Failure::internal(format!("own cursor: {e}")))
}

/// Revenue less cost, by job, tenant, pool or project; storage, traffic, requests and tokens are revenue of no job.
#[utoipa::path(
    get, path = "/v1/margin", tag = "money", operation_id = "margin", params(MarginQuery),
    responses((status = 200, description = "The report", body = Margin))
)]
pub(super) async fn margin(access: AuditAccess, Params(query): Params<MarginQuery>) -> Result<Json<Margin>, Failure> {
    let now = access.app().clock.now();
    let (from, to) = period(query.from.map(|t| t.0), query.to.map(|t| t.0), now)?;
    let by = query.by.unwrap_or(MarginBy::Tenant);
    let made = access.app().store.corrections(Scope::All, from, to).await?;
    let (rows, truncated) = match exchange(&access, query.currency.as_deref()).await? {
        Some(exchange) => converted_margins(&access, by, (from, to), &made, &exchange).await?,
        None => {
            let (mut rows, truncated) = margins(&access, by, (from, to)).await?;
            let used = access.app().store.used_margin(convert::margin_by_from(by), from, to).await?;
            used.into_iter().for_each(|row| add_row(&mut rows, row));
            for one in &made {
                add_correction(&access, &mut rows, by, one).await?;
            }
            (rate::costs_apart(rows, access.app().settings.cost_currency), truncated)
        }
    };
    Ok(Json(Margin {
        by,
        from: from.into(),
        to: to.into(),
        total: render::margin_totals(&rows),
        rows: rows.iter().map(|row| render::margin_row(row, by)).collect(),
        truncated,
    }))
}

type Within = (Timestamp, Timestamp);

/// Rows as they were earned, and whether there were too many.
async fn margins(access: &AuditAccess, by: MarginBy, (from, to): Within) -> Result<(Vec<MarginRow>, bool), Failure> {
    let mut rows: Vec<MarginRow> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let request = next_page(cursor.as_deref())?;
        let page = access.app().store.margin(convert::margin_by_from(by), Some(from), Some(to), request).await?;
        rows.extend(page.items);
        cursor = page.next;
        if cursor.is_none() || rows.len() >= REPORT_ROWS_MAX {
            return Ok((rows, cursor.is_some()));
        }
    }
}

/// Rows in one currency: each day's are converted, then summed.
async fn converted_margins(
    access: &AuditAccess,
    by: MarginBy,
    (from, to): Within,
    made: &[Correction],
    exchange: &Exchange,
) -> Result<(Vec<MarginRow>, bool), Failure> {
    let store = &access.app().store;
    let mut days = store.margin_by_day(convert::margin_by_from(by), from, to, REPORT_ROWS_MAX + 1).await?;
    let truncated = days.len() > REPORT_ROWS_MAX;
    days.truncate(REPORT_ROWS_MAX);
    days.extend(store.used_margin_by_day(convert::margin_by_from(by), from, to).await?);
    for one in made {
        let mut rows = Vec::new();
        add_correction(access, &mut rows, by, one).await?;
        days.extend(rows.into_iter().map(|row| (store.days().of(one.at), row)));
    }
    let mut lacking = Lacking::default();
    let rows = exchange.margins(days, &mut lacking);
    lacking.check(exchange.into)?;
    Ok((rows, truncated))
}

/// A correction is revenue of whatever the report has rows for, or of none of it.
async fn add_correction(
    access: &AuditAccess,
    rows: &mut Vec<MarginRow>,
    by: MarginBy,
    one: &Correction,
) -> Result<(), Failure> {
    let (key, number) = match by {
        MarginBy::Tenant => (one.tenant.as_u128(), None),
        MarginBy::Job => (one.job.map_or(0, |of| of.job.as_u128()), one.job.map(|of| of.number)),
        MarginBy::Project => (one.job.map_or(0, |of| of.project.as_u128()), None),
        MarginBy::Pool => (one.job.and_then(|of| of.pool).map_or(0, |pool| pool.as_u128()), None),
    };
    if let Some(row) = row_of(rows, key, one.currency) {
        row.revenue += one.amount;
        return Ok(());
    }
    let name = match (by, one.job) {
        (MarginBy::Tenant, _) => access.names().tenant_name(one.tenant).await?,
        (MarginBy::Project, Some(of)) => access.names().project_name(of.project).await?,
        (MarginBy::Pool, Some(of)) => match of.pool {
            Some(pool) => access.names().supply().await?.pool_name(pool),
            None => "-".to_owned(),
        },
        _ => "-".to_owned(),
    };
    let (currency, revenue, cost) = (one.currency, one.amount, CostParts::default());
    rows.push(MarginRow { key, name: name.into(), number, currency, revenue, uncollected: Money::ZERO, cost });
    Ok(())
}

/// What else was earned, beside what has no cost of its own.
fn add_row(rows: &mut Vec<MarginRow>, more: MarginRow) {
    match row_of(rows, more.key, more.currency) {
        Some(row) => {
            row.revenue += more.revenue;
            row.uncollected += more.uncollected;
        }
        None => rows.push(more),
    }
}

fn row_of(rows: &mut [MarginRow], key: u128, currency: Currency) -> Option<&mut MarginRow> {
    rows.iter_mut().find(|row| row.key == key && row.currency == currency)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ErrorCode;

    #[test]
    fn amounts_and_periods_are_bounded() {
        assert_eq!(amount("x", MoneyText(Money(5))).unwrap(), Money(5));
        for bad in [i64::MAX, i64::MIN + 1, AMOUNT_UNITS_MAX * 1_000_000 + 1] {
            assert_eq!(amount("x", MoneyText(Money(bad))).unwrap_err().code, ErrorCode::Invalid, "{bad}");
        }
        let at = Timestamp::from_secs;
        assert_eq!(period(None, None, at(5)).unwrap(), (at(0), at(5)));
        assert!(period(Some(at(6)), None, at(5)).is_err());
    }
}
