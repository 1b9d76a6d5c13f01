//! Grants through the API: a tenant without money runs on one, sees it and nobody else's, reports and statements tell what it paid,
//! and what is left goes back.

use base::{Money, Span};
use ledger::AccountKind;
use serde_json::{Value, json};

use crate::support::Platform;

const WORKS: &str = "#!/bin/sh\n#SBATCH --ntasks=2 --mem=1G --time=60\nsleep 90\n";

fn money(value: &Value) -> Money {
    value.as_str().unwrap().parse().unwrap()
}

fn asked() -> Value {
    json!({ "amount": "500", "to": "2100-01-01T00:00:00Z", "note": "first steps" })
}

#[tokio::test]
async fn a_tenant_without_money_runs_on_a_grant() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    platform.tenant("lab").await;
    platform.tenant("shop").await;
    let wallet = platform.get(admin, "/v1/tenants/lab/wallet").await.expect(200);
    let all = format!("-{}", money(&wallet["balance"]));
    platform.post(admin, "/v1/tenants/lab/wallet/top-ups", json!({ "amount": all })).await.expect(200);
    let user = platform.user("ada", "member", "lab").await;
    let given = platform.post(admin, "/v1/tenants/lab/grants", asked()).await.expect(201);
    assert_eq!((&given["state"], &given["left"], &given["of"]), (&json!("in_force"), &json!("500.00"), &json!([])));

    platform.pass(Span::from_secs(5)).await;
    let job = platform.submit(&user, WORKS).await;
    platform.until(&user, &job, &["RUNNING"]).await;
    let promised = platform.get(&user, "/v1/grants/1").await.expect(200);
    assert!(money(&promised["promised"]) > Money::ZERO, "{promised}");
    platform.pass(Span::from_secs(90)).await;
    let done = platform.until(&user, &job, &["COMPLETED"]).await;
    let after = platform.get(&user, "/v1/grants/1").await.expect(200);
    assert!(money(&after["drawn"]) > Money::ZERO, "{after}");
    assert_eq!((&after["drawn"], &after["promised"]), (&done["charged"], &json!("0.00")), "{after}");
    let wallet = platform.get(admin, "/v1/tenants/lab/wallet").await.expect(200);
    assert_eq!(money(&wallet["balance"]), Money::ZERO, "nothing of it was the tenant's own");

    // The bill and the job's stretches say who paid.
    let bill = platform.get(&user, "/v1/bill").await.expect(200);
    for told in [&bill["lines"][0]["credited"], &bill["total"][0]["credited"]] {
        assert_eq!(told, &after["drawn"], "{bill}");
    }
    let stretches = platform.get(&user, &format!("/v1/jobs/{job}/intervals")).await.expect(200);
    let paid = stretches["items"].as_array().unwrap().iter().map(|one| money(&one["credited"])).sum::<Money>();
    assert_eq!(paid, money(&after["drawn"]), "{stretches}");

    let others = platform.user("eve", "owner", "shop").await;
    platform.get(&others, "/v1/grants/1").await.problem("not_found");
    platform.get(&others, "/v1/tenants/lab/grants").await.problem("not_found");
    platform.get(&others, "/v1/grants").await.problem("forbidden");
    platform.post(&user, "/v1/tenants/lab/grants", asked()).await.problem("forbidden");
    platform.post(&user, "/v1/grants/1/revoke", json!({})).await.problem("forbidden");
    assert_eq!(platform.get(&user, "/v1/tenants/lab/grants").await.expect(200)["items"][0]["note"], "first steps");
    assert_eq!(platform.get(admin, "/v1/grants").await.expect(200)["items"][0]["tenant_name"], "lab");

    // What was given for free is no revenue: the report has what the accounts of income have together.
    for by in ["tenant", "month,project", "line", "user"] {
        let report = platform.get(admin, &format!("/v1/reports/margin?by={by}")).await.expect(200);
        let total = &report["total"][0];
        assert_eq!((money(&total["revenue"]), &total["promotions"]), (Money::ZERO, &after["drawn"]), "{by}: {report}");
    }
    let accounts = platform.running.app.store.accounts().await.unwrap();
    let income = accounts.iter().filter(|account| account.kind == AccountKind::Income);
    assert_eq!(income.map(|account| account.balance()).sum::<Money>(), Money::ZERO);
    let margin = platform.get(admin, "/v1/margin?by=tenant").await.expect(200);
    assert_eq!(money(&margin["rows"][0]["revenue"]), Money::ZERO, "{margin}");

    let revoked = platform.post(admin, "/v1/grants/1/revoke", json!({ "note": "moves away" })).await.expect(200);
    let back = money(&revoked["amount"]) - money(&revoked["drawn"]);
    assert_eq!(
        (&revoked["state"], money(&revoked["back"]), &revoked["left"]),
        (&json!("revoked"), back, &json!("0.00"))
    );
    platform.post(admin, "/v1/grants/1/revoke", json!({})).await.problem("wrong_state");
    let audit = platform.get(admin, "/v1/audit").await.expect(200).to_string();
    assert!(audit.contains("grant.give") && audit.contains("grant.revoke"), "{audit}");
    platform.post(&user, "/v1/jobs", json!({ "script": WORKS })).await.problem("insufficient_funds");
}

#[tokio::test]
async fn a_grant_pays_within_its_scope_only() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    platform.tenant("lab").await;
    let user = platform.user("ada", "member", "lab").await;
    let with = |change: Value| {
        let mut all = asked();
        all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        all
    };
    let grant = platform.post(admin, "/v1/tenants/lab/grants", with(json!({ "product": "render" }))).await.expect(201);
    assert_eq!(grant["of"], json!([{ "product": "render" }]));
    platform.pass(Span::from_secs(5)).await;
    let job = platform.submit(&user, WORKS).await;
    platform.until(&user, &job, &["RUNNING"]).await;
    platform.pass(Span::from_secs(90)).await;
    platform.until(&user, &job, &["COMPLETED"]).await;
    assert_eq!(platform.get(&user, "/v1/grants/1").await.expect(200)["drawn"], "0.00");

    for (change, field) in [
        (json!({ "chip": "A 100" }), "chip"),
        (json!({ "project": "moon" }), "project"),
        (json!({ "user": "nobody" }), "user"),
    ] {
        let problem = platform.post(admin, "/v1/tenants/lab/grants", with(change)).await.problem("invalid");
        assert_eq!(problem["errors"][0]["option"], field, "{problem}");
    }
    for change in [
        json!({ "amount": "0" }),
        json!({ "amount": "-5" }),
        json!({ "note": " " }),
        json!({ "to": "2020-01-01T00:00:00Z" }),
        json!({ "from": "2020-01-01T00:00:00Z" }),
    ] {
        platform.post(admin, "/v1/tenants/lab/grants", with(change)).await.problem("invalid");
    }
    platform.post(admin, "/v1/tenants/lab/grants", with(json!({ "pools": ["moon"] }))).await.problem("not_found");
    platform.post(admin, "/v1/tenants/moon/grants", asked()).await.problem("not_found");
}
