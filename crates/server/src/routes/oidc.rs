//! Signing in at the provider that the operator has named: away to it, and back with its word. Addresses for browsers, which are sent
//! on whatever comes of it.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use wire::session::{OidcWay, SignInWays};

use super::session::{cookie, hidden_cookie};
use crate::access::{Params, PublicAccess, cookie_of};
use crate::limits::SESSION_SPAN;
use crate::oidc::{FLOW_SPAN, Oidc, OidcError};
use crate::problem::Failure;

/// Ties a sign-in to the browser in which it was begun. The provider's answer comes from another site, hence `Lax`.
const COOKIE: &str = "hw_oidc";
const PATH: &str = "/v1/session/oidc";
const NEXT_CHARS_MAX: usize = 2_000;
const WORD_CHARS_MAX: usize = 4_000;

/// Where to after signing in.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BeginQuery {
    /// An address of this platform's page; its home when left out.
    next: Option<String>,
}

/// What the provider says when it sends a browser back.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CallbackQuery {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    /// Providers add words of their own.
    #[serde(flatten)]
    #[param(ignore)]
    _more: std::collections::BTreeMap<String, String>,
}

/// How one can sign in here.
#[utoipa::path(
    get, path = "/v1/session/ways", tag = "session", operation_id = "sign_in_ways", security(()),
    responses((status = 200, description = "Passwords always; a provider where one is named", body = SignInWays))
)]
pub(super) async fn ways(access: PublicAccess) -> Json<SignInWays> {
    let oidc = access.app().oidc.as_ref().map(|oidc| OidcWay { label: oidc.settings.label.clone() });
    Json(SignInWays { oidc })
}

/// Sign in at the provider: sends the browser there.
#[utoipa::path(
    get, path = "/v1/session/oidc", tag = "session", operation_id = "oidc_begin", security(()), params(BeginQuery),
    responses((status = 303, description = "To the provider, or back to the page with what is wrong"))
)]
pub(super) async fn begin(access: PublicAccess, Params(query): Params<BeginQuery>) -> Result<Response, Failure> {
    let oidc = provider(&access)?;
    access.count_try()?;
    let next = query.next.filter(|next| is_own(next)).unwrap_or_else(|| "/".to_owned());
    match oidc.begin(next).await {
        Ok((to, state)) => {
            let kept = flow_cookie(&state, FLOW_SPAN.as_secs() as i64, access.app().settings.secure_cookies)?;
            Ok(see_other(to.as_str(), vec![kept]))
        }
        Err(error) => Ok(back_with(&error)),
    }
}

/// The way back from the provider.
#[utoipa::path(
    get, path = "/v1/session/oidc/callback", tag = "session", operation_id = "oidc_callback", security(()),
    params(CallbackQuery),
    responses((status = 303, description = "To the page: signed in, or with what is wrong"))
)]
pub(super) async fn callback(
    access: PublicAccess,
    headers: HeaderMap,
    Params(query): Params<CallbackQuery>,
) -> Result<Response, Failure> {
    let oidc = provider(&access)?;
    access.count_try()?;
    let secure = access.app().settings.secure_cookies;
    let cleared = flow_cookie("", 0, secure)?;
    match entered(&access, oidc, &headers, query).await {
        Ok((secret, next)) => {
            let session = cookie(&secret, SESSION_SPAN.as_secs(), secure)?;
            Ok(see_other(&next, vec![session, cleared]))
        }
        Err(Back::Oidc(error)) => {
            let mut back = back_with(&error);
            back.headers_mut().append(header::SET_COOKIE, cleared);
            Ok(back)
        }
        Err(Back::Unknown) => Ok(see_other("/login?failed=unknown_user", vec![cleared])),
        Err(Back::Failure(failure)) => Err(*failure),
    }
}

enum Back {
    Oidc(OidcError),
    Unknown,
    Failure(Box<Failure>),
}

impl From<OidcError> for Back {
    fn from(error: OidcError) -> Back {
        Back::Oidc(error)
    }
}

/// The secret of a new session, and where to go.
async fn entered(
    access: &PublicAccess,
    oidc: &Oidc,
    headers: &HeaderMap,
    query: CallbackQuery,
) -> Result<(String, String), Back> {
    let short = |text: Option<String>| text.filter(|text| text.len() <= WORD_CHARS_MAX);
    let state = short(query.state).ok_or(OidcError::Flow)?;
    if cookie_of(headers, COOKIE) != Some(&state) {
        return Err(OidcError::Flow.into());
    }
    if let Some(error) = short(query.error) {
        let words = [Some(error), short(query.error_description)].into_iter().flatten();
        return Err(OidcError::Denied(words.collect::<Vec<_>>().join(": ")).into());
    }
    let code = short(query.code).ok_or(OidcError::Flow)?;
    let vouched = oidc.end(&state, &code).await?;
    let name = vouched.claims.text(&oidc.settings.claim).filter(|name| model::people::valid_name(name));
    let Some(name) = name else {
        let why = format!("`{}` names nobody who could be a user here", oidc.settings.claim);
        return Err(OidcError::Token(why).into());
    };
    let issued = access.enter(name, oidc.settings.tenant.as_deref(), SESSION_SPAN).await;
    match issued {
        Ok(Some(issued)) => Ok((issued.secret, vouched.next)),
        Ok(None) => Err(Back::Unknown),
        Err(failure) => Err(Back::Failure(Box::new(failure))),
    }
}

fn provider(access: &PublicAccess) -> Result<&Oidc, Failure> {
    access.app().oidc.as_deref().ok_or_else(|| Failure::not_found("provider of sign-ins: `oidc.issuer` is not set"))
}

/// To the page, which tells what is wrong in the reader's language; the words are for the operator.
fn back_with(error: &OidcError) -> Response {
    tracing::warn!(%error, "a sign-in at the provider came to nothing");
    let code = match error {
        OidcError::Provider(_) => "provider",
        OidcError::Flow => "flow",
        OidcError::Denied(_) => "denied",
        OidcError::Token(_) => "token",
    };
    see_other(&format!("/login?failed={code}"), Vec::new())
}

fn see_other(to: &str, cookies: Vec<HeaderValue>) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An address of this page, and not of another site.
fn is_own(next: &str) -> bool {
    let bytes = next.as_bytes();
    bytes.first() == Some(&b'/') && !matches!(bytes.get(1), Some(b'/' | b'\\')) && next.len() <= NEXT_CHARS_MAX
}

fn flow_cookie(state: &str, seconds: i64, secure: bool) -> Result<HeaderValue, Failure> {
    hidden_cookie((COOKIE, state), PATH, "Lax", seconds, secure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_sent_on_to_this_page_only() {
        for own in ["/", "/jobs/7?stream=stderr"] {
            assert!(is_own(own), "{own}");
        }
        for other in ["", "jobs", "//evil.example/", "/\\evil.example", "https://evil.example/"] {
            assert!(!is_own(other), "{other}");
        }
    }

    #[test]
    fn the_state_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; hw_oidc=xyz; hw_session=hwt_1"));
        assert_eq!(cookie_of(&headers, COOKIE), Some("xyz"));
        assert!(flow_cookie("xyz", 600, true).unwrap().to_str().unwrap().contains("SameSite=Lax; Max-Age=600; Secure"));
    }
}
