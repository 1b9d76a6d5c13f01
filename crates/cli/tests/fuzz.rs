//! Ten thousand malformed requests made from the server's own OpenAPI document: no answer is a 5xx, the server lives.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

mod support;

use std::path::PathBuf;
use std::process::Command;

use support::{Place, client_of, script};
use wire::ClusterService;

/// Requests to be made, at least.
const REQUESTS: usize = 10_000;

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
    let before = answered(&server);
    // Streams never end and passwords are slow by design: both are tested by hand-written tests.
    let output = Command::new(&tool)
        .args(["run", &format!("{}/v1/openapi.json", server.url()), "--url", &server.url()])
        .args(["--header", &format!("Authorization: Bearer {}", server.token())])
        .args(["--checks", "not_a_server_error", "--continue-on-failure", "--phases", "coverage,fuzzing"])
        .args([
            "--mode",
            "all",
            "--max-examples",
            "250",
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
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let client = client_of(&server);
    // Among what was tried is taking the only cluster out of service.
    let back = client.set_service("local", ClusterService::InService, true);
    runtime.block_on(back).expect("an operator can undo what was tried");
    let job = script("true");
    runtime.block_on(client.submit(&job, Some("after-the-fuzz"))).expect("the server still works");
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
