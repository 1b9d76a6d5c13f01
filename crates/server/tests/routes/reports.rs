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
        platform.pass(Span::from_secs(90)).await;
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
    for by in [
        "tenant",
        "tenant,pool",
        "line,work",
        "supplier,mode,region,cluster",
        "day",
        "month,project",
        "season",
        "user",
        "user,pool,day",
        "season,user",
        "user,line,work",
    ] {
        let report = platform.get(admin, &format!("/v1/reports/margin?by={by}")).await.expect(200);
        for rows in [&report["rows"], &report["total"]] {
            assert_eq!((sum(rows, "revenue"), sum(rows, "cost")), (revenue, cost), "{by}: {report}");
            assert_eq!(sum(rows, "margin"), revenue - cost, "{by}: {report}");
        }
    }
    let tenants = platform.get(admin, "/v1/reports/margin").await.expect(200);
    let keys: Vec<&Value> = tenants["rows"].as_array().unwrap().iter().map(|row| &row["keys"][0]).collect();
    assert_eq!(keys, [&json!("-"), &json!("lab"), &json!("shop")], "what nobody used is nobody's");
    for row in tenants["rows"].as_array().unwrap() {
        let path = format!("/v1/reports/margin?by=line,pool&only=tenant%3D{}", row["keys"][0].as_str().unwrap());
        let behind = platform.get(admin, &path).await.expect(200);
        assert_eq!(behind["by"], json!(["line", "pool"]), "what it is narrowed by is not shown");
        for what in ["revenue", "cost", "margin"] {
            assert_eq!(sum(&behind["rows"], what), money(&row[what]), "{what} of {row}: {behind}");
        }
    }
    platform.get(admin, "/v1/reports/margin?only=tenant").await.problem("invalid");
    platform.get(admin, "/v1/reports/margin?only=moon%3D1").await.problem("invalid");
    let users = platform.get(admin, "/v1/reports/margin?by=user").await.expect(200);
    assert_eq!(users["total"], tenants["total"], "hours too");
    let pools = platform.get(admin, "/v1/reports/pools").await.expect(200);
    let row = &pools["rows"][0];
    assert_eq!((money(&row["revenue"]), money(&row["cost"])), (revenue, cost), "{pools}");
    let causes: Money = ["worked", "outage", "maintenance", "reserve", "idle", "overlap"]
        .map(|cause| money(&row[cause]))
        .into_iter()
        .sum();
    assert_eq!(causes, cost);
    assert!(row["used_hours"].is_null() || row["used_hours"].as_f64().unwrap() > 0.0, "{row}");
    assert!(money(&row["maintenance"]) > Money::ZERO, "it was drained for a while: {row}");

    let tenants = platform.get(admin, "/v1/reports/tenants").await.expect(200);
    for rows in [&tenants["rows"], &tenants["total"]] {
        assert_eq!((sum(rows, "revenue"), sum(rows, "cost")), (revenue, cost), "{tenants}");
    }
    let lab = tenants["rows"].as_array().unwrap().iter().find(|row| row["tenant"] == "lab").unwrap();
    assert_eq!((&lab["active_users"], &lab["revenue_per_user"]), (&json!(1), &lab["revenue"]));
    assert_eq!(tenants["total"][0]["active_users"], 2, "{tenants}");
    let mix = platform.get(admin, "/v1/reports/mix").await.expect(200);
    assert_eq!((sum(&mix["rows"], "revenue"), sum(&mix["rows"], "cost")), (revenue, cost), "{mix}");
    assert_eq!((&mix["rows"][0]["mode"], &mix["rows"][0]["core_hours_percent"]), (&json!("own"), &json!("100.00")));
    let ageing = platform.get(admin, "/v1/reports/ageing").await.expect(200);
    assert_eq!(ageing["receivables"], json!([]), "everybody has paid: {ageing}");

    platform.get(admin, "/v1/reports/margin?by=moon").await.problem("invalid");
    platform.get(admin, "/v1/reports/margin?by=day,month,line,pool,mode").await.problem("invalid");
    let lab = platform.user("owner", "owner", "lab").await;
    platform.get(&lab, "/v1/reports/pools").await.problem("forbidden");
}

#[tokio::test]
async fn what_a_tenant_owes_is_as_old_as_its_unpaid_charges() {
    let platform = Platform::start().await;
    let abroad = json!({ "name": "lab", "credit_limit": "1000" });
    platform.post(&platform.admin, "/v1/tenants", abroad).await.expect(201);
    let anna = platform.user("anna", "member", "lab").await;
    let job = platform.submit(&anna, WORKS).await;
    platform.until(&anna, &job, &["RUNNING"]).await;
    platform.pass(Span::from_secs(90)).await;
    let charged = platform.until(&anna, &job, &["COMPLETED"]).await["charged"].clone();
    let ages = async |after: i64| {
        platform.pass(Span::from_hours(after * 24)).await;
        let admin = platform.token("admin", model::TokenScope::Full).await;
        platform.get(&admin, "/v1/reports/ageing").await.expect(200)["receivables"][0].clone()
    };
    let young = ages(0).await;
    assert_eq!((&young["name"], &young["owed"], &young["ages"]["up_to_30"]), (&json!("lab"), &charged, &charged));
    let old = ages(35).await;
    assert_eq!(
        (&old["owed"], &old["ages"]["up_to_60"], &old["ages"]["up_to_30"]),
        (&charged, &charged, &json!("0.00"))
    );
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

#[tokio::test]
async fn days_of_reports_begin_where_those_of_statements_do() {
    let platform = Platform::with(&[("statements.utc_offset", "+08:00")]).await;
    // Half past four in the afternoon in London is the next day in Shanghai.
    let (day, wanted) = (Span::from_hours(24).as_micros(), (Span::from_hours(16) + Span::from_mins(30)).as_micros());
    let now = platform.running.app.clock.now().as_micros();
    platform.pass(Span::from_micros((wanted - now.rem_euclid(day)).rem_euclid(day))).await;
    let admin = platform.token("admin", model::TokenScope::Full).await;
    let job = platform.submit(&admin, WORKS).await;
    platform.until(&admin, &job, &["RUNNING"]).await;
    platform.pass(Span::from_secs(90)).await;
    platform.until(&admin, &job, &["COMPLETED"]).await;

    let there = platform.running.app.clock.now() + Span::from_hours(8);
    let today: String = there.rfc3339().chars().take(10).collect();
    let report = platform.get(&admin, "/v1/reports/margin?by=day").await.expect(200);
    assert_eq!(report["utc_offset"], "+08:00");
    let charged = report["rows"].as_array().unwrap().iter().filter(|row| money(&row["revenue"]) > Money::ZERO);
    assert_eq!(charged.map(|row| &row["keys"][0]).collect::<Vec<_>>(), [&json!(today)], "{report}");
    for bound in ["from", "to"] {
        assert!(report[bound].as_str().unwrap().contains("T16:00:00"), "midnight there: {report}");
    }
    let month = platform.get(&admin, "/v1/reports/margin?by=month").await.expect(200);
    assert_eq!(month["total"], report["total"]);
    // Of that day alone, asked by any moment within it.
    let noon = format!("{today}T04:00:00Z");
    let alone = platform.get(&admin, &format!("/v1/reports/margin?by=day&from={noon}&to={noon}")).await.expect(200);
    assert_eq!(sum(&alone["rows"], "revenue"), sum(&report["rows"], "revenue"), "{alone}");
}
