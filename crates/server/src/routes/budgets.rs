//! Budgets of tenants, projects and users.

use axum::Json;
use axum::http::StatusCode;
use engine::{BudgetScope, Budgeting, Command, Report};
use rating::budget::{Budget, Period};
use rating::tariff::calendar::UtcOffset;
use wire::budget as shown;
use wire::page::PageQuery;
use wire::{BudgetPeriod, Page};

use super::money::amount;
use super::{page_of, plain_text, unexpected};
use crate::access::{Body, Caller, Meta, Params, Read, Segments, TenantAccess, Write};
use crate::convert::budget as convert;
use crate::limits::FILTER_CHARS_MAX;
use crate::problem::Failure;

/// Thresholds when nobody names them, per cent.
const ALERTS_USUAL: [u32; 3] = [50, 80, 100];

/// Budgets of a tenant with what was spent in their present periods.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/budgets", tag = "money", operation_id = "budgets",
    params(("tenant" = String, Path, description = "Name or id"), PageQuery),
    responses((status = 200, description = "A page of budgets", body = Page<shown::Budget>))
)]
pub(super) async fn list(
    access: TenantAccess<Read>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<shown::Budget>>, Failure> {
    let all = access.app().store.budgets(access.tenant.id).await?;
    let all = told(&access, &access.tenant, &all).await?;
    Ok(Json(page_of(all, query.limit, query.cursor.as_deref(), |b| b.number.to_string())?))
}

async fn told(caller: &Caller, tenant: &model::Tenant, all: &[Budget]) -> Result<Vec<shown::Budget>, Failure> {
    let promised = caller.app().store.promised(tenant.id).await?;
    let now = caller.app().clock.now();
    let mut told = Vec::with_capacity(all.len());
    for budget in all {
        let project = match budget.project {
            Some(id) => Some(caller.names().project_name(id).await?),
            None => None,
        };
        let user = match budget.user {
            Some(id) => Some(caller.names().user_name(id).await?),
            None => None,
        };
        told.push(convert::budget(budget, now, &promised, (project, user), tenant.currency));
    }
    Ok(told)
}

/// Set a budget; the one for the same work, of the same kind and the same periods is changed. What was billed in the running
/// period before counts too.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/budgets", tag = "money", operation_id = "set_budget",
    request_body = shown::BudgetSet,
    params(
        ("tenant" = String, Path, description = "Name or id"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")
    ),
    responses((status = 200, description = "The budget", body = shown::Budget))
)]
pub(super) async fn set(
    access: TenantAccess<Write>,
    meta: Meta,
    body: Body<shown::BudgetSet>,
) -> Result<Json<shown::Budget>, Failure> {
    let command = Command::Budget(Box::new(asked(&access, &body.value).await?));
    let number = done(access.command(command, meta.once(access.who.user, &body.raw)).await?)?;
    let store = &access.app().store;
    let find = async || -> Result<Budget, Failure> {
        let all = store.budgets(access.tenant.id).await?;
        all.into_iter().find(|b| b.number == number).ok_or_else(|| Failure::not_found("budget"))
    };
    let mut budget = find().await?;
    if let Some((from, to)) = budget.ahead(budget.set_at)
        && budget.of(from).is_none_or(|spent| spent.before.is_none())
        && let Some(amount) = store.billed_before(&budget, from, to).await?
    {
        let before = Budgeting::Before { budget: number, from, amount };
        access.command(Command::Budget(Box::new(before)), None).await?;
        budget = find().await?;
    }
    let mut told = told(&access, &access.tenant, &[budget]).await?;
    told.pop().map(Json).ok_or_else(|| Failure::not_found("budget"))
}

async fn asked(access: &TenantAccess<Write>, set: &shown::BudgetSet) -> Result<Budgeting, Failure> {
    for (field, text) in [("project", &set.project), ("user", &set.user), ("utc_offset", &set.utc_offset)] {
        plain_text(field, text.as_deref().unwrap_or_default(), FILTER_CHARS_MAX)?;
    }
    let tenant = access.tenant.id;
    let project = match &set.project {
        None => None,
        Some(text) => {
            let found = access.names().find_project(tenant, text).await?;
            Some(found.ok_or_else(|| Failure::invalid("project", "the tenant has no such project"))?)
        }
    };
    let user = match &set.user {
        None => None,
        Some(text) => {
            let found = access.names().find_user(text).await?.filter(|user| user.tenant == tenant);
            Some(found.ok_or_else(|| Failure::invalid("user", "the tenant has no such user"))?.id)
        }
    };
    let period = match (set.period, set.from, set.to) {
        (BudgetPeriod::Once, Some(from), Some(to)) => Period::Once { from: from.0, to: to.0 },
        (BudgetPeriod::Once, ..) => return Err(Failure::invalid("from", "say from when to when")),
        (_, None, None) => match set.period {
            BudgetPeriod::Quarter => Period::Quarter,
            BudgetPeriod::Year => Period::Year,
            BudgetPeriod::Month | BudgetPeriod::Once => Period::Month,
        },
        _ => return Err(Failure::invalid("from", "goes with the period `once` only")),
    };
    let offset = match set.utc_offset.as_deref() {
        None => UtcOffset::UTC,
        Some(text) => text
            .parse()
            .map_err(|e: rating::tariff::calendar::ParseTimeError| Failure::invalid("utc_offset", e.to_string()))?,
    };
    Ok(Budgeting::Set {
        scope: BudgetScope { tenant, project, user },
        kind: convert::kind_from(set.kind),
        period,
        offset,
        amount: amount("amount", set.amount)?,
        alerts: set.alerts.clone().unwrap_or_else(|| ALERTS_USUAL.to_vec()),
    })
}

fn done(report: Report) -> Result<u64, Failure> {
    match report {
        Report::Budget { budget } => Ok(budget),
        other => Err(unexpected(&other)),
    }
}

/// Remove a budget: from now on nothing is refused or told by it.
#[utoipa::path(
    delete, path = "/v1/tenants/{tenant}/budgets/{budget}", tag = "money", operation_id = "remove_budget",
    params(
        ("tenant" = String, Path, description = "Name or id"),
        ("budget" = u64, Path, description = "Its number")
    ),
    responses((status = 204, description = "Removed"))
)]
pub(super) async fn remove(access: TenantAccess<Write>, segments: Segments, meta: Meta) -> Result<StatusCode, Failure> {
    let budget = segments.get("budget").parse().map_err(|_| Failure::not_found("budget"))?;
    let remove = Budgeting::Remove { tenant: access.tenant.id, budget };
    done(access.command(Command::Budget(Box::new(remove)), meta.once(access.who.user, &[])).await?)?;
    Ok(StatusCode::NO_CONTENT)
}
