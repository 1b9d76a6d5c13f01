//! Runs of the twin: asked for by operators, read by auditors too, played one after the other.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::{Timestamp, TwinRunId};
use engine::{Command, Report, TwinStep};
use store::TwinRunState;
use wire::page::PageQuery;
use wire::twin_run::{TwinRun, TwinRunAsk, TwinRunDetail};
use wire::{ErrorCode, Page, TwinKind, TwinState};

use super::{page, plain_text, policy, unexpected};
use crate::access::{AuditAccess, Body, Caller, Meta, OperatorAccess, Params, Segments};
use crate::app::App;
use crate::convert;
use crate::limits::{MEMO_CHARS_MAX, TWIN_RUNS_KEPT, TWIN_RUNS_QUEUED_MAX};
use crate::problem::Failure;
use crate::twin::{self, Doc, Over};

/// Ask for a run: the platform's last days again, or its present state ahead, as things are and with changes.
#[utoipa::path(
    post, path = "/v1/twin/runs", tag = "placement", operation_id = "ask_twin_run", request_body = TwinRunAsk,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters: the same key and body ask for one run")),
    responses((status = 201, description = "It waits for its turn", body = TwinRun))
)]
pub(super) async fn ask(access: OperatorAccess, meta: Meta, body: Body<TwinRunAsk>) -> Result<Response, Failure> {
    let app = access.app();
    plain_text("note", &body.value.note, MEMO_CHARS_MAX)?;
    let supply = access.names().supply().await?;
    let now = app.clock.now();
    let asked = twin::check(body.value, &supply, now)?;
    let queue = app.store.twin_runs_in(TwinRunState::Queued).await?;
    if queue.len() >= TWIN_RUNS_QUEUED_MAX {
        let text = format!("{TWIN_RUNS_QUEUED_MAX} runs wait already: cancel some, or wait until some are over");
        return Err(Failure::new(ErrorCode::QueueFull, text));
    }
    let detail = match asked.kind {
        TwinKind::Past => format!("past, {} days", asked.days.unwrap_or_default()),
        TwinKind::Ahead => format!("ahead, {} s", asked.horizon_seconds.unwrap_or_default()),
    };
    let run = TwinRunId::from_u128(app.ids.draw());
    let command = Command::NoteTwinRun { run, step: TwinStep::Ask, detail };
    let id = match access.command(command, meta.once(access.who.user, &body.raw)).await? {
        Report::TwinRun { run } => run,
        other => return Err(unexpected(&other)),
    };
    if app.store.twin_run(id).await?.is_none() {
        let (policy_version, policy) = policy::in_force(app).await?;
        let (by, currency) = (access.who.name.to_string(), access.who.currency.to_string());
        let doc = Doc { asked, policy, policy_version, by, currency };
        let doc = serde_json::to_string(&doc).map_err(|fault| Failure::internal(fault.to_string()))?;
        app.store.ask_twin_run(id, now, &doc, TWIN_RUNS_KEPT).await?;
    }
    app.twin.wake();
    Ok((StatusCode::CREATED, Json(shown(&access, id).await?)).into_response())
}

/// Runs, newest first; the last hundred are kept.
#[utoipa::path(
    get, path = "/v1/twin/runs", tag = "placement", operation_id = "twin_runs", params(PageQuery),
    responses((status = 200, description = "A page of runs", body = Page<TwinRun>))
)]
pub(super) async fn list(
    access: AuditAccess,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<TwinRun>>, Failure> {
    let app = access.app();
    let found = app.store.twin_runs(page(query.limit, query.cursor.as_deref())?).await?;
    let (queue, now) = (queue(app).await?, app.clock.now());
    let items = found.items.into_iter().map(|run| told(app, run, &queue, now)).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next_cursor: found.next }))
}

/// A run, and what came of it once it is done.
#[utoipa::path(
    get, path = "/v1/twin/runs/{run}", tag = "placement", operation_id = "twin_run",
    params(("run" = String, Path, description = "Its id")),
    responses((status = 200, description = "The run", body = TwinRunDetail))
)]
pub(super) async fn get(access: AuditAccess, segments: Segments) -> Result<Response, Failure> {
    let id = id(&segments)?;
    let run = shown(&access, id).await?;
    let mut text = serde_json::to_string(&run).map_err(|fault| Failure::internal(fault.to_string()))?;
    // As it was written: a number that is read and written again may differ in its last digit.
    if let Some(result) = access.app().store.twin_result(id).await? {
        text.truncate(text.len() - 1);
        text.push_str(",\"result\":");
        text.push_str(&result);
        text.push('}');
    }
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// Stop a run that waits or is played. What it was asked for stays.
#[utoipa::path(
    post, path = "/v1/twin/runs/{run}/cancel", tag = "placement", operation_id = "cancel_twin_run",
    params(("run" = String, Path, description = "Its id")),
    responses((status = 200, description = "The run; one that was over already is as it was", body = TwinRun))
)]
pub(super) async fn cancel(access: OperatorAccess, segments: Segments) -> Result<Json<TwinRun>, Failure> {
    let (app, run) = (access.app(), id(&segments)?);
    shown(&access, run).await?;
    if app.store.cancel_twin_run(run, app.clock.now()).await? {
        app.twin.stop(run);
        let command = Command::NoteTwinRun { run, step: TwinStep::Cancel, detail: String::new() };
        access.command(command, None).await?;
    }
    Ok(Json(shown(&access, run).await?))
}

/// Forget a run and what came of it; one that waits or is played is stopped before.
#[utoipa::path(
    delete, path = "/v1/twin/runs/{run}", tag = "placement", operation_id = "remove_twin_run",
    params(("run" = String, Path, description = "Its id")),
    responses((status = 204, description = "It is not there any more"))
)]
pub(super) async fn remove(access: OperatorAccess, segments: Segments) -> Result<StatusCode, Failure> {
    let (app, run) = (access.app(), id(&segments)?);
    if !app.store.remove_twin_run(run).await? {
        return Err(Failure::not_found("twin run"));
    }
    app.twin.stop(run);
    let command = Command::NoteTwinRun { run, step: TwinStep::Remove, detail: String::new() };
    access.command(command, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn id(segments: &Segments) -> Result<TwinRunId, Failure> {
    segments.get("run").parse().map_err(|_| Failure::not_found("twin run"))
}

async fn shown(caller: &Caller, id: TwinRunId) -> Result<TwinRun, Failure> {
    let app = caller.app();
    let run = app.store.twin_run(id).await?.ok_or_else(|| Failure::not_found("twin run"))?;
    let queue = if run.state == TwinRunState::Queued { queue(app).await? } else { Vec::new() };
    told(app, run, &queue, app.clock.now())
}

/// What is played and what waits, in the order of its turns.
async fn queue(app: &App) -> Result<Vec<TwinRunId>, Failure> {
    let mut all = app.store.twin_runs_in(TwinRunState::Running).await?;
    all.extend(app.store.twin_runs_in(TwinRunState::Queued).await?);
    Ok(all.into_iter().map(|run| run.id).collect())
}

fn told(app: &App, run: store::TwinRun, queue: &[TwinRunId], now: Timestamp) -> Result<TwinRun, Failure> {
    let unreadable = |fault: serde_json::Error| Failure::internal(format!("a run of the twin: {fault}"));
    let doc: Doc = serde_json::from_str(&run.doc).map_err(unreadable)?;
    let over: Over = match run.gist.as_str() {
        "" => Over::default(),
        text => serde_json::from_str(text).map_err(unreadable)?,
    };
    let state = match run.state {
        TwinRunState::Queued => TwinState::Queued,
        TwinRunState::Running => TwinState::Running,
        TwinRunState::Done => TwinState::Done,
        TwinRunState::Failed => TwinState::Failed,
        TwinRunState::Cancelled => TwinState::Cancelled,
        TwinRunState::Interrupted => TwinState::Interrupted,
    };
    let progress = (run.state == TwinRunState::Running).then(|| app.twin.progress(run.id, now)).flatten();
    let waits = run.state == TwinRunState::Queued;
    let ahead = queue.iter().position(|id| waits && *id == run.id).and_then(|at| u32::try_from(at).ok());
    Ok(TwinRun {
        id: run.id,
        state,
        asked: doc.asked,
        policy_in_force: doc.policy,
        policy_version: doc.policy_version,
        at: run.at.into(),
        by: Some(doc.by),
        begun_at: convert::job::time(run.begun),
        ended_at: convert::job::time(run.ended),
        done: progress.map(|progress| progress.done),
        expected_end: progress.and_then(|progress| progress.expected_end).map(Into::into),
        ahead,
        reason: over.reason,
        gist: over.gist,
    })
}
