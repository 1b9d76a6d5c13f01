//! The policy through the API: what is in force, what would change, what was changed by whom.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::Platform;

async fn put(platform: &Platform, token: &str, body: Value) -> crate::support::Answer {
    platform.call(token, Method::PUT, "/v1/policy", Some(body)).await
}

#[tokio::test]
async fn a_policy_is_tried_set_and_remembered() {
    let platform = Platform::with(&[("policy.age_bound", "2d")]).await;
    let admin = platform.admin.as_str();
    let first = platform.get(admin, "/v1/policy").await.expect(200);
    assert_eq!((&first["version"], &first["changes"]), (&json!(0), &json!([])));
    let document = first["document"].as_str().unwrap();
    assert!(document.contains("age_bound = \"2d\""), "what the server was configured with: {document}");

    let wanted = document.replace("reserve_permille = 0", "reserve_permille = 100");
    let changes = json!(["reserve_permille: 0 → 100"]);
    let tried = put(&platform, admin, json!({ "document": wanted, "dry_run": true })).await.expect(200);
    assert_eq!(tried, json!({ "version": 0, "changes": changes, "dry_run": true }));
    assert_eq!(platform.get(admin, "/v1/policy").await.expect(200)["version"], 0, "trying changes nothing");

    let set = json!({ "document": wanted, "note": "holidays", "expected_version": 0 });
    let done = put(&platform, admin, set.clone()).await.expect(200);
    assert_eq!(done, json!({ "version": 1, "changes": changes, "dry_run": false }));
    let again = put(&platform, admin, json!({ "document": wanted })).await.expect(200);
    assert_eq!(again, json!({ "version": 1, "changes": [], "dry_run": false }), "no version for no change");
    let late = put(&platform, admin, json!({ "document": "", "expected_version": 0 })).await;
    late.problem("wrong_state");

    let now = platform.get(admin, "/v1/policy").await.expect(200);
    assert_eq!(
        (&now["version"], &now["note"], &now["actor"]["name"]),
        (&json!(1), &json!("holidays"), &json!("admin"))
    );
    assert!(now["document"].as_str().unwrap().contains("reserve_permille = 100"));
    put(&platform, admin, json!({ "document": "" })).await.expect(200);
    let versions = platform.get(admin, "/v1/policy/versions").await.expect(200);
    let numbers: Vec<&Value> = versions["items"].as_array().unwrap().iter().map(|v| &v["version"]).collect();
    assert_eq!(numbers, [&json!(2), &json!(1)]);
    let entries = platform.get(admin, "/v1/audit").await.expect(200);
    let set: Vec<&Value> =
        entries["items"].as_array().unwrap().iter().filter(|e| e["action"] == "policy.set").collect();
    assert_eq!(set[1]["detail"], "reserve_permille: 0 → 100 (holidays)");
    assert_eq!((set.len(), &set[0]["target"]), (2, &json!("2")));
}

#[tokio::test]
async fn what_is_no_policy_is_refused_with_its_place() {
    let platform = Platform::start().await;
    for (document, says) in [
        ("reserves = 3", "unknown field `reserves`"),
        ("[placement]\nage_bound = \"often\"", "line 2"),
        ("reserve_permille = 2000", "reserve_permille: at most 1000"),
    ] {
        let problem = put(&platform, &platform.admin, json!({ "document": document })).await.problem("invalid");
        assert!(problem.to_string().contains(says), "{document}: {problem}");
    }
    let large = "#".repeat(70_000);
    put(&platform, &platform.admin, json!({ "document": large })).await.problem("invalid");
    platform.tenant("lab").await;
    let anna = platform.user("anna", "owner", "lab").await;
    platform.get(&anna, "/v1/policy").await.problem("forbidden");
    put(&platform, &anna, json!({ "document": "" })).await.problem("forbidden");
}
