//! Storage, traffic, requests and tokens: reported by the operator's gateways record by record, and shown as they were billed.

use std::collections::HashMap;

use axum::Json;
use base::{Currency, TenantId};
use engine::{Command, Report, Reporting};
use rating::Reported;
use rating::usage::PLATFORM;
use rating::volumes::Pieces;
use store::{Scope, UsageFilter};
use wire::Page;
use wire::usage::{Usage, UsageQuery, UsageRecord, UsageReport, UsageResult, UsageSums, UsageTaken};

use super::{page, plain_text, unexpected};
use crate::access::{Body, Caller, OperatorAccess, Params, Sight};
use crate::convert::{self, usage as show};
use crate::limits::FILTER_CHARS_MAX;
use crate::problem::Failure;

/// Report what was used of storage, traffic, requests or tokens. Each record has an answer of its own: it is billed once, however often
/// it is reported; one that is refused is not billed, and stays with whoever reports it.
#[utoipa::path(
    post, path = "/v1/usage", tag = "money", operation_id = "report_usage", request_body = UsageReport,
    responses((status = 200, description = "What came of each record", body = UsageTaken))
)]
pub(super) async fn report(access: OperatorAccess, body: Body<UsageReport>) -> Result<Json<UsageTaken>, Failure> {
    let UsageReport { source, records } = body.value;
    plain_text("source", &source, rating::usage::TEXT_MAX)?;
    if source.trim().is_empty() || source == PLATFORM {
        return Err(Failure::invalid(
            "source",
            "say who reports it; `platform` is what the platform itself has counted",
        ));
    }
    if records.len() > engine::usage::RECORDS_MAX {
        return Err(Failure::invalid("records", "a report has at most 1000 records"));
    }
    let mut results: Vec<Option<UsageResult>> = Vec::with_capacity(records.len());
    let (mut asked, mut ids) = (Vec::new(), Vec::new());
    let mut reader = Reader { access: &access, source: &source, tenants: HashMap::new() };
    for record in records {
        let id = record.id.clone();
        match reader.read(record).await? {
            Ok(reported) => {
                asked.push(reported);
                ids.push((results.len(), id));
                results.push(None);
            }
            Err(refused) => results.push(Some(refused)),
        }
    }
    let keys: Vec<u128> = asked.iter().map(Reported::key).collect();
    let known = access.app().store.usage_known(&keys).await?;
    let command = Command::Usage(Box::new(Reporting { records: asked, known }));
    let taken = match access.command(command, None).await? {
        Report::Usage { taken } => taken,
        other => return Err(unexpected(&other)),
    };
    for ((place, id), taken) in ids.into_iter().zip(taken) {
        results[place] = Some(show::result(id, taken));
    }
    let results: Vec<UsageResult> = results.into_iter().flatten().collect();
    let count = |is: fn(&UsageResult) -> bool| results.iter().filter(|one| is(one)).count() as u32;
    let (booked, again, refused) = (count(|one| one.booked), count(|one| one.again), count(|one| !one.booked));
    Ok(Json(UsageTaken { booked, again, refused, results }))
}

/// Turns names into ids; those of one report are looked up once.
struct Reader<'a> {
    access: &'a OperatorAccess,
    source: &'a str,
    tenants: HashMap<String, Option<TenantId>>,
}

impl Reader<'_> {
    /// The record, or why it is none.
    async fn read(&mut self, record: UsageRecord) -> Result<Result<Reported, UsageResult>, Failure> {
        let UsageRecord { id, tenant, project, user, unit, pieces, from, to, product, pool, label, model, kind } =
            record;
        let names = self.access.names();
        if !self.tenants.contains_key(&tenant) {
            let found = names.find_tenant(&tenant).await?.map(|t| t.id);
            self.tenants.insert(tenant.clone(), found);
        }
        let none = |field: &str, text: &str| Ok(Err(show::invalid(&id, field, text)));
        let Some(owner) = self.tenants.get(&tenant).copied().flatten() else {
            return none("tenant", "there is no such tenant");
        };
        let user = match user.as_deref() {
            None => None,
            Some(text) => match names.find_user(text).await?.filter(|user| user.tenant == owner) {
                Some(user) => Some(user),
                None => return none("user", "the tenant has no such user"),
            },
        };
        let own = user.as_ref().filter(|_| project.is_none()).map(|user| user.default_project);
        let project = match own {
            Some(own) => Some(own),
            None => names.find_project(owner, project.as_deref().unwrap_or("default")).await?,
        };
        let Some(project) = project else { return none("project", "the tenant has no such project") };
        let supply = names.supply().await?;
        let pool = match pool.as_deref() {
            None => None,
            Some(text) => match supply.find_pool(text) {
                Some(pool) => Some(pool.id),
                None => return none("pool", "there is no such pool"),
            },
        };
        let Ok(pieces) = pieces.parse::<Pieces>() else { return none("pieces", "a whole number") };
        Ok(Ok(Reported {
            source: self.source.into(),
            id: id.as_str().into(),
            tenant: owner,
            project,
            user: user.map(|user| user.id),
            unit: show::unit(unit)?,
            pieces,
            from: from.0,
            to: to.unwrap_or(from).0,
            line: product.map_or_else(Default::default, convert::line_from),
            pool,
            label: label.map(Into::into),
            model: model.map(Into::into),
            kind: kind.map(Into::into),
        }))
    }
}

async fn filter(sight: &Sight, query: &UsageQuery) -> Result<(Scope, UsageFilter), Failure> {
    for (field, text) in [("project", &query.project), ("user", &query.user), ("model", &query.model)] {
        plain_text(field, text.as_deref().unwrap_or_default(), FILTER_CHARS_MAX)?;
    }
    let scope = sight.scope(query.tenant.as_deref()).await?;
    let project = match (query.project.as_deref(), scope) {
        (None, _) => None,
        (Some(text), Scope::Tenant(tenant)) => {
            Some(sight.names().find_project(tenant, text).await?.ok_or_else(|| Failure::not_found("project"))?)
        }
        (Some(text), Scope::All) => {
            Some(text.parse().map_err(|_| Failure::invalid("project", "name the tenant too, or an id"))?)
        }
    };
    let user = match query.user.as_deref() {
        None => None,
        Some(text) => {
            let found = sight.names().find_user(text).await?.filter(|user| sight.who.sees(user.tenant));
            Some(found.ok_or_else(|| Failure::not_found("user"))?.id)
        }
    };
    let unit = query.unit.map(show::unit).transpose()?;
    let (from, to) = (query.from.map(|t| t.0), query.to.map(|t| t.0));
    Ok((scope, UsageFilter { unit, model: query.model.as_deref().map(Into::into), project, user, from, to }))
}

async fn payer(caller: &Caller, tenant: TenantId) -> Result<(String, Currency), Failure> {
    let found = caller.names().tenant(tenant).await?;
    Ok(found.map_or_else(|| ("?".to_owned(), Currency::CNY), |tenant| (tenant.name.to_string(), tenant.currency)))
}

/// Usage as it was billed, newest first.
#[utoipa::path(
    get, path = "/v1/usage", tag = "money", operation_id = "usage", params(UsageQuery),
    responses((status = 200, description = "A page of records", body = Page<Usage>))
)]
pub(super) async fn list(sight: Sight, Params(query): Params<UsageQuery>) -> Result<Json<Page<Usage>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let (scope, filter) = filter(&sight, &query).await?;
    let found = sight.app().store.usage(scope, &filter, request).await?;
    let keys: Vec<u128> = found.items.iter().map(|usage| usage.of.key()).collect();
    let facts = sight.app().store.usage_facts(&keys).await?;
    let mut items = Vec::with_capacity(found.items.len());
    for facts in keys.iter().filter_map(|key| facts.get(key)) {
        let (name, currency) = payer(&sight, facts.usage.of.tenant).await?;
        items.push(show::usage(facts, name, currency));
    }
    Ok(Json(Page { items, next_cursor: found.next }))
}

/// What usage comes to by tenant, unit, model and kind.
#[utoipa::path(
    get, path = "/v1/usage/sums", tag = "money", operation_id = "usage_sums", params(UsageQuery),
    responses((status = 200, description = "Sums by tenant, unit, model and kind", body = UsageSums))
)]
pub(super) async fn sums(sight: Sight, Params(query): Params<UsageQuery>) -> Result<Json<UsageSums>, Failure> {
    let (scope, filter) = filter(&sight, &query).await?;
    let mut items = Vec::new();
    for sum in sight.app().store.usage_sums(scope, &filter).await? {
        let (name, currency) = payer(&sight, sum.tenant).await?;
        items.push(show::sum(&sum, name, currency));
    }
    Ok(Json(UsageSums { from: query.from, to: query.to, items }))
}
