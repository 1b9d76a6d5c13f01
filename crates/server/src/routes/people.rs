//! Tenants, their projects, and users.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base::{Currency, ProjectId, TenantId, UserId};
use engine::{Command, Report};
use wire::page::PageQuery;
use wire::people::{
    Project, ProjectCreate, ProjectCreated, Tenant, TenantCreate, TenantCreated, TenantPatch, TenantsQuery, User,
    UserCreate, UserCreated, UserPatch, UsersQuery,
};
use wire::{ErrorCode, MoneyText, Page};

use super::money::amount;
use super::{page, plain_text, unexpected};
use crate::access::{
    Body, Meta, Names, OperatorAccess, Params, Read, Segments, Sight, TenantAccess, UserAccess, Write,
};
use crate::convert;
use crate::limits::{FILTER_CHARS_MAX, REGIONS_MAX, SHARES_MAX};
use crate::problem::Failure;

/// Tenants that the caller may see, newest first.
#[utoipa::path(
    get, path = "/v1/tenants", tag = "people", operation_id = "tenants", params(TenantsQuery),
    responses((status = 200, description = "A page of tenants", body = Page<Tenant>))
)]
pub(super) async fn tenants(sight: Sight, Params(query): Params<TenantsQuery>) -> Result<Json<Page<Tenant>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let (store, scope) = (&sight.app().store, sight.who.scope());
    let found = match part("q", query.q.as_deref())? {
        Some(part) => store.tenants_like(scope, &part, request).await?,
        None => store.tenants(scope, request).await?,
    };
    Ok(Json(convert::page(found, convert::people::tenant)))
}

/// Part of a name, in lower case as all names are.
fn part(field: &str, text: Option<&str>) -> Result<Option<String>, Failure> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    plain_text(field, text.unwrap_or_default(), FILTER_CHARS_MAX)?;
    Ok(text.map(str::to_lowercase))
}

/// Create a tenant with a wallet and a project called `default`.
#[utoipa::path(
    post, path = "/v1/tenants", tag = "people", operation_id = "create_tenant", request_body = TenantCreate,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")),
    responses((status = 201, description = "Created", body = TenantCreated))
)]
pub(super) async fn create_tenant(
    access: OperatorAccess,
    meta: Meta,
    body: Body<TenantCreate>,
) -> Result<Response, Failure> {
    let TenantCreate { name, currency, shares, credit_limit, tier, regions } = body.value;
    let currency = match currency {
        None => Currency::CNY,
        Some(text) => text.parse().map_err(|e: base::ParseMoneyError| Failure::invalid("currency", e.to_string()))?,
    };
    let ids = &access.app().ids;
    let command = Command::CreateTenant {
        id: TenantId::from_u128(ids.draw()),
        name,
        currency,
        shares: weight(shares)?.unwrap_or(1),
        credit_limit: credit(credit_limit)?.unwrap_or(base::Money::ZERO),
        tier: tier.map(convert::tier_from).unwrap_or_default(),
        regions: places(regions)?.unwrap_or_default(),
        project: ProjectId::from_u128(ids.draw()),
    };
    match access.command(command, meta.once(access.who.user, &body.raw)).await? {
        Report::Tenant { tenant } => Ok((StatusCode::CREATED, Json(TenantCreated { tenant })).into_response()),
        other => Err(unexpected(&other)),
    }
}

fn weight(shares: Option<u32>) -> Result<Option<u32>, Failure> {
    if shares.is_some_and(|n| !(1..=SHARES_MAX).contains(&n)) {
        return Err(Failure::invalid("shares", format!("say 1 to {SHARES_MAX}")));
    }
    Ok(shares)
}

/// Names of sites and regions.
fn places(names: Option<Vec<String>>) -> Result<Option<Arc<[Arc<str>]>>, Failure> {
    let Some(names) = names else { return Ok(None) };
    if names.len() > REGIONS_MAX {
        return Err(Failure::invalid("regions", format!("at most {REGIONS_MAX} places")));
    }
    for name in &names {
        plain_text("regions", name, 64)?;
        if name.is_empty() {
            return Err(Failure::invalid("regions", "a place has a name"));
        }
    }
    Ok(Some(names.into_iter().map(Arc::from).collect()))
}

fn credit(limit: Option<MoneyText>) -> Result<Option<base::Money>, Failure> {
    let limit = limit.map(|text| amount("credit_limit", text)).transpose()?;
    if limit.is_some_and(base::Money::is_negative) {
        return Err(Failure::invalid("credit_limit", "a limit is not negative"));
    }
    Ok(limit)
}

/// One tenant.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}", tag = "people", operation_id = "tenant",
    params(("tenant" = String, Path, description = "Name or id")),
    responses((status = 200, description = "The tenant", body = Tenant))
)]
pub(super) async fn tenant(access: TenantAccess<Read>) -> Json<Tenant> {
    Json(convert::people::tenant(access.tenant.clone()))
}

/// Change a tenant's shares, status, credit limit, contract tier or regions.
#[utoipa::path(
    patch, path = "/v1/tenants/{tenant}", tag = "people", operation_id = "change_tenant", request_body = TenantPatch,
    params(("tenant" = String, Path, description = "Name or id")),
    responses((status = 204, description = "Changed"))
)]
pub(super) async fn change_tenant(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<TenantPatch>,
) -> Result<StatusCode, Failure> {
    let tenant = access.tenant(segments.get("tenant")).await?;
    let TenantPatch { shares, status, credit_limit, tier, regions } = body.value;
    let command = Command::ChangeTenant {
        tenant: tenant.id,
        shares: weight(shares)?,
        status: status.map(convert::tenant_status_from),
        credit_limit: credit(credit_limit)?,
        tier: tier.map(convert::tier_from),
        regions: places(regions)?,
    };
    access.command(command, meta.once(access.who.user, &body.raw)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Projects of a tenant, newest first.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/projects", tag = "people", operation_id = "projects",
    params(("tenant" = String, Path, description = "Name or id"), PageQuery),
    responses((status = 200, description = "A page of projects", body = Page<Project>))
)]
pub(super) async fn projects(
    access: TenantAccess<Read>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<Project>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let found = access.app().store.projects(store::Scope::Tenant(access.tenant.id), request).await?;
    let own = access.who.user;
    Ok(Json(convert::page(found, |p| Project {
        id: p.id,
        tenant: p.tenant,
        name: p.name.to_string(),
        members: u32::try_from(p.members.len()).unwrap_or(u32::MAX),
        role: p.role_of(own).map(convert::project_role),
    })))
}

/// Create a project.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/projects", tag = "people", operation_id = "create_project",
    request_body = ProjectCreate,
    params(
        ("tenant" = String, Path, description = "Name or id"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")
    ),
    responses((status = 201, description = "Created", body = ProjectCreated))
)]
pub(super) async fn create_project(
    access: TenantAccess<Write>,
    meta: Meta,
    body: Body<ProjectCreate>,
) -> Result<Response, Failure> {
    let id = ProjectId::from_u128(access.app().ids.draw());
    let command = Command::CreateProject { id, tenant: access.tenant.id, name: body.value.name };
    match access.command(command, meta.once(access.who.user, &body.raw)).await? {
        Report::Project { project } => Ok((StatusCode::CREATED, Json(ProjectCreated { project })).into_response()),
        other => Err(unexpected(&other)),
    }
}

/// Users that the caller may see, newest first.
#[utoipa::path(
    get, path = "/v1/users", tag = "people", operation_id = "users", params(UsersQuery),
    responses((status = 200, description = "A page of users", body = Page<User>))
)]
pub(super) async fn users(sight: Sight, Params(query): Params<UsersQuery>) -> Result<Json<Page<User>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let scope = sight.scope(query.tenant.as_deref()).await?;
    let store = &sight.app().store;
    let found = match (part("q", query.q.as_deref())?, query.role) {
        (None, None) => store.users(scope, request).await?,
        (part, role) => {
            store.users_like(scope, &part.unwrap_or_default(), role.map(convert::role_from), request).await?
        }
    };
    let mut items = Vec::with_capacity(found.items.len());
    for user in found.items {
        items.push(user_of(user, sight.names()).await?);
    }
    Ok(Json(Page { items, next_cursor: found.next }))
}

async fn user_of(user: model::User, names: Names<'_>) -> Result<User, Failure> {
    Ok(User {
        id: user.id,
        name: user.name.to_string(),
        role: convert::role(user.role),
        tenant: user.tenant,
        tenant_name: names.tenant_name(user.tenant).await?,
        project: user.default_project,
        project_name: names.project_name(user.default_project).await?,
        disabled: user.disabled,
    })
}

/// Create a user. Owners create members and owners of their own tenant.
#[utoipa::path(
    post, path = "/v1/users", tag = "people", operation_id = "create_user", request_body = UserCreate,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")),
    responses((status = 201, description = "Created", body = UserCreated))
)]
pub(super) async fn create_user(access: UserAccess, meta: Meta, body: Body<UserCreate>) -> Result<Response, Failure> {
    let UserCreate { name, password, role, tenant, project } = body.value;
    if !model::people::valid_name(&name) {
        let shown: String = name.chars().take(60).collect();
        return Err(engine::Denied::BadName { noun: "user", name: shown }.into());
    }
    plain_text("tenant", &tenant, 64)?;
    plain_text("project", project.as_deref().unwrap_or_default(), 64)?;
    let role = convert::role_from(role);
    let tenant = access.names().find_tenant(&tenant).await?.filter(|t| access.who.sees(t.id));
    let tenant = tenant.ok_or_else(|| Failure::invalid("tenant", "there is no such tenant"))?.id;
    access.may_create(tenant, role)?;
    let project = project.as_deref().unwrap_or("default");
    let found = access.names().find_project(tenant, project).await?;
    let default_project = found.ok_or_else(|| Failure::invalid("project", "the tenant has no such project"))?;
    let password = match password {
        None => None,
        Some(password) => Some(access.new_password(password).await?),
    };
    let id = UserId::from_u128(access.app().ids.draw());
    let user = model::User { id, tenant, name: Arc::from(name), role, default_project, disabled: false };
    match access.command(Command::CreateUser { user, password }, meta.once(access.who.user, &body.raw)).await? {
        Report::User { user } => Ok((StatusCode::CREATED, Json(UserCreated { user })).into_response()),
        other => Err(unexpected(&other)),
    }
}

/// Change a user's role, disable it, or set a new password. Tokens and sessions of a disabled user end.
#[utoipa::path(
    patch, path = "/v1/users/{user}", tag = "people", operation_id = "change_user", request_body = UserPatch,
    params(("user" = String, Path, description = "Name or id")),
    responses((status = 204, description = "Changed"))
)]
pub(super) async fn change_user(
    access: UserAccess,
    segments: Segments,
    meta: Meta,
    body: Body<UserPatch>,
) -> Result<StatusCode, Failure> {
    let user = access.target(segments.get("user")).await?;
    let UserPatch { role, disabled, password } = body.value;
    let role = role.map(convert::role_from);
    if let Some(role) = role {
        access.may_grant(role)?;
    }
    // Whoever takes the own rights away could lock everybody out.
    if user.id == access.who.user && (disabled == Some(true) || role.is_some_and(|r| r != user.role)) {
        return Err(Failure::new(ErrorCode::WrongState, "nobody disables or demotes itself; ask another manager"));
    }
    let once = meta.once(access.who.user, &body.raw);
    if let Some(password) = password {
        let password = access.new_password(password).await?;
        access.command(Command::SetPassword { user: user.id, password }, None).await?;
    }
    if role.is_some() || disabled.is_some() {
        access.command(Command::ChangeUser { user: user.id, role, disabled }, once).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
