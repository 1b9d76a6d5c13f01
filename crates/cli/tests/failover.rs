//! Two servers on one PostgreSQL: the second serves reads, passes changes on, takes over when the first is killed, and sends what waits.
#![allow(clippy::print_stdout, reason = "figures for whoever reads the run")]

mod support;

use std::time::{Duration, Instant};

use store::Location;
use support::{Place, audit, client_of, script, state};
use testkit::{Hw, Postgres, wait_for};
use wire::job::JobsQuery;

/// What the platform promises.
const TAKE_OVER: Duration = Duration::from_secs(10);

#[test]
fn heavy_a_stand_by_takes_over_and_adopts_what_runs() {
    let url = Postgres::shared().database().expect("a database");
    let place = Place::new();
    let jobs = place.shared("jobs");
    let settings = format!("[local]\ndir = \"{}\"\n", jobs.display());
    let first = place.server(4, &settings);
    let config = place.path().join("headworks.toml");
    let mut first = first.flag("database", &url);
    first.start();
    let mut second = Hw::new(support::HW, place.path().join("second"))
        .flag("config", &config.to_string_lossy())
        .flag("database", &url);
    second.spawn();
    wait_for("the second to stand by", support::LONG, || {
        testkit::hw::get(second.address(), "/readyz")
            .filter(|(status, body)| *status == 200 && body.contains("standby"))
    });

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let token = first.token();
    let through_second = client::Client::new(&second.url(), Some(&token)).expect("a client");
    let mark = jobs.join("mark");
    let text = format!("echo run >> {m}\nuntil [ -e {m}.go ]; do sleep 0.05; done\nexit 7", m = mark.display());
    std::fs::write(&mark, "").expect("a mark");
    std::fs::set_permissions(&mark, std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("a mode");
    let accepted =
        runtime.block_on(through_second.submit(&script(&text), Some("one"))).expect("a change through the stand-by");
    let number = accepted.number.to_string();
    let running = |client: &client::Client| runtime.block_on(state(client, &number)).filter(|s| s == "RUNNING");
    wait_for("the job to run", support::LONG, || running(&through_second));
    let listed =
        runtime.block_on(through_second.jobs(&JobsQuery::default()).take(10)).expect("a read from the stand-by");
    assert_eq!(listed.items.len(), 1);

    first.kill();
    let killed = Instant::now();
    let again = wait_for("the stand-by to be active", support::LONG, || {
        runtime.block_on(through_second.submit(&script("true"), Some("two"))).ok()
    });
    let took = killed.elapsed();
    println!("taken over after {took:?}");
    assert!(took < TAKE_OVER, "{took:?}");
    // The same key still means the same job.
    let same =
        runtime.block_on(through_second.submit(&script(&text), Some("one"))).expect("a repeat after the take-over");
    assert_eq!((same.number, again.number), (accepted.number, accepted.number + 1));

    std::fs::write(format!("{}.go", mark.display()), "").expect("a mark");
    wait_for("the adopted job to end", support::LONG, || {
        runtime.block_on(state(&through_second, &number)).filter(|s| s == "FAILED")
    });
    let job = runtime.block_on(through_second.job(&number)).expect("the job");
    assert_eq!(job.summary.exit.map(|e| e.code), Some(7), "the exit code of a job that outlived its server");
    assert_eq!(std::fs::read_to_string(&mark).expect("the mark").lines().count(), 1, "it ran once");

    // The killed one comes back and stands by.
    first.spawn();
    wait_for("the first to stand by", support::LONG, || {
        testkit::hw::get(first.address(), "/readyz").filter(|(status, body)| *status == 200 && body.contains("standby"))
    });
    let client = client_of(&first);
    wait_for("the second job to end", support::LONG, || {
        runtime.block_on(state(&client, &again.number.to_string())).filter(|s| s == "COMPLETED")
    });
    first.terminate();
    second.terminate();
    runtime.block_on(audit(Location::Postgres(url))).expect_clean();
}

/// A receiver that is not there yet, notices that wait for it, and a server that dies meanwhile: the other one sends them, under the ids
/// that they had, and what ended while nobody was active is told too.
#[test]
fn heavy_notices_go_on_from_the_server_that_takes_over() {
    let url = Postgres::shared().database().expect("a database");
    let place = Place::new();
    let jobs = place.shared("jobs");
    let settings = format!("[local]\ndir = \"{}\"\n[notices]\nprivate_addresses = true\n", jobs.display());
    let mut first = place.server(4, &settings).flag("database", &url);
    first.start();
    let config = place.path().join("headworks.toml");
    let mut second = Hw::new(support::HW, place.path().join("second"))
        .flag("config", &config.to_string_lossy())
        .flag("database", &url);
    second.spawn();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let client = client::Client::new(&first.url(), Some(&first.token())).expect("a client");
    let receiver = testkit::hw::free_address();
    let hook = wire::notices::WebhookCreate { url: format!("http://{receiver}/"), kinds: None };
    runtime.block_on(client.create_webhook(&hook)).expect("a webhook");

    let ended = runtime.block_on(client.submit(&script("true"), None)).expect("it is taken").number.to_string();
    let mark = jobs.join("mark");
    let waits = format!("until [ -e {} ]; do sleep 0.05; done", mark.display());
    let later = runtime.block_on(client.submit(&script(&waits), None)).expect("it is taken").number.to_string();
    wait_for("a try that failed", support::LONG, || {
        let notices = runtime.block_on(client.notices()).ok()?;
        notices.webhooks.first().filter(|hook| hook.fault.is_some() && hook.waiting == 1).map(drop)
    });
    wait_for("the other job to run", support::LONG, || {
        runtime.block_on(state(&client, &later)).filter(|state| state == "RUNNING")
    });
    wait_for("the second to stand by", support::LONG, || {
        testkit::hw::get(second.address(), "/readyz")
            .filter(|(status, body)| *status == 200 && body.contains("standby"))
    });

    first.kill();
    // It ends while nobody is active, and the receiver comes back.
    std::fs::write(&mark, "").expect("a mark");
    let receiver = testkit::HttpReceiver::at(receiver);
    let numbers = |calls: &[testkit::Call]| {
        let ids = calls.iter().map(|call| {
            let body: serde_json::Value = serde_json::from_str(&call.body).expect("JSON");
            assert_eq!(body["type"], "job.completed");
            (body["data"]["number"].as_str().expect("a number").to_owned(), call.headers["webhook-id"].clone())
        });
        ids.collect::<std::collections::BTreeSet<_>>()
    };
    let mut ids =
        wait_for("both notices", support::LONG, || Some(numbers(&receiver.wait(1))).filter(|ids| ids.len() == 2));
    let through_second = client::Client::new(&second.url(), Some(&first.token())).expect("a client");
    wait_for("nothing to be on its way", support::LONG, || {
        let notices = runtime.block_on(through_second.notices()).ok()?;
        notices.webhooks.first().filter(|hook| hook.waiting == 0 && hook.given_up == 0).map(drop)
    });
    // Each job under one id, however often it came.
    ids.extend(numbers(&receiver.wait(2)));
    let told: Vec<&str> = ids.iter().map(|(number, _)| &**number).collect();
    assert_eq!(told, [&*ended, &*later], "{ids:?}");
    second.terminate();
}
