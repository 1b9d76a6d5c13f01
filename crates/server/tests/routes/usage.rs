//! Storage, traffic, requests and tokens through the API: billed once, each tenant's own, on statements, in reports and in exports.

use axum::body::Body;
use axum::http::{Request, header};
use base::{Money, Span};
use rating::tariff::UtcOffset;
use serde_json::{Value, json};

use crate::support::Platform;

fn money(value: &Value) -> Money {
    value.as_str().unwrap_or_else(|| panic!("{value}")).parse().unwrap()
}

/// Lab may use 2 GiB moved a month for its contract; storage, traffic and tokens have prices, requests have none.
async fn platform() -> (Platform, String, String) {
    let platform = Platform::start().await;
    for tenant in ["lab", "other"] {
        platform.tenant(tenant).await;
        platform
            .post(&platform.admin, &format!("/v1/tenants/{tenant}/wallet/top-ups"), json!({ "amount": "100" }))
            .await;
    }
    platform.user("olga", "owner", "lab").await;
    platform.user("oscar", "owner", "other").await;
    let items = json!([
        { "unit": "gib_month", "price": "0.73" },
        { "unit": "gib_moved", "price": "0.5" },
        { "unit": "kilotoken", "product": "maas", "price": "0.002" },
    ]);
    let book = json!({ "name": "all", "currency": "CNY", "core_hour": "0.1", "gib_hour": "0.01", "items": items });
    platform.post(&platform.admin, "/v1/prices", book).await.expect(201);
    // From the beginning of a month on, so that it includes all of a month's.
    let now = platform.running.app.clock.now();
    let begin = UtcOffset::UTC.start_of(UtcOffset::UTC.month_of(now).next());
    let terms = json!({
        "name": "bundle", "from": begin.rfc3339(), "to": (begin + Span::from_hours(24 * 300)).rfc3339(), "fee": "0.01",
        "include": [{ "unit": "gib_moved", "quantity": 2 }],
    });
    platform.post(&platform.admin, "/v1/tenants/lab/contracts", terms).await.expect(201);
    platform.pass(begin - now + Span::from_hours(2)).await;
    let owner = platform.token("olga", model::TokenScope::Full).await;
    let stranger = platform.token("oscar", model::TokenScope::Full).await;
    (platform, owner, stranger)
}

fn record(platform: &Platform, id: &str, unit: &str, pieces: u64) -> Value {
    let now = platform.running.app.clock.now();
    let begun = (now - Span::from_mins(5)).rfc3339();
    json!({
        "id": id, "tenant": "lab", "user": "olga", "unit": unit, "pieces": pieces.to_string(), "from": begun,
        "to": now.rfc3339(), "product": "maas", "label": "qwen",
    })
}

async fn report(platform: &Platform, records: &[Value]) -> Value {
    let admin = platform.token("admin", model::TokenScope::Full).await;
    platform.post(&admin, "/v1/usage", json!({ "source": "gateway", "records": records })).await.expect(200)
}

#[tokio::test]
async fn each_record_has_an_answer_of_its_own_and_is_billed_once() {
    let (platform, owner, stranger) = platform().await;
    let tokens = record(&platform, "t-1", "kilotoken", 1_500);
    let (mut nobody, mut changed) = (tokens.clone(), tokens.clone());
    (nobody["tenant"], nobody["id"]) = (json!("nobody"), json!("n"));
    changed["pieces"] = json!("1");
    let requests = record(&platform, "q", "request", 7);
    let moved = record(&platform, "m", "gib_moved", 3 << 30);
    let done = report(&platform, &[tokens.clone(), nobody, moved, requests.clone(), changed, tokens.clone()]).await;
    assert_eq!([&done["booked"], &done["again"], &done["refused"]], [&json!(3), &json!(1), &json!(3)], "{done}");
    let told: Vec<(&str, &str)> = done["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["id"].as_str().unwrap(), one["code"].as_str().or(one["charge"].as_str()).unwrap()))
        .collect();
    let expected = [
        ("t-1", "0.003"),
        ("n", "invalid"),
        ("m", "0.50"),
        ("q", "no_price"),
        ("t-1", "idempotency_key_reused"),
        ("t-1", "0.003"),
    ];
    assert_eq!(told, expected);
    assert!(done["results"][3]["detail"].as_str().unwrap().contains("no request item for tenant `lab`"), "{done}");
    // What was refused stays with whoever reports it, and is billed when there is a price.
    assert_eq!(report(&platform, &[requests]).await["refused"], 1);
    assert_eq!(report(&platform, &[tokens]).await["again"], 1, "another report of the same");

    let all = platform.get(&owner, "/v1/usage").await.expect(200);
    let [moved, tokens] = &all["items"].as_array().unwrap()[..] else { panic!("{all}") };
    assert_eq!([&moved["quantity"], &moved["included_quantity"]], [&json!("3.000000"), &json!("2.000000")]);
    assert_eq!(
        [&tokens["user_name"], &tokens["project_name"], &tokens["label"]],
        [&json!("olga"), &json!("default"), &json!("qwen")]
    );
    let page = platform.get(&owner, "/v1/usage?limit=1").await.expect(200);
    let next = format!("/v1/usage?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(platform.get(&owner, &next).await.expect(200)["items"][0]["number"], tokens["number"]);
    let sums = platform.get(&owner, "/v1/usage/sums?unit=gib_moved").await.expect(200);
    assert_eq!([&sums["items"][0]["records"], &sums["items"][0]["charge"]], [&json!(1), &json!("0.50")]);

    // Everybody sees their own, and only operators report.
    assert_eq!(platform.get(&stranger, "/v1/usage").await.expect(200)["items"], json!([]));
    assert_eq!(platform.get(&stranger, "/v1/usage/sums").await.expect(200)["items"], json!([]));
    platform.get(&stranger, "/v1/usage?tenant=lab").await.problem("not_found");
    let body = json!({ "source": "gateway", "records": [] });
    platform.post(&owner, "/v1/usage", body).await.problem("forbidden");
    let admin = platform.token("admin", model::TokenScope::Full).await;
    let own = json!({ "source": "platform", "records": [] });
    platform.post(&admin, "/v1/usage", own).await.problem("invalid");
    let months = platform.get(&owner, "/v1/contracts/1").await.expect(200);
    let line = months["months"].as_array().unwrap().iter().find(|month| month["line"] == 100).unwrap();
    assert_eq!(
        [&line["hours"], &line["drawn_hours"]].map(|text| text.as_str().unwrap().parse::<f64>().unwrap() > 0.0),
        [true; 2]
    );
}

#[tokio::test]
async fn statements_reports_and_exports_have_it() {
    let (platform, _, _) = platform().await;
    let gift = json!({ "amount": "0.001", "to": "2100-01-01T00:00:00Z", "note": "gift" });
    let admin = platform.token("admin", model::TokenScope::Full).await;
    platform.post(&admin, "/v1/tenants/lab/grants", gift).await.expect(201);
    let records = [record(&platform, "t", "kilotoken", 2_500), record(&platform, "m", "gib_moved", 3 << 30)];
    report(&platform, &records).await;
    let now = platform.running.app.clock.now();
    let month = UtcOffset::UTC.month_of(now);
    platform.pass(UtcOffset::UTC.start_of(month.next()) + Span::from_hours(1) - now).await;
    let admin = platform.token("admin", model::TokenScope::Full).await;
    platform.post(&admin, "/v1/statements", json!({ "tenant": "lab" })).await.expect(200);
    let told = platform.get(&admin, "/v1/statements?tenant=lab").await.expect(200);
    let path = format!("/v1/statements/{}", told["items"][0]["number"]);
    let detail = platform.get(&admin, &path).await.expect(200);
    let sum = |list: &Value, field: &str| list.as_array().unwrap().iter().map(|one| money(&one[field])).sum::<Money>();
    assert_eq!(sum(&detail["projects"], "due"), money(&detail["due"]), "{detail}");
    let usage = &detail["usage"];
    assert_eq!((sum(usage, "charges"), sum(usage, "credits")), (Money(505_000), Money(1_000)), "{usage}");
    let fields = |text: String, name: &str| -> Vec<String> {
        let heads: Vec<String> = text.lines().next().unwrap().split(',').map(str::to_owned).collect();
        let place = heads.iter().position(|head| head == name).unwrap_or_else(|| panic!("{name}: {heads:?}"));
        text.lines().skip(1).map(|line| line.split(',').nth(place).unwrap().to_owned()).collect()
    };
    let focus = platform.get(&admin, &format!("{path}?format=focus")).await.text();
    let cost: Money = fields(focus.clone(), "BilledCost").iter().map(|cost| cost.parse::<Money>().unwrap()).sum();
    assert_eq!(cost, money(&detail["due"]));
    let services = fields(focus, "ServiceCategory");
    for service in ["Networking", "AI and Machine Learning"] {
        assert!(services.iter().any(|one| one == service), "{services:?}");
    }
    let page = platform.get(&admin, &format!("{path}?format=html")).await.text();
    assert!(page.contains("kilotoken") && page.contains("2.500000"), "{page}");
    assert!(platform.get(&admin, &format!("{path}?format=xlsx")).await.body.starts_with(b"PK"));

    // The report of everything, the ledger and the export say the same.
    let revenue = revenue_of(&platform, "/revenue/usage").await;
    assert_eq!(revenue, Money(505_000));
    let report = platform.get(&admin, "/v1/reports/margin?by=tenant").await.expect(200);
    let lab = report["rows"].as_array().unwrap().iter().find(|row| row["keys"][0] == "lab").unwrap();
    // Margins have it by whatever they tell apart, less what the grant paid: there were no jobs.
    let earned = |told: &Value, list: &str| {
        let of = |field: &str| sum(&told[list], field);
        of("revenue") + of("uncollected")
    };
    for by in ["tenant", "project", "pool", "job"] {
        for currency in ["", "&currency=CNY"] {
            let margin = platform.get(&admin, &format!("/v1/margin?by={by}{currency}")).await.expect(200);
            let sums = (earned(&margin, "rows"), earned(&margin, "total"));
            assert_eq!(sums, (revenue - Money(1_000), revenue - Money(1_000)), "{by}: {margin}");
        }
    }
    let days = platform.get(&admin, "/v1/reports/margin?by=project").await.expect(200);
    let own = days["rows"].as_array().unwrap().iter().find(|row| row["keys"][0] == "default").unwrap();
    assert_eq!(money(&own["revenue"]) + money(&own["uncollected"]), revenue - Money(1_000), "{days}");
    // A bill lists it beside jobs, and asks for what was not written off.
    let bill = platform.get(&admin, "/v1/bill?tenant=lab").await.expect(200);
    assert_eq!((sum(&bill["usage"], "charge"), money(&bill["total"][0]["total"])), (revenue, revenue), "{bill}");
    assert_eq!(sum(&bill["usage"], "credited"), Money(1_000));
    let file = platform.get(&admin, "/v1/bill?tenant=lab&format=csv").await.text();
    let cost: Money = fields(file, "BilledCost").iter().map(|cost| cost.parse::<Money>().unwrap()).sum();
    assert_eq!(cost, revenue);
    let none = platform.get(&admin, "/v1/bill?tenant=lab&user=nobody").await.expect(200);
    assert_eq!(none.get("usage"), None, "{none}");
    // The month's fee of 0.01, in its part, is earned beside it.
    assert!(money(&lab["revenue"]) >= revenue - Money(1_000), "{report}");
    let export = platform.get(&admin, "/v1/exports/usage").await.text();
    let charged: Money = fields(export.clone(), "charge").iter().map(|charge| charge.parse::<Money>().unwrap()).sum();
    assert_eq!(charged, revenue, "{export}");
    let moved = platform.get(&admin, "/v1/exports/transfers").await.text();
    assert!(fields(moved, "usage").iter().any(|key| key.len() == 32));

    // What is reported of a closed month counts for the present one, and says so.
    let mut late = record(&platform, "late", "kilotoken", 1_000);
    late["from"] = json!((now - Span::from_mins(9)).rfc3339());
    late["to"] = late["from"].clone();
    assert_eq!(report_as(&platform, &admin, late).await["booked"], 1);
    let shown = platform.get(&admin, "/v1/usage?limit=1").await.expect(200);
    assert_eq!(shown["items"][0]["late"], true);
}

async fn revenue_of(platform: &Platform, end: &str) -> Money {
    let accounts = platform.running.app.store.accounts().await.unwrap();
    accounts.into_iter().filter(|account| account.code.as_str().ends_with(end)).map(|account| account.balance()).sum()
}

/// Tokens of two models, some of them output; of a model that nobody prices none.
#[tokio::test]
async fn models_have_prices_of_their_own() {
    let (platform, owner, _) = platform().await;
    let admin = platform.token("admin", model::TokenScope::Full).await;
    let items = json!([
        { "unit": "kilotoken", "model": "qwen-72b", "price": "0.004" },
        { "unit": "kilotoken", "model": "qwen-72b", "kind": "output", "price": "0.012" },
        { "unit": "kilotoken", "kind": "output", "product": "maas", "tenant": "lab", "price": "0.5" },
        { "unit": "request", "model": "embed", "price": "0.001" },
    ]);
    let book = json!({ "name": "models", "currency": "CNY", "core_hour": "0.1", "gib_hour": "0.01", "items": items });
    platform.post(&admin, "/v1/prices", book.clone()).await.expect(201);
    platform.pass(Span::from_mins(10)).await;
    let call = |id: &str, unit: &str, model: &str, kind: Option<&str>| {
        let mut record = record(&platform, id, unit, 2_000);
        (record["model"], record["kind"]) = (json!(model), json!(kind));
        record
    };
    let records = [
        call("a", "kilotoken", "qwen-72b", Some("input")),
        call("b", "kilotoken", "qwen-72b", None),
        call("c", "kilotoken", "qwen-72b", Some("output")),
        call("d", "kilotoken", "other", Some("output")),
        call("e", "request", "embed", None),
        call("f", "request", "other", None),
        call("g", "gib_moved", "qwen-72b", None),
    ];
    let done = report(&platform, &records).await;
    let told: Vec<&str> = done["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["code"].as_str().or(one["charge"].as_str()).unwrap())
        .collect();
    // Of the tenant's own price before that of the model.
    assert_eq!(told, ["0.008", "0.008", "1.00", "1.00", "2.00", "no_price", "invalid"], "{done}");
    let why = done["results"][5]["detail"].as_str().unwrap();
    assert!(why.contains("no request item") && why.contains("model `other`"), "{why}");

    let sums = platform.get(&owner, "/v1/usage/sums?unit=kilotoken&model=qwen-72b").await.expect(200);
    let kinds: Vec<&str> =
        sums["items"].as_array().unwrap().iter().map(|s| s["kind"].as_str().unwrap_or("-")).collect();
    assert_eq!(kinds.len(), 3, "{sums}");
    let bill = platform.get(&owner, "/v1/bill").await.expect(200);
    assert_eq!(bill["usage"].as_array().unwrap().len(), 5, "{bill}");

    // The same book tried on the month comes to what was charged; one without the item for output names what it lacks.
    let month = UtcOffset::UTC.month_of(platform.running.app.clock.now()).to_string();
    let tried = async |book: &Value| {
        platform.post(&admin, "/v1/prices/trial", json!({ "month": month, "book": book })).await.expect(200)
    };
    let total = tried(&book).await["total"].clone();
    assert_eq!((&total["records"], &total["records_unpriced"]), (&json!(5), &json!(0)), "{total}");
    let usage_revenue = revenue_of(&platform, "/revenue/usage").await;
    assert_eq!([&total["charged"], &total["usage_tried"]].map(money), [usage_revenue; 2], "{total}");
    let mut dearer = book.clone();
    dearer["items"][0]["price"] = json!("0.006");
    dearer["items"].as_array_mut().unwrap().remove(3);
    let trial = tried(&dearer).await;
    assert_eq!((&trial["total"]["records_unpriced"], &trial["total"]["difference"]), (&json!(1), &json!("-1.992")));
    assert!(trial["missing"][0].as_str().unwrap().contains("model `embed`"), "{trial}");
    // Work that runs is of no model.
    let mut wrong = book.clone();
    wrong["items"][0]["unit"] = json!("gib_moved");
    let problem = platform.post(&admin, "/v1/prices", wrong).await.problem("invalid");
    assert!(problem["detail"].as_str().unwrap().contains("requests and tokens alone"), "{problem}");
}

async fn report_as(platform: &Platform, token: &str, record: Value) -> Value {
    platform.post(token, "/v1/usage", json!({ "source": "gateway", "records": [record] })).await.expect(200)
}

#[tokio::test]
async fn what_lies_in_the_file_space_and_goes_in_and_out_is_counted_once() {
    const HELLO: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
    let (platform, owner, _) = platform().await;
    let start = json!({ "path": "hello", "size": 11, "sha256": HELLO });
    let begun = platform.post(&owner, "/v1/files/uploads", start).await.expect(201);
    let path = format!("/v1/files/uploads/{}?offset=0", begun["upload"].as_str().unwrap());
    let request = Request::put(path).header(header::AUTHORIZATION, format!("Bearer {owner}"));
    platform.raw(request.body(Body::from("hello world")).unwrap()).await.expect(200);
    assert_eq!(platform.get(&owner, "/v1/files/content?path=hello").await.text(), "hello world");
    platform.pass(Span::from_hours(3)).await;
    // Two servers that look, one after the other, and one that has forgotten what it did.
    let mut first = server::counting::State::default();
    for _ in 0..2 {
        first.look(&platform.running.app, 1).await.unwrap();
    }
    server::counting::State::default().look(&platform.running.app, 2).await.unwrap();
    let owner = platform.token("olga", model::TokenScope::Full).await;
    let sums = platform.get(&owner, "/v1/usage/sums").await.expect(200);
    let of = |unit: &str| sums["items"].as_array().unwrap().iter().find(|sum| sum["unit"] == unit).cloned();
    assert_eq!(of("gib_moved").map(|sum| sum["pieces"].clone()), Some(json!("22")), "{sums}");
    let stored = of("gib_month").unwrap();
    let hours = stored["records"].as_u64().unwrap();
    assert!((1..=3).contains(&hours), "{sums}");
    assert_eq!(stored["pieces"], json!((11 * hours * 3_600_000_000).to_string()), "{sums}");
}
