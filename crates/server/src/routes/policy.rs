//! The operator's policy: read, tried, put into force.

use axum::Json;
use engine::{Command, PolicyVersion, Report, Steering};
use wire::Page;
use wire::page::PageQuery;
use wire::policy::{Policy, PolicySet, PolicySetDone};

use super::{page, unexpected};
use crate::access::{AuditAccess, Body, Meta, OperatorAccess, Params};
use crate::app::App;
use crate::convert::event::{self, Mentioned};
use crate::limits::{POLICY_BYTES_MAX, POLICY_NOTE_CHARS_MAX};
use crate::problem::Failure;

/// The policy in force.
#[utoipa::path(
    get, path = "/v1/policy", tag = "placement", operation_id = "policy",
    responses((status = 200, description = "The version in force", body = Policy))
)]
pub(super) async fn get(access: AuditAccess) -> Result<Json<Policy>, Failure> {
    let app = access.app();
    let Some(version) = newest(app).await? else {
        let document = app.settings.steering.document();
        return Ok(Json(Policy { version: 0, document, at: None, actor: None, note: String::new(), changes: vec![] }));
    };
    let mentioned = Mentioned::by_actors(&[version.actor], access.names()).await?;
    Ok(Json(shown(version, &mentioned)))
}

/// Versions that were set, newest first.
#[utoipa::path(
    get, path = "/v1/policy/versions", tag = "placement", operation_id = "policy_versions", params(PageQuery),
    responses((status = 200, description = "A page of versions", body = Page<Policy>))
)]
pub(super) async fn versions(
    access: AuditAccess,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<Policy>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let found = access.app().store.policies(request).await?;
    let actors: Vec<_> = found.items.iter().map(|version| version.actor).collect();
    let mentioned = Mentioned::by_actors(&actors, access.names()).await?;
    Ok(Json(crate::convert::page(found, |version| shown(version, &mentioned))))
}

/// Put another policy into force, or with `dry_run` only say what it would change. Work under way stays where it is.
#[utoipa::path(
    put, path = "/v1/policy", tag = "placement", operation_id = "set_policy", request_body = PolicySet,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters")),
    responses((status = 200, description = "In force, or what would change", body = PolicySetDone))
)]
pub(super) async fn set(
    access: OperatorAccess,
    meta: Meta,
    body: Body<PolicySet>,
) -> Result<Json<PolicySetDone>, Failure> {
    let PolicySet { document, note, expected_version, dry_run } = body.value;
    if document.len() > POLICY_BYTES_MAX {
        return Err(Failure::invalid("document", format!("at most {POLICY_BYTES_MAX} bytes")));
    }
    if note.chars().count() > POLICY_NOTE_CHARS_MAX || note.contains('\0') {
        return Err(Failure::invalid("note", format!("at most {POLICY_NOTE_CHARS_MAX} characters, none of them zero")));
    }
    let steering = Steering::parse(&document).map_err(|fault| Failure::invalid("document", fault.to_string()))?;
    if dry_run {
        let now = newest(access.app()).await?;
        let (version, in_force) = match &now {
            Some(now) => (now.number, &now.steering),
            None => (0, &access.app().settings.steering),
        };
        return Ok(Json(PolicySetDone { version, changes: in_force.differences(&steering), dry_run }));
    }
    let command = Command::Steer { steering: Box::new(steering), note, expected: expected_version };
    match access.command(command, meta.once(access.who.user, &body.raw)).await? {
        Report::Policy { number, changes } => Ok(Json(PolicySetDone { version: number, changes, dry_run })),
        other => Err(unexpected(&other)),
    }
}

/// The policy in force, as TOML.
pub(super) async fn document(app: &App) -> Result<String, Failure> {
    Ok(in_force(app).await?.1)
}

/// The policy in force with its number, 0 where none was set.
pub(super) async fn in_force(app: &App) -> Result<(u64, String), Failure> {
    let version = newest(app).await?;
    let none = || (0, app.settings.steering.document());
    Ok(version.map_or_else(none, |version| (version.number, version.steering.document())))
}

async fn newest(app: &App) -> Result<Option<PolicyVersion>, Failure> {
    Ok(app.store.policies(page(Some(1), None)?).await?.items.pop())
}

fn shown(version: PolicyVersion, mentioned: &Mentioned) -> Policy {
    Policy {
        version: version.number,
        document: version.steering.document(),
        at: Some(version.at.into()),
        actor: Some(event::actor(version.actor, mentioned)),
        note: version.note,
        changes: version.changes,
    }
}
