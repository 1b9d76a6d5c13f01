//! Signing in with a password: bounded in rate by name and by address, bounded in concurrency, and taking the same time
//! whether or not a name exists.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use base::{Span, TokenId, UserId};
use engine::{Command, Envelope};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use model::{Actor, Token, TokenScope, User};
use tokio::sync::Semaphore;
use wire::ErrorCode;

use super::{Secret, Shared};
use crate::app::App;
use crate::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, PASSWORD_CHECKS_AT_ONCE, SIGN_IN_KEYS_KEPT};
use crate::problem::Failure;

/// Counts tries and does the expensive verification, a few at a time.
pub(crate) struct SignIns {
    by_name: DefaultKeyedRateLimiter<String>,
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    checks: Arc<Semaphore>,
    /// A hash of something random: verified against for names that do not exist.
    nobody: OnceLock<String>,
}

impl SignIns {
    pub(crate) fn new(per_minute: u32) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
        Self {
            by_name: RateLimiter::keyed(quota),
            by_address: RateLimiter::keyed(quota),
            checks: Arc::new(Semaphore::new(PASSWORD_CHECKS_AT_ONCE)),
            nobody: OnceLock::new(),
        }
    }

    /// Counts one try; too many are refused for a while.
    fn count(&self, name: &str, address: Option<IpAddr>) -> Result<(), Failure> {
        if self.by_name.len() > SIGN_IN_KEYS_KEPT {
            self.by_name.retain_recent();
        }
        if self.by_address.len() > SIGN_IN_KEYS_KEPT {
            self.by_address.retain_recent();
        }
        let now = DefaultClock::default().now();
        let wait = [
            self.by_name.check_key(&name.to_owned()).err().map(|no| no.wait_time_from(now)),
            self.by_address.check_key(&network(address)).err().map(|no| no.wait_time_from(now)),
        ];
        match wait.into_iter().flatten().max() {
            None => Ok(()),
            Some(wait) => {
                let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
                Err(Failure::new(ErrorCode::TooManyRequests, format!("too many tries; wait {seconds} s"))
                    .retry_after(seconds))
            }
        }
    }

    async fn verify(&self, password: String, phc: Option<String>) -> Result<bool, Failure> {
        let known = phc.is_some();
        let phc = match phc {
            Some(phc) => phc,
            None => self.nobody().await?,
        };
        let right = self
            .blocking(move || Ok(Argon2::default().verify_password(password.as_bytes(), phc.as_str()).is_ok()))
            .await?;
        Ok(right && known)
    }

    async fn nobody(&self) -> Result<String, Failure> {
        if let Some(phc) = self.nobody.get() {
            return Ok(phc.clone());
        }
        let secret = Secret::draw()?.text;
        let phc = self.blocking(move || hash(secret.as_bytes())).await?;
        Ok(self.nobody.get_or_init(|| phc).clone())
    }

    /// Runs argon2 beside the executor's threads, a few at a time.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = Arc::clone(&self.checks).acquire_owned().await;
        let permit = permit.map_err(|_| Failure::internal("the password semaphore is closed"))?;
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        })
        .await
        .map_err(|e| Failure::internal(format!("a password check did not end: {e}")))?
    }
}

/// What one address is counted as: IPv6 hosts choose among 2⁶⁴ addresses of their network, so the network counts.
fn network(address: Option<IpAddr>) -> IpAddr {
    match address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

fn hash(password: &[u8]) -> Result<String, Failure> {
    Argon2::default()
        .hash_password(password)
        .map(|phc| phc.to_string())
        .map_err(|e| Failure::internal(format!("argon2 failed: {e}")))
}

/// The argon2id PHC string of a new password, computed beside the executor's threads (about 15 ms of a core).
pub async fn hash_password(password: String) -> Result<String, Failure> {
    let hashed = tokio::task::spawn_blocking(move || hash(password.as_bytes())).await;
    hashed.map_err(|e| Failure::internal(format!("hashing did not end: {e}")))?
}

/// Whether a text may become a password.
fn fit_password(field: &str, password: &str) -> Result<(), Failure> {
    let chars = password.chars().count();
    if (PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
        return Ok(());
    }
    Err(Failure::invalid(field, format!("use {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters")))
}

impl super::Http {
    /// Hashes a new password after checking its length.
    pub(super) async fn new_password(&self, field: &str, password: String) -> Result<String, Failure> {
        fit_password(field, &password)?;
        self.sign_ins.blocking(move || hash(password.as_bytes())).await
    }

    /// Whether this is the user's password; counted as a try to sign in.
    pub(super) async fn check_password(
        &self,
        name: &str,
        password: String,
        address: Option<IpAddr>,
    ) -> Result<User, Failure> {
        let wrong = || Failure::new(ErrorCode::SignInFailed, "the name or the password is wrong");
        // What can be no name and no password is refused without a read of the store, and counted all the same.
        let count_as: String = name.chars().take(40).collect();
        self.sign_ins.count(&count_as, address)?;
        if !model::people::valid_name(name) || password.chars().count() > PASSWORD_CHARS_MAX {
            return Err(wrong());
        }
        let (user, phc) = self.app.store.password(name).await?.unzip();
        let right = self.sign_ins.verify(password, phc).await?;
        user.filter(|user| right && !user.disabled).ok_or_else(wrong)
    }
}

/// What somebody who has not signed in may do: sign in, ask for health and for the API's description.
pub struct PublicAccess {
    http: Shared,
    address: Option<IpAddr>,
}

/// A token that was just made, with its secret.
pub struct Issued {
    pub secret: String,
    pub token: Token,
    pub user: User,
}

impl PublicAccess {
    pub fn app(&self) -> &App {
        &self.http.app
    }

    /// Signs in and issues a token of the given kind.
    pub async fn sign_in(
        &self,
        name: &str,
        password: String,
        label: &str,
        scope: TokenScope,
        session: bool,
        lifetime: Span,
    ) -> Result<Issued, Failure> {
        let user = self.http.check_password(name, password, self.address).await?;
        let (secret, token) = issue(&self.http, &user, label, scope, session, lifetime).await?;
        Ok(Issued { secret, token, user })
    }

    /// Counts a try of this address to sign in elsewhere.
    pub fn count_try(&self) -> Result<(), Failure> {
        let address = self.address.map_or_else(String::new, |address| address.to_string());
        self.http.sign_ins.count(&format!("at the provider from {address}"), self.address)
    }

    /// Issues a session to a user for whom a provider vouches. One who is not known becomes a member of `tenant`, where that is
    /// said. `None`: nobody of this name may come in.
    pub async fn enter(&self, name: &str, tenant: Option<&str>, lifetime: Span) -> Result<Option<Issued>, Failure> {
        let user = match (self.http.app.store.user_by_name(name).await?, tenant) {
            (Some(user), _) => user,
            (None, Some(tenant)) => self.new_member(name, tenant).await?,
            (None, None) => return Ok(None),
        };
        if user.disabled {
            return Ok(None);
        }
        let (secret, token) = issue(&self.http, &user, "browser", TokenScope::Full, true, lifetime).await?;
        Ok(Some(Issued { secret, token, user }))
    }

    async fn new_member(&self, name: &str, tenant: &str) -> Result<User, Failure> {
        let (store, missing) = (&self.http.app.store, |what: &str| {
            Failure::internal(format!("`oidc.tenant` is {tenant}, and there is no such {what}"))
        });
        let tenant = store.tenant_by_name(tenant).await?.ok_or_else(|| missing("tenant"))?.id;
        let project =
            store.project_by_name(tenant, "default").await?.ok_or_else(|| missing("tenant with a default project"))?;
        let (id, name, role) = (UserId::from_u128(self.http.draw()), Arc::from(name), model::Role::Member);
        let user = User { id, tenant, name, role, default_project: project.id, disabled: false };
        let command = Command::CreateUser { user: user.clone(), password: None };
        self.http.app.engine.command(Envelope { actor: Actor::Platform, operator: true, once: None, command }).await?;
        self.http.forget();
        Ok(user)
    }

    /// The names that go with a user, for the answer to a sign-in.
    pub fn names(&self) -> super::Names<'_> {
        self.http.names()
    }
}

impl FromRequestParts<Shared> for PublicAccess {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, http: &Shared) -> Result<Self, Failure> {
        Ok(Self { http: http.clone(), address: address(parts) })
    }
}

/// Where a request comes from, when the listener says.
pub(super) fn address(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}

/// Makes a token for `user` and has it stored.
pub(super) async fn issue(
    http: &Shared,
    user: &User,
    label: &str,
    scope: TokenScope,
    session: bool,
    lifetime: Span,
) -> Result<(String, Token), Failure> {
    let (secret, now) = (Secret::draw()?, http.app.clock.now());
    let token = Token {
        id: TokenId::from_u128(http.app.ids.draw()),
        user: user.id,
        label: label.into(),
        digest: secret.digest,
        scope,
        session,
        created_at: now,
        expires_at: now + lifetime,
        revoked_at: None,
    };
    let envelope = Envelope {
        actor: Actor::User(user.id),
        operator: user.role == model::Role::Operator,
        once: None,
        command: Command::IssueToken(token.clone()),
    };
    http.app.engine.command(envelope).await?;
    Ok((secret.text, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_counted_by_name_and_by_network() {
        let sign_ins = SignIns::new(3);
        let at = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for i in 0..3 {
            assert!(sign_ins.count("anna", at(&format!("10.0.0.{i}"))).is_ok());
        }
        let refused = sign_ins.count("anna", at("10.0.0.9")).unwrap_err();
        assert_eq!(refused.code, ErrorCode::TooManyRequests);
        assert!(refused.retry_after_seconds.is_some_and(|s| (1..=60).contains(&s)));
        for i in 0..3 {
            assert!(sign_ins.count(&format!("u{i}"), at(&format!("2001:db8::{i}"))).is_ok());
        }
        assert!(sign_ins.count("u9", at("2001:db8::ffff:9")).is_err());
        assert!(sign_ins.count("u9", at("2001:db9::9")).is_ok());
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_name_passes() {
        let sign_ins = SignIns::new(100);
        let phc = hash_password("correct horse".into()).await.unwrap();
        assert!(phc.starts_with("$argon2id$"));
        assert!(sign_ins.verify("correct horse".into(), Some(phc.clone())).await.unwrap());
        assert!(!sign_ins.verify("wrong horse".into(), Some(phc)).await.unwrap());
        assert!(!sign_ins.verify("anything".into(), None).await.unwrap());
        assert!(!sign_ins.verify("anything".into(), Some("not a hash".into())).await.unwrap());
    }

    #[test]
    fn passwords_are_bounded() {
        assert!(fit_password("new", "九个字的密码不够长啊").is_ok());
        assert!(fit_password("new", "short").is_err());
        assert!(fit_password("new", &"x".repeat(257)).is_err());
    }
}
