//! Signing in and out, tokens, the own password.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::{Span, TokenId};
use model::{TokenScope, User};
use wire::page::PageQuery;
use wire::session::{Login, PasswordChange, SessionUser, SignIn, Token, TokenCreate, TokenIssued, WhoAmI};
use wire::{ErrorCode, Page, Problem};

use super::{page, plain_text};
use crate::access::{Body, Caller, Names, Params, PublicAccess, Segments, SelfAccess};
use crate::convert;
use crate::limits::{LABEL_CHARS_MAX, SESSION_SPAN, TOKEN_SPAN_DEFAULT, TOKEN_SPAN_MAX, TOKEN_SPAN_MIN};
use crate::problem::Failure;

/// Sign in for a browser: the answer sets the session's cookie, for 12 hours.
#[utoipa::path(
    post, path = "/v1/session", tag = "session", operation_id = "sign_in", security(()), request_body = SignIn,
    responses((status = 200, description = "Signed in; sets the cookie `hw_session`", body = WhoAmI))
)]
pub(super) async fn sign_in(access: PublicAccess, body: Body<SignIn>) -> Result<Response, Failure> {
    let SignIn { name, password } = body.value;
    let issued = access.sign_in(&name, password, "browser", TokenScope::Full, true, SESSION_SPAN).await?;
    let user = session_user(&issued.user, access.names()).await?;
    let who = WhoAmI { user, scope: wire::Scope::Full, expires_at: issued.token.expires_at.into() };
    let cookie = cookie(&issued.secret, SESSION_SPAN.as_secs(), access.app().settings.secure_cookies)?;
    Ok(([(header::SET_COOKIE, cookie)], Json(who)).into_response())
}

/// Who am I?
#[utoipa::path(
    get, path = "/v1/session", tag = "session", operation_id = "who_am_i",
    responses((status = 200, description = "The user behind the token or cookie", body = WhoAmI))
)]
pub(super) async fn who_am_i(caller: Caller) -> Json<WhoAmI> {
    let who = &caller.who;
    Json(WhoAmI {
        user: SessionUser {
            id: who.user,
            name: who.name.to_string(),
            role: convert::role(who.role),
            tenant: who.tenant,
            tenant_name: who.tenant_name.to_string(),
            project: who.project,
            project_name: who.project_name.to_string(),
        },
        scope: convert::scope(who.token_scope),
        expires_at: who.expires_at.into(),
    })
}

/// Sign out: ends the token or session that this request carries.
#[utoipa::path(
    delete, path = "/v1/session", tag = "session", operation_id = "sign_out",
    responses((status = 204, description = "Signed out; clears the cookie"))
)]
pub(super) async fn sign_out(caller: Caller) -> Result<Response, Failure> {
    caller.end_own_token().await?;
    let cleared = cookie("", 0, caller.app().settings.secure_cookies)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cleared)]).into_response())
}

/// Sign in for a program: the answer carries a token, shown this once.
#[utoipa::path(
    post, path = "/v1/login", tag = "session", operation_id = "login", security(()), request_body = Login,
    responses((status = 200, description = "A new token", body = TokenIssued))
)]
pub(super) async fn login(access: PublicAccess, body: Body<Login>) -> Result<Json<TokenIssued>, Failure> {
    let Login { name, password, label, expires_in_seconds, scope } = body.value;
    let label = label.unwrap_or_else(|| "login".into());
    plain_text("label", &label, LABEL_CHARS_MAX)?;
    let lifetime = lifetime(expires_in_seconds)?;
    let scope = scope.map_or(TokenScope::Full, convert::scope_from);
    let issued = access.sign_in(&name, password, &label, scope, false, lifetime).await?;
    Ok(Json(token_issued(issued.secret, &issued.token)))
}

/// The caller's tokens and sessions, newest first.
#[utoipa::path(
    get, path = "/v1/tokens", tag = "session", operation_id = "tokens", params(PageQuery),
    responses((status = 200, description = "Tokens without their secrets", body = Page<Token>))
)]
pub(super) async fn tokens(caller: Caller, Params(query): Params<PageQuery>) -> Result<Json<Page<Token>>, Failure> {
    let request = page(query.limit, query.cursor.as_deref())?;
    let found = caller.app().store.tokens_of(caller.who.user, request).await?;
    Ok(Json(convert::page(found, |token| Token {
        id: token.id,
        label: token.label.to_string(),
        scope: convert::scope(token.scope),
        session: token.session,
        created_at: token.created_at.into(),
        expires_at: token.expires_at.into(),
        revoked_at: convert::job::time(token.revoked_at),
    })))
}

/// Make a token for the caller, of at most the scope of the one that asks.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "session", operation_id = "create_token", request_body = TokenCreate,
    responses((status = 201, description = "A new token, shown this once", body = TokenIssued))
)]
pub(super) async fn create_token(access: SelfAccess, body: Body<TokenCreate>) -> Result<Response, Failure> {
    let TokenCreate { label, expires_in_seconds, scope } = body.value;
    let label = label.unwrap_or_else(|| "token".into());
    plain_text("label", &label, LABEL_CHARS_MAX)?;
    let lifetime = lifetime(expires_in_seconds)?;
    let (secret, token) = access.issue(&label, scope.map(convert::scope_from), lifetime).await?;
    Ok((StatusCode::CREATED, Json(token_issued(secret, &token))).into_response())
}

/// End one of the caller's tokens.
#[utoipa::path(
    delete, path = "/v1/tokens/{token}", tag = "session", operation_id = "revoke_token",
    params(("token" = String, Path, description = "Id of the token")),
    responses((status = 204, description = "It is no longer accepted"))
)]
pub(super) async fn revoke_token(access: SelfAccess, segments: Segments) -> Result<StatusCode, Failure> {
    let id: TokenId = segments.get("token").parse().map_err(|_| Failure::not_found("token"))?;
    access.revoke(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Change the own password. Sessions of browsers other than this one end.
#[utoipa::path(
    post, path = "/v1/users/me/password", tag = "session", operation_id = "change_password",
    request_body = PasswordChange,
    responses(
        (status = 204, description = "Changed"),
        (status = 401, description = "Codes: unauthenticated, sign_in_failed", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn change_password(
    access: SelfAccess,
    from: Option<axum::Extension<ConnectInfo<SocketAddr>>>,
    body: Body<PasswordChange>,
) -> Result<StatusCode, Failure> {
    let PasswordChange { old, new } = body.value;
    let address = from.map(|axum::Extension(ConnectInfo(address))| address.ip());
    access.change_password(old, new, address).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn token_issued(secret: String, token: &model::Token) -> TokenIssued {
    TokenIssued {
        token: secret,
        token_id: token.id,
        scope: convert::scope(token.scope),
        expires_at: token.expires_at.into(),
    }
}

fn lifetime(seconds: Option<u64>) -> Result<Span, Failure> {
    let Some(seconds) = seconds else { return Ok(TOKEN_SPAN_DEFAULT) };
    let span = i64::try_from(seconds).ok().and_then(|s| s.checked_mul(1_000_000)).map(Span::from_micros);
    span.filter(|s| (TOKEN_SPAN_MIN..=TOKEN_SPAN_MAX).contains(s)).ok_or_else(|| {
        let (min, max) = (TOKEN_SPAN_MIN.as_secs(), TOKEN_SPAN_MAX.as_secs());
        Failure::invalid("expires_in_seconds", format!("say {min} to {max} seconds"))
    })
}

async fn session_user(user: &User, names: Names<'_>) -> Result<SessionUser, Failure> {
    Ok(SessionUser {
        id: user.id,
        name: user.name.to_string(),
        role: convert::role(user.role),
        tenant: user.tenant,
        tenant_name: names.tenant_name(user.tenant).await?,
        project: user.default_project,
        project_name: names.project_name(user.default_project).await?,
    })
}

/// `SameSite=Strict`: no other site's request carries it.
pub(super) fn cookie(secret: &str, seconds: i64, secure: bool) -> Result<HeaderValue, Failure> {
    hidden_cookie((wire::SESSION_COOKIE, secret), "/", "Strict", seconds, secure)
}

/// `HttpOnly`: no script reads it. With where it is sent, from which sites, and for how many seconds.
pub(super) fn hidden_cookie(
    (name, value): (&str, &str),
    path: &str,
    same_site: &str,
    seconds: i64,
    secure: bool,
) -> Result<HeaderValue, Failure> {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path={path}; HttpOnly; SameSite={same_site}; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).map_err(|e| Failure::new(ErrorCode::Internal, "no cookie").note(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_bounded() {
        assert_eq!(lifetime(None).unwrap(), TOKEN_SPAN_DEFAULT);
        assert_eq!(lifetime(Some(3_600)).unwrap(), Span::from_hours(1));
        for bad in [0, 59, 31_622_401, u64::MAX] {
            assert_eq!(lifetime(Some(bad)).unwrap_err().code, ErrorCode::Invalid, "{bad}");
        }
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let plain = cookie("hwt_1", 10, false).unwrap();
        assert_eq!(plain, "hw_session=hwt_1; Path=/; HttpOnly; SameSite=Strict; Max-Age=10");
        assert!(cookie("hwt_1", 10, true).unwrap().to_str().unwrap().ends_with("; Secure"));
    }
}
