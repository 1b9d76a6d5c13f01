//! Whatever is sent, the answer is a success or a problem of the 4xx kind: never a 5xx, never a bare text.

use axum::body::Body;
use axum::http::{Method, Request, header};
use base::Seed;
use serde_json::{Value, json};

use crate::support::Platform;

/// Requests sent by the random test; schemathesis sends ten thousand more, from the description itself.
const ROUNDS: usize = 3_000;

/// Values that have broken parsers before.
fn odd(seed: &mut base::Stream) -> Value {
    let texts = [
        "",
        " ",
        "\u{0}",
        "../../etc/passwd",
        "' OR 1=1 --",
        "𝕳𝖊𝖆𝖉",
        "-1",
        "9223372036854775808",
        "1e308",
        "NaN",
        "null",
        "job_ffffffffffffffffffffffffffffffff",
        "18446744073709551615",
        "2026-11-21T25:61:61Z",
        "hwt_",
        "\r\nX: y",
    ];
    match seed.u64() % 9 {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(seed.u64()),
        3 => json!(-(seed.u64() as i64 >> 1)),
        4 => json!(1e300),
        5 => json!(["x", 1, {}]),
        6 => json!({ "x": { "y": [] } }),
        7 => json!("x".repeat(1 + (seed.u64() % 3_000) as usize)),
        _ => json!(texts[(seed.u64() % texts.len() as u64) as usize]),
    }
}

/// All operations of the description: method, path, and the properties of the body.
fn operations() -> Vec<(Method, String, Vec<String>)> {
    let api: Value = serde_json::from_str(&server::openapi::document()).unwrap();
    let mut found = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            let schema = schema.as_str().and_then(|r| api.pointer(r.strip_prefix('#')?));
            let properties = schema.and_then(|s| s["properties"].as_object());
            let properties = properties.map(|p| p.keys().cloned().collect()).unwrap_or_default();
            // Streams answer with success and do not end.
            if !path.ends_with("/follow") && path != "/v1/events" {
                found.push((method, path.clone(), properties));
            }
        }
    }
    found
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[tokio::test]
async fn odd_requests_are_the_callers_fault() {
    let platform = Platform::start().await;
    let operations = operations();
    let seed = Seed::from_u64(7);
    let mut random = seed.stream();
    let queries = [
        "limit",
        "cursor",
        "state",
        "user",
        "tenant",
        "project",
        "name",
        "pool",
        "array",
        "from",
        "to",
        "by",
        "format",
        "job",
        "after",
        "offset",
        "stream",
        "attempt",
        "open",
        "submitted_after",
    ];
    for round in 0..ROUNDS {
        let (method, path, properties) = &operations[(random.u64() % operations.len() as u64) as usize];
        let mut target: String = path
            .split('/')
            .map(|segment| match segment.starts_with('{') {
                true if random.u64().is_multiple_of(3) => "1".to_owned(),
                true => percent(odd(&mut random).as_str().filter(|t| !t.is_empty() && t.len() < 100).unwrap_or("lab")),
                false => segment.to_owned(),
            })
            .collect::<Vec<_>>()
            .join("/");
        if method == Method::GET && random.u64().is_multiple_of(2) {
            let name = queries[(random.u64() % queries.len() as u64) as usize];
            let value = odd(&mut random);
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            target.push_str(&format!("?{name}={}", percent(&value)));
        }
        let body: Value = match random.u64() % 5 {
            0 => odd(&mut random),
            _ => Value::Object(
                properties
                    .iter()
                    .filter(|_| !random.u64().is_multiple_of(4))
                    .cloned()
                    .collect::<Vec<_>>()
                    .into_iter()
                    .map(|p| (p, odd(&mut random)))
                    .collect(),
            ),
        };
        let mut request = Request::builder()
            .method(method.clone())
            .uri(&target)
            .header(header::AUTHORIZATION, format!("Bearer {}", platform.admin));
        if method != Method::GET {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        // The administrator's own token must survive the test.
        if target.starts_with("/v1/session") && *method == Method::DELETE || target.contains("/users/admin") {
            continue;
        }
        let answer = platform.raw(request.body(Body::from(body.to_string())).unwrap()).await;
        let status = answer.status.as_u16();
        assert!(status < 500, "round {round}: {method} {target} {body}: {status} {}", answer.text());
        if status >= 400 {
            let code = answer.json()["code"].as_str().unwrap().to_owned();
            assert!(wire::ErrorCode::parse(&code).is_some_and(|c| c.status() == status), "{code} {status}");
            answer.problem(&code);
        }
    }
}

#[tokio::test]
async fn bodies_and_targets_are_bounded() {
    let platform = Platform::start().await;
    let post = |body: Body| {
        let request = Request::post("/v1/jobs")
            .header(header::AUTHORIZATION, format!("Bearer {}", platform.admin))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .unwrap();
        platform.raw(request)
    };
    post(Body::from(vec![b' '; server::limits::BODY_BYTES_MAX + 1])).await.problem("body_too_large");
    let large = json!({ "script": format!("#!/bin/sh\n{}", "# x\n".repeat(server::limits::SCRIPT_BYTES_MAX / 4)) });
    let problem = post(Body::from(large.to_string())).await.problem("script_invalid");
    assert_eq!(problem["errors"][0]["code"], "script_too_large");
    for broken in ["", "{", "[1,2", "{\"script\": \"\\ud800\"}", "\u{feff}{}", "{\"script\":1,\"script\":2}"] {
        let answer = post(Body::from(broken)).await;
        assert!(matches!(answer.status.as_u16(), 400 | 422), "{broken}: {}", answer.text());
    }
    post(Body::from(&b"{\"script\":\"\xff\xfe\"}"[..])).await.problem("malformed");
    post(Body::from("[".repeat(100_000))).await.problem("malformed");
    post(Body::from("[\"#!/bin/sh\\n\"]")).await.problem("malformed");
    // What was sent is not sent back whole.
    for long in [
        format!("{{\"{}\":1}}", "k".repeat(1 << 20)),
        format!("{{\"script\":\"#!/bin/sh\\n\",\"options\":{{\"{}\":1}}}}", "k".repeat(1 << 20)),
    ] {
        assert!(post(Body::from(long)).await.body.len() < 4_000);
    }
    platform.get(&platform.admin, &format!("/v1/jobs/{}", "1".repeat(65))).await.problem("malformed");
    platform.get(&platform.admin, "/v1/jobs/%ff%fe").await.problem("malformed");
    platform.get(&platform.admin, "/v1/jobs/1%00").await.problem("malformed");
    platform.get(&platform.admin, &format!("/v1/jobs?name={}", "x".repeat(9_000))).await.problem("target_too_long");
    platform.get(&platform.admin, "/v1/jobs/99999999999999999999999").await.problem("job_not_found");
    platform.get(&platform.admin, "/v1/jobs/18446744073709551615").await.problem("job_not_found");
    platform.get(&platform.admin, "/v1/jobs/18446744073709551615_4294967295").await.problem("job_not_found");
}
