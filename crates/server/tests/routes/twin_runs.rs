//! Runs of the twin: the same figures as the replay of an export, what is refused, cancelled, forgotten, and what a restart leaves.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::Method;
use base::{Seed, Span, TwinRunId};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use server::twin::{Changes, History, Offer, Past, SEED, TRACE};
use sim::replay::Load;
use sim::supply::{Source, Steering, Supply, play, rules, sums};
use sim::trace::{OnBad, swf};
use store::TwinRunState;

use crate::support::{Platform, request};

/// A night of work: more than the node's eight cores at once, so that some of it waits.
async fn worked() -> Platform {
    let platform = Platform::with(&[("cost.purchase_price", "600000")]).await;
    for tenant in ["bio", "chem"] {
        platform.tenant(tenant).await;
        platform.user(&format!("{tenant}-user"), "member", tenant).await;
    }
    let mut jobs = Vec::new();
    for (n, (cores, seconds)) in [(8, 300), (3, 120), (6, 60), (2, 600), (8, 30), (1, 45)].into_iter().enumerate() {
        let user = if n % 2 == 0 { "bio-user" } else { "chem-user" };
        let token = platform.token(user, model::TokenScope::Full).await;
        let script = format!("#!/bin/sh\n#SBATCH --ntasks={cores} --mem=1G --time=600\nsleep {seconds}\n");
        jobs.push(platform.submit(&token, &script).await);
        platform.pass(Span::from_secs(20)).await;
    }
    let admin = platform.admin.clone();
    let all = async {
        for job in &jobs {
            while platform.get(&admin, &format!("/v1/jobs/{job}")).await.expect(200)["state"] != "COMPLETED" {
                platform.pass(Span::from_secs(5)).await;
                // The driver takes in what the cluster said on a task of its own.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), all).await.expect("some of the work never ended");
    platform
}

async fn asked(platform: &Platform, body: Value) -> String {
    let run = platform.post(&platform.admin, "/v1/twin/runs", body).await.expect(201);
    run["id"].as_str().unwrap().to_owned()
}

/// The run once it is over.
async fn over(platform: &Platform, run: &str) -> Value {
    let waiting = async {
        loop {
            let shown = platform.get(&platform.admin, &format!("/v1/twin/runs/{run}")).await.expect(200);
            if !["queued", "running"].contains(&shown["state"].as_str().unwrap()) {
                return shown;
            }
            // It is played on a thread of its own.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("the run never ended")
}

async fn listed<T: DeserializeOwned>(platform: &Platform, path: &str) -> Vec<T> {
    let mut page = platform.get(&platform.admin, path).await.expect(200);
    serde_json::from_value(page["items"].take()).unwrap()
}

#[tokio::test]
async fn the_past_under_the_policy_in_force_is_the_replay_of_its_export() {
    let platform = worked().await;
    let run = asked(&platform, json!({ "kind": "past", "days": 2, "note": "as it was" })).await;
    let done = over(&platform, &run).await;
    assert_eq!(
        (&done["state"], &done["note"], &done["reason"]),
        (&json!("done"), &Value::Null, &Value::Null),
        "{done}"
    );
    let told = &done["result"]["past"]["as_is"];
    assert_eq!((&told["wrong"], &done["result"]["past"]["jobs_over"]), (&json!([]), &json!(6)));
    assert!(done["result"]["past"]["changed"].is_null() && done["gist"]["changed"].is_null(), "{done}");

    // What `hw twin export` writes and `hw twin replay` reads.
    let jobs: Vec<wire::job::JobSummary> = listed(&platform, "/v1/jobs?open=false&limit=1000").await;
    let history = History::of(jobs.into_iter().map(|told| Past { told, used: None }).collect());
    let groups: BTreeMap<String, usize> = history.tenants().map(|(number, name)| (name.to_owned(), number)).collect();
    let pools: Vec<wire::supply::Pool> = listed(&platform, "/v1/pools").await;
    let mut trace = Vec::new();
    swf::write(&history.header(&pools), history.records(), &mut trace).unwrap();
    let records = swf::read(trace.as_slice(), OnBad::Refuse).unwrap().records;
    let policy = platform.get(&platform.admin, "/v1/policy").await.expect(200)["document"].as_str().unwrap().to_owned();
    let offer = Offer {
        clusters: listed(&platform, "/v1/clusters").await,
        pools,
        books: listed(&platform, "/v1/prices").await,
        tenants: listed(&platform, "/v1/tenants").await,
        policy: policy.clone(),
        groups,
        trace: TRACE,
        changes: Changes::default(),
    };
    let supply = Supply::parse(&offer.supply(platform.running.app.clock.now())).unwrap();
    let sources = [Source { name: TRACE.into(), load: Load::of(&records, &rules(supply.cores_max())) }];
    let (steering, seed) = (Steering::parse(&policy).unwrap(), Seed::from_u64(SEED));
    let played = play(&supply, steering, &sources, &seed, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    let sums = sums(&supply, &played);
    let same = |group: &sim::supply::Group, told: &Value| {
        // Through text, as the answer: reading a text may move the last bit of a number.
        let replay: Value = serde_json::from_str(&serde_json::to_string(group).unwrap()).unwrap();
        for (ours, theirs) in [
            ("jobs", "jobs"),
            ("unstarted", "unstarted"),
            ("mean_wait_seconds", "mean_wait_s"),
            ("median_wait_seconds", "median_wait_s"),
            ("max_wait_seconds", "max_wait_s"),
            ("mean_bounded_slowdown", "mean_bounded_slowdown"),
            ("core_hours", "core_hours"),
            ("utilization", "utilization"),
            ("revenue", "revenue"),
            ("own_cost", "own_cost"),
            ("idle_cost", "idle_cost"),
            ("margin", "margin"),
        ] {
            assert_eq!(told.get(ours).unwrap_or(&Value::Null), &replay[theirs], "{} of {}", ours, group.name);
        }
    };
    assert_eq!(sums.all.jobs, 6);
    assert!(sums.all.mean_wait_s > 10.0 && sums.all.revenue > base::Money::ZERO, "{:?}", sums.all);
    same(&sums.all, &told["all"]);
    for (name, groups) in [("pools", &sums.pools), ("tenants", &sums.tenants), ("modes", &sums.modes)] {
        assert_eq!(told[name].as_array().unwrap().len(), groups.len());
        groups.iter().zip(told[name].as_array().unwrap()).for_each(|(group, told)| same(group, told));
    }
    assert_eq!((&told["classes"][0]["name"], &told["classes"][0]["jobs"]), (&json!("normal"), &json!(6)));

    // The same days once more: the same figures, to the last digit.
    let again = asked(&platform, done["asked"].clone()).await;
    assert_eq!(over(&platform, &again).await["result"], done["result"]);
}

#[tokio::test]
async fn changes_are_played_beside_how_things_are() {
    let platform = worked().await;
    let changes = json!({
        "policy": "[placement]\norder = \"work\"\n",
        "add": [{ "name": "second", "nodes": 2, "cores": 8, "mode": "partner", "fee_core_hour": "0.05" }],
        "outages": [{ "pool": "main", "from_seconds": 0, "for_seconds": 120 }],
    });
    let run = asked(&platform, json!({ "kind": "past", "changes": changes })).await;
    let done = over(&platform, &run).await;
    assert_eq!(done["state"], "done", "{done}");
    let past = &done["result"]["past"];
    let names = |side: &str| -> Vec<String> {
        past[side]["pools"].as_array().unwrap().iter().map(|pool| pool["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((names("as_is"), names("changed")), (vec!["main".to_owned()], vec!["main".into(), "second".into()]));
    let wait = |side: &str| past[side]["all"]["mean_wait_seconds"].as_f64().unwrap();
    assert!(wait("changed") < wait("as_is"), "{} {}", wait("changed"), wait("as_is"));
    assert_eq!(past["changed"]["curves"]["use_by_mode"].as_array().unwrap().len(), 2);
    assert_eq!(past["changed"]["wrong"], json!([]));
    assert_eq!(done["gist"]["changed"]["mean_wait_seconds"], past["changed"]["all"]["mean_wait_seconds"]);
    // All of the only pool gone: nothing can be played, and that is told.
    let run = asked(&platform, json!({ "kind": "past", "changes": { "lose": [{ "pool": "main" }] } })).await;
    let none = over(&platform, &run).await;
    assert!(
        none["state"] == "failed" && none["reason"].is_string()
            || none["result"]["past"]["changed"]["all"]["jobs"] == 0,
        "{none}"
    );
}

#[tokio::test]
async fn the_present_is_run_ahead_with_and_without_changes() {
    let platform = Platform::start().await;
    platform.tenant("bio").await;
    let token = platform.user("ann", "member", "bio").await;
    let script = |cores: u64| format!("#!/bin/sh\n#SBATCH --ntasks={cores} --mem=1G --time=60\nsleep 3600\n");
    let first = platform.submit(&token, &script(8)).await;
    platform.until(&token, &first, &["RUNNING"]).await;
    for _ in 0..2 {
        platform.submit(&token, &script(8)).await;
    }
    let add = json!([{ "name": "second", "nodes": 1, "cores": 8, "mode": "own" }]);
    let run = asked(&platform, json!({ "kind": "ahead", "changes": { "add": add } })).await;
    let done = over(&platform, &run).await;
    assert_eq!(done["state"], "done", "{done}");
    let ahead = &done["result"]["ahead"];
    assert_eq!((&ahead["waiting"], &ahead["as_is"]["started"]), (&json!(2), &json!(2)));
    let wait = |side: &str| ahead[side]["mean_wait_seconds"].as_f64().unwrap();
    assert!(wait("changed") < wait("as_is"), "{ahead}");
    assert_eq!(ahead["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(ahead["jobs"][0]["changed_pool"], "second", "{ahead}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_auditors_only_read() {
    let platform = Platform::start().await;
    platform.tenant("bio").await;
    let auditor = platform.user("eve", "auditor", "bio").await;
    let owner = platform.user("ann", "owner", "bio").await;
    for (field, body) in [
        ("days", json!({ "kind": "past", "days": 91 })),
        ("days", json!({ "kind": "ahead", "days": 3 })),
        ("until", json!({ "kind": "past", "until": "2200-01-01T00:00:00Z" })),
        ("horizon_seconds", json!({ "kind": "past", "horizon_seconds": 600 })),
        ("horizon_seconds", json!({ "kind": "ahead", "horizon_seconds": 1 })),
        ("changes.policy", json!({ "kind": "past", "changes": { "policy": "order = 3" } })),
        ("changes.lose", json!({ "kind": "past", "changes": { "lose": [{ "pool": "none" }] } })),
        (
            "changes.add",
            json!({ "kind": "past", "changes": { "add": [{ "name": "main", "nodes": 1, "cores": 1, "mode": "own" }] } }),
        ),
        (
            "changes.add",
            json!({ "kind": "past", "changes": { "add": [{ "name": "x", "nodes": 0, "cores": 1, "mode": "own" }] } }),
        ),
        (
            "changes.add",
            json!({ "kind": "past", "changes": { "add": [{ "name": "x", "nodes": 1, "cores": 1, "mode": "own", "fee_core_hour": "1" }] } }),
        ),
        (
            "changes.outages",
            json!({ "kind": "past", "changes": { "outages": [{ "from_seconds": 0, "for_seconds": 60 }] } }),
        ),
        (
            "changes.outages",
            json!({ "kind": "ahead", "changes": { "outages": [{ "pool": "main", "from_seconds": 0, "for_seconds": 60 }] } }),
        ),
    ] {
        let refused = platform.post(&platform.admin, "/v1/twin/runs", body.clone()).await.problem("invalid");
        assert_eq!(refused["errors"][0]["option"], field, "{body}: {refused}");
    }
    platform.post(&auditor, "/v1/twin/runs", json!({ "kind": "past" })).await.problem("forbidden");
    let run = asked(&platform, json!({ "kind": "past" })).await;
    // No jobs: nothing to be played, and that is a result.
    let done = over(&platform, &run).await;
    assert_eq!((&done["state"], &done["gist"]["as_is"]["jobs"]), (&json!("done"), &json!(0)), "{done}");
    let path = format!("/v1/twin/runs/{run}");
    assert_eq!(platform.get(&auditor, &path).await.expect(200)["state"], "done");
    platform.get(&owner, &path).await.problem("forbidden");
    platform.get(&owner, "/v1/twin/runs").await.problem("forbidden");
    platform.delete(&auditor, &path).await.problem("forbidden");
    platform.get(&platform.admin, "/v1/twin/runs/x").await.problem("not_found");
}

#[tokio::test]
async fn runs_are_cancelled_forgotten_and_noted() {
    let platform = worked().await;
    let admin = platform.admin.clone();
    let runs = [asked(&platform, json!({ "kind": "past" })).await, asked(&platform, json!({ "kind": "past" })).await];
    for run in &runs {
        let path = format!("/v1/twin/runs/{run}/cancel");
        let shown = platform.post(&admin, &path, json!({})).await.expect(200);
        assert!(["cancelled", "done"].contains(&shown["state"].as_str().unwrap()), "{shown}");
        assert_eq!(platform.post(&admin, &path, json!({})).await.expect(200)["state"], shown["state"], "it stays so");
    }
    // The worker goes on with what is asked afterwards.
    let last = asked(&platform, json!({ "kind": "past", "days": 1 })).await;
    assert_eq!(over(&platform, &last).await["state"], "done");
    let all = platform.get(&admin, "/v1/twin/runs?limit=2").await.expect(200);
    assert_eq!((&all["items"][0]["id"], &all["items"][1]["id"]), (&json!(last), &json!(runs[1])));
    let rest = format!("/v1/twin/runs?limit=2&cursor={}", all["next_cursor"].as_str().unwrap());
    assert_eq!(platform.get(&admin, &rest).await.expect(200)["items"][0]["id"], runs[0]);
    let path = format!("/v1/twin/runs/{last}");
    assert_eq!(platform.delete(&admin, &path).await.status, 204);
    platform.get(&admin, &path).await.problem("not_found");
    let audit = platform.get(&admin, "/v1/audit").await.expect(200).to_string();
    for word in ["twin.run", "twin.remove", "past, 1 days", &last] {
        assert!(audit.contains(word), "{word}: {audit}");
    }
    let once = async || {
        let mut request = request(&admin, Method::POST, "/v1/twin/runs", Some(json!({ "kind": "past" })));
        request.headers_mut().insert("idempotency-key", "once".parse().unwrap());
        platform.raw(request).await.expect(201)
    };
    let twice = [once().await, once().await];
    assert_eq!(twice[0]["id"], twice[1]["id"]);
}

#[tokio::test]
async fn what_a_server_played_when_it_went_away_is_told_to_be_interrupted() {
    let platform = Platform::start().await;
    let run = asked(&platform, json!({ "kind": "past" })).await;
    over(&platform, &run).await;
    // As a server leaves it that dies in the middle of one run, with another that waits.
    let store = &platform.running.app.store;
    let kept = store.twin_run(run.parse().unwrap()).await.unwrap().unwrap();
    let now = platform.running.app.clock.now();
    let [played, waits] = [1, 2].map(TwinRunId::from_u128);
    for id in [played, waits] {
        store.ask_twin_run(id, now, &kept.doc, 100).await.unwrap();
    }
    assert!(store.begin_twin_run(played, now).await.unwrap());
    let platform = platform.restarted().await;
    let store = &platform.running.app.store;
    assert_eq!(over(&platform, &waits.to_string()).await["state"], "done", "what waited is played");
    let shown = platform.get(&platform.admin, &format!("/v1/twin/runs/{played}")).await.expect(200);
    assert_eq!((&shown["state"], &shown["result"]), (&json!("interrupted"), &Value::Null), "{shown}");
    // A late answer of the server that went away changes nothing.
    let late = store.end_twin_run((played, now), TwinRunState::Done, now, "{}", "{}").await.unwrap();
    assert!(!late);
    let again = asked(&platform, shown["asked"].clone()).await;
    assert_eq!(over(&platform, &again).await["state"], "done");
}
