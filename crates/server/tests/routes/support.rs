//! A platform to ask, and the asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use base::{Bytes as Amount, Resources, Span};
use ports::PoolFacts;
use ports::fake::FakeMachine;
use serde_json::{Value, json};
use server::app::Clock;
use server::driver::Connect;
use server::{Running, testing};
use tempfile::TempDir;
use tower::ServiceExt;

/// The most a test waits for a condition before it gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Cores and GiB of the only node.
pub const CORES: u64 = 8;
pub const GIB: u64 = 32;
/// What users of tests sign in with.
pub const PASSWORD: &str = "a password for tests";

pub struct Platform {
    pub running: Running,
    pub machine: FakeMachine,
    pub admin: String,
    /// How far the platform's clock is ahead of the system's, in microseconds.
    ahead: Arc<AtomicI64>,
    router: Router,
    _folder: TempDir,
}

/// An answer, read whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.text()))
    }
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    /// The body of a success with this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
    /// Checks that it is a problem with this code, and gives its document.
    #[track_caller]
    pub fn problem(self, code: &str) -> Value {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], self.status.as_u16(), "{problem}");
        assert_eq!(problem["request_id"], self.headers["x-request-id"].to_str().unwrap(), "{problem}");
        problem
    }
}

impl Platform {
    pub async fn start() -> Platform {
        Self::with(&[]).await
    }

    pub async fn with(settings: &[(&str, &str)]) -> Platform {
        Self::on(tempfile::tempdir().unwrap(), settings, None).await
    }

    /// The same database under another server; its cluster knows nothing any more.
    pub async fn restarted(self) -> Platform {
        let Platform { running, machine, admin, router, _folder: folder, .. } = self;
        let store = Arc::downgrade(&running.app.store);
        drop((machine, router));
        running.stop().await.unwrap();
        let gone = async {
            while store.strong_count() > 0 {
                // Its last tasks hear of the end by and by.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("the server goes on after its end");
        Self::on(folder, &[], Some(admin)).await
    }

    async fn on(folder: TempDir, settings: &[(&str, &str)], admin: Option<String>) -> Platform {
        let shape = Resources::new(CORES, Amount::from_gib(GIB), 0);
        let supply = testing::supply(shape);
        let ahead = Arc::new(AtomicI64::new(0));
        let (system, shift) = (Clock::system(), ahead.clone());
        let clock = Clock::new(move || system.now() + Span::from_micros(shift.load(Ordering::Relaxed)));
        let facts = PoolFacts {
            name: "main".into(),
            shape,
            chip: None,
            nodes: vec!["main".into()],
            time_limit_max: None,
            terms: Default::default(),
        };
        let machine = FakeMachine::new(supply.cluster, vec![facts], clock.now());
        let (behind, cluster) = (machine.clone(), supply.cluster);
        let connect: Connect = Arc::new(move |observe| {
            let connector: Arc<dyn ports::Cluster> = Arc::new(behind.open(observe));
            Ok(vec![(cluster, connector)])
        });
        let config = testing::config(folder.path(), settings);
        let running = testing::start(config, clock, supply, connect).await.unwrap();
        let admin = admin.unwrap_or_else(|| running.first_admin.as_ref().unwrap().token.clone());
        let router = server::routes::router(running.app.clone());
        Platform { running, machine, admin, ahead, router, _folder: folder }
    }

    /// Lets time pass, for the platform and for its cluster: one whose clock is ahead would end what has not begun yet, at
    /// no charge.
    pub async fn pass(&self, span: Span) {
        self.ahead.fetch_add(span.as_micros(), Ordering::Relaxed);
        self.machine.tick(span).await;
    }

    /// Any request; its body is read whole.
    pub async fn raw(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: to_bytes(body, 64 << 20).await.unwrap() }
    }

    /// The status, and the code of a problem; a success is not read, it may be a stream.
    pub async fn outcome(&self, request: Request<Body>) -> (u16, String) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        if status.is_success() {
            return (status.as_u16(), String::new());
        }
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        (status.as_u16(), problem["code"].as_str().unwrap().to_owned())
    }

    /// A request whose answer is a stream.
    pub async fn open(&self, token: &str, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Stream { body: response.into_body(), read: String::new() }
    }

    pub async fn call(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.raw(request(token, method, path, body)).await
    }
    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.call(token, Method::GET, path, None).await
    }
    pub async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        self.call(token, Method::POST, path, Some(body)).await
    }
    pub async fn delete(&self, token: &str, path: &str) -> Answer {
        self.call(token, Method::DELETE, path, None).await
    }
    pub async fn put(&self, token: &str, path: &str, body: Value) -> Answer {
        self.call(token, Method::PUT, path, Some(body)).await
    }
    pub async fn patch(&self, token: &str, path: &str, body: Value) -> Answer {
        self.call(token, Method::PATCH, path, Some(body)).await
    }

    /// A tenant with money in its wallet.
    pub async fn tenant(&self, name: &str) {
        self.post(&self.admin, "/v1/tenants", json!({ "name": name })).await.expect(201);
        let path = format!("/v1/tenants/{name}/wallet/top-ups");
        self.post(&self.admin, &path, json!({ "amount": "1000", "memo": "test" })).await.expect(200);
    }

    /// A user and its token of the whole scope, made without the cost of a sign-in.
    pub async fn user(&self, name: &str, role: &str, tenant: &str) -> String {
        let user = json!({ "name": name, "role": role, "tenant": tenant });
        self.post(&self.admin, "/v1/users", user).await.expect(201);
        self.token(name, model::TokenScope::Full).await
    }

    /// A token of any scope for a user.
    pub async fn token(&self, user: &str, scope: model::TokenScope) -> String {
        let app = &self.running.app;
        let user = app.store.user_by_name(user).await.unwrap().unwrap();
        let secret = server::access::Secret::draw().unwrap();
        let now = app.clock.now();
        let token = model::Token {
            id: base::TokenId::from_u128(app.ids.draw()),
            user: user.id,
            label: "test".into(),
            digest: secret.digest,
            scope,
            session: false,
            created_at: now,
            expires_at: now + Span::from_hours(1),
            revoked_at: None,
        };
        let envelope = engine::Envelope {
            actor: model::Actor::Platform,
            operator: true,
            once: None,
            command: engine::Command::IssueToken(token),
        };
        app.engine.command(envelope).await.unwrap();
        secret.text
    }

    /// Hands a script in and gives the job's id.
    pub async fn submit(&self, token: &str, script: &str) -> String {
        let accepted = self.post(token, "/v1/jobs", json!({ "script": script })).await.expect(201);
        accepted["job"].as_str().unwrap().to_owned()
    }

    /// Lets the cluster's time pass until the job is in one of `states`; gives the job.
    pub async fn until(&self, token: &str, job: &str, states: &[&str]) -> Value {
        let path = format!("/v1/jobs/{job}");
        let waiting = async {
            loop {
                let shown = self.get(token, &path).await.expect(200);
                if states.iter().any(|s| shown["state"] == *s) {
                    return shown;
                }
                self.pass(Span::from_millis(100)).await;
                // The driver takes in what the cluster said on a task of its own.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{job} never was in {states:?}"))
    }
}

pub fn request(token: &str, method: Method, path: &str, body: Option<Value>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    match body {
        None => request.body(Body::empty()).unwrap(),
        Some(body) => request
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(serde_json::to_vec(&body).unwrap()))
            .unwrap(),
    }
}

/// An open stream of server-sent events.
pub struct Stream {
    body: Body,
    read: String,
}

/// One event of a stream; comments are passed over.
#[derive(Debug)]
pub struct Frame {
    pub id: String,
    pub event: String,
    pub data: Value,
}

impl Stream {
    /// The next event; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Frame> {
        tokio::time::timeout(PATIENCE, self.read_frame()).await.expect("the stream is silent")
    }

    async fn read_frame(&mut self) -> Option<Frame> {
        loop {
            while let Some((block, rest)) = self.read.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.read = rest;
                let field = |name: &str| {
                    let lines = block.lines().filter_map(|l| l.strip_prefix(name));
                    lines.map(|l| l.strip_prefix(' ').unwrap_or(l)).collect::<Vec<_>>().join("\n")
                };
                let data = field("data:");
                if !data.is_empty() {
                    let data = serde_json::from_str(&data).unwrap();
                    return Some(Frame { id: field("id:"), event: field("event:"), data });
                }
            }
            let frame = std::future::poll_fn(|cx| {
                use axum::body::HttpBody;
                std::pin::Pin::new(&mut self.body).poll_frame(cx)
            });
            let data = frame.await?.unwrap().into_data().ok()?;
            self.read.push_str(std::str::from_utf8(&data).unwrap());
        }
    }
}
