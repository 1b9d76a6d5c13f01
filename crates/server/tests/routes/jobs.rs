//! A job's way through the API: handed in, shown, explained, changed, ended.

use axum::body::Body;
use axum::http::{Method, header};
use serde_json::{Value, json};

use crate::support::{Platform, request};

const SCRIPT: &str = "#!/bin/sh\n#SBATCH --job-name=hello --time=5 --mem=1G\necho hello\n";
const WAITS: &str = "#!/bin/sh\n#SBATCH --job-name=later --hold\necho later\n";

#[tokio::test]
async fn a_job_goes_from_submission_to_its_end() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    let accepted = platform.post(admin, "/v1/jobs", json!({ "script": SCRIPT })).await.expect(201);
    assert_eq!(
        (&accepted["number"], &accepted["elements"], &accepted["currency"]),
        (&json!(1), &json!(1), &json!("CNY"))
    );
    assert_ne!(accepted["hold"], "0.00");
    let job = accepted["job"].as_str().unwrap();

    let shown = platform.until(admin, job, &["COMPLETED"]).await;
    assert_eq!((&shown["name"], &shown["exit"]["code"], &shown["reason"]), (&json!("hello"), &json!(0), &Value::Null));
    assert_eq!(shown["attempts"][0]["phase"], "ended");
    assert_eq!(shown["attempts"][0]["pool_name"], "main");
    // By number it is the same job.
    assert_eq!(platform.get(admin, "/v1/jobs/1").await.expect(200)["id"], job);

    let script = platform.get(admin, "/v1/jobs/1/script").await;
    assert_eq!((script.status.as_u16(), script.text().as_str()), (200, SCRIPT));
    let events = platform.get(admin, "/v1/jobs/1/events").await.expect(200);
    let kinds: Vec<&str> = events["items"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.first(), Some(&"submitted"));
    assert_eq!(kinds.last(), Some(&"ended"));
    assert!(kinds.contains(&"placed") && kinds.contains(&"started"), "{kinds:?}");
    let explained = platform.get(admin, "/v1/jobs/1/explain").await.expect(200);
    assert_eq!((&explained["phase"], &explained["attempt"]), (&json!("placed"), &json!(1)));
    assert_eq!(explained["candidates"][0]["verdict"], "feasible");
    assert_eq!(explained["candidates"][0]["chosen"], true);
    let late = platform.post(admin, "/v1/jobs/1/cancel", json!({})).await;
    late.problem("wrong_state");
    platform.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_waiting_job_says_why_and_can_be_changed() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    let job = platform.submit(admin, WAITS).await;
    let path = |what: &str| format!("/v1/jobs/{job}{what}");
    let shown = platform.get(admin, &path("")).await.expect(200);
    assert_eq!((&shown["state"], &shown["reason"]["code"]), (&json!("HELD"), &json!("held")));
    assert!(!shown["reason"]["text_zh"].as_str().unwrap().is_ascii());
    // What it would get is explained before it is eligible.
    let explained = platform.get(admin, &path("/explain")).await.expect(200);
    assert_eq!((&explained["phase"], &explained["candidates"][0]["pool_name"]), (&json!("pending"), &json!("main")));

    let patched = platform.patch(admin, &path(""), json!({ "qos": "high", "time_limit": "30" })).await.expect(200);
    assert_eq!(patched["changed"], 1);
    let shown = platform.get(admin, &path("")).await.expect(200);
    assert_eq!((&shown["class"], &shown["time_limit_seconds"]), (&json!("high"), &json!(1800.0)));
    platform.patch(admin, &path(""), json!({})).await.problem("invalid");
    platform.patch(admin, &path(""), json!({ "time_limit": "soon" })).await.problem("invalid");

    platform.post(admin, &path("/requeue"), json!({})).await.problem("wrong_state");
    platform.post(admin, &path("/release"), json!({})).await.expect(200);
    platform.until(admin, &job, &["COMPLETED"]).await;
}

#[tokio::test]
async fn faults_of_a_description_name_their_place() {
    let platform = Platform::start().await;
    let post = async |body: Value| platform.post(&platform.admin, "/v1/jobs", body).await;
    let problem = post(json!({ "script": "#!/bin/sh\n#SBATCH --bogus=1\n" })).await.problem("script_invalid");
    assert_eq!((&problem["errors"][0]["line"], &problem["errors"][0]["option"]), (&json!(2), &json!("bogus")));
    let problem = post(json!({ "script": SCRIPT, "options": { "ntasks": "many" } })).await.problem("script_invalid");
    assert_eq!(problem["errors"][0]["option"], "ntasks");
    post(json!({ "script": SCRIPT, "project": "nothing" })).await.problem("invalid");
    post(json!({ "script": SCRIPT, "work_dir": "relative" })).await.problem("invalid");
    post(json!({ "script": SCRIPT, "options": { "dependency": "afterok:77" } })).await.problem("dependency_not_found");
    let problem = post(json!({ "script": SCRIPT, "options": { "cpus_per_task": 4096 } })).await;
    let problem = problem.problem("no_feasible_pool");
    assert!(problem["errors"][0]["message"].as_str().unwrap().contains("main"), "{problem}");
    // Nothing of all this is a job.
    assert_eq!(platform.get(&platform.admin, "/v1/jobs").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_quote_and_a_dry_run_accept_nothing() {
    let platform = Platform::start().await;
    let body = json!({ "script": SCRIPT, "options": { "array": "0-9" } });
    let quote = platform.post(&platform.admin, "/v1/jobs/quote", body.clone()).await.expect(200);
    assert_eq!((&quote["elements"], &quote["candidates"][0]["chosen"]), (&json!(10), &json!(true)));
    assert_eq!(quote["chosen"], quote["candidates"][0]["pool"]);
    assert!(quote["candidates"][0]["cost"].is_string(), "operators see the cost");
    let mut dry = body;
    dry["dry_run"] = json!(true);
    let dry = platform.post(&platform.admin, "/v1/jobs", dry).await.expect(200);
    assert_eq!((&dry["job"], &dry["hold"], &dry["elements"]), (&Value::Null, &quote["hold"], &json!(10)));
    assert_eq!(platform.get(&platform.admin, "/v1/jobs").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_key_makes_a_submission_happen_once() {
    let platform = Platform::start().await;
    let with_key = |key: &str, body: &Value| {
        let mut request = request(&platform.admin, Method::POST, "/v1/jobs", Some(body.clone()));
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        platform.raw(request)
    };
    let body = json!({ "script": WAITS });
    let (first, second) = tokio::join!(with_key("k1", &body), with_key("k1", &body));
    let (first, second) = (first.expect(201), second.expect(201));
    assert_eq!(first, second);
    let other = with_key("k1", &json!({ "script": SCRIPT })).await;
    other.problem("idempotency_key_reused");
    assert_ne!(with_key("k2", &body).await.expect(201)["job"], first["job"]);
    with_key("two words", &body).await.problem("malformed");
    assert_eq!(platform.get(&platform.admin, "/v1/jobs").await.expect(200)["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    for _ in 0..3 {
        platform.submit(admin, WAITS).await;
    }
    let array = json!({ "script": WAITS, "options": { "array": "1-4", "job_name": "many" } });
    let array = platform.post(admin, "/v1/jobs", array).await.expect(201);
    let list = async |query: &str| platform.get(admin, &format!("/v1/jobs?{query}")).await.expect(200);
    let numbers = |page: &Value| -> Vec<u64> {
        page["items"].as_array().unwrap().iter().map(|j| j["number"].as_u64().unwrap()).collect()
    };
    let first = list("limit=4").await;
    assert_eq!(numbers(&first), [7, 6, 5, 4]);
    let rest = list(&format!("limit=4&cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!((numbers(&rest), &rest["next_cursor"]), (vec![3, 2, 1], &Value::Null));
    for (query, count) in [
        ("name=many", 4),
        ("name=none", 0),
        ("name_prefix=ma", 4),
        ("name_prefix=lat&sort=name&state=HELD", 3),
        ("name_prefix=Ma", 0),
        ("name_prefix=m%25", 0),
        ("state=HELD", 7),
        ("state=running,pending", 0),
        ("user=admin", 7),
        ("user=nobody", 0),
        ("pool=main", 0),
        ("open=true", 7),
        ("open=false", 0),
        ("array=4", 4),
        ("submitted_after=2999-01-01T00:00:00Z", 0),
    ] {
        assert_eq!(list(query).await["items"].as_array().unwrap().len(), count, "{query}");
    }
    let by_id = format!("array={}", array["job"].as_str().unwrap());
    assert_eq!(numbers(&list(&by_id).await), [7, 6, 5, 4]);
    assert_eq!(platform.get(admin, "/v1/jobs/4_2").await.expect(200)["number"], 5);
    for (query, code) in [
        ("limit=0", "invalid"),
        ("limit=1001", "invalid"),
        ("limit=x", "invalid"),
        ("cursor=zzz", "bad_cursor"),
        ("state=ASLEEP", "invalid"),
        ("colour=red", "invalid"),
        ("submitted_after=yesterday", "invalid"),
        ("name=%00", "malformed"),
        ("name=many&name_prefix=ma", "invalid"),
    ] {
        platform.get(admin, &format!("/v1/jobs?{query}")).await.problem(code);
    }
}

#[tokio::test]
async fn a_list_says_why_jobs_wait_and_where_they_run() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    let long = "#!/bin/sh\n#SBATCH --job-name=long --time=60 --ntasks=8 --mem=1G\nsleep 3000\n";
    let first = platform.submit(admin, long).await;
    platform.until(admin, &first, &["RUNNING"]).await;
    platform.submit(admin, long).await;
    let after = json!({ "script": WAITS.replace("--hold", "--dependency=afterok:1") });
    platform.post(admin, "/v1/jobs", after).await.expect(201);
    platform.submit(admin, WAITS).await;
    let list = async || platform.get(admin, "/v1/jobs").await.expect(200)["items"].as_array().unwrap().clone();
    // Right after a submission a job has not been looked at.
    let mut jobs = list().await;
    while jobs[2]["reason"]["code"] == "queued" {
        jobs = list().await;
    }
    let codes: Vec<&Value> = jobs.iter().map(|job| &job["reason"]["code"]).collect();
    assert_eq!(codes, [&json!("held"), &json!("dependency"), &json!("resources"), &Value::Null]);
    assert!(jobs[1]["reason"]["text_zh"].as_str().unwrap().contains("作业 1"), "{}", jobs[1]);
    let nodes: Vec<&Value> = jobs.iter().map(|job| &job["nodes"]).collect();
    assert_eq!(nodes, [&json!([]), &json!([]), &json!([]), &json!(["main"])]);
    assert!(jobs[2]["expected_start"].is_string() && jobs[3]["expected_start"].is_null(), "{jobs:?}");
    // The list and the job itself say the same.
    for job in &jobs {
        let shown = platform.get(admin, &format!("/v1/jobs/{}", job["number"])).await.expect(200);
        let fields = job.as_object().unwrap().iter().filter(|(name, _)| *name != "charged");
        fields.for_each(|(name, value)| assert_eq!(&shown[name], value, "{name} of {job}"));
    }
    platform.post(admin, "/v1/jobs/1/cancel", json!({})).await.expect(200);
    platform.until(admin, &first, &["CANCELLED"]).await;
    let ended = list().await.pop().unwrap();
    assert_eq!((&ended["nodes"], &ended["reason"], &ended["pool_name"]), (&json!([]), &Value::Null, &json!("main")));
}

#[tokio::test]
async fn many_jobs_are_cancelled_at_once_each_with_its_result() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    let (a, b) = (platform.submit(admin, WAITS).await, platform.submit(admin, WAITS).await);
    let body = json!({ "jobs": [a, "2", "99", "nonsense"] });
    let done = platform.post(admin, "/v1/jobs/cancel", body).await.expect(200);
    let codes: Vec<&Value> = done["results"].as_array().unwrap().iter().map(|r| &r["code"]).collect();
    assert_eq!(codes, [&Value::Null, &Value::Null, &json!("job_not_found"), &json!("job_not_found")]);
    assert_eq!(platform.get(admin, &format!("/v1/jobs/{b}")).await.expect(200)["state"], "CANCELLED");
    let too_many = json!({ "jobs": vec!["1"; 1001] });
    platform.post(admin, "/v1/jobs/cancel", too_many).await.problem("invalid");
}

#[tokio::test]
async fn a_dependency_on_ended_work_is_known_from_the_store() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    let first = platform.submit(admin, SCRIPT).await;
    platform.until(admin, &first, &["COMPLETED"]).await;
    let body = json!({ "script": SCRIPT, "options": { "dependency": "afterok:1" } });
    let second = platform.post(admin, "/v1/jobs", body).await.expect(201);
    let second = second["job"].as_str().unwrap();
    let shown = platform.until(admin, second, &["COMPLETED"]).await;
    assert_eq!(
        (&shown["dependencies"][0]["kind"], &shown["dependencies"][0]["on"]),
        (&json!("afterok"), &json!(first))
    );
}

#[tokio::test]
async fn answers_carry_the_requests_id_and_keep_to_themselves() {
    let platform = Platform::start().await;
    let mut asked = request(&platform.admin, Method::GET, "/v1/session", None);
    asked.headers_mut().insert("x-request-id", "mine-1".parse().unwrap());
    let answer = platform.raw(asked).await;
    assert_eq!(answer.headers["x-request-id"], "mine-1");
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("cache-control", "no-store"), ("x-frame-options", "DENY")]
    {
        assert_eq!(answer.headers[name], value);
    }
    let mut asked = request(&platform.admin, Method::GET, "/v1/session", None);
    asked.headers_mut().insert("x-request-id", "not mine".parse().unwrap());
    assert!(platform.raw(asked).await.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
    let gone = platform.get(&platform.admin, "/v1/nowhere/at/all").await;
    gone.problem("route_not_found");
    let wrong = platform.call(&platform.admin, Method::DELETE, "/v1/jobs", None).await;
    assert!(wrong.headers.contains_key(header::ALLOW));
    wrong.problem("method_not_allowed");
    let plain = axum::http::Request::post("/v1/jobs")
        .header(header::AUTHORIZATION, format!("Bearer {}", platform.admin))
        .header(header::CONTENT_TYPE, "text/plain")
        .body(Body::from("{}"))
        .unwrap();
    platform.raw(plain).await.problem("unsupported_media_type");
}
