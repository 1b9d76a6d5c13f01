//! Streams: events without gap or repeat, logs to their end, and who may listen.

use base::Span;
use serde_json::{Value, json};

use crate::support::{Platform, Stream};

const TALKS: &str = "#!/bin/sh\necho 一二三\nsleep 5\necho done\n";
const WAITS: &str = "#!/bin/sh\n#SBATCH --hold\necho later\n";

async fn seqs(stream: &mut Stream, until: u64) -> Vec<u64> {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| *last < until) {
        let frame = stream.next().await.unwrap();
        assert_eq!(frame.id, frame.data["seq"].to_string());
        seen.push(frame.data["seq"].as_u64().unwrap());
    }
    seen
}

async fn newest(platform: &Platform) -> u64 {
    let page = platform.get(&platform.admin, "/v1/events/list?limit=1").await.expect(200);
    page["items"][0]["seq"].as_u64().unwrap()
}

#[tokio::test]
async fn a_stream_goes_on_where_it_stopped() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    let begin = newest(&platform).await;
    let mut live = platform.open(admin, "/v1/events", &[]).await;
    for _ in 0..5 {
        platform.submit(admin, WAITS).await;
    }
    let end = newest(&platform).await;
    let expected: Vec<u64> = (begin + 1..=end).collect();
    assert_eq!(seqs(&mut live, end).await, expected);
    // A second listener that stopped in the middle gets the rest, and then what is new.
    let middle = (begin + end) / 2;
    let mut resumed = platform.open(admin, "/v1/events", &[("last-event-id", &middle.to_string())]).await;
    assert_eq!(seqs(&mut resumed, end).await, (middle + 1..=end).collect::<Vec<_>>());
    platform.submit(admin, WAITS).await;
    let last = newest(&platform).await;
    let more: Vec<u64> = (end + 1..=last).collect();
    assert_eq!(seqs(&mut resumed, last).await, more);
    assert_eq!(seqs(&mut live, last).await, more);
    let after = platform.open(admin, &format!("/v1/events?after={begin}"), &[]).await;
    assert_eq!(seqs(&mut { after }, last).await, (begin + 1..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_slow_listener_misses_nothing() {
    let platform = Platform::start().await;
    let begin = newest(&platform).await;
    let mut slow = platform.open(&platform.admin, "/v1/events", &[]).await;
    // More batches than the bus keeps for one who does not listen.
    let bus = &platform.running.app.events;
    let stored = {
        platform.submit(&platform.admin, WAITS).await;
        newest(&platform).await
    };
    let noise = model::Event {
        seq: 1,
        at: base::Timestamp::ZERO,
        tenant: None,
        job: None,
        state: None,
        actor: model::Actor::Platform,
        what: model::EventKind::PricesChanged,
    };
    for _ in 0..server::app::EVENT_BATCHES_KEPT + 10 {
        bus.publish(vec![noise.clone()].into());
    }
    assert_eq!(seqs(&mut slow, stored).await, (begin + 1..=stored).collect::<Vec<_>>());
}

#[tokio::test]
async fn tenants_hear_of_their_own_only() {
    let platform = Platform::start().await;
    for tenant in ["one", "two"] {
        platform.tenant(tenant).await;
    }
    let (anna, ben) = (platform.user("anna", "member", "one").await, platform.user("ben", "member", "two").await);
    let mut heard = platform.open(&anna, "/v1/events?after=0", &[]).await;
    let theirs = platform.submit(&ben, WAITS).await;
    let own = platform.submit(&anna, WAITS).await;
    let one = platform.get(&anna, "/v1/session").await.expect(200)["user"]["tenant"].clone();
    loop {
        let frame = heard.next().await.unwrap();
        assert_eq!(frame.data["tenant"], one, "{:?}", frame.data);
        if frame.data["job"] == json!(own) {
            break;
        }
    }
    platform.get(&anna, &format!("/v1/events?job={theirs}")).await.problem("job_not_found");
    platform.get(&anna, "/v1/events?tenant=two").await.problem("not_found");
    let listed = platform.get(&anna, "/v1/events/list").await.expect(200);
    assert!(listed["items"].as_array().unwrap().iter().all(|e| e["tenant"] == one));
    platform.get(&anna, "/v1/events?after=x").await.problem("invalid");
}

#[tokio::test]
async fn a_log_is_followed_from_before_its_start_to_its_end() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    let job = platform.submit(admin, TALKS).await;
    let path = format!("/v1/jobs/{job}/logs/follow");
    let mut tail = platform.open(admin, &path, &[]).await;
    let shown = platform.until(admin, &job, &["RUNNING"]).await;
    assert_eq!(shown["pool_name"], "main");
    let first = tail.next().await.unwrap();
    assert_eq!((first.event.as_str(), first.id.as_str()), ("log", "10"));
    assert_eq!(first.data, json!({ "offset": 0, "text": "一二三\n" }));
    platform.pass(Span::from_secs(6)).await;
    platform.until(admin, &job, &["COMPLETED"]).await;
    let second = tail.next().await.unwrap();
    assert_eq!(second.data, json!({ "offset": 10, "text": "done\n" }));
    let end = tail.next().await.unwrap();
    assert_eq!((end.event.as_str(), end.data), ("end", json!({ "size": 15 })));
    assert!(tail.next().await.is_none());

    // The job has ended: its output is still there, in pieces and as a stream.
    let piece = platform.get(admin, &format!("/v1/jobs/{job}/logs?offset=3&limit=3")).await;
    assert_eq!(piece.text(), "二");
    let header = |name: &str| piece.headers[name].to_str().unwrap().to_owned();
    assert_eq!([header("x-hw-offset"), header("x-hw-size"), header("x-hw-complete")], ["3", "15", "true"]);
    let mut again = platform.open(admin, &format!("{path}?offset=-5"), &[]).await;
    assert_eq!(again.next().await.unwrap().data, json!({ "offset": 10, "text": "done\n" }));
    assert_eq!(again.next().await.unwrap().event, "end");
    for (query, code) in [("limit=0", "invalid"), ("limit=9999999999", "invalid"), ("stream=video", "invalid")] {
        platform.get(admin, &format!("/v1/jobs/{job}/logs?{query}")).await.problem(code);
    }
    let find = async |query: &str| platform.get(admin, &format!("/v1/jobs/{job}/logs/find?{query}")).await;
    let done = json!({ "places": [{ "offset": 10, "line": "done" }], "next": null, "size": 15 });
    assert_eq!(find("text=DONE").await.expect(200), done);
    assert_eq!(find("text=%E4%BA%8C&from=3&limit=1").await.expect(200)["next"], 6, "there may be more");
    assert_eq!(find("text=done&from=11").await.expect(200)["places"], json!([]));
    for query in ["text=", "limit=5", "text=a&limit=0", "text=a&limit=1001"] {
        find(query).await.problem("invalid");
    }
    let behind = platform.get(admin, &format!("/v1/jobs/{job}/logs?offset=9000000000000000000")).await;
    assert_eq!((behind.status.as_u16(), behind.body.len()), (200, 0));
}

#[tokio::test]
async fn a_job_that_never_ran_has_no_output() {
    let platform = Platform::start().await;
    let admin = &platform.admin;
    let job = platform.submit(admin, WAITS).await;
    platform.get(admin, &format!("/v1/jobs/{job}/logs")).await.problem("log_not_found");
    let mut tail = platform.open(admin, &format!("/v1/jobs/{job}/logs/follow"), &[]).await;
    platform.post(admin, &format!("/v1/jobs/{job}/cancel"), Value::Null).await.expect(200);
    let end = tail.next().await.unwrap();
    assert_eq!((end.event.as_str(), end.data), ("end", json!({ "size": 0 })));
    assert!(tail.next().await.is_none());
}
