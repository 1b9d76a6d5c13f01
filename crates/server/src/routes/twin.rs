//! The platform's state as a whole, for those who run it ahead elsewhere.

use axum::Json;
use wire::twin::PlatformState;

use super::policy;
use crate::access::AuditAccess;
use crate::problem::Failure;
use crate::twin;

/// A copy of everything that decides when open work starts: what `hw twin live` runs ahead.
#[utoipa::path(
    get, path = "/v1/state", tag = "placement", operation_id = "state",
    responses((status = 200, description = "The state now", body = PlatformState))
)]
pub(super) async fn state(access: AuditAccess) -> Result<Json<PlatformState>, Failure> {
    let app = access.app();
    let policy = policy::document(app).await?;
    let (snapshot, expected_starts) = twin::state(app).await?;
    let state = serde_json::to_value(&snapshot).map_err(|fault| Failure::internal(fault.to_string()))?;
    let (at, version) = (app.clock.now().into(), env!("CARGO_PKG_VERSION").to_owned());
    let currency = access.who.currency.to_string();
    Ok(Json(PlatformState { at, version, policy, currency, expected_starts, state }))
}
