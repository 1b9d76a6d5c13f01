//! Ten thousand malformed requests made from the server's own OpenAPI document: no answer is a 5xx, the server lives.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

mod support;

use std::path::PathBuf;
use std::process::Command;

use client::Client;
use serde_json::json;
use support::{LONG, Place, client_of, script, state};
use wire::people::{TenantCreate, UserCreate};
use wire::policy::PolicySet;
use wire::session::{Login, TokenIssued};
use wire::{ClusterService, NodeState};

/// Requests to be made, at least.
const REQUESTS: usize = 10_000;
const PASSWORD: &str = "a fuzz for everybody";

#[test]
fn heavy_malformed_requests_are_refused_and_never_break_the_server() {
    let tool = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/schemathesis");
    if !tool.exists() {
        println!("skipped: there is no schemathesis; `scripts/setup.sh fuzz` installs it");
        return;
    }
    let place = Place::new();
    let mut server = place.server(2, "log = 'warn'\n");
    server.start();
    let report = place.path().join("report.ndjson");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let admin = client_of(&server);
    let token = runtime.block_on(operator(&server, &admin)).token;
    let fuzzer = Client::new(&server.url(), Some(&token)).expect("a client");
    let before = answered(&server);
    // Streams never end and passwords are slow by design: both are tested by hand-written tests.
    let output = Command::new(&tool)
        .args(["run", &format!("{}/v1/openapi.json", server.url()), "--url", &server.url()])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--checks", "not_a_server_error", "--continue-on-failure", "--phases", "coverage,fuzzing"])
        .args([
            "--mode",
            "all",
            "--max-examples",
            "200",
            "--workers",
            "2",
            "--seed",
            "20261121",
            "--request-timeout",
            "20",
        ])
        .args(["--exclude-path-regex", "^/v1/(events|jobs/\\{job\\}/logs/follow|session|login|users/me/password)$"])
        .args(["--suppress-health-check", "all", "--warnings", "off", "--no-color"])
        .args(["--report", "ndjson", "--report-ndjson-path", &report.to_string_lossy()])
        .current_dir(place.path())
        .output()
        .expect("schemathesis runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let made = answered(&server) - before;
    println!("{made} requests answered");
    assert!(output.status.success(), "{text}\n{}\n{}", String::from_utf8_lossy(&output.stderr), server.log());
    assert!(made >= REQUESTS, "only {made} requests were made:\n{text}");
    assert!(!server.log().contains("panicked"), "{}", server.log());
    let (after, job) = runtime.block_on(works(&server, [&admin, &fuzzer]));
    let ended = || runtime.block_on(state(&after, &job)).filter(|state| state == "COMPLETED");
    testkit::wait_for("the job after the fuzz to end", LONG, || ended().map(drop));
}

/// An operator of its own, so that what is tried on users can only take its own rights away, or others' while its own last.
async fn operator(server: &testkit::Hw, admin: &Client) -> TokenIssued {
    let words = json!({"name": "fuzzer", "role": "operator", "tenant": "house", "password": PASSWORD});
    let user: UserCreate = serde_json::from_value(words).expect("a user");
    admin.create_user(&user).await.expect("another operator");
    sign_in(server, "fuzzer").await
}

async fn sign_in(server: &testkit::Hw, name: &str) -> TokenIssued {
    let nobody = Client::new(&server.url(), None).expect("a client");
    let login: Login = serde_json::from_value(json!({"name": name, "password": PASSWORD})).expect("a login");
    nobody.login(&login).await.unwrap_or_else(|fault| panic!("{name} signs in: {fault}\n{}", server.log()))
}

/// Whatever valid requests among the malformed ones have changed, an operator can put it right; a new tenant's job is taken then.
async fn works(server: &testkit::Hw, operators: [&Client; 2]) -> (Client, String) {
    let mut refusals = Vec::new();
    let mut operates = None;
    for operator in operators {
        match operator.set_service("local", ClusterService::InService, true).await {
            Ok(_) => operates = Some(operator),
            Err(fault) => refusals.push(fault.to_string()),
        }
    }
    let operator = operates.unwrap_or_else(|| panic!("nobody can operate the platform: {refusals:?}"));
    let policy: PolicySet = serde_json::from_value(json!({"document": ""})).expect("a policy");
    operator.set_policy(&policy).await.expect("the policy of a new platform");
    let prices = json!({"name": "after", "currency": "CNY", "core_hour": "0.1", "gib_hour": "0"});
    operator.publish_prices(&serde_json::from_value(prices).expect("prices")).await.expect("prices");
    for pool in operator.pools().take(100).await.expect("pools").items {
        for node in &pool.nodes {
            operator.set_node(&pool.name, &node.name, NodeState::Up).await.expect("a node takes work again");
        }
    }
    let tenant = TenantCreate { name: "after".into(), ..TenantCreate::default() };
    operator.create_tenant(&tenant).await.expect("a tenant");
    let top_up = serde_json::from_value(json!({"amount": "10"})).expect("an amount");
    operator.top_up("after", &top_up, None).await.expect("a payment");
    let words = json!({"name": "after", "role": "owner", "tenant": "after", "password": PASSWORD});
    operator.create_user(&serde_json::from_value(words).expect("a user")).await.expect("a user");
    let after = Client::new(&server.url(), Some(&sign_in(server, "after").await.token)).expect("a client");
    let job = after.submit(&script("true"), None).await.expect("the server still takes work");
    (after, job.number.to_string())
}

/// Requests that the server has answered, from its own metrics; 5xx answers among them fail the test.
fn answered(server: &testkit::Hw) -> usize {
    let (_, text) = testkit::hw::get(server.address(), "/metrics").expect("metrics");
    let counts = text.lines().filter(|l| l.starts_with("headworks_http_request_seconds_count"));
    let mut sum = 0.0;
    for line in counts {
        let value: f64 = line.rsplit(' ').next().and_then(|v| v.parse().ok()).unwrap_or(0.0);
        assert!(!line.contains("status=\"5xx\"") || value == 0.0, "{line}");
        sum += value;
    }
    sum as usize
}
