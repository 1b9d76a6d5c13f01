//! From a bearer token or a session's cookie to a user with a role and a scope.
//! Proven tokens are remembered for some seconds, so that a busy client costs no read of the store.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use base::{Currency, ProjectId, TenantId, Timestamp, TokenId, UserId};
use model::{Role, TokenScope};
use store::Scope;
use wire::ErrorCode;

use super::{Http, digest_of};
use crate::limits::{TOKEN_TRUSTED, TOKENS_REMEMBERED};
use crate::problem::Failure;

/// A signed-in user, as proven by a token.
#[derive(Clone, Debug)]
pub struct Identity {
    pub user: UserId,
    pub name: Arc<str>,
    pub role: Role,
    pub tenant: TenantId,
    pub tenant_name: Arc<str>,
    pub currency: Currency,
    pub project: ProjectId,
    pub project_name: Arc<str>,
    pub token: TokenId,
    pub digest: [u8; 32],
    pub token_scope: TokenScope,
    /// Came by the cookie of a browser's session.
    pub session: bool,
    pub expires_at: Timestamp,
}

impl Identity {
    pub fn is_operator(&self) -> bool {
        self.role == Role::Operator
    }
    /// Whose rows lists show.
    pub fn scope(&self) -> Scope {
        if self.sees_all() { Scope::All } else { Scope::Tenant(self.tenant) }
    }
    /// May read what belongs to any tenant.
    pub fn sees_all(&self) -> bool {
        matches!(self.role, Role::Operator | Role::Auditor)
    }
    pub fn sees(&self, tenant: TenantId) -> bool {
        self.sees_all() || self.tenant == tenant
    }
    /// Reading only is not enough for work.
    pub fn may_work(&self) -> Result<(), Failure> {
        self.scope_at_least(TokenScope::Jobs)?;
        match self.role {
            Role::Operator | Role::Owner | Role::Member => Ok(()),
            Role::Auditor => Err(Failure::new(ErrorCode::Forbidden, "auditors read; they change nothing")),
        }
    }
    /// People, tokens and money need the whole scope.
    pub fn may_manage(&self) -> Result<(), Failure> {
        self.scope_at_least(TokenScope::Full)
    }

    fn scope_at_least(&self, needed: TokenScope) -> Result<(), Failure> {
        if rank(self.token_scope) >= rank(needed) {
            return Ok(());
        }
        let (has, needs) = (self.token_scope.as_str(), needed.as_str());
        Err(Failure::new(ErrorCode::ScopeTooNarrow, format!("the token's scope is `{has}`, this needs `{needs}`")))
    }
}

/// Scopes in order of what they allow.
pub(crate) const fn rank(scope: TokenScope) -> u8 {
    match scope {
        TokenScope::Read => 0,
        TokenScope::Jobs => 1,
        TokenScope::Full => 2,
    }
}

/// Proven tokens by digest.
pub(crate) struct TokenCache(moka::sync::Cache<[u8; 32], Arc<Identity>>);

impl Default for TokenCache {
    fn default() -> Self {
        Self(moka::sync::Cache::builder().max_capacity(TOKENS_REMEMBERED).time_to_live(TOKEN_TRUSTED).build())
    }
}

impl TokenCache {
    pub(crate) fn forget(&self) {
        self.0.invalidate_all();
    }
}

impl Http {
    /// Who sent this request.
    pub(crate) async fn authenticate(&self, parts: &mut Parts) -> Result<Arc<Identity>, Failure> {
        if let Some(known) = parts.extensions.get::<Arc<Identity>>() {
            return Ok(known.clone());
        }
        let (secret, by_cookie) = presented(&parts.headers)?;
        let who = match digest_of(secret) {
            Some(digest) => self.identity(digest).await?,
            None => None,
        };
        // A stolen cookie is no bearer token, nor the other way round.
        let who = who.filter(|who| who.session == by_cookie).ok_or_else(|| {
            Failure::new(ErrorCode::Unauthenticated, "the token is unknown, expired or revoked; sign in again")
        })?;
        if by_cookie && !is_safe(&parts.method) && parts.headers.get(wire::CSRF_HEADER).is_none_or(|v| v != "1") {
            return Err(Failure::new(
                ErrorCode::CsrfMissing,
                "requests that carry the session's cookie and change something need the header `X-HW-CSRF: 1`",
            ));
        }
        parts.extensions.insert(who.clone());
        Ok(who)
    }

    /// The user behind a token that is in force now.
    pub(crate) async fn identity(&self, digest: [u8; 32]) -> Result<Option<Arc<Identity>>, Failure> {
        let now = self.app.clock.now();
        if let Some(who) = self.tokens.0.get(&digest) {
            return Ok(Some(who).filter(|who| who.expires_at > now));
        }
        let Some((token, user)) = self.app.store.token(&digest).await? else { return Ok(None) };
        if token.revoked_at.is_some() || token.expires_at <= now || user.disabled {
            return Ok(None);
        }
        let names = self.names();
        let tenant = names
            .tenant(user.tenant)
            .await?
            .ok_or_else(|| Failure::internal(format!("{} of {} is not stored", user.tenant, user.id)))?;
        let who = Arc::new(Identity {
            user: user.id,
            role: user.role,
            tenant: user.tenant,
            tenant_name: tenant.name,
            currency: tenant.currency,
            project: user.default_project,
            project_name: names.project_name(user.default_project).await?.into(),
            name: user.name,
            token: token.id,
            digest,
            token_scope: token.scope,
            session: token.session,
            expires_at: token.expires_at,
        });
        self.tokens.0.insert(digest, who.clone());
        Ok(Some(who))
    }
}

/// Methods that change nothing.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The secret a request carries, and whether it came as a cookie. A header goes before a cookie.
fn presented(headers: &HeaderMap) -> Result<(&str, bool), Failure> {
    let none = || Failure::new(ErrorCode::Unauthenticated, "send `Authorization: Bearer hwt_…`, or sign in");
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().map_err(|_| none())?;
        let (scheme, secret) = text.split_once(' ').ok_or_else(none)?;
        return if scheme.eq_ignore_ascii_case("bearer") { Ok((secret.trim(), false)) } else { Err(none()) };
    }
    cookie_of(headers, wire::SESSION_COOKIE).map(|secret| (secret, true)).ok_or_else(none)
}

/// The value of a cookie that a request carries.
pub fn cookie_of<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_header_goes_before_a_cookie() {
        let both = headers(&[(header::AUTHORIZATION, "bearer hwt_1"), (header::COOKIE, "hw_session=hwt_2")]);
        assert_eq!(presented(&both).unwrap(), ("hwt_1", false));
        let cookie = headers(&[(header::COOKIE, "a=b; hw_session=hwt_2; c=d")]);
        assert_eq!(presented(&cookie).unwrap(), ("hwt_2", true));
        for bad in ["", "hwt_1", "Basic dXNlcjpwYXNz"] {
            assert!(presented(&headers(&[(header::AUTHORIZATION, bad)])).is_err(), "{bad}");
        }
        assert!(presented(&HeaderMap::new()).is_err());
    }
}
