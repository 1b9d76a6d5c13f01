//! Jobs: the list, one job and what belongs to it, and what can be done to it.

use std::collections::HashMap;

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base::{JobId, Span};
use engine::{Command, Report};
use jobscript::JobRef;
use model::Phase;
use store::{JobEntry, JobFilter, JobOrder, NameMatch, PageRequest, Scope};
use wire::events::Event;
use wire::job::{Interval, Job, JobChanged, JobPatch, JobSummary, JobsQuery};
use wire::page::PageQuery;
use wire::submit::{ExplainQuery, Explanation};
use wire::{ErrorCode, ExplainPhase, JobSort, JobState, Page, PriorityClass, SortOrder};

use super::{page, plain_text, unexpected};
use crate::access::{Body, JobAccess, Meta, Params, Read, Sight, Write};
use crate::app::CommandError;
use crate::convert::{self, event::Mentioned, job::Live};
use crate::limits::{FILTER_CHARS_MAX, FILTER_STATES_MAX, LIST_START_GLANCES_MAX};
use crate::problem::Failure;

/// Jobs, newest first or as `sort` says.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "jobs", operation_id = "jobs", params(JobsQuery),
    responses((status = 200, description = "A page of jobs", body = Page<JobSummary>))
)]
pub(super) async fn list(sight: Sight, Params(query): Params<JobsQuery>) -> Result<Json<Page<JobSummary>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let scope = sight.scope(query.tenant.as_deref()).await?;
    let Some(filter) = filter(&sight, scope, &query).await? else {
        return Ok(Json(Page { items: Vec::new(), next_cursor: None }));
    };
    let found = sorted(&sight, scope, &filter, order(&query), request).await?;
    let lives = lives(&sight, &found.items).await?;
    let running =
        found.items.iter().filter(|entry| is_running(entry)).map(|entry| entry.row.job.id).collect::<Vec<_>>();
    let nodes = sight.app().store.nodes_of(&running).await?;
    let supply = sight.names().supply().await?;
    let none = Live::default();
    Ok(Json(convert::page(found, |entry| {
        let id = entry.row.job.id;
        let nodes = nodes.get(&id).map(|nodes| &nodes[..]).unwrap_or_default();
        convert::job::summary(&entry, lives.get(&id).unwrap_or(&none), nodes, &supply)
    })))
}

/// What is asked for by when it ended comes in that order, unless another is said.
fn order(query: &JobsQuery) -> JobOrder {
    let dated = query.ended_after.is_some() || query.ended_before.is_some();
    let by = match query.sort {
        None if dated => store::JobSort::Ended,
        None | Some(JobSort::Number | JobSort::Submitted) => store::JobSort::Number,
        Some(JobSort::Started) => store::JobSort::Started,
        Some(JobSort::Ended) => store::JobSort::Ended,
        Some(JobSort::RunTime) => store::JobSort::RunTime,
        Some(JobSort::Price) => store::JobSort::Price,
        Some(JobSort::Name) => store::JobSort::Name,
        Some(JobSort::User) => store::JobSort::User,
    };
    JobOrder { by, ascending: query.order == Some(SortOrder::Asc) }
}

async fn sorted(
    sight: &Sight,
    scope: Scope,
    filter: &JobFilter,
    order: JobOrder,
    request: PageRequest,
) -> Result<store::Page<JobEntry>, Failure> {
    let found = sight.app().store.jobs_by(scope, filter, order, request).await?;
    found.map_err(|bad| Failure::new(ErrorCode::BadCursor, bad.to_string()))
}

fn is_running(entry: &JobEntry) -> bool {
    matches!(entry.row.job.phase(), Phase::Running { .. } | Phase::Ending { .. })
}

fn waits(job: &model::Job) -> bool {
    matches!(job.phase(), Phase::Pending | Phase::Held { .. } | Phase::Starting { .. } | Phase::Withdrawing { .. })
}

/// What the engine knows of the jobs of a page that wait: one question for all of them.
async fn lives(sight: &Sight, entries: &[JobEntry]) -> Result<HashMap<JobId, Live>, Failure> {
    let waiting: Vec<&model::Job> = entries.iter().map(|e| &e.row.job).filter(|job| waits(job)).collect();
    let ids: Vec<JobId> = waiting.iter().map(|job| job.id).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let asked = sight.app().engine.ask(move |engine, _| {
        let starts = LIST_START_GLANCES_MAX / engine.pools().count().max(1);
        let looks = ids.into_iter().enumerate();
        looks.map(|(at, id)| (id, Live::look(engine, id, at < starts))).collect::<HashMap<_, _>>()
    });
    match asked.await {
        Ok(lives) => Ok(lives),
        Err(CommandError::NotActive { .. } | CommandError::Unavailable(_) | CommandError::Stopping) => {
            Ok(waiting.into_iter().map(|job| (job.id, Live::of_phase(job.phase()))).collect())
        }
        Err(CommandError::Denied(denied)) => Err(denied.into()),
    }
}

fn name(query: &JobsQuery) -> Result<Option<NameMatch>, Failure> {
    match (&query.name, &query.name_prefix) {
        (Some(_), Some(_)) => Err(Failure::invalid("name_prefix", "say `name` or `name_prefix`, not both")),
        (Some(name), None) => Ok(Some(NameMatch::Equals(name.clone()))),
        (None, Some(prefix)) => Ok(Some(NameMatch::StartsWith(prefix.clone()))),
        (None, None) => Ok(None),
    }
}

/// The store's filter; `None` when a name in it names nothing, so that no job can pass.
pub(super) async fn filter(sight: &Sight, scope: Scope, query: &JobsQuery) -> Result<Option<JobFilter>, Failure> {
    for (field, text) in [
        ("user", &query.user),
        ("project", &query.project),
        ("name", &query.name),
        ("name_prefix", &query.name_prefix),
        ("pool", &query.pool),
        ("cluster", &query.cluster),
        ("array", &query.array),
    ] {
        plain_text(field, text.as_deref().unwrap_or_default(), FILTER_CHARS_MAX)?;
    }
    let names = sight.names();
    let mut filter = JobFilter {
        states: states(query.state.as_deref())?,
        classes: classes(query.class.as_deref())?,
        open: query.open,
        name: name(query)?,
        submitted_from: query.submitted_after.map(|t| t.0),
        submitted_to: query.submitted_before.map(|t| t.0),
        ended_from: query.ended_after.map(|t| t.0),
        ended_to: query.ended_before.map(|t| t.0),
        ..JobFilter::default()
    };
    if let Some(text) = &query.user {
        let Some(user) = names.find_user(text).await? else { return Ok(None) };
        filter.user = Some(user.id);
    }
    if let Some(text) = &query.project {
        let tenant = match scope {
            Scope::Tenant(tenant) => tenant,
            Scope::All => sight.who.tenant,
        };
        let by_id = text.parse().ok().filter(|_| scope == Scope::All);
        let found = match by_id {
            Some(id) => Some(id),
            None => names.find_project(tenant, text).await?,
        };
        let Some(project) = found else { return Ok(None) };
        filter.project = Some(project);
    }
    if let Some(text) = &query.pool {
        let supply = names.supply().await?;
        let Some(pool) = supply.find_pool(text) else { return Ok(None) };
        filter.pools = Some(vec![pool.id]);
    }
    if let Some(text) = &query.cluster {
        let supply = names.supply().await?;
        let Some(cluster) = supply.clusters.values().find(|c| *c.name == **text || c.id.to_string() == *text) else {
            return Ok(None);
        };
        let of_it = |pool: &&model::Pool| pool.cluster == cluster.id;
        let pools = supply.pools.values().filter(of_it).map(|pool| pool.id);
        let named = filter.pools.take();
        filter.pools = Some(pools.filter(|pool| named.as_ref().is_none_or(|named| named.contains(pool))).collect());
    }
    if let Some(text) = &query.array {
        match text.parse() {
            Ok(JobRef::Number(number)) => filter.array = Some(number),
            Ok(JobRef::Element(root, _)) => filter.array = Some(root),
            Ok(JobRef::Id(_)) => match sight.visible_job(text).await {
                Ok(entry) => filter.array = entry.row.job.array.map(|a| a.root_number).or(Some(entry.row.job.number)),
                Err(failure) if failure.code == ErrorCode::JobNotFound => return Ok(None),
                Err(failure) => return Err(failure),
            },
            Err(bad) => return Err(Failure::invalid("array", bad.to_string())),
        }
    }
    Ok(Some(filter))
}

fn classes(text: Option<&str>) -> Result<Vec<model::PriorityClass>, Failure> {
    let mut classes = Vec::new();
    for word in text.into_iter().flat_map(|t| t.split(',')).map(str::trim).filter(|w| !w.is_empty()) {
        let class = PriorityClass::parse(word).ok_or_else(|| {
            let all: Vec<&str> = PriorityClass::ALL.iter().map(|s| s.as_str()).collect();
            Failure::invalid("class", format!("there is no such class; classes are {}", all.join(", ")))
        })?;
        let class = convert::class_from(class);
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    Ok(classes)
}

fn states(text: Option<&str>) -> Result<Vec<model::StateCode>, Failure> {
    let mut states = Vec::new();
    for word in text.into_iter().flat_map(|t| t.split(',')).map(str::trim).filter(|w| !w.is_empty()) {
        let state = JobState::parse(word).ok_or_else(|| {
            let all: Vec<&str> = JobState::ALL.iter().map(|s| s.as_str()).collect();
            Failure::invalid("state", format!("there is no such state; states are {}", all.join(", ")))
        })?;
        let state = convert::state_from(state);
        if !states.contains(&state) {
            states.push(state);
        }
        if states.len() > FILTER_STATES_MAX {
            break;
        }
    }
    Ok(states)
}

/// One job with its attempts and, while it waits, the reason.
#[utoipa::path(
    get, path = "/v1/jobs/{job}", tag = "jobs", operation_id = "job",
    params(("job" = String, Path, description = "Id (`job_…`), number (`12`) or element of an array (`12_3`)")),
    responses((status = 200, description = "The job", body = Job))
)]
pub(super) async fn get(access: JobAccess<Read>) -> Result<Json<Job>, Failure> {
    let entry = &access.entry;
    let attempts = access.app().store.attempts(access.id()).await?;
    let live = if entry.row.job.is_open() { live(&access).await? } else { Live::default() };
    let supply = access.names().supply().await?;
    let latest = match entry.row.job.is_open() && !entry.spec.checkpoint.is_empty() {
        true => access.app().store.checkpoints(access.id(), u32::MAX).await?.into_iter().next(),
        false => None,
    };
    let job = convert::job::full(entry, &attempts, &live, &supply, access.who.sees_all());
    let made = access.app().store.job_corrections(access.id()).await?;
    let corrections = super::statements::corrections(&access, &made).await?;
    Ok(Json(Job { checkpoint: latest.as_ref().map(convert::job::checkpoint), corrections, ..job }))
}

/// What the engine knows now; without an active engine here, what the job's phase says.
async fn live(access: &JobAccess<Read>) -> Result<Live, Failure> {
    let id = access.id();
    match access.app().engine.ask(move |engine, _| Live::look(engine, id, true)).await {
        Ok(live) => Ok(live),
        Err(CommandError::NotActive { .. } | CommandError::Unavailable(_) | CommandError::Stopping) => {
            Ok(Live::of_phase(access.entry.row.job.phase()))
        }
        Err(CommandError::Denied(denied)) => Err(denied.into()),
    }
}

/// The text of a job's script.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/script", tag = "jobs", operation_id = "job_script",
    params(("job" = String, Path, description = "Id, number or element of an array")),
    responses((status = 200, description = "As handed in", body = String, content_type = "text/plain"))
)]
pub(super) async fn script(access: JobAccess<Read>) -> Result<Response, Failure> {
    let text = access.app().store.script(access.entry.spec.script).await?;
    let text = text.ok_or_else(|| Failure::not_found("script"))?;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text.to_string()).into_response())
}

/// What happened to a job, oldest first.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/events", tag = "jobs", operation_id = "job_events",
    params(("job" = String, Path, description = "Id, number or element of an array"), PageQuery),
    responses((status = 200, description = "A page of events", body = Page<Event>))
)]
pub(super) async fn events(
    access: JobAccess<Read>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<Event>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let found = access.app().store.events_of_job(access.id(), request).await?;
    let mentioned = Mentioned::by_events(&found.items, access.names()).await?;
    Ok(Json(convert::page(found, |event| convert::event::event(&event, &mentioned))))
}

/// The metered intervals of a job, oldest first.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/intervals", tag = "jobs", operation_id = "job_intervals",
    params(("job" = String, Path, description = "Id, number or element of an array"), PageQuery),
    responses((status = 200, description = "A page of intervals", body = Page<Interval>))
)]
pub(super) async fn intervals(
    access: JobAccess<Read>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<Interval>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let found = access.app().store.intervals(access.id(), request).await?;
    Ok(Json(convert::page(found, convert::job::interval)))
}

/// Why a job runs where it runs, or how the choice looks while it waits.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/explain", tag = "jobs", operation_id = "explain_job",
    params(("job" = String, Path, description = "Id, number or element of an array"), ExplainQuery),
    responses((status = 200, description = "The candidate table", body = Explanation))
)]
pub(super) async fn explain(
    access: JobAccess<Read>,
    Params(query): Params<ExplainQuery>,
) -> Result<Json<Explanation>, Failure> {
    let waits = matches!(access.entry.row.job.phase(), Phase::Pending | Phase::Held { .. });
    let (phase, attempt, explanation) = if waits && query.attempt.is_none() {
        (ExplainPhase::Pending, None, choice_to_come(&access).await?)
    } else {
        let stored = access.app().store.explanation::<sched::Explanation>(access.id(), query.attempt).await?;
        let stored = stored.ok_or_else(|| {
            Failure::new(ErrorCode::NotFound, "no placement of this job was made, so there is none to explain")
        })?;
        (ExplainPhase::Placed, Some(stored.attempt.number), stored.explanation)
    };
    let supply = access.names().supply().await?;
    let costs = access.who.sees_all();
    Ok(Json(Explanation {
        job: access.id(),
        at: explanation.at.into(),
        phase,
        attempt,
        currency: access.entry.currency.to_string(),
        candidates: explanation.candidates.iter().map(|c| convert::explain::candidate(c, &supply, costs)).collect(),
    }))
}

/// The candidates of a waiting job; of one that is not eligible yet (held, dependent), as if it were.
async fn choice_to_come(access: &JobAccess<Read>) -> Result<sched::Explanation, Failure> {
    let (id, tenant, spec) = (access.id(), access.entry.row.job.tenant, access.entry.spec.clone());
    let asked = access.app().engine.ask(move |engine, _| match engine.explain(id) {
        Some(explanation) => Ok(explanation),
        None => engine.quote(tenant, &spec).map(|(explanation, _, _)| explanation),
    });
    Ok(asked.await??)
}

macro_rules! action {
    ($name:ident, $path:literal, $operation:literal, $command:ident, $what:literal) => {
        #[doc = $what]
        #[utoipa::path(
            post, path = $path, tag = "jobs", operation_id = $operation,
            params(
                ("job" = String, Path, description = "Id, number or element of an array; an array's first job stands for all its open elements"),
                ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")
            ),
            responses((status = 200, description = "What changed", body = JobChanged))
        )]
        pub(super) async fn $name(access: JobAccess<Write>, meta: Meta) -> Result<Json<JobChanged>, Failure> {
            let once = meta.once(access.who.user, b"");
            changed(access.command(Command::$command { job: access.id() }, once).await?)
        }
    };
}

action!(cancel, "/v1/jobs/{job}/cancel", "cancel_job", Cancel, "End a job: TERM, and KILL after a grace.");
action!(hold, "/v1/jobs/{job}/hold", "hold_job", Hold, "Keep a waiting job from starting.");
action!(release, "/v1/jobs/{job}/release", "release_job", Release, "Let a held job start again.");
action!(requeue, "/v1/jobs/{job}/requeue", "requeue_job", Requeue, "End a running job and queue it again.");

fn changed(report: Report) -> Result<Json<JobChanged>, Failure> {
    match report {
        Report::Job { job, changed } => Ok(Json(JobChanged { job, changed })),
        other => Err(unexpected(&other)),
    }
}

/// Change the class or the time limit of a waiting job. Only operators raise them.
#[utoipa::path(
    patch, path = "/v1/jobs/{job}", tag = "jobs", operation_id = "change_job", request_body = JobPatch,
    params(("job" = String, Path, description = "Id, number or element of an array")),
    responses((status = 200, description = "What changed", body = JobChanged))
)]
pub(super) async fn change(
    access: JobAccess<Write>,
    meta: Meta,
    body: Body<JobPatch>,
) -> Result<Json<JobChanged>, Failure> {
    let JobPatch { qos, time_limit } = body.value;
    if qos.is_none() && time_limit.is_none() {
        return Err(Failure::new(ErrorCode::Invalid, "say `qos` or `time_limit`"));
    }
    let time_limit = time_limit.as_deref().map(time_span).transpose()?;
    let command = Command::Change { job: access.id(), class: qos.map(convert::class_from), time_limit };
    changed(access.command(command, meta.once(access.who.user, &body.raw)).await?)
}

fn time_span(text: &str) -> Result<Span, Failure> {
    let max = jobscript::limits::TIME_LIMIT_MAX;
    let span: Span = text.parse().map_err(|e: base::ParseSpanError| Failure::invalid("time_limit", e.to_string()))?;
    if span > Span::ZERO && span <= max {
        return Ok(span);
    }
    Err(Failure::invalid("time_limit", format!("must be longer than zero and at most {max}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_in_any_case_and_once() {
        let read = |text| states(Some(text)).map(|s| s.iter().map(|s| s.as_str()).collect::<Vec<_>>());
        assert_eq!(read("pending, RUNNING,Pending").unwrap(), ["PENDING", "RUNNING"]);
        assert_eq!(read("").unwrap(), Vec::<&str>::new());
        assert!(read("ASLEEP").unwrap_err().detail.contains("OUT_OF_MEMORY"));
    }

    #[test]
    fn time_limits_are_bounded() {
        assert_eq!(time_span("1:30:00").unwrap(), Span::from_mins(90));
        for bad in ["0", "", "-5", "367-0", "soon"] {
            assert_eq!(time_span(bad).unwrap_err().code, ErrorCode::Invalid, "{bad}");
        }
    }
}
