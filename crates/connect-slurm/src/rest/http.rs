//! HTTP towards slurmrestd: one client with keep-alive, made anew where a forward to it had to be; the token; and failures classed
//! by whether anything was sent.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Once, PoisonError};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::{CALL_TIME_MAX, Endpoint, RestError, token};
use crate::carrier::{CarrierError, SubmitError};
use crate::ssh::forward::Forward;

/// Largest answer taken: 10,000 jobs are 32 MB in version 0.0.38, and a controller keeps 50,000 at most by default here.
const ANSWER_MAX: usize = 256 << 20;
/// No answer that follows an error is quoted at greater length.
const QUOTE_MAX: usize = 300;

/// Slurm's numbers for "the line to the controller is down" that say that nothing was sent.
const CONNECT_FAILED: [i64; 2] = [1001, 1800];
/// Other faults of communication: what was sent may have arrived. 1000 to 1999 is the protocol's, 5000 to 5099 the sockets'.
fn is_communication(code: i64) -> bool {
    (1000..2000).contains(&code) || (5000..5100).contains(&code)
}
/// `Unspecified error`: the controller cannot be asked, or does not know the token.
const UNSPECIFIED: i64 = -1;
/// `Invalid job id specified`.
const NO_SUCH_JOB: i64 = 2017;
/// `Job/step already completing or completed`, `Job has already finished`.
const JOB_IS_OVER: [i64; 2] = [2021, 2084];

/// A token is read again from its file this long before it expires: clocks differ by less, and a call is shorter.
const TOKEN_LEFT_SECS: i64 = 30;

pub(super) struct Http {
    at: At,
    place: String,
    token_file: Option<PathBuf>,
    user: Option<String>,
    token: Mutex<Option<Arc<str>>>,
}

/// Where calls go.
enum At {
    Fixed {
        client: reqwest::Client,
        base: String,
    },
    /// Through a connection that may break: the socket on this side is another one after each.
    Forwarded {
        forward: Forward,
        held: Mutex<Option<(PathBuf, reqwest::Client)>>,
    },
}

/// The host of a request that goes through a socket means nothing.
const SOCKET_BASE: &str = "http://localhost";

fn client(socket: Option<PathBuf>) -> Result<reqwest::Client, reqwest::Error> {
    static PROVIDER: Once = Once::new();
    // Whoever was first may have chosen a provider already; one is as good as another.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let builder = reqwest::Client::builder().default_headers(headers).timeout(CALL_TIME_MAX).no_proxy();
    match socket {
        Some(path) => builder.unix_socket(path).build(),
        None => builder.build(),
    }
}

/// A whole answer.
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
    errors: Vec<Fault>,
}

/// One entry of `errors`. Version 0.0.38 writes the number under either name.
#[derive(Clone, Debug, Default, Deserialize)]
struct Fault {
    #[serde(default, alias = "error_number")]
    error_code: i64,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    description: Option<String>,
}

#[derive(Deserialize)]
struct Faults {
    #[serde(default)]
    errors: Vec<Fault>,
}

/// No answer.
pub(super) enum Failure {
    /// Not even a connection.
    NotSent(io::Error),
    Unanswered(io::Error),
    /// The token is refused, also after reading it again.
    Unauthorized(String),
}

impl Failure {
    pub fn asked(self) -> CarrierError {
        match self {
            Failure::NotSent(error) | Failure::Unanswered(error) => CarrierError::Unreachable(error),
            Failure::Unauthorized(text) => CarrierError::Refused(text),
        }
    }
    pub fn sent(self) -> SubmitError {
        match self {
            Failure::NotSent(error) => SubmitError::NotSent(error),
            Failure::Unanswered(error) => SubmitError::Unanswered(error),
            // Authentication comes before anything else: nothing was submitted, and a new token may come.
            Failure::Unauthorized(text) => SubmitError::NotSent(io::Error::new(io::ErrorKind::PermissionDenied, text)),
        }
    }
}

impl Http {
    pub fn new(endpoint: Endpoint, token_file: Option<PathBuf>, user: Option<String>) -> Result<Http, RestError> {
        let (at, place) = match endpoint {
            Endpoint::Unix(path) => {
                let place = format!("unix:{}", path.display());
                (At::Fixed { client: client(Some(path))?, base: SOCKET_BASE.to_owned() }, place)
            }
            Endpoint::Tcp(url) => (At::Fixed { client: client(None)?, base: url.clone() }, url),
        };
        Http::at(at, place, token_file, user)
    }

    pub fn through(forward: Forward, token_file: Option<PathBuf>, user: Option<String>) -> Result<Http, RestError> {
        let place = forward.to_string();
        Http::at(At::Forwarded { forward, held: Mutex::default() }, place, token_file, user)
    }

    fn at(at: At, place: String, token_file: Option<PathBuf>, user: Option<String>) -> Result<Http, RestError> {
        let http = Http { at, place, token_file, user, token: Mutex::new(None) };
        http.read_token()?;
        Ok(http)
    }

    /// A client and where it calls; a forward that broke is built anew.
    async fn client(&self) -> io::Result<(reqwest::Client, &str)> {
        let (forward, held) = match &self.at {
            At::Fixed { client, base } => return Ok((client.clone(), base)),
            At::Forwarded { forward, held } => (forward, held),
        };
        let path = forward.socket().await?;
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, client)) = held.as_ref()
            && *known == path
        {
            return Ok((client.clone(), SOCKET_BASE));
        }
        let client = client(Some(path.clone())).map_err(io::Error::other)?;
        *held = Some((path, client.clone()));
        Ok((client, SOCKET_BASE))
    }

    /// The account that the token speaks for.
    pub fn account(&self) -> Option<String> {
        self.user.clone().or_else(|| token::claims(&self.token()?)?.user)
    }

    pub fn place(&self) -> &str {
        &self.place
    }

    fn token(&self) -> Option<Arc<str>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn read_token(&self) -> Result<(), RestError> {
        let Some(path) = &self.token_file else { return Ok(()) };
        let text = std::fs::read_to_string(path).map_err(|source| RestError::Token { path: path.clone(), source })?;
        // `scontrol token` prints `SLURM_JWT=…`.
        let token = text.trim().trim_start_matches("SLURM_JWT=").to_owned();
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.into());
        Ok(())
    }

    /// One call. A refused token is read again and, when the file has another one, tried once more; one that is about to expire is
    /// read again before, since a submission under an expired one may be answered as if it had been lost.
    pub async fn call(&self, method: Method, path: &str, body: Option<String>) -> Result<Answer, Failure> {
        self.call_as(None, method, path, body).await
    }

    /// The same as another user, whom the token may speak for.
    pub async fn call_as(
        &self,
        user: Option<&str>,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Answer, Failure> {
        if self.token().and_then(|token| token::claims(&token)?.expires).is_some_and(|at| at - now() < TOKEN_LEFT_SECS)
        {
            // A file that cannot be read now leaves the token that is there: the cluster's clock decides.
            let _ = self.read_token();
        }
        let mut answer = self.call_once(user, method.clone(), path, body.clone()).await?;
        // A wrong or old token is a 401, or (22.05) an "unspecified error", which may be anything else as well: only what changes
        // nothing is then asked again.
        let before = self.token();
        let renewed =
            self.token_file.is_some() && answer.may_be_token() && self.read_token().is_ok() && self.token() != before;
        if renewed && (answer.status == StatusCode::UNAUTHORIZED || method == Method::GET) {
            answer = self.call_once(user, method, path, body).await?;
        }
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let words = quote(&answer.body);
        Err(Failure::Unauthorized(format!("slurmrestd does not know us (401): {words}. Renew the token file")))
    }

    async fn call_once(
        &self,
        user: Option<&str>,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Answer, Failure> {
        let (client, base) = self.client().await.map_err(Failure::NotSent)?;
        let mut request = client.request(method, format!("{base}{path}"));
        if let Some(body) = body {
            request = request.body(body);
        }
        if let Some(token) = self.token() {
            request = request.header(HeaderName::from_static("x-slurm-user-token"), &*token);
            // Up to 22.05 at least the name is wanted beside the token that says it.
            if let Some(user) = user.map(str::to_owned).or_else(|| self.account()) {
                request = request.header(HeaderName::from_static("x-slurm-user-name"), user);
            }
        }
        let failed = |error: reqwest::Error| {
            let connect = error.is_connect() || error.is_builder();
            let error = io::Error::other(chain(&error));
            if connect { Failure::NotSent(error) } else { Failure::Unanswered(error) }
        };
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(failed)? {
            if bytes.len() + piece.len() > ANSWER_MAX {
                return Err(Failure::Unanswered(io::Error::other("an answer of more than 256 MiB")));
            }
            bytes.extend_from_slice(&piece);
        }
        let errors = serde_json::from_slice::<Faults>(&bytes).map_or_else(|_| Vec::new(), |faults| faults.errors);
        Ok(Answer { status, body: bytes, errors })
    }
}

impl Answer {
    fn may_be_token(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
            || (self.status.is_server_error() && self.errors.iter().all(|fault| fault.error_code == UNSPECIFIED))
    }
    /// 304: nothing changed since the time asked for.
    pub fn unchanged(&self) -> bool {
        self.status == StatusCode::NOT_MODIFIED
    }
    /// The controller answered that it has no such job.
    pub fn no_such_job(&self) -> bool {
        self.errors.iter().any(|fault| fault.error_code == NO_SUCH_JOB)
    }
    pub fn job_is_over(&self) -> bool {
        self.errors.iter().any(|fault| JOB_IS_OVER.contains(&fault.error_code))
    }

    /// # Errors
    /// What is wrong with an answer to a question or a change: only an answer without fault is one.
    pub fn done(&self) -> Result<(), CarrierError> {
        let words = || {
            let told: Vec<String> = self.errors.iter().map(Fault::words).collect();
            if told.is_empty() { format!("{}: {}", self.status, quote(&self.body)) } else { told.join("; ") }
        };
        match self.errors.first() {
            None if self.status.is_success() => Ok(()),
            // Version 0.0.38 answers `Unspecified error` when the controller cannot be asked.
            Some(fault) if is_communication(fault.error_code) || fault.error_code == UNSPECIFIED => {
                Err(CarrierError::Unreachable(io::Error::other(words())))
            }
            None if self.status.is_server_error() => Err(CarrierError::Unreachable(io::Error::other(words()))),
            _ => Err(CarrierError::Refused(words())),
        }
    }

    /// As [`Answer::done`], for a submission that brought no number.
    pub fn not_submitted(&self) -> SubmitError {
        let words: Vec<String> = self.errors.iter().map(Fault::words).collect();
        let words = if words.is_empty() { quote(&self.body) } else { words.join("; ") };
        let codes = || self.errors.iter().map(|fault| fault.error_code);
        if codes().any(|code| CONNECT_FAILED.contains(&code)) {
            SubmitError::NotSent(io::Error::other(words))
        } else if codes().any(|code| is_communication(code) || code == UNSPECIFIED) || self.errors.is_empty() {
            SubmitError::Unanswered(io::Error::other(words))
        } else {
            SubmitError::Refused(words)
        }
    }
}

impl Fault {
    fn words(&self) -> String {
        match (&self.description, &self.error) {
            (Some(description), Some(error)) if !description.contains(error.as_str()) => {
                format!("{description} ({error})")
            }
            (Some(text), _) | (None, Some(text)) => text.clone(),
            (None, None) => format!("error {}", self.error_code),
        }
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

fn quote(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim().chars().take(QUOTE_MAX).collect()
}

/// An error with its causes, since the outermost one only says that a request failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
