//! Tenants' statements, corrections and exports through the API: what they say is what the ledger has.

use std::collections::BTreeMap;

use axum::http::Method;
use base::{Money, Span, Timestamp};
use ledger::AccountKind;
use rating::tariff::UtcOffset;
use serde_json::{Value, json};

use crate::support::Platform;

const WORKS: &str = "#!/bin/sh\n#SBATCH --job-name=<melt> --ntasks=4 --mem=8G --time=60\nsleep 90\n";
const REASON: &str = "=cmd|' /C calc'!A0 <b>slow</b> & \"late\"";

fn money(value: &Value) -> Money {
    value.as_str().unwrap_or_else(|| panic!("{value}")).parse().unwrap()
}

async fn works(platform: &Platform, user: &str) -> String {
    let token = platform.token(user, model::TokenScope::Full).await;
    let job = platform.submit(&token, WORKS).await;
    platform.until(&token, &job, &["RUNNING"]).await;
    platform.pass(Span::from_secs(90)).await;
    platform.until(&token, &job, &["COMPLETED"]).await;
    job
}

/// An hour into the month that follows; gives the month that is over.
async fn next_month(platform: &Platform) -> String {
    let now = platform.running.app.clock.now();
    let month = UtcOffset::UTC.month_of(now);
    let then = UtcOffset::UTC.start_of(month.next()) + Span::from_hours(1);
    platform.pass(then - now).await;
    month.to_string()
}

async fn admin(platform: &Platform) -> String {
    platform.token("admin", model::TokenScope::Full).await
}

async fn balance(platform: &Platform, token: &str, tenant: &str) -> Money {
    money(&platform.get(token, &format!("/v1/tenants/{tenant}/wallet")).await.expect(200)["balance"])
}

/// CSV by RFC 4180 as rows of fields by heading; an empty field without quotes is null.
fn rows(text: &str) -> Vec<BTreeMap<String, Option<String>>> {
    let (mut all, mut row, mut field, mut quoted, mut within) = (Vec::new(), Vec::new(), String::new(), false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if within && chars.peek() == Some(&'"') => field.push(chars.next().unwrap()),
            '"' => (within, quoted) = (!within, true),
            ',' | '\n' if !within => {
                row.push((quoted || !field.is_empty()).then(|| std::mem::take(&mut field)));
                (field, quoted) = (String::new(), false);
                if c == '\n' {
                    all.push(std::mem::take(&mut row));
                }
            }
            '\r' if !within => {}
            c => field.push(c),
        }
    }
    assert!(row.is_empty() && field.is_empty(), "the last line has no end");
    let heads: Vec<String> = all.remove(0).into_iter().map(Option::unwrap).collect();
    all.into_iter()
        .map(|row| {
            assert_eq!(row.len(), heads.len(), "{row:?}");
            heads.iter().cloned().zip(row).collect()
        })
        .collect()
}

/// The columns that FOCUS 1.2 has in every data set, and which of them are never null.
const MANDATORY: [(&str, bool); 21] = [
    ("BilledCost", true),
    ("BillingAccountId", true),
    ("BillingAccountName", false),
    ("BillingCurrency", true),
    ("BillingPeriodEnd", true),
    ("BillingPeriodStart", true),
    ("ChargeCategory", true),
    ("ChargeClass", false),
    ("ChargeDescription", false),
    ("ChargePeriodEnd", true),
    ("ChargePeriodStart", true),
    ("ContractedCost", true),
    ("EffectiveCost", true),
    ("InvoiceIssuerName", true),
    ("ListCost", true),
    ("PricingQuantity", false),
    ("PricingUnit", false),
    ("ProviderName", true),
    ("PublisherName", true),
    ("ServiceCategory", true),
    ("ServiceName", true),
];

fn decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    all(whole) && all(part)
}

fn time(text: &str) -> Timestamp {
    assert!(text.len() == 20 && text.ends_with('Z'), "{text}");
    Timestamp::parse(text).unwrap()
}

/// What of a row breaks a rule of the specification.
fn focus_faults(row: &BTreeMap<String, Option<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut rule = |holds: bool, what: &str| {
        if !holds {
            faults.push(what.to_owned())
        }
    };
    let get = |name: &str| row.get(name).and_then(Option::as_deref);
    for (name, never_null) in MANDATORY {
        rule(row.contains_key(name), &format!("{name} is there"));
        rule(!never_null || get(name).is_some_and(|text| !text.is_empty()), &format!("{name} is not null"));
    }
    rule(row.values().all(|field| field.as_deref() != Some("")), "no field is an empty text");
    let costs = ["BilledCost", "ContractedCost", "EffectiveCost", "ListCost", "PricingQuantity", "ConsumedQuantity"];
    rule(costs.iter().all(|name| get(name).is_none_or(decimal)), "numbers are decimal");
    let category = get("ChargeCategory").unwrap_or_default();
    rule(["Usage", "Purchase", "Tax", "Credit", "Adjustment"].contains(&category), "a category of the list");
    rule(matches!(get("ChargeClass"), None | Some("Correction")), "a class of the list");
    rule(matches!(get("ChargeFrequency"), Some("One-Time" | "Recurring" | "Usage-Based")), "a frequency of the list");
    rule(!(category == "Purchase" && get("ChargeFrequency") == Some("Usage-Based")), "purchases are not by usage");
    rule(
        matches!(get("PricingCategory"), None | Some("Standard" | "Dynamic" | "Committed" | "Other")),
        "a pricing of the list",
    );
    rule(get("ServiceCategory") == Some("Compute"), "a service category of the list");
    rule(get("ServiceSubcategory") == Some("Other (Compute)"), "a subcategory of that category");
    let regular = category == "Usage" && get("ChargeClass").is_none();
    for name in ["PricingQuantity", "PricingUnit", "PricingCategory", "ConsumedQuantity", "ConsumedUnit"] {
        rule(!regular || get(name).is_some(), &format!("{name} of usage is not null"));
    }
    for name in ["PricingQuantity", "PricingUnit", "PricingCategory"] {
        let bought = category == "Purchase" && get("ChargeClass").is_none();
        rule(!bought || get(name).is_some(), &format!("{name} of what is bought is not null"));
    }
    rule(get("PricingUnit").is_some() == get("PricingQuantity").is_some(), "a quantity has a unit");
    rule(get("ConsumedUnit").is_some() == get("ConsumedQuantity").is_some(), "a consumed quantity has a unit");
    rule(category == "Usage" || get("ConsumedQuantity").is_none(), "only usage consumes");
    rule(get("ResourceId").is_some() == get("ResourceType").is_some(), "a resource has a type");
    rule(get("SubAccountId").is_some() == get("SubAccountType").is_some(), "a sub-account has a type");
    let currency = get("BillingCurrency").unwrap_or_default();
    rule(currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase()), "a currency of ISO 4217");
    let at = |name: &str| time(get(name).unwrap_or_default());
    let (from, to) = (at("BillingPeriodStart"), at("BillingPeriodEnd"));
    let (begin, end) = (at("ChargePeriodStart"), at("ChargePeriodEnd"));
    rule(from < to && begin < end && from <= begin && end <= to, "periods lie within one another");
    let known = |name: &String| {
        MANDATORY.iter().any(|m| m.0 == name)
            || name.starts_with("x_")
            || ["ChargeFrequency", "ConsumedQuantity", "ConsumedUnit", "InvoiceId", "PricingCategory", "ResourceId"]
                .contains(&&**name)
            || [
                "ResourceName",
                "ResourceType",
                "ServiceSubcategory",
                "SubAccountId",
                "SubAccountName",
                "SubAccountType",
            ]
            .contains(&&**name)
    };
    rule(row.keys().all(known), "other columns begin with x_");
    faults
}

#[test]
fn a_row_that_breaks_a_rule_is_found() {
    let row = || -> BTreeMap<String, Option<String>> {
        let text = "BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,\
            ChargeCategory,ChargeClass,ChargeDescription,ChargeFrequency,ChargePeriodEnd,ChargePeriodStart,ContractedCost,\
            EffectiveCost,InvoiceIssuerName,ListCost,PricingCategory,PricingQuantity,PricingUnit,ProviderName,PublisherName,\
            ServiceCategory,ServiceName,ServiceSubcategory,ConsumedQuantity,ConsumedUnit\n\
            1.50,t,t,CNY,2026-11-01T00:00:00Z,2026-10-01T00:00:00Z,Usage,,x,Usage-Based,2026-10-02T00:00:00Z,\
            2026-10-01T00:00:00Z,1.50,1.50,H,1.50,Standard,1,Hours,H,H,Compute,Batch,Other (Compute),1,Hours\n";
        rows(text).remove(0)
    };
    assert_eq!(focus_faults(&row()), Vec::<String>::new());
    for (name, value) in [
        ("BilledCost", None),
        ("BilledCost", Some("1,5")),
        ("ChargeCategory", Some("Refund")),
        ("ChargeClass", Some("Regular")),
        ("BillingCurrency", Some("yuan")),
        ("ChargePeriodEnd", Some("2026-12-02T00:00:00Z")),
        ("PricingQuantity", None),
        ("ServiceName", Some("")),
        ("Own", Some("x")),
        // What is bought is not consumed.
        ("ChargeCategory", Some("Purchase")),
    ] {
        let mut broken = row();
        broken.insert(name.into(), value.map(str::to_owned));
        assert_ne!(focus_faults(&broken), Vec::<String>::new(), "{name} {value:?}");
    }
}

#[tokio::test]
async fn fees_of_contracts_are_purchases() {
    let platform = Platform::start().await;
    platform.tenant("lab").await;
    platform.user("of-lab", "member", "lab").await;
    let token = admin(&platform).await;
    let terms = json!({
        "name": "cores", "tier": "long_term", "to": "2040-01-01T00:00:00Z", "fee": "31",
        "commit": [{ "unit": "core_hour", "hours": 1_000, "fee": "50" }],
    });
    platform.post(&token, "/v1/tenants/lab/contracts", terms).await.expect(201);
    works(&platform, "of-lab").await;
    next_month(&platform).await;
    let token = admin(&platform).await;
    platform.post(&token, "/v1/statements", json!({})).await.expect(200);
    let detail = platform.get(&token, "/v1/statements/1").await.expect(200);
    let (fees, due) = (money(&detail["fees"]), money(&detail["due"]));
    assert!(fees > Money::ZERO && fees <= Money::from_units(81), "{detail}");
    assert_eq!(due, fees + money(&detail["charges"]) + -money(&detail["refunds"]));

    let focus = rows(&platform.get(&token, "/v1/statements/1?format=focus").await.text());
    let field = |row: &BTreeMap<String, Option<String>>, name: &str| row[name].clone().unwrap_or_default();
    let cost = |row: &BTreeMap<String, Option<String>>| field(row, "BilledCost").parse::<Money>().unwrap();
    for row in &focus {
        assert_eq!(focus_faults(row), Vec::<String>::new(), "{row:?}");
    }
    let (bought, used): (Vec<_>, Vec<_>) = focus.iter().partition(|row| field(row, "ChargeCategory") == "Purchase");
    assert_eq!((bought.iter().map(|row| cost(row)).sum::<Money>(), focus.iter().map(cost).sum()), (fees, due));
    assert!(!bought.is_empty(), "{focus:?}");
    for row in &bought {
        let said =
            ["ChargeFrequency", "PricingCategory", "PricingQuantity", "PricingUnit"].map(|name| field(row, name));
        assert_eq!(said, ["Recurring", "Standard", "1", "Units"], "{row:?}");
        for none in ["ChargeClass", "ConsumedQuantity", "ConsumedUnit", "ResourceId", "SubAccountId", "x_JobNumber"] {
            assert_eq!(row[none], None, "{none}: {row:?}");
        }
        assert!(row["ChargeDescription"].is_some(), "{row:?}");
    }
    // What work drew on the contract is not charged again.
    assert!(used.iter().all(|row| field(row, "ChargeCategory") == "Usage"), "{focus:?}");
    let own = rows(&platform.get(&token, "/v1/statements/1?format=csv").await.text());
    let own_fees = own.iter().filter(|row| field(row, "kind") == "fee");
    assert_eq!(own_fees.map(|row| field(row, "amount").parse::<Money>().unwrap()).sum::<Money>(), fees);
}

#[tokio::test]
async fn what_is_written_off_is_told_and_asked_of_nobody() {
    let platform = Platform::start().await;
    platform.tenant("lab").await;
    let user = platform.user("of-lab", "member", "lab").await;
    let token = admin(&platform).await;
    // Held at the first price; then all becomes a thousand times as dear, and the wallet is emptied.
    let held = WORKS.replace("--time=60", "--time=60 --hold");
    let job = platform.submit(&user, &held).await;
    let wallet = platform.get(&token, "/v1/tenants/lab/wallet").await.expect(200);
    let less = json!({ "amount": (-money(&wallet["available"])).to_string() });
    let dear = json!({ "name": "dear", "currency": "CNY", "core_hour": "900", "gib_hour": "90" });
    platform.post(&token, "/v1/prices", dear).await.expect(201);
    platform.post(&token, "/v1/tenants/lab/wallet/top-ups", less).await.expect(200);
    platform.post(&user, &format!("/v1/jobs/{job}/release"), json!({})).await;
    platform.until(&user, &job, &["RUNNING"]).await;
    platform.pass(Span::from_secs(90)).await;
    let ends = ["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"];
    platform.until(&user, &job, &ends).await;
    let charged = money(&platform.get(&token, &format!("/v1/jobs/{job}")).await.expect(200)["charged"]);
    next_month(&platform).await;
    let token = admin(&platform).await;
    platform.post(&token, "/v1/statements", json!({})).await.expect(200);
    let detail = platform.get(&token, "/v1/statements/1").await.expect(200);
    let (due, off) = (money(&detail["due"]), money(&detail["written_off"]));
    let account = platform.running.app.store.account(&engine::uncollected_code(base::Currency::CNY)).await.unwrap();
    assert!(off > Money::ZERO, "{detail}");
    assert_eq!((off, due + off), (account.unwrap().balance(), charged), "{detail}");
    let focus = rows(&platform.get(&token, "/v1/statements/1?format=focus").await.text());
    let cost = |row: &BTreeMap<String, Option<String>>| row["BilledCost"].as_deref().unwrap().parse::<Money>().unwrap();
    assert_eq!(focus.iter().map(cost).sum::<Money>(), due, "{focus:?}");
    for row in &focus {
        assert_eq!(focus_faults(row), Vec::<String>::new(), "{row:?}");
    }
    let told = rows(&platform.get(&token, "/v1/exports/statements").await.text());
    assert_eq!(told[0]["written_off"].as_deref().unwrap().parse::<Money>().unwrap(), off);
}

struct Scene {
    platform: Platform,
    /// Of lab; the first was corrected.
    jobs: Vec<String>,
    month: String,
}

/// Two tenants with work, corrections and a withdrawal in a month that is over.
async fn scene() -> Scene {
    let platform = Platform::start().await;
    for tenant in ["lab", "shop"] {
        platform.tenant(tenant).await;
        platform.user(&format!("of-{tenant}"), "member", tenant).await;
    }
    platform.user("olga", "owner", "lab").await;
    let jobs = vec![works(&platform, "of-lab").await, works(&platform, "of-lab").await];
    works(&platform, "of-shop").await;
    let token = admin(&platform).await;
    let correct = |body: Value| platform.post(&token, "/v1/tenants/lab/corrections", body);
    correct(json!({ "amount": "-0.015", "job": jobs[0], "reason": REASON })).await.expect(201);
    correct(json!({ "amount": "0.25", "reason": "a licence" })).await.expect(201);
    platform.post(&token, "/v1/tenants/lab/wallet/top-ups", json!({ "amount": "-100" })).await.expect(200);
    platform.call(&token, Method::PUT, "/v1/tenants/lab/tax", Some(json!({ "tax_ppm": 60_000 }))).await.expect(200);
    platform.post(&token, "/v1/statements", json!({ "month": "2300-01" })).await.problem("wrong_state");
    let month = next_month(&platform).await;
    Scene { platform, jobs, month }
}

#[tokio::test]
async fn a_month_is_closed_once_and_says_what_the_ledger_has() {
    let Scene { platform, month, .. } = scene().await;
    let token = admin(&platform).await;
    let done = platform.post(&token, "/v1/statements", json!({})).await.expect(200);
    assert_eq!(
        (&done["month"], &done["closed"], &done["first"], &done["more"]),
        (&json!(month), &json!(2), &json!(1), &json!(false))
    );
    let again = platform.post(&token, "/v1/statements", json!({ "month": month })).await.expect(200);
    assert_eq!(again["closed"], 0);
    platform.post(&token, "/v1/statements", json!({ "month": month, "tenant": "lab" })).await.problem("wrong_state");

    let list = platform.get(&token, "/v1/statements").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    for one in list["items"].as_array().unwrap() {
        let [opening, paid, out, charges, refunds, corrected, due, closing] =
            ["opening", "top_ups", "withdrawals", "charges", "refunds", "corrections", "due", "closing"]
                .map(|field| money(&one[field]));
        assert_eq!(opening, Money::ZERO);
        assert_eq!(paid - out - due, closing, "{one}");
        assert_eq!(charges - refunds + corrected, due);
        assert!(charges > Money::ZERO);
        assert_eq!(closing, balance(&platform, &token, one["tenant_name"].as_str().unwrap()).await);
    }
    let mine = platform.get(&token, "/v1/statements?tenant=lab").await.expect(200);
    let lab = &mine["items"][0];
    assert_eq!((money(&lab["corrections"]), money(&lab["withdrawals"])), (Money(235_000), Money::from_units(100)));
    let (due, tax) = (money(&lab["due"]).0, money(&lab["tax"]).0);
    assert_eq!(tax, (due * 60_000 + 530_000) / 1_060_000, "{lab}");
    let number = lab["number"].as_u64().unwrap();
    let path = format!("/v1/statements/{number}");

    // Everybody's eyes.
    let owner = platform.token("olga", model::TokenScope::Read).await;
    let seen = platform.get(&owner, "/v1/statements").await.expect(200);
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    platform.get(&owner, &path).await.expect(200);
    platform.get(&owner, &format!("/v1/statements/{}", 3 - number)).await.problem("not_found");
    let member = platform.token("of-lab", model::TokenScope::Full).await;
    platform.get(&member, &path).await.problem("forbidden");

    // The invoice, once.
    let invoice = json!({ "invoice": "FP-2026-7" });
    let set = platform.call(&token, Method::PUT, &format!("{path}/invoice"), Some(invoice.clone())).await.expect(200);
    assert_eq!(set["invoice"], "FP-2026-7");
    platform.call(&token, Method::PUT, &format!("{path}/invoice"), Some(invoice)).await.problem("wrong_state");

    // Nothing of a closed month changes; the next one follows on.
    works(&platform, "of-lab").await;
    next_month(&platform).await;
    let token = admin(&platform).await;
    let before = platform.get(&token, &path).await.expect(200);
    platform.post(&token, "/v1/statements", json!({ "tenant": "lab" })).await.expect(200);
    assert_eq!(platform.get(&token, &path).await.expect(200), before);
    let next = &platform.get(&token, "/v1/statements?tenant=lab").await.expect(200)["items"][0];
    assert_eq!((&next["number"], &next["opening"]), (&json!(3), &lab["closing"]));
}

#[tokio::test]
async fn a_statement_is_written_out_in_every_form() {
    let Scene { platform, jobs, .. } = scene().await;
    let token = admin(&platform).await;
    platform.post(&token, "/v1/statements", json!({ "tenant": "lab" })).await.expect(200);
    // A correction of the month before, by hand, in the next one.
    platform
        .post(&token, "/v1/tenants/lab/corrections", json!({ "amount": "-0.01", "job": jobs[1], "reason": "late" }))
        .await
        .expect(201);
    // Part of a job is paid by a grant: its charge is there in full, and a credit beside it.
    let gift = json!({ "amount": "0.001", "to": "2100-01-01T00:00:00Z", "note": "gift" });
    platform.post(&token, "/v1/tenants/lab/grants", gift).await.expect(201);
    works(&platform, "of-lab").await;
    next_month(&platform).await;
    let token = admin(&platform).await;
    platform.post(&token, "/v1/statements", json!({ "tenant": "lab" })).await.expect(200);
    for (number, corrections) in [(1, 1), (2, 1)] {
        let path = format!("/v1/statements/{number}");
        let detail = platform.get(&token, &path).await.expect(200);
        let due = money(&detail["due"]);
        for parts in ["projects", "users"] {
            let sum: Money = detail[parts].as_array().unwrap().iter().map(|part| money(&part["due"])).sum();
            assert_eq!(sum, due, "{parts}: {detail}");
        }
        let focus = platform.get(&token, &format!("{path}?format=focus")).await;
        let focus = rows(&focus.text());
        for row in &focus {
            assert_eq!(focus_faults(row), Vec::<String>::new(), "{row:?}");
        }
        let cost =
            |row: &BTreeMap<String, Option<String>>| row["BilledCost"].as_deref().unwrap().parse::<Money>().unwrap();
        assert_eq!(focus.iter().map(cost).sum::<Money>(), due, "{focus:?}");
        let corrected = focus.iter().filter(|row| row["ChargeClass"].is_some()).count();
        assert_eq!(corrected, corrections, "{focus:?}");
        let credits: Vec<Money> =
            focus.iter().filter(|row| row["ChargeCategory"].as_deref() == Some("Credit")).map(cost).collect();
        let given = if number == 2 { vec![Money(-1_000)] } else { Vec::new() };
        assert_eq!(credits, given, "{focus:?}");
        let parts = detail["jobs"].as_array().unwrap().iter().map(|job| -money(&job["credits"])).sum::<Money>();
        assert_eq!(parts, given.into_iter().sum::<Money>(), "{detail}");
        let own = rows(&platform.get(&token, &format!("{path}?format=csv")).await.text());
        let moved: Money = own.iter().map(|row| row["amount"].as_deref().unwrap().parse::<Money>().unwrap()).sum();
        assert_eq!(moved, money(&detail["opening"]) - money(&detail["closing"]), "every movement is a line");
    }
    // Its jobs a page at a time, and the balances without any sums.
    let whole = platform.get(&token, "/v1/statements/1").await.expect(200);
    assert_eq!((&whole["jobs_total"], whole["jobs"].as_array().unwrap().len()), (&json!(2), 2), "{whole}");
    let first = platform.get(&token, "/v1/statements/1/jobs?limit=1").await.expect(200);
    let next = format!("/v1/statements/1/jobs?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = platform.get(&token, &next).await.expect(200);
    assert_eq!(json!([first["items"][0], second["items"][0]]), whole["jobs"]);
    assert_eq!(second["next_cursor"], Value::Null, "{second}");
    let head = platform.get(&token, "/v1/statements/1?parts=false").await.expect(200);
    assert_eq!((&head["due"], &head["corrections_made"]), (&whole["due"], &whole["corrections_made"]));
    assert_eq!((&head["projects"], &head["jobs"]), (&json!([]), &json!([])));
    platform.get(&token, "/v1/statements/1/jobs?cursor=x").await.problem("bad_cursor");
    let other = platform.token("of-shop", model::TokenScope::Read).await;
    platform.get(&other, "/v1/statements/1/jobs").await.problem("forbidden");
    let owner = platform.token("olga", model::TokenScope::Read).await;
    assert_eq!(platform.get(&owner, "/v1/statements/1/jobs").await.expect(200)["items"], whole["jobs"]);
    let focus = platform.get(&token, "/v1/statements/1?format=focus").await.text();
    assert!(focus.contains("\"'=cmd|' /C calc'!A0 <b>slow</b> & \"\"late\"\"\""), "{focus}");
    for (lang, word) in [("en", "Amount due"), ("zh", "应付金额")] {
        let page = platform.get(&token, &format!("/v1/statements/1?format=html&lang={lang}")).await.text();
        assert!(page.contains(word) && page.contains("&lt;b&gt;slow&lt;/b&gt; &amp; &quot;late&quot;"), "{page}");
        assert!(page.contains("&lt;melt&gt;"), "names of jobs are shown: {page}");
        assert!(!page.contains("<b>") && !page.contains("<script"), "{page}");
    }
    platform.get(&token, "/v1/statements/1?format=html&lang=xx").await.problem("invalid");
    let sheet = platform.get(&token, "/v1/statements/1?format=xlsx").await;
    assert_eq!((sheet.status.as_u16(), &sheet.body[..2]), (200, &b"PK"[..]));
}

#[tokio::test]
async fn a_correction_is_beside_what_was_billed_and_within_the_reports() {
    let Scene { platform, jobs, .. } = scene().await;
    let token = admin(&platform).await;
    let job = platform.get(&token, &format!("/v1/jobs/{}", jobs[0])).await.expect(200);
    assert!(money(&job["charged"]) > Money::ZERO);
    assert_eq!(
        (&job["corrections"][0]["amount"], &job["corrections"][0]["reason"]),
        (&json!("-0.015"), &json!(REASON))
    );
    let bill = platform.get(&token, &format!("/v1/bill?job={}", jobs[0])).await.expect(200);
    assert_eq!((&bill["total"][0]["total"], &bill["total"][0]["corrected"]), (&job["charged"], &json!("-0.015")));
    // More than the wallet has; of a job of somebody else; of nothing.
    let correct = |body: Value| platform.post(&token, "/v1/tenants/lab/corrections", body);
    let missing = correct(json!({ "amount": "5000", "reason": "x" })).await.problem("insufficient_funds");
    assert!(missing["detail"].as_str().unwrap().contains("missing"), "{missing}");
    platform
        .post(&token, "/v1/tenants/shop/corrections", json!({ "amount": "1", "job": jobs[0], "reason": "x" }))
        .await
        .problem("invalid");
    correct(json!({ "amount": "0", "reason": "x" })).await.problem("invalid");
    correct(json!({ "amount": "1", "reason": " " })).await.problem("invalid");

    let accounts = platform.running.app.store.accounts().await.unwrap();
    let of = |kind| accounts.iter().filter(move |account| account.kind == kind);
    let written_off: Money =
        of(AccountKind::Expense).filter(|a| a.code.as_str().ends_with("/uncollected")).map(|a| a.balance()).sum();
    let revenue: Money = of(AccountKind::Income).map(|a| a.balance()).sum::<Money>() - written_off;
    let sum = |rows: &Value| rows.as_array().unwrap().iter().map(|row| money(&row["revenue"])).sum::<Money>();
    for by in ["tenant", "tenant,project", "pool,line", "day"] {
        let report = platform.get(&token, &format!("/v1/reports/margin?by={by}")).await.expect(200);
        assert_eq!((sum(&report["rows"]), sum(&report["total"])), (revenue, revenue), "{by}: {report}");
    }
    for by in ["tenant", "project", "pool", "job"] {
        let report = platform.get(&token, &format!("/v1/margin?by={by}")).await.expect(200);
        assert_eq!((sum(&report["rows"]), sum(&report["total"])), (revenue, revenue), "{by}: {report}");
    }
    let report = platform.get(&token, "/v1/reports/margin").await.expect(200);
    let lab = report["rows"].as_array().unwrap().iter().find(|row| row["keys"][0] == "lab").unwrap();
    let due = Money::from_units(900) - balance(&platform, &token, "lab").await;
    assert_eq!(money(&lab["revenue"]), due, "{report}");
}

#[tokio::test]
async fn exports_hold_all_that_the_books_do() {
    let Scene { platform, .. } = scene().await;
    let token = admin(&platform).await;
    platform.post(&token, "/v1/statements", json!({})).await.expect(200);
    let export = async |what: &str| rows(&platform.get(&token, &format!("/v1/exports/{what}")).await.text());
    let amount = |row: &BTreeMap<String, Option<String>>, name: &str| -> Money {
        let text = row[name].as_deref().unwrap();
        assert_eq!(text.split_once('.').map(|(_, part)| part.len()), Some(6), "{name}: {text}");
        text.parse().unwrap()
    };
    let mut balances: BTreeMap<String, Money> = BTreeMap::new();
    for row in export("transfers").await {
        let moved = amount(&row, "amount");
        *balances.entry(row["debit"].clone().unwrap()).or_default() += moved;
        *balances.entry(row["credit"].clone().unwrap()).or_default() += -moved;
    }
    for account in platform.running.app.store.accounts().await.unwrap() {
        let debits = balances.get(account.code.as_str()).copied().unwrap_or(Money::ZERO);
        assert_eq!(debits, account.debits - account.credits, "{}", account.code);
    }
    let intervals = export("intervals").await;
    let charged: Money = intervals.iter().map(|row| amount(row, "charge")).sum();
    let settled = balances.iter().find(|(code, _)| code.ends_with("/revenue/compute")).map(|(_, sum)| -*sum).unwrap();
    assert_eq!(charged + Money(235_000), settled, "what was metered, and what was corrected");
    assert!(intervals.iter().all(|row| row["price_book"].is_some() && row["class"].as_deref() == Some("normal")));
    let statements = export("statements").await;
    assert_eq!(statements.len(), 2);
    assert_eq!(export("corrections").await.len(), 2);
    let books = export("prices").await;
    let book: Value = serde_json::from_str(books[0]["book"].as_deref().unwrap()).unwrap();
    assert!(!book["items"].as_array().unwrap().is_empty(), "{book}");
    let lab = rows(&platform.get(&token, "/v1/exports/transfers?tenant=lab").await.text());
    assert!(
        lab.iter().all(|row| [&row["debit"], &row["credit"]].iter().any(|c| c.as_deref().unwrap().contains("/wallet")))
    );
    platform.get(&token, "/v1/exports/everything").await.problem("not_found");
    let owner = platform.token("olga", model::TokenScope::Full).await;
    platform.get(&owner, "/v1/exports/transfers").await.problem("forbidden");
}
