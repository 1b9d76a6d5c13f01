//! For those who operate: liveness, readiness, metrics.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio::sync::watch;

use crate::app::EngineHandle;
use crate::driver::Role;

#[derive(Clone)]
struct Ops {
    engine: EngineHandle,
    role: watch::Receiver<Role>,
    set_up: watch::Receiver<bool>,
    metrics: PrometheusHandle,
}

/// `set_up` becomes true once the first administrator, the prices and this machine's cluster are there.
pub fn router(
    engine: EngineHandle,
    role: watch::Receiver<Role>,
    set_up: watch::Receiver<bool>,
    metrics: PrometheusHandle,
) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state(Ops { engine, role, set_up, metrics })
}

/// 200 when requests are answered here (by this server or through the active one), 503 otherwise; the body says why.
async fn ready(State(ops): State<Ops>) -> Response {
    let role = ops.role.borrow().clone();
    let (code, status) = match &role {
        Role::Active if !*ops.set_up.borrow() => (StatusCode::SERVICE_UNAVAILABLE, "setting up"),
        Role::Active => (StatusCode::OK, "ok"),
        Role::Standby { holder: Some(_) } => (StatusCode::OK, "ok"),
        Role::Degraded { .. } => (StatusCode::SERVICE_UNAVAILABLE, "the store cannot write"),
        Role::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Role::Standby { holder: None } => (StatusCode::SERVICE_UNAVAILABLE, "no server is active"),
        Role::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    let body = json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "active": role == Role::Active,
        "role": role.word(),
        "active_server": role.forward_to(),
    });
    (code, Json(body)).into_response()
}

async fn render(State(ops): State<Ops>) -> Response {
    // A server without an engine has nothing to say of queues; its other numbers are still asked for.
    let told = |engine: &engine::Engine| {
        crate::metrics::queues(engine);
        crate::metrics::forecasts(engine);
    };
    let _ = ops.engine.ask(move |engine, _| told(engine)).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], ops.metrics.render()).into_response()
}
