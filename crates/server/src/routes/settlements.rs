//! Settling with suppliers: statements taken in and matched, disputes, acceptance, payments.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base::{PoolId, Span};
use engine::{Command, Draft, Report, Settling};
use rating::settlement::{self as pure, Dispute, Short, State, Statement};
use store::{LineFilter, WorkPeriod};
use wire::page::PageQuery;
use wire::settlement::{
    LinesQuery, LinesResolve, Settlement, SettlementLine, SettlementNote, SettlementPay, StatementImport,
    StatementMapping,
};
use wire::{ErrorCode, LineResolution, LinesOnly, Page};

use super::money::amount;
use super::{page, plain_text, unexpected};
use crate::access::{AuditAccess, Body, Caller, Meta, OperatorAccess, Params, Segments};
use crate::convert::{self, settlement as show};
use crate::limits::MEMO_CHARS_MAX;
use crate::problem::Failure;

/// Characters of a supplier's number of a statement.
const STATEMENT_CHARS_MAX: usize = 100;
/// Of a mapping that is kept, as JSON.
const MAPPING_BYTES_MAX: usize = 64 << 10;
/// Work that ended so long before a statement's period may still be named in it.
const LATE: Span = Span::from_hours(62 * 24);
/// The longest period of one statement.
const PERIOD_MAX: Span = Span::from_hours(366 * 24);

/// Take a supplier's statement in: it is read by its mapping, matched line by line with what was accrued, and kept with every
/// difference in dispute. One fault in the file, and nothing is taken in.
#[utoipa::path(
    post, path = "/v1/settlements", tag = "money", operation_id = "import_statement", request_body = StatementImport,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters: the same key and body take a statement in once")),
    responses((status = 201, description = "What came of it", body = Settlement))
)]
pub(super) async fn import(
    access: OperatorAccess,
    meta: Meta,
    body: Body<StatementImport>,
) -> Result<Response, Failure> {
    let StatementImport { mapping: written, csv, keep } = body.value;
    let mapping = show::mapping(&written)?;
    plain_text("mapping.statement", &written.statement, STATEMENT_CHARS_MAX)?;
    let statement = written.statement.trim();
    if statement.is_empty() {
        return Err(Failure::invalid("mapping.statement", "say the supplier's number of the statement"));
    }
    let (from, to) = (written.from.0, written.to.0);
    if from >= to || to - from > PERIOD_MAX {
        return Err(Failure::invalid("mapping.to", "comes after `from`, by a year at most"));
    }
    let supply = access.names().supply().await?;
    let supplier = supply.find_supplier(&written.supplier).ok_or_else(|| Failure::not_found("supplier"))?.id;
    let currency = show::currency(&written.currency)?;
    let to_keep = keep.then(|| kept(&written)).transpose()?;
    let draft = Draft { supplier, statement: statement.into(), from, to, currency, mapping: to_keep };
    // Before anything else is read: should another statement be accepted meanwhile, this is out of date.
    let acceptances = access.app().store.acceptances().await?;
    let pools: Vec<(PoolId, Arc<str>)> = supply
        .pools
        .values()
        .filter_map(|p| Some((p.id, supply.clusters.get(&p.cluster).filter(|c| c.supplier == supplier)?.name.clone())))
        .collect();
    let ours = access.app().store.supplier_work(&pools, WorkPeriod { late_from: from - LATE, from, to }).await?;
    let terms = access.app().store.supplier_terms().await?;
    let shorts: Vec<Short> =
        terms.iter().filter(|t| t.supplier == supplier).flat_map(|t| Short::of(t, from - LATE, from, to)).collect();
    // Seconds for the largest: not on a thread that others wait for.
    let matched = tokio::task::spawn_blocking(move || {
        let theirs = pure::read(&csv, &mapping)?;
        Ok(pure::matched(theirs, ours, &shorts, &mapping))
    });
    let matched = matched.await.map_err(|e| Failure::internal(format!("matching a statement: {e}")))?;
    let lines = matched.map_err(|faults: Vec<pure::Fault>| show::faults(&faults))?;
    let command = Command::Settle(Box::new(Settling::Import { statement: Box::new(draft), lines, acceptances }));
    let number = done(access.command(command, meta.once(access.who.user, &body.raw)).await?)?;
    Ok((StatusCode::CREATED, Json(shown(&access, number).await?)).into_response())
}

/// A mapping as it is stored.
fn kept(mapping: &StatementMapping) -> Result<Arc<str>, Failure> {
    let text = serde_json::to_string(mapping).map_err(|e| Failure::internal(format!("writing a mapping: {e}")))?;
    if text.len() > MAPPING_BYTES_MAX {
        return Err(Failure::invalid("keep", format!("a mapping of more than {MAPPING_BYTES_MAX} bytes is not kept")));
    }
    Ok(text.into())
}

fn done(report: Report) -> Result<u64, Failure> {
    match report {
        Report::Settlement { settlement } => Ok(settlement),
        other => Err(unexpected(&other)),
    }
}

/// Suppliers' statements, newest first.
#[utoipa::path(
    get, path = "/v1/settlements", tag = "money", operation_id = "settlements", params(PageQuery),
    responses((status = 200, description = "A page of settlements", body = Page<Settlement>))
)]
pub(super) async fn list(
    access: AuditAccess,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<Settlement>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let found = access.app().store.settlements(request).await?;
    let supply = access.names().supply().await?;
    Ok(Json(convert::page(found, |one| show::settlement(&one, &supply))))
}

/// One statement, without its lines.
#[utoipa::path(
    get, path = "/v1/settlements/{settlement}", tag = "money", operation_id = "settlement",
    params(("settlement" = u64, Path, description = "Our number of it")),
    responses((status = 200, description = "The settlement", body = Settlement))
)]
pub(super) async fn get(access: AuditAccess, segments: Segments) -> Result<Json<Settlement>, Failure> {
    let number = number(&segments)?;
    Ok(Json(shown(&access, number).await?))
}

fn number(segments: &Segments) -> Result<u64, Failure> {
    segments.get("settlement").parse().map_err(|_| Failure::not_found("settlement"))
}

async fn stored(caller: &Caller, number: u64) -> Result<Statement, Failure> {
    caller.app().store.settlement(number).await?.ok_or_else(|| Failure::not_found("settlement"))
}

async fn shown(caller: &Caller, number: u64) -> Result<Settlement, Failure> {
    let supply = caller.names().supply().await?;
    Ok(show::settlement(&stored(caller, number).await?, &supply))
}

/// Lines of a statement: theirs in the order of the file, then those of ours that it does not name.
#[utoipa::path(
    get, path = "/v1/settlements/{settlement}/lines", tag = "money", operation_id = "settlement_lines",
    params(("settlement" = u64, Path, description = "Our number of it"), LinesQuery),
    responses((status = 200, description = "A page of lines", body = Page<SettlementLine>))
)]
pub(super) async fn lines(
    access: AuditAccess,
    segments: Segments,
    Params(query): Params<LinesQuery>,
) -> Result<Json<Page<SettlementLine>>, Failure> {
    let known = stored(&access, number(&segments)?).await?;
    let filter = match query.only {
        None => LineFilter::All,
        Some(LinesOnly::Differing) => LineFilter::Differing,
        Some(LinesOnly::Open) => LineFilter::Open,
    };
    let request = page(query.limit, query.cursor.as_deref())?;
    let found = access.app().store.settlement_lines(known.number, filter, request).await?;
    let mut items = Vec::with_capacity(found.items.len());
    for line in &found.items {
        let by = match line.user {
            Some(user) => Some(access.names().user_name(user).await?),
            None => None,
        };
        items.push(show::line(line, by));
    }
    Ok(Json(Page { items, next_cursor: found.next }))
}

/// Begin disputes about lines, or end them by agreement.
#[utoipa::path(
    post, path = "/v1/settlements/{settlement}/disputes", tag = "money", operation_id = "resolve_lines",
    request_body = LinesResolve,
    params(
        ("settlement" = u64, Path, description = "Our number of it"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")
    ),
    responses((status = 200, description = "The settlement afterwards", body = Settlement))
)]
pub(super) async fn resolve(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<LinesResolve>,
) -> Result<Json<Settlement>, Failure> {
    let LinesResolve { lines: mut wanted, verdict, resolution, amount: text, note } = body.value;
    plain_text("note", &note, MEMO_CHARS_MAX)?;
    let to = match (resolution, text) {
        (LineResolution::Amount, Some(text)) => Dispute::Amount(amount("amount", text)?),
        (LineResolution::Amount, None) => return Err(Failure::invalid("amount", "say what is owed")),
        (_, Some(_)) => return Err(Failure::invalid("amount", "goes with the resolution `amount` only")),
        (LineResolution::Open, None) => Dispute::Open,
        (LineResolution::Ours, None) => Dispute::Ours,
        (LineResolution::Theirs, None) => Dispute::Theirs,
        (LineResolution::Later, None) => Dispute::Later,
    };
    if wanted.is_empty() == verdict.is_none() {
        return Err(Failure::invalid("lines", "name lines, or a verdict for all lines in dispute that have it"));
    }
    let known = stored(&access, number(&segments)?).await?;
    wanted.sort_unstable();
    wanted.dedup();
    let mut lines = access.app().store.all_settlement_lines(known.number).await?;
    lines.retain(|line| match verdict {
        Some(verdict) => show::verdict(line.verdict) == verdict && line.dispute == Dispute::Open,
        None => wanted.binary_search(&line.line).is_ok(),
    });
    if verdict.is_none() && lines.len() != wanted.len() {
        return Err(Failure::not_found("line of this settlement"));
    }
    let (settlement, revision) = (known.number, known.revision);
    let command = Command::Settle(Box::new(Settling::Set { settlement, revision, lines, to, note }));
    let number = done(access.command(command, meta.once(access.who.user, &body.raw)).await?)?;
    Ok(Json(shown(&access, number).await?))
}

/// Accept a statement in which nothing is in dispute: what was accrued for its lines is cleared, what is agreed is owed, and the
/// difference is booked. Its lines never change again.
#[utoipa::path(
    post, path = "/v1/settlements/{settlement}/accept", tag = "money", operation_id = "accept_settlement",
    request_body = SettlementNote,
    params(
        ("settlement" = u64, Path, description = "Our number of it"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")
    ),
    responses((status = 200, description = "The settlement afterwards", body = Settlement))
)]
pub(super) async fn accept(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<SettlementNote>,
) -> Result<Json<Settlement>, Failure> {
    plain_text("note", &body.value.note, MEMO_CHARS_MAX)?;
    let store = &access.app().store;
    let acceptances = store.acceptances().await?;
    let known = stored(&access, number(&segments)?).await?;
    if known.state == State::Open
        && let Some((line, attempt, other)) = store.settled_elsewhere(known.number).await?
    {
        let detail = format!("line {line}: {attempt} is settled by settlement {other}; resolve the line as `later`");
        return Err(Failure::new(ErrorCode::WrongState, detail));
    }
    let lines = store.all_settlement_lines(known.number).await?;
    let (settlement, revision) = (known.number, known.revision);
    let command = Command::Settle(Box::new(Settling::Accept { settlement, revision, lines, acceptances }));
    let number = done(access.command(command, meta.once(access.who.user, &body.raw)).await?)?;
    Ok(Json(shown(&access, number).await?))
}

/// Take a statement back that is not accepted: another may then be taken in under its number.
#[utoipa::path(
    post, path = "/v1/settlements/{settlement}/withdraw", tag = "money", operation_id = "withdraw_settlement",
    request_body = SettlementNote,
    params(
        ("settlement" = u64, Path, description = "Our number of it"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")
    ),
    responses((status = 200, description = "The settlement afterwards", body = Settlement))
)]
pub(super) async fn withdraw(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<SettlementNote>,
) -> Result<Json<Settlement>, Failure> {
    let note = body.value.note;
    plain_text("note", &note, MEMO_CHARS_MAX)?;
    let command = Command::Settle(Box::new(Settling::Withdraw { settlement: number(&segments)?, note }));
    let number = done(access.command(command, meta.once(access.who.user, &body.raw)).await?)?;
    Ok(Json(shown(&access, number).await?))
}

/// Pay what is owed by an accepted statement, or a part of it.
#[utoipa::path(
    post, path = "/v1/settlements/{settlement}/payments", tag = "money", operation_id = "pay_settlement",
    request_body = SettlementPay,
    params(
        ("settlement" = u64, Path, description = "Our number of it"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters: the same key and body pay once")
    ),
    responses((status = 200, description = "The settlement afterwards", body = Settlement))
)]
pub(super) async fn pay(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<SettlementPay>,
) -> Result<Json<Settlement>, Failure> {
    let SettlementPay { amount: text, memo } = body.value;
    plain_text("memo", &memo, MEMO_CHARS_MAX)?;
    let amount = text.map(|text| amount("amount", text)).transpose()?;
    let command = Command::Settle(Box::new(Settling::Pay { settlement: number(&segments)?, amount, memo }));
    let number = done(access.command(command, meta.once(access.who.user, &body.raw)).await?)?;
    Ok(Json(shown(&access, number).await?))
}
