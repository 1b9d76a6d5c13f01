//! Rates between currencies through the API: told by operators, read by auditors, and reports that convert each day's amounts by them or
//! say which one they lack.

use base::{Money, Span};
use rating::rates::Worth;
use serde_json::{Value, json};

use crate::support::Platform;

const WORKS: &str = "#!/bin/sh\n#SBATCH --ntasks=4 --mem=8G --time=60\nsleep 90\n";

fn money(value: &Value) -> Money {
    value.as_str().unwrap().parse().unwrap()
}

fn sum(rows: &Value, field: &str) -> Money {
    rows.as_array().unwrap().iter().map(|row| money(&row[field])).sum()
}

/// What of a currency the rows of a report by day have, by day.
fn by_day(report: &Value, currency: &str) -> Vec<(String, Money)> {
    let rows = report["rows"].as_array().unwrap().iter().filter(|row| row["currency"] == currency);
    let rows = rows.map(|row| (row["keys"][0].as_str().unwrap().to_owned(), money(&row["revenue"])));
    rows.filter(|(_, revenue)| *revenue != Money::ZERO).collect()
}

#[tokio::test]
async fn rates_are_told_by_operators_and_stay_as_they_were_told() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    let told = json!({ "of": "USD", "into": "CNY", "worth": "7.1234", "from": "2026-11-01" });
    let rate = platform.post(admin, "/v1/rates", told.clone()).await.expect(201);
    assert_eq!((&rate["number"], &rate["worth"], &rate["holds"]), (&json!(1), &json!("7.1234"), &json!(true)));
    assert_eq!(rate["by"], "admin");
    assert_eq!(platform.post(admin, "/v1/rates", told).await.expect(201)["number"], 1, "the same is known");
    let again =
        |reason: &str| json!({ "of": "USD", "into": "CNY", "worth": "7.2", "from": "2026-11-01", "reason": reason });
    let refused = platform.post(admin, "/v1/rates", again("")).await.problem("invalid");
    assert!(refused["detail"].as_str().unwrap().contains("reason"), "{refused}");
    platform.post(admin, "/v1/rates", again("misread")).await.expect(201);
    let back = json!({ "of": "CNY", "into": "USD", "worth": "0.139" });
    platform.post(admin, "/v1/rates", back).await.expect(201);

    let all = platform.get(admin, "/v1/rates").await.expect(200);
    let shown: Vec<Value> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!([one["number"], one["holds"], one["reason"]]))
        .collect();
    assert_eq!(shown, [json!([3, true, ""]), json!([2, true, "misread"]), json!([1, false, ""])]);
    let sheet = platform.get(admin, "/v1/exports/rates").await.text();
    let exported: Vec<Vec<&str>> = sheet.lines().skip(1).map(|line| line.split(',').take(7).collect()).collect();
    let today = exported[0][4];
    assert_eq!(exported[0], ["3", "CNY", "USD", "0.139", today, "true", ""]);
    assert_eq!(exported[1], ["2", "USD", "CNY", "7.2", "2026-11-01", "true", "misread"]);
    assert_eq!(exported[2], ["1", "USD", "CNY", "7.1234", "2026-11-01", "false", ""]);
    let page = platform.get(admin, "/v1/rates?of=USD&into=CNY&limit=1").await.expect(200);
    assert_eq!(page["items"][0]["number"], 2);
    let next = format!("/v1/rates?of=USD&into=CNY&limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(platform.get(admin, &next).await.expect(200)["items"][0]["number"], 1);
    let audit = platform.get(admin, "/v1/audit").await.expect(200).to_string();
    assert!(audit.contains("1 USD = 7.2 CNY from 2026-11-01 on, in place of 7.1234 (rate 1): misread"), "{audit}");

    for (field, bad) in
        [("of", "usd"), ("into", "USD"), ("worth", "0"), ("worth", "1.0000000001"), ("from", "1.11.2026")]
    {
        let mut body = json!({ "of": "USD", "into": "CNY", "worth": "7", "from": "2026-12-01" });
        body[field] = json!(bad);
        platform.post(admin, "/v1/rates", body).await.problem("invalid");
    }
    platform.tenant("lab").await;
    let owner = platform.user("owner", "owner", "lab").await;
    platform.get(&owner, "/v1/rates").await.problem("forbidden");
    platform.post(&owner, "/v1/rates", again("cheaper")).await.problem("forbidden");
}

#[tokio::test]
async fn a_report_in_one_currency_converts_each_day_by_its_rate_or_says_which_it_lacks() {
    // Dear enough that a moment costs something.
    let platform = Platform::with(&[("cost.purchase_price", "6000000000")]).await;
    let admin = &platform.admin;
    let book = json!({ "name": "dollars", "currency": "USD", "core_hour": "0.37", "gib_hour": "0.013" });
    platform.post(admin, "/v1/prices", book).await.expect(201);
    platform.tenant("lab").await;
    let abroad = json!({ "name": "abroad", "currency": "USD", "credit_limit": "100" });
    platform.post(admin, "/v1/tenants", abroad).await.expect(201);
    platform.user("anna", "member", "lab").await;
    platform.user("bob", "member", "abroad").await;
    for _ in 0..2 {
        for user in ["anna", "bob"] {
            let token = platform.token(user, model::TokenScope::Full).await;
            let job = platform.submit(&token, WORKS).await;
            platform.until(&token, &job, &["RUNNING"]).await;
            platform.pass(Span::from_secs(90)).await;
            platform.until(&token, &job, &["COMPLETED"]).await;
        }
        platform.pass(Span::from_hours(24)).await;
    }
    let admin = &platform.token("admin", model::TokenScope::Full).await;
    let report = async |query: &str| platform.get(admin, &format!("/v1/reports/{query}")).await;
    let plain = report("margin?by=day").await.expect(200);
    let (dollars, yuan) = (by_day(&plain, "USD"), by_day(&plain, "CNY"));
    assert_eq!(dollars.len(), 2, "{plain}");

    // Nothing is converted until every day has a rate, and what is lacking is named.
    let first = &dollars[0].0;
    for kind in ["margin?by=tenant&", "pools?", "tenants?", "mix?"] {
        let lacking = report(&format!("{kind}currency=CNY")).await.problem("invalid");
        let detail = lacking["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("no rate of USD into CNY is known for {first}")), "{kind}: {detail}");
        assert!(detail.contains(&format!("hw rates set USD CNY RATE --from {first}")), "{kind}: {detail}");
    }
    let worth = ["7.123456789", "6.9"];
    for (n, (day, _)) in dollars.iter().enumerate().rev() {
        let lacking = platform.get(admin, "/v1/margin?currency=CNY").await.problem("invalid");
        assert!(lacking["detail"].as_str().unwrap().contains(first), "the first day that needs one: {lacking}");
        let told = json!({ "of": "USD", "into": "CNY", "worth": worth[n], "from": day });
        platform.post(admin, "/v1/rates", told).await.expect(201);
    }

    let convert = |amount: Money, n: usize| worth[n].parse::<Worth>().unwrap().convert(amount).unwrap();
    let from_abroad: Money = dollars.iter().enumerate().map(|(n, (_, amount))| convert(*amount, n)).sum();
    let revenue = yuan.iter().map(|(_, amount)| *amount).sum::<Money>() + from_abroad;
    let cost = sum(&plain["rows"], "cost");
    assert!(cost > Money::ZERO);
    for kind in ["tenant", "day,tenant", "month", "pool,line", "project,mode", "season,supplier", "user", "user,day"] {
        let told = report(&format!("margin?by={kind}&currency=CNY")).await.expect(200);
        assert_eq!(told["total"].as_array().unwrap().len(), 1, "one currency: {told}");
        for rows in [&told["rows"], &told["total"]] {
            assert_eq!((sum(rows, "revenue"), sum(rows, "cost")), (revenue, cost), "{kind}: {told}");
            assert_eq!(sum(rows, "margin"), revenue - cost, "{kind}: {told}");
        }
    }
    let by_tenant = report("margin?by=tenant&currency=CNY").await.expect(200);
    let row = by_tenant["rows"].as_array().unwrap().iter().find(|row| row["keys"][0] == "abroad").unwrap();
    assert_eq!((&row["currency"], money(&row["revenue"])), (&json!("CNY"), from_abroad));
    let tenants = report("tenants?currency=CNY").await.expect(200);
    assert_eq!((sum(&tenants["total"], "revenue"), &tenants["total"][0]["active_users"]), (revenue, &json!(2)));
    let mix = report("mix?currency=CNY").await.expect(200);
    assert_eq!((sum(&mix["rows"], "revenue"), sum(&mix["rows"], "cost")), (revenue, cost), "{mix}");
    let pools = report("pools?currency=CNY").await.expect(200);
    assert_eq!((sum(&pools["rows"], "revenue"), sum(&pools["rows"], "cost")), (revenue, cost), "{pools}");

    // The other way needs rates of its own; nothing is turned round.
    let other = report("margin?currency=USD").await.problem("invalid");
    assert!(other["detail"].as_str().unwrap().contains("no rate of CNY into USD"), "{other}");
    report("margin?currency=yuan").await.problem("invalid");

    // What work earned, by the intervals themselves: converted, or each currency by itself, cost in the operator's.
    for by in ["tenant", "job", "pool", "project"] {
        let margin = platform.get(admin, &format!("/v1/margin?by={by}&currency=CNY")).await.expect(200);
        assert_eq!((sum(&margin["rows"], "revenue"), sum(&margin["total"], "revenue")), (revenue, revenue), "{margin}");
        let apart = platform.get(admin, &format!("/v1/margin?by={by}")).await.expect(200);
        let total = |currency: &str| {
            let found = apart["total"].as_array().unwrap().iter().find(|row| row["currency"] == currency);
            found.map(|row| (money(&row["revenue"]), money(&row["cost"]))).unwrap()
        };
        assert_eq!(total("USD"), (dollars.iter().map(|(_, m)| *m).sum(), Money::ZERO), "{apart}");
        assert_eq!(total("CNY").1, sum(&margin["total"], "cost"), "{apart}");
    }
    // A later word about a day counts at once, and what was is still told.
    let mended = json!({ "of": "USD", "into": "CNY", "worth": "7", "from": first, "reason": "the bank's word" });
    platform.post(admin, "/v1/rates", mended).await.expect(201);
    let after = report("margin?currency=CNY").await.expect(200);
    let by = |n: usize| "7".parse::<Worth>().unwrap().convert(dollars[n].1).unwrap();
    assert_eq!(sum(&after["total"], "revenue") - revenue, by(0) - convert(dollars[0].1, 0), "{after}");
}
