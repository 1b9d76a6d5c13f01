//! Tenants' contracts: signing, looking, breaking off.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use engine::{Command, Contracting, Report};
use wire::Page;
use wire::contract::{Contract, ContractCreate, ContractDetail, ContractEnd};
use wire::page::PageQuery;

use super::{page, plain_text, unexpected};
use crate::access::{AuditAccess, Body, Caller, Meta, OperatorAccess, Params, Read, Segments, TenantAccess};
use crate::convert::contract as show;
use crate::limits::MEMO_CHARS_MAX;
use crate::problem::Failure;

/// A tenant's contracts, newest first.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/contracts", tag = "money", operation_id = "tenant_contracts",
    params(("tenant" = String, Path, description = "Name or id"), PageQuery),
    responses((status = 200, description = "A page of contracts", body = Page<Contract>))
)]
pub(super) async fn of_tenant(
    access: TenantAccess<Read>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<Contract>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let found = access.app().store.contracts(Some(access.tenant.id), request).await?;
    let now = access.app().clock.now();
    let name = access.tenant.name.to_string();
    Ok(Json(crate::convert::page(found, |one| show::contract(&one, name.clone(), now))))
}

/// Sign a contract: it never changes afterwards. The fee of its first month is taken when it begins.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/contracts", tag = "money", operation_id = "sign_contract",
    request_body = ContractCreate,
    params(
        ("tenant" = String, Path, description = "Name or id"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters: the same key and body sign once")
    ),
    responses((status = 201, description = "The contract", body = ContractDetail))
)]
pub(super) async fn sign(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<ContractCreate>,
) -> Result<Response, Failure> {
    let tenant = access.tenant(segments.get("tenant")).await?;
    let at_once = body.value.from.is_none();
    let terms = show::terms_from(body.value, tenant.currency, access.app().clock.now())?;
    let sign = Contracting::Sign { tenant: tenant.id, terms: Box::new(terms), at_once };
    let command = Command::Contract(Box::new(sign));
    let number = done(access.command(command, meta.once(access.who.user, &body.raw)).await?)?;
    Ok((StatusCode::CREATED, Json(detail(&access, number).await?)).into_response())
}

/// All tenants' contracts, newest first.
#[utoipa::path(
    get, path = "/v1/contracts", tag = "money", operation_id = "contracts", params(PageQuery),
    responses((status = 200, description = "A page of contracts", body = Page<Contract>))
)]
pub(super) async fn list(
    access: AuditAccess,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<Contract>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let found = access.app().store.contracts(None, request).await?;
    let now = access.app().clock.now();
    let mut items = Vec::with_capacity(found.items.len());
    for one in &found.items {
        items.push(show::contract(one, name_of(&access, one.tenant).await?, now));
    }
    let next_cursor = crate::convert::page(found, |_| ()).next_cursor;
    Ok(Json(Page { items, next_cursor }))
}

/// A contract with its months.
#[utoipa::path(
    get, path = "/v1/contracts/{contract}", tag = "money", operation_id = "contract",
    params(("contract" = u64, Path, description = "Our number of it")),
    responses((status = 200, description = "The contract", body = ContractDetail))
)]
pub(super) async fn get(caller: Caller, segments: Segments) -> Result<Json<ContractDetail>, Failure> {
    Ok(Json(detail(&caller, number(&segments)?).await?))
}

/// Break a contract off: the month that has begun is its last. The fee for that is taken at once.
#[utoipa::path(
    post, path = "/v1/contracts/{contract}/end", tag = "money", operation_id = "end_contract", request_body = ContractEnd,
    params(
        ("contract" = u64, Path, description = "Our number of it"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")
    ),
    responses((status = 200, description = "The contract afterwards", body = ContractDetail))
)]
pub(super) async fn end(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<ContractEnd>,
) -> Result<Json<ContractDetail>, Failure> {
    let note = body.value.note;
    plain_text("note", &note, MEMO_CHARS_MAX)?;
    let command = Command::Contract(Box::new(Contracting::BreakOff { contract: number(&segments)?, note }));
    let number = done(access.command(command, meta.once(access.who.user, &body.raw)).await?)?;
    Ok(Json(detail(&access, number).await?))
}

fn number(segments: &Segments) -> Result<u64, Failure> {
    segments.get("contract").parse().map_err(|_| Failure::not_found("contract"))
}

fn done(report: Report) -> Result<u64, Failure> {
    match report {
        Report::Contract { contract } => Ok(contract),
        other => Err(unexpected(&other)),
    }
}

async fn name_of(caller: &Caller, tenant: base::TenantId) -> Result<String, Failure> {
    Ok(caller.names().tenant(tenant).await?.map_or_else(|| tenant.to_string(), |tenant| tenant.name.to_string()))
}

/// Another tenant's contract is nobody's business.
async fn detail(caller: &Caller, number: u64) -> Result<ContractDetail, Failure> {
    let store = &caller.app().store;
    let found = store.contract(number).await?.filter(|one| caller.who.sees(one.tenant));
    let one = found.ok_or_else(|| Failure::not_found("contract"))?;
    let months = store.contract_months(number).await?;
    Ok(ContractDetail {
        contract: show::contract(&one, name_of(caller, one.tenant).await?, caller.app().clock.now()),
        months: months.iter().map(|period| show::month(&one, period)).collect(),
    })
}
