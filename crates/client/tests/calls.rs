//! What the client does on bad days: repeats where it may, keeps its key, takes streams up where they broke.

mod fake;

use std::time::Duration;

use client::{Client, ClientError, LogStep, NextMove, Retry};
use fake::{Fake, json, stream};
use wire::LogStream;
use wire::events::EventStreamQuery;
use wire::job::JobsQuery;
use wire::session::Login;
use wire::submit::JobSubmit;

const FAST: Retry = Retry { tries: 4, first: Duration::from_millis(1), longest: Duration::from_millis(2) };

fn client(fake: &Fake) -> Client {
    Client::new(&fake.url, Some("hwt_secret")).unwrap().with_retry(FAST)
}

const ACCEPTED: &str = r#"{"job":"job_0192f000000070008000000000000001","number":12,"elements":1,"hold":"1.50","currency":"CNY","warnings":[]}"#;

#[tokio::test]
async fn a_submission_keeps_its_key_over_broken_connections_and_busy_servers() {
    let fake = Fake::start(|_, before| match before {
        0 => None,
        1 => json("503 Service Unavailable", "{}"),
        _ => json("201 Created", ACCEPTED),
    })
    .await;
    let accepted = client(&fake).submit(&JobSubmit::default(), None).await.unwrap();
    assert_eq!(accepted.number, 12);
    let asked = fake.asked();
    assert_eq!(asked.len(), 3);
    let keys: Vec<_> = asked.iter().map(|one| one.header("idempotency-key").unwrap()).collect();
    assert!(keys[0].len() == 36 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert!(
        asked.iter().all(|one| one.header("authorization") == Some("bearer hwt_secret") && one.body == asked[0].body)
    );
    // The next submission is another one; a key of the caller's own is used as it is.
    client(&fake).submit(&JobSubmit::default(), None).await.unwrap();
    client(&fake).submit(&JobSubmit::default(), Some("mine")).await.unwrap();
    let asked = fake.asked();
    assert_ne!(asked[3].header("idempotency-key"), asked[0].header("idempotency-key"));
    assert_eq!(asked[4].header("idempotency-key"), Some("mine"));
}

#[tokio::test]
async fn what_may_have_happened_is_not_repeated_without_a_key() {
    let fake = Fake::start(|_, _| None).await;
    let login = Login { name: "a".into(), password: "b".into(), label: None, expires_in_seconds: None, scope: None };
    let error = client(&fake).login(&login).await.unwrap_err();
    assert_eq!(error.next_move(), NextMove::Reach);
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn patience_ends() {
    let fake = Fake::start(|_, _| json("503 Service Unavailable", r#"{"detail":"stopping"}"#)).await;
    let error = client(&fake).who_am_i().await.unwrap_err();
    assert_eq!((fake.asked().len(), error.next_move()), (4, NextMove::Wait));
    // Nobody listens there any more once the listener of a free port is dropped.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = Client::new(&format!("http://{port}"), None).unwrap().with_retry(FAST).who_am_i().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn pages_are_walked_to_the_wanted_length() {
    let fake = Fake::start(|asked, _| match asked.target.contains("cursor=two") {
        false => json("200 OK", r#"{"items":[],"next_cursor":"two"}"#),
        true => json("200 OK", r#"{"items":[],"next_cursor":null}"#),
    })
    .await;
    let query = JobsQuery { open: Some(true), ..JobsQuery::default() };
    let page = client(&fake).jobs(&query).take(5000).await.unwrap();
    assert_eq!((page.items.len(), page.next_cursor), (0, None));
    let targets: Vec<String> = fake.asked().into_iter().map(|one| one.target).collect();
    assert_eq!(targets, ["/v1/jobs?open=true&limit=1000", "/v1/jobs?open=true&limit=1000&cursor=two"]);
}

fn event(seq: u64) -> String {
    format!(
        "id: {seq}\nevent: event\ndata: {{\"seq\":{seq},\"at\":\"2026-11-21T08:00:00Z\",\"actor\":{{\"kind\":\"platform\"}},\
         \"kind\":\"started\",\"text_en\":\"started\",\"text_zh\":\"已开始\",\"detail\":{{}}}}\n\n"
    )
}

#[tokio::test]
async fn events_go_on_behind_the_last_one() {
    let fake = Fake::start(|_, before| match before {
        // Broken in the middle of the second event: it comes again.
        0 => stream(&(event(7) + &event(8)[..20])),
        1 => None,
        _ => stream(&(": alive\n\n".to_string() + &event(8) + &event(9))),
    })
    .await;
    let mut events = client(&fake).events(&EventStreamQuery { job: Some("12".into()), ..EventStreamQuery::default() });
    for seq in [7, 8, 9] {
        assert_eq!(events.next().await.unwrap().seq, seq);
    }
    let asked = fake.asked();
    assert_eq!(asked[0].target, "/v1/events?job=12");
    assert_eq!(asked[0].header("last-event-id"), None);
    assert!(asked[1..].iter().all(|one| one.header("last-event-id") == Some("7")));
}

#[tokio::test]
async fn a_log_goes_on_at_its_offset() {
    let fake = Fake::start(|_, before| match before {
        0 => stream("event: log\ndata: {\"offset\":0,\"text\":\"step 1\\n\"}\n\n"),
        _ => stream("event: log\ndata: {\"offset\":7,\"text\":\"step 2\\n\"}\n\nevent: end\ndata: {\"size\":14}\n\n"),
    })
    .await;
    let mut tail = client(&fake).follow_log("12_3", LogStream::Stdout, 0);
    let mut steps = Vec::new();
    loop {
        let step = tail.next().await.unwrap();
        steps.push(step.clone());
        if matches!(step, LogStep::End(_)) {
            break;
        }
    }
    assert_eq!(steps, [LogStep::Text("step 1\n".into()), LogStep::Text("step 2\n".into()), LogStep::End(14)]);
    let targets: Vec<String> = fake.asked().into_iter().map(|one| one.target).collect();
    assert_eq!(
        targets,
        ["/v1/jobs/12_3/logs/follow?stream=stdout&offset=0", "/v1/jobs/12_3/logs/follow?stream=stdout&offset=7"]
    );
}

#[tokio::test]
async fn a_stream_that_never_brings_anything_is_given_up() {
    let fake = Fake::start(|_, _| stream(": nothing\n\n")).await;
    let mut events = client(&fake).events(&EventStreamQuery::default());
    assert!(matches!(events.next().await, Err(ClientError::StreamLost { .. })));
    assert_eq!(fake.asked().len() as u32, client::STREAM_FAILURES_MAX);
}
