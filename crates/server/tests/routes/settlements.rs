//! Suppliers' statements through the API: planted errors are found, disputes end by agreement, accepting books the difference.

use base::{Money, Span, SupplierId};
use engine::{Command, Envelope};
use ledger::AccountKind;
use model::{Actor, Cluster, Pool, Supplier, SupplyMode};
use rating::{PoolCost, SupplierFee};
use serde_json::{Value, json};
use store::PageRequest;

use crate::support::Platform;

/// What our books have of one attempt, from its intervals.
struct Work {
    attempt: String,
    cores_seconds: i64,
    accrued: Money,
}

pub const SUPPLIER: &str = "harbour";

/// A platform whose only pool is a partner's, who takes 3.60 a core-hour.
pub async fn with_partner() -> Platform {
    let platform = Platform::start().await;
    let app = &platform.running.app;
    let supplier = Supplier { id: SupplierId::from_u128(77), name: SUPPLIER.into(), mode: SupplyMode::Partner };
    let cluster = Cluster { supplier: supplier.id, ..app.store.clusters().await.unwrap().remove(0) };
    let pool = Pool { mode: SupplyMode::Partner, ..app.store.pools().await.unwrap().remove(0).0 };
    let cost = Some(PoolCost::Partner(SupplierFee::by_core(Money(3_600_000))));
    let commands =
        [Command::RegisterSupplier(supplier), Command::RegisterCluster(cluster), Command::RegisterPool { pool, cost }];
    for command in commands {
        let envelope = Envelope { actor: Actor::Platform, operator: true, once: None, command };
        app.engine.command(envelope).await.unwrap();
    }
    platform.tenant("lab").await;
    platform.user("anna", "member", "lab").await;
    platform
}

async fn work(platform: &Platform, minutes: i64) -> Work {
    // Hours pass: one token would not last.
    let token = &platform.token("anna", model::TokenScope::Full).await;
    let script = format!("#!/bin/sh\n#SBATCH --ntasks=2 --mem=1G --time=300\nsleep {}\n", minutes * 60);
    let job = platform.submit(token, &script).await;
    platform.until(token, &job, &["RUNNING"]).await;
    platform.pass(Span::from_mins(minutes)).await;
    platform.until(token, &job, &["COMPLETED"]).await;
    let found = platform.running.app.store.intervals(job.parse().unwrap(), PageRequest::first(1_000)).await.unwrap();
    let micros = |i: &rating::Interval| {
        let sign = if i.cost.total().is_negative() { -1 } else { 1 };
        sign * (i.to - i.from).as_micros() * i.granted.cpu.0 as i64 / 1_000
    };
    Work {
        attempt: found.items[0].attempt.to_string(),
        cores_seconds: found.items.iter().map(micros).sum::<i64>() / 1_000_000,
        accrued: found.items.iter().map(|i| i.cost.fee).sum(),
    }
}

fn mapping(statement: &str) -> Value {
    json!({
        "supplier": SUPPLIER, "statement": statement, "from": "2020-01-01T00:00:00Z", "to": "2020-12-01T00:00:00Z",
        "currency": "CNY", "delimiter": ";", "skip_last": 1,
        "columns": { "attempt": "作业", "amount": "金额", "quantity": { "core_seconds": "核秒" } },
        "numbers": { "decimal": ",", "thousands": "." },
        "tolerance": { "amount": "0.000002", "quantity_milli_hours": 1 },
    })
}

/// The period of everything that a test does.
fn over(platform: &Platform, mut mapping: Value) -> Value {
    let now = platform.running.app.clock.now();
    mapping["from"] = json!((now - Span::from_hours(24)).rfc3339());
    mapping["to"] = json!((now + Span::from_hours(48)).rfc3339());
    mapping
}

fn row(work: &Work, quantity: i64, amount: Money) -> String {
    let amount = amount.to_string().replace('.', ",");
    format!("{};{quantity};{amount}\n", work.attempt)
}

fn file(rows: &[String]) -> String {
    format!("\u{feff}作业;核秒;金额\n{}合计;;0,00\n", rows.concat())
}

async fn import(platform: &Platform, statement: &str, rows: &[String]) -> Value {
    let body = json!({ "mapping": over(platform, mapping(statement)), "csv": file(rows) });
    platform.post(&platform.admin, "/v1/settlements", body).await.expect(201)
}

async fn balance(platform: &Platform, account: &str) -> Money {
    let found = platform.running.app.store.accounts().await.unwrap();
    found.iter().find(|a| a.code.as_str().ends_with(account)).map_or(Money::ZERO, |a| a.balance())
}

fn money(value: &Value) -> Money {
    value.as_str().unwrap_or_else(|| panic!("{value}")).parse().unwrap()
}

#[tokio::test]
async fn a_statement_with_planted_errors_is_disputed_agreed_booked_and_paid() {
    let platform = with_partner().await;
    let mut all = Vec::new();
    for minutes in [10, 15, 20, 25, 30, 35] {
        all.push(work(&platform, minutes).await);
    }
    let [right, longer, dearer, twice, dropped, both] = &all[..] else { unreachable!() };
    let scaled = |m: Money, percent: i64| Money(m.0 * percent / 100);
    let stranger =
        Work { attempt: "att_000000000000000000000000000000ff_1".into(), cores_seconds: 0, accrued: Money(0) };
    let rows = [
        row(right, right.cores_seconds, right.accrued),
        row(longer, longer.cores_seconds * 2, scaled(longer.accrued, 200)),
        row(dearer, dearer.cores_seconds, scaled(dearer.accrued, 120)),
        row(twice, twice.cores_seconds, twice.accrued),
        row(twice, twice.cores_seconds, twice.accrued),
        row(both, both.cores_seconds * 2, scaled(both.accrued, 300)),
        row(&stranger, 3_600, Money(70_000)),
    ];

    // Faults name line, column and what to do, and nothing is taken in.
    let bad = [rows[0].clone(), "x;1,0,0;3,00\n".into(), "y;1;abc\n".into()];
    let body = json!({ "mapping": over(&platform, mapping("2026-10")), "csv": file(&bad) });
    let problem = platform.post(&platform.admin, "/v1/settlements", body).await.problem("statement_invalid");
    let places: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| (&e["line"], &e["option"])).collect();
    assert_eq!(places, [(&json!(3), &json!("核秒")), (&json!(4), &json!("金额"))]);
    assert!(problem["errors"][0]["hint"].as_str().unwrap().contains("numbers.decimal"), "{problem}");
    assert_eq!(platform.get(&platform.admin, "/v1/settlements").await.expect(200)["items"], json!([]));

    let taken = import(&platform, "2026-10", &rows).await;
    assert_eq!((&taken["number"], &taken["lines"], &taken["open"]), (&json!(1), &json!(8), &json!(6)), "{taken}");
    let shown = platform.get(&platform.admin, "/v1/settlements/1/lines").await.expect(200);
    let verdicts: Vec<&str> =
        shown["items"].as_array().unwrap().iter().map(|l| l["verdict"].as_str().unwrap()).collect();
    let wanted =
        ["matched", "quantity", "price", "matched", "duplicated", "quantity_and_price", "only_theirs", "only_ours"];
    assert_eq!(verdicts, wanted, "{shown:#}");
    assert_eq!((&shown["items"][4]["twin_line"], &shown["items"][7]["attempt"]), (&json!(4), &json!(dropped.attempt)));
    // The parts make the whole.
    let theirs: Money =
        rows.iter().map(|r| r.trim().rsplit(';').next().unwrap().replace(',', ".").parse::<Money>().unwrap()).sum();
    assert_eq!(money(&taken["theirs"]), theirs);
    let ours: Money = all.iter().map(|w| w.accrued).sum();
    assert_eq!(money(&taken["ours"]), ours);
    for (only, count) in [("differing", 6), ("open", 6)] {
        let some = platform.get(&platform.admin, &format!("/v1/settlements/1/lines?only={only}")).await.expect(200);
        assert_eq!(some["items"].as_array().unwrap().len(), count);
    }

    // Once.
    let body = json!({ "mapping": over(&platform, mapping("2026-10")), "csv": file(&rows) });
    let known = platform.post(&platform.admin, "/v1/settlements", body).await.problem("name_taken");
    assert!(known["detail"].as_str().unwrap().contains("settlement 1"), "{known}");
    platform.post(&platform.admin, "/v1/settlements/1/accept", json!({})).await.problem("wrong_state");

    let resolve = async |body: Value| platform.post(&platform.admin, "/v1/settlements/1/disputes", body).await;
    resolve(json!({ "lines": [2], "resolution": "theirs", "note": "their clock is right" })).await.expect(200);
    resolve(json!({ "lines": [3, 6], "resolution": "ours" })).await.expect(200);
    resolve(json!({ "verdict": "duplicated", "resolution": "ours" })).await.expect(200);
    resolve(json!({ "lines": [7], "resolution": "amount", "amount": "0.01" })).await.expect(200);
    resolve(json!({ "lines": [2], "resolution": "ours" })).await.problem("wrong_state");
    resolve(json!({ "lines": [99], "resolution": "ours" })).await.problem("not_found");
    resolve(json!({ "lines": [7], "resolution": "amount" })).await.problem("invalid");
    let left = resolve(json!({ "verdict": "only_ours", "resolution": "later" })).await.expect(200);
    assert_eq!(left["open"], 0);
    let again = resolve(json!({ "lines": [7], "resolution": "open", "note": "not so fast" })).await.expect(200);
    assert_eq!(again["open"], 1);
    resolve(json!({ "lines": [7], "resolution": "amount", "amount": "0.02" })).await.expect(200);

    let accrued_before = balance(&platform, "/accrued").await;
    assert_eq!(accrued_before, ours, "what is accrued is what the intervals cost");
    let accepted = platform.post(&platform.admin, "/v1/settlements/1/accept", json!({})).await.expect(200);
    let cleared: Money = [right, longer, dearer, twice, both].iter().map(|w| w.accrued).sum();
    let payable =
        right.accrued + scaled(longer.accrued, 200) + dearer.accrued + twice.accrued + both.accrued + Money(20_000);
    assert_eq!((money(&accepted["cleared"]), money(&accepted["payable"])), (cleared, payable));
    assert_eq!(money(&accepted["difference"]), payable - cleared);
    assert_eq!(balance(&platform, "/accrued").await, dropped.accrued);
    assert_eq!(accrued_before - cleared, dropped.accrued);
    assert_eq!(balance(&platform, "/payable").await, payable);
    assert_eq!(balance(&platform, "/settlement-difference").await, payable - cleared);
    let accounts = platform.running.app.store.accounts().await.unwrap();
    let difference = accounts.iter().find(|a| a.code.as_str().ends_with("/settlement-difference")).unwrap();
    assert_eq!(difference.kind, AccountKind::Expense);
    // What was corrected is a cost of the supplier in the operator's reports, which add up to the ledger.
    let booked: Money = accounts.iter().filter(|a| a.kind == AccountKind::Expense).map(|a| a.balance()).sum();
    for by in ["supplier", "tenant", "month,mode"] {
        let report = platform.get(&platform.admin, &format!("/v1/reports/margin?by={by}")).await.expect(200);
        assert_eq!(money(&report["total"][0]["cost"]), booked, "{by}: {report}");
    }

    // What is accepted never changes.
    platform.post(&platform.admin, "/v1/settlements/1/accept", json!({})).await.problem("wrong_state");
    resolve(json!({ "lines": [2], "resolution": "open" })).await.problem("wrong_state");
    platform.post(&platform.admin, "/v1/settlements/1/withdraw", json!({})).await.problem("wrong_state");

    let pay = async |body: Value| platform.post(&platform.admin, "/v1/settlements/1/payments", body).await;
    let cash = balance(&platform, "/cash").await;
    pay(json!({ "amount": "0.02" })).await.expect(200);
    pay(json!({ "amount": "1000" })).await.problem("wrong_state");
    let paid = pay(json!({})).await.expect(200);
    assert_eq!(money(&paid["paid"]), payable);
    pay(json!({})).await.problem("wrong_state");
    assert_eq!(cash - balance(&platform, "/cash").await, payable);
    assert_eq!(balance(&platform, "/payable").await, Money::ZERO);

    a_later_statement(&platform, right, dropped).await;
    let audit = platform.get(&platform.admin, "/v1/audit?limit=1000").await.expect(200);
    for action in ["import", "dispute", "resolve", "accept", "pay", "withdraw"] {
        let action = format!("settlement.{action}");
        assert!(audit["items"].as_array().unwrap().iter().any(|e| e["action"] == action), "{action}");
    }
}

/// What was settled is not settled again, what was left for later is, and two statements cannot both settle one attempt.
async fn a_later_statement(platform: &Platform, settled: &Work, left: &Work) {
    let rows = [row(settled, settled.cores_seconds, settled.accrued), row(left, left.cores_seconds, left.accrued)];
    let second = import(platform, "2026-11", &rows).await;
    assert_eq!((&second["lines"], &second["open"]), (&json!(2), &json!(1)), "{second}");
    let lines = platform.get(&platform.admin, "/v1/settlements/2/lines?only=differing").await.expect(200);
    assert_eq!(
        (&lines["items"][0]["verdict"], &lines["items"][0]["twin_settlement"]),
        (&json!("duplicated"), &json!(1))
    );
    let third = import(platform, "2026-11b", &rows[1..]).await;
    assert_eq!((&third["number"], &third["open"]), (&json!(3), &json!(0)));
    let resolve = json!({ "lines": [1], "resolution": "ours" });
    platform.post(&platform.admin, "/v1/settlements/2/disputes", resolve).await.expect(200);
    let accepted = platform.post(&platform.admin, "/v1/settlements/2/accept", json!({})).await.expect(200);
    assert_eq!((money(&accepted["cleared"]), money(&accepted["payable"])), (left.accrued, left.accrued));
    let refused = platform.post(&platform.admin, "/v1/settlements/3/accept", json!({})).await.problem("wrong_state");
    assert!(refused["detail"].as_str().unwrap().contains("settlement 2"), "{refused}");
    // Taken back, its number is free again.
    platform.post(&platform.admin, "/v1/settlements/3/withdraw", json!({ "note": "wrong" })).await.expect(200);
    assert_eq!(import(platform, "2026-11b", &rows[..1]).await["number"], 4);
    let listed = platform.get(&platform.admin, "/v1/settlements").await.expect(200);
    let states: Vec<&str> = listed["items"].as_array().unwrap().iter().map(|s| s["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["open", "withdrawn", "accepted", "accepted"]);
}

#[tokio::test]
async fn a_request_repeated_under_its_key_happens_once() {
    let platform = with_partner().await;
    let one = work(&platform, 20).await;
    let post = async |path: &str, key: &str, body: &Value| {
        let request = axum::http::Request::post(path)
            .header("authorization", format!("Bearer {}", platform.admin))
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(serde_json::to_vec(body).unwrap().into())
            .unwrap();
        platform.raw(request).await
    };
    let rows = [row(&one, one.cores_seconds, one.accrued)];
    let body = json!({ "mapping": over(&platform, mapping("7")), "csv": file(&rows) });
    for _ in 0..2 {
        assert_eq!(post("/v1/settlements", "import-7", &body).await.expect(201)["number"], 1);
    }
    for _ in 0..2 {
        let accepted = post("/v1/settlements/1/accept", "accept-7", &json!({})).await.expect(200);
        assert_eq!(money(&accepted["payable"]), one.accrued);
    }
    for _ in 0..2 {
        post("/v1/settlements/1/payments", "pay-7", &json!({ "amount": "0.01" })).await.expect(200);
    }
    let shown = platform.get(&platform.admin, "/v1/settlements/1").await.expect(200);
    assert_eq!(shown["paid"], "0.01", "{shown}");
    post("/v1/settlements/1/payments", "pay-7", &json!({ "amount": "0.02" })).await.problem("idempotency_key_reused");
}

#[tokio::test]
async fn mappings_that_cannot_be_read_by_are_refused_by_the_name_of_the_field() {
    let platform = with_partner().await;
    let mut cases = Vec::new();
    for (field, at, value) in [
        ("mapping.columns.amount", "/columns/amount", Value::Null),
        ("mapping.columns.attempt", "/columns/attempt", Value::Null),
        ("mapping.delimiter", "/delimiter", json!("ab")),
        ("mapping.numbers.decimal", "/numbers/decimal", json!(";")),
        ("mapping.currency", "/currency", json!("yuan")),
        ("mapping.to", "/to", json!("2019-01-01T00:00:00Z")),
        ("mapping.statement", "/statement", json!(" ")),
    ] {
        let mut wrong = mapping("1");
        *wrong.pointer_mut(at).unwrap() = value;
        cases.push((field, wrong));
    }
    for (field, wrong) in cases {
        let body = json!({ "mapping": wrong, "csv": file(&["x;1;1,00\n".into()]) });
        let problem = platform.post(&platform.admin, "/v1/settlements", body).await.problem("invalid");
        assert_eq!(problem["errors"][0]["option"], field, "{problem}");
    }
    let with = async |field: &str, value: &str| {
        let mut mapping = mapping("1");
        mapping[field] = json!(value);
        let body = json!({ "mapping": mapping, "csv": file(&["x;1;1,00\n".into()]) });
        platform.post(&platform.admin, "/v1/settlements", body).await
    };
    with("supplier", "nobody").await.problem("not_found");
    let other = with("currency", "USD").await.problem("invalid");
    assert!(other["detail"].as_str().unwrap().contains("CNY"), "{other}");
}

#[tokio::test]
async fn a_mapping_is_kept_for_the_supplier_s_next_statement() {
    let platform = with_partner().await;
    let one = work(&platform, 20).await;
    let rows = [row(&one, one.cores_seconds, one.accrued)];
    let kept = format!("/v1/suppliers/{SUPPLIER}/mapping");
    let take = async |mapping: Value, keep: bool, code: u16| {
        let body = json!({ "mapping": mapping, "csv": file(&rows), "keep": keep });
        platform.post(&platform.admin, "/v1/settlements", body).await.expect(code)
    };
    take(over(&platform, mapping("1")), false, 201).await;
    platform.get(&platform.admin, &kept).await.problem("not_found");
    let mut other = over(&platform, mapping("2"));
    other["users"] = json!({ "them": "us" });
    take(other, true, 201).await;
    take(over(&platform, mapping("3")), false, 201).await;
    let found = platform.get(&platform.admin, &kept).await.expect(200);
    assert_eq!((&found["settlement"], &found["mapping"]["users"]["them"]), (&json!(2), &json!("us")), "{found}");
    // What is told is what the next import takes.
    let mut again = found["mapping"].clone();
    again["statement"] = json!("4");
    assert_eq!(take(again, true, 201).await["number"], 4);
    let suppliers = platform.get(&platform.admin, "/v1/suppliers").await.expect(200);
    let mapped: Vec<&Value> =
        suppliers["items"].as_array().unwrap().iter().filter_map(|s| s.get("mapping_of")).collect();
    assert_eq!(mapped, [&json!(4)]);
    let audit = platform.get(&platform.admin, "/v1/audit?limit=100").await.expect(200);
    let said = audit["items"].as_array().unwrap().iter().filter(|entry| entry["action"] == "settlement.import");
    let said: Vec<bool> = said.map(|entry| entry["detail"].as_str().unwrap().contains("mapping is kept")).collect();
    assert_eq!(said, [true, false, true, false], "{audit}");
    // A statement that is withdrawn takes its mapping with it.
    platform.post(&platform.admin, "/v1/settlements/4/withdraw", json!({})).await.expect(200);
    assert_eq!(platform.get(&platform.admin, &kept).await.expect(200)["settlement"], 2);
    // What cannot be read is not kept; too large a one neither.
    let mut large = over(&platform, mapping("5"));
    large["users"] = json!({ "x".repeat(70_000): "us" });
    let body = json!({ "mapping": large, "csv": file(&rows), "keep": true });
    platform.post(&platform.admin, "/v1/settlements", body).await.problem("invalid");
}
