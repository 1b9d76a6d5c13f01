//! The routes under `/v1`, one file per noun, and what surrounds them: request ids, bounds, and the completion of
//! problem documents. Handlers read top to bottom: proof, input, one question or command, answer.

mod again;
mod budgets;
mod bytes;
mod clusters;
mod contracts;
mod corrections;
mod costs;
mod events;
mod exports;
mod files;
mod grants;
mod job_files;
mod jobs;
mod logs;
mod members;
mod money;
mod notices;
mod oidc;
mod overviews;
mod people;
mod policy;
mod prices;
mod rates;
mod reports;
mod session;
mod settlements;
mod sites;
mod spent;
mod statements;
mod submit;
mod suppliers;
mod supply;
mod twin;
mod twin_runs;
mod usage;

pub(crate) use bytes::Reader;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base::RequestId;
use engine::Report;
use store::PageRequest;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use wire::ErrorCode;

use crate::access::{Http, PublicAccess, Shared};
use crate::app::App;
use crate::limits::{BODY_BYTES_MAX, PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, REQUEST_ID_CHARS_MAX, TARGET_BYTES_MAX};
use crate::problem::{Failure, Unanswered};
use crate::{metrics, openapi};

const REQUEST_ID: HeaderName = HeaderName::from_static(wire::REQUEST_ID_HEADER);

/// The API. Everything under `/v1` is answered here, unknown paths too; other paths are left to who merges it.
pub fn router(app: App) -> Router {
    let http = Http::new(app);
    let (router, _) = all().split_for_parts();
    router
        .route("/v1", any(unknown))
        .route("/v1/{*rest}", any(unknown))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(http.clone(), edge))
        .with_state(http)
}

/// The API's description.
pub fn api() -> OpenApi {
    openapi::complete(all().split_for_parts().1)
}

fn all() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(session::sign_in, session::who_am_i, session::sign_out))
        .routes(routes!(oidc::ways))
        .routes(routes!(oidc::begin))
        .routes(routes!(oidc::callback))
        .routes(routes!(session::login))
        .routes(routes!(session::tokens, session::create_token))
        .routes(routes!(session::revoke_token))
        .routes(routes!(session::change_password))
        .routes(routes!(submit::submit, jobs::list))
        .routes(routes!(submit::quote))
        .routes(routes!(again::cancel_many))
        .routes(routes!(again::bulk))
        .routes(routes!(again::submission))
        .routes(routes!(jobs::get, jobs::change))
        .routes(routes!(jobs::script))
        .routes(routes!(jobs::events))
        .routes(routes!(jobs::intervals))
        .routes(routes!(jobs::explain))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::hold))
        .routes(routes!(jobs::release))
        .routes(routes!(jobs::requeue))
        .routes(routes!(logs::read))
        .routes(routes!(logs::find))
        .routes(routes!(logs::follow))
        .routes(routes!(job_files::list))
        .routes(routes!(job_files::content, job_files::put))
        .routes(routes!(files::list, files::remove))
        .routes(routes!(files::content))
        .routes(routes!(files::begin_upload))
        .routes(routes!(files::upload, files::upload_piece))
        .routes(routes!(events::stream))
        .routes(routes!(events::list))
        .routes(routes!(events::audit))
        .routes(routes!(supply::systems))
        .routes(routes!(supply::clusters, clusters::register))
        .routes(routes!(clusters::get))
        .routes(routes!(clusters::check))
        .routes(routes!(clusters::trial))
        .routes(routes!(clusters::service))
        .routes(routes!(clusters::place))
        .routes(routes!(clusters::reports))
        .routes(routes!(clusters::report))
        .routes(routes!(supply::pools))
        .routes(routes!(supply::set_node))
        .routes(routes!(costs::set))
        .routes(routes!(reports::margin))
        .routes(routes!(reports::pools))
        .routes(routes!(reports::sizing))
        .routes(routes!(sites::enroll, sites::list))
        .routes(routes!(sites::revoke))
        .routes(routes!(prices::list, prices::publish))
        .routes(routes!(prices::try_out))
        .routes(routes!(policy::get, policy::set))
        .routes(routes!(policy::versions))
        .routes(routes!(twin::state))
        .routes(routes!(twin_runs::ask, twin_runs::list))
        .routes(routes!(twin_runs::get, twin_runs::remove))
        .routes(routes!(twin_runs::cancel))
        .routes(routes!(people::tenants, people::create_tenant))
        .routes(routes!(people::tenant, people::change_tenant))
        .routes(routes!(people::projects, people::create_project))
        .routes(routes!(people::users, people::create_user))
        .routes(routes!(people::change_user))
        .merge(of_people())
        .merge(all_of_money())
        .routes(routes!(description))
}

/// Who works in projects, and what each hears of.
fn of_people() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(members::list))
        .routes(routes!(members::set, members::remove))
        .routes(routes!(notices::get))
        .routes(routes!(notices::change_mail, notices::ask_mail, notices::drop_mail))
        .routes(routes!(notices::confirm_mail))
        .routes(routes!(notices::create_webhook))
        .routes(routes!(notices::change_webhook, notices::drop_webhook))
        .routes(routes!(notices::test_webhook))
}

fn all_of_money() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(money::wallet))
        .routes(routes!(money::top_up))
        .routes(routes!(money::transfers))
        .routes(routes!(spent::spend))
        .routes(routes!(spent::holds))
        .routes(routes!(spent::queue))
        .routes(routes!(money::bill))
        .routes(routes!(money::margin))
        .routes(routes!(statements::close, statements::list))
        .routes(routes!(statements::get))
        .routes(routes!(statements::jobs))
        .routes(routes!(statements::invoice))
        .routes(routes!(statements::tax))
        .routes(routes!(corrections::create))
        .routes(routes!(exports::export))
        .routes(routes!(settlements::import, settlements::list))
        .routes(routes!(settlements::get))
        .routes(routes!(settlements::lines))
        .routes(routes!(settlements::resolve))
        .routes(routes!(settlements::accept))
        .routes(routes!(settlements::withdraw))
        .routes(routes!(settlements::pay))
        .merge(agreed())
}

/// What was agreed on with tenants and suppliers, and what came of it.
fn agreed() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(contracts::of_tenant, contracts::sign))
        .routes(routes!(contracts::list))
        .routes(routes!(contracts::get))
        .routes(routes!(contracts::end))
        .routes(routes!(grants::of_tenant, grants::give))
        .routes(routes!(grants::list))
        .routes(routes!(grants::get))
        .routes(routes!(grants::revoke))
        .routes(routes!(suppliers::list))
        .routes(routes!(suppliers::set))
        .routes(routes!(suppliers::mapping))
        .routes(routes!(rates::list, rates::set))
        .routes(routes!(usage::report, usage::list))
        .routes(routes!(usage::sums))
        .routes(routes!(overviews::tenants))
        .routes(routes!(overviews::mix))
        .routes(routes!(overviews::ageing))
        .routes(routes!(budgets::list, budgets::set))
        .routes(routes!(budgets::remove))
}

/// The API's description as OpenAPI 3.1.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "platform", operation_id = "openapi", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value))
)]
async fn description(_: PublicAccess) -> Response {
    static TEXT: std::sync::LazyLock<String> = std::sync::LazyLock::new(openapi::document);
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

async fn unknown(request: Request) -> Failure {
    let path: String = request.uri().path().chars().take(200).collect();
    Failure::new(ErrorCode::RouteNotFound, format!("there is nothing at `{path}`; see /v1/openapi.json"))
}

async fn method_not_allowed(request: Request) -> Failure {
    let method: String = request.method().as_str().chars().take(20).collect();
    Failure::new(ErrorCode::MethodNotAllowed, format!("this path does not know {method}; see /v1/openapi.json"))
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Failure::internal(format!("a handler panicked: {}", text.unwrap_or("?"))).into_response()
}

/// The outermost layer: names the request, bounds it, and completes the answer.
async fn edge(State(http): State<Shared>, request: Request, next: Next) -> Response {
    let id = request_id(&request).unwrap_or_else(|| RequestId::from_u128(http.draw()).to_string());
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > TARGET_BYTES_MAX) {
        let detail = format!("path and query have more than the {TARGET_BYTES_MAX} bytes that are accepted");
        return finish(Failure::new(ErrorCode::TargetTooLong, detail).answer(&id), &id);
    }
    let began = Instant::now();
    // The route's pattern, not the path: a label must not grow with what people ask for.
    let route = request.extensions().get::<MatchedPath>().map_or(Arc::from("other"), |p| Arc::from(p.as_str()));
    let span = tracing::debug_span!("request", id, method = %request.method(), path = request.uri().path());
    let response = next.run(request).instrument(span).await;
    let response = match response.extensions().get::<Unanswered>() {
        Some(Unanswered(failure)) => with_headers_of(failure.answer(&id), &response),
        None if response.status().is_client_error() || response.status().is_server_error() => {
            stray(response.status()).answer(&id)
        }
        None => response,
    };
    metrics::request(&route, response.status(), began.elapsed());
    finish(response, &id)
}

/// A completed problem keeps what inner layers said in headers (`Allow`).
fn with_headers_of(mut problem: Response, inner: &Response) -> Response {
    if let Some(allow) = inner.headers().get(header::ALLOW) {
        problem.headers_mut().insert(header::ALLOW, allow.clone());
    }
    problem
}

/// An error that some library answered by itself; every such answer becomes a problem document too.
fn stray(status: StatusCode) -> Failure {
    let code = match status.as_u16() {
        404 => ErrorCode::RouteNotFound,
        405 => ErrorCode::MethodNotAllowed,
        413 => ErrorCode::BodyTooLarge,
        414 => ErrorCode::TargetTooLong,
        415 => ErrorCode::UnsupportedMediaType,
        431 => ErrorCode::HeadersTooLarge,
        400..=499 => ErrorCode::Malformed,
        _ => return Failure::internal(format!("a library answered {status}")),
    };
    Failure::new(code, code.title())
}

fn finish(mut response: Response, id: &str) -> Response {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The caller's own name of the request, where it is one.
fn request_id(request: &Request) -> Option<String> {
    let text = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let fits = (1..=REQUEST_ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    fits.then(|| text.to_owned())
}

/// Which page of a list is asked for.
pub(super) fn page(limit: Option<u32>, cursor: Option<&str>) -> Result<PageRequest, Failure> {
    let limit = items(limit)?;
    PageRequest::new(Some(limit), cursor).map_err(|e| Failure::new(ErrorCode::BadCursor, e.to_string()))
}

fn items(limit: Option<u32>) -> Result<u32, Failure> {
    let limit = limit.unwrap_or(PAGE_ITEMS_DEFAULT);
    if (1..=PAGE_ITEMS_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Failure::invalid("limit", format!("ask for 1 to {PAGE_ITEMS_MAX} items")))
}

/// A page of a short list that is in memory; `key` is the item's id. The cursor is the id of the last item shown.
pub(super) fn page_of<T>(
    all: Vec<T>,
    limit: Option<u32>,
    cursor: Option<&str>,
    key: impl Fn(&T) -> String,
) -> Result<wire::Page<T>, Failure> {
    let limit = items(limit)? as usize;
    let start = match cursor {
        None => 0,
        Some(cursor) => match all.iter().position(|item| key(item) == cursor) {
            Some(last) => last + 1,
            None => {
                return Err(Failure::new(ErrorCode::BadCursor, "the cursor is not one that this list has given out"));
            }
        },
    };
    let more = all.len() - start > limit;
    let items: Vec<T> = all.into_iter().skip(start).take(limit).collect();
    let next_cursor = items.last().filter(|_| more).map(key);
    Ok(wire::Page { items, next_cursor })
}

/// A free text of a request: bounded, and without control characters.
pub(super) fn plain_text(field: &str, text: &str, chars_max: usize) -> Result<(), Failure> {
    if text.chars().count() > chars_max {
        return Err(Failure::invalid(field, format!("use at most {chars_max} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Failure::invalid(field, "control characters are not accepted"));
    }
    Ok(())
}

/// The engine answered a command with the report of another one: a defect.
pub(super) fn unexpected(report: &Report) -> Failure {
    Failure::internal(format!("unexpected report {report:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lists_are_paged_by_the_last_item() {
        let all = || vec!["a", "b", "c"];
        let key = |item: &&str| (*item).to_owned();
        let first = page_of(all(), Some(2), None, key).unwrap();
        assert_eq!((first.items.as_slice(), first.next_cursor.as_deref()), (&["a", "b"][..], Some("b")));
        let last = page_of(all(), Some(2), Some("b"), key).unwrap();
        assert_eq!((last.items.as_slice(), last.next_cursor), (&["c"][..], None));
        assert_eq!(page_of(all(), None, Some("x"), key).unwrap_err().code, ErrorCode::BadCursor);
        assert_eq!(page_of(all(), Some(0), None, key).unwrap_err().code, ErrorCode::Invalid);
    }

    #[test]
    fn foreign_request_ids_are_taken_over_when_they_are_harmless() {
        let with = |id: &str| {
            let request = Request::builder().header(REQUEST_ID, id).body(axum::body::Body::empty()).unwrap();
            request_id(&request)
        };
        assert_eq!(with("trace-1.a_b").as_deref(), Some("trace-1.a_b"));
        for bad in ["", "a b", "a\"b", &"x".repeat(65)] {
            assert_eq!(with(bad), None, "{bad}");
        }
    }
}
