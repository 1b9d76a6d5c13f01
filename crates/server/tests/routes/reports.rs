//! The operator's reports through the API: each adds up to the ledger.

use base::{Money, Span};
use ledger::AccountKind;
use serde_json::{Value, json};

use crate::support::Platform;

const WORKS: &str = "#!/bin/sh\n#SBATCH --ntasks=4 --mem=8G --time=60\nsleep 90\n";

fn money(value: &Value) -> Money {
    value.as_str().unwrap().parse().unwrap()
}

fn sum(rows: &Value, field: &str) -> Money {
    rows.as_array().unwrap().iter().map(|row| money(&row[field])).sum()
}

#[tokio::test]
async fn reports_add_up_to_the_ledger() {
    // Dear enough that a moment costs something.
    let platform = Platform::with(&[("cost.purchase_price", "6000000000")]).await;
    let admin = &platform.admin;
    for tenant in ["lab", "shop"] {
        platform.tenant(tenant).await;
        let user = platform.user(&format!("of-{tenant}"), "member", tenant).await;
        let job = platform.submit(&user, WORKS).await;
        platform.until(&user, &job, &["RUNNING"]).await;
        platform.machine.tick(Span::from_secs(90)).await;
        platform.until(&user, &job, &["COMPLETED"]).await;
    }
    // Each change of a node's state ends a stretch of its pool.
    for state in ["drained", "up", "drained"] {
        platform.post(admin, "/v1/pools/main/nodes/main", json!({ "state": state })).await.expect(200);
    }
    let accounts = platform.running.app.store.accounts().await.unwrap();
    let of = |kind| accounts.iter().filter(move |account| account.kind == kind);
    let written_off: Money =
        of(AccountKind::Expense).filter(|a| a.code.as_str().ends_with("/uncollected")).map(|a| a.balance()).sum();
    let revenue: Money = of(AccountKind::Income).map(|a| a.balance()).sum::<Money>() - written_off;
    let cost: Money = of(AccountKind::Expense).map(|a| a.balance()).sum::<Money>() - written_off;
    assert!(revenue > Money::ZERO && cost > Money::ZERO);
    for by in ["tenant", "tenant,pool", "line,work", "supplier,mode,region,cluster", "day", "month,project"] {
        let report = platform.get(admin, &format!("/v1/reports/margin?by={by}")).await.expect(200);
        for rows in [&report["rows"], &report["total"]] {
            assert_eq!((sum(rows, "revenue"), sum(rows, "cost")), (revenue, cost), "{by}: {report}");
            assert_eq!(sum(rows, "margin"), revenue - cost, "{by}: {report}");
        }
    }
    let tenants = platform.get(admin, "/v1/reports/margin").await.expect(200);
    let keys: Vec<&Value> = tenants["rows"].as_array().unwrap().iter().map(|row| &row["keys"][0]).collect();
    assert_eq!(keys, [&json!("-"), &json!("lab"), &json!("shop")], "what nobody used is nobody's");
    let pools = platform.get(admin, "/v1/reports/pools").await.expect(200);
    let row = &pools["rows"][0];
    assert_eq!((money(&row["revenue"]), money(&row["cost"])), (revenue, cost), "{pools}");
    let causes: Money = ["worked", "outage", "maintenance", "reserve", "idle", "overlap"]
        .map(|cause| money(&row[cause]))
        .into_iter()
        .sum();
    assert_eq!(causes, cost);
    assert!(money(&row["maintenance"]) > Money::ZERO, "it was drained for a while: {row}");

    platform.get(admin, "/v1/reports/margin?by=moon").await.problem("invalid");
    platform.get(admin, "/v1/reports/margin?by=day,month,line,pool,mode").await.problem("invalid");
    let lab = platform.user("owner", "owner", "lab").await;
    platform.get(&lab, "/v1/reports/pools").await.problem("forbidden");
}

#[tokio::test]
async fn cards_are_counted_from_users() {
    let platform = Platform::start().await;
    let ask = |change: Value| {
        let mut ask = json!({ "users": 50_000_000, "requests_per_day": 10, "output_length": 50, "seconds_per_unit": 0.35,
            "sold_hour": "8", "own_hour": "3.5", "partner_hour": "6", "own_share": 0.6 });
        ask.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        ask
    };
    let done = platform.post(&platform.admin, "/v1/reports/sizing", ask(json!({}))).await.expect(200);
    assert_eq!((&done["card_hours_day"], &done["cards_busy"]), (&json!(2_430_556), &json!(101_273)));
    let costs = money(&done["own_cost"]) + money(&done["partner_fees"]);
    assert_eq!(money(&done["margin"]), money(&done["revenue"]) - costs);
    for (change, field) in [
        (json!({ "utilisation": 0.0 }), "utilisation"),
        (json!({ "sold_hour": null }), "sold_hour"),
        (json!({ "seconds_per_unit": -1.0 }), "seconds_per_unit"),
        (json!({ "chip": "A 100" }), "chip"),
    ] {
        let problem = platform.post(&platform.admin, "/v1/reports/sizing", ask(change)).await.problem("invalid");
        assert_eq!(problem["errors"][0]["option"], field, "{problem}");
    }
}
