//! One request and its answer: address, token, idempotency key, repeated tries. Knows HTTP, no call of the API.

use std::net::IpAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ClientError;

/// A connection that is not there after this long is not coming; a link around the world takes 0.3 s, three lost
/// packets of a handshake 7 s (1 + 2 + 4).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Silence on an answer. The slowest is a bill over a year of jobs: about a second per 100,000 lines. Event streams send
/// something at least every 15 s, so that a dead link is noticed after four of them.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest error body read, in bytes; a problem document with 50 faults of 300 bytes has 15 KiB.
const PROBLEM_BYTES_MAX: usize = 256 << 10;

/// How often and how patiently a failed request is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Tries in all, at least 1.
    pub tries: u32,
    /// Pause after the first failure; doubles each time.
    pub first: Duration,
    /// Longest pause, also where the server asks for more.
    pub longest: Duration,
}

impl Retry {
    /// 0.1 + 0.2 + 0.4 + 0.8 + 1.6 = 3.1 s: a server that is started again is back within 2 s.
    pub const USUAL: Retry = Retry { tries: 6, first: Duration::from_millis(100), longest: Duration::from_secs(5) };
    /// One try.
    pub const NONE: Retry = Retry { tries: 1, first: Duration::ZERO, longest: Duration::ZERO };

    /// Pause after failure number `failures` (from 1), or what the server asked for, within bounds.
    pub fn pause(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(1 << (failures.saturating_sub(1)).min(16));
        asked.unwrap_or(doubled).min(self.longest)
    }
}

/// A server of Headworks and who is calling. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Arc<Url>,
    retry: Retry,
}

/// One request, before it is sent.
pub(crate) struct Call {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    repeatable: bool,
}

impl Client {
    /// `url` is the server's address, `http` or `https`, with or without a path below which the API stands. `token` is an API
    /// token (`hwt_…`). Errors: [`ClientError::Address`], [`ClientError::Token`], [`ClientError::Tls`].
    pub fn new(url: &str, token: Option<&str>) -> Result<Client, ClientError> {
        static PROVIDER: Once = Once::new();
        // Whoever was first may have chosen a provider already; one is as good as another.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let base = parse_address(url)?;
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ClientError::Token)?;
            value.set_sensitive(true);
            headers.insert(reqwest::header::AUTHORIZATION, value);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("hw/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            // A redirected POST would lose its body, a redirected token would go to a stranger.
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        if base.scheme() == "http" {
            // Without TLS no certificates are needed: they take time to load, and a bare machine has none.
            let roots = rustls::RootCertStore::empty();
            let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            builder = builder.tls_backend_preconfigured(config);
        }
        let http = builder.build().map_err(ClientError::Tls)?;
        Ok(Client { http, base: Arc::new(base), retry: Retry::USUAL })
    }

    /// The same client with another patience.
    pub fn with_retry(mut self, retry: Retry) -> Client {
        self.retry = retry;
        self
    }
    /// The patience of this client.
    pub fn retry(&self) -> Retry {
        self.retry
    }
    /// The server's address as it is used.
    pub fn address(&self) -> &Url {
        &self.base
    }

    /// A request for `path` below the address; each segment is escaped, so a name from outside cannot leave its place.
    pub(crate) fn call(&self, method: Method, path: &[&str]) -> Call {
        let mut url = (*self.base).clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let repeatable = method != Method::POST;
        Call { method, url, headers: HeaderMap::new(), body: None, repeatable }
    }
    pub(crate) fn get(&self, path: &[&str]) -> Call {
        self.call(Method::GET, path)
    }
    pub(crate) fn post(&self, path: &[&str]) -> Call {
        self.call(Method::POST, path)
    }
    pub(crate) fn put(&self, path: &[&str]) -> Call {
        self.call(Method::PUT, path)
    }
    pub(crate) fn patch(&self, path: &[&str]) -> Call {
        self.call(Method::PATCH, path)
    }
    pub(crate) fn delete(&self, path: &[&str]) -> Call {
        self.call(Method::DELETE, path)
    }

    /// Sends, and sends again where that can do no harm: the connection was never made; or the request changes nothing by
    /// being repeated (its method, or its idempotency key) and the connection broke or the server said 503.
    /// Errors: every kind that concerns connections, and [`ClientError::Refused`] for every answer that is no success.
    pub(crate) async fn send(&self, call: Call) -> Result<Response, ClientError> {
        let mut failures = 0;
        loop {
            let mut request = self.http.request(call.method.clone(), call.url.clone()).headers(call.headers.clone());
            if let Some(body) = &call.body {
                request = request.body(body.clone());
            }
            failures += 1;
            let asked = match request.send().await {
                Ok(answer) if answer.status().is_success() => return Ok(answer),
                Ok(answer) => {
                    let busy = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
                    let asked = retry_after(answer.headers());
                    if !(busy && call.repeatable && failures < self.retry.tries) {
                        return Err(refusal(answer).await);
                    }
                    asked
                }
                Err(fault) => {
                    let harmless = call.repeatable || fault.is_connect();
                    if !harmless || fault.is_builder() || failures >= self.retry.tries {
                        return Err(ClientError::Unreachable { address: self.base.to_string(), source: fault });
                    }
                    None
                }
            };
            tokio::time::sleep(self.retry.pause(failures, asked)).await;
        }
    }

    /// Sends and reads a JSON answer.
    pub(crate) async fn read<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        let path = call.url.path().to_string();
        let bytes = self.bytes(call).await?;
        serde_json::from_slice(&bytes).map_err(|source| ClientError::Answer { path, source })
    }
    /// Sends and forgets what the answer says beyond its success.
    pub(crate) async fn done(&self, call: Call) -> Result<(), ClientError> {
        self.bytes(call).await.map(drop)
    }
    /// Sends and reads a text.
    pub(crate) async fn text(&self, call: Call) -> Result<String, ClientError> {
        self.bytes(call).await.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
    async fn bytes(&self, call: Call) -> Result<Vec<u8>, ClientError> {
        let answer = self.send(call).await?;
        answer.bytes().await.map(Vec::from).map_err(|source| self.broken(source))
    }
    pub(crate) fn broken(&self, source: reqwest::Error) -> ClientError {
        ClientError::Unreachable { address: self.base.to_string(), source }
    }
}

impl Call {
    /// Adds `name=value` to the query, if there is a value.
    pub(crate) fn query(mut self, name: &str, value: Option<impl ToString>) -> Call {
        if let Some(value) = value {
            self.url.query_pairs_mut().append_pair(name, &value.to_string());
        }
        self
    }
    /// Adds every pair to the query.
    pub(crate) fn pairs(mut self, pairs: &[(String, String)]) -> Call {
        for (name, value) in pairs {
            self.url.query_pairs_mut().append_pair(name, value);
        }
        self
    }
    pub(crate) fn json(mut self, body: &impl Serialize) -> Call {
        // Wire types are plain data: writing them to memory cannot fail.
        self.body = Some(serde_json::to_vec(body).unwrap_or_default());
        self.headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self
    }
    pub(crate) fn bytes_body(mut self, body: Vec<u8>) -> Call {
        self.body = Some(body);
        self.headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        self
    }
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Call {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }
    /// Names this request, so that the server does it once however often it arrives: `key`, or a new one.
    pub(crate) fn once(mut self, key: Option<&str>) -> Call {
        self.repeatable = true;
        match key {
            Some(key) => self.header("idempotency-key", key),
            None => self.header("idempotency-key", &uuid::Uuid::now_v7().to_string()),
        }
    }
    /// Repeating it changes nothing, though it is a POST.
    pub(crate) fn repeatable(mut self) -> Call {
        self.repeatable = true;
        self
    }
    pub(crate) fn streaming(self) -> Call {
        self.header("accept", "text/event-stream")
    }
}

fn parse_address(url: &str) -> Result<Url, ClientError> {
    let fault = |reason| ClientError::Address { url: url.chars().take(200).collect(), reason };
    let text = if url.contains("://") { url.to_string() } else { format!("http://{url}") };
    let mut parsed = Url::parse(&text).map_err(|_| fault("write it as http://HOST:PORT"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(fault("only http and https are spoken"));
    }
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err(fault("it names no host"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(fault("put the token into HW_TOKEN, not into the address"));
    }
    parsed.set_query(None);
    parsed.set_fragment(None);
    Ok(parsed)
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// `Retry-After` in seconds; dates are not used by our servers.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Turns an answer that is no success into an error: the server's problem document, or what stands there instead.
pub(crate) async fn refusal(mut answer: Response) -> ClientError {
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    // A body that breaks off says as much as one can know.
    while let Ok(Some(piece)) = answer.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > PROBLEM_BYTES_MAX {
            break;
        }
    }
    ClientError::refused(status, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for (text, read) in [
            ("http://127.0.0.1:7460", "http://127.0.0.1:7460/"),
            ("localhost:7460", "http://localhost:7460/"),
            ("https://hw.example/base/?x#y", "https://hw.example/base/"),
        ] {
            assert_eq!(parse_address(text).unwrap().as_str(), read);
        }
        for text in ["", "ftp://x", "http://", "http://me:pass@host", "::"] {
            assert!(matches!(parse_address(text), Err(ClientError::Address { .. })), "{text}");
        }
    }

    #[test]
    fn segments_cannot_leave_their_place() {
        let client = Client::new("http://h/base/", None).unwrap();
        let call = client.get(&["v1", "jobs", "../../x?y#z"]).query("a", Some("b c&d"));
        assert_eq!(call.url.as_str(), "http://h/base/v1/jobs/..%2F..%2Fx%3Fy%23z?a=b+c%26d");
        assert_eq!(client.get(&["v1", "jobs"]).query("a", None::<&str>).url.as_str(), "http://h/base/v1/jobs");
    }

    #[test]
    fn pauses_double_and_are_bounded() {
        let pauses: Vec<u64> = (1..=7).map(|n| Retry::USUAL.pause(n, None).as_millis() as u64).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000]);
        assert_eq!(Retry::USUAL.pause(1, Some(Duration::from_secs(2))), Duration::from_secs(2));
        assert_eq!(Retry::USUAL.pause(1, Some(Duration::from_secs(600))), Duration::from_secs(5));
    }

    #[test]
    fn loopback_needs_no_proxy() {
        for (url, loopback) in
            [("http://127.0.0.1:1", true), ("http://[::1]:1", true), ("http://localhost", true), ("http://a.b", false)]
        {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), loopback, "{url}");
        }
    }
}
