//! Lists as pages need them: in other orders, found by words, changed many at once, handed in again, and what is spent and set aside.

use serde_json::{Value, json};

use crate::support::Platform;

const WAITS: &str = "#!/bin/sh\n#SBATCH --job-name=melt --hold\ntrue\n";

fn numbers(page: &Value) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(|job| job["number"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn jobs_come_in_the_order_that_is_asked_for() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    for (name, class, script) in [("c", "normal", "sleep 0"), ("a", "low", "true"), ("b", "normal", "true")] {
        let text = format!("#!/bin/sh\n#SBATCH --job-name={name} --qos={class}\n{script}\n");
        let job = platform.submit(admin, &text).await;
        platform.until(admin, &job, &["COMPLETED"]).await;
    }
    platform.submit(admin, WAITS).await;
    let list = async |query: &str| platform.get(admin, &format!("/v1/jobs?{query}")).await.expect(200);
    for (query, want) in [
        ("sort=name&order=asc", vec![2, 3, 1, 4]),
        ("sort=name", vec![4, 1, 3, 2]),
        ("sort=submitted&order=asc", vec![1, 2, 3, 4]),
        ("sort=ended", vec![3, 2, 1, 4]),
        ("sort=ended&order=asc", vec![1, 2, 3, 4]),
        ("sort=started&order=asc&open=false", vec![1, 2, 3]),
        ("sort=user", vec![4, 3, 2, 1]),
        ("class=low", vec![2]),
        ("class=low,normal&open=false", vec![3, 2, 1]),
        ("cluster=local&sort=number", vec![3, 2, 1]),
        ("cluster=nowhere", vec![]),
        ("ended_after=2000-01-01T00:00:00Z", vec![3, 2, 1]),
        ("ended_before=2000-01-01T00:00:00Z", vec![]),
    ] {
        assert_eq!(numbers(&list(query).await), want, "{query}");
    }
    let first = list("sort=price&limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = list(&format!("sort=price&limit=2&cursor={cursor}")).await;
    let mut both = [numbers(&first), numbers(&second)].concat();
    both.sort_unstable();
    assert_eq!(both, [1, 2, 3, 4], "two pages have each job once");
    platform.get(admin, &format!("/v1/jobs?sort=name&cursor={cursor}")).await.problem("bad_cursor");
    platform.get(admin, "/v1/jobs?class=royal").await.problem("invalid");
    platform.get(admin, "/v1/jobs?sort=colour").await.problem("invalid");
}

#[tokio::test]
async fn one_thing_is_done_to_many_jobs() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    platform.tenant("lab").await;
    platform.user("anna", "member", "lab").await;
    let anna = platform.token("anna", model::TokenScope::Full).await;
    for _ in 0..3 {
        platform.submit(admin, WAITS).await;
    }
    let bulk = async |token: &str, body: Value| platform.post(token, "/v1/jobs/bulk", body).await;
    let codes = |done: &Value| -> Vec<Value> {
        done["results"].as_array().unwrap().iter().map(|r| r["code"].clone()).collect()
    };
    let done = bulk(admin, json!({ "action": "hold", "jobs": ["1", "99"] })).await.expect(200);
    assert_eq!(codes(&done), [Value::Null, json!("job_not_found")]);
    let strange = bulk(&anna, json!({ "action": "cancel", "jobs": ["1"] })).await.expect(200);
    assert_eq!(codes(&strange), [json!("job_not_found")], "another tenant's job is not there");
    let none = bulk(&anna, json!({ "action": "cancel", "filter": { "name": "melt" } })).await.expect(200);
    assert_eq!(
        (&none["results"], &none["more"]),
        (&json!([]), &json!(false)),
        "a filter finds one's own tenant's jobs"
    );
    let done = bulk(admin, json!({ "action": "cancel", "filter": { "name": "melt" } })).await.expect(200);
    assert_eq!(codes(&done), [Value::Null, Value::Null, Value::Null]);
    assert_eq!(numbers(&platform.get(admin, "/v1/jobs?state=CANCELLED").await.expect(200)), [3, 2, 1]);
    let again = bulk(admin, json!({ "action": "resubmit", "jobs": ["2", "3"] })).await.expect(200);
    let results = again["results"].as_array().unwrap().iter();
    let mut made: Vec<u64> = results.map(|result| result["number"].as_u64().unwrap()).collect();
    // They are handed in side by side.
    made.sort_unstable();
    assert_eq!(made, [4, 5]);
    for body in [
        json!({ "action": "cancel" }),
        json!({ "action": "cancel", "jobs": ["1"], "filter": {} }),
        json!({ "action": "cancel", "jobs": vec!["1"; 1001] }),
        json!({ "action": "bless", "jobs": ["1"] }),
    ] {
        bulk(admin, body).await.problem("invalid");
    }
}

#[tokio::test]
async fn a_job_is_submitted_again_with_what_was_said_beside_its_script() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    let body = json!({
        "script": "#!/bin/sh\n#SBATCH --time=10\ntrue\n",
        "script_name": "run.sh",
        "options": { "hold": true, "comment": "first of them", "ntasks": 2, "time": "0:20:00" },
        "args": ["-v"],
        "environment": { "CASE": "wing" },
    });
    platform.post(admin, "/v1/jobs", body.clone()).await.expect(201);
    let said = platform.get(admin, "/v1/jobs/1/submission").await.expect(200);
    assert_eq!(said["options"], json!({ "hold": true, "comment": "first of them", "ntasks": "2", "time": "0:20:00" }));
    assert_eq!(
        (&said["script"], &said["args"], &said["script_name"]),
        (&body["script"], &body["args"], &json!("run.sh"))
    );
    platform.post(admin, "/v1/jobs", said).await.expect(201);
    platform.post(admin, "/v1/jobs/bulk", json!({ "action": "resubmit", "jobs": ["1"] })).await.expect(200);
    for number in [2, 3] {
        let shown = platform.get(admin, &format!("/v1/jobs/{number}")).await.expect(200);
        assert_eq!((&shown["state"], &shown["comment"]), (&json!("HELD"), &json!("first of them")), "{number}");
        assert_eq!(
            (&shown["time_limit_seconds"], &shown["requested"]["tasks"]),
            (&json!(1200.0), &json!(2)),
            "{number}"
        );
        assert_eq!(shown["name"], "run.sh");
    }
}

#[tokio::test]
async fn variables_are_told_to_the_submitter_alone() {
    let platform = Platform::start().await;
    platform.tenant("lab").await;
    for (name, role) in [("anna", "member"), ("olga", "owner")] {
        platform.user(name, role, "lab").await;
    }
    let anna = platform.token("anna", model::TokenScope::Full).await;
    let olga = platform.token("olga", model::TokenScope::Full).await;
    let body = json!({
        "script": WAITS, "options": { "export": "ALL" }, "environment": { "API_KEY": "secret" },
    });
    platform.post(&platform.admin, "/v1/tenants/lab/wallet/top-ups", json!({ "amount": "100" })).await.expect(200);
    platform.post(&anna, "/v1/jobs", body).await.expect(201);
    let own = platform.get(&anna, "/v1/jobs/1/submission").await.expect(200);
    assert_eq!(own["environment"]["API_KEY"], "secret");
    let others = platform.get(&olga, "/v1/jobs/1/submission").await.expect(200);
    assert_eq!(others["environment"], Value::Null);
}

#[tokio::test]
async fn the_audit_log_and_people_are_searched() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    for tenant in ["lab", "labour"] {
        platform.tenant(tenant).await;
    }
    platform.user("anna", "member", "lab").await;
    platform.user("johanna", "owner", "labour").await;
    let count = async |path: &str| platform.get(admin, path).await.expect(200)["items"].as_array().unwrap().len();
    let all = count("/v1/audit").await;
    assert!(all >= 4, "{all}");
    assert_eq!(count("/v1/audit?action=tenant").await, 3, "the operator's own and two");
    assert_eq!(count("/v1/audit?action=tenant.create&q=LABOUR").await, 1);
    assert_eq!(count("/v1/audit?q=tenant.create%20admin").await, 2, "a word names the user");
    assert_eq!(count("/v1/audit?user=anna").await, 0);
    assert_eq!(count("/v1/audit?user=nobody").await, 0);
    assert_eq!(count("/v1/audit?q=100%25").await, 0, "a wildcard is a letter");
    assert_eq!(count("/v1/audit?before=2000-01-01T00:00:00Z").await, 0);
    assert_eq!(count("/v1/audit?after=2000-01-01T00:00:00Z").await, all);
    let first = platform.get(admin, "/v1/audit?action=tenant&limit=1").await.expect(200);
    let next = format!("/v1/audit?action=tenant&limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_ne!(platform.get(admin, &next).await.expect(200)["items"][0]["seq"], first["items"][0]["seq"]);
    assert_eq!(count("/v1/tenants?q=LAB").await, 2);
    assert_eq!(count("/v1/tenants?q=labo").await, 1);
    assert_eq!(count("/v1/users?q=anna").await, 2);
    assert_eq!(count("/v1/users?q=anna&role=owner").await, 1);
    assert_eq!(count("/v1/users?q=anna&tenant=lab").await, 1);
}

#[tokio::test]
async fn a_tenant_sees_what_it_spent_and_what_is_set_aside() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    let job = platform.submit(admin, "#!/bin/sh\n#SBATCH --qos=low\ntrue\n").await;
    platform.until(admin, &job, &["COMPLETED"]).await;
    platform.submit(admin, WAITS).await;
    let tenant = platform.get(admin, "/v1/session").await.expect(200)["user"]["tenant"].as_str().unwrap().to_owned();
    for by in ["line", "project", "user"] {
        let spend = platform.get(admin, &format!("/v1/tenants/{tenant}/spend?by={by}")).await.expect(200);
        assert_eq!(spend["by"], by);
        for row in spend["rows"].as_array().unwrap() {
            let want = match by {
                "line" => "general",
                "project" => "default",
                _ => "admin",
            };
            assert_eq!(row["key"], want);
        }
    }
    let long = format!("/v1/tenants/{tenant}/spend?from=2000-01-01T00:00:00Z");
    platform.get(admin, &long).await.problem("invalid");
    let held = platform.get(admin, &format!("/v1/tenants/{tenant}/holds")).await.expect(200);
    let wallet = platform.get(admin, &format!("/v1/tenants/{tenant}/wallet")).await.expect(200);
    let cents = |text: &Value| (text.as_str().unwrap().parse::<f64>().unwrap() * 1e6).round() as i64;
    let sum: i64 = held["items"].as_array().unwrap().iter().map(|row| cents(&row["amount"])).sum();
    assert_eq!(sum, cents(&wallet["held"]), "{held}");
    let queue = platform.get(admin, "/v1/queue").await.expect(200);
    let classes: Vec<&Value> = queue["classes"].as_array().unwrap().iter().map(|one| &one["class"]).collect();
    assert_eq!(classes, ["urgent", "high", "normal", "low"]);
    assert_eq!(queue["classes"][2]["held"], 1);
}
