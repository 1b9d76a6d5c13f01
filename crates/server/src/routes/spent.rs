//! What a tenant spends day by day, what its open jobs have set aside, and how many jobs wait by class.

use std::collections::BTreeMap;

use axum::Json;
use base::{Span, Timestamp};
use model::{PriorityClass, ProductLine, StateCode};
use store::{SpentBy, SpentKey};
use wire::page::PageQuery;
use wire::spent::{Held, Queue, QueueClass, Spend, SpendQuery, SpendRow};
use wire::{Page, SpendBy};

use super::money::period;
use super::page;
use crate::access::{Params, Read, Sight, TenantAccess};
use crate::convert;
use crate::limits::SPEND_SPAN_MAX;
use crate::problem::Failure;

/// What is told when nobody says from when.
const SPAN_USUAL: Span = Span::from_hours(30 * 24);
const HOUR_MS: f64 = 3_600_000.0;

/// What a tenant's work was charged, by the platform's days and by project, user or product line.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/spend", tag = "money", operation_id = "spend",
    params(("tenant" = String, Path, description = "Name or id"), SpendQuery),
    responses((status = 200, description = "The sums", body = Spend))
)]
pub(super) async fn spend(
    access: TenantAccess<Read>,
    Params(query): Params<SpendQuery>,
) -> Result<Json<Spend>, Failure> {
    let (app, days) = (access.app(), access.app().store.days());
    let to = query.to.map_or(app.clock.now(), |t| t.0);
    let from = query.from.map_or(Timestamp::from_micros(to.as_micros() - SPAN_USUAL.as_micros()), |t| t.0);
    let (from, to) = period(Some(from), Some(to), to)?;
    let (from, to) = (days.begin(days.after(from)), days.end(days.of(to)));
    if to.since(from) > SPEND_SPAN_MAX {
        return Err(Failure::invalid("from", format!("at most {} days", SPEND_SPAN_MAX.as_secs() / 86_400)));
    }
    let by = query.by.unwrap_or(SpendBy::Line);
    let told = match by {
        SpendBy::Project => SpentBy::Project,
        SpendBy::User => SpentBy::User,
        SpendBy::Line => SpentBy::Line,
    };
    let found = app.store.spent(access.tenant.id, told, from, to).await?;
    let names = names(&access, found.iter().map(|row| row.key)).await?;
    let rows = found.iter().map(|row| SpendRow {
        day: date(row.day),
        key: match row.key {
            SpentKey::Line(line) => line
                .and_then(|n| ProductLine::ALL.get(n))
                .map_or_else(|| "-".to_owned(), |line| line.as_str().to_owned()),
            SpentKey::Project(id) => named(&names, id.as_u128()),
            SpentKey::User(id) => named(&names, id.as_u128()),
        },
        charge: row.charge.into(),
        credited: row.credited.into(),
        core_hours: row.core_ms as f64 / HOUR_MS,
        card_hours: row.card_ms as f64 / HOUR_MS,
    });
    Ok(Json(Spend {
        from: from.into(),
        to: to.into(),
        utc_offset: days.offset().to_string(),
        by,
        currency: access.tenant.currency.to_string(),
        rows: rows.collect(),
    }))
}

fn named(names: &BTreeMap<u128, String>, id: u128) -> String {
    names.get(&id).cloned().unwrap_or_else(|| "-".to_owned())
}

async fn names(
    access: &TenantAccess<Read>,
    keys: impl Iterator<Item = SpentKey>,
) -> Result<BTreeMap<u128, String>, Failure> {
    let mut names = BTreeMap::new();
    let (mut users, mut projects) = (Vec::new(), Vec::new());
    for key in keys {
        match key {
            SpentKey::User(id) => users.push(id),
            SpentKey::Project(id) => projects.push(id),
            SpentKey::Line(_) => {}
        }
    }
    for (id, user) in access.names().users(users.into_iter()).await? {
        names.insert(id.as_u128(), user.name.to_string());
    }
    for (id, (project, _)) in access.names().projects(projects.into_iter()).await? {
        names.insert(id.as_u128(), project.name.to_string());
    }
    Ok(names)
}

/// `2026-11-22` of a day since 1970.
fn date(day: i64) -> String {
    Timestamp::from_secs(day.saturating_mul(Span::from_hours(24).as_secs())).rfc3339().chars().take(10).collect()
}

/// What open jobs have set aside in a tenant's wallet, newest job first.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/holds", tag = "money", operation_id = "holds",
    params(("tenant" = String, Path, description = "Name or id"), PageQuery),
    responses((status = 200, description = "A page of them", body = Page<Held>))
)]
pub(super) async fn holds(
    access: TenantAccess<Read>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<Held>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let found = access.app().store.held(access.tenant.id, request).await?;
    let currency = access.tenant.currency.to_string();
    Ok(Json(convert::page(found, |row| Held {
        job: row.job,
        number: row.number,
        name: row.name,
        state: convert::state(row.state),
        user_name: row.user.unwrap_or_else(|| "-".to_owned()),
        amount: row.amount.into(),
        currency: currency.clone(),
        since: row.since.into(),
    })))
}

/// How many jobs wait, are held and run, by class: of everybody for operators and auditors, else of the caller's tenant.
#[utoipa::path(
    get, path = "/v1/queue", tag = "jobs", operation_id = "queue",
    responses((status = 200, description = "The most urgent class first", body = Queue))
)]
pub(super) async fn queue(sight: Sight) -> Result<Json<Queue>, Failure> {
    let found = sight.app().store.queue(sight.who.scope()).await?;
    let classes = PriorityClass::ALL.into_iter().rev().map(|class| {
        let mine = || found.iter().filter(move |row| row.class == class);
        let count = |wanted: &[StateCode]| mine().filter(|row| wanted.contains(&row.state)).map(|row| row.jobs).sum();
        QueueClass {
            class: convert::class(class),
            waiting: count(&[StateCode::Pending]),
            held: count(&[StateCode::Held]),
            running: count(&[StateCode::Running, StateCode::Completing]),
            oldest: mine().filter(|row| row.state == StateCode::Pending).map(|row| row.oldest).min().map(Into::into),
        }
    });
    Ok(Json(Queue { classes: classes.collect() }))
}
