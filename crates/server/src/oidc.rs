//! Signing in at an OpenID Connect provider: the authorization code flow (OpenID Connect Core 1.0, 3.1) with PKCE (RFC 7636). Knows
//! the provider and what it says of somebody; refuses to know users.

mod verify;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use moka::sync::Cache;
use reqwest::Url;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

pub use verify::Claims;

/// What is configured of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcSettings {
    /// Exactly as the provider names itself.
    pub issuer: Url,
    pub client_id: String,
    /// Of the client's secret; none: a public client, which has PKCE alone.
    pub secret_file: Option<PathBuf>,
    /// What the button says.
    pub label: String,
    /// The claim whose text is a user's name here.
    pub claim: String,
    /// Where browsers reach this platform.
    pub public: Url,
    /// Tenant of users who have none yet; none: they are refused.
    pub tenant: Option<String>,
}

/// Where the provider sends browsers back to.
pub const CALLBACK: &str = "v1/session/oidc/callback";

/// How long somebody may take at the provider, and how many may be on their way.
pub const FLOW_SPAN: Duration = Duration::from_secs(600);
const FLOWS_MAX: u64 = 10_000;
/// What the provider says of itself is read anew after this, and its keys when it names one that is not known, at most this often.
const KNOWN_FOR: Duration = Duration::from_secs(3_600);
const ANEW_AFTER: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Why nobody was signed in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OidcError {
    #[error("the provider of sign-ins cannot be used: {0}")]
    Provider(String),
    #[error("this sign-in is over, was begun in another browser, or was answered before: begin again")]
    Flow,
    #[error("the provider refused: {0}")]
    Denied(String),
    #[error("the provider's word is not good: {0}")]
    Token(String),
}

/// A sign-in on its way.
#[derive(Clone, Debug)]
struct Flow {
    nonce: String,
    verifier: String,
    next: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    issuer: String,
    #[serde(deserialize_with = "address")]
    authorization_endpoint: Url,
    #[serde(deserialize_with = "address")]
    token_endpoint: Url,
    #[serde(deserialize_with = "address")]
    jwks_uri: Url,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Clone)]
struct Known {
    metadata: Arc<Metadata>,
    keys: Arc<JwkSet>,
    at: Instant,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

/// A provider, with what is known of it and who is on the way there.
pub struct Oidc {
    pub settings: OidcSettings,
    http: reqwest::Client,
    known: tokio::sync::Mutex<Option<Known>>,
    flows: Cache<String, Flow>,
}

/// Somebody whom the provider vouches for.
#[derive(Debug)]
pub struct Vouched {
    pub claims: Claims,
    /// Where they wanted to go.
    pub next: String,
}

impl Oidc {
    pub fn new(settings: OidcSettings) -> Oidc {
        // The second time says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(ANSWER_WITHIN).build();
        let flows = Cache::builder().max_capacity(FLOWS_MAX).time_to_live(FLOW_SPAN).build();
        Oidc { settings, http: http.unwrap_or_default(), known: tokio::sync::Mutex::default(), flows }
    }

    fn redirect(&self) -> Result<Url, OidcError> {
        self.settings.public.join(CALLBACK).map_err(|error| OidcError::Provider(error.to_string()))
    }

    /// Begins: where the browser is to go, and the state by which it is known again.
    ///
    /// # Errors
    /// [`OidcError::Provider`].
    pub async fn begin(&self, next: String) -> Result<(Url, String), OidcError> {
        let known = self.known(KNOWN_FOR).await?;
        let [state, nonce, verifier] = [random()?, random()?, random()?];
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let mut to = known.metadata.authorization_endpoint.clone();
        to.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", self.redirect()?.as_str())
            .append_pair("scope", "openid profile email")
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        self.flows.insert(state.clone(), Flow { nonce, verifier, next });
        Ok((to, state))
    }

    /// Ends a sign-in with the code that the provider gave: once.
    ///
    /// # Errors
    /// [`OidcError`].
    pub async fn end(&self, state: &str, code: &str) -> Result<Vouched, OidcError> {
        let Flow { nonce, verifier, next } = self.flows.remove(state).ok_or(OidcError::Flow)?;
        let known = self.known(KNOWN_FOR).await?;
        let tokens = self.exchange(&known.metadata, code, &verifier).await?;
        let keys =
            if verify::knows_key(&known.keys, &tokens.id_token) { known } else { self.known(ANEW_AFTER).await? };
        let OidcSettings { client_id, .. } = &self.settings;
        let claims = verify::claims(&tokens.id_token, &keys.keys, &keys.metadata.issuer, client_id, &nonce)?;
        Ok(Vouched { claims, next })
    }

    async fn exchange(&self, metadata: &Metadata, code: &str, verifier: &str) -> Result<Tokens, OidcError> {
        let redirect = self.redirect()?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect.as_str()),
            ("code_verifier", verifier),
            ("client_id", &self.settings.client_id),
        ];
        let secret = match &self.settings.secret_file {
            None => None,
            Some(file) => {
                let read = tokio::fs::read_to_string(file).await;
                let text = read.map_err(|error| OidcError::Provider(format!("{}: {error}", file.display())))?;
                Some(text.trim().to_owned())
            }
        };
        let mut request = self.http.post(metadata.token_endpoint.clone());
        let methods = &metadata.token_endpoint_auth_methods_supported;
        // Without a word about it, the header is what providers take (OpenID Connect Discovery 1.0, 3).
        let by_form = !methods.is_empty() && methods.iter().all(|method| method != "client_secret_basic");
        if let Some(secret) = &secret {
            if by_form {
                form.push(("client_secret", secret));
            } else {
                request = request.basic_auth(quoted(&self.settings.client_id), Some(quoted(secret)));
            }
        }
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form_text(&form));
        self.json(request).await
    }

    /// What is known of the provider, at most this old.
    async fn known(&self, at_most: Duration) -> Result<Known, OidcError> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.at.elapsed() < at_most) {
            return Ok(known.clone());
        }
        let issuer = self.settings.issuer.as_str().trim_end_matches('/');
        let metadata: Metadata = self.json(self.http.get(format!("{issuer}/.well-known/openid-configuration"))).await?;
        if metadata.issuer.trim_end_matches('/') != issuer {
            return Err(OidcError::Provider(format!("{issuer} calls itself {}", metadata.issuer)));
        }
        let keys: JwkSet = self.json(self.http.get(metadata.jwks_uri.clone())).await?;
        Ok(known.insert(Known { metadata: Arc::new(metadata), keys: Arc::new(keys), at: Instant::now() }).clone())
    }

    async fn json<T: serde::de::DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, OidcError> {
        let fault = |error: reqwest::Error| OidcError::Provider(error.without_url().to_string());
        let mut answer = request.header("accept", "application/json").send().await.map_err(fault)?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(fault)? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(OidcError::Provider("its answer is too long".into()));
            }
        }
        if !status.is_success() {
            let words: String = String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).take(200).collect();
            return Err(OidcError::Provider(format!("it answered {status}: {words}")));
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| OidcError::Provider(format!("its answer cannot be read: {error}")))
    }
}

fn address<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

/// 256 bits as text that is fit for a state, a nonce and a verifier alike.
fn random() -> Result<String, OidcError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| OidcError::Provider(format!("no random bytes: {error}")))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// `application/x-www-form-urlencoded`.
fn form_text(pairs: &[(&str, &str)]) -> String {
    let url = Url::parse_with_params("http://form/", pairs).ok();
    url.and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}

/// In a header, name and secret are written as in a form (RFC 6749, 2.3.1).
fn quoted(text: &str) -> String {
    form_text(&[("q", text)]).strip_prefix("q=").unwrap_or_default().to_owned()
}
