//! Rates between currencies: told and looked up. None is changed or removed; another for the same day takes its place.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use engine::{Command, Report};
use wire::Page;
use wire::rates::{Rate, RateSet, RatesQuery};

use super::{page, plain_text, unexpected};
use crate::access::{AuditAccess, Body, Caller, Meta, OperatorAccess, Params};
use crate::convert::rate::{self as show, currency};
use crate::limits::MEMO_CHARS_MAX;
use crate::problem::Failure;

/// Rates as they were told, newest first, also those whose place another has taken.
#[utoipa::path(
    get, path = "/v1/rates", tag = "money", operation_id = "rates", params(RatesQuery),
    responses((status = 200, description = "A page of rates", body = Page<Rate>))
)]
pub(super) async fn list(access: AuditAccess, Params(query): Params<RatesQuery>) -> Result<Json<Page<Rate>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let of = query.of.as_deref().map(|text| currency("of", text)).transpose()?;
    let into = query.into.as_deref().map(|text| currency("into", text)).transpose()?;
    let found = access.app().store.rates(of, into, request).await?;
    let items = told(&access, &found.items).await?;
    Ok(Json(Page { items, next_cursor: found.next }))
}

async fn told(caller: &Caller, rates: &[rating::Rate]) -> Result<Vec<Rate>, Failure> {
    let table = caller.app().store.rate_table(None).await?;
    let mut all = Vec::with_capacity(rates.len());
    for one in rates {
        let by = match one.user {
            Some(user) => Some(caller.names().user_name(user).await?),
            None => None,
        };
        all.push(show::rate(one, by, &table));
    }
    Ok(all)
}

/// Tell what one unit of a currency is worth in another from a day on. Reports in one currency convert each day's amounts by it, also of
/// days that have passed.
#[utoipa::path(
    post, path = "/v1/rates", tag = "money", operation_id = "set_rate", request_body = RateSet,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters: the same key and body tell a rate once")),
    responses((status = 201, description = "The rate; the one that is known where it is the same", body = Rate))
)]
pub(super) async fn set(access: OperatorAccess, meta: Meta, body: Body<RateSet>) -> Result<Response, Failure> {
    plain_text("reason", &body.value.reason, MEMO_CHARS_MAX)?;
    let command = Command::SetRate(Box::new(show::rate_from(&body.value)?));
    let number = match access.command(command, meta.once(access.who.user, &body.raw)).await? {
        Report::Rate { rate } => rate,
        other => return Err(unexpected(&other)),
    };
    let known = access.app().store.rate(number).await?.ok_or_else(|| Failure::not_found("rate"))?;
    let told = told(&access, std::slice::from_ref(&known)).await?.pop();
    let told = told.ok_or_else(|| Failure::not_found("rate"))?;
    Ok((StatusCode::CREATED, Json(told)).into_response())
}
