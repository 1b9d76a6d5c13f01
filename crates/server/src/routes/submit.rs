//! Handing work in: from a script and options to a draft, and on to the engine. The hot path: one parse of the body, no
//! read of the store unless a project is named, one command.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base::{JobId, ProjectId, UserId};
use engine::{JobRef, Report, Submission};
use jobscript::{Context, Draft, Fault, Given, Key, Origin, Parsed};
use model::spec::spec_id;
use model::{Outcome, Phase, StateCode};
use store::{JobFilter, PageRequest, Scope, SqlStore};
use wire::Problem;
use wire::submit::{JobAccepted, JobSubmit, OptionValue, Quote, Warning};

use super::unexpected;
use crate::access::{Body, Caller, Meta, SubmitAccess, job_ref};
use crate::app::App;
use crate::convert;
use crate::inputs;
use crate::limits::{OPTIONS_MAX, VARIABLES_MAX};
use crate::notices::mail_notes;
use crate::problem::Failure;

/// Hand a job in. With `dry_run` it is checked and priced only.
#[utoipa::path(
    post, path = "/v1/jobs", tag = "jobs", operation_id = "submit_job", request_body = JobSubmit,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters: the same key and body give the same answer")),
    responses(
        (status = 201, description = "Accepted", body = JobAccepted),
        (status = 200, description = "What a submission would do (`dry_run`)", body = JobAccepted),
        (status = 402, description = "Codes: insufficient_funds, over_budget", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn submit(access: SubmitAccess, meta: Meta, body: Body<JobSubmit>) -> Result<Response, Failure> {
    let Body { value: request, raw } = body;
    let dry_run = request.dry_run;
    let once = meta.once(access.who.user, &raw);
    let accepted = accept(&access, request, once).await?;
    Ok((if dry_run { StatusCode::OK } else { StatusCode::CREATED }, Json(accepted)).into_response())
}

/// Checks a submission and, unless it is a dry run, hands it to the engine.
pub(super) async fn accept(
    access: &SubmitAccess,
    request: JobSubmit,
    once: Option<engine::Once>,
) -> Result<JobAccepted, Failure> {
    let who = &access.who;
    let dry_run = request.dry_run;
    let (draft, project) = draft(access, request).await?;
    let currency = who.currency.to_string();
    let warnings: Vec<Warning> = draft.warnings.iter().map(warning).collect();
    let elements = elements(&draft);
    if dry_run {
        let hold = quoted(access.app(), (who.user, project), &draft).await?.set_aside.to_pay.into();
        return Ok(JobAccepted { job: None, number: 0, elements, hold, currency, warnings });
    }
    let canonical = serde_json::to_vec(&draft.spec).map_err(|e| Failure::internal(format!("a spec: {e}")))?;
    inputs::keep(access, spec_id(&canonical), &draft.spec.inputs).await?;
    let submission = Submission {
        id: JobId::from_u128(access.app().ids.draw()),
        user: who.user,
        project,
        spec_id: spec_id(&canonical),
        ended: ended_dependencies(access, &draft).await?,
        dependencies: draft.dependencies.iter().map(|d| (d.kind, job_ref(d.on))).collect(),
        script_id: draft.spec.script,
        spec: Arc::new(draft.spec),
        script: draft.script,
    };
    match access.submit(submission, once).await? {
        Report::Submitted { job, number, elements, hold, warnings: budgets } => {
            let told = |message| Warning { line: None, option: None, message };
            let warnings = warnings.into_iter().chain(budgets.into_iter().map(told)).collect();
            Ok(JobAccepted { job: Some(job), number, elements, hold: hold.into(), currency, warnings })
        }
        other => Err(unexpected(&other)),
    }
}

/// Which pools could run it, from when, for how much, before handing it in.
#[utoipa::path(
    post, path = "/v1/jobs/quote", tag = "jobs", operation_id = "quote_job", request_body = JobSubmit,
    responses((status = 200, description = "Candidates, best first", body = Quote))
)]
pub(super) async fn quote(caller: Caller, body: Body<JobSubmit>) -> Result<Json<Quote>, Failure> {
    let (draft, project) = draft(&caller, body.value).await?;
    let quoted = quoted(caller.app(), (caller.who.user, project), &draft).await?;
    let supply = caller.names().supply().await?;
    let costs = caller.who.sees_all();
    let candidates = quoted.explanation.candidates.iter().zip(&quoted.shares);
    let candidates = candidates.map(|(one, shares)| convert::explain::offered(one, *shares, &supply, costs));
    Ok(Json(Quote {
        request: convert::job::requested(&draft.spec.request),
        time_limit_seconds: draft.spec.time_limit.as_secs_f64(),
        class: convert::class(draft.spec.class),
        line: convert::line(draft.spec.line),
        elements: elements(&draft),
        candidates: candidates.collect(),
        chosen: quoted.explanation.chosen,
        hold: quoted.set_aside.to_pay.into(),
        covered: quoted.set_aside.covered.into(),
        granted: quoted.set_aside.granted.into(),
        currency: quoted.currency.to_string(),
        warnings: draft.warnings.iter().map(warning).collect(),
    }))
}

async fn quoted(app: &App, whose: (UserId, Option<ProjectId>), draft: &Draft) -> Result<engine::Quoted, Failure> {
    let (spec, elements) = (Arc::new(draft.spec.clone()), elements(draft));
    Ok(app.engine.ask(move |engine, _| engine.quote_whole(whose, &spec, elements)).await??)
}

fn elements(draft: &Draft) -> u32 {
    draft.spec.array.as_ref().map_or(1, |array| u32::try_from(array.indices.len()).unwrap_or(u32::MAX))
}

/// Which of the jobs it waits for ended already; the engine remembers open jobs and recent ends only. A whole array has
/// ended when no element is open, and as badly as one of them did.
async fn ended_dependencies(caller: &Caller, draft: &Draft) -> Result<Vec<(JobRef, JobId, Outcome)>, Failure> {
    let mut ended = Vec::new();
    for dependency in &draft.dependencies {
        let named = job_ref(dependency.on);
        let (store, scope) = (&caller.app().store, caller.who.scope());
        let Some(entry) = store.job(scope, &named).await? else { continue };
        let job = &entry.row.job;
        let whole = job.array.filter(|a| a.root == job.id && !matches!(named, JobRef::Element(..)));
        let outcome = match (whole, job.phase()) {
            (Some(array), _) => array_outcome(store, scope, array.root_number).await?,
            (None, Phase::Ended { outcome, .. }) => Some(*outcome),
            (None, _) => None,
        };
        ended.extend(outcome.map(|outcome| (named, job.id, outcome)));
    }
    Ok(ended)
}

async fn array_outcome(store: &SqlStore, scope: Scope, root_number: u64) -> Result<Option<Outcome>, Failure> {
    let elements = |states: Vec<StateCode>| JobFilter { states, array: Some(root_number), ..JobFilter::default() };
    let one = PageRequest::first(1);
    let (open, closed): (Vec<_>, Vec<_>) = StateCode::ALL.into_iter().partition(|s| s.is_open());
    if !store.jobs(scope, &elements(open), one).await?.items.is_empty() {
        return Ok(None);
    }
    let bad = closed.into_iter().filter(|s| *s != StateCode::Completed).collect();
    let worst = store.jobs(scope, &elements(bad), one).await?.items.into_iter().next();
    Ok(Some(match worst.as_ref().map(|e| e.row.job.phase()) {
        Some(Phase::Ended { outcome, .. }) => *outcome,
        _ => Outcome::Completed,
    }))
}

/// Script, options and surroundings as one checked draft, and the project that pays when one is named.
async fn draft(caller: &Caller, request: JobSubmit) -> Result<(Draft, Option<ProjectId>), Failure> {
    let JobSubmit { script, options, args, environment, project, work_dir, script_name, inputs, dry_run: _ } = request;
    if options.len() > OPTIONS_MAX {
        return Err(Failure::invalid("options", format!("at most {OPTIONS_MAX} options are accepted")));
    }
    if environment.len() > VARIABLES_MAX {
        return Err(Failure::invalid("environment", format!("at most {VARIABLES_MAX} variables are accepted")));
    }
    if let Some(dir) = &work_dir {
        absolute("work_dir", dir)?;
    }
    let written = jobscript::parse_script(&script)?;
    let parsed = jobscript::merge(written, read_options(&options)?);
    let environment: Vec<(String, String)> = environment.into_iter().collect();
    let context = Context {
        submit_dir: work_dir.as_deref(),
        script_name: script_name.as_deref(),
        args: &args,
        environment: &environment,
        ..Context::at(caller.app().clock.now())
    };
    let named = |input: &wire::files::InputFile| (input.path.clone(), input.name.clone());
    let said = model::Said {
        options: options.iter().map(|(name, value)| (name.clone(), value.to_string())).collect(),
        inputs: inputs.iter().map(named).collect(),
    };
    let mut draft = jobscript::resolve(&parsed, &caller.app().settings.job_defaults, context)?;
    let project = match project.as_deref().or(draft.account.as_deref()) {
        None => None,
        Some(text) => Some(find_project(caller, text).await?),
    };
    if !inputs.is_empty() {
        if draft.spec.work_dir.is_some() {
            return Err(Failure::invalid(
                "inputs",
                "a job with `chdir` works in a folder of its own choice, where no files are put",
            ));
        }
        draft.spec.inputs = inputs::resolve(caller, project.unwrap_or(caller.who.project), &inputs).await?;
    }
    draft.warnings.extend(mail_notes(caller, &parsed.options, draft.spec.mail.as_deref()).await?);
    draft.spec.said = said;
    Ok((draft, project))
}

async fn find_project(caller: &Caller, text: &str) -> Result<ProjectId, Failure> {
    super::plain_text("project", text, 64)?;
    let found = caller.names().find_project(caller.who.tenant, text).await?;
    found.ok_or_else(|| Failure::invalid("project", format!("your tenant has no project `{text}`")))
}

fn absolute(field: &str, path: &str) -> Result<(), Failure> {
    let fits =
        path.starts_with('/') && path.len() <= jobscript::limits::PATH_BYTES_MAX && !path.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(Failure::invalid(field, "write the whole path from `/`, on one line")) }
}

/// The options of a request body, as if typed, each marked as coming from there.
fn read_options(options: &std::collections::BTreeMap<String, OptionValue>) -> Result<Parsed, Vec<Fault>> {
    let mut all = Parsed::default();
    let mut faults = Vec::new();
    for (name, value) in options {
        let Some((name, value)) = as_flag(name, value) else { continue };
        match jobscript::parse_flag(&name, value.as_deref()) {
            Ok(parsed) => all = jobscript::merge(all, from_body(parsed)),
            Err(found) => faults.extend(found.into_iter().map(|f| Fault { origin: Origin::Json, ..f })),
        }
        if faults.len() >= jobscript::limits::FAULTS_MAX {
            break;
        }
    }
    if faults.is_empty() { Ok(all) } else { Err(faults) }
}

/// The option as on a command line. Switches are booleans here: `{"hold": false}` says nothing, `{"requeue": false}`
/// says `--no-requeue`.
fn as_flag(name: &str, value: &OptionValue) -> Option<(String, Option<String>)> {
    let name = name.replace('_', "-");
    if !matches!(name.as_str(), "hold" | "preemptible" | "requeue" | "no-requeue") {
        return Some((name, Some(value.to_string())));
    }
    match (name.as_str(), value.to_string().as_str()) {
        (_, "true" | "") => Some((name, None)),
        ("hold" | "preemptible", "false") => None,
        ("requeue", "false") => Some(("no-requeue".into(), None)),
        ("no-requeue", "false") => Some(("requeue".into(), None)),
        (_, other) => Some((name.clone(), Some(other.to_owned()))),
    }
}

fn from_body(mut parsed: Parsed) -> Parsed {
    for &key in Key::ALL {
        if let Some(given) = parsed.options.slot(key) {
            given.origin = Origin::Json;
        }
    }
    let json = |given: Option<Given<bool>>| given.map(|g| Given { origin: Origin::Json, ..g });
    parsed.options.requeue = json(parsed.options.requeue);
    parsed.options.preemptible = json(parsed.options.preemptible);
    parsed.options.hold = json(parsed.options.hold);
    for warning in &mut parsed.warnings {
        warning.origin = Origin::Json;
    }
    parsed
}

fn warning(warning: &jobscript::Warning) -> Warning {
    let line = match warning.origin {
        Origin::Line(line) => Some(line),
        Origin::Environment | Origin::Flag | Origin::Json => None,
    };
    Warning {
        line,
        option: Some(warning.option.clone()).filter(|option| !option.is_empty()),
        message: warning.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, OptionValue)]) -> std::collections::BTreeMap<String, OptionValue> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn options_are_written_as_texts_numbers_or_switches() {
        let parsed = read_options(&options(&[
            ("job_name", OptionValue::Text("melt".into())),
            ("ntasks_per_node", OptionValue::Number(4)),
            ("hold", OptionValue::Flag(true)),
            ("preemptible", OptionValue::Flag(true)),
            ("requeue", OptionValue::Flag(false)),
        ]))
        .unwrap();
        let text = |key| parsed.options.get(key).map(|g| (g.value.as_str(), g.origin));
        assert_eq!(text(Key::JobName), Some(("melt", Origin::Json)));
        assert_eq!(text(Key::NtasksPerNode), Some(("4", Origin::Json)));
        assert_eq!(parsed.options.hold, Some(Given { value: true, origin: Origin::Json }));
        assert_eq!(parsed.options.preemptible, Some(Given { value: true, origin: Origin::Json }));
        assert_eq!(parsed.options.requeue, Some(Given { value: false, origin: Origin::Json }));
        assert_eq!(read_options(&options(&[("hold", OptionValue::Flag(false))])).unwrap().options.hold, None);
    }

    #[test]
    fn faults_of_options_name_the_request_body() {
        let faults = read_options(&options(&[
            ("bogus", OptionValue::Text("1".into())),
            ("hold", OptionValue::Text("perhaps".into())),
            ("wait", OptionValue::Flag(true)),
        ]))
        .unwrap_err();
        assert_eq!(faults.len(), 3);
        assert!(faults.iter().all(|f| f.origin == Origin::Json && f.to_string().starts_with("request body")));
    }
}
