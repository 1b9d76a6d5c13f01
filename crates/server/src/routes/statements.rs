//! Tenants' statements: months closed, shown and written out; invoices; the tax that prices contain.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body as Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base::{Currency, Money, TenantId, Timestamp};
use engine::billing::{Billing, Closed, ClosingDraft};
use engine::{Command, Report};
use futures::stream;
use model::Role;
use rating::statement::TenantSums;
use rating::tariff::Month;
use store::{Scope, Told};
use wire::statement::{
    Correction, InvoiceSet, StatementDetail, StatementJobsQuery, StatementPart, StatementQuery, StatementsClose,
    StatementsClosed, StatementsQuery, TaxSet, TenantStatement,
};
use wire::{ErrorCode, Page, StatementFormat};

use super::{items, page, plain_text, unexpected};
use crate::access::{Body, Caller, Meta, OperatorAccess, Params, Segments, Sight};
use crate::convert::statement as show;
use crate::problem::Failure;
use crate::statements::{self, Parts, Walk, focus, workbook};

/// Months that one request closes at most: about a second of reading. Who asks again goes on where it ended.
const CLOSED_PER_REQUEST: u64 = 512;
/// Months in one command, that is in one transaction: each is three records, so other requests wait for milliseconds.
const CLOSED_PER_COMMAND: usize = 32;
/// Characters of an invoice's number.
const INVOICE_CHARS_MAX: usize = 100;
/// Jobs that come with a statement.
const JOBS_FIRST: usize = 100;

/// Close months that are over: of one tenant or of all, each in its order, up to the one that is named. What is closed is
/// numbered and never changes; closing again what is closed is refused for a tenant that is named, and passed over for all.
#[utoipa::path(
    post, path = "/v1/statements", tag = "money", operation_id = "close_statements", request_body = StatementsClose,
    responses((status = 200, description = "What was closed", body = StatementsClosed))
)]
pub(super) async fn close(
    access: OperatorAccess,
    body: Body<StatementsClose>,
) -> Result<Json<StatementsClosed>, Failure> {
    let StatementsClose { month, tenant } = body.value;
    let through = month.as_deref().map(|text| parse_month("month", text)).transpose()?;
    let tenant = match tenant {
        Some(text) => Some(access.tenant(&text).await?.id),
        None => None,
    };
    let due = Command::Bill(Box::new(Billing::Due { tenant, through }));
    let (month, tenants) = match access.command(due, None).await? {
        Report::Due { month, tenants } => (month, tenants),
        other => return Err(unexpected(&other)),
    };
    let mut done =
        Closing { access: &access, drafts: Vec::new(), closed: 0, first: None, written_off: BTreeMap::new() };
    for one in tenants {
        done.tenant(one, month).await?;
        if done.closed + done.drafts.len() as u64 >= CLOSED_PER_REQUEST {
            break;
        }
    }
    done.send().await?;
    let Closing { closed, first, .. } = done;
    Ok(Json(StatementsClosed { month: month.to_string(), closed, first, more: closed >= CLOSED_PER_REQUEST }))
}

fn parse_month(field: &str, text: &str) -> Result<Month, Failure> {
    text.parse().map_err(|_| Failure::invalid(field, "write a month as 2026-10"))
}

/// Months on their way to the engine.
struct Closing<'a> {
    access: &'a OperatorAccess,
    drafts: Vec<ClosingDraft>,
    closed: u64,
    first: Option<u64>,
    /// Of the months that were looked at, by currency.
    written_off: BTreeMap<(Currency, Timestamp), BTreeMap<TenantId, Money>>,
}

impl Closing<'_> {
    /// All open months of a tenant up to one of them.
    async fn tenant(&mut self, of: Closed, through: Month) -> Result<(), Failure> {
        let (store, offset) = (&self.access.app().store, self.access.app().settings.statement_offset);
        let code = engine::wallet_code(of.tenant);
        let wallet = store.account(&code).await?;
        let wallet = wallet.ok_or_else(|| Failure::internal(format!("the account {code} is not stored")))?;
        let (mut month, mut from, mut opening) = match of.last {
            Some(last) => (last.month.next(), last.to, last.closing),
            None => {
                // A tenant whose wallet was never moved has no month yet.
                let Some(at) = store.first_booked(wallet.id).await? else { return Ok(()) };
                let month = offset.month_of(at);
                (month, offset.start_of(month), Money::ZERO)
            }
        };
        while month <= through {
            let to = offset.start_of(month.next());
            let written_off = self.written_off(wallet.currency, from, to, of.tenant).await?;
            let sums = self.access.app().store.month_sums(wallet.id, from, to).await?;
            let sums = TenantSums { opening, written_off, ..sums };
            opening = sums.closing;
            self.drafts.push(ClosingDraft { tenant: of.tenant, month, from, to, sums });
            if self.drafts.len() >= CLOSED_PER_COMMAND {
                self.send().await?;
            }
            (month, from) = (month.next(), to);
        }
        Ok(())
    }

    async fn written_off(
        &mut self,
        currency: Currency,
        from: Timestamp,
        to: Timestamp,
        tenant: TenantId,
    ) -> Result<Money, Failure> {
        if !self.written_off.contains_key(&(currency, from)) {
            let store = &self.access.app().store;
            let sums = match store.account(&engine::uncollected_code(currency)).await? {
                Some(account) => store.written_off(account.id, from, to).await?,
                None => BTreeMap::new(),
            };
            self.written_off.insert((currency, from), sums);
        }
        let sums = self.written_off.get(&(currency, from));
        Ok(sums.and_then(|sums| sums.get(&tenant).copied()).unwrap_or(Money::ZERO))
    }

    async fn send(&mut self) -> Result<(), Failure> {
        let drafts = std::mem::take(&mut self.drafts);
        if drafts.is_empty() {
            return Ok(());
        }
        match self.access.command(Command::Bill(Box::new(Billing::Close(drafts))), None).await? {
            Report::Statements { first, count } => {
                self.first.get_or_insert(first);
                self.closed += count;
                Ok(())
            }
            other => Err(unexpected(&other)),
        }
    }
}

/// Money is the owner's business, not every member's.
fn may_see(caller: &Caller) -> Result<(), Failure> {
    if caller.who.sees_all() || caller.who.role == Role::Owner {
        return Ok(());
    }
    Err(Failure::new(ErrorCode::Forbidden, "only owners of a tenant see its statements"))
}

/// Statements, newest first.
#[utoipa::path(
    get, path = "/v1/statements", tag = "money", operation_id = "statements", params(StatementsQuery),
    responses((status = 200, description = "A page of statements", body = Page<TenantStatement>))
)]
pub(super) async fn list(
    sight: Sight,
    Params(query): Params<StatementsQuery>,
) -> Result<Json<Page<TenantStatement>>, Failure> {
    may_see(&sight)?;
    let scope = sight.scope(query.tenant.as_deref()).await?;
    let month = query.month.as_deref().map(|text| parse_month("month", text)).transpose()?.map(|m| m.to_string());
    let request = page(query.limit, query.cursor.as_deref())?;
    let found = sight.app().store.tenant_statements(scope, month.as_deref(), request).await?;
    let mut items = Vec::with_capacity(found.items.len());
    for told in &found.items {
        items.push(show::statement(told, sight.names().tenant_name(told.statement.tenant).await?));
    }
    Ok(Json(Page { items, next_cursor: found.next }))
}

async fn stored(caller: &Caller, scope: Scope, segments: &Segments) -> Result<Told, Failure> {
    let number: u64 = segments.get("statement").parse().map_err(|_| Failure::not_found("statement"))?;
    caller.app().store.tenant_statement(scope, number).await?.ok_or_else(|| Failure::not_found("statement"))
}

/// One statement: with its sums by project and user and its first jobs, as CSV (in the FOCUS columns or our own), as a workbook, as a page to print.
#[utoipa::path(
    get, path = "/v1/statements/{statement}", tag = "money", operation_id = "statement",
    params(("statement" = u64, Path, description = "Its number"), StatementQuery),
    responses((status = 200, description = "The statement", content(
        (StatementDetail = "application/json"), (String = "text/csv"), (String = "text/html"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    )))
)]
pub(super) async fn get(
    sight: Sight,
    segments: Segments,
    Params(query): Params<StatementQuery>,
) -> Result<Response, Failure> {
    may_see(&sight)?;
    let lang = statements::page::Lang::parse(query.lang.as_deref());
    let lang = lang.ok_or_else(|| Failure::invalid("lang", "`en` or `zh`"))?;
    let told = stored(&sight, sight.who.scope(), &segments).await?;
    let tenant = sight.names().tenant_name(told.statement.tenant).await?;
    let shown = show::statement(&told, tenant);
    match query.format.unwrap_or(StatementFormat::Json) {
        StatementFormat::Focus => {
            let rows = move |line: &statements::Line| focus::row(&shown, line).unwrap_or_default();
            Ok(csv("focus", told.statement.number, focus::head(), walk(&sight, &told).await?, rows))
        }
        StatementFormat::Csv => {
            let rows = move |line: &statements::Line| focus::own_row(&shown, line);
            Ok(csv("lines", told.statement.number, focus::own_head(), walk(&sight, &told).await?, rows))
        }
        StatementFormat::Json => {
            let parts = match query.parts {
                Some(false) => Arc::default(),
                _ => kept(&sight, &told).await?,
            };
            Ok(Json(detail(&sight, &told, shown, &parts, JOBS_FIRST).await?).into_response())
        }
        StatementFormat::Html => {
            let parts = kept(&sight, &told).await?;
            let detail = detail(&sight, &told, shown, &parts, statements::page::JOBS_MAX).await?;
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            let policy =
                HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
            let html = statements::page::html(&detail, lang);
            Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, policy)], html).into_response())
        }
        StatementFormat::Xlsx => {
            let (parts, lines) = sums(walk(&sight, &told).await?, workbook::LINES_MAX).await?;
            let detail = detail(&sight, &told, shown, &parts, 0).await?;
            let made = tokio::task::spawn_blocking(move || workbook::workbook(&detail, &lines));
            let bytes = made.await.map_err(|e| Failure::internal(format!("making a workbook: {e}")))?;
            let bytes = bytes.map_err(|e| Failure::internal(format!("making a workbook: {e}")))?;
            let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
            Ok(file(kind, &format!("statement-{}.xlsx", told.statement.number), bytes.into()))
        }
    }
}

/// The jobs of a statement with their sums, by number, a page at a time.
#[utoipa::path(
    get, path = "/v1/statements/{statement}/jobs", tag = "money", operation_id = "statement_jobs",
    params(("statement" = u64, Path, description = "Its number"), StatementJobsQuery),
    responses((status = 200, description = "A page of its jobs", body = Page<StatementPart>))
)]
pub(super) async fn jobs(
    sight: Sight,
    segments: Segments,
    Params(query): Params<StatementJobsQuery>,
) -> Result<Json<Page<StatementPart>>, Failure> {
    may_see(&sight)?;
    let (limit, cursor) = (items(query.limit)? as usize, query.cursor.as_deref());
    let wrong = |_| Failure::new(ErrorCode::BadCursor, "the cursor is not one that this list has given out");
    let after: Option<u64> = cursor.map(str::parse).transpose().map_err(wrong)?;
    let told = stored(&sight, sight.who.scope(), &segments).await?;
    let mut found = kept(&sight, &told).await?.jobs(after, limit + 1);
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).and_then(|last| last.number).map(|number| number.to_string());
    Ok(Json(Page { items: found, next_cursor }))
}

/// The sums of a statement; what is closed is gone through once.
async fn kept(caller: &Caller, told: &Told) -> Result<Arc<Parts>, Failure> {
    let make = async || Ok(sums(walk(caller, told).await?, 0).await?.0);
    caller.app().sums.get(told.statement.number, make).await
}

async fn walk(caller: &Caller, told: &Told) -> Result<Walk, Failure> {
    let code = engine::wallet_code(told.statement.tenant);
    let store = caller.app().store.clone();
    let wallet = store.account(&code).await?;
    let wallet = wallet.ok_or_else(|| Failure::internal(format!("the account {code} is not stored")))?;
    let mut grants = Vec::new();
    for number in store.grants_to(told.statement.tenant).await? {
        grants.extend(store.account(&engine::grant_code(number)).await?.map(|account| account.id));
    }
    Ok(Walk::new(store, wallet.id, grants, told.statement.from, told.statement.to))
}

/// Sums of the lines, and the lines themselves where up to `keep` of them are asked for.
async fn sums(mut walk: Walk, keep: usize) -> Result<(Parts, Vec<statements::Line>), Failure> {
    let (mut parts, mut kept) = (Parts::default(), Vec::new());
    while let Some(lines) = walk.next().await? {
        lines.iter().for_each(|line| parts.add(line));
        if keep > 0 {
            kept.extend(lines);
            if kept.len() > keep {
                return Err(Failure::invalid("format", format!("more than {keep} lines: ask for the CSV")));
            }
        }
    }
    Ok((parts, kept))
}

/// A statement with its sums and so many of its jobs.
async fn detail(
    caller: &Caller,
    told: &Told,
    statement: TenantStatement,
    parts: &Parts,
    jobs: usize,
) -> Result<StatementDetail, Failure> {
    let of = &told.statement;
    let made = caller.app().store.corrections(Scope::Tenant(of.tenant), of.from, of.to).await?;
    Ok(StatementDetail {
        statement,
        projects: parts.projects(),
        users: parts.users(),
        jobs: parts.jobs(None, jobs),
        jobs_total: parts.jobs_total() as u64,
        truncated: parts.truncated(),
        corrections_made: corrections(caller, &made).await?,
        usage: parts.usage(),
    })
}

/// Corrections with the names that belong to them.
pub(super) async fn corrections(
    caller: &Caller,
    made: &[rating::statement::Correction],
) -> Result<Vec<Correction>, Failure> {
    let mut shown = Vec::with_capacity(made.len());
    for one in made {
        let by = match one.by {
            Some(user) => caller.names().user_name(user).await?,
            None => "-".to_owned(),
        };
        shown.push(show::correction(one, caller.names().tenant_name(one.tenant).await?, by));
    }
    Ok(shown)
}

/// Rows as they are read: an answer that is broken off is not taken for whole.
fn csv(
    what: &str,
    number: u64,
    head: String,
    walk: Walk,
    row: impl Fn(&statements::Line) -> String + Send + 'static,
) -> Response {
    let rows = stream::try_unfold((Some(head), walk, row), |(head, mut walk, row)| async move {
        if let Some(head) = head {
            return Ok(Some((head, (None, walk, row))));
        }
        let lines = walk.next().await.map_err(std::io::Error::other)?;
        Ok::<_, std::io::Error>(lines.map(|lines| (lines.iter().map(&row).collect(), (None, walk, row))))
    });
    file("text/csv; charset=utf-8", &format!("statement-{number}-{what}.csv"), Bytes::from_stream(rows))
}

/// A body with a name to be kept under.
pub(super) fn file(kind: &'static str, name: &str, body: Bytes) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let name = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    headers.extend(name.ok().map(|name| (header::CONTENT_DISPOSITION, name)));
    response
}

/// Note the number of the invoice that was written for a statement; once.
#[utoipa::path(
    put, path = "/v1/statements/{statement}/invoice", tag = "money", operation_id = "set_invoice", request_body = InvoiceSet,
    params(("statement" = u64, Path, description = "Its number")),
    responses((status = 200, description = "The statement afterwards", body = TenantStatement))
)]
pub(super) async fn invoice(
    access: OperatorAccess,
    segments: Segments,
    body: Body<InvoiceSet>,
) -> Result<Json<TenantStatement>, Failure> {
    let text = body.value.invoice;
    plain_text("invoice", &text, INVOICE_CHARS_MAX)?;
    let told = stored(&access, Scope::All, &segments).await?;
    let (statement, tenant) = (told.statement.number, told.statement.tenant);
    let command = Billing::Invoice { statement, tenant, invoice: text.trim().into() };
    match access.command(Command::Bill(Box::new(command)), None).await? {
        Report::Invoiced { .. } => {}
        other => return Err(unexpected(&other)),
    }
    let told = stored(&access, Scope::All, &segments).await?;
    Ok(Json(show::statement(&told, access.names().tenant_name(tenant).await?)))
}

/// Set the rate of the tax that a tenant's prices contain, for statements that are closed from now on.
#[utoipa::path(
    put, path = "/v1/tenants/{tenant}/tax", tag = "money", operation_id = "set_tax", request_body = TaxSet,
    params(("tenant" = String, Path, description = "Name or id")),
    responses((status = 200, description = "The rate afterwards", body = TaxSet))
)]
pub(super) async fn tax(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<TaxSet>,
) -> Result<Json<TaxSet>, Failure> {
    let tenant = access.tenant(segments.get("tenant")).await?.id;
    let ppm = body.value.tax_ppm;
    let command = Command::Bill(Box::new(Billing::SetTax { tenant, ppm }));
    match access.command(command, meta.once(access.who.user, &body.raw)).await? {
        Report::Tenant { .. } => Ok(Json(TaxSet { tax_ppm: ppm })),
        other => Err(unexpected(&other)),
    }
}
