//! Members of projects and their roles.

use axum::Json;
use axum::http::StatusCode;
use engine::Command;
use wire::Page;
use wire::page::PageQuery;
use wire::people::{ProjectMember, ProjectMemberSet};

use super::page_of;
use crate::access::{Body, Params, ProjectAccess, Read, Segments, Write};
use crate::convert;
use crate::problem::Failure;

/// Who has a role in a project, by name. Nobody: it is open to everybody of its tenant.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}/projects/{project}/members", tag = "people", operation_id = "project_members",
    params(
        ("tenant" = String, Path, description = "Name or id"),
        ("project" = String, Path, description = "Name or id"), PageQuery
    ),
    responses((status = 200, description = "A page of members", body = Page<ProjectMember>))
)]
pub(super) async fn list(
    access: ProjectAccess<Read>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<ProjectMember>>, Failure> {
    let mut members = Vec::with_capacity(access.project.members.len());
    for member in access.project.members.iter() {
        let Some(user) = access.names().user(member.user).await? else { continue };
        members.push(ProjectMember {
            user: user.id,
            name: user.name.to_string(),
            role: convert::project_role(member.role),
            disabled: user.disabled,
        });
    }
    members.sort_by(|a, b| a.name.cmp(&b.name));
    let page = page_of(members, query.limit, query.cursor.as_deref(), |member| member.user.to_string())?;
    Ok(Json(page))
}

/// Give a user of the tenant a role in a project. The first one closes it to everybody else of the tenant.
#[utoipa::path(
    put, path = "/v1/tenants/{tenant}/projects/{project}/members/{user}", tag = "people",
    operation_id = "set_project_member", request_body = ProjectMemberSet,
    params(
        ("tenant" = String, Path, description = "Name or id"),
        ("project" = String, Path, description = "Name or id"),
        ("user" = String, Path, description = "Name or id")
    ),
    responses((status = 204, description = "It has the role"))
)]
pub(super) async fn set(
    access: ProjectAccess<Write>,
    segments: Segments,
    body: Body<ProjectMemberSet>,
) -> Result<StatusCode, Failure> {
    let user = access.colleague(segments.get("user")).await?;
    let role = Some(convert::project_role_from(body.value.role));
    access.command(Command::SetMember { project: access.project.id, user: user.id, role }, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a user's role in a project away. The last one to go opens it to everybody of the tenant.
#[utoipa::path(
    delete, path = "/v1/tenants/{tenant}/projects/{project}/members/{user}", tag = "people",
    operation_id = "remove_project_member",
    params(
        ("tenant" = String, Path, description = "Name or id"),
        ("project" = String, Path, description = "Name or id"),
        ("user" = String, Path, description = "Name or id")
    ),
    responses((status = 204, description = "It has no role any more"))
)]
pub(super) async fn remove(access: ProjectAccess<Write>, segments: Segments) -> Result<StatusCode, Failure> {
    let user = access.colleague(segments.get("user")).await?;
    access.command(Command::SetMember { project: access.project.id, user: user.id, role: None }, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
