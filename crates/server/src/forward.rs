//! A stand-by passes on what only the active server can answer: every change, and looks into the live engine.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use crate::driver::Role;
use crate::limits::BODY_BYTES_MAX;

/// Marks a request that was passed on once; it is never passed on again.
const PASSED: HeaderName = HeaderName::from_static("x-hw-forwarded");

#[derive(Clone)]
pub struct Forwarder {
    role: watch::Receiver<Role>,
    client: reqwest::Client,
}

impl Forwarder {
    pub fn new(role: watch::Receiver<Role>) -> Self {
        // The HTTP client wants a provider of cryptography even for plain addresses; the first one installed stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap_or_default();
        Self { role, client }
    }
}

/// Reads are served by every replica, except those that need running work or the live queue.
fn needs_active(method: &Method, path: &str) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return path.starts_with("/v1/");
    }
    // Contents of files lie with the active server.
    path.starts_with("/v1/jobs/") && (path.contains("/logs") || path.contains("/files") || path.ends_with("/explain"))
        || path.starts_with("/v1/files/")
}

pub async fn layer(State(forwarder): State<Forwarder>, request: Request, next: Next) -> Response {
    let target: Option<String> = forwarder.role.borrow().forward_to().map(str::to_owned);
    match target {
        Some(url)
            if needs_active(request.method(), request.uri().path()) && !request.headers().contains_key(PASSED) =>
        {
            pass_on(&forwarder.client, &url, request).await
        }
        _ => next.run(request).await,
    }
}

async fn pass_on(client: &reqwest::Client, url: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let target = format!("{url}{}", parts.uri.path_and_query().map_or("/", |p| p.as_str()));
    let mut headers = parts.headers;
    strip(&mut headers);
    headers.insert(PASSED, HeaderValue::from_static("1"));
    match client.request(parts.method, target).headers(headers).body(body).send().await {
        Ok(answer) => {
            let (status, mut headers) = (answer.status(), answer.headers().clone());
            strip(&mut headers);
            let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            response
        }
        Err(error) => {
            tracing::warn!(%error, "the active server did not answer");
            crate::problem::unavailable("the active server does not answer; try again in a few seconds")
        }
    }
}

/// Headers that belong to one connection.
fn strip(headers: &mut HeaderMap) {
    for name in [
        header::CONNECTION,
        header::HOST,
        header::TRANSFER_ENCODING,
        header::CONTENT_LENGTH,
        header::TE,
        header::UPGRADE,
    ] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stay_and_changes_go() {
        for (method, path, goes) in [
            (Method::GET, "/v1/jobs", false),
            (Method::GET, "/v1/jobs/12", false),
            (Method::GET, "/v1/jobs/12/explain", true),
            (Method::GET, "/v1/jobs/12/logs/follow", true),
            (Method::POST, "/v1/jobs", true),
            (Method::PATCH, "/v1/users/x", true),
            (Method::GET, "/v1/files", false),
            (Method::GET, "/v1/files/content", true),
            (Method::GET, "/v1/jobs/12/files", true),
            (Method::PUT, "/v1/files/uploads/upl_1", true),
            (Method::GET, "/healthz", false),
        ] {
            assert_eq!(needs_active(&method, path), goes, "{method} {path}");
        }
    }
}
