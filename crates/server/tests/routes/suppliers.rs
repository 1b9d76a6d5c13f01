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
