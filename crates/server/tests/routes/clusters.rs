//! Registering clusters over HTTP: what is refused, what is kept, what a check of a cluster that is not there says.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::Platform;

/// A Slurm whose commands are in a folder that is empty.
fn alpha(folder: &std::path::Path) -> Value {
    let bin = folder.to_str().unwrap();
    json!({
        "name": "alpha", "supplier": "hpc", "mode": "partner", "site": "there",
        "slurm": { "way": { "kind": "command", "tools": { "bin": bin } }, "work_root": bin },
    })
}

#[tokio::test]
async fn what_cannot_be_a_cluster_is_refused_by_the_name_of_its_field() {
    let platform = Platform::start().await;
    let folder = tempfile::tempdir().unwrap();
    let with = |pointer: &str, value: Value| {
        let mut body = alpha(folder.path());
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[field] = value;
        body
    };
    for (pointer, value, field) in [
        ("/slurm/work_root", json!("relative"), "slurm.work_root"),
        ("/slurm/surprise", json!(1), "slurm"),
        ("/slurm/way/kind", json!("telegraph"), "slurm"),
        ("/slurm/chips", json!({ "a100": "NVIDIA A100" }), "slurm.chips"),
        ("/mode", Value::Null, "mode"),
        (
            "/cost",
            json!({ "purchase_price": "1", "residual": "0", "life_months": 60, "datacentre_fee_month": "0" }),
            "cost",
        ),
        ("/fee", json!({ "core_hour": "-1" }), "fee.core_hour"),
    ] {
        let problem = platform.post(&platform.admin, "/v1/clusters", with(pointer, value)).await.problem("invalid");
        assert_eq!(problem["errors"][0]["option"], field, "{pointer}: {problem}");
    }
    platform.post(&platform.admin, "/v1/clusters", with("/name", json!("Alpha!"))).await.problem("bad_name");
    platform.post(&platform.admin, "/v1/clusters", with("/name", json!("local"))).await.problem("name_taken");
    platform.get(&platform.admin, "/v1/clusters/alpha").await.problem("not_found");
}

#[tokio::test]
async fn a_cluster_is_registered_examined_and_put_into_service() {
    let platform = Platform::start().await;
    let folder = tempfile::tempdir().unwrap();
    let post = |path: &str, body: Value| {
        let path = format!("/v1/clusters{path}");
        let platform = &platform;
        async move { platform.post(&platform.admin, &path, body).await }
    };
    let made = post("", alpha(folder.path())).await.expect(201);
    assert_eq!(made["service"], "testing");
    let again = post("", alpha(folder.path())).await.expect(201);
    assert_eq!(again["cluster"], made["cluster"], "a name is a cluster");
    let mut other = alpha(folder.path());
    other["mode"] = json!("own");
    post("", other).await.problem("invalid");

    let shown = platform.get(&platform.admin, "/v1/clusters/alpha").await.expect(200);
    assert_eq!((&shown["supplier_name"], &shown["health"]), (&json!("hpc"), &json!("unreachable")));
    assert_eq!(shown["link"]["slurm"]["way"]["kind"], "command");
    post("/alpha/service", json!({ "service": "in_service" })).await.problem("wrong_state");

    let begun = post("/alpha/check", json!({})).await.expect(202);
    let path = format!("/v1/clusters/alpha/reports/{}", begun["id"].as_str().unwrap());
    let report = async {
        loop {
            let report = platform.get(&platform.admin, &path).await.expect(200);
            if !report["passed"].is_null() {
                return report;
            }
            tokio::task::yield_now().await;
        }
    };
    let report = tokio::time::timeout(Duration::from_secs(30), report).await.expect("a report comes");
    assert_eq!((&report["passed"], &report["findings"][0]["level"]), (&json!(false), &json!("fail")), "{report}");
    assert!(!report["findings"][0]["advice"].as_str().unwrap().is_empty());
    let kept = platform.get(&platform.admin, "/v1/clusters/alpha/reports").await.expect(200);
    assert_eq!(kept["items"].as_array().map(Vec::len), Some(1));

    let forced = post("/alpha/service", json!({ "service": "in_service", "force": true })).await.expect(200);
    assert_eq!(forced["service"], "in_service");
    let audit = platform.get(&platform.admin, "/v1/audit?limit=1").await.expect(200);
    assert!(audit.to_string().contains("forced"), "{audit}");
    post("/alpha/service", json!({ "service": "retired" })).await.expect(200);
    post("/local/trial", json!({})).await.problem("wrong_state");
    post("/moon/trial", json!({})).await.problem("not_found");
}

#[tokio::test]
async fn an_operator_says_where_a_cluster_stands() {
    let platform = Platform::start().await;
    platform.tenant("lab").await;
    let anna = platform.user("anna", "member", "lab").await;
    let folder = tempfile::tempdir().unwrap();
    let admin = platform.admin.clone();
    let say = |place: Value, token: String| {
        let platform = &platform;
        async move {
            let body = json!({ "place": place });
            platform.call(&token, Method::PUT, "/v1/clusters/local/place", Some(body)).await
        }
    };
    let seen = async || platform.get(&anna, "/v1/clusters").await.expect(200)["items"][0].clone();
    // People meet the name of the machine's site; which machine it is, operators see.
    assert_eq!((&seen().await["site"], seen().await.get("machine")), (&json!("local"), None));
    assert_eq!(platform.get(&admin, "/v1/clusters/local").await.expect(200)["machine"], "test");
    let guiyang = json!({ "latitude": 26.6, "longitude": 106.7, "label": "Guiyang" });
    assert_eq!(say(guiyang.clone(), admin.clone()).await.expect(200)["place"], guiyang);
    assert_eq!(seen().await["place"], guiyang);
    say(guiyang.clone(), anna.clone()).await.problem("forbidden");
    say(json!({ "latitude": 91, "longitude": 0 }), admin.clone()).await.problem("invalid");
    say(json!({ "latitude": "north", "longitude": 0 }), admin.clone()).await.problem("invalid");
    say(Value::Null, admin.clone()).await.expect(200);
    assert_eq!(seen().await.get("place"), None);
    // Said with the registration, and kept when that says nothing of it.
    let mut body = alpha(folder.path());
    body["place"] = guiyang.clone();
    platform.post(&admin, "/v1/clusters", body).await.expect(201);
    platform.post(&admin, "/v1/clusters", alpha(folder.path())).await.expect(201);
    assert_eq!(platform.get(&admin, "/v1/clusters/alpha").await.expect(200)["place"], guiyang);
    let audit = platform.get(&admin, "/v1/audit").await.text();
    assert!(audit.contains("cluster.place") && audit.contains("26.600000,106.700000 Guiyang"), "{audit}");
}
