//! Terms of suppliers through the API: what fees fall behind the minimum is accrued once and is in the report.

use base::{Money, Span};
use ledger::AccountKind;
use serde_json::json;

use crate::settlements::{SUPPLIER, with_partner};

#[tokio::test]
async fn a_minimum_purchase_is_accrued_once_and_reported() {
    let platform = with_partner().await;
    let path = format!("/v1/suppliers/{SUPPLIER}/terms");
    let now = platform.running.app.clock.now();
    let to = now + Span::from_mins(10);
    let terms = json!({ "settles": "month", "minimum": "4464000", "to": to.rfc3339() });
    let set = platform.put(&platform.admin, &path, terms.clone()).await.expect(200);
    assert_eq!((&set["terms"]["settles"], &set["accrued"]), (&json!("month"), &json!("0.00")), "{set}");
    let anna = platform.token("anna", model::TokenScope::Full).await;
    let job = platform.submit(&anna, "#!/bin/sh\n#SBATCH --ntasks=2 --mem=1G --time=10\nsleep 60\n").await;
    platform.until(&anna, &job, &["RUNNING"]).await;
    platform.pass(Span::from_mins(2)).await;
    platform.until(&anna, &job, &["COMPLETED"]).await;
    // Past the end of the term and the time after which its only period is closed; twice, since it is booked once.
    for _ in 0..2 {
        platform.pass(Span::from_mins(30)).await;
    }
    let admin = platform.token("admin", model::TokenScope::Full).await;
    let listed = platform.get(&admin, "/v1/suppliers").await.expect(200);
    let one = listed["items"].as_array().unwrap().iter().find(|s| s["name"] == SUPPLIER).unwrap();
    let money = |value: &serde_json::Value| value.as_str().unwrap().parse::<Money>().unwrap();
    let period = &one["terms"]["periods"][0];
    let (fees, short, minimum) = (money(&period["fees"]), money(&period["short"]), money(&period["minimum"]));
    assert!(fees > Money::ZERO && short > Money::ZERO, "{one}");
    assert_eq!(fees + short, minimum);
    assert_eq!(money(&one["accrued"]), minimum, "{one}");
    assert_eq!(one["terms"]["is_over"], true);
    let accounts = platform.running.app.store.accounts().await.unwrap();
    let cost: Money = accounts
        .iter()
        .filter(|a| a.kind == AccountKind::Expense && !a.code.as_str().ends_with("/uncollected"))
        .map(|a| a.balance())
        .sum();
    let report = platform.get(&admin, "/v1/reports/margin?by=supplier").await.expect(200);
    assert_eq!(money(&report["total"][0]["cost"]), cost, "{report}");
    // Two cores for a program that keeps one busy.
    let pools = platform.get(&admin, "/v1/reports/pools").await.expect(200);
    assert_eq!(pools["rows"][0]["used_percent"], "50.00", "{pools}");
    let events = platform.get(&admin, "/v1/events/list").await.expect(200);
    let over = events["items"].as_array().unwrap().iter().filter(|e| e["kind"] == "supplier_term_over").count();
    assert_eq!(over, 1, "{events}");
    let wrong = json!({ "settles": "month", "minimum": "-1" });
    platform.put(&admin, &path, wrong).await.problem("invalid");
    platform.put(&admin, "/v1/suppliers/nobody/terms", terms.clone()).await.problem("not_found");
    let anna = platform.token("anna", model::TokenScope::Full).await;
    platform.put(&anna, &path, terms).await.problem("forbidden");
}

/// A supplier bills work, and what was bought less than agreed on: both are matched with what was accrued, planted errors are found, and
/// nothing counts twice, neither in a second statement nor in the report.
#[tokio::test]
async fn a_suppliers_line_for_a_minimum_purchase_is_settled_with_the_shortfall_that_was_accrued() {
    let platform = with_partner().await;
    let path = format!("/v1/suppliers/{SUPPLIER}/terms");
    let to = platform.running.app.clock.now() + Span::from_mins(10);
    let terms = json!({ "settles": "month", "minimum": "4464000", "to": to.rfc3339() });
    platform.put(&platform.admin, &path, terms).await.expect(200);
    let anna = platform.token("anna", model::TokenScope::Full).await;
    let job = platform.submit(&anna, "#!/bin/sh\n#SBATCH --ntasks=2 --mem=1G --time=10\nsleep 60\n").await;
    platform.until(&anna, &job, &["RUNNING"]).await;
    platform.pass(Span::from_mins(2)).await;
    platform.until(&anna, &job, &["COMPLETED"]).await;
    platform.pass(Span::from_mins(30)).await;
    let admin = &platform.token("admin", model::TokenScope::Full).await;
    let told = async || {
        let listed = platform.get(admin, "/v1/suppliers").await.expect(200);
        listed["items"].as_array().unwrap().iter().find(|s| s["name"] == SUPPLIER).unwrap().clone()
    };
    let money = |value: &serde_json::Value| value.as_str().unwrap().parse::<Money>().unwrap();
    let period = told().await["terms"]["periods"][0].clone();
    let (fees, short) = (money(&period["fees"]), money(&period["short"]));
    assert!(fees > Money::ZERO && short > Money::ZERO, "{period}");
    let page = store::PageRequest::first(100);
    let attempt = platform.running.app.store.intervals(job.parse().unwrap(), page).await.unwrap().items[0].attempt;

    let now = platform.running.app.clock.now();
    let (from, until) = ((now - Span::from_hours(24)).rfc3339(), (now + Span::from_hours(24)).rfc3339());
    let both = |statement: &str| {
        json!({
            "supplier": SUPPLIER, "statement": statement, "from": from, "to": until, "currency": "CNY",
            "columns": { "kind": "类别", "attempt": "作业", "start": "起", "end": "止", "amount": "金额" },
            "kinds": { "最低采购": "minimum" },
        })
    };
    let work = format!("作业,{attempt},,,{fees}\n");
    let minimum = |amount: Money| {
        format!("最低采购,,{},{},{amount}\n", period["from"].as_str().unwrap(), period["to"].as_str().unwrap())
    };
    let import = async |mapping: serde_json::Value, rows: &[&str]| {
        let csv = format!("类别,作业,起,止,金额\n{}", rows.concat());
        platform.post(admin, "/v1/settlements", json!({ "mapping": mapping, "csv": csv })).await.expect(201)
    };
    let lines = async |number: u64| {
        let listed = platform.get(admin, &format!("/v1/settlements/{number}/lines")).await.expect(200);
        let shown = |l: &serde_json::Value| json!([l["kind"], l["verdict"], l["ours"], l["theirs"]]);
        listed["items"].as_array().unwrap().iter().map(shown).collect::<Vec<_>>()
    };
    // Left out: it is ours alone.
    import(both("1"), &[&work]).await;
    let (f, s) = (&period["fees"], &period["short"]);
    assert_eq!(lines(1).await, [json!(["work", "matched", f, f]), json!(["minimum", "only_ours", s, null])]);
    platform.post(admin, "/v1/settlements/1/withdraw", json!({})).await.expect(200);
    // Dearer by two, and the same once more.
    let dearer = short + Money::from_units(2);
    let taken = import(both("1"), &[&work, &minimum(dearer), &minimum(dearer)]).await;
    assert_eq!(taken["open"], 2, "{taken}");
    let d = json!(dearer.to_string());
    assert_eq!(
        lines(2).await,
        [json!(["work", "matched", f, f]), json!(["minimum", "price", s, d]), json!(["minimum", "duplicated", s, d])]
    );
    // Another of the same shortfall, open at the same time.
    let alone = json!({
        "supplier": SUPPLIER, "statement": "minimum", "from": from, "to": until, "currency": "CNY",
        "columns": { "amount": "金额" }, "kind": "minimum",
    });
    import(alone.clone(), &[&minimum(short)]).await;
    assert_eq!(lines(3).await, [json!(["minimum", "matched", s, s])], "of work it says nothing");
    let agree = |line: u32, resolution: &str| json!({ "lines": [line], "resolution": resolution });
    platform.post(admin, "/v1/settlements/2/disputes", agree(2, "theirs")).await.expect(200);
    platform.post(admin, "/v1/settlements/2/disputes", agree(3, "ours")).await.expect(200);
    let done = platform.post(admin, "/v1/settlements/2/accept", json!({})).await.expect(200);
    assert_eq!((money(&done["cleared"]), money(&done["payable"])), (fees + short, fees + dearer), "{done}");
    let after = told().await;
    assert_eq!((money(&after["accrued"]), money(&after["payable"])), (Money::ZERO, fees + dearer), "{after}");
    let refused = platform.post(admin, "/v1/settlements/3/accept", json!({})).await.problem("wrong_state");
    assert!(refused["detail"].as_str().unwrap().contains("settled by another statement"), "{refused}");
    platform.post(admin, "/v1/settlements/3/withdraw", json!({})).await.expect(200);
    let again = import(alone, &[&minimum(short)]).await;
    assert_eq!(again["sums"][0]["verdict"], "duplicated", "{again}");

    let accounts = platform.running.app.store.accounts().await.unwrap();
    let expenses =
        accounts.iter().filter(|a| a.kind == AccountKind::Expense && !a.code.as_str().ends_with("/uncollected"));
    let cost: Money = expenses.map(|a| a.balance()).sum();
    // A moment of the node's own cost is in it, of before it became a partner's.
    let own = cost - (fees + dearer);
    assert!((Money::ZERO..Money(1_000)).contains(&own), "once: {own}");
    let report = platform.get(admin, "/v1/reports/margin?by=supplier").await.expect(200);
    assert_eq!(money(&report["total"][0]["cost"]), cost, "{report}");
}
