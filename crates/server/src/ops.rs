//! For those who operate: liveness, readiness, metrics.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio::sync::watch;

use crate::driver::Role;

#[derive(Clone)]
struct Ops {
    role: watch::Receiver<Role>,
    set_up: watch::Receiver<bool>,
    metrics: PrometheusHandle,
}

/// `set_up` becomes true once the first administrator, the prices and this machine's cluster are there.
pub fn router(role: watch::Receiver<Role>, set_up: watch::Receiver<bool>, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state(Ops { role, set_up, metrics })
}

/// 200 when requests are answered here (by this server or through the active one), 503 otherwise; the body says why.
async fn ready(State(ops): State<Ops>) -> Response {
    let role = ops.role.borrow().clone();
    let (status, detail) = match &role {
        Role::Active if !*ops.set_up.borrow() => (StatusCode::SERVICE_UNAVAILABLE, Some("setting up".to_owned())),
        Role::Active => (StatusCode::OK, None),
        Role::Standby { holder: Some(holder) } => (StatusCode::OK, holder.split('#').next().map(str::to_owned)),
        Role::Degraded { .. } => (StatusCode::SERVICE_UNAVAILABLE, Some("the store cannot write".to_owned())),
        Role::Starting | Role::Standby { holder: None } | Role::Stopped => (StatusCode::SERVICE_UNAVAILABLE, None),
    };
    (status, Json(json!({ "role": role.word(), "detail": detail }))).into_response()
}

async fn render(State(ops): State<Ops>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], ops.metrics.render()).into_response()
}
