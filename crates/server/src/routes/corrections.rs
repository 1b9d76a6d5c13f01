//! Corrections of what was billed: one booking each, with a reason that the tenant reads.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use engine::billing::Billing;
use engine::{Command, Report};
use rating::statement::CorrectedJob;
use wire::ErrorCode;
use wire::statement::{CorrectionCreate, CorrectionDone};

use super::money::amount;
use super::{plain_text, unexpected};
use crate::access::{Body, Meta, OperatorAccess, Segments};
use crate::limits::MEMO_CHARS_MAX;
use crate::problem::Failure;

/// Add to what a tenant is asked for, or give back. What was billed stays as it was; refused where the wallet does not cover it.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/corrections", tag = "money", operation_id = "correct",
    request_body = CorrectionCreate,
    params(
        ("tenant" = String, Path, description = "Name or id"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 200, pattern = "^[!-~]{1,200}$", description = "1 to 200 visible ASCII characters: the same key and body correct once")
    ),
    responses((status = 201, description = "The balance afterwards", body = CorrectionDone))
)]
pub(super) async fn create(
    access: OperatorAccess,
    segments: Segments,
    meta: Meta,
    body: Body<CorrectionCreate>,
) -> Result<Response, Failure> {
    let tenant = access.tenant(segments.get("tenant")).await?;
    let CorrectionCreate { amount: text, job, reason } = body.value;
    plain_text("reason", &reason, MEMO_CHARS_MAX)?;
    let amount = amount("amount", text)?;
    let job = match job {
        Some(text) => {
            let entry = access.visible_job(&text).await?;
            if entry.row.job.tenant != tenant.id {
                return Err(Failure::new(ErrorCode::Invalid, "the job is another tenant's"));
            }
            let (of, pool, line) = (&entry.row.job, entry.row.pool, entry.spec.line);
            let known = CorrectedJob { job: of.id, number: of.number, project: of.project, pool, line };
            Some((known, of.state()))
        }
        None => None,
    };
    let what = Billing::Correct { tenant: tenant.id, amount, job, reason: reason.trim().into() };
    let command = Command::Bill(Box::new(what));
    match access.command(command, meta.once(access.who.user, &body.raw)).await? {
        Report::Corrected { transfer, balance } => {
            let done = CorrectionDone { transfer, balance: balance.into(), currency: tenant.currency.to_string() };
            Ok((StatusCode::CREATED, Json(done)).into_response())
        }
        other => Err(unexpected(&other)),
    }
}
