//! Contracts through the API: signed, drawn on by work, seen by their tenant alone, broken off; and the report has all of it.

use base::{Money, Span};
use ledger::AccountKind;
use serde_json::{Value, json};

use crate::support::Platform;

const WORKS: &str = "#!/bin/sh\n#SBATCH --ntasks=4 --mem=8G --time=60\nsleep 90\n";

fn money(value: &Value) -> Money {
    value.as_str().unwrap().parse().unwrap()
}

fn terms() -> Value {
    json!({
        "name": "cores", "tier": "long_term", "to": "2100-01-01T00:00:00Z", "fee": "31", "early_end": "0.001", "unused": "carry",
        "commit": [{ "unit": "core_hour", "hours": 1_000_000, "fee": "310000", "overage": "0.05" }],
        "include": [{ "unit": "gib_month", "quantity": 100 }],
    })
}

#[tokio::test]
async fn work_draws_on_a_contract_before_it_costs_money() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    platform.tenant("lab").await;
    platform.tenant("shop").await;
    let user = platform.user("ada", "member", "lab").await;
    let mut asked = terms();
    asked["to"] = json!("2034-01-01T00:00:00Z");

    // The wallet does not cover a month: it waits for money.
    let signed = platform.post(admin, "/v1/tenants/lab/contracts", asked.clone()).await.expect(201);
    assert_eq!((&signed["contract"]["state"], &signed["months"]), (&json!("unpaid"), &json!([])), "{signed}");
    platform.post(admin, "/v1/tenants/lab/contracts", asked).await.problem("name_taken");
    let top_up = json!({ "amount": "700000" });
    platform.post(admin, "/v1/tenants/lab/wallet/top-ups", top_up).await.expect(200);
    let detail = platform.get(&user, "/v1/contracts/1").await.expect(200);
    assert_eq!(detail["contract"]["state"], "in_force");
    assert_eq!(detail["months"].as_array().unwrap().len(), 3, "the fee, a commitment, what is included: {detail}");

    // What begins before the contract by the machine's clock is not covered.
    platform.pass(Span::from_secs(5)).await;
    // A quote says what the contract covers, a grant pays of the rest, and the wallet would hold; a submission then holds that.
    let quote = async || platform.post(&user, "/v1/jobs/quote", json!({ "script": WORKS })).await.expect(200);
    let alone = quote().await;
    let row = &alone["candidates"][0];
    let [price, covered, granted, to_pay] = ["price", "covered", "granted", "to_pay"].map(|field| money(&row[field]));
    assert!(covered > Money::ZERO && to_pay > Money::ZERO && granted == Money::ZERO, "{alone}");
    assert_eq!(covered + to_pay, price, "memory is no part of the commitment: {alone}");
    assert!(money(&alone["covered"]) > Money::ZERO, "{alone}");
    let little = json!({ "amount": "0.01", "to": "2100-01-01T00:00:00Z", "note": "first steps" });
    platform.post(admin, "/v1/tenants/lab/grants", little).await.expect(201);
    platform.pass(Span::from_secs(1)).await;
    let both = quote().await;
    let row = &both["candidates"][0];
    let cent = Money(10_000);
    assert_eq!((money(&row["covered"]), money(&row["granted"])), (covered, cent), "{both}");
    assert_eq!((money(&row["to_pay"]), money(&both["granted"])), (to_pay - cent, cent), "{both}");
    let dry = json!({ "script": WORKS, "dry_run": true });
    let dry = platform.post(&user, "/v1/jobs", dry).await.expect(200);
    assert_eq!((money(&dry["hold"]), &dry["hold"]), (money(&alone["hold"]) - cent, &both["hold"]), "{dry}");
    let held = async || money(&platform.get(admin, "/v1/tenants/lab/wallet").await.expect(200)["held"]);
    let before = held().await;
    let job = platform.submit(&user, WORKS).await;
    assert_eq!(held().await - before, money(&both["hold"]), "as the quote said");
    platform.until(&user, &job, &["RUNNING"]).await;
    platform.pass(Span::from_secs(90)).await;
    let done = platform.until(&user, &job, &["COMPLETED"]).await;
    let after = platform.get(&user, "/v1/contracts/1").await.expect(200);
    let drawn = money(&after["months"][1]["earned"]);
    assert!(drawn > Money::ZERO, "{after}");
    // Memory is no part of the commitment.
    assert!(money(&done["charged"]) > drawn, "{done}");

    let others = platform.user("eve", "owner", "shop").await;
    platform.get(&others, "/v1/contracts/1").await.problem("not_found");
    platform.get(&others, "/v1/tenants/lab/contracts").await.problem("not_found");
    platform.get(&others, "/v1/contracts").await.problem("forbidden");
    assert_eq!(platform.get(&others, "/v1/tenants/shop/contracts").await.expect(200)["items"], json!([]));
    platform.post(&user, "/v1/contracts/1/end", json!({})).await.problem("forbidden");
    assert_eq!(platform.get(admin, "/v1/contracts").await.expect(200)["items"][0]["tenant_name"], "lab");

    let ended = platform.post(admin, "/v1/contracts/1/end", json!({ "note": "moves away" })).await.expect(200);
    assert!(ended["contract"]["broken_off"].is_string() && ended["contract"]["early_end_fee"].is_null(), "{ended}");
    platform.post(admin, "/v1/contracts/1/end", json!({})).await.problem("wrong_state");

    let accounts = platform.running.app.store.accounts().await.unwrap();
    let income = accounts.iter().filter(|account| account.kind == AccountKind::Income);
    let income: Money = income.map(|account| account.balance()).sum();
    let early = accounts.iter().find(|a| a.code.as_str().ends_with("/revenue/contract-fees")).unwrap().balance();
    assert!(early > Money::ZERO, "an early end costs something");
    for by in ["tenant", "month,tenant", "line"] {
        let report = platform.get(admin, &format!("/v1/reports/margin?by={by}")).await.expect(200);
        assert_eq!(money(&report["total"][0]["revenue"]), income, "{by}: {report}");
    }
}

#[tokio::test]
async fn senseless_terms_are_refused_by_the_name_of_the_field() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    platform.tenant("lab").await;
    let with = |change: Value| {
        let mut asked = terms();
        asked.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        asked
    };
    let commit = |change: Value| {
        let mut one = json!({ "unit": "card_hour", "held": 8, "fee": "5" });
        one.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({ "to": "2034-01-01T00:00:00Z", "commit": [one] })
    };
    for (change, field) in [
        (json!({}), "commit"),
        (json!({ "early_end": "-1" }), "early_end"),
        (json!({ "utc_offset": "+99:00" }), "utc_offset"),
        (commit(json!({ "hours": 8 })), "commit[0].held"),
        (commit(json!({ "held": null })), "commit[0].held"),
        (commit(json!({ "chip": "A 100" })), "commit[0].chip"),
        (commit(json!({ "fee": "0" })), "commit"),
        (commit(json!({ "unit": "request" })), "commit"),
    ] {
        let problem = platform.post(admin, "/v1/tenants/lab/contracts", with(change)).await.problem("invalid");
        assert_eq!(problem["errors"][0]["option"], field, "{problem}");
    }
    let unknown = with(commit(json!({ "pool": "moon" })));
    let problem = platform.post(admin, "/v1/tenants/lab/contracts", unknown).await.problem("invalid");
    assert!(problem["detail"].as_str().unwrap().contains("moon"), "{problem}");
    let past = with(json!({ "from": "2020-01-01T00:00:00Z", "to": "2034-01-01T00:00:00Z" }));
    platform.post(admin, "/v1/tenants/lab/contracts", past).await.problem("wrong_state");
    platform.post(admin, "/v1/tenants/moon/contracts", terms()).await.problem("not_found");
}
