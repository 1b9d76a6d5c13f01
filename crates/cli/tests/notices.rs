//! Notices of a real platform: a server that is killed between making one and having it taken loses none, and what it sends again is
//! the same notice; chosen and looked at with `hw`.

mod support;

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use support::{HW, LONG, Place, client_of, script, state};
use testkit::hw::free_address;
use testkit::{Call, HttpReceiver, Hw, wait_for};

/// What `hw` says, and whether it succeeded.
fn hw(server: &Hw, words: &[&str]) -> (bool, String) {
    let output = Command::new(HW)
        .args(words)
        .env("HW_URL", server.url())
        .env("HW_TOKEN", server.token())
        .env("HW_LANG", "en")
        .output()
        .expect("hw runs");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), text)
}

fn shown(server: &Hw) -> Value {
    let (_, text) = hw(server, &["--json", "notices"]);
    serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{fault}: {text}"))
}

/// Runs a job to its end and gives its number.
fn job(runtime: &tokio::runtime::Runtime, server: &Hw) -> String {
    let client = client_of(server);
    let accepted = runtime.block_on(client.submit(&script("#SBATCH --job-name=told\ntrue"), None));
    let number = accepted.expect("it is taken").number.to_string();
    wait_for("the end of the job", LONG, || {
        runtime.block_on(state(&client, &number)).filter(|state| state == "COMPLETED")
    });
    number
}

fn number(call: &Call) -> String {
    let body: Value = serde_json::from_str(&call.body).expect("JSON");
    assert_eq!(body["type"], "job.completed");
    body["data"]["number"].as_str().expect("a number").to_owned()
}

#[test]
fn a_notice_outlives_the_server_that_made_it_and_stays_the_same() {
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let address = free_address();
    let mut server = place.server(2, "[notices]\nprivate_addresses = true\n");
    server.start();
    let (ok, secret) = hw(&server, &["notices", "hook", &format!("http://{address}/"), "--about", "completed,failed"]);
    assert!(ok && secret.contains("whsec_"), "{secret}");

    // Nobody listens there: the first try fails, and is noted.
    let first = job(&runtime, &server);
    let fault = wait_for("a try that failed", LONG, || {
        let fault = shown(&server)["webhooks"][0]["fault"]["text"].clone();
        fault.is_string().then_some(fault)
    });
    assert!(fault.as_str().expect("a text").contains("cannot be reached"), "{fault}");
    server.kill();
    // Made and looked for while nobody was there to send it.
    let receiver = HttpReceiver::at(address);
    server.start();
    let call = receiver.wait(1).remove(0);
    assert_eq!(number(&call), first);

    // Killed as soon as it was taken: it may come again, under its own id, and nothing is missing.
    let second = job(&runtime, &server);
    let taken = wait_for("the second notice", LONG, || {
        let all = receiver.wait(1);
        all.into_iter().find(|call| number(call) == second)
    });
    server.kill();
    server.start();
    let third = job(&runtime, &server);
    wait_for("the third notice", LONG, || receiver.wait(1).iter().find(|call| number(call) == third).map(drop));
    let all = receiver.wait(3);
    let ids: BTreeSet<(String, String)> =
        all.iter().map(|call| (number(call), call.headers["webhook-id"].clone())).collect();
    assert_eq!(ids.len(), 3, "a job has one notice under one id: {ids:?}");
    assert!(ids.contains(&(second, taken.headers["webhook-id"].clone())));

    let id = shown(&server)["webhooks"][0]["id"].as_str().expect("an id").to_owned();
    let (ok, text) = hw(&server, &["notices", "test", &id]);
    assert!(ok && text.contains("taken"), "{text}");
    let (ok, text) = hw(&server, &["notices", "mail", "anna@example.org"]);
    assert!(!ok && text.contains("sends no mail"), "{text}");
    let (ok, text) = hw(&server, &["notices", "unhook", &id]);
    assert!(ok, "{text}");
    assert_eq!(shown(&server)["webhooks"], serde_json::json!([]));
}
