//! Budgets through the API: set by owners, counted from what was billed before too, refusing what does not fit, told once.

use base::Span;
use serde_json::{Value, json};

use crate::support::Platform;

const WORKS: &str = "#!/bin/sh\n#SBATCH --ntasks=1 --mem=1G --time=5\nsleep 60\n";

async fn billed(platform: &Platform, token: &str) -> Value {
    let job = platform.submit(token, WORKS).await;
    platform.until(token, &job, &["RUNNING"]).await;
    platform.pass(Span::from_secs(60)).await;
    platform.until(token, &job, &["COMPLETED"]).await["charged"].clone()
}

#[tokio::test]
async fn a_hard_budget_counts_what_was_billed_before_and_refuses_what_does_not_fit() {
    let platform = Platform::start().await;
    platform.tenant("lab").await;
    let (anna, owner) = (platform.user("anna", "member", "lab").await, platform.user("olga", "owner", "lab").await);
    let charged = billed(&platform, &anna).await;
    let path = "/v1/tenants/lab/budgets";
    let budget = |amount: &str| json!({ "kind": "hard", "period": "month", "amount": amount, "user": "anna" });
    let set = platform.post(&owner, path, budget("100")).await.expect(200);
    assert_eq!((&set["spent"], &set["number"], &set["user"]), (&charged, &json!(1), &json!("anna")), "{set}");
    assert_eq!(set["alerts"], json!([50, 80, 100]));
    // The same work again: the same budget, and what was billed before counts once.
    let again = platform.post(&owner, path, budget("200")).await.expect(200);
    assert_eq!((&again["number"], &again["spent"], &again["amount"]), (&json!(1), &charged, &json!("200.00")));
    let more = billed(&platform, &anna).await;
    let listed = platform.get(&anna, path).await.expect(200);
    let sum = |a: &Value, b: &Value| {
        let units = |v: &Value| v.as_str().unwrap().parse::<base::Money>().unwrap();
        json!((units(a) + units(b)).to_string())
    };
    assert_eq!(listed["items"][0]["spent"], sum(&charged, &more));
    let spent = listed["items"][0]["spent"].as_str().unwrap().to_owned();
    platform.post(&owner, path, budget(&spent)).await.expect(200);
    let events = platform.get(&owner, "/v1/events/list").await.expect(200);
    let told = |percent: u64| {
        let is_it = |e: &&Value| e["kind"] == "budget_alert" && e["detail"]["percent"] == percent;
        events["items"].as_array().unwrap().iter().filter(is_it).count()
    };
    assert_eq!((told(50), told(80), told(100)), (1, 1, 1), "{events}");
    let refused = platform.post(&anna, "/v1/jobs", json!({ "script": WORKS })).await.problem("over_budget");
    assert_eq!(refused["status"], 402);
    let said = refused["detail"].as_str().unwrap();
    assert!(said.contains("budget 1 (hard, user anna, by the month) leaves 0.00 CNY"), "{said}");
    // Nobody else is concerned, and without it all is as before.
    billed(&platform, &owner).await;
    platform.delete(&owner, &format!("{path}/1")).await.expect(204);
    platform.delete(&owner, &format!("{path}/1")).await.problem("not_found");
    billed(&platform, &anna).await;
    let audit = platform.get(&platform.admin, "/v1/audit").await.expect(200);
    let did: Vec<&str> = audit["items"].as_array().unwrap().iter().filter_map(|e| e["action"].as_str()).collect();
    assert!(did.contains(&"budget.set") && did.contains(&"budget.remove"), "{did:?}");
}

#[tokio::test]
async fn a_soft_budget_warns_and_nonsense_is_refused() {
    let platform = Platform::start().await;
    platform.tenant("lab").await;
    platform.tenant("other").await;
    let (anna, owner) = (platform.user("anna", "member", "lab").await, platform.user("olga", "owner", "lab").await);
    let path = "/v1/tenants/lab/budgets";
    let soft = json!({ "kind": "soft", "period": "quarter", "amount": "0.000001", "utc_offset": "+08:00" });
    let set = platform.post(&owner, path, soft.clone()).await.expect(200);
    assert!(set["from"].as_str().unwrap().contains("T16:00:00"), "{set}");
    let accepted = platform.post(&anna, "/v1/jobs", json!({ "script": WORKS })).await.expect(201);
    let said = accepted["warnings"][0]["message"].as_str().unwrap();
    assert!(said.contains("budget 1 (soft, whole tenant, by the quarter)"), "{said}");
    platform.post(&anna, path, soft.clone()).await.problem("forbidden");
    platform.post(&owner, "/v1/tenants/other/budgets", soft).await.problem("not_found");
    for (field, value) in [
        ("amount", json!("0")),
        ("amount", json!("-1")),
        ("alerts", json!([0])),
        ("utc_offset", json!("CST")),
        ("project", json!("moon")),
        ("user", json!("admin")),
        ("period", json!("once")),
        ("from", json!("2026-01-01T00:00:00Z")),
    ] {
        let mut wrong = json!({ "kind": "hard", "period": "month", "amount": "1" });
        wrong[field] = value;
        platform.post(&owner, path, wrong.clone()).await.problem("invalid");
    }
}
