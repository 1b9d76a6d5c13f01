//! Money granted to tenants for free: giving, looking, revoking.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base::Money;
use engine::{Command, Granting, Report};
use wire::Page;
use wire::grant::{Grant, GrantCreate, GrantRevoke};
use wire::page::PageQuery;

use super::money::amount;
use super::{page, plain_text, unexpected};
use crate::access::{AuditAccess, Body, Caller, Meta, OperatorAccess, Params, Read, Segments, TenantAccess};
use crate::convert::grant::{self as show, Named};
use crate::limits::{FILTER_CHARS_MAX, MEMO_CHARS_MAX};
use crate::problem::Failure;

/// What a tenant was granted, newest first.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/grants", tag = "money", operation_id = "tenant_grants",
    params(("tenant" = String, Path, description = "Name or id"), PageQuery),
    responses((status = 200, description = "A page of grants", body = Page<Grant>))
)]
pub(super) async fn of_tenant(
    access: TenantAccess<Read>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<Grant>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let found = access.app().store.grants(Some(access.tenant.id), request).await?;
    told(&access, found).await.map(Json)
}

/// Grant a tenant money for free, for some work and until some time. It pays before the tenant's wallet does.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/grants", tag = "money", operation_id = "give_grant", request_body = GrantCreate,
    params(
        ("tenant" = String, Path, description = "Name or id"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters: the same key and body grant once")
    ),
    responses((status = 201, description = "The grant", body = Grant))
)]
pub(super) async fn give(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<GrantCreate>,
) -> Result<Response, Failure> {
    let tenant = access.tenant(segments.get("tenant")).await?;
    let asked = &body.value;
    plain_text("note", &asked.note, MEMO_CHARS_MAX)?;
    for (field, text) in [("project", &asked.project), ("user", &asked.user)] {
        plain_text(field, text.as_deref().unwrap_or_default(), FILTER_CHARS_MAX)?;
    }
    let project = match &asked.project {
        None => None,
        Some(text) => {
            let found = access.names().find_project(tenant.id, text).await?;
            Some(found.ok_or_else(|| Failure::invalid("project", "the tenant has no such project"))?)
        }
    };
    let user = match &asked.user {
        None => None,
        Some(text) => {
            let found = access.names().find_user(text).await?.filter(|user| user.tenant == tenant.id);
            Some(found.ok_or_else(|| Failure::invalid("user", "the tenant has no such user"))?.id)
        }
    };
    let give = Granting::Give {
        tenant: tenant.id,
        project,
        user,
        amount: amount("amount", asked.amount)?,
        from: asked.from.map(|t| t.0),
        to: asked.to.0,
        of: show::scope_from(asked)?,
        note: asked.note.as_str().into(),
    };
    let command = Command::Grant(Box::new(give));
    let number = done(access.command(command, meta.once(access.who.user, &body.raw)).await?)?;
    Ok((StatusCode::CREATED, Json(one(&access, number).await?)).into_response())
}

/// All tenants' grants, newest first.
#[utoipa::path(
    get, path = "/v1/grants", tag = "money", operation_id = "grants", params(PageQuery),
    responses((status = 200, description = "A page of grants", body = Page<Grant>))
)]
pub(super) async fn list(access: AuditAccess, Params(query): Params<PageQuery>) -> Result<Json<Page<Grant>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let found = access.app().store.grants(None, request).await?;
    told(&access, found).await.map(Json)
}

/// A grant with what was drawn of it.
#[utoipa::path(
    get, path = "/v1/grants/{grant}", tag = "money", operation_id = "grant",
    params(("grant" = u64, Path, description = "Our number of it")),
    responses((status = 200, description = "The grant", body = Grant))
)]
pub(super) async fn get(caller: Caller, segments: Segments) -> Result<Json<Grant>, Failure> {
    Ok(Json(one(&caller, number(&segments)?).await?))
}

/// Revoke a grant: what nobody was promised goes back at once. Open jobs keep what they were promised.
#[utoipa::path(
    post, path = "/v1/grants/{grant}/revoke", tag = "money", operation_id = "revoke_grant", request_body = GrantRevoke,
    params(
        ("grant" = u64, Path, description = "Our number of it"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")
    ),
    responses((status = 200, description = "The grant afterwards", body = Grant))
)]
pub(super) async fn revoke(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<GrantRevoke>,
) -> Result<Json<Grant>, Failure> {
    plain_text("note", &body.value.note, MEMO_CHARS_MAX)?;
    let revoke = Granting::Revoke { grant: number(&segments)?, note: body.value.note.as_str().into() };
    let command = Command::Grant(Box::new(revoke));
    let number = done(access.command(command, meta.once(access.who.user, &body.raw)).await?)?;
    Ok(Json(one(&access, number).await?))
}

fn number(segments: &Segments) -> Result<u64, Failure> {
    segments.get("grant").parse().map_err(|_| Failure::not_found("grant"))
}

fn done(report: Report) -> Result<u64, Failure> {
    match report {
        Report::Grant { grant } => Ok(grant),
        other => Err(unexpected(&other)),
    }
}

/// Another tenant's grant is nobody's business.
async fn one(caller: &Caller, number: u64) -> Result<Grant, Failure> {
    let found = caller.app().store.grant(number).await?.filter(|one| caller.who.sees(one.tenant));
    shown(caller, &found.ok_or_else(|| Failure::not_found("grant"))?).await
}

async fn told(caller: &Caller, found: store::Page<rating::Grant>) -> Result<Page<Grant>, Failure> {
    let mut items = Vec::with_capacity(found.items.len());
    for one in &found.items {
        items.push(shown(caller, one).await?);
    }
    let next_cursor = crate::convert::page(found, |_| ()).next_cursor;
    Ok(Page { items, next_cursor })
}

async fn shown(caller: &Caller, one: &rating::Grant) -> Result<Grant, Failure> {
    let names = caller.names();
    let named = Named {
        tenant: names.tenant_name(one.tenant).await?,
        project: match one.project {
            Some(id) => Some(names.project_name(id).await?),
            None => None,
        },
        user: match one.user {
            Some(id) => Some(names.user_name(id).await?),
            None => None,
        },
    };
    let account = caller.app().store.account(&engine::grant_code(one.number)).await?;
    let promised = account.map_or(Money::ZERO, |account| account.held);
    Ok(show::grant(one, named, promised, caller.app().clock.now()))
}
