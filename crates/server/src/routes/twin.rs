//! The platform's state as a whole, for those who run it ahead elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use base::JobId;
use engine::Snapshot;
use model::{JobSpec, Phase};
use ports::Store as _;
use wire::twin::PlatformState;
use wire::{ErrorCode, TimeText};

use super::policy;
use crate::access::AuditAccess;
use crate::app::CommandError;
use crate::limits::{LIST_START_GLANCES_MAX, STATE_JOBS_MAX};
use crate::problem::Failure;

/// A copy of everything that decides when open work starts: what `hw twin live` runs ahead.
#[utoipa::path(
    get, path = "/v1/state", tag = "placement", operation_id = "state",
    responses((status = 200, description = "The state now", body = PlatformState))
)]
pub(super) async fn state(access: AuditAccess) -> Result<Json<PlatformState>, Failure> {
    let app = access.app();
    let open = app.engine.ask(|engine, _| engine.sizes().open_jobs).await;
    if matches!(open, Ok(open) if open > STATE_JOBS_MAX) {
        let text = format!("more than {STATE_JOBS_MAX} jobs are open: the state would be too large");
        return Err(Failure::new(ErrorCode::QueueFull, text));
    }
    let policy = policy::document(app).await?;
    let mut snapshot = app.store.load().await?;
    bare(&mut snapshot);
    let waiting: Vec<JobId> = snapshot
        .jobs
        .iter()
        .filter(|row| matches!(row.job.phase(), Phase::Pending | Phase::Starting { .. }))
        .map(|row| row.job.id)
        .collect();
    let asked = app.engine.ask(move |engine, _| {
        let most = LIST_START_GLANCES_MAX / engine.pools().count().max(1);
        let looked = waiting.into_iter().take(most);
        looked.filter_map(|id| Some((id, TimeText(engine.expected_start(id)?)))).collect::<BTreeMap<_, _>>()
    });
    let expected_starts = match asked.await {
        Ok(starts) => starts,
        Err(CommandError::NotActive { .. } | CommandError::Unavailable(_) | CommandError::Stopping) => BTreeMap::new(),
        Err(CommandError::Denied(denied)) => return Err(denied.into()),
    };
    let state = serde_json::to_value(&snapshot).map_err(|fault| Failure::internal(fault.to_string()))?;
    let (at, version) = (app.clock.now().into(), env!("CARGO_PKG_VERSION").to_owned());
    let currency = access.who.currency.to_string();
    Ok(Json(PlatformState { at, version, policy, currency, expected_starts, state }))
}

/// Takes out what only the jobs themselves need: none of it decides when they start.
fn bare(snapshot: &mut Snapshot) {
    for (_, spec) in &mut snapshot.specs {
        let JobSpec { environment, args, comment, said, .. } = Arc::make_mut(spec);
        *said = model::Said::default();
        environment.clear();
        args.clear();
        *comment = None;
    }
}
