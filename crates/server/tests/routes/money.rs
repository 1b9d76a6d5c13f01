//! Wallets, prices, bills and margins through the API, and what the operator offers.

use base::Span;
use serde_json::{Value, json};

use crate::support::{CORES, Platform};

const WORKS: &str =
    "#!/bin/sh\n#SBATCH --job-name==evil --ntasks=4 --mem=8G --time=60\necho begin\nsleep 90\necho end\n";

#[tokio::test]
async fn work_appears_on_the_bill_and_in_the_margin() {
    let platform = Platform::start().await;
    platform.tenant("lab").await;
    let anna = platform.user("anna", "member", "lab").await;
    let job = platform.submit(&anna, WORKS).await;
    let held = platform.get(&anna, "/v1/tenants/lab/wallet").await.expect(200);
    assert_ne!(held["held"], "0.00");
    platform.until(&anna, &job, &["RUNNING"]).await;
    platform.pass(Span::from_secs(90)).await;
    let shown = platform.until(&anna, &job, &["COMPLETED"]).await;
    let charged = shown["charged"].as_str().unwrap();
    assert_ne!(charged, "0.00");

    let bill = platform.get(&anna, "/v1/bill").await.expect(200);
    let line = &bill["lines"][0];
    assert_eq!((&line["job"], &line["charge"], &line["currency"]), (&json!(job), &json!(charged), &json!("CNY")));
    assert_eq!(bill["total"], json!([{ "currency": "CNY", "total": charged }]));
    assert_eq!((&line["pool"], &line["user"]), (&json!("main"), &json!("anna")));
    let csv = platform.get(&anna, "/v1/bill?format=csv").await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    assert!(csv.text().starts_with("BilledCost,") && csv.text().contains("\"'=evil\""), "{}", csv.text());
    for (query, lines) in
        [("job=1", 1), ("user=anna", 1), ("user=admin", 0), ("project=default", 1), ("to=2020-01-01T00:00:00Z", 0)]
    {
        let bill = platform.get(&anna, &format!("/v1/bill?{query}")).await.expect(200);
        assert_eq!(bill["lines"].as_array().unwrap().len(), lines, "{query}");
    }
    platform.get(&anna, "/v1/bill?from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z").await.problem("invalid");

    let wallet = platform.get(&anna, "/v1/tenants/lab/wallet").await.expect(200);
    assert_eq!(wallet["held"], "0.00");
    let transfers = platform.get(&anna, "/v1/tenants/lab/transfers").await.expect(200);
    let items = transfers["items"].as_array().unwrap();
    assert_eq!(
        (&items[items.len() - 1]["reason"], &items[items.len() - 1]["amount"]),
        (&json!("top_up"), &json!("1000.00"))
    );
    assert!(items.iter().any(|t| t["reason"] == "settle" && t["job"] == json!(job)), "{transfers}");
    let intervals = platform.get(&anna, &format!("/v1/jobs/{job}/intervals")).await.expect(200);
    assert!(!intervals["items"].as_array().unwrap().is_empty());

    let margin = platform.get(&platform.admin, "/v1/margin?by=tenant").await.expect(200);
    assert_eq!((&margin["rows"][0]["name"], &margin["rows"][0]["revenue"]), (&json!("lab"), &json!(charged)));
    assert_eq!(margin["total"][0]["revenue"], charged);
    for by in ["job", "pool", "project"] {
        let margin = platform.get(&platform.admin, &format!("/v1/margin?by={by}")).await.expect(200);
        assert_eq!(margin["rows"].as_array().unwrap().len(), 1, "{by}");
    }
}

#[tokio::test]
async fn a_bill_over_several_currencies_has_a_total_in_each() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    let bill = async |query: &str| platform.get(admin, &format!("/v1/bill{query}")).await.expect(200);
    assert_eq!(bill("").await["total"], json!([{ "currency": "CNY", "total": "0.00" }]));
    let book = json!({ "name": "dollars", "currency": "USD", "core_hour": "0.02", "gib_hour": "0.002" });
    platform.post(admin, "/v1/prices", book).await.expect(201);
    platform.tenant("lab").await;
    let abroad = json!({ "name": "abroad", "currency": "USD", "credit_limit": "100" });
    platform.post(admin, "/v1/tenants", abroad).await.expect(201);
    let (anna, bob) = (platform.user("anna", "member", "lab").await, platform.user("bob", "member", "abroad").await);
    let mut charged = Vec::new();
    // The first job's currency comes last.
    for token in [&bob, &anna] {
        let job = platform.submit(token, WORKS).await;
        platform.until(token, &job, &["RUNNING"]).await;
        platform.pass(Span::from_secs(90)).await;
        charged.push(platform.until(token, &job, &["COMPLETED"]).await["charged"].clone());
    }
    let whole = bill("").await;
    let lines: Vec<Value> =
        ["currency", "tenant", "charge"].map(|f| json!([whole["lines"][0][f], whole["lines"][1][f]])).into();
    assert_eq!(lines, [json!(["CNY", "USD"]), json!(["lab", "abroad"]), json!([charged[1], charged[0]])]);
    let totals = json!([{ "currency": "CNY", "total": charged[1] }, { "currency": "USD", "total": charged[0] }]);
    assert_eq!(whole["total"], totals);
    assert_eq!(bill("?tenant=abroad").await["total"], json!([totals[1]]));
    let csv = platform.get(admin, "/v1/bill?format=csv").await.text();
    let currencies: Vec<&str> = csv.lines().skip(1).filter_map(|line| line.split(',').nth(2)).collect();
    assert_eq!(currencies, ["CNY", "USD"]);
}

#[tokio::test]
async fn what_a_wallet_lacks_is_said_in_amounts() {
    let platform = Platform::start().await;
    platform.post(&platform.admin, "/v1/tenants", json!({ "name": "poor" })).await.expect(201);
    let anna = platform.user("anna", "member", "poor").await;
    let problem = platform.post(&anna, "/v1/jobs", json!({ "script": WORKS })).await.problem("insufficient_funds");
    assert_eq!(
        (&problem["available"], &problem["needed"], &problem["currency"]),
        (&json!("0.00"), &problem["missing"], &json!("CNY"))
    );
    let top_up =
        |amount: &str| platform.post(&platform.admin, "/v1/tenants/poor/wallet/top-ups", json!({ "amount": amount }));
    for bad in ["0", "1e9", "99999999999", "0.0000001", ""] {
        let answer = top_up(bad).await;
        assert!(answer.status.is_client_error(), "{bad}: {}", answer.text());
    }
    let done = top_up("5").await.expect(200);
    assert_eq!((&done["balance"], &done["currency"]), (&json!("5.00"), &json!("CNY")));
    platform.post(&anna, "/v1/jobs", json!({ "script": WORKS })).await.expect(201);
}

#[tokio::test]
async fn pools_show_what_is_free_and_nodes_can_be_drained() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    let pools = platform.get(admin, "/v1/pools").await.expect(200);
    let pool = &pools["items"][0];
    assert_eq!((&pool["name"], &pool["free"]["cpu_millis"]), (&json!("main"), &json!(CORES * 1000)));
    assert_eq!((&pool["price"]["currency"], &pool["nodes"][0]["state"]), (&json!("CNY"), &json!("up")));
    let job = platform.submit(admin, WORKS).await;
    platform.until(admin, &job, &["RUNNING"]).await;
    let pools = platform.get(admin, "/v1/pools").await.expect(200);
    assert_eq!(
        (&pools["items"][0]["free"]["cpu_millis"], &pools["items"][0]["running_jobs"]),
        (&json!(4000), &json!(1))
    );
    let node = "/v1/pools/main/nodes/main";
    platform.post(admin, node, json!({ "state": "drained" })).await.expect(200);
    let pools = platform.get(admin, "/v1/pools").await.expect(200);
    assert_eq!(pools["items"][0]["nodes"][0]["state"], "drained");
    platform.post(admin, "/v1/pools/main/nodes/none", json!({ "state": "up" })).await.problem("not_found");
    platform.post(admin, "/v1/pools/none/nodes/main", json!({ "state": "up" })).await.problem("not_found");
    platform.post(admin, node, json!({ "state": "asleep" })).await.problem("invalid");
    let systems = platform.get(admin, "/v1/systems").await.expect(200);
    assert_eq!(
        (&systems["systems"][0]["name"], &systems["systems"][0]["health"]),
        (&json!("local"), &json!("reachable"))
    );
    let clusters = platform.get(admin, "/v1/clusters").await.expect(200);
    assert_eq!((&clusters["items"][0]["supplier_name"], &clusters["items"][0]["pools"]), (&json!("own"), &json!(1)));
    assert_eq!(clusters["items"][0]["version"], "fake");
    platform.pass(Span::from_secs(120)).await;
}

#[tokio::test]
async fn what_a_cluster_says_of_itself_is_for_those_who_run_it() {
    let platform = Platform::start().await;
    let cluster = platform.running.app.clusters.ids()[0];
    platform.running.app.clusters.note(cluster, "jobs run as nobody".into());
    // The first question meets a cut link, and nothing of that is remembered.
    platform.machine.next_call(ports::fake::Fault::Unreachable);
    let asked = async |token: &str| platform.get(token, "/v1/clusters").await.expect(200)["items"][0].clone();
    let cut = asked(&platform.admin).await;
    assert!(cut["remarks"][0].as_str().unwrap().contains("does not answer"), "{cut}");
    assert_eq!((&cut["version"], &cut["remarks"][1]), (&Value::Null, &json!("jobs run as nobody")));
    let told = asked(&platform.admin).await;
    assert_eq!((&told["version"], &told["remarks"]), (&json!("fake"), &json!(["jobs run as nobody"])));
    let calls = platform.machine.calls();
    assert_eq!(asked(&platform.admin).await, told);
    assert_eq!(platform.machine.calls(), calls, "asked again within half a minute");
    platform.tenant("lab").await;
    let anna = platform.user("anna", "owner", "lab").await;
    let shown = asked(&anna).await;
    assert_eq!((&shown["name"], &shown["version"], &shown["remarks"]), (&json!("local"), &Value::Null, &json!([])));
}

#[tokio::test]
async fn prices_are_published_ahead_and_never_after_the_fact() {
    let platform = Platform::start().await;
    let book = |from: Value| {
        json!({ "name": "next", "currency": "CNY", "core_hour": "0.2", "gib_hour": "0.02",
                "card_hour": { "nvidia-a100-80g": "6" }, "effective_from": from })
    };
    let publish = |body: Value| platform.post(&platform.admin, "/v1/prices", body);
    publish(book(json!("2999-01-01T00:00:00Z"))).await.expect(201);
    publish(book(json!("2020-01-01T00:00:00Z"))).await.problem("invalid");
    for (field, bad) in
        [("core_hour", json!("-1")), ("currency", json!("yuan")), ("card_hour", json!({ "A100!": "1" }))]
    {
        let mut body = book(Value::Null);
        body[field] = bad;
        publish(body).await.problem("invalid");
    }
    let mut body = book(Value::Null);
    body["name"] = json!("Bad Name");
    publish(body).await.problem("bad_name");
    let listed = platform.get(&platform.admin, "/v1/prices").await.expect(200);
    assert_eq!(listed["items"][0]["card_hour"]["nvidia-a100-80g"], "6.00");
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let first = platform.get(&platform.admin, "/v1/prices?limit=1").await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = platform.get(&platform.admin, &format!("/v1/prices?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!((&second["items"][0]["name"], &second["next_cursor"]), (&json!("list"), &Value::Null));
}

#[tokio::test]
async fn a_book_of_items_is_shown_to_whom_it_concerns_and_tried_on_a_month() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    platform.tenant("lab").await;
    platform.tenant("other").await;
    let anna = platform.user("anna", "member", "lab").await;
    let job = platform.submit(&anna, WORKS).await;
    platform.until(&anna, &job, &["RUNNING"]).await;
    platform.pass(Span::from_secs(90)).await;
    let charged = platform.until(&anna, &job, &["COMPLETED"]).await["charged"].clone();
    let now = platform.running.app.clock.now();
    let month = rating::tariff::UtcOffset::UTC.month_of(now).to_string();
    let same = json!({ "name": "list", "currency": "CNY", "core_hour": "0.10", "gib_hour": "0.01" });
    let tried = async |book: &Value| {
        let body = json!({ "month": month, "book": book });
        platform.post(admin, "/v1/prices/trial", body).await.expect(200)
    };
    let trial = tried(&same).await;
    assert_eq!((&trial["tenants"][0]["tenant_name"], &trial["total"]["runs"]), (&json!("lab"), &json!(1)), "{trial}");
    assert_eq!((&trial["total"]["charged"], &trial["total"]["tried"]), (&charged, &charged));
    assert_eq!(trial["total"]["difference"], "0.00");
    // The tenant has a price of its own, with a minimum of which no run is short.
    let mut book = same.clone();
    book["utc_offset"] = json!("+08:00");
    book["items"] = json!([
        { "unit": "core_hour", "tenant": "lab", "price": "0.1", "minimum": "7", "round_up": "hour",
          "bands": [{ "days": ["sat", "sun"], "factor": "0.5" }] },
        { "unit": "core_hour", "tenant": "other", "price": "0.3", "steps": [{ "above": 100, "price": "0.2" }] },
        { "unit": "kilotoken", "price": "0.002" },
    ]);
    let money = |v: &Value| v.as_str().unwrap().parse::<base::Money>().unwrap();
    assert!(money(&tried(&book).await["total"]["tried"]) >= base::Money::from_units(7));
    let lacks = json!({ "name": "x", "currency": "CNY", "items": [{ "unit": "gib_hour", "price": "1" }] });
    let trial = tried(&lacks).await;
    assert_eq!((&trial["total"]["runs_unpriced"], &trial["total"]["tried"]), (&json!(1), &json!("0.00")));
    assert!(trial["missing"][0].as_str().unwrap().contains("core_hour"), "{trial}");
    let listed = platform.get(admin, "/v1/prices").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "a trial publishes nothing");

    platform.post(admin, "/v1/prices", book.clone()).await.expect(201);
    let items = async |token: &str| platform.get(token, "/v1/prices?limit=1").await.expect(200)["items"][0].clone();
    let all = items(admin).await;
    assert_eq!((&all["core_hour"], &all["utc_offset"]), (&json!("0.10"), &json!("+08:00")));
    assert_eq!(all["items"].as_array().unwrap().len(), 5);
    assert_eq!(
        all["items"][2]["bands"][0],
        json!({ "days": ["sat", "sun"], "from": "00:00", "to": "24:00", "factor": "0.50" })
    );
    let own = items(&anna).await;
    let tenants: Vec<&Value> = own["items"].as_array().unwrap().iter().map(|item| &item["tenant"]).collect();
    assert_eq!(tenants, [&Value::Null, &Value::Null, &json!("lab"), &Value::Null]);

    for (n, wrong) in [
        json!({ "unit": "core_hour", "price": "1" }),
        json!({ "unit": "core_hour", "tenant": "nobody", "price": "1" }),
        json!({ "unit": "core_hour", "pool": "nowhere", "price": "1" }),
        json!({ "unit": "core_hour", "class": "low", "price": "1", "bands": [{ "from": "8" , "price": "1" }] }),
        json!({ "unit": "core_hour", "class": "low", "price": "1", "bands": [{ "price": "1", "factor": "2" }] }),
        json!({ "unit": "request", "price": "1", "round_up": "hour" }),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = same.clone();
        body["items"] = json!([wrong]);
        let problem = platform.post(admin, "/v1/prices", body).await.problem("invalid");
        assert!(!problem["detail"].as_str().unwrap_or_default().is_empty(), "{n}: {problem}");
    }
    platform.post(&anna, "/v1/prices/trial", json!({ "book": same })).await.problem("forbidden");
}
