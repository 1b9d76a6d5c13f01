//! What was handed in before: a job's submission as it could be sent again, and one thing done to many jobs at once.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use base::{JobId, digest128};
use engine::{Command, Once, Report};
use futures::{StreamExt, stream};
use model::StateCode;
use store::{JobEntry, JobFilter, PageRequest};
use wire::files::InputFile;
use wire::job::{BulkCancel, BulkItem, BulkRequest, BulkResult, JobsQuery};
use wire::submit::{JobSubmit, OptionValue};
use wire::{BulkAction, ErrorCode};

use super::{submit, unexpected};
use crate::access::{Body, Caller, JobAccess, Meta, Read, Sight, SubmitAccess};
use crate::limits::{BULK_JOBS_AT_ONCE, BULK_JOBS_MAX, PATH_SEGMENT_BYTES_MAX};
use crate::problem::Failure;

/// A job as it was handed in: its script and what was said beside it. Sent to `POST /v1/jobs` it is submitted again.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/submission", tag = "jobs", operation_id = "job_submission",
    params(("job" = String, Path, description = "Id, number or element of an array; of an array the whole is meant")),
    responses((status = 200, description = "The submission; variables are told to the submitter alone", body = JobSubmit))
)]
pub(super) async fn submission(access: JobAccess<Read>) -> Result<Json<JobSubmit>, Failure> {
    Ok(Json(said_again(&access, &access.entry).await?))
}

/// What `POST /v1/jobs` would be told to have the job again.
async fn said_again(caller: &Caller, entry: &JobEntry) -> Result<JobSubmit, Failure> {
    let spec = &entry.spec;
    let script = caller.app().store.script(spec.script).await?.ok_or_else(|| Failure::not_found("script"))?;
    let value = |text: &str| match text {
        "true" => OptionValue::Flag(true),
        "false" => OptionValue::Flag(false),
        other => OptionValue::Text(other.to_owned()),
    };
    let mut options: BTreeMap<String, OptionValue> =
        spec.said.options.iter().map(|(name, text)| (name.clone(), value(text))).collect();
    // Where the submitter stood is not known any more: the folder by its whole path.
    if let Some(dir) = &spec.work_dir {
        options.insert("chdir".into(), OptionValue::Text(dir.to_string()));
    }
    let own = caller.who.user == entry.row.job.user;
    let inputs = spec.said.inputs.iter().map(|(path, name)| InputFile { path: path.clone(), name: name.clone() });
    Ok(JobSubmit {
        script: script.to_string(),
        options,
        args: spec.args.clone(),
        environment: if own { spec.environment.iter().cloned().collect() } else { BTreeMap::new() },
        // By name for those who can say it again; another tenant's is named so that it is refused.
        project: Some(match caller.who.tenant == entry.row.job.tenant {
            true => entry.project_name.to_string(),
            false => entry.row.job.project.to_string(),
        }),
        work_dir: None,
        script_name: Some(entry.row.name.to_string()),
        inputs: inputs.collect(),
        dry_run: false,
    })
}

/// End up to 1000 jobs; each has its own result.
#[utoipa::path(
    post, path = "/v1/jobs/cancel", tag = "jobs", operation_id = "cancel_jobs", request_body = BulkCancel,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")),
    responses((status = 200, description = "One result per job, in the order of the request", body = BulkResult))
)]
pub(super) async fn cancel_many(
    access: SubmitAccess,
    meta: Meta,
    body: Body<BulkCancel>,
) -> Result<Json<BulkResult>, Failure> {
    let once = meta.once(access.who.user, &body.raw);
    let results = each(&access, BulkAction::Cancel, bounded(body.value.jobs)?, once.as_ref()).await;
    Ok(Json(BulkResult { results, more: false }))
}

/// Do one thing to up to 1000 jobs, named or found by a filter; each has its own result.
#[utoipa::path(
    post, path = "/v1/jobs/bulk", tag = "jobs", operation_id = "bulk_jobs", request_body = BulkRequest,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")),
    responses((status = 200, description = "One result per job, in the order of the request or newest first", body = BulkResult))
)]
pub(super) async fn bulk(
    access: SubmitAccess,
    sight: Sight,
    meta: Meta,
    body: Body<BulkRequest>,
) -> Result<Json<BulkResult>, Failure> {
    let once = meta.once(access.who.user, &body.raw);
    let BulkRequest { action, jobs, filter } = body.value;
    let (jobs, more) = match filter {
        Some(_) if !jobs.is_empty() => {
            return Err(Failure::new(ErrorCode::Invalid, "say `jobs` or `filter`, not both"));
        }
        Some(filter) => found(&sight, action, &filter).await?,
        None if jobs.is_empty() => return Err(Failure::new(ErrorCode::Invalid, "say `jobs` or `filter`")),
        None => (bounded(jobs)?, false),
    };
    let results = each(&access, action, jobs, once.as_ref()).await;
    Ok(Json(BulkResult { results, more }))
}

fn bounded(jobs: Vec<String>) -> Result<Vec<String>, Failure> {
    if jobs.len() > BULK_JOBS_MAX {
        return Err(Failure::invalid("jobs", format!("at most {BULK_JOBS_MAX} jobs in one request")));
    }
    Ok(jobs)
}

/// States in which a job can have it done; empty means any.
fn states_for(action: BulkAction) -> Vec<StateCode> {
    match action {
        BulkAction::Cancel => StateCode::ALL.into_iter().filter(|state| state.is_open()).collect(),
        BulkAction::Hold => vec![StateCode::Pending],
        BulkAction::Release => vec![StateCode::Held],
        BulkAction::Requeue => vec![StateCode::Running],
        BulkAction::Resubmit => Vec::new(),
    }
}

/// The newest jobs that pass a filter and whose state allows it, and whether there are more.
async fn found(sight: &Sight, action: BulkAction, query: &JobsQuery) -> Result<(Vec<String>, bool), Failure> {
    let scope = sight.scope(query.tenant.as_deref()).await?;
    let Some(mut filter) = super::jobs::filter(sight, scope, query).await? else { return Ok((Vec::new(), false)) };
    let states = states_for(action);
    if !states.is_empty() {
        let allowed = |state: &StateCode| filter.states.is_empty() || filter.states.contains(state);
        let left: Vec<StateCode> = states.into_iter().filter(allowed).collect();
        if left.is_empty() {
            return Ok((Vec::new(), false));
        }
        filter = JobFilter { states: left, ..filter };
    }
    let most = u32::try_from(BULK_JOBS_MAX).unwrap_or(u32::MAX);
    let page = sight.app().store.jobs(scope, &filter, PageRequest::first(most)).await?;
    let mut arrays = BTreeSet::new();
    let whole = |entry: &&JobEntry| match (action, entry.row.job.array) {
        (BulkAction::Resubmit, Some(array)) => arrays.insert(array.root),
        _ => true,
    };
    let jobs = page.items.iter().filter(whole).map(|entry| entry.row.job.id.to_string()).collect();
    Ok((jobs, page.next.is_some()))
}

async fn each(access: &SubmitAccess, action: BulkAction, jobs: Vec<String>, once: Option<&Once>) -> Vec<BulkItem> {
    stream::iter(jobs)
        .map(|text| async move { one(access, action, text, once).await })
        .buffered(BULK_JOBS_AT_ONCE)
        .collect()
        .await
}

async fn one(access: &SubmitAccess, action: BulkAction, text: String, once: Option<&Once>) -> BulkItem {
    let outcome = match action {
        BulkAction::Resubmit => resubmit(access, &text, once).await.map(|number| (1, Some(number))),
        _ => change(access, action, &text, once).await.map(|changed| (changed, None)),
    };
    let shown: String = text.chars().take(PATH_SEGMENT_BYTES_MAX).collect();
    match outcome {
        Ok((changed, number)) => BulkItem { job: shown, changed, code: None, detail: None, number },
        Err(Failure { code, detail, .. }) => {
            BulkItem { job: shown, changed: 0, code: Some(code), detail: Some(detail), number: None }
        }
    }
}

async fn change(access: &SubmitAccess, action: BulkAction, text: &str, once: Option<&Once>) -> Result<u32, Failure> {
    let job = access.changeable_job(text).await?;
    let id = job.id();
    let command = match action {
        BulkAction::Hold => Command::Hold { job: id },
        BulkAction::Release => Command::Release { job: id },
        BulkAction::Requeue => Command::Requeue { job: id },
        BulkAction::Cancel | BulkAction::Resubmit => Command::Cancel { job: id },
    };
    match job.command(command, of_item(once, id)).await? {
        Report::Job { changed, .. } => Ok(changed),
        other => Err(unexpected(&other)),
    }
}

async fn resubmit(access: &SubmitAccess, text: &str, once: Option<&Once>) -> Result<u64, Failure> {
    let job = access.changeable_job(text).await?;
    let request = said_again(access, &job.entry).await?;
    Ok(submit::accept(access, request, of_item(once, job.id())).await?.number)
}

/// Each job of the request has a key of its own, so that a repeat answers each of them.
fn of_item(once: Option<&Once>, job: JobId) -> Option<Once> {
    let key = |key: u128| digest128(&[&key.to_be_bytes(), &job.to_bytes()]);
    once.map(|once| Once { key: key(once.key), fingerprint: once.fingerprint, prior: None })
}
